//! What the products of a layer read: one rank's operands, rounded and in tiles, beside the numbers
//! that they are made of.
//!
//! Kernels that read the numbers themselves need none of it; then everything here is empty and does
//! nothing. Blocks and tiles are those of [`crate::tiling`]; the borders of all but the last lie at
//! whole tiles of the kernel, so what is left of it is filled with zeros only where a layer ends.

use std::ops::Range;

use chainrule_tensor::exchange::Exchange;
use chainrule_tensor::gather::Rows;
use chainrule_tensor::kernel::bf16::{COLUMNS, LeftMut, Packed, Place, ROWS, Role, Tiles};
use chainrule_tensor::{Kernel, Scalar, View};

use crate::tiling::{Block, Tiling};

/// A tile of A is 16 rows x 32 k; of B 32 k x 16 columns.
fn rows(n: usize) -> usize {
    n.div_ceil(ROWS)
}

/// B lies in pairs of columns.
fn columns(n: usize) -> usize {
    n.div_ceil(2 * ROWS) * 2
}

fn depth(n: usize) -> usize {
    n.div_ceil(COLUMNS)
}

/// The operands of one rank's part of a layer.
pub struct Operands {
    /// Of X.
    pub input: InputOperands,
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
        let room = |[rows, columns]: [usize; 2]| tiling.kernel.room(rows * columns);
        let tiles = Self::tiles(tiling, blocks, batch, forward_rows, below);
        let [block, transposed, right, left] = tiles.map(room);
        Self {
            input: InputOperands { block, transposed },
            gradient: GradientOperands { right, left },
        }
    }

    /// Rows and columns of tiles of each operand of [`Operands::new`], if the kernel reads tiles: X, Xᵀ,
    /// dZ by columns and by rows.
    pub(crate) fn tiles(
        tiling: &Tiling,
        blocks: &[Block],
        batch: usize,
        forward_rows: usize,
        below: bool,
    ) -> [[usize; 2]; 4] {
        let width: usize = blocks.iter().map(|block| block.features.len()).sum();
        let widest = blocks.iter().map(|block| block.features.len()).max().unwrap_or(0);
        [
            [rows(batch.max(forward_rows)), depth(widest)],
            [rows(width), depth(batch)],
            [depth(batch), columns(tiling.outputs)],
            if below { [rows(batch), depth(tiling.outputs)] } else { [0, 0] },
        ]
    }

    /// Bytes of all operands.
    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        let Self { input, gradient } = self;
        let all = [&input.block, &input.transposed, &gradient.right, &gradient.left];
        all.into_iter().map(Packed::bytes).sum()
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
        if self.is_empty() {
            return;
        }
        let x = View::new(x, batch, block.features.len());
        tiling.kernel.pack_left(x, self.left_mut(block, batch, keep));
    }

    /// Gathers some rows of the block, rounded; `keep` as in [`InputOperands::pack`]. Returns false, and
    /// has done nothing, where it is not faster than to gather them and to round them then.
    pub fn gather<T: Scalar>(
        &mut self,
        tiling: &Tiling,
        block: &Block,
        data: &dyn Rows<T>,
        rows: &[u32],
        keep: bool,
    ) -> bool {
        let Some(packing) = tiling.kernel.packing() else { return false };
        let columns = tiling.blocks[block.number].clone();
        let to = self.left_mut(block, rows.len(), keep);
        data.gather_tiles(packing, rows, columns, to)
    }

    fn left_mut(&mut self, block: &Block, batch: usize, keep: bool) -> LeftMut<'_> {
        let transposed = &mut self.transposed;
        LeftMut {
            tiles: self.block.tiles_mut(Place::in_rows(0, depth(block.features.len()))),
            transposed: keep.then(|| transposed.tiles_mut(Self::transposed(block, batch))),
        }
    }

    /// Whether all numbers of a block that was kept are finite.
    pub fn is_finite(&self, block: &Block, batch: usize) -> bool {
        self.left_transposed(block, batch, &(0..block.features.len())).is_finite()
    }

    /// X of the block that was packed last: the left operand of Z = X W.
    pub fn left(&self, block: &Block, batch: usize) -> Tiles<'_> {
        let features = block.features.len();
        let place = Place::in_rows(0, depth(features));
        self.block.tiles(place, rows(batch), depth(features)).of_depth(features)
    }

    /// Xᵀ of some inputs of a block that was kept, counted from its first: the left operand of
    /// dW = Xᵀ dZ.
    #[inline]
    pub fn left_transposed(&self, block: &Block, batch: usize, inputs: &Range<usize>) -> Tiles<'_> {
        let place = Self::transposed(block, batch).at(inputs.start / ROWS, 0);
        self.transposed.tiles(place, rows(inputs.len()), depth(batch)).of_depth(batch)
    }

    #[inline]
    fn transposed(block: &Block, batch: usize) -> Place {
        Place::in_rows(block.features.start / ROWS * depth(batch), depth(batch))
    }
}

