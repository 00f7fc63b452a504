//! Every derivative against a centered difference, in `f64`.
//!
//! The difference is the six-point one, a centered difference with its first two error terms taken
//! out by Richardson's extrapolation:
//!
//! f'(x) ≈ (45 (f(x+h) - f(x-h)) - 9 (f(x+2h) - f(x-2h)) + (f(x+3h) - f(x-3h))) / 60h
//!
//! with an error of h⁶ f⁽⁷⁾(x) / 140. Errors are measured as courses do, by
//! |a - n| / max(1e-8, |a| + |n|) for the analytic a and the numeric n. With h = 5e-3 truncation
//! and rounding both stay near 1e-13, so that even the smallest of some thousand derivatives is
//! known to 1e-7, and a larger difference is a mistake and nothing else. Where a function bends more
//! sharply, as it does behind a normalization of few numbers, h is made smaller, and the best
//! agreement counts: a wrong derivative agrees with none.
//!
//! A ReLU has no derivative at 0. Where one of the six points lies on the other side of such a
//! kink the numeric value means nothing, and a smaller h may help there too. Parameters for which that does not help are counted as [`Row::kinks`] and left out, and a row
//! of which too few are left fails.
//!
//! The code that is checked is the code that trains: the classifier's gradient is read from the
//! velocity of an [`Engine`] after one step with a learning rate and a momentum of 0.
//!
//! [`run`] checks small networks, every element of every parameter. Of a network of millions
//! [`Training::check`] takes a few ([`Elements::Few`]), spread over each parameter. The loss of so
//! many sums is rounded where their derivatives are small, so that the bound is wider there, and
//! derivatives that are not 0 but far below the others of their parameter are passed over.

use std::ops::Range;

use chainrule_tensor::comm::ThreadError;
use chainrule_tensor::exchange::Exchange;
use chainrule_tensor::gather::Rows;
use chainrule_tensor::ops::columns::scale_shift_columns;
use chainrule_tensor::{Isa, Tensor};

use crate::classifier::Parameter;
use crate::linear::Workspace;
use crate::tiling::Tiling;
use crate::{
    Activation, Engine, Hidden, Init, Norm, Regularization, Sgd, SoftmaxClassifier, Step, linear,
    norm, relu, softmax,
};

/// The largest relative error that passes.
pub const BOUND: f64 = 1e-7;

/// The same where a few elements of a large network are checked.
pub const BOUND_OF_FEW: f64 = 1e-5;

/// Step sizes h, tried until no kink lies between the points and the values agree.
const STEPS: [f64; 4] = [5e-3, 1.5e-3, 5e-4, 5e-5];

/// How one parameter, or one input, of a layer fared.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The layer, or the whole network.
    pub layer: String,
    /// What the derivative is taken by.
    pub parameter: String,
    /// Largest |a - n| / max(1e-8, |a| + |n|) over its elements.
    pub worst_relative_error: f64,
    /// Elements that were compared.
    pub checked: usize,
    /// Elements left out because a ReLU changed sides within the difference.
    pub kinks: usize,
    /// Whether the error is below the bound and enough elements were compared: of all of them at
    /// least nine in ten, of a few as many as were asked for.
    pub passed: bool,
}

/// Which elements of a parameter are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Elements {
    /// Each of them, to [`BOUND`].
    All,
    /// So many, to [`BOUND_OF_FEW`].
    Few(usize),
}

/// What a row must show to pass.
struct Demand {
    /// Every relative error is below this.
    bound: f64,
    /// Fewest elements that are compared.
    least: usize,
    /// After so many no more are.
    most: usize,
}

impl Elements {
    fn demand(self, all: usize) -> Demand {
        match self {
            Elements::All => Demand { bound: BOUND, least: (9 * all).div_ceil(10), most: all },
            Elements::Few(n) => Demand { bound: BOUND_OF_FEW, least: n.min(all), most: n },
        }
    }

    /// The places in a gradient at which it is checked, as far as needed.
    fn places(self, gradient: &[f64]) -> Vec<usize> {
        match self {
            Elements::All => (0..gradient.len()).collect(),
            Elements::Few(_) => spread(gradient),
        }
    }
}

/// Up to some hundred places of a gradient, each as far from those before it as the golden ratio
/// puts it, but for those whose value is too small beside the others to be told from rounding. A
/// value of 0 stays: a layer that forgets a derivative has those.
fn spread(gradient: &[f64]) -> Vec<usize> {
    let mean_square = gradient.iter().map(|g| g * g).sum::<f64>() / gradient.len() as f64;
    let too_small = 0.01 * mean_square.sqrt();
    let mut places = vec![];
    for k in 0..500 {
        let place = ((f64::from(k) * GOLDEN_RATIO).fract() * gradient.len() as f64) as usize;
        let g = gradient[place];
        if !(g != 0.0 && g.abs() < too_small || places.contains(&place)) {
            places.push(place);
        }
    }
    places
}

