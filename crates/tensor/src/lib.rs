//! Storage, views, matrix multiplication, and the kernels and threads of a training step.
//!
//! Everything is a [`Tensor`]: a rank-2, row-major array on a plain `Vec`. A [`View`] looks at
//! one through two strides, so that a transposition moves no number:
//!
//! ```
//! use chainrule_tensor::{Tensor, gemm};
//!
//! let x = Tensor::from_rows(&[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]); // 3 x 2
//! let mut gram = Tensor::zeros(2, 2);
//! gemm(1.0, x.view().t(), x.view(), 0.0, gram.view_mut())?; // XᵀX
//! assert_eq!(gram.as_slice(), [35.0, 44.0, 44.0, 56.0]);
//! # Ok::<(), chainrule_tensor::ShapeError>(())
//! ```
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`tensor`](mod@tensor) | `Tensor`, `View`, `ViewMut`: a `Vec`, a shape, two strides |
//! | [`scalar`] | the two number types, `f32` and `f64` |
//! | [`gemm`](mod@gemm) | C := αAB + βC on matrixmultiply, and the plain loop that it is tested against |
//! | [`path`] | which instructions this processor has, and which kernels are used |
//! | [`panel`](mod@panel) | the one inner kernel of the training step: C (+)= A·B for a narrow panel of columns |
//! | [`elementwise`] | sums and the hidden units: loops that a compiler turns into vectors |
//! | [`update`](mod@update) | the updates of the optimizers |
//! | [`rows`] | kernels over the rows of a matrix: log-sum-exp, column sums, transposition |
//! | [`bytes`] | rows of bytes, read as normalized numbers |
//! | [`symmetric`] | products that are known to be symmetric, for half the work |
//! | [`cholesky`](mod@cholesky) | A = L Lᵀ |
//! | [`inverse_root`](mod@inverse_root) | A^(-1/2) of a symmetric matrix, by products alone |
//! | [`peak`] | what this machine can multiply and read at most, for the roofline |
//! | [`prefetch`](mod@prefetch) | asking for memory before it is needed, line by line while the kernel multiplies |
//! | [`team`] | a team of threads that meets at barriers |
//!
//! `unsafe` stands in few places: `gemm.rs` and `scalar.rs` (the call into matrixmultiply), `panel/` (vector
//! instructions), `prefetch.rs` (one instruction), and `path.rs` and `peak.rs` (the call of a function that was compiled for
//! instructions that were detected at run time). Everything else is checked by the compiler.

pub mod bytes;
pub mod cholesky;
pub mod elementwise;
mod functions;
pub mod gemm;
pub mod inverse_root;
pub mod panel;
pub mod path;
pub mod peak;
pub mod prefetch;
pub mod rows;
pub mod scalar;
pub mod symmetric;
pub mod team;
pub mod tensor;
pub mod update;

pub use gemm::{ShapeError, gemm};
pub use path::Path;
pub use scalar::Scalar;
pub use tensor::{Tensor, View, ViewMut};
