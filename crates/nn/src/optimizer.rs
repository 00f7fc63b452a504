//! The updates of the optimizers: one pass over parameters, gradient and state.
//!
//! | method | state | update, with g = ∂L/∂w + λ w |
//! | --- | --- | --- |
//! | momentum | v | v := μ v + g;  w := w - η v |
//! | Nesterov | v | v := μ v + g;  w := w - η (g + μ v) |
//! | RMSProp | s, v | s := α s + (1-α) g²;  v := μ v + g / (√s + ε);  w := w - η v |
//! | Adam | s, v | v := β₁ v + (1-β₁) g;  s := β₂ s + (1-β₂) g²;  w := w - η v̂ / (√ŝ + ε) |
//!
//! with v̂ = v / (1-β₁ᵗ) and ŝ = s / (1-β₂ᵗ) at the t-th step. These are the updates of PyTorch's
//! `SGD`, `RMSprop` and `Adam`. Decoupled weight decay, w := w - η δ w beforehand, makes the last
//! one AdamW (Loshchilov & Hutter 2019).
//!
//! Sources: Sutskever, Martens, Dahl & Hinton 2013 for Nesterov's form; Tieleman & Hinton 2012 for
//! RMSProp; Kingma & Ba 2015 for Adam.

use chainrule_tensor::ops::elementwise::SumOfSquares;
use chainrule_tensor::ops::update::{self, State};
use chainrule_tensor::{Isa, Scalar, math};

/// How the gradient becomes a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Method<T> {
    /// The velocity, a sum of gradients of which the older weigh less.
    Momentum {
        /// μ, the share of the last step's velocity that stays; 0 is plain gradient descent.
        momentum: T,
        /// Nesterov momentum: the gradient step is taken after the momentum step.
        nesterov: bool,
    },
    /// Each gradient over the root of a running mean of its squares.
    RmsProp {
        /// μ, as above.
        momentum: T,
        /// α, the share of the running mean that stays.
        smoothing: T,
        /// ε, added to the root.
        epsilon: T,
    },
    /// A running mean of gradients over the root of a running mean of their squares.
    Adam {
        /// β₁, the share of the running mean of gradients that stays.
        beta1: T,
        /// β₂, the share of the running mean of squares that stays.
        beta2: T,
        /// ε, added to the root.
        epsilon: T,
    },
}

impl<T> Method<T> {
    /// Whether it keeps a second moment, the running mean of the gradient's squares.
    pub fn has_second_moment(&self) -> bool {
        !matches!(self, Method::Momentum { .. })
    }
}

/// The coefficients of one step.
///
/// ```
/// use chainrule_tensor::Isa;
/// use chainrule_tensor::ops::elementwise::SumOfSquares;
/// use chainrule_tensor::ops::update::State;
/// use chainrule_nn::optimizer::{Method, Optimizer};
///
/// let method = Method::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
/// let adam = Optimizer { learning_rate: 0.1, l2: 0.0, decay: 0.0, method };
/// let (mut w, mut v, mut s) = ([1.0f64, 1.0], [0.0; 2], [0.0; 2]);
/// let state = State { w: &mut w, v: &mut v, s: &mut s };
/// adam.at(1).apply(Isa::best(), state, &[1e-3, -50.0], &mut SumOfSquares::default());
/// // Whatever the size of the gradient, Adam's first step is as long as the learning rate.
/// assert!((w[0] - 0.9).abs() < 1e-5 && (w[1] - 1.1).abs() < 1e-5);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Optimizer<T> {
    /// η, the step size.
    pub learning_rate: T,
    /// λ, the weight of the penalty ½ λ Σ w², whose derivative is part of the gradient.
    pub l2: T,
    /// δ, the decoupled weight decay: each step takes this share, times η, off the parameters.
    pub decay: T,
    /// How the gradient becomes a step.
    pub method: Method<T>,
}

