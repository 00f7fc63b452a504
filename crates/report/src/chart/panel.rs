//! One chart: lines over two axes.
//!
//! A panel is laid out in a rectangle: the numbers along the axes are chosen and measured, and what
//! they leave is the plot, in which the lines are drawn.

use std::fmt::Write;

use super::axis::{Axis, Tick};
use super::letters::{cut, width, wrap};
use super::series::{finite_segments, kept};
use super::svg::{Anchor, Rect, Svg, Text, short};
use super::theme::{AXIS, Dash, GRID, Look, PAPER, QUIET, TEXT};

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

const NAME_SIZE: f64 = 13.5;
const TICK_SIZE: f64 = 12.5;
const LINE_HEIGHT: f64 = 17.0;
/// Between the edge of the panel and what stands in it.
const EDGE: f64 = 8.0;
/// Between an axis and its numbers.
const TICK_GAP: f64 = 8.0;
/// Between two numbers along the horizontal axis, at least.
const APART: f64 = 22.0;
/// Between two numbers along the vertical axis, about.
const ROW: f64 = 44.0;
/// Between two markers of a line, at least; the line shows all its points.
const MARKER_PITCH: f64 = 14.0;
/// The same where the points are too many for a marker each, so that the markers are not taken for
/// the points: they only say whose line it is.
const SPARSE_PITCH: f64 = 64.0;
/// The angle of words that do not fit side by side, and the room below the axis that they may take.
const SLANT: f64 = 35.0;
const MOST_SLANTED: f64 = 84.0;

/// A panel in its area.
pub(crate) struct Layout<'a> {
    panel: &'a Panel,
    /// Where the lines are drawn.
    pub(crate) plot: Rect,
    /// The left edge of the panel, where the vertical axis has its name.
    left: f64,
    x_ticks: Vec<Tick>,
    y_ticks: Vec<Tick>,
    /// The name of the horizontal axis, in lines.
    x_name: Vec<String>,
    /// How far the words along the horizontal axis reach down if they are slanted.
    slanted: Option<f64>,
}

impl Panel {
    /// Chooses the numbers along the axes and finds the room that they leave.
    pub(crate) fn lay_out(&self, area: Rect) -> Layout<'_> {
        let tick_width = |tick: &Tick| width(&tick.text, TICK_SIZE);
        let widest = |ticks: &[Tick]| ticks.iter().map(tick_width).fold(0.0, f64::max);
        let y_ticks = self.y.ticks((area.height / ROW) as usize);
        let name = if self.y.name.is_empty() { 0.0 } else { NAME_SIZE + TICK_GAP };
        let left = area.left + EDGE + name + widest(&y_ticks) + TICK_GAP;
        // The last number along the axis may stand half outside of the plot.
        let right = area.left + area.width - 3.0 * EDGE;
        let room = right - left;

        let fits = |ticks: &[Tick]| {
            let closest = ticks.windows(2).map(|pair| {
                room * (self.x.fraction(pair[1].value) - self.x.fraction(pair[0].value))
            });
            closest.fold(f64::INFINITY, f64::min) >= widest(ticks) + APART
        };
        let chosen = (1..=7).rev().map(|wanted| self.x.ticks(wanted)).find(|ticks| fits(ticks));
        let (x_ticks, slanted) = match chosen {
            Some(ticks) => (ticks, None),
            // Each word must be there, of numbers some will do.
            None if self.x.labels.is_empty() => {
                let ticks = self.x.ticks(1);
                let every = |stride| ticks.iter().step_by(stride).cloned().collect::<Vec<_>>();
                let stride = (2..ticks.len()).find(|&stride| fits(&every(stride)));
                (every(stride.unwrap_or(ticks.len().max(1))), None)
            }
            None => {
                let down = SLANT.to_radians().sin();
                let mut ticks = self.x.ticks(1);
                for tick in &mut ticks {
                    tick.text = cut(&tick.text, MOST_SLANTED / down, |text| width(text, TICK_SIZE));
                }
                let depth = widest(&ticks) * down + TICK_SIZE;
                (ticks, Some(depth))
            }
        };
        let x_name = wrap(&self.x.name, area.width - 2.0 * EDGE, |text| width(text, NAME_SIZE));
        let below = TICK_GAP
            + slanted.unwrap_or(TICK_SIZE)
            + TICK_GAP
            + LINE_HEIGHT * x_name.len() as f64
            + EDGE;
        let top = area.top + EDGE + TICK_SIZE / 2.0;
        let plot = Rect {
            left,
            top,
            width: (right - left).max(1.0),
            height: (area.top + area.height - below - top).max(1.0),
        };
        Layout { panel: self, plot, left: area.left, x_ticks, y_ticks, x_name, slanted }
    }
}

