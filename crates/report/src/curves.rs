//! The learning curves: accuracy on the left, loss on the right, over the iterations.
//!
//! One run shows its training and validation lines and, behind the losses of the
//! whole sets, the loss of each minibatch and its moving mean. Several runs are
//! laid over each other, a color and a marker for each, and named by the
//! settings in which they differ.

use std::path::Path;

use crate::Error;
use crate::chart::{
    Axis, Dash, Figure, Key, Line, Look, Marker, PALE, Panel, SERIES, extent, moving_mean,
};
use crate::{Epoch, Iteration, Run};

/// Reads a run's folder and writes `curves.svg` and `curves.png` into it.
///
/// # Errors
/// Names the file that could not be read or written; in a table, also record and column.
pub fn write_curves(folder: &Path) -> Result<(), Error> {
    let figure = curves(&[Run::read(folder)?])?;
    figure.save(&folder.join("curves.svg"))?;
    figure.save(&folder.join("curves.png"))
}

/// Draws the curves of one run, or of several over each other.
///
/// # Errors
/// [`Error::NoRuns`] for an empty list.
pub fn curves(runs: &[Run]) -> Result<Figure, Error> {
    match runs {
        [] => Err(Error::NoRuns),
        [run] => Ok(one_run(run)),
        _ => Ok(several_runs(runs)),
    }
}

/// A line with its name in the legend.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) line: Line,
}

impl Named {
    pub(crate) fn new(name: impl Into<String>, line: Line) -> Named {
        Named { name: name.into(), line }
    }

    fn key(&self) -> Key {
        Key::new(self.name.clone(), self.line.look)
    }
}

fn training_look() -> Look {
    Look::line(SERIES[0]).dash(Dash::Dashed).marker(Marker::Circle)
}

fn validation_look() -> Look {
    Look::line(SERIES[1]).marker(Marker::Square)
}

/// The accuracy of one run on both sets, in per cent.
pub(crate) fn accuracy_lines(run: &Run) -> Vec<Named> {
    let train = epoch_line(run, training_look(), |epoch| 100.0 * epoch.train_accuracy);
    let validation = epoch_line(run, validation_look(), |epoch| 100.0 * epoch.validation_accuracy);
    vec![Named::new("training set", train), Named::new("validation set", validation)]
}

/// The loss of one run: of each minibatch, their mean, and both sets in front.
pub(crate) fn loss_lines(run: &Run) -> Vec<Named> {
    let mut lines = step_lines(run, |step| Some(step.loss));
    let train = epoch_line(run, training_look(), |epoch| epoch.train_loss);
    let validation = epoch_line(run, validation_look(), |epoch| epoch.validation_loss);
    lines.push(Named::new("training set", train));
    lines.push(Named::new("validation set", validation));
    lines
}

/// A value of each step, pale, and its moving mean.
pub(crate) fn step_lines(run: &Run, value: impl Fn(&Iteration) -> Option<f64>) -> Vec<Named> {
    let steps = run.iterations.iter();
    let points: Vec<_> =
        steps.filter_map(|step| Some((step.iteration as f64, value(step)?))).collect();
    let window = mean_window(points.len());
    let mean =
        Line { points: moving_mean(&points, window), look: Look::line(SERIES[0]).width(1.0) };
    let raw = Line { points, look: Look::line(PALE).width(1.0) };
    let mut lines = Vec::new();
    if !raw.points.is_empty() {
        lines.push(Named::new("one minibatch", raw));
    }
    if window > 1 {
        lines.push(Named::new(format!("mean of {window} minibatches"), mean));
    }
    lines
}

fn one_run(run: &Run) -> Figure {
    let (accuracies, losses) = (accuracy_lines(run), loss_lines(run));
    let further = losses.iter().take(losses.len() - accuracies.len());
    let keys = accuracies.iter().chain(further).map(Named::key).collect();
    let lines = |named: Vec<Named>| named.into_iter().map(|named| named.line).collect();

    let mut subtitle = vec![describe(run)];
    subtitle.retain(|line| !line.is_empty());
    if let Some(best) = run.best_epoch() {
        subtitle.push(format!(
            "best on validation: {:.1} % after epoch {}",
            100.0 * best.validation_accuracy,
            best.epoch
        ));
    }
    let runs = std::slice::from_ref(run);
    Figure {
        title: title(run),
        subtitle,
        keys,
        panels: vec![accuracy_panel(runs, lines(accuracies)), loss_panel(runs, lines(losses))],
    }
}

