//! Products, transposition, sums and means of matrices, and the largest and the
//! smallest element. Along `axis=0` lie the rows, so that one number is left for
//! each column; along `axis=1` the columns, with one for each row.

use super::Bend::Kink;
use super::Derivative::Sent;
use super::Expr::{A, B, Number, Of, U, V, Word};
use super::Forward::Whole;
use super::{Expr, Gate, PLAIN, Row, infix};
use crate::value::{Shape, View};

const ANY: &str = "any shape";

/// The matrix product a b
pub(super) const MAT_MUL: Row = Row {
    symbol: "@",
    infix: infix(&["@"], 3),
    text: "#(a) @ #(b)",
    latex: "#(a) #(b)",
    forward: Whole {
        inputs: 2,
        shape: |s| (s[0].columns == s[1].rows).then(|| Shape::new(s[0].rows, s[1].columns)),
        fits: "the left one needs as many columns as the right one has rows",
        fill: matrix_product,
    },
    derivative: Sent(&[
        Of(Gate::MatMul, &[U, Of(Gate::Transpose, &[B])]),
        Of(Gate::MatMul, &[Of(Gate::Transpose, &[A]), U]),
    ]),
    rule: "da = dv bᵀ, db = aᵀ dv",
    ..PLAIN
};

/// aᵀ
pub(super) const TRANSPOSE: Row = Row {
    symbol: "ᵀ",
    names: &["transpose"],
    text: "#(a)ᵀ",
    latex: r"{#(a)}^{\top}",
    forward: Whole {
        inputs: 1,
        shape: |s| Some(s[0].transposed()),
        fits: ANY,
        fill: |inputs, out| {
            let columns = inputs[0].shape.rows as usize;
            for (i, v) in out.iter_mut().enumerate() {
                *v = inputs[0].at(i % columns, i / columns);
            }
        },
    },
    derivative: Sent(&[Of(Gate::Transpose, &[U])]),
    rule: "da = dvᵀ",
    ..PLAIN
};

/// Along which axis a function of one matrix reduces it.
struct Axis {
    shape: fn(&[Shape]) -> Option<Shape>,
    /// The same of one shape.
    to: fn(Shape) -> Shape,
}

const WHOLE: Axis = Axis { shape: |_| Some(Shape::SCALAR), to: |_| Shape::SCALAR };
const DOWN: Axis =
    Axis { shape: |s| Some(Shape::new(1, s[0].columns)), to: |s| Shape::new(1, s.columns) };
const ACROSS: Axis =
    Axis { shape: |s| Some(Shape::new(s[0].rows, 1)), to: |s| Shape::new(s.rows, 1) };

