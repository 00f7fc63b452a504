//! What this machine can do at most: multiply-adds a second, and bytes read a second.
//!
//! There is a loop for each. The first keeps twelve vectors of sums in registers and feeds
//! each a multiply-add in every round, enough to fill two units of a latency of up to six cycles;
//! nothing is loaded, so no kernel can be faster. The second adds up a slice; over a slice that
//! fits a cache, that is the cache's bandwidth.
//!
//! The roofline of the bench crate is drawn from them. They stand here because a function that is
//! compiled for detected instructions is called by `unsafe`, which this crate alone may use.

use crate::isa::{Isa, for_each_isa};

/// Rounds of twelve vectors for one call of [`multiply_add`]: some tens of microseconds.
const ROUNDS: usize = 10_000;

/// Vectors of sums that are independent of each other.
const SUMS: usize = 12;

/// Does a fixed number of multiply-adds and returns how many floating-point operations they
/// are (two each), and a number that depends on all of them, to be kept from the optimizer.
pub fn multiply_add(isa: Isa) -> (f64, f32) {
    let (lanes, sum) = match isa.kind() {
        // SAFETY: an `Isa` of this kind exists only where its instructions were detected.
        #[cfg(target_arch = "x86_64")]
        #[allow(unsafe_code)]
        crate::isa::Kind::Avx512 => (16, unsafe { multiply_add_avx512() }),
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        #[allow(unsafe_code)]
        crate::isa::Kind::Avx2 => (8, unsafe { multiply_add_avx2() }),
        _ => (4, multiply_add_portable()),
    };
    ((2 * ROUNDS * SUMS * lanes) as f64, sum)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn multiply_add_avx512() -> f32 {
    use std::arch::x86_64::{_mm512_add_ps, _mm512_fmadd_ps, _mm512_reduce_add_ps, _mm512_set1_ps};
    // The values stay near 1, far from the slow denormal numbers.
    let (factor, term) = (_mm512_set1_ps(0.5), _mm512_set1_ps(0.5));
    let mut sums = [_mm512_set1_ps(std::hint::black_box(1.0)); SUMS];
    for _ in 0..ROUNDS {
        for sum in &mut sums {
            *sum = _mm512_fmadd_ps(*sum, factor, term);
        }
    }
    let [first, rest @ ..] = sums;
    _mm512_reduce_add_ps(rest.into_iter().fold(first, |a, b| _mm512_add_ps(a, b)))
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn multiply_add_avx2() -> f32 {
    use std::arch::x86_64::{
        _mm_cvtss_f32, _mm256_add_ps, _mm256_castps256_ps128, _mm256_fmadd_ps, _mm256_set1_ps,
    };
    let (factor, term) = (_mm256_set1_ps(0.5), _mm256_set1_ps(0.5));
    let mut sums = [_mm256_set1_ps(std::hint::black_box(1.0)); SUMS];
    for _ in 0..ROUNDS {
        for sum in &mut sums {
            *sum = _mm256_fmadd_ps(*sum, factor, term);
        }
    }
    let [first, rest @ ..] = sums;
    let sum = rest.into_iter().fold(first, |a, b| _mm256_add_ps(a, b));
    // All lanes hold the same number.
    8.0 * _mm_cvtss_f32(_mm256_castps256_ps128(sum))
}

/// A product and a sum apart, four lanes wide: what plain Rust may count on everywhere.
fn multiply_add_portable() -> f32 {
    let mut sums = [[std::hint::black_box(1.0_f32); 4]; SUMS];
    for _ in 0..ROUNDS {
        for sum in &mut sums {
            for lane in sum {
                *lane = *lane * 0.5 + 0.5;
            }
        }
    }
    sums.as_flattened().iter().sum()
}

for_each_isa! {
    /// Reads all of `data` and returns its sum.
    pub fn read<T: Scalar>(data: &[T]) -> T {
        let mut sums = [T::ZERO; 128];
        let (blocks, rest) = data.as_chunks::<128>();
        for block in blocks {
            for (sum, &value) in sums.iter_mut().zip(block) {
                *sum += value;
            }
        }
        sums.iter().chain(rest).copied().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loops_do_the_work_that_they_are_counted_for() {
        for isa in Isa::available() {
            let (operations, sum) = multiply_add(isa);
            // Every lane has stayed at its fixed point, 1 = 1/2 + 1/2; each lane is one of
            // `operations / 2 / ROUNDS` multiply-adds of a round.
            assert_eq!(f64::from(sum), operations / 2.0 / ROUNDS as f64, "{isa}");
        }
    }

    #[test]
    fn nothing_is_left_out_when_memory_is_read() {
        let data: Vec<f32> = (0..1000).map(|i| i as f32).collect();
        for isa in Isa::available() {
            for length in [0, 1, 127, 128, 129, 1000] {
                let expected = (0..length).sum::<usize>() as f32;
                assert_eq!(read(isa, &data[..length]), expected, "{isa}, {length}");
            }
        }
    }
}
