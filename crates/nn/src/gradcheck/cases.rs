//! What is checked: each layer alone, the loss, and small classifiers with every ingredient.

use std::ops::Range;

use chainrule_tensor::exchange::Exchange;
use chainrule_tensor::ops::columns::scale_shift_columns;
use chainrule_tensor::{Isa, Tensor};

use super::difference::Value;
use super::report::{Elements, Row, check};
use super::training::Training;
use crate::layers::linear::{Part, Workspace};
use crate::layers::{linear, norm, relu};
use crate::operands::Operands;
use crate::tiling::Tiling;
use crate::{Activation, Hidden, Init, Norm, Regularization, SoftTargets, SoftmaxClassifier, loss};

/// Σ a b: turns a layer's output into one number to differentiate.
fn dot(a: &[f64], b: &[f64]) -> Value {
    let terms = || a.iter().zip(b).map(|(a, b)| a * b);
    Value { value: terms().sum(), size: terms().map(f64::abs).sum(), sides: vec![] }
}

/// Normally distributed numbers.
pub(super) fn normal(n: usize, seed: u64) -> Vec<f64> {
    let draw = SoftmaxClassifier::<f64>::new(&[n, 1], Init::Normal(1.0), seed);
    draw.expect("n is not 0").weight(0).to_vec()
}

/// A network and how it is trained.
#[derive(Clone, Default)]
struct Case {
    name: String,
    /// Inputs and hidden widths.
    widths: Vec<usize>,
    l2: f64,
    hidden: Hidden,
    regularization: Regularization,
    /// Of the four classes.
    class_weights: Option<[f64; 4]>,
    /// A teacher's temperature and weight.
    teacher: Option<(f64, f64)>,
}

/// Plain classifiers of 0 to 3 hidden layers with and without an L2 penalty, and one for each
/// ingredient, in training mode.
fn cases() -> Vec<Case> {
    let mut cases = vec![];
    for widths in [&[132][..], &[132, 17], &[132, 17, 7], &[132, 17, 7, 6]] {
        for l2 in [0.0, 0.7] {
            let name = format!("classifier, {} hidden, reg {l2}", widths.len() - 1);
            cases.push(Case { name, widths: widths.to_vec(), l2, ..Case::default() });
        }
    }
    let case = |name: &str, hidden, regularization| Case {
        name: format!("classifier with {name}"),
        widths: vec![8, 53, 7],
        l2: 0.7,
        hidden,
        regularization,
        class_weights: None,
        teacher: None,
    };
    let none = Regularization::default();
    for activation in &Activation::ALL[1..] {
        let hidden = Hidden { activation: *activation, ..Hidden::default() };
        cases.push(case(&activation.to_string(), hidden, none));
    }
    for norm in &Norm::ALL[1..] {
        let hidden = Hidden { norm: *norm, ..Hidden::default() };
        cases.push(case(&format!("{norm} normalization"), hidden, none));
    }
    let dropout = Regularization { dropout: 0.3, ..none };
    let mixed = Regularization { mixup: 0.4, label_smoothing: 0.1, ..none };
    cases.push(case("dropout", Hidden::default(), dropout));
    cases.push(case("mixup and smoothed labels", Hidden::default(), mixed));
    for norm in &Norm::ALL[1..] {
        let hidden = Hidden { norm: *norm, activation: Activation::Gelu };
        let all = Regularization { dropout: 0.3, ..mixed };
        cases.push(case(&format!("all of it, {norm} normalization"), hidden, all));
    }
    let class_weights = Some([2.0, 0.25, 1.0, 3.5]);
    for (name, regularization) in [
        ("weighted classes", none),
        ("weighted classes, smoothed labels", Regularization { label_smoothing: 0.1, ..none }),
        ("weighted classes, mixup and smoothed labels", mixed),
    ] {
        cases.push(Case { class_weights, ..case(name, Hidden::default(), regularization) });
    }
    let smoothed = Regularization { label_smoothing: 0.1, ..none };
    for (name, regularization, teacher) in
        [("a teacher", none, (3.0, 1.0)), ("a teacher and smoothed labels", smoothed, (1.7, 0.6))]
    {
        let teacher = Some(teacher);
        cases.push(Case { teacher, ..case(name, Hidden::default(), regularization) });
    }
    cases
}

