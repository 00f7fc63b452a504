//! From `f32` into the tiles of an operand.

#[cfg(target_arch = "x86_64")]
pub(super) mod avx512;

use std::ops::Range;

use super::tile::{Role, pack_pairs, pack_tiles, transpose};
use super::{LeftMut, Order, TilesMut};
use crate::isa::Isa;
use crate::matrix::View;
use crate::ops::bytes::ByteRows;
use crate::scalar::Scalar;

/// How numbers become tiles ([`Multiplier::packing`](super::Multiplier::packing)).
#[derive(Clone, Copy, Debug)]
pub struct Packing(By);

/// By which instructions, and so in which order.
#[derive(Clone, Copy, Debug)]
enum By {
    /// In pairs by the vectors of the ISA, or one by one.
    Isa(Isa),
    /// 32 at a time.
    #[cfg(target_arch = "x86_64")]
    Rounding(avx512::Rounding),
}

impl Packing {
    /// In pairs.
    #[inline]
    pub(super) fn in_pairs(isa: Isa) -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(rounding) = avx512::Rounding::of(isa, Order::Pairs) {
            return rounding.into();
        }
        Self(By::Isa(isa))
    }

    /// How their words hold the numbers.
    pub fn order(self) -> Order {
        match self.0 {
            By::Isa(_) => Order::Pairs,
            #[cfg(target_arch = "x86_64")]
            By::Rounding(rounding) => rounding.order(),
        }
    }
}

#[cfg(target_arch = "x86_64")]
impl From<avx512::Rounding> for Packing {
    fn from(rounding: avx512::Rounding) -> Self {
        Self(By::Rounding(rounding))
    }
}

/// Rounds `x`, whose columns are adjacent, into the tiles of an operand. What of a tile lies beyond the
/// matrix becomes 0. Of numbers that are no `f32` nothing is packed.
///
/// # Panics
/// If there are fewer tiles than `x` fills, or its columns are not adjacent.
pub fn pack<T: Scalar>(packing: Packing, x: View<T>, role: Role, to: TilesMut) {
    let Some(x) = x.as_f32() else { return };
    let isa = match packing.0 {
        By::Isa(isa) => isa,
        #[cfg(target_arch = "x86_64")]
        By::Rounding(rounding) => return rounding.pack(x, role, to),
    };
    match isa.kind() {
        #[cfg(target_arch = "x86_64")]
        crate::isa::Kind::Avx512 => super::x86::pack_avx512(isa, x, role, to),
        #[cfg(target_arch = "x86_64")]
        crate::isa::Kind::Avx2 => super::x86::pack_avx2(isa, x, role, to),
        _ => pack_tiles(x, role, to, |x, by_rows, transposed, tile| {
            pack_pairs(x, by_rows, tile);
            if transposed {
                transpose(tile);
            }
        }),
    }
}

/// [`pack`] as [`Role::Left`] and, where that is wanted, as [`Role::LeftTransposed`].
///
/// # Panics
/// As [`pack`].
pub fn pack_left<T: Scalar>(packing: Packing, x: View<T>, to: LeftMut) {
    #[cfg(target_arch = "x86_64")]
    if let (By::Rounding(rounding), Some(x)) = (packing.0, x.as_f32()) {
        return rounding.pack_left(x, to);
    }
    pack(packing, x, Role::Left, to.tiles);
    if let Some(transposed) = to.transposed {
        pack(packing, x, Role::LeftTransposed, transposed);
    }
}

/// [`pack_left`] of the numbers that [`normalize`](crate::ops::bytes::normalize) gives for some rows and
/// columns, where that is faster than to write those first. Returns false, and has packed nothing, where
/// it is not.
///
/// # Panics
/// As both.
#[cfg_attr(not(target_arch = "x86_64"), allow(unused_variables))] // it is nowhere faster there
pub fn pack_bytes(
    packing: Packing,
    from: &ByteRows,
    rows: &[u32],
    columns: &Range<usize>,
    to: LeftMut,
) -> bool {
    #[cfg(target_arch = "x86_64")]
    if let By::Rounding(rounding) = packing.0 {
        rounding.pack_bytes(from, rows, columns, to);
        return true;
    }
    false
}
