//! Groups of horizontal bars: who did how much, at each of several tasks.
//!
//! In every group the bars are drawn against the group's own reference, the bar whose length is
//! 1, because the tasks may differ in size tenfold. The number beside a bar says what was
//! measured; a thin line across its end shows from where to where the middle half of the
//! measurements lies.

use std::path::Path;

use plotters::prelude::{DrawingBackend, PathElement, Rectangle};
use plotters::style::Color;
use plotters::style::text_anchor::{HPos, VPos};

use crate::Error;
use crate::letters::{self, bold, text};
use crate::sheet::{Area, Drawing, drawn, png, px, save, svg};
use crate::theme::{AXIS, GRID, Ink, QUIET, TEXT};

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
const MARGIN: f64 = 22.0;
const TITLE_SIZE: f64 = 19.0;
const TEXT_SIZE: f64 = 13.5;
const BAR_SIZE: f64 = 12.5;
const TITLE_LINE: f64 = 32.0;
const TEXT_LINE: f64 = 21.0;
const BAR_LINE: f64 = 20.0;
const BAR_HEIGHT: f64 = 13.0;
const GROUP_SPACE: f64 = 16.0;
const GAP: f64 = 10.0;

impl Bars {
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

    fn bars(&self) -> impl Iterator<Item = &Bar> {
        self.groups.iter().flat_map(|group| &group.bars)
    }
}

impl Drawing for Bars {
    fn size(&self) -> Result<(u32, u32), Error> {
        let header = MARGIN + TITLE_LINE + TEXT_LINE * self.subtitle.len() as f64;
        let groups = self.groups.len() as f64 * (GROUP_SPACE + TEXT_LINE);
        let height = header + groups + BAR_LINE * self.bars().count() as f64 + MARGIN;
        Ok((WIDTH as u32, height as u32))
    }

    fn draw<B: DrawingBackend>(&self, sheet: &Area<B>) -> Result<(), Error> {
        let top_left = (HPos::Left, VPos::Top);
        let at = |x: f64, y: f64| (px(x), px(y));
        let mut y = MARGIN;
        drawn(sheet.draw_text(&self.title, &bold(TITLE_SIZE, TEXT, top_left), at(MARGIN, y)))?;
        y += TITLE_LINE;
        for line in &self.subtitle {
            drawn(sheet.draw_text(line, &text(TEXT_SIZE, QUIET, top_left), at(MARGIN, y)))?;
            y += TEXT_LINE;
        }

        let (mut names, mut labels, mut longest) = (0.0_f64, 0.0_f64, 1.0_f64);
        for bar in self.bars() {
            names = names.max(letters::width(&bar.name, BAR_SIZE)?);
            labels = labels.max(letters::width(&bar.label, BAR_SIZE)?);
            longest = longest.max(bar.length.max(bar.spread.1));
        }
        let left = MARGIN + names + GAP;
        let unit = (WIDTH - MARGIN - labels - GAP - left) / longest;

        for group in &self.groups {
            y += GROUP_SPACE;
            drawn(sheet.draw_text(&group.name, &text(TEXT_SIZE, TEXT, top_left), at(MARGIN, y)))?;
            y += TEXT_LINE;
            let bottom = y + BAR_LINE * group.bars.len() as f64;
            for whole in 0..=longest as u32 {
                let x = left + unit * f64::from(whole);
                let ink = if whole == 0 { AXIS } else { GRID };
                let line = vec![at(x, y), at(x, bottom)];
                drawn(sheet.draw(&PathElement::new(line, ink.rgb().stroke_width(px(1.0) as u32))))?;
            }
            for bar in &group.bars {
                let middle = y + BAR_LINE / 2.0;
                let (top, bottom) = (middle - BAR_HEIGHT / 2.0, middle + BAR_HEIGHT / 2.0);
                let end = left + unit * bar.length;
                let corners = [at(left, top), at(end, bottom)];
                drawn(sheet.draw(&Rectangle::new(corners, bar.ink.rgb().filled())))?;
                let (low, high) = (left + unit * bar.spread.0, left + unit * bar.spread.1);
                let spread = vec![at(low, middle), at(high, middle)];
                let style = TEXT.rgb().stroke_width(px(1.5) as u32);
                drawn(sheet.draw(&PathElement::new(spread, style)))?;
                let name = text(BAR_SIZE, TEXT, (HPos::Right, VPos::Center));
                drawn(sheet.draw_text(&bar.name, &name, at(left - GAP, middle)))?;
                let label = text(BAR_SIZE, QUIET, (HPos::Left, VPos::Center));
                drawn(sheet.draw_text(&bar.label, &label, at(end.max(high) + GAP, middle)))?;
                y += BAR_LINE;
            }
        }
        Ok(())
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
        let svg = Bars { groups, ..Bars::default() }.svg().unwrap();
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
