//! What varies in a sweep: lists of values, and ranges to draw from.
//!
//! With u uniform on [0, 1), a draw from
//!
//! | range | is |
//! | --- | --- |
//! | `uniform = [a, b]` | a + (b - a) u |
//! | `log_uniform = [a, b]` | exp(ln a + (ln b - ln a) u): equal chances for equal factors |
//! | `integers = [a, b]` | ⌊a + (b + 1 - a) u⌋, b included |
//! | `log_integers = [a, b]` | ⌊exp(ln a + (ln (b + 1) - ln a) u)⌋, b included |
//! | `choice = [...]` | the value at ⌊n u⌋ |
//!
//! and u is the first 53 bits of SHA-256("SEED NUMBER KEY"). So the value of a key depends on the
//! seed, the number of the point and the key's name alone: no draw moves another, and more points, or
//! another key, leave those that there were as they are.
//!
//! A real number is rounded to four significant digits.

use chainrule_tensor::math;
use sha2::{Digest, Sha256};
use toml::Value;

use crate::config::{ConfigError, unknown_key};

/// Where a key's value is drawn from.
#[derive(Clone, Debug, PartialEq)]
pub enum Range {
    /// Uniform.
    Uniform(f64, f64),
    /// Uniform in the logarithm.
    LogUniform(f64, f64),
    /// Uniform over the integers.
    Integers(i64, i64),
    /// Integers, uniform in the logarithm.
    LogIntegers(i64, i64),
    /// Uniform over a list.
    Choice(Vec<Value>),
}

const KINDS: [&str; 5] = ["uniform", "log_uniform", "integers", "log_integers", "choice"];

impl Range {
    /// Reads the range of `key`, such as `{ log_uniform = [1e-3, 1e-1] }`.
    pub(crate) fn read(key: &str, value: &Value) -> Result<Range, ConfigError> {
        let refuse = |why: String| Err(ConfigError::new(format!("random.{key}{why}")));
        let (kind, ends) = match value.as_table().map(Vec::from_iter) {
            Some(entries) if entries.len() == 1 => entries[0],
            _ => {
                return refuse(format!(
                    " is {value}: it must be one range, such as {{ log_uniform = [1e-3, 1e-1] }} or \
                     {{ choice = [...] }}"
                ));
            }
        };
        if !KINDS.contains(&kind.as_str()) {
            return refuse(format!(": {}", unknown_key(kind, KINDS.into_iter())));
        }
        if kind == "choice" {
            return values(&format!("random.{key}.choice"), ends).map(Range::Choice);
        }
        let named = format!(".{kind} is {ends}: ");
        let Some([low, high]) = ends.as_array().map(Vec::as_slice) else {
            return refuse(format!("{named}it must be the two ends of a range, as in [1, 9]"));
        };
        let logarithmic = kind.starts_with("log");
        if kind.ends_with("integers") {
            let (Some(low), Some(high)) = (low.as_integer(), high.as_integer()) else {
                return refuse(format!("{named}both ends must be whole numbers"));
            };
            // Not every integer beyond this is an f64.
            const MOST: i64 = 1 << 53;
            return match (low, high) {
                _ if low >= high => refuse(format!("{named}the first must be below the second")),
                _ if low < -MOST || high > MOST => refuse(format!("{named}too large a number")),
                _ if logarithmic && low < 1 => {
                    refuse(format!("{named}it must begin at 1 or above"))
                }
                _ if logarithmic => Ok(Range::LogIntegers(low, high)),
                _ => Ok(Range::Integers(low, high)),
            };
        }
        let number = |value: &Value| match value {
            Value::Integer(n) => Some(*n as f64),
            Value::Float(x) if x.is_finite() => Some(*x),
            _ => None,
        };
        match (number(low), number(high)) {
            (Some(low), Some(high)) if low >= high => {
                refuse(format!("{named}the first must be below the second"))
            }
            (Some(low), _) if logarithmic && low <= 0.0 => {
                refuse(format!("{named}it must begin above 0, for 0 has no logarithm"))
            }
            (Some(low), Some(high)) if logarithmic => Ok(Range::LogUniform(low, high)),
            (Some(low), Some(high)) if (high - low).is_finite() => Ok(Range::Uniform(low, high)),
            _ => refuse(format!("{named}both ends must be numbers")),
        }
    }

