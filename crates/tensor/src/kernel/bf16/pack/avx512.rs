//! Rounding and packing with the vectors of AVX-512, by the instruction that rounds 32 numbers
//! (`vcvtne2ps2bf16`).

use std::arch::x86_64::*;
use std::ops::Range;

use crate::isa::{Isa, Kind};
use crate::kernel::bf16::tile::{Role, pack_tiles};
use crate::kernel::bf16::{COLUMNS, LeftMut, Order, ROWS, Tile, TilesMut};
use crate::matrix::View;
use crate::ops::bytes::ByteRows;

/// Packs by `vcvtne2ps2bf16`, in this order. A value of this type is the proof that the processor has the
/// instructions of AVX-512, those for bf16 among them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub(in crate::kernel::bf16) struct Rounding(Order);

#[allow(unsafe_code)]
impl Rounding {
    /// If the processor has the instructions, and it is `isa` that is used.
    #[inline]
    pub fn of(isa: Isa, order: Order) -> Option<Self> {
        // An `Isa` of this kind exists only where its instructions were detected.
        let is_there = isa.kind() == Kind::Avx512 && is_x86_feature_detected!("avx512bf16");
        is_there.then_some(Self(order))
    }

    /// The order in which it packs.
    pub fn order(self) -> Order {
        self.0
    }

    /// [`super::pack`].
    pub fn pack(self, x: View, role: Role, to: TilesMut) {
        // SAFETY: `self` is the proof.
        unsafe {
            match self.0 {
                Order::Pairs => pack::<PAIRS>(x, role, to),
                Order::Chains => pack::<CHAINS>(x, role, to),
            }
        }
    }

    /// [`super::pack_left`].
    pub fn pack_left(self, x: View, mut to: LeftMut) {
        // SAFETY: as in `pack`.
        unsafe {
            match self.0 {
                Order::Pairs => pack_left::<PAIRS>(x, &mut to),
                Order::Chains => pack_left::<CHAINS>(x, &mut to),
            }
        }
    }

    /// [`super::pack_bytes`].
    pub fn pack_bytes(
        self,
        from: &ByteRows,
        rows: &[u32],
        columns: &Range<usize>,
        mut to: LeftMut,
    ) {
        // SAFETY: as in `pack`.
        unsafe {
            match self.0 {
                Order::Pairs => pack_bytes::<PAIRS>(from, rows, columns, &mut to),
                Order::Chains => pack_bytes::<CHAINS>(from, rows, columns, &mut to),
            }
        }
    }
}

/// The parameter `ORDER` of the functions below, so that each is compiled for either.
const PAIRS: bool = false;
const CHAINS: bool = true;

#[inline]
const fn order<const ORDER: bool>() -> Order {
    if ORDER == CHAINS { Order::Chains } else { Order::Pairs }
}

/// Which of 32 columns there are, if `columns` are left: of the first 16 and of the others.
#[inline]
fn masks(columns: usize) -> [__mmask16; 2] {
    let some = |n: usize| u32::MAX.unbounded_shr(u32::BITS - n.min(ROWS) as u32) as __mmask16;
    [some(columns), some(columns.saturating_sub(ROWS))]
}

/// Numbers between those that are read and those that are prefetched: 4 KiB. What is packed mostly lies in
/// one piece, and the hardware prefetcher stops at the border of a page.
const AHEAD: usize = 1024;

/// A matrix of at most 32 columns, to be read by vectors: beyond it are zeros.
struct Vectors<'a> {
    numbers: View<'a>,
    /// Beside those of the view, for the compiler to know it where a caller does.
    rows: usize,
    masks: [__mmask16; 2],
}

impl<'a> Vectors<'a> {
    /// Of so many rows and columns.
    #[inline]
    fn new(numbers: View<'a>, (rows, columns): (usize, usize)) -> Self {
        assert_eq!((rows, columns), (numbers.rows(), numbers.columns()));
        assert!(numbers.strides().1 == 1 || columns <= 1, "columns are adjacent");
        Self { numbers, rows, masks: masks(columns) }
    }

    /// 16 numbers of row `i`: its first, or, if `half` is 1, those behind.
    #[allow(unsafe_code)]
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn get(&self, i: usize, half: usize) -> __m512 {
        if i >= self.rows {
            return _mm512_setzero_ps();
        }
        let row = self.numbers.as_ptr().wrapping_add(i * self.numbers.strides().0);
        let from = row.wrapping_add(half * ROWS);
        // SAFETY: of the row only columns that it has are read: a view reaches over all its elements. A
        // prefetch reads nothing and cannot fault.
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(from.wrapping_add(AHEAD).cast());
            _mm512_maskz_loadu_ps(self.masks[half], from)
        }
    }

    /// Row `i`, rounded.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bf16")]
    fn rounded(&self, i: usize) -> __m512i {
        rounded(self.get(i, 0), self.get(i, 1))
    }
}

