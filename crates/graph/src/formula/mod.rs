//! Reading a formula: `(x + y) * z`, `1/(1 + exp(-(w0*x0 + w1*x1 + w2)))`.
//!
//! ```text
//! sum      product, then any number of + product or - product
//! product  power, then any number of * power or / power
//! power    atom, then ^ power: 2^3^2 is 2^(3^2)
//! atom     number, name, name(sum, ...), (sum)
//! ```
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

pub use error::{FormulaError, FormulaErrorKind};
pub use gates::{Gates, NamesError};

use crate::op::Gate;

/// One item of the postfix order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Term {
    Number(f64),
    /// The variable with this place in [`Formula::variables`].
    Name(u32),
    /// A gate of so many values.
    Apply(Gate, u32),
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
    postfix: Vec<Term>,
}

impl Formula {
    /// Reads a formula.
    ///
    /// # Errors
    /// The first character that could not be read.
    pub fn parse(source: &str) -> Result<Self, FormulaError> {
        reader::Reader::new(source)
            .read()
            .map_err(|(kind, byte)| FormulaError::new(kind, source, byte))
    }

    /// The text that was read.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The variables, in the order in which the formula first names them.
    #[must_use]
    pub fn variables(&self) -> &[String] {
        &self.variables
    }
}
