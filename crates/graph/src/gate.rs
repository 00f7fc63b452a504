//! What a gate does with its row of the table: its value, its texts, and what the
//! reader and the gradient check ask of it.

use std::borrow::Cow;
use std::sync::LazyLock;

use crate::number;
use crate::op::Bend::{End, Kink, Own as OwnSize, Power, Unit};
use crate::op::Forward::{Fold, Given, Map, Whole, Zip};
use crate::op::{Gate, Infix, Row};
use crate::value::{Shape, View};

/// A sign of the notation and the gate that it means.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operator {
    pub gate: Gate,
    pub sign: &'static str,
    pub strength: u8,
    pub from_the_right: bool,
}

/// The signs of all rows, the longest first.
static OPERATORS: LazyLock<Vec<Operator>> = LazyLock::new(|| {
    let mut operators = Vec::new();
    for &gate in Gate::ALL {
        let Some(Infix { signs, strength, from_the_right }) = gate.row().infix else { continue };
        operators.extend(signs.iter().map(|&sign| Operator {
            gate,
            sign,
            strength,
            from_the_right,
        }));
    }
    operators.sort_by_key(|operator| std::cmp::Reverse(operator.sign.len()));
    operators
});

/// The names of all rows.
static FUNCTIONS: LazyLock<Vec<(&str, Gate)>> = LazyLock::new(|| {
    let named = |&gate: &Gate| gate.row().names.iter().map(move |&name| (name, gate));
    Gate::ALL.iter().flat_map(named).collect()
});

impl Gate {
    /// Whether it is a variable or a number, which reads nothing.
    #[must_use]
    pub fn is_input(self) -> bool {
        matches!(self.row().forward, Given)
    }

    /// The fewest and the most inputs that it takes.
    #[must_use]
    pub fn takes(self) -> (usize, usize) {
        match self.row().forward {
            Given => (0, 0),
            Map(_) => (1, 1),
            Zip(_) => (2, 2),
            Fold(_) => (2, usize::MAX),
            Whole { inputs, .. } => (inputs, inputs),
        }
    }

    /// The gate that a formula calls by this name: `exp`, `max`.
    #[must_use]
    pub fn called(name: &str) -> Option<Gate> {
        FUNCTIONS.iter().find(|(known, _)| *known == name).map(|&(_, gate)| gate)
    }

    /// The operator at the beginning of a text; the longest sign counts: ** before *.
    pub(crate) fn operator(text: &str) -> Option<Operator> {
        let first = text.as_bytes().first()?;
        let stands_here = |sign: &str| {
            sign.as_bytes()[0] == *first && (sign.len() == 1 || text.starts_with(sign))
        };
        OPERATORS.iter().find(|operator| stands_here(operator.sign)).copied()
    }

