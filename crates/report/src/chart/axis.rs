//! An axis: its ends, where a value stands between them, and the round numbers along it.

use super::series::extent;

/// An axis: its name and the values at its ends.
#[derive(Clone, Debug)]
pub struct Axis {
    pub(crate) name: String,
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) logarithmic: bool,
    /// The words at 0, 1, 2, ... instead of numbers.
    pub(crate) labels: Vec<String>,
}

/// A value on an axis with the text that stands there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    pub(crate) value: f64,
    pub(crate) text: String,
}

impl Axis {
    /// Equal distances for equal differences.
    pub fn linear(name: impl Into<String>, from: f64, to: f64) -> Axis {
        let to = if to > from { to } else { from + 1.0 };
        Axis { name: name.into(), from, to, logarithmic: false, labels: vec![] }
    }

    /// Equal distances for equal factors; both ends above zero.
    pub fn logarithmic(name: impl Into<String>, from: f64, to: f64) -> Axis {
        let from = from.max(f64::MIN_POSITIVE);
        let to = if to > from { to } else { from * 10.0 };
        Axis { name: name.into(), from, to, logarithmic: true, labels: vec![] }
    }

    /// Words at 0, 1, 2, ...
    pub fn words(name: impl Into<String>, labels: Vec<String>) -> Axis {
        let to = labels.len() as f64 - 0.5;
        Axis { labels, ..Axis::linear(name, -0.5, to) }
    }

    /// A linear axis with a margin around the values; it goes below zero only if they do.
    pub(crate) fn around(name: impl Into<String>, values: &[f64]) -> Axis {
        let (least, greatest) = extent(values);
        if least > greatest {
            return Axis::linear(name, 0.0, 1.0);
        }
        let margin = 0.04 * (greatest - least).max(0.05 * greatest.abs()).max(1e-9);
        Axis::linear(name, (least - margin).max(least.min(0.0)), greatest + margin)
    }

    /// A logarithmic axis around those values that are above zero, if any are.
    pub(crate) fn logarithmic_around(name: impl Into<String>, values: &[f64]) -> Option<Axis> {
        let positive: Vec<_> = values.iter().copied().filter(|value| *value > 0.0).collect();
        let (least, greatest) = extent(&positive);
        (least <= greatest).then(|| Axis::logarithmic(name, least / 1.3, greatest * 1.3))
    }

    /// Where a value stands: 0 at the first end, 1 at the other; NaN for what the axis cannot show.
    pub(crate) fn fraction(&self, value: f64) -> f64 {
        match self.logarithmic {
            true if value > 0.0 => (value / self.from).ln() / (self.to / self.from).ln(),
            true => f64::NAN,
            // Divided first: the difference of two large numbers may be no number.
            false => (value / 2.0 - self.from / 2.0) / (self.to / 2.0 - self.from / 2.0),
        }
    }

    /// At most about `wanted` round values between the ends, as a person writes them; of words,
    /// all.
    pub(crate) fn ticks(&self, wanted: usize) -> Vec<Tick> {
        if !self.labels.is_empty() {
            let words = self.labels.iter().enumerate();
            return words.map(|(i, text)| Tick { value: i as f64, text: text.clone() }).collect();
        }
        let values = self.round_values(wanted.max(1));
        let texts = texts(&values);
        values.into_iter().zip(texts).map(|(value, text)| Tick { value, text }).collect()
    }

    fn round_values(&self, wanted: usize) -> Vec<f64> {
        let within = |value: &f64| (-1e-9..=1.0 + 1e-9).contains(&self.fraction(*value));
        if self.logarithmic {
            let (low, high) = (self.from.log10().floor() as i32, self.to.log10().ceil() as i32);
            let decades = (high - low) as usize;
            let stride = decades.div_ceil(2 * wanted).max(1);
            let powers = (low..=high).step_by(stride).map(|power| 10_f64.powi(power));
            let of = |digits: &'static [f64]| {
                let values = powers.clone().flat_map(|power| digits.iter().map(move |d| d * power));
                values.filter(within).collect::<Vec<_>>()
            };
            let (ones, halves, thirds) = (of(&[1.0]), of(&[1.0, 3.0]), of(&[1.0, 2.0, 5.0]));
            if ones.len() >= 3 {
                return ones;
            }
            if halves.len() >= 4 {
                return halves;
            }
            if thirds.len() >= 2 {
                return thirds;
            }
            // Within a part of a decade the logarithm is nearly straight.
            return Axis::linear("", self.from, self.to).round_values(wanted);
        }
        let rough = self.to / wanted as f64 - self.from / wanted as f64;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|d| d * power).into_iter().find(|step| *step >= rough);
        let step = step.unwrap_or(10.0 * power);
        let first = (self.from / step).ceil();
        let ticks = (0..=2 * wanted).map(|i| (first + i as f64) * step);
        // What is 0 but for rounding is 0.
        let clean = |value: f64| if value.abs() < step / 1e6 { 0.0 } else { value };
        ticks.map(clean).filter(within).collect()
    }
}

