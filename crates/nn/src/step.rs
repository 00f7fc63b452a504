//! One step of training, from a minibatch of inputs to new weights.
//!
//! The whole of backpropagation for a network of L fully connected layers is
//!
//! ```text
//! forward    A₀ = X                                     the batch, one example a row
//!            Z_l = A_{l-1} W_l + b_l                    for l = 1 … L
//!            A_l = relu(Z_l)                            for l < L; more of it in `hidden`
//! loss       L = mean over the rows of -ln softmax(Z_L)[label]  +  ½ λ Σ W²
//! backward   dZ_L = (softmax(Z_L) - onehot) / N
//!            dW_l = A_{l-1}ᵀ dZ_l,  db_l = Σ rows dZ_l  for l = L … 1
//!            dZ_{l-1} = dZ_l W_lᵀ where A_{l-1} > 0, else 0
//! update     V := μ V + dW + λ W,  W := W - η V        or another optimizer's
//! ```
//!
//! Where the norm of the gradient is to be clipped, [`crate::clip`] comes between the last two.
//!
//! A core owns neighboring blocks of each layer's input features: those columns of A_{l-1},
//! those rows of W_l and V_l, which never leave its cache. It multiplies what it owns; the
//! partial products Z_l are published, everybody meets, and each sums the columns of Z_l that it
//! owns as the inputs of the next layer. Backward, the columns of dZ_{l-1} are published in the
//! same way. So a layer costs one barrier forward and, but for the first, one backward, and what
//! cores exchange is the size of activations, not of weights. dX of the first layer is never
//! computed: nobody learns pixels.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use chainrule_tensor::gather::Rows;
use chainrule_tensor::kernel::prefetch;
use chainrule_tensor::ops::columns::add_to_rows;
use chainrule_tensor::ops::elementwise::sum_of_squares;
use chainrule_tensor::ops::update::lerp;
use chainrule_tensor::team::{Board, Member};
use chainrule_tensor::{Isa, Scalar};

use crate::finite::Watch;
use crate::hidden::{Block, Owned, Statistics};
use crate::layout::{LinearLayout, Sharing};
use crate::linear::{Strips, Workspace};
use crate::noise::Noise;
use crate::optimizer::{Optimizer, update};
use crate::{Hidden, Norm, clip, linear, softmax};

/// What all cores see of a layer: how it is cut and shared, and where they publish.
pub(crate) struct Layer<T> {
    pub layout: LinearLayout,
    pub sharing: Sharing,
    /// What becomes of the sums of a hidden layer.
    pub hidden: Hidden,
    statistics: Statistics<T>,
    /// Slot k: partial products, (rows, outputs) in tiles. Written by the owner of block k.
    partials: Board<T>,
    /// Slot t: ∂L/∂Z for the columns of tile t, (rows, tile). Written by the owner of block t of
    /// the next layer. The last layer has none: each core computes the loss for itself.
    pub dz: Board<T>,
    /// Σ w² of each block, as the bits of an `f64`.
    squares: Vec<AtomicU64>,
    /// Σ g² over the gradients that belong to each block, as the bits of an `f64`.
    pub gradient_squares: Vec<AtomicU64>,
}

impl<T: Scalar> Layer<T> {
    pub fn new(
        layout: LinearLayout,
        hidden: Hidden,
        cores: usize,
        rows: usize,
        last: bool,
    ) -> Self {
        let sharing = Sharing::new(layout.blocks.len(), cores);
        let z = |slot: usize| {
            let used = sharing.slot[slot] == slot;
            vec![T::ZERO; if used { rows * layout.outputs } else { 0 }]
        };
        let partials = Board::new((0..layout.blocks.len()).map(z).collect());
        let dz = if last { Board::new(vec![]) } else { tiles(&layout, rows) };
        let slots = || layout.blocks.iter().map(|_| AtomicU64::new(0)).collect();
        let (squares, gradient_squares) = (slots(), slots());
        let statistics =
            Statistics::new(&layout, if last { Norm::None } else { hidden.norm }, rows);
        Self { layout, sharing, hidden, statistics, partials, dz, squares, gradient_squares }
    }
}

