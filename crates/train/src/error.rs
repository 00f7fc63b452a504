//! Everything that can end a run, in sentences for the person who started it.

use std::path::{Path, PathBuf};

use crate::config::ConfigError;

/// Why a run could not start, or ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting that cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file of the run: it cannot be read or written, or is not what it should be.
    #[error(transparent)]
    Run(#[from] chainrule_runs::Error),
    /// The run is complete, and something beside its result could not be written.
    #[error(
        "the run in {} is complete, its result is in summary.json, but {problem}",
        folder.display()
    )]
    Complete {
        /// The run's folder.
        folder: PathBuf,
        /// What could not be written, and why.
        problem: String,
    },
    /// A run that cannot be resumed with these settings or images.
    #[error("the run in {} cannot be resumed: {problem}", folder.display())]
    Resume {
        /// The run's folder.
        folder: PathBuf,
        /// What differs, and what to do.
        problem: String,
    },
    /// The folder holds a run with other settings than those that are asked for.
    #[error("the run in {} has other settings: {difference}", folder.display())]
    OtherRun {
        /// The run's folder.
        folder: PathBuf,
        /// The settings that differ.
        difference: ConfigError,
    },
    /// The folder holds a sweep, or a run of one, that is not this one.
    #[error(
        "{} holds another sweep than this: {why}; new values go after the old ones of the first key \
         of [grid], and anything else needs another folder",
        folder.display()
    )]
    OtherSweep {
        /// The folder.
        folder: PathBuf,
        /// The first difference.
        why: String,
    },
    /// The run was asked to stop. It can be resumed.
    #[error(
        "stopped after iteration {iteration}, with a checkpoint in {}", folder.display()
    )]
    Stopped {
        /// Steps taken.
        iteration: u64,
        /// The run's folder, with a checkpoint of this step.
        folder: PathBuf,
    },
    /// A model file that is not what it should be.
    #[error("{}: {problem}", path.display())]
    Model {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what was expected.
        problem: String,
    },
    /// The images at hand are not those of a run.
    #[error("{0}")]
    OtherImages(String),
    /// Scores that are NaN or infinite.
    #[error("image {image}: the scores of the network are not finite numbers")]
    Scores {
        /// The image, from 0.
        image: u32,
    },
    /// The data do not fit the settings.
    #[error(transparent)]
    Data(#[from] chainrule_data::Error),
    /// Another process of the run has failed.
    #[error(transparent)]
    Elsewhere(#[from] crate::processes::Elsewhere),
    /// The threads could not be started.
    #[error(transparent)]
    Threads(#[from] chainrule_tensor::comm::ThreadError),
    /// `CHAINRULE_KERNEL` names no kernels that this machine has.
    #[error(transparent)]
    Isa(#[from] chainrule_tensor::isa::IsaError),
    /// A loss or a tensor is NaN or infinite.
    #[error(
        "diverged at step {iteration}: {} (epoch {epoch}, learning rate {}, loss {loss}); \
         what was written until then is in {}",
        tensor.map_or("the loss is NaN or infinite".into(), |tensor| format!(
            "{tensor} is NaN or infinite"
        )),
        four_digits(*learning_rate),
        folder.display()
    )]
    Diverged {
        /// The step, from 1; 0 for the weights that the run began with.
        iteration: u64,
        /// Its epoch, from 1.
        epoch: u32,
        /// The learning rate of that epoch.
        learning_rate: f64,
        /// Infinite or NaN, but for what only `detect_anomaly` finds.
        loss: f64,
        /// The first tensor that is not finite, as far as it is known.
        tensor: Option<chainrule_nn::TensorName>,
        /// Where the files are.
        folder: PathBuf,
    },
}

/// A number to four significant digits, without zeros at its end.
fn four_digits(x: f64) -> f64 {
    format!("{x:.3e}").parse().unwrap_or(x)
}

impl Error {
    pub(crate) fn file(
        action: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(std::io::Error) -> Error {
        let error = chainrule_runs::Error::file(action, path);
        move |reason| error(reason).into()
    }

    /// Whether there is no run to go on with, or no checkpoint of it.
    pub fn is_no_run(&self) -> bool {
        matches!(self, Error::Run(chainrule_runs::Error::NoRun(_)))
    }

    /// Whether the system refused to read or write a file.
    pub fn is_of_file(&self) -> bool {
        matches!(self, Error::Run(chainrule_runs::Error::File { .. }))
    }
}