/// The rows of all cases.
pub(super) fn run(isa: Isa) -> Vec<Row> {
    let mut rows = linear_alone(isa);
    rows.extend(relu_alone(isa));
    rows.extend(Activation::ALL[1..].iter().map(|&activation| activation_alone(activation, isa)));
    rows.extend(batch_norm_alone(isa));
    rows.push(loss_alone(isa));
    rows.extend(cases().iter().flat_map(|case| classifier(case, isa)));
    rows
}

fn linear_alone(isa: Isa) -> Vec<Row> {
    let (n, inputs, outputs) = (5, 23, 140);
    // One block of inputs, several tiles of outputs; on a vector ISA the last is narrow.
    let tiling = Tiling::first(inputs, outputs, isa);
    let (tiles, columns) = (&tiling.tiles, outputs);
    let (x, w, b) = (normal(n * inputs, 1), normal(inputs * columns, 2), normal(columns, 3));
    let upstream = normal(n * columns, 4); // ∂L/∂Z, in tiles

    let of_tile = |t: &Range<usize>| upstream[t.start * n..t.end * n].to_vec();
    let dz = Exchange::new(n, tiles.iter().map(of_tile).collect(), vec![0; tiles.len()]);
    let mut work = Workspace::new(isa, n);
    let (mut dx, mut dw, mut db) = (vec![0.0; x.len()], vec![0.0; w.len()], vec![0.0; b.len()]);
    let blocks = tiling.own_blocks(&(0..1));
    let part = Part { tiling: &tiling, block: &blocks[0] };
    let Operands { input, gradient } = &Operands::new(&tiling, &blocks, n, n, true);
    linear::backward_input(&mut work, part, n, (&dz, gradient), &w, &mut dx);
    let mut keep = |at: Range<usize>, strip: &[f64]| dw[at].copy_from_slice(strip);
    linear::backward_weight(&mut work, part, n, (&x, input), (&dz, gradient), &mut keep);
    for (t, tile) in tiles.iter().enumerate() {
        linear::backward_bias(isa, &dz.read(t), &mut db[tile.clone()]);
    }

    let loss = |x: &[f64], w: &[f64], b: &[f64]| {
        let mut z = vec![f64::NAN; n * columns];
        linear::forward(&mut Workspace::new(isa, n), part, n, (x, input), w, &mut z, false);
        for tile in tiles {
            for row in z[tile.start * n..tile.end * n].chunks_mut(tile.len()) {
                row.iter_mut().zip(&b[tile.clone()]).for_each(|(z, b)| *z += b);
            }
        }
        dot(&z, &upstream)
    };
    vec![
        check("linear", "input", &x, &dx, |x| loss(x, &w, &b)),
        check("linear", "weight", &w, &dw, |w| loss(&x, w, &b)),
        check("linear", "bias", &b, &db, |b| loss(&x, &w, b)),
    ]
}

fn relu_alone(isa: Isa) -> Vec<Row> {
    let (n, features) = (8, 13);
    let (z, b, upstream) = (normal(n * features, 5), normal(features, 6), normal(n * features, 7));
    let forward = |z: &[f64], b: &[f64]| {
        let mut a = z.to_vec();
        relu::forward(isa, &mut a, b);
        a
    };
    let mut dz = upstream.clone();
    relu::backward(isa, &mut dz, &forward(&z, &b));
    let mut db = vec![0.0; features];
    linear::backward_bias(isa, &dz, &mut db);

    let value = |z: &[f64], b: &[f64]| {
        let a = forward(z, b);
        Value { sides: a.iter().map(|&a| a > 0.0).collect(), ..dot(&a, &upstream) }
    };
    vec![
        check("relu", "input", &z, &dz, |z| value(z, &b)),
        check("relu", "bias", &b, &db, |b| value(&z, b)),
    ]
}

fn activation_alone(activation: Activation, isa: Isa) -> Row {
    let (y, upstream) = (normal(80, 14), normal(80, 15));
    let value = |y: &[f64], slope: &mut [f64]| {
        let mut a = y.to_vec();
        activation.forward(isa, &mut a, slope);
        dot(&a, &upstream)
    };
    let mut dy = vec![0.0; y.len()];
    value(&y, &mut dy);
    dy.iter_mut().zip(&upstream).for_each(|(slope, upstream)| *slope *= upstream);
    let kinks = |y: &[f64]| match activation.has_kink() {
        true => y.iter().map(|&y| y > 0.0).collect(),
        false => vec![],
    };
    check(&activation.to_string(), "input", &y, &dy, |y| Value {
        sides: kinks(y),
        ..value(y, &mut [])
    })
}

