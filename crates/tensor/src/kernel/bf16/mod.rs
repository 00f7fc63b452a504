//! Products of bf16 operands that sum in `f32`: C (+)= A·B, by the instructions of AMX, by those of
//! AVX-512 for bf16, or with the same bits elsewhere.
//!
//! **Layout.** Both operands lie in tiles of 1 KiB, 16 rows of 16 words, and a word is a pair of bf16
//! numbers of neighboring k, the even one in its lower half. A tile of A holds 16 rows x 32 k: word
//! (i, p) is A(i, 2p), A(i, 2p + 1). A tile of B holds 32 k x 16 columns: word (p, j) is B(2p, j),
//! B(2p + 1, j). Where `vdpbf16ps` multiplies, the pairs are others ([`Order`]). What lies beyond the
//! matrix is 0. The tiles of A lie row after row, those of B two columns at a time ([`Place`]), so that a
//! product walks through each in one direction. C is `f32` and row-major, as elsewhere.
//!
//! **The rule of bits** is that of the instruction `tdpbf16ps`. The product P begins as 0, and for each
//! tile of 32 k, in order:
//!
//! ```text
//! even := Σ A(i, 2p) B(2p, j)            p = 0 … 15, a chain of fused multiply-adds from 0
//! odd  := Σ A(i, 2p+1) B(2p+1, j)        the same
//! P(i, j) := P(i, j) + (even + odd)
//! ```
//!
//! Then C := P, or C := C + P, so that P is the same wherever it is added:
//! rounded to nearest, ties to even; denormal numbers are read and written as zeros of their sign. So
//! the order of every sum is fixed by the shape, zeros of padding included, and `emulation.rs` gives the
//! bits of the hardware on any processor. Which NaN it is where there is one is not defined.
//! (Intel's manual, volume 2, TDPBF16PS, gives the rounding and the denormals, and leaves the order
//! of the sum open; the order here was found by comparing, bit by bit, with the hardware.)

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod dot;
mod emulation;
mod pack;
mod tile;
#[cfg(all(feature = "amx-trap", target_arch = "x86_64", target_os = "linux"))]
mod trap;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use pack::{Packing, pack, pack_bytes, pack_left};
pub use tile::{Role, round};

use crate::buffer::Buffer;
use crate::isa::Isa;
use crate::matrix::ViewMut;

/// Rows of a tile, and its words in a row: the rows of A, the columns of B, the rows and columns of C.
pub const ROWS: usize = 16;

/// Numbers of a row of a tile of A: the depth of a tile.
pub const COLUMNS: usize = 32;

/// The words of a tile.
pub type Tile = [u32; ROWS * ROWS];

/// Lines of the queue that are requested for each tile of k of a block of C.
#[cfg(target_arch = "x86_64")]
const LINES: usize = 16;

/// Words of a tile.
const WORDS: usize = ROWS * ROWS;

/// Which k the two numbers of a word of a tile have. Both operands of a product have the same order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Order {
    /// Word p is of k = 2p and 2p + 1.
    Pairs,
    /// Word 2q is of k = 4q + 2 and 4q, word 2q + 1 of k = 4q + 3 and 4q + 1: two links of the chain of
    /// even k, and two of that of odd k, where the upper half of a word comes first.
    Chains,
}

impl Order {
    /// The k of word p, first that of its lower half.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))] // elsewhere all are packed in pairs
    #[inline]
    pub(crate) const fn halves(self, p: usize) -> [usize; 2] {
        match self {
            Self::Pairs => [2 * p, 2 * p + 1],
            Self::Chains => {
                let first = p / 2 * 4 + p % 2;
                [first + 2, first]
            }
        }
    }
}

/// Room for the tiles of operands.
#[derive(Clone, Debug, Default)]
pub struct Packed(Buffer<u32>);

impl Packed {
    /// Room for this many tiles, each zero.
    pub fn zeros(tiles: usize) -> Self {
        Self(Buffer::zeros(tiles * WORDS))
    }

    /// Whether there is no room at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes of all tiles.
    pub fn bytes(&self) -> usize {
        size_of_val(&self.0[..])
    }

