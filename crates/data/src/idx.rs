//! IDX, the format of MNIST's files and of those of the sets made after it.
//!
//! ```text
//! 2 bytes      0
//! 1 byte       the type of a value: 0x08 is a byte, and nothing else is read here
//! 1 byte       the number of dimensions: 3 of images (n, height, width), 1 of labels (n)
//! 4 bytes      each dimension, big-endian
//! the rest     the values, row-major
//! ```
//!
//! A set is two pairs of files, images and their labels: the larger pair is to train on, the smaller
//! one to test with. What they show is told by their first labels, for MNIST and Fashion-MNIST have
//! files of the very same names and sizes.

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::{Dataset, Error, Images, Shape};

/// Most values of an array: 2 GB, 2.7 million images of 28 × 28.
const MOST: u64 = 1 << 31;

/// An array of bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Array {
    /// 1 or 3 dimensions.
    pub dims: Vec<usize>,
    /// Row-major.
    pub values: Vec<u8>,
}

/// Whether a file that begins so is an IDX array of images or of labels.
pub fn is_array(start: &[u8]) -> bool {
    matches!(start, [0, 0, 8, 1 | 3, ..])
}

/// Reads an array from its first byte to the end of `from`; `path` is for messages.
///
/// Nothing is allocated that `from` does not fill.
///
/// # Errors
/// [`Error::Idx`] if it is no array of bytes in 1 or 3 dimensions, claims more than 2 GB, ends too
/// early or too late; [`Error::Read`] if it cannot be read.
pub fn read(mut from: impl Read, path: &Path) -> Result<Array, Error> {
    let refuse = |byte: u64, problem: String| Error::Idx { path: path.to_owned(), byte, problem };
    let failed = |at: u64| {
        move |error: std::io::Error| match error.kind() {
            ErrorKind::UnexpectedEof => refuse(at, "the file ends within its header".into()),
            _ => Error::Read { path: path.to_owned(), reason: error },
        }
    };
    let mut word = [0; 4];
    from.read_exact(&mut word).map_err(failed(0))?;
    let rank = match word {
        [0, 0, 8, rank @ (1 | 3)] => usize::from(rank),
        [0, 0, 8, rank] => {
            return Err(refuse(3, format!("{rank} dimensions: expected 3 of images, 1 of labels")));
        }
        [0, 0, kind, _] => {
            return Err(refuse(2, format!("values of type {kind:#04x}: expected bytes, 0x08")));
        }
        _ => return Err(refuse(0, "expected two zeros, with which an IDX file begins".into())),
    };
    let mut dims = Vec::with_capacity(rank);
    let mut count = 1u64;
    for i in 0..rank as u64 {
        let at = 4 + 4 * i;
        from.read_exact(&mut word).map_err(failed(at))?;
        let dim = u32::from_be_bytes(word);
        count = count.saturating_mul(dim.into());
        if dim == 0 || count > MOST {
            let problem = format!("dimension {i} is {dim}: expected 1 to {MOST} values in all");
            return Err(refuse(at, problem));
        }
        dims.push(dim as usize);
    }
    let header = 4 + 4 * rank as u64;
    let mut values = Vec::new();
    let read = from.by_ref().take(count).read_to_end(&mut values).map_err(failed(header))? as u64;
    if read < count {
        let problem = format!("the file ends, and its header promises {count} values: {dims:?}");
        return Err(refuse(header + read, problem));
    }
    if from.read(&mut word).map_err(failed(header + count))? > 0 {
        let problem = format!("the file goes on, and its header promises {count} values: {dims:?}");
        return Err(refuse(header + count, problem));
    }
    Ok(Array { dims, values })
}

/// Images, or labels, and the file that they came from.
type Named = (PathBuf, Array);

