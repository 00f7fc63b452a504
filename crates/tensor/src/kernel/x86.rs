//! The vectors of AVX-512 and AVX2, and the sweep of their tiles over C.

use std::arch::x86_64::*;

use super::prefetch::{Queue, with_queue};
use super::tile::{Operands, Vector, column_of_tiles, edge, rows_by_rows};
use crate::gemm::check_shapes;
use crate::isa::{Isa, Kind};
use crate::matrix::{View, ViewMut};

#[derive(Clone, Copy)]
struct F32x16(__m512);

#[derive(Clone, Copy)]
struct F32x8(__m256);

macro_rules! vector {
    ($name:ident, $lanes:literal, $zero:ident, $load:ident, $store:ident, $splat:ident, $fma:ident, $add:ident, $eight:ident) => {
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
            unsafe fn splat(from: *const f32) -> Self {
                // SAFETY: the caller has the instructions and a valid number.
                Self(unsafe { $splat(*from) })
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
            #[inline(always)]
            unsafe fn sums<const PARTS: usize>(of: [[Self; PARTS]; 4]) -> [f32; 4] {
                // SAFETY: the caller has the instructions, of which those of AVX2 are a part.
                unsafe { sums_of_eight(of.map(|parts| $eight(&parts))) }
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
    _mm512_add_ps,
    eight_of_one
);
vector!(
    F32x8,
    8,
    _mm256_setzero_ps,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_set1_ps,
    _mm256_fmadd_ps,
    _mm256_add_ps,
    eight_of_two
);

/// The sums of the two halves of sixteen numbers in one register.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn eight_of_one(sixteen: &[F32x16]) -> __m256 {
    let all = sixteen[0].0;
    _mm256_add_ps(_mm512_castps512_ps256(all), _mm512_extractf32x8_ps::<1>(all))
}

/// The sums of the two halves of sixteen numbers in two registers.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn eight_of_two(sixteen: &[F32x8]) -> __m256 {
    _mm256_add_ps(sixteen[0].0, sixteen[1].0)
}

/// The sums over the lanes of four vectors, in the order that [`Vector::sums`] states.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn sums_of_eight([a, b, c, d]: [__m256; 4]) -> [f32; 4] {
    // Of each 128 bits: v0 + v2 of a, of b, v1 + v3 of a, of b; and so of c and d.
    let ab = _mm256_add_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
    let cd = _mm256_add_ps(_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
    let (ab, cd) = (_mm256_castps_pd(ab), _mm256_castps_pd(cd));
    let even = _mm256_castpd_ps(_mm256_unpacklo_pd(ab, cd));
    let odd = _mm256_castpd_ps(_mm256_unpackhi_pd(ab, cd));
    let fours = _mm256_add_ps(even, odd);
    to_array(_mm_add_ps(_mm256_castps256_ps128(fours), _mm256_extractf128_ps::<1>(fours)))
}

fn to_array(four: __m128) -> [f32; 4] {
    let mut array = [0.0; 4];
    // SAFETY: SSE is part of every x86-64, and the array holds four numbers.
    #[allow(unsafe_code)]
    unsafe {
        _mm_storeu_ps(array.as_mut_ptr(), four);
    }
    array
}

fn operands(a: &View, b: &View, c: &mut ViewMut, accumulate: bool) -> Operands {
    let ((rsa, csa), (rsb, _), (rsc, _)) = (a.strides(), b.strides(), c.strides());
    let (k, a, b, c) = (a.columns(), a.as_ptr(), b.as_ptr(), c.as_mut_ptr());
    Operands { k, a, rsa, csa, b, rsb, c, rsc, accumulate }
}

/// C (+)= A·B: sweeps tiles of MR x NV vectors over C, column after column, then of fewer vectors, and
/// what is left of the columns number by number. NV is 2 or 3.
///
/// # Safety
/// The processor must have the vector's instructions, and FMA. The shapes must agree, and B and C
/// must have unit column strides; none of them may be empty.
#[allow(unsafe_code)]
#[inline(always)]
unsafe fn sweep<V: Vector, const MR: usize, const NV: usize>(
    a: View,
    b: View,
    mut c: ViewMut,
    accumulate: bool,
    queue: &mut Queue,
) {
    let (m, n) = (a.rows(), b.columns());
    let at = operands(&a, &b, &mut c, accumulate);
    let mut j = 0;
    while j < n {
        // SAFETY: views reach only valid elements, and a `ViewMut` holds its own exclusively;
        // columns j .. j + width are among them.
        unsafe {
            let from = Operands { b: at.b.add(j), c: at.c.add(j), ..at };
            let vectors = ((n - j) / V::LANES).min(NV);
            match vectors {
                0 => edge(m, n - j, from),
                1 => column_of_tiles::<V, MR, 1>(m, from, queue),
                2 => column_of_tiles::<V, MR, 2>(m, from, queue),
                _ => column_of_tiles::<V, MR, NV>(m, from, queue),
            }
            j = if vectors == 0 { n } else { j + vectors * V::LANES };
        }
    }
}

/// The two products, compiled for one set of instructions.
macro_rules! compiled {
    ($module:ident, $kind:ident, $features:literal, $vector:ident, $mr:literal x $nv:literal, $parts:literal, $rows:literal by $columns:literal) => {
        mod $module {
            use super::*;

            pub(super) fn matmul(isa: Isa, a: View, b: View, c: ViewMut, accumulate: bool) {
                #[allow(unsafe_code)]
                #[target_feature(enable = $features)]
                fn detected(a: View, b: View, c: ViewMut, accumulate: bool, queue: &mut Queue) {
                    // SAFETY: this function is compiled for the instructions, and its caller, below,
                    // has checked the shapes and the strides.
                    unsafe { sweep::<$vector, $mr, $nv>(a, b, c, accumulate, queue) }
                }
                assert_eq!(isa.kind(), Kind::$kind);
                check_shapes(&a, &b, &c).expect("shapes that fit");
                assert!(b.strides().1 == 1 && c.strides().1 == 1, "unit column strides");
                assert!(!a.is_empty() && !b.is_empty(), "something to multiply");
                // SAFETY: an `Isa` of this kind exists only where the instructions were detected.
                #[allow(unsafe_code)]
                with_queue(|queue| unsafe { detected(a, b, c, accumulate, queue) });
            }

            pub(super) fn matmul_transposed(
                isa: Isa,
                a: View,
                b: View,
                c: ViewMut,
                accumulate: bool,
            ) {
                #[allow(unsafe_code)]
                #[target_feature(enable = $features)]
                fn detected(a: View, b: View, mut c: ViewMut, accumulate: bool) {
                    let at = operands(&a, &b, &mut c, accumulate);
                    // SAFETY: as in `matmul`.
                    unsafe {
                        rows_by_rows::<$vector, $parts, $rows, $columns>(a.rows(), b.rows(), at)
                    }
                }
                assert_eq!(isa.kind(), Kind::$kind);
                check_shapes(&a, &b.t(), &c).expect("shapes that fit");
                assert!(
                    a.strides().1 == 1 && b.strides().1 == 1 && c.strides().1 == 1,
                    "unit column strides"
                );
                assert!(!a.is_empty() && !b.is_empty(), "something to multiply");
                // SAFETY: an `Isa` of this kind exists only where the instructions were detected.
                #[allow(unsafe_code)]
                unsafe {
                    detected(a, b, c, accumulate)
                }
            }
        }
    };
}

compiled!(avx512, Avx512, "avx512f,avx512bw,avx512dq,avx512vl", F32x16, 8 x 3, 1, 4 by 4);
compiled!(avx2, Avx2, "avx2,fma", F32x8, 6 x 2, 2, 3 by 2);

/// C (+)= A·B, if `isa` has vectors and the operands lie as they need it; else nothing happens, and
/// it returns false.
pub(super) fn matmul(isa: Isa, a: View, b: View, c: ViewMut, accumulate: bool) -> bool {
    if a.is_empty() || b.is_empty() || (b.strides().1, c.strides().1) != (1, 1) {
        return false;
    }
    match isa.kind() {
        Kind::Avx512 => avx512::matmul(isa, a, b, c, accumulate),
        Kind::Avx2 => avx2::matmul(isa, a, b, c, accumulate),
        Kind::Portable => return false,
    }
    true
}

/// C (+)= A·Bᵀ, on the same conditions as [`matmul`].
pub(super) fn matmul_transposed(isa: Isa, a: View, b: View, c: ViewMut, accumulate: bool) -> bool {
    let unit = (a.strides().1, b.strides().1, c.strides().1) == (1, 1, 1);
    if a.is_empty() || b.is_empty() || !unit {
        return false;
    }
    match isa.kind() {
        Kind::Avx512 => avx512::matmul_transposed(isa, a, b, c, accumulate),
        Kind::Avx2 => avx2::matmul_transposed(isa, a, b, c, accumulate),
        Kind::Portable => return false,
    }
    true
}
