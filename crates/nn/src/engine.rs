//! The team of cores that trains a classifier, and evaluates it.
//!
//! An [`Engine`] takes a [`SoftmaxClassifier`] apart into what each core owns, takes steps, and
//! puts it together again when asked. The cores enter their pool once for all the steps of a call
//! to [`Engine::train`]. A result has the same bits for any number of threads.

use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use chainrule_tensor::gather::Rows;
use chainrule_tensor::ops::rows::argmax;
use chainrule_tensor::team::{Team, TeamError};
use chainrule_tensor::{Isa, Scalar, Tensor};

use crate::classifier::Ranges;
use crate::finite::{Place, Watch};
use crate::layout::{LinearLayout, is_narrow};
use crate::noise::Noise;
use crate::softmax::cross_entropy;
use crate::step::{Batch, Coefficients, Core, Layer, Learned, Rule, meet_before_next_batch};
use crate::{Hidden, Norm, Optimizer, Regularization, SoftmaxClassifier, Step};

/// Rows that are evaluated at once.
const EVALUATION_ROWS: usize = 256;

/// A classifier in training, spread over a team of threads.
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
    widths: Vec<usize>,
    hidden: Hidden,
    isa: Isa,
    team: Team,
    layers: Vec<Layer<T>>,
    cores: Vec<Mutex<Core<T>>>,
    batch: usize,
    /// Steps taken in all.
    steps: u64,
    regularization: Regularization,
    average: Option<f64>,
    clip_norm: Option<f64>,
    watch: bool,
}

/// A number is no longer finite, so that no further step makes sense.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("at step {step}, with loss {loss}, {place} was the first to leave the finite numbers")]
pub struct Diverged {
    /// The step at which it happened, from 0.
    pub step: usize,
    /// The loss there: infinite or NaN, but for what only [`Engine::set_watch`] finds.
    pub loss: f64,
    /// The first part of the step, in the order of the mathematics, that is not finite.
    pub place: Place,
}

/// How a classifier did on some rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The rows, as they were asked for.
    pub rows: Vec<u32>,
    /// The class with the highest score, for each of the rows.
    pub predictions: Vec<u32>,
    /// Mean cross-entropy over the rows, without the penalty on the weights; NaN for no rows.
    pub loss: f64,
}

