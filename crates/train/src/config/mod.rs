//! The settings of a run: one struct that is the flags, the recipe, `config.toml` and the page
//! `docs/settings.md`.
//!
//! A new setting is a field of [`Config`] with its doc comment, a word in `checks` if its values
//! have a range, and its use.
//!
//! | module | what it holds |
//! | --- | --- |
//! | `layers` | defaults, recipe and flags, laid over each other as tables of TOML |
//! | `flags` | the settings as flags of a command line, and back |
//! | `values` | how the values are written that are no plain numbers |
//! | `data_choice` | which images to train on |
//! | `class_weight` | the weight of each class in the training loss |
//! | `tta` | which views of an image the test averages over |
//! | `checks` | ranges, and settings that do not go together |
//! | `memory` | an estimate of the memory that training takes |
//! | `resume` | what may change when a run is resumed |
//! | `sections` | the sections of the settings |
//! | `page` | the tables of `docs/settings.md` |

mod checks;
mod class_weight;
mod data_choice;
mod flags;
mod layers;
pub(crate) mod memory;
mod page;
mod resume;
mod sections;
mod tta;
mod values;

use std::path::PathBuf;

use chainrule_data::{Augmentation, Size};
use chainrule_nn::{
    Activation, Hidden, Init, Method, Norm, Optimizer, Regularization, SoftmaxClassifier,
};
use chainrule_tensor::Precision;
use serde::{Deserialize, Serialize};

use crate::schedule::Schedule;

pub use class_weight::ClassWeight;
pub use data_choice::DataChoice;
pub use flags::{Flags, words};
pub use layers::lay;
pub(crate) use layers::{PROVENANCE, canonical, message, table, unknown_key};
pub use page::page;
pub use tta::Tta;
use values::{by_name, epoch_numbers, one_or_many, or_none, path, size, size_text, widths};

/// Widths of hidden layers.
///
/// This name and the next keep clap's derive from reading more into the types than a value.
pub type Widths = Vec<usize>;

/// A setting that may be `none`.
pub type OrNone<T> = Option<T>;

/// The settings of a run. `Config::default()` is what `chainrule train` does without flags.
///
/// Reading it, from a recipe, a `config.toml` or a checkpoint, fills in the defaults of what is not
/// named; those of some settings depend on the optimizer.
///
/// ```
/// use chainrule_train::Config;
///
/// let config = Config::from_toml("hidden_dim = [256, 128]\noptimizer = \"adam\"")?;
/// assert_eq!((config.hidden_dim, config.learning_rate), (vec![256, 128], 0.001));
/// # Ok::<(), chainrule_train::config::ConfigError>(())
/// ```
// The derived methods of serde are inherent ones (`remote`); `layers` has the traits.
#[derive(Clone, Debug, PartialEq, clap::Args, Serialize, Deserialize)]
#[serde(default, remote = "Self")]
pub struct Config {
    // The network
    /// Widths of the hidden layers, such as 100 or 512,256; 0 is the linear softmax classifier
    ///
    /// In a recipe `512`, or `[512, 256]`.
    #[arg(long, value_name = "WIDTHS", value_parser = widths, default_value = "100")]
    #[serde(deserialize_with = "one_or_many")]
    pub hidden_dim: Widths,

    /// Activation of the hidden layers: relu, leaky-relu, gelu, tanh or sigmoid
    ///
    /// `leaky-relu` has a slope of 0.01 below 0; `gelu` is its tanh form.
    #[arg(long, value_name = "NAME", default_value = "relu")]
    #[serde(with = "by_name")]
    pub activation: Activation,

    /// Normalization of the hidden layers: none, batch or layer
    ///
    /// `batch` normalizes each feature over the batch, and in evaluation by its running mean and
    /// variance (ε 1e-5, momentum 0.1); `layer` normalizes each example over the features. Both
    /// have a scale γ, and a shift β in place of the bias.
    #[arg(long, value_name = "NAME", default_value = "none")]
    #[serde(with = "by_name")]
    pub norm: Norm,

