//! Whether two runs are the same, and if not, where they begin to differ.
//!
//! Two runs are the same if every setting on which a result depends is equal, and every result: the
//! losses of all iterations and epochs as they are written, the weights to the bit, the summary. What
//! depends on the clock, on the number of threads or on where files lie is left out. Tables, keys
//! and tensors are compared by name, whatever names there are.

use std::cmp::Ordering::{Equal, Greater, Less};
use std::path::Path;

use chainrule_data::file;
use chainrule_runs::table::Cells;
use chainrule_runs::{Epoch, Iteration, Record, Summary};
use serde::Serialize;

use crate::tensors::TensorFile;
use crate::{Config, Error, config};

/// Columns of the tables and keys of the summary that depend on the clock.
const TIMES: [&str; 2] = ["seconds", "images_per_second"];

/// Settings that only say when a run ends.
const ENDS: [&str; 3] = ["epochs", "cycles", "max_steps"];

/// Longest text file that is read, in bytes: a table of some million iterations.
const MOST_TEXT: u64 = 1 << 28;

/// The result of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// All settings that matter and all results are equal.
    Same,
    /// The first is the beginning of the second.
    FirstStoppedEarlier,
    /// The second is the beginning of the first.
    SecondStoppedEarlier,
    /// They differ.
    Different,
}

/// Two runs, side by side. Only what differs is listed, but for the weights.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The result.
    pub verdict: Verdict,
    /// Settings of `config.toml` that differ.
    pub settings: Vec<Setting>,
    /// Entries of `config.toml`'s provenance that differ; not part of the verdict.
    pub provenance: Vec<Entry>,
    /// `iterations.csv`.
    pub iterations: Table,
    /// `epochs.csv`.
    pub epochs: Table,
    /// The tensors of `model.safetensors` and `last.safetensors`, where both runs have the file.
    pub weights: Vec<Tensor>,
    /// Figures of `summary.json` that differ, where both runs have one.
    pub summary: Vec<Entry>,
    /// Files that only one of the runs has.
    pub missing: Vec<Missing>,
}

/// A key whose values differ. A run may lack it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Its value in the first run.
    pub first: Option<String>,
    /// Its value in the second run.
    pub second: Option<String>,
}

/// A setting that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Which, and its values.
    #[serde(flatten)]
    pub entry: Entry,
    /// Whether a result can depend on it.
    pub matters: bool,
}

/// How a CSV file compares, the columns of times left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Table {
    /// Records of the first run and of the second. An incomplete last line, of a run that was killed
    /// or is running, does not count.
    pub records: [usize; 2],
    /// Columns that only the first run has, and only the second.
    pub own_columns: [Vec<String>; 2],
    /// The first cell that differs in each column that has one, in the order of their lines.
    pub partings: Vec<Parting>,
}

/// The first cell of a column at which two tables differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Parting {
    /// The line of the file, the header being the first.
    pub line: usize,
    /// The iteration there, as the first run has it.
    pub iteration: Option<u64>,
    /// The epoch there, as the first run has it.
    pub epoch: Option<u64>,
    /// The column.
    pub column: String,
    /// The cell in the first run.
    pub first: String,
    /// The cell in the second run.
    pub second: String,
}

/// How a tensor compares.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tensor {
    /// `model.safetensors` or `last.safetensors`.
    pub file: &'static str,
    /// Its name, such as `fc1.weight`.
    pub name: String,
    /// Its shape in each of the runs that have it.
    pub shapes: [Option<Vec<usize>>; 2],
    /// Numbers that are not the same bits; none are counted if the shapes differ.
    pub differing: usize,
    /// Largest absolute difference; NaN if a number that differs is not finite.
    pub largest: f64,
}

impl Tensor {
    /// Whether both runs have it and all bits are the same.
    pub fn is_same(&self) -> bool {
        self.shapes[0] == self.shapes[1] && self.differing == 0
    }
}

/// A file that one run has and the other has not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// Its name.
    pub file: &'static str,
    /// Whether it is the first run that lacks it.
    pub from_first: bool,
}

impl Table {
    fn is_same(&self) -> bool {
        self.only_lengths_differ() && self.records[0] == self.records[1]
    }

    fn only_lengths_differ(&self) -> bool {
        self.partings.is_empty() && self.own_columns.iter().all(Vec::is_empty)
    }
}

