//! The inner kernels of the training step: products whose operands already lie as they are read.
//!
//! [`panel`] is C := A·B, or C := C + A·B, for a panel of columns. A is (m, k) with any strides, B
//! is (k, n) and C is (m, n), and n is small: one column tile of a weight matrix. The three products
//! of a fully connected layer's step are this product, seen through other strides:
//!
//! | product | A | B | C |
//! | --- | --- | --- | --- |
//! | forward, Z += X W | X | a tile of W | a tile of Z |
//! | weight gradient, dW = Xᵀ dZ | X transposed by its strides | a tile of dZ | a strip of dW |
//! | input gradient, dX += dZ Wᵀ | a tile of dZ | the tile of W, transposed | dX |
//! | of a narrow tile, dWᵀ = dZᵀ X | a tile of dZ, transposed by its strides | X | the tile of dWᵀ |
//!
//! Where columns of B and C are adjacent, and something is to be multiplied, the vector kernels do
//! it; matrixmultiply does the rest. Nothing is packed. A tile of C stays in registers while k runs (`tile.rs`), each element as one
//! chain of fused multiply-adds in the order of k.
//!
//! [`panel_transposed`] is C (+)= A·Bᵀ for the few columns that are left when n is no multiple of a
//! vector. They are stored as rows, so that the vectors run along k instead, and no part of one is
//! wasted on padding: with 100 hidden units that is a tenth of all the arithmetic.
//!
//! In both an element's bits depend neither on the rows beside it nor on how the rows were shared
//! out.

#[cfg(target_arch = "x86_64")]
mod tile;
#[cfg(target_arch = "x86_64")]
mod x86;

use crate::gemm::{check_shapes, gemm};
use crate::prefetch::Ahead;
use crate::{Path, Scalar, ShapeError, View, ViewMut};

/// A number type's version of [`panel`].
///
/// ```
/// use chainrule_tensor::panel::panel;
/// use chainrule_tensor::prefetch::Ahead;
/// use chainrule_tensor::{Path, Scalar, ShapeError, Tensor};
///
/// fn square<T: Scalar>(a: &Tensor<T>) -> Result<Tensor<T>, ShapeError> {
///     let mut c = Tensor::zeros(a.rows(), a.columns());
///     panel(Path::best(), a.view(), a.view(), c.view_mut(), false, &mut Ahead::new())?;
///     Ok(c)
/// }
/// assert_eq!(square(&Tensor::from_rows(&[[1.0f32, 1.0], [0.0, 1.0]]))?.as_slice(), [1.0, 2.0, 0.0, 1.0]);
/// assert_eq!(square(&Tensor::from_rows(&[[1.0f64, 1.0], [0.0, 1.0]]))?.as_slice(), [1.0, 2.0, 0.0, 1.0]);
/// # Ok::<(), ShapeError>(())
/// ```
pub trait Panel: Sized {
    /// C := A·B, or C := C + A·B if `accumulate`; the shapes have been checked.
    #[doc(hidden)]
    fn multiply(
        path: Path,
        a: View<Self>,
        b: View<Self>,
        c: ViewMut<Self>,
        accumulate: bool,
        ahead: &mut Ahead,
    ) where
        Self: Scalar;

    /// C := A·Bᵀ, or C := C + A·Bᵀ if `accumulate`; the shapes have been checked.
    #[doc(hidden)]
    fn multiply_transposed(
        path: Path,
        a: View<Self>,
        b: View<Self>,
        c: ViewMut<Self>,
        accumulate: bool,
    ) where
        Self: Scalar;
}

/// C := A·B, or C := C + A·B if `accumulate`, on the kernel that `path` names, asking for what
/// lies `ahead` meanwhile.
///
/// Without `accumulate` C is written and never read.
///
/// # Errors
/// [`ShapeError`] if the shapes do not fit together; C is untouched.
pub fn panel<T: Scalar>(
    path: Path,
    a: View<T>,
    b: View<T>,
    c: ViewMut<T>,
    accumulate: bool,
    ahead: &mut Ahead,
) -> Result<(), ShapeError> {
    check_shapes(&a, &b, &c)?;
    T::multiply(path, a, b, c, accumulate, ahead);
    Ok(())
}

/// C := A·Bᵀ, or C := C + A·Bᵀ if `accumulate`, for a B of few rows.
///
/// Without `accumulate` C is written and never read.
///
/// # Errors
/// [`ShapeError`] if the shapes do not fit together; C is untouched.
pub fn panel_transposed<T: Scalar>(
    path: Path,
    a: View<T>,
    b: View<T>,
    c: ViewMut<T>,
    accumulate: bool,
) -> Result<(), ShapeError> {
    check_shapes(&a, &b.t(), &c)?;
    T::multiply_transposed(path, a, b, c, accumulate);
    Ok(())
}

fn portable<T: Scalar>(a: View<T>, b: View<T>, c: ViewMut<T>, accumulate: bool) {
    let beta = if accumulate { T::ONE } else { T::ZERO };
    gemm(T::ONE, a, b, beta, c).expect("the shapes were checked");
}

impl Panel for f64 {
    /// The gradient check needs digits, not speed: `f64` is multiplied by matrixmultiply.
    fn multiply(
        _: Path,
        a: View<f64>,
        b: View<f64>,
        c: ViewMut<f64>,
        accumulate: bool,
        _: &mut Ahead,
    ) {
        portable(a, b, c, accumulate);
    }

    fn multiply_transposed(_: Path, a: View<f64>, b: View<f64>, c: ViewMut<f64>, accumulate: bool) {
        portable(a, b.t(), c, accumulate);
    }
}

impl Panel for f32 {
    fn multiply(
        path: Path,
        a: View<f32>,
        b: View<f32>,
        c: ViewMut<f32>,
        accumulate: bool,
        ahead: &mut Ahead,
    ) {
        #[cfg(target_arch = "x86_64")]
        if !a.is_empty() && !b.is_empty() && b.strides().1 == 1 && c.strides().1 == 1 {
            match path.kind() {
                crate::path::Kind::Avx512 => {
                    return x86::avx512::multiply(path, a, b, c, accumulate, ahead);
                }
                crate::path::Kind::Avx2 => {
                    return x86::avx2::multiply(path, a, b, c, accumulate, ahead);
                }
                crate::path::Kind::Portable => {}
            }
        }
        let _ = (path, ahead);
        portable(a, b, c, accumulate);
    }

    fn multiply_transposed(
        path: Path,
        a: View<f32>,
        b: View<f32>,
        c: ViewMut<f32>,
        accumulate: bool,
    ) {
        #[cfg(target_arch = "x86_64")]
        if !a.is_empty()
            && !b.is_empty()
            && [a, b].map(|x| x.strides().1) == [1, 1]
            && c.strides().1 == 1
        {
            match path.kind() {
                crate::path::Kind::Avx512 => {
                    return x86::avx512::transposed(path, a, b, c, accumulate);
                }
                crate::path::Kind::Avx2 => return x86::avx2::transposed(path, a, b, c, accumulate),
                crate::path::Kind::Portable => {}
            }
        }
        let _ = path;
        portable(a, b.t(), c, accumulate);
    }
}
