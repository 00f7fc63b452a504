//! Test-time flips: a network asked twice, about an image and about its mirror image.
//!
//! With p(x) the probabilities that it gives an image x, and x' the image mirrored left to right,
//! the answer is the mean (p(x) + p(x')) / 2: its greatest is the class, and the loss is minus the
//! logarithm of the label's share (Krizhevsky, Sutskever & Hinton 2012, section 4.1, average their
//! patches and flips so). Results that come about this way say so.

use std::f64::consts::LN_2;

use chainrule_tensor::ops::rows::log_sum_exp;

/// ln ((p(x) + p(x')) / 2) from the scores of images and of their mirror images, all (rows,
/// classes), row-major.
pub(crate) fn log_mean(own: &[f32], mirrored: &[f32], classes: usize) -> Vec<f64> {
    let mut means = Vec::with_capacity(own.len());
    for (own, mirrored) in own.chunks_exact(classes).zip(mirrored.chunks_exact(classes)) {
        // In logarithms no probability is lost, however small.
        let [own, mirrored] = [own, mirrored].map(|scores| {
            let scores: Vec<f64> = scores.iter().map(|&s| s.into()).collect();
            let total = log_sum_exp(&scores);
            scores.into_iter().map(move |s| s - total)
        });
        means.extend(own.zip(mirrored).map(|(a, b)| log_sum_exp(&[a, b]) - LN_2));
    }
    means
}