/// Compares the runs in two folders.
///
/// # Errors
/// If there is no such folder, it holds no run, or one of its files cannot be read or is damaged.
pub fn diff(first: &Path, second: &Path) -> Result<Comparison, Error> {
    let folders = [first, second];
    let [(settings, provenance), (other_settings, other_provenance)] = both(folders, settings)?;
    let settings = entries(&settings, &other_settings)
        .map(|entry| Setting {
            matters: !config::WITHOUT_EFFECT.contains(&entry.key.as_str()),
            entry,
        })
        .collect();
    let provenance = entries(&provenance, &other_provenance).collect();
    let iterations = tables(folders, Iteration::FILE)?;
    let epochs = tables(folders, Epoch::FILE)?;

    let (mut weights, mut missing, mut summary) = (vec![], vec![], vec![]);
    let mut present = |file| match folders.map(|folder| folder.join(file).exists()) {
        [true, true] => true,
        [first, second] => {
            if first != second {
                missing.push(Missing { file, from_first: !first });
            }
            false
        }
    };
    for file in ["model.safetensors", "last.safetensors"] {
        if present(file) {
            weights.extend(tensors(folders, file)?);
        }
    }
    if present("summary.json") {
        let [first, second] = both(folders, figures)?;
        let depends = |entry: &Entry| {
            !TIMES.contains(&entry.key.as_str())
                && !config::WITHOUT_EFFECT.contains(&entry.key.as_str())
        };
        summary = entries(&first, &second).filter(depends).collect();
    }
    let mut comparison = Comparison {
        verdict: Verdict::Different,
        settings,
        provenance,
        iterations,
        epochs,
        weights,
        summary,
        missing,
    };
    comparison.verdict = comparison.judge();
    Ok(comparison)
}

impl Comparison {
    fn judge(&self) -> Verdict {
        let mut matters = self.settings.iter().filter(|setting| setting.matters);
        let same = matters.clone().next().is_none()
            && [&self.iterations, &self.epochs].iter().all(|table| table.is_same())
            && self.weights.iter().all(Tensor::is_same)
            && self.summary.is_empty()
            && self.missing.is_empty();
        if same {
            return Verdict::Same;
        }
        let agree = matters.all(|setting| ENDS.contains(&setting.entry.key.as_str()))
            && self.iterations.only_lengths_differ()
            && self.epochs.only_lengths_differ();
        let lengths = |run: usize| (self.iterations.records[run], self.epochs.records[run]);
        let ((steps, epochs), (other_steps, other_epochs)) = (lengths(0), lengths(1));
        match (steps.cmp(&other_steps), epochs.cmp(&other_epochs)) {
            (Less, Less | Equal) | (Equal, Less) if agree => Verdict::FirstStoppedEarlier,
            (Greater, Greater | Equal) | (Equal, Greater) if agree => Verdict::SecondStoppedEarlier,
            _ => Verdict::Different,
        }
    }
}

fn both<T>(folders: [&Path; 2], read: impl Fn(&Path) -> Result<T, Error>) -> Result<[T; 2], Error> {
    let [first, second] = folders;
    Ok([read(first)?, read(second)?])
}

fn read_text(path: &Path) -> Result<String, Error> {
    file::read_text(path, MOST_TEXT).map_err(Error::file("read", path))
}

fn damaged(path: &Path, problem: impl ToString) -> Error {
    Error::Model { path: path.to_owned(), problem: problem.to_string() }
}

/// Keys and values in the order of a file.
type Entries = Vec<(String, String)>;

/// The settings of `config.toml`, and its table of provenance.
fn settings(folder: &Path) -> Result<(Entries, Entries), Error> {
    let path = folder.join("config.toml");
    let text = read_text(&path)?;
    let mut table = config::table(&text)
        .map_err(|error| damaged(&path, format!("not TOML: {}", error.message())))?;
    let pairs = |table: toml::Table| table.into_iter().map(|(k, v)| (k, v.to_string())).collect();
    let provenance = match table.remove(config::PROVENANCE) {
        Some(toml::Value::Table(table)) => pairs(table),
        _ => vec![],
    };
    // The two runs may use different aliases of a setting, and one be from before there was another.
    let table = config::canonical(table).map_err(|error| damaged(&path, error))?;
    let table = Config::from_table(table.clone()).map_or(table, |config| config.to_table());
    Ok((pairs(table), provenance))
}

