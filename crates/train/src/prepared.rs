//! The images as the network reads them: split, normalized, whitened, augmented.
//!
//! Whitening is linear, and a matter of the training alone: the network learns on whitened images,
//! and [`Prepared::plain`] folds the whitening into its first layer, so that whoever reads the
//! weights later reads plain pixels.

use std::ops::ControlFlow;
use std::time::Instant;

use chainrule_data::{
    Amount, Augmentation, Augmented, Changes, Dataset, FloatImages, Gain, Normalization, Pixels,
    Split, Whitening, epoch_order,
};
use chainrule_nn::{Diverged, Engine, Evaluation, Optimizer, SoftmaxClassifier, Step};
use chainrule_tensor::Isa;
use chainrule_tensor::comm::ThreadGroup;

use crate::config::{ConfigError, Normalize, memory};
use crate::schedule::LearningRates;
use crate::teacher::Teacher;
use crate::{Config, Error, ModelFile, machine};

/// The images as the network reads them, and which of them are for what.
pub struct Prepared<'a> {
    pub(crate) dataset: &'a Dataset,
    /// Mean and deviation of the training part.
    pub normalization: Normalization,
    /// Which images train and which validate.
    pub split: Split,
    scale: Vec<f32>,
    shift: Vec<f32>,
    /// Of the images of the training file, if they have a contrast normalization.
    gains: Option<Vec<Gain>>,
    whitened: Option<Whitened>,
    teacher: Option<Teacher>,
}

/// The whitening, and the images of the training file after it.
struct Whitened {
    whitening: Whitening,
    train: FloatImages,
}

impl<'a> Prepared<'a> {
    /// Splits the images as `config` says, and normalizes by the training part, or as
    /// `normalization` says.
    ///
    /// # Errors
    /// If the split leaves nothing to train on, or the normalization does not fit the images.
    pub fn new(
        config: &Config,
        dataset: &'a Dataset,
        normalization: Option<Normalization>,
    ) -> Result<Self, Error> {
        let split = split(config, dataset.train.len())?;
        let shape = dataset.train.shape();
        let (images, training) = (&dataset.train, &split.train);
        let normalization = match (normalization, config.contrast, config.normalize) {
            (Some(given), ..) => given,
            (None, None, Normalize::Pixel) => Normalization::per_pixel(images, training)?,
            (None, None, Normalize::Channel) => Normalization::per_channel(images, training)?,
            (None, Some(contrast), normalize) => {
                let group = match normalize {
                    Normalize::Pixel => 1,
                    Normalize::Channel => shape.height * shape.width,
                };
                Normalization::of_contrast(images, training, contrast, group)?
            }
        };
        let gains = normalization.contrast().map(|&contrast| Gain::of(images, contrast));
        let (scale, shift) = normalization.scale_shift(dataset.train.dim())?;
        let (whitened, teacher) = (None, None);
        Ok(Self { dataset, normalization, split, scale, shift, gains, whitened, teacher })
    }

    /// Whitens the images of the training file, if `config` asks for it, as their training part
    /// says. Tells `progress` what it does.
    ///
    /// # Errors
    /// If they cannot be whitened, or there is too little memory for it.
    pub fn whiten(
        &mut self,
        config: &Config,
        isa: Isa,
        mut progress: impl FnMut(&str),
    ) -> Result<(), Error> {
        let Some(regularizer) = config.zca else { return Ok(()) };
        let began = Instant::now();
        let images = &self.dataset.train;
        let (n, dim) = (images.len(), images.dim());
        let needed = memory::whitening(n, dim);
        if let Some(memory) = machine::available_memory().filter(|memory| memory.bytes < needed) {
            return Err(Error::Config(ConfigError::new(format!(
                "zca takes {} of memory for the whitened images, and {memory}: leave zca out",
                Amount(needed)
            ))));
        }
        let plain = self.train_rows();
        let team = (isa, ThreadGroup::new(config.threads)?);
        let tell = |step: &str| progress(&format!("whitening the images: {step}"));
        let shape = images.shape();
        let whitening = Whitening::fit(&plain, shape, &self.split.train, regularizer, team, tell)?;
        progress("whitening the images: all of them");
        let train = whitening.apply(&plain, images.len());
        let seconds = began.elapsed().as_secs_f64();
        progress(&format!("whitened {n} images in {seconds:.1} s"));
        self.whitened = Some(Whitened { whitening, train });
        Ok(())
    }

    /// Learns from this network beside the labels, as `config` says.
    ///
    /// # Errors
    /// If its threads cannot be started.
    pub(crate) fn set_teacher(
        &mut self,
        config: &Config,
        model: Option<&ModelFile>,
        isa: Isa,
    ) -> Result<(), Error> {
        self.teacher = model.map(|model| Teacher::new(model, config, isa)).transpose()?;
        Ok(())
    }

