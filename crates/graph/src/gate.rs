//! A gate: one operation of the graph, with its forward value and its local
//! gradients side by side.
//!
//! A gate with inputs a and b gives v = g(a, b). Its *local gradients* are
//! ∂g/∂a and ∂g/∂b at those inputs; they are known as soon as the forward pass
//! has reached the gate. The backward pass multiplies them by the *upstream*
//! gradient ∂f/∂v and hands the products on:
//!
//! ```text
//! ∂f/∂a = ∂f/∂v · ∂g/∂a        ∂f/∂b = ∂f/∂v · ∂g/∂b
//! ```
//!
//! At the kinks the frameworks' conventions hold: relu and abs have gradient 0
//! at 0, and a tie in max or min gives each side one half.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::{number, sigmoid};

/// One operation. The constant of a gate such as `+1` is part of the gate, as
/// in the diagrams that teachers draw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Gate {
    /// A named input.
    Variable,
    /// A number of the formula that is nobody's `+1`.
    Constant(f64),
    /// a + b
    Add,
    /// a - b
    Subtract,
    /// a b
    Multiply,
    /// a / b
    Divide,
    /// a ^ b
    Power,
    /// The larger of a and b
    Max,
    /// The smaller of a and b
    Min,
    /// -a, drawn as ×(-1)
    Negate,
    /// a + c
    AddConstant(f64),
    /// c a
    MultiplyConstant(f64),
    /// a ^ c
    PowerConstant(f64),
    /// 1 / a
    Reciprocal,
    /// exp a
    Exp,
    /// The natural logarithm of a
    Log,
    /// √a
    Sqrt,
    /// sin a
    Sin,
    /// cos a
    Cos,
    /// tanh a
    Tanh,
    /// 1 / (1 + exp(-a)) as one gate; see [`crate::sigmoid`] for its gradient
    Sigmoid,
    /// max(0, a)
    Relu,
    /// |a|
    Abs,
}

impl Gate {
    /// How many inputs the gate takes: 0, 1 or 2.
    #[must_use]
    pub fn arity(self) -> usize {
        match self {
            Gate::Variable | Gate::Constant(_) => 0,
            Gate::Add
            | Gate::Subtract
            | Gate::Multiply
            | Gate::Divide
            | Gate::Power
            | Gate::Max
            | Gate::Min => 2,
            _ => 1,
        }
    }

    /// Forward: v = g(a, b). A gate with one input ignores b; a constant is its
    /// number, and a variable, whose value comes from outside, gives a.
    #[must_use]
    pub fn forward(self, a: f64, b: f64) -> f64 {
        match self {
            Gate::Variable => a,
            Gate::Constant(c) => c,
            Gate::Add => a + b,
            Gate::Subtract => a - b,
            Gate::Multiply => a * b,
            Gate::Divide => a / b,
            Gate::Power => a.powf(b),
            // f64::max would hide a NaN; a comparison lets it through.
            Gate::Max => {
                if a.is_nan() || a > b {
                    a
                } else {
                    b
                }
            }
            Gate::Min => {
                if a.is_nan() || a < b {
                    a
                } else {
                    b
                }
            }
            Gate::Negate => -a,
            Gate::AddConstant(c) => a + c,
            Gate::MultiplyConstant(c) => c * a,
            Gate::PowerConstant(c) => a.powf(c),
            Gate::Reciprocal => 1.0 / a,
            Gate::Exp => a.exp(),
            Gate::Log => a.ln(),
            Gate::Sqrt => a.sqrt(),
            Gate::Sin => a.sin(),
            Gate::Cos => a.cos(),
            Gate::Tanh => a.tanh(),
            Gate::Sigmoid => sigmoid::value(a),
            Gate::Relu => {
                if a.is_nan() || a > 0.0 {
                    a
                } else {
                    0.0
                }
            }
            Gate::Abs => a.abs(),
        }
    }

    /// Local gradients: [∂g/∂a, ∂g/∂b] at inputs a and b, where `v` is the
    /// value that [`Gate::forward`] gave. An input that isn't there has 0.
    #[must_use]
    pub fn local_gradients(self, a: f64, b: f64, v: f64) -> [f64; 2] {
        match self {
            Gate::Variable | Gate::Constant(_) => [0.0, 0.0],
            Gate::Add => [1.0, 1.0],
            Gate::Subtract => [1.0, -1.0],
            Gate::Multiply => [b, a],
            Gate::Divide => [1.0 / b, -v / b],
            Gate::Power => [power_by_base(a, b), power_by_exponent(a, b, v)],
            Gate::Max => route(a, b, a > b),
            Gate::Min => route(a, b, a < b),
            Gate::Negate => [-1.0, 0.0],
            Gate::AddConstant(_) => [1.0, 0.0],
            Gate::MultiplyConstant(c) => [c, 0.0],
            Gate::PowerConstant(c) => [power_by_base(a, c), 0.0],
            Gate::Reciprocal => [-v * v, 0.0],
            Gate::Exp => [v, 0.0],
            Gate::Log => [1.0 / a, 0.0],
            Gate::Sqrt => [0.5 / v, 0.0],
            Gate::Sin => [a.cos(), 0.0],
            Gate::Cos => [-a.sin(), 0.0],
            Gate::Tanh => [tanh_derivative(a), 0.0],
            Gate::Sigmoid => [sigmoid::derivative(a), 0.0],
            Gate::Relu => [if a.is_nan() { a } else { f64::from(a > 0.0) }, 0.0],
            Gate::Abs => [if a == 0.0 { 0.0 } else { a.signum() }, 0.0],
        }
    }

