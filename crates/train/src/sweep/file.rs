//! The file of a sweep: a recipe, and tables of what varies.

use std::path::Path;

use toml::{Table, Value};

use super::space::{self, Range};
use super::{Halving, Sweep, Varied, ranking};
use crate::config::{self, ConfigError, WITHOUT_EFFECT};
use crate::{Config, Error};

/// Most runs of a sweep.
const MOST_RUNS: usize = 10_000;

/// Largest factor of halving.
const MOST_FACTOR: i64 = 1000;

/// What a sweep's file has beside the keys of a recipe.
const OWN_KEYS: [&str; 5] = ["recipe", "seeds", "grid", "random", "halving"];

fn refuse<T>(why: impl Into<String>) -> Result<T, ConfigError> {
    Err(ConfigError::new(why))
}

/// Reads the text of a file that lies in `folder`.
pub(super) fn read(text: &str, folder: &Path) -> Result<Sweep, Error> {
    let mut table = config::table(text).map_err(config::message)?;
    let known = Config::keys();
    let [recipe, seeds, grid, random, halving] = OWN_KEYS.map(|key| table.remove(key));
    // As in a recipe, which may be the `config.toml` of a run.
    table.remove(config::PROVENANCE);
    let table = config::canonical(table)?;
    if let Some(key) = table.keys().find(|key| !known.contains(key)) {
        let all = known.iter().map(String::as_str).chain(OWN_KEYS);
        return Err(config::unknown_key(key, all).into());
    }
    let given = given(recipe, &table, folder)?;
    let seeds = match seeds {
        None => 1,
        Some(Value::Integer(n @ 1..=1000)) => n as u64,
        Some(other) => {
            return Ok(refuse(format!("seeds is {other}: it must be from 1 to 1000"))?);
        }
    };
    let grid = Grid::read(keys_of("grid", grid, text)?)?;
    let random = Random::read(keys_of("random", random, text)?)?;
    let keys =
        || grid.keys.iter().map(|(key, _)| key).chain(random.ranges.iter().map(|(key, _)| key));
    for (i, key) in keys().enumerate() {
        may_vary(key, &known)?;
        if table.contains_key(key) {
            refuse(format!("{key} stands above and varies too: leave one of them out"))?;
        }
        if keys().skip(i + 1).any(|other| other == key) {
            refuse(format!("{key} varies twice, in [grid] or in [random]: leave one of them out"))?;
        }
    }
    if keys().next().is_none() && seeds == 1 {
        refuse("nothing varies: it needs a table [grid], a table [random], or seeds = 3, say")?;
    }
    let points = grid.size().and_then(|n| n.checked_mul(random.draws));
    let runs = points.and_then(|n| n.checked_mul(seeds as usize));
    let Some((points, _)) = points.zip(runs.filter(|&n| n <= MOST_RUNS)) else {
        let shown = runs.map_or("too many to count".into(), |n| n.to_string());
        return Ok(refuse(format!(
            "these are {shown} runs: at most {MOST_RUNS} can be made; [random] tries as many \
             points of a space as you like"
        ))?);
    };
    let points = (0..points).map(|number| {
        let mut values = grid.values(number);
        let ranges = random.ranges.iter();
        values.extend(ranges.map(|(key, range)| range.draw(random.seed, number, key)));
        values
    });
    let points: Vec<Vec<Value>> = points.collect();
    let varied = varied(&grid, &random);
    let halving = halving.map(read_halving).transpose()?;
    if halving.is_some() && points.len() == 1 {
        refuse("[halving] compares points, and there is one: let something vary")?;
    }
    Ok(Sweep::of(given, varied, points, seeds, halving)?)
}

/// `[halving]`.
fn read_halving(value: Value) -> Result<Halving, ConfigError> {
    let Value::Table(mut table) = value else {
        return refuse(format!("halving is {value}: it must be a table, [halving]"));
    };
    let (rungs, factor) = (table.remove("rungs"), table.remove("factor"));
    if let Some(key) = table.keys().next() {
        return Err(config::unknown_key(key, ["rungs", "factor"].into_iter()));
    }
    let Some(rungs) = rungs else {
        return refuse(
            "halving.rungs is missing: the epochs after which points are compared, such as [3, 10]",
        );
    };
    let epochs = |list: &Vec<Value>| -> Option<Vec<u32>> {
        list.iter().map(|value| u32::try_from(value.as_integer()?).ok()).collect()
    };
    let ascending = |list: &Vec<u32>| {
        list.first().is_some_and(|&first| first > 0) && list.is_sorted_by(|a, b| a < b)
    };
    let Some(rungs) = rungs.as_array().and_then(epochs).filter(ascending) else {
        return refuse(format!(
            "halving.rungs is {rungs}: it must be a list of epochs from 1 on, ascending, such as \
             [3, 10]"
        ));
    };
    let factor = match factor {
        None => 3,
        Some(Value::Integer(n @ 2..=MOST_FACTOR)) => n as usize,
        Some(other) => {
            return refuse(format!(
                "halving.factor is {other}: it must be a whole number from 2 to {MOST_FACTOR}; one \
                 in so many is promoted"
            ));
        }
    };
    Ok(Halving { rungs, factor })
}

