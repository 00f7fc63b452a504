//! A tile of C in registers while k runs.
//!
//! The bits of a result depend on the shape alone, never on the width of a vector:
//!
//! | product | an element of C |
//! | --- | --- |
//! | A·B | begins as 0 and takes one fused multiply-add for each k, in the order of k; then C is added |
//! | A·Bᵀ | [`LANES`] sums side by side, each from 0: sum i takes the fused multiply-adds of k = i, i + 16, …, in order; then their total, by [`Vector::sums`]; then the fused multiply-adds of what is left of k beyond whole sixteens; then C is added |
//!
//! C comes last and not first, so that a sum over blocks of k is the same bits whether one rank adds
//! the blocks up or several do and their sums are added.
//!
//! [`column_of_tiles`] sweeps tiles of MR rows by NV vectors, whose lanes are columns of C. Per step of k
//! such a tile loads NV vectors of B, splats MR numbers of A, and does MR·NV fused
//! multiply-adds. MR·NV + NV + 1 registers hold it all: 8 x 3 on AVX-512 takes 28 of 32, and
//! 6 x 2 on AVX2 takes 15 of 16. (4 x 3 would take all 16, and a compiler then keeps sums in memory:
//! a step took 1.7 times as long.)
//!
//! [`rows_by_rows`] sweeps tiles of MR x NR single elements of A·Bᵀ, whose lanes are steps of k,
//! summed up at the end. A narrower vector holds its [`LANES`] sums in several registers.

use super::LANES;
use super::prefetch::Queue;

/// A vector register of `LANES` numbers. Each method but the last is one instruction.
///
/// # Safety
/// Each method must do what its documentation states, and access no memory beyond it.
#[allow(unsafe_code)]
pub(super) unsafe trait Vector: Copy {
    const LANES: usize;
    /// Zeros.
    ///
    /// # Safety
    /// The processor must have the type's instructions.
    unsafe fn zero() -> Self;
    /// The `LANES` numbers behind `from`, at any alignment.
    ///
    /// # Safety
    /// As [`Vector::zero`], and `LANES` numbers behind `from` must be valid to read.
    unsafe fn load(from: *const f32) -> Self;
    /// Writes the lanes to `to`, at any alignment.
    ///
    /// # Safety
    /// As [`Vector::zero`], and `LANES` numbers behind `to` must be valid to write.
    unsafe fn store(self, to: *mut f32);
    /// The number behind `from`, in every lane.
    ///
    /// # Safety
    /// As [`Vector::zero`], and the number must be valid to read.
    unsafe fn splat(from: *const f32) -> Self;
    /// self + a·b, rounded once.
    ///
    /// # Safety
    /// As [`Vector::zero`].
    unsafe fn multiply_add(self, a: Self, b: Self) -> Self;
    /// self + other.
    ///
    /// # Safety
    /// As [`Vector::zero`].
    unsafe fn add(self, other: Self) -> Self;
    /// Four totals, each of the [`LANES`] numbers in PARTS registers. The upper half of the numbers
    /// is added onto the lower, 8 + i onto i; of the eight, v, the total is
    /// ((v0 + v2) + (v1 + v3)) + ((v4 + v6) + (v5 + v7)).
    ///
    /// # Safety
    /// As [`Vector::zero`]; PARTS registers hold [`LANES`] numbers.
    unsafe fn sums<const PARTS: usize>(of: [[Self; PARTS]; 4]) -> [f32; 4];
}

/// Where the three matrices lie: pointers, and the strides of rows (`rs`) and columns (`cs`).
/// Columns of `b` and `c` are adjacent.
#[derive(Clone, Copy)]
pub(super) struct Operands {
    pub k: usize,
    pub a: *const f32,
    pub rsa: usize,
    pub csa: usize,
    pub b: *const f32,
    pub rsb: usize,
    pub c: *mut f32,
    pub rsc: usize,
    pub accumulate: bool,
}

