//! One step of training, from a minibatch of inputs to new weights.
//!
//! The whole of backpropagation for a network of L fully connected layers is
//!
//! ```text
//! forward    A₀ = X                                     the batch, one example a row
//!            Z_l = A_{l-1} W_l + b_l                    for l = 1 … L
//!            A_l = relu(Z_l)                            for l < L; more of it in `layers::hidden`
//! loss       L = mean over the rows of -ln softmax(Z_L)[label]  +  ½ λ Σ W²
//! backward   dZ_L = (softmax(Z_L) - onehot) / N
//!            dW_l = A_{l-1}ᵀ dZ_l,  db_l = Σ rows dZ_l  for l = L … 1
//!            dZ_{l-1} = dZ_l W_lᵀ where A_{l-1} > 0, else 0
//! update     V := μ V + dW + λ W,  W := W - η V        or another optimizer's
//! ```
//!
//! Where the norm of the gradient is to be clipped, [`crate::clip`] comes between the last two.
//!
//! Every rank runs this page, on the part of the network that it owns (`shard`). A layer
//! costs one collective call forward and, but for the first, one backward. The first layer needs no
//! dX. In the code layers count from 0: `linear[l]` reads A_l and has W and b of `fc{l+1}`, and
//! `hidden[l]` makes A_{l+1} of its Z.

use std::ops::Range;

use chainrule_tensor::comm::Communicator;
use chainrule_tensor::exchange::Exchange;
use chainrule_tensor::gather::Rows;
use chainrule_tensor::kernel::prefetch::{self, prefetch};
use chainrule_tensor::ops::columns::add_to_rows;
use chainrule_tensor::{Isa, Scalar};

use crate::anomaly::{self, TensorName};
use crate::clip;
use crate::distill::SoftTargets;
use crate::layers::hidden::{HiddenUnits, Pass};
use crate::layers::linear::{self, Part, Workspace};
use crate::loss::weighted_cross_entropy_backward;
use crate::operands::{InputOperands, Operands};
use crate::optimizer::Optimizer;
use crate::param::{GradientSink, UpdateOptions};
use crate::regularize::{Noise, Regularization};
use crate::shard::{Layer, Linear, Net, Shared};
use crate::tiling::{Block, Tiling};

/// Some rows of a data set.
#[derive(Clone, Copy)]
pub(crate) struct Batch<'a, T> {
    pub data: &'a dyn Rows<T>,
    pub labels: &'a [u8],
    pub rows: &'a [u32],
    /// The rows of the batch after it, to be prefetched.
    pub next_rows: &'a [u32],
}

impl<'a, T> Batch<'a, T> {
    /// A batch that no other follows.
    pub fn new(data: &'a dyn Rows<T>, labels: &'a [u8], rows: &'a [u32]) -> Self {
        Self { data, labels, rows, next_rows: &[] }
    }
}

/// Forward, loss, backward and update. Returns the loss before the update; if that is not finite,
/// there is no update.
///
/// `report` is called with the loss, and the gradient's norm if it is taken, while the others still
/// work, before the last collective call: rank 0 decides then whether this step is the last.
pub(crate) fn step<T: Scalar>(
    net: &mut Net<T>,
    shared: &Shared<T>,
    comm: &impl Communicator,
    batch: Batch<T>,
    options: &StepOptions<T>,
    report: impl Fn(f64, Option<f64>),
) -> Outcome {
    let rows = batch.rows.len();
    forward(net, shared, comm, batch, Some(&options.noise));
    let found = options.detect_anomaly.then(|| anomaly::look_forward(net, shared, rows));
    let loss =
        mean_cross_entropy(net, shared, batch, options) + shared.penalty(options.update.rule.l2());
    if options.clip_norm.is_none() || !loss.is_finite() {
        report(loss, None);
    }
    if !loss.is_finite() {
        return Outcome { loss, anomaly: None };
    }
    backward(net, shared, comm, batch, options, None);
    if let Some(max_norm) = options.clip_norm {
        let norm = clip::gradient_norm(net, shared, comm);
        report(loss, Some(norm));
        clip::update_clipped(net, shared, &options.update, clip::factor(norm, max_norm));
        comm.all_gather(&[shared.stop.all()]);
    } else {
        shared.barrier_between_batches(comm);
    }
    net.publish_squares(shared);
    let anomaly = found.and_then(|forward| {
        let found = forward.min(anomaly::look_backward(net, shared, rows));
        anomaly::name(net, comm.min(&shared.anomalies, found))
    });
    Outcome { loss, anomaly }
}

