//! A figure: a title, a legend, and line charts side by side.
//!
//! ```
//! use chainrule_report::{Axis, Figure, Key, Line, Look, Panel};
//!
//! let look = Look::nth(0);
//! let figure = Figure {
//!     title: "A parabola".into(),
//!     keys: vec![Key::new("y = x^2", look)],
//!     panels: vec![Panel {
//!         lines: vec![Line { points: (0..9).map(|x| (x as f64, (x * x) as f64)).collect(), look }],
//!         ..Panel::new(Axis::linear("x", 0.0, 8.0), Axis::linear("y", 0.0, 64.0))
//!     }],
//!     ..Figure::default()
//! };
//! assert!(figure.svg()?.starts_with("<svg"));
//! # Ok::<(), chainrule_report::Error>(())
//! ```

use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use std::path::Path;

use plotters::element::DashedPathElement;
use plotters::prelude::{
    ChartBuilder, Circle, DrawingBackend, IntoLogRange, PathElement, Polygon, Rectangle,
};
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color, ShapeStyle};

use crate::Error;
use crate::letters::{self, bold, text};
use crate::series::{finite_segments, thin_out};
use crate::sheet::{Area, Drawing, drawn, png, px, save, svg};
use crate::theme::{AXIS, Dash, GRID, Look, Marker, PAPER, QUIET, TEXT};

/// What to draw; every text in it is escaped as the SVG needs it.
///
/// ```
/// use chainrule_report::{Axis, Figure, Line, Look, Panel};
///
/// let look = Look::nth(0);
/// let mut panel = Panel::new(Axis::linear("x", 0.0, 2.0), Axis::linear("y", 0.0, 4.0));
/// panel.lines.push(Line { points: vec![(0.0, 0.0), (1.0, 1.0), (2.0, 4.0)], look });
/// let figure = Figure { title: "A parabola".into(), panels: vec![panel], ..Figure::default() };
/// assert!(figure.svg()?.contains("A parabola"));
/// assert!(figure.png()?.starts_with(b"\x89PNG"));
/// # Ok::<(), chainrule_report::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Figure {
    /// The first line, in bold.
    pub title: String,
    /// Smaller lines below it.
    pub subtitle: Vec<String>,
    /// The legend, above the charts, where it can't cover a line.
    pub keys: Vec<Key>,
    /// The charts, from left to right; more than three stand in several rows.
    pub panels: Vec<Panel>,
}

/// One entry of the legend.
#[derive(Clone, Debug)]
pub struct Key {
    label: String,
    look: Look,
}

impl Key {
    /// `label` beside a short piece of the line.
    pub fn new(label: impl Into<String>, look: Look) -> Key {
        Key { label: label.into(), look }
    }
}

/// One chart.
#[derive(Clone, Debug)]
pub struct Panel {
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// The lines, the first at the back.
    pub lines: Vec<Line>,
    /// A remark in the chart's upper part, for what the lines can't say.
    pub note: Option<String>,
    /// Where a dotted vertical line stands, if anywhere.
    pub mark: Option<f64>,
}

impl Panel {
    /// A chart without lines.
    pub fn new(x: Axis, y: Axis) -> Panel {
        Panel { x, y, lines: Vec::new(), note: None, mark: None }
    }
}

/// One line; it is broken where a coordinate is not finite.
#[derive(Clone, Debug)]
pub struct Line {
    /// In the order in which the pen visits them.
    pub points: Vec<(f64, f64)>,
    /// Color, dashes, markers, width.
    pub look: Look,
}

/// An axis: its name and the values at its ends.
#[derive(Clone, Debug)]
pub struct Axis {
    pub(crate) name: String,
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) logarithmic: bool,
    /// What stands at 0, 1, 2, ... in place of numbers.
    pub(crate) labels: Vec<String>,
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

    /// Words at the places 0, 1, 2, ...
    pub fn words(name: impl Into<String>, labels: Vec<String>) -> Axis {
        let to = labels.len() as f64 - 0.5;
        Axis { labels, ..Axis::linear(name, -0.5, to) }
    }

    /// A linear axis with some air around the values; it goes below zero only if they do.
    pub(crate) fn around(name: impl Into<String>, values: &[f64]) -> Axis {
        let (least, greatest) = extent(values);
        if least > greatest {
            return Axis::linear(name, 0.0, 1.0);
        }
        let air = 0.04 * (greatest - least).max(0.05 * greatest.abs()).max(1e-9);
        Axis::linear(name, (least - air).max(least.min(0.0)), greatest + air)
    }

    /// A logarithmic axis around those values that are above zero, if any are.
    pub(crate) fn logarithmic_around(name: impl Into<String>, values: &[f64]) -> Option<Axis> {
        let positive: Vec<_> = values.iter().copied().filter(|value| *value > 0.0).collect();
        let (least, greatest) = extent(&positive);
        (least <= greatest).then(|| Axis::logarithmic(name, least / 1.3, greatest * 1.3))
    }

    pub(crate) fn shows(&self, value: f64) -> bool {
        !self.logarithmic || value > 0.0
    }
}

