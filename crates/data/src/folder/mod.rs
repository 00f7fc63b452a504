//! A folder of pictures, with one folder a class: `photos/cat/1.jpg`, `photos/dog/7.png`.
//!
//! The classes are the names of the folders, in their order. A picture is any PNG or JPEG in them,
//! or in folders within them, whatever its name; a file whose name ends as a picture's does and that
//! is none is broken, and everything else (text, `Thumbs.db`) is left aside. What begins with a dot
//! is not seen at all.
//!
//! If there are folders `train` and `test` (or `val` for it) that hold the classes, they are the
//! parts; with all three, `val` joins `train`, for a run sets validation images aside by itself. Else
//! a fifth of each class, rounded, at least one picture, is the test part. A picture's place is
//! decided by the MD5 of the seed and of its name: in each class those of the least digests test, and
//! in this order images stand in the set, so that classes are mixed. So the parts are the same on
//! every machine, and a picture more or less leaves the others where they were.

mod entries;
mod listing;
mod parts;
mod read;
mod split;
mod survey;
#[cfg(test)]
mod tests;

pub(crate) use entries::may_be;
pub use entries::pictures;
pub use read::read;
pub use survey::{Survey, survey};
