//! The points of a sweep from best to worst, and how much each key matters.
//!
//! Points are ranked by the mean validation accuracy of their seeds, and never by the test images:
//! a choice made by them would leave no images to test with. Their spread is the standard deviation
//! of the seeds, s with n - 1 below the root.
//!
//! How much a key matters is the share of the variance of the accuracies that its values
//! explain: the main effect of an analysis of variance, as used for settings by Hutter, Hoos and
//! Leyton-Brown (2014, "An efficient approach for assessing hyperparameter importance"). With n points
//! in k groups,
//!
//! ε² = 1 - (SS_within / (n - k)) / (SS_total / (n - 1))
//!
//! (Kelley 1935, "An unbiased correlation ratio measure"), which unlike SS_between / SS_total is
//! 0 on the mean, and not (k - 1) / (n - 1), for a key that does nothing. A group is a value, or,
//! where nearly every point has a value of its own, a number of neighbors. Shares need not add up to
//! one: what is left is the interplay of the keys, and chance.

use toml::Value;

use super::{Outcome, RunState, Sweep};

/// Fewest points from which the share of a key is reported.
const LEAST_POINTS: usize = 8;

/// A point with what its runs reached.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranked {
    /// The point's number.
    pub point: usize,
    /// The rung of successive halving that it is on, or was stopped at, from 1.
    pub rung: usize,
    /// Mean validation accuracy of its finished runs, from 0 to 1, or until the last rung that is
    /// decided; nothing if there are none.
    pub accuracy: Option<f64>,
    /// By which its key's values are compared: the accuracy, and with halving that of the first
    /// rung, where all points have trained equally long.
    pub compared: Option<f64>,
    /// Their standard deviation; nothing of fewer than two.
    pub deviation: Option<f64>,
    /// Mean validation loss of them.
    pub loss: Option<f64>,
    /// How many runs have that result.
    pub finished: usize,
    /// Why the first of its runs that diverged did so.
    pub diverged: Option<String>,
}

/// All points, and how much each key mattered.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranking {
    /// From best to worst: points of which all finished runs are sound, those of a higher rung
    /// first, then those of which a run diverged, then those that have no result yet.
    pub points: Vec<Ranked>,
    /// For each key of [`Sweep::varied`], the share of the variance that its groups explain, from 0
    /// to 1; nothing where there are too few points to say.
    pub shares: Vec<Option<f64>>,
    /// For each key, the groups: points by their index in [`Ranking::points`].
    pub groups: Vec<Vec<Vec<usize>>>,
}

impl Ranking {
    /// Ranks the points of `sweep` by the states of its runs, all of them in order.
    pub fn new(sweep: &Sweep, runs: &[RunState]) -> Ranking {
        let seeds = sweep.seeds() as usize;
        let of = |number: usize| &runs[number * seeds..(number + 1) * seeds];
        let mut points: Vec<_> =
            sweep.points().iter().map(|point| ranked(sweep, of(point.number))).collect();
        let class = |point: &Ranked| match (&point.diverged, point.accuracy) {
            (None, Some(_)) => 0,
            (Some(_), _) => 1,
            (None, None) => 2,
        };
        points.sort_by(|a, b| {
            let better = |x: &Ranked| (-x.accuracy.unwrap_or(0.0), x.loss.unwrap_or(f64::INFINITY));
            let ((accuracy_a, loss_a), (accuracy_b, loss_b)) = (better(a), better(b));
            class(a)
                .cmp(&class(b))
                .then(b.rung.cmp(&a.rung))
                .then(accuracy_a.total_cmp(&accuracy_b))
                .then(loss_a.total_cmp(&loss_b))
                .then(a.point.cmp(&b.point))
        });
        let sound: Vec<usize> = (0..points.len()).filter(|&i| class(&points[i]) == 0).collect();
        let value = |key: usize, i: usize| &sweep.points()[points[i].point].values[key];
        let groups: Vec<Vec<Vec<usize>>> =
            (0..sweep.varied().len()).map(|key| groups(&sound, |i| value(key, i))).collect();
        let accuracy = |i: usize| points[i].compared.expect("a sound point has one");
        // A single key explains all that chance does not; and of few points any two keys seem to
        // go together.
        let several = groups.len() > 1 && sound.len() >= LEAST_POINTS;
        let shares = groups.iter().map(|groups| {
            let groups: Vec<Vec<f64>> =
                groups.iter().map(|group| group.iter().map(|&i| accuracy(i)).collect()).collect();
            explained(&groups).filter(|_| several)
        });
        let shares = shares.collect();
        Ranking { points, shares, groups }
    }

    /// The best point, if any has a result and no run that diverged.
    pub fn best(&self) -> Option<&Ranked> {
        self.points.first().filter(|best| best.accuracy.is_some() && best.diverged.is_none())
    }
}

