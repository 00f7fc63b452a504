//! From `f32` into the tiles of an operand.

use super::tile::{pack_pairs, transpose};
use super::{COLUMNS, ROWS, Tile, TilesMut};
use crate::isa::{Isa, Kind};
use crate::matrix::View;
use crate::scalar::Scalar;

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
pub fn pack<T: Scalar>(isa: Isa, x: View<T>, role: Role, to: TilesMut) {
    let Some(x) = x.as_f32() else { return };
    match isa.kind() {
        #[cfg(target_arch = "x86_64")]
        Kind::Avx512 => super::x86::pack_avx512(isa, x, role, to),
        #[cfg(target_arch = "x86_64")]
        Kind::Avx2 => super::x86::pack_avx2(isa, x, role, to),
        _ => sweep(x, role, to, |x, by_rows, transposed, tile| {
            pack_pairs(x, by_rows, tile);
            if transposed {
                transpose(tile);
            }
        }),
    }
}

/// [`pack`] as [`Role::Left`] and as [`Role::LeftTransposed`].
///
/// # Panics
/// As [`pack`].
pub fn pack_both<T: Scalar>(isa: Isa, x: View<T>, mut left: TilesMut, mut transposed: TilesMut) {
    #[cfg(target_arch = "x86_64")]
    if let (Kind::Avx512, Some(x)) = (isa.kind(), x.as_f32())
        && super::x86::pack_both_avx512(isa, x, &mut left, &mut transposed)
    {
        return;
    }
    pack(isa, x, Role::Left, left);
    pack(isa, x, Role::LeftTransposed, transposed);
}

/// Calls `pack_tile` for each tile of the operand with the part of `x` that fills it, at most 16 x 32
/// numbers, whose pairs lie in a row, or 32 x 16, whose pairs lie in a column.
#[inline(always)]
pub(super) fn sweep(
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
