//! Sweeps: many runs that differ in some settings, from one file.
//!
//! The file of a sweep is a recipe, what all runs share, and tables of what varies:
//!
//! ```
//! use chainrule_train::Sweep;
//!
//! let sweep = Sweep::from_toml(
//!     "epochs = 5
//!      seeds = 2
//!
//!      [grid]
//!      hidden_dim = [100, [256, 128]]
//!
//!      [random]
//!      runs = 10
//!      learning_rate = { log_uniform = [1e-3, 1e-1] }",
//!     "".as_ref(),
//! )?;
//! assert_eq!(sweep.points().len(), 20, "ten learning rates for each network");
//! assert_eq!(sweep.runs().len(), 40, "and each point with seeds 0 and 1");
//! assert_eq!(sweep.runs()[3].name, "001-seed-1");
//! # Ok::<(), chainrule_train::Error>(())
//! ```
//!
//! A point is one value for each key that varies. The last key of `[grid]` varies fastest, then the
//! one before it. The whole grid is repeated for each of the random runs, and each point has its own
//! draw. The settings of a run depend on the file, the number of its point and its seed alone, so
//! more random runs or seeds, or more values of the first key of a grid alone, leave all runs that
//! there were as they are.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`space`] | lists and ranges, and the draw of a value |
//! | [`outcome`] | what has become of a run, read from its folder |
//! | [`halving`] | successive halving: which runs go on, and which are stopped |
//! | [`pool`] | runs side by side |
//! | `memory` | what runs side by side take of it |
//! | [`ranking`] | the points from best to worst, and how much each key matters |

mod file;
pub mod halving;
mod memory;
pub mod outcome;
pub mod pool;
pub mod ranking;
pub mod space;

use std::path::{Path, PathBuf};

use chainrule_data::file::read_text;
use chainrule_runs::folder::write_whole;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::config::{self, ConfigError, WITHOUT_EFFECT};
use crate::setup::settled;
use crate::{Config, Data, Error};
pub use halving::{Halving, RunState, Stage};
pub use outcome::Outcome;
pub use ranking::{Ranked, Ranking};

/// Longest file of a sweep that is read, in bytes, and longest record of one.
const MOST_TEXT: u64 = 1 << 24;

/// The record of a sweep in its folder.
const RECORD: &str = "sweep.toml";

/// A key that varies, and its scale.
#[derive(Clone, Debug, PartialEq)]
pub struct Varied {
    /// The setting's name.
    pub key: String,
    /// Whether its scale is logarithmic.
    pub logarithmic: bool,
}

/// One value for each key that varies.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Its number in the sweep, from 0.
    pub number: usize,
    /// In the order of [`Sweep::varied`].
    pub values: Vec<Value>,
    /// All settings, with the first of the seeds.
    pub config: Config,
}

/// A point with one of the seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// The number of its point.
    pub point: usize,
    /// Its folder in that of the sweep: `000`, and with a further seed `000-seed-1`.
    pub name: String,
    /// All settings.
    pub config: Config,
}

/// The runs of a sweep.
///
/// ```
/// use chainrule_train::Sweep;
///
/// let sweep = Sweep::from_toml("seeds = 2\n[grid]\nhidden_dim = [50, 100]\nreg = [0, 0.01]", "".as_ref())?;
/// assert_eq!((sweep.points().len(), sweep.runs().len()), (4, 8));
/// # Ok::<(), chainrule_train::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Sweep {
    /// What the file and its recipe name, without what varies.
    given: Table,
    base: Config,
    varied: Vec<Varied>,
    points: Vec<Point>,
    seeds: u64,
    halving: Option<Halving>,
}

/// [`RECORD`].
#[derive(Serialize, Deserialize)]
struct Record {
    seeds: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    halving: Option<Halving>,
    base: Table,
    points: Vec<Table>,
}

impl Sweep {
    /// Reads the file of a sweep.
    ///
    /// # Errors
    /// As [`Sweep::from_toml`], with the file's name.
    pub fn from_file(path: &Path) -> Result<Sweep, Error> {
        let text = read_text(path, MOST_TEXT).map_err(Error::file("read", path))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Sweep::from_toml(&text, folder).map_err(|error| match error {
            Error::Config(error) => ConfigError::new(format!("{}: {error}", path.display())).into(),
            other => other,
        })
    }

    /// Reads the text of a sweep's file that lies in `folder`, from which it names its recipe.
    ///
    /// # Errors
    /// What is not TOML, an unknown key, a list or range that makes no sense, or settings that
    /// cannot work, with the number of their point.
    pub fn from_toml(text: &str, folder: &Path) -> Result<Sweep, Error> {
        let sweep = file::read(text, folder)?;
        sweep.check_alone()?;
        Ok(sweep)
    }

