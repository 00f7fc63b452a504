//! Softmax and the losses.
//!
//! The scores of one example are a row; a single column is one example. For
//! scores z and the right class y, counted from 0:
//!
//! ```text
//! softmax(z)_j         exp z_j / Σ_k exp z_k
//! cross_entropy(z, y)  -log softmax(z)_y, the mean over the examples
//! ```

use super::Bend::Unit;
use super::Derivative::Sent;
use super::Expr::{A, B, Number, Of, U, V, Word};
use super::Forward::Whole;
use super::{Expr, Gate, PLAIN, Row};
use crate::value::{Shape, View};

/// Σ_j dv_j v_j of each example.
const SUM_OF_U_V: Expr = Of(Gate::SumTo, &[Of(Gate::Multiply, &[U, V]), Of(Gate::LogSumExp, &[A])]);

/// exp a over its sum, in each row; a single column as a whole
pub(super) const SOFTMAX: Row = Row {
    symbol: "softmax",
    names: &["softmax"],
    forward: Whole {
        inputs: 1,
        shape: |s| Some(s[0]),
        fits: "any shape",
        fill: |inputs, out| {
            each_log_softmax(inputs[0], out, f64::exp);
        },
    },
    derivative: Sent(&[Of(Gate::Multiply, &[V, Of(Gate::Subtract, &[U, SUM_OF_U_V])])]),
    rule: "da_i = v_i (dv_i - Σ_j dv_j v_j), in each row",
    bend: Unit,
    ..PLAIN
};

/// The logarithm of the softmax
pub(super) const LOG_SOFTMAX: Row = Row {
    symbol: "log softmax",
    names: &["log_softmax"],
    text: "log_softmax(#a)",
    forward: Whole {
        inputs: 1,
        shape: |s| Some(s[0]),
        fits: "any shape",
        fill: |inputs, out| {
            each_log_softmax(inputs[0], out, |v| v);
        },
    },
    derivative: Sent(&[Of(
        Gate::Subtract,
        &[
            U,
            Of(
                Gate::Multiply,
                &[Of(Gate::Softmax, &[A]), Of(Gate::SumTo, &[U, Of(Gate::LogSumExp, &[A])])],
            ),
        ],
    )]),
    rule: "da_i = dv_i - softmax(a)_i Σ_j dv_j, in each row",
    bend: Unit,
    ..PLAIN
};

/// The logarithm of the sum of exp a, in each row; a single column as a whole
pub(super) const LOG_SUM_EXP: Row = Row {
    symbol: "logsumexp",
    names: &["logsumexp"],
    forward: Whole {
        inputs: 1,
        shape: |s| Some(Shape::new(if s[0].columns == 1 { 1 } else { s[0].rows }, 1)),
        fits: "any shape",
        fill: |inputs, out| {
            examples(inputs[0]).zip(out).for_each(|(z, v)| *v = log_sum_exp(z));
        },
    },
    derivative: Sent(&[Of(Gate::Multiply, &[U, Of(Gate::Softmax, &[A])])]),
    rule: "da = dv softmax(a)",
    bend: Unit,
    ..PLAIN
};

/// How many examples there are.
const EXAMPLES: Expr =
    Of(Gate::Sum, &[Of(Gate::BroadcastTo, &[Number(1.0), Of(Gate::LogSumExp, &[A])])]);

/// softmax(a) - one-hot of the labels
const TOO_MUCH: Expr = Of(Gate::Subtract, &[Of(Gate::Softmax, &[A]), Of(Gate::OneHot, &[B, A])]);

/// The mean over the examples of -log softmax of the score of the right class
pub(super) const CROSS_ENTROPY: Row = Row {
    symbol: "cross entropy",
    names: &["cross_entropy"],
    text: "cross_entropy(#a, #b)",
    forward: Whole {
        inputs: 2,
        shape: |s| {
            let in_a_line = s[1].rows == 1 || s[1].columns == 1;
            let examples = s[0].elements() / scores(s[0]);
            (in_a_line && s[1].elements() == examples).then_some(Shape::SCALAR)
        },
        fits: "the scores of an example are a row, or one column alone, and each example has one \
               label",
        fill: |inputs, out| {
            let (z, labels) = (inputs[0], inputs[1].numbers);
            let losses = examples(z).zip(labels).map(|(z, label)| {
                // Only a difference goes between two whole numbers, and nothing changes there.
                let score = z.get(label.round() as usize);
                score.map_or(f64::NAN, |score| log_sum_exp(z) - score)
            });
            out[0] = losses.sum::<f64>() / labels.len() as f64;
        },
    },
    derivative: Sent(&[
        Of(Gate::Multiply, &[Of(Gate::Divide, &[U, EXAMPLES]), TOO_MUCH]),
        Number(0.0),
    ]),
    rule: "da = dv (softmax(a) - one-hot of the labels) / n, n being the number of examples",
    shown: Some(&[Of(Gate::Multiply, &[Of(Gate::Divide, &[U, Word("n")]), TOO_MUCH]), Number(0.0)]),
    bend: Unit,
    refuses: Some(|inputs| {
        let classes = scores(inputs[0].shape);
        let right = |label: f64| label.fract() == 0.0 && (0.0..classes as f64).contains(&label);
        let label = inputs[1].numbers.iter().find(|&&label| !right(label))?;
        let last = classes - 1;
        Some(format!(
            "with {classes} scores a label is a whole number from 0 to {last}, and not {label}"
        ))
    }),
    ..PLAIN
};

