//! From `f32` into the tiles of an operand.

use super::tile::{Role, pack_pairs, pack_tiles, transpose};
use super::{COLUMNS, TilesMut};
use crate::isa::{Isa, Kind};
use crate::matrix::View;
use crate::ops::elementwise::SumOfSquares;
use crate::ops::update::{self as ops, Rule, State};
use crate::scalar::Scalar;

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
        _ => pack_tiles(x, role, to, |x, by_rows, transposed, tile| {
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

/// Where a panel of a weight matrix is rounded to: tiles of a right operand.
#[derive(Debug)]
pub struct RightOperand<'a> {
    /// The tiles, from the panel's first on.
    pub tiles: TilesMut<'a>,
    /// Columns of the panel.
    pub columns: usize,
}

/// [`update`](ops::update) of the panel of a weight matrix, and [`pack`] of what it has become.
///
/// # Panics
/// As the two.
pub fn update<T: Scalar, R: Rule<T>>(
    isa: Isa,
    rule: R,
    state: State<T>,
    gradient: &[T],
    squares: &mut SumOfSquares<T>,
    RightOperand { tiles, columns }: RightOperand,
) {
    #[cfg(target_arch = "x86_64")]
    if isa.kind() == Kind::Avx512
        && (state.w.len(), columns) == (COLUMNS * COLUMNS, COLUMNS)
        && super::x86::rounds_vectors(isa)
    {
        return super::x86::update_avx512(isa, rule, state, gradient, squares, tiles);
    }
    let State { w, v, s } = state;
    ops::update(isa, rule, State { w, v, s }, gradient, squares);
    pack(isa, View::new(w, w.len() / columns, columns), Role::Right, tiles);
}
