//! A run's folder, read back: `epochs.csv`, `iterations.csv`, `config.toml`, `summary.json`.
//!
//! The two tables must be there; the other two may be absent. A run with settings and no summary has
//! not ended: its tables may be missing, empty or end in half a line.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use chainrule_data::file;

use crate::folder::CONFIG;
use crate::records::{Epoch, Iteration, UpdateRatios};
use crate::summary::{Figures, Summary, figures, read_optional, test_accuracy, views};
use crate::table::{Progress, Rows, Table};
use crate::{Error, names, shorten};

/// The records of a run.
///
/// ```
/// use chainrule_runs::Run;
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let folder = folder.path();
/// let epochs = "epoch,iteration,train_loss,train_accuracy,validation_loss,validation_accuracy,fc1_update_ratio\n\
///               0,0,2.5,0.1,2.5,0.1,\n1,704,1.7,0.4,1.8,0.38,0.002\n";
/// std::fs::write(folder.join("epochs.csv"), epochs).unwrap();
/// std::fs::write(folder.join("iterations.csv"), "iteration,loss\n1,2.5\n2,2.4\n").unwrap();
/// let run = Run::read(folder)?;
/// assert_eq!(run.best_epoch().map(|epoch| epoch.epoch), Some(1));
/// # Ok::<(), chainrule_runs::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Run {
    /// The folder's name. Legends use it where runs have the same settings.
    pub name: String,
    /// One row an epoch, the untrained network first.
    pub epochs: Vec<Epoch>,
    /// One row a step.
    pub iterations: Vec<Iteration>,
    /// For each layer with a column in `epochs.csv`.
    pub update_ratios: Vec<UpdateRatios>,
    /// `config.toml` as text, nested keys joined by dots.
    pub settings: BTreeMap<String, String>,
    /// Fraction of the test images that the best weights classify right.
    pub test_accuracy: Option<f64>,
    /// `summary.json`; an unfinished run has none.
    pub summary: Option<Figures>,
}

impl Run {
    /// Reads a run's folder.
    ///
    /// # Errors
    /// Names the file and, in a table, the record and the column that are wrong.
    pub fn read(folder: &Path) -> Result<Run, Error> {
        let config = read_optional(&folder.join(CONFIG))?;
        let summary = read_optional(&folder.join(Summary::FILE))?;
        let progress = progress(config.as_deref(), summary.as_deref());
        let epochs = Table::read(folder, progress)?;
        let iterations = Table::read(folder, progress)?;
        Run::of(folder, epochs, iterations, config.as_deref(), summary.as_deref())
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
        let progress = progress(config, summary);
        let epochs = Table::read_from(&Table::<Epoch>::path(folder), epochs, progress)?;
        let iterations = Table::read_from(&Table::<Iteration>::path(folder), iterations, progress)?;
        Run::of(folder, epochs, iterations, config, summary)
    }

    /// A new run, with the text of its `config.toml`.
    pub fn begun(folder: &Path, config: String) -> Run {
        let settings = parse_settings(&folder.join(CONFIG), &config);
        Run { name: name(folder), settings: settings.unwrap_or_default(), ..Run::default() }
    }

    /// A resumed run whose tables were cut back, with the text of its `config.toml`.
    ///
    /// # Errors
    /// As [`Run::read`].
    pub fn resumed(folder: &Path, config: String) -> Result<Run, Error> {
        let (epochs, iterations) =
            (Table::read(folder, Progress::Ended)?, Table::read(folder, Progress::Ended)?);
        Run::of(folder, epochs, iterations, Some(&config), None)
    }

    /// Adds what was written into `epochs.csv`.
    pub fn push_epoch(&mut self, epoch: Epoch, update_ratios: &[f64]) {
        if self.update_ratios.is_empty() {
            let layers = 1..=update_ratios.len();
            let column = |layer| UpdateRatios { layer: format!("fc{layer}"), ratios: vec![] };
            self.update_ratios = layers.map(column).collect();
        }
        self.epochs.push(epoch);
        for (column, &ratio) in self.update_ratios.iter_mut().zip(update_ratios) {
            column.ratios.push(ratio);
        }
    }

    /// Adds the result.
    pub fn finish(&mut self, summary: &Summary) {
        self.test_accuracy = Some(summary.test_accuracy);
        let value = serde_json::to_value(summary).expect("a summary is an object");
        self.summary = value.as_object().cloned();
    }

    fn of(
        folder: &Path,
        epochs: Rows<Epoch>,
        iterations: Rows<Iteration>,
        config: Option<&str>,
        summary: Option<&str>,
    ) -> Result<Run, Error> {
        let settings = config.map(|text| parse_settings(&folder.join(CONFIG), text));
        let path = folder.join(Summary::FILE);
        let summary = summary.map(|text| figures(&path, text)).transpose()?;
        let accuracy = summary.as_ref().map(|figures| test_accuracy(&path, figures));
        let ratios = epochs.layers.into_iter();
        let ratios =
            ratios.map(|column| UpdateRatios { layer: column.layer, ratios: column.values });
        Ok(Run {
            name: name(folder),
            epochs: epochs.records,
            iterations: iterations.records,
            update_ratios: ratios.collect(),
            settings: settings.transpose()?.unwrap_or_default(),
            test_accuracy: accuracy.transpose()?.flatten(),
            summary,
        })
    }

    /// The views of test-time augmentation, in words, such as "flips and shifts"; none, if the test
    /// is of the images alone.
    pub fn views(&self) -> Option<&'static str> {
        // A list of a recipe has its words in quotes.
        let of = |view| self.setting("tta").is_some_and(|tta| tta.contains(view));
        views(of("flips"), of("shifts"))
    }

    /// " with flips" after a test accuracy with test-time augmentation, and nothing otherwise.
    pub fn with_views(&self) -> String {
        self.views().map_or(String::new(), |views| format!(" with {views}"))
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

    /// A setting by its key, in any table of the file.
    pub fn setting(&self, key: &str) -> Option<&str> {
        self.settings
            .iter()
            .find(|(path, _)| path.rsplit('.').next() == Some(key))
            .map(|(_, value)| value.as_str())
    }
}

/// How far the run has come, by the files beside its tables.
fn progress(config: Option<&str>, summary: Option<&str>) -> Progress {
    match (config, summary) {
        (_, Some(_)) => Progress::Ended,
        (Some(_), None) => Progress::Unfinished,
        (None, None) => Progress::Unknown,
    }
}

/// The name of a run's folder.
fn name(folder: &Path) -> String {
    match folder.file_name() {
        Some(name) => name.to_string_lossy().into_owned(),
        None => folder.display().to_string(),
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
        let (key, value) = match prefix {
            "" => names::canonical_entry(key, value.clone()),
            _ => (key.as_str(), value.clone()),
        };
        let path = if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") };
        let text = match value {
            toml::Value::Table(inner) => {
                flatten(&path, &inner, settings);
                continue;
            }
            toml::Value::String(text) => text,
            toml::Value::Array(items) => {
                items.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
            }
            other => other.to_string(),
        };
        settings.insert(path, shorten(&text));
    }
}
