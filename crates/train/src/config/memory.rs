//! An estimate of the memory that training takes beside the images.

use chainrule_nn::architecture::parameter_count;

use super::{Config, OptimizerName};

impl Config {
    /// Bytes: the weights and their velocity, three more copies of the weights (the best, the last,
    /// one being written), what the optimizer, clipping and the moving average keep for each weight,
    /// and the activations. Nothing if it cannot be counted.
    pub(super) fn memory(&self, inputs: usize, classes: usize) -> Option<u64> {
        let widths = self.widths(inputs, classes);
        let parameters = parameter_count(&widths)? as u64;
        let rows = self.batch_size.max(256) as u64;
        let units = widths.iter().try_fold(0u64, |sum, &w| sum.checked_add(w as u64))?;
        // The activation, its derivative, and partial sums, some for each thread.
        let copies = 6 + self.threads.min(24) as u64;
        let activations = rows.checked_mul(units)?.checked_mul(copies)?;
        let kept = [
            self.optimizer != OptimizerName::Sgd, // the second moment
            self.clip_norm.is_some(),             // the gradient, until its norm is known
            self.ema_decay.is_some(),
        ];
        let weights = 5 + kept.iter().filter(|&&is_kept| is_kept).count() as u64;
        parameters
            .checked_mul(weights)?
            .checked_add(activations)?
            .checked_mul(size_of::<f32>() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_keeps_more_for_each_weight_is_known_to_take_more_memory() {
        let plain = Config { hidden_dim: vec![1000], ..Config::default() };
        let adam = Config { optimizer: OptimizerName::Adam, ..plain.clone() };
        let mean_of_adam = Config { ema_decay: Some(0.999), ..adam.clone() };
        let memory = |config: &Config| config.memory(3072, 10).unwrap();
        let copy = 4 * (3072 * 1000 + 1000 + 1000 * 10 + 10);
        assert_eq!(memory(&adam) - memory(&plain), copy);
        assert_eq!(memory(&mean_of_adam) - memory(&plain), 2 * copy);
        assert!(memory(&plain) > 5 * copy);
    }
}
