//! One module for each format of images on the disk.
//!
//! | module | what it reads |
//! | --- | --- |
//! | [`cifar10`] | CIFAR-10's binary files, each held to its official checksum |
//! | [`cifar100`] | CIFAR-100's binary files |
//! | [`idx`] | the files of MNIST and of sets made after it |
//! | [`picture`] | a picture file of any size |

pub mod cifar10;
pub mod cifar100;
pub mod idx;
#[cfg(feature = "photo")]
pub mod picture;
pub(crate) mod records;
