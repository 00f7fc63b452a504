//! A chart of the page: lines over a common horizontal axis.
//!
//! The lines are SVG that is stretched to the width of the page while strokes keep their width;
//! the numbers along the axes are HTML, so that they stay readable on a phone. Each vertical axis,
//! linear and logarithmic, is a drawing of its own, and one of them is shown. The legend tells the
//! last value of each line. All this needs no script; the script adds the values under the pointer,
//! and hides and shows.

use std::fmt::Write;

use super::text::{escape, number, percent};
use crate::Marker;
use crate::curves::{Named, spans_decades};
use crate::figure::{Axis, Line, tick};
use crate::series::{finite_segments, kept};
use crate::theme::Dash;

/// Size of the drawing in its own units, which are about pixels.
const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 300.0;

/// More points than this carry no markers.
const MOST_MARKERS: usize = 60;

/// How values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// To four digits.
    Number,
    /// Values from 0 to 100, with two decimals.
    Percent,
}

impl Unit {
    fn write(self, value: f64) -> String {
        match self {
            Unit::Number => number(value),
            Unit::Percent => percent(value / 100.0, 2),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Unit::Number => "number",
            Unit::Percent => "percent",
        }
    }
}

/// A chart.
pub(super) struct Chart {
    /// The word for it in the page's addresses.
    pub(super) id: &'static str,
    pub(super) title: String,
    /// The lines, the first at the back.
    pub(super) lines: Vec<Named>,
    pub(super) x: Axis,
    pub(super) y: Axis,
    /// The other vertical axis, if there is one to switch to.
    pub(super) logarithmic: Option<Axis>,
    pub(super) unit: Unit,
    /// Whether the legend tells the last values, which mean something where time goes by.
    pub(super) last_values: bool,
    /// A remark below it.
    pub(super) note: Option<String>,
    /// Where a vertical line stands, if anywhere.
    pub(super) mark: Option<f64>,
}

impl Chart {
    /// A chart of numbers that can be switched to a logarithmic axis, and begins with it where
    /// they span decades.
    pub(super) fn new(id: &'static str, title: &str, x: Axis, lines: Vec<Named>) -> Chart {
        let values = finite_values(&lines);
        Chart {
            id,
            title: title.to_owned(),
            x,
            y: Axis::around(title, &values),
            logarithmic: Axis::logarithmic_around(title, &values),
            unit: Unit::Number,
            last_values: true,
            note: None,
            mark: None,
            lines,
        }
    }

    /// Whether there is nothing to draw.
    pub(super) fn is_empty(&self) -> bool {
        finite_values(&self.lines).is_empty()
    }

    pub(super) fn html(&self) -> String {
        let mut html = format!(
            "<figure class=\"chart\" id=\"{}\" data-unit=\"{}\" data-x=\"{}\">\n\
             <figcaption><h3>{}</h3><span class=\"at\"></span>",
            self.id,
            self.unit.name(),
            escape(&self.x.name),
            escape(&self.title),
        );
        let decades = self.logarithmic.is_some() && spans_decades(&finite_values(&self.lines));
        if self.logarithmic.is_some() {
            let _ = write!(
                html,
                "<button type=\"button\" class=\"scale\" aria-pressed=\"{decades}\" hidden>log \
                 scale</button>"
            );
        }
        html.push_str("</figcaption>\n<ul class=\"legend\">");
        for named in &self.lines {
            html.push_str(&self.legend_entry(named));
        }
        html.push_str("</ul>\n<div class=\"frame\">\n");
        self.drawing(&mut html, &self.y, decades);
        if let Some(axis) = &self.logarithmic {
            self.drawing(&mut html, axis, !decades);
        }
        html.push_str("<div class=\"x-axis\">");
        for value in ticks(&self.x, 5) {
            let _ = write!(
                html,
                "<span style=\"left:{:.2}%\">{}</span>",
                100.0 * place(&self.x, value),
                tick(value, 1e7)
            );
        }
        let _ = write!(html, "</div>\n<p class=\"x-name\">{}</p>\n</div>\n", escape(&self.x.name));
        if let Some(note) = &self.note {
            let _ = writeln!(html, "<p class=\"note\">{}</p>", escape(note));
        }
        let _ = writeln!(
            html,
            "<script type=\"application/json\">{}</script>\n</figure>",
            self.values()
        );
        html
    }

