//! The table of operations: a gate is one row.
//!
//! A row says what is written in the gate's circle, which names and signs a
//! formula calls it by, what it computes, its derivative, its LaTeX, the
//! sentence that explains the derivative, and how far an input may move before
//! the function bends. The reader, the tape, both passes, the gradient check
//! and every drawing read the table; a new gate is a new row here.
//!
//! The derivative is written in gates: from the same row come the number in a
//! diagram and the gates of a second derivative ([`crate::derivative`]).
//!
//! At the kinks the conventions of PyTorch hold: relu and abs have gradient 0 at
//! 0, and inputs that tie in max or min share the gradient equally: 1/2 each for
//! two (`torch.maximum`), 1/3 each for three (`torch.amax`).

use crate::op::Bend::{Kink, Never, Own as OwnSize, Power, Unit};
use crate::op::Derivative::{Each, Local, Sent, Zero};
use crate::op::Expr::{A, B, ByConstant, Constant, Number, Of, Own, Shared, Total, U, V, With};
use crate::op::Forward::{Fold, Given, Map, Whole, Zip};
use crate::sigmoid;
use crate::value::{Shape, View};

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// What is written in the gate's circle. `#c` is the gate's constant, `#(c)`
    /// the same in parentheses where it is negative, `#±c` with its sign.
    pub symbol: &'static str,
    /// What a formula calls it, as a function; the first is the name in messages.
    pub names: &'static [&'static str],
    /// What a formula calls it, between its operands.
    pub infix: Option<Infix>,
    /// The operation in a line of text, `#a` and `#b` being the inputs. Empty
    /// for `symbol(a, b, ...)`.
    pub text: &'static str,
    /// The operation in LaTeX. Empty for `\operatorname{name}(a, b, ...)`.
    pub latex: &'static str,
    /// What it computes.
    pub forward: Forward,
    /// The derivative by each input.
    pub derivative: Derivative,
    /// The derivative in words, for the pages that write each step out.
    pub rule: &'static str,
    /// How far an input may move before the function bends.
    pub bend: Bend,
    /// Whether the inputs may change places.
    pub commutes: bool,
}

/// An operator that stands between its operands.
#[derive(Clone, Copy, Debug)]
pub struct Infix {
    /// The signs that mean it.
    pub signs: &'static [&'static str],
    /// How strongly it binds: 1 for +, 3 for *, 5 for ^.
    pub strength: u8,
    /// Whether a^b^c is a^(b^c).
    pub from_the_right: bool,
}

