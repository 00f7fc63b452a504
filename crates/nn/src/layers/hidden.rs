//! Between two fully connected layers: from Z to A.
//!
//! ```text
//! y = z + b,  or  γ x̂ + β  with a normalization
//! a = f(y)
//! a := a · mask / (1-p)          with dropout, in training
//! ```
//!
//! and back again, from ∂L/∂a to ∂L/∂z. A rank does this for the features that it owns, a block at a
//! time, right after it has summed up their z. β is kept where b is.

use chainrule_tensor::exchange::Exchange;
use chainrule_tensor::ops::columns::{add_to_rows, scale_shift_columns};
use chainrule_tensor::ops::elementwise::{multiply, scale};
use chainrule_tensor::{Buffer, Isa, Scalar};

use super::activation::Activation;
use super::norm::{self, Norm};
use super::{linear, relu};
use crate::param::{GradientSink, Parameter, UpdateOptions};
use crate::regularize::Noise;
use crate::tiling::{Block, Tiling};

/// What stands between two fully connected layers. The default is ReLU alone.
///
/// ```
/// use chainrule_nn::{Activation, Hidden, Init, Norm, SoftmaxClassifier};
///
/// let hidden = Hidden { norm: Norm::Batch, activation: Activation::Gelu };
/// let model = SoftmaxClassifier::<f32>::with_hidden(&[4, 3, 2], hidden, Init::He, 0)?;
/// assert_eq!(model.hidden(), hidden);
/// # Ok::<(), chainrule_nn::architecture::ArchitectureError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hidden {
    /// The normalization.
    pub norm: Norm,
    /// The activation.
    pub activation: Activation,
}

/// What the ranks exchange for a layer normalization: for each tile of features, what it contributes
/// to each example's mean and variance, and to the two means of the backward pass.
pub(crate) struct Statistics<T> {
    pub forward: Exchange<[T; 2]>,
    pub backward: Exchange<[T; 2]>,
}

impl<T: Scalar> Statistics<T> {
    /// `owners` are the ranks that own the features of each tile.
    pub fn new(owners: &[usize], norm: Norm, rows: usize) -> Self {
        let owners = if norm == Norm::Layer { owners } else { &[] };
        let exchange =
            || Exchange::new(rows, vec![vec![[T::ZERO; 2]; rows]; owners.len()], owners.to_vec());
        Self { forward: exchange(), backward: exchange() }
    }
}

/// One rank's part of the hidden units of a layer.
pub(crate) struct HiddenUnits<T> {
    hidden: Hidden,
    /// The layer, from 0: dropout depends on it.
    layer: usize,
    /// γ.
    pub scale: Parameter<T>,
    /// Of a batch normalization.
    pub running_mean: Parameter<T>,
    /// Of a batch normalization.
    pub running_variance: Parameter<T>,
    /// x̂ of the last batch, as the activations.
    normalized: Buffer<T>,
    /// ∂a/∂y of the last batch, times dropout's mask.
    derivative: Buffer<T>,
    /// 1 / √(variance + ε) of each feature, of a batch normalization.
    rstd: Buffer<T>,
    /// Mean and 1 / √(variance + ε) of each example, of a layer normalization.
    row_statistics: Vec<[T; 2]>,
    /// What the backward pass of a layer normalization needs of each example.
    row_means: Vec<[T; 3]>,
}

/// How a batch passes through: what a forward and a backward pass have in common.
#[derive(Clone, Copy)]
pub(crate) struct Pass<'a> {
    pub isa: Isa,
    /// Examples in the batch.
    pub rows: usize,
    /// Of training; evaluation has none.
    pub noise: Option<&'a Noise>,
}

impl<T: Scalar> HiddenUnits<T> {
    /// Room for `width` features and batches of `rows`, or evaluation of `forward_rows`.
    pub fn new(
        hidden: Hidden,
        layer: usize,
        width: usize,
        rows: usize,
        forward_rows: usize,
    ) -> Self {
        let if_so = |needed: bool, n: usize| if needed { n } else { 0 };
        let (norm, of_layer) = (hidden.norm != Norm::None, hidden.norm == Norm::Layer);
        let running = if_so(hidden.norm == Norm::Batch, width);
        Self {
            hidden,
            layer,
            scale: Parameter::zeros(if_so(norm, width)),
            running_mean: Parameter::zeros(running),
            running_variance: Parameter::zeros(running),
            normalized: Buffer::zeros(if_so(norm, rows * width)),
            derivative: Buffer::zeros(if_so(!hidden.activation.tells_derivative(), rows * width)),
            rstd: Buffer::zeros(running),
            row_statistics: vec![[T::ZERO; 2]; if_so(of_layer, rows.max(forward_rows))],
            row_means: vec![[T::ZERO; 3]; if_so(of_layer, rows)],
        }
    }

