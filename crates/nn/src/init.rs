//! Initialization of the weights: normally distributed, with a standard deviation for each layer.

use std::fmt::Debug;

use chainrule_tensor::{Scalar, math};
use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64;

use crate::architecture::{Architecture, Kind};
use crate::layers::activation::Activation;

/// The initialization of the weights. Biases start at 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Normal with deviation √(2 / inputs), which keeps the variance of the activations through
    /// layers of ReLU (He, Zhang, Ren & Sun 2015, equation 10); with tanh and the sigmoid, which
    /// halve nothing, √(1 / inputs) (LeCun, Bottou, Orr & Müller 1998).
    He,
    /// Normal with this deviation in every layer: the `weight_scale` of course assignments.
    Normal(f64),
}

/// Normally distributed numbers, of mean 0 and deviation 1, by Box and Muller's method, two from each
/// pair of uniform ones.
#[derive(Clone, Debug)]
pub struct Normal {
    generator: Pcg64,
    spare: Option<f64>,
}

impl Normal {
    /// The numbers of a seed.
    pub fn new(seed: u64) -> Self {
        Self { generator: Pcg64::seed_from_u64(seed), spare: None }
    }

    /// The next number.
    pub fn draw(&mut self) -> f64 {
        if let Some(z) = self.spare.take() {
            return z;
        }
        // 53 random bits; u lies in (0, 1], so that its logarithm is finite.
        let mut unit = || (self.generator.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        let (u, angle) = (1.0 - unit(), std::f64::consts::TAU * unit());
        let radius = (-2.0 * math::ln(u)).sqrt();
        let (sin, cos) = math::sin_cos(angle);
        self.spare = Some(radius * sin);
        radius * cos
    }
}

/// The first parameters of a network, as its flat buffer: `seed` decides the weights, biases are 0,
/// γ and running variances 1.
pub(crate) fn parameters<T: Scalar>(architecture: &Architecture, init: Init, seed: u64) -> Vec<T> {
    let mut parameters = architecture.zeros();
    let mut normal = Normal::new(seed);
    let gain = match architecture.hidden().activation {
        Activation::Tanh | Activation::Sigmoid => 1.0,
        Activation::Relu | Activation::LeakyRelu | Activation::Gelu => 2.0,
    };
    for l in 0..architecture.depth() {
        let deviation = match init {
            Init::He => (gain / architecture.widths()[l] as f64).sqrt(),
            Init::Normal(scale) => scale,
        };
        for w in &mut parameters[architecture.range(l, Kind::Weight)] {
            *w = T::from_f64(deviation * normal.draw());
        }
        for kind in [Kind::Scale, Kind::RunningVariance] {
            parameters[architecture.range(l, kind)].fill(T::ONE);
        }
    }
    parameters
}
