//! Every setting of a run, its default, and the recipe that sets it.
//!
//! A recipe is a TOML file whose keys are the flags of `chainrule train` with underscores:

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use chainrule_data::{Augmentation, LEAST_REGULARIZER, Size, file};
use chainrule_nn::classifier::parameter_count;
use chainrule_nn::{
    Activation, Hidden, Init, Method, Norm, Optimizer, Regularization, SoftmaxClassifier,
};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::schedule::Schedule;

/// The settings of a run. `Config::default()` is what `chainrule train` does without flags.
///
/// ```
/// use chainrule_train::Config;
///
/// let config = Config::from_toml("hidden_dim = [256, 128]\nepochs = 20")?;
/// assert_eq!((config.hidden_dim, config.batch_size), (vec![256, 128], 64));
/// # Ok::<(), chainrule_train::config::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Widths of the hidden layers; none is the linear softmax classifier.
    #[serde(deserialize_with = "one_or_many")]
    pub hidden_dim: Vec<usize>,
    /// What a hidden unit makes of its sum.
    #[serde(with = "by_name")]
    pub activation: Activation,
    /// The normalization before it.
    #[serde(with = "by_name")]
    pub norm: Norm,
    /// Share of the hidden activations that are dropped in a step.
    pub dropout: f64,
    /// Share of the probability that is asked for of all classes alike.
    pub label_smoothing: f64,
    /// α of the shares in which two images are mixed; 0 mixes none.
    pub mixup: f64,
    /// How the gradient becomes a step.
    #[serde(alias = "optimiser")]
    pub optimizer: OptimizerName,
    /// Step size of the first epoch.
    pub learning_rate: f64,
    /// How the learning rate falls.
    pub schedule: Schedule,
    /// Factor on the learning rate, after each epoch or every `step_epochs`.
    pub lr_decay: f64,
    /// Epochs between two factors of the schedule `step`; of `plateau`, epochs without a better
    /// validation accuracy before one.
    pub step_epochs: u32,
    /// Where the schedules `linear`, `polynomial` and `cosine` end.
    pub lr_last: f64,
    /// Exponent of the schedule `polynomial`.
    pub power: f64,
    /// Epochs, or parts of one, in which the learning rate rises from 0.
    pub warmup_epochs: f64,
    /// Examples in a step.
    pub batch_size: usize,
    /// Passes over the training images.
    pub epochs: u32,
    /// λ of the penalty ½ λ Σ W², over weights and not biases.
    pub reg: f64,
    /// Decoupled weight decay: a step takes this share, times the learning rate, off the weights.
    pub weight_decay: f64,
    /// Share of the last step's velocity that stays, of `sgd` and `rmsprop`.
    pub momentum: f64,
    /// Share of `adam`'s running mean of gradients that stays.
    pub beta1: f64,
    /// Share of the running mean of the gradients' squares that stays, of `adam` and `rmsprop`.
    pub beta2: f64,
    /// What is added to the root of that mean.
    pub epsilon: f64,
    /// Whether a step looks ahead along the momentum.
    pub nesterov: bool,
    /// Most that the norm of a step's gradient may be: a longer one is scaled down to it. With
    /// `inf` the norm is only written down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
    /// Share that stays, in each step, of a running mean of the weights; that mean is then what is
    /// evaluated and saved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average: Option<f64>,
    /// Deviation of the first weights; without it, He's √(2 / inputs) of each layer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight_scale: Option<f64>,
    /// What a pixel is divided by, after its mean is taken off.
    #[serde(alias = "normalise")]
    pub normalize: Normalize,
    /// Takes its own mean off each image, and divides it by its own contrast with this regularizer,
    /// before pixels are normalized; 10 is usual.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contrast: Option<f32>,
    /// Whitens the training images with this regularizer, which is added to the variances of their
    /// standardized pixels; 0.1 is usual.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zca: Option<f64>,
    /// Whether every other training image is mirrored, left to right, anew in each epoch.
    pub flip: bool,
    /// Most pixels by which a training image is moved along each axis.
    pub shift: u8,
    /// Largest angle by which a training image is turned, to either side, in degrees.
    pub rotate: f64,
    /// Side of the square that is cut out of a training image, in pixels.
    pub cutout: u8,
    /// Whether the final test averages the probabilities of each image and of its mirror image.
    pub test_flips: bool,
    /// Stop after so many epochs without a better validation accuracy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patience: Option<u32>,
    /// Training images on which loss and accuracy are measured after each epoch; 0 is all.
    pub train_sample: usize,
    /// Images taken from the training set to choose the best weights by.
    pub validation: usize,
    /// Decides the first weights, the split and the order of the images.
    pub seed: u64,
    /// Whether the images are split and ordered at random. Without, they are taken in the order of
    /// the files, in every epoch, and the last ones are for validation.
    pub shuffle: bool,
    /// Stop after so many steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_steps: Option<u64>,
    /// Look at every activation, gradient and weight after each step, and stop at the first that is
    /// not a finite number.
    pub watch: bool,
    /// Write a checkpoint after every so many steps, beside the one at the end of each epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint_every: Option<u64>,
    /// Threads; 0 is one for each core. The result does not depend on it.
    pub threads: usize,
    /// Start from the weights of this safetensors file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init_from: Option<PathBuf>,
    /// Which images.
    #[serde(with = "by_name")]
    pub data: DataChoice,
    /// Where CIFAR-10 lies, or is to be put.
    pub data_dir: PathBuf,
    /// The size that pictures of a folder are brought to.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "as_text",
        deserialize_with = "size"
    )]
    pub resize: Option<Size>,
    /// Whether pictures of a folder that cannot be read are left out.
    pub skip_broken: bool,
}

