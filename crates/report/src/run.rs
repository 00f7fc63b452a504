//! A run's folder, read back: `epochs.csv`, `iterations.csv`, `config.toml`, `summary.json`.
//!
//! The two tables must be there; the other two add the title, and may be absent.
//! Columns are found by name, so their order and further columns don't matter.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;

use chainrule_data::file;

use crate::Error;

/// Longest table that is read, in bytes: some seven million steps.
const MOST_TABLE: u64 = 1 << 28;

/// Longest `config.toml` or `summary.json` that is read, in bytes.
const MOST_TEXT: u64 = 1 << 18;

/// One row of `epochs.csv`: losses are means over the set, accuracies fractions from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
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
}

/// One row of `iterations.csv`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Iteration {
    /// The step's number.
    pub iteration: u64,
    /// Mean loss of its minibatch.
    pub loss: f64,
}

/// What a picture of one run is drawn from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Run {
    /// The folder's name, which stands in the legend when runs can't be told apart otherwise.
    pub name: String,
    /// One row an epoch, the untrained network first.
    pub epochs: Vec<Epoch>,
    /// One row a step.
    pub iterations: Vec<Iteration>,
    /// `config.toml` as text, nested keys joined by dots.
    pub settings: BTreeMap<String, String>,
    /// Fraction of the test images that the best weights classify right.
    pub test_accuracy: Option<f64>,
}

