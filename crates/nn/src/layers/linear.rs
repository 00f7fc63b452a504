//! The fully connected layer, y = W x + b, for a batch in rows: Z = X W + b.
//!
//! X is (N, D), W is (D, M), Z is (N, M). With dZ = ∂L/∂Z the chain rule gives
//!
//! dX = dZ Wᵀ,  dW = Xᵀ dZ,  db = Σ over the rows of dZ.
//!
//! Each function here works on one *block* of input features, D of them, because that is what a
//! rank owns. A layer's Z is the sum of its blocks' products; dX and dW need no sum, for a block
//! of features has its own columns of dX and its own rows of dW. M is cut into tiles
//! ([`crate::tiling`]): W holds a (D, tile) matrix for each tile, one after the other, and Z and
//! dZ an (N, tile) matrix for each. Of a narrow last tile W holds the transpose, (tile, D); of a tile in
//! strips a (D, strip) matrix for each strip.

use std::ops::Range;

use chainrule_tensor::exchange::Exchange;
use chainrule_tensor::kernel::prefetch::prefetch;
use chainrule_tensor::ops::columns::add_column_sums;
use chainrule_tensor::ops::elementwise::add_assign;
use chainrule_tensor::{Buffer, Isa, Kernel, Scalar, View, ViewMut};

use crate::operands::{GradientOperands, InputOperands, WeightOperand};
use crate::param::GradientSink;
use crate::tiling::{BLOCK, Block, Panel, Tiling};

/// What one rank multiplies with.
pub struct Workspace<T> {
    /// The kernels.
    pub isa: Isa,
    /// Room for a tile of anything.
    pub scratch: Buffer<T>,
    /// W of the tile at hand, where products do not read its numbers.
    weight: WeightOperand,
}

impl<T: Scalar> Workspace<T> {
    /// Room for batches of at most `rows`.
    pub fn new(kernel: impl Into<Kernel>, rows: usize) -> Self {
        let kernel = kernel.into();
        let widest = kernel.tile_columns();
        let most = widest.max(BLOCK);
        Self {
            isa: kernel.isa(),
            scratch: Buffer::zeros(widest * most.max(rows)),
            weight: WeightOperand::new(kernel, most),
        }
    }
}

/// One block of inputs of a layer.
#[derive(Clone, Copy)]
pub struct Part<'a> {
    /// The cuts of the layer, and its kernel.
    pub tiling: &'a Tiling,
    /// The block.
    pub block: &'a Block,
}

/// Z := X W, or Z := Z + X W if `accumulate`, for one block of inputs.
///
/// `x` is (rows, width), `w` and `z` are in tiles.
pub fn forward<T: Scalar>(
    Workspace { weight, .. }: &mut Workspace<T>,
    Part { tiling, block }: Part,
    rows: usize,
    (x, x_operands): (&[T], &InputOperands),
    w: &[T],
    z: &mut [T],
    accumulate: bool,
) {
    let (kernel, tiles) = (tiling.kernel, &tiling.tiles);
    let width = block.features.len();
    let x = View::new(x, rows, width);
    for (number, tile) in tiles.iter().enumerate() {
        if let Some(next) = tiles.get(number + 1).filter(|_| kernel.prefetches_weights()) {
            prefetch(&w[next.start * width..next.end * width]);
            if accumulate {
                prefetch(&z[next.start * rows..next.end * rows]);
            }
        }
        let w = &w[tile.start * width..tile.end * width];
        let z = ViewMut::new(&mut z[tile.start * rows..tile.end * rows], rows, tile.len());
        if tiling.is_narrow(tile) {
            kernel.multiply_transposed(x, View::new(w, tile.len(), width), z, accumulate)
        } else {
            let x = kernel.operand(|| x, || x_operands.left(block, rows));
            let numbers = || View::new(w, width, tile.len());
            let w = kernel.operand(numbers, || weight.right(tiling, width, tile, w));
            kernel.multiply(x, w, z, accumulate)
        }
        .expect("x is rows x width");
    }
}

