//! Labeled images: read, verified, split, shuffled, normalized.
//!
//! The way of an image through this crate:
//!
//! 1. [`cifar10::read`] takes the six official files into one [`Dataset`], checking length,
//!    labels and checksum in the same pass. Pixels stay bytes: 60,000 images are 184 MB. `place`
//!    reads whatever else a folder may hold: CIFAR-100, MNIST's files, pictures.
//! 2. [`Split::seeded`] sets validation images aside, as indices; no image is copied.
//! 3. [`Normalization`] holds the mean and deviation of the training part alone.
//! 4. [`Whitening`], where asked for, removes the correlation between pixels.
//! 5. [`epoch_order`] puts the training part in the order of one epoch.
//!
//! ```
//! use chainrule_data::{Normalization, Split, epoch_order, sample};
//!
//! let data = sample::read(); // real images, part of the program
//! let split = Split::seeded(data.train.len(), 100, 0)?;
//! let order = epoch_order(&split.train, 0, 1);
//! let normalization = Normalization::per_pixel(&data.train, &split.train)?;
//! let (scale, shift) = normalization.scale_shift(data.train.dim())?;
//!
//! let first = data.train.image(order[0] as usize);
//! let x: Vec<f32> = (0..first.len()).map(|j| scale[j] * f32::from(first[j]) + shift[j]).collect();
//! assert_eq!(x.len(), 3072);
//! # Ok::<(), chainrule_data::Error>(())
//! ```
//!
//! Whatever is random here is a pure function of a seed, and the same on every machine and with
//! any number of threads.

#![cfg_attr(not(test), warn(clippy::disallowed_methods))] // see clippy.toml

mod amount;
mod augment;
mod digest;
mod duplicates;
mod error;
#[cfg(feature = "fetch")]
pub mod fetch;
pub mod file;
#[cfg(feature = "places")]
pub mod folder;
pub(crate) mod formats;
mod images;
mod order;
mod parallel;
mod pixels;
#[cfg(feature = "places")]
pub mod place;
mod prepare;
mod random;
#[cfg(feature = "places")]
pub mod reading;
pub mod sample;
mod size;
mod split;
#[cfg(test)]
mod testing;

pub use amount::Amount;
pub use augment::{Augmentation, Augmented, Changes};
pub use cifar10::CLASSES as CIFAR10_CLASSES;
pub use cifar10::{FileReport, verify};
pub use duplicates::{Duplicates, Spot};
pub use error::Error;
#[cfg(feature = "photo")]
pub use formats::picture;
pub use formats::{cifar10, cifar100, idx};
pub use images::{Dataset, FloatImages, Images, Shape};
pub use order::epoch_order;
pub use pixels::Pixels;
pub use prepare::{Gain, LEAST_REGULARIZER, Normalization, Standardize, Whitening};
pub use size::Size;
pub use split::Split;
