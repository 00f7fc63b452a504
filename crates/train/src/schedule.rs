//! The learning rate of each step.
//!
//! With η₀ the initial rate, η_T the last, and p the share of the run (after the warm-up) that is
//! over, from 0 to 1:
//!
//! | schedule | learning rate |
//! | --- | --- |
//! | `exponential` | η₀ γ^e in epoch e, from 0: γ is `lr_decay` |
//! | `step` | η₀ γ^⌊e / k⌋: γ every k = `step_epochs` epochs |
//! | `plateau` | η₀ γ^n after n times that `step_epochs` epochs brought no better validation accuracy |
//! | `linear` | η_T + (η₀ - η_T) (1 - p) |
//! | `polynomial` | η_T + (η₀ - η_T) (1 - p)^`power` |
//! | `cosine` | η_T + (η₀ - η_T) (1 + cos π p) / 2 (Loshchilov & Hutter 2017) |
//!
//! The first two change after an epoch, the last three after each step. In a warm-up of w steps
//! (`warmup_epochs` times the steps of an epoch) step i, from 1, has i / w of η₀ (Goyal et al. 2017).
//!
//! The last three depend on the number of epochs. With `cycles` they begin anew after the epochs
//! that it names, from η₀ and without a warm-up, and p is the share of the cycle: the warm restarts of
//! Loshchilov & Hutter. That is what a run does that is resumed with more epochs than it had.

use std::f64::consts::PI;

use chainrule_tensor::math;
use serde::{Deserialize, Serialize};

use crate::Config;

/// How the learning rate falls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// `lr_decay` after each epoch.
    Exponential,
    /// `lr_decay` after every `step_epochs` epochs.
    Step,
    /// `lr_decay` whenever `step_epochs` epochs did not do better on validation.
    Plateau,
    /// Along a straight line.
    Linear,
    /// Along a power of it.
    Polynomial,
    /// Along half a cosine.
    Cosine,
}

impl Schedule {
    /// Whether the rate of a step depends on how many epochs there are in all.
    pub fn depends_on_epochs(self) -> bool {
        match self {
            Schedule::Exponential | Schedule::Step | Schedule::Plateau => false,
            Schedule::Linear | Schedule::Polynomial | Schedule::Cosine => true,
        }
    }

    /// Whether `lr_decay` is its factor: of those that do not depend on the number of epochs.
    pub fn uses_lr_decay(self) -> bool {
        !self.depends_on_epochs()
    }
}

/// The learning rates of a run.
///
/// ```
/// use chainrule_train::Config;
/// use chainrule_train::schedule::{LearningRates, Schedule};
///
/// let config = Config { schedule: Schedule::Cosine, epochs: 2, learning_rate: 0.1, ..Config::default() };
/// let rates = LearningRates::new(&config, 50); // steps an epoch
/// assert_eq!(rates.at(0), 0.1);
/// assert!((rates.at(50) - 0.05).abs() < 1e-12); // half of the way
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct LearningRates {
    config: Config,
    /// Steps of an epoch.
    epoch: u64,
    /// Steps of the warm-up.
    warmup: u64,
    /// How the schedule `plateau` stands.
    pub(crate) plateau: Plateau,
}

/// How the schedule `plateau` stands after some epochs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plateau {
    /// Epochs since the best one or the last factor.
    pub waited: u32,
    /// Factors so far.
    pub factors: u32,
}

impl LearningRates {
    /// Those of a run with these settings and so many steps in an epoch.
    pub fn new(config: &Config, steps_per_epoch: u64) -> Self {
        let warmup = (config.warmup_epochs * steps_per_epoch as f64).round() as u64;
        Self {
            config: config.clone(),
            epoch: steps_per_epoch.max(1),
            warmup,
            plateau: Plateau::default(),
        }
    }

    /// The same in a run that goes on.
    pub(crate) fn standing_at(self, plateau: Plateau) -> Self {
        Self { plateau, ..self }
    }

    /// Hears whether an epoch was better on validation than all before it.
    pub fn end_epoch(&mut self, better: bool) {
        let Plateau { waited, factors } = &mut self.plateau;
        *waited = if better { 0 } else { *waited + 1 };
        if *waited >= self.config.step_epochs {
            (*waited, *factors) = (0, *factors + 1);
        }
    }

    /// The first step of the schedule's cycle that this step is in, and the first after it.
    fn cycle(&self, step: u64) -> (u64, u64) {
        let mut begin = self.warmup;
        for &epochs in &self.config.cycles {
            let end = self.epoch * u64::from(epochs);
            if step < end {
                return (begin, end);
            }
            begin = end;
        }
        (begin, self.epoch * u64::from(self.config.epochs))
    }

