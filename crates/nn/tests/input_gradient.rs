//! The gradient of a score by the inputs, for every kind of hidden unit: against centered
//! differences of the scores of evaluation, on any number of threads.

use chainrule_nn::init::Normal;
use chainrule_nn::{Activation, Engine, Hidden, Init, Norm, SoftmaxClassifier};
use chainrule_tensor::{Isa, Tensor};

const INPUTS: usize = 150; // two blocks
const CLASSES: usize = 5;

/// A network with biases, scales and running statistics that are not those of the start.
fn network(widths: &[usize], hidden: Hidden) -> SoftmaxClassifier<f64> {
    let mut model = SoftmaxClassifier::with_hidden(widths, hidden, Init::He, 3).unwrap();
    let mut normal = Normal::new(4);
    for tensor in model.layout().into_iter().filter(|tensor| tensor.shape.len() == 1) {
        let shift = if tensor.name.ends_with("bias") { 0.0 } else { 1.5 };
        for value in &mut model.parameters_mut()[tensor.range] {
            *value = shift + 0.2 * normal.draw();
        }
    }
    model.folded()
}

fn inputs(rows: usize) -> Tensor<f64> {
    let mut normal = Normal::new(5);
    Tensor::from_fn(rows, INPUTS, |_, _| normal.draw())
}

/// The function of the logits whose gradient is taken: of row i it is Σ_j (1 + i + j) z_j².
fn seed(row: usize, z: &mut [f64]) {
    z.iter_mut().enumerate().for_each(|(j, z)| *z *= 2.0 * (1 + row + j) as f64);
}

fn value(row: usize, z: &[f64]) -> f64 {
    z.iter().enumerate().map(|(j, z)| (1 + row + j) as f64 * z * z).sum()
}

fn networks() -> impl Iterator<Item = SoftmaxClassifier<f64>> {
    let deep: [&[usize]; 3] =
        [&[INPUTS, CLASSES], &[INPUTS, 20, CLASSES], &[INPUTS, 130, 20, CLASSES]];
    deep.into_iter().flat_map(|widths| {
        Norm::ALL.into_iter().flat_map(move |norm| {
            let hidden = move |activation| Hidden { norm, activation };
            Activation::ALL.map(hidden).map(|hidden| network(widths, hidden))
        })
    })
}

#[test]
fn the_gradient_by_the_inputs_is_the_slope_of_the_scores() {
    let x = inputs(3);
    for model in networks() {
        let mut engine = Engine::new(&model, 2, 1).unwrap();
        let gradient = engine.input_gradient(&x, &[2, 0, 1], seed);
        for (number, row) in [2usize, 0, 1].into_iter().enumerate() {
            for column in [0, 127, 128, INPUTS - 1] {
                let mut at = |h: f64| {
                    let mut moved = x.clone();
                    moved.as_mut_slice()[row * INPUTS + column] += h;
                    value(number, engine.scores(&moved, &[row as u32]).row(0))
                };
                let h = 1e-4;
                let slope = (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
                let found = gradient.row(number)[column];
                assert!(
                    (found - slope).abs() < 1e-7 * (1.0 + slope.abs()),
                    "{:?} {:?}, row {row}, input {column}: {found}, expected {slope}",
                    model.widths(),
                    model.hidden()
                );
            }
        }
        assert_eq!(engine.model(), model, "parameters are left alone");
    }
}

#[test]
fn the_gradient_has_the_same_bits_on_any_number_of_threads() {
    let x = inputs(5);
    for model in networks() {
        for isa in Isa::available() {
            let mut engines = [(2, 1), (2, 3), (5, 2)]
                .map(|(batch, threads)| Engine::with_kernel(&model, batch, threads, isa).unwrap());
            let [one, three, whole] =
                engines.each_mut().map(|engine| engine.input_gradient(&x, &[0, 1, 2, 3, 4], seed));
            assert_eq!(one, three, "{isa} {:?} {:?}", model.widths(), model.hidden());
            assert_eq!(one, whole, "{isa} {:?} {:?}", model.widths(), model.hidden());
            if model.depth() > 1 {
                let hidden = engines.each_mut().map(|engine| engine.first_hidden(&x, &[4, 0, 0]));
                assert_eq!(hidden[0], hidden[1]);
            }
        }
    }
}

/// The scores of the layers above, from the activations below them, are the network's own.
#[test]
fn a_network_is_its_first_layer_and_the_network_above_it() {
    let x = inputs(3);
    for model in networks().filter(|model| model.depth() > 1) {
        let mut engine = Engine::new(&model, 2, 2).unwrap();
        let hidden = engine.first_hidden(&x, &[2, 0, 1]);
        let mut above = Engine::new(&model.from_layer(1), 2, 1).unwrap();
        let (found, expected) = (above.scores(&hidden, &[0, 1, 2]), engine.scores(&x, &[2, 0, 1]));
        for (found, expected) in found.as_slice().iter().zip(expected.as_slice()) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
    }
}
