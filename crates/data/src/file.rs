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
            assert_eq!(read_text(&path, 9).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        }
    }
}
