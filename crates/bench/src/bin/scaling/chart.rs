//! The chart of all sweeps but the ingredients.

use chainrule_report::{Axis, Figure, Key, Line, Look, Panel};

use crate::Row;

/// Left, speed against threads; right, time against arithmetic. A panel without a row is left out.
pub fn chart(rows: &[Row]) -> Figure {
    let (by_threads, others): (Vec<_>, Vec<_>) =
        rows.iter().cloned().partition(|row| row.sweep == "threads");
    let threads = rows.iter().map(|row| row.threads).max().unwrap_or(1);
    let (mut keys, mut panels, mut subtitle) = (vec![], vec![], vec![]);
    if !by_threads.is_empty() {
        let (small, large) = (Look::nth(0), Look::nth(1));
        keys.push(Key::new("100 hidden units", small));
        keys.push(Key::new("1024 hidden units", large));
        panels.push(speed(&by_threads, [("100", small), ("1024", large)]));
        subtitle.push("GFLOP/s against threads at batch 128".to_owned());
    }
    if !others.is_empty() {
        let sweeps = [("batch", 2), ("width", 3), ("depth", 4), ("images", 5)];
        let sweeps = sweeps.map(|(sweep, n)| (sweep, Look::nth(n)));
        keys.extend(sweeps.map(|(sweep, look)| Key::new(format!("sweep over {sweep}"), look)));
        panels.push(cost(&others, &sweeps));
        subtitle.push(format!("time against arithmetic on {threads} threads"));
    }
    Figure {
        title: "How the cost of training grows".into(),
        subtitle: vec![subtitle.join("; ")],
        keys,
        panels,
    }
}

fn speed(rows: &[Row], hidden: [(&str, Look); 2]) -> Panel {
    let threads = rows.iter().map(|row| row.threads).max().unwrap_or(1) as f64;
    let highest = rows.iter().map(|row| row.gflops_per_second).fold(0.0, f64::max);
    let line = |(hidden, look)| {
        let rows = rows.iter().filter(|row| row.hidden == hidden);
        Line { points: rows.map(|row| (row.threads as f64, row.gflops_per_second)).collect(), look }
    };
    Panel {
        lines: hidden.map(line).into(),
        ..Panel::new(
            Axis::linear("threads", 0.0, threads),
            Axis::linear("GFLOP/s of training", 0.0, highest * 1.1),
        )
    }
}

fn cost(rows: &[Row], sweeps: &[(&str, Look)]) -> Panel {
    let line = |&(sweep, look): &(&str, Look)| {
        let rows = rows.iter().filter(|row| row.sweep == sweep);
        Line { points: rows.map(|r| (r.gflop_per_epoch, r.seconds_per_epoch)).collect(), look }
    };
    let (least, most) = ends(rows.iter().map(|row| row.gflop_per_epoch));
    let (shortest, longest) = ends(rows.iter().map(|row| row.seconds_per_epoch));
    Panel {
        lines: sweeps.iter().map(line).collect(),
        ..Panel::new(
            Axis::logarithmic("GFLOP of an epoch", least, most),
            Axis::logarithmic("seconds of an epoch", shortest, longest),
        )
    }
}

/// The smallest and the largest of some values, with a margin.
fn ends(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    (values.clone().fold(f64::MAX, f64::min) / 1.3, values.fold(0.0, f64::max) * 1.3)
}
