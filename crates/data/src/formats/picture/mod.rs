//! A picture of any size, PNG or JPEG, as an image of a dataset: 1 or 3 channels of bytes.
//!
//! As the field does it for CIFAR-10: the picture is turned upright (EXIF), laid on white where it
//! is transparent, cut in its middle to the proportions that are wanted, and that is brought to
//! size by the triangle filter, which is as wide as a pixel of the result and so averages over all
//! pixels behind it. A picture of the right size stays as it is, to the bit. Colors become gray,
//! where gray is wanted, by the luma of Rec. 709: 0.2126 red, 0.7152 green, 0.0722 blue.

mod decode;
mod fit;
mod jpeg;
#[cfg(test)]
mod tests;

#[doc(hidden)]
pub use decode::parse;
pub use decode::{Header, check, header, is_meant, read};
