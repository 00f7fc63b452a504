//! What stands at the top of a picture: a title in bold, and smaller lines below it.

use super::letters::{bold_width, width, wrap};
use super::svg::{Svg, Text};
use super::theme::{QUIET, TEXT};

/// Between the edge of a picture and what stands in it.
pub(super) const MARGIN: f64 = 22.0;

/// Writes title and subtitle at the top of a picture that is `wide` pixels wide; gives where they
/// end.
pub(super) fn draw_title(svg: &mut Svg, title: &str, subtitle: &[String], wide: f64) -> f64 {
    let room = wide - 2.0 * MARGIN;
    let (large, small) = (Text::new(19.0, TEXT).bold(), Text::new(13.5, QUIET));
    let mut y = MARGIN;
    for line in wrap(title, room, |text| bold_width(text, large.size)) {
        svg.text(&line, (MARGIN, y + large.ascent()), large);
        y += 30.0;
    }
    for line in subtitle.iter().flat_map(|line| wrap(line, room, |text| width(text, small.size))) {
        svg.text(&line, (MARGIN, y + small.ascent()), small);
        y += 21.0;
    }
    y
}
