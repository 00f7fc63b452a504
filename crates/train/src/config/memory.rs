//! An estimate of the memory that training takes beside the images.

use chainrule_nn::{Architecture, activation_bytes};
use chainrule_tensor::Kernel;

use super::{Config, OptimizerName};
use crate::machine;

/// Bytes that training takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Needed {
    /// For all that is kept of each weight.
    pub weights: u64,
    /// For the activations of a batch, where the weights leave room for any.
    pub batch: Option<u64>,
}

impl Needed {
    pub fn bytes(self) -> u64 {
        self.weights.saturating_add(self.batch.unwrap_or(0))
    }
}

impl Config {
    /// What training on images of `inputs` values and `classes` classes takes in each of so many
    /// `processes`. Nothing if it cannot be counted. Where the weights alone take more than what is
    /// `available`, the activations are not counted: to cut such a layer in tiles would itself take
    /// memory.
    pub(crate) fn memory(
        &self,
        (inputs, classes): (usize, usize),
        processes: usize,
        available: u64,
    ) -> Option<Needed> {
        let widths = self.widths(inputs, classes);
        let architecture = Architecture::new(&widths, self.hidden()).ok()?;
        let copy = (architecture.len() as u64).checked_mul(size_of::<f32>() as u64)?;
        let weights = copy.checked_mul(self.copies(processes))?;
        if weights > available {
            return Some(Needed { weights, batch: None });
        }
        // What is wrong with the variable is told when the kernel is taken.
        let kernel = Kernel::from_environment(self.precision)
            .unwrap_or_else(|_| Kernel::best(self.precision));
        let threads = machine::threads(self.threads);
        let ranks = threads * processes;
        // The last ranks own the most.
        let own = ranks - threads..ranks;
        let batch = activation_bytes::<f32>(&architecture, kernel, own, ranks, self.batch_size);
        // A batch that cannot be counted is larger than any memory too.
        Some(Needed { weights, batch: Some(batch.unwrap_or(u64::MAX)) })
    }

    /// Copies of the weights, in `f32` at any precision, at the moments when there are the most.
    ///
    /// While a checkpoint is written: the weights, their velocity, second moment and moving average in
    /// the engine, each gathered from it once more, and the best weights. The file is written and read
    /// back block by block. While new best weights are written: those in the engine, the new best and
    /// the last best, the network that is written, and where images are whitened its first layer once
    /// more. Clipping keeps the gradient at all times. Each of several processes has only a part of what
    /// is in the engine, and the messages by which it is gathered, which are a copy more.
    fn copies(&self, processes: usize) -> u64 {
        let count = |is_kept: bool| u64::from(is_kept);
        let has_second_moment = self.optimizer != OptimizerName::Sgd;
        let kept = 2 + count(has_second_moment) + count(self.ema_decay.is_some());
        let checkpoint = kept + 1;
        let best = 3 + count(self.zca.is_some());
        kept + checkpoint.max(best) + count(self.clip_norm.is_some()) + count(processes > 1)
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
    use chainrule_tensor::Precision;

    use super::*;

    const PIXELS: (usize, usize) = (3072, 10);

    fn needed(config: &Config) -> Needed {
        config.memory(PIXELS, 1, u64::MAX).unwrap()
    }

    #[test]
    fn a_run_that_keeps_more_for_each_weight_is_known_to_take_more_memory() {
        let plain = Config { hidden_dim: vec![1000], threads: 1, ..Config::default() };
        let adam = Config { optimizer: OptimizerName::Adam, ..plain.clone() };
        let copy = 4 * (3072 * 1000 + 1000 + 1000 * 10 + 10);
        let all = [
            (plain.clone(), 5),
            (Config { clip_norm: Some(1.0), ..plain.clone() }, 6),
            (Config { zca: Some(0.1), ..plain.clone() }, 6),
            (adam.clone(), 7),
            (Config { zca: Some(0.1), ..adam.clone() }, 7),
            (Config { ema_decay: Some(0.999), ..adam.clone() }, 9),
            (Config { precision: Precision::Bf16, ..adam }, 7),
        ];
        for (config, copies) in all {
            assert_eq!(needed(&config).weights, copies * copy, "{config:?}");
        }
    }

    #[test]
    fn the_larger_of_weights_and_batch_is_known_and_each_thread_takes_more() {
        let of = |batch_size, threads| {
            let plain = Config { hidden_dim: vec![1000], ..Config::default() };
            needed(&Config { batch_size, threads, ..plain })
        };
        let (small, large) = (of(64, 1), of(50_000, 1));
        assert!(small.batch.is_some_and(|batch| batch < small.weights), "{small:?}");
        assert!(large.batch.is_some_and(|batch| batch > large.weights), "{large:?}");
        assert!(of(64, 8).batch > small.batch);
    }

    #[test]
    fn a_layer_that_no_memory_holds_is_not_cut_in_tiles() {
        let config = Config { hidden_dim: vec![40_000_000_000], ..Config::default() };
        let needed = config.memory(PIXELS, 1, 1 << 40).unwrap();
        assert!(needed.batch.is_none() && needed.bytes() > 1 << 50, "{needed:?}");
        let none = Config { hidden_dim: vec![usize::MAX / 2], ..Config::default() };
        assert!(none.memory(PIXELS, 1, u64::MAX).is_none());
    }
}
