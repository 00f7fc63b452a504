//! From `f32` into the tiles of an operand.

#[cfg(target_arch = "x86_64")]
pub(super) mod avx512;

use std::ops::Range;

use super::tile::{Role, pack_pairs, pack_tiles, transpose};
use super::{BothMut, TilesMut};
use crate::isa::{Isa, Kind};
use crate::matrix::View;
use crate::ops::bytes::ByteRows;
use crate::scalar::Scalar;

/// Rounds `x`, whose columns are adjacent, into the tiles of an operand. What of a tile lies beyond the
/// matrix becomes 0. Of numbers that are no `f32` nothing is packed.
///
/// # Panics
/// If there are fewer tiles than `x` fills, or its columns are not adjacent.
pub fn pack<T: Scalar>(isa: Isa, x: View<T>, role: Role, to: TilesMut) {
    let Some(x) = x.as_f32() else { return };
    #[cfg(target_arch = "x86_64")]
    if let Some(rounding) = avx512::Rounding::of(isa) {
        return rounding.pack(x, role, to);
    }
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
pub fn pack_both<T: Scalar>(isa: Isa, x: View<T>, to: BothMut) {
    #[cfg(target_arch = "x86_64")]
    if let (Some(rounding), Some(x)) = (avx512::Rounding::of(isa), x.as_f32()) {
        return rounding.pack_both(x, to);
    }
    pack(isa, x, Role::Left, to.left);
    pack(isa, x, Role::LeftTransposed, to.transposed);
}

/// [`pack_both`] of the numbers that [`normalize`](crate::ops::bytes::normalize) gives for some rows and
/// columns, where that is faster than to write those first. Returns false, and has packed nothing, where
/// it is not.
///
/// # Panics
/// As both.
#[cfg_attr(not(target_arch = "x86_64"), allow(unused_variables))] // it is nowhere faster there
pub fn pack_bytes(
    isa: Isa,
    from: &ByteRows,
    rows: &[u32],
    columns: &Range<usize>,
    to: BothMut,
) -> bool {
    #[cfg(target_arch = "x86_64")]
    if let Some(rounding) = avx512::Rounding::of(isa) {
        rounding.pack_bytes(from, rows, columns, to);
        return true;
    }
    false
}
