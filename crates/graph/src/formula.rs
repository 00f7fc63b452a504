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
//! -(x^2); behind *, / or ^ it negates the power that follows. `**` is read as
//! ^, `·` and `×` as *, `−` as -. Names begin with a letter or an underscore
//! and go on with those and digits. `pi`, `π` and `e` are the constants.
//!
//! The reader is a shunting yard with two explicit stacks: nothing recurses, so
//! 100,000 nested parentheses cost memory and no call stack. What comes out is
//! the formula in postfix order.

use std::collections::HashMap;
use std::fmt;

/// A one-argument function of the notation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Exp,
    Log,
    Sqrt,
    Sin,
    Cos,
    Tanh,
    Sigmoid,
    Relu,
    Abs,
}

/// A two-argument operator or function of the notation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
    Max,
    Min,
}

/// One item of the postfix order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Term {
    Number(f64),
    /// The variable with this place in [`Formula::variables`].
    Name(u32),
    Negate,
    Apply(Function),
    Combine(Operator),
}

/// What a name before an opening parenthesis can be.
#[derive(Clone, Copy, Debug)]
enum Callee {
    /// Takes exactly one argument.
    One(Function),
    /// Takes two arguments or more and combines them from the left.
    Many(Operator),
}

const FUNCTIONS: [(&str, Callee); 12] = [
    ("exp", Callee::One(Function::Exp)),
    ("log", Callee::One(Function::Log)),
    ("ln", Callee::One(Function::Log)),
    ("sqrt", Callee::One(Function::Sqrt)),
    ("sin", Callee::One(Function::Sin)),
    ("cos", Callee::One(Function::Cos)),
    ("tanh", Callee::One(Function::Tanh)),
    ("sigmoid", Callee::One(Function::Sigmoid)),
    ("relu", Callee::One(Function::Relu)),
    ("abs", Callee::One(Function::Abs)),
    ("max", Callee::Many(Operator::Max)),
    ("min", Callee::Many(Operator::Min)),
];

/// Characters of the longest name. A drawing repeats a name in each gate that reads it, so one of
/// a megabyte would make gigabytes.
const LONGEST_NAME: usize = 255;

/// The numbers that have a name of their own.
pub(crate) const CONSTANTS: [(&str, f64); 3] =
    [("pi", std::f64::consts::PI), ("π", std::f64::consts::PI), ("e", std::f64::consts::E)];

fn function(name: &str) -> Option<Callee> {
    FUNCTIONS.iter().find(|(known, _)| *known == name).map(|&(_, callee)| callee)
}

pub(crate) fn constant(name: &str) -> Option<f64> {
    CONSTANTS.iter().find(|(known, _)| *known == name).map(|&(_, value)| value)
}

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
    #[error("an operator was expected here, not {0}; a product is written with *")]
    OperatorExpected(String),
    /// A number such as 1.2.3, 1e or 1e999.
    #[error("{0} is no number that a 64-bit float can hold")]
    Number(String),
    /// `foo(`
    #[error(
        "there is no function {0}; known are exp, log, sqrt, sin, cos, tanh, sigmoid, relu, \
         abs, max and min, and a product is written with *"
    )]
    UnknownFunction(String),
    /// A name that would fill every line in which it stands.
    #[error("{0} is too long for a name, which may have {LONGEST_NAME} characters")]
    LongName(String),
    /// `exp` without parentheses.
    #[error("{0} is a function: its argument belongs in parentheses, {0}(...)")]
    FunctionAlone(String),
    /// `exp(x, y)`
    #[error("{0} takes one argument")]
    TooManyArguments(String),
    /// `max(x)`
    #[error("{0} takes two arguments or more")]
    TooFewArguments(String),
    /// A comma outside of max and min.
    #[error("a comma belongs between the arguments of max or min")]
    StrayComma,
    /// `(`
    #[error("this ( is never closed")]
    Unclosed,
    /// `)`
    #[error("this ) closes nothing")]
    Unopened,
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
    fn new(kind: FormulaErrorKind, source: &str, byte: usize) -> Self {
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
        Reader::new(source).read().map_err(|(kind, byte)| FormulaError::new(kind, source, byte))
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

    pub(crate) fn postfix(&self) -> &[Term] {
        &self.postfix
    }
}

/// What waits on the operator stack, with the byte where it stands.
#[derive(Clone, Copy, Debug)]
enum Pending<'a> {
    Operator(Operator),
    /// A minus before a product, or (`tight`) before a power.
    Negate {
        tight: bool,
    },
    Parenthesis {
        byte: usize,
    },
    Call {
        callee: Callee,
        name: &'a str,
        arguments: usize,
        byte: usize,
    },
}