/// The least and the greatest of finite values; of none, an infinity and its negative.
pub(crate) fn extent(values: &[f64]) -> (f64, f64) {
    let start = (f64::INFINITY, f64::NEG_INFINITY);
    values.iter().fold(start, |(least, greatest), &v| (least.min(v), greatest.max(v)))
}

const WIDTH: u32 = 1120;
const MARGIN: f64 = 22.0;
const PANEL_HEIGHT: f64 = 400.0;
const MOST_IN_A_ROW: usize = 3;
const TITLE_SIZE: f64 = 19.0;
const TEXT_SIZE: f64 = 13.5;
const TICK_SIZE: f64 = 12.5;
const TITLE_LINE: f64 = 30.0;
const TEXT_LINE: f64 = 21.0;
const KEY_LINE: f64 = 26.0;
const KEY_SAMPLE: f64 = 40.0;
const KEY_SPACE: f64 = 8.0;
const KEY_GAP: f64 = 26.0;
const MARKER_RADIUS: f64 = 4.0;
const MARKER_PITCH: f64 = 14.0;

impl Figure {
    /// The text of an SVG file, in light colors on light paper and dark on dark.
    ///
    /// # Errors
    /// [`Error::Draw`], which would be a fault of this crate.
    pub fn svg(&self) -> Result<String, Error> {
        svg(self)
    }

    /// The bytes of a PNG file, two pixels for each of the SVG's, on light paper.
    ///
    /// # Errors
    /// [`Error::Draw`], which would be a fault of this crate.
    pub fn png(&self) -> Result<Vec<u8>, Error> {
        png(self)
    }

    /// Writes the picture as SVG or PNG, as the name's ending says.
    ///
    /// # Errors
    /// [`Error::PictureName`] for any other ending, [`Error::Write`] with the path.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        save(self, path)
    }

    /// How many rows of charts there are, and how many charts in a row.
    fn arrangement(&self) -> (usize, usize) {
        let panels = self.panels.len().max(1);
        let rows = panels.div_ceil(MOST_IN_A_ROW);
        (rows, panels.div_ceil(rows))
    }

    /// Where the charts begin: below the title, the lines under it and the legend.
    fn panels_top(&self) -> Result<f64, Error> {
        let subtitle = TEXT_LINE * self.subtitle.len() as f64;
        let legend = KEY_LINE * self.key_rows()?.len() as f64;
        Ok(MARGIN + TITLE_LINE + subtitle + legend + 10.0)
    }

    /// The legend's entries with their left edges, broken into rows that fit.
    fn key_rows(&self) -> Result<Vec<Vec<(f64, &Key)>>, Error> {
        let mut rows: Vec<Vec<(f64, &Key)>> = Vec::new();
        let mut x = f64::INFINITY;
        for key in &self.keys {
            let width = KEY_SAMPLE + KEY_SPACE + letters::width(&key.label, TEXT_SIZE)?;
            if x + width > f64::from(WIDTH) - MARGIN {
                x = MARGIN;
                rows.push(Vec::new());
            }
            if let Some(row) = rows.last_mut() {
                row.push((x, key));
            }
            x += width + KEY_GAP;
        }
        Ok(rows)
    }
}

impl Drawing for Figure {
    fn size(&self) -> Result<(u32, u32), Error> {
        let (rows, _) = self.arrangement();
        let panels = PANEL_HEIGHT * rows as f64;
        Ok((WIDTH, (self.panels_top()? + panels + MARGIN / 2.0) as u32))
    }

    fn draw<B: DrawingBackend>(&self, sheet: &Area<B>) -> Result<(), Error> {
        let top_left = (HPos::Left, VPos::Top);
        let mut y = MARGIN;
        write(sheet, &self.title, (MARGIN, y), &bold(TITLE_SIZE, TEXT, top_left))?;
        y += TITLE_LINE;
        for line in &self.subtitle {
            write(sheet, line, (MARGIN, y), &text(TEXT_SIZE, QUIET, top_left))?;
            y += TEXT_LINE;
        }
        for row in self.key_rows()? {
            for (x, key) in row {
                draw_key(sheet, key, (x, y + KEY_LINE / 2.0))?;
            }
            y += KEY_LINE;
        }
        let (_, below) = sheet.split_vertically(px(self.panels_top()?));
        let (rows, columns) = self.arrangement();
        let (below, _) = below.split_vertically(px(PANEL_HEIGHT * rows as f64));
        let places = below.split_evenly((rows, columns));
        for (place, panel) in places.iter().zip(&self.panels) {
            draw_panel(sheet, place, panel)?;
        }
        Ok(())
    }
}

