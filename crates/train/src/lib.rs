//! A training run: settings in, a folder of results out.
//!
//! ```no_run
//! use chainrule_train::{Config, Data, Quiet, run};
//!
//! let config = Config { hidden_dim: vec![100], epochs: 10, ..Config::default() };
//! let data = Data::sample();
//! let finished = run(&config, &data, "results/mine".as_ref(), &mut Quiet)?;
//! println!("{:.1} % of the test images", 100.0 * finished.summary.test_accuracy);
//! # Ok::<(), chainrule_train::Error>(())
//! ```
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`config`] | every setting of a run, its default, and the TOML recipe that sets it |
//! | [`schedule`] | the learning rate of each step |
//! | [`data`] | the images of a run, and the name of their set |
//! | `setup` | a run before its first step: its settings, network, engine and images |
//! | [`observer`] | the events of a run |
//! | [`run`](mod@run) | the loop: epochs of minibatches, the best weights kept, the test at the end |
//! | [`resume`](mod@resume) | resuming a run from its checkpoint |
//! | [`processes`] | the processes of one run: what they must have in common, and who writes |
//! | [`prepared`] | the images as the network reads them, and which of them are for what |
//! | [`origin`] | whether the images at hand are those that a run was on |
//! | [`inference`] | a saved network and the images that it is asked about |
//! | [`explain`] | what a saved network looks at in an image |
//! | [`check`](mod@check) | sanity checks of a network before a long run |
//! | [`lr_finder`] | the loss while the learning rate grows, and the rate to choose |
//! | [`update_ratio`] | the update ratio of each layer |
//! | [`checkpoint`] | the state of a run between two steps |
//! | [`weights`] | a model file: safetensors with PyTorch's names, and the input's normalization |
//! | [`ensemble`](mod@ensemble) | several networks as one, whose scores are the mean of theirs |
//! | [`description`] | what a network consists of, layer by layer |
//! | [`export`] | the model in the formats of other programs: ONNX, npz |
//! | [`sweep`] | many runs that differ in some settings, side by side, and ranked |
//! | [`fingerprint`](mod@fingerprint) | one hash over what a run has computed |
//! | [`diff`](mod@diff) | whether two runs are the same, and if not, where they begin to differ |

#![cfg_attr(not(test), warn(clippy::disallowed_methods))] // see clippy.toml

pub mod check;
pub mod checkpoint;
pub mod config;
pub mod data;
pub mod description;
pub mod diff;
pub mod ensemble;
mod error;
pub mod explain;
pub mod export;
pub mod fingerprint;
pub mod inference;
pub mod lr_finder;
mod machine;
pub mod observer;
pub mod origin;
pub mod prepared;
pub mod processes;
pub mod resume;
pub mod run;
pub mod schedule;
mod setup;
pub mod sweep;
mod teacher;
mod tensors;
mod test;
pub mod update_ratio;
mod views;
pub mod weights;

pub use chainrule_runs::{Epoch, Iteration, RunFolder, Summary};
pub use check::check;
pub use checkpoint::Checkpoint;
pub use config::Config;
pub use data::Data;
pub use description::Description;
pub use diff::diff;
pub use ensemble::ensemble;
pub use error::Error;
pub use explain::{Explainer, Explanation};
pub use fingerprint::fingerprint;
pub use inference::{Answers, Predictor};
pub use lr_finder::find_lr;
pub use machine::{Available, available_memory, threads};
pub use observer::{Observer, Plan, Quiet};
pub use origin::{Origin, Sameness};
pub use prepared::Prepared;
pub use processes::Processes;
pub use resume::{Found, look, restart, resume, resume_on};
pub use run::{Finished, run, start, start_on};
pub use setup::announce;
pub use sweep::Sweep;
pub use weights::{ModelFile, Opened, Remark, Task};
