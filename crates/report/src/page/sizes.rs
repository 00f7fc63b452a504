//! Step sizes: update ratio, gradient norm, learning rate.

use super::chart::Chart;
use super::{Section, charts};
use crate::Run;
use crate::chart::{Line, Look, SERIES};
use crate::curves::{Named, iteration_axis, step_lines};

/// The charts of the step sizes.
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
        "Norm of the last update of an epoch over the norm of the layer's weights; about 1e-3 is usual."
            .into(),
    );
    let norm = step_lines(run, |step| step.gradient_norm);
    let mut norm = Chart::new("gradient-norm", "Gradient norm", axis(), norm);
    norm.note = Some("Norm of the whole gradient, before clipping.".into());
    let rate = Named::new("learning rate", learning_rate(run, Look::line(SERIES[0])));
    let rate = learning_rate_chart(vec![rate], std::slice::from_ref(run));
    let html = charts([ratios, norm, rate]);
    Section::new("sizes", "Step sizes", html)
}

/// The learning rate of each step, for a line.
pub(super) fn learning_rate(run: &Run, look: Look) -> Line {
    let steps = run.iterations.iter();
    let points: Vec<_> =
        steps.filter_map(|step| Some((step.iteration as f64, step.learning_rate?))).collect();
    Line { points, look }
}

pub(super) fn learning_rate_chart(lines: Vec<Named>, runs: &[Run]) -> Chart {
    Chart::new("learning-rate", "Learning rate", iteration_axis(runs), lines)
}
