//! A run's folder, read back: `epochs.csv`, `iterations.csv`, `config.toml`, `summary.json`.
//!
//! The two tables must be there; the other two add the title, and may be absent. A run with
//! settings and no summary goes on still, or was killed: its tables may be missing, empty or end
//! in half a line. Columns are found by name, so their order and further columns don't matter.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;

use chainrule_data::file;

use crate::Error;
use crate::table::{Column, Table, shorten};

/// Longest table that is read, in bytes: some seven million steps.
const MOST_TABLE: u64 = 1 << 28;

/// Longest `config.toml` or `summary.json` that is read, in bytes.
const MOST_TEXT: u64 = 1 << 18;

/// How the columns of `epochs.csv` end that tell, for a layer each, the size of a step beside the
/// weights.
const UPDATE_RATIO: &str = "_update_ratio";

/// One row of `epochs.csv`: losses are means over the set, accuracies fractions from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Epoch {
    /// Epochs finished; 0 is the untrained network.
    pub epoch: u64,
    /// Steps taken until then.
    pub iteration: u64,
    /// Mean loss on the training images.
    pub train_loss: f64,
    /// Fraction of the training images that are classified right.
    pub train_accuracy: f64,
    /// Mean loss on the validation images.
    pub validation_loss: f64,
    /// Fraction of the validation images that are classified right.
    pub validation_accuracy: f64,
    /// Step size of the last step, where the table has it.
    pub learning_rate: Option<f64>,
    /// Since the run began, where the table has it.
    pub seconds: Option<f64>,
}

/// One row of `iterations.csv`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Iteration {
    /// The step's number.
    pub iteration: u64,
    /// Mean loss of its minibatch.
    pub loss: f64,
    /// Step size, where the table has it.
    pub learning_rate: Option<f64>,
    /// Norm of the whole gradient, where it was taken.
    pub gradient_norm: Option<f64>,
}

/// A column of `epochs.csv`: how large the last step of an epoch was beside a layer's weights.
#[derive(Clone, Debug, PartialEq)]
pub struct UpdateRatios {
    /// The layer's name, such as `fc1`.
    pub layer: String,
    /// One for each epoch; NaN where the cell is empty.
    pub ratios: Vec<f64>,
}

/// What a picture of one run is drawn from.
///
/// ```
/// use chainrule_report::Run;
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let folder = folder.path();
/// let epochs = "epoch,iteration,train_loss,train_accuracy,validation_loss,validation_accuracy,fc1_update_ratio\n\
///               0,0,2.5,0.1,2.5,0.1,\n1,704,1.7,0.4,1.8,0.38,0.002\n";
/// std::fs::write(folder.join("epochs.csv"), epochs).unwrap();
/// std::fs::write(folder.join("iterations.csv"), "iteration,loss\n1,2.5\n2,2.4\n").unwrap();
/// let run = Run::read(folder)?;
/// assert_eq!(run.best_epoch().map(|epoch| epoch.epoch), Some(1));
/// # Ok::<(), chainrule_report::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Run {
    /// The folder's name, which stands in the legend when runs can't be told apart otherwise.
    pub name: String,
    /// One row an epoch, the untrained network first.
    pub epochs: Vec<Epoch>,
    /// One row a step.
    pub iterations: Vec<Iteration>,
    /// For each layer that the table of epochs tells of.
    pub update_ratios: Vec<UpdateRatios>,
    /// `config.toml` as text, nested keys joined by dots.
    pub settings: BTreeMap<String, String>,
    /// Fraction of the test images that the best weights classify right.
    pub test_accuracy: Option<f64>,
    /// `summary.json`; a run that goes on, or was killed, has none.
    pub summary: Option<serde_json::Map<String, serde_json::Value>>,
}

impl Run {
    /// Reads a run's folder.
    ///
    /// # Errors
    /// Names the file and, in a table, the record and the column that are wrong.
    pub fn read(folder: &Path) -> Result<Run, Error> {
        let config = read_optional(&folder.join("config.toml"))?;
        let summary = read_optional(&folder.join("summary.json"))?;
        let unfinished = is_unfinished(config.as_ref(), summary.as_ref());
        let open = |name: &str| open_table(&folder.join(name), unfinished);
        Run::from_parts(
            folder,
            open("epochs.csv")?,
            open("iterations.csv")?,
            config.as_deref(),
            summary.as_deref(),
        )
    }

