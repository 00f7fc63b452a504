//! How a fully connected layer is cut into blocks and tiles.
//!
//! A layer's weight is the matrix W (inputs, outputs). Its rows are cut into *blocks* of input
//! features and its columns into *tiles* of output features. The cuts depend on the shape and
//! the [`Kernel`] alone, never on the number of threads:
//!
//! ```text
//!                 tile 0   tile 1   tile 2
//!               +--------+--------+------+
//!      block 0  |        |        |      |    a rank owns neighboring blocks:
//!               +--------+--------+------+    these rows of W, these columns of X
//!      block 1  |        |        |      |
//!               +--------+--------+------+    stored block after block, tile after
//!      block 2  |        |        |      |    tile, each tile row-major
//!               +--------+--------+------+
//! ```
//!
//! The product Z = X W is then a sum over blocks, and floating-point addition is not
//! associative. So the order is fixed: blocks stand in [`GROUPS`] groups, within a group they are
//! summed from the first to the last, and so are the groups.
//!
//! The tiles of one layer are the blocks of the next: whoever sums a column of Z owns that
//! feature from there on. A kernel may want the weights of fewer columns together than a tile has; then
//! those of a tile are stored in *strips*, one after the other, each row-major.

use std::ops::Range;

use chainrule_tensor::Kernel;

/// Partial sums that are kept apart in a product, however many blocks it has.
pub const GROUPS: usize = 4;

/// Most input features in a block of the first layer: with 48 columns, 24 KiB of W, which stay in
/// a first-level cache while the rows of X pass by.
pub(crate) const BLOCK: usize = 128;

/// Block borders lie at multiples of this, so that a block is whole vectors wide.
const LINE: usize = 16;

/// Where a block of features lies in the storage of the rank that owns it.
#[derive(Clone, Debug)]
pub struct Block {
    /// Of the blocks of the layer that reads it, and of the tiles of the one that writes it.
    pub number: usize,
    /// In what is kept for each feature.
    pub features: Range<usize>,
}

impl Block {
    /// In what is kept for each feature of each of `rows` examples, block after block, each
    /// (rows, features).
    pub fn values(&self, rows: usize) -> Range<usize> {
        self.features.start * rows..self.features.end * rows
    }

    /// The same where only one block is kept at a time.
    pub fn alone(&self, rows: usize) -> Range<usize> {
        0..self.features.len() * rows
    }
}

/// Some rows of a strip of a tile, in one block: what one product makes the gradient of.
#[derive(Clone, Debug)]
pub struct Panel {
    /// The outputs of the strip, counted from the layer's first.
    pub outputs: Range<usize>,
    /// Its inputs, counted from the block's first.
    pub inputs: Range<usize>,
    /// Where it lies in the block's storage.
    pub range: Range<usize>,
}

/// Cuts `0..n` at multiples of `unit` into as few nearly equal ranges as `most` allows.
fn cut(n: usize, unit: usize, most: usize) -> Vec<Range<usize>> {
    let units = n.div_ceil(unit);
    let parts = units.div_ceil((most / unit).max(1));
    let border = |part: usize| (part * units / parts * unit).min(n);
    (0..parts).map(|part| border(part)..border(part + 1)).collect()
}

/// The cuts of one fully connected layer.
///
/// Tiles are of whole vectors, but for the last, which holds the outputs that are left. Such a
/// *narrow* tile is stored transposed, (tile, block), so that vectors run along the inputs and
/// none is filled up with zeros.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tiling {
    /// What multiplies it.
    pub kernel: Kernel,
    /// Number of output features.
    pub outputs: usize,
    /// Ranges of input features, in order.
    pub blocks: Vec<Range<usize>>,
    /// Ranges of output features, in order.
    pub tiles: Vec<Range<usize>>,
}

impl Tiling {
    /// The first layer, which reads `inputs` features.
    pub fn first(inputs: usize, outputs: usize, kernel: impl Into<Kernel>) -> Self {
        let kernel = kernel.into();
        Self::with_blocks(cut(inputs, LINE.max(kernel.tile_unit()), BLOCK), outputs, kernel)
    }

    /// A layer that reads what this one writes.
    pub fn next(&self, outputs: usize, kernel: impl Into<Kernel>) -> Self {
        Self::with_blocks(self.tiles.clone(), outputs, kernel.into())
    }

    fn with_blocks(blocks: Vec<Range<usize>>, outputs: usize, kernel: Kernel) -> Self {
        let whole = outputs / kernel.lanes() * kernel.lanes();
        // Two tiles of whole strips, for two ranks to own them in the next layer; but each tile reads
        // all of X, so that a narrow one is not worth it.
        let (strip, widest) = (kernel.strip_columns(), kernel.tile_columns());
        let half = whole.div_ceil(2).next_multiple_of(strip).max(widest / 2);
        let mut tiles = cut(whole, kernel.tile_unit(), widest.min(half));
        if whole < outputs {
            tiles.push(whole..outputs);
        }
        Self { kernel, outputs, blocks, tiles }
    }

    /// The strips of a tile, in the order in which its weights are stored.
    pub fn strips(&self, tile: &Range<usize>) -> impl Iterator<Item = Range<usize>> + use<> {
        let (tile, most) = (tile.clone(), self.kernel.strip_columns());
        tile.clone().step_by(most).map(move |first| first..tile.end.min(first + most))
    }

