//! The functions of the hidden units, and their derivatives.
//!
//! | activation | f(y) | f'(y) |
//! | --- | --- | --- |
//! | ReLU | max(y, 0) | 1 where y > 0, else 0 |
//! | leaky ReLU | y where y > 0, else y / 100 | 1, or 1 / 100 |
//! | GELU | y Φ(y), with Φ(y) ≈ σ(2u) for u = √(2/π) (y + 0.044715 y³) | σ(2u) + 2 y u' σ(2u) σ(-2u) |
//! | tanh | tanh y | 1 - tanh² y |
//! | sigmoid | σ(y) = 1 / (1 + e⁻ʸ) | σ(y) σ(-y) |
//!
//! GELU is the form of Hendrycks & Gimpel 2016 that PyTorch calls `approximate="tanh"`; the two are
//! the same, for 1 + tanh u = 2 σ(2u). The derivative of the sigmoid is written without 1 - σ(y),
//! which cancels.
//!
//! ReLU's derivative follows from its value, so that nothing is kept for the backward pass. The
//! others write their derivative down, while they have it, and the backward pass multiplies by it.

use std::fmt;
use std::str::FromStr;

use chainrule_tensor::ops::elementwise::{self, Function};
use chainrule_tensor::{Isa, Scalar};

/// The activation function of the hidden units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activation {
    /// max(y, 0).
    #[default]
    Relu,
    /// y, or a hundredth of it below 0.
    LeakyRelu,
    /// y Φ(y), with the normal distribution function Φ in its tanh form.
    Gelu,
    /// The hyperbolic tangent.
    Tanh,
    /// The logistic function.
    Sigmoid,
}

/// A word that names none of the choices.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is not known: it may be {}", known.join(", "))]
pub struct UnknownName {
    word: String,
    known: Vec<String>,
}

/// The choice that prints as `word`.
pub(crate) fn by_name<C: fmt::Display + Copy>(word: &str, all: &[C]) -> Result<C, UnknownName> {
    let found = all.iter().copied().find(|choice| choice.to_string() == word);
    found.ok_or_else(|| UnknownName {
        word: word.into(),
        known: all.iter().map(C::to_string).collect(),
    })
}

impl Activation {
    /// All of them.
    pub const ALL: [Activation; 5] =
        [Self::Relu, Self::LeakyRelu, Self::Gelu, Self::Tanh, Self::Sigmoid];

    /// Whether it has a kink at 0, where it has no derivative.
    pub fn has_kink(self) -> bool {
        matches!(self, Self::Relu | Self::LeakyRelu)
    }

    /// Whether its derivative follows from its value, so that none is stored.
    pub(crate) fn tells_derivative(self) -> bool {
        self == Self::Relu
    }

    /// a = f(y), in place; in training the derivative goes to `derivative`, which is empty otherwise
    /// and for ReLU.
    pub(crate) fn forward<T: Scalar>(self, isa: Isa, y: &mut [T], derivative: &mut [T]) {
        match self {
            Self::Relu => apply(isa, Relu, y, derivative),
            Self::LeakyRelu => apply(isa, LeakyRelu, y, derivative),
            Self::Gelu => apply(isa, Gelu, y, derivative),
            Self::Tanh => apply(isa, Tanh, y, derivative),
            Self::Sigmoid => apply(isa, Sigmoid, y, derivative),
        }
    }
}

fn apply<T: Scalar>(isa: Isa, f: impl Function, y: &mut [T], derivative: &mut [T]) {
    if derivative.is_empty() {
        elementwise::apply(isa, y, f);
    } else {
        elementwise::apply_with_derivative(isa, y, derivative, f);
    }
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Relu => "relu",
            Self::LeakyRelu => "leaky-relu",
            Self::Gelu => "gelu",
            Self::Tanh => "tanh",
            Self::Sigmoid => "sigmoid",
        })
    }
}

impl FromStr for Activation {
    type Err = UnknownName;

    fn from_str(word: &str) -> Result<Self, UnknownName> {
        by_name(word, &Self::ALL)
    }
}

#[derive(Clone, Copy)]
struct Relu;

impl Function for Relu {
    #[inline(always)]
    fn value_and_derivative<T: Scalar>(self, y: T) -> (T, T) {
        // `max` would turn a NaN into 0 and hide it.
        if y <= T::ZERO { (T::ZERO, T::ZERO) } else { (y, T::ONE) }
    }
}

#[derive(Clone, Copy)]
struct LeakyRelu;

impl Function for LeakyRelu {
    #[inline(always)]
    fn value_and_derivative<T: Scalar>(self, y: T) -> (T, T) {
        let derivative = if y <= T::ZERO { T::from_f64(0.01) } else { T::ONE };
        (derivative * y, derivative)
    }
}

#[derive(Clone, Copy)]
struct Gelu;