/// One line of text at a place in pixels.
fn write<B: DrawingBackend>(
    sheet: &Area<B>,
    line: &str,
    (x, y): (f64, f64),
    style: &plotters::style::TextStyle<'_>,
) -> Result<(), Error> {
    drawn(sheet.draw_text(line, style, (px(x), px(y))))
}

/// A piece of the line with its marker, and the label to its right.
fn draw_key<B: DrawingBackend>(
    sheet: &Area<B>,
    key: &Key,
    (x, y): (f64, f64),
) -> Result<(), Error> {
    stroke(sheet, &[(px(x), px(y)), (px(x + KEY_SAMPLE), px(y))], &key.look)?;
    mark(sheet, (px(x + KEY_SAMPLE / 2.0), px(y)), &key.look)?;
    let style = text(TEXT_SIZE, TEXT, (HPos::Left, VPos::Center));
    write(sheet, &key.label, (x + KEY_SAMPLE + KEY_SPACE, y), &style)
}

/// Chooses the kinds of axes; `sheet` is the whole picture, `place` the chart's part of it.
fn draw_panel<B: DrawingBackend>(
    sheet: &Area<B>,
    place: &Area<B>,
    panel: &Panel,
) -> Result<(), Error> {
    let (x, y) = (panel.x.from..panel.x.to, panel.y.from..panel.y.to);
    match (panel.x.logarithmic, panel.y.logarithmic) {
        (false, false) => draw_chart(sheet, place, panel, x, y),
        (false, true) => draw_chart(sheet, place, panel, x, y.log_scale()),
        (true, false) => draw_chart(sheet, place, panel, x.log_scale(), y),
        (true, true) => draw_chart(sheet, place, panel, x.log_scale(), y.log_scale()),
    }
}

fn draw_chart<B, X, Y>(
    sheet: &Area<B>,
    place: &Area<B>,
    panel: &Panel,
    x: X,
    y: Y,
) -> Result<(), Error>
where
    B: DrawingBackend,
    X: AsRangedCoord<Value = f64>,
    Y: AsRangedCoord<Value = f64>,
    X::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let mut chart = drawn(
        ChartBuilder::on(place)
            .margin_left(px(10.0))
            .margin_right(px(32.0))
            .margin_top(px(8.0))
            .x_label_area_size(px(50.0))
            .y_label_area_size(px(62.0))
            .build_cartesian_2d(x, y),
    )?;
    let centered = (HPos::Center, VPos::Center);
    let words = &panel.x.labels;
    let mut mesh = chart.configure_mesh();
    if !words.is_empty() {
        mesh.disable_x_mesh();
    }
    drawn(
        mesh.x_labels(if words.is_empty() { 7 } else { 0 })
            .y_labels(9)
            .max_light_lines(0)
            .bold_line_style(thin(GRID))
            .axis_style(thin(AXIS))
            .label_style(text(TICK_SIZE, QUIET, centered))
            .axis_desc_style(text(TEXT_SIZE, TEXT, centered))
            .x_desc(&panel.x.name)
            .y_desc(&panel.y.name)
            .x_label_formatter(&|value| tick(*value, 1e7))
            .y_label_formatter(&|value| tick(*value, 1e5))
            .draw(),
    )?;

    let place_of = |&(x, y): &(f64, f64)| chart.backend_coord(&(x, y));
    for (i, word) in words.iter().enumerate() {
        let (x, y) = place_of(&(i as f64, panel.y.from));
        let style = text(TICK_SIZE, QUIET, (HPos::Center, VPos::Top));
        drawn(sheet.draw_text(word, &style, (x, y + px(7.0))))?;
    }
    if let Some(x) = panel.mark {
        let ends = [place_of(&(x, panel.y.from)), place_of(&(x, panel.y.to))];
        stroke(sheet, &ends, &Look::line(QUIET).dash(Dash::Dotted).width(1.0))?;
    }
    for line in &panel.lines {
        let drawable: Vec<_> = line
            .points
            .iter()
            .map(|&(x, y)| match panel.x.shows(x) && panel.y.shows(y) {
                true => (x, y),
                false => (f64::NAN, f64::NAN),
            })
            .collect();
        for segment in finite_segments(&drawable) {
            let pixels: Vec<_> = segment.iter().map(place_of).collect();
            stroke(sheet, &thin_out(&pixels), &line.look)?;
            mark_all(sheet, &pixels, &line.look)?;
        }
    }
    if let Some(note) = &panel.note {
        let (across, down) = chart.plotting_area().get_pixel_range();
        let middle = (across.start + across.end) / 2;
        let style = text(TEXT_SIZE, TEXT, (HPos::Center, VPos::Top));
        drawn(sheet.draw_text(note, &style, (middle, down.start + px(10.0))))?;
    }
    Ok(())
}