/// dX = dZ Wᵀ: the derivative of the loss by a block's inputs, (rows, width).
///
/// Slot t of `dz` holds the (rows, tile) matrix of tile t; `w` is in tiles.
pub fn backward_input<T: Scalar>(
    Workspace { scratch, weight, .. }: &mut Workspace<T>,
    Part { tiling, block }: Part,
    rows: usize,
    (dz, dz_operands): (&Exchange<T>, &GradientOperands),
    w: &[T],
    dx: &mut [T],
) {
    let (kernel, width) = (tiling.kernel, block.features.len());
    for (number, tile) in tiling.tiles.iter().enumerate() {
        let w = &w[tile.start * width..tile.end * width];
        let w = kernel.operand(
            || match tiling.is_narrow(tile) {
                true => View::new(w, tile.len(), width),
                false => kernel.transposed(View::new(w, width, tile.len()), scratch),
            },
            || weight.right_transposed(tiling, width, tile, w),
        );
        let dz = dz.read(number);
        let numbers = || View::new(&dz, rows, tile.len());
        let dz = kernel.operand(numbers, || dz_operands.left(tiling, rows, tile));
        let dx = ViewMut::new(dx, rows, width);
        kernel.multiply(dz, w, dx, number > 0).expect("dz is rows x tile");
    }
}

/// dW = Xᵀ dZ: the derivative of the loss by a block's weights, handed on as it is made.
pub fn backward_weight<T: Scalar>(
    Workspace { scratch, .. }: &mut Workspace<T>,
    Part { tiling, block }: Part,
    rows: usize,
    (x, x_operands): (&[T], &InputOperands),
    (dz, dz_operands): (&Exchange<T>, &GradientOperands),
    sink: &mut impl GradientSink<T>,
) {
    let (kernel, width) = (tiling.kernel, block.features.len());
    for (number, tile) in tiling.tiles.iter().enumerate() {
        let dz = dz.read(number);
        let dz = View::new(&dz, rows, tile.len());
        // In a `for` each panel would be copied before its use: its stores are still under way then.
        tiling.panels_of(tile, width).for_each(|Panel { inputs, outputs, range }| {
            let dw = &mut scratch[..range.len()];
            if kernel.prefetches_weights() {
                sink.prefetch(range.clone());
            }
            let x = || View::strided(&x[inputs.start..], rows, inputs.len(), width, 1);
            if tiling.is_narrow(tile) {
                let dw = ViewMut::new(dw, tile.len(), inputs.len());
                kernel.multiply_numbers(dz.t(), x(), dw, false)
            } else {
                let tiles = || x_operands.left_transposed(block, rows, &inputs);
                let x = kernel.operand(|| x().t(), tiles);
                let dz = kernel.operand(|| dz, || dz_operands.right(rows, tile, &outputs));
                kernel.multiply(x, dz, ViewMut::new(dw, inputs.len(), outputs.len()), false)
            }
            .expect("x is rows x width");
            sink.take(range, dw);
        });
    }
}

/// db = Σ over the rows of dZ, for the features of one tile; `db` is overwritten.
pub fn backward_bias<T: Scalar>(isa: Isa, dz: &[T], db: &mut [T]) {
    db.fill(T::ZERO);
    add_column_sums(isa, dz, db);
}

/// Z as the sum of its partial products: the part of Z at `range` of every slot.
///
/// `groups` are the slots of `partials` in the order of `shard::Sharding`.
pub fn sum_partials<T: Scalar>(
    Workspace { isa, scratch, .. }: &mut Workspace<T>,
    groups: &[Vec<usize>],
    partials: &Exchange<T>,
    range: Range<usize>,
    z: &mut [T],
) {
    let isa = *isa;
    let scratch = &mut scratch[..z.len()];
    for (number, group) in groups.iter().enumerate() {
        let (first, others) = group.split_first().expect("a group has a first block");
        if number > 0 && others.is_empty() {
            add_assign(isa, z, &partials.read(*first)[range.clone()]);
            continue;
        }
        let sum = if number == 0 { &mut *z } else { &mut *scratch };
        sum.copy_from_slice(&partials.read(*first)[range.clone()]);
        for &other in others {
            add_assign(isa, sum, &partials.read(other)[range.clone()]);
        }
        if number > 0 {
            add_assign(isa, z, scratch);
        }
    }
}
