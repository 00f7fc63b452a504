//! Packing and emulation with the vectors of AVX-512 and AVX2. Packing by an instruction of its own is in
//! `pack/avx512.rs`.

use std::arch::asm;
use std::arch::x86_64::*;

use super::pack::avx512::transpose_tile_avx512;
use super::tile::{Block, Role, pack_pairs, pack_tiles, sweep};
use super::{ROWS, Tile, Tiles, TilesMut};
use crate::isa::{Isa, Kind};
use crate::matrix::{View, ViewMut};

/// Bits of the register MXCSR: denormal results become zeros, and so do denormal operands.
const FLUSH: u32 = 1 << 15 | 1 << 6;

/// Calls `product` while denormal numbers are read and written as zeros, as AMX does always.
///
/// The products load their operands behind the first assembly block and have stored their results
/// before the second, both of which may access any memory, so no arithmetic moves across them.
pub(super) fn flushing_denormals(product: impl FnOnce()) {
    struct Restore(u32);
    impl Drop for Restore {
        fn drop(&mut self) {
            // SAFETY: it reads four bytes that live, and sets the register to what it was.
            #[allow(unsafe_code)]
            unsafe {
                asm!("ldmxcsr [{}]", in(reg) &raw const self.0, options(nostack));
            }
        }
    }
    let mut before = 0u32;
    // SAFETY: it writes four bytes that live.
    #[allow(unsafe_code)]
    unsafe {
        asm!("stmxcsr [{}]", in(reg) &raw mut before, options(nostack));
    }
    let restore = Restore(before);
    let flushing = before | FLUSH;
    // SAFETY: it reads four bytes that live. Until `restore` is dropped only `product` computes with
    // floating-point numbers.
    #[allow(unsafe_code)]
    unsafe {
        asm!("ldmxcsr [{}]", in(reg) &raw const flushing, options(nostack));
    }
    product();
    drop(restore);
}

/// The functions that are compiled for one set of instructions.
macro_rules! compiled {
    ($kind:ident, $features:literal, $matmul:ident, $pack:ident, $rule:ident, $transpose:path) => {
        pub(super) fn $matmul(isa: Isa, a: &Tiles, b: &Tiles, c: &mut ViewMut, accumulate: bool) {
            #[allow(unsafe_code)]
            #[target_feature(enable = $features)]
            #[inline(never)]
            fn detected(a: &Tiles, b: &Tiles, c: &mut ViewMut, accumulate: bool) {
                sweep(a, b, c, accumulate, |c, a, b| $rule(c, a, b), |c, product| c + product);
            }
            assert_eq!(isa.kind(), Kind::$kind);
            // SAFETY: an `Isa` of this kind exists only where its instructions were detected.
            #[allow(unsafe_code)]
            flushing_denormals(|| unsafe { detected(a, b, c, accumulate) });
        }

        pub(super) fn $pack(isa: Isa, x: View, role: Role, to: TilesMut) {
            #[allow(unsafe_code)]
            #[target_feature(enable = $features)]
            fn detected(x: View, role: Role, to: TilesMut) {
                pack_tiles(x, role, to, |x, by_rows, transposed, tile| {
                    pack_pairs(x, by_rows, tile);
                    if transposed {
                        $transpose(tile);
                    }
                });
            }
            assert_eq!(isa.kind(), Kind::$kind);
            // SAFETY: as above.
            #[allow(unsafe_code)]
            unsafe {
                detected(x, role, to)
            }
        }
    };
}

compiled!(
    Avx512,
    "avx512f,avx512bw,avx512dq,avx512vl",
    matmul_avx512,
    pack_avx512,
    rule_avx512,
    transpose_tile_avx512
);
compiled!(Avx2, "avx2,fma", matmul_avx2, pack_avx2, rule_avx2, super::tile::transpose);

/// Numbers of A as `f32`, those of even k and of odd k, so that one load puts one into all lanes.
struct Halves {
    even: [f32; ROWS * ROWS],
    odd: [f32; ROWS * ROWS],
}

impl Halves {
    #[inline(always)]
    fn of(a: &Tile) -> Self {
        let mut halves = Self { even: [0.0; ROWS * ROWS], odd: [0.0; ROWS * ROWS] };
        for (i, &word) in a.iter().enumerate() {
            halves.even[i] = f32::from_bits(word << 16);
            halves.odd[i] = f32::from_bits(word & 0xffff_0000);
        }
        halves
    }
}

