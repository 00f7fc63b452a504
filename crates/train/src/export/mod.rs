//! A model in the formats of other programs.
//!
//! | module | what reads it |
//! | --- | --- |
//! | [`onnx`] | onnxruntime and whatever else runs ONNX: a function from pixels to probabilities |
//! | [`npz`] | numpy: the arrays by their names |
//!
//! PyTorch takes a [`ModelFile`](crate::ModelFile) as it is.

pub mod npz;
pub mod onnx;
mod protobuf;

/// A model that a format has no room for.
///
/// ```
/// use chainrule_train::export::{TooLarge, npz};
///
/// fn size(model: &chainrule_train::ModelFile) -> Result<usize, TooLarge> {
///     Ok(npz::npz(model)?.len()) // what the format holds ends at 4 GiB
/// }
/// # let _ = size;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "its weights take {bytes} bytes, and a file of {format} holds at most {most}: keep it as safetensors"
)]
pub struct TooLarge {
    bytes: usize,
    format: &'static str,
    most: usize,
}

/// The bytes of some values, little-endian.
fn little_endian(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}