/// The logits of a batch. With `noise` it is training, and the whole input stays for the backward
/// pass; without, only a block of it exists at a time.
pub(crate) fn forward<T: Scalar>(
    net: &mut Net<T>,
    shared: &Shared<T>,
    comm: &impl Communicator,
    batch: Batch<T>,
    noise: Option<&Noise>,
) {
    let Net { linear: layers, hidden, logits, work, .. } = net;
    let pass = Pass { isa: work.isa, rows: batch.rows.len(), noise };
    let rows = pass.rows;
    for (l, Layer { tiling, sharding, partials, readers, statistics, .. }) in
        shared.layers.iter().enumerate()
    {
        let (this, above) = layers[l..].split_first_mut().expect("a net has every layer");
        // Z_l = A_l W_l: the partial product of each own block of features
        for (own, block) in this.blocks.iter().enumerate() {
            // Evaluation needs one block of X at a time, and training too if it keeps the operands.
            let values = if l == 0 {
                let is_kept = noise.is_some() && this.operands.input.is_empty();
                let values = if is_kept { block.values(rows) } else { block.alone(rows) };
                let to = (&mut this.input[values.clone()], &mut this.operands.input);
                load_input(to, tiling, block, batch, pass);
                values
            } else {
                let values = block.values(rows);
                let a = &this.input[values.clone()];
                this.operands.input.pack(tiling, block, rows, a, noise.is_some());
                values
            };
            let a = &this.input[values];
            prefetch_next(this, tiling, own, (l == 0).then_some(batch));
            let a = (a, &this.operands.input);
            let w = &this.weight.value[tiling.weights(block)];
            let slot = sharding.slot[block.number];
            let z = &mut partials.write(slot);
            linear::forward(work, Part { tiling, block }, rows, a, w, z, slot != block.number);
        }
        let along = [shared.weight_squares.all()];
        let along = if l == 0 && noise.is_some() { &along[..] } else { &[] };
        comm.exchange_columns(partials.rows(rows), readers, along);

        let Some(next) = above.first_mut() else {
            // Z_L = Σ partial products + b_L
            for (t, tile) in tiling.tiles.iter().enumerate() {
                let z = &mut logits.write(t)[..rows * tile.len()];
                linear::sum_partials(work, &sharding.groups, partials, columns(tile, rows), z);
                add_to_rows(pass.isa, z, &this.bias.value[tile.clone()]);
            }
            return;
        };
        // A_{l+1} = f(Σ partial products + b_l)
        let (bias, units) = (&this.bias.value, &mut hidden[l]);
        for block in &next.blocks {
            let z = &mut next.input[block.values(rows)];
            let tile = columns(&tiling.tiles[block.number], rows);
            linear::sum_partials(work, &sharding.groups, partials, tile, z);
            if units.normalizes_over_features() {
                units.publish_moments(statistics, pass, block, z);
            } else {
                units.forward(pass, block, bias, z, &mut work.scratch);
            }
        }
        if units.normalizes_over_features() {
            comm.all_gather(&[statistics.forward.rows(rows)]);
            units.take_moments(statistics, tiling, rows);
            for block in &next.blocks {
                let z = &mut next.input[block.values(rows)];
                units.forward(pass, block, bias, z, &mut work.scratch);
            }
        }
    }
}