/// A board with a (rows, tile) matrix for each tile of a layer's outputs.
fn tiles<T: Scalar>(layout: &LinearLayout, rows: usize) -> Board<T> {
    Board::new(layout.tiles.iter().map(|tile| vec![T::ZERO; rows * tile.len()]).collect())
}

/// Parameters and what goes with them, side by side. What is not needed is empty.
#[derive(Clone)]
pub(crate) struct Learned<T> {
    pub value: Vec<T>,
    pub velocity: Vec<T>,
    /// The running mean of the gradient's squares, of optimizers that keep it.
    pub squares: Vec<T>,
    /// The running mean of the parameters themselves.
    pub average: Vec<T>,
    /// The gradient of the step at hand, where it is kept until its norm is known.
    pub gradient: Option<Vec<T>>,
}

impl<T: Scalar> Learned<T> {
    pub fn zeros(len: usize) -> Self {
        let zeros = || vec![T::ZERO; len];
        Self { value: zeros(), velocity: zeros(), squares: vec![], average: vec![], gradient: None }
    }

    /// The parameters at `range`, ready to take their gradient.
    pub fn update(
        &mut self,
        isa: Isa,
        coefficients: Coefficients<T>,
        range: Range<usize>,
    ) -> Update<'_, T> {
        fn part<T>(all: &mut [T], range: Range<usize>) -> &mut [T] {
            if all.is_empty() { all } else { &mut all[range] }
        }
        Update {
            isa,
            coefficients,
            w: &mut self.value[range.clone()],
            v: &mut self.velocity[range.clone()],
            s: part(&mut self.squares, range.clone()),
            average: part(&mut self.average, range.clone()),
            kept: self.gradient.as_mut().map(|gradient| &mut gradient[range]),
            squares: 0.0,
        }
    }

    /// Moves the running mean of parameters that have no gradient.
    pub fn follow(&mut self, isa: Isa, coefficients: Coefficients<T>, range: Range<usize>) {
        if let Some(average) = self.average.get_mut(range.clone()) {
            lerp(isa, average, &self.value[range], coefficients.average);
        }
    }
}

/// The coefficients of the update of one step.
#[derive(Clone, Copy)]
pub(crate) struct Coefficients<T> {
    pub optimizer: Optimizer<T>,
    /// The number of the step, from 1, over the whole of training.
    pub t: u64,
    /// How far the running mean of the parameters moves, where there is one.
    pub average: T,
}

impl<T: Scalar> Coefficients<T> {
    /// The same for parameters that are not penalized.
    pub fn without_penalty(self) -> Self {
        Self { optimizer: self.optimizer.without_penalty(), ..self }
    }
}

/// What one core owns of a layer.
pub(crate) struct Share<T> {
    /// Its blocks of input features.
    pub blocks: Range<usize>,
    /// Their weights, block after block, each in tiles.
    pub weights: Learned<T>,
    /// What makes the sums of the layer *below* these features; of the first layer nothing does.
    pub hidden: Owned<T>,
    /// The activations of these features, block after block, each (rows, width).
    pub x: Vec<T>,
    /// Σ w² of each block after the last update.
    pub squares: Vec<f64>,
}

/// One core: its share of every layer, and its own copy of the small end of the network.
pub(crate) struct Core<T> {
    pub shares: Vec<Share<T>>,
    /// Bias of the last layer, the same on every core.
    pub output_bias: Learned<T>,
    /// The scores Z_L, which become ∂L/∂Z_L: a (rows, tile) matrix for each tile.
    pub scores: Board<T>,
    /// The same, (rows, classes).
    table: Vec<T>,
    pub work: Workspace<T>,
}

/// How a step learns.
#[derive(Clone, Copy)]
pub(crate) struct Rule<'a, T> {
    pub coefficients: Coefficients<T>,
    pub noise: Noise,
    /// The largest norm that the gradient may have.
    pub clip_norm: Option<f64>,
    /// Who looks for numbers that are not finite, if anybody does.
    pub watch: Option<&'a Watch>,
}

