//! A place of images, told by what lies there and not by its name.
//!
//! | what lies there | how it is told | read by |
//! | --- | --- | --- |
//! | CIFAR-10 | files of 10,000 records of 3073 bytes, labels below 10 | [`cifar10`](crate::cifar10) |
//! | CIFAR-100 | files of whole records of 3074 bytes, labels below 20 and 100 | [`cifar100`](crate::cifar100) |
//! | MNIST, Fashion-MNIST and others of their kind | the first four bytes, packed by gzip or not | [`idx`](crate::idx) |
//! | pictures | folders in it | [`folder`](crate::folder) |
//!
//! Which of the files is to train on is told by their sizes or checksums.

mod archive;
mod read;
mod recognize;
#[cfg(test)]
mod tests;

pub use read::read;
pub use recognize::{Contents, cifar10_below, recognize};

/// Reads `bytes` as an archive of CIFAR-10 or CIFAR-100, for those who feed the reader mutated bytes;
/// how many images there are.
///
/// # Errors
/// Why the archive is refused.
#[doc(hidden)]
pub fn parse_archive(bytes: &[u8]) -> Result<usize, String> {
    let batches = archive::batches_of(std::path::Path::new("set.tar"), bytes);
    batches
        .map(|batches| batches.iter().map(|batch| batch.labels.len()).sum())
        .map_err(|error| error.to_string())
}

/// Reads `bytes` as a file of CIFAR's Python version, for those who feed the reader mutated bytes;
/// how many images there are, 0 in a pickle of something else.
///
/// # Errors
/// Why the file is refused.
#[doc(hidden)]
pub fn parse_python(bytes: &[u8]) -> Result<usize, String> {
    let batch = crate::formats::cifar_python::read(bytes, std::path::Path::new("batch"));
    batch
        .map(|batch| batch.map_or(0, |batch| batch.labels.len()))
        .map_err(|error| error.to_string())
}
