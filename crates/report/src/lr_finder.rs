//! The curve of a learning-rate search: the loss over the learning rate, which grows in each step.

use crate::chart::{Axis, Dash, Figure, Key, Line, Look, PALE, Panel, SERIES, extent};

/// One step of a search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trial {
    /// The learning rate of the step.
    pub learning_rate: f64,
    /// The loss of its minibatch.
    pub loss: f64,
    /// The mean of this and the earlier losses.
    pub smoothed_loss: f64,
}

/// Draws the search, with an upright line at each of the learning rates to `mark`, named in the
/// legend. `subtitle` tells what was searched with.
pub fn lr_finder(trials: &[Trial], marks: &[(String, f64)], subtitle: Vec<String>) -> Figure {
    let line = |look, loss: fn(&Trial) -> f64| {
        let point = |trial: &Trial| (trial.learning_rate, loss(trial));
        Line { points: trials.iter().map(point).collect(), look }
    };
    let mut raw = line(Look::line(PALE).width(1.0), |trial| trial.loss);
    let mut smoothed = line(Look::line(SERIES[0]), |trial| trial.smoothed_loss);
    let y = loss_axis(trials);
    // The line breaks off where it leaves the chart.
    for (_, loss) in raw.points.iter_mut().chain(&mut smoothed.points) {
        if !(y.from..=y.to).contains(loss) {
            *loss = f64::NAN;
        }
    }
    let rates: Vec<_> = trials.iter().map(|trial| trial.learning_rate).collect();
    let (first, last) = extent(&rates);
    let x = if trials.is_empty() { (1e-5, 10.0) } else { (first, last) };

    let mut keys = vec![Key::new("one minibatch", raw.look), Key::new("smoothed", smoothed.look)];
    let mut panel = Panel::new(Axis::logarithmic("learning rate (log scale)", x.0, x.1), y);
    panel.lines = vec![raw, smoothed];
    for (i, (name, rate)) in marks.iter().enumerate() {
        let look = Look::line(SERIES[1 + i % (SERIES.len() - 1)]).dash(Dash::Dashed).width(1.5);
        keys.push(Key::new(name.clone(), look));
        let points = vec![(*rate, panel.y.from), (*rate, panel.y.to)];
        panel.lines.push(Line { points, look });
    }
    if trials.is_empty() {
        panel.note = Some("no step had a finite loss".into());
    }
    Figure { title: "Learning-rate finder".into(), subtitle, keys, panels: vec![panel] }
}

/// The axis shows the whole fall of the loss, and of the rise after it only the beginning.
fn loss_axis(trials: &[Trial]) -> Axis {
    let smoothed: Vec<_> = trials.iter().map(|trial| trial.smoothed_loss).collect();
    let least = (0..smoothed.len()).min_by(|&a, &b| smoothed[a].total_cmp(&smoothed[b]));
    let (_, highest) = extent(&smoothed[..least.map_or(0, |least| least + 1)]);
    let (lowest, _) = extent(&trials.iter().map(|trial| trial.loss).collect::<Vec<_>>());
    let rise = 0.5 * (highest - lowest).max(0.1 * highest.abs());
    match trials {
        [] => Axis::linear("loss", 0.0, 1.0),
        _ => Axis::around("loss", &[lowest, highest + rise]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marked_rates_stand_in_the_legend_and_no_point_outside_the_chart() {
        let trial = |i: i32| {
            let learning_rate = 10f64.powf(-5.0 + 0.02 * f64::from(i));
            let loss = if i == 299 { 1e9 } else { 2.3 };
            Trial { learning_rate, loss, smoothed_loss: 2.3 - 0.001 * f64::from(i) }
        };
        let trials: Vec<_> = (0..300).map(trial).collect();
        let marks = [("steepest: 0.02".to_owned(), 0.02), ("a tenth: 0.5".to_owned(), 0.5)];
        let figure = lr_finder(&trials, &marks, vec![]);
        let svg = figure.svg();
        for name in ["steepest: 0.02", "a tenth: 0.5", "learning rate (log scale)"] {
            assert!(svg.contains(name), "{name}");
        }
        let Panel { lines, y, .. } = &figure.panels[0];
        let inside = |loss: f64| loss.is_nan() || (y.from..=y.to).contains(&loss);
        assert!(lines.iter().flat_map(|line| &line.points).all(|&(_, loss)| inside(loss)));
        assert!(lines[0].points[299].1.is_nan() && y.to < 10.0, "the rise does not fill the chart");
        assert_eq!(lines[2].points, [(0.02, y.from), (0.02, y.to)]);
    }

    #[test]
    fn a_search_without_a_finite_loss_is_still_a_picture() {
        assert!(lr_finder(&[], &[], vec![]).svg().contains("no step had a finite loss"));
    }
}