/// A step of training, told before the next one begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The number of the step, from 0.
    pub number: usize,
    /// The mean cross-entropy of the batch, as training sees it, plus the penalty ½ λ Σ W²,
    /// before the update.
    pub loss: f64,
    /// Where [`crate::Engine::set_clip_norm`] asked for it: the norm of the gradient before it
    /// was clipped, without the penalty's share. A step whose loss is not finite has none.
    pub gradient_norm: Option<f64>,
}

/// Some rows of a data set.
#[derive(Clone, Copy)]
pub(crate) struct Batch<'a, T> {
    pub data: &'a dyn Rows<T>,
    pub labels: &'a [u8],
    pub rows: &'a [u32],
}

impl<T: Scalar> Core<T> {
    /// Room for batches of `rows`, and for evaluating `forward_rows` at once, which needs only
    /// one block of the first layer's input at a time.
    pub fn new(
        layers: &[Layer<T>],
        rank: usize,
        rows: usize,
        forward_rows: usize,
        isa: Isa,
    ) -> Self {
        let share = |(l, layer): (usize, &Layer<T>)| {
            let (layout, blocks) = (&layer.layout, layer.sharing.owned[rank].clone());
            let ranges = &layout.blocks[blocks.clone()];
            let width: usize = ranges.iter().map(Range::len).sum();
            let widest = ranges.iter().map(Range::len).max().unwrap_or(0);
            let forward = forward_rows * if l == 0 { widest } else { width };
            let hidden = match l.checked_sub(1) {
                Some(below) => Owned::new(layer.hidden, below, width, rows, forward_rows),
                None => Owned::new(Hidden::default(), 0, 0, 0, 0),
            };
            Share {
                weights: Learned::zeros(width * layout.outputs),
                hidden,
                x: vec![T::ZERO; forward.max(rows * width)],
                squares: vec![0.0; blocks.len()],
                blocks,
            }
        };
        let last = &layers.last().expect("a network has a layer").layout;
        let rows = rows.max(forward_rows);
        Self {
            shares: layers.iter().enumerate().map(share).collect(),
            output_bias: Learned::zeros(last.outputs),
            scores: tiles(last, rows),
            table: vec![T::ZERO; rows * last.outputs],
            work: Workspace::new(isa, rows),
        }
    }

    /// All that this core learns.
    pub fn learned_mut(&mut self) -> impl Iterator<Item = &mut Learned<T>> {
        let shares = self.shares.iter_mut().flat_map(|share| {
            let [bias, gamma, mean, variance] = share.hidden.learned_mut();
            [&mut share.weights, bias, gamma, mean, variance]
        });
        shares.chain([&mut self.output_bias])
    }

    /// Forward, loss, backward and update. Returns the loss before the update; if that is not
    /// finite, there is no update.
    ///
    /// `report` is called with the loss, and the gradient's norm if it is taken, while the others
    /// still work, before the last barrier.
    pub fn step(
        &mut self,
        layers: &[Layer<T>],
        member: Member,
        batch: Batch<T>,
        rule: Rule<T>,
        report: impl Fn(f64, Option<f64>),
    ) -> f64 {
        let rows = batch.rows.len();
        let Rule { coefficients, noise, .. } = rule;
        self.forward(layers, member, batch, Some(&noise));
        if let Some(watch) = rule.watch {
            self.look_at_forward(layers, rows, watch);
        }
        let loss = self.loss(layers, batch, &noise) + penalty(layers, coefficients.optimizer.l2);
        if rule.clip_norm.is_none() || !loss.is_finite() {
            report(loss, None);
        }
        if !loss.is_finite() {
            return loss;
        }
        for l in (0..layers.len()).rev() {
            self.backward(layers, member, l, rows, coefficients, &noise);
            if l > 0 {
                member.meet();
            }
        }
        if let Some(max_norm) = rule.clip_norm {
            let norm = self.gradient_norm(layers, member);
            report(loss, Some(norm));
            self.update_clipped(layers, coefficients, clip::factor(norm, max_norm));
            member.meet();
        } else {
            meet_before_next_batch(layers, member);
        }
        self.publish_squares(layers);
        if let Some(watch) = rule.watch {
            self.look_at_backward(layers, rows, watch);
            member.meet();
        }
        loss
    }