/// (√5 - 1) / 2
const GOLDEN_RATIO: f64 = 0.618_033_988_749_894_9;

/// The value of a function at a point, and which side of each kink the point lies on.
struct Value {
    value: f64,
    sides: Vec<bool>,
}

impl From<f64> for Value {
    /// A function without kinks.
    fn from(value: f64) -> Self {
        Value { value, sides: vec![] }
    }
}

/// Compares `analytic` with the differences of `f` around `at`, element by element.
fn check<V: Into<Value>>(
    layer: &str,
    parameter: &str,
    at: &[f64],
    analytic: &[f64],
    mut f: impl FnMut(&[f64]) -> V,
) -> Row {
    assert_eq!(at.len(), analytic.len());
    let mut point = at.to_vec();
    let sides = f(&point).into().sides;
    let errors = (0..at.len()).map(|i| {
        let error = relative_error(at[i], analytic[i], &sides, BOUND, |x| {
            point[i] = x;
            f(&point).into()
        });
        point[i] = at[i];
        error
    });
    row(layer, parameter, errors, Elements::All.demand(at.len()))
}

/// |a - n| / max(1e-8, |a| + |n|) of the derivative `analytic` of `f` at `at`, where the kinks have
/// these `sides`: that of the first step size with which it is below `bound`, else the least.
/// Nothing if a kink lies between the points of every step size.
fn relative_error(
    at: f64,
    analytic: f64,
    sides: &[bool],
    bound: f64,
    mut f: impl FnMut(f64) -> Value,
) -> Option<f64> {
    let mut best: Option<f64> = None;
    for h in STEPS {
        let samples = [1.0, -1.0, 2.0, -2.0, 3.0, -3.0].map(|steps| f(at + steps * h));
        let [p1, m1, p2, m2, p3, m3] = samples.each_ref().map(|sample| sample.value);
        if samples.iter().any(|sample| sample.sides != sides) {
            continue;
        }
        let numeric = (45.0 * (p1 - m1) - 9.0 * (p2 - m2) + (p3 - m3)) / (60.0 * h);
        let size = analytic.abs() + numeric.abs();
        let error = (analytic - numeric).abs() / size.max(1e-8);
        // `min` and `max` would drop a NaN, and a NaN must fail.
        best = best.filter(|&best| best <= error).or(Some(error));
        if error < bound || error.is_nan() {
            break;
        }
    }
    best
}

/// Sums up the relative errors of a parameter's elements; one without an error is a kink.
fn row(
    layer: &str,
    parameter: &str,
    mut errors: impl Iterator<Item = Option<f64>>,
    Demand { bound, least, most }: Demand,
) -> Row {
    let (mut worst, mut checked, mut kinks) = (0.0f64, 0, 0);
    while checked < most {
        let Some(error) = errors.next() else { break };
        match error {
            Some(error) => {
                worst = if error > worst || error.is_nan() { error } else { worst };
                checked += 1;
            }
            None => kinks += 1,
        }
    }
    let passed = worst < bound && checked >= least.max(1);
    let (layer, parameter) = (layer.to_owned(), parameter.to_owned());
    Row { layer, parameter, worst_relative_error: worst, checked, kinks, passed }
}

/// Σ a b: turns a layer's output into one number to differentiate.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Normally distributed numbers.
fn normal(n: usize, seed: u64) -> Vec<f64> {
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
    cases
}

