//! What is done to the pixels before the network reads them.
//!
//! | module | what it does |
//! | --- | --- |
//! | `normalize` | mean and standard deviation, of each pixel or each channel |
//! | `contrast` | the contrast of each image for itself |
//! | `standardize` | both as a function of any pixels, with its derivative |
//! | `whiten` | ZCA whitening: pixels without correlation |

mod contrast;
mod normalize;
mod standardize;
mod whiten;

pub use contrast::Gain;
pub use normalize::Normalization;
pub use standardize::Standardize;
pub use whiten::{LEAST_REGULARIZER, Whitening};
