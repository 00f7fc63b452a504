//! The files of a set: two pairs of images and labels.

use std::path::{Path, PathBuf};

use super::array::Array;
use crate::{Dataset, Error, Images, Shape};

/// Images, or labels, and the file that they came from.
pub(super) type Named = (PathBuf, Array);

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
pub(super) type Known = (&'static str, [u8; 10], [u8; 10], [&'static str; 10]);

/// The sets that are known, of 60,000 and 10,000 images of 28 × 28.
#[rustfmt::skip]
pub(super) const KNOWN: [Known; 2] = [
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
pub(super) fn what(
    shape: Shape,
    train: &[u8],
    test: &[u8],
    classes: usize,
) -> (&'static str, Vec<String>) {
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
