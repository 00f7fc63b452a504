//! Defaults, a recipe and flags, laid over each other as tables of TOML, and read once.
//!
//! A layer is a table of what it names. `none` takes away what the layers below have set. Two
//! defaults depend on what is given: those of some settings on the optimizer, and the schedule on
//! `lr_decay`.

use std::path::Path;
use std::sync::LazyLock;

use chainrule_data::file;
use chainrule_runs::names;
use clap::{FromArgMatches, ValueEnum};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use toml::{Table, Value};

use super::{Config, ConfigError, flags};
use crate::Error;
use crate::schedule::Schedule;

/// The table of `config.toml` that describes the run it came from; a recipe may have it, and it
/// sets nothing.
pub(crate) const PROVENANCE: &str = "provenance";

/// Longest recipe that is read, in bytes. One that sets everything has two thousand.
const MOST_TEXT: u64 = 1 << 18;

/// What is not given with an optimizer has PyTorch's default: `torch.optim.Adam(lr=0.001,
/// betas=(0.9, 0.999), eps=1e-8, weight_decay=0)` and `torch.optim.RMSprop(lr=0.01, alpha=0.99,
/// eps=1e-8, weight_decay=0, momentum=0)`. That of SGD has no default learning rate.
const OF_OPTIMIZERS: [(&str, &str); 2] = [
    ("adam", "learning_rate = 0.001\nbeta1 = 0.9\nbeta2 = 0.999\nepsilon = 1e-8\nreg = 0.0"),
    ("rmsprop", "learning_rate = 0.01\nbeta2 = 0.99\nepsilon = 1e-8\nreg = 0.0\nmomentum = 0.0"),
];

/// The settings where nothing is given, from the fields' own defaults.
static DEFAULT: LazyLock<(Config, Table)> = LazyLock::new(|| {
    let matches = flags::command().get_matches_from(["chainrule"]);
    let config = Config::from_arg_matches(&matches).expect("every field has a default");
    let table = Table::try_from(&config).expect("the defaults are a table");
    (config, table)
});

/// Whether a setting may be `none`, which no layer holds.
fn may_be_unset(key: &str) -> bool {
    !DEFAULT.1.contains_key(key)
}

/// Lays the settings of `above` over those of `below`, both by their names of today.
pub fn lay(below: &mut Table, above: Table) {
    let schedule = below.get("schedule").and_then(Value::as_str);
    let decays = |name| Schedule::from_str(name, false).is_ok_and(Schedule::uses_lr_decay);
    let implied = above.contains_key("lr_decay")
        && !above.contains_key("schedule")
        && !schedule.is_some_and(decays);
    if implied {
        below.insert("schedule".into(), "exponential".into());
    }
    below.extend(above);
}

/// What is given, with the defaults of what is not.
fn resolved(given: Table) -> Table {
    let mut all = DEFAULT.1.clone();
    let optimizer = given.get("optimizer").and_then(Value::as_str);
    for (name, defaults) in OF_OPTIMIZERS {
        if optimizer == Some(name) {
            all.extend(defaults.parse::<Table>().expect("it is TOML"));
        }
    }
    lay(&mut all, given);
    all.retain(|key, value| !(may_be_unset(key) && value.as_str() == Some("none")));
    all
}

/// Reads a text of TOML that may come from an untrusted source.
pub(crate) fn table(text: &str) -> Result<Table, toml::de::Error> {
    if file::nests_too_deep(text) {
        return Err(de::Error::custom("its tables are nested too deeply for a recipe"));
    }
    text.parse()
}

/// The message of a reader of TOML.
pub(crate) fn message(error: toml::de::Error) -> ConfigError {
    ConfigError::new(error.to_string().trim_end())
}

/// The refusal of a key, with the one that it is nearest to.
pub(crate) fn unknown_key<'a>(key: &str, known: impl Iterator<Item = &'a str>) -> ConfigError {
    let nearest =
        known.max_by(|a, b| strsim::jaro_winkler(a, key).total_cmp(&strsim::jaro_winkler(b, key)));
    let nearest = nearest.expect("there are keys");
    ConfigError::new(format!("unknown key `{key}`: did you mean `{nearest}`?"))
}

