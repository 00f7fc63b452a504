//! The table of operations: a gate is one row.
//!
//! A row says what is written in the gate's circle, which names and signs a
//! formula calls it by, what it computes, its derivative, its LaTeX, the
//! sentence that explains the derivative, and how far an input may move before
//! the function bends. The reader, the tape, both passes, the gradient check
//! and every drawing read the table. A new gate is a row in the file of its kind,
//! and its name in the list of [`Gate`].
//!
//! The derivative is written in gates: from the same row come the number in a
//! diagram and the gates of a second derivative ([`crate::derivative`]).
//!
//! At the kinks the conventions of PyTorch hold: relu and abs have gradient 0 at
//! 0, and inputs that tie in max or min share the gradient equally: 1/2 each for
//! two (`torch.maximum`), 1/3 each for three (`torch.amax`).

mod arithmetic;
mod functions;
mod matrix;
mod pieces;
mod softmax;

use crate::op::Forward::Given;
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
    /// The derivative by each input as a page writes it, where that is plainer
    /// than what is computed.
    pub shown: Option<&'static [Expr]>,
    /// How far an input may move before the function bends.
    pub bend: Bend,
    /// Whether the inputs may change places.
    pub commutes: bool,
    /// What a call with one argument means, if not this gate: the largest element.
    pub alone: Option<Gate>,
    /// What `axis=0` and `axis=1` in a call mean.
    pub along: Option<[Gate; 2]>,
    /// Says what is wrong with values whose shapes fit.
    pub refuses: Option<Refuses>,
}

