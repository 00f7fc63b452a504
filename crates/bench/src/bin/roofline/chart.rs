//! The picture: phases of a step under the roofs of arithmetic and of memory.

use chainrule_bench::phases::Phase;
use chainrule_report::{Axis, Dash, Figure, Key, Line, Look, Marker, PALE, Panel};
use chainrule_tensor::Isa;

use crate::{Drawn, Roofs};

/// Ends of the axes: operations for each byte, and GFLOP/s.
const INTENSITY: (f64, f64) = (0.1, 100.0);
const LEAST: f64 = 3.0;

/// A chart for each network, on logarithmic axes.
pub fn chart(roofs: &Roofs, drawn: &[Drawn], isa: Isa) -> Figure {
    let dashes = [Dash::Solid, Dash::Dashed, Dash::Dotted];
    let levels: Vec<_> = (roofs.bandwidths.iter().zip(dashes))
        .map(|((name, speed), dash)| (*name, *speed, Look::line(PALE).dash(dash)))
        .collect();
    let mut keys: Vec<_> = (levels.iter())
        .map(|(name, speed, look)| Key::new(format!("{name}, {:.0} GB/s", speed / 1e9), *look))
        .collect();
    let named = drawn.iter().take(1).flat_map(Drawn::points).enumerate();
    keys.extend(named.map(|(i, phase)| Key::new(phase.name, point(i))));
    let panel = |drawn: &Drawn| {
        let shape = &drawn.shape;
        let roof = |&(_, speed, look): &(&str, f64, Look)| {
            let ridge = roofs.peak / speed;
            // Where the roof is below the axis there is nothing to draw.
            let (left, right) = (INTENSITY.0.max(LEAST * 1e9 / speed), INTENSITY.1);
            let at = |x: f64| (x, (x * speed).min(roofs.peak) / 1e9);
            Line { points: vec![at(left), at(ridge.clamp(left, right)), at(right)], look }
        };
        let mark = |(i, phase): (usize, &Phase)| {
            let points = vec![(phase.intensity(), phase.flop_per_second() / 1e9)];
            Line { points, look: point(i) }
        };
        let lines = levels.iter().map(roof).chain(drawn.points().enumerate().map(mark)).collect();
        Panel {
            lines,
            ..Panel::new(
                Axis::logarithmic(
                    format!(
                        "FLOP for each byte; batch {}, {} units",
                        shape.batch,
                        shape.widths("+")
                    ),
                    INTENSITY.0,
                    INTENSITY.1,
                ),
                Axis::logarithmic("GFLOP/s", LEAST, 1.5 * roofs.peak / 1e9),
            )
        }
    };
    Figure {
        title: "Where the phases of a step stand under the roofs".into(),
        subtitle: vec![format!(
            "{} threads, {isa}: {:.0} GFLOP/s of fused multiply-adds; bytes: each operand read once, \
             each result written once",
            roofs.threads,
            roofs.peak / 1e9
        )],
        keys,
        panels: drawn.iter().map(panel).collect(),
    }
}

fn point(i: usize) -> Look {
    Look::nth(i).marker(Marker::ALL[i % Marker::ALL.len()]).width(0.0)
}
