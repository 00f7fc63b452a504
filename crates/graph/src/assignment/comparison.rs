//! The derivative of the sigmoid by every form, in double and single precision, and
//! why the forms differ.

use std::fmt::Write;

use super::blocks::{Block, heading};
use super::circuit;
use crate::number::{exact, significant};
use crate::{Gates, sigmoid};

/// The derivative of the sigmoid at one place, by every form.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Where.
    pub s: f64,
    /// The forms: name, precision in bits, value, error relative to the
    /// sigmoid gate's.
    pub forms: Vec<(&'static str, u32, f64, f64)>,
}

/// Computes dσ/ds at s by the chain of primitive gates, by the sigmoid gate,
/// and by the textbook form (1 - σ)σ, in double and single precision.
///
/// ```
/// let comparison = chainrule_graph::assignment::compare(27.0);
/// let textbook = &comparison.forms[2];
/// assert!(textbook.0.contains("(1 − σ)σ") && (4e-5..5e-5).contains(&textbook.3));
/// ```
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "f32 is what is to be shown")]
pub fn compare(s: f64) -> Comparison {
    let chain = circuit("1/(1+exp(-s))", &[("s", s)], Gates::Primitive);
    let gate = circuit("sigmoid(s)", &[("s", s)], Gates::Written);
    let [by_chain, by_gate] = [chain, gate].map(|c| c.gradient("s").unwrap_or(f64::NAN));
    let single = s as f32;
    let forms = [
        ("the chain ×(-1), exp, +1, 1/x", 64, by_chain),
        ("the sigmoid gate, exp(-s)/(1 + exp(-s))²", 64, by_gate),
        ("the textbook form (1 − σ)σ", 64, sigmoid::derivative_textbook(s)),
        ("the sigmoid gate's form", 32, f64::from(sigmoid::derivative_f32(single))),
        ("the textbook form (1 − σ)σ", 32, f64::from(sigmoid::derivative_textbook_f32(single))),
    ];
    let forms =
        forms.map(|(name, bits, value)| (name, bits, value, (value - by_gate).abs() / by_gate));
    Comparison { s, forms: forms.to_vec() }
}

pub(super) fn csv(comparison: &Comparison) -> String {
    let mut csv = String::from("form,bits,s,derivative,relative_error\n");
    for (name, bits, value, error) in &comparison.forms {
        let _ = writeln!(csv, "\"{name}\",{bits},{},{value:e},{error:e}", comparison.s);
    }
    csv
}

/// Why the textbook form is off at s, with the numbers of this machine.
pub(super) fn explanation(s: f64) -> Vec<Block> {
    let decay = (-s).exp();
    let denominator = 1.0 + decay;
    let sigma = 1.0 / denominator;
    let left_over = 1.0 - sigma;
    let spacing = f64::EPSILON / 2.0; // between floats just below 1
    let error = (sigmoid::derivative_textbook(s) / sigmoid::derivative(s) - 1.0).abs();
    #[expect(clippy::cast_possible_truncation, reason = "f32 is what is to be shown")]
    let sigma_f32 = 1.0 / (1.0 + (-s as f32).exp());
    // The first whole s at which the textbook form has nothing left.
    let zero_at = |lost: &dyn Fn(i32) -> bool| (1..1000).find(|&s| lost(s)).unwrap_or(0);
    let zero_f64 = zero_at(&|s| sigmoid::derivative_textbook(f64::from(s)) == 0.0);
    #[expect(clippy::cast_precision_loss, reason = "whole numbers below 1000")]
    let zero_f32 = zero_at(&|s| sigmoid::derivative_textbook_f32(s as f32) == 0.0);
    let error = significant(error, 2);
    vec![
        heading(2, "e-why", format!("Why the textbook form is off by {error}")),
        Block::Paragraph(format!(
            "σ({s}) is just below 1. There the 64-bit floats are {spacing} apart, so what \
             is stored is σ = {sigma}, rounded. The subtraction 1 − σ is then exact, but the digits \
             that it would have to bring out were lost before: it gives {left_over}, which is {steps} \
             steps of {spacing}, where exp(-{s})/(1 + exp(-{s})) = {truth} was meant. That is \
             cancellation, and the relative error of the gradient is {error}.",
            s = exact(s),
            spacing = significant(spacing, 3),
            sigma = exact(sigma),
            left_over = significant(left_over, 10),
            steps = exact(left_over / spacing),
            truth = significant(decay / denominator, 10),
        )),
        Block::Paragraph(format!(
            "A 32-bit float has 24 bits: just below 1 they are {spacing} apart, more than the whole \
             of 1 − σ. There σ({s}) is stored as {sigma_f32}, and the textbook gradient is {gradient}: \
             the neuron would not learn at all. The textbook form is exactly 0 from s = {zero_f32} on \
             in 32 bits and from s = {zero_f64} on in 64.",
            s = exact(s),
            spacing = significant(f64::from(f32::EPSILON) / 2.0, 3),
            gradient = significant(f64::from(sigmoid::derivative_textbook_f32(s as f32)), 3),
        )),
        Block::Paragraph(
            "The chain of (c) never subtracts numbers that are nearly equal: it multiplies \
             -1/(1 + exp(-s))² by exp(-s). The sigmoid gate computes exp(-|s|)/(1 + exp(-|s|))², which \
             is σ(s) σ(-s); nothing is subtracted, the exponential can't overflow, and the gradient is \
             good to the last digits in either precision."
                .into(),
        ),
    ]
}
