//! What a comparison found: rows of the table and bars of the chart.

use std::fmt;

use chainrule_bench::Shape;
use chainrule_bench::protocol::Ready;
use chainrule_bench::statistics::{five_numbers, median};
use chainrule_report::{Bar, BarGroup, SERIES};

/// One peer in one configuration.
pub struct Measured {
    pub name: String,
    pub ready: Ready,
    /// Images a second, a value for each round.
    pub speeds: Vec<f64>,
    /// The same divided by the reference's of the same round.
    pub ratios: Vec<f64>,
}

/// Columns of the table.
pub const COLUMNS: [&str; 19] = [
    "task",
    "batch",
    "hidden",
    "threads",
    "peer",
    "version",
    "setting",
    "tried",
    "rounds",
    "minimum",
    "lower_quartile",
    "median",
    "upper_quartile",
    "maximum",
    "ratio_minimum",
    "ratio_lower_quartile",
    "ratio_median",
    "ratio_upper_quartile",
    "ratio_maximum",
];

impl Measured {
    /// Its row of the table.
    pub fn record(&self, task: &str, shape: &Shape, threads: usize) -> Vec<String> {
        let tried = self.ready.tried.iter().map(|(name, speed)| format!("{name}: {speed}"));
        let mut record = vec![
            task.to_owned(),
            shape.batch.to_string(),
            shape.widths("+"),
            threads.to_string(),
            self.name.clone(),
            self.ready.version.clone(),
            self.ready.setting.clone(),
            tried.collect::<Vec<_>>().join("; "),
            self.speeds.len().to_string(),
        ];
        record.extend(five_numbers(&self.speeds).map(|speed| format!("{speed:.0}")));
        record.extend(five_numbers(&self.ratios).map(|ratio| format!("{ratio:.3}")));
        record
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [low, _, speed, _, high] = five_numbers(&self.speeds);
        let ratio = median(&self.ratios);
        write!(f, "{:10} {speed:9.0} images/s ({low:.0} to {high:.0}), {ratio:.2}x", self.name)
    }
}

/// The bars of one configuration; ours is the first of the results.
pub fn bars(results: &[Measured], shape: &Shape, threads: usize) -> BarGroup {
    let bars = results.iter().enumerate().map(|(i, result)| {
        let [_, low, ratio, high, _] = five_numbers(&result.ratios);
        let thousands = median(&result.speeds) / 1000.0;
        Bar {
            name: match i {
                0 => "Chainrule".to_owned(),
                _ => result.ready.version.clone(),
            },
            label: format!("{ratio:.2}x, {thousands:.1} thousand"),
            length: ratio,
            spread: (low, high),
            ink: SERIES[i % SERIES.len()],
        }
    });
    let s = if threads == 1 { "" } else { "s" };
    BarGroup {
        name: format!(
            "batch {}, {} hidden units, {threads} thread{s}",
            shape.batch,
            shape.widths(" + ")
        ),
        bars: bars.collect(),
    }
}