impl Pending<'_> {
    /// How strongly it binds; none for what only a ) removes.
    fn strength(self) -> Option<u8> {
        match self {
            Pending::Operator(operator) => Some(strength(operator)),
            Pending::Negate { tight: false } => Some(2),
            Pending::Negate { tight: true } => Some(4),
            Pending::Parenthesis { .. } | Pending::Call { .. } => None,
        }
    }
}

fn strength(operator: Operator) -> u8 {
    match operator {
        Operator::Add | Operator::Subtract => 1,
        Operator::Multiply | Operator::Divide => 3,
        Operator::Power => 5,
        Operator::Max | Operator::Min => unreachable!("max and min are calls"),
    }
}

type Refusal = (FormulaErrorKind, usize);

/// The shunting yard.
struct Reader<'a> {
    source: &'a str,
    /// The byte that is read next.
    at: usize,
    pending: Vec<Pending<'a>>,
    postfix: Vec<Term>,
    places: HashMap<&'a str, u32>,
    variables: Vec<String>,
}

impl<'a> Reader<'a> {
    fn new(source: &'a str) -> Self {
        Reader {
            source,
            at: 0,
            pending: Vec::new(),
            postfix: Vec::new(),
            places: HashMap::new(),
            variables: Vec::new(),
        }
    }

    fn read(mut self) -> Result<Formula, Refusal> {
        if self.peek().is_none() {
            return Err((FormulaErrorKind::Empty, 0));
        }
        loop {
            self.read_prefixes_and_value()?;
            if !self.read_suffixes_and_operator()? {
                break;
            }
        }
        Ok(Formula {
            source: self.source.to_owned(),
            variables: self.variables,
            postfix: self.postfix,
        })
    }

    /// The next character that isn't blank; `at` then stands on it.
    fn peek(&mut self) -> Option<char> {
        let rest = &self.source[self.at..];
        self.at = self.source.len() - rest.trim_start().len();
        self.source[self.at..].chars().next()
    }

    /// Any number of signs and opening parentheses, then a number or a name.
    fn read_prefixes_and_value(&mut self) -> Result<(), Refusal> {
        loop {
            let Some(c) = self.peek() else {
                return Err((FormulaErrorKind::EndsEarly, self.source.trim_end().len()));
            };
            match c {
                '-' | '−' => {
                    let tight = match self.pending.last() {
                        Some(Pending::Operator(operator)) => strength(*operator) > 1,
                        Some(Pending::Negate { tight }) => *tight,
                        _ => false,
                    };
                    self.pending.push(Pending::Negate { tight });
                    self.at += c.len_utf8();
                    if self.peek().is_some_and(|c| c.is_ascii_digit() || c == '.') {
                        return self.read_number();
                    }
                }
                '+' => self.at += 1,
                '(' => {
                    self.pending.push(Pending::Parenthesis { byte: self.at });
                    self.at += 1;
                }
                '0'..='9' | '.' => return self.read_number(),
                c if c.is_alphabetic() || c == '_' => {
                    if self.read_name()? {
                        return Ok(());
                    }
                }
                ')' | ',' | '*' | '/' | '^' | '·' | '×' => {
                    return Err((FormulaErrorKind::ValueExpected(c.to_string()), self.at));
                }
                c => return Err((FormulaErrorKind::Character(c), self.at)),
            }
        }
    }

