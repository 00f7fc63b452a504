//! CIFAR-10's official binary files.
//!
//! A record is 3073 bytes: the label (0 to 9), then 1024 red, 1024 green and 1024 blue values,
//! each channel row by row of a 32 x 32 image. A file is 10,000 records and nothing else; five
//! files are the training set, one the test set. [`FILES`] says what each must hash to.
//!
//! Each file is read once, by a thread of its own, through a small buffer and straight into its
//! part of the one pixel vector; the checksum is taken on the way. So reading costs 184 MB and
//! less than half a second, and what has been read is what the authors published.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use md5::{Digest, Md5};

use crate::{Dataset, Error, Images, Shape};

/// The classes, in the order of the labels.
pub const CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// The shape of one image.
pub const SHAPE: Shape = Shape { channels: 3, height: 32, width: 32 };

/// Bytes of one record: a label and 3072 pixel values.
pub const RECORD: usize = 1 + 3 * 32 * 32;

/// Records in each official file.
pub const RECORDS: usize = 10_000;

/// A set of files in this format. There is one outside the tests.
#[derive(Clone, Copy)]
pub(crate) struct Set<'a> {
    /// The training files, then the one of the test.
    pub files: &'a [Official<'a>],
    /// Records in each file.
    pub records: usize,
}

impl Set<'_> {
    /// Bytes of each file.
    pub fn file_len(&self) -> u64 {
        (self.records * RECORD) as u64
    }
}

/// CIFAR-10 as its authors publish it.
pub(crate) const OFFICIAL: Set<'static> = Set { files: &FILES, records: RECORDS };

/// An official file and what proves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Official<'a> {
    /// Its name in the folder, and in the official archive.
    pub name: &'a str,
    /// The MD5 of its 30,730,000 bytes, in hexadecimal.
    pub md5: &'a str,
}

/// The six official files: five of training images, then the one of test images.
pub const FILES: [Official<'static>; 6] = [
    Official { name: "data_batch_1.bin", md5: "5dd7e06a14cb22eb9f671a540d1b7c25" },
    Official { name: "data_batch_2.bin", md5: "5ea93a67294ea407fff1d09f752e9692" },
    Official { name: "data_batch_3.bin", md5: "942cd6a4bcdd0dd3c604fbe906cb4421" },
    Official { name: "data_batch_4.bin", md5: "ae636b3ba5c66a11e91e8cb52e771fcb" },
    Official { name: "data_batch_5.bin", md5: "53f37980c15c3d472c316c40844f3f0d" },
    Official { name: "test_batch.bin", md5: "803d5f7f4d78ea53de84dbe85f74fb6d" },
];

/// Reads the six official files of `dir`, each proved by its checksum: 50,000 images to train
/// on, 10,000 to test on.
///
/// # Errors
/// The first file, in the order of [`FILES`], that is missing, cannot be read, has another
/// length, holds a label above 9 or differs from the official bytes.
pub fn read(dir: &Path) -> Result<Dataset, Error> {
    read_set(dir, OFFICIAL)
}

/// Reads one file of any whole number of records, at least one, without a checksum.
///
/// # Errors
/// As [`read`], the checksum aside.
pub fn read_batch(path: &Path) -> Result<Images, Error> {
    let (file, length) = open(path)?;
    if length == 0 || length % RECORD as u64 != 0 {
        return Err(Error::Ragged { path: path.to_owned(), found: length });
    }
    let too_large = |_| Error::Shape(format!("{}: {length} bytes do not fit", path.display()));
    let records = usize::try_from(length / RECORD as u64).map_err(too_large)?;
    let mut labels = vec![0; records];
    let mut pixels = vec![0; records * SHAPE.dim()];
    read_records(file, path, &mut labels, &mut pixels)?;
    Images::new(pixels, labels, SHAPE, CLASSES.len())
}

