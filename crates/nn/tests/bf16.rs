//! Training with bf16 operands: near the f64 gradient, and the same bits by every multiplier.

use std::ops::ControlFlow;

use chainrule_nn::{
    Activation, Engine, Hidden, Init, Method, Norm, Optimizer, Regularization, Sgd,
    SoftmaxClassifier, Step,
};
use chainrule_tensor::kernel::bf16::Multiplier;
use chainrule_tensor::{Isa, Kernel, Precision, Scalar, Tensor};
use common::{in_f32, problem};

mod common;

/// An image of each label: the picture of its class, and as much noise (xorshift64). Of noise alone the
/// gradients of the images have nothing in common, and their mean is as small as its rounding.
fn images(labels: &[u8], columns: usize) -> Tensor<f64> {
    let mut state = 88_172_645_463_325_252u64;
    Tensor::from_fn(labels.len(), columns, |i, j| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let noise = ((state >> 11) as f64 / (1u64 << 53) as f64 - 0.5) * 12f64.sqrt();
        let class = f64::from(labels[i]);
        noise + (0.05 * (class + 1.0) * j as f64 + class).sin() * 2f64.sqrt()
    })
}

/// The gradient of the mean loss over all rows of `x`: the velocity after a step of length 0.
fn gradient<T: Scalar>(
    model: &SoftmaxClassifier<T>,
    x: &Tensor<T>,
    labels: &[u8],
    kernel: Kernel,
) -> Vec<f64> {
    let (rows, zero) = (x.rows(), T::ZERO);
    let rule = Sgd { learning_rate: zero, momentum: zero, l2: zero, nesterov: false };
    let order: Vec<u32> = (0..rows as u32).collect();
    let mut engine = Engine::with_kernel(model, rows, 2, kernel).unwrap();
    engine.train(x, labels, &order, rows, rule).unwrap();
    engine.velocity().parameters().iter().map(|g| g.to_f64()).collect()
}

#[test]
fn the_gradient_of_a_step_is_within_3_percent_of_that_in_f64() {
    let hiddens = [
        Hidden::default(),
        Hidden { norm: Norm::Batch, activation: Activation::Gelu },
        Hidden { norm: Norm::Layer, activation: Activation::Tanh },
    ];
    for widths in [&[300, 100, 10][..], &[784, 130, 12], &[257, 65, 49, 33, 5]] {
        for hidden in hiddens {
            let (_, _, labels) = problem(widths, 256);
            let x = images(&labels, widths[0]);
            let model = SoftmaxClassifier::<f64>::with_hidden(widths, hidden, Init::He, 3).unwrap();
            let exact = gradient(&model, &x, &labels, Isa::best().into());
            let x32 = Tensor::from_fn(x.rows(), x.columns(), |i, j| x.row(i)[j] as f32);
            for isa in Isa::available() {
                let kernel = Kernel::new(isa, Precision::Bf16);
                let rounded = gradient(&in_f32_with(&model), &x32, &labels, kernel);
                let norm =
                    |of: &mut dyn Iterator<Item = f64>| of.map(|g| g * g).sum::<f64>().sqrt();
                let off = norm(&mut rounded.iter().zip(&exact).map(|(a, b)| a - b));
                let off = off / norm(&mut exact.iter().copied());
                // Most of it are units so near the kink of ReLU that rounding brings them across. Less
                // than 1e-4, and f32 has multiplied.
                let most = if hidden.activation == Activation::Relu { 0.03 } else { 0.01 };
                assert!((1e-4..most).contains(&off), "{isa} {widths:?} {hidden:?}: {off}");
            }
        }
    }
}

/// [`in_f32`] for any hidden units.
fn in_f32_with(model: &SoftmaxClassifier<f64>) -> SoftmaxClassifier {
    let parameters = model.parameters().iter().map(|&w| w as f32).collect();
    SoftmaxClassifier::from_parameters(model.architecture().clone(), parameters)
}

/// Losses, weights, velocity, moments and an evaluation after some steps with nearly everything.
fn train(kernel: Kernel, threads: usize, widths: &[usize], clip: bool) -> impl PartialEq + use<> {
    let hidden = Hidden { norm: Norm::Batch, activation: Activation::Gelu };
    let (model, x, labels) = problem(widths, 40);
    let model = if clip {
        in_f32(&model)
    } else {
        SoftmaxClassifier::with_hidden(widths, hidden, Init::He, 3).unwrap()
    };
    let x = Tensor::from_fn(x.rows(), x.columns(), |i, j| x.row(i)[j] as f32);
    let mut engine = Engine::with_kernel(&model, 17, threads, kernel).unwrap();
    engine.set_regularization(Regularization {
        seed: 1,
        dropout: 0.2,
        mixup: 0.3,
        label_smoothing: 0.1,
    });
    engine.set_clip_norm(clip.then_some(0.3));
    engine.set_ema_decay(Some(0.9));
    let method = Method::Adam { beta1: 0.9, beta2: 0.99, epsilon: 1e-8 };
    let optimizer = Optimizer { learning_rate: 0.01f32, l2: 0.01, decay: 0.0, method };
    let mut losses = vec![];
    let each = |step: Step| {
        losses.push((step.loss.to_bits(), step.gradient_norm.map(f64::to_bits)));
        ControlFlow::Continue(())
    };
    let order: Vec<u32> = (0..40).collect();
    engine.train_each(&x, &labels, &order, 17, |_| optimizer, each).unwrap();
    let evaluation = engine.evaluate(&x, &labels, &order);
    let state = (engine.model(), engine.velocity(), engine.second_moment(), engine.ema());
    (losses, evaluation.loss.to_bits(), evaluation.predictions, state)
}

#[test]
fn every_multiplier_trains_to_the_same_bits_on_any_number_of_threads() {
    for (widths, clip) in [(&[70, 40, 33, 5][..], true), (&[300, 130, 47, 10], false)] {
        let emulated = Kernel::best(Precision::F32).isa();
        let want = train(Kernel::new(emulated, Precision::Bf16), 1, widths, clip);
        let isas = Isa::available().into_iter();
        let emulations = isas.map(|isa| Kernel::new(isa, Precision::Bf16));
        let native = Multiplier::dot_products().into_iter().chain(Multiplier::trapped_amx());
        for kernel in emulations.chain(native.map(Kernel::from)) {
            for threads in [1, 3] {
                let got = train(kernel, threads, widths, clip);
                assert!(got == want, "{kernel:?}, {widths:?}, {threads} threads");
            }
        }
    }
}
