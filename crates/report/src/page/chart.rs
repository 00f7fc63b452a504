//! A chart of the page: a panel of the chart engine, with what the reader's pointer needs.
//!
//! Each vertical axis, linear and logarithmic, is a drawing of its own, and one of them is shown.
//! The legend gives the last value of each line. All this needs no script; the script adds the
//! values under the pointer, and hides and shows.

use std::fmt::Write;

use super::text::{escape, number, percent};
use crate::chart::{Axis, Panel, Rect, Svg, draw_sample, half_pixels, kept};
use crate::curves::{Named, spans_decades};

/// The size that a chart is drawn at, in pixels: between that on a phone and that on a desk.
const SIZE: Rect = Rect { left: 0.0, top: 0.0, width: 440.0, height: 280.0 };

/// Length of the piece of line in the legend, and the height of its row, in pixels.
const SAMPLE: (f64, f64) = (28.0, 10.0);

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
        let name = title.to_lowercase();
        Chart {
            id,
            title: title.to_owned(),
            x,
            y: Axis::around(&name, &values),
            logarithmic: Axis::logarithmic_around(format!("{name} (log scale)"), &values),
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
        html.push_str("</div>\n");
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
        let (wide, high) = SAMPLE;
        let mut sample = Svg::default();
        draw_sample(&mut sample, (0.0, high / 2.0), wide, &line.look);
        format!(
            "<li><svg class=\"sample\" viewBox=\"0 0 {wide} {high}\" aria-hidden=\"true\">{}</svg>\
             <span class=\"name\">{}</span> <span class=\"value\">{last}</span></li>",
            sample.into_string(),
            escape(name),
        )
    }

    /// The panel over one vertical axis.
    fn panel(&self, y: &Axis) -> Panel {
        Panel {
            lines: self.lines.iter().map(|named| named.line.clone()).collect(),
            mark: self.mark,
            ..Panel::new(self.x.clone(), y.clone())
        }
    }

    /// The panel as SVG, and what the script needs to know of its plot.
    fn drawing(&self, html: &mut String, y: &Axis, hidden: bool) {
        let hidden = if hidden { " hidden" } else { "" };
        let scale = if y.logarithmic { "log" } else { "linear" };
        let panel = self.panel(y);
        let layout = panel.lay_out(SIZE);
        let mut svg = Svg::default();
        layout.draw(&mut svg);
        let Rect { left, top, width, height } = layout.plot;
        let _ = writeln!(
            html,
            "<div class=\"drawing\" data-scale=\"{scale}\" data-from=\"{}\" data-to=\"{}\"{hidden}>\
             <svg class=\"plot\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">\n{}\
             <rect class=\"area\" x=\"{left:.2}\" y=\"{top:.2}\" width=\"{width:.2}\" \
             height=\"{height:.2}\"/></svg></div>",
            y.from,
            y.to,
            SIZE.width,
            SIZE.height,
            escape(&self.description()),
            svg.into_string(),
        );
    }

    /// The points behind the lines, as many as can be distinguished, for the script:
    /// `{"from", "to", "lines": [{"x": [...], "y": [...]}]}`.
    fn values(&self) -> String {
        let panel = self.panel(&self.y);
        let layout = panel.lay_out(SIZE);
        let lines = panel.lines.iter().map(|line| {
            let positions = layout.positions(line);
            // What is not finite has no position, and is left out.
            let finite: Vec<usize> = (0..positions.len())
                .filter(|&i| positions[i].0.is_finite() && positions[i].1.is_finite())
                .collect();
            let positions: Vec<_> = finite.iter().map(|&i| positions[i]).collect();
            let points = kept(&half_pixels(&positions)).into_iter().map(|i| line.points[finite[i]]);
            let (x, y): (Vec<_>, Vec<_>) = points.map(|(x, y)| (short(x), short(y))).unzip();
            format!("{{\"x\":[{}],\"y\":[{}]}}", x.join(","), y.join(","))
        });
        let lines: Vec<_> = lines.collect();
        format!("{{\"from\":{},\"to\":{},\"lines\":[{}]}}", self.x.from, self.x.to, lines.join(","))
    }

    /// The chart in words, for a screen reader.
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

/// A finite number in seven digits, as JSON.
fn short(value: f64) -> String {
    let rounded: f64 = format!("{value:.6e}").parse().unwrap_or(value);
    format!("{rounded}")
}
