//! The test of a network: once, on the test images, in the views that the settings name.

use chainrule_data::Dataset;
use chainrule_runs::{Confusion, Metrics};
use chainrule_tensor::Isa;

use crate::config::Tta;
use crate::{Answers, Error, ModelFile, Predictor, inference};

/// What came of the test.
pub(crate) struct Test {
    pub answers: Answers,
    pub accuracy: f64,
    /// Of the images alone, if other views were averaged with them.
    pub accuracy_plain: Option<f64>,
    pub loss: f64,
    pub confusion: Confusion,
    pub metrics: Metrics,
}

impl Test {
    /// Asks `model` about the test images of `dataset`.
    pub fn of(
        model: &ModelFile,
        dataset: &Dataset,
        tta: Tta,
        threads: usize,
        isa: Isa,
    ) -> Result<Test, Error> {
        let mut predictor = Predictor::with_isa(model, threads, isa)?;
        let (images, labels) = (&dataset.test, dataset.test.labels());
        let all: Vec<u32> = (0..images.len() as u32).collect();
        let plain = predictor.ask(images, &all, Tta::NONE)?;
        let (answers, accuracy_plain) = match tta {
            Tta::NONE => (plain, None),
            _ => {
                let accuracy = plain.evaluate(labels).accuracy(labels);
                (predictor.ask(images, &all, tta)?, Some(accuracy))
            }
        };
        let found = answers.evaluate(labels);
        let confusion = inference::confusion(&found, labels, &dataset.classes);
        Ok(Test {
            accuracy: found.accuracy(labels),
            accuracy_plain,
            loss: found.loss,
            metrics: Metrics::of(&confusion),
            confusion,
            answers,
        })
    }
}
