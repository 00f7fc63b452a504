//! The classifier: its parameters, their names and shapes, and how they start.
//!
//! With widths d₀, d₁, …, d_L (inputs, hidden widths, classes), layer l = 1 … L has a weight W_l
//! of shape (d_l, d_{l-1}) and a bias b_l of shape (d_l), the layout of PyTorch's `nn.Linear`,
//! and is called `fc1`, `fc2`, …:
//!
//! a₀ = x,  a_l = relu(W_l a_{l-1} + b_l),  p = softmax(W_L a_{L-1} + b_L)
//!
//! No hidden width at all makes it the linear softmax classifier. The ReLU may be another
//! activation, and a normalization may stand before it ([`Hidden`]); that has the names of PyTorch's
//! `BatchNorm1d` or `LayerNorm`, `norm1.weight` (γ), `norm1.bias` (β, in place of `fc1.bias`), and, of
//! a batch normalization, `norm1.running_mean` and `norm1.running_var`.

use std::ops::Range;

use chainrule_tensor::Scalar;
use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64;

use crate::norm::inverse_deviation;
use crate::{Activation, Hidden, Norm};

/// How the weights start. Biases start at zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Normal with deviation √(2 / inputs), which keeps the variance of the activations through
    /// layers of ReLU (He, Zhang, Ren & Sun 2015, equation 10); with tanh and the sigmoid, which
    /// halve nothing, √(1 / inputs) (LeCun, Bottou, Orr & Müller 1998).
    He,
    /// Normal with this deviation in every layer: the `weight_scale` of course assignments.
    Normal(f64),
}

/// Widths that make no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArchitectureError {
    /// Fewer than two widths.
    #[error("a network needs an input width and a number of classes, not {0} widths")]
    TooFewWidths(usize),
    /// A layer of nothing.
    #[error("width {position} of {widths:?} is 0: every layer needs at least one unit")]
    ZeroWidth {
        /// Which width, from 1.
        position: usize,
        /// All of them.
        widths: Vec<usize>,
    },
    /// More parameters than can be counted in memory.
    #[error("widths {0:?} make more parameters than fit into memory")]
    TooManyParameters(Vec<usize>),
}

/// A multi-layer perceptron with a softmax at its end: widths and parameters, nothing that moves.
///
/// All parameters lie in one flat buffer, layer after layer, each layer's weight (outputs x
/// inputs, row-major) before its bias, and then its normalization, so that a gradient or an
/// optimizer's state of the same length has the same layout.
///
/// ```
/// use chainrule_nn::{Init, SoftmaxClassifier};
///
/// let model = SoftmaxClassifier::<f32>::new(&[3072, 100, 10], Init::He, 0)?;
/// assert_eq!(model.parameters().len(), 3072 * 100 + 100 + 100 * 10 + 10);
/// # Ok::<(), chainrule_nn::classifier::ArchitectureError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct SoftmaxClassifier<T = f32> {
    widths: Vec<usize>,
    hidden: Hidden,
    parameters: Vec<T>,
}

/// A parameter's name, shape and place in the flat buffer.
///
/// ```
/// use chainrule_nn::{Init, SoftmaxClassifier};
///
/// let model = SoftmaxClassifier::<f32>::new(&[4, 3, 2], Init::He, 0)?;
/// let second = &model.layout()[1];
/// assert_eq!((second.name.as_str(), second.range.clone()), ("fc1.bias", 12..15));
/// # Ok::<(), chainrule_nn::classifier::ArchitectureError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// `fc1.weight`, `fc1.bias`, `fc2.weight`, …
    pub name: String,
    /// (outputs, inputs) of a weight, (outputs) of a bias.
    pub shape: Vec<usize>,
    /// Where it lies.
    pub range: Range<usize>,
    /// Whether it has a gradient; running statistics have none.
    pub trained: bool,
}