/// The set that these arrays make.
///
/// # Errors
/// [`Error::Place`] for `dir` if they are not two pairs of images and labels, of different numbers
/// and one shape; [`Error::Idx`] if a label is above those to train on.
pub fn dataset(dir: &Path, arrays: Vec<Named>) -> Result<Dataset, Error> {
    let refuse = |problem: String| Error::Place { path: dir.to_owned(), problem };
    let (mut images, mut labels): (Vec<Named>, Vec<Named>) =
        arrays.into_iter().partition(|(_, array)| array.dims.len() == 3);
    for files in [&mut images, &mut labels] {
        files.sort_by_key(|(path, array)| (array.dims[0], path.clone()));
    }
    let counts = |files: &[Named]| files.iter().map(|(_, array)| array.dims[0]).collect::<Vec<_>>();
    let (of_images, of_labels) = (counts(&images), counts(&labels));
    if of_images != of_labels || of_images.len() != 2 || of_images[0] == of_images[1] {
        return Err(refuse(format!(
            "holds IDX files of {of_images:?} images and {of_labels:?} labels: expected two of images, \
             the larger one to train on and the smaller one to test with, and the labels of each"
        )));
    }
    let shape =
        |(_, array): &Named| Shape { channels: 1, height: array.dims[1], width: array.dims[2] };
    if shape(&images[0]) != shape(&images[1]) {
        return Err(refuse(format!(
            "holds IDX images of {} x {} and of {} x {} pixels: expected those to train on and those \
             to test with in one size",
            shape(&images[1]).width,
            shape(&images[1]).height,
            shape(&images[0]).width,
            shape(&images[0]).height
        )));
    }
    let shape = shape(&images[0]);
    let greatest = |labels: &Named| labels.1.values.iter().copied().max().unwrap_or(0);
    let classes = usize::from(greatest(&labels[1])) + 1;
    let (test_labels, train_labels) = (&labels[0], &labels[1]);
    if let Some(record) = test_labels.1.values.iter().position(|&l| usize::from(l) >= classes) {
        return Err(Error::Label {
            path: test_labels.0.clone(),
            record,
            byte: 8 + record as u64,
            label: test_labels.1.values[record],
            classes,
        });
    }
    let (name, names) = what(shape, &train_labels.1.values, &test_labels.1.values, classes);
    let mut pairs = images.into_iter().zip(labels);
    let mut part = || {
        let ((_, images), (_, labels)) = pairs.next().expect("there are two pairs");
        Images::new(images.values, labels.values, shape, classes)
    };
    let (test, train) = (part()?, part()?);
    Ok(Dataset { name: name.into(), classes: names, train, test })
}

/// A known set: its name, its first labels to train on and to test with, its classes.
type Known = (&'static str, [u8; 10], [u8; 10], [&'static str; 10]);

/// The sets that are known, of 60,000 and 10,000 images of 28 × 28.
#[rustfmt::skip]
const KNOWN: [Known; 2] = [
    (
        "MNIST",
        [5, 0, 4, 1, 9, 2, 1, 3, 1, 4],
        [7, 2, 1, 0, 4, 1, 4, 9, 5, 9],
        ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
    ),
    (
        "Fashion-MNIST",
        [9, 0, 0, 3, 0, 2, 7, 2, 5, 5],
        [9, 2, 1, 1, 6, 1, 4, 6, 5, 7],
        [
            "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker",
            "Bag", "Ankle boot",
        ],
    ),
];