/// A point by its runs.
fn ranked(sweep: &Sweep, runs: &[RunState]) -> Ranked {
    let rungs = sweep.halving().map_or(&[][..], |halving| &halving.rungs);
    // Until when it was compared with the others, if it was.
    let compared = |state: &RunState| match state.outcome {
        Outcome::Stopped => Some(rungs[state.rung - 1]),
        _ => state.rung.checked_sub(2).map(|passed| rungs[passed]),
    };
    let (mut accuracies, mut losses, mut diverged) = (vec![], vec![], None);
    for state in runs {
        match &state.outcome {
            Outcome::Finished { summary, validation_loss } => {
                accuracies.push(summary.validation_accuracy);
                losses.push(*validation_loss);
            }
            Outcome::Diverged { reason, .. } => {
                diverged.get_or_insert(reason.clone());
            }
            _ => {
                if let Some(best) = compared(state).and_then(|epochs| state.best(epochs)) {
                    accuracies.push(best.validation_accuracy);
                    losses.push(best.validation_loss);
                }
            }
        }
    }
    let accuracy = mean(&accuracies);
    let first = |&epochs: &u32| {
        let best = runs.iter().filter_map(|state| state.best(epochs));
        mean(&best.map(|epoch| epoch.validation_accuracy).collect::<Vec<_>>())
    };
    Ranked {
        point: runs[0].run.point,
        rung: runs[0].rung,
        accuracy,
        compared: accuracy.and_then(|accuracy| rungs.first().map_or(Some(accuracy), first)),
        deviation: deviation(&accuracies),
        loss: mean(&losses),
        finished: accuracies.len(),
        diverged,
    }
}

/// The mean; of nothing, nothing.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The standard deviation of a sample, with n - 1; of fewer than two, nothing.
pub fn deviation(values: &[f64]) -> Option<f64> {
    let mean = mean(values).filter(|_| values.len() > 1)?;
    let sum: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    Some((sum / (values.len() - 1) as f64).sqrt())
}

/// A value as a number, if it is one: also a single width in a list.
pub fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(n) => Some(*n as f64),
        Value::Float(x) => Some(*x),
        Value::Array(items) if items.len() == 1 => number(&items[0]),
        _ => None,
    }
}

/// Points with the same value; or, of numbers that are mostly different, equally many neighbors.
fn groups<'a>(points: &[usize], value: impl Fn(usize) -> &'a Value) -> Vec<Vec<usize>> {
    let mut same: Vec<Vec<usize>> = vec![];
    for &i in points {
        match same.iter_mut().find(|group| value(group[0]) == value(i)) {
            Some(group) => group.push(i),
            None => same.push(vec![i]),
        }
    }
    let numbers: Option<Vec<(f64, usize)>> =
        points.iter().map(|&i| Some((number(value(i))?, i))).collect();
    match numbers {
        Some(mut numbers) => {
            numbers.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            if same.len() * 2 <= points.len() {
                same.sort_by(|a, b| {
                    let of = |group: &[usize]| number(value(group[0])).unwrap_or(f64::NAN);
                    of(a).total_cmp(&of(b))
                });
                return same;
            }
            // Four in a group, or more, but two groups at least and eight at most.
            let n = numbers.len();
            let bins = (n / 4).clamp(2, 8);
            let bin = |b: usize| &numbers[b * n / bins..(b + 1) * n / bins];
            let bins = (0..bins).map(|b| bin(b).iter().map(|&(_, i)| i).collect::<Vec<_>>());
            bins.filter(|group| !group.is_empty()).collect()
        }
        None => same,
    }
}

/// Kelley's ε², not below 0; nothing where it has no meaning: one group, as many groups as values,
/// or values that are all the same.
fn explained(groups: &[Vec<f64>]) -> Option<f64> {
    let all: Vec<f64> = groups.concat();
    let (n, k) = (all.len(), groups.len());
    if k < 2 || n <= k {
        return None;
    }
    let sum_of_squares = |values: &[f64]| {
        let mean = mean(values).unwrap_or(0.0);
        values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>()
    };
    let total = sum_of_squares(&all);
    let within: f64 = groups.iter().map(|group| sum_of_squares(group)).sum();
    let share = 1.0 - (within / (n - k) as f64) / (total / (n - 1) as f64);
    share.is_finite().then_some(share.max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_a_key_is_kelleys_and_a_key_that_does_nothing_has_none() {
        // Groups {1, 3} and {5, 7}: mean 4, SS_total 20; within 2 + 2 = 4.
        // ε² = 1 - (4 / 2) / (20 / 3) = 0.7, where SS_between / SS_total is 0.8.
        let share = explained(&[vec![1.0, 3.0], vec![5.0, 7.0]]).unwrap();
        assert!((share - 0.7).abs() < 1e-12, "{share}");
        assert_eq!(explained(&[vec![1.0, 7.0], vec![3.0, 5.0]]), Some(0.0));
        assert_eq!(explained(&[vec![1.0, 7.0]]), None, "one group");
        assert_eq!(explained(&[vec![1.0], vec![7.0]]), None, "a value each");
        assert_eq!(explained(&[vec![1.0, 1.0], vec![1.0, 1.0]]), None, "nothing varies");
    }

    #[test]
    fn values_that_are_mostly_different_are_grouped_with_their_neighbors() {
        let values: Vec<Value> = [5, 1, 9, 3, 7, 2, 8, 6].map(Value::Integer).into();
        let groups = groups(&[0, 1, 2, 3, 4, 5, 6, 7], |i| &values[i]);
        assert_eq!(groups, [[1, 5, 3, 0], [7, 4, 6, 2]]);
        let values: Vec<Value> = ["b", "a", "b", "c"].map(|text| text.into()).into();
        assert_eq!(super::groups(&[0, 1, 2, 3], |i| &values[i]), [vec![0, 2], vec![1], vec![3]]);
    }

    #[test]
    fn the_deviation_is_that_of_a_sample() {
        assert_eq!(deviation(&[1.0, 3.0]), Some(2f64.sqrt()));
        assert_eq!(deviation(&[1.0]), None);
    }
}
