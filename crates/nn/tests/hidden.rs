//! Hidden units of every kind, optimizers and noise: against PyTorch, on any number of threads, and
//! across an interruption.

use std::ops::ControlFlow;

use chainrule_nn::{
    Activation, Engine, Hidden, Init, Method, Norm, Optimizer, Regularization, SoftmaxClassifier,
    Step,
};
use chainrule_tensor::{Isa, Kernel, Tensor};
use common::problem_in_f32;

mod common;

fn sgd() -> Optimizer<f64> {
    let method = Method::Momentum { momentum: 0.9, nesterov: true };
    Optimizer { learning_rate: 0.1, l2: 0.0, decay: 0.0, method }
}

fn adamw() -> Optimizer<f64> {
    let method = Method::Adam { beta1: 0.9, beta2: 0.99, epsilon: 1e-8 };
    Optimizer { learning_rate: 0.05, l2: 0.0, decay: 0.2, method }
}

fn rms_prop() -> Optimizer<f64> {
    let method = Method::RmsProp { momentum: 0.5, smoothing: 0.9, epsilon: 1e-8 };
    Optimizer { learning_rate: 0.01, l2: 0.0, decay: 0.0, method }
}

/// Hidden widths, hidden units, optimizer, label smoothing.
type Case = (&'static [usize], Activation, Norm, Optimizer<f64>, f64);

/// Losses of four steps, and sums over the scores of evaluation.
type Values = ([f64; 4], [f64; 3]);

#[test]
fn training_and_evaluation_follow_pytorch_with_every_kind_of_hidden_unit() {
    // From reference/hidden.py.
    let cases: [(Case, Values); 8] = [
        (
            (&[4], Activation::LeakyRelu, Norm::None, sgd(), 0.0),
            (
                [1.1435000897107552, 0.9793553522104071, 1.0725413174876484, 0.8949632192676796],
                [5.507701642040824, 7.088214136075854, 24.09181862953046],
            ),
        ),
        (
            (&[4, 3], Activation::Gelu, Norm::None, adamw(), 0.1),
            (
                [1.1062510576527635, 1.1837508152279357, 1.0334196227622574, 1.1112686770389673],
                [-5.139121695866146, 5.139263522375733, -24.490962163863113],
            ),
        ),
        (
            (&[4, 3], Activation::Tanh, Norm::None, rms_prop(), 0.0),
            (
                [1.091145252478571, 1.1129089939486267, 0.9878279611119725, 0.984034781196582],
                [-4.766442169666609, 5.08527071429795, -19.69237246128858],
            ),
        ),
        (
            (&[4], Activation::Sigmoid, Norm::None, sgd(), 0.0),
            (
                [1.1208672724787119, 1.1856140286185894, 1.078752713883142, 1.1112278665889663],
                [5.715626694377186, 5.715626694377186, 24.613220797498887],
            ),
        ),
        (
            (&[4, 3], Activation::Relu, Norm::Batch, sgd(), 0.0),
            (
                [1.0380308561583143, 1.2305194232913932, 1.0176329040238659, 1.1230545127328768],
                [4.536579945794162, 4.536579945794162, 17.524945680110683],
            ),
        ),
        (
            (&[4], Activation::Gelu, Norm::Batch, adamw(), 0.1),
            (
                [1.0468728566214327, 1.0900750356418847, 0.9832573785823149, 0.96985889341927],
                [-6.453487861831359, 6.840192563386415, -29.46916503757877],
            ),
        ),
        (
            (&[60, 3], Activation::Relu, Norm::Layer, sgd(), 0.0),
            (
                [1.2674180318123505, 1.018757761936356, 1.2096051086794843, 1.0362331928538955],
                [-7.406818865304544, 7.406818865304544, -29.274931016421014],
            ),
        ),
        (
            (&[4], Activation::Tanh, Norm::Layer, adamw(), 0.1),
            (
                [1.0903743880812584, 1.1988458371184474, 1.0058537658945936, 1.067936502130768],
                [-6.799827836482473, 7.319336552535966, -32.27840138192412],
            ),
        ),
    ];
    let x = Tensor::from_fn(6, 5, |i, j| (1.7 * i as f64 + 0.9 * j as f64).sin());
    let labels: Vec<u8> = (0..6).map(|i| (7 * i % 3) as u8).collect();
    let order: Vec<u32> = (0..6).collect();
    for ((hidden_widths, activation, norm, optimizer, label_smoothing), (losses, sums)) in cases {
        let widths = [&[5], hidden_widths, &[3]].concat();
        let hidden = Hidden { norm, activation };
        let model = SoftmaxClassifier::with_hidden(&widths, hidden, Init::He, 0);
        let mut model: SoftmaxClassifier<f64> = model.unwrap();
        let mut n = 0.0f64;
        for parameter in model.layout().iter().filter(|parameter| parameter.trained) {
            for value in &mut model.parameters_mut()[parameter.range.clone()] {
                *value = 0.5 * (1.0 + 0.7 * n).sin();
                n += 1.0;
            }
        }
        for isa in Isa::available() {
            let case = format!("{isa}, {hidden_widths:?} {hidden:?}");
            let mut engine = Engine::with_kernel(&model, 4, 2, isa).unwrap();
            engine.set_regularization(Regularization { label_smoothing, ..Default::default() });
            let mut got = vec![];
            for _ in 0..2 {
                let each = |step: Step| {
                    got.push(step.loss);
                    ControlFlow::Continue(())
                };
                engine.train_each(&x, &labels, &order, 4, |_| optimizer, each).unwrap();
            }
            let close = |got: f64, want: f64| (got - want).abs() < 1e-11 * want.abs().max(1.0);
            for (got, want) in got.iter().zip(losses) {
                assert!(close(*got, want), "{case}: loss {got}, PyTorch {want}");
            }
            let scores = engine.scores(&x, &order);
            // Folded into the weights, a batch normalization computes the same.
            let folded = Engine::with_kernel(&engine.model().folded(), 4, 1, isa);
            let folded = folded.unwrap().scores(&x, &order);
            for scores in [scores, folded] {
                let all = || (0..6).flat_map(|i| (0..3).map(move |j| (i, j)));
                let at = |i: usize, j: usize| scores.row(i)[j];
                let found = [
                    all().map(|(i, j)| at(i, j)).sum::<f64>(),
                    all().map(|(i, j)| at(i, j).abs()).sum(),
                    all().map(|(i, j)| at(i, j) * (i + 2 * j) as f64).sum(),
                ];
                for (got, want) in found.into_iter().zip(sums) {
                    assert!(close(got, want), "{case}: {got}, PyTorch {want}");
                }
            }
        }
    }
}

/// Networks and settings that between them have everything.
fn everything() -> Vec<(Hidden, Optimizer<f32>, Regularization, Option<f64>)> {
    let adam = Optimizer {
        learning_rate: 0.01,
        l2: 0.01,
        decay: 0.1,
        method: Method::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
    };
    let rms_prop = Method::RmsProp { momentum: 0.5, smoothing: 0.9, epsilon: 1e-8 };
    let noise = Regularization { seed: 3, dropout: 0.3, mixup: 0.4, label_smoothing: 0.1 };
    let hidden = |norm, activation| Hidden { norm, activation };
    vec![
        (hidden(Norm::Batch, Activation::Relu), adam, noise, None),
        (hidden(Norm::Layer, Activation::Gelu), adam, noise, Some(0.2)),
        (hidden(Norm::Batch, Activation::Tanh), adam, noise, Some(0.2)),
        (
            hidden(Norm::None, Activation::LeakyRelu),
            Optimizer { method: rms_prop, ..adam },
            noise,
            None,
        ),
    ]
}

/// What a run leaves behind: losses, weights, velocity, squares, average.
type Bits = (Vec<(f64, Option<f64>)>, [SoftmaxClassifier; 4]);

#[test]
fn the_bits_depend_neither_on_the_number_of_threads_nor_on_an_interruption() {
    for widths in [&[300, 130, 47, 10][..], &[129, 100, 10]] {
        for (hidden, optimizer, noise, max_norm) in everything() {
            let (_, x, labels) = problem_in_f32(widths, 33);
            let model = SoftmaxClassifier::with_hidden(widths, hidden, Init::He, 5).unwrap();
            let order: Vec<u32> = (0..33).collect();
            for kernel in Kernel::available() {
                let start = |threads, model: &SoftmaxClassifier| {
                    let mut engine = Engine::with_kernel(model, 8, threads, kernel).unwrap();
                    engine.set_regularization(noise);
                    engine.set_clip_norm(max_norm);
                    engine.set_ema_decay(Some(0.9));
                    engine
                };
                let run = |threads, piece: usize| -> Bits {
                    let mut engine = start(threads, &model);
                    let mut steps = vec![];
                    for piece in order.chunks(piece) {
                        let each = |step: Step| {
                            steps.push((step.loss, step.gradient_norm));
                            ControlFlow::Continue(())
                        };
                        engine.train_each(&x, &labels, piece, 8, |_| optimizer, each).unwrap();
                        let mut fresh = start(threads, &engine.model());
                        fresh.set_velocity(&engine.velocity());
                        fresh.set_second_moment(&engine.second_moment().unwrap());
                        fresh.set_ema(&engine.ema().unwrap());
                        fresh.set_steps(engine.steps());
                        engine = fresh;
                    }
                    let (squares, average) = (engine.second_moment(), engine.ema());
                    let state = [engine.model(), engine.velocity()];
                    let [model, velocity] = state;
                    (steps, [model, velocity, squares.unwrap(), average.unwrap()])
                };
                let one = run(1, 33);
                assert!(one.0.iter().all(|(loss, _)| loss.is_finite()), "{hidden:?}: {:?}", one.0);
                for (threads, piece) in [(2, 33), (3, 33), (7, 33), (1, 8), (3, 16)] {
                    let other = run(threads, piece);
                    let case = format!(
                        "{kernel:?} {widths:?} {hidden:?}, {threads} threads, {piece} rows"
                    );
                    assert_eq!(one.0, other.0, "{case}");
                    assert!(one.1 == other.1, "{case}: state");
                }
            }
        }
    }
}

#[test]
fn the_average_of_the_weights_is_what_its_definition_says() {
    let (model, x, labels) = problem_in_f32(&[20, 6, 3], 24);
    let order: Vec<u32> = (0..24).collect();
    let mut engine = Engine::new(&model, 4, 2).unwrap();
    engine.set_ema_decay(Some(0.5));
    let mut average: Vec<f64> = model.parameters().iter().map(|&w| w.into()).collect();
    let rule = Optimizer { learning_rate: 0.05, ..everything()[0].1 };
    for (t, batch) in order.chunks(4).enumerate() {
        engine.train(&x, &labels, batch, 4, rule).unwrap();
        // keep = min(0.5, (1 + t) / (10 + t)) with t from 1.
        let keep = ((t + 2) as f64 / (t + 11) as f64).min(0.5);
        for (average, &w) in average.iter_mut().zip(engine.model().parameters()) {
            *average = keep * *average + (1.0 - keep) * f64::from(w);
        }
    }
    let last = engine.model();
    engine.swap_ema();
    for (got, want) in engine.model().parameters().iter().zip(&average) {
        assert!((f64::from(*got) - want).abs() < 1e-6, "{got}, {want}");
    }
    assert_ne!(engine.model(), last);
    engine.swap_ema();
    assert_eq!(engine.model(), last, "and back");
}

#[test]
fn the_gradient_of_a_weighted_loss_is_its_difference_and_its_divisor_that_of_the_batch() {
    use chainrule_nn::Sgd;

    let weights = [3.0, 0.25, 1.5];
    let x = Tensor::from_fn(6, 5, |i, j| (1.7 * i as f64 + 0.9 * j as f64).sin());
    let labels: Vec<u8> = vec![0, 0, 1, 2, 1, 2];
    let model = SoftmaxClassifier::<f64>::new(&[5, 4, 3], Init::He, 4).unwrap();
    let still = Sgd { learning_rate: 0.0, momentum: 0.0, l2: 0.0, nesterov: false };
    let smooth = Regularization { label_smoothing: 0.1, ..Default::default() };
    let mixed = Regularization { mixup: 0.5, ..smooth };
    for (regularization, rows) in [
        (Regularization::default(), &[0, 1, 2, 3, 5][..]),
        (smooth, &[4, 0, 3]),
        (mixed, &[0, 2, 3, 5]),
    ] {
        let mut engine = Engine::new(&model, 6, 2).unwrap();
        engine.set_regularization(regularization);
        engine.set_class_weights(Some(&weights));
        let loss = |engine: &mut Engine<f64>| {
            let mut loss = f64::NAN;
            engine.set_steps(0);
            let each = |step: Step| {
                loss = step.loss;
                ControlFlow::Continue(())
            };
            engine.train_each(&x, &labels, rows, 6, |_| still, each).unwrap();
            loss
        };
        let at_first = loss(&mut engine);
        let gradient = engine.velocity();
        for index in 0..model.parameters().len() {
            let (at, h) = (model.parameters()[index], 1e-5);
            let mut value = |x: f64| {
                engine.set_parameter(index, x);
                loss(&mut engine)
            };
            let numeric = (value(at + h) - value(at - h)) / (2.0 * h);
            let analytic = gradient.parameters()[index];
            assert!((numeric - analytic).abs() < 1e-8, "{index}: {analytic}, {numeric}");
            engine.set_parameter(index, at);
        }
        if regularization == Regularization::default() {
            // -Σ w_y ln p_y / Σ w_y, from the scores.
            let scores = engine.scores(&x, rows);
            let (mut sum, mut divisor) = (0.0, 0.0);
            for (i, &row) in rows.iter().enumerate() {
                let label = usize::from(labels[row as usize]);
                let total: f64 = scores.row(i).iter().map(|s| s.exp()).sum();
                sum -= weights[label] * (scores.row(i)[label].exp() / total).ln();
                divisor += weights[label];
            }
            assert!((at_first - sum / divisor).abs() < 1e-14, "{at_first} {}", sum / divisor);
        }
    }
}

#[test]
fn the_norm_that_is_clipped_is_over_every_gradient_those_of_the_normalization_included() {
    use chainrule_nn::Sgd;

    let (_, x, labels) = problem_in_f32(&[20, 6, 3], 8);
    let order: Vec<u32> = (0..8).collect();
    let still = Sgd { learning_rate: 0.0, momentum: 0.0, l2: 0.0, nesterov: false };
    for norm in [Norm::None, Norm::Batch, Norm::Layer] {
        let hidden = Hidden { norm, ..Hidden::default() };
        let model = SoftmaxClassifier::with_hidden(&[20, 6, 3], hidden, Init::He, 2).unwrap();
        let mut engine = Engine::new(&model, 8, 2).unwrap();
        engine.set_clip_norm(Some(f64::INFINITY)); // the norm is reported, and nothing clipped
        let mut reported = f64::NAN;
        let each = |step: Step| {
            reported = step.gradient_norm.unwrap();
            ControlFlow::Continue(())
        };
        engine.train_each(&x, &labels, &order, 8, |_| still, each).unwrap();
        let gradient = engine.velocity(); // with a momentum of 0
        for tensor in model.architecture().tensors() {
            let moves = gradient.parameters()[tensor.range].iter().any(|&g| g != 0.0);
            assert_eq!(moves, tensor.trained, "{norm:?}: {}", tensor.name);
        }
        let squares = gradient.parameters().iter().map(|&g| f64::from(g).powi(2));
        let want = squares.sum::<f64>().sqrt();
        assert!((reported - want).abs() < 1e-6 * want, "{norm:?}: {reported}, {want}");
    }
}
