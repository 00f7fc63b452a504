//! A saved network and the images that it is asked about: the one place where a model file answers.
//!
//! ```text
//! x = (pixel - mean) / std        after the contrast normalization, if there is one
//! z = scores of the network       (classes)
//! p = softmax(z),  or the mean of it over several views of x
//! ```
//!
//! The final test of a run, `eval`, `report` and `predict` all ask here. Scores that are not finite
//! are no answer: the first image with one is named.

use chainrule_data::{Augmented, Changes, Gain, Images, Pixels};
use chainrule_nn::loss::{cross_entropy, softmax};
use chainrule_nn::{Engine, Evaluation};
use chainrule_runs::Confusion;
use chainrule_tensor::ops::rows::argmax;
use chainrule_tensor::{Isa, Kernel, math};

use crate::config::Tta;
use crate::{Error, ModelFile, views};

/// From more classes than this on the top-5 accuracy is told.
const FEW_CLASSES: usize = 10;

/// A network that answers.
pub struct Predictor {
    engine: Engine,
    classes: usize,
    /// (inputs)
    scale: Vec<f32>,
    /// (inputs)
    shift: Vec<f32>,
    contrast: Option<f32>,
}

impl Predictor {
    /// The network of a model file on so many threads, on which no answer depends.
    ///
    /// # Errors
    /// If the threads cannot be started, or the normalization does not fit the network.
    pub fn new(model: &ModelFile, threads: usize) -> Result<Predictor, Error> {
        Self::with_isa(model, threads, Kernel::isa_from_environment()?)
    }

    /// [`Predictor::new`] with these kernels.
    ///
    /// # Errors
    /// As [`Predictor::new`].
    pub fn with_isa(model: &ModelFile, threads: usize, isa: Isa) -> Result<Predictor, Error> {
        let engine = Engine::with_kernel(&model.classifier, 1, threads, isa)?;
        let widths = model.classifier.widths();
        let (scale, shift) = model.normalization.scale_shift(widths[0])?;
        let contrast = model.normalization.contrast().copied();
        Ok(Self { engine, classes: widths[widths.len() - 1], scale, shift, contrast })
    }

    /// What the network makes of some of the `images`, each in the views that `tta` names.
    ///
    /// # Errors
    /// [`Error::Scores`] if a score is not finite; if the images are too wide or too small for the
    /// views.
    ///
    /// # Panics
    /// If the network reads another number of values, or there is no such row.
    pub fn ask(&mut self, images: &Images, rows: &[u32], tta: Tta) -> Result<Answers, Error> {
        let classes = self.classes;
        let mut ask = |changes: Option<&Changes>| self.scores(images, rows, changes);
        let scores = match tta {
            Tta::NONE => Scores::Single(ask(None)?),
            _ => {
                let mut of_views = vec![];
                for (flip, shift) in views::views(tta) {
                    of_views.push(ask(Some(&Changes::view(images, flip, shift)?))?);
                }
                Scores::Views(views::log_mean(&of_views, classes))
            }
        };
        Ok(Answers { rows: rows.to_vec(), classes, scores })
    }

    /// The scores of some of the `images`, as they are or changed: (rows, classes), row-major.
    ///
    /// # Errors
    /// [`Error::Scores`] if one is not finite.
    ///
    /// # Panics
    /// As [`Predictor::ask`].
    pub(crate) fn scores(
        &mut self,
        images: &Images,
        rows: &[u32],
        changes: Option<&Changes>,
    ) -> Result<Vec<f32>, Error> {
        let gains = self.contrast.map(|contrast| Gain::of(images, contrast));
        let (scale, shift) = (&self.scale, &self.shift);
        let pixels = Pixels::Bytes { images, scale, shift, gains: gains.as_deref() };
        let scores = match changes {
            None => self.engine.scores(&pixels, rows),
            Some(changes) => self.engine.scores(&Augmented::new(pixels, changes), rows),
        };
        let scores = scores.into_vec();
        match scores.iter().position(|score| !score.is_finite()) {
            Some(at) => Err(Error::Scores { image: rows[at / self.classes] }),
            None => Ok(scores),
        }
    }
}

/// How many of the evaluated images of each class were predicted as which; the label of image i is
/// `labels[i]`.
///
/// # Panics
/// If a label or a prediction is no class.
pub fn confusion(result: &Evaluation, labels: &[u8], classes: &[String]) -> Confusion {
    let label = |row: &u32| usize::from(labels[*row as usize]);
    let predictions = result.predictions.iter().map(|&class| class as usize);
    Confusion::count(classes, result.rows.iter().map(label).zip(predictions))
}

/// What a network makes of some images.
#[derive(Clone, Debug)]
pub struct Answers {
    rows: Vec<u32>,
    classes: usize,
    scores: Scores,
}

