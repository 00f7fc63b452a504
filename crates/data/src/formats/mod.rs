//! One module for each format of images on the disk.
//!
//! | module | what it reads |
//! | --- | --- |
//! | [`cifar10`] | CIFAR-10's binary files, each held to its official checksum |
//! | [`cifar100`] | CIFAR-100's binary files |
//! | `cifar_python` | the Python version of both, through `pickle` |
//! | `batch` | files of either set, in either version, put together |
//! | [`idx`] | the files of MNIST and of sets made after it |
//! | [`picture`] | a picture file of any size |

#[cfg(any(feature = "fetch", feature = "places"))]
pub(crate) mod archive;
#[cfg(feature = "places")]
pub(crate) mod batch;
pub mod cifar10;
pub mod cifar100;
#[cfg(feature = "places")]
pub(crate) mod cifar_python;
pub mod idx;
#[cfg(feature = "places")]
pub(crate) mod pickle;
#[cfg(feature = "photo")]
pub mod picture;
pub(crate) mod records;
#[cfg(feature = "places")]
pub(crate) mod sniff;