    /// A piece of the line, its name, its last value.
    fn legend_entry(&self, Named { name, line }: &Named) -> String {
        let last = line.points.iter().rev().map(|(_, y)| *y).find(|y| y.is_finite());
        let last = match last {
            _ if !self.last_values => String::new(),
            Some(value) => self.unit.write(value),
            None => "–".into(),
        };
        let dot = if line.look.marker == Marker::None { "" } else { "M14 5h0" };
        format!(
            "<li><svg class=\"sample\" viewBox=\"0 0 28 10\" aria-hidden=\"true\">{}</svg>\
             <span class=\"name\">{}</span> <span class=\"value\">{last}</span></li>",
            strokes(line, "M0 5H28", dot),
            escape(name),
        )
    }

    /// The lines over one vertical axis, and the numbers along it.
    fn drawing(&self, html: &mut String, y: &Axis, hidden: bool) {
        let hidden = if hidden { " hidden" } else { "" };
        let scale = if y.logarithmic { "log" } else { "linear" };
        let _ = write!(
            html,
            "<div class=\"drawing\" data-scale=\"{scale}\" data-from=\"{}\" data-to=\"{}\"{hidden}>\
             <div class=\"y-axis\" aria-hidden=\"true\">",
            y.from, y.to
        );
        let ticks = ticks(y, 5);
        for &value in &ticks {
            let bottom = 100.0 * place(y, value);
            let _ = write!(html, "<span style=\"bottom:{bottom:.2}%\">{}</span>", tick(value, 1e5));
        }
        let _ = write!(
            html,
            "</div><div class=\"area\" role=\"img\" aria-label=\"{}\"><svg viewBox=\"0 0 {WIDTH} \
             {HEIGHT}\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><path class=\"grid\" d=\"",
            escape(&self.description()),
        );
        for value in ticks {
            let _ = write!(html, "M0 {:.1}H{WIDTH}", HEIGHT * (1.0 - place(y, value)));
        }
        html.push_str("\"/>");
        if let Some(x) = self.mark {
            let x = WIDTH * place(&self.x, x);
            let _ = write!(html, "<path class=\"mark\" d=\"M{x:.1} 0V{HEIGHT}\"/>");
        }
        for Named { line, .. } in &self.lines {
            let drawable = self.drawable(line, y);
            let (mut path, mut dots) = (String::new(), String::new());
            for segment in finite_segments(&drawable) {
                for (i, index) in kept(&pixels(segment)).into_iter().enumerate() {
                    let (x, y) = segment[index];
                    let _ = write!(path, "{}{x:.1} {y:.1}", if i == 0 { 'M' } else { 'L' });
                }
                let clear = line.look.marker != Marker::None && line.points.len() <= MOST_MARKERS;
                // A point by itself makes no line.
                if clear || segment.len() == 1 {
                    for (x, y) in segment {
                        let _ = write!(dots, "M{x:.1} {y:.1}h0");
                    }
                }
            }
            let _ = write!(html, "<g class=\"line\">{}</g>", strokes(line, &path, &dots));
        }
        html.push_str("</svg></div></div>\n");
    }

    /// A line's points in the drawing's units; NaN for what the axes do not show.
    fn drawable(&self, line: &Line, y_axis: &Axis) -> Vec<(f64, f64)> {
        let points = line.points.iter();
        points
            .map(|&(x, y)| match self.x.shows(x) && y_axis.shows(y) {
                true => (WIDTH * place(&self.x, x), HEIGHT * (1.0 - place(y_axis, y))),
                false => (f64::NAN, f64::NAN),
            })
            .collect()
    }

    /// The points behind the lines, as many as can be told apart, for the script:
    /// `{"from", "to", "lines": [{"x": [...], "y": [...]}]}`.
    fn values(&self) -> String {
        let lines = self.lines.iter().map(|Named { line, .. }| {
            let drawable = self.drawable(line, &self.y);
            // What is not finite is no place in the drawing, and is left out.
            let finite: Vec<usize> = (0..drawable.len())
                .filter(|&i| drawable[i].0.is_finite() && drawable[i].1.is_finite())
                .collect();
            let places: Vec<_> = finite.iter().map(|&i| drawable[i]).collect();
            let points = kept(&pixels(&places)).into_iter().map(|i| line.points[finite[i]]);
            let (x, y): (Vec<_>, Vec<_>) = points.map(|(x, y)| (short(x), short(y))).unzip();
            format!("{{\"x\":[{}],\"y\":[{}]}}", x.join(","), y.join(","))
        });
        let lines: Vec<_> = lines.collect();
        format!("{{\"from\":{},\"to\":{},\"lines\":[{}]}}", self.x.from, self.x.to, lines.join(","))
    }

