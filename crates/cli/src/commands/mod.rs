//! One file a command.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, bail};
use chainrule_data::file;
use chainrule_runs::folder::{CONFIG, is_of_run, is_record};

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
pub mod describe;
pub mod diff;
pub mod ensemble;
pub mod eval;
mod explain;
pub mod export;
pub mod find_lr;
pub mod gradcheck;
pub mod graph;
pub mod hint;
pub mod images;
pub mod man;
pub mod model;
pub mod plot;
pub mod predict;
pub mod report;
pub mod serve;
pub mod sources;
pub mod sweep;
pub mod train;
pub mod verify_bits;

/// Ends the program as clap does at a wrong command line, with exit code 2.
fn wrong_command_line(problem: &str) -> ! {
    clap::Error::raw(clap::error::ErrorKind::MissingRequiredArgument, format!("{problem}\n")).exit()
}

/// Whether a file to write is standard output, as other programs spell it.
fn is_standard_output(path: &Path) -> bool {
    path == Path::new("-")
}

/// Refuses a file to write that is one of the files and folders that the command reads, `inputs`, or
/// a record of a run. Links are followed.
fn check_output<'a>(
    output: &Path,
    inputs: impl IntoIterator<Item = &'a Path>,
) -> anyhow::Result<()> {
    if is_standard_output(output) {
        return Ok(());
    }
    let name = output.file_name().unwrap_or_default();
    let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty());
    let in_folder = || Some(folder.unwrap_or(Path::new(".")).canonicalize().ok()?.join(name));
    // Where there is no such folder, the writing says so.
    let Some(target) = output.canonicalize().ok().or_else(in_folder) else { return Ok(()) };
    if target.exists() && !target.is_file() {
        return Ok(());
    }
    let inputs: Vec<_> = inputs.into_iter().filter_map(|path| path.canonicalize().ok()).collect();
    if inputs.contains(&target) {
        bail!(
            "{} is what the command reads, and would be overwritten: name another file to write",
            output.display()
        );
    }
    let Some(folder) = target.parent() else { return Ok(()) };
    let is_run = folder.join(CONFIG).is_file() && is_of_run(folder);
    let holds_run = is_run || inputs.iter().any(|input| input == folder);
    if holds_run && target.file_name().is_some_and(is_record) {
        bail!(
            "{} is a record of the run in {}, and would be overwritten: name another file to write",
            output.display(),
            folder.display()
        );
    }
    Ok(())
}

/// Writes a file into a folder of results, whole or not at all.
fn write_whole(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    file::write_whole(path, content)
        .with_context(|| format!("{} could not be written", path.display()))
}

/// Writes the file that `--output` names: whole or not at all, but for a link, a device or a pipe,
/// which is written through and not replaced; `-` is standard output.
fn write_output(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    if is_standard_output(path) {
        return Ok(std::io::stdout().lock().write_all(content)?);
    }
    let found = path.symlink_metadata().map(|found| found.file_type());
    if found.is_ok_and(|kind| !kind.is_file() && !kind.is_dir()) {
        std::fs::write(path, content)
            .with_context(|| format!("{} could not be written", path.display()))
    } else {
        write_whole(path, content)
    }
}
