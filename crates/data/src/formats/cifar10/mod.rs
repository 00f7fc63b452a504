//! CIFAR-10's official binary files.
//!
//! A record is 3073 bytes: the label (0 to 9), then 1024 red, 1024 green and 1024 blue values,
//! each channel row by row of a 32 x 32 image. A file is 10,000 records and nothing else; five
//! files are the training set, one the test set. [`FILES`] says what each must hash to.
//!
//! Reading costs 184 MB of memory and less than half a second, and what has been read is what the
//! authors published.

mod binary;
mod official;
mod verify;

pub(crate) use binary::dataset;
#[doc(hidden)]
pub use binary::read_batch_from;
#[cfg(any(feature = "fetch", test))]
pub(crate) use binary::read_set;
pub use binary::{read, read_batch, read_renamed};
pub(crate) use official::LIMITS;
pub use official::{CLASSES, FILES, Official, RECORD, RECORDS};
#[cfg(any(feature = "fetch", feature = "places", test))]
pub(crate) use official::{OFFICIAL, Set};
pub use verify::{FileReport, verify};

pub use super::records::{MOST_RECORDS, SHAPE};
