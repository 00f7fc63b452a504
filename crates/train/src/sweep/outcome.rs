//! The state of a run of a sweep, read from its folder.

use std::path::Path;

use chainrule_runs::folder::{CONFIG, is_occupied};
use chainrule_runs::table::Progress;
use chainrule_runs::{Epoch, Iteration, Summary, Table};

use super::{Run, difference};
use crate::config::WITHOUT_EFFECT;
use crate::{Config, Error, Finished};

/// The state of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It has not begun.
    Waiting,
    /// It was stopped or killed, or is running in another process.
    Unfinished {
        /// Complete epochs.
        epochs: u32,
    },
    /// It has a result.
    Finished {
        /// Its result.
        summary: Box<Summary>,
        /// Of the weights that were best on validation.
        validation_loss: f64,
    },
    /// A number of it became NaN or infinite.
    Diverged {
        /// At which step, and which number.
        reason: String,
        /// Complete epochs.
        epochs: u32,
        /// Time until then, as far as `epochs.csv` has it.
        seconds: f64,
    },
}

impl Outcome {
    /// Reads the state of a run whose folder is in `out`.
    ///
    /// # Errors
    /// If a file of it cannot be read, or it has other settings than this run.
    pub fn read(out: &Path, run: &Run) -> Result<Outcome, Error> {
        let path = out.join(&run.name);
        if !path.is_dir() || !is_occupied(&path).map_err(Error::file("read", &path))? {
            return Ok(Outcome::Waiting);
        }
        let config = path.join(CONFIG);
        if !config.exists() {
            return Err(Error::OtherSweep {
                folder: path,
                why: "it holds no run: there is no config.toml".into(),
            });
        }
        let mut leave_out = WITHOUT_EFFECT.to_vec();
        // A run settles these by the images and the weights that it finds.
        leave_out.extend(["data", "validation"]);
        if run.config.init_from.is_some() {
            leave_out.extend(["hidden_dim", "contrast"]);
        }
        if let Some(why) = difference(&run.config, &Config::from_file(&config)?, &leave_out) {
            return Err(Error::OtherSweep { folder: path, why });
        }
        let summary = Summary::read(&path)?;
        let ended = summary.is_some();
        let progress = if ended { Progress::Ended } else { Progress::Unfinished };
        let epochs = Table::<Epoch>::read(&path, progress)?.records;
        let over = epochs.last().map_or(0, |epoch| epoch.epoch);
        if let Some(summary) = summary {
            return finished(summary, &epochs, &path);
        }
        let seconds = epochs.last().and_then(|epoch| epoch.seconds).unwrap_or(0.0);
        let steps = Table::<Iteration>::read(&path, progress)?.records;
        let epoch_of = |step: &Iteration| step.epoch.unwrap_or(over + 1);
        let of_step = steps.last().map(|step| (step.loss, step.iteration, epoch_of(step)));
        // A sweep has validation images, so that their loss is a number, too.
        let losses = |epoch: &Epoch| [epoch.train_loss, epoch.validation_loss];
        let of_epoch = epochs
            .last()
            .into_iter()
            .flat_map(|epoch| losses(epoch).map(|loss| (loss, epoch.iteration, epoch.epoch)));
        let broken = of_step.into_iter().chain(of_epoch).find(|(loss, ..)| !loss.is_finite());
        Ok(match broken {
            Some((loss, iteration, epoch)) => Outcome::Diverged {
                reason: format!("at step {iteration} (epoch {epoch}): the loss is {loss}"),
                epochs: over,
                seconds,
            },
            None => Outcome::Unfinished { epochs: over },
        })
    }

    /// That of a run that has just ended, whose folder is `path`.
    ///
    /// # Errors
    /// If its tables lack the epoch of the best weights.
    pub fn of(run: &Finished, path: &Path) -> Result<Outcome, Error> {
        finished(run.summary.clone(), &run.run.epochs, path)
    }

    /// Whether there is nothing left to train.
    pub fn is_over(&self) -> bool {
        matches!(self, Outcome::Finished { .. } | Outcome::Diverged { .. })
    }

    /// One word: "finished", "diverged", "unfinished" or "waiting".
    pub fn word(&self) -> &'static str {
        match self {
            Outcome::Waiting => "waiting",
            Outcome::Unfinished { .. } => "unfinished",
            Outcome::Finished { .. } => "finished",
            Outcome::Diverged { .. } => "diverged",
        }
    }
}

fn finished(summary: Summary, epochs: &[Epoch], path: &Path) -> Result<Outcome, Error> {
    let Some(best) = epochs.iter().find(|epoch| epoch.epoch == summary.best_epoch) else {
        let problem = format!("there is no epoch {}", summary.best_epoch);
        return Err(Error::Model { path: Table::<Epoch>::path(path), problem });
    };
    let validation_loss = best.validation_loss;
    Ok(Outcome::Finished { summary: Box::new(summary), validation_loss })
}
