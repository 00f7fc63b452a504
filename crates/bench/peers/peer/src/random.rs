//! SplitMix64, a generator that any language can write in three lines.
//!
//! The values are those of Vigna's `splitmix64.c`, and `check.py` makes the same, so that a check
//! needs no files.

/// A sequence of random numbers, given by its seed.
pub struct Random(pub u64);

impl Random {
    /// The next 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A whole number below `end`, with a bias that no benchmark can see.
    pub fn below(&mut self, end: usize) -> usize {
        (self.bits() % end as u64) as usize
    }

    /// A number between -1 and 1.
    pub fn symmetric(&mut self) -> f32 {
        let unit = (self.bits() >> 40) as f32 / (1 << 24) as f32; // exact: 24 bits
        2.0 * unit - 1.0
    }

    /// Puts the items into a random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.below(end + 1));
        }
    }
}