    /// The tiles at `place`.
    ///
    /// # Panics
    /// If it begins behind the last.
    #[inline]
    pub fn tiles(&self, place: Place, rows: usize, columns: usize) -> Tiles<'_> {
        let tiles = self.0[place.first * WORDS..].as_chunks().0;
        Tiles { tiles, rows, columns, depth: columns * COLUMNS, place }
    }

    /// The tiles at `place`, to write.
    ///
    /// # Panics
    /// If it begins behind the last.
    #[inline]
    pub fn tiles_mut(&mut self, place: Place) -> TilesMut<'_> {
        TilesMut { tiles: self.0[place.first * WORDS..].as_chunks_mut().0, place }
    }
}

/// Where the tiles of an operand lie among others.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The number of the first tile.
    first: usize,
    /// Tiles from a row to the next, and from two columns to the next two.
    row: usize,
    pair: usize,
}

impl Place {
    /// Row after row of `columns` tiles each: a left operand.
    #[inline]
    pub fn in_rows(first: usize, columns: usize) -> Self {
        Self { first, row: columns, pair: 2 }
    }

    /// Two columns of `rows` rows after the other, and place for an even number of them: a right operand.
    #[inline]
    pub fn in_pairs(first: usize, rows: usize) -> Self {
        Self { first, row: 2, pair: 2 * rows }
    }

    /// The place that begins at a row and an even column of this one.
    #[inline]
    pub fn at(self, row: usize, column: usize) -> Self {
        Self { first: self.first + self.offset(row, column), ..self }
    }

    #[inline]
    fn offset(self, row: usize, column: usize) -> usize {
        row * self.row + column / 2 * self.pair + column % 2
    }
}

/// Some rows and columns of tiles: an operand.
#[derive(Clone, Copy, Debug)]
pub struct Tiles<'a> {
    /// From its first on.
    tiles: &'a [Tile],
    rows: usize,
    columns: usize,
    /// Numbers in a row of a left operand, before the zeros that fill its last tile. The emulation
    /// multiplies those, too.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
    depth: usize,
    place: Place,
}

impl<'a> Tiles<'a> {
    /// A left operand of so many k; beyond are zeros, in both operands. Who multiplies may leave them out:
    /// they change no bit, for a product begins as +0 and no sum makes a -0 of that.
    #[inline]
    pub fn of_depth(self, k: usize) -> Self {
        Self { depth: k.min(self.columns * COLUMNS), ..self }
    }

    /// Whether none of their numbers is infinite or a NaN.
    pub fn is_finite(self) -> bool {
        let is_finite =
            |word: &u32| [*word, *word >> 16].iter().all(|number| number & 0x7f80 != 0x7f80);
        let tiles = (0..self.rows).flat_map(|i| (0..self.columns).map(move |j| (i, j)));
        tiles.flat_map(|(i, j)| self.tile(i, j)).all(is_finite)
    }

    /// One tile.
    ///
    /// # Panics
    /// If there is no such.
    #[inline]
    pub fn tile(&self, i: usize, j: usize) -> &'a Tile {
        &self.tiles[self.place.offset(i, j)]
    }

    /// Where a tile lies, and those behind it up to the last.
    ///
    /// # Panics
    /// If there is no such.
    #[cfg(target_arch = "x86_64")]
    #[inline]
    fn as_ptr(&self, i: usize, j: usize) -> *const Tile {
        self.tiles[self.place.offset(i, j)..].as_ptr()
    }
}

/// Tiles to write.
#[derive(Debug)]
pub struct TilesMut<'a> {
    tiles: &'a mut [Tile],
    place: Place,
}

/// The tiles of a matrix as a left operand, to write.
#[derive(Debug)]
pub struct LeftMut<'a> {
    /// Of the matrix.
    pub tiles: TilesMut<'a>,
    /// Of its transpose, as another left operand, where that is wanted too.
    pub transposed: Option<TilesMut<'a>>,
}

impl TilesMut<'_> {
    fn tile_mut(&mut self, i: usize, j: usize) -> &mut Tile {
        &mut self.tiles[self.place.offset(i, j)]
    }
}

/// Who multiplies tiles. All give the same bits.
///
/// A value of this type is the proof that the processor has the instructions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Multiplier {
    by: Instructions,
    /// The vectors of everything else.
    isa: Isa,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
enum Instructions {
    #[cfg(target_arch = "x86_64")]
    Amx,
    #[cfg(target_arch = "x86_64")]
    Dot(dot::DotProducts),
    /// Those for `f32`.
    Emulation,
}

/// The name of the multiplier that is AMX.
const AMX: &str = "amx";

/// The name of the multiplier that is `vdpbf16ps`, as Linux calls the instructions of AVX-512 for bf16.
const AVX512_BF16: &str = "avx512_bf16";

