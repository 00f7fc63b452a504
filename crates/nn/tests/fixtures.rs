//! Numbers from outside: the two-layer fixture of the CS231n course, and cases small enough to
//! work out by hand.

use std::ops::ControlFlow;

use chainrule_nn::{Engine, Init, Sgd, SoftmaxClassifier, Step};
use chainrule_tensor::{Isa, Tensor};

fn linspace(from: f64, to: f64, n: usize) -> Vec<f64> {
    (0..n).map(|i| from + (to - from) * i as f64 / (n - 1) as f64).collect()
}

/// One step that leaves the parameters where they are: its loss, and the gradient.
fn loss_and_gradient(
    model: &SoftmaxClassifier<f64>,
    x: &Tensor<f64>,
    labels: &[u8],
    l2: f64,
    isa: Isa,
) -> (f64, SoftmaxClassifier<f64>) {
    let order: Vec<u32> = (0..x.rows() as u32).collect();
    let mut engine = Engine::with_kernel(model, x.rows(), 1, isa).unwrap();
    let mut loss = f64::NAN;
    let stand_still = Sgd { learning_rate: 0.0, momentum: 0.0, l2, nesterov: false };
    engine
        .train_each(
            x,
            labels,
            &order,
            x.rows(),
            |_| stand_still,
            |step| {
                loss = step.loss;
                ControlFlow::Continue(())
            },
        )
        .unwrap();
    assert_eq!(&engine.model(), model, "a learning rate of 0 must leave the parameters alone");
    (loss, engine.velocity())
}

/// N = 3, D = 5, H = 50, C = 7; the course stores weights as (inputs, outputs).
fn cs231n() -> (SoftmaxClassifier<f64>, Tensor<f64>, [u8; 3]) {
    let (n, d, h, c) = (3, 5, 50, 7);
    let mut model = SoftmaxClassifier::<f64>::zeros(&[d, h, c]).unwrap();
    let (w1, w2) = (linspace(-0.7, 0.3, d * h), linspace(-0.3, 0.4, h * c));
    for o in 0..h {
        for i in 0..d {
            model.weight_mut(0)[o * d + i] = w1[i * h + o];
        }
    }
    for o in 0..c {
        for i in 0..h {
            model.weight_mut(1)[o * h + i] = w2[i * c + o];
        }
    }
    model.bias_mut(0).copy_from_slice(&linspace(-0.1, 0.9, h));
    model.bias_mut(1).copy_from_slice(&linspace(-0.9, 0.1, c));
    let x = linspace(-5.5, 4.5, n * d);
    (model, Tensor::from_fn(n, d, |i, j| x[j * n + i]), [0, 5, 1])
}

#[test]
fn the_course_fixture_has_its_published_losses() {
    for isa in Isa::available() {
        let (model, x, y) = cs231n();
        let (loss, _) = loss_and_gradient(&model, &x, &y, 0.0, isa);
        assert!((loss - 3.4702243555953918).abs() < 1e-9, "{isa}: {loss}");
        let (loss, _) = loss_and_gradient(&model, &x, &y, 1.0, isa);
        assert!((loss - 26.594842695238583).abs() < 1e-9, "{isa}: {loss}");
    }
}

#[test]
fn the_course_fixture_has_its_published_scores() {
    let scores = [
        [11.53165108, 12.2917344, 13.05181771, 13.81190102, 14.57198434, 15.33206765, 16.09215096],
        [12.05769098, 12.74614105, 13.43459113, 14.1230412, 14.81149128, 15.49994135, 16.18839143],
        [12.58373087, 13.20054771, 13.81736455, 14.43418138, 15.05099822, 15.66781506, 16.2846319],
    ];
    let (model, x, _) = cs231n();
    let mut engine = Engine::new(&model, 3, 2).unwrap();
    let got = engine.scores(&x, &[0, 1, 2]);
    for (i, row) in scores.iter().enumerate() {
        for (j, &want) in row.iter().enumerate() {
            let got = got.row(i)[j];
            assert!((got - want).abs() < 1e-8, "row {i}, class {j}: {got}, published {want}");
        }
    }
}

#[test]
fn a_linear_classifier_worked_out_by_hand() {
    // x = (1, 2), W = [[ln 2, 0], [0, 0]], b = (0, 0): scores (ln 2, 0), p = (2/3, 1/3).
    // Label 1: loss ln 3, dscores = (2/3, 1/3 - 1), dW = dscores xᵀ.
    let mut model = SoftmaxClassifier::<f64>::zeros(&[2, 2]).unwrap();
    model.weight_mut(0)[0] = 2.0f64.ln();
    let x = Tensor::from_rows(&[[1.0, 2.0]]);
    for isa in Isa::available() {
        let (loss, gradient) = loss_and_gradient(&model, &x, &[1], 0.0, isa);
        assert!((loss - 3.0f64.ln()).abs() < 1e-15);
        let want = [2.0 / 3.0, 4.0 / 3.0, -2.0 / 3.0, -4.0 / 3.0, 2.0 / 3.0, -2.0 / 3.0];
        for (got, want) in gradient.parameters().iter().zip(want) {
            assert!((got - want).abs() < 1e-14, "{isa}: {got} {want}");
        }
    }
}

