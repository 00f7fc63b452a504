//! What is wrong with a formula, and where.

use std::fmt;

use super::MOST_NUMBERS;
use crate::op::Gate;
use crate::tape::ShapeError;
use crate::value::Shape;

/// Characters of the longest name. A drawing repeats a name in each gate that reads it, so one of
/// a megabyte would make gigabytes.
pub(super) const LONGEST_NAME: usize = 255;

/// What is wrong with a formula.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormulaErrorKind {
    /// Nothing but blanks.
    #[error("the formula is empty; write one such as (x+y)*z")]
    Empty,
    /// A character that the notation doesn't have.
    #[error("{0:?} has no meaning in a formula")]
    Character(char),
    /// An operator, a comma or a closing parenthesis where a value belongs.
    #[error("a number, a name or ( was expected here, not {0}")]
    ValueExpected(String),
    /// The text stops where a value belongs.
    #[error("the formula ends where a number, a name or ( was expected")]
    EndsEarly,
    /// Two values side by side.
    #[error("an operator was expected here, not {0}; a product of names is written with *")]
    OperatorExpected(String),
    /// A number such as 1.2.3, 1e or 1e999.
    #[error("{0} is no number that a 64-bit float can hold")]
    Number(String),
    /// `foo(`
    #[error(
        "{0}(...) can be a function, but {0} is none, or a product, which is written {0}*(...); \
         functions are {known}",
        known = functions()
    )]
    UnknownFunction(String),
    /// A name that would fill every line in which it stands.
    #[error("{0} is too long for a name, which may have {LONGEST_NAME} characters")]
    LongName(String),
    /// `exp` without parentheses.
    #[error("{0} is a function: its argument belongs in parentheses, {0}(...)")]
    FunctionAlone(String),
    /// `exp(x, y)`
    #[error("{0} takes {count}", count = arguments(.0))]
    TooManyArguments(String),
    /// `mse(x)`
    #[error("{0} takes {count}", count = arguments(.0))]
    TooFewArguments(String),
    /// `exp(x, axis=0)`, `sum(x, axis=2)`
    #[error(
        "axis=0 (over the rows) and axis=1 (over the columns) belong to sum, mean, max and min, behind one argument: sum(x, axis=0)"
    )]
    Axis,
    /// A comma outside of a function.
    #[error("a comma belongs between the arguments of a function, such as max")]
    StrayComma,
    /// `x = 3` within a formula.
    #[error("= stands behind the name of a step alone, as in q = x + y; f = q*z")]
    StrayEquals,
    /// `exp = x`, `q = 1; q = 2`
    #[error("{name} can't be the name of a step: {why}")]
    StepName {
        /// The name.
        name: String,
        /// What else it is.
        why: &'static str,
    },
    /// Shapes that an operation can't take.
    #[error(transparent)]
    Shapes(ShapeError),
    /// Values that an operation can't take, with their reason.
    #[error("{0}")]
    Values(String),
    /// A product of two large matrices, say.
    #[error(
        "this would be {0} and make more than {MOST_NUMBERS} numbers in all, which is too many"
    )]
    TooLarge(Shape),
    /// The value of a formula is a matrix, and so has no gradient.
    #[error(
        "the value is {0}, and a gradient is that of one number: sum(...) or mean(...) makes one of it"
    )]
    Matrix(Shape),
    /// More than 4 GB.
    #[error("the formula is longer than 4 GB")]
    TooLong,
    /// `1/2x`, `√2x`, `sin²(x)`
    #[error("{text} can be read as {} or as {}; write the one that is meant", readings[0], readings[1])]
    Ambiguous {
        /// What was written, in short.
        text: String,
        /// The two readings.
        readings: [String; 2],
    },
    /// `(`
    #[error("this ( is never closed")]
    Unclosed,
    /// `|`
    #[error("this | is never closed")]
    UnclosedBar,
    /// `)`
    #[error("this ) closes nothing")]
    Unopened,
}

/// `one argument`
fn arguments(name: &str) -> String {
    let Some(gate) = Gate::called(name) else { return "other arguments".into() };
    let axis = if gate.row().along.is_some() { ", and axis=0 or axis=1" } else { "" };
    match gate.takes() {
        (_, 1) => format!("one argument{axis}"),
        (2, 2) => "two arguments".to_owned(),
        _ => "two arguments or more".to_owned(),
    }
}

/// `exp, log, ..., max and min`
fn functions() -> String {
    let names: Vec<_> = Gate::function_names().collect();
    match names.split_last() {
        Some((last, names)) => format!("{} and {last}", names.join(", ")),
        None => String::new(),
    }
}

/// A formula that could not be read, and where: its message is that of its kind,
/// then the formula and a caret under the character.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct FormulaError {
    /// What is wrong.
    pub kind: FormulaErrorKind,
    /// The character, counted from 0, where it was noticed; one past the last
    /// when the formula ended too early.
    pub position: usize,
    /// The formula, or the part of a long one around the position.
    excerpt: String,
    /// How far the caret is from the excerpt's beginning.
    caret: usize,
}

impl fmt::Display for FormulaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FormulaError { kind, excerpt, caret, .. } = self;
        write!(f, "{kind}")?;
        if *kind != FormulaErrorKind::Empty {
            write!(f, "\n  {excerpt}\n  {:caret$}^", "")?;
        }
        Ok(())
    }
}

impl FormulaError {
    pub(super) fn new(kind: FormulaErrorKind, source: &str, byte: usize) -> Self {
        /// Characters shown on each side of the caret.
        const CONTEXT: usize = 36;
        let position = source[..byte].chars().count();
        let before = source[..byte].chars().rev().take(CONTEXT).count();
        let mut excerpt = String::new();
        if before < position {
            excerpt.push_str("...");
        }
        let caret = excerpt.chars().count() + before;
        let shown = source.chars().skip(position - before).take(before + CONTEXT);
        // Tabs, newlines and the like would move the caret away.
        excerpt.extend(shown.map(|c| if c.is_whitespace() || c.is_control() { ' ' } else { c }));
        if source[byte..].chars().nth(CONTEXT).is_some() {
            excerpt.push_str("...");
        }
        FormulaError { kind, position, excerpt, caret }
    }
}