/// What the set is called, and the names of its classes: their numbers, if it is not known.
fn what(shape: Shape, train: &[u8], test: &[u8], classes: usize) -> (&'static str, Vec<String>) {
    let sizes = (shape.height, shape.width, train.len(), test.len(), classes);
    let known = KNOWN.iter().find(|(_, of_train, of_test, _)| {
        sizes == (28, 28, 60_000, 10_000, 10)
            && train.starts_with(of_train)
            && test.starts_with(of_test)
    });
    match known {
        Some((name, _, _, names)) => (name, names.map(str::to_owned).to_vec()),
        None => ("IDX", (0..classes).map(|class| class.to_string()).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes of an array.
    fn bytes(dims: &[u32], values: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, dims.len() as u8];
        dims.iter().for_each(|dim| bytes.extend(dim.to_be_bytes()));
        [bytes, values.to_vec()].concat()
    }

    fn array(dims: &[u32], values: &[u8]) -> Array {
        read(&bytes(dims, values)[..], Path::new("x")).unwrap()
    }

    fn named(name: &str, dims: &[u32], values: &[u8]) -> Named {
        (name.into(), array(dims, values))
    }

    fn refusal(bytes: &[u8]) -> String {
        read(bytes, Path::new("x")).err().unwrap().to_string()
    }

    #[test]
    fn every_value_is_read_and_each_fault_is_told_with_its_byte() {
        let whole = bytes(&[2, 2, 3], &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        let array = read(&whole[..], Path::new("x")).unwrap();
        assert_eq!((array.dims, array.values), (vec![2, 2, 3], (1..=12).collect()));
        let told = refusal(&whole[..20]);
        assert_eq!(told, "x, byte 20: the file ends, and its header promises 12 values: [2, 2, 3]");
        assert!(refusal(&[&whole[..], &[0]].concat()).starts_with("x, byte 28: the file goes on"));
        assert_eq!(refusal(&whole[..9]), "x, byte 8: the file ends within its header");
        assert!(refusal(b"\x1f\x8b\x08\x00").starts_with("x, byte 0: expected two zeros"));
        assert!(refusal(b"\0\0\x0d\x03").starts_with("x, byte 2: values of type 0x0d"));
        assert!(refusal(b"\0\0\x08\x02").starts_with("x, byte 3: 2 dimensions"));
        assert!(refusal(&bytes(&[5, 0, 5], &[])).starts_with("x, byte 8: dimension 1 is 0"));
    }

    #[test]
    fn a_file_that_promises_more_than_any_memory_is_refused_from_its_header() {
        let told = refusal(&bytes(&[u32::MAX, u32::MAX, u32::MAX], &[1; 40]));
        assert!(told.starts_with("x, byte 4: dimension 0 is 4294967295"), "{told}");
        // What is promised and not there is not allocated either.
        let told = refusal(&bytes(&[1 << 21, 28, 28], &[1; 40]));
        assert!(told.starts_with("x, byte 56: the file ends"), "{told}");
    }

    #[test]
    fn pairs_are_found_by_their_numbers_and_the_smaller_one_tests() {
        let data = dataset(
            Path::new("d"),
            vec![
                named("b", &[2, 1, 2], &[9, 8, 7, 6]),
                named("d", &[3], &[2, 0, 1]),
                named("a", &[3, 1, 2], &[1, 2, 3, 4, 5, 6]),
                named("c", &[2], &[1, 2]),
            ],
        )
        .unwrap();
        assert_eq!((data.name.as_str(), data.classes.join(" ")), ("IDX", "0 1 2".into()));
        assert_eq!((data.train.labels(), data.test.labels()), (&[2, 0, 1][..], &[1, 2][..]));
        assert_eq!((data.train.image(1), data.test.image(0)), (&[3, 4][..], &[9, 8][..]));
    }

    #[test]
    fn arrays_that_make_no_set_are_refused() {
        let images = |n: u32| named("i", &[n, 1, 1], &vec![0; n as usize]);
        let labels = |values: &[u8]| named("l", &[values.len() as u32], values);
        let told = |arrays: Vec<Named>| dataset(Path::new("d"), arrays).unwrap_err().to_string();
        let sentence = told(vec![images(3), labels(&[0, 1, 1])]);
        assert!(
            sentence.starts_with("d holds IDX files of [3] images and [3] labels: expected two")
        );
        told(vec![images(3), images(2), labels(&[0, 1, 1]), labels(&[0, 1, 1])]);
        told(vec![images(2), images(2), labels(&[0, 1]), labels(&[0, 1])]);
        let sentence = told(vec![images(3), images(2), labels(&[0, 1, 1]), labels(&[0, 7])]);
        assert_eq!(sentence, "l: record 1 (byte 9) has label 7, expected 0 to 1");
        let wide = named("w", &[2, 1, 2], &[0; 4]);
        let sentence = told(vec![images(3), wide, labels(&[0, 1, 1]), labels(&[0, 1])]);
        assert!(sentence.contains("images of 1 x 1 and of 2 x 1 pixels"), "{sentence}");
    }

    #[test]
    fn mnist_and_fashion_mnist_are_told_apart_by_their_labels() {
        let shape = Shape { channels: 1, height: 28, width: 28 };
        let labels = |start: [u8; 10], n: usize| [&start[..], &vec![0; n - 10]].concat();
        for (name, train, test, classes) in KNOWN {
            let (train, test) = (labels(train, 60_000), labels(test, 10_000));
            let (found, names) = what(shape, &train, &test, 10);
            assert_eq!((found, names), (name, classes.map(str::to_owned).to_vec()));
            assert_eq!(what(shape, &test, &train, 10).0, "IDX");
        }
    }
}
