//! The folder of a run and its files.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `config.toml` | every setting, as a recipe that repeats the run, and where it ran |
//! | `iterations.csv` | a line for each step |
//! | `epochs.csv` | a line for iteration 0 and for the end of each epoch |
//! | `model.safetensors` | the weights that were best on validation |
//! | `last.safetensors` | the weights at the end |
//! | `confusion.csv` | how many test images of each class were predicted as which |
//! | `metrics.csv` | precision, recall and F1 of each class on the test images |
//! | `summary.json` | the result |
//! | `checkpoint.safetensors` | the state of the run, from which it can be resumed |

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::{Path, PathBuf};

use chainrule_data::file;

use crate::lock::{LOCK, Lock};
use crate::table::{Record, Table};
use crate::{ClassMetrics, Confusion, Epoch, Error, Iteration, Summary};

/// The settings of a run.
pub const CONFIG: &str = "config.toml";

/// The weights that were best on validation.
pub const MODEL: &str = "model.safetensors";

/// The weights at the end.
pub const LAST: &str = "last.safetensors";

/// The state of the run, from which it can be resumed.
pub const CHECKPOINT: &str = "checkpoint.safetensors";

/// The files of a run that cannot be made again from others, as pictures and pages can.
const RECORDS: [&str; 10] = [
    CONFIG,
    Iteration::FILE,
    Epoch::FILE,
    MODEL,
    LAST,
    Confusion::FILE,
    ClassMetrics::FILE,
    Summary::FILE,
    Summary::EARLIER,
    CHECKPOINT,
];

/// Whether a file of this name is one of a run's records.
pub fn is_record(name: &OsStr) -> bool {
    RECORDS.iter().any(|record| name == *record)
}

/// Whether a folder holds what a run alone leaves, beside its settings: other programs write a
/// `config.toml` too.
pub fn is_of_run(folder: &Path) -> bool {
    let left = [Summary::FILE, CHECKPOINT, Epoch::FILE, Iteration::FILE];
    left.iter().any(|name| folder.join(name).exists())
}

/// A run's folder, locked against other processes for as long as this lives.
///
/// ```
/// use chainrule_runs::{Error, RunFolder};
///
/// # let parent = tempfile::tempdir()?;
/// let first = RunFolder::next_free(parent.path())?;
/// assert!(first.path().ends_with("run-001"));
/// // It is held as long as it lives.
/// assert!(matches!(RunFolder::open(first.path()), Err(Error::FolderHeld { .. })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    _lock: Lock,
}

impl RunFolder {
    /// Makes the folder of a new run.
    ///
    /// # Errors
    /// If something that is not an empty folder has its name, another process holds it, or it
    /// cannot be made or written to.
    pub fn create(path: &Path) -> Result<Self, Error> {
        let folder = Self::make(path)?;
        if folder.is_occupied()? {
            return Err(Error::FolderTaken(path.to_owned()));
        }
        Ok(folder)
    }

    /// Makes or opens the folder of a run that begins, or that goes on if it has begun there.
    ///
    /// # Errors
    /// If something that is no folder has its name, another process holds it, or it cannot be made
    /// or written to.
    pub fn create_or_open(path: &Path) -> Result<Self, Error> {
        let folder = Self::make(path)?;
        folder.sweep()?;
        Ok(folder)
    }

    fn make(path: &Path) -> Result<Self, Error> {
        file::create_folders(path).map_err(|reason| match reason.kind() {
            ErrorKind::AlreadyExists => Error::NotAFolder(path.to_owned()),
            _ => Error::file("create", path)(reason),
        })?;
        Ok(Self { path: path.to_owned(), _lock: Lock::take(path)? })
    }

