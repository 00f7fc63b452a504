//! The products by `vdpbf16ps`, which adds two products of bf16 numbers to each of 16 sums.
//!
//! To each sum it adds the product of the upper halves of two words, then that of the lower ones, each
//! rounded as a fused multiply-add, with denormal numbers read and written as zeros (Intel's manual,
//! volume 2, VDPBF16PS). Of words in [`Order::Chains`] that is two links of one chain of the
//! [rule of bits](super), for half the instructions that single links take.

use std::arch::x86_64::*;

use super::pack::Packing;
use super::pack::avx512::Rounding;
use super::x86::flushing_denormals;
use super::{COLUMNS, LINES, Order, ROWS, Tile, Tiles};
use crate::isa::Isa;
use crate::kernel::prefetch::with_queue;
use crate::matrix::ViewMut;

/// Multiplies by `vdpbf16ps`. A value of this type is the proof that the processor has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub(super) struct DotProducts(Rounding);

impl DotProducts {
    /// If the processor has the instruction, and is AMD's: Zen 4 does as many of it as of fused
    /// multiply-adds in a cycle, an Intel Xeon a quarter as many.
    pub fn detected() -> Option<Self> {
        let vendor = __cpuid(0);
        let vendor = [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes);
        let is_fast = vendor.as_flattened() == b"AuthenticAMD";
        is_fast.then(|| Rounding::of(Isa::best(), Order::Chains))?.map(Self)
    }

    /// How the operands are packed.
    pub fn packing(self) -> Packing {
        self.0.into()
    }

    /// C (+)= A·B.
    pub fn matmul(self, a: &Tiles, b: &Tiles, c: &mut ViewMut, accumulate: bool) {
        // The sums of the chains flush denormal numbers as the instruction does.
        // SAFETY: `self` is the proof.
        #[allow(unsafe_code)]
        flushing_denormals(|| unsafe { matmul(a, b, c, accumulate) });
    }
}

/// Block by block of C: 16 rows and two columns of tiles, or what is left of them.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
fn matmul(a: &Tiles, b: &Tiles, c: &mut ViewMut, accumulate: bool) {
    let mut block = |i: usize, j: usize| {
        with_queue(|queue| queue.ask_lines(LINES * a.columns));
        // Each vector of B takes part in R products, and each splat of A in V: loading either is what binds.
        let columns = c.columns() - j * ROWS;
        if columns > ROWS {
            sixteens::block::<4, 2>(a, b, (i, j), c, accumulate);
        } else if columns > ROWS / 2 {
            sixteens::block::<8, 1>(a, b, (i, j), c, accumulate);
        } else {
            eights::block::<8, 1>(a, b, (i, j), c, accumulate);
        }
    };
    // Two columns of B stay in the first-level cache while A passes by.
    for j in (0..b.columns).step_by(2) {
        (0..a.rows).for_each(|i| block(i, j));
    }
}