/// a - b, and how many elements it has.
const DIFFERENCE: Expr = Of(Gate::Subtract, &[A, B]);
const ELEMENTS: Expr = Of(Gate::Sum, &[Of(Gate::BroadcastTo, &[Number(1.0), DIFFERENCE])]);

const TWICE_U: Expr = Of(Gate::MultiplyConstant(2.0), &[U]);
const MINUS_TWICE_U: Expr = Of(Gate::MultiplyConstant(-2.0), &[U]);

/// The mean of (a - b)², element by element
pub(super) const MEAN_SQUARED_ERROR: Row = Row {
    symbol: "mse",
    names: &["mse"],
    forward: Whole {
        inputs: 2,
        shape: |s| s[0].broadcast(s[1]).map(|_| Shape::SCALAR),
        fits: "rows and columns must be equal, or 1 in one of them",
        fill: |inputs, out| {
            let (a, b) = (inputs[0], inputs[1]);
            let shape = a.shape.broadcast(b.shape).unwrap_or(Shape::SCALAR);
            let columns = shape.columns as usize;
            let squares = (0..shape.elements()).map(|i| {
                let difference = a.at(i / columns, i % columns) - b.at(i / columns, i % columns);
                difference * difference
            });
            out[0] = squares.sum::<f64>() / shape.elements() as f64;
        },
    },
    derivative: Sent(&[
        Of(Gate::Multiply, &[Of(Gate::Divide, &[TWICE_U, ELEMENTS]), DIFFERENCE]),
        Of(Gate::Multiply, &[Of(Gate::Divide, &[MINUS_TWICE_U, ELEMENTS]), DIFFERENCE]),
    ]),
    rule: "da = 2 dv (a - b) / n, db = -da, n being the number of elements",
    shown: Some(&[
        Of(Gate::Multiply, &[Of(Gate::Divide, &[TWICE_U, Word("n")]), DIFFERENCE]),
        Of(Gate::Multiply, &[Of(Gate::Divide, &[MINUS_TWICE_U, Word("n")]), DIFFERENCE]),
    ]),
    ..PLAIN
};

/// 1 in the place of each label a, else 0, in the shape of the scores b
pub(super) const ONE_HOT: Row = Row {
    symbol: "one-hot",
    text: "onehot(#a)",
    latex: r"\operatorname{onehot}\left(#a\right)",
    forward: Whole {
        inputs: 2,
        shape: |s| (s[0].elements() * scores(s[1]) == s[1].elements()).then_some(s[1]),
        fits: "one label for each example",
        fill: |inputs, out| {
            out.fill(0.0);
            let chunks = out.chunks_mut(scores(inputs[1].shape));
            for (v, label) in chunks.zip(inputs[0].numbers) {
                if let Some(place) = v.get_mut(label.round() as usize) {
                    *place = 1.0;
                }
            }
        },
    },
    rule: "0",
    ..PLAIN
};

/// How many scores an example has.
fn scores(shape: Shape) -> usize {
    if shape.columns == 1 { shape.rows as usize } else { shape.columns as usize }
}

/// The scores of each example.
fn examples(z: View<'_>) -> std::slice::Chunks<'_, f64> {
    z.numbers.chunks(scores(z.shape))
}

/// Fills `out` with `of` the log softmax of each score.
fn each_log_softmax(z: View<'_>, out: &mut [f64], of: impl Fn(f64) -> f64) {
    for (z, v) in examples(z).zip(out.chunks_mut(scores(z.shape))) {
        let log_sum = log_sum_exp(z);
        v.iter_mut().zip(z).for_each(|(v, z)| *v = of(z - log_sum));
    }
}

/// log Σ exp z, with the largest score taken out so that nothing overflows.
fn log_sum_exp(z: &[f64]) -> f64 {
    let largest = z.iter().copied().fold(f64::NEG_INFINITY, |a, b| if b > a { b } else { a });
    if largest.is_infinite() {
        return z.iter().sum();
    }
    largest + z.iter().map(|z| (z - largest).exp()).sum::<f64>().ln()
}
