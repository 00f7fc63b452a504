//! The threads that train a classifier: construction and the loop over steps.
//!
//! An [`Engine`] distributes a [`SoftmaxClassifier`] over the ranks and takes steps
//! ([`Engine::train`]); the threads enter their pool once for all the steps of a call. A result has
//! the same bits for any number of threads. `engine/options.rs` sets how it trains,
//! `engine/parameters.rs` reads and writes parameters and optimizer state, `engine/memory.rs` counts the
//! memory of its activations beforehand.

mod memory;
mod options;
mod parameters;

use std::ops::ControlFlow;
use std::sync::{Mutex, MutexGuard};

use chainrule_tensor::comm::{Communicator, ThreadError, ThreadGroup};
use chainrule_tensor::gather::Rows;
use chainrule_tensor::{Buffer, Isa, Kernel, Scalar};

use crate::anomaly::TensorName;
use crate::architecture::Architecture;
use crate::layers::hidden::Hidden;
use crate::optimizer::Optimizer;
use crate::param::Parameter;
use crate::shard::{Net, Shared};
use crate::step::{self, Batch, TrainOptions};
use crate::{SoftmaxClassifier, state};

pub use memory::activation_bytes;

/// Rows that are evaluated at once.
pub(crate) const EVALUATION_ROWS: usize = 256;

/// A classifier in training, distributed over a group of threads.
///
/// ```
/// # use chainrule_nn::{Engine, Init, Sgd, SoftmaxClassifier};
/// # use chainrule_tensor::Tensor;
/// # let x = Tensor::from_rows(&[[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]);
/// # let labels = [0, 1, 1, 0];
/// # let sgd = Sgd { learning_rate: 0.5, momentum: 0.9, l2: 0.0, nesterov: false };
/// # let model = SoftmaxClassifier::<f64>::new(&[2, 8, 2], Init::He, 1)?;
///
/// let mut engine = Engine::new(&model, 4, 2)?; // batches of up to 4 rows, on 2 threads
/// engine.train(&x, &labels, &[3, 1, 0, 2], 2, sgd)?; // two steps of two rows, in this order
/// assert_eq!(engine.steps(), 2);
/// let trained = engine.model(); // the parameters, to save or to evaluate elsewhere
/// assert_ne!(trained, model);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Engine<T = f32> {
    pub(crate) architecture: Architecture,
    kernel: Kernel,
    pub(crate) group: ThreadGroup,
    pub(crate) shared: Shared<T>,
    nets: Vec<Mutex<Net<T>>>,
    batch: usize,
    /// Steps taken in all.
    steps: u64,
    options: TrainOptions<T>,
}

/// A step of training, reported before the next one begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The number of the step, from 0.
    pub number: usize,
    /// The mean cross-entropy of the batch, as training sees it, plus the penalty ½ λ Σ W²,
    /// before the update.
    pub loss: f64,
    /// With [`Engine::set_clip_norm`], the norm of the gradient before it was clipped, without the
    /// penalty's derivative; `None` if the loss is not finite.
    pub gradient_norm: Option<f64>,
}

/// A tensor holds a NaN or an infinity, so that no further step makes sense.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("diverged at step {step}: {tensor} is NaN or infinite (loss {loss})")]
pub struct Diverged {
    /// The step at which it happened, from 0.
    pub step: usize,
    /// The loss of that step: infinite or NaN, or finite if only [`Engine::set_detect_anomaly`] found it.
    pub loss: f64,
    /// The first tensor of the step, in the order of the mathematics, that is not finite.
    pub tensor: TensorName,
}

impl<T: Scalar> Engine<T> {
    /// Distributes `model` over `threads` threads, with room for batches of up to `batch` rows. The
    /// kernels are the fastest that this processor can run ([`Isa::best`]).
    ///
    /// # Errors
    /// If the threads cannot be started.
    pub fn new(
        model: &SoftmaxClassifier<T>,
        batch: usize,
        threads: usize,
    ) -> Result<Self, ThreadError> {
        Self::with_kernel(model, batch, threads, Isa::best())
    }