/// A tile of W or its transpose, rounded just before a product reads it: W itself is 4 bytes a weight,
/// which each step reads and writes, and operands of all of it would be 2 or 4 more.
pub struct WeightOperand(Packed);

impl WeightOperand {
    /// Room for a tile of a block, of the most rows and columns that either has.
    pub fn new(kernel: Kernel, most: usize) -> Self {
        Self(kernel.room(depth(most) * columns(most)))
    }

    /// The tile of `width` inputs whose weights are `w`: the right operand of Z = X W.
    pub fn right<T: Scalar>(
        &mut self,
        tiling: &Tiling,
        width: usize,
        tile: &Range<usize>,
        w: &[T],
    ) -> Tiles<'_> {
        let place = Place::in_pairs(0, depth(width));
        for (output, strip) in strips(tiling, width, tile, w) {
            tiling.kernel.pack(strip, Role::Right, &mut self.0, place.at(0, output / ROWS));
        }
        self.0.tiles(place, depth(width), rows(tile.len()))
    }

    /// Its transpose: the right operand of dX = dZ Wᵀ.
    pub fn right_transposed<T: Scalar>(
        &mut self,
        tiling: &Tiling,
        width: usize,
        tile: &Range<usize>,
        w: &[T],
    ) -> Tiles<'_> {
        let place = Place::in_pairs(0, depth(tile.len()));
        for (output, strip) in strips(tiling, width, tile, w) {
            let place = place.at(output / COLUMNS, 0);
            tiling.kernel.pack(strip, Role::RightTransposed, &mut self.0, place);
        }
        self.0.tiles(place, depth(tile.len()), rows(width))
    }
}

/// The strips of a tile of `width` inputs, whose weights are `w`, each with its first output in the tile.
fn strips<'a, T: Scalar>(
    tiling: &Tiling,
    width: usize,
    tile: &Range<usize>,
    w: &'a [T],
) -> impl Iterator<Item = (usize, View<'a, T>)> {
    let first = tile.start;
    tiling.strips(tile).map(move |strip| {
        let output = strip.start - first;
        let numbers = &w[output * width..][..strip.len() * width];
        (output, View::new(numbers, width, strip.len()))
    })
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
            kernel.pack(dz, Role::Right, &mut self.right, Self::right_place(batch, tile));
            if !self.left.is_empty() {
                kernel.pack(dz, Role::Left, &mut self.left, Self::left_place(tiling, tile));
            }
        }
    }

    /// A strip of a tile of dZ: the right operand of dW = Xᵀ dZ.
    #[inline]
    pub fn right(&self, batch: usize, tile: &Range<usize>, strip: &Range<usize>) -> Tiles<'_> {
        let place = Self::right_place(batch, tile).at(0, (strip.start - tile.start) / ROWS);
        self.right.tiles(place, depth(batch), rows(strip.len()))
    }

    /// A tile of dZ: the left operand of dX = dZ Wᵀ.
    pub fn left(&self, tiling: &Tiling, batch: usize, tile: &Range<usize>) -> Tiles<'_> {
        let tiles = self.left.tiles(Self::left_place(tiling, tile), rows(batch), depth(tile.len()));
        tiles.of_depth(tile.len())
    }

    #[inline]
    fn right_place(batch: usize, tile: &Range<usize>) -> Place {
        Place::in_pairs(depth(batch) * (tile.start / ROWS), depth(batch))
    }

    fn left_place(tiling: &Tiling, tile: &Range<usize>) -> Place {
        Place::in_rows(tile.start / COLUMNS, depth(tiling.outputs))
    }
}
