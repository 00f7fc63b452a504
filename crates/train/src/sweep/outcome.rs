//! What has become of a run of a sweep, read from its folder, whoever trained it.

use std::path::{Path, PathBuf};

use chainrule_data::file;

use super::{Run, difference};
use crate::config::WITHOUT_EFFECT;
use crate::{Config, Epoch, Error, Iteration, Summary, folder};

/// Longest table that is read, in bytes: some million iterations.
const MOST_TABLE: u64 = 1 << 28;

/// Longest `summary.json` that is read, in bytes.
const MOST_TEXT: u64 = 1 << 18;

/// What has become of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It has not begun.
    Waiting,
    /// It was stopped or killed, or goes on in another process.
    Unfinished {
        /// Epochs that are over.
        epochs: u32,
    },
    /// It has a result.
    Finished {
        /// Its result.
        summary: Box<Summary>,
        /// Of the weights that were best on validation.
        validation_loss: f64,
    },
    /// Its loss left the finite numbers.
    Diverged {
        /// How, in words.
        reason: String,
        /// Epochs that are over.
        epochs: u32,
        /// What it took, as far as that is written down.
        seconds: f64,
    },
}

impl Outcome {
    /// Reads what has become of a run whose folder lies in `out`.
    ///
    /// # Errors
    /// If a file of it cannot be read, or it has other settings than this run.
    pub fn read(out: &Path, run: &Run) -> Result<Outcome, Error> {
        let path = out.join(&run.name);
        if !path.is_dir() || !folder::is_occupied(&path).map_err(Error::file("read", &path))? {
            return Ok(Outcome::Waiting);
        }
        let config = path.join("config.toml");
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
        let epochs: Vec<Epoch> = records(&path.join("epochs.csv"))?;
        let over = epochs.last().map_or(0, |epoch| epoch.epoch);
        let summary = path.join("summary.json");
        if summary.exists() {
            let text =
                file::read_text(&summary, MOST_TEXT).map_err(Error::file("read", &summary))?;
            let summary: Summary = serde_json::from_str(&text)
                .map_err(|error| damaged(summary, format!("not the summary of a run: {error}")))?;
            let best = epochs.iter().find(|epoch| epoch.epoch == summary.best_epoch);
            let Some(best) = best else {
                let problem = format!("there is no epoch {}", summary.best_epoch);
                return Err(damaged(path.join("epochs.csv"), problem));
            };
            let validation_loss = best.validation_loss.into();
            return Ok(Outcome::Finished { summary: Box::new(summary), validation_loss });
        }
        let seconds = epochs.last().map_or(0.0, |epoch| epoch.seconds);
        let steps: Vec<Iteration> = records(&path.join("iterations.csv"))?;
        let of_step = steps.last().map(|step| (step.loss, step.iteration, step.epoch));
        let of_epoch = epochs.last().map(|epoch| (epoch.train_loss, epoch.iteration, epoch.epoch));
        let broken = [of_step, of_epoch].into_iter().flatten().find(|(loss, ..)| !loss.is_finite());
        Ok(match broken {
            Some((loss, iteration, epoch)) => Outcome::Diverged {
                reason: format!("the loss is {loss} at iteration {iteration} (epoch {epoch})"),
                epochs: over,
                seconds,
            },
            None => Outcome::Unfinished { epochs: over },
        })
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

fn damaged(path: PathBuf, problem: String) -> Error {
    Error::Model { path, problem }
}

/// The records of a table, which may be missing or end in half a line if its run was killed.
fn records<R: serde::de::DeserializeOwned>(path: &Path) -> Result<Vec<R>, Error> {
    let text = match file::read_text(path, MOST_TABLE) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
        text => text.map_err(Error::file("read", path))?,
    };
    let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
    let mut table = csv::Reader::from_reader(whole.as_bytes());
    let records: Result<_, csv::Error> = table.deserialize().collect();
    records.map_err(|error| damaged(path.to_owned(), error.to_string()))
}