impl Layout<'_> {
    /// Grid, axes, lines and remark as shapes of an SVG.
    pub(crate) fn draw(&self, svg: &mut Svg) {
        self.draw_grid(svg);
        self.draw_names(svg);
        let plot = self.plot;
        if let Some(mark) = self.panel.mark {
            let x = short(self.x(mark));
            let path = format!("M{x} {}V{}", short(plot.top), short(plot.bottom()));
            svg.stroke(&path, &Look::line(QUIET).dash(Dash::Dotted).width(1.0));
        }
        for line in &self.panel.lines {
            svg.raw("<g class=\"line\">\n");
            self.draw_line(svg, line);
            svg.raw("</g>\n");
        }
        if let Some(note) = &self.panel.note {
            let text = Text::new(NAME_SIZE, TEXT).anchor(Anchor::Middle);
            let lines = wrap(note, plot.width - 2.0 * EDGE, |text| width(text, NAME_SIZE));
            let widest = lines.iter().map(|line| width(line, NAME_SIZE)).fold(0.0, f64::max);
            let paper = Rect {
                left: plot.left + (plot.width - widest) / 2.0 - EDGE,
                top: plot.top + 6.0,
                width: widest + 2.0 * EDGE,
                height: LINE_HEIGHT * lines.len() as f64 + EDGE,
            };
            svg.rect(paper, PAPER);
            for (i, line) in lines.iter().enumerate() {
                let y = paper.top + EDGE / 2.0 + 1.0 + text.ascent() + LINE_HEIGHT * i as f64;
                svg.text(line, (plot.left + plot.width / 2.0, y), text);
            }
        }
    }

    fn x(&self, value: f64) -> f64 {
        self.plot.left + self.plot.width * self.panel.x.fraction(value)
    }

    fn y(&self, value: f64) -> f64 {
        self.plot.bottom() - self.plot.height * self.panel.y.fraction(value)
    }

    /// Where the points of a line stand; NaN for what the axes cannot show.
    pub(crate) fn positions(&self, line: &Line) -> Vec<(f64, f64)> {
        line.points.iter().map(|&(x, y)| (self.x(x), self.y(y))).collect()
    }

    fn draw_grid(&self, svg: &mut Svg) {
        let plot = self.plot;
        let tick = Text::new(TICK_SIZE, QUIET);
        let number = tick.anchor(Anchor::End);
        for Tick { value, text } in &self.y_ticks {
            let y = self.y(*value);
            svg.rule((plot.left, y), (plot.right(), y), GRID, 1.0);
            svg.text(text, (plot.left - TICK_GAP, y + number.drop()), number);
        }
        let words = !self.panel.x.labels.is_empty();
        for Tick { value, text } in &self.x_ticks {
            let x = self.x(*value);
            if !words {
                svg.rule((x, plot.top), (x, plot.bottom()), GRID, 1.0);
            }
            let y = plot.bottom() + TICK_GAP + tick.ascent();
            match self.slanted {
                Some(_) => svg.text(text, (x + 4.0, y), tick.anchor(Anchor::End).turn(-SLANT)),
                None => svg.text(text, (x, y), tick.anchor(Anchor::Middle)),
            }
        }
        svg.rule((plot.left, plot.top), (plot.left, plot.bottom()), AXIS, 1.0);
        svg.rule((plot.left, plot.bottom()), (plot.right(), plot.bottom()), AXIS, 1.0);
    }

    fn draw_names(&self, svg: &mut Svg) {
        let plot = self.plot;
        let name = Text::new(NAME_SIZE, TEXT).anchor(Anchor::Middle);
        let below = plot.bottom() + 2.0 * TICK_GAP + self.slanted.unwrap_or(TICK_SIZE);
        for (i, line) in self.x_name.iter().enumerate() {
            let y = below + name.ascent() + LINE_HEIGHT * i as f64;
            svg.text(line, (plot.left + plot.width / 2.0, y), name);
        }
        if !self.panel.y.name.is_empty() {
            let line = cut(&self.panel.y.name, plot.height, |text| width(text, NAME_SIZE));
            let at = (self.left + EDGE + name.ascent(), plot.top + plot.height / 2.0);
            svg.text(&line, at, name.turn(-90.0));
        }
    }

    fn draw_line(&self, svg: &mut Svg, line: &Line) {
        let (mut path, mut markers) = (String::new(), Vec::new());
        let mut clear = f64::NEG_INFINITY;
        let dense = line.points.len() as f64 * MARKER_PITCH > 1.5 * self.plot.width;
        let pitch = if dense { SPARSE_PITCH } else { MARKER_PITCH };
        for segment in finite_segments(&self.positions(line)) {
            for (i, index) in kept(&half_pixels(segment)).into_iter().enumerate() {
                let (x, y) = segment[index];
                let _ = write!(path, "{}{} {}", if i == 0 { 'M' } else { 'L' }, short(x), short(y));
            }
            // A point by itself is a line without length, which the round ends make a dot.
            if segment.len() == 1 {
                path.push_str("h0.01");
            }
            for &(x, y) in segment {
                if x >= clear {
                    markers.push((x, y));
                    clear = x + pitch;
                }
            }
            // Across a gap markers may stand close.
            clear = f64::NEG_INFINITY;
        }
        svg.stroke(&path, &line.look);
        svg.markers(&markers, &line.look);
    }
}

