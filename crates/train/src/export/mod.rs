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