/// How the gradient becomes a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerName {
    /// Gradient descent with momentum.
    Sgd,
    /// RMSProp, with momentum if `momentum` is above 0.
    Rmsprop,
    /// Adam; with `weight_decay`, and `reg` 0, it is AdamW.
    Adam,
}

/// How the mean and the deviation of the training images are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Normalize {
    /// One mean and deviation for each of the 3072 values of an image.
    Pixel,
    /// One for each color.
    Channel,
}

/// Which images to train on: a word of a recipe, or a folder.
///
/// ```
/// use chainrule_train::config::DataChoice;
///
/// assert_eq!("sample".parse(), Ok(DataChoice::Sample));
/// assert_eq!("images:photos".parse(), Ok(DataChoice::Images("photos".into())));
/// assert_eq!("datasets/mnist".parse(), Ok(DataChoice::Place("datasets/mnist".into())));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataChoice {
    /// CIFAR-10, fetched if it is not there; the sample if it is not to be had.
    Cifar10,
    /// The 1,200 images that are part of the program.
    Sample,
    /// A folder of pictures, one folder a class.
    Images(PathBuf),
    /// A folder of whatever it holds, told by its content: CIFAR-10, CIFAR-100, IDX files, pictures.
    Place(PathBuf),
}

impl DataChoice {
    /// The folder that is meant, if it is one of a person's own.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            DataChoice::Cifar10 | DataChoice::Sample => None,
            DataChoice::Images(dir) | DataChoice::Place(dir) => Some(dir),
        }
    }

    /// Whether two choices are of one kind, wherever their folders lie.
    fn is_like(&self, other: &DataChoice) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

impl FromStr for DataChoice {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        match text.strip_prefix("images:") {
            _ if text == "cifar10" => Ok(DataChoice::Cifar10),
            _ if text == "sample" => Ok(DataChoice::Sample),
            Some("") => Err(ConfigError::new("data is images: without a folder: write images:DIR")),
            Some(dir) => Ok(DataChoice::Images(dir.into())),
            None if text.is_empty() => Err(ConfigError::new(
                "data is empty: write cifar10, sample, images:DIR or a folder",
            )),
            None => Ok(DataChoice::Place(text.into())),
        }
    }
}

