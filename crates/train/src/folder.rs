//! The folder of a run and its files.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `config.toml` | every setting, as a recipe that repeats the run, and where it ran |
//! | `iterations.csv` | a line for each step |
//! | `epochs.csv` | a line for iteration 0 and for the end of each epoch |
//! | `model.safetensors` | the weights that were best on validation |
//! | `last.safetensors` | the weights at the end |
//! | `confusion.csv` | which classes are taken for which, on the test images |
//! | `summary.json` | the result |

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::Error;

/// Makes the folder of a run.
///
/// # Errors
/// If something that is not an empty folder has its name, or it cannot be made or written to.
pub fn create(path: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(path).map_err(Error::file("create", path))?;
    if is_occupied(path).map_err(Error::file("read", path))? {
        return Err(Error::FolderTaken(path.to_owned()));
    }
    Ok(())
}

/// Whether a folder holds anything.
///
/// # Errors
/// If it is not there, is no folder, or cannot be read.
pub fn is_occupied(path: &Path) -> std::io::Result<bool> {
    Ok(std::fs::read_dir(path)?.next().is_some())
}

/// The first of `run-001`, `run-002`, … in `parent` that does not exist or is empty.
pub fn next_free(parent: &Path) -> PathBuf {
    let numbered = (1..).map(|n| parent.join(format!("run-{n:03}")));
    let free = |path: &PathBuf| !path.exists() || is_occupied(path).is_ok_and(|taken| !taken);
    numbered.into_iter().find(free).expect("a free number")
}

/// Writes a file so that under its name there is always the old content or the new, whole: to a
/// temporary file beside it, synced, renamed.
///
/// # Errors
/// If it cannot be written; what was there before stays.
pub fn write_whole(path: &Path, content: &[u8]) -> Result<(), Error> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || {
        let mut file = tempfile::NamedTempFile::new_in(parent)?;
        file.write_all(content)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
        }
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(Error::file("write", path))
}