impl Function for Gelu {
    #[inline(always)]
    fn value_and_derivative<T: Scalar>(self, y: T) -> (T, T) {
        let twice = T::from_f64(2.0 * (2.0 / std::f64::consts::PI).sqrt());
        let cubic = T::from_f64(0.044715);
        let two_u = twice * (y + cubic * y * y * y);
        let two_u_derivative = twice * (T::ONE + T::from_f64(3.0) * cubic * y * y);
        let (share, share_derivative) = Sigmoid.value_and_derivative(two_u);
        (y * share, share + y * two_u_derivative * share_derivative)
    }
}

#[derive(Clone, Copy)]
struct Tanh;

impl Function for Tanh {
    #[inline(always)]
    fn value_and_derivative<T: Scalar>(self, y: T) -> (T, T) {
        let a = y.tanh();
        (a, T::ONE - a * a)
    }
}

#[derive(Clone, Copy)]
struct Sigmoid;

impl Function for Sigmoid {
    #[inline(always)]
    fn value_and_derivative<T: Scalar>(self, y: T) -> (T, T) {
        // With e^-|y| nothing overflows: σ(|y|) = 1 / (1 + e), σ(-|y|) = e / (1 + e).
        let e = (-y.abs()).exp();
        let (large, small) = (T::ONE / (T::ONE + e), e / (T::ONE + e));
        (if y < T::ZERO { small } else { large }, large * small)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// f and f' at -3, -0.5, 0, 0.25 and 4, from PyTorch 2.15 in f64: `torch.nn.functional` and
    /// `autograd`.
    const AT: [f64; 5] = [-3.0, -0.5, 0.0, 0.25, 4.0];

    #[test]
    fn values_and_derivatives_are_pytorchs() {
        let cases = [
            (Activation::Relu, [0.0, 0.0, 0.0, 0.25, 4.0], [0.0, 0.0, 0.0, 1.0, 1.0]),
            (Activation::LeakyRelu, [-0.03, -0.005, 0.0, 0.25, 4.0], [0.01, 0.01, 0.01, 1.0, 1.0]),
            (
                Activation::Gelu,
                [
                    -0.0036373920817729943,
                    -0.15428599017485606,
                    0.0,
                    0.149675350701685,
                    3.9999297540518075,
                ],
                [
                    -0.011584166630969648,
                    0.13263009646535764,
                    0.5,
                    0.6953540951510604,
                    1.000335123197122,
                ],
            ),
            (
                Activation::Tanh,
                [
                    -0.9950547536867305,
                    -0.46211715726000974,
                    0.0,
                    0.24491866240370913,
                    0.999329299739067,
                ],
                [
                    0.009866037165440166,
                    0.7864477329659274,
                    1.0,
                    0.940014848806378,
                    0.0013409506830259165,
                ],
            ),
            (
                Activation::Sigmoid,
                [
                    0.04742587317756678,
                    0.3775406687981454,
                    0.5,
                    0.5621765008857981,
                    0.9820137900379085,
                ],
                [
                    0.04517665973091214,
                    0.2350037122015945,
                    0.25,
                    0.24613408273759835,
                    0.017662706213291107,
                ],
            ),
        ];
        for isa in Isa::available() {
            for (activation, values, derivatives) in cases {
                let (mut y, mut derivative) = (AT, [f64::NAN; 5]);
                activation.forward(isa, &mut y, &mut derivative);
                for (got, want) in y.iter().zip(values).chain(derivative.iter().zip(derivatives)) {
                    assert!((got - want).abs() < 1e-15, "{activation}: {got}, PyTorch {want}");
                }
                let mut in_f32 = AT.map(|y| y as f32);
                activation.forward(isa, &mut in_f32, &mut []);
                for (got, want) in in_f32.iter().zip(values) {
                    assert!((f64::from(*got) - want).abs() <= 3e-7, "{activation}: {got}, {want}");
                }
            }
        }
    }

    #[test]
    fn huge_sums_and_nans_stay_what_they_are() {
        for activation in Activation::ALL {
            let (mut y, mut derivative) = ([1e30f32, -1e30, f32::NAN], [f32::NAN; 3]);
            activation.forward(Isa::best(), &mut y, &mut derivative);
            assert!(y[2].is_nan(), "{activation} must not hide a NaN");
            assert!(!y[0].is_nan() && !y[1].is_nan(), "{activation}: {y:?}");
        }
    }

    #[test]
    fn a_name_comes_back_and_a_wrong_one_is_answered_with_the_others() {
        for activation in Activation::ALL {
            assert_eq!(activation.to_string().parse(), Ok(activation));
        }
        let error = "swish".parse::<Activation>().unwrap_err().to_string();
        let want = "`swish` is not known: it may be relu, leaky-relu, gelu, tanh, sigmoid";
        assert_eq!(error, want);
    }
}
