//! What happens to a hidden layer's sums before the next layer reads them.
//!
//! ```text
//! z = Σ over the blocks of X W
//! y = z + b,  or  γ x̂ + β  with a normalization
//! a = f(y)
//! a := a · mask / (1-p)          with dropout, in training
//! ```
//!
//! and back again. A core does this for the features that it owns, a block at a time, right after
//! it has summed them up. β is kept where b is.

use std::ops::Range;

use chainrule_tensor::ops::columns::{add_to_rows, scale_shift_columns};
use chainrule_tensor::ops::elementwise::{multiply, scale};
use chainrule_tensor::team::Board;
use chainrule_tensor::{Isa, Scalar};

use crate::activation::Activation;
use crate::layout::LinearLayout;
use crate::linear::{self, Strips};
use crate::noise::Noise;
use crate::norm::{self, Norm};
use crate::relu;
use crate::step::{Coefficients, Learned};

/// What stands between two fully connected layers. The default is ReLU alone.
///
/// ```
/// use chainrule_nn::{Activation, Hidden, Init, Norm, SoftmaxClassifier};
///
/// let hidden = Hidden { norm: Norm::Batch, activation: Activation::Gelu };
/// let model = SoftmaxClassifier::<f32>::with_hidden(&[4, 3, 2], hidden, Init::He, 0)?;
/// assert_eq!(model.hidden(), hidden);
/// # Ok::<(), chainrule_nn::classifier::ArchitectureError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hidden {
    /// The normalization.
    pub norm: Norm,
    /// The activation.
    pub activation: Activation,
}

/// What all cores see of a layer normalization: for each tile of features, the share of each
/// example's mean and variance, and of the two means of the backward pass.
pub(crate) struct Statistics<T> {
    forward: Board<[T; 2]>,
    backward: Board<[T; 2]>,
}

impl<T: Scalar> Statistics<T> {
    pub fn new(layout: &LinearLayout, norm: Norm, rows: usize) -> Self {
        let tiles = if norm == Norm::Layer { layout.tiles.len() } else { 0 };
        let board = || Board::new(vec![vec![[T::ZERO; 2]; rows]; tiles]);
        Self { forward: board(), backward: board() }
    }
}

/// Where a block of features lies.
#[derive(Clone)]
pub(crate) struct Block {
    /// Of the blocks of the layer that reads it, and of the tiles of the one whose sums these are.
    pub number: usize,
    /// In what is kept for each example.
    pub at: Range<usize>,
    /// In what is kept for each feature.
    pub features: Range<usize>,
}

impl Block {
    /// Block `number` of a layer, of which `rows` examples are kept, in the storage of a core whose
    /// first block is `first`.
    pub fn new(layout: &LinearLayout, first: usize, number: usize, rows: usize) -> Self {
        let first = layout.blocks[first].start;
        let Range { start, end } = layout.blocks[number];
        let features = start - first..end - first;
        Self { number, at: features.start * rows..features.end * rows, features }
    }
}

/// What one core owns between two layers.
pub(crate) struct Owned<T> {
    hidden: Hidden,
    /// The layer whose sums these are, from 0: dropout depends on it.
    layer: usize,
    pub bias: Learned<T>,
    /// γ.
    pub gamma: Learned<T>,
    /// Running mean and variance of a batch normalization.
    pub mean: Learned<T>,
    pub variance: Learned<T>,
    /// x̂ of the last batch, as `a` of the share.
    normed: Vec<T>,
    /// ∂a/∂y of the last batch.
    slope: Vec<T>,
    /// 1 / √(variance + ε) of each feature, of a batch normalization.
    inverse: Vec<T>,
    /// Mean and 1 / √(variance + ε) of each example, of a layer normalization.
    lines: Vec<[T; 2]>,
    /// What the backward pass subtracts from each example.
    back: Vec<[T; 3]>,
}

