//! What a Python pickle holds, without running any of it.
//!
//! A pickle is a program for a small stack machine (Python's `pickletools` documents its operations).
//! Python's own reader lets it call any function. This one knows those that numpy arrays and bytes
//! are made by, does their work itself, and refuses every other by name.
//!
//! Values are kept in one list and refer to each other by number, so nothing is copied, nothing
//! recurses, and the memory is bounded by a small multiple of the file. (The
//! crates that read pickles copy a value each time it is referred to, so a few bytes can fill any
//! memory, and they lose the arrays of protocol 5.)

mod machine;
mod value;

pub(crate) use machine::read;
pub(crate) use value::{Array, Pickle, Value};

/// Whether a file that begins so is a pickle of protocol 2 to 5.
pub(crate) fn is_pickle(start: &[u8]) -> bool {
    matches!(start, [0x80, 2..=5, ..])
}