#[test]
fn a_two_layer_network_worked_out_by_hand() {
    // x = 3; hidden: relu(2·3 - 1) = 5 and relu(-1·3 + 1) = 0; scores 1·5 + 0·0 = 5 and
    // 1·5 + 7·0 = 5: p = (1/2, 1/2), label 0, loss ln 2, dscores = (-1/2, 1/2).
    // dW2 = dscores aᵀ = [[-5/2, 0], [5/2, 0]]; da = W2ᵀ dscores = (0, 7/2), of which the second
    // unit is off. With another second row (3, 7), scores are (5, 15).
    let mut model = SoftmaxClassifier::<f64>::zeros(&[1, 2, 2]).unwrap();
    model.weight_mut(0).copy_from_slice(&[2.0, -1.0]);
    model.bias_mut(0).copy_from_slice(&[-1.0, 1.0]);
    model.weight_mut(1).copy_from_slice(&[1.0, 0.0, 1.0, 7.0]);
    let x = Tensor::from_rows(&[[3.0]]);
    let (loss, gradient) = loss_and_gradient(&model, &x, &[0], 0.0, Isa::best());
    assert!((loss - 2.0f64.ln()).abs() < 1e-15);
    assert_eq!(gradient.weight(1), [-2.5, 0.0, 2.5, 0.0]);
    assert_eq!(gradient.bias(1), [-0.5, 0.5]);
    assert_eq!(gradient.weight(0), [0.0, 0.0]);
    model.weight_mut(1)[2] = 1.0 + 2.0f64.ln() / 5.0; // scores 5 and 5 + ln 2: p = (1/3, 2/3)
    let (loss, gradient) = loss_and_gradient(&model, &x, &[0], 0.0, Isa::best());
    assert!((loss - 3.0f64.ln()).abs() < 1e-14);
    // da₁ = -2/3·1 + 2/3·(1 + ln 2 / 5) = 2 ln 2 / 15; dW1₁ = 3 da₁, db1₁ = da₁.
    let da = 2.0 * 2.0f64.ln() / 15.0;
    assert!((gradient.weight(0)[0] - 3.0 * da).abs() < 1e-14);
    assert!((gradient.bias(0)[0] - da).abs() < 1e-14);
    assert_eq!((gradient.weight(0)[1], gradient.bias(0)[1]), (0.0, 0.0));
}

#[test]
fn an_untrained_network_of_ten_classes_loses_ln_10() {
    let model = SoftmaxClassifier::<f64>::new(&[40, 30, 10], Init::Normal(1e-4), 1).unwrap();
    let x = Tensor::from_fn(6, 40, |i, j| ((i * 31 + j * 17) % 19) as f64 / 9.0 - 1.0);
    let (loss, _) = loss_and_gradient(&model, &x, &[0, 1, 2, 3, 4, 5], 0.0, Isa::best());
    assert!((loss - 10.0f64.ln()).abs() < 1e-5, "{loss}");
}

/// PyTorch 2.15.0 in float64: four steps on the course's fixture of `clip_grad_norm_` to 2, then
/// `SGD(lr=0.1, momentum=0.9)` with a `weight_decay` of 0.1 for the weights and none for the
/// biases. Loss with the penalty, and the norm that `clip_grad_norm_` returned.
const CLIPPED_BY_PYTORCH: [(f64, f64); 4] = [
    (5.78268618955971, 25.864107884362433),
    (3.458712551479255, 5.871103176943891),
    (6.272450821908311, 19.587266870636913),
    (8.402675394606712, 29.847676961352068),
];

#[test]
fn clipping_the_gradient_takes_the_steps_that_pytorch_takes() {
    for isa in Isa::available() {
        let (model, x, y) = cs231n();
        let mut engine = Engine::with_kernel(&model, 3, 1, isa).unwrap();
        engine.set_clip_norm(Some(2.0));
        let rule = Sgd { learning_rate: 0.1, momentum: 0.9, nesterov: false, l2: 0.1 };
        let close = |a: f64, b: f64| (a - b).abs() < 1e-12 * b.abs();
        for (number, (loss, norm)) in CLIPPED_BY_PYTORCH.into_iter().enumerate() {
            let each = |step: Step| {
                let got = step.gradient_norm.unwrap();
                assert!(close(step.loss, loss), "{isa}, step {number}: {}, {loss}", step.loss);
                assert!(close(got, norm), "{isa}, step {number}: norm {got}, {norm}");
                ControlFlow::Continue(())
            };
            engine.train_each(&x, &y, &[0, 1, 2], 3, |_| rule, each).unwrap();
        }
        let model = engine.model();
        for (got, pytorch) in [
            (model.weight(0)[7 * 5 + 3], -0.06428874852955017),
            (model.bias(0)[49], 0.8994193243382321),
            (model.weight(1)[6 * 50], -0.3280852128197861),
            (model.bias(1)[2], -0.5691943970580423),
        ] {
            assert!(close(got, pytorch), "{isa}: {got}, {pytorch}");
        }
    }
}
