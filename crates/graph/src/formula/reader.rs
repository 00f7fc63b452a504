//! The reader of the notation: a shunting yard.

use std::collections::HashMap;
use std::ops::Range;

use super::error::LONGEST_NAME;
use super::{FormulaErrorKind, Step, Term, constant};
use crate::gate::Operator;
use crate::number::is_minus;
use crate::op::Gate;

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

    /// The letters, digits and underscores that stand here.
    fn name_here(&self) -> &'a str {
        let rest = &self.source[self.at..];
        &rest[..rest.find(|c| !in_name(c)).unwrap_or(rest.len())]
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
        let power_follows = operator.is_some_and(|operator| operator.gate == Gate::Power)
            || self.source[self.at..].starts_with(is_digit_above);
        let signed = match self.pending.last() {
            Some(Pending::Negate { .. }) if !power_follows => {
                self.pending.pop();
                -value
            }
            _ => value,
        };
        self.postfix.push(Term::Number(signed));
        self.last = Last::Number;
    }

    /// A name: true if it is a value, false if it opened a call.
    fn read_name(&mut self) -> Result<bool, Refusal> {
        let start = self.at;
        let name = self.name_here();
        if name.chars().nth(LONGEST_NAME).is_some() {
            return Err((FormulaErrorKind::LongName(shorten(name)), start));
        }
        self.at += name.len();
        let called = self.peek() == Some('(');
        match (Gate::called(name), called) {
            (Some(gate), true) => {
                let byte = self.at;
                self.pending.push(Pending::Call { gate, name, arguments: 0, name_at: start, byte });
                self.at += 1;
                Ok(false)
            }
            (Some(_), false) => Err((self.function_alone(name), start)),
            (None, true) => Err((FormulaErrorKind::UnknownFunction(shorten(name)), start)),
            (None, false) => {
                if let Some(value) = constant(name) {
                    self.push_number(value);
                    self.last = Last::Name;
                } else {
                    self.last = Last::Name;
                    let named = *self.names.entry(name).or_insert_with(|| {
                        self.variables.push(name.to_owned());
                        let place = u32::try_from(self.variables.len() - 1);
                        Name::Variable(place.expect("fewer than 2^32 names"))
                    });
                    self.postfix.push(match named {
                        Name::Variable(place) => Term::Name(place),
                        Name::Step(place) => Term::Step(place),
                    });
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

    /// A product without a sign: 2x, 2(x+1), (x)(y). What follows is read next.
    fn juxtapose(&mut self) -> Result<(), Refusal> {
        let left = self.pending.last().copied();
        let ambiguous = |text: String, readings: [String; 2]| {
            Err((FormulaErrorKind::Ambiguous { text, readings }, self.at))
        };
        let behind = self.next_word();
        match left {
            Some(Pending::Operator { gate: gate @ (Gate::Divide | Gate::Power), byte, .. }) => {
                let sign = Gate::operator(&self.source[byte..]).map_or("/", |found| found.sign);
                let between = shorten(self.source[byte + sign.len()..self.at].trim());
                let first = if gate == Gate::Divide { "a" } else { "x" };
                return ambiguous(
                    format!("{first}{sign}{between}{behind}"),
                    [
                        format!("({first}{sign}{between})*{behind}"),
                        format!("{first}{sign}({between}*{behind})"),
                    ],
                );
            }
            // Of √(x+1)y the parentheses say how far the root reaches.
            Some(Pending::Root { byte })
                if !matches!(self.last, Last::Parenthesis | Last::Bar(..)) =>
            {
                let under = shorten(self.source[byte + '√'.len_utf8()..self.at].trim());
                return ambiguous(
                    format!("√{under}{behind}"),
                    [format!("√({under})*{behind}"), format!("√({under}*{behind})")],
                );
            }
            _ => {}
        }
        let bars = self.source[self.at..].starts_with('|');
        let level = self.pending.iter().filter(|pending| pending.strength().is_none()).count();
        if bars && self.after_bar == Some(level) {
            return ambiguous(
                "|a|b|c|".into(),
                ["abs(a)*b*abs(c)".into(), "abs(a*abs(b)*c)".into()],
            );
        }
        if matches!(self.last, Last::Bar(..)) {
            self.after_bar = Some(level);
        }
        self.settle(JUXTAPOSED);
        self.pending.push(Pending::Operator {
            gate: Gate::Multiply,
            strength: JUXTAPOSED,
            byte: self.at,
        });
        Ok(())
    }

    /// The name or the opening parenthesis that stands here, for a message.
    fn next_word(&self) -> String {
        let name = self.name_here();
        let behind = self.source[self.at + name.len()..].chars().next();
        match (name, behind) {
            ("", Some('(')) => "(...)".into(),
            ("", Some('√')) => "√(...)".into(),
            ("", _) => "|...|".into(),
            (name, Some('(')) => format!("{}(...)", shorten(name)),
            (name, _) => shorten(name),
        }
    }

    /// `sin x` and `sin²(x)`.
    fn function_alone(&self, name: &str) -> FormulaErrorKind {
        let rest = &self.source[self.at..];
        let power = Gate::operator(rest).is_some_and(|operator| operator.gate == Gate::Power);
        let inverse = ["⁻¹", "^-1", "^(-1)", "**-1"].iter().any(|sign| rest.starts_with(sign));
        let arc = format!("a{name}");
        if inverse && Gate::called(&arc).is_some() {
            let text = format!("{name}⁻¹(x)");
            return FormulaErrorKind::Ambiguous {
                text,
                readings: [format!("{arc}(x)"), format!("1/{name}(x)")],
            };
        }
        if power || rest.starts_with(is_digit_above) {
            let text = format!("{name}²(x)");
            return FormulaErrorKind::Ambiguous {
                text,
                readings: [format!("{name}(x)^2"), format!("{name}({name}(x))")],
            };
        }
        FormulaErrorKind::FunctionAlone(name.to_owned())
    }

    /// A power whose base isn't plain: √x^2, x²^3.
    fn refuse_a_power(&self) -> Result<(), Refusal> {
        let readings = match (self.pending.last(), self.last) {
            (Some(Pending::Root { .. }), _) => ["(√x)^2", "√(x^2)"],
            (_, Last::Superscript(_)) => ["(x²)^3", "x^(2^3)"],
            _ => return Ok(()),
        };
        let text = match self.last {
            Last::Superscript(_) => "x²^3",
            _ => "√x^2",
        };
        let readings = readings.map(str::to_owned);
        Err((FormulaErrorKind::Ambiguous { text: text.into(), readings }, self.at))
    }

    /// `²` or `⁻¹` behind a value.
    fn read_superscript(&mut self) -> Result<(), Refusal> {
        const DIGITS: &str = "⁰¹²³⁴⁵⁶⁷⁸⁹";
        let start = self.at;
        if let Some(Pending::Root { .. }) = self.pending.last() {
            let readings = ["(√x)²".to_owned(), "√(x²)".to_owned()];
            return Err((FormulaErrorKind::Ambiguous { text: "√x²".into(), readings }, start));
        }
        let rest = &self.source[start..];
        let length = rest.find(|c| !is_digit_above(c)).unwrap_or(rest.len());
        let text: String = rest[..length]
            .chars()
            .map(|c| match DIGITS.chars().position(|digit| digit == c) {
                Some(value) => char::from(b'0' + value as u8),
                None => '-',
            })
            .collect();
        let wrong = || (FormulaErrorKind::Number(shorten(&rest[..length])), start);
        if matches!(self.last, Last::Superscript(_)) {
            return Err(wrong());
        }
        let exponent = text.parse::<i32>().map_err(|_| wrong())?;
        self.postfix.push(Term::Number(f64::from(exponent)));
        self.apply(Gate::Power, 2, start);
        self.at += length;
        self.last = Last::Superscript(start);
        Ok(())
    }

    /// Whether the innermost bracket that is open is a |.
    fn within_bars(&self) -> bool {
        let mut open = self.pending.iter().rev().filter(|pending| pending.strength().is_none());
        matches!(open.next(), Some(Pending::Bar { .. }))
    }

    fn close_bars(&mut self) -> Result<(), Refusal> {
        self.settle(0);
        let Some(Pending::Bar { byte }) = self.pending.pop() else { return Ok(()) };
        if self.last == Last::Bar(self.at.wrapping_sub(1), byte + 1) {
            let readings = ["abs(abs(x))".to_owned(), "the norm, sqrt(sum(x^2))".to_owned()];
            let text = "||x||".to_owned();
            return Err((FormulaErrorKind::Ambiguous { text, readings }, byte));
        }
        self.apply(Gate::Abs, 1, byte);
        self.last = Last::Bar(self.at, byte);
        self.at += 1;
        Ok(())
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

/// Whether a name may begin with it.
fn begins_name(c: char) -> bool {
    c == '_' || c.is_alphabetic() && in_name(c)
}

/// Whether a name may hold it.
fn in_name(c: char) -> bool {
    (c == '_' || c.is_alphanumeric()) && !is_superscript(c)
}

/// What is written high: a name doesn't hold it.
fn is_superscript(c: char) -> bool {
    c == 'ᵀ' || is_digit_above(c)
}

/// A digit or a minus of an exponent that is written high.
fn is_digit_above(c: char) -> bool {
    matches!(c, '⁰' | '¹' | '²' | '³' | '⁴'..='⁹' | '⁻')
}

/// The length of a `.T` or `ᵀ` that stands here.
fn transposes(rest: &str) -> Option<usize> {
    let suffix = ["ᵀ", ".T"].into_iter().find(|suffix| rest.starts_with(suffix))?;
    let behind = rest[suffix.len()..].chars().next();
    (!behind.is_some_and(in_name)).then_some(suffix.len())
}

/// A word for a message, cut where it would fill the screen.
fn shorten(word: &str) -> String {
    const LONGEST: usize = 24;
    match word.char_indices().nth(LONGEST) {
        Some((byte, _)) => format!("{}...", &word[..byte]),
        None => word.to_owned(),
    }
}
