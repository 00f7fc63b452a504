//! Packing and emulation with the vectors of AVX-512 and AVX2.

use std::arch::asm;
use std::arch::x86_64::*;

use super::tile::{Block, pack_pairs, sweep};
use super::{COLUMNS, ROWS, Tile, Tiles};
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
    ($kind:ident, $features:literal, $matmul:ident, $pack_tile:ident, $rule:ident, $transpose:path) => {
        pub(super) fn $matmul(isa: Isa, a: Tiles, b: Tiles, mut c: ViewMut, accumulate: bool) {
            #[allow(unsafe_code)]
            #[target_feature(enable = $features)]
            #[inline(never)]
            fn detected(a: Tiles, b: Tiles, c: &mut ViewMut, accumulate: bool) {
                sweep(a, b, c, accumulate, |c, a, b| $rule(c, a, b), |c, product| c + product);
            }
            assert_eq!(isa.kind(), Kind::$kind);
            // SAFETY: an `Isa` of this kind exists only where its instructions were detected.
            #[allow(unsafe_code)]
            flushing_denormals(|| unsafe { detected(a, b, &mut c, accumulate) });
        }

        pub(super) fn $pack_tile(
            isa: Isa,
            x: View,
            by_rows: bool,
            transposed: bool,
            tile: &mut Tile,
        ) {
            #[allow(unsafe_code)]
            #[target_feature(enable = $features)]
            fn detected(x: View, by_rows: bool, transposed: bool, tile: &mut Tile) {
                pack_pairs(x, by_rows, tile);
                if transposed {
                    $transpose(tile);
                }
            }
            assert_eq!(isa.kind(), Kind::$kind);
            // SAFETY: as above.
            #[allow(unsafe_code)]
            unsafe {
                detected(x, by_rows, transposed, tile)
            }
        }
    };
}

compiled!(
    Avx512,
    "avx512f,avx512bw,avx512dq,avx512vl",
    matmul_avx512,
    pack_tile_with_integers,
    rule_avx512,
    transpose_avx512
);
compiled!(Avx2, "avx2,fma", matmul_avx2, pack_tile_avx2, rule_avx2, super::tile::transpose);

/// One tile, by the processor's instruction of rounding where it has one.
pub(super) fn pack_tile_avx512(
    isa: Isa,
    x: View,
    by_rows: bool,
    transposed: bool,
    tile: &mut Tile,
) {
    if is_x86_feature_detected!("avx512bf16") {
        assert_eq!(isa.kind(), Kind::Avx512);
        // SAFETY: an `Isa` of this kind exists only where its instructions were detected, and one
        // more has just been.
        #[allow(unsafe_code)]
        unsafe {
            pack_tile_avx512_bf16(x, by_rows, transposed, tile)
        }
    } else {
        pack_tile_with_integers(isa, x, by_rows, transposed, tile);
    }
}

/// Two times 16 numbers in turns: 0, 16, 1, 17, …
const IN_TURNS: [u16; COLUMNS] = {
    let mut order = [0; COLUMNS];
    let mut i = 0;
    while i < COLUMNS {
        order[i] = (i / 2 + i % 2 * ROWS) as u16;
        i += 1;
    }
    order
};

/// [`pack_pairs`] by `vcvtne2ps2bf16`, which rounds as [`super::tile::round`] does.
#[allow(unsafe_code)]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
fn pack_tile_avx512_bf16(x: View, by_rows: bool, transposed: bool, tile: &mut Tile) {
    /// 16 numbers, or as many as there are, and zeros.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn vector(numbers: &[f32]) -> __m512 {
        let mask = u32::MAX.unbounded_shr(u32::BITS - numbers.len().min(ROWS) as u32) as __mmask16;
        // SAFETY: of the slice so many numbers are read as it has.
        unsafe { _mm512_maskz_loadu_ps(mask, numbers.as_ptr()) }
    }
    let row = |i: usize| if i < x.rows() { x.row(i) } else { &[] };
    // SAFETY: 32 numbers of 16 bits.
    let order = unsafe { _mm512_loadu_si512(IN_TURNS.as_ptr().cast()) };
    for (i, words) in tile.as_chunks_mut::<ROWS>().0.iter_mut().enumerate() {
        let rounded = if by_rows {
            let numbers = row(i);
            let (low, high) = numbers.split_at(numbers.len().min(ROWS));
            _mm512_cvtne2ps_pbh(vector(high), vector(low))
        } else {
            _mm512_cvtne2ps_pbh(vector(row(2 * i + 1)), vector(row(2 * i)))
        };
        // SAFETY: both are 64 bytes.
        let mut pairs = unsafe { std::mem::transmute::<__m512bh, __m512i>(rounded) };
        if !by_rows {
            pairs = _mm512_permutexvar_epi16(order, pairs);
        }
        // SAFETY: a row of 16 words.
        unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), pairs) }
    }
    if transposed {
        transpose_avx512(tile);
    }
}

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

/// [`super::tile::transpose`], in registers: by words, by pairs of words, then by quarters of a vector.
#[allow(unsafe_code)]
#[allow(clippy::needless_range_loop)] // i and j are rows of the formula
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn transpose_avx512(tile: &mut Tile) {
    let rows = tile.as_chunks_mut::<ROWS>().0;
    let (mut r, mut t) = ([_mm512_setzero_si512(); ROWS], [_mm512_setzero_si512(); ROWS]);
    for (r, row) in r.iter_mut().zip(rows.iter()) {
        // SAFETY: a row of 16 words.
        *r = unsafe { _mm512_loadu_si512(row.as_ptr().cast()) };
    }
    for i in 0..8 {
        t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
    }
    for i in 0..4 {
        r[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
        r[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
        r[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
        r[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
    }
    // Quarter q of r[4i + j] is column 4q + j of the rows 4i .. 4i + 4.
    for j in 0..4 {
        t[j] = _mm512_shuffle_i32x4::<0x88>(r[j], r[4 + j]);
        t[4 + j] = _mm512_shuffle_i32x4::<0xdd>(r[j], r[4 + j]);
        t[8 + j] = _mm512_shuffle_i32x4::<0x88>(r[8 + j], r[12 + j]);
        t[12 + j] = _mm512_shuffle_i32x4::<0xdd>(r[8 + j], r[12 + j]);
    }
    for j in 0..4 {
        r[j] = _mm512_shuffle_i32x4::<0x88>(t[j], t[8 + j]);
        r[4 + j] = _mm512_shuffle_i32x4::<0x88>(t[4 + j], t[12 + j]);
        r[8 + j] = _mm512_shuffle_i32x4::<0xdd>(t[j], t[8 + j]);
        r[12 + j] = _mm512_shuffle_i32x4::<0xdd>(t[4 + j], t[12 + j]);
    }
    for (row, r) in rows.iter_mut().zip(r) {
        // SAFETY: a row of 16 words.
        unsafe { _mm512_storeu_si512(row.as_mut_ptr().cast(), r) }
    }
}
