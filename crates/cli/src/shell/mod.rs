//! What the commands share of a command line: words for a shell, signals, progress, and how much is
//! printed.

#[macro_use]
pub mod verbosity;
pub mod progress;
pub mod quoting;
pub mod signals;