impl Evaluation {
    /// The share of rows that were given the class of their label, from 0 to 1; NaN for no rows.
    pub fn accuracy(&self, labels: &[u8]) -> f64 {
        let pairs = self.rows.iter().zip(&self.predictions);
        let hits = pairs.filter(|&(&row, &class)| u32::from(labels[row as usize]) == class).count();
        hits as f64 / self.rows.len() as f64
    }
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
    ) -> Result<Self, TeamError> {
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
    ) -> Result<Self, TeamError> {
        let team = Team::new(threads)?;
        let widths = model.widths();
        let mut layout = LinearLayout::first(widths[0], widths[1], isa);
        let mut layers = vec![];
        for l in 1..widths.len() {
            let next = widths.get(l + 1).map(|&outputs| layout.next(outputs, isa));
            let rows = batch.max(EVALUATION_ROWS);
            layers.push(Layer::new(layout, model.hidden(), team.size(), rows, next.is_none()));
            let Some(next) = next else { break };
            layout = next;
        }
        let core = |rank| Mutex::new(Core::new(&layers, rank, batch, EVALUATION_ROWS, isa));
        let cores = (0..team.size()).map(core).collect();
        let mut engine = Self {
            widths: widths.to_vec(),
            hidden: model.hidden(),
            isa,
            team,
            layers,
            cores,
            batch,
            steps: 0,
            regularization: Regularization::default(),
            average: None,
            clip_norm: None,
            watch: false,
        };
        engine.load(model);
        Ok(engine)
    }

    /// The kernels in use.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// What stands between two layers.
    pub fn hidden(&self) -> Hidden {
        self.hidden
    }

    /// Number of threads.
    pub fn threads(&self) -> usize {
        self.team.size()
    }

    /// Clips the gradient of every step to a norm of at most `max_norm`, as [`crate::clip`] says,
    /// and tells the norm in [`Step::gradient_norm`]; with an infinite `max_norm` it is told and
    /// nothing is clipped. Without one, the default, the norm is not even taken, which saves the
    /// room for a gradient and two passes over it.
    ///
    /// # Panics
    /// If `max_norm` is not positive.
    pub fn set_clip_norm(&mut self, max_norm: Option<f64>) {
        assert!(max_norm.is_none_or(|max| max > 0.0), "a positive norm, not {max_norm:?}");
        self.clip_norm = max_norm;
        for core in &self.cores {
            core.lock().expect("no core has panicked").keep_gradients(max_norm.is_some());
        }
    }

    /// What training does to each batch: dropout, mixup, smoothed labels. Nothing at first.
    ///
    /// # Panics
    /// If a share is not from 0 to below 1, or mixup's α is negative.
    pub fn set_regularization(&mut self, regularization: Regularization) {
        let Regularization { dropout, mixup, label_smoothing, .. } = regularization;
        assert!([dropout, label_smoothing].iter().all(|share| (0.0..1.0).contains(share)));
        assert!(mixup >= 0.0, "mixup's α is positive, or 0 for none");
        self.regularization = regularization;
    }

    /// Keeps a running mean of all parameters, an exponential one, of which a step leaves the share
    /// `keep`, from 0 to below 1; of the first steps less, (1 + t) / (10 + t) at most, so that the
    /// first weights are soon forgotten. It starts from the parameters as they are.
    ///
    /// # Panics
    /// If the share is not from 0 to below 1.
    pub fn set_average(&mut self, keep: Option<f64>) {
        assert!(keep.is_none_or(|keep| (0.0..1.0).contains(&keep)), "a share, not {keep:?}");
        self.average = keep;
        for core in &self.cores {
            for part in core.lock().expect("no core has panicked").learned_mut() {
                part.average = if keep.is_some() { part.value.clone() } else { vec![] };
            }
        }
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

    /// Whether every step looks at all its numbers, activations, gradients, velocity and new
    /// parameters, and training ends at the first that is not finite even if the loss still is.
    /// That costs a pass over all of them. Not so at first.
    pub fn set_watch(&mut self, watch: bool) {
        self.watch = watch;
    }

    /// Takes over all parameters of `model`. The velocity, zero at first, stays as it is.
    ///
    /// # Panics
    /// If its widths are not those that the engine was made for.
    pub fn load(&mut self, model: &SoftmaxClassifier<T>) {
        self.set(model, |learned| &mut learned.value);
    }

    /// Sets one parameter, by its place in the buffer of a classifier's parameters.
    ///
    /// # Panics
    /// If there is no such place.
    pub fn set_parameter(&mut self, place: usize, value: T) {
        let model = SoftmaxClassifier::zeros_with(&self.widths, self.hidden);
        let model = model.expect("widths of a model");
        assert!(place < model.parameters().len(), "parameter {place}");
        for rank in 0..self.cores.len() {
            let mut core = self.cores[rank].lock().expect("no core has panicked");
            self.places(&model, rank, |slot, at| {
                if at == place {
                    let (learned, i) = slot.of_mut(&mut core);
                    learned.value[i] = value;
                }
            });
        }
    }

    /// Takes over the optimizer's velocity, laid out as the parameters of a classifier.
    ///
    /// # Panics
    /// If the widths are not those that the engine was made for.
    pub fn set_velocity(&mut self, velocity: &SoftmaxClassifier<T>) {
        self.set(velocity, |learned| &mut learned.velocity);
    }

    /// The parameters, put together.
    pub fn model(&self) -> SoftmaxClassifier<T> {
        self.get(|learned| &learned.value)
    }

    /// The running mean of the gradient's squares that an optimizer has kept, laid out as the
    /// parameters of a classifier; of one that keeps none, nothing.
    pub fn squares(&self) -> Option<SoftmaxClassifier<T>> {
        self.get_if_kept(|learned| &learned.squares)
    }

    /// Takes over the running mean of the gradient's squares.
    ///
    /// # Panics
    /// If the widths are not those that the engine was made for.
    pub fn set_squares(&mut self, squares: &SoftmaxClassifier<T>) {
        self.make_room_for_squares();
        self.set(squares, |learned| &mut learned.squares);
    }

    /// The running mean of the parameters, if [`Engine::set_average`] asked for it.
    pub fn averaged(&self) -> Option<SoftmaxClassifier<T>> {
        self.get_if_kept(|learned| &learned.average)
    }

    /// Takes over the running mean of the parameters, after [`Engine::set_average`].
    ///
    /// # Panics
    /// If none was asked for, or the widths are not those that the engine was made for.
    pub fn set_averaged(&mut self, average: &SoftmaxClassifier<T>) {
        self.set(average, |learned| &mut learned.average);
    }

    /// Puts the running mean in the place of the parameters, and the parameters in its: to
    /// evaluate it, and, done again, to go on. Without one nothing happens.
    pub fn exchange_averaged(&mut self) {
        for core in &self.cores {
            for part in core.lock().expect("no core has panicked").learned_mut() {
                if !part.average.is_empty() {
                    std::mem::swap(&mut part.value, &mut part.average);
                }
            }
        }
    }

    fn make_room_for_squares(&self) {
        for core in &self.cores {
            for part in core.lock().expect("no core has panicked").learned_mut() {
                part.squares.resize(part.value.len(), T::ZERO);
            }
        }
    }

    fn get_if_kept(&self, part: impl Fn(&Learned<T>) -> &Vec<T>) -> Option<SoftmaxClassifier<T>> {
        let first = self.cores[0].lock().expect("no core has panicked");
        let kept = !part(&first.output_bias).is_empty();
        drop(first);
        kept.then(|| self.get(part))
    }

    /// The optimizer's velocity, laid out as the parameters of a classifier.
    ///
    /// After one step with a learning rate and a momentum of 0 it is the gradient.
    pub fn velocity(&self) -> SoftmaxClassifier<T> {
        self.get(|learned| &learned.velocity)
    }

    /// Takes one step for each `batch` rows of `order`; the last batch may be short.
    ///
    /// `labels[row]` is the class of a row of `data`.
    ///
    /// # Errors
    /// [`Diverged`] as soon as a loss is not finite. That step changes no parameter, so that the
    /// model is the one with that loss. What [`Engine::set_watch`] finds behind a finite loss is
    /// found after the update.
    ///
    /// # Panics
    /// If a row or a label is out of range, or `batch` is 0 or larger than the engine was made for.
    pub fn train(
        &mut self,
        data: &impl Rows<T>,
        labels: &[u8],
        order: &[u32],
        batch: usize,
        rule: impl Into<Optimizer<T>>,
    ) -> Result<(), Diverged> {
        let rule = rule.into();
        self.train_each(data, labels, order, batch, |_| rule, |_| ControlFlow::Continue(()))
    }

    /// [`Engine::train`] that asks `rule` for the coefficients of every step, by its number in this
    /// call, and calls `each` with that number and the loss.
    ///
    /// When `each` answers [`ControlFlow::Break`], the step at hand is finished and is the last.
    /// Called again with the rest of `order`, by this engine or by another that was given the
    /// parameters, the state and the number of steps of this one, training goes on with the same bits as if it had
    /// not been interrupted.
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
        rule: impl Fn(usize) -> O + Sync,
        each: impl FnMut(Step) -> ControlFlow<()> + Send,
    ) -> Result<(), Diverged> {
        assert!((1..=self.batch).contains(&batch), "a batch of 1 to {} rows", self.batch);
        self.check_rows(data, labels, order);
        if rule(0).into().method.has_second_moment() {
            self.make_room_for_squares();
        }
        let (each, stop) = (Mutex::new(each), AtomicBool::new(false));
        let layers = &self.layers;
        let watch = Watch::new(layers.len());
        let (clip_norm, watching) = (self.clip_norm, self.watch.then_some(&watch));
        let (taken, regularization) = (self.steps, self.regularization);
        // Of early steps less is kept.
        let average = |t: u64| {
            let keep = self.average.map(|keep| keep.min((1 + t) as f64 / (10 + t) as f64));
            T::from_f64(1.0 - keep.unwrap_or(1.0))
        };
        let results = self.team.run(|member| {
            let mut core = self.cores[member.rank()].lock().expect("no core has panicked");
            if rule(0).into().l2 > T::ZERO {
                core.square_weights(layers);
            }
            let mut steps = 0;
            for (step, rows) in order.chunks(batch).enumerate() {
                let report = |loss, gradient_norm| {
                    // One core speaks for all, and all learn before the next barrier whether to
                    // go on.
                    if member.rank() == 0 {
                        let mut each = each.lock().expect("only core 0 comes here");
                        if each(Step { number: step, loss, gradient_norm }).is_break() {
                            stop.store(true, Ordering::Relaxed);
                        }
                    }
                };
                let batch = Batch { data, labels, rows };
                let t = taken + step as u64 + 1;
                let coefficients =
                    Coefficients { optimizer: rule(step).into(), t, average: average(t) };
                let noise = Noise::new(regularization, t);
                let rule = Rule { coefficients, noise, clip_norm, watch: watching };
                let loss = core.step(layers, member, batch, rule, report);
                // Every core has computed the same loss and sees the same findings, so all leave
                // together.
                let unfit = if loss.is_finite() {
                    watch.first()
                } else {
                    Some(core.cause(layers, member, batch, rule, &watch))
                };
                if let Some(place) = unfit {
                    return Err(Diverged { step, loss, place });
                }
                steps += 1;
                if stop.load(Ordering::Relaxed) {
                    break;
                }
            }
            Ok(steps)
        });
        for steps in results {
            self.steps = taken + steps?;
        }
        Ok(())
    }

    /// Loss and predictions for some rows of `data`; nothing is learned.
    ///
    /// # Panics
    /// If a row or a label is out of range.
    pub fn evaluate(&mut self, data: &impl Rows<T>, labels: &[u8], rows: &[u32]) -> Evaluation {
        self.check_rows(data, labels, rows);
        let classes = self.widths[self.widths.len() - 1];
        let layers = &self.layers;
        let results = self.team.run(|member| {
            let mut core = self.cores[member.rank()].lock().expect("no core has panicked");
            let mut found = vec![];
            for chunk in rows.chunks(EVALUATION_ROWS) {
                core.forward(layers, member, Batch { data, labels, rows: chunk }, None);
                // Every core has all scores; each looks at some of the rows.
                let share = |core| core * chunk.len() / member.team_size();
                let own = share(member.rank())..share(member.rank() + 1);
                let scores = core.scores(layers, chunk.len());
                for (i, scores) in own.clone().zip(scores.chunks(classes).skip(own.start)) {
                    let loss = cross_entropy(scores, usize::from(labels[chunk[i] as usize]));
                    found.push((argmax(scores) as u32, loss.to_f64()));
                }
                meet_before_next_batch(layers, member);
            }
            found
        });
        // Back in the order of the rows: chunk by chunk, core by core.
        let mut parts: Vec<_> = results.into_iter().map(Vec::into_iter).collect();
        let (mut predictions, mut loss) = (Vec::with_capacity(rows.len()), 0.0);
        for chunk in rows.chunks(EVALUATION_ROWS) {
            for (rank, part) in parts.iter_mut().enumerate() {
                let share = |core| core * chunk.len() / self.team.size();
                for (class, row_loss) in part.take(share(rank + 1) - share(rank)) {
                    predictions.push(class);
                    loss += row_loss;
                }
            }
        }
        Evaluation { rows: rows.to_vec(), predictions, loss: loss / rows.len() as f64 }
    }

    /// The scores Z_L, before the softmax, for some rows of `data`: (rows, classes).
    ///
    /// # Panics
    /// If a row is out of range.
    pub fn scores(&mut self, data: &impl Rows<T>, rows: &[u32]) -> Tensor<T> {
        self.check_columns(data);
        let layers = &self.layers;
        let results = self.team.run(|member| {
            let mut core = self.cores[member.rank()].lock().expect("no core has panicked");
            let mut scores = vec![];
            for chunk in rows.chunks(EVALUATION_ROWS) {
                core.forward(layers, member, Batch { data, labels: &[], rows: chunk }, None);
                if member.rank() == 0 {
                    scores.extend_from_slice(core.scores(layers, chunk.len()));
                }
                meet_before_next_batch(layers, member);
            }
            scores
        });
        let classes = self.widths[self.widths.len() - 1];
        let scores = results.into_iter().next().expect("a team has a first member");
        Tensor::from_vec(scores, rows.len(), classes)
    }

    /// Which hidden units were active (above 0) in the last batch, of `rows` rows, of
    /// [`Engine::train`]: the gradient check asks this to see a ReLU change its mind.
    pub fn active(&self, rows: usize) -> Vec<bool> {
        let core = |core: &Mutex<Core<T>>| {
            let core = core.lock().expect("no core has panicked");
            core.active(&self.layers, rows).collect::<Vec<_>>()
        };
        self.cores.iter().flat_map(core).collect()
    }

    fn check_columns(&self, data: &impl Rows<T>) {
        assert_eq!(data.columns(), self.widths[0], "columns of the data and inputs of the network");
    }

    fn check_rows(&self, data: &impl Rows<T>, labels: &[u8], rows: &[u32]) {
        self.check_columns(data);
        let classes = self.widths[self.widths.len() - 1];
        for &row in rows {
            let label = usize::from(labels[row as usize]);
            assert!(label < classes, "row {row} has label {label}, of {classes} classes");
        }
    }

    /// Calls `copy(core's storage, place in it, place in the classifier's parameters)` for every
    /// parameter that core `rank` owns.
    fn places(&self, model: &SoftmaxClassifier<T>, rank: usize, mut copy: impl FnMut(Slot, usize)) {
        for (l, layer) in self.layers.iter().enumerate() {
            let Ranges { weight, bias, gamma, mean, variance } = model.ranges(l);
            let (layout, owned) = (&layer.layout, &layer.sharing.owned[rank]);
            let (inputs, outputs) = (self.widths[l], self.widths[l + 1]);
            for k in owned.clone() {
                let block = layout.blocks[k].clone();
                for tile in &layout.tiles {
                    let stored = layout.weights_of_tile(owned.start, k, tile).start;
                    for (row, i) in block.clone().enumerate() {
                        for (column, o) in tile.clone().enumerate() {
                            let at = if is_narrow(self.isa, tile) {
                                column * block.len() + row
                            } else {
                                row * tile.len() + column
                            };
                            copy(Slot::Weight(l, stored + at), weight.start + o * inputs + i);
                        }
                    }
                }
            }
            if let Some(next) = self.layers.get(l + 1) {
                let owned = &next.sharing.owned[rank];
                for k in owned.clone() {
                    let first = next.layout.blocks[owned.start].start;
                    for o in next.layout.blocks[k].clone() {
                        copy(Slot::Bias(l + 1, o - first), bias.start + o);
                        if self.hidden.norm != Norm::None {
                            copy(Slot::Gamma(l + 1, o - first), gamma.start + o);
                        }
                        if self.hidden.norm == Norm::Batch {
                            copy(Slot::Mean(l + 1, o - first), mean.start + o);
                            copy(Slot::Variance(l + 1, o - first), variance.start + o);
                        }
                    }
                }
            } else {
                (0..outputs).for_each(|o| copy(Slot::OutputBias(o), bias.start + o));
            }
        }
    }

    fn set(&mut self, model: &SoftmaxClassifier<T>, part: impl Fn(&mut Learned<T>) -> &mut Vec<T>) {
        assert_eq!(model.widths(), self.widths, "widths of the model and of the engine");
        assert_eq!(model.hidden(), self.hidden, "hidden units of the model and of the engine");
        for rank in 0..self.cores.len() {
            let mut core = self.cores[rank].lock().expect("no core has panicked");
            self.places(model, rank, |slot, at| {
                let (learned, i) = slot.of_mut(&mut core);
                part(learned)[i] = model.parameters()[at];
            });
        }
    }

    fn get(&self, part: impl Fn(&Learned<T>) -> &Vec<T>) -> SoftmaxClassifier<T> {
        let empty = SoftmaxClassifier::zeros_with(&self.widths, self.hidden);
        let empty = empty.expect("widths of a model");
        let mut model = empty.clone();
        for (rank, core) in self.cores.iter().enumerate() {
            let core = core.lock().expect("no core has panicked");
            self.places(&empty, rank, |slot, at| {
                let (learned, i) = slot.of(&core);
                model.parameters_mut()[at] = part(learned)[i];
            });
        }
        model
    }
}

