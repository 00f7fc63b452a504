//! What can go wrong, said so that the reader knows where to look.

use std::io;
use std::path::{Path, PathBuf};

use chainrule_data::Shape;

/// An error of this crate; its text names the file and, in a table, the record
/// and the column.
#[derive(Debug, thiserror::Error)]
pub enum Error {
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
    /// The file could not be written.
    #[error("{}: cannot be written: {reason}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's own words.
        reason: io::Error,
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
        column: &'static str,
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
    /// A picture is saved as SVG or PNG, and the name says which.
    #[error("{}: the name of a picture must end in .svg or .png", path.display())]
    PictureName {
        /// The file.
        path: PathBuf,
    },
    /// `curves` was given no run at all.
    #[error("there is no run to draw")]
    NoRuns,
    /// A run among those that are compared was killed, or goes on still.
    #[error("run {run} has no test accuracy yet: it must end first (chainrule train --resume)")]
    NoResult {
        /// Its name.
        run: String,
    },
    /// The weights do not fill the tiles.
    #[error(
        "{units} tiles of {} x {} x {} need {} weights, but there are {found}",
        shape.channels, shape.height, shape.width, units.saturating_mul(shape.dim())
    )]
    Tiles {
        /// Rows of the weight matrix: hidden units, or classes of a linear classifier.
        units: usize,
        /// The shape of the images that the layer reads.
        shape: Shape,
        /// Weights given.
        found: usize,
    },
    /// The drawing library refused; a fault of this crate, not of the data.
    #[error("the picture could not be drawn: {0}")]
    Draw(String),
}

impl Error {
    pub(crate) fn read(path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        move |reason| Error::Read { path, reason }
    }

    pub(crate) fn write(path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        move |reason| Error::Write { path, reason }
    }
}
