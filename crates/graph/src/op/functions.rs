//! Functions of one number: exponentials, logarithms, roots, circular and
//! hyperbolic functions and their inverses, the sigmoid.

use super::Bend::{End, Own as OwnSize, Unit};
use super::Derivative::Local;
use super::Expr::{A, Number, Of, V};
use super::Forward::Map;
use super::{Expr, Gate, PLAIN, Row};
use crate::sigmoid;

/// 1 - a², as (1 - a)(1 + a): no digits are lost near 1.
const ONE_MINUS_SQUARE: Expr =
    Of(Gate::Multiply, &[Of(Gate::Subtract, &[Number(1.0), A]), Of(Gate::AddConstant(1.0), &[A])]);

/// 1 + a²
const ONE_PLUS_SQUARE: Expr = Of(Gate::AddConstant(1.0), &[Of(Gate::Multiply, &[A, A])]);

/// exp a
pub(super) const EXP: Row = Row {
    symbol: "exp",
    names: &["exp"],
    latex: "e^{#a}",
    forward: Map(|a, _| a.exp()),
    derivative: Local(&[V]),
    rule: "d(exp a)/da = exp a",
    bend: Unit,
    ..PLAIN
};

/// The natural logarithm of a
pub(super) const LOG: Row = Row {
    symbol: "log",
    names: &["log", "ln"],
    latex: r"\ln\left(#a\right)",
    forward: Map(|a, _| a.ln()),
    derivative: Local(&[Of(Gate::Reciprocal, &[A])]),
    rule: "d(log a)/da = 1/a",
    bend: OwnSize,
    ..PLAIN
};

/// √a
pub(super) const SQRT: Row = Row {
    symbol: "sqrt",
    names: &["sqrt"],
    latex: r"\sqrt{#a}",
    forward: Map(|a, _| a.sqrt()),
    derivative: Local(&[Of(Gate::Divide, &[Number(0.5), V])]),
    rule: "d(√a)/da = 1/(2√a)",
    bend: OwnSize,
    ..PLAIN
};

/// sin a
pub(super) const SIN: Row = Row {
    symbol: "sin",
    names: &["sin"],
    latex: r"\sin\left(#a\right)",
    forward: Map(|a, _| a.sin()),
    derivative: Local(&[Of(Gate::Cos, &[A])]),
    rule: "d(sin a)/da = cos a",
    bend: Unit,
    ..PLAIN
};

/// cos a
pub(super) const COS: Row = Row {
    symbol: "cos",
    names: &["cos"],
    latex: r"\cos\left(#a\right)",
    forward: Map(|a, _| a.cos()),
    derivative: Local(&[Of(Gate::Negate, &[Of(Gate::Sin, &[A])])]),
    rule: "d(cos a)/da = -sin a",
    bend: Unit,
    ..PLAIN
};

/// tanh a
pub(super) const TANH: Row = Row {
    symbol: "tanh",
    names: &["tanh"],
    latex: r"\tanh\left(#a\right)",
    forward: Map(|a, _| a.tanh()),
    // 1 - tanh² a = 4 σ'(2a): written so, nothing cancels.
    derivative: Local(&[Of(
        Gate::MultiplyConstant(4.0),
        &[Of(Gate::SigmoidDerivative, &[Of(Gate::MultiplyConstant(2.0), &[A])])],
    )]),
    rule: "d(tanh a)/da = 1 - tanh² a",
    shown: Some(&[Of(Gate::Subtract, &[Number(1.0), Of(Gate::PowerConstant(2.0), &[V])])]),
    bend: Unit,
    ..PLAIN
};

/// 1 / (1 + exp(-a)) as one gate; see [`crate::sigmoid`] for its gradient
pub(super) const SIGMOID: Row = Row {
    symbol: "σ",
    names: &["sigmoid"],
    latex: r"\sigma\left(#a\right)",
    forward: Map(|a, _| sigmoid::value(a)),
    derivative: Local(&[Of(Gate::SigmoidDerivative, &[A])]),
    rule: "dσ(a)/da = σ(a) σ(-a) = (1 - σ(a)) σ(a)",
    shown: Some(&[Of(Gate::Multiply, &[Of(Gate::Subtract, &[Number(1.0), V]), V])]),
    bend: Unit,
    ..PLAIN
};