    /// Standard deviation of the initial weights
    ///
    /// By default √(2 / inputs) for each layer (He et al. 2015), and √(1 / inputs) with `tanh` and
    /// `sigmoid`.
    #[arg(long, value_name = "X", value_parser = or_none::<f64>, default_value = "none")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight_scale: OrNone<f64>,

    /// Start from the weights in a safetensors file, or from the best weights of a run
    ///
    /// The hidden widths, the activation, the layer normalization, and the mean, the deviation and the
    /// contrast of the images are those of the file. The validation images must not be among those that
    /// its run was trained on: `split_seed` gives them.
    #[arg(long, value_name = "FILE|DIR", value_parser = or_none::<PathBuf>, default_value = "none")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init_from: OrNone<PathBuf>,

    /// Start from weights, or learn from a teacher, that were trained on other images
    ///
    /// Without it they are refused: an image may be a training image there and a test image here. With it
    /// weights may also be validated on images that they were trained on.
    #[arg(long)]
    pub allow_other_images: bool,

    // The optimizer
    /// Optimizer: sgd, rmsprop or adam; adam with --weight-decay is AdamW
    ///
    /// The updates are those of PyTorch's `SGD`, `RMSprop` and `Adam`. For `adam` and `rmsprop`, what
    /// is not given of `learning_rate`, `momentum`, `beta1`, `beta2`, `epsilon` and `reg` has
    /// PyTorch's default.
    #[arg(
        long,
        alias = "optimiser",
        value_name = "NAME",
        value_enum,
        default_value = "sgd",
        hide_possible_values = true
    )]
    pub optimizer: OptimizerName,

    /// Initial learning rate; by default 0.001 for adam
    ///
    /// η, the step size before the schedule lowers it.
    #[arg(long, alias = "lr", value_name = "X", default_value = "0.01")]
    pub learning_rate: f64,

    /// Momentum of sgd and rmsprop; by default 0 for rmsprop
    #[arg(long, value_name = "X", default_value = "0.9")]
    pub momentum: f64,

    /// Nesterov momentum, for sgd
    #[arg(long)]
    pub nesterov: bool,

    /// Decay of adam's running mean of the gradient
    #[arg(long, value_name = "X", default_value = "0.9")]
    pub beta1: f64,

    /// Decay of the running mean of the squared gradient, of adam and rmsprop; by default 0.99 for
    /// rmsprop
    ///
    /// PyTorch calls it `alpha` in `RMSprop`.
    #[arg(long, value_name = "X", default_value = "0.999")]
    pub beta2: f64,

    /// Small constant for numerical stability, of adam and rmsprop
    ///
    /// ε, added to the root of the running mean of the squared gradient.
    #[arg(long, value_name = "X", default_value = "1e-8")]
    pub epsilon: f64,

    /// L2 penalty: 1/2 reg times the sum of the squared weights; by default 0 for adam and rmsprop
    ///
    /// λ of ½ λ Σ W², over weights and not biases. It is part of the loss and of the gradient.
    #[arg(long, alias = "l2", value_name = "X", default_value = "0.008")]
    pub reg: f64,

    /// Decoupled weight decay: each step takes this times the learning rate off the weights
    ///
    /// δ: W := W - η δ W in each step, beside the gradient's.
    #[arg(long, value_name = "X", default_value = "0")]
    pub weight_decay: f64,

    /// Clip the gradient to this norm; inf only records the norm
    ///
    /// The norm is that of the gradient of the mean cross-entropy over all weights and biases,
    /// without the gradient of the L2 penalty (as PyTorch's `clip_grad_norm_` leaves out that of an
    /// optimizer's `weight_decay`). `iterations.csv` records it as `gradient_norm`.
    #[arg(long, alias = "max-grad-norm", value_name = "X", value_parser = or_none::<f64>, default_value = "none")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_norm: OrNone<f64>,

    /// Images per step
    ///
    /// If it is larger than the training set, each step takes all training images.
    #[arg(long, value_name = "N", default_value = "64")]
    pub batch_size: usize,

    /// Exponential moving average of the weights with this decay, such as 0.999; the average is
    /// evaluated and saved
    ///
    /// The decay is lower in the first steps: step t, from 0, has at most (1 + t) / (10 + t).
    #[arg(long, alias = "average", value_name = "X", value_parser = or_none::<f64>, default_value = "none")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ema_decay: OrNone<f64>,

    // The schedule
    /// Passes over the training images
    #[arg(long, value_name = "N", default_value = "10")]
    pub epochs: u32,

    /// Learning rate schedule: cosine, linear, polynomial, exponential, step or plateau
    ///
    /// `cosine`, `linear` and `polynomial` go from `learning_rate` to `lr_last` over the whole run,
    /// step by step. `exponential` multiplies by `lr_decay` after each epoch, `step` after every
    /// `step_epochs` epochs, and `plateau` when `step_epochs` epochs brought no better validation
    /// accuracy. Where `lr_decay` is given and no schedule, it is `exponential`.
    #[arg(
        long,
        value_name = "NAME",
        value_enum,
        default_value = "cosine",
        hide_possible_values = true
    )]
    pub schedule: Schedule,

    /// Factor on the learning rate after each epoch; given without a schedule, it chooses
    /// exponential
    ///
    /// The factor of the schedules `exponential`, `step` and `plateau`; the others have none.
    #[arg(long, value_name = "X", default_value = "0.7")]
    pub lr_decay: f64,

    /// Schedule step: epochs between two decays; schedule plateau: epochs without improvement before
    /// a decay
    #[arg(long, value_name = "N", default_value = "1")]
    pub step_epochs: u32,

    /// Learning rate at the end of the schedules cosine, linear and polynomial
    #[arg(long, value_name = "X", default_value = "0")]
    pub lr_last: f64,

    /// Exponent of the schedule polynomial
    #[arg(long, value_name = "X", default_value = "1")]
    pub power: f64,

    /// Warm-up: epochs, such as 1 or 0.5, over which the learning rate rises from 0
    ///
    /// Along a line, step by step.
    #[arg(long, value_name = "X", default_value = "0")]
    pub warmup_epochs: f64,

    /// Epochs after which the schedule begins a new cycle, such as 10,30
    ///
    /// Of the schedules `cosine`, `linear` and `polynomial`: each cycle falls from `learning_rate` to
    /// `lr_last` (warm restarts, Loshchilov & Hutter 2017). A run that is resumed with more epochs
    /// has the number that it had before added here: it is not the run that had so many epochs
    /// from the beginning.
    #[arg(long, value_name = "EPOCHS", value_parser = epoch_numbers, default_value = "none")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cycles: EpochNumbers,

    /// Early stopping: stop after this many epochs without a better validation accuracy
    #[arg(long, value_name = "N", value_parser = or_none::<u32>, default_value = "none")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patience: OrNone<u32>,

    /// Stop after this many steps
    #[arg(long, value_name = "N", value_parser = or_none::<u64>, default_value = "none")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_steps: OrNone<u64>,

    // Regularization and augmentation
    /// Dropout: probability that a hidden activation is set to 0 in a training step
    ///
    /// The others are multiplied by 1 / (1 - p).
    #[arg(long, value_name = "P", default_value = "0")]
    pub dropout: f64,

    /// Label smoothing: target probability spread over all classes
    ///
    /// ε: the target is 1 - ε at the label, plus ε / classes at each class.
    #[arg(long, value_name = "X", default_value = "0")]
    pub label_smoothing: f64,

    /// Weight of each class in the training loss: none, balanced, or a number for each class
    ///
    /// `balanced` is n / (k n_c) for a class of n_c of the n training images of k classes, as
    /// scikit-learn's `compute_class_weight`. The loss of a batch is then the weighted mean, as that
    /// of PyTorch's `CrossEntropyLoss(weight=...)`; with mixup, where a target is of two classes, it
    /// is the mean over the images. `loss` in `iterations.csv` is this weighted loss; the losses in
    /// `epochs.csv` and of the test are not weighted. In a recipe a list such as `[1, 2.5, 1]`.
    #[arg(long, value_name = "none|balanced|NUMBERS", default_value = "none")]
    #[serde(skip_serializing_if = "ClassWeight::is_none")]
    pub class_weight: ClassWeight,

    /// Mixup: mix pairs of images and labels with weights from the distribution Beta(X, X)
    ///
    /// One weight for each batch; 0 mixes none.
    #[arg(long, value_name = "X", default_value = "0")]
    pub mixup: f64,

    /// Learn from this network too, a run or a safetensors file: distillation
    ///
    /// The loss is (1 - w) CE(label, softmax(z)) + w T² CE(softmax(v / T), softmax(z / T)), with z the
    /// scores of the network, v those of the teacher, T `teacher_temperature` and w `teacher_weight`
    /// (Hinton, Vinyals & Dean 2015). The teacher sees each image as the network does, moved and mirrored
    /// where it is augmented. `loss` in `iterations.csv` is this loss.
    #[arg(long, value_name = "FILE|DIR", value_parser = or_none::<PathBuf>, default_value = "none")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teacher: OrNone<PathBuf>,

    /// Temperature of the teacher's probabilities and of the network's beside them
    #[arg(long, value_name = "T", default_value = "2")]
    pub teacher_temperature: f64,

    /// Weight of the teacher in the loss, from 0 to 1; the labels have the rest
    #[arg(long, value_name = "W", default_value = "0.5")]
    pub teacher_weight: f64,

    /// Flip each training image left to right with probability 1/2, anew in each epoch
    #[arg(long)]
    pub flip: bool,

    /// Shift each training image by up to this many pixels along each axis
    ///
    /// The border is filled by reflection.
    #[arg(long, value_name = "PIXELS", default_value = "0")]
    pub shift: u8,

    /// Rotate each training image by up to this many degrees, either way
    #[arg(long, value_name = "DEGREES", default_value = "0")]
    pub rotate: f64,

    /// Cutout: set a random square of this side to the mean in each training image
    #[arg(long, value_name = "PIXELS", default_value = "0")]
    pub cutout: u8,

    /// Test-time augmentation: none, or views that the test averages over: flips, shifts
    ///
    /// `flips` averages the probabilities of an image and of its mirror image in the final test,
    /// `shifts` those of the image and of the image moved by a pixel in each of the eight directions,
    /// and both together those of 18 views. `summary.json` says so, with `test_accuracy_plain` beside
    /// it. In a recipe `"flips"`, or `["flips", "shifts"]`.
    #[arg(long, alias = "test-flips", value_name = "VIEWS", num_args = 0..=1,
        default_missing_value = "flips", default_value = "none")]
    pub tta: Tta,

    // The images
    /// Which images: cifar10; sample, 1,000 built-in images; images:DIR, a folder of
    /// pictures with one folder a class; or DIR, a folder of a known data set
    ///
    /// A data set is recognized by its content: CIFAR-10, CIFAR-100, MNIST and other IDX files,
    /// folders of pictures.
    #[arg(long, value_name = "cifar10|sample|images:DIR|DIR", default_value = "cifar10")]
    #[serde(with = "by_name")]
    pub data: DataChoice,

    /// Folder of CIFAR-10; it is downloaded to it if it is not there
    #[arg(long, value_name = "DIR", value_parser = path, default_value = "datasets/cifar-10-batches-bin")]
    pub data_dir: PathBuf,

    /// Resize the pictures of a folder to this size, 32 or 64x48 (width x height)
    #[arg(long, value_name = "SIZE", value_parser = or_none::<Size>, default_value = "none")]
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "size_text",
        deserialize_with = "size"
    )]
    pub resize: OrNone<Size>,

    /// Report the pictures of a folder that cannot be read, and train without them
    #[arg(long)]
    pub skip_broken: bool,

    /// Training images set aside for validation, by which the best weights are chosen
    ///
    /// If the default is more than half of the training images, it is a tenth of them.
    #[arg(long, aliases = ["val-size", "val"], value_name = "N", default_value = "5000")]
    pub validation: usize,

    /// Standardize by the mean and standard deviation of each pixel, or of each channel
    #[arg(
        long,
        alias = "normalise",
        value_name = "pixel|channel",
        value_enum,
        default_value = "pixel",
        hide_possible_values = true
    )]
    pub normalize: Normalize,

    /// Contrast normalization of each image, with this regularizer; 10 is usual
    ///
    /// ε of (x - mean) / √(variance + ε), in pixel units (0 to 255), before `normalize`.
    #[arg(long, value_name = "X", value_parser = or_none::<f32>, default_value = "none")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contrast: OrNone<f32>,

    /// Whiten the images (ZCA) with this regularizer; 0.1 is usual
    ///
    /// ε of W = (C + ε I)^(-½), where C is the covariance of the standardized training pixels. The
    /// whitening is folded into the first layer when a model file is written.
    #[arg(long, value_name = "X", value_parser = or_none::<f64>, default_value = "none")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zca: OrNone<f64>,

    /// Split and order the images at random; --no-shuffle takes them in the order of the files
    ///
    /// With `--no-shuffle` the last training images are the validation images.
    #[arg(long, default_value = "true")]
    pub shuffle: bool,

    // The run
    /// Seed of all randomness: initial weights, split, order of the images, augmentation, dropout
    #[arg(long, value_name = "N", default_value = "0")]
    pub seed: u64,

    /// Seed of the split into training and validation images, if it is another than the run's
    ///
    /// Runs of different seeds that are to be compared, or to be made an ensemble, have the same
    /// validation images by it.
    #[arg(long, value_name = "N", value_parser = or_none::<u64>, default_value = "none")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split_seed: OrNone<u64>,

    /// Threads; 0 means one per core. The result is the same for any number
    #[arg(long, value_name = "N", default_value = "0")]
    pub threads: usize,

    /// Precision of the products in training: f32, or bf16, which is faster on processors that multiply it
    ///
    /// `bf16` rounds the operands of the hidden layers' products to bf16 and sums in f32; the weights
    /// that are learned, the last layer, the loss and the updates stay f32. Intel's servers multiply it from
    /// 2023 on (AMX), AMD's processors from Zen 4 on (AVX-512); elsewhere it is emulated, with the same
    /// result, and slower than f32. The test, `eval` and
    /// `predict` are made in f32 whatever the precision of the training.
    #[arg(long, value_name = "f32|bf16", default_value = "f32")]
    #[serde(with = "by_name")]
    pub precision: Precision,

    /// Measure the training accuracy on this many images, which is faster; 0 means all
    #[arg(long, value_name = "N", default_value = "0")]
    pub train_sample: usize,

    /// Write a checkpoint after every N steps too, not only after each epoch
    #[arg(long, value_name = "N", value_parser = or_none::<u64>, default_value = "none")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint_every: OrNone<u64>,

    /// Check activations, gradients and weights after each step, and stop at the first NaN or
    /// infinity
    ///
    /// The tensor is named. Without it, only the loss is checked.
    #[arg(long, alias = "watch")]
    pub detect_anomaly: bool,
}

