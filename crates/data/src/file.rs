//! Opening a file that a stranger may have put there.
//!
//! A name may stand for a pipe that nobody writes to, a device that never ends, or a file larger
//! than the memory. All of this can be asked of the system before anything is read, and is; so
//! is a file that is longer than its kind ever gets.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Opens a regular file and tells its length in bytes.
///
/// The kind is asked before the file is opened: opening a pipe would wait for a writer.
///
/// # Errors
/// As the system says, or [`io::ErrorKind::InvalidInput`] for what is not a regular file.
pub fn open(path: &Path) -> io::Result<(File, u64)> {
    let not_regular = || io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file");
    if !std::fs::metadata(path)?.is_file() {
        return Err(not_regular());
    }
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() { Ok((file, metadata.len())) } else { Err(not_regular()) }
}

/// Reads a file of text that is at most `most` bytes long.
///
/// # Errors
/// As [`open`], or [`io::ErrorKind::FileTooLarge`], or [`io::ErrorKind::InvalidData`] if it is
/// not UTF-8.
pub fn read_text(path: &Path, most: u64) -> io::Result<String> {
    let (file, length) = open(path)?;
    let too_large = |length: u64| {
        let why = format!("it is {length} bytes long, and such a file is never above {most}");
        io::Error::new(io::ErrorKind::FileTooLarge, why)
    };
    if length > most {
        return Err(too_large(length));
    }
    // It may grow while it is read, and the files of /proc say that they are empty.
    let mut text = String::new();
    let read = file.take(most + 1).read_to_string(&mut text)? as u64;
    if read > most { Err(too_large(read)) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let sparse = std::fs::File::create(&path).unwrap();
        if sparse.set_len(1 << 40).is_ok() {
            assert_eq!(read_text(&path, 9).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        }
    }
}
