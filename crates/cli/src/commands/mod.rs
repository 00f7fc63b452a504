//! One file a command.

/// Prints a line on standard output, or returns the error: a pipe that was closed must not panic.
macro_rules! say {
    ($($argument:tt)*) => {{
        use std::io::Write as _;
        writeln!(std::io::stdout().lock(), $($argument)*)?
    }};
}

pub mod assignment;
pub mod data;
pub mod diff;
pub mod eval;
pub mod gradcheck;
pub mod graph;
pub mod plot;
pub mod train;
