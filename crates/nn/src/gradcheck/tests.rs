use std::ops::Range;

use chainrule_tensor::{Kernel, Tensor};

use super::cases::normal;
use super::difference::{Found, Value, compare};
use super::report::{check, spread};
use super::*;
use crate::{Activation, Hidden, Init, Norm, Regularization, SoftmaxClassifier};

#[test]
fn every_derivative_agrees_with_its_difference() {
    // In f64 the ISAs differ in how a layer is cut, not in their kernels.
    let rows = run(Kernel::isa_from_environment().unwrap());
    let failed: Vec<_> = rows.iter().filter(|row| !row.passed).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    // Layers alone; plain classifiers; with another activation; with normalizations, which have
    // one parameter more a hidden layer; with noise; with all of it; with weighted classes; with a
    // teacher.
    let (alone, plain) = (3 + 2 + 4 + 3 + 1, 2 * (2 + 4 + 6 + 8));
    assert_eq!(rows.len(), alone + plain + 4 * 6 + 2 * 8 + 2 * 6 + 2 * 8 + 3 * 6 + 2 * 6);
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
        regularization: Regularization { seed: 1, dropout: 0.3, mixup: 0.2, label_smoothing: 0.1 },
        class_weights: None,
        soft_targets: None,
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
fn a_network_with_a_weight_that_is_no_number_passes_in_no_row() {
    let mut model = wide(Norm::None);
    model.weight_mut(1)[7] = f64::NAN;
    let rows = few(&model);
    assert!(rows.iter().all(|row| !row.passed && row.reason.contains("NaN")), "{rows:?}");
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
fn a_kink_within_every_difference_is_counted_and_too_many_leave_nothing_to_tell() {
    let relu = |x: &[f64]| {
        let sides = x.iter().map(|&x| x > 0.0).collect();
        Value { sides, ..x.iter().map(|x| x.max(0.0)).sum::<f64>().into() }
    };
    let mut at = [1.0; 20];
    at[7] = 0.0;
    let row = check("", "", &at, &[1.0; 20], relu);
    assert!(row.passed && row.kinks == 1 && row.checked == 19, "{row:?}");
    let row = check("", "", &[0.0; 20], &[1.0; 20], relu);
    assert_eq!((row.passed, row.verdict, row.kinks), (false, Verdict::CannotTell, 20), "{row:?}");
    assert!(row.reason.contains("20 elements of 20 lie beside a kink"), "{row:?}");
    // Beside the kink, and not on it, a smaller step stays on one side.
    at[7] = 1e-5;
    assert_eq!(check("", "", &at, &[1.0; 20], relu).checked, 20);
}

/// A function, its derivative by hand, and where.
type Curve = (fn(f64) -> f64, fn(f64) -> f64, f64);

const CURVES: [Curve; 12] = [
    (|x| (1e6 * x).sin(), |x| 1e6 * (1e6 * x).cos(), 0.3),
    (|x| (1.0 / x).sin(), |x| -(1.0 / x).cos() / (x * x), 1e-5),
    (f64::sin, f64::cos, 1e6),
    // Both ends of a long step are saturated, as if there were no derivative.
    (|x| (1e6 * x).tanh().powi(2), |x| 2e6 * (1e6 * x).tanh() / (1e6 * x).cosh().powi(2), 1e-7),
    (|x| (1e9 * x).tanh(), |x| 1e9 / (1e9 * x).cosh().powi(2), 3e-10),
    (f64::exp, f64::exp, 700.0),
    (f64::exp, f64::exp, -5.0),
    (f64::sqrt, |x| 0.5 / x.sqrt(), 1e-9),
    (f64::ln, |x| 1.0 / x, 1e-7),
    (|x| 1.0 / x, |x| -1.0 / (x * x), 1e-4),
    (|x| 1e12 + x * x, |x| 2.0 * x, 1.0),
    (|x| x.powi(7), |x| 7.0 * x.powi(6), 1e3),
];

#[test]
fn a_right_derivative_never_differs_however_the_function_bends() {
    for (i, (f, derivative, at)) in CURVES.into_iter().enumerate() {
        let found = compare(at, derivative(at), &f(at).into(), BOUND, |x| f(x).into());
        assert!(!matches!(found, Found::Differs(_)), "{i}: {found:?}");
    }
}

#[test]
fn a_wrong_derivative_differs_wherever_a_right_one_agrees() {
    let mut agreed = 0;
    for (i, (f, derivative, at)) in CURVES.into_iter().enumerate() {
        let compare = |a| compare(at, a, &f(at).into(), BOUND, |x| f(x).into());
        if !matches!(compare(derivative(at)), Found::Agrees(_)) {
            continue;
        }
        agreed += 1;
        for factor in [1.001, -1.0, 0.0, 2.0] {
            let found = compare(factor * derivative(at));
            assert!(matches!(found, Found::Differs(_)), "{i}, {factor}: {found:?}");
        }
    }
    assert!(agreed >= 9, "{agreed}");
}

#[test]
fn what_rounding_hides_is_not_called_wrong() {
    // 1 + 1e-14 x: of the derivative nothing is left.
    let f = |x: f64| 1.0 + 1e-14 * x;
    for a in [1e-14, 0.0, 2e-14] {
        assert_eq!(compare(1.0, a, &f(1.0).into(), BOUND, |x| f(x).into()), Found::Unresolved);
    }
    let row = check("", "", &[1.0], &[1e-14], |x| f(x[0]));
    assert!(row.verdict == Verdict::CannotTell && row.reason.contains("rounding"), "{row:?}");
}