    fn of(
        given: Table,
        varied: Vec<Varied>,
        points: Vec<Vec<Value>>,
        seeds: u64,
        halving: Option<Halving>,
    ) -> Result<Sweep, ConfigError> {
        let base = Config::from_table(given.clone())?;
        let point = |(number, values): (usize, Vec<Value>)| {
            let mut table = given.clone();
            let keys = varied.iter().map(|varied| varied.key.clone());
            config::lay(&mut table, keys.zip(values.clone()).collect());
            let config = Config::from_table(table).map_err(|error| {
                let error = error.to_string().replace('\n', " ");
                ConfigError::new(format!("{}: {error}", label(number, &varied, &values)))
            })?;
            Ok(Point { number, values, config })
        };
        let points =
            points.into_iter().enumerate().map(point).collect::<Result<_, ConfigError>>()?;
        Ok(Sweep { given, base, varied, points, seeds, halving })
    }

    /// The keys that vary.
    pub fn varied(&self) -> &[Varied] {
        &self.varied
    }

    /// The points, by their numbers.
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// How many seeds each point is run with: that of the recipe and those after it.
    pub fn seeds(&self) -> u64 {
        self.seeds
    }

    /// When points are stopped early, if they are.
    pub fn halving(&self) -> Option<&Halving> {
        self.halving.as_ref()
    }

    /// The settings that all runs share.
    pub fn base(&self) -> &Config {
        &self.base
    }

    /// Lets all runs have other settings that do not vary, such as where the images lie.
    ///
    /// # Errors
    /// If the points cannot work with them.
    pub fn with(self, settings: Table) -> Result<Sweep, ConfigError> {
        let mut given = self.given;
        config::lay(&mut given, settings);
        let values = self.points.into_iter().map(|point| point.values).collect();
        let sweep = Sweep::of(given, self.varied, values, self.seeds, self.halving)?;
        sweep.check_alone()?;
        Ok(sweep)
    }

    /// All runs: the seeds of the first point, those of the second, and so on.
    pub fn runs(&self) -> Vec<Run> {
        let digits = (self.points.len() - 1).to_string().len().max(3);
        let mut runs = Vec::new();
        for point in &self.points {
            for nth in 0..self.seeds {
                let seed = point.config.seed + nth;
                let number = point.number;
                let name = match nth {
                    0 => format!("{number:0digits$}"),
                    _ => format!("{number:0digits$}-seed-{seed}"),
                };
                let config = Config { seed, ..point.config.clone() };
                runs.push(Run { point: number, name, config });
            }
        }
        runs
    }

    /// The label of a point: "point 3 (learning_rate 0.02, norm batch)".
    pub fn label(&self, point: &Point) -> String {
        label(point.number, &self.varied, &point.values)
    }

    /// Checks what can be checked without the data.
    fn check_alone(&self) -> Result<(), ConfigError> {
        for point in &self.points {
            let named =
                |error: ConfigError| ConfigError::new(format!("{}: {error}", self.label(point)));
            point.config.check().map_err(named)?;
            if point.config.validation == 0 {
                return Err(named(ConfigError::new(
                    "validation is 0, and a sweep goes by the validation accuracy: set some images \
                     aside",
                )));
            }
            if point.config.seed > i64::MAX as u64 - self.seeds {
                return Err(named(ConfigError::new("seed is too large for so many seeds")));
            }
            let last = self.halving.as_ref().and_then(|halving| halving.rungs.last());
            if let Some(last) = last.filter(|&&last| last >= point.config.epochs) {
                return Err(named(ConfigError::new(format!(
                    "halving.rungs has {last}, and epochs is {}: a rung is an epoch before the last",
                    point.config.epochs
                ))));
            }
        }
        Ok(())
    }

    /// Checks every point with the images that it is to learn from.
    ///
    /// # Errors
    /// The first point that cannot work.
    pub fn check(&self, data: &Data) -> Result<(), Error> {
        for point in &self.points {
            settled(&point.config, data, 1).map_err(|error| match error {
                Error::Config(error) => {
                    ConfigError::new(format!("{}: {error}", self.label(point))).into()
                }
                other => other,
            })?;
        }
        Ok(())
    }