impl<T: Scalar> Owned<T> {
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
            bias: Learned::zeros(width),
            gamma: Learned::zeros(if_so(norm, width)),
            mean: Learned::zeros(running),
            variance: Learned::zeros(running),
            normed: vec![T::ZERO; if_so(norm, rows * width)],
            slope: vec![T::ZERO; if_so(!hidden.activation.tells_slope(), rows * width)],
            inverse: vec![T::ZERO; running],
            lines: vec![[T::ZERO; 2]; if_so(of_layer, rows.max(forward_rows))],
            back: vec![[T::ZERO; 3]; if_so(of_layer, rows)],
        }
    }

    /// All that is learned here, or that follows it.
    pub fn learned_mut(&mut self) -> [&mut Learned<T>; 4] {
        [&mut self.bias, &mut self.gamma, &mut self.mean, &mut self.variance]
    }

    /// Publishes what the others must know of the sums `z` of a block, before anybody goes on to
    /// [`Owned::forward`]. Only a layer normalization has anything.
    pub fn publish(&self, isa: Isa, all: &Statistics<T>, rows: usize, number: usize, z: &[T]) {
        norm::layer_moments(isa, z, rows, &mut all.forward.write(number));
    }

    /// Takes in what the others have published of the forward pass.
    pub fn gather(&mut self, all: &Statistics<T>, tiles: &[Range<usize>], rows: usize) {
        let tiles = || tiles.iter().enumerate().map(|(t, tile)| (tile.len(), all.forward.read(t)));
        norm::layer_statistics(tiles, &mut self.lines[..rows]);
    }

    /// The activations of a block, in place of its sums. With `noise` it is training.
    pub fn forward(
        &mut self,
        isa: Isa,
        block: &Block,
        rows: usize,
        a: &mut [T],
        noise: Option<&Noise>,
        scratch: &mut [T],
    ) {
        let Hidden { norm, activation } = self.hidden;
        let Block { number, at, features } = block.clone();
        let training = noise.is_some();
        let kept = training && !self.slope.is_empty();
        let slope = if kept { &mut self.slope[at.clone()] } else { &mut [] };
        let beta = &self.bias.value[features.clone()];
        if norm == Norm::None && activation == Activation::Relu {
            relu::forward(isa, a, beta);
        } else {
            match norm {
                Norm::None => add_to_rows(isa, a, beta),
                Norm::Batch => {
                    let gamma = &self.gamma.value[features.clone()];
                    let mean = &mut self.mean.value[features.clone()];
                    let variance = &mut self.variance.value[features.clone()];
                    if training {
                        let running = norm::Running { mean, variance };
                        norm::batch_forward(isa, a, &mut self.inverse[features], running, scratch);
                        self.normed[at].copy_from_slice(a);
                        scale_shift_columns(isa, a, gamma, beta);
                    } else {
                        norm::batch_evaluate(isa, a, (mean, variance), (gamma, beta), scratch);
                    }
                }
                Norm::Layer => {
                    norm::layer_forward(isa, a, &self.lines[..rows]);
                    if training {
                        self.normed[at].copy_from_slice(a);
                    }
                    scale_shift_columns(isa, a, &self.gamma.value[features], beta);
                }
            }
            activation.forward(isa, a, slope);
        }
        if let Some(noise) = noise {
            noise.drop(self.layer, number, a, slope);
        }
    }

    /// The derivative by a block's sums, in place of that by its activations `a`, and the update of
    /// what is learned here. With a layer normalization it is only half of the way: all cores must
    /// meet, and [`Owned::finish`] it.
    #[allow(clippy::too_many_arguments)] // what a block is, and what to do with it
    pub fn backward(
        &mut self,
        isa: Isa,
        block: &Block,
        a: &[T],
        gradient: &mut [T],
        coefficients: Coefficients<T>,
        noise: &Noise,
        all: &Statistics<T>,
        scratch: &mut [T],
    ) {
        let Block { number, at, features } = block.clone();
        if self.slope.is_empty() {
            relu::backward(isa, gradient, a);
            if let Some(factor) = noise.factor() {
                scale(isa, gradient, factor);
            }
        } else {
            multiply(isa, gradient, &self.slope[at.clone()]);
        }
        let width = features.len();
        let (d_beta, scratch) = scratch.split_at_mut(width);
        let (d_gamma, scratch) = scratch.split_at_mut(width);
        linear::backward_bias(isa, gradient, d_beta);
        let coefficients = coefficients.without_penalty();
        if self.hidden.norm != Norm::None {
            let (gamma, normed) = (&self.gamma.value[features.clone()], &self.normed[at]);
            norm::backward_gamma(isa, gradient, normed, d_gamma);
            if self.hidden.norm == Norm::Batch {
                let scales = (gamma, &self.inverse[features.clone()]);
                norm::batch_backward(isa, gradient, normed, scales, (d_gamma, d_beta), scratch);
                self.mean.follow(isa, coefficients, features.clone());
                self.variance.follow(isa, coefficients, features.clone());
            } else {
                let own = &mut all.backward.write(number);
                norm::layer_backward_sums(isa, gradient, normed, gamma, own);
            }
            self.gamma.update(isa, coefficients, features.clone()).take(0..width, d_gamma);
        }
        self.bias.update(isa, coefficients, features).take(0..width, d_beta);
    }

    /// Takes in what the others have published of the backward pass.
    pub fn gather_back(&mut self, all: &Statistics<T>, tiles: &[Range<usize>], rows: usize) {
        let outputs = tiles.iter().map(Range::len).sum();
        let published = (0..tiles.len()).map(|t| all.backward.read(t));
        norm::layer_means(published, outputs, &self.lines[..rows], &mut self.back[..rows]);
    }

    /// The second half of [`Owned::backward`] with a layer normalization.
    pub fn finish(&self, isa: Isa, block: &Block, rows: usize, gradient: &mut [T]) {
        norm::layer_backward(isa, gradient, &self.normed[block.at.clone()], &self.back[..rows]);
    }
}