    /// The scores of a batch. With `noise` it is training, and the whole input stays for the
    /// backward pass; without, only a block of it exists at a time.
    pub fn forward(
        &mut self,
        layers: &[Layer<T>],
        member: Member,
        batch: Batch<T>,
        noise: Option<&Noise>,
    ) {
        let (isa, rows) = (self.work.isa, batch.rows.len());
        for (l, layer) in layers.iter().enumerate() {
            let (layout, sharing) = (&layer.layout, &layer.sharing);
            let share = &mut self.shares[l];
            for k in share.blocks.clone() {
                let x = if l == 0 {
                    let columns = layout.blocks[k].clone();
                    let at = match noise {
                        Some(_) => share.columns(layout, k, rows),
                        None => 0..rows * columns.len(),
                    };
                    let x = &mut share.x[at];
                    batch.data.gather(isa, batch.rows, columns, x);
                    if let Some(noise) = noise {
                        noise.mix(x, rows);
                    }
                    &*x
                } else {
                    &share.x[share.columns(layout, k, rows)]
                };
                prefetch::clear();
                if k + 1 < share.blocks.end {
                    if l == 0 {
                        let columns = layout.blocks[k + 1].clone();
                        batch.data.prefetch(batch.rows, columns);
                    }
                    let next = layout.weights_of_tile(share.blocks.start, k + 1, &layout.tiles[0]);
                    prefetch::prefetch(&share.weights.value[next]);
                }
                let w = &share.weights.value[layout.weights(share.blocks.start, k)];
                let slot = sharing.slot[k];
                let mut z = layer.partials.write(slot);
                linear::forward(&mut self.work, &layout.tiles, rows, x, w, &mut z, slot != k);
            }
            member.meet();

            let sum = |work: &mut Workspace<T>, tile: &Range<usize>, z: &mut [T]| {
                let range = tile.start * rows..tile.end * rows;
                linear::sum_partials(work, &sharing.groups, &layer.partials, range, z);
            };
            if let Some(next) = self.shares.get_mut(l + 1) {
                let blocks = next.own_blocks(&layers[l + 1].layout, rows);
                let of_layer = layer.hidden.norm == Norm::Layer;
                if of_layer {
                    for block in blocks.clone() {
                        let z = &mut next.x[block.at];
                        sum(&mut self.work, &layout.tiles[block.number], z);
                        next.hidden.publish(isa, &layer.statistics, rows, block.number, z);
                    }
                    member.meet();
                    next.hidden.gather(&layer.statistics, &layout.tiles, rows);
                }
                for block in blocks {
                    let z = &mut next.x[block.at.clone()];
                    if !of_layer {
                        sum(&mut self.work, &layout.tiles[block.number], z);
                    }
                    let scratch = &mut self.work.scratch;
                    next.hidden.forward(isa, &block, rows, z, noise, scratch);
                }
            } else {
                for (t, tile) in layout.tiles.iter().enumerate() {
                    let mut z = self.scores.write(t);
                    let z = &mut z[..rows * tile.len()];
                    sum(&mut self.work, tile, z);
                    add_to_rows(isa, z, &self.output_bias.value[tile.clone()]);
                }
            }
        }
    }

    /// The mean cross-entropy; turns the scores into its derivative.
    fn loss(&mut self, layers: &[Layer<T>], batch: Batch<T>, noise: &Noise) -> f64 {
        let (isa, rows) = (self.work.isa, batch.rows.len());
        let layout = &layers[layers.len() - 1].layout;
        let weight = T::ONE / T::from_f64(rows as f64);
        let label = |i: usize| batch.labels[batch.rows[i] as usize];
        let target = |i| noise.target(label, i, rows);
        self.scores(layers, rows);
        let table = &mut self.table[..rows * layout.outputs];
        let sum = softmax::cross_entropy_backward(isa, table, layout.outputs, target, weight);
        for (t, tile) in layout.tiles.iter().enumerate() {
            let mut scores = self.scores.write(t);
            let to = scores.chunks_exact_mut(tile.len());
            for (to, from) in to.zip(table.chunks_exact(layout.outputs)) {
                to.copy_from_slice(&from[tile.clone()]);
            }
        }
        sum / rows as f64
    }