    fn read_number(&mut self) -> Result<(), Refusal> {
        let start = self.at;
        let bytes = self.source.as_bytes();
        let digits = |mut at: usize| {
            while bytes.get(at).is_some_and(|b| b.is_ascii_digit() || *b == b'.') {
                at += 1;
            }
            at
        };
        let mut end = digits(start);
        // An exponent, if digits follow: in 2e the e is a name of its own.
        if matches!(bytes.get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            if bytes.get(end + 1 + sign).is_some_and(u8::is_ascii_digit) {
                end = digits(end + 1 + sign);
            }
        }
        let text = &self.source[start..end];
        self.at = end;
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => {
                self.push_number(value);
                Ok(())
            }
            _ => Err((FormulaErrorKind::Number(shorten(text)), start)),
        }
    }

    /// A number takes a minus that stands right before it for its own sign,
    /// unless a power comes first: -3^2 is -(3^2).
    fn push_number(&mut self, value: f64) {
        let power_follows = self.peek() == Some('^') || self.source[self.at..].starts_with("**");
        let signed = match self.pending.last() {
            Some(Pending::Negate { .. }) if !power_follows => {
                self.pending.pop();
                -value
            }
            _ => value,
        };
        self.postfix.push(Term::Number(signed));
    }

    /// A name: true if it is a value, false if it opened a call.
    fn read_name(&mut self) -> Result<bool, Refusal> {
        let start = self.at;
        let rest = &self.source[start..];
        let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let name = &rest[..length];
        if name.chars().nth(LONGEST_NAME).is_some() {
            return Err((FormulaErrorKind::LongName(shorten(name)), start));
        }
        self.at += length;
        let called = self.peek() == Some('(');
        match (function(name), called) {
            (Some(callee), true) => {
                self.pending.push(Pending::Call { callee, name, arguments: 0, byte: self.at });
                self.at += 1;
                Ok(false)
            }
            (Some(_), false) => Err((FormulaErrorKind::FunctionAlone(name.to_owned()), start)),
            (None, true) => Err((FormulaErrorKind::UnknownFunction(shorten(name)), start)),
            (None, false) => {
                if let Some(value) = constant(name) {
                    self.push_number(value);
                } else {
                    let place = *self.places.entry(name).or_insert_with(|| {
                        self.variables.push(name.to_owned());
                        u32::try_from(self.variables.len() - 1).expect("fewer than 2^32 names")
                    });
                    self.postfix.push(Term::Name(place));
                }
                Ok(true)
            }
        }
    }

    /// Closing parentheses, then an operator or a comma; false at the end.
    fn read_suffixes_and_operator(&mut self) -> Result<bool, Refusal> {
        loop {
            let start = self.at;
            let Some(c) = self.peek() else {
                self.at = start;
                return self.finish();
            };
            let rest = &self.source[self.at..];
            let (operator, length) = match c {
                '+' => (Operator::Add, 1),
                '-' | '−' => (Operator::Subtract, c.len_utf8()),
                '*' if rest.starts_with("**") => (Operator::Power, 2),
                '*' | '·' | '×' => (Operator::Multiply, c.len_utf8()),
                '/' => (Operator::Divide, 1),
                '^' => (Operator::Power, 1),
                ')' => {
                    self.close()?;
                    continue;
                }
                ',' => {
                    self.next_argument()?;
                    return Ok(true);
                }
                '(' => return Err((FormulaErrorKind::OperatorExpected("(".into()), self.at)),
                c if c.is_alphanumeric() || c == '_' || c == '.' => {
                    let word = |c: char| !c.is_alphanumeric() && c != '_' && c != '.';
                    let word = &rest[..rest.find(word).unwrap_or(rest.len())];
                    return Err((FormulaErrorKind::OperatorExpected(shorten(word)), self.at));
                }
                c => return Err((FormulaErrorKind::Character(c), self.at)),
            };
            // What binds at least as strongly is complete; ^ alone waits for
            // its like, for it is read from the right.
            self.settle(strength(operator) + u8::from(operator == Operator::Power));
            self.pending.push(Pending::Operator(operator));
            self.at += length;
            return Ok(true);
        }
    }

    /// Moves what binds at least with this strength to the postfix order.
    fn settle(&mut self, least: u8) {
        while let Some(&top) = self.pending.last() {
            if top.strength().is_none_or(|strength| strength < least) {
                break;
            }
            self.pending.pop();
            self.postfix.push(match top {
                Pending::Operator(operator) => Term::Combine(operator),
                _ => Term::Negate,
            });
        }
    }

    fn close(&mut self) -> Result<(), Refusal> {
        self.settle(0);
        match self.pending.pop() {
            None => return Err((FormulaErrorKind::Unopened, self.at)),
            Some(Pending::Call { callee: Callee::One(function), .. }) => {
                self.postfix.push(Term::Apply(function));
            }
            Some(Pending::Call { callee: Callee::Many(_), name, arguments: 0, .. }) => {
                return Err((FormulaErrorKind::TooFewArguments(name.to_owned()), self.at));
            }
            Some(Pending::Call { callee: Callee::Many(operator), .. }) => {
                self.postfix.push(Term::Combine(operator));
            }
            Some(_) => {}
        }
        self.at += 1;
        Ok(())
    }

    fn next_argument(&mut self) -> Result<(), Refusal> {
        self.settle(0);
        match self.pending.last_mut() {
            Some(Pending::Call { callee: Callee::Many(operator), arguments, .. }) => {
                if *arguments > 0 {
                    self.postfix.push(Term::Combine(*operator));
                }
                *arguments += 1;
            }
            Some(Pending::Call { name, .. }) => {
                return Err((FormulaErrorKind::TooManyArguments((*name).to_owned()), self.at));
            }
            _ => return Err((FormulaErrorKind::StrayComma, self.at)),
        }
        self.at += 1;
        Ok(())
    }

    fn finish(&mut self) -> Result<bool, Refusal> {
        self.settle(0);
        match self.pending.last() {
            None => Ok(false),
            Some(&(Pending::Parenthesis { byte } | Pending::Call { byte, .. })) => {
                Err((FormulaErrorKind::Unclosed, byte))
            }
            Some(_) => unreachable!("settle(0) leaves only what a ) removes"),
        }
    }
}

/// A word for a message, cut where it would fill the screen.
fn shorten(word: &str) -> String {
    const LONGEST: usize = 24;
    match word.char_indices().nth(LONGEST) {
        Some((byte, _)) => format!("{}...", &word[..byte]),
        None => word.to_owned(),
    }
}
