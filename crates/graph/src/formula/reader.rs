//! The reader of the notation: a shunting yard.

use std::collections::HashMap;

use super::error::LONGEST_NAME;
use super::{Formula, FormulaErrorKind, Term, constant};
use crate::gate::Operator;
use crate::number::is_minus;
use crate::op::Gate;

/// What waits on the operator stack, with the byte where it stands.
#[derive(Clone, Copy, Debug)]
enum Pending<'a> {
    Operator {
        gate: Gate,
        strength: u8,
    },
    /// A minus before a product, or (`tight`) before a power.
    Negate {
        tight: bool,
    },
    Parenthesis {
        byte: usize,
    },
    Call {
        gate: Gate,
        name: &'a str,
        /// How many arguments are complete.
        arguments: u32,
        byte: usize,
    },
}

impl Pending<'_> {
    /// How strongly it binds; none for what only a ) removes.
    fn strength(self) -> Option<u8> {
        match self {
            Pending::Operator { strength, .. } => Some(strength),
            Pending::Negate { tight: false } => Some(2),
            Pending::Negate { tight: true } => Some(4),
            Pending::Parenthesis { .. } | Pending::Call { .. } => None,
        }
    }
}

type Refusal = (FormulaErrorKind, usize);

/// The shunting yard.
pub(super) struct Reader<'a> {
    source: &'a str,
    /// The byte that is read next.
    at: usize,
    pending: Vec<Pending<'a>>,
    postfix: Vec<Term>,
    places: HashMap<&'a str, u32>,
    variables: Vec<String>,
}

impl<'a> Reader<'a> {
    pub fn new(source: &'a str) -> Self {
        Reader {
            source,
            at: 0,
            pending: Vec::new(),
            postfix: Vec::new(),
            places: HashMap::new(),
            variables: Vec::new(),
        }
    }

    pub fn read(mut self) -> Result<Formula, Refusal> {
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
                c if is_minus(c) => {
                    let tight = match self.pending.last() {
                        Some(Pending::Operator { strength, .. }) => *strength > 1,
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
                c if "),".contains(c) || Gate::operator(&self.source[self.at..]).is_some() => {
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
            let sign = self.source[end + 1..].chars().next();
            let sign = sign.filter(|&c| c == '+' || is_minus(c)).map_or(0, char::len_utf8);
            if bytes.get(end + 1 + sign).is_some_and(u8::is_ascii_digit) {
                end = digits(end + 1 + sign);
            }
        }
        let text = &self.source[start..end].replace(is_minus, "-");
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
        self.peek();
        let operator = Gate::operator(&self.source[self.at..]);
        let power_follows = operator.is_some_and(|operator| operator.gate == Gate::Power);
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
        match (Gate::called(name), called) {
            (Some(gate), true) => {
                self.pending.push(Pending::Call { gate, name, arguments: 0, byte: self.at });
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
            if let Some(operator) = Gate::operator(rest) {
                let Operator { gate, sign, strength, from_the_right } = operator;
                // What binds at least as strongly is complete; ^ alone waits for
                // its like, for it is read from the right.
                self.settle(strength + u8::from(from_the_right));
                self.pending.push(Pending::Operator { gate, strength });
                self.at += sign.len();
                return Ok(true);
            }
            match c {
                ')' => self.close()?,
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
            }
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
                Pending::Operator { gate, .. } => Term::Apply(gate, 2),
                _ => Term::Apply(Gate::Negate, 1),
            });
        }
    }

    fn close(&mut self) -> Result<(), Refusal> {
        self.settle(0);
        match self.pending.pop() {
            None => return Err((FormulaErrorKind::Unopened, self.at)),
            Some(Pending::Call { gate, name, arguments, .. }) => {
                let inputs = arguments + 1;
                if (inputs as usize) < gate.takes().0 {
                    return Err((FormulaErrorKind::TooFewArguments(name.to_owned()), self.at));
                }
                self.postfix.push(Term::Apply(gate, inputs));
            }
            Some(_) => {}
        }
        self.at += 1;
        Ok(())
    }

    fn next_argument(&mut self) -> Result<(), Refusal> {
        self.settle(0);
        match self.pending.last_mut() {
            Some(Pending::Call { gate, name, arguments, .. }) => {
                *arguments += 1;
                if *arguments as usize >= gate.takes().1 {
                    return Err((FormulaErrorKind::TooManyArguments((*name).to_owned()), self.at));
                }
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