/// At most 32 columns of scale and shift.
struct Normalization {
    columns: usize,
    masks: [__mmask16; 2],
    scale: [__m512; 2],
    shift: [__m512; 2],
}

impl Normalization {
    /// The first columns; beyond are zeros.
    #[allow(unsafe_code)]
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn new(scale: &[f32], shift: &[f32], columns: usize) -> Self {
        let (scale, shift, masks) = (&scale[..columns], &shift[..columns], masks(columns));
        // SAFETY: only columns that there are are read.
        let load = |of: &[f32], half: usize| unsafe {
            _mm512_maskz_loadu_ps(masks[half], of.as_ptr().wrapping_add(half * ROWS))
        };
        let (scale, shift) = ([load(scale, 0), load(scale, 1)], [load(shift, 0), load(shift, 1)]);
        Self { columns, masks, scale, shift }
    }

    /// The numbers that [`normalize`](crate::ops::bytes::normalize) makes of the first bytes, rounded.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    fn rounded(&self, bytes: &[u8]) -> __m512i {
        let bytes = &bytes[..self.columns];
        rounded(self.number(bytes, 0), self.number(bytes, 1))
    }

    /// 16 of them before rounding.
    #[allow(unsafe_code)]
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    fn number(&self, bytes: &[u8], half: usize) -> __m512 {
        let from = bytes.as_ptr().wrapping_add(half * ROWS).cast();
        // SAFETY: as many bytes as columns; what the mask leaves out is not read.
        let bytes = unsafe { _mm_maskz_loadu_epi8(self.masks[half], from) };
        let byte = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes));
        _mm512_add_ps(_mm512_mul_ps(byte, self.scale[half]), self.shift[half])
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

/// [`pack_pairs`](crate::kernel::bf16::tile::pack_pairs) by `vcvtne2ps2bf16`, which rounds as
/// [`round`](crate::kernel::bf16::tile::round) does.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
fn pack<const ORDER: bool>(x: View, role: Role, to: TilesMut) {
    pack_tiles(x, role, to, |x, by_rows, transposed, tile| {
        if x.rows() * x.columns() == ROWS * COLUMNS {
            pack_tile::<true, ORDER>(x, by_rows, transposed, tile);
        } else {
            pack_tile::<false, ORDER>(x, by_rows, transposed, tile);
        }
    });
}

/// One tile. Of a `WHOLE` one the compiler knows the size, and leaves out all checks.
#[allow(unsafe_code)]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
fn pack_tile<const WHOLE: bool, const ORDER: bool>(
    x: View,
    by_rows: bool,
    transposed: bool,
    tile: &mut Tile,
) {
    let whole = if by_rows { (ROWS, COLUMNS) } else { (COLUMNS, ROWS) };
    let x = Vectors::new(x, if WHOLE { whole } else { (x.rows(), x.columns()) });
    // SAFETY: 32 numbers of 16 bits.
    let in_turns = unsafe { _mm512_loadu_si512(IN_TURNS.as_ptr().cast()) };
    let mut rows = [_mm512_setzero_si512(); ROWS];
    for (i, words) in rows.iter_mut().enumerate() {
        *words = if by_rows {
            in_order::<ORDER>(x.rounded(i))
        } else {
            let [low, high] = order::<ORDER>().halves(i);
            _mm512_permutexvar_epi16(in_turns, rounded(x.get(low, 0), x.get(high, 0)))
        };
    }
    if transposed {
        transpose_avx512(&mut rows);
    }
    store_tile(&rows, tile);
}

/// Both by one rounding, 32 x 32 numbers at a time.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
fn pack_left<const ORDER: bool>(x: View, to: &mut LeftMut) {
    for i in (0..x.rows()).step_by(COLUMNS) {
        for j in (0..x.columns()).step_by(COLUMNS) {
            let (rows, columns) = (COLUMNS.min(x.rows() - i), COLUMNS.min(x.columns() - j));
            let part = x.part(i..i + rows, j..j + columns);
            let part = Vectors::new(part, (rows, columns));
            pack_square::<ORDER>(|p| part.rounded(p), (i, j), (rows, columns), to);
        }
    }
}

