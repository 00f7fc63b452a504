//! The loops of the optimizers' updates: one pass over parameters w, their state and the gradient.
//!
//! They take the coefficients of one step; `chainrule_nn::optimizer` says where those come from, and
//! is tested against PyTorch. The weights are scaled by `keep` = 1 - η δ first: decoupled decay.

use crate::isa::for_each_isa;

for_each_isa! {
    /// Gradient descent with momentum: `v = μ v + g`, `w = keep w - η v`; with Nesterov's form
    /// `w = keep w - η (g + μ v)`. Here and below, g is `gradient` + λ w.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn momentum<T: Scalar>(
        w: &mut [T], v: &mut [T], gradient: &[T],
        learning_rate: T, keep: T, l2: T, momentum: T, nesterov: bool,
    ) {
        assert!(w.len() == v.len() && v.len() == gradient.len());
        if nesterov {
            for ((w, v), &g) in w.iter_mut().zip(v).zip(gradient) {
                let g = g + l2 * *w;
                *v = momentum * *v + g;
                *w = keep * *w - learning_rate * (g + momentum * *v);
            }
        } else {
            for ((w, v), &g) in w.iter_mut().zip(v).zip(gradient) {
                *v = momentum * *v + (g + l2 * *w);
                *w = keep * *w - learning_rate * *v;
            }
        }
    }
}

for_each_isa! {
    /// RMSProp: `s = α s + (1-α) g²`, `v = μ v + g / (√s + ε)`, `w = keep w - η v`.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn rms_prop<T: Scalar>(
        w: &mut [T], v: &mut [T], s: &mut [T], gradient: &[T],
        learning_rate: T, keep: T, l2: T, momentum: T, smoothing: T, epsilon: T,
    ) {
        assert!(w.len() == v.len() && v.len() == s.len() && s.len() == gradient.len());
        for (((w, v), s), &g) in w.iter_mut().zip(v).zip(s).zip(gradient) {
            let g = g + l2 * *w;
            *s = smoothing * *s + (T::ONE - smoothing) * g * g;
            *v = momentum * *v + g / (s.sqrt() + epsilon);
            *w = keep * *w - learning_rate * *v;
        }
    }
}

for_each_isa! {
    /// Adam: `v = β₁ v + (1-β₁) g`, `s = β₂ s + (1-β₂) g²`, `w = keep w - rate v / (root √s + ε)`, with
    /// the corrections for the first steps in `rate` = η / (1-β₁ᵗ) and `root` = 1 / √(1-β₂ᵗ).
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn adam<T: Scalar>(
        w: &mut [T], v: &mut [T], s: &mut [T], gradient: &[T],
        rate: T, keep: T, l2: T, beta1: T, beta2: T, root: T, epsilon: T,
    ) {
        assert!(w.len() == v.len() && v.len() == s.len() && s.len() == gradient.len());
        for (((w, v), s), &g) in w.iter_mut().zip(v).zip(s).zip(gradient) {
            let g = g + l2 * *w;
            *v = beta1 * *v + (T::ONE - beta1) * g;
            *s = beta2 * *s + (T::ONE - beta2) * g * g;
            *w = keep * *w - rate * *v / (s.sqrt() * root + epsilon);
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