    /// The value of `key` at the point `number`.
    pub(crate) fn draw(&self, seed: u64, number: usize, key: &str) -> Value {
        let u = uniform(seed, number, key);
        let between = |low: f64, high: f64| low + (high - low) * u;
        let factor = |low: f64, high: f64| math::exp(between(math::ln(low), math::ln(high)));
        // Rounding may not lead out of the range.
        let real = |x: f64, low: f64, high: f64| Value::Float(rounded(x).clamp(low, high));
        let whole =
            |x: f64, low: i64, high: i64| Value::Integer((x.floor() as i64).clamp(low, high));
        match self {
            Range::Uniform(low, high) => real(between(*low, *high), *low, *high),
            Range::LogUniform(low, high) => real(factor(*low, *high), *low, *high),
            Range::Integers(low, high) => {
                whole(between(*low as f64, (high + 1) as f64), *low, *high)
            }
            Range::LogIntegers(low, high) => {
                whole(factor(*low as f64, (high + 1) as f64), *low, *high)
            }
            Range::Choice(values) => values[(u * values.len() as f64) as usize].clone(),
        }
    }

    /// Whether its scale is logarithmic.
    pub(crate) fn is_logarithmic(&self) -> bool {
        matches!(self, Range::LogUniform(..) | Range::LogIntegers(..))
    }
}

/// The values of a list: one at least, none of them twice.
pub(crate) fn values(name: &str, list: &Value) -> Result<Vec<Value>, ConfigError> {
    let refuse = |why: String| Err(ConfigError::new(format!("{name} {why}")));
    let Some(values) = list.as_array() else {
        return refuse(format!("is {list}: it must be a list of values, such as [{list}, ...]"));
    };
    if values.is_empty() {
        return refuse("is an empty list: give it the values to try".into());
    }
    if let Some(twice) = (1..values.len()).find(|&i| values[..i].contains(&values[i])) {
        return refuse(format!("has {} twice", values[twice]));
    }
    Ok(values.clone())
}

/// A number in [0, 1) for the draw of a key.
fn uniform(seed: u64, number: usize, key: &str) -> f64 {
    let hash = Sha256::digest(format!("{seed} {number} {key}"));
    let first: [u8; 8] = hash[..8].try_into().expect("a hash has 32 bytes");
    (u64::from_be_bytes(first) >> 11) as f64 / (1u64 << 53) as f64
}

