//! The state of a run between two steps: all that resuming it to the bit needs.
//!
//! A step depends on the weights, their velocity, the settings and the images of its minibatch.
//! Those are a pure function of the seed, the epoch and the position in it
//! ([`chainrule_data::epoch_order`] seeds a generator of its own for each epoch), so the
//! generator's state is these three numbers. Beside them a checkpoint keeps the best weights so
//! far and how long the tables were, so that a run that was killed is set back to one moment.
//!
//! It is one safetensors file, `checkpoint.safetensors`:
//!
//! | tensor | |
//! | --- | --- |
//! | `model.fc1.weight`, … | the weights and biases, named and shaped as in a model file |
//! | `velocity.fc1.weight`, … | the optimizer's velocity |
//! | `squares.fc1.weight`, … | its second moment, of `rmsprop` and `adam` |
//! | `average.fc1.weight`, … | the exponential moving average of the weights, with `ema_decay` |
//! | `best.fc1.weight`, … | the weights that were best on validation |
//! | `input.mean`, `input.std` | the normalization; that of the contrast is a setting |
//!
//! and, as TOML in the entry `state` of its metadata, a [`State`]. The entry `sha256` is a checksum
//! over all of it.
//!
//! A new checkpoint is written beside the last one, read back, compared, and only then renamed over
//! it: at any moment there is one that is whole.

use std::path::{Path, PathBuf};

use chainrule_data::Normalization;
use chainrule_nn::{Architecture, SoftmaxClassifier};
use chainrule_runs::folder::CHECKPOINT;
use chainrule_runs::{Epoch, Provenance};
use serde::{Deserialize, Serialize};

use crate::schedule::Plateau;
use crate::tensors::{STATE, TensorFile};
use crate::{Config, Error, config, weights};

/// The part of a checkpoint that is not tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The version of the format, 1.
    pub format: u32,
    /// Number of inputs, hidden widths, number of classes.
    pub widths: Vec<usize>,
    /// Bytes of `iterations.csv` up to here.
    pub iterations_csv: u64,
    /// Bytes of `epochs.csv` up to here.
    pub epochs_csv: u64,
    /// The position in the run.
    pub at: Position,
    /// Time and images so far.
    pub spent: Spent,
    /// The epoch after which the weights were best on validation.
    pub best: Epoch,
    /// The state of the schedule `plateau`.
    #[serde(default)]
    pub plateau: Plateau,
    /// The settings.
    pub config: Config,
    /// The run's provenance.
    pub provenance: Provenance,
}

impl State {
    /// The version of the format that this program writes and reads.
    pub const FORMAT: u32 = 1;
}

/// The position of a run, in epochs and steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Complete epochs.
    pub epoch: u32,
    /// Steps taken in the next epoch.
    pub step: usize,
    /// Steps taken in all.
    pub iteration: u64,
}

impl Config {
    /// Whether a run with these settings trains no further than to here: its epochs or steps are
    /// taken, or the best epoch is not within the last `patience` epochs.
    pub(crate) fn is_over(&self, at: Position, best_epoch: u32) -> bool {
        let waited = at.epoch.saturating_sub(best_epoch);
        at.epoch >= self.epochs
            || self.max_steps.is_some_and(|most| at.iteration >= most)
            || self.patience.is_some_and(|patience| waited >= patience)
    }
}

/// Time and images that a run has taken so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spent {
    /// Seconds of the processes before this one.
    pub seconds: f64,
    /// Seconds of the training steps alone.
    pub training_seconds: f64,
    /// Images that these steps took.
    pub training_images: usize,
}

/// The state of a run between two steps.
///
/// ```
/// use chainrule_train::{Checkpoint, Config, Data, Quiet, run};
///
/// # let folder = tempfile::tempdir()?;
/// # let out = folder.path().join("run");
/// # let config = Config { hidden_dim: vec![], epochs: 1, threads: 1, ..Config::default() };
/// run(&config, &Data::sample(), &out, &mut Quiet)?;
/// let checkpoint = Checkpoint::load(&out)?; // `resume` goes on from it
/// assert_eq!(checkpoint.model.widths(), checkpoint.velocity.widths());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// All that is not tensors.
    pub state: State,
    /// Weights and biases.
    pub model: SoftmaxClassifier,
    /// The optimizer's velocity.
    pub velocity: SoftmaxClassifier,
    /// The second moment of the gradient, of optimizers that keep it.
    pub second_moment: Option<SoftmaxClassifier>,
    /// The exponential moving average of the weights, if there is one.
    pub ema: Option<SoftmaxClassifier>,
    /// The weights that were best on validation.
    pub best: SoftmaxClassifier,
    /// Mean and deviation of the pixels.
    pub normalization: Normalization,
}

impl Checkpoint {
    /// The path of the checkpoint in a run's folder.
    pub fn path(folder: &Path) -> PathBuf {
        folder.join(CHECKPOINT)
    }

