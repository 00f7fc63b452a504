//! Sums, products, quotients and powers, element by element.

use super::Bend::{Own as OwnSize, Power};
use super::Derivative::Local;
use super::Expr::{A, B, ByConstant, Constant, Number, Of, V, With};
use super::Forward::{Map, Zip};
use super::{Gate, Infix, PLAIN, Row, infix};

/// a + b
pub(super) const ADD: Row = Row {
    symbol: "+",
    infix: infix(&["+"], 1),
    text: "#(a) + #(b)",
    latex: "#a + #b",
    forward: Zip(|a, b| a + b),
    derivative: Local(&[Number(1.0), Number(1.0)]),
    rule: "d(a + b)/da = 1, d(a + b)/db = 1",
    commutes: true,
    ..PLAIN
};

/// a - b
pub(super) const SUBTRACT: Row = Row {
    symbol: "-",
    infix: infix(&["-", "−", "–"], 1),
    text: "#(a) - #(b)",
    latex: "#a - #(b)",
    forward: Zip(|a, b| a - b),
    derivative: Local(&[Number(1.0), Number(-1.0)]),
    rule: "d(a - b)/da = 1, d(a - b)/db = -1",
    ..PLAIN
};

/// a b, element by element
pub(super) const MULTIPLY: Row = Row {
    symbol: "×",
    infix: infix(&["*", "·", "×", "⋅", "∗"], 3),
    text: "#(a) × #(b)",
    latex: r"#(a) \cdot #(b)",
    forward: Zip(|a, b| a * b),
    derivative: Local(&[B, A]),
    rule: "d(a b)/da = b, d(a b)/db = a",
    commutes: true,
    ..PLAIN
};

/// a / b
pub(super) const DIVIDE: Row = Row {
    symbol: "/",
    infix: infix(&["/", "÷", "∕"], 3),
    text: "#(a) / #(b)",
    latex: r"\frac{#a}{#b}",
    forward: Zip(|a, b| a / b),
    derivative: Local(&[
        Of(Gate::Reciprocal, &[B]),
        Of(Gate::Divide, &[Of(Gate::Negate, &[V]), B]),
    ]),
    rule: "d(a/b)/da = 1/b, d(a/b)/db = -a/b²",
    bend: OwnSize,
    ..PLAIN
};

/// a ^ b
pub(super) const POWER: Row = Row {
    symbol: "^",
    infix: Some(Infix { signs: &["^", "**"], strength: 5, from_the_right: true }),
    text: "#(a) ^ #(b)",
    latex: "{#(a)}^{#b}",
    forward: Zip(f64::powf),
    // a^0 is 1 everywhere, so its derivative by a is 0 at a = 0 too; a^b log a
    // tends to 0 with a for b > 0, and is taken as 0 for b = 0, as the
    // frameworks do.
    derivative: Local(&[
        Of(
            Gate::Gated,
            &[
                B,
                Of(Gate::Multiply, &[B, Of(Gate::Power, &[A, Of(Gate::AddConstant(-1.0), &[B])])]),
            ],
        ),
        Of(
            Gate::Gated,
            &[
                Of(Gate::Relu, &[Of(Gate::Max, &[Of(Gate::Abs, &[A]), Of(Gate::Negate, &[B])])]),
                Of(Gate::Multiply, &[V, Of(Gate::Log, &[A])]),
            ],
        ),
    ]),
    rule: "d(a^b)/da = b a^(b-1), d(a^b)/db = a^b log a",
    shown: Some(&[
        Of(Gate::Multiply, &[B, Of(Gate::Power, &[A, Of(Gate::AddConstant(-1.0), &[B])])]),
        Of(Gate::Multiply, &[V, Of(Gate::Log, &[A])]),
    ]),
    bend: Power,
    ..PLAIN
};

/// -a, drawn as ×(-1)
pub(super) const NEGATE: Row = Row {
    symbol: "×(-1)",
    text: "#a × (-1)",
    latex: "-#(a)",
    forward: Map(|a, _| -a),
    derivative: Local(&[Number(-1.0)]),
    rule: "d(-a)/da = -1",
    ..PLAIN
};

/// a + c
pub(super) const ADD_CONSTANT: Row = Row {
    symbol: "#±c",
    text: "#a #± c",
    latex: "#a #± c",
    forward: Map(|a, c| a + c),
    derivative: Local(&[Number(1.0)]),
    rule: "d(a + c)/da = 1",
    ..PLAIN
};

/// c a
pub(super) const MULTIPLY_CONSTANT: Row = Row {
    symbol: "×#(c)",
    text: "#a × #(c)",
    latex: r"#c \cdot #(a)",
    forward: Map(|a, c| c * a),
    derivative: Local(&[Constant]),
    rule: "d(c a)/da = c",
    ..PLAIN
};

/// a ^ c
pub(super) const POWER_CONSTANT: Row = Row {
    symbol: "^#(c)",
    text: "#(a) ^ #(c)",
    latex: "{#(a)}^{#c}",
    forward: Map(f64::powf),
    derivative: Local(&[ByConstant(|c| match c {
        0.0 => &Number(0.0),
        1.0 => &Number(1.0),
        2.0 => &Of(Gate::MultiplyConstant(2.0), &[A]),
        _ => &With(Gate::MultiplyConstant, &With(|c| Gate::PowerConstant(c - 1.0), &A)),
    })]),
    rule: "d(a^c)/da = c a^(c-1)",
    bend: Power,
    ..PLAIN
};

/// 1 / a
pub(super) const RECIPROCAL: Row = Row {
    symbol: "1/x",
    text: "1 / #(a)",
    latex: r"\frac{1}{#a}",
    forward: Map(|a, _| 1.0 / a),
    derivative: Local(&[Of(Gate::Multiply, &[Of(Gate::Negate, &[V]), V])]),
    rule: "d(1/a)/da = -1/a²",
    bend: OwnSize,
    ..PLAIN
};