impl Run {
    /// Reads a run's folder.
    ///
    /// # Errors
    /// Names the file and, in a table, the record and the column that are wrong.
    pub fn read(folder: &Path) -> Result<Run, Error> {
        Run::from_parts(
            folder,
            open_table(&folder.join("epochs.csv"))?,
            open_table(&folder.join("iterations.csv"))?,
            read_optional(&folder.join("config.toml"))?.as_deref(),
            read_optional(&folder.join("summary.json"))?.as_deref(),
        )
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
        let settings = config.map(|text| parse_settings(&folder.join("config.toml"), text));
        let accuracy = summary.map(|text| parse_test_accuracy(&folder.join("summary.json"), text));
        Ok(Run {
            name,
            epochs: read_epochs(&folder.join("epochs.csv"), epochs)?,
            iterations: read_iterations(&folder.join("iterations.csv"), iterations)?,
            settings: settings.transpose()?.unwrap_or_default(),
            test_accuracy: accuracy.transpose()?.flatten(),
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

fn read_epochs(path: &Path, from: impl Read) -> Result<Vec<Epoch>, Error> {
    read_table(
        path,
        from,
        [
            "epoch",
            "iteration",
            "train_loss",
            "train_accuracy",
            "validation_loss",
            "validation_accuracy",
        ],
        |row| {
            Ok(Epoch {
                epoch: row.count(0)?,
                iteration: row.count(1)?,
                train_loss: row.number(2)?,
                train_accuracy: row.fraction(3)?,
                validation_loss: row.number(4)?,
                validation_accuracy: row.fraction(5)?,
            })
        },
    )
}

fn read_iterations(path: &Path, from: impl Read) -> Result<Vec<Iteration>, Error> {
    read_table(path, from, ["iteration", "loss"], |row| {
        Ok(Iteration { iteration: row.count(0)?, loss: row.number(1)? })
    })
}

/// The wanted cells of one record.
struct Row<'a, const N: usize> {
    path: &'a Path,
    names: [&'static str; N],
    cells: [&'a str; N],
    record: u64,
    line: u64,
}

impl<const N: usize> Row<'_, N> {
    fn refuse<T>(&self, column: usize, expected: &'static str) -> Result<T, Error> {
        Err(Error::Cell {
            path: self.path.to_owned(),
            record: self.record,
            line: self.line,
            column: self.names[column],
            cell: shorten(self.cells[column]),
            expected,
        })
    }

    fn count(&self, column: usize) -> Result<u64, Error> {
        self.cells[column].parse().or_else(|_| self.refuse(column, "a whole number"))
    }

    /// Any number; a loss that left the finite ones is written as NaN or inf and is welcome.
    fn number(&self, column: usize) -> Result<f64, Error> {
        match self.cells[column].parse::<f64>() {
            // What no trainer could have written has no place on an axis either.
            Ok(value) if value.is_finite() && value.abs() > f64::from(f32::MAX) => {
                self.refuse(column, "a number of 32 bits")
            }
            Ok(value) => Ok(value),
            Err(_) => self.refuse(column, "a number"),
        }
    }

    fn fraction(&self, column: usize) -> Result<f64, Error> {
        let expected = "a fraction from 0 to 1";
        match self.cells[column].parse::<f64>() {
            Ok(value) if value.is_nan() || (0.0..=1.0).contains(&value) => Ok(value),
            _ => self.refuse(column, expected),
        }
    }
}

/// A table's file; one that grows while it is read is read as far as it may be long.
fn open_table(path: &Path) -> Result<impl Read, Error> {
    let (file, length) = file::open(path).map_err(Error::read(path))?;
    if length > MOST_TABLE {
        return Err(Error::TooLarge { path: path.to_owned(), length, most: MOST_TABLE });
    }
    Ok(file.take(MOST_TABLE))
}

fn read_table<const N: usize, T>(
    path: &Path,
    from: impl Read,
    names: [&'static str; N],
    parse: impl Fn(&Row<'_, N>) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(from);
    let header = reader.headers().map_err(|error| csv_error(path, error))?.clone();
    if header.iter().all(str::is_empty) {
        return Err(Error::NoHeader { path: path.to_owned() });
    }
    let mut columns = [0; N];
    for (column, name) in columns.iter_mut().zip(names) {
        *column =
            header.iter().position(|found| found == name).ok_or_else(|| Error::MissingColumn {
                path: path.to_owned(),
                column: name,
                found: shorten(&header.iter().collect::<Vec<_>>().join(", ")),
            })?;
    }

    let mut rows = Vec::new();
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(|error| csv_error(path, error))? {
        let position = record.position();
        rows.push(parse(&Row {
            path,
            names,
            cells: columns.map(|column| &record[column]),
            record: position.map_or(0, csv::Position::record),
            line: position.map_or(0, csv::Position::line),
        })?);
    }
    Ok(rows)
}

fn csv_error(path: &Path, error: csv::Error) -> Error {
    match *error.kind() {
        csv::ErrorKind::UnequalLengths { ref pos, expected_len, len } => Error::FieldCount {
            path: path.to_owned(),
            record: pos.as_ref().map_or(0, csv::Position::record),
            line: pos.as_ref().map_or(0, csv::Position::line),
            expected: expected_len,
            found: len,
        },
        _ => Error::Csv { path: path.to_owned(), source: error },
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
        .map_err(|source| Error::Config { path: path.to_owned(), source: Box::new(source) })?;
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

/// What another's file says, cut where it would fill a message or a picture.
fn shorten(text: &str) -> String {
    const LONGEST: usize = 200;
    match text.char_indices().nth(LONGEST) {
        Some((byte, _)) => format!("{}...", &text[..byte]),
        None => text.to_owned(),
    }
}

fn parse_test_accuracy(path: &Path, text: &str) -> Result<Option<f64>, Error> {
    let refuse = |reason: String| Error::Summary { path: path.to_owned(), reason };
    let summary: serde_json::Value =
        serde_json::from_str(text).map_err(|error| refuse(format!("not a JSON file: {error}")))?;
    match summary.get("test_accuracy") {
        None | Some(serde_json::Value::Null) => Ok(None),
        Some(value) => match value.as_f64() {
            Some(accuracy) if (0.0..=1.0).contains(&accuracy) => Ok(Some(accuracy)),
            _ => Err(refuse(format!(
                "`test_accuracy` is {}, not a fraction from 0 to 1",
                shorten(&value.to_string())
            ))),
        },
    }
}
