//! What training does to a batch and evaluation does not: dropout, mixup, smoothed labels.
//!
//! - **Dropout** sets each activation of the hidden layers to 0 with probability p, and multiplies
//!   the others by 1 / (1-p), so that evaluation has nothing to do (inverted dropout; Srivastava,
//!   Hinton, Krizhevsky, Sutskever & Salakhutdinov 2014).
//! - **Mixup** turns examples i and N-1-i of a batch, which is in random order, into
//!   s xᵢ + (1-s) xⱼ and s xⱼ + (1-s) xᵢ, and their labels likewise, with one s from the
//!   distribution Beta(α, α) for each batch (Zhang, Cisse, Dauphin & Lopez-Paz 2018).
//! - **Label smoothing** asks for (1-ε) of the probability where the label is, and shares ε among
//!   all classes (Szegedy, Vanhoucke, Ioffe, Shlens & Wojna 2016).
//!
//! All of it depends on the seed and on the number of the step alone, and of dropout on the layer
//! and the block of features, so that it is the same for any number of threads.

use std::f64::consts::PI;

use chainrule_tensor::{Scalar, math};
use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64;

use crate::loss::Target;

/// How much of it there is. The default is none.
///
/// ```
/// # use chainrule_nn::{Engine, Init, Sgd, SoftmaxClassifier};
/// # use chainrule_tensor::Tensor;
/// # let x = Tensor::from_rows(&[[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]);
/// # let labels = [0, 1, 1, 0];
/// # let sgd = Sgd { learning_rate: 0.5, momentum: 0.9, l2: 0.0, nesterov: false };
/// # let model = SoftmaxClassifier::<f64>::new(&[2, 8, 2], Init::He, 1)?;
/// use chainrule_nn::Regularization;
///
/// let mut engine = Engine::new(&model, 4, 1)?;
/// engine.set_regularization(Regularization { dropout: 0.5, label_smoothing: 0.1, ..Default::default() });
/// engine.train(&x, &labels, &[0, 1, 2, 3], 4, sgd)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Regularization {
    /// What the random numbers depend on, beside the number of the step.
    pub seed: u64,
    /// p, the share of hidden activations that are dropped, from 0 to below 1. It is rounded to a
    /// multiple of 2⁻¹⁶, at most [`MOST_DROPOUT`].
    pub dropout: f64,
    /// α of mixup's distribution Beta(α, α), above 0; 0 is no mixup. At 1 all shares are equally
    /// likely; the smaller, the more is left of one example.
    pub mixup: f64,
    /// ε of label smoothing: the target probability distributed over all classes, from 0 to below 1.
    pub label_smoothing: f64,
}

/// Steps of dropout's probability.
const LEVELS: f64 = 65_536.0;

/// The largest probability of dropout: more is taken for it.
pub const MOST_DROPOUT: f64 = 1.0 - 1.0 / LEVELS;

/// The noise of one step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Noise {
    regularization: Regularization,
    step: u64,
    /// Of mixup: the share of an example that stays its own.
    share: Option<f64>,
}

/// The random generator of one step, layer and block.
fn generator(words: [u64; 4]) -> Pcg64 {
    let key = words.into_iter().fold(0, |key, word| Pcg64::seed_from_u64(key ^ word).next_u64());
    Pcg64::seed_from_u64(key)
}

/// No layer has this number: the stream of mixup.
const MIXUP: u64 = u64::MAX;

impl Noise {
    /// The noise of step `step`, counted over the whole of training.
    pub fn new(regularization: Regularization, step: u64) -> Self {
        let share = (regularization.mixup > 0.0).then(|| {
            let mut rng = generator([regularization.seed, step, MIXUP, 0]);
            beta(&mut rng, regularization.mixup)
        });
        Self { regularization, step, share }
    }

    fn dropped_levels(&self) -> f64 {
        (self.regularization.dropout.min(MOST_DROPOUT) * LEVELS).round()
    }

