//! The six official files, and what proves each.

use crate::formats::records::SHAPE;

/// The classes, in the order of the labels.
pub const CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// Bytes of one record: a label and 3072 pixel values.
pub const RECORD: usize = 1 + 3 * SHAPE.height * SHAPE.width;

/// What stands before the pixels of a record: a label of so many classes.
pub(crate) const LIMITS: [usize; 1] = [CLASSES.len()];

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
///
/// ```
/// use chainrule_data::cifar10::FILES;
///
/// assert_eq!(FILES[5].name, "test_batch.bin");
/// assert_eq!(FILES[5].md5.len(), 32);
/// ```
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
