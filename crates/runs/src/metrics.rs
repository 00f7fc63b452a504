//! Precision, recall and F1 of each class, and their means: `metrics.csv`.
//!
//! With TP, FP and FN the images of a class that were predicted as it, those of other classes that
//! were, and those of it that were not,
//!
//! precision = TP / (TP + FP),  recall = TP / (TP + FN),  F1 = 2 TP / (2 TP + FP + FN)
//!
//! and 0 where the denominator is 0, as in scikit-learn's `precision_recall_fscore_support`. The
//! macro means are over the classes that are the true or the predicted class of an image, as with
//! scikit-learn's `average="macro"`; the balanced accuracy is the mean recall of the classes that have
//! images (`balanced_accuracy_score`).

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::records::fraction;
use crate::table::{Problem, Record, Table};
use crate::{Confusion, Error};

/// One class: a row of `metrics.csv`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClassMetrics {
    /// Its name.
    pub class: String,
    /// The share of the images predicted as it that are of it, from 0 to 1.
    pub precision: f64,
    /// The share of its images that were predicted as it, from 0 to 1.
    pub recall: f64,
    /// The harmonic mean of the two, from 0 to 1.
    pub f1: f64,
    /// How many images are of it.
    pub support: u64,
}

impl Record for ClassMetrics {
    const FILE: &'static str = "metrics.csv";

    fn check(&self) -> Result<(), Problem> {
        fraction("precision", self.precision)?;
        fraction("recall", self.recall)?;
        fraction("f1", self.f1)
    }
}

/// What is computed from a confusion matrix.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Metrics {
    /// Mean precision of the classes.
    pub macro_precision: f64,
    /// Mean recall of the classes.
    pub macro_recall: f64,
    /// Mean F1 of the classes.
    pub macro_f1: f64,
    /// Mean recall of the classes that have images.
    pub balanced_accuracy: f64,
    /// Each class, in the order of the confusion matrix.
    pub classes: Vec<ClassMetrics>,
}

impl Metrics {
    /// Those of a confusion matrix. Means over no class are NaN.
    pub fn of(confusion: &Confusion) -> Metrics {
        let ratio = |part: u64, all: u64| if all == 0 { 0.0 } else { part as f64 / all as f64 };
        let class = |(class, name): (usize, &String)| {
            let right = confusion.counts[class][class];
            let (support, predicted) = (confusion.images(class), confusion.predicted(class));
            ClassMetrics {
                class: name.clone(),
                precision: ratio(right, predicted),
                recall: ratio(right, support),
                f1: ratio(2 * right, support + predicted),
                support,
            }
        };
        let classes: Vec<_> = confusion.classes.iter().enumerate().map(class).collect();
        let occurs = |class: &usize| confusion.images(*class) + confusion.predicted(*class) > 0;
        let occurring: Vec<usize> = (0..classes.len()).filter(occurs).collect();
        let mean = |of: fn(&ClassMetrics) -> f64| {
            let sum: f64 = occurring.iter().map(|&class| of(&classes[class])).sum();
            sum / occurring.len() as f64
        };
        let recalls = classes.iter().filter(|class| class.support > 0).map(|class| class.recall);
        let recalls: Vec<f64> = recalls.collect();
        Metrics {
            macro_precision: mean(|class| class.precision),
            macro_recall: mean(|class| class.recall),
            macro_f1: mean(|class| class.f1),
            balanced_accuracy: recalls.iter().sum::<f64>() / recalls.len() as f64,
            classes,
        }
    }

    /// Writes `metrics.csv` into the run's folder.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), Error> {
        Table::write_all(folder, &self.classes)
    }
}