/// dσ/da: exp(-|a|) / (1 + exp(-|a|))²
pub(super) const SIGMOID_DERIVATIVE: Row = Row {
    symbol: "σ'",
    latex: r"\sigma'\left(#a\right)",
    forward: Map(|a, _| sigmoid::derivative(a)),
    // σ'' = σ' (1 - 2σ) = -σ' tanh(a/2)
    derivative: Local(&[Of(
        Gate::Multiply,
        &[Of(Gate::Negate, &[V]), Of(Gate::Tanh, &[Of(Gate::MultiplyConstant(0.5), &[A])])],
    )]),
    rule: "dσ'(a)/da = σ'(a) (1 - 2σ(a))",
    bend: Unit,
    ..PLAIN
};

/// The logarithm of a to base 2
pub(super) const LOG2: Row = Row {
    symbol: "log2",
    names: &["log2"],
    latex: r"\log_{2}\left(#a\right)",
    forward: Map(|a, _| a.log2()),
    derivative: Local(&[Of(
        Gate::Reciprocal,
        &[Of(Gate::MultiplyConstant(std::f64::consts::LN_2), &[A])],
    )]),
    rule: "d(log2 a)/da = 1/(a log 2)",
    bend: OwnSize,
    ..PLAIN
};

/// The logarithm of a to base 10
pub(super) const LOG10: Row = Row {
    symbol: "log10",
    names: &["log10"],
    latex: r"\log_{10}\left(#a\right)",
    forward: Map(|a, _| a.log10()),
    derivative: Local(&[Of(
        Gate::Reciprocal,
        &[Of(Gate::MultiplyConstant(std::f64::consts::LN_10), &[A])],
    )]),
    rule: "d(log10 a)/da = 1/(a log 10)",
    bend: OwnSize,
    ..PLAIN
};

/// tan a
pub(super) const TAN: Row = Row {
    symbol: "tan",
    names: &["tan"],
    latex: r"\tan\left(#a\right)",
    forward: Map(|a, _| a.tan()),
    derivative: Local(&[Of(Gate::AddConstant(1.0), &[Of(Gate::Multiply, &[V, V])])]),
    rule: "d(tan a)/da = 1 + tan² a",
    bend: End(|a| a.cos().abs()),
    ..PLAIN
};

/// The angle whose sine is a
pub(super) const ASIN: Row = Row {
    symbol: "asin",
    names: &["asin", "arcsin"],
    latex: r"\arcsin\left(#a\right)",
    forward: Map(|a, _| a.asin()),
    derivative: Local(&[Of(Gate::Reciprocal, &[Of(Gate::Sqrt, &[ONE_MINUS_SQUARE])])]),
    rule: "d(asin a)/da = 1/√(1 - a²)",
    bend: End(|a| 1.0 - a.abs()),
    ..PLAIN
};

/// The angle whose cosine is a
pub(super) const ACOS: Row = Row {
    symbol: "acos",
    names: &["acos", "arccos"],
    latex: r"\arccos\left(#a\right)",
    forward: Map(|a, _| a.acos()),
    derivative: Local(&[Of(
        Gate::Negate,
        &[Of(Gate::Reciprocal, &[Of(Gate::Sqrt, &[ONE_MINUS_SQUARE])])],
    )]),
    rule: "d(acos a)/da = -1/√(1 - a²)",
    bend: End(|a| 1.0 - a.abs()),
    ..PLAIN
};

/// The angle whose tangent is a
pub(super) const ATAN: Row = Row {
    symbol: "atan",
    names: &["atan", "arctan"],
    latex: r"\arctan\left(#a\right)",
    forward: Map(|a, _| a.atan()),
    derivative: Local(&[Of(Gate::Reciprocal, &[ONE_PLUS_SQUARE])]),
    rule: "d(atan a)/da = 1/(1 + a²)",
    bend: Unit,
    ..PLAIN
};

