//! Which part of a network each rank owns, and what the ranks exchange.
//!
//! A rank owns neighboring blocks of each layer's input features: those columns of A_{l-1} and those
//! rows of W_l with their velocity, which never leave its cache. It multiplies what it owns; the
//! partial products Z_l are published, and each rank sums the columns of Z_l that it owns as the
//! inputs of the next layer. Backward, the columns of dZ_{l-1} are published in the same way. So what
//! ranks exchange is the size of activations, not of weights. b_l and what normalizes a layer belong
//! to the owners of its outputs; b_L, being small, to all.

use std::ops::Range;

use chainrule_tensor::comm::Communicator;
use chainrule_tensor::exchange::Exchange;
use chainrule_tensor::ops::elementwise::SumOfSquares;
use chainrule_tensor::{Buffer, Kernel, Scalar};

use crate::architecture::{Architecture, Kind};
use crate::layers::hidden::{HiddenUnits, Statistics};
use crate::layers::linear::Workspace;
use crate::layers::norm::Norm;
use crate::operands::Operands;
use crate::param::Parameter;
use crate::tiling::{Block, GROUPS, Tiling};

/// Who owns which blocks of a layer, and where the partial products go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sharding {
    /// The blocks of each rank.
    pub owned: Vec<Range<usize>>,
    /// The slot into which a block's product is summed: the first block of its group if its
    /// owner also owns all between, else a slot of its own.
    pub slot: Vec<usize>,
    /// The groups, each as the slots that make it up, in the order of the sum.
    pub groups: Vec<Vec<usize>>,
}

impl Sharding {
    /// The rank that owns a block.
    pub fn owner(&self, block: usize) -> usize {
        self.owned.partition_point(|owned| owned.end <= block)
    }

    /// Distributes `blocks` blocks over `ranks` ranks, neighbors to the same rank.
    pub fn new(blocks: usize, ranks: usize) -> Self {
        let owned: Vec<_> =
            (0..ranks).map(|rank| rank * blocks / ranks..(rank + 1) * blocks / ranks).collect();
        let mut slot: Vec<_> = (0..blocks).collect();
        let mut groups = vec![];
        let count = GROUPS.min(blocks);
        for group in 0..count {
            let group = group * blocks / count..(group + 1) * blocks / count;
            let from_start = owned.iter().find(|owned| owned.contains(&group.start));
            for block in group.clone() {
                if from_start.is_some_and(|owned| owned.contains(&block)) {
                    slot[block] = group.start;
                }
            }
            groups.push(group.filter(|&block| slot[block] == block).collect());
        }
        Self { owned, slot, groups }
    }
}

/// What all ranks know of a layer, and where they publish.
pub(crate) struct Layer<T> {
    pub tiling: Tiling,
    pub sharding: Sharding,
    /// The columns of Z that each rank sums: its features of the next layer, or all of the last.
    pub readers: Vec<Range<usize>>,
    /// Slot k: partial products, (rows, outputs) in tiles. Written by the owner of block k.
    pub partials: Exchange<T>,
    /// Slot t: ∂L/∂Z for the columns of tile t, (rows, tile). Written by the owner of block t of
    /// the next layer. The last layer has none: each rank computes the loss for itself.
    pub dz: Exchange<T>,
    pub statistics: Statistics<T>,
}

/// What all ranks know of a network, and where they publish.
pub(crate) struct Shared<T> {
    pub layers: Vec<Layer<T>>,
    /// Σ w² of the blocks that a rank owns, a slot for each layer and rank.
    pub weight_squares: Exchange<f64>,
    /// Σ g² over the gradients that belong to these blocks.
    pub gradient_squares: Exchange<f64>,
    /// Not 0 when the step at hand is to be the last: rank 0 decides.
    pub stop: Exchange<u64>,
    /// What each rank has found that is not finite.
    pub anomalies: Exchange<u64>,
}

/// The most ranks that have work with a network: as many as its first layer has blocks of inputs.
pub fn most_ranks(architecture: &Architecture, kernel: impl Into<Kernel>) -> usize {
    let widths = architecture.widths();
    Tiling::first(widths[0], widths[1], kernel).blocks.len()
}

/// The cuts of each layer, whose products are those of `kernel`.
pub(crate) fn tilings(architecture: &Architecture, kernel: Kernel) -> Vec<Tiling> {
    let widths = architecture.widths();
    let depth = architecture.depth();
    let of_layer = |l| if l + 1 < depth { kernel } else { kernel.of_last_layer() };
    let mut tilings = vec![Tiling::first(widths[0], widths[1], of_layer(0))];
    for (l, &outputs) in widths[1..].iter().enumerate().skip(1) {
        tilings.push(tilings[l - 1].next(outputs, of_layer(l)));
    }
    tilings
}

