//! Successive halving: points that are behind after a few epochs are stopped there.
//!
//! At each rung, a number of epochs, the points that are left are ranked by the validation accuracy
//! of their best weights until then (the mean of their seeds), and one in
//! [`factor`](Halving::factor) is promoted to the next rung: of n points the best ⌈n / factor⌉. The
//! last rung is the whole run. (Jamieson and Talwalkar 2016, "Non-stochastic best arm
//! identification and hyperparameter optimization"; the names are those of Li et al. 2020, "A
//! system for massively parallel hyperparameter tuning", and of scikit-learn.)
//!
//! It is synchronous: a rung is decided when all its points have reached it. So who is promoted
//! depends on the runs alone, and not on which of them was faster.
//!
//! A run is one of the whole schedule that is stopped at a rung, with a checkpoint, from which it is
//! resumed if it is promoted: the learning rate of a step does not depend on the rungs.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::ranking::mean;
use super::{Outcome, Run, Sweep};
use crate::{Epoch, Error};

/// When points are compared, and how many are promoted.
///
/// ```
/// use chainrule_train::Sweep;
///
/// let sweep = Sweep::from_toml(
///     "epochs = 30
///      [grid]
///      reg = [0, 0.001, 0.01, 0.1, 1]
///      [halving]
///      rungs = [3, 10]
///      factor = 2",
///     "".as_ref(),
/// )?;
/// let halving = sweep.halving().unwrap();
/// assert_eq!(halving.sizes(5), [5, 3, 2], "five points until epoch 3, three until 10, two to the end");
/// # Ok::<(), chainrule_train::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halving {
    /// Complete epochs after which points are compared, ascending.
    pub rungs: Vec<u32>,
    /// Of n points the best ⌈n / factor⌉ are promoted.
    pub factor: usize,
}

impl Halving {
    /// How many of `points` train on each rung, at most: fewer where points diverge. The last
    /// number is that of the points that train to the end.
    pub fn sizes(&self, points: usize) -> Vec<usize> {
        let mut sizes = vec![points];
        for _ in &self.rungs {
            sizes.push(sizes[sizes.len() - 1].div_ceil(self.factor));
        }
        sizes
    }
}

/// A run with what has become of it.
#[derive(Clone, Debug, PartialEq)]
pub struct RunState {
    /// The run.
    pub run: Run,
    /// What has become of it.
    pub outcome: Outcome,
    /// Its complete epochs with finite losses.
    pub epochs: Vec<Epoch>,
    /// The rung that it is on, or was stopped at, from 1. The last is the whole run.
    pub rung: usize,
}

impl RunState {
    /// Of a run that has not begun.
    pub fn waiting(run: Run) -> RunState {
        RunState { run, outcome: Outcome::Waiting, epochs: vec![], rung: 1 }
    }

    /// Complete epochs.
    pub fn trained(&self) -> u32 {
        self.epochs.last().map_or(0, |epoch| epoch.epoch)
    }

    /// The epoch whose weights were best on validation, of the first `most` epochs.
    pub fn best(&self, most: u32) -> Option<&Epoch> {
        let mut epochs = self.epochs.iter().take_while(|epoch| epoch.epoch <= most);
        let first = epochs.next()?;
        Some(epochs.fold(first, |best, epoch| {
            if epoch.validation_accuracy > best.validation_accuracy { epoch } else { best }
        }))
    }

    /// Whether it trains no further than to this epoch: it is there, or has ended before.
    fn has_reached(&self, epoch: u32) -> bool {
        self.trained() >= epoch || self.outcome.is_over()
    }

    /// Whether it became NaN or infinite within this many epochs.
    fn diverged_within(&self, epochs: u32) -> bool {
        matches!(self.outcome, Outcome::Diverged { .. }) && self.trained() < epochs
    }
}

/// Runs to train now, side by side.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// The rung, from 1.
    pub rung: usize,
    /// Those that have not reached its end.
    pub runs: Vec<Run>,
    /// After which epoch they stop; none if they train to their end.
    pub until: Option<u32>,
}

impl Sweep {
    /// The state of every run, from its folder in `out`, in the order of [`Sweep::runs`].
    ///
    /// # Errors
    /// If a file of a run cannot be read, or it has other settings than in this sweep.
    pub fn states(&self, out: &Path) -> Result<Vec<RunState>, Error> {
        let read = |run| RunState::read(out, run);
        let mut states = self.runs().into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        self.decide(&mut states);
        Ok(states)
    }

