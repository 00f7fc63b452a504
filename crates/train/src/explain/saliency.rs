//! The gradient of a score by the pixels, and what is made of it.
//!
//! ```text
//! gradient              ∂z_c/∂p                                   of the score of class c, in pixels
//! gradient x input      x ∂z_c/∂x                                 x as the first layer reads it
//! SmoothGrad            mean over n copies of ∂z_c/∂p at p + N(0, σ²)
//! units                 h_j ∂z_c/∂h_j                             of the first hidden layer
//! ```
//!
//! The gradient is that of Simonyan, Vedaldi & Zisserman 2014, "Deep inside convolutional networks";
//! gradient x input that of Shrikumar, Greenside, Shcherbina & Kundaje 2016, "Not just a black box";
//! SmoothGrad that of Smilkov, Thorat, Kim, Viégas & Wattenberg 2017, with σ as a share of the range
//! of the image's pixels. With one hidden layer h_j ∂z_c/∂h_j is `W₂[c,j]` h_j, and all of them with
//! `b₂[c]` make the score.

use chainrule_data::Standardize;
use chainrule_nn::init::Normal;
use chainrule_nn::{Engine, SoftmaxClassifier};
use chainrule_tensor::{Isa, Scalar, Tensor};

use crate::{Error, ModelFile};

/// Most rows that pass through the network at once.
const ROWS: usize = 64;

/// How SmoothGrad averages. The default is that of its authors: 50 copies, 15 % of noise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SmoothGrad {
    /// n, the number of noisy copies; at least 1.
    pub samples: usize,
    /// σ over the difference between the largest and the smallest pixel of the image, from 0.
    pub noise: f64,
    /// What the noise depends on.
    pub seed: u64,
}

impl Default for SmoothGrad {
    fn default() -> Self {
        Self { samples: 50, noise: 0.15, seed: 0 }
    }
}

/// A unit of the first hidden layer, and its part in a score.
#[derive(Clone, Debug, PartialEq)]
pub struct Unit<T> {
    /// Its number, from 0.
    pub unit: usize,
    /// h.
    pub activation: T,
    /// ∂z/∂h: `W₂[c,j]` with one hidden layer.
    pub gradient: T,
    /// h ∂z/∂h.
    pub contribution: T,
    /// |h ∂z/∂h| over the sum of those of all units, from 0 to 1.
    pub share: f64,
}

/// The gradients of a saved network, in the numbers of `T`: it trains in `f32`, and is checked against
/// differences in `f64`.
pub struct Saliency<T> {
    network: Engine<T>,
    /// The layers above the first, which read its activations.
    above: Option<Engine<T>>,
    input: Standardize<T>,
}

/// The same network in the numbers of `T`, without batch normalization.
fn classifier<T: Scalar>(model: &SoftmaxClassifier) -> SoftmaxClassifier<T> {
    let folded = model.folded();
    let parameters = folded.parameters().iter().map(|&p| T::from_f32(p)).collect();
    SoftmaxClassifier::from_parameters(folded.architecture().clone(), parameters)
}

impl<T: Scalar> Saliency<T> {
    /// The network of a model file.
    ///
    /// # Errors
    /// If a thread cannot be started, or the normalization does not fit the network.
    pub fn new(model: &ModelFile, isa: Isa) -> Result<Self, Error> {
        let classifier = classifier::<T>(&model.classifier);
        let input = Standardize::new(&model.normalization, classifier.widths()[0])?;
        let engine = |of: &SoftmaxClassifier<T>| Engine::with_kernel(of, ROWS, 1, isa);
        let above = (classifier.depth() > 1).then(|| engine(&classifier.from_layer(1)));
        Ok(Self { network: engine(&classifier)?, above: above.transpose()?, input })
    }

