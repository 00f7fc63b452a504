//! The teacher of a run: a saved network whose probabilities the run learns from beside the labels
//! ([`chainrule_nn::distill`]).
//!
//! It is asked about the images as they are trained on. Without augmentation that is once; with it, at
//! the beginning of each epoch, about each image as it is moved and mirrored in that epoch.

use std::path::Path;

use chainrule_data::{Changes, Dataset};
use chainrule_nn::loss::softmax;
use chainrule_nn::{Engine, SoftTargets};
use chainrule_tensor::Isa;
use sha2::{Digest, Sha256};

use crate::tensors::hexadecimal;
use crate::{Config, Data, Error, ModelFile, Origin, Predictor};

/// A network that is asked what it sees in the training images.
pub(crate) struct Teacher {
    predictor: Predictor,
    temperature: f64,
    weight: f64,
    /// Whether it has been asked about the images as they are.
    has_told: bool,
}

/// The network of the teacher that `config` names, if it names one.
///
/// # Errors
/// If it cannot be read, knows other classes, or was trained on other images.
pub(crate) fn open(config: &Config, data: &Data) -> Result<Option<ModelFile>, Error> {
    let Some(path) = &config.teacher else { return Ok(None) };
    let model = ModelFile::load(path)?;
    if let (Some(origin), false) = (Origin::of(path)?, config.allow_other_images) {
        origin.check(data)?;
    }
    model.check_images(path, &data.dataset.train)?;
    if model.task.is_some() && model.classes() != data.dataset.classes {
        let refuse = |problem| Error::Model { path: path.clone(), problem };
        return Err(refuse("the teacher knows other classes than the images have".into()));
    }
    Ok(Some(model))
}

/// SHA-256 of a network and of how it reads its images, in hexadecimal.
pub(crate) fn sha256(model: &ModelFile) -> String {
    hexadecimal(Sha256::new_with_prefix(model.serialize()))
}

/// Whether the teacher is the one that a run began with.
///
/// # Errors
/// A sentence, if it is not.
pub(crate) fn check_same(path: &Path, then: Option<&str>, now: &str) -> Result<(), String> {
    match then {
        Some(then) if then != now => Err(format!(
            "it began with a teacher whose SHA-256 is {then}, and that of {} is {now}",
            path.display()
        )),
        _ => Ok(()),
    }
}

impl Teacher {
    /// The teacher `model`, on as many threads as the run has.
    pub fn new(model: &ModelFile, config: &Config, isa: Isa) -> Result<Teacher, Error> {
        Ok(Teacher {
            predictor: Predictor::with_isa(model, config.threads, isa)?,
            temperature: config.teacher_temperature,
            weight: config.teacher_weight,
            has_told: false,
        })
    }

    /// Gives `engine` the probabilities of the images `rows` of the training file, as `changes` has
    /// them; those of the others are 0.
    pub fn teach(
        &mut self,
        engine: &mut Engine,
        dataset: &Dataset,
        rows: &[u32],
        changes: Option<&Changes>,
    ) -> Result<(), Error> {
        if self.has_told && changes.is_none() {
            return Ok(());
        }
        let (images, classes) = (&dataset.train, dataset.train.classes());
        let scores = self.predictor.scores(images, rows, changes)?;
        let mut probabilities = vec![0.0; images.len() * classes];
        for (&row, scores) in rows.iter().zip(scores.chunks_exact(classes)) {
            let to = &mut probabilities[row as usize * classes..][..classes];
            to.iter_mut().zip(scores).for_each(|(to, z)| *to = z / self.temperature as f32);
            softmax(to);
        }
        let Self { temperature, weight, .. } = *self;
        engine.set_soft_targets(Some(SoftTargets { temperature, weight, probabilities }));
        self.has_told = changes.is_none();
        Ok(())
    }
}
