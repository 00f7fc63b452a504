//! Files of CIFAR-10 or CIFAR-100 in either version, put together to the set.

use std::path::{Path, PathBuf};

use md5::{Digest, Md5};

use super::records::{Part, SHAPE};
use super::{cifar10, cifar100};
use crate::digest::hex;
use crate::parallel::in_order;
use crate::{Dataset, Error, Images};

/// Which of the two sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cifar {
    Ten,
    Hundred,
}

/// The images of one file.
#[derive(Debug)]
pub(crate) struct Batch {
    pub path: PathBuf,
    pub set: Cifar,
    /// (n), the finer label of CIFAR-100.
    pub labels: Vec<u8>,
    /// (n, 3072)
    pub pixels: Vec<u8>,
}

impl Batch {
    /// The MD5 of the records that these images have in the binary version of CIFAR-10.
    fn md5(&self) -> String {
        let mut hash = Md5::new();
        for (label, pixels) in self.labels.iter().zip(self.pixels.chunks_exact(SHAPE.dim())) {
            hash.update([*label]);
            hash.update(pixels);
        }
        hex(&hash.finalize())
    }
}

/// The set that these files make; `place` is the folder or archive that they come from.
///
/// # Errors
/// If they are not all of one set; of CIFAR-10, if the content of a file is not the official one.
pub(crate) fn assemble(place: &Path, batches: Vec<Batch>) -> Result<Dataset, Error> {
    let refuse = |problem: String| Error::Place { path: place.to_owned(), problem };
    let of = |set: Cifar| batches.iter().filter(|batch| batch.set == set).count();
    match (of(Cifar::Ten), of(Cifar::Hundred)) {
        (0, 0) => Err(refuse(
            "holds pickles of Python, and none with the `data` of CIFAR-10 or CIFAR-100".into(),
        )),
        (_, 0) => assemble_cifar10(place, &batches, cifar10::OFFICIAL),
        (0, _) => assemble_cifar100(place, batches),
        (tens, hundreds) => Err(refuse(format!(
            "holds {tens} files of CIFAR-10 and {hundreds} of CIFAR-100: give each set a folder of its own"
        ))),
    }
}

/// CIFAR-10 of six files, each found by the checksum of its records.
pub(crate) fn assemble_cifar10(
    place: &Path,
    batches: &[Batch],
    set: cifar10::Set,
) -> Result<Dataset, Error> {
    let digests = in_order(batches.len(), batches.iter(), Batch::md5);
    let (test, train) = set.files.split_last().expect("a set has a test file");
    let find = |file: &cifar10::Official| {
        let at = digests.iter().position(|md5| md5 == file.md5);
        at.map(|at| &batches[at]).ok_or_else(|| missing(place, batches, &digests, file))
    };
    let images = |files: &[cifar10::Official]| {
        let mut part = Part::new(files.len() * set.records);
        for (file, (labels, pixels)) in files.iter().zip(part.chunks(set.records)) {
            let batch = find(file)?;
            labels.copy_from_slice(&batch.labels);
            pixels.copy_from_slice(&batch.pixels);
        }
        part.into_images(cifar10::CLASSES.len())
    };
    Ok(cifar10::dataset("CIFAR-10", images(train)?, images(&[*test])?))
}

/// Why the content of an official file is in none of the batches.
fn missing(place: &Path, batches: &[Batch], digests: &[String], file: &cifar10::Official) -> Error {
    let stem = file.name.trim_end_matches(".bin");
    let named = |batch: &Batch| batch.path.file_stem().is_some_and(|name| name == stem);
    match batches.iter().zip(digests).find(|(batch, _)| named(batch)) {
        Some((batch, md5)) => Error::Place {
            path: batch.path.clone(),
            problem: format!(
                "holds {} images that are not the official ones: the MD5 of its records is {md5}, that of \
                 {} is {}",
                batch.labels.len(),
                file.name,
                file.md5
            ),
        },
        None => Error::Place {
            path: place.to_owned(),
            problem: format!(
                "holds {} of the six files of CIFAR-10, and {stem} is not among them",
                batches.len()
            ),
        },
    }
}

/// CIFAR-100 of two files, told apart by their lengths.
fn assemble_cifar100(place: &Path, mut batches: Vec<Batch>) -> Result<Dataset, Error> {
    let mut take = |n: usize| {
        let at = batches.iter().position(|batch| batch.labels.len() == n);
        let batch = at.map(|at| batches.swap_remove(at)).ok_or_else(|| {
            let counts: Vec<usize> = batches.iter().map(|batch| batch.labels.len()).collect();
            Error::Place {
                path: place.to_owned(),
                problem: format!(
                    "holds files of {counts:?} images of CIFAR-100: expected one of {} to train on and \
                     one of {} to test with",
                    cifar100::RECORDS[0],
                    cifar100::RECORDS[1]
                ),
            }
        })?;
        Images::new(batch.pixels, batch.labels, SHAPE, cifar100::CLASSES.len())
    };
    let (train, test) = (take(cifar100::RECORDS[0])?, take(cifar100::RECORDS[1])?);
    Ok(cifar100::dataset(train, test))
}