fn batch_norm_alone(isa: Isa) -> Vec<Row> {
    let (n, features) = (6, 19);
    let (z, upstream) = (normal(n * features, 16), normal(n * features, 17));
    let (gamma, beta) = (normal(features, 18), normal(features, 19));
    let mut scratch = vec![0.0; 3 * features];
    let mut normed = |z: &[f64]| {
        let (mut x, mut inverse) = (z.to_vec(), vec![0.0; features]);
        let (mean, variance) = (&mut vec![0.0; features], &mut vec![0.0; features]);
        let running = norm::Running { mean, variance };
        norm::batch_forward(isa, &mut x, &mut inverse, running, &mut scratch);
        (x, inverse)
    };
    let (x, inverse) = normed(&z);
    let (mut dz, mut scratch) = (upstream.clone(), vec![0.0; 3 * features]);
    let (mut d_gamma, mut d_beta) = (vec![0.0; features], vec![0.0; features]);
    linear::backward_bias(isa, &dz, &mut d_beta);
    norm::backward_gamma(isa, &dz, &x, &mut d_gamma);
    let learned = (&gamma[..], &inverse[..]);
    norm::batch_backward(isa, &mut dz, &x, learned, (&d_gamma, &d_beta), &mut scratch);

    let mut value = |z: &[f64], gamma: &[f64], beta: &[f64]| {
        let mut y = normed(z).0;
        scale_shift_columns(isa, &mut y, gamma, beta);
        dot(&y, &upstream)
    };
    vec![
        check("batch_norm", "input", &z, &dz, |z| value(z, &gamma, &beta)),
        check("batch_norm", "weight", &gamma, &d_gamma, |gamma| value(&z, gamma, &beta)),
        check("batch_norm", "bias", &beta, &d_beta, |beta| value(&z, &gamma, beta)),
    ]
}

fn loss_alone(isa: Isa) -> Row {
    let (n, classes) = (6, 10);
    let scores = normal(n * classes, 8);
    let label = |i: usize| (3 * i + 1) % classes;
    let mut gradient = scores.clone();
    let target = |i| label(i).into();
    loss::cross_entropy_backward(isa, &mut gradient, classes, target, 1.0 / n as f64);
    check("softmax_cross_entropy", "scores", &scores, &gradient, |scores| {
        let rows = scores.chunks(classes).enumerate();
        rows.map(|(i, row)| loss::cross_entropy(row, label(i))).sum::<f64>() / n as f64
    })
}

fn classifier(case: &Case, isa: Isa) -> Vec<Row> {
    let Case { name, hidden, l2, regularization, class_weights, teacher, .. } = case;
    let (n, inputs, classes) = (5, case.widths[0], 4);
    let widths = [&case.widths[..], &[classes]].concat();
    let model = SoftmaxClassifier::<f64>::with_hidden(&widths, *hidden, Init::He, 11);
    let mut model = model.expect("no width is 0");
    let biases = normal(widths.iter().sum(), 12);
    for l in 0..model.depth() {
        let bias = model.bias_mut(l);
        bias.iter_mut().zip(&biases).for_each(|(b, &value)| *b = 0.1 * value);
    }
    let soft_targets = teacher.map(|(temperature, weight)| {
        let mut probabilities = normal(n * classes, 20);
        probabilities.chunks_exact_mut(classes).for_each(loss::softmax);
        SoftTargets { temperature, weight, probabilities }
    });
    let training = Training {
        data: &Tensor::from_vec(normal(n * inputs, 13), n, inputs),
        labels: &(0..n).map(|i| (2 * i % classes) as u8).collect::<Vec<_>>(),
        rows: &(0..n as u32).collect::<Vec<_>>(),
        regularization: *regularization,
        class_weights: class_weights.as_ref().map(|weights| &weights[..]),
        soft_targets: soft_targets.as_ref(),
        l2: *l2,
    };
    training.check(name, &model, Elements::All, isa, 1).expect("one thread starts")
}
