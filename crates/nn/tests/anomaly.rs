//! The first tensor that is NaN or infinite is found, whatever hides it.

use chainrule_nn::{Diverged, Engine, Hidden, Init, Norm, Sgd, SoftmaxClassifier, TensorName};
use chainrule_tensor::{Isa, Tensor};
use common::problem_in_f32;

mod common;

const SGD: Sgd<f32> = Sgd { learning_rate: 0.01, momentum: 0.9, l2: 0.0, nesterov: false };
const INFINITE: f32 = f32::INFINITY;

/// A network, what it reads, and how it learns: two rows a step.
struct Case {
    model: SoftmaxClassifier,
    x: Tensor,
    labels: Vec<u8>,
    sgd: Sgd<f32>,
}

impl Case {
    fn new(widths: &[usize]) -> Case {
        let (model, _, labels) = problem_in_f32(widths, 6);
        // All inputs are positive, so that a large weight has the sign of its product.
        let x = Tensor::from_fn(6, widths[0], |i, j| 1.0 + ((i + j) as f32).cos().abs());
        Case { model, x, labels, sgd: SGD }
    }

    /// One input x, one hidden unit max(w x + b, 0), two scores a·(-c) and a·c; every label is 0.
    fn tiny(x: f32, w: f32, b: f32, c: f32, rows: usize) -> Case {
        let mut model = SoftmaxClassifier::zeros(&[1, 1, 2]).unwrap();
        model.weight_mut(0)[0] = w;
        model.bias_mut(0)[0] = b;
        model.weight_mut(1).copy_from_slice(&[-c, c]);
        Case { model, x: Tensor::from_fn(rows, 1, |_, _| x), labels: vec![0; rows], sgd: SGD }
    }

    /// How training ends: to the bit the same with any number of threads, and at the same step and
    /// tensor with all kernels.
    fn train(&self, detect: bool, batch: usize) -> Result<(), Diverged> {
        let order: Vec<u32> = (0..self.x.rows() as u32).collect();
        let end = |isa, threads| {
            let mut engine = Engine::with_kernel(&self.model, batch, threads, isa).unwrap();
            engine.set_detect_anomaly(detect);
            engine.train(&self.x, &self.labels, &order, batch, self.sgd)
        };
        let at =
            |end: Result<(), Diverged>| end.map_err(|diverged| (diverged.step, diverged.tensor));
        let portable = end(Isa::PORTABLE, 1);
        for isa in Isa::available() {
            let one = end(isa, 1);
            assert_eq!(at(one), at(portable), "{isa}");
            for threads in [2, 3, 7] {
                // By their text: a NaN is not equal to itself.
                let many = end(isa, threads);
                assert_eq!(format!("{many:?}"), format!("{one:?}"), "{isa}, {threads} threads");
            }
        }
        portable
    }

    /// The step and the tensor that make the loss not finite, with and without anomaly detection.
    fn behind_the_loss(&self) -> (usize, TensorName) {
        let found = [false, true].map(|detect| {
            let diverged = self.train(detect, 2).unwrap_err();
            assert!(!diverged.loss.is_finite(), "{diverged}");
            (diverged.step, diverged.tensor)
        });
        assert_eq!(found[0], found[1], "anomaly detection finds what the loss shows");
        found[0]
    }

    /// The step and the tensor that only anomaly detection finds: the loss is finite there.
    fn hidden(&self, batch: usize) -> (usize, TensorName) {
        let first = self.train(false, batch).map_or_else(|diverged| diverged.step, |()| usize::MAX);
        let diverged = self.train(true, batch).unwrap_err();
        assert!(diverged.loss.is_finite(), "{diverged}");
        assert!(diverged.step < first, "the loss shows it at step {first}: {diverged}");
        (diverged.step, diverged.tensor)
    }
}

#[test]
fn a_loss_that_is_not_finite_is_traced_to_its_cause() {
    // Several blocks and tiles in each layer, so that the threads share them.
    let widths = [300, 130, 97, 10];
    let case = || Case::new(&widths);

    let mut pixel = case();
    pixel.x = Tensor::from_fn(6, 300, |i, j| if (i, j) == (5, 299) { f32::NAN } else { 1.0 });
    assert_eq!(pixel.behind_the_loss(), (2, TensorName::Input), "row 5 is read in the third step");

    for layer in 1..=3 {
        let mut weight = case();
        *weight.model.weight_mut(layer - 1).last_mut().unwrap() = f32::NAN;
        assert_eq!(weight.behind_the_loss(), (0, TensorName::Weight(layer)));
        let mut bias = case();
        *bias.model.bias_mut(layer - 1).last_mut().unwrap() = f32::NAN;
        assert_eq!(bias.behind_the_loss(), (0, TensorName::Bias(layer)));
    }
    // Of two causes the first, although other threads own it.
    let mut both = case();
    both.model.bias_mut(1)[0] = f32::NAN;
    *both.model.weight_mut(1).last_mut().unwrap() = INFINITE;
    assert_eq!(both.behind_the_loss(), (0, TensorName::Weight(2)));

    let mut activation = case();
    activation.model.weight_mut(0)[..300].fill(1e38);
    assert_eq!(activation.behind_the_loss(), (0, TensorName::Activation(1)));
    let mut scores = case();
    scores.model.bias_mut(1).fill(100.0);
    scores.model.weight_mut(2)[..97].fill(1e38);
    assert_eq!(scores.behind_the_loss(), (0, TensorName::Activation(3)));

    // Minus infinity alone is gone from the scores when they have become a derivative.
    let mut lowest = case();
    lowest.model.bias_mut(1).fill(100.0);
    lowest.model.weight_mut(2)[..97].fill(-1e38);
    assert_eq!(lowest.behind_the_loss(), (0, TensorName::Activation(3)));

    // 1e30 behind a dead unit reaches no activation, but its square is beyond f32.
    let mut penalty = case();
    penalty.model.bias_mut(0)[7] = -1e6;
    penalty.model.weight_mut(1)[7] = 1e30;
    penalty.sgd.l2 = 0.01;
    assert_eq!(penalty.behind_the_loss(), (0, TensorName::Loss));
}

