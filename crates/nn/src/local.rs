//! A first layer that begins local: each unit sees one square of the image.
//!
//! Pixels that are near each other tell more together than pixels that are far apart. A unit that
//! begins with weights over the whole image has to find that out by unlearning the others; one that
//! begins with a square begins as an edge or a blob at a place, and may still grow beyond it, for all
//! weights are trained. Units of convolutional networks are local by construction; that dense units
//! become local where they learn best is what Neyshabur 2020, "Towards learning convolutions from
//! scratch", finds.
//!
//! With n of the I inputs in its square, a unit keeps its weights there times √(I / n), so that the
//! variance of its sum is what it was, and the others are 0.

use std::ops::Range;

use chainrule_tensor::Scalar;
use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64;

use crate::SoftmaxClassifier;

/// What parts these random numbers from those of the weights of the same seed.
const STREAM: u64 = 0x6c6f_6361_6c00_0000;

impl<T: Scalar> SoftmaxClassifier<T> {
    /// Leaves each unit of the first layer the weights of one square in all channels of the image, at
    /// a random place, cut off at the border; its side is one of `sides`, in pixels, each as likely.
    /// `shape` is channels, height, width.
    ///
    /// # Panics
    /// If the first layer reads no such image, or there is no side, or one is 0.
    pub fn localize(&mut self, shape: [usize; 3], sides: &[usize], seed: u64) {
        let [channels, height, width] = shape;
        let inputs = self.widths()[0];
        assert_eq!(inputs, channels * height * width, "inputs of the network and of the image");
        assert!(!sides.is_empty() && !sides.contains(&0), "a side of at least one pixel");
        let mut generator = Pcg64::seed_from_u64(seed ^ STREAM);
        let mut below = |n: usize| (((generator.next_u64() >> 32) * n as u64) >> 32) as usize;
        for weights in self.weight_mut(0).chunks_exact_mut(inputs) {
            let side = sides[below(sides.len())];
            let (rows, columns) =
                (span(below(height), side, height), span(below(width), side, width));
            let kept = channels * rows.len() * columns.len();
            let factor = T::from_f64((inputs as f64 / kept as f64).sqrt());
            for (i, w) in weights.iter_mut().enumerate() {
                let is_kept =
                    rows.contains(&(i / width % height)) && columns.contains(&(i % width));
                *w = if is_kept { *w * factor } else { T::ZERO };
            }
        }
    }
}

/// The pixels along one axis of a square around `center`, of `n` pixels.
fn span(center: usize, side: usize, n: usize) -> Range<usize> {
    center.saturating_sub((side - 1) / 2)..(center + side / 2 + 1).min(n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Init;

    #[test]
    fn a_unit_keeps_a_square_in_every_channel_and_the_size_of_its_sum() {
        let shape = [3, 11, 13];
        let inputs = shape.iter().product();
        let whole = SoftmaxClassifier::<f64>::new(&[inputs, 4000, 10], Init::He, 5).unwrap();
        let mut local = whole.clone();
        local.localize(shape, &[3, 6], 5);
        assert_eq!(local.weight(1), whole.weight(1), "the other layers are as they were");
        let (mut widest, mut sides) = (0, [0; 7]);
        let mut at = vec![0; inputs];
        for (unit, before) in local.weight(0).chunks(inputs).zip(whole.weight(0).chunks(inputs)) {
            let kept: Vec<usize> = (0..inputs).filter(|&i| unit[i] != 0.0).collect();
            let rows: std::collections::BTreeSet<_> = kept.iter().map(|i| i / 13 % 11).collect();
            let columns: std::collections::BTreeSet<_> = kept.iter().map(|i| i % 13).collect();
            assert_eq!(
                kept.len(),
                3 * rows.len() * columns.len(),
                "a whole rectangle, three times"
            );
            let is_dense = |of: &std::collections::BTreeSet<usize>| {
                of.last().unwrap() - of.first().unwrap() + 1 == of.len()
            };
            assert!(is_dense(&rows) && is_dense(&columns));
            let side = rows.len().max(columns.len());
            widest = widest.max(side);
            sides[side] += 1;
            let factor = (inputs as f64 / kept.len() as f64).sqrt();
            for i in kept {
                at[i] += 1;
                assert!((unit[i] - factor * before[i]).abs() < 1e-12);
            }
        }
        assert_eq!(widest, 6);
        // Squares of 3 and of 6 are equally likely: 2000, deviating by 32; few of 6 are cut to 3.
        assert!(sides[3] > 1800 && sides[6] > 1200, "{sides:?}");
        // A corner pixel is in 2 of 11 by 2 of 13 or 4 of 11 by 4 of 13 places: of 4000 units 252 or so.
        assert!((150..450).contains(&at[0]), "{}", at[0]);
        assert_ne!(local, {
            let mut other = whole.clone();
            other.localize(shape, &[3, 6], 6);
            other
        });
    }
}