/// Checks every layer alone, the loss, and whole classifiers with every ingredient, as they are in
/// training, with the kernels of `isa`.
pub fn run(isa: Isa) -> Vec<Row> {
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
    linear::backward_input(&mut work, tiles, n, &dz, &w, &mut dx);
    let mut keep = |at: Range<usize>, strip: &[f64]| dw[at].copy_from_slice(strip);
    linear::backward_weight(&mut work, tiles, n, &x, &dz, &mut keep);
    for (t, tile) in tiles.iter().enumerate() {
        linear::backward_bias(isa, &dz.read(t), &mut db[tile.clone()]);
    }

    let loss = |x: &[f64], w: &[f64], b: &[f64]| {
        let mut z = vec![f64::NAN; n * columns];
        linear::forward(&mut Workspace::new(isa, n), tiles, n, x, w, &mut z, false);
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
        Value { value: dot(&a, &upstream), sides: a.iter().map(|&a| a > 0.0).collect() }
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
        value: value(y, &mut []),
        sides: kinks(y),
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
    softmax::cross_entropy_backward(isa, &mut gradient, classes, target, 1.0 / n as f64);
    check("softmax_cross_entropy", "scores", &scores, &gradient, |scores| {
        let rows = scores.chunks(classes).enumerate();
        rows.map(|(i, row)| softmax::cross_entropy(row, label(i))).sum::<f64>() / n as f64
    })
}

fn classifier(case: &Case, isa: Isa) -> Vec<Row> {
    let Case { name, hidden, l2, regularization, .. } = case;
    let (n, inputs, classes) = (5, case.widths[0], 4);
    let widths = [&case.widths[..], &[classes]].concat();
    let model = SoftmaxClassifier::<f64>::with_hidden(&widths, *hidden, Init::He, 11);
    let mut model = model.expect("no width is 0");
    let biases = normal(widths.iter().sum(), 12);
    for l in 0..model.depth() {
        let bias = model.bias_mut(l);
        bias.iter_mut().zip(&biases).for_each(|(b, &value)| *b = 0.1 * value);
    }
    let training = Training {
        data: &Tensor::from_vec(normal(n * inputs, 13), n, inputs),
        labels: &(0..n).map(|i| (2 * i % classes) as u8).collect::<Vec<_>>(),
        rows: &(0..n as u32).collect::<Vec<_>>(),
        regularization: *regularization,
        l2: *l2,
    };
    training.check(name, &model, Elements::All, isa, 1).expect("one thread starts")
}

/// The batch on which a network is trained, and what training does to it.
#[derive(Clone, Copy, Debug)]
pub struct Training<'a, R> {
    /// The examples.
    pub data: &'a R,
    /// The class of each row of `data`.
    pub labels: &'a [u8],
    /// The batch: rows of `data`.
    pub rows: &'a [u32],
    /// Dropout, mixup, smoothed labels; the same noise in each step.
    pub regularization: Regularization,
    /// λ of the penalty ½ λ Σ W².
    pub l2: f64,
}