impl<T: Scalar> Layer<T> {
    /// Layer of `tiling`, whose outputs `next` reads; the last has none. `rows` are those of a batch.
    fn new(tiling: Tiling, next: Option<&Tiling>, norm: Norm, ranks: usize, rows: usize) -> Self {
        let sharding = Sharding::new(tiling.blocks.len(), ranks);
        let slots = 0..tiling.blocks.len();
        let used = |slot: usize| sharding.slot[slot] == slot;
        let partial = |k: usize| Buffer::zeros(if used(k) { rows * tiling.outputs } else { 0 });
        let owners = slots.clone().map(|k| sharding.owner(k)).collect();
        let partials = Exchange::new(rows, slots.map(partial).collect(), owners);
        let (readers, owners) = match next {
            None => (vec![0..tiling.outputs; ranks], vec![]),
            Some(next) => {
                let owners = Sharding::new(next.blocks.len(), ranks);
                let end =
                    |blocks: usize| next.blocks.get(blocks).map_or(tiling.outputs, |b| b.start);
                let columns = |owned: &Range<usize>| end(owned.start)..end(owned.end);
                let owner = |t: usize| owners.owner(t);
                let of_tiles = (0..next.blocks.len()).map(owner).collect();
                (owners.owned.iter().map(columns).collect(), of_tiles)
            }
        };
        let tiles = if owners.is_empty() { &[] } else { &tiling.tiles[..] };
        let dz = Exchange::new(rows, tile_buffers(tiles, rows), owners.clone());
        let statistics = Statistics::new(&owners, norm, rows);
        Self { tiling, sharding, readers, partials, dz, statistics }
    }
}

/// A (rows, tile) matrix for each tile of a layer's outputs.
fn tile_buffers<T: Scalar>(tiles: &[Range<usize>], rows: usize) -> Vec<Buffer<T>> {
    tiles.iter().map(|tile| Buffer::zeros(rows * tile.len())).collect()
}

impl<T: Scalar> Shared<T> {
    /// For batches of at most `rows`, of `ranks` ranks.
    pub fn new(architecture: &Architecture, kernel: Kernel, ranks: usize, rows: usize) -> Self {
        let tilings = tilings(architecture, kernel);
        let norm = architecture.hidden().norm;
        let layer = |(l, tiling): (usize, &Tiling)| {
            Layer::new(tiling.clone(), tilings.get(l + 1), norm, ranks, rows)
        };
        let layers: Vec<Layer<T>> = tilings.iter().enumerate().map(layer).collect();
        let blocks = || {
            let owned = layers.iter().flat_map(|layer| &layer.sharding.owned);
            let slots = owned.map(|owned| vec![0.0; owned.len()]).collect::<Vec<_>>();
            let owners = (0..slots.len()).map(|slot| slot % ranks).collect();
            Exchange::new(1, slots, owners)
        };
        let (weight_squares, gradient_squares) = (blocks(), blocks());
        Self {
            layers,
            weight_squares,
            gradient_squares,
            stop: Exchange::new(1, vec![vec![0]], vec![0]),
            anomalies: Exchange::one_each(ranks),
        }
    }

    /// ½ λ Σ w² over all weights.
    pub fn penalty(&self, l2: T) -> f64 {
        if l2 == T::ZERO {
            return 0.0;
        }
        0.5 * l2.to_f64() * self.sum(&self.weight_squares)
    }

    /// The sum of what the ranks have published for their blocks, in the order of layers and blocks,
    /// so that it is the same bits for any number of ranks.
    pub fn sum(&self, published: &Exchange<f64>) -> f64 {
        let slots = self.layers.iter().flat_map(|layer| &layer.sharding.owned).enumerate();
        let mut sum = 0.0;
        for (slot, _) in slots {
            published.read(slot).iter().for_each(|squares| sum += squares);
        }
        sum
    }

    /// The slot for the blocks that a rank owns of a layer.
    pub fn slot(&self, layer: usize, rank: usize) -> usize {
        layer * self.layers[0].sharding.owned.len() + rank
    }

    /// With a single layer no collective comes between the readers of one batch's partial products
    /// and the writers of the next one's; with more, the next layer's does.
    pub fn barrier_between_batches(&self, comm: &impl Communicator) {
        if self.layers.len() == 1 {
            comm.all_gather(&[self.stop.all()]);
        }
    }
}

