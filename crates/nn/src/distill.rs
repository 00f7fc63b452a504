//! Distillation: a network learns from the probabilities that a teacher gives its training images
//! (Hinton, Vinyals & Dean 2015, "Distilling the knowledge in a neural network", section 2).
//!
//! With scores z of the network, the label's target t, the teacher's scores v, a temperature T and a
//! weight w,
//!
//! ```text
//! q = softmax(v / T)      p = softmax(z / T)
//! L = (1 - w) CE(t, softmax(z)) + w T² CE(q, p),      CE(q, p) = -Σ_j q_j ln p_j
//! ∂/∂z_j of the second term = w T (p_j - q_j)
//! ```
//!
//! T² keeps the size of the gradient: softmax(z / T) changes by 1/T, and its derivative by another.

use chainrule_tensor::ops::elementwise;
use chainrule_tensor::{Isa, Scalar};

/// What a teacher says of the examples of a data set.
#[derive(Clone, Debug, PartialEq)]
pub struct SoftTargets<T = f32> {
    /// T, above 0.
    pub temperature: f64,
    /// w, from 0 to 1.
    pub weight: f64,
    /// q of each row of the data: (rows, classes), row-major.
    pub probabilities: Vec<T>,
}

impl<T: Scalar> SoftTargets<T> {
    /// Turns scores, (rows, classes), into `factor` ∂ΣL/∂scores of the second term, in place, and
    /// returns its ΣL. `factor` is 1/N for the mean over N examples.
    pub(crate) fn backward(
        &self,
        isa: Isa,
        scores: &mut [T],
        classes: usize,
        rows: &[u32],
        factor: T,
    ) -> f64 {
        let temperature = T::from_f64(self.temperature);
        let target = |row: u32| &self.probabilities[row as usize * classes..][..classes];
        let mut expected = 0.0;
        for (scores, &row) in scores.chunks_exact_mut(classes).zip(rows) {
            let maximum = scores.iter().fold(T::NEG_INFINITY, |m, &s| m.max(s));
            scores.iter_mut().for_each(|s| *s = (*s - maximum) / temperature);
            expected += scores.iter().zip(target(row)).map(|(&s, &q)| s * q).sum::<T>().to_f64();
        }
        elementwise::exp(isa, scores);
        let scale = factor * T::from_f64(self.weight * self.temperature);
        let mut logarithms = 0.0;
        for (p, &row) in scores.chunks_exact_mut(classes).zip(rows) {
            let (q, sum) = (target(row), p.iter().copied().sum::<T>());
            // 1, to rounding: with it the derivative is exactly that of the loss.
            let total = q.iter().copied().sum::<T>();
            logarithms += (total * sum.ln()).to_f64();
            for (p, &q) in p.iter_mut().zip(q) {
                *p = scale * (*p * total / sum - q);
            }
        }
        self.weight * self.temperature * self.temperature * (logarithms - expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loss_by_a_teachers_probabilities_and_its_gradient_are_pytorchs() {
        // PyTorch 2.15 in f64, with s and v below and T = 2.5:
        // T * T * -(softmax(v / T) * log_softmax(s / T)).sum(1).mean(), and its gradient.
        let mut s = [0.5, -1.0, 2.0, 0.25, 1.5, 0.0, -0.75, 0.4];
        let q = [
            0.25910984301462514,
            0.21214119690128172,
            0.1422024968729228,
            0.38654646321117025,
            0.1542671449351235,
            0.5121849585213551,
            0.23013953684882263,
            0.1034083596946986,
        ];
        // The rows of the data are in another order than those of the batch.
        let probabilities = [&q[4..], &q[..4]].concat();
        let soft = SoftTargets { temperature: 2.5, weight: 1.0, probabilities };
        let loss = soft.backward(Isa::best(), &mut s, 4, &[1, 0], 0.5) / 2.0;
        assert!((loss - 9.527516466084581).abs() < 1e-13, "{loss}");
        let gradient = [
            -0.0315421525509497,
            -0.10473407538286277,
            0.35493447514495285,
            -0.2186582472111403,
            0.28804299440740305,
            -0.37632034586629537,
            -0.09216445305236358,
            0.1804418045112559,
        ];
        for (got, want) in s.iter().zip(gradient) {
            assert!((got - want).abs() < 1e-15, "{got} {want}");
        }
    }
}