/// Epochs of a run, in their order.
pub type EpochNumbers = Vec<u32>;

/// How the gradient becomes a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerName {
    /// Gradient descent with momentum.
    Sgd,
    /// RMSProp, with momentum if `momentum` is above 0.
    Rmsprop,
    /// Adam; with `weight_decay`, and `reg` 0, it is AdamW.
    Adam,
}

/// What has a mean and a standard deviation of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Normalize {
    /// Each of the values of an image.
    Pixel,
    /// Each channel.
    Channel,
}

/// A setting that cannot work: which one, what it may be, what to do.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

impl ConfigError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// What is said of a whole number that TOML cannot hold.
pub(crate) const TOO_LARGE: &str = "a number is too large for a setting: it must be below 2^63";

/// Settings on which no result depends.
pub(crate) const WITHOUT_EFFECT: [&str; 4] =
    ["threads", "detect_anomaly", "checkpoint_every", "data_dir"];

/// Settings that the weights to start from decide.
pub(crate) const OF_START: [&str; 4] = ["hidden_dim", "activation", "norm", "contrast"];

impl Config {
    /// The settings that are not used as the others are, each with the one that decides that.
    pub fn unused(&self) -> Vec<(&'static str, &'static str)> {
        let (optimizer, schedule) = (self.optimizer, self.schedule);
        let has_no_teacher = self.teacher.is_none();
        let all = [
            ("precision", "hidden_dim", self.hidden_dim.is_empty()),
            ("momentum", "optimizer", optimizer == OptimizerName::Adam),
            ("beta1", "optimizer", optimizer != OptimizerName::Adam),
            ("beta2", "optimizer", optimizer == OptimizerName::Sgd),
            ("epsilon", "optimizer", optimizer == OptimizerName::Sgd),
            ("lr_decay", "schedule", !schedule.uses_lr_decay()),
            ("step_epochs", "schedule", !matches!(schedule, Schedule::Step | Schedule::Plateau)),
            ("lr_last", "schedule", !schedule.depends_on_epochs()),
            ("power", "schedule", schedule != Schedule::Polynomial),
            ("teacher_temperature", "teacher", has_no_teacher),
            ("teacher_weight", "teacher", has_no_teacher),
            ("split_seed", "shuffle", !self.shuffle),
        ];
        let unused = all.into_iter().filter(|(.., is_unused)| *is_unused);
        unused.map(|(setting, other, _)| (setting, other)).collect()
    }

