//! Storage, views, matrix multiplication, and the kernels and threads of a training step.
//!
//! A [`Tensor`] is a rank-2, row-major array. A [`View`] looks at one through two strides, so that a
//! transposition moves no number:
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
//! | [`math`] | exp, ln, pow, cos and others, with the same bits on every machine |
//! | [`allocator`] | a global allocator that ends the program with a sentence when memory runs out |
//! | [`buffer`] | `Buffer`: memory aligned to cache lines, in huge pages where it is large |
//! | [`scalar`] | the two number types, `f32` and `f64`, and nothing but numbers |
//! | [`matrix`] | `Tensor`, `View`, `ViewMut`: a buffer, a shape, two strides |
//! | [`isa`] | which vector instructions this processor has, and which kernels are used |
//! | [`gemm`](mod@gemm) | C := αAB + βC on matrixmultiply, and the plain loop that it is tested against |
//! | [`ops`] | loops over slices: elementwise, columns, rows, transposition, bytes, the optimizers' updates |
//! | [`kernel`] | the products of the training step: C (+)= A·B for one tile of columns, and what they prefetch |
//! | [`gather`] | where a batch of inputs comes from |
//! | `sync` | what threads share state through; loom puts its own in their place |
//! | [`exchange`] | the buffers through which ranks exchange what they have computed |
//! | [`comm`] | ranks that run one program together: threads, of one process or of several |
//! | [`linalg`] | symmetric products, Cholesky, the inverse square root: what whitening needs |
//! | [`peak`] | what this machine can multiply and read at most, for the roofline |
//!
//! A module uses only those above it in this table. `unsafe` stands in few places: `allocator.rs` (a global
//! allocator is an unsafe trait), `buffer.rs` (zeroed
//! memory that may be refused, and the call for huge pages), `gemm.rs` (the call into
//! matrixmultiply), `kernel/` (vector instructions), and `isa.rs` and `peak.rs` (the call of a function
//! that was compiled for instructions that were detected at run time).

#![cfg_attr(not(test), warn(clippy::disallowed_methods))] // see clippy.toml

pub mod allocator;
pub mod buffer;
pub mod comm;
pub mod exchange;
pub mod gather;
pub mod gemm;
pub mod isa;
pub mod kernel;
pub mod linalg;
pub mod math;
pub mod matrix;
pub mod ops;
pub mod peak;
pub mod scalar;
mod sync;

pub use buffer::Buffer;
pub use gemm::{ShapeError, gemm};
pub use isa::Isa;
pub use kernel::{Kernel, Precision};
pub use matrix::{Tensor, View, ViewMut};
pub use scalar::Scalar;
