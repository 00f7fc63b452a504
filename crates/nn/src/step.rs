//! One step of training, from a minibatch of inputs to new weights.
//!
//! The whole of backpropagation for a network of L fully connected layers is
//!
//! ```text
//! forward    A₀ = X                                     the batch, one example a row
//!            Z_l = A_{l-1} W_l + b_l                    for l = 1 … L
//!            A_l = relu(Z_l)                            for l < L
//! loss       L = mean over the rows of -ln softmax(Z_L)[label]  +  ½ λ Σ W²
//! backward   dZ_L = (softmax(Z_L) - onehot) / N
//!            dW_l = A_{l-1}ᵀ dZ_l,  db_l = Σ rows dZ_l  for l = L … 1
//!            dZ_{l-1} = dZ_l W_lᵀ where A_{l-1} > 0, else 0
//! update     V := μ V + dW + λ W,  W := W - η V
//! ```
//!
//! Where the norm of the gradient is to be clipped, [`crate::clip`] comes between the last two.
//!
//! A core owns neighbouring blocks of each layer's input features: those columns of A_{l-1},
//! those rows of W_l and V_l, which never leave its cache. It multiplies what it owns; the
//! partial products Z_l are published, everybody meets, and each sums the columns of Z_l that it
//! owns as the inputs of the next layer. Backward, the columns of dZ_{l-1} are published in the
//! same way. So a layer costs one barrier forward and, but for the first, one backward, and what
//! cores exchange is the size of activations, not of weights. dX of the first layer is never
//! computed: nobody learns pixels.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use chainrule_tensor::bytes::Rows;
use chainrule_tensor::elementwise::{Sgd, add_assign, sgd, sum_of_squares};
use chainrule_tensor::prefetch::Ahead;
use chainrule_tensor::team::{Board, Member};
use chainrule_tensor::{Path, Scalar};

use crate::finite::Watch;
use crate::layout::{LinearLayout, Sharing};
use crate::linear::{Strips, Workspace};
use crate::{clip, linear, relu, softmax};

/// What all cores see of a layer: how it is cut and shared, and where they publish.
pub(crate) struct Layer<T> {
    pub layout: LinearLayout,
    pub sharing: Sharing,
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
    pub fn new(layout: LinearLayout, cores: usize, rows: usize, last: bool) -> Self {
        let sharing = Sharing::new(layout.blocks.len(), cores);
        let z = |slot: usize| {
            let used = sharing.slot[slot] == slot;
            vec![T::ZERO; if used { rows * layout.outputs } else { 0 }]
        };
        let partials = Board::new((0..layout.blocks.len()).map(z).collect());
        let dz = if last { Board::new(vec![]) } else { tiles(&layout, rows) };
        let slots = || layout.blocks.iter().map(|_| AtomicU64::new(0)).collect();
        let (squares, gradient_squares) = (slots(), slots());
        Self { layout, sharing, partials, dz, squares, gradient_squares }
    }
}

/// A board with a (rows, tile) matrix for each tile of a layer's outputs.
fn tiles<T: Scalar>(layout: &LinearLayout, rows: usize) -> Board<T> {
    Board::new(layout.tiles.iter().map(|tile| vec![T::ZERO; rows * tile.len()]).collect())
}

/// Parameters and their velocity, side by side.
#[derive(Clone)]
pub(crate) struct Learned<T> {
    pub value: Vec<T>,
    pub velocity: Vec<T>,
    /// The gradient of the step at hand, where it is kept until its norm is known.
    pub gradient: Option<Vec<T>>,
}

impl<T: Scalar> Learned<T> {
    fn zeros(len: usize) -> Self {
        Self { value: vec![T::ZERO; len], velocity: vec![T::ZERO; len], gradient: None }
    }

    /// The parameters at `range`, ready to take their gradient.
    pub fn update(&mut self, path: Path, rule: Sgd<T>, range: Range<usize>) -> Update<'_, T> {
        Update {
            path,
            rule,
            w: &mut self.value[range.clone()],
            v: &mut self.velocity[range.clone()],
            kept: self.gradient.as_mut().map(|gradient| &mut gradient[range]),
            squares: 0.0,
        }
    }
}

/// What one core owns of a layer.
pub(crate) struct Share<T> {
    /// Its blocks of input features.
    pub blocks: Range<usize>,
    /// Their weights, block after block, each in tiles.
    pub weights: Learned<T>,
    /// The biases of the layer *below* for these features, whose activations are this input.
    pub bias: Learned<T>,
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
    row: Vec<T>,
    pub work: Workspace<T>,
}