/// The row of a sum.
const fn sum(axis: &Axis, fill: fn(&[View<'_>], &mut [f64])) -> Row {
    Row {
        forward: Whole { inputs: 1, shape: axis.shape, fits: ANY, fill },
        derivative: Sent(&[Of(Gate::BroadcastTo, &[U, A])]),
        rule: "each element of da is the dv of its sum",
        ..PLAIN
    }
}

/// The sum of all elements of a
pub(super) const SUM: Row = Row {
    symbol: "sum",
    names: &["sum"],
    latex: r"\sum #(a)",
    along: Some([Gate::SumDown, Gate::SumAcross]),
    ..sum(&WHOLE, |inputs, out| sum_to(inputs[0], (WHOLE.to)(inputs[0].shape), out))
};

/// The sum over the rows of a, one for each column
pub(super) const SUM_DOWN: Row = Row {
    symbol: "sum↓",
    text: "sum(#a, axis=0)",
    latex: r"\sum_{\mathrm{rows}} #(a)",
    ..sum(&DOWN, |inputs, out| sum_to(inputs[0], (DOWN.to)(inputs[0].shape), out))
};

/// The sum over the columns of a, one for each row
pub(super) const SUM_ACROSS: Row = Row {
    symbol: "sum→",
    text: "sum(#a, axis=1)",
    latex: r"\sum_{\mathrm{columns}} #(a)",
    ..sum(&ACROSS, |inputs, out| sum_to(inputs[0], (ACROSS.to)(inputs[0].shape), out))
};

/// How many elements of a went into each element of v.
const COUNT: Expr = Of(Gate::SumTo, &[Of(Gate::BroadcastTo, &[Number(1.0), A]), V]);

/// The row of a mean.
const fn mean(axis: &Axis, fill: fn(&[View<'_>], &mut [f64])) -> Row {
    Row {
        forward: Whole { inputs: 1, shape: axis.shape, fits: ANY, fill },
        derivative: Sent(&[Of(Gate::BroadcastTo, &[Of(Gate::Divide, &[U, COUNT]), A])]),
        rule: "each element of da is dv/n, n being how many there are in its mean",
        shown: Some(&[Of(Gate::BroadcastTo, &[Of(Gate::Divide, &[U, Word("n")]), A])]),
        ..PLAIN
    }
}

/// The mean of all elements of a
pub(super) const MEAN: Row = Row {
    symbol: "mean",
    names: &["mean"],
    along: Some([Gate::MeanDown, Gate::MeanAcross]),
    ..mean(&WHOLE, |inputs, out| mean_to(inputs[0], (WHOLE.to)(inputs[0].shape), out))
};

/// The mean over the rows of a, one for each column
pub(super) const MEAN_DOWN: Row = Row {
    symbol: "mean↓",
    text: "mean(#a, axis=0)",
    latex: r"\operatorname{mean}_{\mathrm{rows}}\left(#a\right)",
    ..mean(&DOWN, |inputs, out| mean_to(inputs[0], (DOWN.to)(inputs[0].shape), out))
};

/// The mean over the columns of a, one for each row
pub(super) const MEAN_ACROSS: Row = Row {
    symbol: "mean→",
    text: "mean(#a, axis=1)",
    latex: r"\operatorname{mean}_{\mathrm{columns}}\left(#a\right)",
    ..mean(&ACROSS, |inputs, out| mean_to(inputs[0], (ACROSS.to)(inputs[0].shape), out))
};

/// The row of a largest or smallest element: the whole gradient to the element
/// that won, equal parts on a tie.
const fn winner(axis: &Axis, fill: fn(&[View<'_>], &mut [f64])) -> Row {
    Row {
        forward: Whole { inputs: 1, shape: axis.shape, fits: ANY, fill },
        derivative: Sent(&[Of(
            Gate::Multiply,
            &[
                Of(Gate::Divide, &[U, Of(Gate::SumTo, &[Of(Gate::Equals, &[A, V]), V])]),
                Of(Gate::Equals, &[A, V]),
            ],
        )]),
        rule: "1 for the element that won, 0 for the others; elements that tie share it equally",
        shown: Some(&[Of(Gate::Multiply, &[U, Of(Gate::Equals, &[A, V])])]),
        bend: Kink,
        ..PLAIN
    }
}

/// The largest element of a
pub(super) const LARGEST: Row = Row {
    symbol: "max",
    latex: r"\max\left(#a\right)",
    ..winner(&WHOLE, |inputs, out| largest_to(inputs[0], (WHOLE.to)(inputs[0].shape), out))
};

/// The largest element of each column of a
pub(super) const LARGEST_DOWN: Row = Row {
    symbol: "max↓",
    text: "max(#a, axis=0)",
    latex: r"\max_{\mathrm{rows}}\left(#a\right)",
    ..winner(&DOWN, |inputs, out| largest_to(inputs[0], (DOWN.to)(inputs[0].shape), out))
};

/// The largest element of each row of a
pub(super) const LARGEST_ACROSS: Row = Row {
    symbol: "max→",
    text: "max(#a, axis=1)",
    latex: r"\max_{\mathrm{columns}}\left(#a\right)",
    ..winner(&ACROSS, |inputs, out| largest_to(inputs[0], (ACROSS.to)(inputs[0].shape), out))
};

/// The smallest element of a
pub(super) const SMALLEST: Row = Row {
    symbol: "min",
    latex: r"\min\left(#a\right)",
    ..winner(&WHOLE, |inputs, out| smallest_to(inputs[0], (WHOLE.to)(inputs[0].shape), out))
};

/// The smallest element of each column of a
pub(super) const SMALLEST_DOWN: Row = Row {
    symbol: "min↓",
    text: "min(#a, axis=0)",
    latex: r"\min_{\mathrm{rows}}\left(#a\right)",
    ..winner(&DOWN, |inputs, out| smallest_to(inputs[0], (DOWN.to)(inputs[0].shape), out))
};

/// The smallest element of each row of a
pub(super) const SMALLEST_ACROSS: Row = Row {
    symbol: "min→",
    text: "min(#a, axis=1)",
    latex: r"\min_{\mathrm{columns}}\left(#a\right)",
    ..winner(&ACROSS, |inputs, out| smallest_to(inputs[0], (ACROSS.to)(inputs[0].shape), out))
};

/// a, summed over the rows and columns that broadcasting gave it, to the shape of b
pub(super) const SUM_TO: Row = Row {
    symbol: "sum to",
    forward: Whole {
        inputs: 2,
        shape: |s| (s[1].broadcast(s[0]) == Some(s[0])).then_some(s[1]),
        fits: "the second one must broadcast to the first one's shape",
        fill: |inputs, out| sum_to(inputs[0], inputs[1].shape, out),
    },
    derivative: Sent(&[Of(Gate::BroadcastTo, &[U, A])]),
    rule: "da is dv, broadcast to the shape of a",
    ..PLAIN
};

/// a, broadcast to the shape of b
pub(super) const BROADCAST_TO: Row = Row {
    symbol: "broadcast",
    forward: Whole {
        inputs: 2,
        shape: |s| (s[0].broadcast(s[1]) == Some(s[1])).then_some(s[1]),
        fits: "the first one must broadcast to the second one's shape",
        fill: |inputs, out| {
            let columns = inputs[1].shape.columns as usize;
            for (i, v) in out.iter_mut().enumerate() {
                *v = inputs[0].at(i / columns, i % columns);
            }
        },
    },
    derivative: Sent(&[Of(Gate::SumTo, &[U, A])]),
    rule: "da is dv, summed to the shape of a",
    ..PLAIN
};

/// v_ij = Σ_k a_ik b_kj, summed in the order of k
fn matrix_product(inputs: &[View<'_>], out: &mut [f64]) {
    let (a, b) = (inputs[0], inputs[1]);
    let (inner, columns) = (a.shape.columns as usize, b.shape.columns as usize);
    out.fill(0.0);
    for (row, out) in a.numbers.chunks(inner).zip(out.chunks_mut(columns)) {
        for (a, b) in row.iter().zip(b.numbers.chunks(columns)) {
            out.iter_mut().zip(b).for_each(|(v, b)| *v += a * b);
        }
    }
}

/// For each element of `from` its place in `to`, which broadcasts to its shape.
fn places(from: Shape, to: Shape) -> impl Iterator<Item = usize> {
    let columns = from.columns as usize;
    (0..from.elements()).map(move |i| {
        let row = if to.rows == 1 { 0 } else { i / columns };
        let column = if to.columns == 1 { 0 } else { i % columns };
        row * to.columns as usize + column
    })
}

fn sum_to(from: View<'_>, to: Shape, out: &mut [f64]) {
    out.fill(0.0);
    for (place, a) in places(from.shape, to).zip(from.numbers) {
        out[place] += a;
    }
}

fn mean_to(from: View<'_>, to: Shape, out: &mut [f64]) {
    sum_to(from, to, out);
    let count = (from.shape.elements() / to.elements()) as f64;
    out.iter_mut().for_each(|v| *v /= count);
}

fn largest_to(from: View<'_>, to: Shape, out: &mut [f64]) {
    winner_to(from, to, out, |a, best| a > best);
}

fn smallest_to(from: View<'_>, to: Shape, out: &mut [f64]) {
    winner_to(from, to, out, |a, best| a < best);
}

/// A NaN wins, so that nobody overlooks it.
fn winner_to(from: View<'_>, to: Shape, out: &mut [f64], better: fn(f64, f64) -> bool) {
    let mut met = vec![false; out.len()];
    for (place, &a) in places(from.shape, to).zip(from.numbers) {
        if !std::mem::replace(&mut met[place], true) || a.is_nan() || better(a, out[place]) {
            out[place] = a;
        }
    }
}