    /// [`Engine::new`] with the products of `kernel`, an [`Isa`] or a [`Kernel`].
    ///
    /// # Errors
    /// If the threads cannot be started.
    pub fn with_kernel(
        model: &SoftmaxClassifier<T>,
        batch: usize,
        threads: usize,
        kernel: impl Into<Kernel>,
    ) -> Result<Self, ThreadError> {
        Ok(Self::on_group(model, batch, ThreadGroup::new(threads)?, kernel))
    }

    /// [`Engine::with_kernel`] on the threads of `group`.
    ///
    /// If the group is one process of several, all of them make the same calls of their engines, and
    /// each gets the same results: [`Engine::train`], [`Engine::evaluate`], [`Engine::model`] and the
    /// like are collective calls.
    pub fn on_group(
        model: &SoftmaxClassifier<T>,
        batch: usize,
        group: ThreadGroup,
        kernel: impl Into<Kernel>,
    ) -> Self {
        let kernel = kernel.into().of::<T>();
        let architecture = model.architecture().clone();
        let shared = Shared::new(&architecture, kernel, group.ranks(), batch.max(EVALUATION_ROWS));
        let rows = (batch, EVALUATION_ROWS);
        let net = |rank| Mutex::new(Net::new(&architecture, &shared, kernel, rank, rows));
        let nets = group.own_ranks().map(net).collect();
        let (steps, options) = (0, TrainOptions::default());
        let mut engine = Self { architecture, kernel, group, shared, nets, batch, steps, options };
        engine.scatter(model, |parameter| &mut parameter.value);
        engine
    }

    /// The kernels in use.
    pub fn kernel(&self) -> Kernel {
        self.kernel
    }

    /// The vector instructions in use.
    pub fn isa(&self) -> Isa {
        self.kernel.isa()
    }

    /// Widths, hidden units, and where each tensor lies.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// What stands between two layers.
    pub fn hidden(&self) -> Hidden {
        self.architecture.hidden()
    }

    /// Number of threads of this process.
    pub fn threads(&self) -> usize {
        self.group.size()
    }

    /// The most rows of a batch.
    pub(crate) fn batch(&self) -> usize {
        self.batch
    }

    /// Whether each rank keeps the gradient of a step.
    pub(crate) fn keeps_gradients(&self) -> bool {
        self.options.clip_norm.is_some()
    }

