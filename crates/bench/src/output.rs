//! Tables and charts as files.

use std::fs::{self, File};
use std::path::Path;

use anyhow::Context;
use chainrule_report::Error;

/// A table to write, in a folder that is made if it is not there.
///
/// # Errors
/// If it cannot be written.
pub fn table(path: &Path) -> anyhow::Result<csv::Writer<File>> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    csv::Writer::from_path(path).with_context(|| path.display().to_string())
}

/// Saves a chart beside the table, as .svg and .png.
///
/// # Errors
/// If one of them cannot be written.
pub fn save_chart(table: &Path, save: impl Fn(&Path) -> Result<(), Error>) -> anyhow::Result<()> {
    for ending in ["svg", "png"] {
        save(&table.with_extension(ending))?;
    }
    Ok(())
}