fn several_runs(runs: &[Run]) -> Figure {
    let (mut keys, mut accuracies, mut losses) = (Vec::new(), Vec::new(), Vec::new());
    for (i, (run, label)) in runs.iter().zip(labels(runs)).enumerate() {
        let validation = Look::nth(i);
        let train = validation.dash(Dash::Dashed).marker(Marker::None).width(1.0);
        accuracies.push(epoch_line(run, train, |epoch| 100.0 * epoch.train_accuracy));
        accuracies.push(epoch_line(run, validation, |epoch| 100.0 * epoch.validation_accuracy));
        losses.push(epoch_line(run, train, |epoch| epoch.train_loss));
        losses.push(epoch_line(run, validation, |epoch| epoch.validation_loss));
        keys.push(Key::new(
            match run.test_accuracy {
                Some(accuracy) => {
                    format!("{label} (test {:.1} %{})", 100.0 * accuracy, run.with_views())
                }
                None => label,
            },
            validation,
        ));
    }
    Figure {
        title: format!("{} runs", runs.len()),
        subtitle: vec!["unbroken: validation set; dashed: training set".into()],
        keys,
        panels: vec![accuracy_panel(runs, accuracies), loss_panel(runs, losses)],
    }
}

/// A value of each epoch.
pub(crate) fn epoch_line(run: &Run, look: Look, value: impl Fn(&Epoch) -> f64) -> Line {
    let points = run.epochs.iter().map(|epoch| (epoch.iteration as f64, value(epoch))).collect();
    Line { points, look }
}

/// About a fiftieth of the run, odd, so that it has a middle; 1 means no smoothing.
fn mean_window(iterations: usize) -> usize {
    match iterations / 50 {
        0 | 1 => 1,
        window => window | 1,
    }
}

pub(crate) fn iteration_axis(runs: &[Run]) -> Axis {
    let last = runs
        .iter()
        .flat_map(|run| {
            let epochs = run.epochs.iter().map(|epoch| epoch.iteration);
            epochs.chain(run.iterations.iter().map(|step| step.iteration))
        })
        .max()
        .unwrap_or(0);
    Axis::linear("iteration", 0.0, last as f64)
}

fn accuracy_panel(runs: &[Run], lines: Vec<Line>) -> Panel {
    let axis = accuracy_axis(finite_values(&lines));
    let note = match finite_values(&lines).next() {
        None => Some("no epoch has been measured yet".into()),
        Some(_) => None,
    };
    Panel { lines, note, ..Panel::new(iteration_axis(runs), axis) }
}

/// From zero to the next ten per cent, with some air above the line.
pub(crate) fn accuracy_axis(values: impl Iterator<Item = f64>) -> Axis {
    let greatest = values.fold(0.0, f64::max);
    let top = (((greatest + 2.0) / 10.0).ceil() * 10.0).clamp(10.0, 100.0);
    Axis::linear("accuracy (%)", 0.0, top)
}

/// A loss that grows twentyfold in a run is shown over its logarithm, and says so.
fn loss_panel(runs: &[Run], lines: Vec<Line>) -> Panel {
    let values: Vec<_> = finite_values(&lines).collect();
    let axis = match Axis::logarithmic_around("loss (log scale)", &values) {
        Some(axis) if spans_decades(&values) => axis,
        _ => Axis::around("loss", &values),
    };
    let broken = first_broken(runs);
    let note = match broken {
        Some(iteration) => Some(format!("not finite at iteration {iteration}")),
        None if values.is_empty() => Some("no loss has been measured yet".into()),
        None => None,
    };
    Panel {
        lines,
        note,
        mark: broken.map(|iteration| iteration as f64),
        ..Panel::new(iteration_axis(runs), axis)
    }
}

/// Whether the greatest is twenty times the least, or more, and all are above zero.
pub(crate) fn spans_decades(values: &[f64]) -> bool {
    let (least, greatest) = extent(values);
    least > 0.0 && greatest / least > 20.0
}

/// The first step whose loss was not finite.
pub(crate) fn first_broken(runs: &[Run]) -> Option<u64> {
    let mut steps = runs.iter().flat_map(|run| &run.iterations);
    steps.find(|step| !step.loss.is_finite()).map(|step| step.iteration)
}

fn finite_values(lines: &[Line]) -> impl Iterator<Item = f64> {
    lines.iter().flat_map(|line| &line.points).map(|(_, y)| *y).filter(|y| y.is_finite())
}