impl fmt::Display for DataChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DataChoice::Cifar10 => f.write_str("cifar10"),
            DataChoice::Sample => f.write_str("sample"),
            DataChoice::Images(dir) => write!(f, "images:{}", dir.display()),
            // A folder of such a name is no word of a recipe.
            DataChoice::Place(dir) if ["cifar10", "sample"].map(Path::new).contains(&&**dir) => {
                write!(f, "./{}", dir.display())
            }
            DataChoice::Place(dir) => write!(f, "{}", dir.display()),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            hidden_dim: vec![100],
            activation: Activation::Relu,
            norm: Norm::None,
            dropout: 0.0,
            label_smoothing: 0.0,
            mixup: 0.0,
            optimizer: OptimizerName::Sgd,
            learning_rate: 0.02,
            schedule: Schedule::Exponential,
            lr_decay: 0.7,
            step_epochs: 1,
            lr_last: 0.0,
            power: 1.0,
            warmup_epochs: 0.0,
            batch_size: 64,
            epochs: 10,
            reg: 5e-3,
            weight_decay: 0.0,
            momentum: 0.9,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            nesterov: false,
            clip_norm: None,
            average: None,
            weight_scale: None,
            normalize: Normalize::Pixel,
            contrast: None,
            zca: None,
            flip: false,
            shift: 0,
            rotate: 0.0,
            cutout: 0,
            test_flips: false,
            patience: None,
            train_sample: 0,
            validation: 5000,
            seed: 0,
            shuffle: true,
            max_steps: None,
            watch: false,
            checkpoint_every: None,
            threads: 0,
            init_from: None,
            data: DataChoice::Cifar10,
            data_dir: "datasets/cifar-10-batches-bin".into(),
            resize: None,
            skip_broken: false,
        }
    }
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

/// The table of `config.toml` that tells of the run it came from; a recipe may have it, and it
/// sets nothing.
pub const PROVENANCE: &str = "provenance";

/// Longest recipe that is read, in bytes. One that sets everything has a thousand.
const MOST_TEXT: u64 = 1 << 18;

/// Most hidden layers. Signals do not get through so many, and each costs memory of its own.
const MOST_LAYERS: usize = 1000;

fn one_or_many<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<usize>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a width such as 100, or a list of widths such as [512, 256]")]
    enum OneOrMany {
        One(usize),
        Many(Vec<usize>),
    }
    Ok(match OneOrMany::deserialize(from)? {
        OneOrMany::One(0) => vec![],
        OneOrMany::Many(widths) if widths == [0] => vec![],
        OneOrMany::One(width) => vec![width],
        OneOrMany::Many(widths) => widths,
    })
}

/// A setting that is written as the word that its value prints as.
mod by_name {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer, de};

    pub fn serialize<S: Serializer>(value: &impl Display, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub fn deserialize<'de, D: Deserializer<'de>, V: FromStr<Err: Display>>(
        from: D,
    ) -> Result<V, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

fn as_text<S: serde::Serializer>(value: &Option<Size>, to: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(size) => to.collect_str(size),
        None => to.serialize_none(),
    }
}

fn size<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Size>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a size in pixels such as 32 or \"64x48\"")]
    enum SideOrText {
        Side(u32),
        Text(String),
    }
    let text = match SideOrText::deserialize(from)? {
        SideOrText::Side(side) => side.to_string(),
        SideOrText::Text(text) => text,
    };
    text.parse().map(Some).map_err(serde::de::Error::custom)
}

/// Settings on which no result depends.
pub(crate) const WITHOUT_EFFECT: [&str; 4] = ["threads", "watch", "checkpoint_every", "data_dir"];