    /// What happens to the training images.
    pub fn augmentation(&self) -> Augmentation {
        Augmentation {
            flip: self.flip,
            shift: self.shift,
            rotate: self.rotate,
            cutout: self.cutout,
        }
    }

    /// The coefficients of a step with this learning rate.
    pub fn step(&self, learning_rate: f64) -> Optimizer<f32> {
        let (momentum, epsilon) = (self.momentum as f32, self.epsilon as f32);
        let (beta1, beta2) = (self.beta1 as f32, self.beta2 as f32);
        let method = match self.optimizer {
            OptimizerName::Sgd => Method::Momentum { momentum, nesterov: self.nesterov },
            OptimizerName::Rmsprop => Method::RmsProp { momentum, smoothing: beta2, epsilon },
            OptimizerName::Adam => Method::Adam { beta1, beta2, epsilon },
        };
        Optimizer {
            learning_rate: learning_rate as f32,
            l2: self.reg as f32,
            decay: self.weight_decay as f32,
            method,
        }
    }

    /// Normalization and activation of the hidden layers.
    pub fn hidden(&self) -> Hidden {
        Hidden { norm: self.norm, activation: self.activation }
    }

    /// What training does to each batch.
    pub fn regularization(&self) -> Regularization {
        Regularization {
            seed: self.seed,
            dropout: self.dropout,
            mixup: self.mixup,
            label_smoothing: self.label_smoothing,
        }
    }