/// The gradients of all parameters from ∂L/∂Z_L, which the loss has left in the place of the logits;
/// each goes to its sink, which updates the parameters at once or keeps it for clipping. Training
/// has no use for dX of the first layer: it is computed where there is a `dx`, a slot for each block.
pub(crate) fn backward<T: Scalar>(
    net: &mut Net<T>,
    shared: &Shared<T>,
    comm: &impl Communicator,
    batch: Batch<T>,
    StepOptions { update, noise, .. }: &StepOptions<T>,
    dx: Option<&Exchange<T>>,
) {
    let Net { linear: layers, hidden, logits, work, .. } = net;
    let rows = batch.rows.len();
    let pass = Pass { isa: work.isa, rows, noise: Some(noise) };
    for (l, layer) in shared.layers.iter().enumerate().rev() {
        let (below, from_here) = layers.split_at_mut(l);
        let (this, tiling) = (&mut from_here[0], &layer.tiling);
        let last = l + 1 == shared.layers.len();
        let dz = if last { &*logits } else { &layer.dz };
        let Operands { input, gradient } = &mut this.operands;
        gradient.pack(tiling, rows, dz);
        let dz_read = (dz, &*gradient);
        let blocks = this.blocks.iter().zip(&mut this.weight_squares);
        for (own, (block, squares)) in blocks.enumerate() {
            let (part, weights) = (Part { tiling, block }, tiling.weights(block));
            // The numbers of the first layer's input are gone where its operands are kept.
            let values = block.values(rows);
            let (a, values) = (this.input.get(values.clone()).unwrap_or_default(), values.len());
            if let Some(below) = below.last_mut() {
                let (Layer { dz: dz_below, statistics, .. }, units) =
                    (&shared.layers[l - 1], &mut hidden[l - 1]);
                let w = &this.weight.value[weights.clone()];
                let da = &mut dz_below.write(block.number)[..values];
                // dA = dZ Wᵀ, and from it dZ of the layer below
                linear::backward_input(work, part, rows, dz_read, w, da);
                let (bias, scratch) = (&mut below.bias, &mut work.scratch);
                units.backward(pass, block, a, da, bias, update, statistics, scratch);
            } else if let Some(dx) = dx {
                let w = &this.weight.value[weights.clone()];
                let dx = &mut dx.write(block.number)[..values];
                linear::backward_input(work, part, rows, dz_read, w, dx); // dX = dZ Wᵀ
            }
            // dW = Aᵀ dZ
            let mut sink = this.weight.sink(update, weights);
            prefetch::clear();
            if l == 0 && own + 1 == this.blocks.len() {
                // What the next step begins with.
                let first = tiling.blocks[this.blocks[0].number].clone();
                batch.data.prefetch(batch.next_rows, first);
            }
            linear::backward_weight(work, part, rows, (a, input), dz_read, &mut sink);
            *squares = sink.squares.total();
        }
        if last {
            output_bias_backward(this, &tiling.tiles, work, pass, dz, update); // db_L = Σ rows dZ_L
        }
        if let Some(lower) = l.checked_sub(1).map(|below| &shared.layers[below]) {
            if hidden[l - 1].normalizes_over_features() {
                comm.all_gather(&[lower.statistics.backward.rows(rows)]);
                finish_normalization(&mut hidden[l - 1], this, lower, pass);
            }
            comm.all_gather(&[lower.dz.rows(rows), shared.stop.all()]);
        }
    }
}

/// What a step came to.
pub(crate) struct Outcome {
    pub loss: f64,
    /// The first tensor that is not finite, if it was looked for and the loss is.
    pub anomaly: Option<TensorName>,
}

/// How an engine trains: what is the same in every step.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrainOptions<T> {
    pub regularization: Regularization,
    /// The weight of each class in the loss.
    pub class_weights: Option<Vec<T>>,
    /// What a teacher says of the examples.
    pub soft_targets: Option<SoftTargets<T>>,
    /// How much of the moving average of the parameters a step leaves.
    pub ema_decay: Option<f64>,
    /// The largest norm that the gradient may have.
    pub clip_norm: Option<f64>,
    /// Whether every step looks for numbers that are not finite.
    pub detect_anomaly: bool,
}

/// The constants of one step.
pub(crate) struct StepOptions<'a, T> {
    pub update: UpdateOptions<T>,
    pub noise: Noise,
    class_weights: Option<&'a [T]>,
    soft_targets: Option<&'a SoftTargets<T>>,
    clip_norm: Option<f64>,
    detect_anomaly: bool,
}

impl<T: Scalar> TrainOptions<T> {
    /// Those of step `t`, from 1: a pure function of it, so that no rank can disagree with another.
    pub fn at(&self, t: u64, isa: Isa, optimizer: Optimizer<T>) -> StepOptions<'_, T> {
        // Of early steps less is kept.
        let keep = self.ema_decay.map(|keep| keep.min((1 + t) as f64 / (10 + t) as f64));
        let ema_weight = T::from_f64(1.0 - keep.unwrap_or(1.0));
        StepOptions {
            update: UpdateOptions { isa, rule: optimizer.at(t), ema_weight },
            noise: Noise::new(self.regularization, t),
            class_weights: self.class_weights.as_deref(),
            soft_targets: self.soft_targets.as_ref(),
            clip_norm: self.clip_norm,
            detect_anomaly: self.detect_anomaly,
        }
    }
}

/// Where the columns of a tile lie in partial products of `rows` rows.
fn columns(tile: &Range<usize>, rows: usize) -> Range<usize> {
    tile.start * rows..tile.end * rows
}

/// A₀ = X: brings a block of the input into `x`, and what products read of it into `operands`.
fn load_input<T: Scalar>(
    (x, operands): (&mut [T], &mut InputOperands),
    tiling: &Tiling,
    block: &Block,
    batch: Batch<T>,
    Pass { isa, rows, noise }: Pass,
) {
    let (mixes, keep) = (noise.is_some_and(Noise::mixes), noise.is_some());
    // Of the numbers themselves nothing is needed then.
    if !mixes && operands.gather(tiling, block, batch.data, batch.rows, keep) {
        return;
    }
    batch.data.gather(isa, batch.rows, tiling.blocks[block.number].clone(), x);
    if let Some(noise) = noise {
        noise.mix(x, rows);
    }
    operands.pack(tiling, block, rows, x, keep);
}