    /// The panels of a block that is `width` inputs wide, in the order of their making.
    ///
    /// Whatever is summed over the weights follows this order, so that it is the same bits wherever
    /// it is summed.
    pub fn panels(&self, width: usize) -> impl Iterator<Item = Panel> {
        self.tiles.iter().flat_map(move |tile| self.panels_of(tile, width))
    }

    /// Those of one tile.
    pub fn panels_of(&self, tile: &Range<usize>, width: usize) -> impl Iterator<Item = Panel> {
        // A narrow tile is made at once: its inputs lie side by side.
        let height = if self.is_narrow(tile) { width } else { self.kernel.panel_rows() }.max(1);
        let strip_panels = move |outputs: Range<usize>| {
            let (start, columns) = (outputs.start * width, outputs.len());
            (0..width).step_by(height).map(move |first| {
                let inputs = first..width.min(first + height);
                let range = start + inputs.start * columns..start + inputs.end * columns;
                Panel { outputs: outputs.clone(), inputs, range }
            })
        };
        self.strips(tile).flat_map(strip_panels)
    }

    /// Whether a tile is narrower than a vector, and so is stored transposed.
    pub fn is_narrow(&self, tile: &Range<usize>) -> bool {
        tile.len() < self.kernel.lanes()
    }

    /// The blocks `owned` by a rank, in its storage.
    pub fn own_blocks(&self, owned: &Range<usize>) -> Vec<Block> {
        let first = self.blocks.get(owned.start).map_or(0, |block| block.start);
        let block = |number: usize| {
            let Range { start, end } = self.blocks[number];
            Block { number, features: start - first..end - first }
        };
        owned.clone().map(block).collect()
    }

    /// Where the weights of a block lie in the storage of the rank that owns it.
    pub(crate) fn weights(&self, block: &Block) -> Range<usize> {
        block.values(self.outputs)
    }

    /// The part of [`Self::weights`] that is one tile, or one strip of it: (block, strip) row-major, or,
    /// of a narrow tile, (tile, block).
    pub(crate) fn weights_of_tile(&self, block: &Block, tile: &Range<usize>) -> Range<usize> {
        let (start, rows) = (self.weights(block).start, block.features.len());
        start + rows * tile.start..start + rows * tile.end
    }
}

#[cfg(test)]
mod tests {
    use chainrule_tensor::Precision;

    use super::*;

    fn covers(ranges: &[Range<usize>], n: usize) {
        let mut end = 0;
        for range in ranges {
            assert_eq!(range.start, end);
            end = range.end;
        }
        assert_eq!(end, n);
    }

    #[test]
    fn the_cuts_cover_every_feature_once() {
        for kernel in Kernel::available() {
            for inputs in [1, 2, 15, 16, 17, 127, 128, 129, 784, 3072, 3073] {
                for outputs in [1, 10, 15, 16, 50, 100, 512, 1024, 1025] {
                    let layer = Tiling::first(inputs, outputs, kernel);
                    covers(&layer.blocks, inputs);
                    covers(&layer.tiles, outputs);
                    let last = layer.tiles.len() - 1;
                    let whole = |t: &Range<usize>| t.len().is_multiple_of(kernel.tile_unit());
                    assert!(layer.tiles[..last].iter().all(whole), "only the last is narrow");
                    // Operands of all blocks and tiles but the last are whole.
                    let unit = kernel.tile_unit();
                    assert!(layer.blocks.iter().all(|b| b.start.is_multiple_of(unit)));
                    assert!(layer.blocks.iter().all(|b| (1..=BLOCK).contains(&b.len())));
                    assert!(layer.tiles.iter().all(|t| t.len() <= kernel.tile_columns()));
                    for tile in &layer.tiles {
                        let strips: Vec<_> = layer.strips(tile).collect();
                        let from_0 = |s: &Range<usize>| s.start - tile.start..s.end - tile.start;
                        covers(&strips.iter().map(from_0).collect::<Vec<_>>(), tile.len());
                        assert!(strips[1..].iter().all(|s| s.start.is_multiple_of(unit)));
                    }
                    assert_eq!(layer.next(7, kernel).blocks, layer.tiles);
                }
            }
        }
    }

    #[test]
    fn a_tile_of_several_strips_is_cut_so_that_two_ranks_have_one() {
        for (outputs, want) in [
            (50, &[50][..]),
            (64, &[64]),
            (65, &[32, 33]),
            (100, &[64, 36]),
            (129, &[64, 65]),
            (256, &[128, 128]),
            (1024, &[128; 8]),
        ] {
            let tiling = Tiling::first(3072, outputs, Kernel::best(Precision::Bf16));
            let lengths: Vec<_> = tiling.tiles.iter().map(Range::len).collect();
            assert_eq!(lengths, want, "{outputs} outputs");
        }
    }

    #[test]
    fn the_pixels_of_cifar_10_are_24_blocks_of_128() {
        for precision in [Precision::F32, Precision::Bf16] {
            let blocks = Tiling::first(3072, 100, Kernel::best(precision)).blocks;
            assert_eq!(blocks.len(), 24);
            assert!(blocks.iter().all(|block| block.len() == 128));
        }
    }
}
