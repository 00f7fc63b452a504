//! The number types of a tensor: `f32` to train with, `f64` to check derivatives in.
//!
//! A centered difference in `f32` is good to three digits and cannot tell a wrong derivative from
//! rounding. The layers are therefore generic over [`Scalar`], and the gradient check runs the
//! very code that trains, in `f64`, where a difference of 1e-8 stands out.

use std::fmt::{Debug, Display};
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub, SubAssign};

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// `f32` or `f64`, and no other type.
pub trait Scalar:
    sealed::Sealed
    + Copy
    + Default
    + Send
    + Sync
    + 'static
    + Debug
    + Display
    + PartialOrd
    + Add<Output = Self>
    + AddAssign
    + Sub<Output = Self>
    + SubAssign
    + Mul<Output = Self>
    + MulAssign
    + Div<Output = Self>
    + DivAssign
    + Neg<Output = Self>
    + Sum
    + crate::panel::Panel
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// Minus infinity: the maximum of nothing.
    const NEG_INFINITY: Self;

    /// The nearest value of this type.
    fn from_f64(value: f64) -> Self;
    /// The nearest value of this type; exact.
    fn from_f32(value: f32) -> Self;
    /// The same value; nothing is lost.
    fn to_f64(self) -> f64;
    /// e to this power.
    fn exp(self) -> Self;
    /// Hyperbolic tangent.
    fn tanh(self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// Natural logarithm.
    fn ln(self) -> Self;
    /// Without its sign.
    fn abs(self) -> Self;
    /// The larger of the two.
    fn max(self, other: Self) -> Self;
    /// Neither infinite nor NaN.
    fn is_finite(self) -> bool;

    /// C := αAB + βC through raw pointers: matrixmultiply's `sgemm` or `dgemm`.
    ///
    /// # Safety
    /// Every element that the shapes and strides reach must be valid to read in `a` and `b` and
    /// to write in `c`; elements of `c` must be distinct, and no one else may touch them.
    #[allow(unsafe_code, clippy::too_many_arguments)] // the signature that BLAS gave the world
    unsafe fn gemm_raw(
        m: usize,
        k: usize,
        n: usize,
        alpha: Self,
        a: *const Self,
        a_strides: (usize, usize),
        b: *const Self,
        b_strides: (usize, usize),
        beta: Self,
        c: *mut Self,
        c_strides: (usize, usize),
    );
}

macro_rules! scalar {
    ($type:ident, $gemm:ident, $exp:path, $tanh:path) => {
        impl Scalar for $type {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const NEG_INFINITY: Self = $type::NEG_INFINITY;

            fn from_f64(value: f64) -> Self {
                value as $type
            }
            #[inline(always)]
            fn from_f32(value: f32) -> Self {
                value.into()
            }
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            fn exp(self) -> Self {
                $exp(self)
            }
            #[inline(always)]
            fn tanh(self) -> Self {
                $tanh(self)
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                $type::sqrt(self)
            }
            #[inline(always)]
            fn abs(self) -> Self {
                $type::abs(self)
            }
            fn ln(self) -> Self {
                $type::ln(self)
            }
            #[inline(always)]
            fn max(self, other: Self) -> Self {
                if self > other { self } else { other }
            }
            fn is_finite(self) -> bool {
                $type::is_finite(self)
            }

            #[allow(unsafe_code)]
            unsafe fn gemm_raw(
                m: usize,
                k: usize,
                n: usize,
                alpha: Self,
                a: *const Self,
                (rsa, csa): (usize, usize),
                b: *const Self,
                (rsb, csb): (usize, usize),
                beta: Self,
                c: *mut Self,
                (rsc, csc): (usize, usize),
            ) {
                let s = |stride: usize| stride as isize;
                // SAFETY: the caller promises valid, distinct elements; a stride that reaches a
                // valid element is below isize::MAX.
                unsafe {
                    matrixmultiply::$gemm(
                        m,
                        k,
                        n,
                        alpha,
                        a,
                        s(rsa),
                        s(csa),
                        b,
                        s(rsb),
                        s(csb),
                        beta,
                        c,
                        s(rsc),
                        s(csc),
                    );
                }
            }
        }
    };
}

scalar!(f32, sgemm, crate::functions::exp, crate::functions::tanh);
scalar!(f64, dgemm, f64::exp, f64::tanh);
