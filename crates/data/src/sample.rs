//! The embedded sample: real CIFAR-10 images that are part of the program.
//!
//! The first 100 training images and the first 20 test images of each class, in the order of the
//! official files: 1,000 and 200 images, 3.7 MB. It serves the tests, and a first try on a
//! machine that no source of the whole set answers. It is far too small to learn CIFAR-10 from.

use std::path::Path;

use crate::cifar10::{self, LIMITS};
use crate::formats::records::read_file_of;
use crate::{Dataset, Error, Images};

/// Training images of each class.
pub const TRAIN_PER_CLASS: usize = 100;

/// Test images of each class.
pub const TEST_PER_CLASS: usize = 20;

/// The training images, in the format of the official files.
pub const TRAIN_RECORDS: &[u8] = include_bytes!("../sample/train.bin");

/// The test images, in the format of the official files.
pub const TEST_RECORDS: &[u8] = include_bytes!("../sample/test.bin");

/// The sample as a dataset.
pub fn read() -> Dataset {
    let part = |name: &str, bytes: &[u8]| {
        read_file_of(bytes, bytes.len() as u64, Path::new(name), &LIMITS)
    };
    let whole = || {
        let train = part("the embedded training sample", TRAIN_RECORDS)?;
        let test = part("the embedded test sample", TEST_RECORDS)?;
        Ok::<_, Error>(cifar10::dataset("CIFAR-10 sample", train, test))
    };
    whole().expect("the embedded sample is whole, as a test proves")
}

/// The records of the first `per_class` images of each class, in the order of `images`, in the
/// format of the official files. So was the sample made: `chainrule data sample` makes it anew.
pub fn select(images: &Images, per_class: usize) -> Vec<u8> {
    let mut taken = vec![0; images.classes()];
    let mut records = Vec::new();
    for (i, &label) in images.labels().iter().enumerate() {
        let taken = &mut taken[usize::from(label)];
        if *taken < per_class {
            *taken += 1;
            records.push(label);
            records.extend_from_slice(images.image(i));
        }
    }
    records
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::digest::hex;
    use crate::testing::{datasets, whole};

    #[test]
    fn the_sample_begins_as_the_whole_set_does_and_has_every_class_equally_often() {
        let data = read();
        assert_eq!(data.train.labels()[..10], [6, 9, 9, 4, 1, 1, 2, 7, 8, 3]);
        assert_eq!(data.test.labels()[..10], [3, 8, 8, 0, 6, 6, 1, 6, 3, 1]);
        for (images, per_class) in [(&data.train, TRAIN_PER_CLASS), (&data.test, TEST_PER_CLASS)] {
            for class in 0..10 {
                let n = images.labels().iter().filter(|&&label| label == class).count();
                assert_eq!(n, per_class, "class {class}");
            }
        }
    }

    #[test]
    fn the_sample_is_the_one_of_the_manifest() {
        let text = std::fs::read_to_string(datasets().join("manifest.toml")).unwrap();
        let manifest: toml::Table = text.parse().unwrap();
        let files = manifest["sample"]["files"].as_array().unwrap();
        for (file, bytes) in files.iter().zip([TRAIN_RECORDS, TEST_RECORDS]) {
            assert_eq!(file["sha256"].as_str(), Some(hex(&Sha256::digest(bytes)).as_str()));
            assert_eq!(file["bytes"].as_integer(), Some(bytes.len() as i64));
        }
    }

    #[test]
    fn the_sample_can_be_made_anew_from_the_whole_set() {
        let Some(whole) = whole() else { return };
        assert!(select(&whole.train, TRAIN_PER_CLASS) == TRAIN_RECORDS);
        assert!(select(&whole.test, TEST_PER_CLASS) == TEST_RECORDS);
    }
}
