//! One tile, in plain Rust: rounding into it, and the rule of bits.
//!
//! bf16 is the upper half of an `f32`: sign, 8 bits of exponent, 7 of the fraction. [`round`] is the
//! one rule of rounding: to nearest, ties to even; a denormal number becomes a zero of its sign; a NaN
//! stays one, made quiet. It is what the instruction `vcvtne2ps2bf16` does.
//!
//! [`rule`] is the definition of a product. The vector versions (`x86.rs`) do the same with the
//! processor's own handling of denormal numbers, which is that of AMX when it is switched on.

use super::{COLUMNS, ROWS, Tile, Tiles, TilesMut};
use crate::matrix::{View, ViewMut};

/// 16 x 16 elements of C, row-major.
pub(super) type Block = [f32; ROWS * ROWS];

/// The nearest bf16, ties to even; denormal numbers become 0, a NaN a quiet one.
#[inline(always)]
pub fn round(x: f32) -> u16 {
    let bits = x.to_bits();
    let nearest = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
    let is_denormal = bits & 0x7f80_0000 == 0;
    let is_nan = bits & 0x7fff_ffff > 0x7f80_0000;
    let rounded = if is_denormal { (bits >> 16) & 0x8000 } else { nearest };
    (if is_nan { (bits >> 16) | 0x40 } else { rounded }) as u16
}

/// Which operand of a product a matrix X becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A := X.
    Left,
    /// A := Xᵀ.
    LeftTransposed,
    /// B := X.
    Right,
    /// B := Xᵀ.
    RightTransposed,
}

/// Word (i, p) of the tile is the pair x(i, 2p), x(i, 2p + 1) if `by_rows`, else word (p, j) is the
/// pair x(2p, j), x(2p + 1, j).
#[inline(always)]
pub(super) fn pack_pairs(x: View, by_rows: bool, tile: &mut Tile) {
    let pair = |even, odd| u32::from(round(even)) | u32::from(round(odd)) << 16;
    for (i, words) in tile.as_chunks_mut::<ROWS>().0.iter_mut().enumerate() {
        if by_rows {
            let row: [f32; COLUMNS] = row_or_zeros(x, i);
            for (p, word) in words.iter_mut().enumerate() {
                *word = pair(row[2 * p], row[2 * p + 1]);
            }
        } else {
            let rows: [[f32; ROWS]; 2] = [row_or_zeros(x, 2 * i), row_or_zeros(x, 2 * i + 1)];
            for (j, word) in words.iter_mut().enumerate() {
                *word = pair(rows[0][j], rows[1][j]);
            }
        }
    }
}

/// Row `i` of `x`, and zeros where it has no numbers.
#[inline(always)]
fn row_or_zeros<const N: usize>(x: View, i: usize) -> [f32; N] {
    let mut row = [0.0; N];
    if i < x.rows() {
        let numbers = x.row(i);
        match numbers.first_chunk() {
            Some(whole) => row = *whole,
            None => row[..numbers.len()].copy_from_slice(numbers),
        }
    }
    row
}

/// Calls `pack_tile` for each tile of the operand with the part of `x` that fills it, at most 16 x 32
/// numbers, whose pairs lie in a row, or 32 x 16, whose pairs lie in a column.
#[inline(always)]
pub(super) fn pack_tiles(
    x: View,
    role: Role,
    mut to: TilesMut,
    pack_tile: impl Fn(View, bool, bool, &mut Tile),
) {
    let by_rows = matches!(role, Role::Left | Role::RightTransposed);
    let transposed = matches!(role, Role::LeftTransposed | Role::RightTransposed);
    let (height, width) = if by_rows { (ROWS, COLUMNS) } else { (COLUMNS, ROWS) };
    for i in 0..x.rows().div_ceil(height) {
        for j in 0..x.columns().div_ceil(width) {
            let rows = i * height..x.rows().min((i + 1) * height);
            let columns = j * width..x.columns().min((j + 1) * width);
            let tile = if transposed { to.tile_mut(j, i) } else { to.tile_mut(i, j) };
            pack_tile(x.part(rows, columns), by_rows, transposed, tile);
        }
    }
}

/// Transposes the 16 x 16 words of a tile.
pub(super) fn transpose(tile: &mut Tile) {
    for i in 0..ROWS {
        for j in 0..i {
            tile.swap(i * ROWS + j, j * ROWS + i);
        }
    }
}

/// Applies `rule` to each block of C and the tiles of A and B that it is the product of, and `add` to C
/// and the product where they are summed.
#[inline(always)]
pub(super) fn sweep(
    a: &Tiles,
    b: &Tiles,
    c: &mut ViewMut,
    accumulate: bool,
    rule: impl Fn(&mut Block, &Tile, &Tile),
    add: impl Fn(f32, f32) -> f32,
) {
    for i in 0..a.rows {
        for j in 0..b.columns {
            let mut block = [0.0; ROWS * ROWS];
            let rows = i * ROWS..c.rows().min((i + 1) * ROWS);
            let columns = j * ROWS..c.columns().min((j + 1) * ROWS);
            for k in 0..a.columns {
                rule(&mut block, a.tile(i, k), b.tile(k, j));
            }
            for (row, block) in rows.zip(block.chunks_exact(ROWS)) {
                let c = &mut c.row_mut(row)[columns.clone()];
                for (c, &product) in c.iter_mut().zip(block) {
                    *c = if accumulate { add(*c, product) } else { product };
                }
            }
        }
    }
}

/// C := C + A·B for one tile: two chains of fused multiply-adds, and their sum added to C.
pub(super) fn rule(c: &mut Block, a: &Tile, b: &Tile) {
    for i in 0..ROWS {
        for j in 0..ROWS {
            let (mut even, mut odd) = (0.0, 0.0);
            for p in 0..ROWS {
                let (a, b) = (a[i * ROWS + p], b[p * ROWS + j]);
                even = multiply_add(low(a), low(b), even);
                odd = multiply_add(high(a), high(b), odd);
            }
            let c = &mut c[i * ROWS + j];
            *c = flush(flush(*c) + flush(even + odd));
        }
    }
}

/// The number in the lower half of a word.
fn low(word: u32) -> f32 {
    flush(f32::from_bits(word << 16))
}

/// The number in the upper half of a word.
fn high(word: u32) -> f32 {
    flush(f32::from_bits(word & 0xffff_0000))
}

/// A denormal number becomes a zero of its sign.
pub(super) fn flush(x: f32) -> f32 {
    if x.abs() < f32::MIN_POSITIVE { 0.0f32.copysign(x) } else { x }
}

/// a·b + c, rounded once; a result that is denormal before or after rounding is a zero of its sign.
///
/// x86 rounds to 24 bits whatever the exponent, and then looks whether the result is denormal. The
/// smallest normal number is reached by rounding from below on the coarser steps of denormal numbers
/// already where it is not on those; there the exact value decides, which `f64` holds.
fn multiply_add(a: f32, b: f32, c: f32) -> f32 {
    let sum = a.mul_add(b, c);
    if sum.abs() == f32::MIN_POSITIVE {
        let exact = (f64::from(a) * f64::from(b) + f64::from(c)).abs();
        // Half a step of 24 bits below it, which rounds to even, that is up.
        let least = f64::from(f32::MIN_POSITIVE) * (1.0 - f64::from(f32::EPSILON) / 4.0);
        return if exact < least { 0.0f32.copysign(sum) } else { sum };
    }
    flush(sum)
}
