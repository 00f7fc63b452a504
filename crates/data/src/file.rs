//! Opening untrusted files, and writing a file whole or not at all.
//!
//! A name may stand for a pipe without a writer, an endless device, or a file larger than the
//! memory. The kind and the length of a file are checked before anything is read.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// Opens a regular file and tells its length in bytes.
///
/// The kind is asked before the file is opened: opening a pipe would wait for a writer.
///
/// # Errors
/// As the system says, or [`io::ErrorKind::InvalidInput`] for what is not a regular file.
pub fn open(path: &Path) -> io::Result<(File, u64)> {
    let not_regular = || io::Error::new(ErrorKind::InvalidInput, "it is not a regular file");
    if !std::fs::metadata(path)?.is_file() {
        return Err(not_regular());
    }
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() { Ok((file, metadata.len())) } else { Err(not_regular()) }
}

/// Reads a file that is at most `most` bytes long.
///
/// # Errors
/// As [`open`], or [`io::ErrorKind::FileTooLarge`].
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let (file, length) = open(path)?;
    let too_large = |length: u64| {
        let why = format!("it is {length} bytes long, and such a file is never above {most}");
        io::Error::new(ErrorKind::FileTooLarge, why)
    };
    if length > most {
        return Err(too_large(length));
    }
    // It may grow while it is read, and the files of /proc say that they are empty.
    let mut bytes = Vec::new();
    let read = file.take(most + 1).read_to_end(&mut bytes)? as u64;
    if read > most { Err(too_large(read)) } else { Ok(bytes) }
}

/// Reads a file of text that is at most `most` bytes long.
///
/// # Errors
/// As [`read`], or [`io::ErrorKind::InvalidData`] if it is not UTF-8.
pub fn read_text(path: &Path, most: u64) -> io::Result<String> {
    String::from_utf8(read(path, most)?)
        .map_err(|_| io::Error::new(ErrorKind::InvalidData, "stream did not contain valid UTF-8"))
}

/// Whether a text of TOML may nest its tables so deeply that reading it would overflow the stack.
///
/// The toml crate bounds the dots of a key and the braces around it, each at 80, but not the two
/// together: 80 inline tables in keys of 80 parts nest 6,400 deep, and it recurses through them.
/// What is counted here is a bound on that, for a key ends on the line on which it begins.
pub fn nests_too_deep(toml: &str) -> bool {
    const MOST: usize = 500;
    let dots = toml.lines().map(|line| line.matches('.').count()).max().unwrap_or(0);
    let braces = toml.matches('{').count();
    // The table that a header opens, and the key of a line in it, have dots of their own.
    (dots + 1).saturating_mul(braces + 2) > MOST && braces > 0
}

/// The name under which [`write_whole`] writes until the file is whole.
fn unfinished(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.unfinished"))
}

/// Whether a file of this name is what a killed process had begun to write.
pub fn is_unfinished(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with('.') && name.ends_with(".unfinished"))
}

/// Writes a file so that under its name there is always the old content or the new, whole: to a
/// temporary file beside it, synced, renamed.
///
/// # Errors
/// If it cannot be written; what was there before stays.
pub fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    write_checked(path, |file| file.write_all(content), |_| Ok(()))
}

/// As [`write_whole`], of what `write` writes into the file; it takes its name only after `check` has
/// read it back.
///
/// # Errors
/// As [`write_whole`], or what `write` or `check` says.
pub fn write_checked(
    path: &Path,
    write: impl FnOnce(&mut File) -> io::Result<()>,
    check: impl FnOnce(&Path) -> io::Result<()>,
) -> io::Result<()> {
    let unfinished = unfinished(path);
    let replace = || {
        // A new file: what may lie there, a link to somewhere else say, is not written through.
        match std::fs::remove_file(&unfinished) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = File::create_new(&unfinished)?;
        write(&mut file)?;
        file.sync_all()?;
        check(&unfinished)?;
        std::fs::rename(&unfinished, path)
    };
    if let Err(error) = replace() {
        let _ = std::fs::remove_file(&unfinished);
        return Err(error);
    }
    sync_name(path)
}