/// Number of weights and biases of a network of these widths, if it can be counted.
pub fn parameter_count(widths: &[usize]) -> Option<usize> {
    widths.windows(2).try_fold(0usize, |sum, pair| {
        sum.checked_add(pair[0].checked_add(1)?.checked_mul(pair[1])?)
    })
}

/// Number of γ and of running statistics of all layers but the last.
fn norm_count(widths: &[usize], norm: Norm) -> usize {
    let each = match norm {
        Norm::None => 0,
        Norm::Layer => 1,
        Norm::Batch => 3,
    };
    let hidden = widths.get(1..widths.len() - 1).unwrap_or_default();
    hidden.iter().fold(0, |sum: usize, width| sum.saturating_add(width.saturating_mul(each)))
}

/// Where the parameters of a layer lie; what it does not have is empty.
pub(crate) struct Ranges {
    pub weight: Range<usize>,
    pub bias: Range<usize>,
    pub gamma: Range<usize>,
    pub mean: Range<usize>,
    pub variance: Range<usize>,
}

/// Normally distributed numbers by Box and Muller's method, two from each pair of uniform ones.
struct Normal {
    generator: Pcg64,
    spare: Option<f64>,
}

impl Normal {
    fn draw(&mut self) -> f64 {
        if let Some(z) = self.spare.take() {
            return z;
        }
        // 53 random bits; u lies in (0, 1], so that its logarithm is finite.
        let mut unit = || (self.generator.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        let (u, angle) = (1.0 - unit(), std::f64::consts::TAU * unit());
        let radius = (-2.0 * u.ln()).sqrt();
        self.spare = Some(radius * angle.sin());
        radius * angle.cos()
    }
}

impl<T: Scalar> SoftmaxClassifier<T> {
    /// A fresh network. `widths` are the number of inputs, the hidden widths, the number of
    /// classes; `seed` decides the weights.
    ///
    /// # Errors
    /// If there are fewer than two widths, or one of them is 0.
    pub fn new(widths: &[usize], init: Init, seed: u64) -> Result<Self, ArchitectureError> {
        Self::with_hidden(widths, Hidden::default(), init, seed)
    }

    /// [`Self::new`] with other hidden units. γ and the running variances start at 1.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_hidden(
        widths: &[usize],
        hidden: Hidden,
        init: Init,
        seed: u64,
    ) -> Result<Self, ArchitectureError> {
        let mut model = Self::zeros_with(widths, hidden)?;
        let mut normal = Normal { generator: Pcg64::seed_from_u64(seed), spare: None };
        let gain = match hidden.activation {
            Activation::Tanh | Activation::Sigmoid => 1.0,
            Activation::Relu | Activation::LeakyRelu | Activation::Gelu => 2.0,
        };
        for (layer, inputs) in widths[..model.depth()].iter().enumerate() {
            let deviation = match init {
                Init::He => (gain / *inputs as f64).sqrt(),
                Init::Normal(scale) => scale,
            };
            for w in model.weight_mut(layer) {
                *w = T::from_f64(deviation * normal.draw());
            }
            let Ranges { gamma, variance, .. } = model.ranges(layer);
            model.parameters[gamma].fill(T::ONE);
            model.parameters[variance].fill(T::ONE);
        }
        Ok(model)
    }

    /// A network whose parameters are all zero.
    ///
    /// # Errors
    /// If there are fewer than two widths, or one of them is 0.
    pub fn zeros(widths: &[usize]) -> Result<Self, ArchitectureError> {
        Self::zeros_with(widths, Hidden::default())
    }

