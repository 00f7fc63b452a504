//! One file a command.

use std::path::Path;

use anyhow::Context;
use chainrule_data::file;

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
pub mod report;
pub mod train;

/// Writes a file that the user named: whole or not at all, but for a device or a pipe, which takes
/// what it is given and is not replaced.
fn write_output(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let special = std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir());
    if special { std::fs::write(path, content) } else { file::write_whole(path, content) }
        .with_context(|| format!("{} could not be written", path.display()))
}