/// The result, if there is one, else the run's name.
pub(crate) fn title(run: &Run) -> String {
    let layers = network(run);
    match run.test_accuracy {
        Some(accuracy) => {
            let flips = run.with_views();
            format!("{:.1} % of the test images right{flips}: {layers}", 100.0 * accuracy)
        }
        None => format!("Learning curves: {layers}"),
    }
}

/// The network by its hidden layers, or the run's name.
pub(crate) fn network(run: &Run) -> String {
    match run.setting("hidden_dim") {
        Some("" | "0") => "linear classifier".to_owned(),
        Some(widths) => format!("{} hidden units", widths.replace(',', " + ")),
        None => run.name.clone(),
    }
}

/// Schedules that do without `lr_decay`.
const FACTORLESS: [&str; 3] = ["linear", "polynomial", "cosine"];

/// The settings that shape a run, as a line.
pub(crate) fn describe(run: &Run) -> String {
    // The schedules that have no factor go by their names.
    let named = run.setting("schedule").filter(|&name| FACTORLESS.contains(&name));
    let fall = if named.is_some() { ("schedule", "schedule") } else { ("lr_decay", "decay") };
    let adam = run.setting("optimizer") == Some("adam");
    let names = [
        ("data", "data"),
        ("learning_rate", "learning rate"),
        fall,
        if adam { ("optimizer", "optimizer") } else { ("momentum", "momentum") },
        ("batch_size", "batch"),
        ("reg", "reg"),
        ("seed", "seed"),
    ];
    names
        .iter()
        .filter_map(|(key, name)| Some(format!("{name} {}", run.setting(key)?)))
        .collect::<Vec<_>>()
        .join(", ")
}

/// The settings in which runs differ, but for those that say nothing about the learning.
pub(crate) fn differing(runs: &[Run]) -> Vec<&String> {
    let mut keys: Vec<&String> = runs.iter().flat_map(|run| run.settings.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.retain(|key| {
        !key.split('.').any(|part| NOT_A_NAME.contains(&part))
            && runs.iter().any(|run| run.settings.get(*key) != runs[0].settings.get(*key))
    });
    keys
}

/// Keys that say nothing about the learning, or are too long for a name.
const NOT_A_NAME: [&str; 3] = ["provenance", "data_dir", "threads"];

/// A name for each run: the settings in which they differ, or the folder's name where
/// that says nothing, or too much, or the same twice.
pub(crate) fn labels(runs: &[Run]) -> Vec<String> {
    let keys = differing(runs);
    let by_settings = |run: &Run| {
        keys.iter()
            .map(|key| {
                let value = run.settings.get(*key).map_or("none", String::as_str);
                format!("{} {value}", key.rsplit('.').next().unwrap_or(key))
            })
            .collect::<Vec<_>>()
            .join(", ")
    };
    let labels: Vec<_> = runs.iter().map(by_settings).collect();
    let mut distinct = labels.clone();
    distinct.sort_unstable();
    distinct.dedup();
    if (1..=3).contains(&keys.len()) && distinct.len() == labels.len() {
        labels
    } else {
        runs.iter().map(|run| run.name.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(name: &str, settings: &[(&str, &str)]) -> Run {
        Run {
            name: name.into(),
            settings: settings.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
            ..Run::default()
        }
    }

    #[test]
    fn runs_are_named_by_what_differs_and_else_by_their_folder() {
        let a = run("a", &[("seed", "1"), ("reg", "0"), ("provenance.started", "then")]);
        let b = run("b", &[("seed", "2"), ("reg", "0"), ("provenance.started", "now")]);
        assert_eq!(labels(&[a.clone(), b.clone()]), ["seed 1", "seed 2"]);
        assert_eq!(labels(&[a.clone(), b, a]), ["a", "b", "a"]);
        assert_eq!(labels(&[run("x", &[]), run("y", &[])]), ["x", "y"]);
    }

    #[test]
    fn the_best_epoch_is_the_first_of_equals_and_never_a_nan() {
        let mut tied = Run::default();
        for (epoch, accuracy) in [(0, f64::NAN), (1, 0.4), (2, 0.5), (3, 0.5)] {
            tied.epochs.push(Epoch {
                epoch,
                iteration: epoch.into(),
                train_loss: 1.0,
                train_accuracy: accuracy,
                validation_loss: 1.0,
                validation_accuracy: accuracy,
                ..Epoch::default()
            });
        }
        assert_eq!(tied.best_epoch().map(|epoch| epoch.epoch), Some(2));
    }
}
