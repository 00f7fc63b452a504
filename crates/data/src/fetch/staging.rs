//! Files on their way: written under `.fetch/` inside the folder, proved, synced, renamed.
//!
//! The folder lies inside the one that is being filled, so a rename never crosses file systems.
//! One process at a time holds it, by a lock that the system lets go of should the process die.
//! What is found in it at the start is thrown away, a download that broke off excepted.

use std::fs::{self, File, TryLockError};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use md5::{Digest, Md5};

use super::error::{Error, Failure};
use crate::cifar10::{Official, Set};
use crate::digest::hex;

/// The folder `.fetch/`, locked, while a fetch goes on.
pub(super) struct Staging<'a> {
    target: &'a Path,
    folder: PathBuf,
    set: Set<'a>,
    _lock: File,
}

impl<'a> Staging<'a> {
    const LOCK: &'static str = "lock";

    /// Makes `target` and the staging folder in it, and takes the lock.
    pub fn open(target: &'a Path, set: Set<'a>) -> Result<Self, Error> {
        let folder = target.join(".fetch");
        let refuse = |path: &Path, reason| Error::Write { path: path.to_owned(), reason };
        fs::create_dir_all(&folder).map_err(|e| refuse(&folder, e))?;
        let path = folder.join(Self::LOCK);
        for path in [&folder, &path] {
            if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink()) {
                let why = "it is a link, and may lead out of the folder: remove it";
                return Err(refuse(path, io::Error::other(why)));
            }
        }
        let lock = File::create(&path).map_err(|e| refuse(&path, e))?;
        // A process that was just killed may need a moment to let go.
        let patience = Instant::now() + Duration::from_secs(1);
        loop {
            match lock.try_lock() {
                Err(TryLockError::WouldBlock) if Instant::now() < patience => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::Busy { path: target.to_owned() });
                }
                // Some network file systems have no locks. Two fetches at once would then waste
                // work, and still install proved files alone.
                Ok(()) | Err(TryLockError::Error(_)) => break,
            }
        }
        let staging = Self { target, folder, set, _lock: lock };
        staging.clear();
        Ok(staging)
    }

    /// Where a download is kept until it is complete. It outlives the process.
    pub fn part(&self) -> PathBuf {
        self.folder.join("archive.part")
    }

    /// A path for a file that is needed during the fetch.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes one file of the set by `fill`, and proves it.
    pub fn write(
        &self,
        file: &Official,
        fill: impl FnOnce(&mut Proving) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let path = self.path(file.name);
        let to = File::create(&path).map_err(|e| Failure::write(&path, e))?;
        let mut proving =
            Proving { path: &path, to: BufWriter::with_capacity(1 << 17, to), hash: Md5::new() };
        fill(&mut proving)?;
        let Proving { to, hash, .. } = proving;
        let synced = to.into_inner().map_err(|e| e.into_error()).and_then(|file| file.sync_all());
        synced.map_err(|e| Failure::write(&path, e))?;
        match hex(&hash.finalize()) {
            found if found == file.md5 => Ok(()),
            found => Err(Failure::Source(format!(
                "its {} has the MD5 {found}, expected {}",
                file.name, file.md5
            ))),
        }
    }

    /// Gives every file of the set, each written and proved, its name.
    pub fn install(&self) -> Result<(), Failure> {
        for file in self.set.files {
            let path = self.target.join(file.name);
            fs::rename(self.path(file.name), &path).map_err(|e| Failure::write(&path, e))?;
        }
        let _ = fs::remove_file(self.part());
        // The names are on the disk once the folder is. Some systems cannot sync a folder, and
        // the files themselves are safe already.
        let _ = File::open(self.target).and_then(|folder| folder.sync_all());
        Ok(())
    }

    /// Removes what a fetch leaves, but for the download that may be gone on with.
    fn clear(&self) {
        let keep = [self.part(), self.path(Self::LOCK)];
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if !keep.contains(&path) {
                // A folder is npm's, if anyone's; what cannot be removed is not ours to judge.
                let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
            }
        }
    }
}

impl Drop for Staging<'_> {
    fn drop(&mut self) {
        self.clear();
        let _ = fs::remove_file(self.path(Self::LOCK));
        // Stays where a broken download waits in it.
        let _ = fs::remove_dir(&self.folder);
    }
}

/// A file that is being written and hashed.
pub(super) struct Proving<'a> {
    path: &'a Path,
    to: BufWriter<File>,
    hash: Md5,
}

impl Proving<'_> {
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.hash.update(bytes);
        self.to.write_all(bytes).map_err(|e| Failure::write(self.path, e))
    }
}