fn thin(ink: crate::Ink) -> ShapeStyle {
    ink.rgb().stroke_width(px(1.0) as u32)
}

/// A line through points in drawing units.
fn stroke<B: DrawingBackend>(
    sheet: &Area<B>,
    points: &[(i32, i32)],
    look: &Look,
) -> Result<(), Error> {
    if look.width == 0.0 {
        return Ok(());
    }
    let style = look.ink.rgb().stroke_width(px(look.width) as u32);
    let (on, off) = match look.dash {
        Dash::Solid => {
            return drawn(sheet.draw(&PathElement::new(points.to_vec(), style)));
        }
        Dash::Dashed => (px(7.0), px(4.0)),
        Dash::Dotted => (px(2.0), px(3.0)),
    };
    drawn(sheet.draw(&DashedPathElement::new(points.iter().copied(), on, off, style)))
}

/// Markers on the points, as many as stand clear of each other; the line shows them all.
fn mark_all<B: DrawingBackend>(
    sheet: &Area<B>,
    points: &[(i32, i32)],
    look: &Look,
) -> Result<(), Error> {
    let mut clear_of = i32::MIN;
    for &point in points {
        if point.0 >= clear_of {
            mark(sheet, point, look)?;
            clear_of = point.0 + px(MARKER_PITCH);
        }
    }
    Ok(())
}

/// One marker, with a rim in the color of the paper that lifts it off the lines.
fn mark<B: DrawingBackend>(sheet: &Area<B>, point: (i32, i32), look: &Look) -> Result<(), Error> {
    if look.marker == Marker::None {
        return Ok(());
    }
    for (radius, ink) in [(MARKER_RADIUS + 1.2, PAPER), (MARKER_RADIUS, look.ink)] {
        let style = ink.rgb().filled();
        let (x, y) = point;
        let at = |right: f64, down: f64| (x + px(right * radius), y + px(down * radius));
        let polygon = |corners: Vec<(i32, i32)>| drawn(sheet.draw(&Polygon::new(corners, style)));
        match look.marker {
            Marker::None => {}
            Marker::Circle => drawn(sheet.draw(&Circle::new(point, px(radius), style)))?,
            Marker::Square => {
                drawn(sheet.draw(&Rectangle::new([at(-0.9, -0.9), at(0.9, 0.9)], style)))?;
            }
            Marker::Triangle => polygon(vec![at(0.0, -1.25), at(1.15, 0.85), at(-1.15, 0.85)])?,
            Marker::Diamond => {
                polygon(vec![at(0.0, -1.3), at(1.3, 0.0), at(0.0, 1.3), at(-1.3, 0.0)])?;
            }
        }
    }
    Ok(())
}

/// The number beside a line of the grid: 0.25, 1.5, 40, 12,000, and from `long` on 1e9.
pub(crate) fn tick(value: f64, long: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-3..long).contains(&size) {
        return format!("{value:.0e}");
    }
    let rounded = (value * 1e4).round() / 1e4;
    if rounded.fract() != 0.0 || size < 1e4 {
        return format!("{rounded}");
    }
    let sign = if value < 0.0 { "-" } else { "" };
    format!("{sign}{}", grouped(&format!("{size:.0}")))
}

/// Digits with a comma before each three: 12,000.
pub(crate) fn grouped(digits: &str) -> String {
    let mut text = String::new();
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
    fn numbers_on_an_axis_read_as_a_person_writes_them() {
        let texts = [0.0, 0.1 + 0.2, 1.5, 40.0, 9000.0, 12_000.0, -1_234_567.0, 1e9, 1e-5]
            .map(|value| tick(value, 1e7));
        assert_eq!(texts, ["0", "0.3", "1.5", "40", "9000", "12,000", "-1,234,567", "1e9", "1e-5"]);
    }

    #[test]
    fn an_axis_without_extent_still_has_one() {
        let axis = Axis::linear("x", 3.0, 3.0);
        assert!(axis.to > axis.from);
        let axis = Axis::logarithmic("x", 0.0, 0.0);
        assert!(axis.from > 0.0 && axis.to > axis.from);
    }
}