    /// Writes `sweep.toml` into the sweep's folder: what its runs share, and every point.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn record(&self, folder: &Path) -> Result<(), Error> {
        let base = self.base.to_table();
        // Not the values that vary alone: with an optimizer, others vary too.
        let point = |point: &Point| {
            let all = point.config.to_table();
            let unset = base.keys().filter(|&key| !all.contains_key(key)).cloned();
            let mut differs: Table = unset.map(|key| (key, "none".into())).collect();
            differs.extend(all.into_iter().filter(|(key, value)| base.get(key) != Some(value)));
            differs
        };
        let points = self.points.iter().map(point).collect();
        let record =
            Record { seeds: self.seeds, halving: self.halving.clone(), base: base.clone(), points };
        let text = toml::to_string(&record).expect("a record is a table");
        Ok(write_whole(&folder.join(RECORD), text.as_bytes())?)
    }

    /// Whether a folder holds the record of a sweep.
    pub fn is_recorded(folder: &Path) -> bool {
        folder.join(RECORD).symlink_metadata().is_ok()
    }

    /// Checks whether the sweep recorded in `folder` can be continued as this one: all its runs must
    /// be runs of this one, with the same names.
    ///
    /// # Errors
    /// If they are not, or the record cannot be read.
    pub fn check_continues(&self, folder: &Path) -> Result<(), Error> {
        let path = folder.join(RECORD);
        let text = read_text(&path, MOST_TEXT).map_err(Error::file("read", &path))?;
        let named = |error: ConfigError| {
            Error::Config(ConfigError::new(format!("{}: {error}", path.display())))
        };
        let table: Table = text.parse().map_err(config::message).map_err(named)?;
        let record: Record = table.try_into().map_err(config::message).map_err(named)?;
        let begun = |point: &Table| {
            let mut table = config::canonical(record.base.clone())?;
            config::lay(&mut table, config::canonical(point.clone())?);
            Config::from_table(table)
        };
        let begun =
            record.points.iter().map(begun).collect::<Result<Vec<_>, _>>().map_err(named)?;
        let other = |why: String| Error::OtherSweep { folder: folder.to_owned(), why };
        // With four digits instead of three, every folder would have another name.
        let digits = |points: usize| points.saturating_sub(1).to_string().len().max(3);
        if record.halving != self.halving {
            let shown = |halving: &Option<Halving>| match halving {
                Some(Halving { rungs, factor }) => format!("rungs = {rungs:?}, factor = {factor}"),
                None => "not there".into(),
            };
            let (is, was) = (shown(&self.halving), shown(&record.halving));
            return Err(other(format!("[halving] is {is}, and was {was}")));
        }
        let (points, seeds) = (begun.len(), record.seeds);
        // Whoever was promoted among fewer might not be among more.
        let grew = self.halving.is_some() && (points < self.points.len() || seeds < self.seeds);
        if points > self.points.len() || seeds > self.seeds || grew {
            let plural = |n: u64| if n == 1 { "" } else { "s" };
            let count = |n: usize, seeds: u64| {
                format!("{n} point{} with {seeds} seed{}", plural(n as u64), plural(seeds))
            };
            let (is, was) = (count(self.points.len(), self.seeds), count(points, seeds));
            let fixed = if grew { ", which [halving] has compared with each other" } else { "" };
            return Err(other(format!("it has {is}, and had {was}{fixed}")));
        }
        if digits(begun.len()) != digits(self.points.len()) {
            return Err(other("with more than 1,000 points its folders have other names".into()));
        }
        for (begun, point) in begun.iter().zip(&self.points) {
            if let Some(difference) = difference(&point.config, begun, &WITHOUT_EFFECT) {
                return Err(other(format!("of point {} {difference}", point.number)));
            }
        }
        Ok(())
    }

    /// The folder of a run of this sweep.
    pub fn folder(out: &Path, run: &Run) -> PathBuf {
        out.join(&run.name)
    }
}

/// The first setting in which one configuration differs from another, in words.
fn difference(is: &Config, was: &Config, leave_out: &[&str]) -> Option<String> {
    let (is, was) = (is.to_table(), was.to_table());
    let shown = |value: Option<&Value>| value.map_or("not set".into(), Value::to_string);
    let keys = is.keys().chain(was.keys()).filter(|key| !leave_out.contains(&key.as_str()));
    let mut different = keys.filter(|&key| is.get(key) != was.get(key));
    different
        .next()
        .map(|key| format!("{key} is {}, and was {}", shown(is.get(key)), shown(was.get(key))))
}

/// A value without quotes, and a list joined by commas.
pub fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "0".into(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

fn label(number: usize, varied: &[Varied], values: &[Value]) -> String {
    let pairs: Vec<_> = varied
        .iter()
        .zip(values)
        .map(|(varied, value)| format!("{} {}", varied.key, shown(value)))
        .collect();
    match pairs.is_empty() {
        true => format!("point {number}"),
        false => format!("point {number} ({})", pairs.join(", ")),
    }
}
