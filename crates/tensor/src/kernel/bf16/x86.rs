//! Packing and emulation with the vectors of AVX-512 and AVX2.

use std::arch::asm;
use std::arch::x86_64::*;

use super::tile::{Block, Role, pack_pairs, pack_tiles, sweep};
use super::{COLUMNS, ROWS, Tile, Tiles, TilesMut};
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
    pack_with_integers,
    rule_avx512,
    transpose_tile_avx512
);
compiled!(Avx2, "avx2,fma", matmul_avx2, pack_avx2, rule_avx2, super::tile::transpose);

/// Whether the processor has the instruction that rounds 32 numbers, `vcvtne2ps2bf16`.
#[inline]
fn rounds_vectors(isa: Isa) -> bool {
    assert_eq!(isa.kind(), Kind::Avx512);
    is_x86_feature_detected!("avx512bf16")
}

/// By the processor's instruction of rounding where it has one.
pub(super) fn pack_avx512(isa: Isa, x: View, role: Role, to: TilesMut) {
    if rounds_vectors(isa) {
        // SAFETY: an `Isa` of this kind exists only where its instructions were detected, and one
        // more has just been.
        #[allow(unsafe_code)]
        unsafe {
            pack_avx512_bf16(x, role, to)
        }
    } else {
        pack_with_integers(isa, x, role, to);
    }
}

/// [`super::pack_both`], if the processor has the instruction of rounding.
pub(super) fn pack_both_avx512(
    isa: Isa,
    x: View,
    left: &mut TilesMut,
    transposed: &mut TilesMut,
) -> bool {
    let rounds_vectors = rounds_vectors(isa);
    if rounds_vectors {
        // SAFETY: as in `pack_avx512`.
        #[allow(unsafe_code)]
        unsafe {
            pack_both_avx512_bf16(x, left, transposed)
        }
    }
    rounds_vectors
}

/// A matrix of at most 32 columns, to be read by vectors: beyond it are zeros.
struct Vectors<'a> {
    numbers: View<'a>,
    /// The columns that there are, of the first 16 and of the others.
    masks: [__mmask16; 2],
}

impl<'a> Vectors<'a> {
    fn new(numbers: View<'a>) -> Self {
        assert!(numbers.strides().1 == 1 || numbers.columns() <= 1, "columns are adjacent");
        let some = |n: usize| u32::MAX.unbounded_shr(u32::BITS - n.min(ROWS) as u32) as __mmask16;
        let columns = numbers.columns();
        Self { numbers, masks: [some(columns), some(columns.saturating_sub(ROWS))] }
    }

    /// 16 numbers of row `i`: its first, or, if `half` is 1, those behind.
    #[allow(unsafe_code)]
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn get(&self, i: usize, half: usize) -> __m512 {
        if i >= self.numbers.rows() {
            return _mm512_setzero_ps();
        }
        let row = self.numbers.as_ptr().wrapping_add(i * self.numbers.strides().0);
        // SAFETY: of the row only columns that it has are read: a view reaches over all its elements.
        unsafe { _mm512_maskz_loadu_ps(self.masks[half], row.wrapping_add(half * ROWS)) }
    }

    /// Row `i`, rounded.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bf16")]
    fn rounded(&self, i: usize) -> __m512i {
        rounded(self.get(i, 0), self.get(i, 1))
    }
}

/// 32 numbers of 16 bits: those of `low`, then those of `high`.
#[allow(unsafe_code)]
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
fn rounded(low: __m512, high: __m512) -> __m512i {
    // SAFETY: both are 64 bytes.
    unsafe { std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low)) }
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
fn pack_avx512_bf16(x: View, role: Role, to: TilesMut) {
    // SAFETY: 32 numbers of 16 bits.
    let order = unsafe { _mm512_loadu_si512(IN_TURNS.as_ptr().cast()) };
    pack_tiles(x, role, to, |x, by_rows, transposed, tile| {
        let x = Vectors::new(x);
        let mut rows = [_mm512_setzero_si512(); ROWS];
        for (i, pairs) in rows.iter_mut().enumerate() {
            *pairs = if by_rows {
                x.rounded(i)
            } else {
                _mm512_permutexvar_epi16(order, rounded(x.get(2 * i, 0), x.get(2 * i + 1, 0)))
            };
        }
        if transposed {
            transpose_avx512(&mut rows);
        }
        store_tile(&rows, tile);
    });
}

/// Both by one rounding, 32 x 32 numbers at a time.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
fn pack_both_avx512_bf16(x: View, left: &mut TilesMut, transposed: &mut TilesMut) {
    for i in (0..x.rows()).step_by(COLUMNS) {
        for j in (0..x.columns()).step_by(COLUMNS) {
            let (rows, columns) = (COLUMNS.min(x.rows() - i), COLUMNS.min(x.columns() - j));
            let part = Vectors::new(x.part(i..i + rows, j..j + columns));
            // Words of two rows: of the features 0 … 3, 8 … 11, …, and of the others.
            let mut pairs = [[_mm512_setzero_si512(); ROWS]; 2];
            for half in 0..rows.div_ceil(ROWS) {
                let tile = left.tile_mut(i / ROWS + half, j / COLUMNS);
                for (p, words) in tile.as_chunks_mut::<{ 2 * ROWS }>().0.iter_mut().enumerate() {
                    let p = half * ROWS / 2 + p;
                    let [even, odd] = [part.rounded(2 * p), part.rounded(2 * p + 1)];
                    store(even, &mut words[..ROWS]);
                    store(odd, &mut words[ROWS..]);
                    pairs[0][p] = _mm512_unpacklo_epi16(even, odd);
                    pairs[1][p] = _mm512_unpackhi_epi16(even, odd);
                }
            }
            pairs.iter_mut().for_each(|pairs| transpose_avx512(pairs));
            for half in 0..columns.div_ceil(ROWS) {
                let tile = transposed.tile_mut(j / ROWS + half, i / COLUMNS);
                for (f, words) in tile.as_chunks_mut::<ROWS>().0.iter_mut().enumerate() {
                    let feature = half * ROWS + f;
                    store(pairs[feature / 4 % 2][feature / 8 * 4 + feature % 4], words);
                }
            }
        }
    }
}

/// The rows of a tile to where it lies.
#[inline]
#[target_feature(enable = "avx512f")]
fn store_tile(rows: &[__m512i; ROWS], tile: &mut Tile) {
    for (row, words) in rows.iter().zip(tile.as_chunks_mut::<ROWS>().0) {
        store(*row, words);
    }
}

/// A row of a tile to where it lies.
#[allow(unsafe_code)]
#[inline]
#[target_feature(enable = "avx512f")]
fn store(row: __m512i, words: &mut [u32]) {
    let words = &mut words[..ROWS];
    // SAFETY: 16 words.
    unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), row) }
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

/// [`super::tile::transpose`].
#[allow(unsafe_code)]
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn transpose_tile_avx512(tile: &mut Tile) {
    let mut rows = [_mm512_setzero_si512(); ROWS];
    for (row, words) in rows.iter_mut().zip(tile.as_chunks::<ROWS>().0) {
        // SAFETY: a row of 16 words.
        *row = unsafe { _mm512_loadu_si512(words.as_ptr().cast()) };
    }
    transpose_avx512(&mut rows);
    store_tile(&rows, tile);
}

/// Transposes 16 rows of 16 words in registers: by words, by pairs of words, then by quarters of a vector.
#[allow(clippy::needless_range_loop)] // i and j are rows of the formula
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn transpose_avx512(r: &mut [__m512i; ROWS]) {
    let mut t = [_mm512_setzero_si512(); ROWS];
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
}