    /// The names of all functions of the notation, but for second names.
    pub(crate) fn function_names() -> impl Iterator<Item = &'static str> {
        Gate::ALL.iter().filter_map(|gate| gate.row().names.first().copied())
    }

    /// The value at these scalar inputs. A constant is its number; a variable,
    /// whose value comes from outside, is NaN.
    #[must_use]
    pub fn forward(self, inputs: &[f64]) -> f64 {
        if self == Gate::Variable {
            return f64::NAN;
        }
        self.row().value(self.constant(), inputs)
    }

    /// Whether the gate has a kink, where its gradient jumps.
    pub(crate) fn has_kink(self) -> bool {
        matches!(self.row().bend, Kink)
    }

    /// How far input number `slot` may move before the function bends, at these
    /// inputs; infinite where it never does.
    pub(crate) fn reach(self, slot: usize, inputs: &[f64]) -> f64 {
        let last = slot + 1 == inputs.len();
        match self.row().bend {
            Unit => 1.0,
            OwnSize if last => inputs[slot].abs(),
            End(distance) => distance(inputs[slot]),
            Power => {
                let (a, b) = (inputs[0], inputs.get(1).copied().unwrap_or(self.constant()));
                let polynomial = inputs.len() == 1 && b.fract() == 0.0 && (0.0..=8.0).contains(&b);
                match slot {
                    0 if polynomial => f64::INFINITY,
                    0 => a.abs() / b.abs().max(1.0),
                    _ => 1.0 / a.ln().abs(),
                }
            }
            _ => f64::INFINITY,
        }
    }

    /// What is written in the gate's circle: `+`, `×`, `×(-1)`, `+1`, `exp`,
    /// `1/x`, `σ`. A variable has none, for it is known by its name.
    #[must_use]
    pub fn symbol(self) -> Cow<'static, str> {
        match self.row().symbol {
            symbol if symbol.contains('#') => {
                fill_in(symbol, &[], self.constant(), number::constant).into()
            }
            symbol => symbol.into(),
        }
    }

    /// The derivative in words and formulas of the inputs a and b, for the pages
    /// that write each step out.
    #[must_use]
    pub fn rule(self) -> &'static str {
        self.row().rule
    }

    /// The operation in a line of text, with these names or numbers for its
    /// inputs: `3 × (-4)`, `exp(-27)`.
    #[must_use]
    pub fn text(self, inputs: &[String]) -> String {
        match self.row().text {
            "" => format!("{}({})", self.symbol(), inputs.join(", ")),
            text => fill_in(text, inputs, self.constant(), number::constant),
        }
    }

    /// The operation in LaTeX, with these terms for its inputs.
    #[must_use]
    pub fn latex(self, inputs: &[String]) -> String {
        let constant = |value| number::in_latex(&number::constant(value));
        match (self.row().latex, self.row().forward) {
            ("", _) => {
                let name = self.row().names.first().unwrap_or(&self.row().symbol);
                let name = name.replace('_', r"\_");
                format!(r"\operatorname{{{name}}}\left({}\right)", inputs.join(", "))
            }
            (latex, Fold(_)) => fill_in(latex, &[inputs.join(", ")], self.constant(), constant),
            (latex, _) => fill_in(latex, inputs, self.constant(), constant),
        }
    }
}

impl Row {
    /// The value of a gate of this row with this constant, at these scalar inputs.
    #[inline(always)]
    pub(crate) fn value(&self, constant: f64, inputs: &[f64]) -> f64 {
        match (&self.forward, inputs) {
            (Map(g), &[a]) => g(a, constant),
            (Zip(g) | Fold(g), &[a, b]) => g(a, b),
            (Fold(g), _) => inputs.iter().copied().reduce(g).unwrap_or(f64::NAN),
            (Whole { fill, .. }, _) => {
                let views: Vec<View<'_>> = inputs
                    .iter()
                    .map(|a| View { shape: Shape::SCALAR, numbers: std::slice::from_ref(a) })
                    .collect();
                let mut value = [f64::NAN];
                fill(&views, &mut value);
                value[0]
            }
            (Given, _) => constant,
            _ => f64::NAN,
        }
    }
}

/// Fills in `#a` and `#b`, the inputs, and `#c`, the constant. `#(a)` puts what
/// begins with a minus in parentheses; `#±c` and `#± c` write the sign first.
fn fill_in(
    template: &str,
    inputs: &[String],
    constant: f64,
    written: impl Fn(f64) -> String,
) -> String {
    let magnitude = written(constant.abs());
    let sign = if constant.is_sign_negative() { '-' } else { '+' };
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('#') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix("± c") {
            out.push_str(&format!("{sign} {magnitude}"));
            rest = after;
            continue;
        }
        if let Some(after) = after.strip_prefix("±c") {
            out.push_str(&format!("{sign}{magnitude}"));
            rest = after;
            continue;
        }
        let bracketed = after.starts_with('(');
        let after = after.trim_start_matches('(');
        let operand = match after.as_bytes().first() {
            Some(b'a') => inputs.first().cloned().unwrap_or_default(),
            Some(b'b') => inputs.get(1).cloned().unwrap_or_default(),
            _ => written(constant),
        };
        if bracketed && operand.starts_with('-') {
            out.push_str(&format!("({operand})"));
        } else {
            out.push_str(&operand);
        }
        rest = after.get(1 + usize::from(bracketed)..).unwrap_or("");
    }
    out.push_str(rest);
    out
}
