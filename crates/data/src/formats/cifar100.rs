//! CIFAR-100's official binary files.
//!
//! A record is 3074 bytes: the superclass (0 to 19), the class (0 to 99), then the pixels as
//! [`crate::cifar10`] has them. The training file is 50,000 records, the test file 10,000, and
//! neither holds anything else. The label of an image is its class; the superclass is checked and
//! not kept. No checksum of these files is published beside the archive's.

use std::path::{Path, PathBuf};

use super::records::{SHAPE, read_file_of};
use crate::parallel::in_order;
use crate::{Dataset, Error, Images, file};

/// Bytes of one record: two labels and 3072 pixel values.
pub const RECORD: usize = LIMITS.len() + SHAPE.channels * SHAPE.height * SHAPE.width;

/// Records of the training file, and of the test file.
pub const RECORDS: [usize; 2] = [50_000, 10_000];

/// Superclasses, classes.
pub(crate) const LIMITS: [usize; 2] = [20, CLASSES.len()];

/// The classes, in the order of the labels.
#[rustfmt::skip]
pub const CLASSES: [&str; 100] = [
    "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle",
    "bowl", "boy", "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle",
    "chair", "chimpanzee", "clock", "cloud", "cockroach", "couch", "crab", "crocodile", "cup",
    "dinosaur", "dolphin", "elephant", "flatfish", "forest", "fox", "girl", "hamster", "house",
    "kangaroo", "keyboard", "lamp", "lawn_mower", "leopard", "lion", "lizard", "lobster", "man",
    "maple_tree", "motorcycle", "mountain", "mouse", "mushroom", "oak_tree", "orange", "orchid",
    "otter", "palm_tree", "pear", "pickup_truck", "pine_tree", "plain", "plate", "poppy",
    "porcupine", "possum", "rabbit", "raccoon", "ray", "road", "rocket", "rose", "sea", "seal",
    "shark", "shrew", "skunk", "skyscraper", "snail", "snake", "spider", "squirrel", "streetcar",
    "sunflower", "sweet_pepper", "table", "tank", "telephone", "television", "tiger", "tractor",
    "train", "trout", "tulip", "turtle", "wardrobe", "whale", "willow_tree", "wolf", "woman", "worm",
];

/// Reads the two official files, whichever of them is named first.
///
/// # Errors
/// If there is not one of each length, a file cannot be read, or a record has a label that names
/// no class.
pub fn read(files: &[PathBuf]) -> Result<Dataset, Error> {
    read_of(files, RECORDS)
}

/// [`read`] of files of so many records.
fn read_of(files: &[PathBuf], records: [usize; 2]) -> Result<Dataset, Error> {
    let lengths = files.iter().map(|path| Ok((path, file::open(path).map_err(Error::at(path))?.1)));
    let lengths = lengths.collect::<Result<Vec<_>, Error>>()?;
    let find = |n: usize| {
        let of_length = lengths.iter().filter(|(_, length)| *length == (n * RECORD) as u64);
        match of_length.map(|(path, _)| path).collect::<Vec<_>>()[..] {
            [path] => Ok(path),
            ref several => Err(Error::Place {
                path: files.first().and_then(|path| path.parent()).unwrap_or(Path::new("")).into(),
                problem: format!(
                    "holds {} files of {n} records of CIFAR-100: expected one of {} (to train on) \
                     and one of {} (to test with)",
                    several.len(),
                    records[0],
                    records[1]
                ),
            }),
        }
    };
    let [train, test] = [find(records[0])?, find(records[1])?];
    let mut parts = in_order(2, [train, test].into_iter(), |path| read_file(path)).into_iter();
    let (train, test) = (parts.next().expect("two files"), parts.next().expect("two files"));
    Ok(dataset(train?, test?))
}

/// A dataset of CIFAR-100's classes.
pub(crate) fn dataset(train: Images, test: Images) -> Dataset {
    let classes = CLASSES.map(str::to_owned).to_vec();
    Dataset { name: "CIFAR-100".into(), classes, train, test }
}

fn read_file(path: &Path) -> Result<Images, Error> {
    let (file, length) = file::open(path).map_err(Error::at(path))?;
    read_from(file, length, path)
}

/// Reads the `length` bytes of a file of any whole number of records; `path` is for messages.
#[doc(hidden)]
pub fn read_from(from: impl std::io::Read, length: u64, path: &Path) -> Result<Images, Error> {
    read_file_of(from, length, path, &LIMITS)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A file of `n` records: superclass and class of record r are r % 20 and 99 - r % 100, its
    /// value j is (7 j + r) % 251.
    fn file(dir: &Path, name: &str, n: usize) -> PathBuf {
        let mut bytes = Vec::new();
        for r in 0..n {
            bytes.extend([(r % 20) as u8, (99 - r % 100) as u8]);
            bytes.extend((0..3072).map(|j| ((7 * j + r) % 251) as u8));
        }
        fs::write(dir.join(name), bytes).unwrap();
        dir.join(name)
    }

    #[test]
    fn the_finer_label_is_kept_and_the_longer_file_trains_whatever_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let files = [file(dir.path(), "train.bin", 40), file(dir.path(), "a.bin", 130)];
        let data = read_of(&files, [130, 40]).unwrap();
        assert_eq!((data.train.len(), data.test.len(), data.train.classes()), (130, 40, 100));
        assert_eq!(data.train.labels()[..3], [99, 98, 97]);
        assert_eq!(data.train.labels()[129], 70);
        let image: Vec<u8> = (0..3072).map(|j| ((7 * j + 33) % 251) as u8).collect();
        assert!(data.train.image(33) == image && data.test.image(33) == image);
        assert_eq!((data.classes[0].as_str(), data.classes[99].as_str()), ("apple", "worm"));
        assert!(data.classes.is_sorted());
    }

    #[test]
    fn a_wrong_superclass_class_or_length_is_told_with_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let files = [file(dir.path(), "a.bin", 5), file(dir.path(), "b.bin", 2)];
        let whole = fs::read(&files[0]).unwrap();
        let problem = |at: usize, byte: u8| {
            let mut bytes = whole.clone();
            bytes[at] = byte;
            fs::write(&files[0], bytes).unwrap();
            read_of(&files, [5, 2]).unwrap_err().to_string()
        };
        let told = problem(3074 * 2, 20);
        assert!(
            told.ends_with("a.bin: record 2 (byte 6148) has label 20, expected 0 to 19"),
            "{told}"
        );
        let told = problem(3074 * 4 + 1, 100);
        assert!(told.ends_with("record 4 (byte 12297) has label 100, expected 0 to 99"), "{told}");
        fs::write(&files[0], &whole[..3074 * 4]).unwrap();
        let told = read_of(&files, [5, 2]).unwrap_err().to_string();
        assert!(told.contains("holds 0 files of 5 records of CIFAR-100"), "{told}");
        let told = read_from(&whole[..4000], 4000, Path::new("x")).unwrap_err().to_string();
        assert!(told.contains("not a whole number of records of 3074 bytes"), "{told}");
    }
}