/// Reads a text of TOML that may come from a stranger.
pub(crate) fn table(text: &str) -> Result<toml::Table, toml::de::Error> {
    if file::nests_too_deep(text) {
        return Err(serde::de::Error::custom("its tables are nested too deeply for a recipe"));
    }
    text.parse()
}

/// What a reader of TOML says.
pub(crate) fn told(error: toml::de::Error) -> ConfigError {
    ConfigError(error.to_string().trim_end().to_owned())
}

/// The refusal of a key, with the one that it is nearest to.
pub(crate) fn unknown_key<'a>(key: &str, known: impl Iterator<Item = &'a str>) -> ConfigError {
    let nearest =
        known.max_by(|a, b| strsim::jaro_winkler(a, key).total_cmp(&strsim::jaro_winkler(b, key)));
    let nearest = nearest.expect("there are keys");
    ConfigError(format!("unknown key `{key}`: did you mean `{nearest}`?"))
}

/// Old names of settings, which stay readable.
const ALIASES: [&str; 2] = ["optimiser", "normalise"];

fn check_keys(table: &toml::Table) -> Result<(), ConfigError> {
    let known = Config::keys();
    let is_known = |key: &str| known.iter().any(|k| k == key) || ALIASES.contains(&key);
    match table.keys().find(|key| !is_known(key) && *key != PROVENANCE) {
        Some(key) => Err(unknown_key(key, known.iter().map(String::as_str))),
        None => Ok(()),
    }
}

impl Config {
    /// The names of all settings.
    pub fn keys() -> Vec<String> {
        let all = Config {
            clip_norm: Some(0.0),
            average: Some(0.0),
            patience: Some(0),
            weight_scale: Some(0.0),
            contrast: Some(0.0),
            zca: Some(0.0),
            max_steps: Some(0),
            checkpoint_every: Some(0),
            init_from: Some(PathBuf::new()),
            resize: Some(Size { width: 1, height: 1 }),
            ..Config::default()
        };
        all.to_table().keys().cloned().collect()
    }

    /// Reads the text of a recipe.
    ///
    /// # Errors
    /// If it is not TOML, names a key that there is not, or a value of the wrong kind.
    pub fn from_toml(text: &str) -> Result<Config, ConfigError> {
        check_keys(&table(text).map_err(told)?)?;
        toml::from_str(text).map_err(told)
    }

    /// Reads a recipe from its keys and values.
    ///
    /// # Errors
    /// As [`Config::from_toml`], without the number of a line.
    pub(crate) fn from_table(table: toml::Table) -> Result<Config, ConfigError> {
        check_keys(&table)?;
        table.try_into().map_err(told)
    }

    /// All settings that have a value.
    pub fn to_table(&self) -> toml::Table {
        toml::Table::try_from(self).expect("a configuration is a table")
    }

    /// Reads a recipe file.
    ///
    /// # Errors
    /// If it cannot be read, or as [`Config::from_toml`], with the file's name.
    pub fn from_file(path: &Path) -> Result<Config, Error> {
        let text = file::read_text(path, MOST_TEXT).map_err(Error::file("read", path))?;
        let named = |error: ConfigError| ConfigError(format!("{}: {error}", path.display()));
        Ok(Config::from_toml(&text).map_err(named)?)
    }

