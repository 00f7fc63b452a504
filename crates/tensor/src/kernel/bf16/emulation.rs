//! The rule of bits of a tile, on processors without AMX.
//!
//! [`rule`] is the definition, in plain Rust. The vector versions (`x86.rs`) do the same with the
//! processor's own handling of denormal numbers, which is that of AMX when it is switched on.

use super::{ROWS, Tile, Tiles};
use crate::isa::{Isa, Kind};
use crate::matrix::ViewMut;

/// 16 x 16 elements of C, row-major.
pub(super) type Block = [f32; ROWS * ROWS];

/// C (+)= A·B, block by block of C.
pub(super) fn matmul(isa: Isa, a: Tiles, b: Tiles, mut c: ViewMut, accumulate: bool) {
    match isa.kind() {
        #[cfg(target_arch = "x86_64")]
        Kind::Avx512 => super::x86::matmul_avx512(isa, a, b, c, accumulate),
        #[cfg(target_arch = "x86_64")]
        Kind::Avx2 => super::x86::matmul_avx2(isa, a, b, c, accumulate),
        _ => sweep(a, b, &mut c, accumulate, rule, |c, product| flush(flush(c) + product)),
    }
}

/// Applies `rule` to each block of C and the tiles of A and B that it is the product of, and `add` to C
/// and the product where they are summed.
#[inline(always)]
pub(super) fn sweep(
    a: Tiles,
    b: Tiles,
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
fn flush(x: f32) -> f32 {
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
