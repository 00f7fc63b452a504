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
//! | [`classifier`] | `SoftmaxClassifier`: the parameters with their names and shapes, and how they start |
//! | [`linear`] | Z = X W + b: forward, and the derivatives by X, W and b |
//! | [`relu`] | A = max(Z + b, 0), and its derivative, in one pass each |
//! | [`activation`] | leaky ReLU, GELU, tanh, sigmoid, and their derivatives |
//! | [`norm`] | batch and layer normalization, and their derivatives |
//! | [`noise`] | dropout, mixup, smoothed labels |
//! | [`hidden`] | what happens to a hidden layer's sums before the next layer reads them |
//! | [`softmax`] | softmax and cross-entropy as one function, and its derivative |
//! | [`layout`] | how a layer is cut into blocks of inputs and tiles of outputs, and who owns which |
//! | [`step`] | one step of training: forward, loss, backward, update |
//! | [`optimizer`] | SGD, RMSProp, Adam: how a gradient becomes a step |
//! | [`clip`] | clipping the gradient's norm between backward and update |
//! | [`finite`] | who left the finite numbers first, when a loss is NaN |
//! | [`engine`] | the threads that take the steps, and evaluation |
//! | [`gradcheck`] | every derivative against a centered difference |

pub mod activation;
pub mod classifier;
pub mod clip;
pub mod engine;
pub mod finite;
pub mod gradcheck;
pub mod hidden;
pub mod layout;
pub mod linear;
pub mod noise;
pub mod norm;
pub mod optimizer;
pub mod relu;
pub mod softmax;
pub mod step;

pub use activation::Activation;
pub use classifier::{Init, SoftmaxClassifier};
pub use engine::{Diverged, Engine, Evaluation};
pub use finite::Place;
pub use hidden::Hidden;
pub use noise::Regularization;
pub use norm::Norm;
pub use optimizer::{Method, Optimizer, Sgd};
pub use step::Step;