/// The table with the names of today.
///
/// # Errors
/// If two keys mean one setting.
pub(crate) fn canonical(table: Table) -> Result<Table, ConfigError> {
    let mut result = Table::new();
    for (key, value) in table {
        let (name, value) = names::canonical_entry(&key, value);
        if result.insert(name.to_owned(), value).is_some() {
            let others: Vec<_> = names::aliases(name).collect();
            return Err(ConfigError::new(format!(
                "{name} is set twice: {} means the same; leave one of them out",
                others.join(" or ")
            )));
        }
    }
    Ok(result)
}

/// The settings that a recipe names, by their names of today.
fn given(mut table: Table) -> Result<Table, ConfigError> {
    table.remove(PROVENANCE);
    let table = canonical(table)?;
    let known = Config::keys();
    match table.keys().find(|key| !known.contains(key)) {
        Some(key) => Err(unknown_key(key, known.iter().map(String::as_str))),
        None => Ok(table),
    }
}

impl Default for Config {
    fn default() -> Self {
        DEFAULT.0.clone()
    }
}

impl Serialize for Config {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        Config::serialize(self, to)
    }
}

impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Config::from_table(Table::deserialize(from)?).map_err(de::Error::custom)
    }
}

impl Config {
    /// The names of all settings, in the order of the fields.
    pub fn keys() -> Vec<String> {
        flags::command().get_arguments().map(|arg| arg.get_id().to_string()).collect()
    }

    /// Reads the text of a recipe.
    ///
    /// # Errors
    /// If it is not TOML, names an unknown setting, or a value of the wrong type.
    pub fn from_toml(text: &str) -> Result<Config, ConfigError> {
        Config::from_table(Config::given_in(text)?).map_err(|error| {
            // Where there is nothing to fill in, the reader knows the line.
            let read = toml::Deserializer::parse(text).and_then(Config::deserialize);
            read.err().map_or(error, message)
        })
    }

    /// The settings that the text of a recipe names, as a table to lay others over ([`lay`]).
    ///
    /// # Errors
    /// If it is not TOML, or names an unknown setting.
    pub fn given_in(text: &str) -> Result<Table, ConfigError> {
        given(table(text).map_err(message)?)
    }

    /// Reads settings from their keys and values.
    ///
    /// # Errors
    /// As [`Config::from_toml`], without the number of a line.
    pub fn from_table(table: Table) -> Result<Config, ConfigError> {
        // The derived reading, of a table in which nothing is missing.
        Config::deserialize(Value::Table(resolved(given(table)?)))
            .map_err(|error| ConfigError::new(error.to_string().trim_end().replace('\n', " ")))
    }

    /// All settings that have a value.
    pub fn to_table(&self) -> Table {
        Table::try_from(self).expect("a configuration is a table")
    }

    /// Reads a recipe file.
    ///
    /// # Errors
    /// If it cannot be read, or as [`Config::from_toml`], with the file's name.
    pub fn from_file(path: &Path) -> Result<Config, Error> {
        in_file(path, Config::from_toml)
    }

    /// The settings that a recipe file names, as a table to lay others over ([`lay`]).
    ///
    /// # Errors
    /// As [`Config::from_file`].
    pub fn given_in_file(path: &Path) -> Result<Table, Error> {
        // A value of the wrong type is refused here, where its line is known.
        in_file(path, |text| Config::from_toml(text).and_then(|_| Config::given_in(text)))
    }

    /// The settings that a recipe must name to give these.
    pub fn changed(&self) -> Table {
        let wanted = self.to_table();
        let mut changed = Table::new();
        // What is named may change the defaults of others, which are then named too.
        loop {
            let is = resolved(changed.clone());
            let keys = wanted.keys().chain(is.keys());
            let other = keys.filter(|&key| wanted.get(key) != is.get(key)).cloned();
            let other: Vec<String> = other.collect();
            if other.is_empty() {
                return changed;
            }
            for key in other {
                let value = wanted.get(&key).cloned();
                changed.insert(key, value.unwrap_or_else(|| "none".into()));
            }
        }
    }
}

fn in_file<T>(path: &Path, read: impl FnOnce(&str) -> Result<T, ConfigError>) -> Result<T, Error> {
    let text = file::read_text(path, MOST_TEXT).map_err(Error::file("read", path))?;
    let named = |error: ConfigError| ConfigError::new(format!("{}: {error}", path.display()));
    Ok(read(&text).map_err(named)?)
}