    /// Whether the gate's two inputs may change places.
    pub(crate) fn commutes(self) -> bool {
        matches!(self, Gate::Add | Gate::Multiply | Gate::Max | Gate::Min)
    }

    /// Whether the gate has a kink, where its gradient jumps.
    pub(crate) fn has_kink(self) -> bool {
        matches!(self, Gate::Relu | Gate::Abs | Gate::Max | Gate::Min)
    }

    /// Which side of its kink a gate is on: the sign of a for relu and abs, of
    /// a - b for max and min; none where that is NaN.
    pub(crate) fn side(self, a: f64, b: f64) -> Option<Ordering> {
        match self {
            Gate::Relu | Gate::Abs => a.partial_cmp(&0.0),
            _ => a.partial_cmp(&b),
        }
    }

    /// What is written in the gate's circle: `+`, `×`, `×(-1)`, `+1`, `exp`,
    /// `1/x`, `σ`. A variable has none, for it is known by its name.
    #[must_use]
    pub fn symbol(self) -> Cow<'static, str> {
        let fixed = match self {
            Gate::Variable => "",
            Gate::Constant(c) => return number::constant(c).into(),
            Gate::Add => "+",
            Gate::Subtract => "-",
            Gate::Multiply => "×",
            Gate::Divide => "/",
            Gate::Power => "^",
            Gate::Max => "max",
            Gate::Min => "min",
            Gate::Negate => "×(-1)",
            Gate::AddConstant(c) if c.is_sign_negative() => {
                return format!("-{}", number::constant(-c)).into();
            }
            Gate::AddConstant(c) => return format!("+{}", number::constant(c)).into(),
            Gate::MultiplyConstant(c) if c.is_sign_negative() => {
                return format!("×({})", number::constant(c)).into();
            }
            Gate::MultiplyConstant(c) => return format!("×{}", number::constant(c)).into(),
            Gate::PowerConstant(c) if c.is_sign_negative() => {
                return format!("^({})", number::constant(c)).into();
            }
            Gate::PowerConstant(c) => return format!("^{}", number::constant(c)).into(),
            Gate::Reciprocal => "1/x",
            Gate::Exp => "exp",
            Gate::Log => "log",
            Gate::Sqrt => "sqrt",
            Gate::Sin => "sin",
            Gate::Cos => "cos",
            Gate::Tanh => "tanh",
            Gate::Sigmoid => "σ",
            Gate::Relu => "relu",
            Gate::Abs => "abs",
        };
        fixed.into()
    }

    /// The local gradients as formulas of the inputs a and b and the value v,
    /// for the pages that write each step out.
    #[must_use]
    pub fn rule(self) -> &'static str {
        match self {
            Gate::Variable | Gate::Constant(_) => "",
            Gate::Add => "d(a + b)/da = 1, d(a + b)/db = 1",
            Gate::Subtract => "d(a - b)/da = 1, d(a - b)/db = -1",
            Gate::Multiply => "d(a b)/da = b, d(a b)/db = a",
            Gate::Divide => "d(a/b)/da = 1/b, d(a/b)/db = -a/b²",
            Gate::Power => "d(a^b)/da = b a^(b-1), d(a^b)/db = a^b log a",
            Gate::Max => "1 for the larger input, 0 for the other",
            Gate::Min => "1 for the smaller input, 0 for the other",
            Gate::Negate => "d(-a)/da = -1",
            Gate::AddConstant(_) => "d(a + c)/da = 1",
            Gate::MultiplyConstant(_) => "d(c a)/da = c",
            Gate::PowerConstant(_) => "d(a^c)/da = c a^(c-1)",
            Gate::Reciprocal => "d(1/a)/da = -1/a²",
            Gate::Exp => "d(exp a)/da = exp a",
            Gate::Log => "d(log a)/da = 1/a",
            Gate::Sqrt => "d(√a)/da = 1/(2√a)",
            Gate::Sin => "d(sin a)/da = cos a",
            Gate::Cos => "d(cos a)/da = -sin a",
            Gate::Tanh => "d(tanh a)/da = 1 - tanh² a",
            Gate::Sigmoid => "dσ(a)/da = σ(a) σ(-a) = (1 - σ(a)) σ(a)",
            Gate::Relu => "1 where a > 0, else 0",
            Gate::Abs => "the sign of a",
        }
    }
}

/// ∂(a^c)/∂a = c a^(c-1). For c = 0 the power is 1 everywhere and the product
/// 0 · a^(-1) would be NaN at a = 0.
fn power_by_base(a: f64, c: f64) -> f64 {
    if c == 0.0 { 0.0 } else { c * a.powf(c - 1.0) }
}

/// ∂(a^b)/∂b = a^b log a, which tends to 0 with a for b > 0, and at b = 0 is
/// taken as 0, as the frameworks do.
fn power_by_exponent(a: f64, b: f64, v: f64) -> f64 {
    if a == 0.0 && b >= 0.0 { 0.0 } else { v * a.ln() }
}

/// Max and min hand the whole gradient to the input that won, and half to each
/// on a tie.
fn route(a: f64, b: f64, a_wins: bool) -> [f64; 2] {
    if a == b {
        [0.5, 0.5]
    } else if a.is_nan() || b.is_nan() {
        [f64::NAN, f64::NAN]
    } else if a_wins {
        [1.0, 0.0]
    } else {
        [0.0, 1.0]
    }
}

/// 1 - tanh² a = 4 σ(2a) σ(-2a): the same cancellation as the sigmoid's, and
/// the same way around it.
fn tanh_derivative(a: f64) -> f64 {
    4.0 * sigmoid::derivative(2.0 * a)
}