/// Makes the name of a file or folder, new or renamed, survive a power cut, on the systems that can
/// be asked to.
///
/// # Errors
/// If the disk fails.
pub fn sync_name(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let synced = File::open(parent.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all());
    match synced {
        // A system that syncs no folders, or a folder that may be written to and not be read.
        Err(error) if is_refused(&error) => Ok(()),
        synced => synced,
    }
}

fn is_refused(error: &io::Error) -> bool {
    use ErrorKind::{InvalidInput, PermissionDenied, Unsupported};
    matches!(error.kind(), InvalidInput | PermissionDenied | Unsupported)
}

/// Makes a folder and those around it that are not there, so that a power cut does not take what is
/// synced in it away with its name.
///
/// # Errors
/// As [`std::fs::create_dir_all`], or if the disk fails.
pub fn create_folders(path: &Path) -> io::Result<()> {
    let is_missing = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
    let missing: Vec<_> = path.ancestors().take_while(is_missing).collect();
    std::fs::create_dir_all(path)?;
    missing.into_iter().rev().try_for_each(sync_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_dots_and_braces_together_are_too_deep() {
        let nested = |parts: usize, braces: usize| {
            format!(
                "a = {}1{}",
                format!("{{{}a = ", "a.".repeat(parts)).repeat(braces),
                "}".repeat(braces)
            )
        };
        assert!(nests_too_deep(&nested(70, 70)));
        assert!(!nests_too_deep(&nested(70, 0)) && !nests_too_deep(&nested(0, 70)));
        // As many dots and braces as a run's settings could ever have.
        assert!(!nests_too_deep("path = \"../../../a.b.c\"\nprocessor = \"{0} {1} 3.5 GHz\""));
    }

    #[test]
    fn a_pipe_a_device_and_a_folder_are_refused_before_they_are_opened() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        let pipe = made.is_ok_and(|status| status.success()).then_some(pipe.as_path());
        let others = [Path::new("/dev/zero"), dir.path()];
        for path in pipe.into_iter().chain(others).filter(|path| path.exists()) {
            let error = read_text(path, 100).unwrap_err();
            assert_eq!(error.to_string(), "it is not a regular file", "{}", path.display());
        }
    }

    #[test]
    fn a_file_that_is_longer_than_its_kind_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("long.txt");
        std::fs::write(&path, "0123456789").unwrap();
        assert_eq!(read_text(&path, 10).unwrap(), "0123456789");
        let error = read_text(&path, 9).unwrap_err();
        assert_eq!(error.to_string(), "it is 10 bytes long, and such a file is never above 9");
        // A terabyte of nothing, refused from its length.
        let sparse = File::create(&path).unwrap();
        if sparse.set_len(1 << 40).is_ok() {
            assert_eq!(read_text(&path, 9).unwrap_err().kind(), ErrorKind::FileTooLarge);
        }
    }

    #[test]
    fn a_file_that_cannot_be_written_whole_leaves_the_old_one_and_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("page.html");
        write_whole(&path, b"old").unwrap();
        write_whole(&path, b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        // What is read back is not what was written.
        let damaged = |_: &Path| Err(io::Error::other("damaged"));
        assert!(write_checked(&path, |file| file.write_all(b"newer"), damaged).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        // A folder stands where the file is to go.
        let taken = dir.path().join("taken");
        std::fs::create_dir(&taken).unwrap();
        assert!(write_whole(&taken, b"new").is_err());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_that_waits_under_a_temporary_name_is_not_written_through() {
        let dir = tempfile::tempdir().unwrap();
        let (victim, target) = (dir.path().join("victim"), dir.path().join("summary.json"));
        std::fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, unfinished(&target)).unwrap();
        write_whole(&target, b"new").unwrap();
        assert_eq!(std::fs::read(&victim).unwrap(), b"precious");
        assert_eq!(std::fs::read(&target).unwrap(), b"new");
    }
}
