//! Ranges of the settings, and settings that do not go together.

use chainrule_data::{Amount, LEAST_REGULARIZER};
use chainrule_nn::Norm;
use chainrule_nn::regularize::MOST_DROPOUT;
use toml::{Table, Value};

use super::{Config, ConfigError, Normalize, OptimizerName, TOO_LARGE};
use crate::machine::available_memory;
use crate::schedule::Schedule;

/// What a number may be.
enum Range {
    /// Above 0.
    Positive,
    /// 0 or above.
    NotNegative,
    /// From 0 to below 1.
    BelowOne,
    /// A whole number of at least 1; what 0 would mean.
    Count(&'static str),
}

use Range::*;

/// The settings that have a range.
const RANGES: [(&str, Range); 22] = [
    ("learning_rate", Positive),
    ("lr_decay", Positive),
    ("power", Positive),
    ("epsilon", Positive),
    ("weight_scale", Positive),
    ("contrast", Positive),
    ("teacher_temperature", Positive),
    ("reg", NotNegative),
    ("weight_decay", NotNegative),
    ("mixup", NotNegative),
    ("dropout", BelowOne),
    ("label_smoothing", BelowOne),
    ("momentum", BelowOne),
    ("beta1", BelowOne),
    ("beta2", BelowOne),
    ("ema_decay", BelowOne),
    ("epochs", Count("there is nothing to train")),
    ("step_epochs", Count("it must be a number of epochs")),
    ("batch_size", Count("a step needs at least one image")),
    ("patience", Count("leave it out to train all epochs")),
    ("max_steps", Count("leave it out to train all epochs")),
    ("checkpoint_every", Count("leave it out for one checkpoint an epoch")),
];

/// Most hidden layers. Signals do not get through so many, and each costs memory of its own.
const MOST_LAYERS: usize = 1000;

impl Range {
    fn contains(&self, value: f64) -> bool {
        match self {
            Positive => value.is_finite() && value > 0.0,
            NotNegative => value.is_finite() && value >= 0.0,
            BelowOne => (0.0..1.0).contains(&value),
            Count(_) => value >= 1.0,
        }
    }

    /// The sentence on a number that is out of the range, or becomes so as an `f32`.
    fn problem(&self, value: f64) -> Option<String> {
        let rule = match self {
            Positive => "it must be a positive number",
            NotNegative => "it must be 0 or a positive number",
            BelowOne => "it must be from 0 to below 1",
            Count(what) => what,
        };
        let rounded = value as f32;
        if !self.contains(value) {
            Some(format!("is {value}: {rule}"))
        } else if !self.contains(rounded.into()) {
            Some(format!("is {value:?}, which is {rounded:?} in f32, as steps compute: {rule}"))
        } else {
            None
        }
    }
}

fn require(fits: bool, otherwise: impl FnOnce() -> String) -> Result<(), ConfigError> {
    if fits { Ok(()) } else { Err(ConfigError::new(otherwise())) }
}

impl Config {
    /// Checks what can be checked without the data.
    ///
    /// # Errors
    /// The first setting that cannot work.
    pub fn check(&self) -> Result<(), ConfigError> {
        // TOML's integers end there, and a run must be repeatable from its config.toml.
        let table = Table::try_from(self).map_err(|_| ConfigError::new(TOO_LARGE))?;
        self.check_ranges(&table)?;
        self.check_network()?;
        self.check_optimizer()?;
        self.check_schedule()?;
        self.check_teacher()?;
        self.check_images()
    }

    fn check_ranges(&self, table: &Table) -> Result<(), ConfigError> {
        for (key, range) in &RANGES {
            let number = match table.get(*key) {
                Some(Value::Integer(n)) => *n as f64,
                Some(Value::Float(x)) => *x,
                _ => continue,
            };
            if let Some(problem) = range.problem(number) {
                return Err(ConfigError::new(format!("{key} {problem}")));
            }
        }
        require(self.threads <= 1024, || {
            format!("threads is {}: it must be from 0 to 1024", self.threads)
        })
    }

    fn check_network(&self) -> Result<(), ConfigError> {
        require(self.hidden_dim.len() <= MOST_LAYERS, || {
            let layers = self.hidden_dim.len();
            format!("hidden_dim has {layers} layers: at most {MOST_LAYERS} can be trained")
        })?;
        if let Some(at) = self.hidden_dim.iter().position(|&width| width == 0) {
            return Err(ConfigError::new(format!(
                "hidden_dim is {:?}: width {} is 0, and every hidden layer needs at least one \
                 unit (a single 0 means no hidden layer)",
                self.hidden_dim,
                at + 1
            )));
        }
        let acts_on_hidden = self.norm != Norm::None || self.dropout > 0.0;
        require(!(self.hidden_dim.is_empty() && acts_on_hidden), || {
            "norm and dropout act on hidden layers, and hidden_dim says there are none".into()
        })?;
        require(self.dropout <= MOST_DROPOUT, || {
            format!(
                "dropout is {}: it is rounded to a multiple of 2^-16, and must be at most {MOST_DROPOUT}",
                self.dropout
            )
        })?;
        let is_batch = self.norm == Norm::Batch;
        require(!(is_batch && self.batch_size == 1), || {
            "norm = \"batch\" needs a batch_size above 1: one image has no variance".into()
        })?;
        require(!(is_batch && self.init_from.is_some()), || {
            "norm = \"batch\" and init_from do not go together: a model file has its batch \
             normalization folded into the weights; leave one of them out"
                .into()
        })
    }