    /// What the activations that stay are multiplied by, if there is dropout.
    pub fn factor<T: Scalar>(&self) -> Option<T> {
        let dropped = self.dropped_levels();
        (dropped > 0.0).then(|| T::from_f64(LEVELS / (LEVELS - dropped)))
    }

    /// Drops some of the activations `a` of a block, and the same of their derivatives `derivative`,
    /// where those are kept.
    pub fn drop<T: Scalar>(&self, layer: usize, block: usize, a: &mut [T], derivative: &mut [T]) {
        let Some(factor) = self.factor::<T>() else { return };
        let limit = self.dropped_levels() as u64;
        let mut rng = generator([self.regularization.seed, self.step, layer as u64, block as u64]);
        let mut draw = [T::ZERO; 4];
        for (i, a) in a.iter_mut().enumerate() {
            if i % 4 == 0 {
                let bits = rng.next_u64();
                for (lane, draw) in draw.iter_mut().enumerate() {
                    let dropped = (bits >> (16 * lane)) & 0xffff < limit;
                    *draw = if dropped { T::ZERO } else { factor };
                }
            }
            *a *= draw[i % 4];
            if let Some(derivative) = derivative.get_mut(i) {
                *derivative *= draw[i % 4];
            }
        }
    }

    /// Whether examples are mixed in pairs.
    pub fn mixes(&self) -> bool {
        self.share.is_some()
    }

    /// Mixes the rows of `x`, the input of a batch: (rows, columns).
    pub fn mix<T: Scalar>(&self, x: &mut [T], rows: usize) {
        let Some(share) = self.share else { return };
        let (own, other) = (T::from_f64(share), T::from_f64(1.0 - share));
        let width = x.len() / rows.max(1);
        let (first, second) = x.split_at_mut(rows / 2 * width);
        // With an odd number of rows the one in the middle stays alone.
        let second = &mut second[rows % 2 * width..];
        let pairs =
            first.chunks_exact_mut(width.max(1)).zip(second.chunks_exact_mut(width.max(1)).rev());
        for (first, second) in pairs {
            for (a, b) in first.iter_mut().zip(second) {
                (*a, *b) = (own * *a + other * *b, own * *b + other * *a);
            }
        }
    }

    /// The target of the i-th example of a batch with these labels.
    pub fn target<T: Scalar>(
        &self,
        label: impl Fn(usize) -> u8,
        i: usize,
        rows: usize,
    ) -> Target<T> {
        let partner = if self.share.is_some() { rows - 1 - i } else { i };
        Target {
            first: label(i).into(),
            second: label(partner).into(),
            share: T::from_f64(self.share.unwrap_or(1.0)),
            smoothing: T::from_f64(self.regularization.label_smoothing),
        }
    }
}