/// Reads a set from `dir`; the last of its files is the test set.
pub(crate) fn read_set(dir: &Path, set: Set) -> Result<Dataset, Error> {
    let Set { files, records } = set;
    let (test_file, train_files) = files.split_last().expect("a set has a test file");
    let mut train = Part::new(train_files.len() * records);
    let mut test = Part::new(records);

    let read_one = |file: &Official, labels: &mut [u8], pixels: &mut [u8]| {
        let path = dir.join(file.name);
        let (open_file, found) = open(&path)?;
        let expected = set.file_len();
        if found != expected {
            return Err(Error::Length { path, found, expected, records });
        }
        let found = read_records(open_file, &path, labels, pixels)?;
        if found != file.md5 {
            return Err(Error::Checksum { path, found, expected: file.md5.to_owned() });
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let parts = train.chunks(records).chain(test.chunks(records));
        let readers: Vec<_> = train_files
            .iter()
            .chain([test_file])
            .zip(parts)
            .map(|(file, (labels, pixels))| scope.spawn(move || read_one(file, labels, pixels)))
            .collect();
        // Joined in the order of the files, so that of several errors the same one is told.
        readers.into_iter().try_for_each(|reader| reader.join().expect("a reader never panics"))
    })?;
    Ok(dataset("CIFAR-10", train.into_images()?, test.into_images()?))
}

/// A dataset of CIFAR-10's classes.
pub(crate) fn dataset(name: &str, train: Images, test: Images) -> Dataset {
    Dataset { name: name.to_owned(), classes: CLASSES.map(str::to_owned).to_vec(), train, test }
}

/// Labels (n) and pixels (n, 3072) that are being filled.
struct Part {
    labels: Vec<u8>,
    pixels: Vec<u8>,
}

impl Part {
    fn new(n: usize) -> Self {
        Self { labels: vec![0; n], pixels: vec![0; n * SHAPE.dim()] }
    }

    /// The room of each file of `records` records.
    fn chunks(&mut self, records: usize) -> impl Iterator<Item = (&mut [u8], &mut [u8])> {
        let pixels = self.pixels.chunks_exact_mut(records * SHAPE.dim());
        self.labels.chunks_exact_mut(records).zip(pixels)
    }

    fn into_images(self) -> Result<Images, Error> {
        Images::new(self.pixels, self.labels, SHAPE, CLASSES.len())
    }
}

/// Opens a regular file and tells its length.
///
/// The kind is asked before the file is opened: opening a pipe would wait for a writer.
pub(crate) fn open(path: &Path) -> Result<(File, u64), Error> {
    let refuse = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => Error::Missing { path: path.to_owned() },
        _ => Error::Read { path: path.to_owned(), source },
    };
    let metadata = std::fs::metadata(path).map_err(refuse)?;
    if !metadata.is_file() {
        return Err(Error::NotAFile { path: path.to_owned() });
    }
    Ok((File::open(path).map_err(refuse)?, metadata.len()))
}

/// Reads `labels.len()` records, to the end of `from`, into `labels` (n) and `pixels` (n, 3072);
/// returns the MD5 of what was read. `path` is for messages.
pub(crate) fn read_records(
    mut from: impl Read,
    path: &Path,
    labels: &mut [u8],
    pixels: &mut [u8],
) -> Result<String, Error> {
    // Large enough to be read fast, small enough to stay in the cache between the hash and the
    // copy.
    const AT_ONCE: usize = 32;
    let refuse = |source| Error::Read { path: path.to_owned(), source };

    let mut hash = Md5::new();
    let mut buffer = vec![0; AT_ONCE * RECORD];
    let mut record = 0;
    let blocks = labels.chunks_mut(AT_ONCE).zip(pixels.chunks_mut(AT_ONCE * SHAPE.dim()));
    for (labels, pixels) in blocks {
        let bytes = &mut buffer[..labels.len() * RECORD];
        from.read_exact(bytes).map_err(refuse)?;
        hash.update(&*bytes);
        let rows = labels.iter_mut().zip(pixels.chunks_exact_mut(SHAPE.dim()));
        for ((label, row), bytes) in rows.zip(bytes.chunks_exact(RECORD)) {
            if usize::from(bytes[0]) >= CLASSES.len() {
                return Err(Error::Label {
                    path: path.to_owned(),
                    record,
                    byte: (record * RECORD) as u64,
                    label: bytes[0],
                    classes: CLASSES.len(),
                });
            }
            *label = bytes[0];
            row.copy_from_slice(&bytes[1..]);
            record += 1;
        }
    }
    if from.read(&mut buffer[..1]).map_err(refuse)? != 0 {
        return Err(refuse(io::Error::other("it grew while it was being read")));
    }
    Ok(hex(&hash.finalize()))
}

/// A digest in lower-case hexadecimal.
pub(crate) fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