/// How a step learns.
#[derive(Clone, Copy)]
pub(crate) struct Rule<'a, T> {
    pub sgd: Sgd<T>,
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
    /// The mean cross-entropy of the batch plus the penalty ½ λ Σ W², before the update.
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
        path: Path,
    ) -> Self {
        let share = |(l, layer): (usize, &Layer<T>)| {
            let (layout, blocks) = (&layer.layout, layer.sharing.owned[rank].clone());
            let ranges = &layout.blocks[blocks.clone()];
            let width: usize = ranges.iter().map(Range::len).sum();
            let widest = ranges.iter().map(Range::len).max().unwrap_or(0);
            let forward = forward_rows * if l == 0 { widest } else { width };
            Share {
                weights: Learned::zeros(width * layout.outputs),
                bias: Learned::zeros(if l == 0 { 0 } else { width }),
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
            row: vec![T::ZERO; last.outputs],
            work: Workspace::new(path, rows),
        }
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
        self.forward(layers, member, batch, true);
        if let Some(watch) = rule.watch {
            self.look_at_forward(layers, rows, watch);
        }
        let loss = self.loss(layers, batch) + penalty(layers, rule.sgd.l2.to_f64());
        if rule.clip_norm.is_none() || !loss.is_finite() {
            report(loss, None);
        }
        if !loss.is_finite() {
            return loss;
        }
        for l in (0..layers.len()).rev() {
            self.backward(layers, l, rows, rule.sgd);
            if l > 0 {
                member.meet();
            }
        }
        if let Some(max_norm) = rule.clip_norm {
            let norm = self.gradient_norm(layers, member);
            report(loss, Some(norm));
            self.update_clipped(layers, rule.sgd, clip::factor(norm, max_norm));
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

    /// The scores of a batch. With `keep`, the whole input stays for the backward pass; without,
    /// only a block of it exists at a time.
    pub fn forward(&mut self, layers: &[Layer<T>], member: Member, batch: Batch<T>, keep: bool) {
        let (path, rows) = (self.work.path, batch.rows.len());
        for (l, layer) in layers.iter().enumerate() {
            let (layout, sharing) = (&layer.layout, &layer.sharing);
            let share = &mut self.shares[l];
            for k in share.blocks.clone() {
                let x = if l == 0 {
                    let columns = layout.blocks[k].clone();
                    let at =
                        if keep { share.columns(layout, k, rows) } else { 0..rows * columns.len() };
                    batch.data.gather(path, batch.rows, columns, &mut share.x[at.clone()]);
                    &share.x[at]
                } else {
                    &share.x[share.columns(layout, k, rows)]
                };
                let ahead = &mut self.work.ahead;
                ahead.clear();
                if k + 1 < share.blocks.end {
                    if l == 0 {
                        let columns = layout.blocks[k + 1].clone();
                        batch.data.soon(batch.rows, columns, ahead);
                    }
                    let next = layout.weights_of_tile(share.blocks.start, k + 1, &layout.tiles[0]);
                    ahead.push(&share.weights.value[next]);
                }
                let w = &share.weights.value[layout.weights(share.blocks.start, k)];
                let slot = sharing.slot[k];
                let mut z = layer.partials.write(slot);
                linear::forward(&mut self.work, &layout.tiles, rows, x, w, &mut z, slot != k);
            }
            member.meet();

            let mut sum = |tile: &Range<usize>, z: &mut [T]| {
                let range = tile.start * rows..tile.end * rows;
                linear::sum_partials(&mut self.work, &sharing.groups, &layer.partials, range, z);
            };
            if let Some(next) = self.shares.get_mut(l + 1) {
                for t in next.blocks.clone() {
                    let (at, features) = next.places(&layers[l + 1].layout, t, rows);
                    sum(&layout.tiles[t], &mut next.x[at.clone()]);
                    relu::forward(path, &mut next.x[at], &next.bias.value[features]);
                }
            } else {
                for (t, tile) in layout.tiles.iter().enumerate() {
                    let mut z = self.scores.write(t);
                    let z = &mut z[..rows * tile.len()];
                    sum(tile, z);
                    for row in z.chunks_exact_mut(tile.len()) {
                        add_assign(path, row, &self.output_bias.value[tile.clone()]);
                    }
                }
            }
        }
    }

    /// The mean cross-entropy; turns the scores into its derivative.
    fn loss(&mut self, layers: &[Layer<T>], batch: Batch<T>) -> f64 {
        let layout = &layers[layers.len() - 1].layout;
        let weight = T::ONE / T::from_f64(batch.rows.len() as f64);
        let mut sum = 0.0;
        for (i, &row) in batch.rows.iter().enumerate() {
            self.copy_scores(layout, i);
            let label = usize::from(batch.labels[row as usize]);
            sum += softmax::cross_entropy_backward(&mut self.row, label, weight).to_f64();
            for (t, tile) in layout.tiles.iter().enumerate() {
                let row = &self.row[tile.clone()];
                self.scores.write(t)[i * tile.len()..(i + 1) * tile.len()].copy_from_slice(row);
            }
        }
        sum / batch.rows.len() as f64
    }

    /// The scores of the i-th example of the batch.
    pub fn scores(&mut self, layers: &[Layer<T>], i: usize) -> &[T] {
        self.copy_scores(&layers[layers.len() - 1].layout, i);
        &self.row
    }

    fn copy_scores(&mut self, layout: &LinearLayout, i: usize) {
        for (t, tile) in layout.tiles.iter().enumerate() {
            let row = &mut self.row[tile.clone()];
            row.copy_from_slice(&self.scores.read(t)[i * tile.len()..(i + 1) * tile.len()]);
        }
    }

    /// Layer l (from 0) backward: dZ of the layer below, then this layer's weights.
    fn backward(&mut self, layers: &[Layer<T>], l: usize, rows: usize, rule: Sgd<T>) {
        let path = self.work.path;
        let layout = &layers[l].layout;
        let last = l + 1 == layers.len();
        let dz = if last { &self.scores } else { &layers[l].dz };
        let no_penalty = Sgd { l2: T::ZERO, ..rule };
        let share = &mut self.shares[l];
        for (own, k) in share.blocks.clone().enumerate() {
            let (at, features) = share.places(layout, k, rows);
            let range = layout.weights(share.blocks.start, k);
            let x = &share.x[at];
            if l > 0 {
                let mut below = layers[l - 1].dz.write(k);
                let below = &mut below[..x.len()];
                let w = &share.weights.value[range.clone()];
                linear::backward_input(&mut self.work, &layout.tiles, rows, dz, w, below);
                relu::backward(path, below, x);
                let db = &mut self.work.scratch[..features.len()];
                linear::backward_bias(path, below, db);
                share.bias.update(path, no_penalty, features).take(0..db.len(), db);
            }
            let mut update = share.weights.update(path, rule, range);
            self.work.ahead.clear();
            linear::backward_weight(&mut self.work, &layout.tiles, rows, x, dz, &mut update);
            share.squares[own] = update.squares;
        }
        if last {
            for (t, tile) in layout.tiles.iter().enumerate() {
                let db = &mut self.work.scratch[..tile.len()];
                linear::backward_bias(path, &dz.read(t)[..rows * tile.len()], db);
                self.output_bias.update(path, no_penalty, tile.clone()).take(0..db.len(), db);
            }
        }
    }

    /// Sums the squares of all weights anew: what the first step's penalty needs.
    pub fn square_weights(&mut self, layers: &[Layer<T>]) {
        let path = self.work.path;
        for (share, Layer { layout, .. }) in self.shares.iter_mut().zip(layers) {
            for (own, k) in share.blocks.clone().enumerate() {
                let w = &share.weights.value[layout.weights(share.blocks.start, k)];
                let places = linear::places(path, &layout.tiles, layout.blocks[k].len());
                share.squares[own] =
                    places.map(|place| sum_of_squares(path, &w[place]).to_f64()).sum();
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
    path: Path,
    rule: Sgd<T>,
    w: &'a mut [T],
    v: &'a mut [T],
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
        let (w, v) = (&mut self.w[place.clone()], &mut self.v[place]);
        sgd(self.path, w, v, gradient, self.rule);
        if self.rule.l2 > T::ZERO {
            self.squares += sum_of_squares(self.path, w).to_f64();
        }
    }

    fn soon(&self, place: Range<usize>, ahead: &mut Ahead) {
        if let Some(kept) = &self.kept {
            ahead.push(&kept[place]);
        } else {
            ahead.push(&self.w[place.clone()]);
            ahead.push(&self.v[place]);
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
fn penalty<T>(layers: &[Layer<T>], l2: f64) -> f64 {
    if l2 == 0.0 {
        return 0.0;
    }
    0.5 * l2 * sum(layers.iter().flat_map(|layer| &layer.squares))
}

/// The sum of numbers that the cores have published, in their order.
pub(crate) fn sum<'a>(published: impl Iterator<Item = &'a AtomicU64>) -> f64 {
    published.map(|bits| f64::from_bits(bits.load(Ordering::Relaxed))).sum()
}

impl<T> Share<T> {
    /// Where the activations of block k lie in `x`, and its features' biases in `bias`.
    pub fn places(
        &self,
        layout: &LinearLayout,
        k: usize,
        rows: usize,
    ) -> (Range<usize>, Range<usize>) {
        let first = layout.blocks[self.blocks.start].start;
        let Range { start, end } = layout.blocks[k];
        ((start - first) * rows..(end - first) * rows, start - first..end - first)
    }

    pub fn columns(&self, layout: &LinearLayout, k: usize, rows: usize) -> Range<usize> {
        self.places(layout, k, rows).0
    }
}
