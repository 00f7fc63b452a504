//! From `f32` to bf16, and into tiles.
//!
//! bf16 is the upper half of an `f32`: sign, 8 bits of exponent, 7 of the fraction. [`round`] is the
//! one rule of rounding: to nearest, ties to even; a denormal number becomes a zero of its sign; a NaN
//! stays one, made quiet. It is what the instruction `vcvtne2ps2bf16` does.

use super::{COLUMNS, ROWS, Tile, TilesMut};
use crate::isa::{Isa, Kind};
use crate::matrix::View;
use crate::scalar::Scalar;

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

/// Rounds `x`, whose columns are adjacent, into the tiles of an operand. What of a tile lies beyond the
/// matrix becomes 0. Of numbers that are no `f32` nothing is packed.
///
/// # Panics
/// If there are fewer tiles than `x` fills, or its columns are not adjacent.
pub fn pack<T: Scalar>(isa: Isa, x: View<T>, role: Role, mut to: TilesMut) {
    let Some(x) = x.as_f32() else { return };
    let by_rows = matches!(role, Role::Left | Role::RightTransposed);
    let transposed = matches!(role, Role::LeftTransposed | Role::RightTransposed);
    // A tile takes 16 x 32 numbers, whose pairs lie in a row, or 32 x 16, whose pairs lie in a column.
    let (height, width) = if by_rows { (ROWS, COLUMNS) } else { (COLUMNS, ROWS) };
    for i in 0..x.rows().div_ceil(height) {
        for j in 0..x.columns().div_ceil(width) {
            let rows = i * height..x.rows().min((i + 1) * height);
            let columns = j * width..x.columns().min((j + 1) * width);
            let tile = if transposed { to.tile_mut(j, i) } else { to.tile_mut(i, j) };
            pack_tile(isa, x.part(rows, columns), by_rows, transposed, tile);
        }
    }
}

/// One tile of at most 16 x 32 numbers, or of 32 x 16.
fn pack_tile(isa: Isa, x: View, by_rows: bool, transposed: bool, tile: &mut Tile) {
    match isa.kind() {
        #[cfg(target_arch = "x86_64")]
        Kind::Avx512 => super::x86::pack_tile_avx512(isa, x, by_rows, transposed, tile),
        #[cfg(target_arch = "x86_64")]
        Kind::Avx2 => super::x86::pack_tile_avx2(isa, x, by_rows, transposed, tile),
        _ => {
            pack_pairs(x, by_rows, tile);
            if transposed {
                transpose(tile);
            }
        }
    }
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

/// Transposes the 16 x 16 words of a tile.
pub(super) fn transpose(tile: &mut Tile) {
    for i in 0..ROWS {
        for j in 0..i {
            tile.swap(i * ROWS + j, j * ROWS + i);
        }
    }
}