    /// Bytes of what is kept for each example.
    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        let buffers = [&self.normalized, &self.derivative];
        buffers.into_iter().map(|buffer| size_of_val(&buffer[..])).sum::<usize>()
            + size_of_val(&self.row_statistics[..])
            + size_of_val(&self.row_means[..])
    }

    /// Whether a normalization stands before the activation, so that β takes the place of b.
    pub fn is_normalized(&self) -> bool {
        self.hidden.norm != Norm::None
    }

    /// Whether an example's values depend on those of other ranks.
    pub fn normalizes_over_features(&self) -> bool {
        self.hidden.norm == Norm::Layer
    }

    /// Publishes what a block contributes to the moments of its examples, of which `z` are the
    /// values: before [`HiddenUnits::take_moments`], where a layer is normalized.
    pub fn publish_moments(&self, all: &Statistics<T>, pass: Pass, block: &Block, z: &[T]) {
        norm::layer_moments(pass.isa, z, pass.rows, &mut all.forward.write(block.number));
    }

    /// Mean and variance of each example from what all ranks have published.
    pub fn take_moments(&mut self, all: &Statistics<T>, tiling: &Tiling, rows: usize) {
        let tiles =
            || tiling.tiles.iter().enumerate().map(|(t, tile)| (tile.len(), all.forward.read(t)));
        norm::layer_statistics(tiles, &mut self.row_statistics[..rows]);
    }

    /// A block's activations a, in place of its sums z. `bias` is b, or β.
    pub fn forward(
        &mut self,
        pass: Pass,
        block: &Block,
        bias: &[T],
        a: &mut [T],
        scratch: &mut [T],
    ) {
        let (Hidden { norm, activation }, Pass { isa, rows, noise }) = (self.hidden, pass);
        let (values, features) = (block.values(rows), block.features.clone());
        let (training, beta) = (noise.is_some(), &bias[features.clone()]);
        let kept = training && !self.derivative.is_empty();
        let derivative = if kept { &mut self.derivative[values.clone()] } else { &mut [] };
        if norm == Norm::None && activation == Activation::Relu {
            relu::forward(isa, a, beta);
        } else {
            match norm {
                Norm::None => add_to_rows(isa, a, beta),
                Norm::Batch => {
                    let gamma = &self.scale.value[features.clone()];
                    let mean = &mut self.running_mean.value[features.clone()];
                    let variance = &mut self.running_variance.value[features.clone()];
                    if training {
                        let (rstd, running) =
                            (&mut self.rstd[features], norm::Running { mean, variance });
                        norm::batch_forward(isa, a, rstd, running, scratch);
                        self.normalized[values].copy_from_slice(a);
                        scale_shift_columns(isa, a, gamma, beta);
                    } else {
                        norm::batch_evaluate(isa, a, (mean, variance), (gamma, beta), scratch);
                    }
                }
                Norm::Layer => {
                    norm::layer_forward(isa, a, &self.row_statistics[..rows]);
                    if training {
                        self.normalized[values].copy_from_slice(a);
                    }
                    scale_shift_columns(isa, a, &self.scale.value[features], beta);
                }
            }
            activation.forward(isa, a, derivative);
        }
        if let Some(noise) = noise {
            noise.drop(self.layer, block.number, a, derivative);
        }
    }

    /// A block's ∂L/∂z, in place of its ∂L/∂a, and the gradients ∂L/∂b, ∂L/∂γ and ∂L/∂β, which are
    /// handed to their sinks. Where a layer is normalized it is ∂L/∂x̂ so far, and
    /// [`HiddenUnits::finish_backward`] makes ∂L/∂z of it.
    #[allow(clippy::too_many_arguments)] // the block, its values and its parameters
    pub fn backward(
        &mut self,
        pass: Pass,
        block: &Block,
        a: &[T],
        gradient: &mut [T],
        bias: &mut Parameter<T>,
        options: &UpdateOptions<T>,
        all: &Statistics<T>,
        scratch: &mut [T],
    ) {
        let Pass { isa, rows, noise } = pass;
        let (values, features) = (block.values(rows), block.features.clone());
        if self.derivative.is_empty() {
            relu::backward(isa, gradient, a);
            if let Some(factor) = noise.and_then(Noise::factor) {
                scale(isa, gradient, factor);
            }
        } else {
            multiply(isa, gradient, &self.derivative[values.clone()]);
        }
        let width = features.len();
        let (d_beta, scratch) = scratch.split_at_mut(width);
        let (d_gamma, scratch) = scratch.split_at_mut(width);
        linear::backward_bias(isa, gradient, d_beta);
        let options = &options.without_penalty();
        if self.hidden.norm != Norm::None {
            let (gamma, normalized) =
                (&self.scale.value[features.clone()], &self.normalized[values]);
            norm::backward_gamma(isa, gradient, normalized, d_gamma);
            if self.hidden.norm == Norm::Batch {
                let scales = (gamma, &self.rstd[features.clone()]);
                norm::batch_backward(isa, gradient, normalized, scales, (d_gamma, d_beta), scratch);
                self.running_mean.move_ema(options, features.clone());
                self.running_variance.move_ema(options, features.clone());
            } else {
                let own = &mut all.backward.write(block.number);
                norm::layer_backward_sums(isa, gradient, normalized, gamma, own);
            }
            self.scale.sink(options, features.clone()).take(0..width, d_gamma);
        }
        bias.sink(options, features).take(0..width, d_beta);
    }

    /// The means over the features that the backward pass needs, from what all ranks have published.
    pub fn take_means(&mut self, all: &Statistics<T>, tiling: &Tiling, rows: usize) {
        let published = (0..tiling.tiles.len()).map(|t| all.backward.read(t));
        let statistics = &self.row_statistics[..rows];
        norm::layer_means(published, tiling.outputs, statistics, &mut self.row_means[..rows]);
    }

    /// A block's ∂L/∂z in place of its ∂L/∂x̂: the second half of [`HiddenUnits::backward`].
    pub fn finish_backward(&self, pass: Pass, block: &Block, gradient: &mut [T]) {
        let (normalized, means) =
            (&self.normalized[block.values(pass.rows)], &self.row_means[..pass.rows]);
        norm::layer_backward(pass.isa, gradient, normalized, means);
    }

    /// All parameters and running statistics of these units.
    pub fn parameters_mut(&mut self) -> [&mut Parameter<T>; 3] {
        [&mut self.scale, &mut self.running_mean, &mut self.running_variance]
    }
}