impl<T: Scalar> Optimizer<T> {
    /// The size of step `t` of a parameter whose velocity and mean of squares are now `v` and `s`,
    /// weight decay aside, and without Nesterov's term.
    pub fn last_step(&self, t: u64, v: T, s: T) -> f64 {
        let (rate, v, s) = (self.learning_rate.to_f64(), v.to_f64(), s.to_f64());
        match self.method {
            Method::Momentum { .. } | Method::RmsProp { .. } => rate * v,
            Method::Adam { beta1, beta2, epsilon } if t > 0 => {
                let (one, two) = (correction(beta1, t), correction(beta2, t));
                rate * v / one / ((s / two).sqrt() + epsilon.to_f64())
            }
            Method::Adam { .. } => 0.0,
        }
    }

    /// Its step number `t`, from 1 over the whole of training.
    pub fn at(self, t: u64) -> Update<T> {
        let (rate, root) = match self.method {
            Method::Adam { beta1, beta2, .. } => (
                T::from_f64(self.learning_rate.to_f64() / correction(beta1, t)),
                T::from_f64(1.0 / correction(beta2, t).sqrt()),
            ),
            _ => (self.learning_rate, T::ONE),
        };
        Update { optimizer: self, rate, root }
    }
}

/// One step of an [`Optimizer`], whose coefficients are the same for all parameters.
#[derive(Clone, Copy, Debug)]
pub struct Update<T> {
    optimizer: Optimizer<T>,
    /// η, and of Adam 1 / √s, with the corrections for the first steps.
    rate: T,
    root: T,
}

/// Stochastic gradient descent with momentum and an L2 penalty: an [`Optimizer`] in short.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sgd<T> {
    /// η, the step size.
    pub learning_rate: T,
    /// μ, the share of the last step's velocity that stays.
    pub momentum: T,
    /// λ, the weight of the L2 penalty.
    pub l2: T,
    /// Nesterov momentum: the gradient step is taken after the momentum step.
    pub nesterov: bool,
}

impl<T: Scalar> From<Sgd<T>> for Optimizer<T> {
    fn from(Sgd { learning_rate, momentum, l2, nesterov }: Sgd<T>) -> Self {
        let method = Method::Momentum { momentum, nesterov };
        Self { learning_rate, l2, decay: T::ZERO, method }
    }
}

/// 1 - βᵗ: what a running mean that began at 0 has seen by its t-th value.
fn correction<T: Scalar>(beta: T, t: u64) -> f64 {
    1.0 - math::pow(beta.to_f64(), t as f64)
}

impl<T: Scalar> Update<T> {
    /// λ.
    pub fn l2(&self) -> T {
        self.optimizer.l2
    }

    /// The same for parameters that are not penalized: biases.
    pub fn without_penalty(self) -> Self {
        let optimizer = Optimizer { l2: T::ZERO, decay: T::ZERO, ..self.optimizer };
        Self { optimizer, ..self }
    }

