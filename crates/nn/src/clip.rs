//! Clipping the norm of the gradient, which bounds the step that one batch can take.
//!
//! ```text
//! norm = √ Σ g²     over the gradients g of all weights and biases, without the penalty's λ W
//! g := g · min(1, max_norm / (norm + 1e-6))
//! ```
//!
//! which is what PyTorch's `clip_grad_norm_` does before `SGD` adds its `weight_decay`. The norm is
//! known only when the whole gradient is, so the update can't be made panel by panel while the
//! backward pass goes on: each rank keeps the gradient of what it owns, all exchange Σ g², and then
//! update. The squares are summed in `f64` and in the order of layers and blocks, so the norm is the
//! same bits on any number of ranks.

use chainrule_tensor::comm::Communicator;
use chainrule_tensor::{Buffer, Scalar};

use crate::param::UpdateOptions;
use crate::shard::{Net, Shared};

/// Small constant for numerical stability, as in PyTorch.
const EPSILON: f64 = 1e-6;

/// The factor of a gradient of this norm: min(1, max_norm / (norm + 1e-6)); NaN for a norm of NaN.
pub fn factor(norm: f64, max_norm: f64) -> f64 {
    let factor = max_norm / (norm + EPSILON);
    // `min` would turn a NaN into 1 and hide it.
    if factor > 1.0 { 1.0 } else { factor }
}

/// Allocates the buffers that keep the gradient of each step, or frees them.
pub(crate) fn keep_gradients<T: Scalar>(net: &mut Net<T>, keep: bool) {
    for parameter in net.parameters_mut() {
        parameter.gradient = Buffer::zeros(if keep { parameter.value.len() } else { 0 });
    }
}

/// The norm of the whole gradient, of which each rank has kept its part. A collective call.
pub(crate) fn gradient_norm<T: Scalar>(
    net: &Net<T>,
    shared: &Shared<T>,
    comm: &impl Communicator,
) -> f64 {
    let isa = net.work.isa;
    for (l, (linear, layer)) in net.linear.iter().zip(&shared.layers).enumerate() {
        let mut slot = shared.gradient_squares.write(shared.slot(l, net.rank));
        for (block, squares) in linear.blocks.iter().zip(slot.iter_mut()) {
            *squares = linear.weight.gradient_squares(isa, layer.tiling.weights(block));
            if let Some(below) = l.checked_sub(1) {
                let (bias, scale) = (&net.linear[below].bias, &net.hidden[below].scale);
                *squares += bias.gradient_squares(isa, block.features.clone());
                *squares += scale.gradient_squares(isa, block.features.clone());
            }
        }
    }
    comm.all_gather(&[shared.gradient_squares.all()]);
    let output_bias = &net.linear[net.linear.len() - 1].bias;
    let of_output_bias = output_bias.gradient_squares(isa, 0..output_bias.value.len());
    (shared.sum(&shared.gradient_squares) + of_output_bias).sqrt()
}

/// Updates everything that this rank owns by `factor` times the gradient that it has kept.
pub(crate) fn update_clipped<T: Scalar>(
    net: &mut Net<T>,
    shared: &Shared<T>,
    options: &UpdateOptions<T>,
    factor: f64,
) {
    let factor = T::from_f64(factor);
    let no_penalty = &options.without_penalty();
    for (l, layer) in shared.layers.iter().enumerate() {
        let (below, from_here) = net.linear.split_at_mut(l);
        let linear = &mut from_here[0];
        for (block, squares) in linear.blocks.iter().zip(&mut linear.weight_squares) {
            let features = block.features.clone();
            let part = (&layer.tiling, block);
            *squares = linear.weight.update_from_kept(options, part, factor);
            if let Some(below) = below.last_mut() {
                let scale = &mut net.hidden[l - 1].scale;
                for parameter in [&mut below.bias, scale] {
                    if !parameter.value.is_empty() {
                        parameter.update_vector_from_kept(no_penalty, features.clone(), factor);
                    }
                }
            }
        }
    }
    let output_bias = &mut net.linear[shared.layers.len() - 1].bias;
    let all = 0..output_bias.value.len();
    output_bias.update_vector_from_kept(no_penalty, all, factor);
}