    fn check_optimizer(&self) -> Result<(), ConfigError> {
        require(!self.nesterov || self.optimizer == OptimizerName::Sgd, || {
            "nesterov is a form of momentum: it goes with optimizer = \"sgd\"".into()
        })?;
        require(!self.nesterov || self.momentum > 0.0, || {
            "nesterov needs a momentum above 0 to look ahead along".into()
        })?;
        let share = self.weight_decay * self.learning_rate;
        require(share < 1.0, || {
            format!(
                "weight_decay times learning_rate is {share}: each step would take all of the \
                 weights; it must be below 1"
            )
        })?;
        require(self.clip_norm.is_none_or(|norm| norm > 0.0), || {
            "clip_norm must be a positive number, or inf to clip nothing".into()
        })
    }

    fn check_teacher(&self) -> Result<(), ConfigError> {
        require((0.0..=1.0).contains(&self.teacher_weight), || {
            format!("teacher_weight is {}: it must be from 0 to 1", self.teacher_weight)
        })?;
        let mixes = self.mixup > 0.0 || !self.class_weight.is_none();
        require(self.teacher.is_none() || !mixes, || {
            "teacher does not go together with mixup or class_weight: a teacher is asked about single \
             images, and weighs no classes; leave one of them out"
                .into()
        })
    }

    fn check_schedule(&self) -> Result<(), ConfigError> {
        let Config { epochs, lr_last, learning_rate, warmup_epochs, cycles, .. } = self;
        require((0.0..=*learning_rate).contains(lr_last), || {
            format!("lr_last is {lr_last}: it must be from 0 to learning_rate, {learning_rate}")
        })?;
        let ends = || cycles.iter().chain([epochs]);
        let rise = [&0].into_iter().chain(ends()).zip(ends()).all(|(before, end)| before < end);
        require(rise, || {
            format!(
                "cycles is {cycles:?}: it must be rising numbers of epochs from 1 to below epochs, \
                 {epochs}; leave it out for one cycle"
            )
        })?;
        let first = cycles.first().unwrap_or(epochs);
        require((0.0..f64::from(*first)).contains(warmup_epochs), || {
            let all = if cycles.is_empty() { "epochs" } else { "the first of cycles" };
            format!("warmup_epochs is {warmup_epochs}: it must be from 0 to below {all}, {first}")
        })?;
        require(cycles.is_empty() || self.schedule.depends_on_epochs(), || {
            "cycles are of the schedules cosine, linear and polynomial: leave it out".into()
        })?;
        let waits = self.schedule == Schedule::Plateau || self.patience.is_some();
        require(!(waits && self.validation == 0), || {
            "schedule = \"plateau\" and patience go by the validation accuracy, and validation is 0: \
             set some images aside"
                .into()
        })
    }

    fn check_images(&self) -> Result<(), ConfigError> {
        if let Some(zca) = self.zca {
            require(zca.is_finite() && zca >= LEAST_REGULARIZER, || {
                format!("zca is {zca}: it must be {LEAST_REGULARIZER} or larger; 0.1 is usual")
            })?;
            require(self.normalize == Normalize::Pixel, || {
                "zca whitens pixels of variance 1: it needs normalize = \"pixel\"".into()
            })?;
            require(self.init_from.is_none(), || {
                "zca and init_from do not go together: the weights of a model file are for plain \
                 pixels, and these would be whitened; leave one of them out"
                    .into()
            })?;
        }
        let of_pictures = self.resize.is_some() || self.skip_broken;
        require(!of_pictures || self.data.folder().is_some(), || {
            format!(
                "resize and skip_broken are for pictures of a folder, data = \"images:DIR\", and data \
                 is {}: leave them out",
                self.data
            )
        })
    }

    /// Checks what depends on the data, `images` to train on, of `inputs` values and `classes` classes,
    /// and on the number of `processes` that train together.
    ///
    /// # Errors
    /// The first setting that cannot work.
    pub fn check_with_data(
        &self,
        images: usize,
        inputs: usize,
        classes: usize,
        processes: usize,
    ) -> Result<(), ConfigError> {
        require(self.validation < images, || {
            format!(
                "validation is {}: of {images} images at least one must be left to train on",
                self.validation
            )
        })?;
        self.class_weight.check(classes)?;
        let widths = &self.hidden_dim;
        let available = available_memory();
        // Where it is not known, the weights are looked at alone.
        let bytes = available.as_ref().map_or(0, |available| available.bytes);
        let Some(needed) = self.memory((inputs, classes), processes, bytes) else {
            return Err(ConfigError::new(format!(
                "hidden_dim is {widths:?}: training it would take more memory than any machine has"
            )));
        };
        let short = available.filter(|available| available.bytes < needed.bytes());
        short.map_or(Ok(()), |available| {
            let (all, weights) = (Amount(needed.bytes()), Amount(needed.weights));
            let (setting, remedy) = match needed.batch.is_some_and(|batch| batch > needed.weights) {
                true => (format!("batch_size is {}", self.batch_size), "batch_size"),
                false => (format!("hidden_dim is {widths:?}"), "hidden_dim"),
            };
            let parts = match needed.batch {
                Some(batch) => {
                    format!(
                        "{all} of memory, {weights} of it for the weights and {} for a batch",
                        Amount(batch)
                    )
                }
                None => format!("{weights} of memory for the weights alone"),
            };
            Err(ConfigError::new(format!(
                "{setting}: training takes {parts}, and {available}; lower {remedy}"
            )))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_number_that_toml_cannot_hold_is_an_error_and_no_panic() {
        let all = [
            Config { batch_size: usize::MAX, ..Config::default() },
            Config { hidden_dim: vec![usize::MAX], ..Config::default() },
            Config { seed: u64::MAX, ..Config::default() },
        ];
        for config in all {
            assert_eq!(config.check().unwrap_err().to_string(), TOO_LARGE);
        }
    }
}