/// One rank's part of a fully connected layer.
pub(crate) struct Linear<T> {
    /// Its blocks of input features.
    pub blocks: Vec<Block>,
    /// W: their rows, block after block, each in tiles.
    pub weight: Parameter<T>,
    /// b: of the outputs that the rank owns as inputs of the next layer; of the last layer all.
    pub bias: Parameter<T>,
    /// A: the activations of its input features, block after block, each (rows, width). Of the images
    /// there is only the block at hand in evaluation, and where operands are kept in their place.
    pub input: Buffer<T>,
    /// What the products read of A and of dZ, where that is not the numbers themselves.
    pub operands: Operands,
    /// Σ w² of each block after the last update.
    pub weight_squares: Vec<f64>,
}

/// One rank's part of a network, and its own copy of the small end of it.
pub(crate) struct Net<T> {
    pub rank: usize,
    pub linear: Vec<Linear<T>>,
    /// Of all layers but the last.
    pub hidden: Vec<HiddenUnits<T>>,
    /// Z_L, which becomes ∂L/∂Z_L: a (rows, tile) matrix for each tile.
    pub logits: Exchange<T>,
    /// The same, (rows, classes).
    pub table: Buffer<T>,
    pub work: Workspace<T>,
}

impl<T: Scalar> Net<T> {
    /// Room for batches of `rows`, and for evaluating `forward_rows` at once, which needs only
    /// one block of the first layer's input at a time.
    pub fn new(
        architecture: &Architecture,
        shared: &Shared<T>,
        kernel: Kernel,
        rank: usize,
        (rows, forward_rows): (usize, usize),
    ) -> Self {
        let linear = |(l, layer): (usize, &Layer<T>)| {
            let blocks = layer.tiling.own_blocks(&layer.sharding.owned[rank]);
            let width: usize = blocks.iter().map(|block| block.features.len()).sum();
            let widest = blocks.iter().map(|block| block.features.len()).max().unwrap_or(0);
            let operands = Operands::new(&layer.tiling, &blocks, rows, forward_rows, l > 0);
            // Of the first layer's input one block, but in training all where its numbers are kept.
            let kept = if l == 0 && !operands.input.is_empty() { widest } else { width };
            let forward = forward_rows * if l == 0 { widest } else { width };
            Linear {
                weight: Parameter::zeros(width * layer.tiling.outputs),
                bias: Parameter::zeros(layer.readers[rank].len()),
                input: Buffer::zeros(forward.max(rows * kept)),
                operands,
                weight_squares: vec![0.0; blocks.len()],
                blocks,
            }
        };
        let hidden = |(l, layer): (usize, &Layer<T>)| {
            let width = layer.readers[rank].len();
            HiddenUnits::new(architecture.hidden(), l, width, rows, forward_rows)
        };
        let (last, below) = shared.layers.split_last().expect("a network has a layer");
        let rows = rows.max(forward_rows);
        let tiles = tile_buffers(&last.tiling.tiles, rows);
        let owners = vec![rank; tiles.len()];
        Self {
            rank,
            linear: shared.layers.iter().enumerate().map(linear).collect(),
            hidden: below.iter().enumerate().map(hidden).collect(),
            logits: Exchange::new(rows, tiles, owners),
            table: Buffer::zeros(rows * last.tiling.outputs),
            work: Workspace::new(kernel, rows),
        }
    }

    /// The parameters of a kind, as far as this rank owns them.
    pub fn parameter(&self, layer: usize, kind: Kind) -> Option<&Parameter<T>> {
        match kind {
            Kind::Weight => Some(&self.linear[layer].weight),
            Kind::Bias => Some(&self.linear[layer].bias),
            Kind::Scale => self.hidden.get(layer).map(|hidden| &hidden.scale),
            Kind::RunningMean => self.hidden.get(layer).map(|hidden| &hidden.running_mean),
            Kind::RunningVariance => self.hidden.get(layer).map(|hidden| &hidden.running_variance),
        }
    }

    /// [`Self::parameter`], to write.
    pub fn parameter_mut(&mut self, layer: usize, kind: Kind) -> Option<&mut Parameter<T>> {
        let hidden = self.hidden.get_mut(layer);
        match kind {
            Kind::Weight => Some(&mut self.linear[layer].weight),
            Kind::Bias => Some(&mut self.linear[layer].bias),
            Kind::Scale => hidden.map(|hidden| &mut hidden.scale),
            Kind::RunningMean => hidden.map(|hidden| &mut hidden.running_mean),
            Kind::RunningVariance => hidden.map(|hidden| &mut hidden.running_variance),
        }
    }