    /// What the network reads of some images: (images, dim).
    fn inputs<'a>(&self, images: impl ExactSizeIterator<Item = &'a [T]>) -> Tensor<T> {
        let rows = images.len();
        let values: Vec<T> = images.flat_map(|pixels| self.input.forward(pixels)).collect();
        let columns = values.len() / rows.max(1);
        Tensor::from_vec(values, rows, columns)
    }

    /// The scores of some images, (images, classes), from their pixels in units of 0 to 255.
    pub fn scores(&mut self, images: &[Vec<T>]) -> Tensor<T> {
        let x = self.inputs(images.iter().map(Vec::as_slice));
        self.network.scores(&x, &numbers(images.len()))
    }

    /// The derivative by the pixels, (dim), of a function of the scores of one image: `seed` turns its
    /// scores, (classes), into the function's derivative by these.
    pub fn gradient_of(&mut self, pixels: &[T], seed: impl Fn(&mut [T]) + Sync) -> Vec<T> {
        let x = self.inputs([pixels].into_iter());
        let mut gradient = self.network.input_gradient(&x, &[0], |_, z| seed(z)).into_vec();
        self.input.backward(pixels, &mut gradient);
        gradient
    }

    /// ∂z/∂p of the score of a class: (dim).
    pub fn gradient(&mut self, pixels: &[T], class: usize) -> Vec<T> {
        self.gradient_of(pixels, one_hot(class))
    }

    /// x ∂z/∂x of the score of a class: (dim).
    pub fn gradient_times_input(&mut self, pixels: &[T], class: usize) -> Vec<T> {
        let x = self.inputs([pixels].into_iter());
        let seed = one_hot(class);
        let gradient = self.network.input_gradient(&x, &[0], |_, z| seed(z)).into_vec();
        gradient.into_iter().zip(x.as_slice()).map(|(dx, &x)| dx * x).collect()
    }

    /// The mean of ∂z/∂p over some images: (dim).
    pub fn mean_gradient(&mut self, images: &[Vec<T>], class: usize) -> Vec<T> {
        let x = self.inputs(images.iter().map(Vec::as_slice));
        let seed = one_hot(class);
        let gradients =
            self.network.input_gradient(&x, &numbers(images.len()), |_, z| seed(z)).into_vec();
        let mut sum = vec![0.0; x.columns()];
        for (pixels, gradient) in images.iter().zip(gradients.chunks_exact(x.columns())) {
            let mut gradient = gradient.to_vec();
            self.input.backward(pixels, &mut gradient);
            sum.iter_mut().zip(gradient).for_each(|(sum, dp)| *sum += dp.to_f64());
        }
        sum.into_iter().map(|sum| T::from_f64(sum / images.len() as f64)).collect()
    }

    /// SmoothGrad of the score of a class: (dim).
    pub fn smooth_grad(&mut self, pixels: &[T], class: usize, smooth: SmoothGrad) -> Vec<T> {
        self.mean_gradient(&noisy_copies(pixels, smooth), class)
    }

    /// The units of the first hidden layer, that with the largest contribution to the score of a class
    /// first.
    pub fn units(&mut self, pixels: &[T], class: usize) -> Vec<Unit<T>> {
        let Some(above) = &mut self.above else { return vec![] };
        let x = Tensor::from_vec(self.input.forward(pixels), 1, pixels.len());
        let hidden = self.network.first_hidden(&x, &[0]);
        let seed = one_hot(class);
        let gradient = above.input_gradient(&hidden, &[0], |_, z| seed(z));
        let each = hidden.as_slice().iter().zip(gradient.as_slice());
        let mut units: Vec<Unit<T>> = each
            .enumerate()
            .map(|(unit, (&activation, &gradient))| {
                let contribution = activation * gradient;
                Unit {
                    unit,
                    activation,
                    gradient,
                    contribution,
                    share: contribution.to_f64().abs(),
                }
            })
            .collect();
        let all: f64 = units.iter().map(|unit| unit.share).sum();
        if all > 0.0 {
            units.iter_mut().for_each(|unit| unit.share /= all);
        }
        units.sort_by(|a, b| b.share.total_cmp(&a.share));
        units
    }
}

fn numbers(n: usize) -> Vec<u32> {
    (0..n as u32).collect()
}

/// Turns scores into the derivative of that of one class.
fn one_hot<T: Scalar>(class: usize) -> impl Fn(&mut [T]) + Sync {
    move |z| {
        z.fill(T::ZERO);
        z[class] = T::ONE;
    }
}

/// The copies of an image over which SmoothGrad averages.
fn noisy_copies<T: Scalar>(pixels: &[T], smooth: SmoothGrad) -> Vec<Vec<T>> {
    let range = pixels.iter().map(|p| p.to_f64());
    let (least, greatest) =
        range.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), p| (low.min(p), high.max(p)));
    let deviation = smooth.noise * (greatest - least);
    let mut normal = Normal::new(smooth.seed);
    let mut copy = || {
        let noisy = |p: &T| T::from_f64(p.to_f64() + deviation * normal.draw());
        pixels.iter().map(noisy).collect()
    };
    (0..smooth.samples.max(1)).map(|_| copy()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_noise_is_the_share_of_the_range_that_was_asked_for() {
        // From 50 to 150: 0.2 of the range is a deviation of 20.
        let pixels: Vec<f64> = (0..500).map(|i| if i % 2 == 0 { 50.0 } else { 150.0 }).collect();
        let smooth = SmoothGrad { samples: 40, noise: 0.2, seed: 7 };
        let copies = noisy_copies(&pixels, smooth);
        assert_eq!(copies.len(), 40);
        let noise = || copies.iter().flat_map(|copy| copy.iter().zip(&pixels).map(|(a, b)| a - b));
        let n = noise().count() as f64;
        // 20,000 draws: the mean is known to 20 / √20,000 · 4, the deviation to 2 %.
        let mean = noise().sum::<f64>() / n;
        let deviation = (noise().map(|x| x * x).sum::<f64>() / n).sqrt();
        assert!(mean.abs() < 0.57 && (deviation / 20.0 - 1.0).abs() < 0.02, "{mean} {deviation}");
        assert_ne!(copies[0], copies[1]);
        assert_eq!(copies, noisy_copies(&pixels, smooth));
        assert_ne!(copies, noisy_copies(&pixels, SmoothGrad { seed: 8, ..smooth }));
    }
}