/// The kernels on vectors of one width: the module's name, the lanes, the type of their mask, of vectors of
/// numbers, of words and of pairs of bf16, and the intrinsics.
macro_rules! kernels {
    (
        $name:ident, $lanes:literal, $mask:ident, $numbers:ident, $words:ident, $pairs:ident,
        $zero:ident, $add:ident, $dot:ident, $splat:ident, $load_words:ident, $load:ident, $store:ident
    ) => {
        mod $name {
            use super::*;

            /// 16 rows of C and `V` vectors of its columns, from the first of tile (i, j), `R` rows at a time.
            #[allow(unsafe_code)]
            #[allow(clippy::needless_range_loop)] // v is the vector of the formula
            #[inline]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
            pub fn block<const R: usize, const V: usize>(
                a: &Tiles,
                b: &Tiles,
                (i, j): (usize, usize),
                c: &mut ViewMut,
                accumulate: bool,
            ) {
                let columns = j * ROWS..c.columns().min(j * ROWS + V * $lanes);
                // Which columns of each vector C has.
                let masks: [$mask; V] = std::array::from_fn(|v| {
                    let beyond = ((v + 1) * $lanes).saturating_sub(columns.len());
                    $mask::MAX.unbounded_shr(beyond as u32)
                });
                for first in (i * ROWS..c.rows().min((i + 1) * ROWS)).step_by(R) {
                    let mut product = [[$zero(); V]; R];
                    for k in 0..a.columns {
                        let b = std::array::from_fn(|v| b.tile(k, j + v));
                        let rows = a.tile(i, k)[first % ROWS * ROWS..].as_chunks::<ROWS>().0;
                        let rows = rows.first_chunk().expect("16 is a multiple of R");
                        let fours = (a.depth - k * COLUMNS).min(COLUMNS).div_ceil(4);
                        rule(&mut product, rows, b, fours);
                    }
                    for (row, product) in (first..c.rows().min(first + R)).zip(product) {
                        let c = c.row_mut(row)[columns.clone()].as_mut_ptr();
                        for v in 0..V {
                            let (c, mut sum) = (c.wrapping_add(v * $lanes), product[v]);
                            // SAFETY: the mask leaves out what the row has no columns for.
                            unsafe {
                                if accumulate {
                                    sum = $add($load(masks[v], c), sum);
                                }
                                $store(c, masks[v], sum);
                            }
                        }
                    }
                }
            }

            /// The rule of bits for `R` rows of a tile of A, the first columns of `V` tiles of B, and the
            /// first k, four at a time.
            #[allow(clippy::needless_range_loop)] // i, v and q are the row, the vector and the four k
            #[inline]
            #[target_feature(enable = "avx512f,avx512vl,avx512bf16")]
            fn rule<const R: usize, const V: usize>(
                product: &mut [[$numbers; V]; R],
                a: &[[u32; ROWS]; R],
                b: [&Tile; V],
                fours: usize,
            ) {
                let [mut even, mut odd] = [[[$zero(); V]; R]; 2];
                for q in 0..fours {
                    let [b_even, b_odd] = [2 * q, 2 * q + 1].map(|p| b.map(|tile| row(tile, p)));
                    for i in 0..R {
                        let [a_even, a_odd] = [2 * q, 2 * q + 1].map(|p| $splat(a[i][p] as i32));
                        for v in 0..V {
                            even[i][v] = add_two_products(even[i][v], a_even, b_even[v]);
                        }
                        for v in 0..V {
                            odd[i][v] = add_two_products(odd[i][v], a_odd, b_odd[v]);
                        }
                    }
                }
                for i in 0..R {
                    for v in 0..V {
                        product[i][v] = $add(product[i][v], $add(even[i][v], odd[i][v]));
                    }
                }
            }

            #[allow(unsafe_code)]
            #[inline]
            #[target_feature(enable = "avx512f,avx512vl,avx512bf16")]
            fn add_two_products(sum: $numbers, a: $words, b: $words) -> $numbers {
                let pairs = |words| {
                    // SAFETY: both are the same bytes.
                    unsafe { std::mem::transmute::<$words, $pairs>(words) }
                };
                $dot(sum, pairs(a), pairs(b))
            }

            /// The first columns of row p of a tile.
            #[allow(unsafe_code)]
            #[inline]
            #[target_feature(enable = "avx512f,avx512vl")]
            fn row(tile: &Tile, p: usize) -> $words {
                let words = &tile.as_chunks::<ROWS>().0[p];
                // SAFETY: 16 words, of which it reads no more.
                unsafe { $load_words(words.as_ptr().cast()) }
            }
        }
    };
}

kernels!(
    sixteens,
    16,
    u16,
    __m512,
    __m512i,
    __m512bh,
    _mm512_setzero_ps,
    _mm512_add_ps,
    _mm512_dpbf16_ps,
    _mm512_set1_epi32,
    _mm512_loadu_si512,
    _mm512_maskz_loadu_ps,
    _mm512_mask_storeu_ps
);
kernels!(
    eights,
    8,
    u8,
    __m256,
    __m256i,
    __m256bh,
    _mm256_setzero_ps,
    _mm256_add_ps,
    _mm256_dpbf16_ps,
    _mm256_set1_epi32,
    _mm256_loadu_si256,
    _mm256_maskz_loadu_ps,
    _mm256_mask_storeu_ps
);
