//! Softmax and cross-entropy as one function of the scores.
//!
//! p_j = exp(s_j) / Σ_k exp(s_k),  L = -ln p_y = ln Σ_k exp(s_k) - s_y,  ∂L/∂s_j = p_j - [j = y]
//!
//! The maximum is subtracted from the scores first, which changes neither and keeps every
//! exponential at or below 1. Taken together, the two need no logarithm of a probability that
//! may have become 0, and their derivative has no division by one.

use chainrule_tensor::Scalar;
use chainrule_tensor::rows::log_sum_exp;

/// The loss of one example, -ln p_label, from its scores.
///
/// ```
/// // Ten equal scores: every class has a probability of 1/10.
/// let loss = chainrule_nn::softmax::cross_entropy(&[0.5f64; 10], 3);
/// assert!((loss - 10.0f64.ln()).abs() < 1e-15);
/// ```
pub fn cross_entropy<T: Scalar>(scores: &[T], label: usize) -> T {
    log_sum_exp(scores) - scores[label]
}

/// Turns the scores of one example into `weight`·∂L/∂scores, in place, and returns the loss L.
///
/// `weight` is 1/N for the mean over N examples.
pub fn cross_entropy_backward<T: Scalar>(scores: &mut [T], label: usize, weight: T) -> T {
    let maximum = scores.iter().fold(T::NEG_INFINITY, |m, &s| m.max(s));
    let label_score = scores[label] - maximum;
    let mut sum = T::ZERO;
    for s in scores.iter_mut() {
        *s = (*s - maximum).exp();
        sum += *s;
    }
    let factor = weight / sum;
    for s in scores.iter_mut() {
        *s *= factor;
    }
    scores[label] -= weight;
    sum.ln() - label_score
}

/// Turns scores into probabilities, in place.
pub fn softmax<T: Scalar>(scores: &mut [T]) {
    let maximum = scores.iter().fold(T::NEG_INFINITY, |m, &s| m.max(s));
    for s in scores.iter_mut() {
        *s = (*s - maximum).exp();
    }
    let sum: T = scores.iter().copied().sum();
    for s in scores {
        *s /= sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_scores_worked_out_by_hand() {
        // exp of ln 1, ln 2, ln 5 is 1, 2, 5: probabilities 1/8, 2/8, 5/8.
        let scores = [0.0, 2.0f64.ln(), 5.0f64.ln()];
        assert!((cross_entropy(&scores, 1) - 4.0f64.ln()).abs() < 1e-15);
        let mut gradient = scores;
        let loss = cross_entropy_backward(&mut gradient, 1, 0.5);
        assert!((loss - 4.0f64.ln()).abs() < 1e-15);
        for (got, want) in gradient.iter().zip([1.0 / 16.0, -3.0 / 8.0, 5.0 / 16.0]) {
            assert!((got - want).abs() < 1e-15, "{got} {want}");
        }
        let mut p = scores;
        softmax(&mut p);
        assert!((p[2] - 0.625).abs() < 1e-15);
    }

    #[test]
    fn scores_of_ten_thousand_stay_finite() {
        for label in 0..3 {
            let mut s = [1e4f32, -1e4, 0.0];
            let loss = cross_entropy_backward(&mut s, label, 1.0);
            assert_eq!(loss, [0.0, 2e4, 1e4][label]);
            assert!(s.iter().all(|x| x.is_finite()));
            assert_eq!(cross_entropy(&[1e4f32, -1e4, 0.0], label), loss);
        }
    }

    #[test]
    fn a_nan_among_the_scores_makes_the_loss_nan() {
        for at in 0..3 {
            let mut s = [1.0f32, 2.0, 3.0];
            s[at] = f32::NAN;
            assert!(cross_entropy(&s, 0).is_nan());
            assert!(cross_entropy_backward(&mut s, 0, 1.0).is_nan());
        }
    }
}