    /// Decides every rung that all its points have reached: promotes the best of them, and stops
    /// the others. Without halving nothing changes.
    pub fn decide(&self, states: &mut [RunState]) {
        let Some(halving) = self.halving() else { return };
        for state in states.iter_mut() {
            state.rung = 1;
            if state.outcome == Outcome::Stopped {
                state.outcome = Outcome::Unfinished;
            }
        }
        for (rung, &epochs) in (1..).zip(&halving.rungs) {
            // All seeds of a point are on the same rung.
            let on_it = |state: &&RunState| state.rung == rung;
            let mut points: Vec<usize> =
                states.iter().filter(on_it).map(|state| state.run.point).collect();
            points.dedup();
            if points.is_empty() || !states.iter().filter(on_it).all(|s| s.has_reached(epochs)) {
                return;
            }
            let score = |&point: &usize| {
                let runs = || states.iter().filter(|state| state.run.point == point);
                if runs().any(|state| state.diverged_within(epochs)) {
                    return None;
                }
                let best = |of: fn(&Epoch) -> f64| {
                    mean(&runs().filter_map(|state| state.best(epochs).map(of)).collect::<Vec<_>>())
                };
                let accuracy = best(|epoch| epoch.validation_accuracy)?;
                Some((accuracy, best(|epoch| epoch.validation_loss)?, point))
            };
            let mut scores: Vec<_> = points.iter().filter_map(score).collect();
            scores
                .sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2)));
            scores.truncate(points.len().div_ceil(halving.factor));
            for state in states.iter_mut().filter(|state| state.rung == rung) {
                if scores.iter().any(|&(.., point)| point == state.run.point) {
                    state.rung += 1;
                } else if !state.outcome.is_over() {
                    state.outcome = Outcome::Stopped;
                }
            }
        }
    }

    /// Epochs that are left to train, at most, by the states of the runs: on each rung those of the
    /// points that will be on it.
    pub fn epochs_left(&self, states: &[RunState]) -> u64 {
        let alive = || states.iter().filter(|state| !state.outcome.is_over());
        // All that are left are on one rung.
        let rung = alive().map(|state| state.rung).min().unwrap_or(1);
        let rungs = self.halving().map_or(&[][..], |halving| &halving.rungs[rung - 1..]);
        let left = |state: &RunState| {
            let until = rungs.first().copied().unwrap_or(state.run.config.epochs);
            u64::from(until.saturating_sub(state.trained()))
        };
        let mut epochs: u64 = alive().map(left).sum();
        let mut points =
            states.iter().filter(|state| state.rung == rung).count() as u64 / self.seeds;
        for (i, &from) in rungs.iter().enumerate() {
            let factor = self.halving().map_or(1, |halving| halving.factor as u64);
            points = points.div_ceil(factor);
            let until = rungs.get(i + 1).copied().unwrap_or(self.base.epochs);
            epochs += points * self.seeds * u64::from(until.saturating_sub(from));
        }
        epochs
    }

    /// The runs that train next, if any are left. The states must be [decided](Sweep::decide).
    pub fn stage(&self, states: &[RunState]) -> Option<Stage> {
        let left = || states.iter().filter(|state| !state.outcome.is_over());
        let rung = left().map(|state| state.rung).min()?;
        let until = self.halving().and_then(|halving| halving.rungs.get(rung - 1).copied());
        let unreached = |state: &&RunState| !until.is_some_and(|epoch| state.has_reached(epoch));
        let runs = left().filter(|state| state.rung == rung).filter(unreached);
        Some(Stage { rung, runs: runs.map(|state| state.run.clone()).collect(), until })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sweep(text: &str) -> Sweep {
        Sweep::from_toml(text, "".as_ref()).unwrap()
    }

    /// Five points, which are compared after epochs 2 and 4 of 8.
    fn five(seeds: u64) -> Sweep {
        sweep(&format!(
            "epochs = 8\nseeds = {seeds}\n[grid]\nreg = [0, 1, 2, 3, 4]\n\
             [halving]\nrungs = [2, 4]\nfactor = 2"
        ))
    }

    /// Runs with these validation accuracies in % from epoch 0 on.
    fn states(sweep: &Sweep, accuracies: &[&[u32]]) -> Vec<RunState> {
        let epoch = |(epoch, &percent): (usize, &u32)| Epoch {
            epoch: epoch as u32,
            validation_accuracy: f64::from(percent) / 100.0,
            validation_loss: 1.0,
            ..Epoch::default()
        };
        let runs = sweep.runs().into_iter().zip(accuracies);
        let state = |(run, accuracies): (Run, &&[u32])| RunState {
            outcome: Outcome::Unfinished,
            epochs: accuracies.iter().enumerate().map(epoch).collect(),
            ..RunState::waiting(run)
        };
        runs.map(state).collect()
    }

    fn rungs(states: &[RunState]) -> Vec<usize> {
        states.iter().map(|state| state.rung).collect()
    }

    fn words(states: &[RunState]) -> Vec<&str> {
        states.iter().map(|state| state.outcome.word()).collect()
    }

    fn left(sweep: &Sweep, states: &[RunState]) -> (Vec<usize>, Option<u32>) {
        let stage = sweep.stage(states).unwrap();
        (stage.runs.iter().map(|run| run.point).collect(), stage.until)
    }

    #[test]
    fn a_rung_waits_for_its_last_run_and_then_promotes_the_best_half_of_the_points() {
        let sweep = five(1);
        let mut at =
            states(&sweep, &[&[10, 20, 30], &[10, 50, 20], &[10, 10, 10], &[10, 12, 14], &[10]]);
        sweep.decide(&mut at);
        assert_eq!(rungs(&at), [1; 5]);
        assert_eq!(left(&sweep, &at), (vec![4], Some(2)));
        // Three of five, by the best of the first three epochs, and not by the last.
        at[4] = states(&sweep, &[&[], &[], &[], &[], &[10, 11, 12]]).remove(4);
        sweep.decide(&mut at);
        assert_eq!(rungs(&at), [2, 2, 1, 2, 1]);
        assert_eq!(words(&at)[2..], ["stopped", "unfinished", "stopped"]);
        assert_eq!(left(&sweep, &at), (vec![0, 1, 3], Some(4)));
        // Decided once more, from the same runs, it comes out the same.
        let before = at.clone();
        sweep.decide(&mut at);
        assert_eq!(at, before);
        // What was reached after a rung does not move it.
        let more: [&[u32]; 5] = [
            &[10, 20, 30, 90, 90],
            &[10, 50, 20, 20, 60],
            &[10, 10, 10],
            &[10, 12, 14, 61, 15],
            &[10, 11, 12],
        ];
        let mut at = states(&sweep, &more);
        sweep.decide(&mut at);
        assert_eq!(rungs(&at), [3, 2, 1, 3, 1]);
        assert_eq!(left(&sweep, &at), (vec![0, 3], None));
    }

    #[test]
    fn a_point_is_promoted_by_the_mean_of_its_seeds_and_not_if_one_of_them_diverged() {
        let sweep = five(2);
        let (good, fair, poor): (&[u32], &[u32], &[u32]) = (&[0, 0, 90], &[0, 0, 40], &[0, 0, 10]);
        let mut at = states(&sweep, &[good, poor, fair, fair, good, good, poor, poor, fair, poor]);
        at[5].epochs.pop();
        at[5].outcome = Outcome::Diverged { reason: "".into(), seconds: 0.0 };
        sweep.decide(&mut at);
        // Means 50, 40, none, 10, 25.
        assert_eq!(rungs(&at), [2, 2, 2, 2, 1, 1, 1, 1, 2, 2]);
        assert_eq!(words(&at)[4..8], ["stopped", "diverged", "stopped", "stopped"]);
    }

    #[test]
    fn equal_accuracies_are_parted_by_the_loss_and_then_by_the_number() {
        let sweep = five(1);
        let mut at = states(&sweep, &[&[0, 0, 50][..]; 5]);
        at[4].epochs[2].validation_loss = 0.5;
        sweep.decide(&mut at);
        assert_eq!(rungs(&at), [2, 2, 1, 1, 2]);
    }

    #[test]
    fn a_run_that_diverges_after_a_rung_was_promoted_there() {
        let sweep = five(1);
        let mut at = states(&sweep, &[&[0, 0, 50][..]; 5]);
        at[0].outcome = Outcome::Diverged { reason: "".into(), seconds: 0.0 };
        sweep.decide(&mut at);
        assert_eq!(rungs(&at), [2, 2, 2, 1, 1]);
        assert_eq!(left(&sweep, &at), (vec![1, 2], Some(4)));
    }

    #[test]
    fn the_bar_counts_the_epochs_that_are_left_on_all_rungs() {
        let sweep = five(2);
        let mut at: Vec<_> = sweep.runs().into_iter().map(RunState::waiting).collect();
        // Two seeds of 5 points for 2 epochs, of 3 for 2, and of 2 for 4.
        assert_eq!(sweep.epochs_left(&at), 2 * (5 * 2 + 3 * 2 + 2 * 4));
        at = states(&sweep, &[&[0, 0, 50][..]; 10]);
        sweep.decide(&mut at);
        assert_eq!(sweep.epochs_left(&at), 2 * (3 * 2 + 2 * 4));
    }
}