/// The names of all multipliers that are instructions for bf16.
pub const NAMES: [&str; 2] = [AMX, AVX512_BF16];

impl Multiplier {
    /// AMX, if the processor has it and the system lets this process use it.
    pub fn amx() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        if amx::available() {
            return Some(Self { by: Instructions::Amx, isa: Isa::best() });
        }
        None
    }

    /// AMX wherever there are signals to trap its instructions with: where the processor has none, each
    /// takes some microseconds.
    #[cfg(feature = "amx-trap")]
    pub fn trapped_amx() -> Option<Self> {
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        {
            if Self::amx().is_none() {
                trap::install();
            }
            Some(Self { by: Instructions::Amx, isa: Isa::best() })
        }
        #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
        None
    }

    /// `vdpbf16ps` of AVX-512, if the processor has it and is faster by it.
    pub fn dot_products() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        return dot::DotProducts::detected()
            .map(|dot| Self { by: Instructions::Dot(dot), isa: Isa::best() });
        #[cfg(not(target_arch = "x86_64"))]
        None
    }

    /// Every multiplier of this processor that is instructions for bf16, the best first. Each is faster than
    /// products in `f32`.
    pub fn native() -> impl Iterator<Item = Self> {
        Self::amx().into_iter().chain(Self::dot_products())
    }

    /// The rule of bits on the vectors of `isa`, without instructions for bf16.
    pub fn emulation(isa: Isa) -> Self {
        Self { by: Instructions::Emulation, isa }
    }

    /// The name of these instructions for bf16, if they are such.
    pub fn name(self) -> Option<&'static str> {
        match self.by {
            #[cfg(target_arch = "x86_64")]
            Instructions::Amx => Some(AMX),
            #[cfg(target_arch = "x86_64")]
            Instructions::Dot(_) => Some(AVX512_BF16),
            Instructions::Emulation => None,
        }
    }

    /// The vector instructions of everything that is no product.
    pub fn isa(self) -> Isa {
        self.isa
    }

    /// Whether its products take long enough to prefetch weights while they run.
    pub(crate) fn prefetches_weights(self) -> bool {
        match self.by {
            #[cfg(target_arch = "x86_64")]
            Instructions::Dot(_) => true,
            _ => false,
        }
    }

    /// How its operands are packed.
    #[inline]
    pub fn packing(self) -> Packing {
        match self.by {
            #[cfg(target_arch = "x86_64")]
            Instructions::Dot(dot) => dot.packing(),
            _ => Packing::in_pairs(self.isa),
        }
    }

    /// Keeps this thread ready for products while the section lives. Without it each product prepares
    /// and cleans up for itself.
    pub fn section(self) -> Section {
        Section {
            #[cfg(target_arch = "x86_64")]
            _tiles: matches!(self.by, Instructions::Amx).then(amx::Section::enter),
        }
    }
}

/// A part of a thread's work in which it multiplies ([`Multiplier::section`]).
#[must_use]
#[derive(Default)]
pub struct Section {
    #[cfg(target_arch = "x86_64")]
    _tiles: Option<amx::Section>,
}

/// C := A·B, or C := C + A·B if `accumulate`. A has the rows of C in tiles, B its columns. Both are packed
/// as [`Multiplier::packing`] says.
///
/// # Panics
/// If the tiles do not fit together, or columns of C are not adjacent.
#[inline]
pub fn matmul(multiplier: Multiplier, a: Tiles, b: Tiles, mut c: ViewMut, accumulate: bool) {
    assert!(
        a.columns == b.rows
            && a.rows == c.rows().div_ceil(ROWS)
            && b.columns == c.columns().div_ceil(ROWS),
        "{} x {} tiles times {} x {} tiles are no {} x {} numbers",
        a.rows,
        a.columns,
        b.rows,
        b.columns,
        c.rows(),
        c.columns()
    );
    assert!(a.place.pair == 2, "the left operand lies in rows");
    match multiplier.by {
        #[cfg(target_arch = "x86_64")]
        Instructions::Amx => amx::matmul(&a, &b, &mut c, accumulate),
        #[cfg(target_arch = "x86_64")]
        Instructions::Dot(dot) => dot.matmul(&a, &b, &mut c, accumulate),
        Instructions::Emulation => emulation::matmul(multiplier.isa, &a, &b, &mut c, accumulate),
    }
}
