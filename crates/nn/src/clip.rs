//! Clipping the gradient's norm, so that one wild batch cannot throw the weights far away.
//!
//! ```text
//! norm = √ Σ g²     over the gradients g of all weights and biases, without the penalty's λ W
//! g := g · min(1, max_norm / (norm + 1e-6))
//! ```
//!
//! which is what PyTorch's `clip_grad_norm_` does before `SGD` adds its `weight_decay`. The norm is
//! known only when the whole gradient is, so the update can't be made strip by strip while the
//! backward pass goes on: each core keeps the gradient of what it owns, all meet once more, and
//! then update. The squares are summed in `f64` and in the order of layers and blocks, so the norm
//! is the same bits on any number of threads.

use std::iter::once;
use std::ops::Range;
use std::sync::atomic::Ordering;

use chainrule_tensor::ops::elementwise::{scale, sum_of_squares_in_f64};
use chainrule_tensor::team::Member;
use chainrule_tensor::{Isa, Scalar};

use crate::hidden::{Block, Owned};
use crate::linear::{self, Strips};
use crate::step::{Coefficients, Core, Layer, Learned, sum};

/// What PyTorch adds to the norm so that it may be divided by.
const EPSILON: f64 = 1e-6;

/// What a gradient of this norm is multiplied by: 1 if the norm is small enough.
pub fn factor(norm: f64, max_norm: f64) -> f64 {
    let factor = max_norm / (norm + EPSILON);
    // `min` would turn a NaN into 1 and hide it.
    if factor > 1.0 { 1.0 } else { factor }
}

impl<T: Scalar> Core<T> {
    /// Makes room to keep the gradient of each step, or gives it back.
    pub(crate) fn keep_gradients(&mut self, keep: bool) {
        for part in self.learned_mut() {
            part.gradient = keep.then(|| vec![T::ZERO; part.value.len()]);
        }
    }

    /// The norm of the whole gradient, of which each core has kept its part. All meet on the way.
    pub(crate) fn gradient_norm(&self, layers: &[Layer<T>], member: Member) -> f64 {
        let isa = self.work.isa;
        for (l, (share, layer)) in self.shares.iter().zip(layers).enumerate() {
            for Block { number: k, features, .. } in share.own_blocks(&layer.layout, 0) {
                let weights = layer.layout.weights(share.blocks.start, k);
                let mut squares = sum_of_squares_in_f64(isa, &share.weights.kept()[weights]);
                if l > 0 {
                    let hidden = &share.hidden;
                    squares += sum_of_squares_in_f64(isa, &hidden.bias.kept()[features.clone()]);
                    if let Some(gamma) = hidden.gamma.kept().get(features) {
                        squares += sum_of_squares_in_f64(isa, gamma);
                    }
                }
                layer.gradient_squares[k].store(squares.to_bits(), Ordering::Relaxed);
            }
        }
        member.meet();
        let shared = sum(layers.iter().flat_map(|layer| &layer.gradient_squares));
        (shared + sum_of_squares_in_f64(isa, self.output_bias.kept())).sqrt()
    }

    /// Updates everything that this core owns by `factor` times the gradient that it has kept.
    pub(crate) fn update_clipped(
        &mut self,
        layers: &[Layer<T>],
        coefficients: Coefficients<T>,
        factor: f64,
    ) {
        let (isa, factor) = (self.work.isa, T::from_f64(factor));
        let no_penalty = coefficients.without_penalty();
        for (l, (share, Layer { layout, .. })) in self.shares.iter_mut().zip(layers).enumerate() {
            for (own, Block { number: k, features, .. }) in share.own_blocks(layout, 0).enumerate()
            {
                let range = layout.weights(share.blocks.start, k);
                let places = linear::places(isa, &layout.tiles, layout.blocks[k].len());
                share.squares[own] =
                    share.weights.update_clipped(isa, coefficients, range, places, factor);
                if l > 0 {
                    let Owned { bias, gamma, .. } = &mut share.hidden;
                    for part in [bias, gamma].into_iter().filter(|part| !part.value.is_empty()) {
                        let whole = once(0..features.len());
                        part.update_clipped(isa, no_penalty, features.clone(), whole, factor);
                    }
                }
            }
        }
        let all = 0..self.output_bias.value.len();
        self.output_bias.update_clipped(isa, no_penalty, all.clone(), once(all), factor);
    }
}

impl<T: Scalar> Learned<T> {
    fn kept(&self) -> &[T] {
        self.gradient.as_deref().expect("the backward pass has kept the gradient")
    }

    /// Updates the parameters at `range`, strip by strip, by `factor` times the gradient that was
    /// kept for them. Returns their Σ w² if there is a penalty on it.
    fn update_clipped(
        &mut self,
        isa: Isa,
        coefficients: Coefficients<T>,
        range: Range<usize>,
        strips: impl Iterator<Item = Range<usize>>,
        factor: T,
    ) -> f64 {
        // While the gradient is out, an update is made and not kept.
        let mut gradient = self.gradient.take().expect("the backward pass has kept the gradient");
        let clipped = &mut gradient[range.clone()];
        scale(isa, clipped, factor);
        let mut update = self.update(isa, coefficients, range);
        for place in strips {
            update.take(place.clone(), &clipped[place]);
        }
        let squares = update.squares;
        self.gradient = Some(gradient);
        squares
    }
}
