//! The reader of the notation: a shunting yard.
//!
//! - `letters`: which letters a name has.
//! - `value`: numbers and names.
//! - `readings`: what can be read in two ways.

mod letters;
mod readings;
mod value;

use std::collections::HashMap;
use std::ops::Range;

use super::error::LONGEST_NAME;
use super::{FormulaErrorKind, Step, Term, constant};
use crate::gate::Operator;
use crate::number::is_minus;
use crate::op::Gate;

use letters::{begins_name, is_digit_above, shorten, transposes};

/// What waits on the operator stack, with the byte where it stands.
#[derive(Clone, Copy, Debug)]
enum Pending<'a> {
    Operator {
        gate: Gate,
        strength: u8,
        byte: usize,
    },
    /// A minus before a product, or (`tight`) before a power.
    Negate {
        tight: bool,
        byte: usize,
    },
    /// √, which takes the value that follows.
    Root {
        byte: usize,
    },
    Parenthesis {
        byte: usize,
    },
    /// The first | of |x|.
    Bar {
        byte: usize,
    },
    Call {
        gate: Gate,
        name: &'a str,
        /// How many arguments are complete.
        arguments: u32,
        /// Where its name stands.
        name_at: usize,
        byte: usize,
    },
}

impl Pending<'_> {
    /// How strongly it binds; none for what only a ) removes.
    fn strength(self) -> Option<u8> {
        match self {
            Pending::Operator { strength, .. } => Some(strength),
            Pending::Negate { tight: false, .. } => Some(2),
            Pending::Negate { tight: true, .. } => Some(4),
            Pending::Root { .. } => Some(6),
            Pending::Parenthesis { .. } | Pending::Bar { .. } | Pending::Call { .. } => None,
        }
    }
}

/// How strongly a product without a sign binds: 2x^2 is 2*(x^2), and what divides is
/// refused.
const JUXTAPOSED: u8 = 4;

/// What the value was that ends here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    Number,
    Name,
    Parenthesis,
    /// |x|, whose second | stands at this byte and whose first at that.
    Bar(usize, usize),
    /// x², with the byte where the 2 stands.
    Superscript(usize),
    Transpose,
}

type Refusal = (FormulaErrorKind, usize);

/// What a name means.
#[derive(Clone, Copy)]
enum Name {
    Variable(u32),
    Step(u32),
}

/// The shunting yard.
pub(super) struct Reader<'a> {
    /// The source up to the end of the step that is read.
    source: &'a str,
    /// The byte that is read next.
    at: usize,
    pending: Vec<Pending<'a>>,
    postfix: Vec<Term>,
    last: Last,
    /// Within which | ... | a product without a sign follows another one.
    after_bar: Option<usize>,
    names: HashMap<&'a str, Name>,
    steps: u32,
    pub variables: Vec<String>,
}

impl<'a> Reader<'a> {
    pub fn new() -> Self {
        Reader {
            source: "",
            at: 0,
            pending: Vec::new(),
            postfix: Vec::new(),
            last: Last::Number,
            after_bar: None,
            names: HashMap::new(),
            steps: 0,
            variables: Vec::new(),
        }
    }

    /// Reads one step.
    pub fn read(&mut self, source: &'a str, span: Range<usize>) -> Result<Step, Refusal> {
        self.source = &source[..span.end];
        self.at = span.start;
        let name = self.read_step_name()?;
        loop {
            self.read_prefixes_and_value()?;
            if !self.read_suffixes_and_operator()? {
                break;
            }
        }
        if let Some(name) = name {
            self.names.insert(name, Name::Step(self.steps));
        }
        self.steps += 1;
        self.postfix.push(Term::Done);
        let name = name.map(str::to_owned);
        Ok(Step { name, span, postfix: std::mem::take(&mut self.postfix) })
    }