/// Prefetches the weights of the block after the own block `own`, and in the first layer its inputs.
fn prefetch_next<T: Scalar>(
    this: &Linear<T>,
    tiling: &Tiling,
    own: usize,
    input: Option<Batch<T>>,
) {
    prefetch::clear();
    if let Some(next) = this.blocks.get(own + 1) {
        if let Some(batch) = input {
            batch.data.prefetch(batch.rows, tiling.blocks[next.number].clone());
        }
        if tiling.kernel.prefetches_weights() {
            let first = &tiling.tiles[0];
            prefetch(&this.weight.value[tiling.weights_of_tile(next, first)]);
        }
    }
}

/// db_L = Σ over the rows of dZ_L. Of a hidden layer `HiddenUnits::backward` makes it.
fn output_bias_backward<T: Scalar>(
    this: &mut Linear<T>,
    tiles: &[Range<usize>],
    work: &mut Workspace<T>,
    pass: Pass,
    dz: &Exchange<T>,
    update: &UpdateOptions<T>,
) {
    for (t, tile) in tiles.iter().enumerate() {
        let db = &mut work.scratch[..tile.len()];
        linear::backward_bias(pass.isa, &dz.read(t)[..pass.rows * tile.len()], db);
        this.bias.sink(&update.without_penalty(), tile.clone()).take(0..db.len(), db);
    }
}

/// dZ of a layer that is normalized over its features, from the sums that all ranks have published.
fn finish_normalization<T: Scalar>(
    units: &mut HiddenUnits<T>,
    above: &Linear<T>,
    layer: &Layer<T>,
    pass: Pass,
) {
    units.take_means(&layer.statistics, &layer.tiling, pass.rows);
    for block in &above.blocks {
        let dz = &mut layer.dz.write(block.number)[..block.values(pass.rows).len()];
        units.finish_backward(pass, block, dz);
    }
}

/// The mean cross-entropy of the batch; turns the logits into its derivative. With class weights it
/// is the weighted mean, but for mixed examples, whose targets are probabilities: both as in PyTorch.
/// With a teacher its part is added ([`crate::distill`]).
fn mean_cross_entropy<T: Scalar>(
    net: &mut Net<T>,
    shared: &Shared<T>,
    batch: Batch<T>,
    options: &StepOptions<T>,
) -> f64 {
    let (isa, rows, noise) = (net.work.isa, batch.rows.len(), &options.noise);
    let tiling = &shared.layers[shared.layers.len() - 1].tiling;
    let label = |i: usize| batch.labels[batch.rows[i] as usize];
    let divisor = match options.class_weights {
        Some(weights) if !noise.mixes() => {
            (0..rows).map(|i| weights[usize::from(label(i))].to_f64()).sum()
        }
        _ => rows as f64,
    };
    let (factor, target) = (T::ONE / T::from_f64(divisor), |i| noise.target(label, i, rows));
    let (scores, classes) = (net.logits_by_row(tiling, rows), tiling.outputs);
    let weights = options.class_weights;
    let sum = match options.soft_targets {
        None => weighted_cross_entropy_backward(isa, scores, classes, target, weights, factor),
        Some(soft) => {
            let (mut of_teacher, share) = (scores.to_vec(), 1.0 - soft.weight);
            let of_labels = factor * T::from_f64(share);
            let labels =
                weighted_cross_entropy_backward(isa, scores, classes, target, weights, of_labels);
            let teacher = soft.backward(isa, &mut of_teacher, classes, batch.rows, factor);
            scores.iter_mut().zip(of_teacher).for_each(|(dz, of_teacher)| *dz += of_teacher);
            share * labels + teacher
        }
    };
    net.set_logits_from_rows(tiling, rows);
    sum / divisor
}

/// The first tensor that is NaN or infinite in the forward pass of `batch`, whose loss is; nothing
/// has been updated since. A collective call: all ranks find the same.
pub(crate) fn find_anomaly<T: Scalar>(
    net: &mut Net<T>,
    shared: &Shared<T>,
    comm: &impl Communicator,
    batch: Batch<T>,
    options: &StepOptions<T>,
) -> TensorName {
    shared.barrier_between_batches(comm);
    // The loss has overwritten the logits by its derivative: make them again.
    forward(net, shared, comm, batch, Some(&options.noise));
    let found = anomaly::look_forward(net, shared, batch.rows.len());
    let found = comm.min(&shared.anomalies, found);
    anomaly::name(net, found).unwrap_or(TensorName::Loss)
}
