//! How much is printed on standard error beside errors: `-q` and `-v`.
//!
//! Results go to standard output and are always printed, as are errors and warnings. `main` sets the
//! level once, before a command runs.

use std::sync::atomic::{AtomicU8, Ordering};

/// How much is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Verbosity {
    /// Results, warnings and errors.
    Quiet,
    /// Progress and notes too.
    Normal,
    /// Details too: where files come from, how long things take.
    Verbose,
}

static LEVEL: AtomicU8 = AtomicU8::new(Verbosity::Normal as u8);

/// Sets the level for this process.
pub fn set(level: Verbosity) {
    LEVEL.store(level as u8, Ordering::Relaxed);
}

/// Whether what belongs to this level is printed.
pub fn shows(level: Verbosity) -> bool {
    LEVEL.load(Ordering::Relaxed) >= level as u8
}

/// Prints a line of progress, or a note, unless `-q` was given.
macro_rules! note {
    ($($argument:tt)*) => {
        if $crate::shell::verbosity::shows($crate::shell::verbosity::Verbosity::Normal) {
            eprintln!($($argument)*)
        }
    };
}

/// Prints a detail if `-v` was given.
macro_rules! detail {
    ($($argument:tt)*) => {
        if $crate::shell::verbosity::shows($crate::shell::verbosity::Verbosity::Verbose) {
            eprintln!($($argument)*)
        }
    };
}
