//! A fully connected network for classification, with every derivative written out.
//!
//! The network is c = softmax(W₂ relu(W₁ x + b₁) + b₂), or any number of such layers, and its
//! loss is the mean cross-entropy plus ½ λ Σ W². One step of training, from pixels to new
//! weights, is the page [`step`]; each layer is a file that holds its forward pass and its
//! derivative side by side.
//!
//! ```
//! use chainrule_nn::{Engine, Init, Sgd, SoftmaxClassifier};
//! use chainrule_tensor::Tensor;
//!
//! // Four points, two classes: XOR, which no linear classifier can learn.
//! let x = Tensor::from_rows(&[[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]);
//! let labels = [0, 1, 1, 0];
//! let model = SoftmaxClassifier::<f64>::new(&[2, 8, 2], Init::He, 1)?;
//!
//! let mut engine = Engine::new(&model, 4, 1)?;
//! let sgd = Sgd { learning_rate: 0.5, momentum: 0.9, l2: 0.0, nesterov: false };
//! for _ in 0..200 {
//!     engine.train(&x, &labels, &[0, 1, 2, 3], 4, sgd)?;
//! }
//! assert_eq!(engine.evaluate(&x, &labels, &[0, 1, 2, 3]).accuracy(&labels), 1.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`layers`] | linear, activation, normalization, and what stands between two linear layers |
//! | [`loss`] | softmax and cross-entropy as one function, and its derivative |
//! | [`regularize`] | dropout, mixup, label smoothing |
//! | [`architecture`] | names, shapes and ranges of all tensors, without their numbers |
//! | [`init`] | how the weights start |
//! | [`classifier`] | `SoftmaxClassifier`: an architecture with its parameters |
//! | [`optimizer`] | SGD, RMSprop, Adam, AdamW: how a gradient becomes a step |
//! | [`param`] | parameters beside their velocity, moments and moving average; gradient sinks |
//! | [`operands`] | the operands of a layer's products as bf16 tiles, where the kernel reads those |
//! | [`tiling`] | how a linear layer is cut into blocks of inputs and tiles of outputs |
//! | `shard` | which part of a network each rank owns, and what ranks exchange |
//! | [`clip`] | clipping the gradient's norm between backward and update |
//! | [`anomaly`] | which tensor was the first to hold a NaN or an infinity |
//! | [`step`] | one step of training: forward, loss, backward, update |
//! | [`source`] | the text of some of these files
//! | `state` | between the flat buffer of a classifier and what each rank keeps of it |
//! | [`engine`] | the threads that take the steps; their options; parameters and optimizer state |
//! | [`evaluate`] | scores, predictions and loss |
//! | [`input_gradient`] | the derivative of a score by the inputs |
//! | [`gradcheck`] | every derivative against a centered difference |

#![cfg_attr(not(test), warn(clippy::disallowed_methods))] // see clippy.toml

pub mod anomaly;
pub mod architecture;
pub mod classifier;
pub mod clip;
pub mod distill;
pub mod engine;
pub mod evaluate;
pub mod gradcheck;
pub mod init;
pub mod input_gradient;
pub mod layers;
pub mod loss;
pub mod operands;
pub mod optimizer;
pub mod param;
pub mod regularize;
mod shard;
pub mod source;
mod state;
pub mod step;
pub mod tiling;

pub use anomaly::TensorName;
pub use architecture::Architecture;
pub use classifier::SoftmaxClassifier;
pub use distill::SoftTargets;
pub use engine::{Diverged, Engine, Step, activation_bytes};
pub use evaluate::Evaluation;
pub use init::Init;
pub use layers::activation::Activation;
pub use layers::hidden::Hidden;
pub use layers::norm::Norm;
pub use optimizer::{Method, Optimizer, Sgd};
pub use regularize::Regularization;
pub use shard::most_ranks;