    /// Checks whether a run with the settings `begun` may go on with these.
    ///
    /// # Errors
    /// The settings that differ, but for those on which no result depends, and `epochs`.
    pub fn check_resumes(&self, begun: &Config) -> Result<(), ConfigError> {
        let begun_data = &begun.data;
        let (asked, begun) = (self.to_table(), begun.to_table());
        let keys: std::collections::BTreeSet<_> = asked.keys().chain(begun.keys()).collect();
        let told = |value: Option<&toml::Value>| value.map_or("not set".into(), |v| v.to_string());
        let mut may_change = WITHOUT_EFFECT.to_vec();
        if !self.schedule.depends_on_epochs() {
            may_change.insert(0, "epochs");
        }
        // A folder may have moved: what it holds is compared with what the run began with.
        if self.data.folder().is_some() && self.data.is_like(begun_data) {
            may_change.push("data");
        }
        let differences: Vec<_> = keys
            .into_iter()
            .filter(|key| !may_change.contains(&key.as_str()))
            .map(|key| (key, asked.get(key), begun.get(key)))
            .filter(|(_, asked, begun)| asked != begun)
            .map(|(key, asked, begun)| format!("{key} is {}, and was {}", told(asked), told(begun)))
            .collect();
        if differences.is_empty() {
            return Ok(());
        }
        Err(ConfigError(format!(
            "{}; only {} may change",
            differences.join("; "),
            may_change.join(", ")
        )))
    }