    /// The distribution of the initial weights.
    pub fn init(&self) -> Init {
        self.weight_scale.map_or(Init::He, Init::Normal)
    }

    /// The network that these settings describe, with its initial weights.
    ///
    /// # Errors
    /// If the widths make no network.
    pub fn classifier(
        &self,
        inputs: usize,
        classes: usize,
    ) -> Result<SoftmaxClassifier, ConfigError> {
        let widths = self.widths(inputs, classes);
        let made = SoftmaxClassifier::with_hidden(&widths, self.hidden(), self.init(), self.seed);
        made.map_err(|error| ConfigError(error.to_string()))
    }

    /// Inputs, hidden widths, classes.
    fn widths(&self, inputs: usize, classes: usize) -> Vec<usize> {
        [&[inputs], self.hidden_dim.as_slice(), &[classes]].concat()
    }

    /// Says that the images lie in `dir`, wherever they lay before.
    pub fn move_data(&mut self, dir: PathBuf) {
        match &mut self.data {
            DataChoice::Images(place) | DataChoice::Place(place) => *place = dir,
            DataChoice::Cifar10 | DataChoice::Sample => self.data_dir = dir,
        }
    }

    /// Whether a run with these settings is on the same images, in the same order, as one with those.
    pub fn reads_the_data_of(&self, other: &Config) -> bool {
        let of = |config: &Config| {
            let Config { data, data_dir, resize, skip_broken, seed, .. } = config.clone();
            // The folder of CIFAR-10 matters to CIFAR-10 alone, and the seed to what it splits.
            let data_dir = (data == DataChoice::Cifar10).then_some(data_dir);
            let seed = data.folder().map(|_| seed);
            (data, data_dir, resize, skip_broken, seed)
        };
        of(self) == of(other)
    }
}
