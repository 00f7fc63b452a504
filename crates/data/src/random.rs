//! Randomness as an argument: a generator for each (seed, purpose, counter).
//!
//! Everything random in this crate starts from one of these generators, so the order of an epoch
//! can be had without having gone through the epochs before it, on any thread.
//!
//! The stream is part of the file formats: a run is repeated from its seed alone. So each step
//! is written out here and held to an independent computation by a test, rather than taken from
//! a helper that may change between versions: the key by SplitMix64's mixing function, the
//! generator PCG-XSL-RR-128/64, the bounded integers by Lemire's method.

use rand_core::Rng;
use rand_pcg::Pcg64;

/// What the numbers are for: no two uses share a stream, though they share a seed.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    Split = 1,
    Order = 2,
}

/// The generator of `(seed, purpose, counter)`.
pub(crate) fn generator(seed: u64, purpose: Purpose, counter: u64) -> Pcg64 {
    /// The golden ratio, 2^64 / φ, made odd: SplitMix64's increment.
    const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
    /// SplitMix64's mixing function, a bijection in which each input bit moves each output bit
    /// (Steele, Lea and Flood 2014, with Stafford's variant 13 of the constants).
    fn mix(z: u64) -> u64 {
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    let key = [seed, purpose as u64, counter]
        .into_iter()
        .fold(0, |key: u64, word| mix((key ^ word).wrapping_add(GAMMA)));
    let word = |i: u64| u128::from(mix(key.wrapping_add(GAMMA.wrapping_mul(i))));
    Pcg64::new(word(1) << 64 | word(2), word(3) << 64 | word(4))
}

/// A uniform integer below `bound`, which is not 0, without bias.
///
/// Lemire 2019, "Fast random integer generation in an interval": the upper half of `x · bound`
/// for a random 32-bit `x`, drawn anew where the lower half would favour some values.
fn below(rng: &mut impl Rng, bound: u32) -> u32 {
    let mut draw = || (rng.next_u64() >> 32) * u64::from(bound);
    let mut product = draw();
    if (product as u32) < bound {
        let threshold = bound.wrapping_neg() % bound;
        while (product as u32) < threshold {
            product = draw();
        }
    }
    (product >> 32) as u32
}

/// Puts `items` in a random order, each as likely as another (Fisher-Yates, from the end).
///
/// At most 2^32 - 1 items, which every caller's `u32` indices promise.
pub(crate) fn shuffle(items: &mut [u32], rng: &mut impl Rng) {
    for i in (1..items.len()).rev() {
        items.swap(i, below(rng, i as u32 + 1) as usize);
    }
}