    /// Whether it holds anything but its lock and unfinished files.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn is_occupied(&self) -> Result<bool, Error> {
        is_occupied(&self.path).map_err(Error::file("read", &self.path))
    }

    /// The first of `run-001`, `run-002`, … in `parent` that does not exist or is empty.
    ///
    /// # Errors
    /// If it cannot be made or written to.
    pub fn next_free(parent: &Path) -> Result<Self, Error> {
        for number in 1.. {
            let path = parent.join(format!("run-{number:03}"));
            // Whatever has the name already is left alone: a folder, a file or a broken link.
            if path.symlink_metadata().is_ok() && !is_occupied(&path).is_ok_and(|taken| !taken) {
                continue;
            }
            match Self::create(&path) {
                Err(Error::FolderTaken(_) | Error::FolderHeld { .. }) => {}
                result => return result,
            }
        }
        unreachable!("numbers do not end")
    }

    /// Locks the folder of an earlier run, to resume it.
    ///
    /// # Errors
    /// If it is not there, another process holds it, or it cannot be written to.
    pub fn open(path: &Path) -> Result<Self, Error> {
        if !path.is_dir() {
            return Err(Error::NoRun(path.to_owned()));
        }
        let folder = Self { path: path.to_owned(), _lock: Lock::take(path)? };
        folder.sweep()?;
        Ok(folder)
    }

    /// Whether this is a run that was killed before its first checkpoint, which is written before
    /// the first step: there are settings, no step and no result.
    pub fn is_unbegun(&self) -> bool {
        let path = |name: &str| self.path.join(name);
        // Two lines of the table are enough to know that a step was taken.
        let begun = match file::open(&Table::<Iteration>::path(&self.path)) {
            Ok((table, _)) => BufReader::new(table).split(b'\n').take(2).count() > 1,
            Err(error) => error.kind() != ErrorKind::NotFound,
        };
        let ended = path(Summary::FILE).exists() || path(LAST).exists();
        path(CONFIG).exists() && !ended && !begun
    }

    /// Removes the tables and weights of a run that has not begun, so that it can begin anew.
    ///
    /// # Errors
    /// If it has begun, or a file cannot be removed.
    pub fn clear_unbegun(&self) -> Result<(), Error> {
        if !self.is_unbegun() {
            return Err(Error::NoRun(self.path.clone()));
        }
        for name in [Iteration::FILE, Epoch::FILE, MODEL] {
            let path = self.path.join(name);
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(Error::file("clear away", path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Takes the folder away again if a run was refused before it wrote more than its settings.
    pub fn abandon(self) {
        let Self { path, _lock } = self;
        let is_ours = |name: &OsStr| name == CONFIG || name == LOCK || file::is_unfinished(name);
        let only_ours = std::fs::read_dir(&path)
            .is_ok_and(|mut all| all.all(|entry| entry.is_ok_and(|e| is_ours(&e.file_name()))));
        if only_ours {
            let _ = std::fs::remove_file(path.join(CONFIG));
        }
        drop(_lock); // which removes its file
        let _ = std::fs::remove_dir(path); // which a folder that holds anything survives
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes what a killed process had begun to write.
    fn sweep(&self) -> Result<(), Error> {
        let read = Error::file("read", &self.path);
        let entries =
            std::fs::read_dir(&self.path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        for entry in entries.map_err(read)? {
            let path = entry.path();
            if file::is_unfinished(&entry.file_name()) {
                std::fs::remove_file(&path).map_err(Error::file("remove", path))?;
            }
        }
        Ok(())
    }
}

/// Whether a folder holds anything but a lock and unfinished files.
///
/// # Errors
/// If it is not there, is no folder, or cannot be read.
pub fn is_occupied(path: &Path) -> std::io::Result<bool> {
    for entry in std::fs::read_dir(path)? {
        let name = entry?.file_name();
        if name != LOCK && !file::is_unfinished(&name) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Writes a file of a run, whole or not at all.
///
/// # Errors
/// If it cannot be written; what was there before stays.
pub fn write_whole(path: &Path, content: &[u8]) -> Result<(), Error> {
    file::write_whole(path, content).map_err(Error::file("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_processes_cannot_write_to_one_folder_and_the_error_names_the_holder() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run");
        let first = RunFolder::create(&path).unwrap();
        let error = RunFolder::create(&path).unwrap_err().to_string();
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        assert!(RunFolder::open(&path).is_err());
        let second = RunFolder::next_free(dir.path()).unwrap();
        let third = RunFolder::next_free(dir.path()).unwrap();
        assert_ne!(second.path(), third.path());
        drop(first);
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 0, "nothing is left behind");
        RunFolder::open(&path).unwrap();
    }

    #[test]
    fn unfinished_files_of_a_killed_process_are_removed_and_do_not_occupy_a_folder() {
        let dir = tempfile::tempdir().unwrap();
        for name in [LOCK, ".model.safetensors.unfinished"] {
            std::fs::write(dir.path().join(name), "half").unwrap();
        }
        assert!(!is_occupied(dir.path()).unwrap());
        drop(RunFolder::open(dir.path()).unwrap());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_that_waits_under_the_locks_name_is_not_written_through() {
        let dir = tempfile::tempdir().unwrap();
        let victim = dir.path().join("victim");
        std::fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, dir.path().join(LOCK)).unwrap();
        assert!(RunFolder::create(dir.path()).is_err());
        assert_eq!(std::fs::read(&victim).unwrap(), b"precious");
    }
}
