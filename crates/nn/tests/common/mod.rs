//! Problems that several test files train on.

#![allow(dead_code)] // each of them uses its part

use chainrule_nn::{Init, SoftmaxClassifier};
use chainrule_tensor::{Scalar, Tensor};

/// Inputs in -1..1, labels, and a network with biases that are not zero.
pub fn problem(widths: &[usize], rows: usize) -> (SoftmaxClassifier<f64>, Tensor<f64>, Vec<u8>) {
    let mut model = SoftmaxClassifier::<f64>::new(widths, Init::He, 5).unwrap();
    for l in 0..model.depth() {
        let wave = |i: usize| 0.1 * (1.0 + i as f64 + l as f64).sin();
        model.bias_mut(l).iter_mut().enumerate().for_each(|(i, b)| *b = wave(i));
    }
    let classes = *widths.last().unwrap();
    let x = Tensor::from_fn(rows, widths[0], |i, j| (1.7 * i as f64 + 0.9 * j as f64).sin());
    (model, x, (0..rows).map(|i| (7 * i % classes) as u8).collect())
}

/// [`problem`] in `f32`.
pub fn problem_in_f32(
    widths: &[usize],
    rows: usize,
) -> (SoftmaxClassifier<f32>, Tensor<f32>, Vec<u8>) {
    let (model, x, labels) = problem(widths, rows);
    (in_f32(&model), Tensor::from_fn(rows, widths[0], |i, j| x.row(i)[j] as f32), labels)
}

pub fn in_f32(model: &SoftmaxClassifier<f64>) -> SoftmaxClassifier<f32> {
    let mut copy = SoftmaxClassifier::<f32>::zeros(model.widths()).unwrap();
    for (to, &from) in copy.parameters_mut().iter_mut().zip(model.parameters()) {
        *to = f32::from_f64(from);
    }
    copy
}

/// Widths around every border of blocks, tiles and vectors; batches that end short.
pub const SHAPES: [(&[usize], usize, usize); 9] = [
    (&[1, 1], 3, 2),
    (&[5, 3], 7, 7),
    (&[16, 16, 2], 9, 4),
    (&[129, 100, 10], 33, 8),
    (&[300, 47, 33, 10], 21, 10),
    (&[64, 49, 48, 17, 5], 16, 5),
    (&[784, 130, 12], 20, 17),
    (&[40, 20, 60], 12, 9),
    (&[3072, 50, 10], 12, 8),
];
