//! One file a command.

use std::path::Path;

use anyhow::Context;
use chainrule_data::file;
use chainrule_train::ModelFile;

/// Prints a line on standard output, or returns the error: a pipe that was closed must not panic.
macro_rules! say {
    ($($argument:tt)*) => {{
        use std::io::Write as _;
        writeln!(std::io::stdout().lock(), $($argument)*)?
    }};
}

pub mod assignment;
pub mod check;
pub mod completions;
pub mod data;
pub mod diff;
pub mod eval;
pub mod export;
pub mod find_lr;
pub mod gradcheck;
pub mod graph;
pub mod images;
pub mod man;
pub mod plot;
pub mod predict;
pub mod report;
pub mod serve;
pub mod sweep;
pub mod train;

/// This program as it was called, for commands that a person is to copy: `chainrule` if it is
/// installed, or the path of the build.
fn program() -> String {
    let called = std::env::args().next();
    report::quoted(&called.unwrap_or_else(|| "chainrule".into()))
}

/// Says that a model file has no mean and deviation, which those of other programs often lack.
fn note_missing_normalization(model: &ModelFile, file: &Path) {
    if (model.normalization.mean(), model.normalization.std()) == (&[0.0], &[255.0]) {
        eprintln!(
            "note: {} brings no input.mean and input.std; pixels are divided by 255",
            file.display()
        );
    }
}

/// Writes a file into a folder of results, whole or not at all.
fn write_whole(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    file::write_whole(path, content)
        .with_context(|| format!("{} could not be written", path.display()))
}

/// Writes the file that `--output` names: whole or not at all, but for a link, a device or a pipe,
/// which is written through and not replaced.
fn write_output(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let found = path.symlink_metadata().map(|found| found.file_type());
    if found.is_ok_and(|kind| !kind.is_file() && !kind.is_dir()) {
        std::fs::write(path, content)
            .with_context(|| format!("{} could not be written", path.display()))
    } else {
        write_whole(path, content)
    }
}
