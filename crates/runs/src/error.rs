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
        /// What the system said; part of the sentence, and so no source of its own.
        reason: io::Error,
    },
    /// The folder of results is taken.
    #[error("{} already exists and is not empty: choose another folder, or move it away", .0.display())]
    FolderTaken(PathBuf),
    /// Another process writes to the folder of results.
    #[error("{} is being written to by {holder}: wait for it, or stop it", folder.display())]
    FolderHeld {
        /// The folder.
        folder: PathBuf,
        /// Who holds it, as far as it said so.
        holder: String,
    },
    /// There is no run to resume.
    #[error("there is no run to resume in {}: no checkpoint.safetensors", .0.display())]
    NoRun(PathBuf),
    /// A table that is not the one that a checkpoint was written with.
    #[error(
        "{}: it is not the table that the checkpoint was written with: no line ends at byte {length}",
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
        /// The system's own words.
        reason: io::Error,
    },
    /// The file is longer than any run's.
    #[error("{}: it is {length} bytes long, and such a file is never above {most}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        length: u64,
        /// The length up to which it would be read, in bytes.
        most: u64,
    },
    /// A CSV file with nothing in it, not even a header row.
    #[error("{}: the file is empty; it should start with a row of column names", path.display())]
    NoHeader {
        /// The file.
        path: PathBuf,
    },
    /// A column that the drawing needs is not among the names in the header.
    #[error("{}: there is no column `{column}`; the header row names {found}", path.display())]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// The column that was looked for.
        column: String,
        /// The names that are there.
        found: String,
    },
    /// A record with more or fewer fields than the header, as a file that was cut short has.
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
    /// A cell that is not what its column holds.
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
        /// What stands there.
        cell: String,
        /// What should stand there.
        expected: &'static str,
    },
    /// Text that is not UTF-8, or a failure of the disk in the middle of a file.
    #[error("{}: {reason}", path.display())]
    Csv {
        /// The file.
        path: PathBuf,
        /// The CSV reader's own words, which name the record.
        reason: csv::Error,
    },
    /// `config.toml` is not TOML.
    #[error("{}: not a TOML file: {reason}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// The parser's own words, which name line and column.
        reason: Box<toml::de::Error>,
    },
    /// `config.toml` nests its tables more deeply than any run's.
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
    /// A confusion matrix that is not square, or whose rows stand in another order.
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