/// Positions in halves of a pixel, which differ where a pixel of the picture is two of the
/// screen's.
pub(crate) fn half_pixels(points: &[(f64, f64)]) -> Vec<(i32, i32)> {
    points.iter().map(|&(x, y)| ((2.0 * x).round() as i32, (2.0 * y).round() as i32)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const AREA: Rect = Rect { left: 0.0, top: 0.0, width: 366.0, height: 400.0 };

    #[test]
    fn no_two_numbers_along_an_axis_touch() {
        let ends = [(0.0, 1.0), (0.0, 70_400.0), (0.0, 7e6), (-1e-9, 1e-9), (0.98, 0.981)];
        let linear = ends.map(|(from, to)| Axis::linear("x", from, to));
        let logarithmic = ends.map(|(_, to)| Axis::logarithmic("x", to / 1e4, to));
        let words = ["a", "relu", "leaky_relu_with_a_long_name"]
            .map(|word| Axis::words("x", (0..6).map(|i| format!("{word}{i}")).collect()));
        for axis in linear.into_iter().chain(logarithmic).chain(words) {
            for room in [240.0, 366.0, 1120.0] {
                let y = match axis.labels.is_empty() {
                    true => axis.clone(),
                    false => Axis::linear("y", 0.0, 1.0),
                };
                let panel = Panel::new(axis.clone(), y);
                let layout = panel.lay_out(Rect { width: room, ..AREA });
                let ticks = &layout.x_ticks;
                assert!(!ticks.is_empty(), "{axis:?}");
                for pair in ticks.windows(2) {
                    let apart = layout.x(pair[1].value) - layout.x(pair[0].value);
                    let halves: f64 =
                        pair.iter().map(|tick| width(&tick.text, TICK_SIZE) / 2.0).sum();
                    // Slanted, they are lines of text below each other.
                    let needed = match layout.slanted {
                        Some(_) => TICK_SIZE / SLANT.to_radians().sin(),
                        None => halves,
                    };
                    assert!(apart > needed, "{axis:?} at {room}: {apart} {needed}");
                }
                let widest = layout.y_ticks.iter().map(|tick| width(&tick.text, TICK_SIZE));
                let widest = widest.fold(0.0, f64::max);
                let name = EDGE + NAME_SIZE;
                assert!(layout.plot.left - TICK_GAP - widest >= name, "the name lies over numbers");
            }
        }
    }

    #[test]
    fn a_point_stands_where_its_axes_say() {
        let mut panel =
            Panel::new(Axis::linear("x", 0.0, 10.0), Axis::logarithmic("y", 1.0, 100.0));
        let look = Look::nth(0);
        panel
            .lines
            .push(Line { points: vec![(0.0, 1.0), (5.0, 10.0), (10.0, 100.0), (1.0, -1.0)], look });
        let layout = panel.lay_out(AREA);
        let positions = layout.positions(&panel.lines[0]);
        let Rect { left, top, width, height } = layout.plot;
        let expected =
            [(left, top + height), (left + width / 2.0, top + height / 2.0), (left + width, top)];
        for (position, expected) in positions.iter().zip(expected) {
            assert!(
                (position.0 - expected.0).abs() < 1e-9 && (position.1 - expected.1).abs() < 1e-9
            );
        }
        assert!(positions[3].1.is_nan(), "a logarithm of a negative number");
        assert!(left + width <= AREA.width && top + height <= AREA.height);
    }

    #[test]
    fn a_line_of_thousands_of_points_is_not_buried_under_its_markers() {
        let drawn = |points: u32| {
            let mut panel = Panel::new(Axis::linear("x", 0.0, 1.0), Axis::linear("y", 0.0, 1.0));
            let points = (0..points).map(|i| (f64::from(i) / f64::from(points), 0.5)).collect();
            panel.lines.push(Line { points, look: Look::nth(0) });
            let mut svg = Svg::default();
            panel.lay_out(AREA).draw(&mut svg);
            svg.into_string().matches("<circle").count()
        };
        assert_eq!(drawn(10), 10);
        assert!((2..8).contains(&drawn(7000)), "{}", drawn(7000));
    }
}
