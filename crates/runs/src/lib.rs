//! The records of a training run: what a run writes into its folder, and the reader of each.
//!
//! Writer and reader of a table are one type, [`Table`], whose columns are the fields of its record:
//!
//! ```
//! use chainrule_runs::{Epoch, Table, table::Progress};
//!
//! let epochs = "epoch,iteration,train_loss,train_accuracy,validation_loss,validation_accuracy\n\
//!               0,0,2.5,0.1,2.5,0.1\n1,704,1.7,0.4,1.8,0.38\n";
//! let rows = Table::<Epoch>::read_from("epochs.csv".as_ref(), epochs.as_bytes(), Progress::Ended)?;
//! assert_eq!(rows.records[1].validation_accuracy, 0.38);
//! # Ok::<(), chainrule_runs::Error>(())
//! ```
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`records`] | a row of `iterations.csv` and of `epochs.csv` |
//! | [`summary`] | `summary.json`, the result |
//! | [`provenance`] | where a run came from: version, commit, machine, images |
//! | [`table`] | CSV tables: writer, reader, and cutting back to a checkpoint |
//! | [`confusion`] | `confusion.csv`: how many images of each class were predicted as which |
//! | [`metrics`] | `metrics.csv`: precision, recall and F1 of each class |
//! | [`names`] | other and older names of settings |
//! | [`folder`] | the folder of a run, and its files |
//! | [`lock`] | which process writes to a folder |
//! | [`run`] | a run's folder, read back |

pub mod confusion;
mod error;
pub mod folder;
pub mod lock;
pub mod metrics;
pub mod names;
pub mod provenance;
pub mod records;
pub mod run;
pub mod summary;
pub mod table;
mod text;

pub use confusion::Confusion;
pub use error::Error;
pub use folder::RunFolder;
pub use metrics::{ClassMetrics, Metrics};
pub use provenance::Provenance;
pub use records::{Epoch, Iteration, UpdateRatios};
pub use run::Run;
pub use summary::Summary;
pub use table::{Record, Rows, Table};
pub use text::shorten;
