//! What the products of a layer read: one rank's operands, rounded and in tiles, beside the numbers
//! that they are made of.
//!
//! Kernels that read the numbers themselves need none of it; then everything here is empty and does
//! nothing. Blocks and tiles are those of [`crate::tiling`]; the borders of all but the last lie at
//! whole tiles of the kernel, so what is left of it is filled with zeros only where a layer ends.

use std::ops::Range;

use chainrule_tensor::exchange::Exchange;
use chainrule_tensor::kernel::bf16::{COLUMNS, Packed, ROWS, Role, Tiles};
use chainrule_tensor::{Scalar, View};

use crate::layers::linear::Panel;
use crate::tiling::{Block, Tiling};

/// A tile of A is 16 rows x 32 k; of B 32 k x 16 columns.
fn rows(n: usize) -> usize {
    n.div_ceil(ROWS)
}

fn depth(n: usize) -> usize {
    n.div_ceil(COLUMNS)
}

/// The operands of one rank's part of a layer.
pub struct Operands {
    /// Of X.
    pub input: InputOperands,
    /// Of W.
    pub weight: WeightOperands,
    /// Of dZ.
    pub gradient: GradientOperands,
}

impl Operands {
    /// Room for blocks of inputs, training on `batch` rows, and evaluating `forward_rows`. A layer
    /// that has another `below` it also makes dX.
    pub fn new(
        tiling: &Tiling,
        blocks: &[Block],
        batch: usize,
        forward_rows: usize,
        below: bool,
    ) -> Self {
        let (kernel, outputs) = (tiling.kernel, tiling.outputs);
        let width: usize = blocks.iter().map(|block| block.features.len()).sum();
        let widest = blocks.iter().map(|block| block.features.len()).max().unwrap_or(0);
        let if_so = |needed: bool, tiles: usize| kernel.room(if needed { tiles } else { 0 });
        Self {
            input: InputOperands {
                block: kernel.room(rows(batch.max(forward_rows)) * depth(widest)),
                transposed: kernel.room(rows(width) * depth(batch)),
            },
            weight: WeightOperands {
                forward: kernel.room(depth(width) * rows(outputs)),
                transposed: if_so(below, rows(width) * depth(outputs)),
            },
            gradient: GradientOperands {
                right: kernel.room(depth(batch) * rows(outputs)),
                left: if_so(below, rows(batch) * depth(outputs)),
            },
        }
    }
}

/// X of the block at hand, and in training Xᵀ of all own blocks.
pub struct InputOperands {
    block: Packed,
    transposed: Packed,
}

impl InputOperands {
    /// Whether the kernel reads the inputs themselves.
    pub fn is_empty(&self) -> bool {
        self.block.is_empty()
    }

    /// Rounds the block `x`, (rows, width); `keep` it for the backward pass.
    pub fn pack<T: Scalar>(
        &mut self,
        tiling: &Tiling,
        block: &Block,
        batch: usize,
        x: &[T],
        keep: bool,
    ) {
        let (kernel, width) = (tiling.kernel, block.features.len());
        let (x, left) = (View::new(x, batch, width), (0, depth(width)));
        if keep {
            let transposed = (Self::first(block, batch), depth(batch));
            kernel.pack_both(x, (&mut self.block, left), (&mut self.transposed, transposed));
        } else {
            kernel.pack(x, Role::Left, &mut self.block, left);
        }
    }

    /// Whether all numbers of a block that was kept are finite.
    pub fn is_finite(&self, block: &Block, batch: usize) -> bool {
        self.left_transposed(block, batch, &(0..block.features.len())).is_finite()
    }

    /// X of the block that was packed last: the left operand of Z = X W.
    pub fn left(&self, block: &Block, batch: usize) -> Tiles<'_> {
        self.block.tiles(0, rows(batch), depth(block.features.len()))
    }

    /// Xᵀ of some inputs of a block that was kept, counted from its first: the left operand of
    /// dW = Xᵀ dZ.
    pub fn left_transposed(&self, block: &Block, batch: usize, inputs: &Range<usize>) -> Tiles<'_> {
        let tiles = self.transposed.tiles(
            Self::first(block, batch),
            rows(block.features.len()),
            depth(batch),
        );
        tiles.part(inputs.start / ROWS..rows(inputs.end), 0..depth(batch))
    }

    fn first(block: &Block, batch: usize) -> usize {
        block.features.start / ROWS * depth(batch)
    }
}

