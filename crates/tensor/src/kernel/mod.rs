//! The kernels of the training step: products whose operands already lie as they are read.
//!
//! [`matmul`] is C := A·B, or C := C + A·B. A is (m, k) with any strides, B is (k, n) and C is
//! (m, n), and n is small: one column tile of a weight matrix. The three products of a fully
//! connected layer's step are this product, seen through other strides:
//!
//! | product | A | B | C |
//! | --- | --- | --- | --- |
//! | forward, Z += X W | X | a tile of W | a tile of Z |
//! | weight gradient, dW = Xᵀ dZ | X transposed by its strides | a tile of dZ | some rows of a tile of dW |
//! | input gradient, dX += dZ Wᵀ | a tile of dZ | the tile of W, transposed | dX |
//! | of a narrow tile, dWᵀ = dZᵀ X | a tile of dZ, transposed by its strides | X | the tile of dWᵀ |
//!
//! Where columns of B and C are adjacent, and something is to be multiplied, the vector kernels do
//! it; matrixmultiply does the rest, and all of `f64`: the gradient check needs digits, not speed.
//! Nothing is packed. A tile of C stays in registers while k runs (`tile.rs`), each element as one
//! chain of fused multiply-adds in the order of k.
//!
//! [`matmul_transposed`] is C (+)= A·Bᵀ for the few columns that are left when n is no multiple of
//! a vector. They are stored as rows, so that the vectors run along k instead, and no part of one
//! is wasted on padding: with 100 hidden units that is a tenth of all the arithmetic.
//!
//! In both an element's bits depend on its operands and on k alone: not on the rows and columns beside
//! it, nor on how they were shared out, nor on the width of a vector. The head of `tile.rs` states the
//! order of every operation, and AVX2 and AVX-512 give the same bits.
//!
//! While they run, the vector kernels request the memory that was queued by
//! [`prefetch`](prefetch::prefetch).

pub mod bf16;
mod plain;
pub mod prefetch;
mod product;
#[cfg(target_arch = "x86_64")]
mod tile;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use product::{Kernel, Operand, Precision, UnknownPrecision};

use crate::gemm::{ShapeError, check_shapes, gemm};
use crate::isa::Isa;
use crate::matrix::{View, ViewMut};
use crate::scalar::Scalar;

/// Sums that run side by side along a row of A·Bᵀ, whatever the vector: the widest one has as many.
const LANES: usize = 16;

/// C := A·B, or C := C + A·B if `accumulate`, on the kernel of `isa`.
///
/// Without `accumulate` C is written and never read.
///
/// # Errors
/// [`ShapeError`] if the shapes do not fit together; C is untouched.
pub fn matmul<T: Scalar>(
    isa: Isa,
    a: View<T>,
    b: View<T>,
    mut c: ViewMut<T>,
    accumulate: bool,
) -> Result<(), ShapeError> {
    check_shapes(&a, &b, &c)?;
    #[cfg(target_arch = "x86_64")]
    if let (Some(a), Some(b), Some(c)) = (a.as_f32(), b.as_f32(), c.as_f32())
        && x86::matmul(isa, a, b, c, accumulate)
    {
        return Ok(());
    }
    let _ = isa;
    gemm(T::ONE, a, b, if accumulate { T::ONE } else { T::ZERO }, c)
}

/// C := A·Bᵀ, or C := C + A·Bᵀ if `accumulate`, for a B of few rows.
///
/// Without `accumulate` C is written and never read.
///
/// # Errors
/// [`ShapeError`] if the shapes do not fit together; C is untouched.
pub fn matmul_transposed<T: Scalar>(
    isa: Isa,
    a: View<T>,
    b: View<T>,
    mut c: ViewMut<T>,
    accumulate: bool,
) -> Result<(), ShapeError> {
    check_shapes(&a, &b.t(), &c)?;
    #[cfg(target_arch = "x86_64")]
    if let (Some(a), Some(b), Some(c)) = (a.as_f32(), b.as_f32(), c.as_f32())
        && x86::matmul_transposed(isa, a, b, c, accumulate)
    {
        return Ok(());
    }
    let _ = isa;
    gemm(T::ONE, a, b.t(), if accumulate { T::ONE } else { T::ZERO }, c)
}