    /// [`Self::zeros`] with other hidden units.
    ///
    /// # Errors
    /// As [`Self::zeros`].
    pub fn zeros_with(widths: &[usize], hidden: Hidden) -> Result<Self, ArchitectureError> {
        if widths.len() < 2 {
            return Err(ArchitectureError::TooFewWidths(widths.len()));
        }
        if let Some(i) = widths.iter().position(|&w| w == 0) {
            let widths = widths.to_vec();
            return Err(ArchitectureError::ZeroWidth { position: i + 1, widths });
        }
        let count = parameter_count(widths)
            .and_then(|count| count.checked_add(norm_count(widths, hidden.norm)))
            .filter(|count| {
                count.checked_mul(size_of::<T>()).is_some_and(|b| b < isize::MAX as usize)
            })
            .ok_or_else(|| ArchitectureError::TooManyParameters(widths.to_vec()))?;
        Ok(Self { widths: widths.to_vec(), hidden, parameters: vec![T::ZERO; count] })
    }

    /// Number of inputs, hidden widths, number of classes.
    pub fn widths(&self) -> &[usize] {
        &self.widths
    }

    /// What stands between two layers.
    pub fn hidden(&self) -> Hidden {
        self.hidden
    }

    /// Number of weights, biases and scales that training learns.
    pub fn trained_count(&self) -> usize {
        self.layout().iter().filter(|p| p.trained).map(|p| p.range.len()).sum()
    }

    /// Number of fully connected layers: the hidden ones and the last.
    pub fn depth(&self) -> usize {
        self.widths.len() - 1
    }

    /// All parameters in one buffer; [`Self::layout`] says which lie where.
    pub fn parameters(&self) -> &[T] {
        &self.parameters
    }

    /// All parameters in one buffer, to write.
    pub fn parameters_mut(&mut self) -> &mut [T] {
        &mut self.parameters
    }

    pub(crate) fn ranges(&self, layer: usize) -> Ranges {
        let below = &self.widths[..=layer];
        let count = parameter_count(below).expect("counted when it was made");
        // Of the layers below all are hidden ones, which is what `norm_count` takes the outputs of
        // all layers but the last for.
        let start = count + norm_count(&self.widths[..layer + 2], self.hidden.norm);
        let (inputs, outputs) = (self.widths[layer], self.widths[layer + 1]);
        let mut end = start;
        let mut next = |n: usize| {
            end += n;
            end - n..end
        };
        let (weight, bias) = (next(inputs * outputs), next(outputs));
        let norm = if layer + 1 < self.depth() { self.hidden.norm } else { Norm::None };
        let gamma = next(if norm == Norm::None { 0 } else { outputs });
        let running = if norm == Norm::Batch { outputs } else { 0 };
        Ranges { weight, bias, gamma, mean: next(running), variance: next(running) }
    }

    /// Name, shape and place of every parameter, in the order of the buffer.
    pub fn layout(&self) -> Vec<Parameter> {
        let layer = |l: usize| {
            let (outputs, inputs) = (self.widths[l + 1], self.widths[l]);
            let Ranges { weight, bias, gamma, mean, variance } = self.ranges(l);
            let shift = if gamma.is_empty() { "fc" } else { "norm" };
            let part = |name: String, shape: &[usize], range: Range<usize>, trained: bool| {
                Parameter { name, shape: shape.to_vec(), range, trained }
            };
            let n = l + 1;
            [
                part(format!("fc{n}.weight"), &[outputs, inputs], weight, true),
                part(format!("{shift}{n}.bias"), &[outputs], bias, true),
                part(format!("norm{n}.weight"), &[outputs], gamma, true),
                part(format!("norm{n}.running_mean"), &[outputs], mean, false),
                part(format!("norm{n}.running_var"), &[outputs], variance, false),
            ]
        };
        (0..self.depth()).flat_map(layer).filter(|part| !part.range.is_empty()).collect()
    }

