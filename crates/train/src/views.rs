//! Test-time augmentation: a network asked about several views of an image.
//!
//! With p(x) the probabilities that it gives an image x, and x₁ … x_n its views, the answer is the mean
//! (p(x₁) + … + p(x_n)) / n: its greatest is the class, and the loss is minus the logarithm of the
//! label's share (Krizhevsky, Sutskever & Hinton 2012, section 4.1, average their patches and flips
//! so). Results that come about this way say so.

use chainrule_tensor::math;
use chainrule_tensor::ops::rows::log_sum_exp;

use crate::config::Tta;

/// Pixels by which the shifted views are moved.
const SHIFT: i8 = 1;

/// The views of an image: whether it is mirrored, and how far it is moved, down and right. The image
/// itself is the first.
pub(crate) fn views(tta: Tta) -> Vec<(bool, (i8, i8))> {
    let flips: &[bool] = if tta.flips { &[false, true] } else { &[false] };
    let steps: &[i8] = if tta.shifts { &[0, -SHIFT, SHIFT] } else { &[0] };
    let shifts = steps.iter().flat_map(|&down| steps.iter().map(move |&right| (down, right)));
    shifts.flat_map(|shift| flips.iter().map(move |&flip| (flip, shift))).collect()
}

/// ln ((p(x₁) + … + p(x_n)) / n) from the scores of each view of the images, all (rows, classes),
/// row-major.
pub(crate) fn log_mean(views: &[Vec<f32>], classes: usize) -> Vec<f64> {
    // In logarithms no probability is lost, however small.
    let log_probabilities = |scores: &Vec<f32>| -> Vec<f64> {
        let rows = scores.chunks_exact(classes).flat_map(|scores| {
            let scores: Vec<f64> = scores.iter().map(|&s| s.into()).collect();
            let total = log_sum_exp(&scores);
            scores.into_iter().map(move |s| s - total)
        });
        rows.collect()
    };
    let views: Vec<Vec<f64>> = views.iter().map(log_probabilities).collect();
    let count = math::ln(views.len() as f64);
    let values = views.first().map_or(0, Vec::len);
    let mean = |at: usize| {
        let of_each: Vec<f64> = views.iter().map(|view| view[at]).collect();
        log_sum_exp(&of_each) - count
    };
    (0..values).map(mean).collect()
}
