//! Records of fixed length, as both CIFAR sets have them: a few bytes of labels, then the pixels.

use std::io::{self, Read};
use std::path::Path;

use md5::{Digest, Md5};

use crate::digest::hex;
use crate::{Error, Images, Shape};

/// The shape of one image.
pub const SHAPE: Shape = Shape { channels: 3, height: 32, width: 32 };

/// Labels (n) and pixels (n, 3072) that are being filled.
pub(crate) struct Part {
    pub labels: Vec<u8>,
    pub pixels: Vec<u8>,
}

impl Part {
    pub fn new(n: usize) -> Self {
        Self { labels: vec![0; n], pixels: vec![0; n * SHAPE.dim()] }
    }

    /// The room of each file of `records` records.
    pub fn chunks(&mut self, records: usize) -> impl Iterator<Item = (&mut [u8], &mut [u8])> {
        let pixels = self.pixels.chunks_exact_mut(records * SHAPE.dim());
        self.labels.chunks_exact_mut(records).zip(pixels)
    }

    pub fn into_images(self, classes: usize) -> Result<Images, Error> {
        Images::new(self.pixels, self.labels, SHAPE, classes)
    }
}

/// Reads `labels.len()` records, to the end of `from`, into `labels` (n) and `pixels` (n, 3072);
/// returns the MD5 of what was read. A record is a byte for each of `limits`, which must be below
/// it and of which the last is the label, and the pixels. `path` is for messages.
pub(crate) fn read_records(
    mut from: impl Read,
    path: &Path,
    limits: &[usize],
    labels: &mut [u8],
    pixels: &mut [u8],
) -> Result<String, Error> {
    // Large enough to be read fast, small enough to stay in the cache between the hash and the
    // copy.
    const AT_ONCE: usize = 32;
    let refuse = |reason| Error::Read { path: path.to_owned(), reason };

    let record_len = limits.len() + SHAPE.dim();
    let mut hash = Md5::new();
    let mut buffer = vec![0; AT_ONCE * record_len];
    let mut record = 0;
    let blocks = labels.chunks_mut(AT_ONCE).zip(pixels.chunks_mut(AT_ONCE * SHAPE.dim()));
    for (labels, pixels) in blocks {
        let bytes = &mut buffer[..labels.len() * record_len];
        from.read_exact(bytes).map_err(refuse)?;
        hash.update(&*bytes);
        let rows = labels.iter_mut().zip(pixels.chunks_exact_mut(SHAPE.dim()));
        for ((label, row), bytes) in rows.zip(bytes.chunks_exact(record_len)) {
            let (marks, values) = bytes.split_at(limits.len());
            for (i, (&mark, &classes)) in marks.iter().zip(limits).enumerate() {
                if usize::from(mark) >= classes {
                    return Err(Error::Label {
                        path: path.to_owned(),
                        record,
                        byte: (record * record_len + i) as u64,
                        label: mark,
                        classes,
                    });
                }
                *label = mark;
            }
            row.copy_from_slice(values);
            record += 1;
        }
    }
    if from.read(&mut buffer[..1]).map_err(refuse)? != 0 {
        return Err(refuse(io::Error::other("it grew while it was being read")));
    }
    Ok(hex(&hash.finalize()))
}

/// Most records that are read from one file whose number of records is not fixed: 307 MB.
pub const MOST_RECORDS: usize = 100_000;

/// Reads the `length` bytes of a file of any whole number of records, 1 to [`MOST_RECORDS`]; a
/// record begins with a byte for each of `limits`. `path` is for messages.
pub(crate) fn read_file_of(
    from: impl Read,
    length: u64,
    path: &Path,
    limits: &[usize],
) -> Result<Images, Error> {
    let record = limits.len() + SHAPE.dim();
    if length == 0 || !length.is_multiple_of(record as u64) {
        return Err(Error::Ragged { path: path.to_owned(), found: length, record });
    }
    let records = usize::try_from(length / record as u64).unwrap_or(usize::MAX);
    if records > MOST_RECORDS {
        return Err(Error::TooLarge { path: path.to_owned(), records, most: MOST_RECORDS });
    }
    let mut part = Part::new(records);
    read_records(from, path, limits, &mut part.labels, &mut part.pixels)?;
    part.into_images(limits[limits.len() - 1])
}