/// sinh a
pub(super) const SINH: Row = Row {
    symbol: "sinh",
    names: &["sinh"],
    latex: r"\sinh\left(#a\right)",
    forward: Map(|a, _| a.sinh()),
    derivative: Local(&[Of(Gate::Cosh, &[A])]),
    rule: "d(sinh a)/da = cosh a",
    bend: Unit,
    ..PLAIN
};

/// cosh a
pub(super) const COSH: Row = Row {
    symbol: "cosh",
    names: &["cosh"],
    latex: r"\cosh\left(#a\right)",
    forward: Map(|a, _| a.cosh()),
    derivative: Local(&[Of(Gate::Sinh, &[A])]),
    rule: "d(cosh a)/da = sinh a",
    bend: Unit,
    ..PLAIN
};

/// The number whose sinh is a
pub(super) const ASINH: Row = Row {
    symbol: "asinh",
    names: &["asinh", "arcsinh", "arsinh"],
    latex: r"\operatorname{arsinh}\left(#a\right)",
    forward: Map(|a, _| a.asinh()),
    derivative: Local(&[Of(Gate::Reciprocal, &[Of(Gate::Sqrt, &[ONE_PLUS_SQUARE])])]),
    rule: "d(asinh a)/da = 1/√(1 + a²)",
    bend: Unit,
    ..PLAIN
};

/// The number of at least 0 whose cosh is a
pub(super) const ACOSH: Row = Row {
    symbol: "acosh",
    names: &["acosh", "arccosh", "arcosh"],
    latex: r"\operatorname{arcosh}\left(#a\right)",
    forward: Map(|a, _| a.acosh()),
    derivative: Local(&[Of(
        Gate::Reciprocal,
        &[Of(
            Gate::Sqrt,
            &[Of(
                Gate::Multiply,
                &[Of(Gate::AddConstant(-1.0), &[A]), Of(Gate::AddConstant(1.0), &[A])],
            )],
        )],
    )]),
    rule: "d(acosh a)/da = 1/√(a² - 1)",
    bend: End(|a| a - 1.0),
    ..PLAIN
};

/// The number whose tanh is a
pub(super) const ATANH: Row = Row {
    symbol: "atanh",
    names: &["atanh", "arctanh", "artanh"],
    latex: r"\operatorname{artanh}\left(#a\right)",
    forward: Map(|a, _| a.atanh()),
    derivative: Local(&[Of(Gate::Reciprocal, &[ONE_MINUS_SQUARE])]),
    rule: "d(atanh a)/da = 1/(1 - a²)",
    bend: End(|a| 1.0 - a.abs()),
    ..PLAIN
};

/// log(1 + exp a), in the form that neither overflows nor loses digits
pub(super) const SOFTPLUS: Row = Row {
    symbol: "softplus",
    names: &["softplus"],
    latex: r"\operatorname{softplus}\left(#a\right)",
    forward: Map(|a, _| if a > 0.0 { a } else { 0.0 } + (-a.abs()).exp().ln_1p()),
    derivative: Local(&[Of(Gate::Sigmoid, &[A])]),
    rule: "d(softplus a)/da = σ(a)",
    bend: Unit,
    ..PLAIN
};

/// 2/√π ∫ exp(-t²) dt from 0 to a
pub(super) const ERF: Row = Row {
    symbol: "erf",
    names: &["erf"],
    latex: r"\operatorname{erf}\left(#a\right)",
    forward: Map(|a, _| libm::erf(a)),
    derivative: Local(&[Of(
        Gate::MultiplyConstant(std::f64::consts::FRAC_2_SQRT_PI),
        &[Of(Gate::Exp, &[Of(Gate::Negate, &[Of(Gate::Multiply, &[A, A])])])],
    )]),
    rule: "d(erf a)/da = 2/√π exp(-a²)",
    bend: Unit,
    ..PLAIN
};