impl<R: Rows<f64>> Training<'_, R> {
    /// Checks the derivatives of the loss by all trained parameters of `model`, a row each, in
    /// training mode. `name` is what the rows call the network.
    ///
    /// # Errors
    /// If the threads cannot be started.
    ///
    /// # Panics
    /// As [`Engine::train`], if the batch does not fit the network.
    pub fn check(
        &self,
        name: &str,
        model: &SoftmaxClassifier<f64>,
        elements: Elements,
        isa: Isa,
        threads: usize,
    ) -> Result<Vec<Row>, ThreadError> {
        let mut engine = Engine::with_isa(model, self.rows.len(), threads, isa)?;
        engine.set_regularization(self.regularization);
        let Value { sides, .. } = self.stand_still(&mut engine);
        let gradient = engine.velocity();
        let row_of = |parameter: Parameter| {
            let gradient = &gradient.parameters()[parameter.range.clone()];
            let bound = elements.demand(gradient.len()).bound;
            let errors = elements.places(gradient).into_iter().map(|i| {
                let place = parameter.range.start + i;
                let at = model.parameters()[place];
                let error = relative_error(at, gradient[i], &sides, bound, |x| {
                    engine.set_parameter(place, x);
                    self.stand_still(&mut engine)
                });
                engine.set_parameter(place, at);
                error
            });
            row(name, &parameter.name, errors, elements.demand(gradient.len()))
        };
        Ok(model.layout().into_iter().filter(|p| p.trained).map(row_of).collect())
    }

    /// The loss, and on which side of its kink each hidden unit is, by a step of length 0: it
    /// leaves the gradient as the engine's velocity.
    fn stand_still(&self, engine: &mut Engine<f64>) -> Value {
        let rule = Sgd { learning_rate: 0.0, momentum: 0.0, l2: self.l2, nesterov: false };
        engine.set_steps(0); // the same noise each time
        let mut loss = f64::NAN;
        let each = |step: Step| {
            loss = step.loss;
            std::ops::ControlFlow::Continue(())
        };
        // A loss that is not finite stays NaN or infinite here, and fails the row.
        let n = self.rows.len();
        let _ = engine.train_each(self.data, self.labels, self.rows, n, |_| rule, each);
        let kinks = engine.hidden().activation.has_kink();
        Value { value: loss, sides: if kinks { engine.active(n) } else { vec![] } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_derivative_agrees_with_its_difference() {
        // In f64 the ISAs differ in how a layer is cut, not in their kernels.
        let rows = run(Isa::from_environment().unwrap());
        let failed: Vec<_> = rows.iter().filter(|row| !row.passed).collect();
        assert!(failed.is_empty(), "{failed:#?}");
        // Layers alone; plain classifiers; with another activation; with normalizations, which have
        // one parameter more a hidden layer; with noise; with all of it.
        let (alone, plain) = (3 + 2 + 4 + 3 + 1, 2 * (2 + 4 + 6 + 8));
        assert_eq!(rows.len(), alone + plain + 4 * 6 + 2 * 8 + 2 * 6 + 2 * 8);
    }

    #[test]
    fn a_wrong_sign_a_wrong_factor_and_a_nan_are_caught() {
        let at = [0.3, -1.2];
        let cube = |x: &[f64]| x.iter().map(|x| x.powi(3)).sum::<f64>();
        let gradient = at.map(|x| 3.0 * x * x);
        assert!(check("", "", &at, &gradient, cube).passed);
        assert!(!check("", "", &at, &gradient.map(|g| -g), cube).passed);
        assert!(!check("", "", &at, &gradient.map(|g| 1.000_001 * g), cube).passed);
        assert!(!check("", "", &at, &[gradient[0], f64::NAN], cube).passed);
    }

    /// Eight images of 300 pixels through a wide network with everything on.
    fn few(model: &SoftmaxClassifier<f64>) -> Vec<Row> {
        let training = Training {
            data: &Tensor::from_vec(normal(8 * 300, 21), 8, 300),
            labels: &[0, 1, 2, 3, 0, 1, 2, 3],
            rows: &[7, 6, 5, 4, 3, 2, 1, 0],
            regularization: Regularization {
                seed: 1,
                dropout: 0.3,
                mixup: 0.2,
                label_smoothing: 0.1,
            },
            l2: 0.01,
        };
        training.check("net", model, Elements::Few(5), Isa::best(), 1).unwrap()
    }

    fn wide(norm: Norm) -> SoftmaxClassifier<f64> {
        let hidden = Hidden { norm, activation: Activation::Relu };
        SoftmaxClassifier::with_hidden(&[300, 400, 200, 4], hidden, Init::He, 3).unwrap()
    }

    #[test]
    fn a_few_elements_of_each_parameter_of_a_large_network_agree_and_no_more_are_taken() {
        for norm in Norm::ALL {
            let rows = few(&wide(norm));
            assert_eq!(rows.len(), if norm == Norm::None { 6 } else { 8 });
            for row in rows {
                let asked = if row.parameter == "fc3.bias" { 4 } else { 5 };
                assert!(row.passed && row.checked == asked, "{norm}: {row:?}");
            }
        }
    }

    #[test]
    fn a_network_with_a_weight_that_is_no_number_fails_in_every_row() {
        let mut model = wide(Norm::None);
        model.weight_mut(1)[7] = f64::NAN;
        assert!(few(&model).iter().all(|row| !row.passed));
    }

    #[test]
    fn few_places_lie_apart_and_a_forgotten_derivative_is_among_them() {
        let mut gradient = vec![1.0; 10_000];
        gradient[5_000..].fill(0.0);
        gradient[..1_000].fill(1e-6);
        let places = spread(&gradient);
        let share = |of: Range<usize>| places.iter().filter(|place| of.contains(place)).count();
        assert_eq!(share(0..1_000), 0, "too small to be measured");
        assert!(share(1_000..5_000).abs_diff(200) < 5 && share(5_000..10_000).abs_diff(250) < 5);
        assert!(places[..5].iter().any(|&place| gradient[place] == 0.0));
        gradient[2_000] = f64::NAN;
        assert!(spread(&gradient[2_000..2_001]) == [0], "a NaN is looked at");
    }

    #[test]
    fn a_kink_within_the_difference_is_counted_and_too_many_fail() {
        let relu = |x: &[f64]| Value {
            value: x.iter().map(|x| x.max(0.0)).sum(),
            sides: x.iter().map(|&x| x > 0.0).collect(),
        };
        let mut at = [1.0; 20];
        at[7] = 1e-5;
        let row = check("", "", &at, &[1.0; 20], relu);
        assert!(row.passed && row.kinks == 1 && row.checked == 19, "{row:?}");
        let row = check("", "", &[1e-5; 20], &[1.0; 20], relu);
        assert!(!row.passed && row.kinks == 20, "{row:?}");
    }
}
