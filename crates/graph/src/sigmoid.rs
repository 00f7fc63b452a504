//! The sigmoid and its derivative, in a form that floating point can't hurt.
//!
//! ```text
//! σ(s)  = 1 / (1 + exp(-s))
//! σ'(s) = σ(s) (1 - σ(s)) = σ(s) σ(-s) = exp(-|s|) / (1 + exp(-|s|))²
//! ```
//!
//! The three forms of σ' are equal in exact arithmetic and far apart in floating
//! point. Where s is large, σ(s) is a number just below 1, stored to about 1e-16
//! *of 1*. The difference 1 - σ(s) is exact, but what it subtracts was rounded
//! already: of exp(-27) = 1.88e-12 only the digits above 1e-16 are left, some
//! four of them. That is cancellation, and it makes the textbook form
//! (1 - σ)σ wrong by 4.2e-5 at s = 27 and exactly 0 beyond s = 37. In f32, with
//! its 24 bits, σ(27) is stored as 1 and the gradient is lost altogether.
//!
//! [`derivative`] takes the last form, in which nothing is subtracted: it is
//! good to the last few bits for every s, and it never overflows, because the
//! exponential is only ever taken of a number that isn't positive.
//!
//! ```
//! use chainrule_graph::sigmoid;
//!
//! let (s, exact) = (27.0_f64, 1.879528816532e-12);
//! let textbook = (1.0 - sigmoid::value(s)) * sigmoid::value(s);
//! assert!((sigmoid::derivative(s) / exact - 1.0).abs() < 1e-12);
//! assert!((textbook / exact - 1.0).abs() > 4e-5);
//! ```

/// σ(s) = 1 / (1 + exp(-s)), without overflow for any s.
#[must_use]
pub fn value(s: f64) -> f64 {
    let decay = (-s.abs()).exp();
    if s < 0.0 { decay / (1.0 + decay) } else { 1.0 / (1.0 + decay) }
}

/// dσ/ds = exp(-|s|) / (1 + exp(-|s|))²: the form without a subtraction.
#[must_use]
pub fn derivative(s: f64) -> f64 {
    let decay = (-s.abs()).exp();
    decay / ((1.0 + decay) * (1.0 + decay))
}

/// dσ/ds as the textbook writes it, (1 - σ)σ. Kept to be compared with
/// [`derivative`]; no gate uses it.
#[must_use]
pub fn derivative_textbook(s: f64) -> f64 {
    let sigma = 1.0 / (1.0 + (-s).exp());
    (1.0 - sigma) * sigma
}

/// [`derivative_textbook`] in single precision.
#[must_use]
pub fn derivative_textbook_f32(s: f32) -> f32 {
    let sigma = 1.0 / (1.0 + (-s).exp());
    (1.0 - sigma) * sigma
}

/// [`derivative`] in single precision: the form, not the precision, is what
/// saves the gradient.
#[must_use]
pub fn derivative_f32(s: f32) -> f32 {
    let decay = (-s.abs()).exp();
    decay / ((1.0 + decay) * (1.0 + decay))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sigmoid_gates_gradient_keeps_its_digits_where_the_textbook_form_loses_them() {
        // Both figures were computed outside this project, in 64-bit floats.
        let chain = 1.879528816532e-12;
        assert!((derivative(27.0) - chain).abs() < 1e-12 * chain);
        assert!((derivative_textbook(27.0) - 1.879607580687e-12).abs() < 1e-23);
        let error = (derivative_textbook(27.0) - chain).abs() / chain;
        assert!((error - 4.2e-5).abs() < 1e-6, "{error:e}");
        assert_eq!(derivative_textbook_f32(27.0), 0.0);
        assert!((f64::from(derivative_f32(27.0)) / chain - 1.0).abs() < 1e-6);
    }

    #[test]
    fn the_sigmoid_is_finite_and_symmetric_however_far_out() {
        for s in [0.0, 1e-300, 0.5, 20.0, 37.0, 700.0, 745.0, 1e4, 1e308] {
            assert!(value(s).is_finite() && value(-s).is_finite());
            assert_eq!(derivative(s), derivative(-s));
            assert!((value(s) + value(-s) - 1.0).abs() < 1e-15);
        }
        assert_eq!(value(0.0), 0.5);
        assert_eq!(derivative(0.0), 0.25);
        assert!(value(f64::NAN).is_nan() && derivative(f64::NAN).is_nan());
    }
}
