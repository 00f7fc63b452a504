//! The legend: beside a piece of each line its name.

use super::letters::{cut, width};
use super::svg::{Svg, Text};
use super::theme::{Look, TEXT};

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

const SIZE: f64 = 13.5;
const SAMPLE: f64 = 40.0;
const SPACE: f64 = 8.0;
const GAP: f64 = 26.0;
const ROW: f64 = 26.0;

/// The entries, broken into rows that fit.
pub(crate) struct Legend<'a> {
    rows: Vec<Vec<Entry<'a>>>,
}

struct Entry<'a> {
    /// From the left edge of the legend, in pixels.
    left: f64,
    label: String,
    look: &'a Look,
}

impl<'a> Legend<'a> {
    /// A legend as wide as `room`, in pixels.
    pub(crate) fn new(keys: &'a [Key], room: f64) -> Legend<'a> {
        let mut rows: Vec<Vec<Entry<'_>>> = Vec::new();
        let mut left = f64::INFINITY;
        for key in keys {
            let label = cut(&key.label, room - SAMPLE - SPACE, |text| width(text, SIZE));
            let wide = SAMPLE + SPACE + width(&label, SIZE);
            if left + wide > room {
                left = 0.0;
                rows.push(Vec::new());
            }
            if let Some(row) = rows.last_mut() {
                row.push(Entry { left, label, look: &key.look });
            }
            left += wide + GAP;
        }
        Legend { rows }
    }

    pub(crate) fn height(&self) -> f64 {
        ROW * self.rows.len() as f64
    }

    pub(crate) fn draw(&self, svg: &mut Svg, (left, top): (f64, f64)) {
        let text = Text::new(SIZE, TEXT);
        for (i, row) in self.rows.iter().enumerate() {
            let middle = top + ROW * (i as f64 + 0.5);
            for entry in row {
                let x = left + entry.left;
                draw_sample(svg, (x, middle), SAMPLE, entry.look);
                svg.text(&entry.label, (x + SAMPLE + SPACE, middle + text.drop()), text);
            }
        }
    }
}

/// A piece of the line, `wide` pixels long, with its marker in the middle.
pub(crate) fn draw_sample(svg: &mut Svg, (x, y): (f64, f64), wide: f64, look: &Look) {
    svg.stroke(&format!("M{x} {y}h{wide}"), look);
    svg.markers(&[(x + wide / 2.0, y)], look);
}
