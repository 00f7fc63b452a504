//! Reading the binary files, each proved by its checksum in the same pass.
//!
//! Each file is read by a thread of its own, through a small buffer and straight into its part of
//! the one pixel vector; the checksum is taken on the way.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::official::{CLASSES, FILES, LIMITS, OFFICIAL, Official, RECORD, RECORDS, Set};
use crate::formats::records::{Part, read_file_of, read_records};
use crate::parallel::in_order;
use crate::{Dataset, Error, Images, digest, file};

/// Reads the six official files of `dir`, each proved by its checksum: 50,000 images to train
/// on, 10,000 to test on.
///
/// # Errors
/// The first file, in the order of [`FILES`], that is missing, cannot be read, has another
/// length, holds a label above 9 or differs from the official bytes.
pub fn read(dir: &Path) -> Result<Dataset, Error> {
    read_set(dir, OFFICIAL)
}

/// Reads the six official files under whatever names they have in `files`: each is found by its
/// checksum.
///
/// # Errors
/// As [`read`], if the official names are not among those of the files; [`Error::Missing`] names
/// the official file whose content is in none of them.
pub fn read_renamed(files: &[PathBuf]) -> Result<Dataset, Error> {
    let digests = files.iter().map(|path| Ok((digest::md5(path)?.0, path)));
    let digests = digests.collect::<Result<Vec<_>, Error>>()?;
    let dir = files.first().and_then(|path| path.parent()).unwrap_or(Path::new(""));
    let mut found = Vec::new();
    for file in FILES {
        let path = digests.iter().find(|(md5, _)| md5 == file.md5).map(|(_, path)| path);
        let name = path.and_then(|path| path.file_name()?.to_str());
        let name = name.ok_or_else(|| Error::Missing { path: dir.join(file.name) })?;
        found.push(Official { name, md5: file.md5 });
    }
    read_set(dir, Set { files: &found, records: RECORDS })
}

/// Reads one file of any whole number of records, 1 to [`MOST_RECORDS`](super::MOST_RECORDS), without a checksum.
///
/// # Errors
/// As [`read`], the checksum aside.
pub fn read_batch(path: &Path) -> Result<Images, Error> {
    let (file, length) = file::open(path).map_err(Error::at(path))?;
    read_batch_from(file, length, path)
}

/// Reads the `length` bytes of a batch file; `path` is for messages.
#[doc(hidden)]
pub fn read_batch_from(from: impl Read, length: u64, path: &Path) -> Result<Images, Error> {
    read_file_of(from, length, path, &LIMITS)
}

/// Reads a set from `dir`; the last of its files is the test set.
pub(crate) fn read_set(dir: &Path, set: Set) -> Result<Dataset, Error> {
    let Set { files, records } = set;
    let (test_file, train_files) = files.split_last().expect("a set has a test file");
    let mut train = Part::new(train_files.len() * records);
    let mut test = Part::new(records);

    let read_one = |file: &Official, labels: &mut [u8], pixels: &mut [u8]| {
        let path = dir.join(file.name);
        let (open_file, found) = file::open(&path).map_err(Error::at(&path))?;
        let expected = set.file_len();
        if found != expected {
            return Err(Error::Length { path, found, expected, records, record: RECORD });
        }
        let found = read_records(open_file, &path, &LIMITS, labels, pixels)?;
        if found != file.md5 {
            return Err(Error::Checksum { path, found, expected: file.md5.to_owned() });
        }
        Ok(())
    };
    let parts = train.chunks(records).chain(test.chunks(records));
    let work = train_files.iter().chain([test_file]).zip(parts);
    // In the order of the files, so that of several errors the same one is reported.
    let results =
        in_order(files.len(), work, |(file, (labels, pixels))| read_one(file, labels, pixels));
    results.into_iter().collect::<Result<(), Error>>()?;
    Ok(dataset("CIFAR-10", train.into_images(CLASSES.len())?, test.into_images(CLASSES.len())?))
}

/// A dataset of CIFAR-10's classes.
pub(crate) fn dataset(name: &str, train: Images, test: Images) -> Dataset {
    Dataset { name: name.to_owned(), classes: CLASSES.map(str::to_owned).to_vec(), train, test }
}

#[cfg(test)]
mod tests;