    /// The same function without batch normalization: as its running statistics stand, that is a
    /// scale and a shift, which go into weight and bias. Other networks are returned as they are.
    pub fn folded(&self) -> Self {
        if self.hidden.norm != Norm::Batch {
            return self.clone();
        }
        let hidden = Hidden { norm: Norm::None, ..self.hidden };
        let mut folded = Self::zeros_with(&self.widths, hidden).expect("it has been made before");
        for l in 0..self.depth() {
            let Ranges { gamma, mean, variance, .. } = self.ranges(l);
            folded.weight_mut(l).copy_from_slice(self.weight(l));
            folded.bias_mut(l).copy_from_slice(self.bias(l));
            let inputs = self.widths[l];
            for (o, (gamma, (mean, variance))) in gamma.zip(mean.zip(variance)).enumerate() {
                let scale = self.parameters[gamma] * inverse_deviation(self.parameters[variance]);
                let row = &mut folded.weight_mut(l)[o * inputs..(o + 1) * inputs];
                row.iter_mut().for_each(|w| *w *= scale);
                folded.bias_mut(l)[o] -= scale * self.parameters[mean];
            }
        }
        folded
    }

    /// Weight of layer `layer` (from 0), row-major (outputs, inputs).
    pub fn weight(&self, layer: usize) -> &[T] {
        &self.parameters[self.ranges(layer).weight]
    }

    /// Weight of layer `layer` (from 0), row-major (outputs, inputs), to write.
    pub fn weight_mut(&mut self, layer: usize) -> &mut [T] {
        let range = self.ranges(layer).weight;
        &mut self.parameters[range]
    }

    /// Bias of layer `layer` (from 0).
    pub fn bias(&self, layer: usize) -> &[T] {
        &self.parameters[self.ranges(layer).bias]
    }

    /// Bias of layer `layer` (from 0), to write.
    pub fn bias_mut(&mut self, layer: usize) -> &mut [T] {
        let range = self.ranges(layer).bias;
        &mut self.parameters[range]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_have_pytorchs_names_and_shapes_and_fill_the_buffer() {
        let model = SoftmaxClassifier::<f32>::zeros(&[5, 4, 3]).unwrap();
        let layout = model.layout();
        let names: Vec<_> = layout.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names, ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"]);
        let shapes: Vec<_> = layout.iter().map(|p| p.shape.as_slice()).collect();
        assert_eq!(shapes, [&[4, 5][..], &[4], &[3, 4], &[3]]);
        let mut end = 0;
        for parameter in &layout {
            assert_eq!(parameter.range.start, end);
            assert_eq!(parameter.range.len(), parameter.shape.iter().product::<usize>());
            end = parameter.range.end;
        }
        assert_eq!(end, model.parameters().len());
    }

    #[test]
    fn he_weights_have_the_deviation_that_the_paper_asks_for() {
        let model = SoftmaxClassifier::<f64>::new(&[800, 500, 10], Init::He, 3).unwrap();
        let w = model.weight(0);
        let mean = w.iter().sum::<f64>() / w.len() as f64;
        let variance = w.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / w.len() as f64;
        // 400,000 draws: the mean is known to 5e-5 / √400,000 · 5, the variance to 1 %.
        assert!(mean.abs() < 5.0 * 0.05 / (w.len() as f64).sqrt(), "mean {mean}");
        assert!((variance / (2.0 / 800.0) - 1.0).abs() < 0.012, "variance {variance}");
        assert!(model.bias(0).iter().all(|&b| b == 0.0));
    }

    #[test]
    fn a_seed_is_a_network_and_another_seed_another() {
        let make = |seed| SoftmaxClassifier::<f32>::new(&[9, 7, 3], Init::He, seed).unwrap();
        assert_eq!(make(1), make(1));
        assert_ne!(make(1), make(2));
    }

    #[test]
    fn widths_that_make_no_network_are_refused() {
        let zeros = SoftmaxClassifier::<f32>::zeros;
        assert_eq!(zeros(&[3]), Err(ArchitectureError::TooFewWidths(1)));
        let error = zeros(&[3, 0, 2]).unwrap_err().to_string();
        assert_eq!(error, "width 2 of [3, 0, 2] is 0: every layer needs at least one unit");
        assert!(zeros(&[usize::MAX, 2]).is_err());
        assert!(zeros(&[1 << 40, 1 << 40]).is_err());
    }
}
