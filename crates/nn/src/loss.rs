//! Softmax and cross-entropy as one function of the scores.
//!
//! p_j = exp(s_j) / Σ_k exp(s_k),  L = -ln p_y = ln Σ_k exp(s_k) - s_y,  ∂L/∂s_j = p_j - [j = y]
//!
//! The maximum is subtracted from the scores first, which changes neither and keeps every
//! exponential at or below 1. Taken together, the two need no logarithm of a probability that
//! may have become 0, and their derivative has no division by one.

use chainrule_tensor::ops::elementwise;
use chainrule_tensor::ops::rows::log_sum_exp;
use chainrule_tensor::{Isa, Scalar};

/// The loss of one example, -ln p_label, from its scores.
///
/// ```
/// // Ten equal scores: every class has a probability of 1/10.
/// let loss = chainrule_nn::loss::cross_entropy(&[0.5f64; 10], 3);
/// assert!((loss - 10.0f64.ln()).abs() < 1e-15);
/// ```
pub fn cross_entropy<T: Scalar>(scores: &[T], label: usize) -> T {
    log_sum_exp(scores) - scores[label]
}

/// The target probabilities of an example:
///
/// ```text
/// q_j = (1-ε) (s [j = first] + (1-s) [j = second]) + ε / classes
/// ```
///
/// with mixup's share s and label smoothing's ε. Usually s is 1 and ε 0, and q is the label.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target<T> {
    /// The example's class.
    pub first: usize,
    /// The class of the example that it is mixed with.
    pub second: usize,
    /// s, from 0 to 1.
    pub share: T,
    /// ε, from 0 to below 1.
    pub smoothing: T,
}

impl<T: Scalar> From<usize> for Target<T> {
    fn from(label: usize) -> Self {
        Self { first: label, second: label, share: T::ONE, smoothing: T::ZERO }
    }
}

/// [`weighted_cross_entropy_backward`] with all classes alike: `factor` is 1/N for the mean over N
/// examples.
pub fn cross_entropy_backward<T: Scalar>(
    isa: Isa,
    scores: &mut [T],
    classes: usize,
    target: impl Fn(usize) -> Target<T>,
    factor: T,
) -> f64 {
    weighted_cross_entropy_backward(isa, scores, classes, target, None, factor)
}

