//! Products of bf16 operands that sum in `f32`: C (+)= A·B, on AMX or with the same bits elsewhere.
//!
//! **Layout.** Both operands lie in tiles of 1 KiB, 16 rows of 16 words, and a word is a pair of bf16
//! numbers of neighboring k, the even one in its lower half. A tile of A holds 16 rows x 32 k: word
//! (i, p) is A(i, 2p), A(i, 2p + 1). A tile of B holds 32 k x 16 columns: word (p, j) is B(2p, j),
//! B(2p + 1, j). What lies beyond the matrix is 0. C is `f32` and row-major, as elsewhere.
//!
//! **The rule of bits** is that of the instruction `tdpbf16ps`. For each tile of 32 k, in order:
//!
//! ```text
//! even := Σ A(i, 2p) B(2p, j)            p = 0 … 15, a chain of fused multiply-adds from 0
//! odd  := Σ A(i, 2p+1) B(2p+1, j)        the same
//! C(i, j) := C(i, j) + (even + odd)
//! ```
//!
//! rounded to nearest, ties to even; denormal numbers are read and written as zeros of their sign. So
//! the order of every sum is fixed by the shape, zeros of padding included, and [`emulation`] gives the
//! bits of the hardware on any processor. Which NaN it is where there is one is not defined.
//! (Intel's manual, volume 2, TDPBF16PS, gives the rounding and the denormals, and leaves the order
//! of the sum open; the order here was found by comparing, bit by bit, with the hardware.)

mod emulation;
mod pack;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::ops::Range;

pub use pack::{Role, pack, round};

use crate::buffer::Buffer;
use crate::isa::Isa;
use crate::matrix::ViewMut;

/// Rows of a tile, and its words in a row: the rows of A, the columns of B, the rows and columns of C.
pub const ROWS: usize = 16;

/// Numbers of a row of a tile of A: the depth of a tile.
pub const COLUMNS: usize = 32;

/// The words of a tile.
pub type Tile = [u32; ROWS * ROWS];

/// Words of a tile.
const WORDS: usize = ROWS * ROWS;

/// Room for the tiles of operands.
#[derive(Clone, Debug, Default)]
pub struct Packed(Buffer<u32>);

impl Packed {
    /// Room for this many tiles, each zero.
    pub fn zeros(tiles: usize) -> Self {
        Self(Buffer::zeros(tiles * WORDS))
    }

    /// The tiles from number `first` on, as rows of `columns` tiles each.
    ///
    /// # Panics
    /// If there are not as many.
    pub fn tiles(&self, first: usize, rows: usize, columns: usize) -> Tiles<'_> {
        let words = &self.0[first * WORDS..][..rows * columns * WORDS];
        Tiles { tiles: words.as_chunks().0, rows, columns, stride: columns }
    }

    /// [`Self::tiles`], to write.
    ///
    /// # Panics
    /// As [`Self::tiles`].
    pub fn tiles_mut(&mut self, first: usize, rows: usize, columns: usize) -> TilesMut<'_> {
        let words = &mut self.0[first * WORDS..][..rows * columns * WORDS];
        TilesMut { tiles: words.as_chunks_mut().0, rows, columns, stride: columns }
    }
}

/// Some rows and columns of tiles: an operand.
#[derive(Clone, Copy, Debug)]
pub struct Tiles<'a> {
    tiles: &'a [Tile],
    rows: usize,
    columns: usize,
    /// Tiles from a row to the next.
    stride: usize,
}

impl<'a> Tiles<'a> {
    /// Some rows and columns of them.
    ///
    /// # Panics
    /// If there are no such.
    pub fn part(self, rows: Range<usize>, columns: Range<usize>) -> Self {
        assert!(rows.end <= self.rows && columns.end <= self.columns, "a part of the tiles");
        let tiles = self.tiles.get(rows.start * self.stride + columns.start..).unwrap_or_default();
        Self { tiles, rows: rows.len(), columns: columns.len(), stride: self.stride }
    }

    /// One tile.
    ///
    /// # Panics
    /// If there is no such.
    pub fn tile(&self, i: usize, j: usize) -> &'a Tile {
        &self.tiles[i * self.stride + j]
    }
}

/// Some rows and columns of tiles, to write.
#[derive(Debug)]
pub struct TilesMut<'a> {
    tiles: &'a mut [Tile],
    rows: usize,
    columns: usize,
    stride: usize,
}

impl TilesMut<'_> {
    /// Some rows and columns of them.
    ///
    /// # Panics
    /// If there are no such.
    pub fn part(&mut self, rows: Range<usize>, columns: Range<usize>) -> TilesMut<'_> {
        assert!(rows.end <= self.rows && columns.end <= self.columns, "a part of the tiles");
        let start = rows.start * self.stride + columns.start;
        let tiles = self.tiles.get_mut(start..).unwrap_or_default();
        TilesMut { tiles, rows: rows.len(), columns: columns.len(), stride: self.stride }
    }

    fn tile_mut(&mut self, i: usize, j: usize) -> &mut Tile {
        assert!(i < self.rows && j < self.columns, "a tile of the operand");
        &mut self.tiles[i * self.stride + j]
    }
}

/// Who multiplies tiles.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Multiplier {
    /// Other instructions of the processor, as [`emulation`] says.
    Emulation(Isa),
}

/// C := A·B, or C := C + A·B if `accumulate`. A has the rows of C in tiles, B its columns.
///
/// # Panics
/// If the tiles do not fit together, or columns of C are not adjacent.
pub fn matmul(multiplier: Multiplier, a: Tiles, b: Tiles, c: ViewMut, accumulate: bool) {
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
    match multiplier {
        Multiplier::Emulation(isa) => emulation::matmul(isa, a, b, c, accumulate),
    }
}
