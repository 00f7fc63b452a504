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
//! - [`svg_to_png`] draws any SVG as PNG.
//!
//! Files and page are drawn by one engine, `chart`, which writes SVG; a PNG is that SVG as pixels.
//! No system library and no installed font is needed.

mod calibration;
mod chart;
mod curves;
mod error;
mod lr_finder;
mod outcome;
mod page;
mod picture;
mod predictions;
mod sweep;
mod text;
mod tiles;

pub use chainrule_runs::{Confusion, Epoch, Iteration, Run, UpdateRatios};

pub use chart::{
    Axis, Bar, BarGroup, Bars, Dash, Figure, Ink, Key, Line, Look, Marker, PALE, Panel, SERIES,
    moving_mean,
};
pub use curves::{curves, write_curves};
pub use error::Error;
pub use lr_finder::{Trial, lr_finder};
pub use outcome::outcomes;
pub use page::{Command, FirstLayer, Report, live_page, page};
pub use picture::svg_to_png;
pub use predictions::Predictions;
pub use sweep::{Swept, SweptKey, sweep};
pub use text::text_chart;
pub use tiles::write_weight_tiles;
