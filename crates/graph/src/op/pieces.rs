//! Functions made of straight pieces, and what their derivatives are made of.

use super::Bend::Kink;
use super::Derivative::{self, Each, Local, Sent};
use super::Expr::{A, Number, Of, Own, Shared, Total, U, V};
use super::Forward::{Fold, Map, Zip};
use super::{Expr, Gate, PLAIN, Row};

/// Max and min: the whole gradient to the input that won, equal parts on a tie.
const WINNERS: Derivative = Each {
    shared: &Total(&Of(Gate::Equals, &[Own, V])),
    local: &Of(Gate::Divide, &[Of(Gate::Equals, &[Own, V]), Shared]),
};

const WINNERS_SHOWN: Option<&[Expr]> = Some(&[Of(Gate::Equals, &[Own, V])]);

/// max(0, a)
pub(super) const RELU: Row = Row {
    symbol: "relu",
    names: &["relu"],
    // f64::max would hide a NaN; a comparison lets it through.
    forward: Map(|a, _| if a.is_nan() || a > 0.0 { a } else { 0.0 }),
    derivative: Local(&[Of(Gate::Step, &[A])]),
    rule: "1 where a > 0, else 0",
    bend: Kink,
    ..PLAIN
};

/// |a|
pub(super) const ABS: Row = Row {
    symbol: "abs",
    names: &["abs"],
    latex: r"\left|#a\right|",
    forward: Map(|a, _| a.abs()),
    derivative: Local(&[Of(Gate::Sign, &[A])]),
    rule: "the sign of a",
    bend: Kink,
    ..PLAIN
};

/// The largest of its inputs
pub(super) const MAX: Row = Row {
    symbol: "max",
    names: &["max"],
    latex: r"\max\left(#a\right)",
    forward: Fold(|a, b| if a.is_nan() || a > b { a } else { b }),
    derivative: WINNERS,
    rule: "1 for the largest input, 0 for the others; inputs that tie share it equally",
    shown: WINNERS_SHOWN,
    bend: Kink,
    commutes: true,
    alone: Some(Gate::Largest),
    along: Some([Gate::LargestDown, Gate::LargestAcross]),
    ..PLAIN
};

/// The smallest of its inputs
pub(super) const MIN: Row = Row {
    symbol: "min",
    names: &["min"],
    latex: r"\min\left(#a\right)",
    forward: Fold(|a, b| if a.is_nan() || a < b { a } else { b }),
    derivative: WINNERS,
    rule: "1 for the smallest input, 0 for the others; inputs that tie share it equally",
    shown: WINNERS_SHOWN,
    bend: Kink,
    commutes: true,
    alone: Some(Gate::Smallest),
    along: Some([Gate::SmallestDown, Gate::SmallestAcross]),
    ..PLAIN
};

/// 1 where a > 0, else 0
pub(super) const STEP: Row = Row {
    symbol: "a>0",
    text: "(#a > 0)",
    latex: r"\left[#a > 0\right]",
    forward: Map(|a, _| if a.is_nan() { a } else { f64::from(a > 0.0) }),
    rule: "0",
    bend: Kink,
    ..PLAIN
};

/// -1, 0 or 1
pub(super) const SIGN: Row = Row {
    symbol: "sign",
    forward: Map(|a, _| if a == 0.0 { 0.0 } else { a.signum() }),
    rule: "0",
    bend: Kink,
    ..PLAIN
};

/// 1 where a and b are equal, else 0
pub(super) const EQUALS: Row = Row {
    symbol: "=",
    text: "(#a = #b)",
    latex: r"\left[#a = #b\right]",
    forward: Zip(|a, b| if a.is_nan() || b.is_nan() { f64::NAN } else { f64::from(a == b) }),
    rule: "0",
    bend: Kink,
    commutes: true,
    ..PLAIN
};

/// b, but 0 where a is 0, whatever b is
pub(super) const GATED: Row = Row {
    symbol: "gate",
    forward: Zip(|a, b| if a == 0.0 { 0.0 } else { b }),
    derivative: Sent(&[Number(0.0), Of(Gate::Gated, &[A, U])]),
    rule: "db = dv where a is not 0, else 0",
    ..PLAIN
};
