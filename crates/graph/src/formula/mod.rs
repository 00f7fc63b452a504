//! Reading a formula: `(x + y) * z`, `1/(1 + exp(-(w0*x0 + w1*x1 + w2)))`.
//!
//! ```text
//! sum      product, then any number of + product or - product
//! product  power, then any number of * power or / power
//! power    atom, then ^ power: 2^3^2 is 2^(3^2)
//! atom     number, name, name(sum, ...), (sum), |sum|, √atom, then any number of .T and ²
//! ```
//!
//! A product may do without a sign: 2x, 2(x+1), (x)(y). It binds as strongly as a
//! factor: 2x^2 is 2*(x^2). What can be read in two ways is refused with both: 1/2x,
//! √2x, sin²(x), x(y+1), ||x||, and the product of two matrices without a sign.
//!
//! Several steps are separated by semicolons or line ends, and have names:
//! `q = x + y; f = q*z`. A line that begins or ends with an operator goes on.
//!
//! A minus before a product negates all of it: -x*y is -(x*y), and -x^2 is
//! -(x^2); behind *, / or ^ it negates the power that follows. Operators and
//! functions are those of the table in [`crate::op`]: `**` is read as ^, `·` and
//! `×` as *, `÷` as /, `−` as -. Names begin with a letter or an underscore
//! and go on with those and digits. `pi`, `π` and `e` are the constants.
//!
//! The reader is a shunting yard with two explicit stacks: nothing recurses, so
//! 100,000 nested parentheses cost memory and no call stack. What comes out is
//! the formula in postfix order.

mod error;
mod gates;
mod reader;
mod steps;

pub use error::{FormulaError, FormulaErrorKind};
pub use gates::{CircuitError, Gates, MOST_NUMBERS, NamesError, Steps};

use crate::op::Gate;

/// One item of the postfix order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Term {
    Number(f64),
    /// The variable with this place in [`Formula::variables`].
    Name(u32),
    /// The value of an earlier step.
    Step(u32),
    /// A product without a sign, whose second factor begins at this byte.
    Juxtaposed(u32),
    /// The end of a step.
    Done,
    /// A gate of so many values; it stands at this byte of the source.
    Apply {
        gate: Gate,
        inputs: u32,
        at: u32,
    },
}

/// One formula of several: `q = x + y`.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub name: Option<String>,
    /// The bytes of the source that it takes.
    pub span: std::ops::Range<usize>,
    pub postfix: Vec<Term>,
}

/// The numbers that have a name of their own.
pub(crate) const CONSTANTS: [(&str, f64); 3] =
    [("pi", std::f64::consts::PI), ("π", std::f64::consts::PI), ("e", std::f64::consts::E)];

pub(crate) fn constant(name: &str) -> Option<f64> {
    CONSTANTS.iter().find(|(known, _)| *known == name).map(|&(_, value)| value)
}

/// A formula that has been read.
///
/// ```
/// let formula = chainrule_graph::Formula::parse("x*x + sin(y_1)").unwrap();
/// assert_eq!(formula.variables(), ["x", "y_1"]);
/// ```
#[derive(Clone, Debug)]
pub struct Formula {
    source: String,
    variables: Vec<String>,
    steps: Vec<Step>,
}

impl Formula {
    /// Reads a formula.
    ///
    /// # Errors
    /// The first character that could not be read.
    pub fn parse(source: &str) -> Result<Self, FormulaError> {
        if u32::try_from(source.len()).is_err() {
            return Err(FormulaError::new(FormulaErrorKind::TooLong, "", 0));
        }
        let mut reader = reader::Reader::new();
        let mut steps = Vec::new();
        let read = steps::spans(source)
            .into_iter()
            .try_for_each(|span| reader.read(source, span).map(|step| steps.push(step)));
        let read = match (read, steps.is_empty()) {
            (Ok(()), true) => Err((FormulaErrorKind::Empty, 0)),
            (read, _) => read,
        };
        read.map_err(|(kind, byte)| FormulaError::new(kind, source, byte))?;
        Ok(Formula { source: source.to_owned(), variables: reader.variables, steps })
    }

    /// The text that was read.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The steps in one line: the source, and `q = x + y; f = q*z` for several lines.
    #[must_use]
    pub fn title(&self) -> String {
        let steps = self.steps.iter().map(|step| &self.source[step.span.clone()]);
        match self.steps.as_slice() {
            [_] => self.source.clone(),
            _ => steps.map(str::trim).collect::<Vec<_>>().join("; "),
        }
    }

    /// The names of the steps, in their order.
    pub fn step_names(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().filter_map(|step| step.name.as_deref())
    }

    /// The variables, in the order in which the formula first names them.
    #[must_use]
    pub fn variables(&self) -> &[String] {
        &self.variables
    }
}
