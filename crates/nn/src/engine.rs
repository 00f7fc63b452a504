//! The threads that train a classifier.
//!
//! An [`Engine`] takes a [`SoftmaxClassifier`] apart into what each rank owns, takes steps, and
//! puts it together again when asked. The threads enter their pool once for all the steps of a call
//! to [`Engine::train`]. A result has the same bits for any number of threads.

use std::ops::ControlFlow;
use std::sync::{Mutex, MutexGuard};

use chainrule_tensor::comm::{Communicator, ThreadError, ThreadGroup};
use chainrule_tensor::gather::Rows;
use chainrule_tensor::{Buffer, Isa, Scalar};

use crate::anomaly::TensorName;
use crate::architecture::Architecture;
use crate::layers::hidden::Hidden;
use crate::optimizer::Optimizer;
use crate::param::Parameter;
use crate::regularize::Regularization;
use crate::shard::{Net, Shared};
use crate::step::{self, Batch, TrainOptions};
use crate::{SoftmaxClassifier, clip, state};

/// Rows that are evaluated at once.
pub(crate) const EVALUATION_ROWS: usize = 256;

/// A classifier in training, spread over a group of threads.
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
    isa: Isa,
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
    /// Where [`Engine::set_clip_norm`] asked for it: the norm of the gradient before it was clipped,
    /// without the penalty's share. A step whose loss is not finite has none.
    pub gradient_norm: Option<f64>,
}

/// A tensor holds a NaN or an infinity, so that no further step makes sense.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("diverged at step {step}: {tensor} is NaN or infinite (loss {loss})")]
pub struct Diverged {
    /// The step at which it happened, from 0.
    pub step: usize,
    /// The loss there: infinite or NaN, but for what only [`Engine::set_detect_anomaly`] finds.
    pub loss: f64,
    /// The first tensor of the step, in the order of the mathematics, that is not finite.
    pub tensor: TensorName,
}

impl<T: Scalar> Engine<T> {
    /// Spreads `model` over `threads` threads, with room for batches of up to `batch` rows. The
    /// kernels are the best that this processor can run.
    ///
    /// # Errors
    /// If the threads cannot be started.
    pub fn new(
        model: &SoftmaxClassifier<T>,
        batch: usize,
        threads: usize,
    ) -> Result<Self, ThreadError> {
        Self::with_isa(model, batch, threads, Isa::best())
    }

    /// [`Engine::new`] with the kernels of `isa`.
    ///
    /// # Errors
    /// If the threads cannot be started.
    pub fn with_isa(
        model: &SoftmaxClassifier<T>,
        batch: usize,
        threads: usize,
        isa: Isa,
    ) -> Result<Self, ThreadError> {
        let group = ThreadGroup::new(threads)?;
        let architecture = model.architecture().clone();
        let shared = Shared::new(&architecture, isa, group.size(), batch.max(EVALUATION_ROWS));
        let rows = (batch, EVALUATION_ROWS);
        let net = |rank| Mutex::new(Net::new(&architecture, &shared, isa, rank, rows));
        let nets = (0..group.size()).map(net).collect();
        let (steps, options) = (0, TrainOptions::default());
        let mut engine = Self { architecture, isa, group, shared, nets, batch, steps, options };
        engine.load(model);
        Ok(engine)
    }

    /// The kernels in use.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Widths, hidden units, and where each tensor lies.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// What stands between two layers.
    pub fn hidden(&self) -> Hidden {
        self.architecture.hidden()
    }

    /// Number of threads.
    pub fn threads(&self) -> usize {
        self.group.size()
    }

