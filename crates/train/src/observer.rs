//! The events of a run: the plan before its first step, each step, each epoch, and the request to
//! stop.

use chainrule_runs::{Epoch, Iteration};
use chainrule_tensor::Kernel;

use crate::Config;

/// The size of a run before it begins.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The settings that will be used.
    pub config: Config,
    /// Steps already taken: 0, but for a resumed run.
    pub begun: u64,
    /// Steps of the whole run.
    pub iterations: u64,
    /// Values of an image.
    pub inputs: usize,
    /// Number of classes.
    pub classes: usize,
    /// Images to train on.
    pub training: usize,
    /// Images to choose the best weights by.
    pub validation: usize,
    /// Images to test with.
    pub test: usize,
    /// Number of weights and biases.
    pub parameters: usize,
    /// The kernels in use.
    pub kernel: Kernel,
}

/// Receives the events of a run.
///
/// ```
/// use chainrule_train::{Config, Data, Error, Observer, run};
///
/// # let folder = tempfile::tempdir()?;
/// # let out = folder.path().join("run");
/// # let config = Config { hidden_dim: vec![], epochs: 1, threads: 1, ..Config::default() };
/// /// Asks the run to stop after its first step.
/// struct Impatient;
///
/// impl Observer for Impatient {
///     fn stop(&mut self) -> bool {
///         true
///     }
/// }
///
/// let stopped = run(&config, &Data::sample(), &out, &mut Impatient).unwrap_err();
/// assert!(matches!(stopped, Error::Stopped { .. })); // with a checkpoint
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Observer: Send {
    /// The images are being prepared; `step` says how, in one line.
    fn preparing(&mut self, _step: &str) {}
    /// The run is about to begin.
    fn start(&mut self, _plan: &Plan) {}
    /// A step was taken.
    fn iteration(&mut self, _iteration: &Iteration) {}
    /// An epoch has ended, or (epoch 0) the first is about to begin. `best`: it is the best so far
    /// on validation.
    fn epoch(&mut self, _epoch: &Epoch, _best: bool) {}
    /// Asked after each step: whether to write a checkpoint and stop here. Once true it must stay
    /// true.
    fn stop(&mut self) -> bool {
        false
    }
}

/// Ignores all events.
pub struct Quiet;

impl Observer for Quiet {}
