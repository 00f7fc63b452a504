//! An estimate of the memory that training takes beside the images.

use chainrule_nn::architecture::parameter_count;
use chainrule_tensor::Precision;

use super::{Config, OptimizerName};

/// Images that are evaluated at once.
const EVALUATION_ROWS: usize = 256;

/// Bytes that training takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Needed {
    /// For all that is kept of each weight.
    pub weights: u64,
    /// For the activations of a batch.
    pub batch: u64,
}

impl Needed {
    pub fn bytes(self) -> u64 {
        self.weights + self.batch
    }
}

impl Config {
    /// The weights and their velocity, three more copies of the weights (the best, the last,
    /// one being written), what the optimizer, clipping and the moving average keep for each weight,
    /// and the activations. Nothing if it cannot be counted.
    pub(crate) fn memory(&self, inputs: usize, classes: usize) -> Option<Needed> {
        let widths = self.widths(inputs, classes);
        let parameters = parameter_count(&widths)? as u64;
        let rows = self.batch_size.max(EVALUATION_ROWS) as u64;
        let units = widths.iter().try_fold(0u64, |sum, &w| sum.checked_add(w as u64))?;
        // The activation, its derivative, and partial sums, some for each thread.
        let copies = 6 + self.threads.min(24) as u64 + u64::from(self.precision != Precision::F32);
        let values = rows.checked_mul(units)?.checked_mul(copies)?;
        let kept = [
            self.optimizer != OptimizerName::Sgd, // the second moment
            self.clip_norm.is_some(),             // the gradient, until its norm is known
            self.ema_decay.is_some(),
            self.precision != Precision::F32, // two operands of half the size
        ];
        let copies = 5 + kept.iter().filter(|&&is_kept| is_kept).count() as u64;
        let bytes = |values: u64| values.checked_mul(size_of::<f32>() as u64);
        let needed = Needed {
            weights: parameters.checked_mul(copies).and_then(bytes)?,
            batch: bytes(values)?,
        };
        needed.weights.checked_add(needed.batch).map(|_| needed)
    }
}

/// Bytes that whitening `n` images of `dim` values takes: the whitened images, and the matrices on the
/// way to them.
pub(crate) fn whitening(n: usize, dim: usize) -> u64 {
    let (n, dim) = (n as u64, dim as u64);
    n * dim * size_of::<f32>() as u64 + 6 * dim * dim * size_of::<f64>() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_keeps_more_for_each_weight_is_known_to_take_more_memory() {
        let plain = Config { hidden_dim: vec![1000], ..Config::default() };
        let adam = Config { optimizer: OptimizerName::Adam, ..plain.clone() };
        let mean_of_adam = Config { ema_decay: Some(0.999), ..adam.clone() };
        let memory = |config: &Config| config.memory(3072, 10).unwrap().bytes();
        let copy = 4 * (3072 * 1000 + 1000 + 1000 * 10 + 10);
        assert_eq!(memory(&adam) - memory(&plain), copy);
        assert_eq!(memory(&mean_of_adam) - memory(&plain), 2 * copy);
        assert!(memory(&plain) > 5 * copy);
        let needed = |batch_size| Config { batch_size, ..plain.clone() }.memory(3072, 10).unwrap();
        assert!(needed(64).weights > needed(64).batch);
        assert!(needed(50_000).weights < needed(50_000).batch);
    }
}