    /// The part of the network that a thread of this process owns.
    pub(crate) fn net(&self, thread: usize) -> MutexGuard<'_, Net<T>> {
        self.nets[thread].lock().expect("a panic in a step leaves no engine to go on with")
    }

    fn nets_mut(&mut self) -> impl Iterator<Item = &mut Net<T>> {
        let intact = "a panic in a step leaves no engine to go on with";
        self.nets.iter_mut().map(move |net| net.get_mut().expect(intact))
    }

    fn scatter(
        &mut self,
        from: &SoftmaxClassifier<T>,
        of: impl Fn(&mut Parameter<T>) -> &mut Buffer<T>,
    ) {
        let (theirs, own) = (from.architecture(), &self.architecture);
        assert_eq!(theirs, own, "architectures of the model and of the engine");
        for thread in 0..self.nets.len() {
            let net = &mut self.net(thread);
            state::scatter(&self.architecture, &self.shared, from.parameters(), net, &of);
        }
    }

    /// Takes one step for each `batch` rows of `order`; the last batch may be short.
    ///
    /// `labels[row]` is the class of a row of `data`.
    ///
    /// # Errors
    /// [`Diverged`] at the first loss that is not finite. That step changes no parameter. What
    /// [`Engine::set_detect_anomaly`] finds while the loss is finite is found after the update.
    ///
    /// # Panics
    /// If a row or a label is out of range, or `batch` is 0 or larger than the engine was made for.
    pub fn train(
        &mut self,
        data: &impl Rows<T>,
        labels: &[u8],
        order: &[u32],
        batch: usize,
        optimizer: impl Into<Optimizer<T>>,
    ) -> Result<(), Diverged> {
        let optimizer = optimizer.into();
        self.train_each(data, labels, order, batch, |_| optimizer, |_| ControlFlow::Continue(()))
    }

    /// [`Engine::train`] with an optimizer for every step, by its number in this call from 0, that
    /// calls `each` after the loss of each step is known. `optimizer` is called for all steps before the
    /// first.
    ///
    /// When `each` returns [`ControlFlow::Break`], this step is finished and is the last. Each process
    /// calls its own `each`, and what that of the first returns counts.
    /// Called again with the rest of `order`, by this engine or by another that was given the
    /// parameters, the state and the number of steps of this one, training goes on with the same bits
    /// as if it had not been interrupted.
    ///
    /// # Errors
    /// As [`Engine::train`].
    ///
    /// # Panics
    /// As [`Engine::train`].
    pub fn train_each<O: Into<Optimizer<T>>>(
        &mut self,
        data: &impl Rows<T>,
        labels: &[u8],
        order: &[u32],
        batch: usize,
        optimizer: impl Fn(usize) -> O,
        each: impl FnMut(Step) -> ControlFlow<()> + Send,
    ) -> Result<(), Diverged> {
        assert!((1..=self.batch).contains(&batch), "a batch of 1 to {} rows", self.batch);
        self.check_rows(data, labels, order);
        let steps = order.len().div_ceil(batch);
        let optimizers: Vec<Optimizer<T>> = (0..steps).map(|step| optimizer(step).into()).collect();
        if optimizers.iter().any(|optimizer| optimizer.method.has_second_moment()) {
            self.nets_mut().for_each(Net::keep_second_moment);
        }
        let penalized = optimizers.iter().any(|optimizer| optimizer.l2 > T::ZERO);
        let each = Mutex::new(each);
        let (shared, options, taken) = (&self.shared, &self.options, self.steps);
        let kernel = self.kernel;
        let results = self.group.run(|comm| {
            let net = &mut self.net(comm.thread());
            let _section = kernel.section();
            if penalized {
                net.square_weights(shared);
            }
            let mut batches = order.chunks(batch).enumerate().peekable();
            while let Some((step, rows)) = batches.next() {
                // Rank 0 decides; the last collective call of the step carries its decision.
                let report = |loss, gradient_norm| {
                    if comm.thread() == 0 {
                        let mut each = each.lock().expect("only one thread comes here");
                        let end = each(Step { number: step, loss, gradient_norm }).is_break();
                        if comm.rank() == 0 {
                            shared.stop.write(0)[0] = u64::from(end);
                        }
                    }
                };
                let next_rows = batches.peek().map_or(&[][..], |(_, rows)| rows);
                let batch = Batch { data, labels, rows, next_rows };
                let options = options.at(taken + step as u64 + 1, self.isa(), optimizers[step]);
                let outcome = step::step(net, shared, &comm, batch, &options, report);
                // Every rank has the same loss and the same anomaly, so all return together.
                let loss = outcome.loss;
                let anomaly = if loss.is_finite() {
                    outcome.anomaly
                } else {
                    Some(step::find_anomaly(net, shared, &comm, batch, &options))
                };
                if let Some(tensor) = anomaly {
                    return Err(Diverged { step, loss, tensor });
                }
                if shared.stop.read(0)[0] != 0 {
                    return Ok(step + 1);
                }
            }
            Ok(steps)
        });
        for steps in results {
            self.steps = taken + steps? as u64;
        }
        Ok(())
    }

    /// Which hidden units were active (above 0) in the last batch, of `rows` rows, of
    /// [`Engine::train`], for each rank's features, layer by layer: the gradient check detects by it
    /// that a ReLU has crossed its kink.
    pub fn active(&self, rows: usize) -> Vec<bool> {
        let of_rank = |rank| self.net(rank).active(rows).collect::<Vec<_>>();
        (0..self.nets.len()).flat_map(of_rank).collect()
    }

    pub(crate) fn check_columns(&self, data: &impl Rows<T>) {
        let inputs = self.architecture.inputs();
        assert_eq!(data.columns(), inputs, "columns of the data and inputs of the network");
    }

    pub(crate) fn check_rows(&self, data: &impl Rows<T>, labels: &[u8], rows: &[u32]) {
        self.check_columns(data);
        let classes = self.architecture.classes();
        for &row in rows {
            let label = usize::from(labels[row as usize]);
            assert!(label < classes, "row {row} has label {label}, of {classes} classes");
        }
    }
}