    /// What a test accuracy needs beside it if the test asked about each image and its mirror image.
    pub(crate) fn with_flips(&self) -> &'static str {
        if self.setting("test_flips") == Some("true") { " with flips" } else { "" }
    }

    /// Reads a run from the contents of the files in `folder`, whose names are for messages.
    #[doc(hidden)]
    pub fn from_parts(
        folder: &Path,
        epochs: impl Read,
        iterations: impl Read,
        config: Option<&str>,
        summary: Option<&str>,
    ) -> Result<Run, Error> {
        let name = match folder.file_name() {
            Some(name) => name.to_string_lossy().into_owned(),
            None => folder.display().to_string(),
        };
        let unfinished = is_unfinished(config.as_ref(), summary.as_ref());
        let settings = config.map(|text| parse_settings(&folder.join("config.toml"), text));
        let summary = summary.map(|text| parse_summary(&folder.join("summary.json"), text));
        let summary = summary.transpose()?;
        let accuracy =
            summary.as_ref().map(|summary| test_accuracy(&folder.join("summary.json"), summary));
        let ended = summary.is_some();
        let epochs = read_epochs(&folder.join("epochs.csv"), epochs, ended);
        let iterations = read_iterations(&folder.join("iterations.csv"), iterations, ended);
        let (epochs, update_ratios) = none_yet(epochs, unfinished)?;
        Ok(Run {
            name,
            epochs,
            iterations: none_yet(iterations, unfinished)?,
            update_ratios,
            settings: settings.transpose()?.unwrap_or_default(),
            test_accuracy: accuracy.transpose()?.flatten(),
            summary,
        })
    }

    /// The epoch with the best validation accuracy, the first of them on a tie:
    /// the one whose weights are tested.
    pub fn best_epoch(&self) -> Option<&Epoch> {
        self.epochs.iter().filter(|epoch| epoch.validation_accuracy.is_finite()).reduce(
            |best, epoch| {
                if epoch.validation_accuracy > best.validation_accuracy { epoch } else { best }
            },
        )
    }

    /// A setting by its key, wherever in the file it stands.
    pub fn setting(&self, key: &str) -> Option<&str> {
        self.settings
            .iter()
            .find(|(path, _)| path.rsplit('.').next() == Some(key))
            .map(|(_, value)| value.as_str())
    }
}

/// Whether these are a run that goes on, or was killed: there are settings and no result.
fn is_unfinished<T>(config: Option<T>, summary: Option<T>) -> bool {
    config.is_some() && summary.is_none()
}

/// A table without as much as a header has no rows yet, if its run is unfinished.
fn none_yet<T: Default>(read: Result<T, Error>, unfinished: bool) -> Result<T, Error> {
    match read {
        Err(Error::NoHeader { .. }) if unfinished => Ok(T::default()),
        read => read,
    }
}

/// What `epochs.csv` holds: an epoch a row, and for each layer a column of update ratios.
fn read_epochs(
    path: &Path,
    from: impl Read,
    ended: bool,
) -> Result<(Vec<Epoch>, Vec<UpdateRatios>), Error> {
    let table = Table::new(path, from, ended)?;
    let epoch = table.need("epoch")?;
    let iteration = table.need("iteration")?;
    let train_loss = table.need("train_loss")?;
    let train_accuracy = table.need("train_accuracy")?;
    let validation_loss = table.need("validation_loss")?;
    let validation_accuracy = table.need("validation_accuracy")?;
    let learning_rate = table.find("learning_rate");
    let seconds = table.find("seconds");
    let mut layers = table.columns();
    layers.retain(|column| column.name.ends_with(UPDATE_RATIO));
    let rows = table.rows(|row| {
        let epoch = Epoch {
            epoch: row.count(&epoch)?,
            iteration: row.count(&iteration)?,
            train_loss: row.number(&train_loss)?,
            train_accuracy: row.fraction(&train_accuracy)?,
            validation_loss: row.number(&validation_loss)?,
            validation_accuracy: row.fraction(&validation_accuracy)?,
            learning_rate: row.number_if_any(learning_rate.as_ref())?,
            seconds: row.number_if_any(seconds.as_ref())?,
        };
        let ratio = |column| Ok(row.number_if_any(Some(column))?.unwrap_or(f64::NAN));
        Ok((epoch, layers.iter().map(ratio).collect::<Result<Vec<_>, _>>()?))
    })?;
    let (epochs, ratios): (Vec<_>, Vec<Vec<f64>>) = rows.into_iter().unzip();
    let of_layer = |(i, column): (usize, &Column)| UpdateRatios {
        layer: shorten(column.name.trim_end_matches(UPDATE_RATIO)),
        ratios: ratios.iter().map(|row| row[i]).collect(),
    };
    Ok((epochs, layers.iter().enumerate().map(of_layer).collect()))
}

