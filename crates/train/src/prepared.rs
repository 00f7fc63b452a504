//! The images as the network reads them: split, normalised, augmented.

use chainrule_data::{Augmented, Changes, Dataset, Images, Normalisation, Split};
use chainrule_nn::{Engine, Evaluation};
use chainrule_tensor::bytes::ByteRows;

use crate::config::Normalise;
use crate::schedule::LearningRates;
use crate::{Config, Error};

/// The images as the network reads them, and which of them are for what.
pub struct Prepared<'a> {
    pub(crate) dataset: &'a Dataset,
    /// Mean and deviation of the training part.
    pub normalisation: Normalisation,
    /// Which images train and which validate.
    pub split: Split,
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl<'a> Prepared<'a> {
    /// Splits the images as `config` says, and normalises by the training part, or as
    /// `normalisation` says.
    ///
    /// # Errors
    /// If the split leaves nothing to train on, or the normalisation does not fit the images.
    pub fn new(
        config: &Config,
        dataset: &'a Dataset,
        normalisation: Option<Normalisation>,
    ) -> Result<Self, Error> {
        let n = dataset.train.len();
        let split = if config.shuffle {
            Split::seeded(n, config.validation, config.seed)?
        } else {
            let border = (n - config.validation.min(n)) as u32;
            Split { train: (0..border).collect(), validation: (border..n as u32).collect() }
        };
        let normalisation = match (normalisation, config.normalise) {
            (Some(given), _) => given,
            (None, Normalise::Pixel) => Normalisation::per_pixel(&dataset.train, &split.train)?,
            (None, Normalise::Channel) => Normalisation::per_channel(&dataset.train, &split.train)?,
        };
        let (scale, shift) = normalisation.scale_shift(dataset.train.dim())?;
        Ok(Self { dataset, normalisation, split, scale, shift })
    }

    /// Training images as normalised rows, with what happens to them in an epoch.
    pub(crate) fn augmented<'b>(&'b self, changes: &'b Changes) -> Augmented<'b> {
        Augmented::new(&self.dataset.train, &self.scale, &self.shift, changes)
    }

    /// The learning rates of a run on these images.
    pub fn rates(&self, config: &Config) -> LearningRates {
        LearningRates::new(config, self.split.train.len().div_ceil(config.batch_size) as u64)
    }

    /// Images as normalised rows.
    pub fn rows<'b>(&'b self, images: &'b Images) -> ByteRows<'b> {
        ByteRows::new(images.pixels(), &self.scale, &self.shift)
    }

    /// Loss and predictions on the given images of the training file.
    pub fn evaluate(&self, engine: &mut Engine, indices: &[u32]) -> Evaluation {
        let train = &self.dataset.train;
        engine.evaluate(&self.rows(train), train.labels(), indices)
    }

    /// Loss and predictions on all test images.
    pub fn test(&self, engine: &mut Engine) -> Evaluation {
        let test = &self.dataset.test;
        let all: Vec<u32> = (0..test.len() as u32).collect();
        engine.evaluate(&self.rows(test), test.labels(), &all)
    }
}
