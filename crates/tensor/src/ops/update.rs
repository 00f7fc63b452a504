//! The updates of the optimizers: one pass over parameters w, their state and the gradient.
//!
//! A [`Rule`] holds the coefficients of one step; `chainrule_nn::optimizer` says where those come from,
//! and is tested against PyTorch. In the formulas g is the gradient + λ w, and the weights are scaled by
//! `keep` = 1 - η δ first: decoupled decay.

use super::elementwise::{LANES, SumOfSquares};
use crate::isa::{Isa, for_each_isa};
use crate::scalar::Scalar;

/// Parameters beside the state of their optimizer.
#[derive(Debug)]
pub struct State<'a, T> {
    /// The parameters.
    pub w: &'a mut [T],
    /// Their velocities.
    pub v: &'a mut [T],
    /// The running means of their gradients' squares; empty if the rule keeps none.
    pub s: &'a mut [T],
}

/// What one parameter and its state become by one step.
pub trait Rule<T>: Copy {
    /// Whether it keeps s, the running mean of the gradient's squares.
    const KEEPS_SQUARES: bool;

    /// The next w, v and s. Marked `#[inline(always)]` and without a branch it becomes vectors.
    fn step(self, w: T, v: T, s: T, gradient: T) -> [T; 3];
}

/// Gradient descent with momentum: `v = μ v + g`, `w = keep w - η v`; with Nesterov's form
/// `w = keep w - η (g + μ v)`.
#[derive(Clone, Copy, Debug)]
pub struct Momentum<T, const NESTEROV: bool> {
    /// η.
    pub rate: T,
    /// 1 - η δ.
    pub keep: T,
    /// λ.
    pub l2: T,
    /// μ.
    pub momentum: T,
}

impl<T: Scalar, const NESTEROV: bool> Rule<T> for Momentum<T, NESTEROV> {
    const KEEPS_SQUARES: bool = false;

    #[inline(always)]
    fn step(self, w: T, v: T, s: T, gradient: T) -> [T; 3] {
        let Self { rate, keep, l2, momentum } = self;
        let g = gradient + l2 * w;
        let v = momentum * v + g;
        [keep * w - rate * if NESTEROV { g + momentum * v } else { v }, v, s]
    }
}

/// RMSProp: `s = α s + (1-α) g²`, `v = μ v + g / (√s + ε)`, `w = keep w - η v`.
#[derive(Clone, Copy, Debug)]
pub struct RmsProp<T> {
    /// η.
    pub rate: T,
    /// 1 - η δ.
    pub keep: T,
    /// λ.
    pub l2: T,
    /// μ.
    pub momentum: T,
    /// α.
    pub smoothing: T,
    /// ε.
    pub epsilon: T,
}

impl<T: Scalar> Rule<T> for RmsProp<T> {
    const KEEPS_SQUARES: bool = true;

    #[inline(always)]
    fn step(self, w: T, v: T, s: T, gradient: T) -> [T; 3] {
        let Self { rate, keep, l2, momentum, smoothing, epsilon } = self;
        let g = gradient + l2 * w;
        let s = smoothing * s + (T::ONE - smoothing) * g * g;
        let v = momentum * v + g / (s.sqrt() + epsilon);
        [keep * w - rate * v, v, s]
    }
}

/// Adam: `v = β₁ v + (1-β₁) g`, `s = β₂ s + (1-β₂) g²`, `w = keep w - rate v / (root √s + ε)`.
#[derive(Clone, Copy, Debug)]
pub struct Adam<T> {
    /// η / (1-β₁ᵗ), with the correction for the first steps.
    pub rate: T,
    /// 1 - η δ.
    pub keep: T,
    /// λ.
    pub l2: T,
    /// β₁.
    pub beta1: T,
    /// β₂.
    pub beta2: T,
    /// 1 / √(1-β₂ᵗ), likewise.
    pub root: T,
    /// ε.
    pub epsilon: T,
}

impl<T: Scalar> Rule<T> for Adam<T> {
    const KEEPS_SQUARES: bool = true;

    #[inline(always)]
    fn step(self, w: T, v: T, s: T, gradient: T) -> [T; 3] {
        let Self { rate, keep, l2, beta1, beta2, root, epsilon } = self;
        let g = gradient + l2 * w;
        let v = beta1 * v + (T::ONE - beta1) * g;
        let s = beta2 * s + (T::ONE - beta2) * g * g;
        [keep * w - rate * v / (s.sqrt() * root + epsilon), v, s]
    }
}

/// Updates the parameters by their `gradient`, and adds them to `squares` as its next part.
///
/// # Panics
/// If the lengths differ.
pub fn update<T: Scalar, R: Rule<T>>(
    isa: Isa,
    rule: R,
    state: State<T>,
    gradient: &[T],
    squares: &mut SumOfSquares<T>,
) {
    let State { w, v, s } = state;
    update_in_lanes(isa, rule, w, v, s, gradient, squares.next_part());
}

for_each_isa! {
    fn update_in_lanes<T: Scalar, R: Rule<T>>(
        rule: R, w: &mut [T], v: &mut [T], s: &mut [T], gradient: &[T], lanes: &mut [T; LANES],
    ) {
        assert!(w.len() == v.len() && v.len() == gradient.len(), "a velocity and a gradient each");
        assert!(!R::KEEPS_SQUARES || s.len() == w.len(), "a mean of squares each");
        // The sums stay in registers.
        let to = lanes;
        let mut lanes = [T::ZERO; LANES];
        let (w, w_rest) = w.as_chunks_mut::<LANES>();
        let (v, v_rest) = v.as_chunks_mut::<LANES>();
        let (s, s_rest) = s.as_chunks_mut::<LANES>();
        let (gradient, gradient_rest) = gradient.as_chunks::<LANES>();
        for (i, ((w, v), gradient)) in w.iter_mut().zip(v).zip(gradient).enumerate() {
            let s = s.get_mut(i).map_or(&mut [][..], |s| s);
            update_chunk(rule, w, v, s, gradient, &mut lanes);
        }
        update_chunk(rule, w_rest, v_rest, s_rest, gradient_rest, &mut lanes);
        *to = lanes;
    }
}

/// At most [`LANES`] parameters; `lanes` += their squares.
#[inline(always)]
fn update_chunk<T: Scalar, R: Rule<T>>(
    rule: R,
    w: &mut [T],
    v: &mut [T],
    s: &mut [T],
    gradient: &[T],
    lanes: &mut [T; LANES],
) {
    let all = w.iter_mut().zip(v).zip(gradient).zip(lanes);
    if R::KEEPS_SQUARES {
        for ((((w, v), &gradient), lane), s) in all.zip(s) {
            [*w, *v, *s] = rule.step(*w, *v, *s, gradient);
            *lane += *w * *w;
        }
    } else {
        for (((w, v), &gradient), lane) in all {
            [*w, *v, _] = rule.step(*w, *v, T::ZERO, gradient);
            *lane += *w * *w;
        }
    }
}

for_each_isa! {
    /// `start += weight (end - start)`, element by element: a step of an exponential moving average.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn lerp<T: Scalar>(start: &mut [T], end: &[T], weight: T) {
        assert_eq!(start.len(), end.len());
        for (start, &end) in start.iter_mut().zip(end) {
            *start += weight * (end - *start);
        }
    }
}
