//! General matrix multiplication: C := αAB + βC.
//!
//! A is (m, k), B is (k, n), C is (m, n), each with strides of its own, so any of them may be a
//! transpose. The work is done by the matrixmultiply crate; [`reference()`] is the definition,
//! three loops long, that every faster product here is tested against.

use crate::matrix::{View, ViewMut};
use crate::scalar::Scalar;

/// Matrices whose shapes do not fit together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "cannot multiply {} x {} by {} x {} into {} x {}: the inner sizes must agree, and the result \
     has the rows of the first and the columns of the second",
    a.0, a.1, b.0, b.1, c.0, c.1
)]
pub struct ShapeError {
    /// Rows and columns of A.
    pub a: (usize, usize),
    /// Rows and columns of B.
    pub b: (usize, usize),
    /// Rows and columns of C.
    pub c: (usize, usize),
}

pub(crate) fn check_shapes<T: Scalar>(
    a: &View<T>,
    b: &View<T>,
    c: &ViewMut<T>,
) -> Result<(usize, usize, usize), ShapeError> {
    let (m, k, n) = (a.rows(), a.columns(), b.columns());
    if b.rows() != k || c.rows() != m || c.columns() != n {
        return Err(ShapeError { a: (m, k), b: (b.rows(), n), c: (c.rows(), c.columns()) });
    }
    Ok((m, k, n))
}

/// C := αAB + βC.
///
/// With β = 0, C is written and never read, so what it held before, NaN included, is gone.
///
/// # Errors
/// [`ShapeError`] if the shapes do not fit together; C is untouched.
pub fn gemm<T: Scalar>(
    alpha: T,
    a: View<T>,
    b: View<T>,
    beta: T,
    mut c: ViewMut<T>,
) -> Result<(), ShapeError> {
    let (m, k, n) = check_shapes(&a, &b, &c)?;
    /// The call of one type's function.
    macro_rules! call {
        ($function:ident, $type:ty, $a:ident, $b:ident, $c:ident) => {{
            let signed = |stride: usize| stride as isize;
            let ((rsa, csa), (rsb, csb), (rsc, csc)) = ($a.strides(), $b.strides(), $c.strides());
            // SAFETY: the shapes agree, and a view's constructor has proved that each element which
            // its shape and strides reach lies within its slice, so no stride of an element is
            // beyond isize::MAX; a `ViewMut` has distinct elements, and holds them exclusively.
            #[allow(unsafe_code)]
            unsafe {
                matrixmultiply::$function(
                    m,
                    k,
                    n,
                    alpha.to_f64() as $type, // exact: it is of this type
                    $a.as_ptr(),
                    signed(rsa),
                    signed(csa),
                    $b.as_ptr(),
                    signed(rsb),
                    signed(csb),
                    beta.to_f64() as $type,
                    $c.as_mut_ptr(),
                    signed(rsc),
                    signed(csc),
                );
            }
        }};
    }
    if let (Some(a), Some(b), Some(mut c)) = (a.as_f32(), b.as_f32(), c.as_f32()) {
        call!(sgemm, f32, a, b, c);
    }
    if let (Some(a), Some(b), Some(mut c)) = (a.as_f64(), b.as_f64(), c.as_f64()) {
        call!(dgemm, f64, a, b, c);
    }
    Ok(())
}

/// The definition of [`gemm`], as three plain loops: slow, and obviously right.
///
/// # Errors
/// [`ShapeError`] if the shapes do not fit together; C is untouched.
pub fn reference<T: Scalar>(
    alpha: T,
    a: View<T>,
    b: View<T>,
    beta: T,
    mut c: ViewMut<T>,
) -> Result<(), ShapeError> {
    let (m, k, n) = check_shapes(&a, &b, &c)?;
    for i in 0..m {
        for j in 0..n {
            let product: T = (0..k).map(|p| a.get(i, p) * b.get(p, j)).sum();
            let before = if beta == T::ZERO { T::ZERO } else { beta * c.as_view().get(i, j) };
            c.set(i, j, alpha * product + before);
        }
    }
    Ok(())
}