/// Where a core keeps a parameter.
#[derive(Clone, Copy)]
enum Slot {
    Weight(usize, usize),
    Bias(usize, usize),
    Gamma(usize, usize),
    Mean(usize, usize),
    Variance(usize, usize),
    OutputBias(usize),
}

impl Slot {
    fn of<T>(self, core: &Core<T>) -> (&Learned<T>, usize) {
        match self {
            Slot::Weight(l, i) => (&core.shares[l].weights, i),
            Slot::Bias(l, i) => (&core.shares[l].hidden.bias, i),
            Slot::Gamma(l, i) => (&core.shares[l].hidden.gamma, i),
            Slot::Mean(l, i) => (&core.shares[l].hidden.mean, i),
            Slot::Variance(l, i) => (&core.shares[l].hidden.variance, i),
            Slot::OutputBias(i) => (&core.output_bias, i),
        }
    }

    fn of_mut<T>(self, core: &mut Core<T>) -> (&mut Learned<T>, usize) {
        match self {
            Slot::Weight(l, i) => (&mut core.shares[l].weights, i),
            Slot::Bias(l, i) => (&mut core.shares[l].hidden.bias, i),
            Slot::Gamma(l, i) => (&mut core.shares[l].hidden.gamma, i),
            Slot::Mean(l, i) => (&mut core.shares[l].hidden.mean, i),
            Slot::Variance(l, i) => (&mut core.shares[l].hidden.variance, i),
            Slot::OutputBias(i) => (&mut core.output_bias, i),
        }
    }
}
