//! One input made of a few others.
//!
//! The changes are those that have found most for others (Zalewski's AFL and its descendants):
//! bits flipped, bytes and integers at the borders of their types put in, blocks removed, doubled
//! and moved, two inputs spliced, the end cut off, and words of the format put in. Half of the inputs
//! get one of them, the others up to sixteen.

use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64;

/// Integers at which counts, lengths and offsets go wrong.
const BORDERS: [u64; 19] = [
    0,
    1,
    2,
    3,
    7,
    0x7f,
    0x80,
    0xff,
    0x100,
    0x7fff,
    0x8000,
    0xffff,
    0x1_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0xffff_ffff_ffff_ffff,
];

/// Makes inputs out of `seeds`; the same from the same number, always.
#[derive(Clone, Copy)]
pub struct Mutator<'a> {
    /// What is changed and spliced; at least one.
    pub seeds: &'a [Vec<u8>],
    /// Words of the format.
    pub words: &'a [&'a str],
    /// No input is longer, in bytes, unless a seed is.
    pub most: usize,
}

impl Mutator<'_> {
    /// The input of this number.
    ///
    /// # Panics
    /// If there is no seed.
    pub fn input(&self, number: u64) -> Vec<u8> {
        // Neighboring numbers must not be neighboring states: SplitMix64's odd constant.
        let state = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut draw = Draw(Pcg64::seed_from_u64(state));
        let mut bytes = draw.pick(self.seeds).clone();
        for _ in 0..1 << draw.below(8).saturating_sub(3) {
            self.change(&mut bytes, &mut draw);
        }
        let longest = self.seeds.iter().map(Vec::len).max().unwrap_or(0);
        bytes.truncate(self.most.max(longest));
        bytes
    }

    fn change(&self, bytes: &mut Vec<u8>, draw: &mut Draw) {
        if bytes.is_empty() {
            bytes.clone_from(draw.pick(self.seeds));
            return;
        }
        let at = draw.below(bytes.len());
        let block = at..at + 1 + draw.short(bytes.len() - at);
        match draw.below(if self.words.is_empty() { 9 } else { 12 }) {
            0 | 1 => bytes[at] ^= 1 << draw.below(8),
            2 => bytes[at] = draw.0.next_u64() as u8,
            3 => put_integer(&mut bytes[at..], draw),
            4 => drop(bytes.drain(block)),
            5 => {
                let copy = bytes[block].to_vec();
                for _ in 0..1 << draw.below(4) {
                    insert(bytes, at, &copy);
                }
            }
            6 => {
                let copy = bytes[block].to_vec();
                insert(bytes, draw.below(bytes.len() + 1), &copy);
            }
            7 => {
                let other = draw.pick(self.seeds);
                let from = draw.below(other.len() + 1);
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            8 => match draw.below(4) {
                0 => bytes.truncate(at),
                _ => insert(bytes, at, &vec![draw.0.next_u64() as u8; 1 + draw.short(64)]),
            },
            kind => {
                let word = draw.pick(self.words).as_bytes();
                if kind == 9 {
                    drop(bytes.drain(block));
                }
                insert(bytes, at, word);
            }
        }
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, piece: &[u8]) {
    bytes.splice(at..at, piece.iter().copied());
}

/// Writes an integer of 1, 2, 4 or 8 bytes, or one near what stands there, in either order.
fn put_integer(place: &mut [u8], draw: &mut Draw) {
    let width = (1 << draw.below(4)).min(place.len());
    let place = &mut place[..width];
    let little = draw.below(2) == 0;
    let value = if draw.below(3) == 0 {
        let mut old = [0; 8];
        old[..width].copy_from_slice(place);
        if !little {
            old[..width].reverse();
        }
        u64::from_le_bytes(old).wrapping_add(draw.below(33) as u64).wrapping_sub(16)
    } else {
        *draw.pick(&BORDERS)
    };
    place.copy_from_slice(&value.to_le_bytes()[..width]);
    if !little {
        place.reverse();
    }
}

/// Random choices, for which a little bias does no harm.
struct Draw(Pcg64);

impl Draw {
    /// Below `bound`, which is not 0.
    fn below(&mut self, bound: usize) -> usize {
        (self.0.next_u64() % bound as u64) as usize
    }

    /// Below `bound`, which is not 0; short ones as often as long ones.
    fn short(&mut self, bound: usize) -> usize {
        let bits = 1 + self.below(bound.ilog2() as usize + 1);
        self.below(bound.min(1 << bits))
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mutator<'a>(seeds: &'a [Vec<u8>], words: &'a [&'a str]) -> Mutator<'a> {
        Mutator { seeds, words, most: 64 }
    }

    #[test]
    fn a_campaign_can_be_repeated_and_hardly_repeats_itself() {
        let seeds = [b"learning_rate = 0.01".to_vec(), b"epochs = 3".to_vec()];
        let mutator = mutator(&seeds, &["seed"]);
        let inputs: Vec<_> = (0..2_000).map(|number| mutator.input(number)).collect();
        assert_eq!(inputs[1_234], mutator.input(1_234));
        let distinct: std::collections::HashSet<_> = inputs.iter().collect();
        assert!(distinct.len() > 1_500, "{} distinct inputs", distinct.len());
        assert!(inputs.iter().all(|input| input.len() <= 64));
    }

    #[test]
    fn every_kind_of_change_is_made() {
        let seeds = [b"0123456789".to_vec(), b"abcdefghij".to_vec()];
        let mutator = mutator(&seeds, &["WORD"]);
        let inputs: Vec<_> = (0..20_000).map(|number| mutator.input(number)).collect();
        let some = |what: &str, test: &dyn Fn(&[u8]) -> bool| {
            assert!(inputs.iter().any(|input| test(input)), "{what}");
        };
        let has = |input: &[u8], piece: &[u8]| input.windows(piece.len()).any(|w| w == piece);
        some("one bit flipped", &|input| input == b"0123056789");
        some("cut off", &|input| input == b"01234");
        some("a block removed", &|input| input == b"0123789");
        some("a block doubled", &|input| input == b"01234523456789");
        some("spliced", &|input| input.starts_with(b"012") && input.ends_with(b"hij"));
        some("a word put in", &|input| input == b"0123WORD456789");
        some("a large integer", &|input| has(input, &u64::MAX.to_le_bytes()));
        some("an integer in big-endian order", &|input| has(input, &[0, 1, 0, 0]));
        some("an integer in little-endian order", &|input| has(input, &[0, 0, 1, 0]));
        some("a run of one byte", &|input| input.windows(30).any(|w| w.iter().all(|b| *b == w[0])));
    }
}