    /// Reads the checkpoint of a run's folder.
    ///
    /// # Errors
    /// If there is none, it cannot be read, or its checksum is wrong.
    pub fn load(folder: &Path) -> Result<Checkpoint, Error> {
        let path = Self::path(folder);
        if path.symlink_metadata().is_err() {
            return Err(chainrule_runs::Error::NoRun(folder.to_owned()).into());
        }
        let file = TensorFile::load(&path)?;
        Self::from_tensors(file).map_err(|problem| Error::Model { path, problem })
    }

    /// Reads the bytes of a file, whatever its checksum is: a fuzzer does not guess one, and must
    /// get behind it.
    #[doc(hidden)]
    pub fn parse(bytes: &[u8]) -> Result<Checkpoint, String> {
        Self::from_tensors(TensorFile::parse(bytes, bytes.len() as u64)?.0)
    }

    fn from_tensors(mut file: TensorFile) -> Result<Checkpoint, String> {
        let state = file.metadata.get(STATE).ok_or("it is a model, not a checkpoint")?;
        let state =
            config::table(state).map_err(|error| format!("its state: {}", error.message()))?;
        let format = state.get("format").and_then(toml::Value::as_integer);
        if format != Some(i64::from(State::FORMAT)) {
            return Err(format!(
                "its format is {}: this version of chainrule reads {}",
                format.map_or("missing".into(), |format| format.to_string()),
                State::FORMAT
            ));
        }
        if !file.proved {
            return Err("it has lost its checksum: it is damaged, or was rewritten".into());
        }
        let state: State = state.try_into().map_err(|error| format!("its state: {error}"))?;
        let architecture = Architecture::new(&state.widths, state.config.hidden())
            .map_err(|error| error.to_string())?;
        let held: usize = file.tensors.values().map(|(_, values)| values.len()).sum();
        if architecture.len() > held {
            return Err(format!("it is too short for a network of widths {:?}", state.widths));
        }
        let has_second_moment = file.tensors.keys().any(|name| name.starts_with("squares."));
        let mut take = |name: &str, shape: Option<&[usize]>| match file.tensors.remove(name) {
            None => Err(format!("there is no tensor {name}")),
            Some((found, _)) if shape.is_some_and(|shape| shape != found) => {
                Err(format!("{name} has shape {found:?}: expected {:?}", shape.unwrap_or_default()))
            }
            Some((_, values)) => Ok(values),
        };
        let (mean, std) = (take("input.mean", None)?, take("input.std", None)?);
        let normalization = Normalization::new(mean, std)
            .and_then(|normalization| normalization.with_contrast(state.config.contrast))
            .map_err(|error| error.to_string())?;
        normalization.scale_shift(state.widths[0]).map_err(|error| error.to_string())?;
        let mut classifier = |name: &str| -> Result<SoftmaxClassifier, String> {
            let mut flat = Vec::with_capacity(architecture.len());
            for tensor in architecture.tensors() {
                let name = format!("{name}.{}", tensor.name);
                flat.extend(take(&name, Some(&tensor.shape))?);
            }
            Ok(SoftmaxClassifier::from_parameters(architecture.clone(), flat))
        };
        let (model, velocity) = (classifier("model")?, classifier("velocity")?);
        let best = classifier("best")?;
        let mut kept = |name, kept: bool| kept.then(|| classifier(name)).transpose();
        // Before the first step there is none yet.
        let second_moment = kept("squares", has_second_moment)?;
        let ema = kept("average", state.config.ema_decay.is_some())?;
        Ok(Checkpoint { state, model, velocity, second_moment, ema, best, normalization })
    }
}

/// A [`Checkpoint`] that is to be written, of what a run holds.
pub(crate) struct Snapshot<'a> {
    pub state: State,
    pub model: &'a SoftmaxClassifier,
    pub velocity: &'a SoftmaxClassifier,
    pub second_moment: Option<&'a SoftmaxClassifier>,
    pub ema: Option<&'a SoftmaxClassifier>,
    pub best: &'a SoftmaxClassifier,
    pub normalization: &'a Normalization,
}

impl Snapshot<'_> {
    /// Replaces the last checkpoint, once this one was read back and its checksum is right.
    pub fn save(&self, folder: &Path) -> Result<(), Error> {
        let state = toml::to_string(&self.state).expect("a state is a table");
        let always = [("model", self.model), ("velocity", self.velocity), ("best", self.best)];
        let kept = [("squares", self.second_moment), ("average", self.ema)];
        let kept = kept.into_iter().filter_map(|(name, kept)| Some((name, kept?)));
        let mut tensors = vec![];
        for (name, classifier) in always.into_iter().chain(kept) {
            let named = weights::parameters(classifier);
            tensors.extend(named.map(|(key, shape, x)| (format!("{name}.{key}"), shape, x)));
        }
        tensors.extend(weights::normalization(self.normalization));
        TensorFile::save(&Checkpoint::path(folder), &tensors, &[(STATE, state)])
    }
}