/// (rows, classes), row-major.
#[derive(Clone, Debug)]
enum Scores {
    /// Z_L of each image.
    Single(Vec<f32>),
    /// The logarithms of the mean probabilities over the views of each image.
    Views(Vec<f64>),
}

impl Answers {
    /// The scores Z_L of the images alone: (rows, classes), row-major; empty for the mean of several
    /// views, which has none.
    pub fn scores(&self) -> &[f32] {
        match &self.scores {
            Scores::Single(scores) => scores,
            Scores::Views(_) => &[],
        }
    }

    /// The probability of each class, from 0 to 1: (rows, classes), row-major.
    pub fn probabilities(&self) -> Vec<f32> {
        match &self.scores {
            Scores::Single(scores) => {
                let mut scores = scores.clone();
                scores.chunks_exact_mut(self.classes).for_each(softmax);
                scores
            }
            Scores::Views(logarithms) => {
                logarithms.iter().map(|&log_p| math::exp(log_p) as f32).collect()
            }
        }
    }

    /// The likeliest class of each image, and the mean cross-entropy with `labels`, in which the
    /// label of image i is `labels[i]`; NaN for no images.
    ///
    /// # Panics
    /// If a label is no class.
    pub fn evaluate(&self, labels: &[u8]) -> Evaluation {
        let label = |row: &u32| usize::from(labels[*row as usize]);
        let (mut predictions, mut loss) = (Vec::with_capacity(self.rows.len()), 0.0);
        match &self.scores {
            Scores::Single(scores) => {
                for (row, scores) in self.rows.iter().zip(scores.chunks_exact(self.classes)) {
                    predictions.push(argmax(scores) as u32);
                    loss += f64::from(cross_entropy(scores, label(row)));
                }
            }
            Scores::Views(logarithms) => {
                for (row, log_p) in self.rows.iter().zip(logarithms.chunks_exact(self.classes)) {
                    predictions.push(argmax(log_p) as u32);
                    loss -= log_p[label(row)];
                }
            }
        }
        let loss = loss / self.rows.len() as f64;
        Evaluation { rows: self.rows.clone(), predictions, loss }
    }

    /// The share of the images whose label is among the `k` most probable classes, from 0 to 1; NaN
    /// for no images. Of classes that are equally probable the later one comes first, as in
    /// scikit-learn's `top_k_accuracy_score`.
    ///
    /// # Panics
    /// If a label is no class.
    pub fn top_k_accuracy(&self, labels: &[u8], k: usize) -> f64 {
        let hits = match &self.scores {
            Scores::Single(scores) => self.top_k_hits(scores, labels, k),
            Scores::Views(logarithms) => self.top_k_hits(logarithms, labels, k),
        };
        hits as f64 / self.rows.len() as f64
    }

    fn top_k_hits<T: PartialOrd>(&self, scores: &[T], labels: &[u8], k: usize) -> usize {
        let is_hit = |(row, scores): &(&u32, &[T])| {
            let label = usize::from(labels[**row as usize]);
            let before = |&(class, score): &(usize, &T)| {
                *score > scores[label] || (*score == scores[label] && class > label)
            };
            scores.iter().enumerate().filter(before).count() < k
        };
        self.rows.iter().zip(scores.chunks_exact(self.classes)).filter(is_hit).count()
    }

    /// [`Answers::top_k_accuracy`] with k = 5, where there are more than ten classes.
    pub fn top_5_accuracy(&self, labels: &[u8]) -> Option<f64> {
        (self.classes > FEW_CLASSES).then(|| self.top_k_accuracy(labels, 5))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scikit-learn 1.9.1: `top_k_accuracy_score(y, s, k=k, labels=range(12))` with
    /// `s = ((7 i + 5 c + i c) % 9) / 8` and `y = (5 i) % 12`, which has many equal scores.
    #[test]
    fn the_share_of_labels_among_the_most_probable_classes_is_scikit_learns() {
        let score = |i: usize, c: usize| ((7 * i + 5 * c + i * c) % 9) as f32 / 8.0;
        let scores = (0..40).flat_map(|i| (0..12).map(move |c| score(i, c))).collect();
        let answers =
            Answers { rows: (0..40).collect(), classes: 12, scores: Scores::Single(scores) };
        let labels: Vec<u8> = (0..40).map(|i| (5 * i % 12) as u8).collect();
        for (k, expected) in [(1, 0.025), (2, 0.025), (3, 0.125), (5, 0.25), (11, 0.75)] {
            assert_eq!(answers.top_k_accuracy(&labels, k), expected, "k = {k}");
        }
        assert_eq!(answers.top_5_accuracy(&labels), Some(0.25));
    }
}