/// The figures of `summary.json`.
fn figures(folder: &Path) -> Result<Entries, Error> {
    let path = folder.join("summary.json");
    let mut object: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&read_text(&path)?)
            .map_err(|error| damaged(&path, format!("not a JSON object of figures: {error}")))?;
    // What an older version did not write.
    if let Ok(summary) = serde_json::from_value::<Summary>(object.clone().into()) {
        let whole = serde_json::to_value(summary).expect("a summary is an object");
        for (key, value) in whole.as_object().into_iter().flatten() {
            object.entry(key).or_insert(value.clone());
        }
    }
    Ok(object.into_iter().map(|(key, value)| (key, value.to_string())).collect())
}

/// The keys whose values differ, those of the first file before those that only the second has.
fn entries<'a>(first: &'a Entries, second: &'a Entries) -> impl Iterator<Item = Entry> + 'a {
    let find = |entries: &Entries, key: &str| {
        entries.iter().find(|(found, _)| found == key).map(|(_, value)| value.clone())
    };
    let new = move |(key, _): &&(String, String)| find(first, key).is_none();
    let all = first.iter().chain(second.iter().filter(new)).map(|(key, _)| key);
    let entry = move |key: &String| {
        let (first, second) = (find(first, key), find(second, key));
        (first != second).then(|| Entry { key: key.clone(), first, second })
    };
    all.filter_map(entry)
}

fn tables(folders: [&Path; 2], name: &str) -> Result<Table, Error> {
    let read = |folder: &Path| Ok(Cells::read(&folder.join(name))?);
    let [first, second] = both(folders, read)?;
    let (
        Cells { header: first_header, records: first },
        Cells { header: second_header, records: second },
    ) = (first, second);
    let find = |header: &[String], column: &str| header.iter().position(|c| c == column);
    let own = |header: &[String], other: &[String]| {
        header.iter().filter(|column| find(other, column).is_none()).cloned().collect()
    };
    let own_columns = [own(&first_header, &second_header), own(&second_header, &first_header)];
    let shared: Vec<_> = first_header
        .iter()
        .enumerate()
        .filter(|(_, column)| !TIMES.contains(&column.as_str()))
        .filter_map(|(i, column)| Some((i, find(&second_header, column)?)))
        .collect();
    let count = |row: &csv::StringRecord, column| row[find(&first_header, column)?].parse().ok();
    let parting = |&(i, j): &(usize, usize)| {
        let mut pairs = first.iter().zip(&second).enumerate();
        let (number, (a, b)) = pairs.find(|(_, (a, b))| a[i] != b[j])?;
        Some(Parting {
            line: number + 2,
            iteration: count(a, "iteration"),
            epoch: count(a, "epoch"),
            column: first_header[i].clone(),
            first: a[i].to_owned(),
            second: b[j].to_owned(),
        })
    };
    let mut partings: Vec<_> = shared.iter().filter_map(parting).collect();
    partings.sort_by_key(|parting| parting.line);
    Ok(Table { records: [first.len(), second.len()], own_columns, partings })
}

fn tensors(folders: [&Path; 2], file: &'static str) -> Result<Vec<Tensor>, Error> {
    let [first, second] = both(folders, |folder| TensorFile::load(&folder.join(file)))?;
    let new = second.tensors.keys().filter(|name| !first.tensors.contains_key(*name));
    let tensor = |name: &String| {
        let both = [first.tensors.get(name), second.tensors.get(name)];
        let (mut differing, mut largest) = (0, 0.0f64);
        if let [Some((shape, a)), Some((other, b))] = both
            && shape == other
        {
            for (a, b) in a.iter().zip(b).filter(|(a, b)| a.to_bits() != b.to_bits()) {
                let difference = (f64::from(*a) - f64::from(*b)).abs();
                differing += 1;
                // `max` would drop a NaN.
                largest = if difference <= largest { largest } else { difference };
            }
        }
        let shapes = both.map(|tensor| tensor.map(|(shape, _)| shape.clone()));
        Tensor { file, name: name.clone(), shapes, differing, largest }
    };
    Ok(first.tensors.keys().chain(new).map(tensor).collect())
}
