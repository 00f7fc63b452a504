//! What a comparison found: rows of the table and bars of the chart.

use std::fmt;

use chainrule_bench::Shape;
use chainrule_bench::protocol::Ready;
use chainrule_bench::statistics::{five_numbers, median};
use chainrule_report::{Bar, BarGroup, SERIES};

/// What all peers did.
pub struct Configuration<'a> {
    pub task: &'static str,
    pub shape: &'a Shape,
    pub threads: usize,
    /// The instructions that all were held to.
    pub isa: &'static str,
}

/// A value for each round: of the fastest setting of f32, and of the fastest of any precision.
#[derive(Clone, Default)]
pub struct Speeds {
    pub f32: Vec<f64>,
    pub best: Vec<f64>,
}

/// One peer in one configuration.
pub struct Measured {
    pub name: String,
    pub ready: Ready,
    /// Images a second.
    pub speeds: Speeds,
    /// The same divided by the reference's of the same round.
    pub ratios: Speeds,
}

/// Columns of the table. `precision` is `f32` or `best`, the fastest of any precision.
pub const COLUMNS: [&str; 21] = [
    "task",
    "batch",
    "hidden",
    "threads",
    "isa",
    "peer",
    "version",
    "precision",
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
    /// The setting of the fastest of any precision.
    fn best_setting(&self) -> &str {
        self.ready.best.as_ref().unwrap_or(&self.ready.setting)
    }
}

/// The rows of the table: two of each peer, and one that says so where our bf16 was not measured.
pub fn records(configuration: &Configuration, measured: &[Measured]) -> Vec<Vec<String>> {
    let Configuration { task, shape, threads, isa } = configuration;
    let start = |peer: &Measured, precision: &str, setting: &str| {
        let tried = peer.ready.tried.iter().map(|(name, speed)| format!("{name}: {speed}"));
        vec![
            task.to_string(),
            shape.batch.to_string(),
            shape.widths("+"),
            threads.to_string(),
            isa.to_string(),
            peer.name.clone(),
            peer.ready.version.clone(),
            precision.to_owned(),
            setting.to_owned(),
            tried.collect::<Vec<_>>().join("; "),
        ]
    };
    let mut records = vec![];
    for peer in measured {
        for (precision, setting, speeds, ratios) in [
            ("f32", peer.ready.setting.as_str(), &peer.speeds.f32, &peer.ratios.f32),
            ("best", peer.best_setting(), &peer.speeds.best, &peer.ratios.best),
        ] {
            let mut record = start(peer, precision, setting);
            record.push(speeds.len().to_string());
            record.extend(five_numbers(speeds).map(|speed| format!("{speed:.0}")));
            record.extend(five_numbers(ratios).map(|ratio| format!("{ratio:.3}")));
            records.push(record);
        }
    }
    // What has nothing but f32 to try tries nothing.
    if let Some(ours) = measured.first().filter(|ours| ours.ready.tried.is_empty()) {
        let mut record = start(ours, "bf16", "not measured here: emulated");
        record.resize(COLUMNS.len(), String::new());
        records.push(record);
    }
    records
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |name: &str, speeds: &[f64], ratios: &[f64]| {
            let [low, _, speed, _, high] = five_numbers(speeds);
            let ratio = median(ratios);
            write!(f, "  {name:14} {speed:9.0} images/s ({low:.0} to {high:.0}), {ratio:.2}x")
        };
        line(&format!("{}, f32", self.name), &self.speeds.f32, &self.ratios.f32)?;
        line("; best", &self.speeds.best, &self.ratios.best)
    }
}

/// The bars of one configuration, f32 beside f32 and best beside best, or together where no peer is
/// faster in another precision; ours is the first of the results.
pub fn bars(configuration: &Configuration, results: &[Measured]) -> Vec<BarGroup> {
    let Configuration { shape, threads, .. } = configuration;
    let bar = |i: usize, name: String, speeds: &[f64], ratios: &[f64]| {
        let [_, low, ratio, high, _] = five_numbers(ratios);
        let thousands = median(speeds) / 1000.0;
        Bar {
            name: if i == 0 { "Chainrule".to_owned() } else { name },
            label: format!("{ratio:.2}x, {thousands:.1} thousand"),
            length: ratio,
            spread: (low, high),
            ink: SERIES[i % SERIES.len()],
        }
    };
    let s = if *threads == 1 { "" } else { "s" };
    let name = |precision: &str| {
        let units = shape.widths(" + ");
        format!("batch {}, {units} hidden units, {threads} thread{s}, {precision}", shape.batch)
    };
    let in_f32 = results
        .iter()
        .enumerate()
        .map(|(i, peer)| bar(i, peer.ready.version.clone(), &peer.speeds.f32, &peer.ratios.f32));
    let mut groups = vec![BarGroup { name: name("f32"), bars: in_f32.collect() }];
    if results.iter().any(|peer| peer.ready.best.is_some()) {
        let best = results.iter().enumerate().map(|(i, peer)| {
            bar(i, peer.ready.version.clone(), &peer.speeds.best, &peer.ratios.best)
        });
        groups.push(BarGroup { name: name("each at its best"), bars: best.collect() });
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(name: &str, best: Option<&str>, speeds: Speeds) -> Measured {
        let ready = Ready {
            version: format!("{name} 1"),
            setting: "eager".into(),
            best: best.map(str::to_owned),
            tried: Default::default(),
        };
        Measured { name: name.into(), ready, ratios: speeds.clone(), speeds }
    }

    #[test]
    fn f32_and_the_best_precision_have_rows_and_bars_of_their_own() {
        let shape = Shape::new(64, &[100]);
        let configuration =
            Configuration { task: "training", shape: &shape, threads: 2, isa: "any" };
        let ours = peer("ours", None, Speeds { f32: vec![2.0], best: vec![2.0] });
        let theirs = peer("other", Some("bf16"), Speeds { f32: vec![1.0], best: vec![4.0] });
        let results = [ours, theirs];
        let column = |name| COLUMNS.iter().position(|column| *column == name).unwrap();
        let records = records(&configuration, &results);
        let found: Vec<_> = (records.iter())
            .filter(|record| record[column("peer")] == "other")
            .map(|r| ["precision", "setting", "median"].map(|name| r[column(name)].as_str()))
            .collect();
        assert_eq!(found, [["f32", "eager", "1"], ["best", "bf16", "4"]]);
        assert!(records.iter().all(|record| record.len() == COLUMNS.len()));

        let groups = bars(&configuration, &results);
        let lengths: Vec<Vec<_>> =
            groups.iter().map(|group| group.bars.iter().map(|bar| bar.length).collect()).collect();
        assert_eq!(lengths, [[2.0, 1.0], [2.0, 4.0]]);
        assert_eq!(bars(&configuration, &results[..1]).len(), 1);
    }
}