/// [`super::tile::rule`]: 8 rows at a time, one vector of 16 columns.
#[allow(unsafe_code)]
#[allow(clippy::needless_range_loop)] // i and p are the row and the pair of the formula
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn rule_avx512(c: &mut Block, a: &Tile, b: &Tile) {
    const MR: usize = 8;
    let a = Halves::of(a);
    let upper = _mm512_set1_epi32(0xffff_0000_u32 as i32);
    for first in (0..ROWS).step_by(MR) {
        let (mut even, mut odd) = ([_mm512_setzero_ps(); MR], [_mm512_setzero_ps(); MR]);
        for p in 0..ROWS {
            // SAFETY: row p of B's 16 words.
            let words = unsafe { _mm512_loadu_si512(b[p * ROWS..][..ROWS].as_ptr().cast()) };
            let low = _mm512_castsi512_ps(_mm512_slli_epi32::<16>(words));
            let high = _mm512_castsi512_ps(_mm512_and_si512(words, upper));
            for i in 0..MR {
                let at = (first + i) * ROWS + p;
                even[i] = _mm512_fmadd_ps(_mm512_set1_ps(a.even[at]), low, even[i]);
                odd[i] = _mm512_fmadd_ps(_mm512_set1_ps(a.odd[at]), high, odd[i]);
            }
        }
        for i in 0..MR {
            let row = &mut c[(first + i) * ROWS..][..ROWS];
            // SAFETY: a row of C's 16 numbers.
            unsafe {
                let sum = _mm512_add_ps(even[i], odd[i]);
                let sum = _mm512_add_ps(_mm512_loadu_ps(row.as_ptr()), sum);
                _mm512_storeu_ps(row.as_mut_ptr(), sum);
            }
        }
    }
}

/// [`super::tile::rule`]: 2 rows at a time, two vectors of 8 columns.
#[allow(unsafe_code)]
#[allow(clippy::needless_range_loop)] // i, j and p are the row, the vector and the pair of the formula
#[inline]
#[target_feature(enable = "avx2,fma")]
fn rule_avx2(c: &mut Block, a: &Tile, b: &Tile) {
    const MR: usize = 2;
    const LANES: usize = 8;
    let a = Halves::of(a);
    let upper = _mm256_set1_epi32(0xffff_0000_u32 as i32);
    for first in (0..ROWS).step_by(MR) {
        let (mut even, mut odd) = ([[_mm256_setzero_ps(); 2]; MR], [[_mm256_setzero_ps(); 2]; MR]);
        for p in 0..ROWS {
            let (mut low, mut high) = ([_mm256_setzero_ps(); 2], [_mm256_setzero_ps(); 2]);
            for j in 0..2 {
                let from = &b[p * ROWS + j * LANES..][..LANES];
                // SAFETY: half a row of B's words, which are 8.
                let words = unsafe { _mm256_loadu_si256(from.as_ptr().cast()) };
                low[j] = _mm256_castsi256_ps(_mm256_slli_epi32::<16>(words));
                high[j] = _mm256_castsi256_ps(_mm256_and_si256(words, upper));
            }
            for i in 0..MR {
                let at = (first + i) * ROWS + p;
                let (x, y) = (_mm256_set1_ps(a.even[at]), _mm256_set1_ps(a.odd[at]));
                for j in 0..2 {
                    even[i][j] = _mm256_fmadd_ps(x, low[j], even[i][j]);
                    odd[i][j] = _mm256_fmadd_ps(y, high[j], odd[i][j]);
                }
            }
        }
        for i in 0..MR {
            for j in 0..2 {
                let part = &mut c[(first + i) * ROWS + j * LANES..][..LANES];
                // SAFETY: half a row of C's numbers, which are 8.
                unsafe {
                    let sum = _mm256_add_ps(even[i][j], odd[i][j]);
                    let sum = _mm256_add_ps(_mm256_loadu_ps(part.as_ptr()), sum);
                    _mm256_storeu_ps(part.as_mut_ptr(), sum);
                }
            }
        }
    }
}
