//! The Python version of CIFAR-10 and CIFAR-100: pickled dictionaries.
//!
//! `data` is a numpy array of bytes, (n, 3072), whose rows are those of the binary version; `labels`
//! (CIFAR-10) or `fine_labels` and `coarse_labels` (CIFAR-100) are n numbers. The keys are texts or
//! bytes, as Python 2 or 3 has it. What is read is brought to the records of the binary version, and
//! so held to the same checksums.

use std::path::Path;

use super::batch::{Batch, Cifar};
use super::pickle::{self, Array, Pickle, Value};
use super::records::SHAPE;
use crate::Error;
use crate::formats::{cifar10, cifar100};

/// Most bytes of a file; that of CIFAR-100's training images has 155 million.
pub(crate) const MOST_BYTES: u64 = 1 << 28;

/// Reads the bytes of a file of either set; nothing, if it is a pickle of something else, such as
/// `batches.meta`. `path` is for messages.
///
/// # Errors
/// [`Error::Pickle`], and [`Error::Label`] for a label that names no class.
pub(crate) fn read(bytes: &[u8], path: &Path) -> Result<Option<Batch>, Error> {
    let refuse =
        |byte: u64, problem: String| Error::Pickle { path: path.to_owned(), byte, problem };
    let pickle = pickle::read(bytes).map_err(|(byte, problem)| refuse(byte, problem))?;
    let end = |problem: String| refuse(bytes.len() as u64, problem);
    let Some(data) = pickle.get("data") else { return Ok(None) };
    let labels = |key: &str, classes: usize| labels(&pickle, key, classes, path).transpose();
    let (set, labels, marks) = match labels("fine_labels", cifar100::LIMITS[1]) {
        Some(fine) => {
            let coarse = labels("coarse_labels", cifar100::LIMITS[0]);
            let coarse =
                coarse.ok_or_else(|| end("there are fine_labels and no coarse_labels".into()))?;
            (Cifar::Hundred, fine?, Some(coarse?))
        }
        None => match labels("labels", cifar10::LIMITS[0]) {
            Some(labels) => (Cifar::Ten, labels?, None),
            None => return Err(end("there is data and neither labels nor fine_labels".into())),
        },
    };
    let pixels = pixels(&pickle, data).map_err(end)?;
    if pixels.len() != labels.len() * SHAPE.dim() || marks.is_some_and(|m| m.len() != labels.len())
    {
        return Err(end(format!(
            "{} images and {} labels: expected as many of each",
            pixels.len() / SHAPE.dim(),
            labels.len()
        )));
    }
    Ok(Some(Batch { path: path.to_owned(), set, labels, pixels }))
}

/// The labels of a key, if it is there.
fn labels(
    pickle: &Pickle,
    key: &str,
    classes: usize,
    path: &Path,
) -> Result<Option<Vec<u8>>, Error> {
    let Some(value) = pickle.get(key) else { return Ok(None) };
    let refuse = |problem: String| Error::Pickle { path: path.to_owned(), byte: 0, problem };
    let Some(numbers) = pickle.integers(value) else {
        return Err(refuse(format!("{key} is no list of whole numbers")));
    };
    let label = |(at, &number): (usize, &i64)| match u8::try_from(number) {
        Ok(label) if usize::from(label) < classes => Ok(label),
        _ => Err(refuse(format!("{key}[{at}] is {number}: expected 0 to {}", classes - 1))),
    };
    numbers.iter().enumerate().map(label).collect::<Result<_, _>>().map(Some)
}

/// The pixels, (n, 3072).
fn pixels(pickle: &Pickle, data: &Value) -> Result<Vec<u8>, String> {
    let expected = "expected an array of uint8, (n, 3072)";
    let Value::Array(Some(array)) = data else {
        return Err(format!("data is no numpy array: {expected}"));
    };
    let Array { dims, dtype, is_fortran, .. } = array;
    let shape_fits = match dims[..] {
        [_, values] => values == SHAPE.dim(),
        [_, channels, height, width] => {
            [channels, height, width] == [SHAPE.channels, SHAPE.height, SHAPE.width]
        }
        _ => false,
    };
    if !shape_fits || !dtype.ends_with("u1") || *is_fortran {
        let order = if *is_fortran { " in Fortran's order" } else { "" };
        return Err(format!("data is {dims:?} of {dtype}{order}: {expected}"));
    }
    match pickle.bytes(array) {
        Some(bytes) if dims[0].checked_mul(SHAPE.dim()) == Some(bytes.len()) => Ok(bytes.to_vec()),
        _ => Err(format!("data has {dims:?} and other bytes than that")),
    }
}

#[cfg(test)]
mod tests;
