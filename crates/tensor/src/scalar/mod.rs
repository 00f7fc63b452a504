//! The number types of a tensor: `f32` to train with, `f64` to check derivatives in.
//!
//! A centered difference in `f32` is good to three digits and cannot tell a wrong derivative from
//! rounding. The layers are therefore generic over [`Scalar`], and the gradient check runs the
//! very code that trains, in `f64`, where a difference of 1e-8 stands out.

mod bytes;

use std::fmt::{Debug, Display};
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub, SubAssign};

use crate::math;

pub use bytes::Element;

use crate::buffer::Zero;

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// `f32` or `f64`, and no other type.
pub trait Scalar:
    sealed::Sealed
    + Element
    + Zero
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

    /// These numbers, if they are `f32`: which kernels there are depends on the type.
    #[doc(hidden)]
    fn as_f32(numbers: &[Self]) -> Option<&[f32]>;
    /// [`Scalar::as_f32`], to write.
    #[doc(hidden)]
    fn as_f32_mut(numbers: &mut [Self]) -> Option<&mut [f32]>;
    /// These numbers, if they are `f64`.
    #[doc(hidden)]
    fn as_f64(numbers: &[Self]) -> Option<&[f64]>;
    /// [`Scalar::as_f64`], to write.
    #[doc(hidden)]
    fn as_f64_mut(numbers: &mut [Self]) -> Option<&mut [f64]>;
}

macro_rules! scalar {
    ($type:ident, $exp:path, $tanh:path, $ln:path, { $($which:item)* }) => {
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
                $ln(self)
            }
            #[inline(always)]
            fn max(self, other: Self) -> Self {
                if self > other { self } else { other }
            }
            fn is_finite(self) -> bool {
                $type::is_finite(self)
            }

            $($which)*
        }
    };
}

scalar!(f32, math::exp_f32, math::tanh_f32, math::ln_f32, {
    fn as_f32(numbers: &[f32]) -> Option<&[f32]> {
        Some(numbers)
    }
    fn as_f32_mut(numbers: &mut [f32]) -> Option<&mut [f32]> {
        Some(numbers)
    }
    fn as_f64(_: &[f32]) -> Option<&[f64]> {
        None
    }
    fn as_f64_mut(_: &mut [f32]) -> Option<&mut [f64]> {
        None
    }
});
scalar!(f64, math::exp, math::tanh, math::ln, {
    fn as_f32(_: &[f64]) -> Option<&[f32]> {
        None
    }
    fn as_f32_mut(_: &mut [f64]) -> Option<&mut [f32]> {
        None
    }
    fn as_f64(numbers: &[f64]) -> Option<&[f64]> {
        Some(numbers)
    }
    fn as_f64_mut(numbers: &mut [f64]) -> Option<&mut [f64]> {
        Some(numbers)
    }
});