    /// Asks the teacher, if there is one, about these training images as these changes make them,
    /// and gives `engine` what it says.
    ///
    /// # Errors
    /// If its scores are not finite.
    pub(crate) fn teach(
        &mut self,
        engine: &mut Engine,
        order: &[u32],
        changes: Option<&Changes>,
    ) -> Result<(), Error> {
        // Without changes it is asked once, about all training images.
        let rows = if changes.is_some() { order } else { &self.split.train };
        match &mut self.teacher {
            Some(teacher) => teacher.teach(engine, self.dataset, rows, changes),
            None => Ok(()),
        }
    }

    /// A network that was trained on these images, as one that reads plain pixels.
    /// Batch normalization is linear too, once it is trained, and is folded as well.
    pub fn plain(&self, classifier: &SoftmaxClassifier) -> SoftmaxClassifier {
        let mut classifier = classifier.folded();
        if let Some(Whitened { whitening, .. }) = &self.whitened {
            let folded = whitening.fold(classifier.weight(0));
            classifier.weight_mut(0).copy_from_slice(&folded);
        }
        classifier
    }

    /// The images of the training file, as a network reads them that was read from a file: plain,
    /// and standardized.
    pub fn train_rows(&self) -> Pixels<'_> {
        let (images, gains) = (&self.dataset.train, self.gains.as_deref());
        Pixels::Bytes { images, scale: &self.scale, shift: &self.shift, gains }
    }

    /// The images of the training file, as a network is trained on them.
    pub fn pixels(&self) -> Pixels<'_> {
        match &self.whitened {
            Some(Whitened { train, .. }) => Pixels::Floats(train),
            None => self.train_rows(),
        }
    }

    /// The training images in the order of epoch `epoch`, from 1, and what happens to them in it, if
    /// anything does.
    pub(crate) fn epoch(
        &self,
        config: &Config,
        epoch: u32,
    ) -> Result<(Vec<u32>, Option<Changes>), Error> {
        let train = &self.split.train;
        let order =
            if config.shuffle { epoch_order(train, config.seed, epoch) } else { train.clone() };
        // Without augmentation pixels are gathered as they are, which is faster.
        let augmentation = config.augmentation();
        let changes = (augmentation != Augmentation::default())
            .then(|| augmentation.draw(&self.dataset.train, config.seed, epoch))
            .transpose()?;
        Ok((order, changes))
    }

    /// [`Engine::train_each`] on images of the training file, in this order and with these changes.
    pub(crate) fn train(
        &self,
        engine: &mut Engine,
        (order, changes): (&[u32], Option<&Changes>),
        batch: usize,
        rule: impl Fn(usize) -> Optimizer<f32> + Sync,
        each: impl FnMut(Step) -> ControlFlow<()> + Send,
    ) -> Result<(), Diverged> {
        let (pixels, labels) = (self.pixels(), self.dataset.train.labels());
        match changes {
            Some(changes) => {
                let rows = Augmented::new(pixels, changes);
                engine.train_each(&rows, labels, order, batch, rule, each)
            }
            None => engine.train_each(&pixels, labels, order, batch, rule, each),
        }
    }

    /// The learning rates of a run on these images.
    pub fn rates(&self, config: &Config) -> LearningRates {
        LearningRates::new(config, self.split.train.len().div_ceil(config.batch_size) as u64)
    }

    /// The weight of each class in the training loss, where they are not all alike.
    pub(crate) fn class_weights(&self, config: &Config) -> Option<Vec<f64>> {
        let images = &self.dataset.train;
        let label = |&row: &u32| usize::from(images.labels()[row as usize]);
        config.class_weight.weights(images.classes(), self.split.train.iter().map(label))
    }

    /// Loss and predictions on the given images of the training file, of a network that was trained
    /// on them.
    pub fn evaluate(&self, engine: &mut Engine, indices: &[u32]) -> Evaluation {
        engine.evaluate(&self.pixels(), self.dataset.train.labels(), indices)
    }
}

/// Which of the `n` images of a training file train, and which validate.
///
/// # Errors
/// If nothing is left to train on.
pub fn split(config: &Config, n: usize) -> Result<Split, Error> {
    if config.shuffle {
        let seed = config.split_seed.unwrap_or(config.seed);
        return Ok(Split::seeded(n, config.validation, seed)?);
    }
    let border = (n - config.validation.min(n)) as u32;
    Ok(Split { train: (0..border).collect(), validation: (border..n as u32).collect() })
}