/// The tile itself.
///
/// # Safety
/// Behind the pointers of `at` there must be MR x k, k x NV·LANES and MR x NV·LANES valid
/// numbers at the given strides, the last ones not shared, and the vector's instructions.
#[allow(unsafe_code)]
#[allow(clippy::needless_range_loop)] // i and j are the row and the column of the formula
#[inline(always)]
unsafe fn tile<V: Vector, const MR: usize, const NV: usize>(at: Operands, queue: &mut Queue) {
    // SAFETY: every offset below is that of an element which the caller vouches for.
    unsafe {
        let mut sums = [[V::zero(); NV]; MR];
        let (mut a, mut b) = (at.a, at.b);
        for _ in 0..at.k {
            queue.ask();
            let mut row = [V::zero(); NV];
            for j in 0..NV {
                row[j] = V::load(b.add(j * V::LANES));
            }
            for i in 0..MR {
                let x = V::splat(a.add(i * at.rsa));
                for j in 0..NV {
                    sums[i][j] = sums[i][j].multiply_add(x, row[j]);
                }
            }
            a = a.wrapping_add(at.csa);
            b = b.wrapping_add(at.rsb);
        }
        for (i, sums) in sums.iter().enumerate() {
            for (j, &sum) in sums.iter().enumerate() {
                let c = at.c.add(i * at.rsc + j * V::LANES);
                let sum = if at.accumulate { V::load(c).add(sum) } else { sum };
                sum.store(c);
            }
        }
    }
}

/// [`tile`] with the stride that is 1 known to the compiler: the forward product walks A along
/// its rows, the weight gradient down its columns.
///
/// # Safety
/// As [`tile`].
#[allow(unsafe_code)]
#[inline(always)]
unsafe fn tile_by_stride<V: Vector, const MR: usize, const NV: usize>(
    at: Operands,
    queue: &mut Queue,
) {
    // SAFETY: the caller's promise, passed on.
    unsafe {
        if at.csa == 1 {
            tile::<V, MR, NV>(Operands { csa: 1, ..at }, queue);
        } else if at.rsa == 1 {
            tile::<V, MR, NV>(Operands { rsa: 1, ..at }, queue);
        } else {
            tile::<V, MR, NV>(at, queue);
        }
    }
}

/// A column of tiles: m rows of C, MR at a time, then 4, 2 and 1.
///
/// # Safety
/// As [`tile`], for m rows.
#[allow(unsafe_code)]
#[inline(always)]
pub(super) unsafe fn column_of_tiles<V: Vector, const MR: usize, const NV: usize>(
    m: usize,
    at: Operands,
    queue: &mut Queue,
) {
    let mut i = 0;
    // SAFETY: rows i.. of A and C are among the m rows that the caller vouches for.
    unsafe {
        let from = |i: usize| Operands { a: at.a.add(i * at.rsa), c: at.c.add(i * at.rsc), ..at };
        while m - i >= MR {
            tile_by_stride::<V, MR, NV>(from(i), queue);
            i += MR;
        }
        while m - i >= 4 {
            tile_by_stride::<V, 4, NV>(from(i), queue);
            i += 4;
        }
        if m - i >= 2 {
            tile_by_stride::<V, 2, NV>(from(i), queue);
            i += 2;
        }
        if m - i >= 1 {
            tile_by_stride::<V, 1, NV>(from(i), queue);
        }
    }
}

/// The columns that do not fill a vector, one number at a time: C's columns 0..n, n below a
/// vector's width, each element as the same chain of fused multiply-adds as in [`column_of_tiles`].
///
/// # Safety
/// As [`column_of_tiles`], for m rows and n columns; compiled where `f32::mul_add` is one instruction.
#[allow(unsafe_code)]
#[inline(always)]
pub(super) unsafe fn edge(m: usize, n: usize, at: Operands) {
    for i in 0..m {
        for j in 0..n {
            // SAFETY: row i of A and C and column j of B and C are among those that the caller
            // vouches for.
            unsafe {
                let mut sum = 0.0f32;
                for p in 0..at.k {
                    let x = *at.a.add(i * at.rsa + p * at.csa);
                    sum = x.mul_add(*at.b.add(p * at.rsb + j), sum);
                }
                let c = at.c.add(i * at.rsc + j);
                *c = if at.accumulate { *c + sum } else { sum };
            }
        }
    }
}

