//! Products without a sign, bars and powers: what can be read in two ways is refused with both.

use super::letters::{is_digit_above, shorten};
use super::{JUXTAPOSED, Last, Pending, Reader, Refusal};
use crate::formula::FormulaErrorKind;
use crate::op::Gate;

impl Reader<'_> {
    /// A product without a sign: 2x, 2(x+1), (x)(y). What follows is read next.
    pub(super) fn juxtapose(&mut self) -> Result<(), Refusal> {
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
    pub(super) fn next_word(&self) -> String {
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
    pub(super) fn function_alone(&self, name: &str) -> FormulaErrorKind {
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
    pub(super) fn refuse_a_power(&self) -> Result<(), Refusal> {
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

    /// Whether the innermost bracket that is open is a |.
    pub(super) fn within_bars(&self) -> bool {
        let mut open = self.pending.iter().rev().filter(|pending| pending.strength().is_none());
        matches!(open.next(), Some(Pending::Bar { .. }))
    }

    pub(super) fn close_bars(&mut self) -> Result<(), Refusal> {
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
}