#[test]
fn anomaly_detection_finds_what_a_finite_loss_hides() {
    let mut dead = Case::new(&[300, 130, 97, 10]);
    dead.model.weight_mut(0)[299] = -INFINITE;
    assert_eq!(dead.hidden(2), (0, TensorName::Weight(1)));
    let mut dead = Case::new(&[300, 130, 97, 10]);
    dead.model.bias_mut(1)[96] = -INFINITE;
    assert_eq!(dead.hidden(2), (0, TensorName::Bias(2)));

    // The scores are -3 and 3, so ∂L/∂Z₂ is about (-1, 1), and ∂L/∂Z₁ = 2 · 3e38.
    let gradient = Case::tiny(1.0, 1e-38, 0.0, 3e38, 1);
    assert_eq!(gradient.hidden(1), (0, TensorName::Gradient(1)));
    // Divided by four rows it is finite, and their sum, the bias's gradient, is not.
    let sum = Case::tiny(0.0, 0.0, 1e-38, 3e38, 4);
    assert_eq!(sum.hidden(4), (0, TensorName::BiasVelocity(1)));
    // ∂L/∂Z₁ is about 20, times an input of 3e38.
    let product = Case::tiny(3e38, 0.0, 1.0, 10.0, 1);
    assert_eq!(product.hidden(1), (0, TensorName::WeightVelocity(1)));
    // A velocity of about 100, times a step size of 1e38.
    let mut step = Case::tiny(1.0, 100.0, 0.0, 1.0, 3);
    step.sgd.learning_rate = 1e38;
    assert_eq!(step.hidden(1), (0, TensorName::Weight(2)));
}

#[test]
fn the_first_parameter_that_is_not_finite_is_named() {
    let Case { mut model, .. } = Case::new(&[40, 20, 5]);
    assert_eq!(model.first_not_finite(), None);
    model.bias_mut(1)[4] = f32::NAN;
    assert_eq!(model.first_not_finite(), Some(TensorName::Bias(2)));
    model.weight_mut(1)[99] = INFINITE;
    assert_eq!(model.first_not_finite(), Some(TensorName::Weight(2)));
    model.bias_mut(0)[0] = -INFINITE;
    assert_eq!(model.first_not_finite(), Some(TensorName::Bias(1)));
}

#[test]
fn a_step_whose_loss_is_not_finite_leaves_the_model_as_it_was() {
    let mut case = Case::new(&[40, 20, 5]);
    case.model.weight_mut(0)[..40].fill(1e38);
    for max_norm in [None, Some(1.0)] {
        let mut engine = Engine::new(&case.model, 2, 2).unwrap();
        engine.set_clip_norm(max_norm);
        let diverged = engine.train(&case.x, &case.labels, &[0, 1, 2, 3], 2, case.sgd).unwrap_err();
        assert_eq!(diverged.tensor, TensorName::Activation(1));
        assert_eq!(engine.model(), case.model);
    }
}

#[test]
fn anomaly_detection_changes_no_bit_of_a_finite_run() {
    let (model, x, labels) = problem_in_f32(&[129, 100, 10], 33);
    let order: Vec<u32> = (0..33).collect();
    for max_norm in [None, Some(0.2)] {
        let run = |detect| {
            let mut engine = Engine::new(&model, 8, 2).unwrap();
            engine.set_clip_norm(max_norm);
            engine.set_detect_anomaly(detect);
            engine.train(&x, &labels, &order, 8, Sgd { l2: 0.01, ..SGD }).unwrap();
            (engine.model(), engine.velocity())
        };
        assert!(run(false) == run(true), "limit {max_norm:?}");
    }
}

#[test]
fn the_tensor_is_named_as_in_the_model_file() {
    let diverged = Diverged { step: 3, loss: f64::NAN, tensor: TensorName::Activation(2) };
    let sentence = "diverged at step 3: the activation of fc2 is NaN or infinite (loss NaN)";
    assert_eq!(diverged.to_string(), sentence);
    assert_eq!(TensorName::WeightVelocity(1).to_string(), "the velocity of fc1.weight");
}

#[test]
fn every_tensor_of_a_normalized_model_is_named_as_its_file_names_it() {
    let case = Case::new(&[40, 20, 5]);
    let order: Vec<u32> = (0..6).collect();
    for norm in [Norm::None, Norm::Layer, Norm::Batch] {
        let hidden = Hidden { norm, ..Hidden::default() };
        let model = SoftmaxClassifier::with_hidden(&[40, 20, 5], hidden, Init::He, 1).unwrap();
        assert_eq!(model.first_not_finite(), None);
        for spec in model.architecture().tensors() {
            let mut broken = model.clone();
            broken.parameters_mut()[spec.range.end - 1] = f32::NAN;
            assert_eq!(broken.first_not_finite().unwrap().to_string(), spec.name);
            if !spec.trained {
                continue; // training does not read the running statistics
            }
            for threads in [1, 2] {
                let mut engine = Engine::new(&broken, 6, threads).unwrap();
                let diverged = engine.train(&case.x, &case.labels, &order, 6, SGD).unwrap_err();
                assert_eq!(diverged.tensor.to_string(), spec.name, "{threads} threads");
            }
        }
    }
}