/// MR x NR elements of A·Bᵀ; rows of `a`, `b` and `c` are contiguous.
///
/// # Safety
/// Behind the pointers of `at` there must be MR x k, NR x k and MR x NR valid numbers, the last
/// ones not shared, and the vector's instructions.
#[allow(unsafe_code)]
#[allow(clippy::needless_range_loop)] // i and j are the row and the column of the formula
#[inline(always)]
unsafe fn dot_tile<V: Vector, const PARTS: usize, const MR: usize, const NR: usize>(at: Operands) {
    const { assert!(PARTS * V::LANES == LANES) };
    // SAFETY: every offset below is that of an element which the caller vouches for.
    unsafe {
        let mut sums = [[[V::zero(); PARTS]; NR]; MR];
        let whole = at.k / LANES * LANES;
        for p in (0..whole).step_by(LANES) {
            for part in 0..PARTS {
                let p = p + part * V::LANES;
                let mut b = [V::zero(); NR];
                for j in 0..NR {
                    b[j] = V::load(at.b.add(j * at.rsb + p));
                }
                for i in 0..MR {
                    let a = V::load(at.a.add(i * at.rsa + p));
                    for j in 0..NR {
                        sums[i][j][part] = sums[i][j][part].multiply_add(a, b[j]);
                    }
                }
            }
        }
        for first in (0..MR * NR).step_by(4) {
            let mut four = [[V::zero(); PARTS]; 4];
            for (n, sum) in four.iter_mut().enumerate().take(MR * NR - first) {
                *sum = sums[(first + n) / NR][(first + n) % NR];
            }
            let mut totals = V::sums(four);
            let place = |n: usize| ((first + n) / NR, (first + n) % NR);
            if whole < at.k {
                for (n, total) in totals.iter_mut().enumerate().take(MR * NR - first) {
                    let (i, j) = place(n);
                    for p in whole..at.k {
                        let a = *at.a.add(i * at.rsa + p);
                        *total = a.mul_add(*at.b.add(j * at.rsb + p), *total);
                    }
                }
            }
            for (n, &total) in totals.iter().enumerate().take(MR * NR - first) {
                let (i, j) = place(n);
                let c = at.c.add(i * at.rsc + j);
                *c = if at.accumulate { *c + total } else { total };
            }
        }
    }
}

/// C (+)= A·Bᵀ, MR rows of A by NR rows of B at a time, then by 2 and by 1.
///
/// # Safety
/// As [`dot_tile`], for m rows of A and n rows of B.
#[allow(unsafe_code)]
#[inline(always)]
pub(super) unsafe fn rows_by_rows<
    V: Vector,
    const PARTS: usize,
    const MR: usize,
    const NR: usize,
>(
    m: usize,
    n: usize,
    at: Operands,
) {
    let mut j = 0;
    // SAFETY: rows j.. of B and columns j.. of C are among those that the caller vouches for.
    unsafe {
        let from = |j: usize| Operands { b: at.b.add(j * at.rsb), c: at.c.add(j), ..at };
        while n - j >= NR {
            rows_by::<V, PARTS, MR, NR>(m, from(j));
            j += NR;
        }
        while n - j >= 2 {
            rows_by::<V, PARTS, MR, 2>(m, from(j));
            j += 2;
        }
        if n - j >= 1 {
            rows_by::<V, PARTS, MR, 1>(m, from(j));
        }
    }
}

/// All m rows of A by NR rows of B.
///
/// # Safety
/// As [`rows_by_rows`].
#[allow(unsafe_code)]
#[inline(always)]
unsafe fn rows_by<V: Vector, const PARTS: usize, const MR: usize, const NR: usize>(
    m: usize,
    at: Operands,
) {
    let mut i = 0;
    // SAFETY: rows i.. of A and C are among the m rows that the caller vouches for.
    unsafe {
        let from = |i: usize| Operands { a: at.a.add(i * at.rsa), c: at.c.add(i * at.rsc), ..at };
        while m - i >= MR {
            dot_tile::<V, PARTS, MR, NR>(from(i));
            i += MR;
        }
        while m - i >= 2 {
            dot_tile::<V, PARTS, 2, NR>(from(i));
            i += 2;
        }
        if m - i >= 1 {
            dot_tile::<V, PARTS, 1, NR>(from(i));
        }
    }
}
