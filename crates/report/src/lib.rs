//! Pictures of a training run, read from the files that it leaves.
//!
//! - [`write_curves`] draws `curves.svg` and `curves.png` into a run's folder;
//!   [`curves`] lays several runs over each other, [`outcomes`] compares their test accuracies.
//! - [`lr_finder()`] draws a search for the learning rate.
//! - [`sweep()`] draws how much each key of a sweep matters.
//! - [`write_weight_tiles`] draws the first layer's weights as images.
//! - [`text_chart`] draws lines as text, for a terminal.
//! - [`page`] shows a run, or compares several, on one page of HTML without other files.
//! - [`explanation_page`] shows what a network looked at in single images.
//! - [`Figure`] is what they are made with: line charts under one title and legend,
//!   in colors that the color-blind can distinguish, on light paper or dark; [`Bars`] compares speeds.
//! - [`Document`] sets headings, text, tables and figures on paper, as PDF.
//! - [`svg_to_png`] draws any SVG as PNG, [`svg_to_pdf`] as PDF.
//!
//! Files and page are drawn by one engine, `chart`, which writes SVG; a PNG is that SVG as pixels.
//! No system library and no installed font is needed.

mod calibration;
mod chart;
mod curves;
mod document;
mod error;
mod lr_finder;
mod outcome;
mod page;
mod pdf;
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
pub use document::{Cell, Document};
pub use error::Error;
pub use lr_finder::{Trial, lr_finder};
pub use outcome::outcomes;
pub use page::{
    Command, DecidingUnit, Explained, ExplainedGroup, FirstLayer, Misled, Report, SCRIPTS,
    explanation_page, live_page, page,
};
pub use pdf::svg_to_pdf;
pub use picture::svg_to_png;
pub use predictions::Predictions;
pub use sweep::{Swept, SweptKey, sweep};
pub use text::text_chart;
pub use tiles::write_weight_tiles;