/// The same of bytes that are normalized.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
fn pack_bytes<const ORDER: bool>(
    from: &ByteRows,
    rows: &[u32],
    columns: &Range<usize>,
    to: &mut LeftMut,
) {
    let (scale, shift) = from.normalization(columns);
    for (i, rows) in rows.chunks(COLUMNS).enumerate() {
        let mut pixels = [&[][..]; COLUMNS];
        for (pixels, &row) in pixels.iter_mut().zip(rows) {
            *pixels = from.row(row, columns);
        }
        let pixels = &pixels[..rows.len()];
        for j in (0..columns.len()).step_by(COLUMNS) {
            let (scale, shift) = (&scale[j..], &shift[j..]);
            let at = (i * COLUMNS, j);
            if rows.len() == COLUMNS && scale.len() >= COLUMNS {
                pack_pixels::<true, ORDER>(pixels, scale, shift, at, to);
            } else {
                pack_pixels::<false, ORDER>(pixels, scale, shift, at, to);
            }
        }
    }
}

/// Both tiles of at most 32 rows of pixels, from column j on, where the scale and the shift begin. `WHOLE`
/// as in [`pack_tile`].
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
fn pack_pixels<const WHOLE: bool, const ORDER: bool>(
    pixels: &[&[u8]],
    scale: &[f32],
    shift: &[f32],
    (i, j): (usize, usize),
    to: &mut LeftMut,
) {
    let size = (pixels.len(), COLUMNS.min(scale.len()));
    let size = if WHOLE { (COLUMNS, COLUMNS) } else { size };
    let normalization = Normalization::new(scale, shift, size.1);
    let row = |p: usize| match p < size.0 {
        true => normalization.rounded(&pixels[p][j..]),
        false => _mm512_setzero_si512(),
    };
    pack_square::<ORDER>(row, (i, j), size, to);
}

/// Both tiles of at most 32 x 32 numbers, the first of which is number (i, j) of X. `row` gives rows
/// from the first, rounded, with zeros beyond the matrix.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
fn pack_square<const ORDER: bool>(
    row: impl Fn(usize) -> __m512i,
    (i, j): (usize, usize),
    (rows, columns): (usize, usize),
    LeftMut { tiles, transposed }: &mut LeftMut,
) {
    // Words of two rows: of the features 0 … 3, 8 … 11, …, and of the others.
    let mut pairs = [[_mm512_setzero_si512(); ROWS]; 2];
    for half in 0..rows.div_ceil(ROWS) {
        let tile = tiles.tile_mut(i / ROWS + half, j / COLUMNS);
        for (q, words) in tile.as_chunks_mut::<{ 4 * ROWS }>().0.iter_mut().enumerate() {
            let q = half * ROWS / 4 + q;
            let four = [row(4 * q), row(4 * q + 1), row(4 * q + 2), row(4 * q + 3)];
            for (row, words) in four.iter().zip(words.as_chunks_mut::<ROWS>().0) {
                store(in_order::<ORDER>(*row), words);
            }
            if transposed.is_some() {
                for p in 0..2 {
                    let [low, high] = order::<ORDER>().halves(p).map(|k| four[k]);
                    pairs[0][2 * q + p] = _mm512_unpacklo_epi16(low, high);
                    pairs[1][2 * q + p] = _mm512_unpackhi_epi16(low, high);
                }
            }
        }
    }
    let Some(transposed) = transposed else { return };
    pairs.iter_mut().for_each(|pairs| transpose_avx512(pairs));
    for half in 0..columns.div_ceil(ROWS) {
        let tile = transposed.tile_mut(j / ROWS + half, i / COLUMNS);
        for (f, words) in tile.as_chunks_mut::<ROWS>().0.iter_mut().enumerate() {
            let feature = half * ROWS + f;
            store(pairs[feature / 4 % 2][feature / 8 * 4 + feature % 4], words);
        }
    }
}

/// A row of 32 numbers of neighboring k as words in this order.
#[allow(unsafe_code)]
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn in_order<const ORDER: bool>(row: __m512i) -> __m512i {
    match order::<ORDER>() {
        Order::Pairs => row,
        Order::Chains => {
            // SAFETY: 64 bytes.
            let bytes = unsafe { _mm512_loadu_si512(BYTES_IN_CHAINS.as_ptr().cast()) };
            _mm512_shuffle_epi8(row, bytes)
        }
    }
}

/// Where each byte of a row in [`Order::Chains`] is in a row as it lies, counted within each 16.
const BYTES_IN_CHAINS: [u8; 2 * COLUMNS] = {
    let mut bytes = [0; 2 * COLUMNS];
    let mut i = 0;
    while i < bytes.len() {
        let (word, half) = (i / 4, i / 2 % 2);
        bytes[i] = ((2 * Order::Chains.halves(word)[half] + i % 2) % 16) as u8;
        i += 1;
    }
    bytes
};

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

/// [`crate::kernel::bf16::tile::transpose`].
#[allow(unsafe_code)]
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
pub(in crate::kernel::bf16) fn transpose_tile_avx512(tile: &mut Tile) {
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
