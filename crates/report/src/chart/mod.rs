//! The chart engine: what is to be drawn goes in, SVG comes out, for files and for the page alike.
//!
//! - `axis`: where a value stands on an axis, and the round numbers along it.
//! - `series`: the points of a line, as many as can be seen.
//! - `theme`: colors, dashes and markers, on light paper and dark.
//! - `letters`: how wide text is.
//! - `svg`: shapes and text as markup.
//! - `panel`: one chart, with its axes and lines.
//! - `legend`: which line is which.
//! - `title`: the lines at the top of a picture.
//! - `figure`: charts under one title and legend, as a file; `bars`: groups of bars.

mod axis;
mod bars;
mod figure;
mod legend;
pub(crate) mod letters;
mod panel;
mod series;
mod svg;
mod theme;
mod title;

pub use axis::Axis;
pub(crate) use axis::grouped;
pub use bars::{Bar, BarGroup, Bars};
pub use figure::Figure;
pub use legend::Key;
pub(crate) use legend::draw_sample;
pub(crate) use panel::half_pixels;
pub use panel::{Line, Panel};
pub use series::moving_mean;
pub(crate) use series::{extent, kept};
pub(crate) use svg::{Rect, Svg, escape};
pub use theme::{Dash, Ink, Look, Marker, PALE, SERIES};
pub(crate) use theme::{dark_style, variables};