    /// Takes the step over some parameters, of which `state.s` is empty if the method keeps none, and
    /// adds them to `squares` as its next part.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn apply(&self, isa: Isa, state: State<T>, gradient: &[T], squares: &mut SumOfSquares<T>) {
        let Self { optimizer: Optimizer { learning_rate, l2, decay, method }, rate, root } = *self;
        let keep = T::ONE - learning_rate * decay;
        match method {
            Method::Momentum { momentum, nesterov: false } => {
                let rule = update::Momentum::<T, false> { rate, keep, l2, momentum };
                update::update(isa, rule, state, gradient, squares);
            }
            Method::Momentum { momentum, nesterov: true } => {
                let rule = update::Momentum::<T, true> { rate, keep, l2, momentum };
                update::update(isa, rule, state, gradient, squares);
            }
            Method::RmsProp { momentum, smoothing, epsilon } => {
                let rule = update::RmsProp { rate, keep, l2, momentum, smoothing, epsilon };
                update::update(isa, rule, state, gradient, squares);
            }
            Method::Adam { beta1, beta2, epsilon } => {
                let rule = update::Adam { rate, keep, l2, beta1, beta2, root, epsilon };
                update::update(isa, rule, state, gradient, squares);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    //! The expected values are those of PyTorch 2.15 in `f64`:
    //! `torch.optim.X([w], lr=0.1, ...)` with `w = 1` and the gradients below, one after another.

    use super::*;

    const GRADIENTS: [f64; 4] = [0.5, -0.25, 0.125, 1.0];

    fn momentum(momentum: f64, nesterov: bool) -> Method<f64> {
        Method::Momentum { momentum, nesterov }
    }

    fn follow(isa: Isa, method: Method<f64>, l2: f64, decay: f64) -> Vec<f64> {
        let optimizer = Optimizer { learning_rate: 0.1, l2, decay, method };
        let (mut w, mut v, mut s) =
            ([1.0], [0.0], vec![0.0; usize::from(method.has_second_moment())]);
        let step = |(i, g): (usize, &f64)| {
            let state = State { w: &mut w, v: &mut v, s: &mut s };
            optimizer.at(i as u64 + 1).apply(isa, state, &[*g], &mut SumOfSquares::default());
            w[0]
        };
        GRADIENTS.iter().enumerate().map(step).collect()
    }

    #[test]
    fn every_optimizer_follows_pytorchs() {
        let adam = Method::Adam { beta1: 0.9, beta2: 0.99, epsilon: 1e-8 };
        let rms_prop = |momentum, smoothing| Method::RmsProp { momentum, smoothing, epsilon: 1e-8 };
        // Name, method, λ, δ, the parameter after each step.
        type Case = (&'static str, Method<f64>, f64, f64, [f64; 4]);
        let cases: [Case; 6] = [
            ("SGD", momentum(0.9, false), 0.2, 0.0, [0.93, 0.8734, 0.792492, 0.60382496]),
            (
                "SGD, Nesterov",
                momentum(0.9, true),
                0.2,
                0.0,
                [0.867, 0.824854, 0.724934148, 0.443556155576],
            ),
            (
                "RMSprop with momentum",
                rms_prop(0.5, 0.9),
                0.2,
                0.0,
                [0.6837722482688756, 0.5788174126244929, 0.41485740121481635, 0.06150587285822361],
            ),
            (
                "RMSprop",
                rms_prop(0.0, 0.99),
                0.0,
                0.0,
                [
                    1.9999996048181146e-7,
                    0.44901337442175077,
                    0.22890921760206842,
                    -0.6417099454685261,
                ],
            ),
            (
                "Adam",
                adam,
                0.2,
                0.0,
                [0.9000000014285714, 0.8406032195205576, 0.7735198696072534, 0.6950961697958127],
            ),
            (
                "AdamW",
                adam,
                0.0,
                0.2,
                [0.880000002, 0.8357300597279333, 0.7848620243499203, 0.7051167184223545],
            ),
        ];
        for isa in Isa::available() {
            for (name, method, l2, decay, want) in &cases {
                let got = follow(isa, *method, *l2, *decay);
                for (got, want) in got.iter().zip(want) {
                    assert!((got - want).abs() < 1e-14, "{isa}, {name}: {got}, PyTorch {want}");
                }
            }
        }
    }

    #[test]
    fn every_isa_returns_the_same_bits() {
        let x: Vec<f32> = (0..1003).map(|i| ((i * 7919) % 1000) as f32 * 0.001 - 0.5).collect();
        let methods = [
            Method::Momentum { momentum: 0.9, nesterov: false },
            Method::Momentum { momentum: 0.9, nesterov: true },
            Method::RmsProp { momentum: 0.5, smoothing: 0.9, epsilon: 1e-8 },
            Method::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
        ];
        for method in methods {
            let optimizer = Optimizer { learning_rate: 0.3, l2: 0.01, decay: 0.1, method };
            let run = |isa| {
                let (mut w, mut v) = (x.clone(), x.clone());
                let mut s: Vec<f32> = x.iter().map(|x| x.abs()).collect();
                let state = if method.has_second_moment() { &mut s[..] } else { &mut [] };
                let mut squares = SumOfSquares::default();
                let state = State { w: &mut w, v: &mut v, s: state };
                optimizer.at(3).apply(isa, state, &x, &mut squares);
                let mut average = x.iter().rev().copied().collect::<Vec<_>>();
                update::lerp(isa, &mut average, &w, 0.01);
                let total = squares.total();
                squares.clear();
                squares.add(isa, &w);
                assert_eq!(total, squares.total(), "{isa}, {method:?}: those of the new w");
                (w, v, s, average, total)
            };
            for isa in Isa::available() {
                assert_eq!(run(isa), run(Isa::PORTABLE), "{isa}, {method:?}");
            }
        }
    }
}
