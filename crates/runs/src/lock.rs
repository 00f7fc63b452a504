//! Which process writes to a folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use crate::Error;

/// The lock file of a folder. The system unlocks it however the process ends.
pub(crate) const LOCK: &str = ".lock";

/// A locked file that names its holder.
#[derive(Debug)]
pub(crate) struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    /// Locks a folder.
    ///
    /// # Errors
    /// [`Error::FolderHeld`] names the process that has the lock.
    pub fn take(folder: &Path) -> Result<Lock, Error> {
        let path = folder.join(LOCK);
        loop {
            if path.symlink_metadata().is_ok_and(|found| !found.is_file()) {
                return Err(Error::FolderTaken(folder.to_owned()));
            }
            let mut options = OpenOptions::new();
            let options = options.read(true).write(true).create(true).truncate(false);
            let mut file = options.open(&path).map_err(Error::file("create", &path))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let mut holder = String::new();
                    let read = file.take(200).read_to_string(&mut holder);
                    let unknown = read.is_err() || holder.is_empty();
                    let holder = if unknown { "another process".into() } else { holder };
                    return Err(Error::FolderHeld { folder: folder.to_owned(), holder });
                }
                Err(TryLockError::Error(error)) => return Err(Error::file("lock", &path)(error)),
            }
            // The last holder may have removed it between our opening and our locking.
            if is_same(&file, &path) {
                let holder = format!("process {}", std::process::id());
                let write = file.set_len(0).and_then(|()| file.write_all(holder.as_bytes()));
                write.map_err(Error::file("write", &path))?;
                return Ok(Lock { path, _file: file });
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A lock file that is left behind locks nothing.
        if cfg!(unix) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(unix)]
fn is_same(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let numbers = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    let (opened, named) = (file.metadata().map(numbers), path.symlink_metadata().map(numbers));
    opened.is_ok() && opened.ok() == named.ok()
}

#[cfg(not(unix))]
fn is_same(_: &File, _: &Path) -> bool {
    true // elsewhere the file is never removed
}
