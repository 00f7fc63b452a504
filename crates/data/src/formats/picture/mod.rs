//! A picture of any size as an image of a dataset: 1 or 3 channels of bytes.
//!
//! PNG, JPEG, WebP, BMP, GIF (its first frame) and TIFF (its first page). As the field does it for
//! CIFAR-10: the picture is turned upright (Exif, XMP), laid on white where it is transparent, cut in
//! its middle to the proportions that are wanted, and that is brought to size by the triangle filter,
//! which is as wide as a pixel of the result and so averages over all pixels behind it. A picture of
//! the right size stays as it is, to the bit. Colors become gray, where gray is wanted, by the luma of
//! Rec. 601, 0.299 red, 0.587 green, 0.114 blue, rounded as Pillow's `convert("L")` rounds it:
//! torchvision and Keras do the same.

mod caught;
mod decode;
mod endings;
mod fit;
mod jpeg;
mod orientation;
#[cfg(test)]
mod tests;
mod webp;

#[cfg(feature = "places")]
pub(crate) use decode::fingerprint;
#[doc(hidden)]
pub use decode::parse;
pub use decode::{Header, header, is_meant, read};
pub use endings::{ENDINGS, FORMATS, has_ending};