/// The settings that a recipe names, if there is one, with the file's own laid over them.
fn given(recipe: Option<Value>, own: &Table, folder: &Path) -> Result<Table, Error> {
    let mut given = match recipe {
        None => Table::new(),
        Some(Value::String(path)) => Config::given_in_file(&folder.join(path))?,
        Some(other) => {
            return Ok(refuse(format!("recipe is {other}: it must be the name of a file"))?);
        }
    };
    config::lay(&mut given, own.clone());
    Config::from_table(given.clone())?;
    Ok(given)
}

/// The keys of a table of the file and their values, in the order in which they stand there.
fn keys_of(
    name: &str,
    table: Option<Value>,
    text: &str,
) -> Result<Vec<(String, Value)>, ConfigError> {
    let table = match table {
        None => return Ok(vec![]),
        Some(Value::Table(table)) => table,
        Some(other) => {
            return refuse(format!("{name} is {other}: it must be a table, [{name}], of keys"));
        }
    };
    let document = toml::de::DeTable::parse(text).map_err(config::message)?;
    let spans = document.get_ref().get(name).and_then(|value| value.get_ref().as_table());
    let start = |key: &str| spans?.get_key_value(key).map(|(key, _)| key.span().start);
    let mut keys: Vec<_> = table.into_iter().collect();
    keys.sort_by_key(|(key, _)| start(key));
    Ok(keys
        .into_iter()
        .map(|(key, value)| (chainrule_runs::names::canonical(&key).into(), value))
        .collect())
}

fn may_vary(key: &str, known: &[String]) -> Result<(), ConfigError> {
    if !known.iter().any(|known| known == key) {
        return Err(config::unknown_key(key, known.iter().map(String::as_str)));
    }
    if key == "seed" {
        return refuse(
            "seed is no setting to choose the best of: seeds = 3 runs every point thrice",
        );
    }
    if key.starts_with("data") {
        return refuse(format!(
            "{key} cannot vary: all runs of a sweep learn from the same images"
        ));
    }
    if WITHOUT_EFFECT.contains(&key) {
        return refuse(format!("{key} need not vary: no result depends on it"));
    }
    Ok(())
}

/// `[grid]`: every combination of its values.
struct Grid {
    keys: Vec<(String, Vec<Value>)>,
}

impl Grid {
    fn read(table: Vec<(String, Value)>) -> Result<Grid, ConfigError> {
        let list = |(key, value): (String, Value)| {
            let values = space::values(&format!("grid.{key}"), &value)?;
            Ok((key, values))
        };
        Ok(Grid { keys: table.into_iter().map(list).collect::<Result<_, ConfigError>>()? })
    }

    /// Number of combinations, if it can be counted.
    fn size(&self) -> Option<usize> {
        self.keys.iter().try_fold(1usize, |n, (_, values)| n.checked_mul(values.len()))
    }

    /// The combination of this number; the last key varies fastest, and after all of them they
    /// begin anew.
    fn values(&self, mut number: usize) -> Vec<Value> {
        let mut combination = vec![];
        for (_, values) in self.keys.iter().rev() {
            combination.push(values[number % values.len()].clone());
            number /= values.len();
        }
        combination.reverse();
        combination
    }
}

/// `[random]`: draws from ranges.
struct Random {
    draws: usize,
    seed: u64,
    ranges: Vec<(String, Range)>,
}

impl Random {
    fn read(table: Vec<(String, Value)>) -> Result<Random, ConfigError> {
        let given = !table.is_empty();
        let mut random = Random { draws: 1, seed: 0, ranges: vec![] };
        let mut runs = None;
        for (key, value) in table {
            match (key.as_str(), &value) {
                ("runs", Value::Integer(n @ 1..)) => runs = Some(*n as usize),
                ("runs", _) => {
                    return refuse(format!("random.runs is {value}: it must be 1 or more"));
                }
                ("seed", Value::Integer(n @ 0..)) => random.seed = *n as u64,
                ("seed", _) => {
                    return refuse(format!("random.seed is {value}: it must be a whole number"));
                }
                _ => {
                    let range = Range::read(&key, &value)?;
                    random.ranges.push((key, range));
                }
            }
        }
        match runs {
            None if given => return refuse("random.runs is missing: how many draws, such as 20"),
            Some(_) if random.ranges.is_empty() => {
                return refuse(
                    "[random] has no range to draw from, such as \
                     learning_rate = { log_uniform = [1e-3, 1e-1] }",
                );
            }
            runs => random.draws = runs.unwrap_or(1),
        }
        Ok(random)
    }
}

fn varied(grid: &Grid, random: &Random) -> Vec<Varied> {
    let lists = grid.keys.iter().map(|(key, values)| {
        let numbers: Option<Vec<f64>> = values.iter().map(ranking::number).collect();
        let numbers = numbers.unwrap_or_default();
        let greatest = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let least = numbers.iter().copied().fold(f64::INFINITY, f64::min);
        // Over a decade a list is meant in factors.
        Varied { key: key.clone(), logarithmic: least > 0.0 && greatest >= 10.0 * least }
    });
    let ranges = random.ranges.iter();
    let ranges =
        ranges.map(|(key, range)| Varied { key: key.clone(), logarithmic: range.is_logarithmic() });
    lists.chain(ranges).collect()
}
