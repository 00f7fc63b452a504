//! Values: numbers, names, and powers that are written high.

use super::letters::{in_name, is_digit_above, shorten};
use super::{Last, Name, Pending, Reader, Refusal};
use crate::formula::error::LONGEST_NAME;
use crate::formula::{FormulaErrorKind, Term, constant};
use crate::number::is_minus;
use crate::op::Gate;

impl<'a> Reader<'a> {
    /// The letters, digits and underscores that stand here.
    pub(super) fn name_here(&self) -> &'a str {
        let rest = &self.source[self.at..];
        &rest[..rest.find(|c| !in_name(c)).unwrap_or(rest.len())]
    }

    pub(super) fn read_number(&mut self) -> Result<(), Refusal> {
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
    pub(super) fn push_number(&mut self, value: f64) {
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
    pub(super) fn read_name(&mut self) -> Result<bool, Refusal> {
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

    /// `²` or `⁻¹` behind a value.
    pub(super) fn read_superscript(&mut self) -> Result<(), Refusal> {
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
}
