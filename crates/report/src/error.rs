//! The errors of this crate.

use std::io;
use std::path::{Path, PathBuf};

use chainrule_data::Shape;

/// An error of this crate; its text names the file and, in a table, the record
/// and the column.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of the run that cannot be read.
    #[error(transparent)]
    Run(#[from] chainrule_runs::Error),
    /// The file could not be written.
    #[error("{}: cannot be written: {reason}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
        reason: io::Error,
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
    /// A run to compare has not ended.
    #[error("run {run} has no test accuracy: it has not ended")]
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
    pub(crate) fn write(path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        move |reason| Error::Write { path, reason }
    }
}