/// Turns scores into `factor`·∂ΣL/∂scores, in place, and returns ΣL over the examples, where
///
/// ```text
/// L = -Σ_j w_j q_j ln p_j        ∂L/∂s_j = p_j Σ_k w_k q_k - w_j q_j
/// ```
///
/// with a weight w of each class, 1 where there are none. `scores` is (examples, classes),
/// `target(i)` the target of the i-th example. `factor` is 1 over what ΣL is divided by: for the
/// weighted mean, Σ of the weights of the examples' classes, as in PyTorch's `CrossEntropyLoss`.
pub fn weighted_cross_entropy_backward<T: Scalar>(
    isa: Isa,
    scores: &mut [T],
    classes: usize,
    target: impl Fn(usize) -> Target<T>,
    class_weights: Option<&[T]>,
    factor: T,
) -> f64 {
    let weight_of = |class: usize| class_weights.map_or(T::ONE, |weights| weights[class]);
    let of_all = class_weights.map(|weights| weights.iter().copied().sum::<T>());
    let count = T::from_f64(classes as f64);
    let mut expected = 0.0;
    for (i, row) in scores.chunks_exact_mut(classes).enumerate() {
        let maximum = row.iter().fold(T::NEG_INFINITY, |m, &s| m.max(s));
        row.iter_mut().for_each(|s| *s -= maximum);
        let Target { first, second, share, smoothing } = target(i);
        let labels = share * (weight_of(first) * row[first])
            + (T::ONE - share) * (weight_of(second) * row[second]);
        let all = row.iter().enumerate().map(|(j, &s)| weight_of(j) * s).sum::<T>() / count;
        expected += ((T::ONE - smoothing) * labels + smoothing * all).to_f64();
    }
    elementwise::exp(isa, scores);
    let mut logarithms = 0.0;
    for (i, row) in scores.chunks_exact_mut(classes).enumerate() {
        let sum: T = row.iter().copied().sum();
        let Target { first, second, share, smoothing } = target(i);
        // Σ w_k q_k, which is 1 without weights.
        let total = of_all.map_or(T::ONE, |of_all| {
            let labels = share * weight_of(first) + (T::ONE - share) * weight_of(second);
            (T::ONE - smoothing) * labels + smoothing * of_all / count
        });
        logarithms += (total * sum.ln()).to_f64();
        let (to_probability, of_each) = (factor * total / sum, factor * smoothing / count);
        for (j, p) in row.iter_mut().enumerate() {
            *p = *p * to_probability - weight_of(j) * of_each;
        }
        let of_labels = factor * (T::ONE - smoothing);
        row[first] -= of_labels * share * weight_of(first);
        row[second] -= of_labels * (T::ONE - share) * weight_of(second);
    }
    logarithms - expected
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

    fn backward<T: Scalar>(scores: &mut [T], target: Target<T>, weight: T) -> f64 {
        let classes = scores.len();
        cross_entropy_backward(Isa::best(), scores, classes, |_| target, weight)
    }

    #[test]
    fn smoothed_and_mixed_labels_are_pytorchs() {
        // PyTorch 2.15: F.cross_entropy(s, q) and its gradient, with s below and
        // q = 0.9 * (0.7 * onehot(1) + 0.3 * onehot(3)) + 0.1 / 4.
        let mut s = [0.5, -1.0, 2.0, 0.25];
        let target = Target { first: 1, second: 3, share: 0.7, smoothing: 0.1 };
        let loss = backward(&mut s, target, 1.0);
        assert!((loss - 2.8880289984482537).abs() < 1e-14, "{loss}");
        let gradient =
            [0.12923482528416222, -0.6205855587338798, 0.6662325307415308, -0.1748817972918132];
        for (got, want) in s.iter().zip(gradient) {
            assert!((got - want).abs() < 1e-15, "{got} {want}");
        }
    }

    #[test]
    fn weighted_classes_are_pytorchs() {
        // PyTorch 2.15 in f64: F.cross_entropy(s, y, weight=w, label_smoothing=e) with s and w below
        // and y = [1, 3], its value and its gradient, for e = 0 and e = 0.1; then with the
        // probabilities q of two mixed examples in place of y, where the mean is over examples.
        let s = [0.5, -1.0, 2.0, 0.25, 1.5, 0.0, -0.75, 0.4];
        let w = [2.0, 0.5, 1.0, 3.0];
        let label = |smoothing: f64| {
            move |i: usize| Target { first: [1, 3][i], second: [1, 3][i], share: 1.0, smoothing }
        };
        let mixed =
            |i: usize| Target { first: [1, 3][i], second: [3, 1][i], share: 0.7, smoothing: 0.1 };
        let check = |target: &dyn Fn(usize) -> Target<f64>, by: f64, loss: f64, want: [f64; 8]| {
            let mut gradient = s;
            let isa = Isa::best();
            let sum =
                weighted_cross_entropy_backward(isa, &mut gradient, 4, target, Some(&w), 1.0 / by);
            assert!((sum / by - loss).abs() < 1e-14, "{sum} {loss}");
            for (got, want) in gradient.iter().zip(want) {
                assert!((got - want).abs() < 1e-15, "{gradient:?} {want}");
            }
        };
        check(
            &label(0.0),
            3.5,
            1.8593206303715244,
            [
                0.02203354646916603,
                -0.13794079410483998,
                0.09874750439164726,
                0.01715974324402669,
                0.5159158634185305,
                0.11511638922769214,
                0.05437713194347782,
                -0.6854093845897005,
            ],
        );
        check(
            &label(0.1),
            3.5,
            1.8287464913004108,
            [
                0.012705380139014103,
                -0.1261203299212861,
                0.11382283573691075,
                -0.0004078859546387305,
                0.47798400539280034,
                0.10626879281666105,
                0.04474198958654463,
                -0.628994787796006,
            ],
        );
        check(
            &mixed,
            2.0,
            3.315602467205931,
            [
                0.07428866877667943,
                -0.14159570343493513,
                0.43248094166486045,
                -0.3651739070066048,
                0.633330138216354,
                0.073143309170753,
                0.05688748607370868,
                -0.7633609334608158,
            ],
        );
    }

    #[test]
    fn equal_weights_change_no_bit() {
        let s: Vec<f32> = (0..30).map(|i| (i as f32 * 0.7).sin() * 3.0).collect();
        let target = |i: usize| Target { first: i % 10, second: 9 - i, share: 1.0, smoothing: 0.0 };
        let (mut plain, mut weighted) = (s.clone(), s);
        let isa = Isa::best();
        let a = cross_entropy_backward(isa, &mut plain, 10, target, 0.3);
        let ones = Some(&[1.0; 10][..]);
        let b = weighted_cross_entropy_backward(isa, &mut weighted, 10, target, ones, 0.3);
        assert_eq!((a, plain), (b, weighted));
    }

    #[test]
    fn three_scores_worked_out_by_hand() {
        // exp of ln 1, ln 2, ln 5 is 1, 2, 5: probabilities 1/8, 2/8, 5/8.
        let scores = [0.0, 2.0f64.ln(), 5.0f64.ln()];
        assert!((cross_entropy(&scores, 1) - 4.0f64.ln()).abs() < 1e-15);
        let mut gradient = scores;
        let loss = backward(&mut gradient, 1.into(), 0.5);
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
            let loss = backward(&mut s, label.into(), 1.0);
            assert_eq!(loss, [0.0, 2e4, 1e4][label]);
            assert!(s.iter().all(|x| x.is_finite()));
            assert_eq!(f64::from(cross_entropy(&[1e4f32, -1e4, 0.0], label)), loss);
        }
    }

    #[test]
    fn a_nan_among_the_scores_makes_the_loss_nan() {
        for at in 0..3 {
            let mut s = [1.0f32, 2.0, 3.0];
            s[at] = f32::NAN;
            assert!(cross_entropy(&s, 0).is_nan());
            assert!(backward(&mut s, 0.into(), 1.0).is_nan());
        }
    }
}
