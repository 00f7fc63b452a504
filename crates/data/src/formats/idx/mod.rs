//! IDX, the format of MNIST's files and of those of the sets made after it.
//!
//! ```text
//! 2 bytes      0
//! 1 byte       the type of a value: 0x08 is a byte, and nothing else is read here
//! 1 byte       the number of dimensions: 3 of images (n, height, width), 1 of labels (n)
//! 4 bytes      each dimension, big-endian
//! the rest     the values, row-major
//! ```
//!
//! A set is two pairs of files, images and their labels: the larger pair is to train on, the smaller
//! one to test with. What they show is told by their first labels, for MNIST and Fashion-MNIST have
//! files of the very same names and sizes.

mod array;
mod set;
#[cfg(test)]
mod tests;

pub use array::{Array, is_array, read};
pub use set::dataset;
