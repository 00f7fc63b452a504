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
//! assert!(figure.svg().starts_with("<svg"));
//! assert!(figure.png()?.starts_with(b"\x89PNG"));
//! # Ok::<(), chainrule_report::Error>(())
//! ```

use std::path::Path;

use super::legend::{Key, Legend};
use super::panel::Panel;
use super::svg::{Rect, Svg};
use super::title::{MARGIN, draw_title};
use crate::Error;
use crate::picture::{save, svg_to_png};

/// What to draw; every text in it is escaped as the SVG needs it.
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

const WIDTH: f64 = 1120.0;
const PANEL_HEIGHT: f64 = 400.0;
const MOST_IN_A_ROW: usize = 3;
const LEGEND_GAP: f64 = 6.0;

impl Figure {
    /// The text of an SVG file, in light colors on light paper and dark on dark.
    pub fn svg(&self) -> String {
        let mut svg = Svg::default();
        let mut y = draw_title(&mut svg, &self.title, &self.subtitle, WIDTH);
        let legend = Legend::new(&self.keys, WIDTH - 2.0 * MARGIN);
        legend.draw(&mut svg, (MARGIN, y));
        y += legend.height() + LEGEND_GAP;
        let (rows, columns) = self.arrangement();
        let width = (WIDTH - MARGIN) / columns as f64;
        for (i, panel) in self.panels.iter().enumerate() {
            let (row, column) = (i / columns, i % columns);
            let area = Rect {
                left: MARGIN / 2.0 + width * column as f64,
                top: y + PANEL_HEIGHT * row as f64,
                width,
                height: PANEL_HEIGHT,
            };
            panel.lay_out(area).draw(&mut svg);
        }
        let height = y + PANEL_HEIGHT * rows as f64 + MARGIN / 2.0;
        svg.into_file((WIDTH, height), &self.title)
    }

    /// The bytes of a PNG file, two pixels for each of the SVG's, on light paper.
    ///
    /// # Errors
    /// [`Error::Draw`], which would be a fault of this crate.
    pub fn png(&self) -> Result<Vec<u8>, Error> {
        svg_to_png(&self.svg())
    }

    /// Writes the picture as SVG or PNG, as the name's ending says.
    ///
    /// # Errors
    /// [`Error::PictureName`] for any other ending, [`Error::Write`] with the path.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        save(&self.svg(), path)
    }

    /// How many rows of charts there are, and how many charts in a row.
    fn arrangement(&self) -> (usize, usize) {
        let panels = self.panels.len().max(1);
        let rows = panels.div_ceil(MOST_IN_A_ROW);
        (rows, panels.div_ceil(rows))
    }
}