/// Rounds to four significant digits.
fn rounded(x: f64) -> f64 {
    format!("{x:.3e}").parse().expect("it was a number")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> Result<Range, String> {
        let table: toml::Table = format!("x = {text}").parse().unwrap();
        Range::read("x", &table["x"]).map_err(|error| error.to_string())
    }

    fn draws(text: &str, n: usize) -> Vec<f64> {
        let range = range(text).unwrap();
        let number = |value: Value| value.as_float().or(value.as_integer().map(|n| n as f64));
        (0..n).map(|i| number(range.draw(5, i, "x")).unwrap()).collect()
    }

    /// The largest distance between the distribution of `sample` and that on [0, 1] in which every
    /// number has an equal chance (Kolmogorov and Smirnov), times the root of the sample's size:
    /// above 1.95 for one true sample in a thousand.
    fn distance(mut sample: Vec<f64>) -> f64 {
        sample.sort_by(f64::total_cmp);
        let n = sample.len() as f64;
        let steps = sample.iter().enumerate();
        let worst = steps
            .map(|(i, &x)| (x - i as f64 / n).abs().max(((i + 1) as f64 / n - x).abs()))
            .fold(0.0, f64::max);
        worst * n.sqrt()
    }

    #[test]
    fn the_logarithm_of_a_log_uniform_draw_has_equal_chances_and_the_draw_itself_has_not() {
        let drawn = draws("{ log_uniform = [1e-4, 1e-1] }", 2000);
        assert!(drawn.iter().all(|x| (1e-4..=1e-1).contains(x)));
        let logarithms = drawn.iter().map(|x| (x.log10() + 4.0) / 3.0).collect();
        assert!(distance(logarithms) < 1.95);
        assert!(distance(drawn.iter().map(|x| x / 0.1).collect()) > 10.0);
    }

    #[test]
    fn a_uniform_draw_has_equal_chances_all_over_its_range() {
        let drawn = draws("{ uniform = [-1, 3] }", 2000);
        assert!(distance(drawn.iter().map(|x| (x + 1.0) / 4.0).collect()) < 1.95);
    }

    #[test]
    fn whole_numbers_come_equally_often_both_ends_included() {
        let drawn = draws("{ integers = [3, 7] }", 5000);
        let counts = [3.0, 4.0, 5.0, 6.0, 7.0].map(|n| drawn.iter().filter(|&&x| x == n).count());
        assert_eq!(counts.iter().sum::<usize>(), 5000);
        // Chi-squared of 4 degrees of freedom: above 18.5 for one true sample in a thousand.
        let chi: f64 = counts.iter().map(|&n| (n as f64 - 1000.0).powi(2) / 1000.0).sum();
        assert!(chi < 18.5, "{counts:?}");
        let drawn = draws("{ log_integers = [1, 1000] }", 3000);
        let below = |limit: f64| drawn.iter().filter(|&&x| x < limit).count() as f64 / 3000.0;
        // A third of the factors of 1001 each; the deviation of a share is 0.0086.
        assert!((below(10.0) - 10f64.ln() / 1001f64.ln()).abs() < 0.03, "{}", below(10.0));
        assert!((below(100.0) - 100f64.ln() / 1001f64.ln()).abs() < 0.03, "{}", below(100.0));
    }

    #[test]
    fn a_draw_stays_the_same_for_ever() {
        // int.from_bytes(hashlib.sha256(b"7 12 learning_rate").digest()[:8]) >> 11, over 2**53,
        // and the formulas above, in Python.
        assert_eq!(uniform(7, 12, "learning_rate"), 0.9724575550195008);
        let draw = |text| range(text).unwrap().draw(7, 12, "learning_rate");
        assert_eq!(draw("{ uniform = [0, 0.5] }"), Value::Float(0.4862));
        assert_eq!(draw("{ log_uniform = [1e-3, 1e-1] }"), Value::Float(0.08809));
        assert_eq!(draw("{ integers = [64, 512] }"), Value::Integer(500));
    }

    #[test]
    fn neither_another_key_nor_another_number_has_the_same_draw() {
        let all = [
            uniform(0, 0, "reg"),
            uniform(0, 0, "power"),
            uniform(0, 1, "reg"),
            uniform(1, 0, "reg"),
        ];
        assert!((1..4).all(|i| !all[..i].contains(&all[i])));
    }

    #[test]
    fn a_range_that_makes_no_sense_is_refused_by_name() {
        for (text, part) in [
            ("0.1", "random.x is 0.1: it must be one range"),
            ("[1, 2]", "it must be one range"),
            ("{}", "it must be one range"),
            ("{ uniform = [0, 1], choice = [1] }", "it must be one range"),
            ("{ log-uniform = [1, 2] }", "unknown key `log-uniform`: did you mean `log_uniform`?"),
            ("{ uniform = 3 }", "the two ends of a range"),
            ("{ uniform = [1, 2, 3] }", "the two ends of a range"),
            ("{ uniform = [2, 1] }", "random.x.uniform is [2, 1]: the first must be below"),
            ("{ uniform = [1, 1] }", "the first must be below"),
            ("{ uniform = [nan, 1] }", "both ends must be numbers"),
            ("{ uniform = [\"a\", 1] }", "both ends must be numbers"),
            ("{ log_uniform = [0, 1] }", "it must begin above 0, for 0 has no logarithm"),
            ("{ log_uniform = [-1.0, 1] }", "it must begin above 0"),
            ("{ integers = [1.5, 3] }", "both ends must be whole numbers"),
            ("{ integers = [9, 3] }", "the first must be below"),
            ("{ integers = [0, 9223372036854775807] }", "too large"),
            ("{ log_integers = [0, 9] }", "it must begin at 1"),
            ("{ choice = [] }", "random.x.choice is an empty list"),
            ("{ choice = 3 }", "it must be a list of values, such as [3, ...]"),
            ("{ choice = [1, 2, 1] }", "random.x.choice has 1 twice"),
        ] {
            let error = range(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
