//! Calibration: how far confidence and accuracy agree.
//!
//! Predictions are put into M bins of equal width by their confidence, and in bin m, of n_m of all
//! n predictions, the share of right ones is compared with the mean confidence. The expected
//! calibration error is
//!
//! ECE = Σ_m n_m / n · |accuracy_m - confidence_m|
//!
//! as by Guo et al., On Calibration of Modern Neural Networks, 2017, whose M is 15.

use crate::Predictions;

/// Number of bins, M.
const BINS: usize = 15;

/// Confidence and accuracy by bins.
#[derive(Clone, Debug)]
pub(crate) struct Calibration {
    /// From confidence 0 to 1; bin m holds those above m / M, up to (m + 1) / M.
    pub(crate) bins: Vec<Bin>,
    /// The expected calibration error, from 0 to 1.
    pub(crate) error: f64,
    /// The mean confidence of all predictions, from 0 to 1.
    pub(crate) confidence: f64,
}

/// The predictions of about the same confidence.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bin {
    pub(crate) count: usize,
    right: usize,
    confidence: f64,
}

impl Bin {
    /// The share of right ones; NaN if the bin is empty.
    pub(crate) fn accuracy(&self) -> f64 {
        self.right as f64 / self.count as f64
    }

    /// The mean confidence; NaN if the bin is empty.
    pub(crate) fn confidence(&self) -> f64 {
        self.confidence / self.count as f64
    }
}

impl Calibration {
    pub(crate) fn of(predictions: &Predictions<'_>) -> Calibration {
        Self::from_outcomes(predictions.iter().map(|p| (p.confidence, p.is_right())))
    }

    /// From each prediction's confidence, and whether it was right.
    fn from_outcomes(outcomes: impl Iterator<Item = (f64, bool)>) -> Calibration {
        let mut bins = vec![Bin::default(); BINS];
        for (confidence, right) in outcomes {
            let bin = (confidence * BINS as f64).ceil() as usize;
            let bin = &mut bins[bin.clamp(1, BINS) - 1];
            bin.count += 1;
            bin.right += usize::from(right);
            bin.confidence += confidence;
        }
        let n: usize = bins.iter().map(|bin| bin.count).sum();
        let gap = |bin: &Bin| (bin.right as f64 - bin.confidence).abs();
        let error = bins.iter().map(gap).sum::<f64>() / n as f64;
        let confidence = bins.iter().map(|bin| bin.confidence).sum::<f64>() / n as f64;
        Calibration { bins, error, confidence }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_predictions_worked_out_by_hand() {
        // 0.62 and 0.66 lie in the bin from 9/15 to 10/15: accuracy 1/2, confidence 0.64.
        // 0.95 lies in the last: accuracy 1, confidence 0.95. So does 1.0: with it 1 and 0.975.
        let outcomes = [(0.62, true), (0.66, false), (0.95, true), (1.0, true)];
        let calibration = Calibration::from_outcomes(outcomes.into_iter());
        let bin = calibration.bins[9];
        assert_eq!((bin.count, bin.accuracy()), (2, 0.5));
        assert!((bin.confidence() - 0.64).abs() < 1e-12);
        assert_eq!((calibration.bins[14].count, calibration.bins[14].accuracy()), (2, 1.0));
        // 2/4 · |0.5 - 0.64| + 2/4 · |1 - 0.975|
        assert!((calibration.error - 0.0825).abs() < 1e-12, "{}", calibration.error);
        assert!((calibration.confidence - 3.23 / 4.0).abs() < 1e-12);
    }

    #[test]
    fn a_thousand_predictions_as_numpy_counts_them() {
        // i = np.arange(1000); c = (100 + i * 7919 % 900) / 1000; r = i * 104729 % 1000 < 800 * c
        // b = np.ceil(c * 15) - 1
        // sum((b == m).mean() * abs(r[b == m].mean() - c[b == m].mean()) for m in set(b))
        let outcomes = (0..1000_u64).map(|i| {
            let confidence = (100 + i * 7919 % 900) as f64 / 1000.0;
            (confidence, ((i * 104_729 % 1000) as f64) < 800.0 * confidence)
        });
        let calibration = Calibration::from_outcomes(outcomes);
        assert!((calibration.error - NUMPY).abs() < 1e-12, "{}", calibration.error);
    }

    const NUMPY: f64 = 0.109_7;
}