/// W of all own blocks, and Wᵀ where dX is wanted.
pub struct WeightOperands {
    forward: Packed,
    transposed: Packed,
}

impl WeightOperands {
    /// Whether the kernel reads the weights themselves.
    pub fn is_empty(&self) -> bool {
        self.forward.is_empty()
    }

    /// Rounds the panel of W that begins at `start` in the storage of a block.
    pub fn pack<T: Scalar>(&mut self, tiling: &Tiling, block: &Block, start: usize, w: &[T]) {
        let (tile, Panel { inputs, outputs, .. }) = Panel::at(tiling, block.features.len(), start);
        let w = View::new(w, inputs.len(), outputs.len());
        let columns = rows(tile.len());
        let before = outputs.start - tile.start;
        let first = Self::first(tiling, block, tile) + before / ROWS;
        let place = (first + inputs.start / COLUMNS * columns, columns);
        tiling.kernel.pack(w, Role::Right, &mut self.forward, place);
        if !self.transposed.is_empty() {
            let columns = rows(block.features.len());
            let first = Self::first_transposed(tiling, block, tile) + inputs.start / ROWS;
            let place = (first + before / COLUMNS * columns, columns);
            tiling.kernel.pack(w, Role::RightTransposed, &mut self.transposed, place);
        }
    }

    /// A tile of a block: the right operand of Z = X W.
    pub fn right(&self, tiling: &Tiling, block: &Block, tile: &Range<usize>) -> Tiles<'_> {
        let first = Self::first(tiling, block, tile);
        self.forward.tiles(first, depth(block.features.len()), rows(tile.len()))
    }

    /// Its transpose: the right operand of dX = dZ Wᵀ.
    pub fn right_transposed(
        &self,
        tiling: &Tiling,
        block: &Block,
        tile: &Range<usize>,
    ) -> Tiles<'_> {
        let first = Self::first_transposed(tiling, block, tile);
        self.transposed.tiles(first, depth(tile.len()), rows(block.features.len()))
    }

    /// Block after block, tile after tile, as W itself.
    fn first(tiling: &Tiling, block: &Block, tile: &Range<usize>) -> usize {
        block.features.start / COLUMNS * rows(tiling.outputs)
            + depth(block.features.len()) * (tile.start / ROWS)
    }

    fn first_transposed(tiling: &Tiling, block: &Block, tile: &Range<usize>) -> usize {
        block.features.start / ROWS * depth(tiling.outputs)
            + rows(block.features.len()) * (tile.start / COLUMNS)
    }
}

/// dZ of all outputs, and once more by rows where dX is wanted.
pub struct GradientOperands {
    right: Packed,
    left: Packed,
}

impl GradientOperands {
    /// Rounds dZ, which slot t of `dz` holds for tile t, (rows, tile).
    pub fn pack<T: Scalar>(&mut self, tiling: &Tiling, batch: usize, dz: &Exchange<T>) {
        let kernel = tiling.kernel;
        for (t, tile) in tiling.tiles.iter().enumerate() {
            let dz = dz.read(t);
            let dz = View::new(&dz, batch, tile.len());
            let place = (Self::first(batch, tile), rows(tile.len()));
            kernel.pack(dz, Role::Right, &mut self.right, place);
            if !self.left.is_empty() {
                let place = (tile.start / COLUMNS, depth(tiling.outputs));
                kernel.pack(dz, Role::Left, &mut self.left, place);
            }
        }
    }

    /// A strip of a tile of dZ: the right operand of dW = Xᵀ dZ.
    pub fn right(&self, batch: usize, tile: &Range<usize>, strip: &Range<usize>) -> Tiles<'_> {
        let all = self.right.tiles(Self::first(batch, tile), depth(batch), rows(tile.len()));
        let columns = (strip.start - tile.start) / ROWS..rows(strip.end - tile.start);
        all.part(0..depth(batch), columns)
    }

    /// A tile of dZ: the left operand of dX = dZ Wᵀ.
    pub fn left(&self, tiling: &Tiling, batch: usize, tile: &Range<usize>) -> Tiles<'_> {
        let all = self.left.tiles(0, rows(batch), depth(tiling.outputs));
        all.part(0..rows(batch), tile.start / COLUMNS..depth(tile.end))
    }

    fn first(batch: usize, tile: &Range<usize>) -> usize {
        depth(batch) * (tile.start / ROWS)
    }
}
