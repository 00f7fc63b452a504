//! The layers: forward and backward of each side by side.

pub mod activation;
pub mod hidden;
pub mod linear;
pub mod norm;
pub mod relu;
