//! Every derivative against a centered difference, in `f64`.
//!
//! The difference (`difference`) chooses its step by the function and knows its own error, so that
//! an element *agrees*, *differs*, or lies where the check *cannot tell*: beside a kink, or below the
//! rounding. Errors are measured as courses do, by |a - n| / max(1e-8, |a| + |n|) for the analytic a
//! and the numeric n. A parameter whose elements agree, as far as they could be compared, passes;
//! one with an element that differs fails; one with too few that could be compared is neither, and
//! [`Row::reason`] says why (`report`).
//!
//! The code that is checked is the code that trains: the classifier's gradient is read from the
//! velocity of an [`crate::Engine`] after one step with a learning rate and a momentum of 0.
//!
//! [`run`] checks small networks, every element of every parameter (`cases`). Of a network of
//! millions [`Training::check`] takes a few ([`Elements::Few`]), spread over each parameter. The loss
//! of so many sums is rounded where their derivatives are small, so that the bound is wider there,
//! and derivatives that are not 0 but far below the others of their parameter are passed over.

mod cases;
mod difference;
mod report;
#[cfg(test)]
mod tests;
mod training;

use chainrule_tensor::Isa;

pub use report::{Elements, Row, Verdict};
pub use training::Training;

/// The largest relative error that passes.
pub const BOUND: f64 = 1e-7;

/// The same where a few elements of a large network are checked.
pub const BOUND_OF_FEW: f64 = 1e-5;

/// Checks derivatives of a function of one's own, such as those of a layer: whether `gradient` is
/// ∂f/∂p at the point `at`, element by element. `layer` and `parameter` are what the row calls them.
///
/// ```
/// use chainrule_nn::gradcheck;
///
/// let f = |x: &[f64]| x[0] * x[0] * x[1];
/// let row = gradcheck::check("product", "x", &[3.0, 2.0], &[12.0, 9.0], f);
/// assert!(row.passed, "{}", row.worst_relative_error);
/// assert!(!gradcheck::check("product", "x", &[3.0, 2.0], &[12.0, 8.0], f).passed);
/// ```
///
/// # Panics
/// If there is not one derivative for each element.
#[must_use]
pub fn check(
    layer: &str,
    parameter: &str,
    at: &[f64],
    gradient: &[f64],
    f: impl FnMut(&[f64]) -> f64,
) -> Row {
    report::check(layer, parameter, at, gradient, f)
}

/// Checks every layer alone, the loss, and whole classifiers with every ingredient, as they are in
/// training, with the kernels of `isa`.
#[must_use]
pub fn run(isa: Isa) -> Vec<Row> {
    cases::run(isa)
}
