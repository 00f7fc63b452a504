//! The files of a set: two pairs of images and labels.

use std::path::{Path, PathBuf};

use super::array::Array;
use super::names::{Known, known};
use crate::{Dataset, Error, Images, Shape};

/// Images, or labels, and the file that they came from.
pub(super) type Named = (PathBuf, Array);

/// The files of a set that are read: of one that lies there packed and unpacked, the unpacked one.
/// The others are told.
pub fn without_packed(files: Vec<PathBuf>) -> (Vec<PathBuf>, Vec<String>) {
    let is_copy = |path: &PathBuf| {
        path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gz"))
            && files.contains(&path.with_extension(""))
    };
    let (copies, kept): (Vec<_>, Vec<_>) = files.iter().cloned().partition(is_copy);
    let notes = copies.first().map(|first| {
        let more = if copies.len() > 1 {
            format!(" and {} more", copies.len() - 1)
        } else {
            String::new()
        };
        format!(
            "{}{more} are packed copies of what lies beside them, which is read",
            first.display()
        )
    });
    (kept, notes.into_iter().collect())
}

/// The set that these arrays make, and a note for the user.
///
/// # Errors
/// [`Error::Place`] for `dir` if they are not two pairs of images and labels, of different numbers
/// and one shape; if a label to test with is none of those to train on;
/// [`Error::Label`] if it is above them.
pub fn dataset(dir: &Path, arrays: Vec<Named>) -> Result<(Dataset, Vec<String>), Error> {
    let refuse = |problem: String| Error::Place { path: dir.to_owned(), problem };
    let mut notes: Vec<String> = arrays
        .iter()
        .filter_map(|(path, array)| {
            Some(format!("{} holds {}", path.display(), array.change.as_ref()?))
        })
        .collect();
    let (mut images, mut labels): (Vec<Named>, Vec<Named>) =
        arrays.into_iter().partition(|(_, array)| array.dims.len() > 1);
    for files in [&mut images, &mut labels] {
        files.sort_by_key(|(path, array)| (array.dims[0], path.clone()));
        // The same array under two names.
        files.dedup_by(|(copy, a), (kept, b)| {
            let is_copy = (&a.dims, &a.values) == (&b.dims, &b.values);
            if is_copy {
                notes.push(format!(
                    "{} holds what {} holds, and is left out",
                    copy.display(),
                    kept.display()
                ));
            }
            is_copy
        });
    }
    let counts = |files: &[Named]| files.iter().map(|(_, array)| array.dims[0]).collect::<Vec<_>>();
    let (of_images, of_labels) = (counts(&images), counts(&labels));
    if of_images != of_labels || of_images.len() != 2 || of_images[0] == of_images[1] {
        let names = |files: &[Named]| {
            let each = files.iter().map(|(path, array)| {
                format!("{} of {}", path.file_name().unwrap_or_default().display(), array.dims[0])
            });
            let each: Vec<String> = each.collect();
            if each.is_empty() { "none".to_owned() } else { each.join(", ") }
        };
        return Err(refuse(format!(
            "holds IDX files of images ({}) and of labels ({}): expected two of images, the larger one to \
             train on and the smaller one to test with, and the labels of each",
            names(&images),
            names(&labels)
        )));
    }
    let shape = |(_, array): &Named| match array.dims[..] {
        [_, channels, height, width] => Shape { channels, height, width },
        _ => Shape { channels: 1, height: array.dims[1], width: array.dims[2] },
    };
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
    let all = || labels.iter().flat_map(|(_, array)| array.values.iter().copied());
    // EMNIST's letters are counted from 1, as MATLAB counts.
    let first = all().min().unwrap_or(0).min(1);
    let greatest = |labels: &Named| labels.1.values.iter().copied().max().unwrap_or(0);
    let classes = usize::from(greatest(&labels[1]).saturating_sub(first)) + 1;
    let test_labels = &labels[0];
    let is_above = |label: u8| usize::from(label - first) >= classes;
    if let Some(record) = test_labels.1.values.iter().position(|&label| is_above(label)) {
        return Err(Error::Label {
            path: test_labels.0.clone(),
            record,
            byte: (8 + record * test_labels.1.width) as u64,
            label: test_labels.1.values[record],
            classes: classes + usize::from(first),
        });
    }
    let mut is_trained = [false; 256];
    labels[1].1.values.iter().for_each(|&label| is_trained[usize::from(label)] = true);
    let is_unknown = |&label: &u8| !is_trained[usize::from(label)];
    if let Some(record) = test_labels.1.values.iter().position(is_unknown) {
        return Err(refuse(format!(
            "has a test image of label {} (record {record} of {}) and no training image of that label: \
             expected training images of each class",
            test_labels.1.values[record],
            test_labels.0.file_name().unwrap_or_default().display()
        )));
    }
    let trained = is_trained.iter().filter(|is_trained| **is_trained).count();
    if trained < classes {
        notes.push(format!(
            "{} of the {classes} classes have no training image: their labels are up to {}",
            classes - trained,
            greatest(&labels[1])
        ));
    }
    let is_emnist = |(path, _): &Named| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().to_lowercase().contains("emnist"))
    };
    let found = known(
        shape,
        [&labels[1].1.values, &labels[0].1.values],
        (first, classes),
        images.iter().chain(&labels).any(is_emnist),
    );
    let Known { name, classes: names, is_transposed } = found;
    if first == 1 {
        notes.push(format!(
            "its labels are 1 to {classes}, and are read as {classes} classes, of which the first is {}",
            names[0]
        ));
    }
    if is_transposed {
        notes.push(
            "the images of EMNIST are stored with rows and columns exchanged, against those of MNIST, and \
             are read as they are stored: a picture to predict must be transposed, too"
                .into(),
        );
    }
    let mut pairs = images.into_iter().zip(labels);
    let mut part = || {
        let ((_, images), (_, mut labels)) = pairs.next().expect("there are two pairs");
        labels.values.iter_mut().for_each(|label| *label -= first);
        Images::new(images.values, labels.values, shape, classes)
    };
    let (test, train) = (part()?, part()?);
    Ok((Dataset { name, classes: names, train, test }, notes))
}
