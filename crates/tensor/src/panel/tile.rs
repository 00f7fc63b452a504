//! A tile of C in registers: MR rows by NV vectors, while k runs.
//!
//! Per step of k it loads NV vectors of B, spreads MR numbers of A, and does MR·NV fused
//! multiply-adds. MR·NV + NV + 1 registers hold it all: 8 x 3 on AVX-512 takes 28 of 32, and
//! 4 x 3 on AVX2 takes all 16.

/// A register of numbers. The methods are one instruction each.
///
/// # Safety
/// All methods need the processor to have the type's instructions. `load` needs, and `store`
/// writes, `LANES` valid numbers behind the pointer; `spread` needs one.
#[allow(unsafe_code)]
pub(super) unsafe trait Vector: Copy {
    const LANES: usize;
    unsafe fn zero() -> Self;
    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);
    /// The number behind the pointer, in every lane.
    unsafe fn spread(from: *const f32) -> Self;
    /// self + a·b, rounded once.
    unsafe fn multiply_add(self, a: Self, b: Self) -> Self;
    unsafe fn add(self, other: Self) -> Self;
}

/// Where the three matrices lie: pointers and strides. Columns of `b` and `c` are adjacent.
#[derive(Clone, Copy)]
pub(super) struct Operands {
    pub k: usize,
    pub a: *const f32,
    pub a_row: usize,
    pub a_column: usize,
    pub b: *const f32,
    pub b_row: usize,
    pub c: *mut f32,
    pub c_row: usize,
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
unsafe fn tile<V: Vector, const MR: usize, const NV: usize>(at: Operands) {
    // SAFETY: every offset below is that of an element which the caller vouches for.
    unsafe {
        let mut sums = [[V::zero(); NV]; MR];
        let (mut a, mut b) = (at.a, at.b);
        for _ in 0..at.k {
            let mut row = [V::zero(); NV];
            for j in 0..NV {
                row[j] = V::load(b.add(j * V::LANES));
            }
            for i in 0..MR {
                let x = V::spread(a.add(i * at.a_row));
                for j in 0..NV {
                    sums[i][j] = sums[i][j].multiply_add(x, row[j]);
                }
            }
            a = a.wrapping_add(at.a_column);
            b = b.wrapping_add(at.b_row);
        }
        for (i, sums) in sums.iter().enumerate() {
            for (j, &sum) in sums.iter().enumerate() {
                let c = at.c.add(i * at.c_row + j * V::LANES);
                let sum = if at.accumulate { V::load(c).add(sum) } else { sum };
                sum.store(c);
            }
        }
    }
}

/// [`tile`] with the stride that is 1 known to the compiler: the forward product walks A along
/// its rows, the weight gradient down its columns.
#[allow(unsafe_code)]
#[inline(always)]
unsafe fn tile_by_stride<V: Vector, const MR: usize, const NV: usize>(at: Operands) {
    // SAFETY: the caller's promise, passed on.
    unsafe {
        if at.a_column == 1 {
            tile::<V, MR, NV>(Operands { a_column: 1, ..at });
        } else if at.a_row == 1 {
            tile::<V, MR, NV>(Operands { a_row: 1, ..at });
        } else {
            tile::<V, MR, NV>(at);
        }
    }
}

/// A column of tiles: m rows of C, MR at a time, then 4, 2 and 1.
///
/// # Safety
/// As [`tile`], for m rows.
#[allow(unsafe_code)]
#[inline(always)]
pub(super) unsafe fn column<V: Vector, const MR: usize, const NV: usize>(m: usize, at: Operands) {
    let mut i = 0;
    // SAFETY: rows i.. of A and C are among the m rows that the caller vouches for.
    unsafe {
        let from =
            |i: usize| Operands { a: at.a.add(i * at.a_row), c: at.c.add(i * at.c_row), ..at };
        while m - i >= MR {
            tile_by_stride::<V, MR, NV>(from(i));
            i += MR;
        }
        while m - i >= 4 {
            tile_by_stride::<V, 4, NV>(from(i));
            i += 4;
        }
        if m - i >= 2 {
            tile_by_stride::<V, 2, NV>(from(i));
            i += 2;
        }
        if m - i >= 1 {
            tile_by_stride::<V, 1, NV>(from(i));
        }
    }
}
