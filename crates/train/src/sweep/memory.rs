//! The memory of runs side by side: each has its own weights, activations and whitened images, and
//! all share the images.

use chainrule_data::Amount;

use super::{Run, Sweep};
use crate::config::{ConfigError, memory};
use crate::{Config, Data, available_memory};

/// How many of these runs fit into memory together, and what the first `jobs` take, which are the
/// largest: `bytes` descending.
fn together(bytes: &[u64], jobs: usize, available: u64) -> (usize, u64) {
    let sums = bytes.iter().scan(0u64, |sum, &bytes| {
        *sum = sum.saturating_add(bytes);
        Some(*sum)
    });
    let sums: Vec<u64> = sums.take(jobs).collect();
    let fit = sums.iter().take_while(|&&sum| sum <= available).count();
    (fit, sums.last().copied().unwrap_or(0))
}

impl Sweep {
    /// Checks that `jobs` of these runs at a time fit into memory, whichever they are, once the images
    /// are there.
    ///
    /// # Errors
    /// What they take, and how many would fit.
    pub fn check_memory(&self, runs: &[Run], data: &Data, jobs: usize) -> Result<(), ConfigError> {
        let Some(available) = available_memory() else { return Ok(()) };
        let images = &data.dataset.train;
        let bytes = |run: &Run| {
            let validation = data.validation(run.config.validation);
            let batch_size = data.batch_size(run.config.batch_size, validation);
            let config =
                Config { threads: run.config.threads.max(1), batch_size, ..run.config.clone() };
            let needed = config.memory((images.dim(), images.classes()), 1, available.bytes);
            let whitened = config.zca.map_or(0, |_| memory::whitening(images.len(), images.dim()));
            needed.map_or(u64::MAX, |needed| needed.bytes().saturating_add(whitened))
        };
        let mut bytes: Vec<(u64, &Run)> = runs.iter().map(|run| (bytes(run), run)).collect();
        bytes.sort_by_key(|&(bytes, _)| std::cmp::Reverse(bytes));
        let all: Vec<u64> = bytes.iter().map(|&(bytes, _)| bytes).collect();
        let (fit, sum) = together(&all, jobs, available.bytes);
        let Some(&(largest, run)) = bytes.first().filter(|_| fit < jobs.min(runs.len())) else {
            return Ok(());
        };
        let label = self.label(&self.points()[run.point]);
        let remedy = match fit {
            0 => {
                "not even one of them fits: lower hidden_dim or batch_size, or leave zca out".into()
            }
            fit => format!("lower jobs to {fit}"),
        };
        let runs = match jobs.min(runs.len()) {
            1 => "a run takes".into(),
            n => format!("{n} runs at a time take"),
        };
        Err(ConfigError::new(format!(
            "{runs} up to {} of memory beside the images, {label} alone {}, and {available}: {remedy}",
            Amount(sum),
            Amount(largest)
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_runs_may_meet_and_are_added_up() {
        let bytes = [50, 30, 20, 5];
        assert_eq!(together(&bytes, 1, 100), (1, 50));
        assert_eq!(together(&bytes, 3, 100), (3, 100));
        assert_eq!(together(&bytes, 3, 99), (2, 100));
        assert_eq!(together(&bytes, 9, 49), (0, 105));
        assert_eq!(together(&[u64::MAX, 1], 2, 100), (0, u64::MAX));
    }
}