    /// The part of the network that a rank owns.
    pub(crate) fn net(&self, rank: usize) -> MutexGuard<'_, Net<T>> {
        self.nets[rank].lock().expect("a panic in a step leaves no engine to go on with")
    }

    fn nets_mut(&mut self) -> impl Iterator<Item = &mut Net<T>> {
        let intact = "a panic in a step leaves no engine to go on with";
        self.nets.iter_mut().map(move |net| net.get_mut().expect(intact))
    }

    /// Clips the gradient of every step to a norm of at most `max_norm`, as [`crate::clip`] says,
    /// and reports the norm in [`Step::gradient_norm`]; with an infinite `max_norm` it is reported and
    /// nothing is clipped. Without one, the default, the norm is not even taken, which saves the
    /// room for a gradient and two passes over it.
    ///
    /// # Panics
    /// If `max_norm` is not positive.
    pub fn set_clip_norm(&mut self, max_norm: Option<f64>) {
        assert!(max_norm.is_none_or(|max| max > 0.0), "a positive norm, not {max_norm:?}");
        self.options.clip_norm = max_norm;
        self.nets_mut().for_each(|net| clip::keep_gradients(net, max_norm.is_some()));
    }

    /// What training does to each batch: dropout, mixup, smoothed labels. Nothing at first.
    ///
    /// # Panics
    /// If a share is not from 0 to below 1, or mixup's α is negative.
    pub fn set_regularization(&mut self, regularization: Regularization) {
        let Regularization { dropout, mixup, label_smoothing, .. } = regularization;
        assert!([dropout, label_smoothing].iter().all(|share| (0.0..1.0).contains(share)));
        assert!(mixup >= 0.0, "mixup's α is positive, or 0 for none");
        self.options.regularization = regularization;
    }

    /// Weighs the classes in the training loss, as PyTorch's `CrossEntropyLoss(weight=...)` does: the
    /// loss of a batch is the mean over its examples, each with the weight of its class; where mixup
    /// mixes examples, the weights go with the classes' shares and the mean is over examples. With
    /// none, the default, all classes weigh 1. Evaluation is never weighted.
    ///
    /// # Panics
    /// If there is not one weight for each class, or one is not positive and finite.
    pub fn set_class_weights(&mut self, weights: Option<&[f64]>) {
        let usable = |weight: &f64| weight.is_finite() && *weight > 0.0;
        assert!(
            weights.is_none_or(|weights| {
                weights.len() == self.architecture.classes() && weights.iter().all(usable)
            }),
            "a positive weight for each of {} classes, not {weights:?}",
            self.architecture.classes()
        );
        self.options.class_weights =
            weights.map(|weights| weights.iter().map(|&weight| T::from_f64(weight)).collect());
    }

    /// Keeps an exponential moving average of all parameters, of which a step leaves the share
    /// `decay`, from 0 to below 1; of the first steps less, (1 + t) / (10 + t) at most, so that the
    /// first weights are soon forgotten. It starts from the parameters as they are.
    ///
    /// # Panics
    /// If the decay is not from 0 to below 1.
    pub fn set_ema_decay(&mut self, decay: Option<f64>) {
        assert!(decay.is_none_or(|decay| (0.0..1.0).contains(&decay)), "a share, not {decay:?}");
        self.options.ema_decay = decay;
        for parameter in self.nets_mut().flat_map(Net::parameters_mut) {
            parameter.ema =
                if decay.is_some() { parameter.value.clone() } else { Buffer::default() };
        }
    }

    /// Whether every step looks at all its numbers, activations, gradients, velocity and new
    /// parameters, and training ends at the first that is not finite even if the loss still is.
    /// That costs a pass over all of them. Not so at first.
    pub fn set_detect_anomaly(&mut self, detect: bool) {
        self.options.detect_anomaly = detect;
    }

    /// Steps taken so far. The optimizers' corrections and the random numbers of a step depend on
    /// it.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Goes on as if so many steps had been taken.
    pub fn set_steps(&mut self, steps: u64) {
        self.steps = steps;
    }

    /// Takes over all parameters of `model`. The velocity, zero at first, stays as it is.
    ///
    /// # Panics
    /// If its architecture is not the one that the engine was made for.
    pub fn load(&mut self, model: &SoftmaxClassifier<T>) {
        self.scatter(model, |parameter| &mut parameter.value);
    }

    /// Sets one parameter, by its place in the flat buffer of a classifier's parameters.
    ///
    /// # Panics
    /// If there is no such place.
    pub fn set_parameter(&mut self, place: usize, value: T) {
        assert!(place < self.architecture.len(), "parameter {place}");
        let Self { architecture, shared, isa, nets, .. } = self;
        for (rank, net) in nets.iter_mut().enumerate() {
            let net = net.get_mut().expect("a panic in a step leaves no engine to go on with");
            for piece in state::pieces(architecture, shared, *isa, rank) {
                if let Some(stored) = piece.find(place) {
                    let parameter = net.parameter_mut(piece.layer, piece.kind);
                    parameter.expect("the rank has its pieces").value[stored] = value;
                }
            }
        }
    }

    /// The parameters, put together.
    pub fn model(&self) -> SoftmaxClassifier<T> {
        self.gather(|parameter| &parameter.value)
    }

    /// The optimizer's velocity, laid out as the parameters of a classifier.
    ///
    /// After one step with a learning rate and a momentum of 0 it is the gradient.
    pub fn velocity(&self) -> SoftmaxClassifier<T> {
        self.gather(|parameter| &parameter.velocity)
    }

    /// Takes over the optimizer's velocity, laid out as the parameters of a classifier.
    ///
    /// # Panics
    /// If the architecture is not the one that the engine was made for.
    pub fn set_velocity(&mut self, velocity: &SoftmaxClassifier<T>) {
        self.scatter(velocity, |parameter| &mut parameter.velocity);
    }

    /// The second moment that an optimizer has kept, the running mean of the gradient's squares, laid
    /// out as the parameters of a classifier; of one that keeps none, nothing.
    pub fn second_moment(&self) -> Option<SoftmaxClassifier<T>> {
        self.gather_if_kept(|parameter| &parameter.second_moment)
    }

    /// Takes over the second moment.
    ///
    /// # Panics
    /// If the architecture is not the one that the engine was made for.
    pub fn set_second_moment(&mut self, second_moment: &SoftmaxClassifier<T>) {
        self.make_room_for_second_moment();
        self.scatter(second_moment, |parameter| &mut parameter.second_moment);
    }

    /// The moving average of the parameters, if [`Engine::set_ema_decay`] asked for it.
    pub fn ema(&self) -> Option<SoftmaxClassifier<T>> {
        self.gather_if_kept(|parameter| &parameter.ema)
    }

    /// Takes over the moving average of the parameters, after [`Engine::set_ema_decay`].
    ///
    /// # Panics
    /// If none was asked for, or the architecture is not the one that the engine was made for.
    pub fn set_ema(&mut self, ema: &SoftmaxClassifier<T>) {
        self.scatter(ema, |parameter| &mut parameter.ema);
    }

    /// Puts the moving average in the place of the parameters, and the parameters in its: to
    /// evaluate it, and, done again, to go on. Without one nothing happens.
    pub fn swap_ema(&mut self) {
        for Parameter { value, ema, .. } in self.nets_mut().flat_map(Net::parameters_mut) {
            if !ema.is_empty() {
                std::mem::swap(value, ema);
            }
        }
    }

    fn make_room_for_second_moment(&mut self) {
        for Parameter { value, second_moment, .. } in self.nets_mut().flat_map(Net::parameters_mut)
        {
            if second_moment.len() != value.len() {
                *second_moment = Buffer::zeros(value.len());
            }
        }
    }

    fn gather(&self, of: impl Fn(&Parameter<T>) -> &Buffer<T>) -> SoftmaxClassifier<T> {
        let mut flat = self.architecture.zeros();
        for rank in 0..self.nets.len() {
            state::gather(&self.architecture, &self.shared, &self.net(rank), &mut flat, &of);
        }
        SoftmaxClassifier::from_parameters(self.architecture.clone(), flat)
    }

    fn gather_if_kept(
        &self,
        of: impl Fn(&Parameter<T>) -> &Buffer<T>,
    ) -> Option<SoftmaxClassifier<T>> {
        // Every rank has the bias of the last layer.
        let kept = !of(&self.net(0).linear[self.architecture.depth() - 1].bias).is_empty();
        kept.then(|| self.gather(of))
    }

    fn scatter(
        &mut self,
        from: &SoftmaxClassifier<T>,
        of: impl Fn(&mut Parameter<T>) -> &mut Buffer<T>,
    ) {
        let (theirs, own) = (from.architecture(), &self.architecture);
        assert_eq!(theirs, own, "architectures of the model and of the engine");
        for rank in 0..self.nets.len() {
            let net = &mut self.net(rank);
            state::scatter(&self.architecture, &self.shared, from.parameters(), net, &of);
        }
    }

    /// Takes one step for each `batch` rows of `order`; the last batch may be short.
    ///
    /// `labels[row]` is the class of a row of `data`.
    ///
    /// # Errors
    /// [`Diverged`] as soon as a loss is not finite. That step changes no parameter, so that the
    /// model is the one with that loss. What [`Engine::set_detect_anomaly`] finds behind a finite
    /// loss is found after the update.
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

    /// [`Engine::train`] with an optimizer for every step, by its number in this call, that calls
    /// `each` with that number and the loss. All optimizers are asked for before the first step.
    ///
    /// When `each` answers [`ControlFlow::Break`], the step at hand is finished and is the last.
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
            self.make_room_for_second_moment();
        }
        let penalized = optimizers.iter().any(|optimizer| optimizer.l2 > T::ZERO);
        let each = Mutex::new(each);
        let (shared, options, taken) = (&self.shared, &self.options, self.steps);
        let results = self.group.run(|comm| {
            let net = &mut self.net(comm.rank());
            if penalized {
                net.square_weights(shared);
            }
            for (step, rows) in order.chunks(batch).enumerate() {
                // One rank speaks for all: the last exchange of the step tells them to stop.
                let report = |loss, gradient_norm| {
                    if comm.rank() == 0 {
                        let mut each = each.lock().expect("only rank 0 comes here");
                        let end = each(Step { number: step, loss, gradient_norm }).is_break();
                        shared.stop.write(0)[0] = u64::from(end);
                    }
                };
                let batch = Batch { data, labels, rows };
                let options = options.at(taken + step as u64 + 1, self.isa, optimizers[step]);
                let outcome = step::step(net, shared, &comm, batch, &options, report);
                // Every rank has computed the same loss and sees the same findings, so all leave
                // together.
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
    /// [`Engine::train`]: the gradient check asks this to see a ReLU change its mind.
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
