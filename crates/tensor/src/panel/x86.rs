//! The vectors of AVX-512 and AVX2, and the sweep of their tiles over a panel.

use std::arch::x86_64::*;

use super::tile::{Operands, Vector, column};
use crate::{Path, View, ViewMut};

#[derive(Clone, Copy)]
struct F32x16(__m512);

#[derive(Clone, Copy)]
struct F32x8(__m256);

macro_rules! vector {
    ($name:ident, $lanes:literal, $zero:ident, $load:ident, $store:ident, $spread:ident, $fma:ident, $add:ident) => {
        // SAFETY: each method is one intrinsic with the very contract that the trait states.
        #[allow(unsafe_code)]
        unsafe impl Vector for $name {
            const LANES: usize = $lanes;
            #[inline(always)]
            unsafe fn zero() -> Self {
                // SAFETY: the caller has the instructions.
                Self(unsafe { $zero() })
            }
            #[inline(always)]
            unsafe fn load(from: *const f32) -> Self {
                // SAFETY: the caller has the instructions and LANES valid numbers.
                Self(unsafe { $load(from) })
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut f32) {
                // SAFETY: as in `load`, to write.
                unsafe { $store(to, self.0) }
            }
            #[inline(always)]
            unsafe fn spread(from: *const f32) -> Self {
                // SAFETY: the caller has the instructions and a valid number.
                Self(unsafe { $spread(*from) })
            }
            #[inline(always)]
            unsafe fn multiply_add(self, a: Self, b: Self) -> Self {
                // SAFETY: the caller has the instructions.
                Self(unsafe { $fma(a.0, b.0, self.0) })
            }
            #[inline(always)]
            unsafe fn add(self, other: Self) -> Self {
                // SAFETY: the caller has the instructions.
                Self(unsafe { $add(self.0, other.0) })
            }
        }
    };
}

vector!(
    F32x16,
    16,
    _mm512_setzero_ps,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_set1_ps,
    _mm512_fmadd_ps,
    _mm512_add_ps
);
vector!(
    F32x8,
    8,
    _mm256_setzero_ps,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_set1_ps,
    _mm256_fmadd_ps,
    _mm256_add_ps
);

fn operands(a: &View, b: &View, c: &mut ViewMut, accumulate: bool) -> Operands {
    let ((a_row, a_column), (b_row, _), (c_row, _)) = (a.strides(), b.strides(), c.strides());
    let (k, a, b, c) = (a.columns(), a.as_ptr(), b.as_ptr(), c.as_mut_ptr());
    Operands { k, a, a_row, a_column, b, b_row, c, c_row, accumulate }
}

/// Sweeps tiles of MR x 3, 2 or 1 vectors over C, column after column.
///
/// # Safety
/// The processor must have the vector's instructions. The shapes must agree, B and C must have
/// unit column strides, and their width must be a multiple of `LANES`.
#[allow(unsafe_code)]
#[inline(always)]
unsafe fn sweep<V: Vector, const MR: usize>(a: View, b: View, mut c: ViewMut, accumulate: bool) {
    let (m, n) = (a.rows(), b.columns());
    if m == 0 || n == 0 {
        return;
    }
    let at = operands(&a, &b, &mut c, accumulate);
    let mut j = 0;
    while j < n {
        // SAFETY: views reach only valid elements, and a `ViewMut` holds its own exclusively;
        // columns j .. j + width are among them.
        unsafe {
            let from = Operands { b: at.b.wrapping_add(j), c: at.c.add(j), ..at };
            match (n - j) / V::LANES {
                1 => {
                    column::<V, MR, 1>(m, from);
                    j += V::LANES;
                }
                2 => {
                    column::<V, MR, 2>(m, from);
                    j += 2 * V::LANES;
                }
                _ => {
                    column::<V, MR, 3>(m, from);
                    j += 3 * V::LANES;
                }
            }
        }
    }
}

pub(super) fn avx512(path: Path, a: View, b: View, c: ViewMut, accumulate: bool) {
    #[allow(unsafe_code)]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    fn detected(a: View, b: View, c: ViewMut, accumulate: bool) {
        // SAFETY: this function is compiled for the instructions; `super::Panel for f32` comes
        // here only with checked shapes, unit column strides and a width in whole vectors.
        unsafe { sweep::<F32x16, 8>(a, b, c, accumulate) }
    }
    assert_eq!(path.kind(), crate::path::Kind::Avx512);
    // SAFETY: a path of this kind exists only where the instructions were detected.
    #[allow(unsafe_code)]
    unsafe {
        detected(a, b, c, accumulate)
    }
}

pub(super) fn avx2(path: Path, a: View, b: View, c: ViewMut, accumulate: bool) {
    #[allow(unsafe_code)]
    #[target_feature(enable = "avx2,fma")]
    fn detected(a: View, b: View, c: ViewMut, accumulate: bool) {
        // SAFETY: as in `avx512`.
        unsafe { sweep::<F32x8, 4>(a, b, c, accumulate) }
    }
    assert_eq!(path.kind(), crate::path::Kind::Avx2);
    // SAFETY: a path of this kind exists only where the instructions were detected.
    #[allow(unsafe_code)]
    unsafe {
        detected(a, b, c, accumulate)
    }
}