    /// The rate of a step, from 0. Of the schedule `plateau`, that of the steps of this epoch.
    pub fn at(&self, step: u64) -> f64 {
        if step < self.warmup {
            let share = (step + 1) as f64 / self.warmup as f64;
            return share * self.config.learning_rate;
        }
        let c = &self.config;
        let (begin, end) = self.cycle(step);
        let p = ((step - begin) as f64 / end.saturating_sub(begin).max(1) as f64).min(1.0);
        let epochs = step / self.epoch;
        let decays = |n: u64| c.learning_rate * math::pow(c.lr_decay, n as f64);
        let between = |share: f64| c.lr_last + (c.learning_rate - c.lr_last) * share;
        match c.schedule {
            Schedule::Exponential => decays(epochs),
            Schedule::Step => decays(epochs / u64::from(c.step_epochs.max(1))),
            Schedule::Plateau => decays(self.plateau.factors.into()),
            Schedule::Linear => between(1.0 - p),
            Schedule::Polynomial => between(math::pow(1.0 - p, c.power)),
            Schedule::Cosine => between(0.5 * (1.0 + math::cos(PI * p))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(schedule: Schedule, epochs: u32, steps_per_epoch: u64, n: u64) -> Vec<f64> {
        let config = Config {
            schedule,
            epochs,
            learning_rate: 0.1,
            lr_decay: 0.5,
            lr_last: 0.01,
            step_epochs: 2,
            power: 2.0,
            ..Config::default()
        };
        let rates = LearningRates::new(&config, steps_per_epoch);
        (0..n).map(|step| rates.at(step)).collect()
    }

    fn close(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found} for {expected}");
        }
    }

    /// The sequences are those of PyTorch 2.15: ExponentialLR(0.5), StepLR(2, 0.5),
    /// CosineAnnealingLR(8, 0.01), LinearLR(1, 0.1, 8).
    #[test]
    fn each_schedule_is_the_one_that_pytorch_calls_so() {
        close(&rates(Schedule::Exponential, 4, 1, 4), &[0.1, 0.05, 0.025, 0.0125]);
        close(&rates(Schedule::Exponential, 4, 2, 4), &[0.1, 0.1, 0.05, 0.05]);
        close(&rates(Schedule::Step, 5, 1, 5), &[0.1, 0.1, 0.05, 0.05, 0.025]);
        let cosine = [
            0.1,
            0.0965745789630079,
            0.08681980515339463,
            0.07222075445642905,
            0.055,
            0.03777924554357096,
            0.023180194846605363,
            0.013425421036992097,
        ];
        close(&rates(Schedule::Cosine, 2, 4, 8), &cosine);
        let linear = [0.1, 0.08875, 0.0775, 0.06625, 0.055, 0.04375, 0.0325, 0.02125];
        close(&rates(Schedule::Linear, 8, 1, 8), &linear);
    }

    /// PolynomialLR(8, 2) of PyTorch 2.15 ends at 0.
    #[test]
    fn a_polynomial_is_the_one_that_pytorch_calls_so() {
        let config = Config {
            schedule: Schedule::Polynomial,
            epochs: 8,
            learning_rate: 0.1,
            power: 2.0,
            ..Config::default()
        };
        let rates = LearningRates::new(&config, 1);
        let found: Vec<_> = (0..8).map(|step| rates.at(step)).collect();
        let expected = [0.1, 0.0765625, 0.05625, 0.0390625, 0.025, 0.0140625, 0.00625, 0.0015625];
        close(&found, &expected);
    }

    /// PyTorch 2.15: ReduceLROnPlateau(mode="max", factor=0.5, patience=1, threshold=0) and an
    /// accuracy of 0.3, 0.4, 0.4, 0.39, 0.41, 0.3, 0.3, 0.3, 0.3 after each epoch.
    #[test]
    fn a_plateau_is_left_with_a_smaller_rate_as_pytorch_does_it() {
        let config = Config {
            schedule: Schedule::Plateau,
            learning_rate: 0.1,
            lr_decay: 0.5,
            step_epochs: 2,
            ..Config::default()
        };
        let mut rates = LearningRates::new(&config, 1);
        let mut best = f64::NEG_INFINITY;
        let after = [0.3, 0.4, 0.4, 0.39, 0.41, 0.3, 0.3, 0.3, 0.3].map(|accuracy| {
            rates.end_epoch(accuracy > best);
            best = best.max(accuracy);
            rates.at(0)
        });
        close(&after, &[0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.025, 0.025, 0.0125]);
    }

    /// PyTorch 2.15: CosineAnnealingWarmRestarts(T_0=2, T_mult=2, eta_min=0.01), which is
    /// SGDR: cycles of 2, 4, ... epochs, each from the initial rate.
    #[test]
    fn added_epochs_are_a_cycle_of_their_own_as_in_a_schedule_with_warm_restarts() {
        let config = Config {
            schedule: Schedule::Cosine,
            epochs: 6,
            cycles: vec![2],
            learning_rate: 0.1,
            lr_last: 0.01,
            ..Config::default()
        };
        let rates = LearningRates::new(&config, 1);
        let found: Vec<_> = (0..6).map(|step| rates.at(step)).collect();
        close(&found, &[0.1, 0.055, 0.1, 0.08681980515339463, 0.055, 0.023180194846605363]);
        // What was trained before is what it was.
        let before = LearningRates::new(&Config { epochs: 2, cycles: vec![], ..config }, 1);
        close(&found[..2], &[before.at(0), before.at(1)]);
    }

    #[test]
    fn a_warm_up_rises_to_the_rate_with_which_the_schedule_begins() {
        let config = Config {
            schedule: Schedule::Cosine,
            epochs: 3,
            learning_rate: 0.4,
            warmup_epochs: 0.5,
            ..Config::default()
        };
        let rates = LearningRates::new(&config, 8);
        let found: Vec<_> = (0..5).map(|step| rates.at(step)).collect();
        close(&found, &[0.1, 0.2, 0.3, 0.4, 0.4]);
        // Half of the 20 steps that are left, and their end.
        close(&[rates.at(14), rates.at(24)], &[0.2, 0.0]);
    }
}