fn read_iterations(path: &Path, from: impl Read, ended: bool) -> Result<Vec<Iteration>, Error> {
    let table = Table::new(path, from, ended)?;
    let (iteration, loss) = (table.need("iteration")?, table.need("loss")?);
    let (learning_rate, norm) = (table.find("learning_rate"), table.find("gradient_norm"));
    table.rows(|row| {
        Ok(Iteration {
            iteration: row.count(&iteration)?,
            loss: row.number(&loss)?,
            learning_rate: row.number_if_any(learning_rate.as_ref())?,
            gradient_norm: row.number_if_any(norm.as_ref())?,
        })
    })
}

/// A table's file; one that grows while it is read is read as far as it may be long. It may be
/// missing if its run is unfinished, and is empty then.
fn open_table(path: &Path, unfinished: bool) -> Result<Box<dyn Read>, Error> {
    match file::open(path) {
        Ok((_, length)) if length > MOST_TABLE => {
            Err(Error::TooLarge { path: path.to_owned(), length, most: MOST_TABLE })
        }
        Ok((file, _)) => Ok(Box::new(file.take(MOST_TABLE))),
        Err(error) if unfinished && error.kind() == io::ErrorKind::NotFound => {
            Ok(Box::new(io::empty()))
        }
        Err(error) => Err(Error::read(path)(error)),
    }
}

/// The text of a file that may be absent.
fn read_optional(path: &Path) -> Result<Option<String>, Error> {
    match file::read_text(path, MOST_TEXT) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::read(path)(error)),
    }
}

fn parse_settings(path: &Path, text: &str) -> Result<BTreeMap<String, String>, Error> {
    if file::nests_too_deep(text) {
        return Err(Error::Nesting { path: path.to_owned() });
    }
    let table: toml::Table = text
        .parse()
        .map_err(|reason| Error::Config { path: path.to_owned(), reason: Box::new(reason) })?;
    let mut settings = BTreeMap::new();
    flatten("", &table, &mut settings);
    Ok(settings)
}

fn flatten(prefix: &str, table: &toml::Table, settings: &mut BTreeMap<String, String>) {
    for (key, value) in table {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        let text = match value {
            toml::Value::Table(inner) => {
                flatten(&path, inner, settings);
                continue;
            }
            toml::Value::String(text) => text.clone(),
            toml::Value::Array(items) => {
                items.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
            }
            other => other.to_string(),
        };
        settings.insert(path, shorten(&text));
    }
}

fn parse_summary(
    path: &Path,
    text: &str,
) -> Result<serde_json::Map<String, serde_json::Value>, Error> {
    serde_json::from_str(text).map_err(|error| Error::Summary {
        path: path.to_owned(),
        reason: format!("not a JSON file: {error}"),
    })
}

fn test_accuracy(
    path: &Path,
    summary: &serde_json::Map<String, serde_json::Value>,
) -> Result<Option<f64>, Error> {
    match summary.get("test_accuracy") {
        None | Some(serde_json::Value::Null) => Ok(None),
        Some(value) => match value.as_f64() {
            Some(accuracy) if (0.0..=1.0).contains(&accuracy) => Ok(Some(accuracy)),
            _ => {
                let shown = shorten(&value.to_string());
                let reason = format!("`test_accuracy` is {shown}, not a fraction from 0 to 1");
                Err(Error::Summary { path: path.to_owned(), reason })
            }
        },
    }
}
