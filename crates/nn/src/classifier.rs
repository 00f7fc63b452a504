//! The classifier: an architecture with its parameters.

use std::ops::Range;

use chainrule_tensor::Scalar;

use crate::architecture::{Architecture, ArchitectureError, Kind, TensorSpec};
use crate::init::{self, Init};
use crate::layers::hidden::Hidden;
use crate::layers::norm::{Norm, reciprocal_std};

/// A multi-layer perceptron with a softmax at its end: an architecture and its parameters.
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
/// # Ok::<(), chainrule_nn::architecture::ArchitectureError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct SoftmaxClassifier<T = f32> {
    architecture: Architecture,
    parameters: Vec<T>,
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
        let architecture = Architecture::new(widths, hidden)?;
        let parameters = init::parameters(&architecture, init, seed);
        Ok(Self { architecture, parameters })
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
        let architecture = Architecture::new(widths, hidden)?;
        let parameters = architecture.zeros();
        Ok(Self { architecture, parameters })
    }

    /// The network of an architecture that has these parameters, in one flat buffer.
    ///
    /// # Panics
    /// If there are more or fewer than the architecture has.
    pub fn from_parameters(architecture: Architecture, parameters: Vec<T>) -> Self {
        assert_eq!(parameters.len(), architecture.len(), "parameters of the architecture");
        Self { architecture, parameters }
    }

    /// Widths, hidden units, and where each tensor lies.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Number of inputs, hidden widths, number of classes.
    pub fn widths(&self) -> &[usize] {
        self.architecture.widths()
    }

    /// What stands between two layers.
    pub fn hidden(&self) -> Hidden {
        self.architecture.hidden()
    }

    /// Number of trained values: weights, biases and scales.
    pub fn trained_count(&self) -> usize {
        self.architecture.trained_count()
    }

    /// Number of fully connected layers: the hidden ones and the last.
    pub fn depth(&self) -> usize {
        self.architecture.depth()
    }

    /// All parameters in one buffer; [`Self::layout`] says which lie where.
    pub fn parameters(&self) -> &[T] {
        &self.parameters
    }

    /// All parameters in one buffer, to write.
    pub fn parameters_mut(&mut self) -> &mut [T] {
        &mut self.parameters
    }

    /// Name, shape and range of every tensor, in the order of the buffer.
    pub fn layout(&self) -> Vec<TensorSpec> {
        self.architecture.tensors()
    }

    /// The same function without batch normalization: as its running statistics stand, that is a
    /// scale and a shift, which go into weight and bias. Other networks are returned as they are.
    pub fn folded(&self) -> Self {
        if self.hidden().norm != Norm::Batch {
            return self.clone();
        }
        let hidden = Hidden { norm: Norm::None, ..self.hidden() };
        let mut folded = Self::zeros_with(self.widths(), hidden).expect("it has been made before");
        for l in 0..self.depth() {
            let of = |kind| &self.parameters[self.architecture.range(l, kind)];
            folded.weight_mut(l).copy_from_slice(of(Kind::Weight));
            folded.bias_mut(l).copy_from_slice(of(Kind::Bias));
            let (mean, variance) = (of(Kind::RunningMean), of(Kind::RunningVariance));
            let inputs = self.widths()[l];
            for (o, &gamma) in of(Kind::Scale).iter().enumerate() {
                let scale = gamma * reciprocal_std(variance[o]);
                let row = &mut folded.weight_mut(l)[o * inputs..(o + 1) * inputs];
                row.iter_mut().for_each(|w| *w *= scale);
                folded.bias_mut(l)[o] -= scale * mean[o];
            }
        }
        folded
    }

    /// The network of layer `layer` (from 0) and those above it, which reads the activations that
    /// layer `layer` reads here.
    ///
    /// # Panics
    /// If there is no such layer.
    pub fn from_layer(&self, layer: usize) -> Self {
        let start = self.range(layer, Kind::Weight).start;
        let architecture = Architecture::new(&self.widths()[layer..], self.hidden())
            .expect("a part of an architecture is one");
        Self::from_parameters(architecture, self.parameters[start..].to_vec())
    }

    fn range(&self, layer: usize, kind: Kind) -> Range<usize> {
        self.architecture.range(layer, kind)
    }

    /// Weight of layer `layer` (from 0), row-major (outputs, inputs).
    pub fn weight(&self, layer: usize) -> &[T] {
        &self.parameters[self.range(layer, Kind::Weight)]
    }

    /// Weight of layer `layer` (from 0), row-major (outputs, inputs), to write.
    pub fn weight_mut(&mut self, layer: usize) -> &mut [T] {
        let range = self.range(layer, Kind::Weight);
        &mut self.parameters[range]
    }

    /// Bias of layer `layer` (from 0).
    pub fn bias(&self, layer: usize) -> &[T] {
        &self.parameters[self.range(layer, Kind::Bias)]
    }

    /// Bias of layer `layer` (from 0), to write.
    pub fn bias_mut(&mut self, layer: usize) -> &mut [T] {
        let range = self.range(layer, Kind::Bias);
        &mut self.parameters[range]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
