//! What can go wrong with the files of a run: file, record, column, and what was expected.

use std::io;
use std::path::{Path, PathBuf};

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder that could not be created, written or cleared up.
    #[error("cannot {action} {}: {reason}", path.display())]
    File {
        /// "read", "write", "create".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error. It is part of the message, and so not its source.
        reason: io::Error,
    },
    /// The folder is not empty.
    #[error("{} already exists and is not empty: choose another folder, or move it away", .0.display())]
    FolderTaken(PathBuf),
    /// A file, or a link to nothing, has the name of the folder.
    #[error("{} exists and is not a folder", .0.display())]
    NotAFolder(PathBuf),
    /// Another process writes to the folder.
    #[error("{} is being written to by {holder}: wait for it, or stop it", folder.display())]
    FolderHeld {
        /// The folder.
        folder: PathBuf,
        /// The process that holds it, if it is known.
        holder: String,
    },
    /// There is no run to resume.
    #[error("there is no run to resume in {}: no checkpoint.safetensors", .0.display())]
    NoRun(PathBuf),
    /// A table that does not match its checkpoint.
    #[error(
        "{}: the table does not match the checkpoint: no line ends at byte {length}",
        path.display()
    )]
    OtherTable {
        /// The file.
        path: PathBuf,
        /// Its length in bytes when the checkpoint was written.
        length: u64,
    },
    /// The file is not there, or may not be read.
    #[error("{}: cannot be read: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        reason: io::Error,
    },
    /// The file is longer than any that a run writes.
    #[error("{}: the file has {length} bytes; at most {most} are read", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        length: u64,
        /// The longest that is read, in bytes.
        most: u64,
    },
    /// A CSV file with nothing in it, not even a header row.
    #[error("{}: the file is empty; it should start with a row of column names", path.display())]
    NoHeader {
        /// The file.
        path: PathBuf,
    },
    /// A required column is not in the header.
    #[error("{}: there is no column `{column}`; the header row names {found}", path.display())]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// The column that was looked for.
        column: String,
        /// The columns of the header.
        found: String,
    },
    /// A record with more or fewer fields than the header; the file may have been cut short.
    #[error(
        "{}, record {record} (line {line}): {found} fields, but the header row has {expected}; \
         was the file cut short?",
        path.display()
    )]
    FieldCount {
        /// The file.
        path: PathBuf,
        /// Counted from 1, without the header.
        record: u64,
        /// Counted from 1, with the header.
        line: u64,
        /// Fields of the header.
        expected: u64,
        /// Fields of this record.
        found: u64,
    },
    /// A cell of the wrong type or range.
    #[error(
        "{}, record {record} (line {line}), column `{column}`: `{cell}` is not {expected}",
        path.display()
    )]
    Cell {
        /// The file.
        path: PathBuf,
        /// Counted from 1, without the header.
        record: u64,
        /// Counted from 1, with the header.
        line: u64,
        /// The column's name.
        column: String,
        /// Its text.
        cell: String,
        /// What was expected.
        expected: &'static str,
    },
    /// Text that is not UTF-8, or a failure of the disk in the middle of a file.
    #[error("{}: {reason}", path.display())]
    Csv {
        /// The file.
        path: PathBuf,
        /// The CSV reader's error, which names the record.
        reason: csv::Error,
    },
    /// `config.toml` is not TOML.
    #[error("{}: not a TOML file: {reason}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// The parser's error, which names line and column.
        reason: Box<toml::de::Error>,
    },
    /// `config.toml` has tables nested too deeply.
    #[error("{}: its tables are nested too deeply for a run's settings", path.display())]
    Nesting {
        /// The file.
        path: PathBuf,
    },
    /// `summary.json` is not JSON, or its accuracy is not a number.
    #[error("{}: {reason}", path.display())]
    Summary {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A confusion matrix that is not square, or whose rows have another order than its columns.
    #[error(
        "{}: its {rows} rows are not the classes of its {columns} columns; was the file cut short?",
        path.display()
    )]
    Confusion {
        /// The file.
        path: PathBuf,
        /// Its rows.
        rows: usize,
        /// Its columns.
        columns: usize,
    },
}

impl Error {
    /// The error of the system about a file, as one of this crate.
    pub fn file(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Error {
        let path = path.as_ref().to_owned();
        move |reason| Error::File { action, path, reason }
    }

    pub(crate) fn csv(path: impl AsRef<Path>) -> impl FnOnce(csv::Error) -> Error {
        let path = path.as_ref().to_owned();
        move |error| Error::File { action: "write", path, reason: error.into() }
    }

    pub(crate) fn read(path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        move |reason| Error::Read { path, reason }
    }
}