/// A number from the distribution Beta(α, α): for α up to 1 by Jöhnk (1964), who throws away more draws the
/// larger α is; above by Ulrich (1984), who throws away none: a coordinate of a point on a sphere.
fn beta(rng: &mut Pcg64, alpha: f64) -> f64 {
    // 53 random bits; in (0, 1].
    let mut unit = || 1.0 - (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
    if alpha > 1.0 {
        let radius = (1.0 - math::pow(unit(), 2.0 / (2.0 * alpha - 1.0))).sqrt();
        return (1.0 + radius * math::cos(2.0 * PI * unit())) / 2.0;
    }
    loop {
        let (u, v) = (unit(), unit());
        let [x, y] = [u, v].map(|uniform| math::pow(uniform, 1.0 / alpha));
        if x + y == 0.0 {
            // Both are too small for a number: x / (x + y) from their logarithms.
            return 1.0 / (1.0 + math::exp((math::ln(v) - math::ln(u)) / alpha));
        }
        if x + y <= 1.0 {
            return x / (x + y);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(regularization: Regularization) -> Noise {
        Noise::new(Regularization { seed: 3, ..regularization }, 17)
    }

    #[test]
    fn dropout_drops_its_share_and_keeps_the_mean() {
        let noise = noise(Regularization { dropout: 0.3, ..Regularization::default() });
        let (mut a, mut derivative) = (vec![1.0f64; 100_001], vec![2.0; 100_001]);
        noise.drop(1, 0, &mut a, &mut derivative);
        let dropped = a.iter().filter(|&&a| a == 0.0).count();
        // 100,001 draws of 0.3 deviate by 145; five times that is beyond chance.
        assert!(dropped.abs_diff(30_000) < 5 * 145, "{dropped}");
        assert!(a.iter().all(|&a| a == 0.0 || (a - 1.0 / 0.7).abs() < 1e-4));
        assert!(a.iter().zip(&derivative).all(|(a, derivative)| 2.0 * a == *derivative));
        // Neighbors are dropped independently: a pair with probability 0.09, ± 90.
        let pairs = a.windows(2).filter(|pair| pair == &[0.0, 0.0]).count();
        assert!(pairs.abs_diff(9_000) < 5 * 110, "{pairs} pairs");
    }

    #[test]
    fn every_step_layer_and_block_drops_others() {
        let regularization = Regularization { dropout: 0.5, ..Regularization::default() };
        let masks = [(17, 1, 0), (18, 1, 0), (17, 2, 0), (17, 1, 1)].map(|(step, layer, block)| {
            let mut a = [1.0f32; 64];
            Noise::new(regularization, step).drop(layer, block, &mut a, &mut []);
            a
        });
        for (i, mask) in masks.iter().enumerate() {
            assert!(!masks[..i].contains(mask), "{i}");
        }
    }

    #[test]
    fn mixup_mixes_the_first_with_the_last_and_leaves_the_one_in_the_middle() {
        let noise = noise(Regularization { mixup: 0.5, ..Regularization::default() });
        let s = noise.share.unwrap();
        let mut x = [1.0, 2.0, 5.0, 6.0, 10.0, 20.0];
        noise.mix(&mut x, 3);
        let t = 1.0 - s;
        let want = [s + 10.0 * t, 2.0 * s + 20.0 * t, 5.0, 6.0, 10.0 * s + t, 20.0 * s + 2.0 * t];
        assert!(x.iter().zip(want).all(|(x, want)| (x - want).abs() < 1e-14), "{x:?} {want:?}");
        let target = noise.target::<f64>(|i| [7, 8, 9][i], 0, 3);
        assert_eq!((target.first, target.second, target.share), (7, 9, s));
    }

    #[test]
    fn shares_of_mixup_have_the_moments_of_their_distribution() {
        // Beta(α, α) has mean 1/2, variance 1 / (4 (2α + 1)) and kurtosis 3 - 6 / (2α + 3).
        for alpha in [1e-310, 1e-20, 0.001, 0.2, 1.0, 1.5, 2.0, 8.0, 32.0, 1e6] {
            let mut rng = generator([1, 2, 3, 4]);
            let n = 20_000;
            let draws: Vec<f64> = (0..n).map(|_| beta(&mut rng, alpha)).collect();
            assert!(draws.iter().all(|share| (0.0..=1.0).contains(share)), "α {alpha}");
            let mean = |power: i32| {
                let powers = draws.iter().map(|x| (x - 0.5).powi(power));
                powers.sum::<f64>() / f64::from(n)
            };
            let variance = 1.0 / (4.0 * (2.0 * alpha + 1.0));
            let fourth = variance * variance * (3.0 - 6.0 / (2.0 * alpha + 3.0));
            // Five times what the mean of so many draws deviates by.
            let chance = 5.0 * (variance / f64::from(n)).sqrt();
            assert!(mean(1).abs() < chance, "α {alpha}: {} off the mean", mean(1));
            assert!((mean(2) / variance - 1.0).abs() < 0.05, "α {alpha}: variance {}", mean(2));
            assert!((mean(4) / fourth - 1.0).abs() < 0.12, "α {alpha}: fourth {}", mean(4));
        }
    }
}