    /// The scores of the batch, (rows, classes).
    pub fn scores(&mut self, layers: &[Layer<T>], rows: usize) -> &[T] {
        let layout = &layers[layers.len() - 1].layout;
        let table = &mut self.table[..rows * layout.outputs];
        for (t, tile) in layout.tiles.iter().enumerate() {
            let scores = self.scores.read(t);
            let from = scores.chunks_exact(tile.len());
            for (from, to) in from.zip(table.chunks_exact_mut(layout.outputs)) {
                to[tile.clone()].copy_from_slice(from);
            }
        }
        table
    }

    /// Layer l (from 0) backward: dZ of the layer below, then this layer's weights.
    fn backward(
        &mut self,
        layers: &[Layer<T>],
        member: Member,
        l: usize,
        rows: usize,
        coefficients: Coefficients<T>,
        noise: &Noise,
    ) {
        let isa = self.work.isa;
        let layout = &layers[l].layout;
        let last = l + 1 == layers.len();
        let dz = if last { &self.scores } else { &layers[l].dz };
        let share = &mut self.shares[l];
        for (own, block) in share.own_blocks(layout, rows).enumerate() {
            let k = block.number;
            let range = layout.weights(share.blocks.start, k);
            let x = &share.x[block.at.clone()];
            if let Some(below) = l.checked_sub(1).map(|below| &layers[below]) {
                let mut below_dz = below.dz.write(k);
                let dx = &mut below_dz[..x.len()];
                let w = &share.weights.value[range.clone()];
                linear::backward_input(&mut self.work, &layout.tiles, rows, dz, w, dx);
                let (all, scratch) = (&below.statistics, &mut self.work.scratch);
                share.hidden.backward(isa, &block, x, dx, coefficients, noise, all, scratch);
            }
            let mut update = share.weights.update(isa, coefficients, range);
            prefetch::clear();
            linear::backward_weight(&mut self.work, &layout.tiles, rows, x, dz, &mut update);
            share.squares[own] = update.squares;
        }
        if last {
            for (t, tile) in layout.tiles.iter().enumerate() {
                let db = &mut self.work.scratch[..tile.len()];
                linear::backward_bias(isa, &dz.read(t)[..rows * tile.len()], db);
                let coefficients = coefficients.without_penalty();
                let mut update = self.output_bias.update(isa, coefficients, tile.clone());
                update.take(0..db.len(), db);
            }
        }
        let below = l.checked_sub(1).map(|below| &layers[below]);
        if let Some(below) = below.filter(|below| below.hidden.norm == Norm::Layer) {
            member.meet();
            share.hidden.gather_back(&below.statistics, &below.layout.tiles, rows);
            for block in share.own_blocks(layout, rows) {
                let mut dz = below.dz.write(block.number);
                share.hidden.finish(isa, &block, rows, &mut dz[..block.at.len()]);
            }
        }
    }

    /// Sums the squares of all weights anew: what the first step's penalty needs.
    pub fn square_weights(&mut self, layers: &[Layer<T>]) {
        let isa = self.work.isa;
        for (share, Layer { layout, .. }) in self.shares.iter_mut().zip(layers) {
            for (own, k) in share.blocks.clone().enumerate() {
                let w = &share.weights.value[layout.weights(share.blocks.start, k)];
                let places = linear::places(isa, &layout.tiles, layout.blocks[k].len());
                share.squares[own] =
                    places.map(|place| sum_of_squares(isa, &w[place]).to_f64()).sum();
            }
        }
        self.publish_squares(layers);
    }