    /// `q =`, if the step begins so.
    fn read_step_name(&mut self) -> Result<Option<&'a str>, Refusal> {
        self.peek();
        let start = self.at;
        let name = self.name_here();
        let behind = &self.source[start + name.len()..];
        let Some(rest) = behind.trim_start().strip_prefix('=') else { return Ok(None) };
        let refused = |why| {
            let name = shorten(name);
            Err((FormulaErrorKind::StepName { name, why }, start))
        };
        let long = name.chars().nth(LONGEST_NAME).is_some();
        match self.names.get(name) {
            _ if name.starts_with(|c: char| !begins_name(c)) || name.is_empty() => Ok(None),
            _ if long => Err((FormulaErrorKind::LongName(shorten(name)), start)),
            _ if Gate::called(name).is_some() => refused("it is a function"),
            _ if constant(name).is_some() => refused("it is a number"),
            Some(Name::Step(_)) => refused("an earlier step has it"),
            Some(Name::Variable(_)) => refused("an earlier step reads it as a variable"),
            None => {
                self.at = self.source.len() - rest.len();
                Ok(Some(name))
            }
        }
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
                        Some(Pending::Negate { tight, .. }) => *tight,
                        Some(Pending::Root { .. }) => true,
                        _ => false,
                    };
                    self.pending.push(Pending::Negate { tight, byte: self.at });
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
                '|' => {
                    self.pending.push(Pending::Bar { byte: self.at });
                    self.at += 1;
                }
                '√' => {
                    self.pending.push(Pending::Root { byte: self.at });
                    self.at += c.len_utf8();
                }
                '0'..='9' | '.' => return self.read_number(),
                c if begins_name(c) => {
                    if self.read_name()? {
                        return Ok(());
                    }
                }
                '=' => return Err((FormulaErrorKind::StrayEquals, self.at)),
                c if "),".contains(c) || Gate::operator(&self.source[self.at..]).is_some() => {
                    return Err((FormulaErrorKind::ValueExpected(c.to_string()), self.at));
                }
                c => return Err((FormulaErrorKind::Character(c), self.at)),
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
                if operator.gate == Gate::Power {
                    self.refuse_a_power()?;
                }
                let Operator { gate, sign, strength, from_the_right } = operator;
                // What binds at least as strongly is complete; ^ alone waits for
                // its like, for it is read from the right.
                self.settle(strength + u8::from(from_the_right));
                self.pending.push(Pending::Operator { gate, strength, byte: self.at });
                self.at += sign.len();
                return Ok(true);
            }
            if let Some(length) = transposes(rest) {
                self.apply(Gate::Transpose, 1, self.at);
                self.at += length;
                self.last = Last::Transpose;
                continue;
            }
            if is_digit_above(c) {
                self.read_superscript()?;
                continue;
            }
            match c {
                '|' if self.within_bars() => self.close_bars()?,
                '(' | '|' | '√' => return self.juxtapose().map(|()| true),
                c if begins_name(c) && self.last != Last::Name => {
                    return self.juxtapose().map(|()| true);
                }
                ')' => self.close()?,
                ',' if self.read_axis()? => {}
                '=' => return Err((FormulaErrorKind::StrayEquals, self.at)),
                ',' => {
                    self.next_argument()?;
                    return Ok(true);
                }
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
            match top {
                Pending::Operator { gate: Gate::Multiply, strength: JUXTAPOSED, byte } => {
                    self.postfix.push(Term::Juxtaposed(byte as u32));
                }
                Pending::Operator { gate, byte, .. } => self.apply(gate, 2, byte),
                Pending::Negate { byte, .. } => self.apply(Gate::Negate, 1, byte),
                Pending::Root { byte } => self.apply(Gate::Sqrt, 1, byte),
                Pending::Parenthesis { .. } | Pending::Bar { .. } | Pending::Call { .. } => {}
            }
        }
    }

    fn apply(&mut self, gate: Gate, inputs: u32, byte: usize) {
        // The source is shorter than 2^32 bytes.
        self.postfix.push(Term::Apply { gate, inputs, at: byte as u32 });
    }

    /// `, axis=0` behind the first argument: the gate becomes another one.
    fn read_axis(&mut self) -> Result<bool, Refusal> {
        let rest = self.source[self.at + 1..].trim_start();
        let axis = rest.strip_prefix("axis").map(str::trim_start);
        let Some(axis) = axis.and_then(|rest| rest.strip_prefix('=')) else { return Ok(false) };
        let start = self.source.len() - rest.len();
        self.settle(0);
        let digit = axis.trim_start();
        let which = match digit.as_bytes().first() {
            Some(b'0') => 0,
            Some(b'1') => 1,
            _ => return Err((FormulaErrorKind::Axis, start)),
        };
        match self.pending.last_mut() {
            Some(Pending::Call { gate, arguments: 0, .. }) if gate.row().along.is_some() => {
                *gate = gate.row().along.expect("just seen")[which];
            }
            _ => return Err((FormulaErrorKind::Axis, start)),
        }
        self.at = self.source.len() - digit.len() + 1;
        match self.peek() {
            None | Some(')') => Ok(true),
            _ => Err((FormulaErrorKind::Axis, self.at)),
        }
    }

    fn close(&mut self) -> Result<(), Refusal> {
        self.settle(0);
        match self.pending.pop() {
            None => return Err((FormulaErrorKind::Unopened, self.at)),
            Some(Pending::Bar { byte }) => return Err((FormulaErrorKind::UnclosedBar, byte)),
            Some(Pending::Call { gate, name, arguments, name_at, .. }) => {
                let inputs = arguments + 1;
                let alone = gate.row().alone.filter(|_| inputs == 1);
                let gate = alone.unwrap_or(gate);
                if (inputs as usize) < gate.takes().0 {
                    return Err((FormulaErrorKind::TooFewArguments(name.to_owned()), self.at));
                }
                self.apply(gate, inputs, name_at);
            }
            Some(_) => {}
        }
        self.at += 1;
        self.last = Last::Parenthesis;
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
            Some(&Pending::Bar { byte }) => Err((FormulaErrorKind::UnclosedBar, byte)),
            Some(&(Pending::Parenthesis { byte } | Pending::Call { byte, .. })) => {
                Err((FormulaErrorKind::Unclosed, byte))
            }
            Some(_) => unreachable!("settle(0) leaves only what a ) removes"),
        }
    }
}