    /// What a reader who cannot see it is told.
    fn description(&self) -> String {
        let lines = self.lines.iter().map(|Named { name, line }| {
            let mut finite = line.points.iter().filter(|(_, y)| y.is_finite());
            let first = finite.next();
            let last = finite.next_back().or(first);
            match (first, last) {
                (Some(first), Some(last)) => format!(
                    "{name} from {} to {}",
                    self.unit.write(first.1),
                    self.unit.write(last.1)
                ),
                _ => format!("{name} without a value"),
            }
        });
        let lines: Vec<_> = lines.collect();
        format!("{} by {}: {}", self.title, self.x.name, lines.join("; "))
    }
}

pub(super) fn finite_values(lines: &[Named]) -> Vec<f64> {
    let points = lines.iter().flat_map(|named| &named.line.points);
    points.map(|(_, y)| *y).filter(|y| y.is_finite()).collect()
}

/// A line and, over it, its markers: strokes without length, whose caps are discs or squares.
fn strokes(line: &Line, path: &str, dots: &str) -> String {
    let look = line.look;
    let dash = match look.dash {
        Dash::Solid => "",
        Dash::Dashed => " stroke-dasharray=\"7 4\"",
        Dash::Dotted => " stroke-dasharray=\"2 3\"",
    };
    let (ink, width) = (look.ink.variable(), look.width);
    let mut strokes =
        format!("<path style=\"stroke:{ink}\" stroke-width=\"{width}\"{dash} d=\"{path}\"/>");
    let cap = match look.marker {
        Marker::Square | Marker::Diamond => "square",
        _ => "round",
    };
    if !dots.is_empty() {
        for (ink, width) in [("var(--paper)", 8.0), (ink.as_str(), 6.0)] {
            // A square of the same width looks larger than a disc.
            let width = if cap == "square" { width - 1.0 } else { width };
            let _ = write!(
                strokes,
                "<path style=\"stroke:{ink}\" stroke-width=\"{width}\" stroke-linecap=\"{cap}\" \
                 d=\"{dots}\"/>"
            );
        }
    }
    strokes
}

/// Where a value stands on an axis, from 0 to 1.
fn place(axis: &Axis, value: f64) -> f64 {
    match axis.logarithmic {
        true => (value / axis.from).ln() / (axis.to / axis.from).ln(),
        false => (value - axis.from) / (axis.to - axis.from),
    }
}

/// About `wanted` round values between the ends of an axis.
fn ticks(axis: &Axis, wanted: usize) -> Vec<f64> {
    let within = |value: &f64| (-1e-9..=1.0 + 1e-9).contains(&place(axis, *value));
    if axis.logarithmic {
        let (low, high) = (axis.from.log10().floor() as i32, axis.to.log10().ceil() as i32);
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
        return ticks(&Axis::linear("", axis.from, axis.to), wanted);
    }
    let span = axis.to - axis.from;
    let rough = span / wanted as f64;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|d| d * power).into_iter().find(|step| *step >= rough);
    let step = step.unwrap_or(10.0 * power);
    let first = (axis.from / step).ceil();
    let ticks = (0..=2 * wanted).map(|i| (first + i as f64) * step);
    // What is 0 but for rounding is 0.
    let clean = |value: f64| if value.abs() < step / 1e6 { 0.0 } else { value };
    ticks.map(clean).filter(within).collect()
}

/// The drawing's units as pixels that can be told apart.
fn pixels(points: &[(f64, f64)]) -> Vec<(i32, i32)> {
    points.iter().map(|&(x, y)| (x.round() as i32, (2.0 * y).round() as i32)).collect()
}

/// A finite number in seven digits, as JSON.
fn short(value: f64) -> String {
    let rounded: f64 = format!("{value:.6e}").parse().unwrap_or(value);
    format!("{rounded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_round_numbers_along_it() {
        assert_eq!(ticks(&Axis::linear("", 0.0, 7040.0), 5), [0.0, 2000.0, 4000.0, 6000.0]);
        assert_eq!(ticks(&Axis::linear("", 0.0, 60.0), 5), [0.0, 20.0, 40.0, 60.0]);
        let logarithmic = |from, to| ticks(&Axis::logarithmic("", from, to), 5);
        assert_eq!(logarithmic(0.5, 2000.0), [1.0, 10.0, 100.0, 1000.0]);
        assert_eq!(logarithmic(0.9, 4.0), [1.0, 2.0]);
        assert!(logarithmic(2.1, 2.4).len() >= 3);
        assert!(logarithmic(1e-300, 1e300).len() <= 12);
        for axis in [Axis::linear("", 0.0, 3e38), Axis::linear("", -1e-9, 1e-9)] {
            assert!((2..12).contains(&ticks(&axis, 5).len()), "{axis:?}");
        }
    }
}
