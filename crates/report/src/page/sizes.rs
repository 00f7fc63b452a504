//! The sizes of steps: learning rate, gradient norm, and how large a step is beside the weights.

use super::chart::Chart;
use super::{Section, charts};
use crate::Run;
use crate::chart::{Line, Look, SERIES};
use crate::curves::{Named, iteration_axis, step_lines};

/// The charts of what a step was like.
pub(super) fn sizes(run: &Run) -> Section {
    let axis = || iteration_axis(std::slice::from_ref(run));
    let ratios = run.update_ratios.iter().enumerate().map(|(i, layer)| {
        let epochs = run.epochs.iter().zip(&layer.ratios);
        // Before the first step there is none.
        let points = epochs
            .filter(|(epoch, _)| epoch.epoch > 0)
            .map(|(epoch, &ratio)| (epoch.iteration as f64, ratio))
            .collect();
        Named::new(layer.layer.clone(), Line { points, look: Look::nth(i) })
    });
    let mut ratios = Chart::new("update-ratios", "Update ratio", axis(), ratios.collect());
    ratios.note = Some(
        "How large the last step of an epoch was beside the layer's weights; about 1e-3 is usual."
            .into(),
    );
    let norm = step_lines(run, |step| step.gradient_norm);
    let mut norm = Chart::new("gradient-norm", "Gradient norm", axis(), norm);
    norm.note = Some("Of the whole gradient, before it is clipped.".into());
    let rate = Named::new("learning rate", learning_rate(run, Look::line(SERIES[0])));
    let rate = learning_rate_chart(vec![rate], std::slice::from_ref(run));
    let html = charts([ratios, norm, rate]);
    Section::new("sizes", "Sizes of the steps", html)
}

/// The learning rate of each step, as many points as tell its course.
pub(super) fn learning_rate(run: &Run, look: Look) -> Line {
    let steps = run.iterations.iter();
    let points: Vec<_> =
        steps.filter_map(|step| Some((step.iteration as f64, step.learning_rate?))).collect();
    Line { points, look }
}

pub(super) fn learning_rate_chart(lines: Vec<Named>, runs: &[Run]) -> Chart {
    Chart::new("learning-rate", "Learning rate", iteration_axis(runs), lines)
}