/// What a gate computes.
#[derive(Clone, Copy, Debug)]
pub enum Forward {
    /// Nothing: a variable or a number.
    Given,
    /// v = g(a, c) of each element, where c is the gate's constant.
    Map(fn(f64, f64) -> f64),
    /// v = g(a, b), element by element, with broadcasting.
    Zip(fn(f64, f64) -> f64),
    /// v = g(g(a, b), ...) of two inputs or more, with broadcasting.
    Fold(fn(f64, f64) -> f64),
    /// Any other function of whole matrices.
    Whole {
        /// How many it takes.
        inputs: usize,
        /// The shape of the result; none if the inputs don't fit.
        shape: fn(&[Shape]) -> Option<Shape>,
        /// Which shapes fit.
        fits: &'static str,
        /// Writes the result.
        fill: fn(&[View<'_>], &mut [f64]),
    },
}

/// The derivative of a gate by its inputs.
///
/// ```text
/// Local   ∂g/∂a at each element; sent back is  ∂f/∂a = ∂f/∂v · ∂g/∂a
/// Each    the same for all of a gate's many inputs
/// Sent    ∂f/∂a itself, in terms of U = ∂f/∂v: dA = U Bᵀ
/// ```
#[derive(Clone, Copy, Debug)]
pub enum Derivative {
    /// 0 everywhere: nothing is sent back.
    Zero,
    /// ∂g/∂(input), element by element, one for each input.
    Local(&'static [Expr]),
    /// ∂g/∂(input) as a formula of [`Expr::Own`], the same for every input.
    Each {
        /// What all of them share: [`Expr::Shared`].
        shared: &'static Expr,
        /// For one input.
        local: &'static Expr,
    },
    /// ∂f/∂(input) as a formula of [`Expr::U`], one for each input. It is linear in U.
    Sent(&'static [Expr]),
}

/// A formula of a gate's inputs and its value.
#[derive(Clone, Copy, Debug)]
pub enum Expr {
    /// A number.
    Number(f64),
    /// The constant that is part of the gate.
    Constant,
    /// The first input.
    A,
    /// The second input.
    B,
    /// The input by which the derivative is taken.
    Own,
    /// The gate's value.
    V,
    /// The gradient from upstream, ∂f/∂v.
    U,
    /// What [`Derivative::Each`] computes once.
    Shared,
    /// A gate of terms.
    Of(Gate, &'static [Expr]),
    /// A gate of one term, made with the constant of the gate that is differentiated.
    With(fn(f64) -> Gate, &'static Expr),
    /// A formula that depends on the constant.
    ByConstant(fn(f64) -> &'static Expr),
    /// The sum over all inputs of a term of [`Expr::Own`].
    Total(&'static Expr),
}

/// How far an input may move before the function bends, jumps or ends: the
/// length on which it is smooth. A difference must not step further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bend {
    /// Linear in each input.
    Never,
    /// 1, as for exp and sin.
    Unit,
    /// The size of the last input, as for 1/x and log x, which end at 0.
    Own,
    /// That of a^b.
    Power,
    /// It is made of straight pieces that meet in a kink.
    Kink,
}

/// Makes the enum of all gates from the table.
macro_rules! table {
    ($($(#[$doc:meta])* $gate:ident $(($constant:ty))? = $row:expr;)*) => {
        /// One operation. The constant of a gate such as `+1` is part of the gate, as
        /// in the diagrams that teachers draw.
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub enum Gate {
            $($(#[$doc])* $gate $(($constant))?,)*
        }

        impl Gate {
            /// Its row of the table.
            #[must_use]
            pub fn row(self) -> &'static Row {
                match self {
                    $(Gate::$gate { .. } => {
                        static ROW: Row = $row;
                        &ROW
                    })*
                }
            }

            /// The number that is part of the gate; 0 if it has none.
            #[must_use]
            pub fn constant(self) -> f64 {
                match self {
                    $($(Gate::$gate(c) => {
                        let c: $constant = c;
                        c
                    })?)*
                    _ => 0.0,
                }
            }

            /// Each gate once, with 0 for its constant.
            pub(crate) const ALL: &'static [Gate] = &[$(Gate::$gate $((0.0 as $constant))?),*];
        }
    };
}

/// What most rows have in common.
const PLAIN: Row = Row {
    symbol: "",
    names: &[],
    infix: None,
    text: "",
    latex: "",
    forward: Given,
    derivative: Zero,
    rule: "",
    bend: Never,
    commutes: false,
};

const fn infix(signs: &'static [&'static str], strength: u8) -> Option<Infix> {
    Some(Infix { signs, strength, from_the_right: false })
}

// The table. In a derivative A and B are the inputs, V is the value, U the
// gradient from upstream.
table! {
    /// A named input.
    Variable = Row { ..PLAIN };

    /// A number of the formula that is nobody's `+1`.
    Constant(f64) = Row { symbol: "#c", latex: "#c", ..PLAIN };

    /// a + b
    Add = Row {
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
    Subtract = Row {
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
    Multiply = Row {
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
    Divide = Row {
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
    Power = Row {
        symbol: "^",
        infix: Some(Infix { signs: &["^", "**"], strength: 5, from_the_right: true }),
        text: "#(a) ^ #(b)",
        latex: "{#(a)}^{#b}",
        forward: Zip(f64::powf),
        // a^0 is 1 everywhere, so its derivative by a is 0 at a = 0 too; a^b log a
        // tends to 0 with a for b > 0, and is taken as 0 for b = 0, as the
        // frameworks do.
        derivative: Local(&[
            Of(Gate::Gated, &[B, Of(Gate::Multiply, &[B, Of(Gate::Power, &[A, Of(Gate::AddConstant(-1.0), &[B])])])]),
            Of(Gate::Gated, &[
                Of(Gate::Relu, &[Of(Gate::Max, &[Of(Gate::Abs, &[A]), Of(Gate::Negate, &[B])])]),
                Of(Gate::Multiply, &[V, Of(Gate::Log, &[A])]),
            ]),
        ]),
        rule: "d(a^b)/da = b a^(b-1), d(a^b)/db = a^b log a",
        bend: Power,
        ..PLAIN
    };

    /// -a, drawn as ×(-1)
    Negate = Row {
        symbol: "×(-1)",
        text: "#a × (-1)",
        latex: "-#(a)",
        forward: Map(|a, _| -a),
        derivative: Local(&[Number(-1.0)]),
        rule: "d(-a)/da = -1",
        ..PLAIN
    };

    /// a + c
    AddConstant(f64) = Row {
        symbol: "#±c",
        text: "#a #± c",
        latex: "#a #± c",
        forward: Map(|a, c| a + c),
        derivative: Local(&[Number(1.0)]),
        rule: "d(a + c)/da = 1",
        ..PLAIN
    };

    /// c a
    MultiplyConstant(f64) = Row {
        symbol: "×#(c)",
        text: "#a × #(c)",
        latex: r"#c \cdot #(a)",
        forward: Map(|a, c| c * a),
        derivative: Local(&[Constant]),
        rule: "d(c a)/da = c",
        ..PLAIN
    };

    /// a ^ c
    PowerConstant(f64) = Row {
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
    Reciprocal = Row {
        symbol: "1/x",
        text: "1 / #(a)",
        latex: r"\frac{1}{#a}",
        forward: Map(|a, _| 1.0 / a),
        derivative: Local(&[Of(Gate::Multiply, &[Of(Gate::Negate, &[V]), V])]),
        rule: "d(1/a)/da = -1/a²",
        bend: OwnSize,
        ..PLAIN
    };

    /// exp a
    Exp = Row {
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
    Log = Row {
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
    Sqrt = Row {
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
    Sin = Row {
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
    Cos = Row {
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
    Tanh = Row {
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
        bend: Unit,
        ..PLAIN
    };

    /// 1 / (1 + exp(-a)) as one gate; see [`crate::sigmoid`] for its gradient
    Sigmoid = Row {
        symbol: "σ",
        names: &["sigmoid"],
        latex: r"\sigma\left(#a\right)",
        forward: Map(|a, _| sigmoid::value(a)),
        derivative: Local(&[Of(Gate::SigmoidDerivative, &[A])]),
        rule: "dσ(a)/da = σ(a) σ(-a) = (1 - σ(a)) σ(a)",
        bend: Unit,
        ..PLAIN
    };

    /// max(0, a)
    Relu = Row {
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
    Abs = Row {
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
    Max = Row {
        symbol: "max",
        names: &["max"],
        latex: r"\max\left(#a\right)",
        forward: Fold(|a, b| if a.is_nan() || a > b { a } else { b }),
        derivative: WINNERS,
        rule: "1 for the largest input, 0 for the others; inputs that tie share it equally",
        bend: Kink,
        commutes: true,
        ..PLAIN
    };

    /// The smallest of its inputs
    Min = Row {
        symbol: "min",
        names: &["min"],
        latex: r"\min\left(#a\right)",
        forward: Fold(|a, b| if a.is_nan() || a < b { a } else { b }),
        derivative: WINNERS,
        rule: "1 for the smallest input, 0 for the others; inputs that tie share it equally",
        bend: Kink,
        commutes: true,
        ..PLAIN
    };

    /// The matrix product a b
    MatMul = Row {
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
    Transpose = Row {
        symbol: "ᵀ",
        text: "#(a)ᵀ",
        latex: r"{#(a)}^{\top}",
        forward: Whole {
            inputs: 1,
            shape: |s| Some(s[0].transposed()),
            fits: "any shape",
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

    /// The sum of all elements of a
    Sum = Row {
        symbol: "sum",
        latex: r"\sum #(a)",
        forward: Whole {
            inputs: 1,
            shape: |_| Some(Shape::SCALAR),
            fits: "any shape",
            fill: |inputs, out| out[0] = inputs[0].numbers.iter().sum(),
        },
        derivative: Sent(&[Of(Gate::BroadcastTo, &[U, A])]),
        rule: "each element of da is dv",
        ..PLAIN
    };

    /// a, summed over the rows and columns that broadcasting gave it, to the shape of b
    SumTo = Row {
        symbol: "sum to",
        forward: Whole {
            inputs: 2,
            shape: |s| (s[1].broadcast(s[0]) == Some(s[0])).then_some(s[1]),
            fits: "the second one must broadcast to the first one's shape",
            fill: |inputs, out| {
                out.fill(0.0);
                let (from, to) = (inputs[0], inputs[1].shape);
                let columns = from.shape.columns as usize;
                for (i, a) in from.numbers.iter().enumerate() {
                    let row = if to.rows == 1 { 0 } else { i / columns };
                    let column = if to.columns == 1 { 0 } else { i % columns };
                    out[row * to.columns as usize + column] += a;
                }
            },
        },
        derivative: Sent(&[Of(Gate::BroadcastTo, &[U, A])]),
        rule: "da is dv, broadcast to the shape of a",
        ..PLAIN
    };

    /// a, broadcast to the shape of b
    BroadcastTo = Row {
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

    // Gates that only derivatives are made of.

    /// dσ/da: exp(-|a|) / (1 + exp(-|a|))²
    SigmoidDerivative = Row {
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

    /// 1 where a > 0, else 0
    Step = Row {
        symbol: "a>0",
        text: "(#a > 0)",
        latex: r"\left[#a > 0\right]",
        forward: Map(|a, _| if a.is_nan() { a } else { f64::from(a > 0.0) }),
        rule: "0",
        bend: Kink,
        ..PLAIN
    };

    /// -1, 0 or 1
    Sign = Row {
        symbol: "sign",
        forward: Map(|a, _| if a == 0.0 { 0.0 } else { a.signum() }),
        rule: "0",
        bend: Kink,
        ..PLAIN
    };

    /// 1 where a and b are equal, else 0
    Equals = Row {
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
    Gated = Row {
        symbol: "gate",
        forward: Zip(|a, b| if a == 0.0 { 0.0 } else { b }),
        derivative: Sent(&[Number(0.0), Of(Gate::Gated, &[A, U])]),
        rule: "db = dv where a is not 0, else 0",
        ..PLAIN
    };
}

/// Max and min: the whole gradient to the input that won, equal parts on a tie.
const WINNERS: Derivative = Each {
    shared: &Total(&Of(Gate::Equals, &[Own, V])),
    local: &Of(Gate::Divide, &[Of(Gate::Equals, &[Own, V]), Shared]),
};

/// v_ij = Σ_k a_ik b_kj
fn matrix_product(inputs: &[View<'_>], out: &mut [f64]) {
    let (a, b) = (inputs[0], inputs[1]);
    let (inner, columns) = (a.shape.columns as usize, b.shape.columns as usize);
    for (i, v) in out.iter_mut().enumerate() {
        let (row, column) = (i / columns, i % columns);
        *v = (0..inner).map(|k| a.numbers[row * inner + k] * b.numbers[k * columns + column]).sum();
    }
}