    /// All parameters that this rank owns.
    pub fn parameters_mut(&mut self) -> impl Iterator<Item = &mut Parameter<T>> {
        let linear = self.linear.iter_mut().flat_map(|l| [&mut l.weight, &mut l.bias]);
        linear.chain(self.hidden.iter_mut().flat_map(HiddenUnits::parameters_mut))
    }

    /// Makes room for the second moment of each parameter, if there is none.
    pub fn keep_second_moment(&mut self) {
        for Parameter { value, second_moment, .. } in self.parameters_mut() {
            if second_moment.len() != value.len() {
                *second_moment = Buffer::zeros(value.len());
            }
        }
    }

    /// Z_L or ∂L/∂Z_L of the batch, (rows, classes).
    pub fn logits_by_row(&mut self, tiling: &Tiling, rows: usize) -> &mut [T] {
        let table = &mut self.table[..rows * tiling.outputs];
        for (t, tile) in tiling.tiles.iter().enumerate() {
            let logits = self.logits.read(t);
            let from = logits.chunks_exact(tile.len());
            for (from, to) in from.zip(table.chunks_exact_mut(tiling.outputs)) {
                to[tile.clone()].copy_from_slice(from);
            }
        }
        table
    }

    /// Brings what was written to [`Self::logits_by_row`] back into the tiles.
    pub fn set_logits_from_rows(&mut self, tiling: &Tiling, rows: usize) {
        let table = &self.table[..rows * tiling.outputs];
        for (t, tile) in tiling.tiles.iter().enumerate() {
            let mut logits = self.logits.write(t);
            let to = logits.chunks_exact_mut(tile.len());
            for (to, from) in to.zip(table.chunks_exact(tiling.outputs)) {
                to.copy_from_slice(&from[tile.clone()]);
            }
        }
    }

    /// Sums the squares of all weights anew: what the first step's penalty needs.
    pub fn square_weights(&mut self, shared: &Shared<T>) {
        let isa = self.work.isa;
        for (linear, Layer { tiling, .. }) in self.linear.iter_mut().zip(&shared.layers) {
            for (block, squares) in linear.blocks.iter().zip(&mut linear.weight_squares) {
                let w = &linear.weight.value[tiling.weights(block)];
                let mut sum = SumOfSquares::default();
                for panel in tiling.panels(block.features.len()) {
                    sum.add(isa, &w[panel.range]);
                }
                *squares = sum.total();
            }
        }
        self.publish_squares(shared);
    }

    /// Publishes Σ w² of each block: the first exchange of the next step carries it to all.
    pub fn publish_squares(&self, shared: &Shared<T>) {
        for (l, linear) in self.linear.iter().enumerate() {
            let slot = shared.slot(l, self.rank);
            shared.weight_squares.write(slot).copy_from_slice(&linear.weight_squares);
        }
    }

    /// Whether each activation of the last batch, of `rows` examples, is positive, for the features
    /// that this rank owns, hidden layer after hidden layer.
    pub fn active(&self, rows: usize) -> impl Iterator<Item = bool> + '_ {
        self.linear.iter().skip(1).flat_map(move |linear| {
            let all = linear.blocks.iter().flat_map(move |block| block.values(rows));
            all.map(|at| linear.input[at] > T::ZERO)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_ranks_sums_the_same_blocks_in_the_same_order() {
        for blocks in 1..=30 {
            let order = |sharding: &Sharding| -> Vec<Vec<usize>> {
                let blocks_of =
                    |slot: usize| (0..blocks).filter(move |&b| sharding.slot[b] == slot);
                sharding
                    .groups
                    .iter()
                    .map(|g| g.iter().copied().flat_map(blocks_of).collect())
                    .collect()
            };
            let one = Sharding::new(blocks, 1);
            for ranks in 1..=40 {
                let sharding = Sharding::new(blocks, ranks);
                let all: Vec<_> = sharding.owned.iter().cloned().flatten().collect();
                assert!(all.into_iter().eq(0..blocks), "every block once, in order");
                assert_eq!(order(&sharding), order(&one), "{blocks} blocks, {ranks} ranks");
                for (rank, owned) in sharding.owned.iter().enumerate() {
                    for block in owned.clone() {
                        assert_eq!(sharding.owner(block), rank);
                        assert!(owned.contains(&sharding.slot[block]), "a slot has one writer");
                    }
                }
                // Only a group's first slot may hold more than one block: (a + b) + c, never
                // a + (b + c).
                for group in &sharding.groups {
                    for &slot in &group[1..] {
                        assert_eq!(sharding.slot.iter().filter(|&&s| s == slot).count(), 1);
                    }
                }
            }
        }
    }
}