/// The numbers along one axis, all with as many decimals: 0.00, 0.25, 0.50, or 0, 12,000.
fn texts(values: &[f64]) -> Vec<String> {
    let sizes = values.iter().map(|value| value.abs()).filter(|size| *size > 0.0);
    let (least, greatest) = extent(&sizes.collect::<Vec<_>>());
    let plain = |size: f64| (1e-3..1e7).contains(&size);
    // Numbers that are factors apart, such as 0.001 and 100, have no decimals in common.
    let factors = least < 0.1 * greatest && values.iter().all(|value| *value > 0.0);
    if !factors && !plain(greatest) {
        return values.iter().map(|value| scientific(*value)).collect();
    }
    let decimals = |value: f64| {
        (0..9).find(|&n| (value - rounded(value, n)).abs() <= 1e-6 * value.abs()).unwrap_or(9)
            as usize
    };
    let most = values.iter().map(|value| decimals(*value)).max().unwrap_or(0);
    let write = |&value: &f64| {
        if factors && !plain(value) {
            return scientific(value);
        }
        let text = format!("{value:.*}", if factors { decimals(value) } else { most });
        match text.split_once('.') {
            None if greatest >= 1e4 => grouped(&text),
            _ => text,
        }
    };
    values.iter().map(write).collect()
}

fn rounded(value: f64, decimals: i32) -> f64 {
    let power = 10_f64.powi(decimals);
    (value * power).round() / power
}

/// 0, 1e9, 2.5e-5.
fn scientific(value: f64) -> String {
    let rounded: f64 = format!("{value:.3e}").parse().unwrap_or(value);
    if rounded == 0.0 { "0".into() } else { format!("{rounded:e}") }
}

/// A whole number with a comma before each three digits: 12,000.
pub(crate) fn grouped(number: &str) -> String {
    let (sign, digits) = number.strip_prefix('-').map_or(("", number), |digits| ("-", digits));
    let mut text = String::from(sign);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_along_an_axis_read_as_a_person_writes_them() {
        assert_eq!(texts(&[0.0, 0.1 + 0.2, 0.6]), ["0.0", "0.3", "0.6"]);
        assert_eq!(texts(&[1.5, 2.0]), ["1.5", "2.0"]);
        assert_eq!(texts(&[2000.0, 9000.0]), ["2000", "9000"]);
        assert_eq!(texts(&[-1_234_567.0, 0.0, 12_000.0]), ["-1,234,567", "0", "12,000"]);
        assert_eq!(texts(&[0.0, 5e8, 1.5e9]), ["0", "5e8", "1.5e9"]);
        assert_eq!(texts(&[1e-5, 1e-4, 1e-3]), ["1e-5", "1e-4", "0.001"]);
        assert_eq!(texts(&[0.0, 0.0005, 0.001]), ["0.0000", "0.0005", "0.0010"]);
        assert_eq!(texts(&[0.01, 0.1, 1.0, 10.0]), ["0.01", "0.1", "1", "10"]);
        assert_eq!(texts(&[]), Vec::<String>::new());
    }

    #[test]
    fn an_axis_without_extent_still_has_one() {
        let axis = Axis::linear("x", 3.0, 3.0);
        assert!(axis.to > axis.from);
        let axis = Axis::logarithmic("x", 0.0, 0.0);
        assert!(axis.from > 0.0 && axis.to > axis.from);
    }

    #[test]
    fn an_axis_has_round_numbers_along_it() {
        let linear = |from, to| Axis::linear("", from, to).round_values(5);
        assert_eq!(linear(0.0, 7040.0), [0.0, 2000.0, 4000.0, 6000.0]);
        assert_eq!(linear(0.0, 60.0), [0.0, 20.0, 40.0, 60.0]);
        let logarithmic = |from, to| Axis::logarithmic("", from, to).round_values(5);
        assert_eq!(logarithmic(0.5, 2000.0), [1.0, 10.0, 100.0, 1000.0]);
        assert_eq!(logarithmic(0.9, 4.0), [1.0, 2.0]);
        assert!(logarithmic(2.1, 2.4).len() >= 3);
        assert!(logarithmic(1e-300, 1e300).len() <= 12);
        for axis in [Axis::linear("", 0.0, 3e38), Axis::linear("", -1e-9, 1e-9)] {
            assert!((2..12).contains(&axis.ticks(5).len()), "{axis:?}");
        }
    }

    #[test]
    fn a_value_that_a_logarithm_cannot_show_has_no_place() {
        let axis = Axis::logarithmic("", 0.1, 10.0);
        assert!(axis.fraction(0.0).is_nan() && axis.fraction(-1.0).is_nan());
        assert_eq!((axis.fraction(0.1), axis.fraction(10.0)), (0.0, 1.0));
        assert!((axis.fraction(1.0) - 0.5).abs() < 1e-12);
    }
}
