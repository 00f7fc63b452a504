//! Test-time flips: a network asked twice, about an image and about its mirror image.
//!
//! With p(x) the probabilities that it gives an image x, and x' the image mirrored left to right,
//! the answer is the mean (p(x) + p(x')) / 2: its greatest is the class, and the loss is minus the
//! logarithm of the label's share (Krizhevsky, Sutskever & Hinton 2012, section 4.1, average their
//! patches and flips so). Results that come about this way say so.

use std::f64::consts::LN_2;

use chainrule_data::{Augmented, Changes, Images, Pixels};
use chainrule_nn::{Engine, Evaluation};
use chainrule_tensor::Tensor;
use chainrule_tensor::ops::rows::{argmax, log_sum_exp};

use crate::Error;

/// ln ((p(x) + p(x')) / 2) of some of the `images`, which the network reads as `pixels`: (rows,
/// classes).
///
/// # Errors
/// If the images are too wide to be mirrored.
///
/// # Panics
/// If a row is out of range.
pub fn log_probabilities(
    engine: &mut Engine,
    pixels: Pixels,
    images: &Images,
    rows: &[u32],
) -> Result<Tensor<f64>, Error> {
    let mirror = Changes::mirror(images)?;
    let own = engine.scores(&pixels, rows);
    let mirrored = engine.scores(&Augmented::new(pixels, &mirror), rows);
    let classes = images.classes();
    let mut means = Vec::with_capacity(own.as_slice().len());
    for (own, mirrored) in own.as_slice().chunks(classes).zip(mirrored.as_slice().chunks(classes)) {
        // In logarithms no probability is lost, however small.
        let [own, mirrored] = [own, mirrored].map(|scores| {
            let scores: Vec<f64> = scores.iter().map(|&s| s.into()).collect();
            let total = log_sum_exp(&scores);
            scores.into_iter().map(move |s| s - total)
        });
        means.extend(own.zip(mirrored).map(|(a, b)| log_sum_exp(&[a, b]) - LN_2));
    }
    Ok(Tensor::from_vec(means, rows.len(), classes))
}

/// Loss and predictions on some of the `images`, which the network reads as `pixels`.
///
/// # Errors
/// As [`log_probabilities`].
///
/// # Panics
/// As [`log_probabilities`].
pub fn evaluate(
    engine: &mut Engine,
    pixels: Pixels,
    images: &Images,
    rows: &[u32],
) -> Result<Evaluation, Error> {
    let means = log_probabilities(engine, pixels, images, rows)?;
    let (mut predictions, mut loss) = (Vec::with_capacity(rows.len()), 0.0);
    for (&row, means) in rows.iter().zip(means.as_slice().chunks(images.classes())) {
        predictions.push(argmax(means) as u32);
        loss -= means[usize::from(images.labels()[row as usize])];
    }
    Ok(Evaluation { rows: rows.to_vec(), predictions, loss: loss / rows.len() as f64 })
}
