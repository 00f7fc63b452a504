//! Lines beside a progress bar.

use std::io::Write;

use indicatif::ProgressBar;

use super::verbosity::{Verbosity, shows};

/// Prints a line on standard error, above the bar if there is one; with `--quiet` nothing.
pub fn print_above(bar: &ProgressBar, line: String) {
    if !shows(Verbosity::Normal) {
        return;
    }
    if bar.is_hidden() {
        // The work goes on after its reader has closed the pipe.
        let _ = writeln!(std::io::stderr(), "{line}");
    } else {
        bar.println(line);
    }
}
