//! Groups of horizontal bars: how much each did at each of several tasks.
//!
//! In every group the bars are drawn against the group's own reference, the bar whose length is
//! 1, because the tasks may differ in size tenfold. The number beside a bar says what was
//! measured; a thin line across its end shows from where to where the middle half of the
//! measurements lies.

use std::path::Path;

use super::letters::{cut, width};
use super::svg::{Anchor, Rect, Svg, Text};
use super::theme::{AXIS, GRID, Ink, QUIET, TEXT};
use super::title::{MARGIN, draw_title};
use crate::Error;
use crate::picture::{save, svg_to_png};

/// A chart of bars.
#[derive(Clone, Debug, Default)]
pub struct Bars {
    /// The first line, in bold.
    pub title: String,
    /// Smaller lines below it.
    pub subtitle: Vec<String>,
    /// From top to bottom.
    pub groups: Vec<BarGroup>,
}

/// The bars of one task.
#[derive(Clone, Debug)]
pub struct BarGroup {
    /// Stands above the bars.
    pub name: String,
    /// From top to bottom.
    pub bars: Vec<Bar>,
}

/// One bar.
#[derive(Clone, Debug)]
pub struct Bar {
    /// Stands to its left.
    pub name: String,
    /// Stands to its right.
    pub label: String,
    /// Its length, as a multiple of the reference.
    pub length: f64,
    /// The quartiles of that length.
    pub spread: (f64, f64),
    /// Its color.
    pub ink: Ink,
}

const WIDTH: f64 = 900.0;
const TEXT_SIZE: f64 = 13.5;
const BAR_SIZE: f64 = 12.5;
const GROUP_LINE: f64 = 21.0;
const GROUP_SPACE: f64 = 16.0;
const BAR_LINE: f64 = 20.0;
const BAR_HEIGHT: f64 = 13.0;
const GAP: f64 = 10.0;
/// The part of the width that names may take, and labels.
const MOST_TEXT: f64 = WIDTH / 3.0;
/// Most lines of the grid.
const MOST_RULES: f64 = 10.0;

impl Bars {
    /// The text of an SVG file, in light colors on light paper and dark on dark.
    pub fn svg(&self) -> String {
        let mut svg = Svg::default();
        let mut y = draw_title(&mut svg, &self.title, &self.subtitle, WIDTH);
        let short = |text: &str| cut(text, MOST_TEXT, |text| width(text, BAR_SIZE));
        let (mut names, mut labels, mut longest) = (0.0_f64, 0.0_f64, 1.0_f64);
        for bar in self.groups.iter().flat_map(|group| &group.bars) {
            names = names.max(width(&short(&bar.name), BAR_SIZE));
            labels = labels.max(width(&short(&bar.label), BAR_SIZE));
            longest = longest.max(bar.length.max(bar.spread.1));
        }
        let left = MARGIN + names + GAP;
        let unit = (WIDTH - MARGIN - labels - GAP - left) / longest;
        let stride = (longest / MOST_RULES).ceil();

        let group_name = Text::new(TEXT_SIZE, TEXT);
        let name = Text::new(BAR_SIZE, TEXT).anchor(Anchor::End);
        let label = Text::new(BAR_SIZE, QUIET);
        for group in &self.groups {
            y += GROUP_SPACE;
            let room = WIDTH - 2.0 * MARGIN;
            let text = cut(&group.name, room, |text| width(text, TEXT_SIZE));
            svg.text(&text, (MARGIN, y + group_name.ascent()), group_name);
            y += GROUP_LINE;
            let bottom = y + BAR_LINE * group.bars.len() as f64;
            let mut length = 0.0;
            while length <= longest {
                let x = left + unit * length;
                svg.rule((x, y), (x, bottom), if length == 0.0 { AXIS } else { GRID }, 1.0);
                length += stride;
            }
            for bar in &group.bars {
                let middle = y + BAR_LINE / 2.0;
                svg.rect(
                    Rect {
                        left,
                        top: middle - BAR_HEIGHT / 2.0,
                        width: unit * bar.length,
                        height: BAR_HEIGHT,
                    },
                    bar.ink,
                );
                let (low, high) = (left + unit * bar.spread.0, left + unit * bar.spread.1);
                if high > low {
                    svg.rule((low, middle), (high, middle), TEXT, 1.5);
                }
                let baseline = middle + name.drop();
                svg.text(&short(&bar.name), (left - GAP, baseline), name);
                let end = (left + unit * bar.length).max(high);
                svg.text(&short(&bar.label), (end + GAP, baseline), label);
                y += BAR_LINE;
            }
        }
        svg.into_file((WIDTH, y + MARGIN), &self.title)
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SERIES;

    #[test]
    fn a_bar_twice_as_long_is_drawn_twice_as_long() {
        let bar = |length: f64, ink| Bar {
            name: "a".into(),
            label: String::new(),
            length,
            spread: (length, length),
            ink,
        };
        let bars = vec![bar(2.0, SERIES[0]), bar(1.0, SERIES[1]), bar(0.5, SERIES[2])];
        let groups = vec![BarGroup { name: "one".into(), bars }];
        let svg = Bars { groups, ..Bars::default() }.svg();
        let width = |ink: &str| {
            let rect = svg.lines().find(|l| l.starts_with("<rect") && l.contains(ink)).unwrap();
            rect.split("width=\"")
                .nth(1)
                .unwrap()
                .split('"')
                .next()
                .unwrap()
                .parse::<f64>()
                .unwrap()
        };
        let (two, one, half) = (width("#0072B2"), width("#D55E00"), width("#009E73"));
        assert!((two / one - 2.0).abs() < 0.01 && (one / half - 2.0).abs() < 0.01);
    }
}
