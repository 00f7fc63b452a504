//! IDX, the format of MNIST's files and of those of the sets made after it.
//!
//! ```text
//! 2 bytes      0
//! 1 byte       the type of a value: 0x08 is a byte; 0x09, 0x0b, 0x0c are int8, int16, int32;
//!              0x0d, 0x0e are float32, float64
//! 1 byte       the number of dimensions: 3 of images (n, height, width), 4 of images in colors,
//!              1 of labels (n)
//! 4 bytes      each dimension, big-endian
//! the rest     the values, row-major, big-endian
//! ```
//!
//! A set is two pairs of files, images and their labels: the larger pair is to train on, the smaller
//! one to test with. Names are not looked at, but for a packed copy of a file beside it, as
//! torchvision leaves them.

mod array;
mod names;
mod set;
#[cfg(test)]
mod tests;

pub use array::{Array, is_array, read};
pub use set::{dataset, without_packed};
