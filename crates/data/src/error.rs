//! What a dataset can be refused for, each in one sentence that says where and what to do.

use std::io;
use std::path::{Path, PathBuf};

use crate::Amount;

/// Why a dataset was refused. Records and bytes are counted from 0.
///
/// Each message is the whole sentence, the system's reason in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An augmentation that these images cannot have.
    #[error("{0}")]
    Augmentation(String),
    /// A file of the set is not there.
    #[error("{} is missing", path.display())]
    Missing {
        /// The file that was looked for.
        path: PathBuf,
    },
    /// The operating system would not let us read.
    #[error("cannot read {}: {reason}", path.display())]
    Read {
        /// The file that was being read.
        path: PathBuf,
        /// The system's reason.
        reason: io::Error,
    },
    /// The file is shorter or longer than its format says.
    #[error(
        "{} is {found} bytes long, expected {expected} ({records} records of {record} bytes)",
        path.display()
    )]
    Length {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        found: u64,
        /// The length that it must have, in bytes.
        expected: u64,
        /// The number of records that it must hold.
        records: usize,
        /// Bytes of a record.
        record: usize,
    },
    /// The file is not a whole number of records, or holds none.
    #[error(
        "{} is {found} bytes long, which is not a whole number of records of {record} bytes \
         (at least one)", path.display()
    )]
    Ragged {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        found: u64,
        /// Bytes of a record.
        record: usize,
    },
    /// The file holds more records than any that is meant to be read at once.
    #[error("{} holds {records} records: at most {most} are read", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The records that its length makes.
        records: usize,
        /// The most that are read.
        most: usize,
    },
    /// A label names no class.
    #[error(
        "{}: record {record} (byte {byte}) has label {label}, expected 0 to {}",
        path.display(), classes - 1
    )]
    Label {
        /// The file.
        path: PathBuf,
        /// The record, counted from 0.
        record: usize,
        /// The offset of the label in the file.
        byte: u64,
        /// The label that was found.
        label: u8,
        /// The number of classes.
        classes: usize,
    },
    /// The file has the right form and the wrong content.
    #[error(
        "{} is damaged: its MD5 is {found}, the official file's is {expected}",
        path.display()
    )]
    Checksum {
        /// The file.
        path: PathBuf,
        /// The MD5 of what lies there, in hexadecimal.
        found: String,
        /// The official MD5, in hexadecimal.
        expected: String,
    },
    /// Pixels, labels and shape do not belong together.
    #[error("{0}")]
    Shape(String),
    /// More images were asked for validation than can be spared.
    #[error(
        "cannot set {validation} of {n} images aside for validation: at least one must be left \
         to train on"
    )]
    Split {
        /// The number of images.
        n: usize,
        /// The number asked for validation.
        validation: usize,
    },
    /// A mean and deviation that cannot normalize these images.
    #[error("normalization: {0}")]
    Normalization(String),
    /// A picture that cannot be read.
    #[error("cannot read {}: {problem}", path.display())]
    Photo {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A place of images that is none, or none that can be read: what was found there, and what could
    /// have been.
    #[error("{} {problem}", path.display())]
    Place {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// A file of IDX arrays that breaks its format.
    #[error("{}, byte {byte}: {problem}", path.display())]
    Idx {
        /// The file.
        path: PathBuf,
        /// Where, counted from 0 once the file is unpacked.
        byte: u64,
        /// What stands there, and what was expected.
        problem: String,
    },
    /// A pickle of Python that is no file of CIFAR's.
    #[error("{}, byte {byte}: {problem}", path.display())]
    Pickle {
        /// The file.
        path: PathBuf,
        /// Where, counted from 0.
        byte: u64,
        /// What stands there, and what was expected.
        problem: String,
    },
    /// Pictures of a folder that cannot be read.
    #[error("{first} ({count} of {all} pictures broken)")]
    Broken {
        /// What is wrong with the first.
        first: Box<Error>,
        /// How many there are.
        count: usize,
        /// How many pictures there are in all.
        all: usize,
    },
    /// Pictures of different sizes, and none to bring them to.
    #[error(
        "{} holds pictures of different sizes, {} of {} x {} pixels and {} of {} x {}",
        path.display(), first.0, first.1, first.2, second.0, second.1, second.2
    )]
    Sizes {
        /// The folder.
        path: PathBuf,
        /// A picture, its width and its height.
        first: (String, u32, u32),
        /// Another one.
        second: (String, u32, u32),
    },
    /// Images that the memory does not hold.
    #[error(
        "{} holds {count} pictures that take {} of memory as {width} x {height} pixels, and {} are free",
        path.display(), Amount(*bytes), Amount(*free)
    )]
    Memory {
        /// The folder.
        path: PathBuf,
        /// How many pictures.
        count: usize,
        /// Of each image.
        width: usize,
        /// Of each image.
        height: usize,
        /// Bytes that they would take.
        bytes: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// A size was asked for, of a set whose images have one.
    #[error("{} holds {name}, whose images have one size", path.display())]
    OneSize {
        /// The folder.
        path: PathBuf,
        /// What it holds.
        name: String,
    },
    /// Images that cannot be whitened.
    #[error("{0}")]
    Whitening(String),
}

impl Error {
    /// What became of opening or reading `path`: it is missing, or the system has another reason.
    pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        move |reason| match reason.kind() {
            io::ErrorKind::NotFound => Error::Missing { path },
            _ => Error::Read { path, reason },
        }
    }
}