/// What is wrong with the values of a gate's inputs, if anything is.
pub type Refuses = fn(&[View<'_>]) -> Option<String>;

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
    /// A word for a page; only [`Row::shown`] has it.
    Word(&'static str),
}

/// How far an input may move before the function bends, jumps or ends: the
/// length on which it is smooth. A difference must not step further.
#[derive(Clone, Copy, Debug)]
pub enum Bend {
    /// Linear in each input.
    Never,
    /// 1, as for exp and sin.
    Unit,
    /// The size of the last input, as for 1/x and log x, which end at 0.
    Own,
    /// That of a^b.
    Power,
    /// The distance to the nearest place where the function ends.
    End(fn(f64) -> f64),
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
    derivative: Derivative::Zero,
    rule: "",
    shown: None,
    bend: Bend::Never,
    commutes: false,
    alone: None,
    along: None,
    refuses: None,
};

const fn infix(signs: &'static [&'static str], strength: u8) -> Option<Infix> {
    Some(Infix { signs, strength, from_the_right: false })
}

// The list. In a derivative A and B are the inputs, V is the value, U the gradient
// from upstream.
table! {
    /// A named input.
    Variable = Row { ..PLAIN };
    /// A number of the formula that is nobody's `+1`.
    Constant(f64) = Row { symbol: "#c", latex: "#c", ..PLAIN };
    /// a + b
    Add = arithmetic::ADD;
    /// a - b
    Subtract = arithmetic::SUBTRACT;
    /// a b, element by element
    Multiply = arithmetic::MULTIPLY;
    /// a / b
    Divide = arithmetic::DIVIDE;
    /// a ^ b
    Power = arithmetic::POWER;
    /// -a, drawn as ×(-1)
    Negate = arithmetic::NEGATE;
    /// a + c
    AddConstant(f64) = arithmetic::ADD_CONSTANT;
    /// c a
    MultiplyConstant(f64) = arithmetic::MULTIPLY_CONSTANT;
    /// a ^ c
    PowerConstant(f64) = arithmetic::POWER_CONSTANT;
    /// 1 / a
    Reciprocal = arithmetic::RECIPROCAL;
    /// exp a
    Exp = functions::EXP;
    /// The natural logarithm of a
    Log = functions::LOG;
    /// The logarithm of a to base 2
    Log2 = functions::LOG2;
    /// The logarithm of a to base 10
    Log10 = functions::LOG10;
    /// √a
    Sqrt = functions::SQRT;
    /// sin a
    Sin = functions::SIN;
    /// cos a
    Cos = functions::COS;
    /// tan a
    Tan = functions::TAN;
    /// The angle whose sine is a
    Asin = functions::ASIN;
    /// The angle whose cosine is a
    Acos = functions::ACOS;
    /// The angle whose tangent is a
    Atan = functions::ATAN;
    /// sinh a
    Sinh = functions::SINH;
    /// cosh a
    Cosh = functions::COSH;
    /// tanh a
    Tanh = functions::TANH;
    /// The number whose sinh is a
    Asinh = functions::ASINH;
    /// The number of at least 0 whose cosh is a
    Acosh = functions::ACOSH;
    /// The number whose tanh is a
    Atanh = functions::ATANH;
    /// 1 / (1 + exp(-a)) as one gate; see [`crate::sigmoid`] for its gradient
    Sigmoid = functions::SIGMOID;
    /// log(1 + exp a)
    Softplus = functions::SOFTPLUS;
    /// 2/√π ∫ exp(-t²) dt from 0 to a, the error function
    Erf = functions::ERF;
    /// max(0, a)
    Relu = pieces::RELU;
    /// |a|
    Abs = pieces::ABS;
    /// The largest of its inputs
    Max = pieces::MAX;
    /// The smallest of its inputs
    Min = pieces::MIN;
    /// The matrix product a b
    MatMul = matrix::MAT_MUL;
    /// aᵀ
    Transpose = matrix::TRANSPOSE;
    /// The sum of all elements of a
    Sum = matrix::SUM;
    /// The sum over the rows of a, one for each column
    SumDown = matrix::SUM_DOWN;
    /// The sum over the columns of a, one for each row
    SumAcross = matrix::SUM_ACROSS;
    /// The mean of all elements of a
    Mean = matrix::MEAN;
    /// The mean over the rows of a, one for each column
    MeanDown = matrix::MEAN_DOWN;
    /// The mean over the columns of a, one for each row
    MeanAcross = matrix::MEAN_ACROSS;
    /// The largest element of a
    Largest = matrix::LARGEST;
    /// The largest element of each column of a
    LargestDown = matrix::LARGEST_DOWN;
    /// The largest element of each row of a
    LargestAcross = matrix::LARGEST_ACROSS;
    /// The smallest element of a
    Smallest = matrix::SMALLEST;
    /// The smallest element of each column of a
    SmallestDown = matrix::SMALLEST_DOWN;
    /// The smallest element of each row of a
    SmallestAcross = matrix::SMALLEST_ACROSS;
    /// exp a over its sum, in each row; a single column as a whole
    Softmax = softmax::SOFTMAX;
    /// The logarithm of the softmax
    LogSoftmax = softmax::LOG_SOFTMAX;
    /// The logarithm of the sum of exp a, in each row; a single column as a whole
    LogSumExp = softmax::LOG_SUM_EXP;
    /// The mean over the examples of -log softmax of the score of the right class
    CrossEntropy = softmax::CROSS_ENTROPY;
    /// The mean of (a - b)², element by element
    MeanSquaredError = softmax::MEAN_SQUARED_ERROR;
    /// a, summed over the rows and columns that broadcasting gave it, to the shape of b
    SumTo = matrix::SUM_TO;
    /// a, broadcast to the shape of b
    BroadcastTo = matrix::BROADCAST_TO;
    // Gates that only derivatives are made of.

    /// 1 in the place of each label a, else 0, in the shape of the scores b
    OneHot = softmax::ONE_HOT;
    /// dσ/da: exp(-|a|) / (1 + exp(-|a|))²
    SigmoidDerivative = functions::SIGMOID_DERIVATIVE;
    /// 1 where a > 0, else 0
    Step = pieces::STEP;
    /// -1, 0 or 1
    Sign = pieces::SIGN;
    /// 1 where a and b are equal, else 0
    Equals = pieces::EQUALS;
    /// b, but 0 where a is 0, whatever b is
    Gated = pieces::GATED;
}
