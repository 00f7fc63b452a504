//! Pictures of a training run, read from the files that it leaves.
//!
//! - [`write_curves`] draws `curves.svg` and `curves.png` into a run's folder;
//!   [`curves`] lays several runs over each other, [`outcomes`] compares what they reached.
//! - [`lr_finder()`] draws a search for the learning rate.
//! - [`sweep()`] draws what mattered in a sweep.
//! - [`write_weight_tiles`] shows what each hidden unit looks for.
//! - [`text_chart`] draws lines in letters, for a terminal.
//! - [`page`] tells all about a run, or compares several, on one page of HTML that needs nothing
//!   else.
//! - [`Figure`] is what they are made with: line charts under one title and legend,
//!   in colors that all eyes can tell apart, on light paper or dark; [`Bars`] compares speeds.
//!
//! No system library and no installed font is needed.

mod bars;
mod calibration;
mod confusion;
mod curves;
mod error;
mod figure;
mod letters;
mod lr_finder;
mod outcome;
mod page;
mod predictions;
mod raster;
mod run;
mod series;
mod sheet;
mod sweep;
mod table;
mod text;
mod theme;
mod tiles;

pub use bars::{Bar, BarGroup, Bars};
pub use confusion::Confusion;
pub use curves::{curves, write_curves};
pub use error::Error;
pub use figure::{Axis, Figure, Key, Line, Panel};
pub use lr_finder::{Trial, lr_finder};
pub use outcome::outcomes;
pub use page::{Command, FirstLayer, Report, live_page, page};
pub use predictions::Predictions;
pub use run::{Epoch, Iteration, Run, UpdateRatios};
pub use series::moving_mean;
pub use sweep::{Swept, SweptKey, sweep};
pub use text::text_chart;
pub use theme::{Dash, Ink, Look, Marker, PALE, SERIES};
pub use tiles::write_weight_tiles;
