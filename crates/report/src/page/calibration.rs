//! Calibration: the reliability diagram, and the histogram of confidences.

use std::fmt::Write;

use super::chart::{Chart, Unit};
use super::text::{count, percent};
use super::{Report, Section, charts};
use crate::calibration::{Bin, Calibration};
use crate::chart::{Axis, Dash, Line, Look, Marker, PALE, SERIES};
use crate::curves::Named;

/// The reliability diagram, and how the confidences are spread.
pub(super) fn calibration(report: &Report<'_>) -> Section {
    let Ok(predictions) = &report.predictions else {
        return Section::new("calibration", "Calibration", String::new());
    };
    let calibration = Calibration::of(predictions);
    let accuracy = predictions.accuracy();
    let difference = calibration.confidence - accuracy;
    let mut html = format!(
        "<p>Mean confidence {}, accuracy {}: {} by {} points. The expected calibration error over \
         {} bins of confidence is <b>{}</b>.</p>\n",
        percent(calibration.confidence, 1),
        percent(accuracy, 1),
        if difference > 0.0 { "overconfident" } else { "underconfident" },
        format_args!("{:.1}", 100.0 * difference.abs()),
        calibration.bins.len(),
        percent(calibration.error, 2),
    );
    let _ = write!(
        html,
        "{}<details><summary>The bins as a table</summary>\n{}</details>\n",
        charts([reliability(&calibration), spread(&calibration, predictions.len())]),
        table(&calibration, predictions.len())
    );
    Section::new("calibration", "Calibration", html)
}

fn reliability(calibration: &Calibration) -> Chart {
    let filled = calibration.bins.iter().filter(|bin| bin.count > 0);
    let points: Vec<_> =
        filled.map(|bin| (100.0 * bin.confidence(), 100.0 * bin.accuracy())).collect();
    let mut straight = vec![(0.0, 0.0)];
    straight.extend(points.iter().map(|&(confidence, _)| (confidence, confidence)));
    straight.push((100.0, 100.0));
    let diagonal = Line { points: straight, look: Look::line(PALE).dash(Dash::Dashed).width(1.5) };
    let network = Line { points, look: Look::line(SERIES[0]).marker(Marker::Circle) };
    let lines =
        vec![Named::new("perfect calibration", diagonal), Named::new("this network", network)];
    let x = Axis::linear("confidence (%)", 0.0, 100.0);
    Chart {
        y: Axis::linear("accuracy (%)", 0.0, 100.0),
        logarithmic: None,
        unit: Unit::Percent,
        last_values: false,
        ..Chart::new("reliability", "Accuracy by confidence", x, lines)
    }
}

/// Share of the images in each bin, as a line of steps.
fn spread(calibration: &Calibration, n: usize) -> Chart {
    let mut points = vec![(0.0, 0.0)];
    for (i, bin) in calibration.bins.iter().enumerate() {
        let share = 100.0 * bin.count as f64 / n as f64;
        let (from, to) = edges(calibration, i);
        points.extend([(100.0 * from, share), (100.0 * to, share)]);
    }
    points.push((100.0, 0.0));
    let top = points.iter().fold(0.0, |top: f64, (_, y)| top.max(*y));
    let line = Line { points, look: Look::line(SERIES[0]) };
    let x = Axis::linear("confidence (%)", 0.0, 100.0);
    Chart {
        y: Axis::linear("share of the images (%)", 0.0, 1.1 * top),
        logarithmic: None,
        unit: Unit::Percent,
        last_values: false,
        ..Chart::new(
            "confidence",
            "Confidence histogram",
            x,
            vec![Named::new("share of the images", line)],
        )
    }
}

fn edges(calibration: &Calibration, bin: usize) -> (f64, f64) {
    let bins = calibration.bins.len() as f64;
    (bin as f64 / bins, (bin + 1) as f64 / bins)
}

fn table(calibration: &Calibration, n: usize) -> String {
    let mut html = String::from(
        "<div class=\"scroll\"><table class=\"figures\"><thead><tr><th scope=\"col\">confidence</th>\
         <th scope=\"col\">images</th><th scope=\"col\">share</th><th scope=\"col\">mean confidence</th>\
         <th scope=\"col\">accuracy</th></tr></thead>\n<tbody>\n",
    );
    let filled = |(_, bin): &(usize, &Bin)| bin.count > 0;
    for (i, bin) in calibration.bins.iter().enumerate().filter(filled) {
        let (from, to) = edges(calibration, i);
        let _ = writeln!(
            html,
            "<tr><th scope=\"row\">{:.1} to {}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            100.0 * from,
            percent(to, 1),
            count(bin.count as u64),
            percent(bin.count as f64 / n as f64, 1),
            percent(bin.confidence(), 1),
            percent(bin.accuracy(), 1),
        );
    }
    html.push_str("</tbody></table></div>\n");
    html
}