    fn publish_squares(&self, layers: &[Layer<T>]) {
        for (share, layer) in self.shares.iter().zip(layers) {
            for (k, squares) in share.blocks.clone().zip(&share.squares) {
                layer.squares[k].store(squares.to_bits(), Ordering::Relaxed);
            }
        }
    }

    /// Whether each activation of the i-th example is positive, for the features that this core
    /// owns, hidden layer after hidden layer.
    pub fn active<'a>(
        &'a self,
        layers: &'a [Layer<T>],
        rows: usize,
    ) -> impl Iterator<Item = bool> + 'a {
        self.shares.iter().zip(layers).skip(1).flat_map(move |(share, layer)| {
            let all = share.blocks.clone().flat_map(move |k| share.columns(&layer.layout, k, rows));
            all.map(|at| share.x[at] > T::ZERO)
        })
    }
}

/// The update of some parameters, made while their gradient is still in the cache; or, where the
/// gradient must be kept until its norm is known, the keeping of it.
pub(crate) struct Update<'a, T> {
    isa: Isa,
    coefficients: Coefficients<T>,
    w: &'a mut [T],
    v: &'a mut [T],
    s: &'a mut [T],
    average: &'a mut [T],
    kept: Option<&'a mut [T]>,
    /// Σ w² of what has been updated, if there is a penalty on it.
    pub squares: f64,
}

impl<T: Scalar> Strips<T> for Update<'_, T> {
    fn take(&mut self, place: Range<usize>, gradient: &[T]) {
        if let Some(kept) = &mut self.kept {
            kept[place].copy_from_slice(gradient);
            return;
        }
        let Coefficients { optimizer, t, average } = &self.coefficients;
        let (w, v) = (&mut self.w[place.clone()], &mut self.v[place.clone()]);
        let s = if self.s.is_empty() { &mut [] } else { &mut self.s[place.clone()] };
        update(self.isa, optimizer, *t, (w, v, s), gradient);
        if let Some(mean) = self.average.get_mut(place) {
            lerp(self.isa, mean, w, *average);
        }
        if optimizer.l2 > T::ZERO {
            self.squares += sum_of_squares(self.isa, w).to_f64();
        }
    }

    fn prefetch(&self, place: Range<usize>) {
        if let Some(kept) = &self.kept {
            prefetch::prefetch(&kept[place]);
        } else {
            prefetch::prefetch(&self.w[place.clone()]);
            prefetch::prefetch(&self.v[place.clone()]);
            for more in [self.s.get(place.clone()), self.average.get(place)].into_iter().flatten() {
                prefetch::prefetch(more);
            }
        }
    }
}

/// With a single layer no barrier comes between the readers of one batch's partial products and
/// the writers of the next one's; with more, the next layer's does.
pub(crate) fn meet_before_next_batch<T>(layers: &[Layer<T>], member: Member) {
    if layers.len() == 1 {
        member.meet();
    }
}

/// ½ λ Σ w² over all weights, summed in the order of layers and blocks.
fn penalty<T: Scalar>(layers: &[Layer<T>], l2: T) -> f64 {
    if l2 == T::ZERO {
        return 0.0;
    }
    0.5 * l2.to_f64() * sum(layers.iter().flat_map(|layer| &layer.squares))
}

/// The sum of numbers that the cores have published, in their order.
pub(crate) fn sum<'a>(published: impl Iterator<Item = &'a AtomicU64>) -> f64 {
    published.map(|bits| f64::from_bits(bits.load(Ordering::Relaxed))).sum()
}

impl<T> Share<T> {
    /// Where the features of each own block lie, and their activations of `rows` examples.
    pub fn own_blocks<'a>(
        &self,
        layout: &'a LinearLayout,
        rows: usize,
    ) -> impl Iterator<Item = Block> + Clone + use<'a, T> {
        let first = self.blocks.start;
        self.blocks.clone().map(move |number| Block::new(layout, first, number, rows))
    }

    /// Where the activations of block k lie in `x`.
    pub fn columns(&self, layout: &LinearLayout, k: usize, rows: usize) -> Range<usize> {
        Block::new(layout, self.blocks.start, k, rows).at
    }
}