    /// The settings that are not the default's, each key with its value as TOML.
    pub fn changed(&self) -> Vec<(String, String)> {
        let default = Config::default().to_table();
        let differs = |(key, value): &(String, toml::Value)| default.get(key) != Some(value);
        let all = self.to_table().into_iter().filter(differs);
        all.map(|(key, value)| (key, value.to_string())).collect()
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

    /// What stands between two layers.
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

    /// How the weights start.
    pub fn init(&self) -> Init {
        self.weight_scale.map_or(Init::He, Init::Normal)
    }

    /// Checks what can be checked without the data.
    ///
    /// # Errors
    /// The first setting that cannot work.
    pub fn check(&self) -> Result<(), ConfigError> {
        let refuse = |message: String| Err(ConfigError(message));
        let positive = |name: &str, value: f64| {
            if value.is_finite() && value > 0.0 {
                return Ok(());
            }
            Err(ConfigError(format!("{name} is {value}: it must be a positive number")))
        };
        if self.epochs == 0 {
            return refuse("epochs is 0: there is nothing to train".into());
        }
        positive("learning_rate", self.learning_rate)?;
        positive("lr_decay", self.lr_decay)?;
        if let Some(scale) = self.weight_scale {
            positive("weight_scale", scale)?;
        }
        if self.step_epochs == 0 {
            return refuse("step_epochs is 0: it must be a number of epochs".into());
        }
        let last = 0.0..=self.learning_rate;
        if !last.contains(&self.lr_last) {
            return refuse(format!(
                "lr_last is {}: it must be from 0 to learning_rate, {}",
                self.lr_last, self.learning_rate
            ));
        }
        positive("power", self.power)?;
        if !(0.0..f64::from(self.epochs)).contains(&self.warmup_epochs) {
            return refuse(format!(
                "warmup_epochs is {}: it must be from 0 to below epochs, {}",
                self.warmup_epochs, self.epochs
            ));
        }
        if self.nesterov && self.optimizer != OptimizerName::Sgd {
            return refuse(
                "nesterov is a form of momentum: it goes with optimizer = \"sgd\"".into(),
            );
        }
        for (name, value) in [
            ("dropout", self.dropout),
            ("label_smoothing", self.label_smoothing),
            ("beta1", self.beta1),
            ("beta2", self.beta2),
            ("momentum", self.momentum),
            ("average", self.average.unwrap_or(0.0)),
        ] {
            if !(0.0..1.0).contains(&value) {
                return refuse(format!("{name} is {value}: it must be from 0 to below 1"));
            }
        }
        for (name, value) in [("mixup", self.mixup), ("weight_decay", self.weight_decay)] {
            if !(value.is_finite() && value >= 0.0) {
                return refuse(format!("{name} is {value}: it must be 0 or a positive number"));
            }
        }
        positive("epsilon", self.epsilon)?;
        if self.weight_decay * self.learning_rate >= 1.0 {
            return refuse(format!(
                "weight_decay times learning_rate is {}: each step would take all of the weights; \
                 it must be below 1",
                self.weight_decay * self.learning_rate
            ));
        }
        if self.hidden_dim.is_empty() && (self.norm != Norm::None || self.dropout > 0.0) {
            return refuse(
                "norm and dropout act on hidden layers, and hidden_dim says there are none".into(),
            );
        }
        if self.norm == Norm::Batch && self.batch_size == 1 {
            return refuse(
                "norm = \"batch\" needs a batch_size above 1: one image has no variance".into(),
            );
        }
        if self.norm == Norm::Batch && self.init_from.is_some() {
            return refuse(
                "norm = \"batch\" and init_from do not go together: a model file has its batch \
                 normalization folded into the weights; leave one of them out"
                    .into(),
            );
        }
        let waits = self.schedule == Schedule::Plateau || self.patience.is_some();
        if waits && self.validation == 0 {
            return refuse(
                "schedule = \"plateau\" and patience go by the validation accuracy, and validation \
                 is 0: set some images aside"
                    .into(),
            );
        }
        if self.patience == Some(0) {
            return refuse("patience is 0: leave it out to train all epochs".into());
        }
        if self.nesterov && self.momentum == 0.0 {
            return refuse("nesterov needs a momentum above 0 to look ahead along".into());
        }
        if self.clip_norm.is_some_and(|norm| norm.is_nan() || norm <= 0.0) {
            return refuse("clip_norm must be a positive number, or inf to clip nothing".into());
        }
        if !(self.reg.is_finite() && self.reg >= 0.0) {
            return refuse(format!("reg is {}: it must be 0 or a positive number", self.reg));
        }
        if let Some(contrast) = self.contrast {
            positive("contrast", contrast.into())?;
        }
        if let Some(zca) = self.zca {
            if !(zca.is_finite() && zca >= LEAST_REGULARIZER) {
                return refuse(format!(
                    "zca is {zca}: it must be {LEAST_REGULARIZER} or larger; 0.1 is usual"
                ));
            }
            if self.normalize != Normalize::Pixel {
                return refuse(
                    "zca whitens pixels of variance 1: it needs normalize = \"pixel\"".into(),
                );
            }
            if self.init_from.is_some() {
                return refuse(
                    "zca and init_from do not go together: the weights of a model file are for \
                     plain pixels, and these would be whitened; leave one of them out"
                        .into(),
                );
            }
        }
        if self.batch_size == 0 {
            return refuse("batch_size is 0: a step needs at least one image".into());
        }
        // TOML's integers end there, and a run must be repeatable from its config.toml.
        let counts = [Some(self.seed), self.max_steps, self.checkpoint_every];
        if counts.iter().any(|&count| count > Some(i64::MAX as u64)) {
            return refuse("seed, max_steps and checkpoint_every must be below 2^63".into());
        }
        if self.checkpoint_every == Some(0) {
            return refuse(
                "checkpoint_every is 0: leave it out for one checkpoint an epoch".into(),
            );
        }
        if self.max_steps == Some(0) {
            return refuse("max_steps is 0: leave it out to train all epochs".into());
        }
        if self.hidden_dim.len() > MOST_LAYERS {
            return refuse(format!(
                "hidden_dim has {} layers: at most {MOST_LAYERS} can be trained",
                self.hidden_dim.len()
            ));
        }
        if let Some(at) = self.hidden_dim.iter().position(|&width| width == 0) {
            return refuse(format!(
                "hidden_dim is {:?}: width {} is 0, and every hidden layer needs at least one \
                 unit (a single 0 means no hidden layer)",
                self.hidden_dim,
                at + 1
            ));
        }
        if self.data.folder().is_none() && (self.resize.is_some() || self.skip_broken) {
            return refuse(format!(
                "resize and skip_broken are for pictures of a folder, data = \"images:DIR\", and data \
                 is {}: leave them out",
                self.data
            ));
        }
        if self.threads > 1024 {
            return refuse(format!("threads is {}: it must be from 0 to 1024", self.threads));
        }
        Ok(())
    }

    /// Checks what depends on the data: `images` to train on, of `inputs` values and `classes`
    /// classes.
    ///
    /// # Errors
    /// The first setting that cannot work.
    pub fn check_with_data(
        &self,
        images: usize,
        inputs: usize,
        classes: usize,
    ) -> Result<(), ConfigError> {
        let refuse = |message: String| Err(ConfigError(message));
        if self.validation >= images {
            return refuse(format!(
                "validation is {}: of {images} images at least one must be left to train on",
                self.validation
            ));
        }
        let training = images - self.validation;
        if self.batch_size > training {
            return refuse(format!(
                "batch_size is {}: there are {training} images to train on",
                self.batch_size
            ));
        }
        let needed = self.memory(inputs, classes);
        let available = crate::machine::available_memory();
        match needed {
            Some(bytes) if available.is_none_or(|available| bytes <= available) => Ok(()),
            Some(bytes) => refuse(format!(
                "hidden_dim is {:?}: training it would take {:.1} GB of memory, and {:.1} GB are \
                 free",
                self.hidden_dim,
                bytes as f64 / 1e9,
                available.unwrap_or(0) as f64 / 1e9
            )),
            None => refuse(format!(
                "hidden_dim is {:?}: training it would take more memory than any machine has",
                self.hidden_dim
            )),
        }
    }

    /// An estimate of what training takes beside the images, in bytes: the weights and their
    /// velocity, three more copies of the weights (the best, the last, one being written), what the
    /// optimizer, clipping and the running mean keep for each weight, and the activations. Nothing
    /// if it cannot be counted.
    fn memory(&self, inputs: usize, classes: usize) -> Option<u64> {
        let widths = [&[inputs], self.hidden_dim.as_slice(), &[classes]].concat();
        let parameters = parameter_count(&widths)? as u64;
        let rows = self.batch_size.max(256) as u64;
        let units = widths.iter().try_fold(0u64, |sum, &w| sum.checked_add(w as u64))?;
        // The activation, its derivative, and partial sums, some for each thread.
        let copies = 6 + self.threads.min(24) as u64;
        let activations = rows.checked_mul(units)?.checked_mul(copies)?;
        let kept = [
            self.optimizer != OptimizerName::Sgd, // squares
            self.clip_norm.is_some(),             // the gradient, until its norm is known
            self.average.is_some(),
        ];
        let weights = 5 + kept.iter().filter(|&&is_kept| is_kept).count() as u64;
        parameters
            .checked_mul(weights)?
            .checked_add(activations)?
            .checked_mul(size_of::<f32>() as u64)
    }

    /// The network that these settings describe, with its first weights.
    ///
    /// # Errors
    /// If the widths make no network.
    pub fn classifier(
        &self,
        inputs: usize,
        classes: usize,
    ) -> Result<SoftmaxClassifier, ConfigError> {
        let widths = [&[inputs], self.hidden_dim.as_slice(), &[classes]].concat();
        let made = SoftmaxClassifier::with_hidden(&widths, self.hidden(), self.init(), self.seed);
        made.map_err(|error| ConfigError(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_keeps_more_for_each_weight_is_known_to_take_more_memory() {
        let plain = Config { hidden_dim: vec![1000], ..Config::default() };
        let adam = Config { optimizer: OptimizerName::Adam, ..plain.clone() };
        let mean_of_adam = Config { average: Some(0.999), ..adam.clone() };
        let memory = |config: &Config| config.memory(3072, 10).unwrap();
        let copy = 4 * (3072 * 1000 + 1000 + 1000 * 10 + 10);
        assert_eq!(memory(&adam) - memory(&plain), copy);
        assert_eq!(memory(&mean_of_adam) - memory(&plain), 2 * copy);
        assert!(memory(&plain) > 5 * copy);
    }
}
