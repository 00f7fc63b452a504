//! The state of a run of a sweep, read from its folder.

use std::path::Path;

use chainrule_runs::folder::{CONFIG, is_occupied};
use chainrule_runs::table::Progress;
use chainrule_runs::{Epoch, Iteration, Summary, Table};

use super::halving::RunState;
use super::{Run, difference};
use crate::config::{OF_START, WITHOUT_EFFECT};
use crate::{Config, Error, Finished};

/// The state of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It has not begun.
    Waiting,
    /// It was stopped or killed, or is running in another process.
    Unfinished,
    /// It was not among the best at a rung of successive halving.
    Stopped,
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
        /// Time until then, as far as `epochs.csv` has it.
        seconds: f64,
    },
}

impl Outcome {
    /// Whether there is nothing left to train.
    pub fn is_over(&self) -> bool {
        matches!(self, Outcome::Finished { .. } | Outcome::Diverged { .. } | Outcome::Stopped)
    }

    /// One word: "finished", "stopped", "diverged", "unfinished" or "waiting".
    pub fn word(&self) -> &'static str {
        match self {
            Outcome::Waiting => "waiting",
            Outcome::Unfinished => "unfinished",
            Outcome::Stopped => "stopped",
            Outcome::Finished { .. } => "finished",
            Outcome::Diverged { .. } => "diverged",
        }
    }

    /// That of a run that has just ended, whose folder is `path`.
    ///
    /// # Errors
    /// If its tables lack the epoch of the best weights.
    pub fn of(run: &Finished, path: &Path) -> Result<Outcome, Error> {
        finished(run.summary.clone(), &run.run.epochs, path)
    }
}

impl RunState {
    /// Reads the state of a run whose folder is in `out`; whether it was stopped at a rung is
    /// [decided](super::Sweep::decide) by all runs together.
    ///
    /// # Errors
    /// If a file of it cannot be read, or it has other settings than this run.
    pub fn read(out: &Path, run: Run) -> Result<RunState, Error> {
        let path = out.join(&run.name);
        if !path.is_dir() || !is_occupied(&path).map_err(Error::file("read", &path))? {
            return Ok(RunState::waiting(run));
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
            leave_out.extend(OF_START);
        }
        if let Some(why) = difference(&run.config, &Config::from_file(&config)?, &leave_out) {
            return Err(Error::OtherSweep { folder: path, why });
        }
        let summary = Summary::read(&path)?;
        let progress = if summary.is_some() { Progress::Ended } else { Progress::Unfinished };
        let mut epochs = Table::<Epoch>::read(&path, progress)?.records;
        let outcome = match summary {
            Some(summary) => finished(summary, &epochs, &path)?,
            None => unfinished(&path, &epochs)?,
        };
        let sound = epochs.iter().take_while(|epoch| losses(epoch).iter().all(|x| x.is_finite()));
        epochs.truncate(sound.count());
        Ok(RunState { run, outcome, epochs, rung: 1 })
    }
}

/// A sweep has validation images, so that their loss is a number, too.
fn losses(epoch: &Epoch) -> [f64; 2] {
    [epoch.train_loss, epoch.validation_loss]
}

/// The state of a run without a result.
fn unfinished(path: &Path, epochs: &[Epoch]) -> Result<Outcome, Error> {
    let over = epochs.last().map_or(0, |epoch| epoch.epoch);
    let steps = Table::<Iteration>::read(path, Progress::Unfinished)?.records;
    let epoch_of = |step: &Iteration| step.epoch.unwrap_or(over + 1);
    let of_step = steps.last().map(|step| (step.loss, step.iteration, epoch_of(step)));
    let of_epoch = epochs.last().into_iter();
    let of_epoch =
        of_epoch.flat_map(|epoch| losses(epoch).map(|loss| (loss, epoch.iteration, epoch.epoch)));
    let broken = of_step.into_iter().chain(of_epoch).find(|(loss, ..)| !loss.is_finite());
    Ok(match broken {
        Some((loss, iteration, epoch)) => Outcome::Diverged {
            reason: format!("at step {iteration} (epoch {epoch}): the loss is {loss}"),
            seconds: epochs.last().and_then(|epoch| epoch.seconds).unwrap_or(0.0),
        },
        None => Outcome::Unfinished,
    })
}

fn finished(summary: Summary, epochs: &[Epoch], path: &Path) -> Result<Outcome, Error> {
    let Some(best) = epochs.iter().find(|epoch| epoch.epoch == summary.best_epoch) else {
        let problem = format!("there is no epoch {}", summary.best_epoch);
        return Err(Error::Model { path: Table::<Epoch>::path(path), problem });
    };
    let validation_loss = best.validation_loss;
    Ok(Outcome::Finished { summary: Box::new(summary), validation_loss })
}
