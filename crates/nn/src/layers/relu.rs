//! The rectified linear unit, a = max(z, 0), after the bias: a = max(z + b, 0).
//!
//! Its derivative is 1 where z + b > 0, and so where a > 0, and 0 elsewhere, 0 itself included:
//! the backward pass needs the activation alone, and z need not be kept.

use chainrule_tensor::ops::elementwise;
use chainrule_tensor::{Isa, Scalar};

/// a = max(z + b, 0) for each row of `z`, in place. `bias` is as long as a row.
pub fn forward<T: Scalar>(isa: Isa, z: &mut [T], bias: &[T]) {
    elementwise::add_bias_relu(isa, z, bias);
}

/// ∂L/∂z from ∂L/∂a: `gradient` is left where `activation` is positive, and set to 0 elsewhere.
pub fn backward<T: Scalar>(isa: Isa, gradient: &mut [T], activation: &[T]) {
    elementwise::relu_backward(isa, gradient, activation);
}
