//! The rule by which a gate sends a gradient back, with the names of the graph:
//! `dW1 = dg1 xᵀ`, `dg2 = dg3 ⊙ (g2 > 0)`. It is written out of the same row of
//! [`crate::op`] that computes the gradient.

use crate::circuit::Circuit;
use crate::number;
use crate::op::{Derivative, Expr, Forward, Gate};
use crate::tape::NodeId;
use crate::value::Shape;

/// How a gate sends a gradient back to one of its inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// `dW1 = dg1 xᵀ`
    pub text: String,
    /// `(4x1)(1x3)`; of what isn't a matrix product the shape, and that to which it
    /// is summed where the input was broadcast.
    pub shapes: String,
    /// The right side in LaTeX.
    pub latex: String,
}

impl Circuit {
    /// The rule of a gate for its input number `slot`; none if nothing is sent back, or
    /// to a constant.
    #[must_use]
    pub fn rule(&self, gate: NodeId, slot: usize) -> Option<Rule> {
        let node = self.graph().node(gate);
        let own = node.inputs()[slot];
        let row = node.gate().row();
        let shown = row.shown.map(|shown| &shown[slot.min(shown.len() - 1)]);
        let (expr, local) = match row.derivative {
            Derivative::Zero => return None,
            Derivative::Local(formulas) => (shown.unwrap_or(&formulas[slot]), true),
            Derivative::Each { local, .. } => (shown.unwrap_or(local), true),
            Derivative::Sent(formulas) => (shown.or(formulas.get(slot))?, false),
        };
        let constant = matches!(self.graph().node(own).gate(), Gate::Constant(_));
        if constant || matches!(expr, Expr::Number(0.0)) {
            return None;
        }
        let [text, latex] = [Style::Text, Style::Latex].map(|style| {
            let writer = Writer { circuit: self, gate, own, style };
            if local { writer.times_upstream(expr) } else { writer.write(expr) }
        });
        let writer = Writer { circuit: self, gate, own, style: Style::Text };
        let (target, shape) =
            (self.graph().shape(own), if local { node.shape() } else { text.shape });
        let shapes = match expr {
            Expr::Of(Gate::MatMul, [a, b]) => {
                format!("({})({})", writer.write(a).shape, writer.write(b).shape)
            }
            _ if shape != target => format!("{shape}, summed to {target}"),
            _ => target.to_string(),
        };
        Some(Rule {
            text: format!("d{} = {}", self.name(own), text.text),
            shapes,
            latex: latex.text,
        })
    }
}

impl Circuit {
    /// The name of a node in LaTeX.
    pub(crate) fn latex_name(&self, node: NodeId) -> String {
        match self.graph().node(node).gate() {
            Gate::Constant(c) => number::in_latex(&number::constant(c)),
            _ => latex_name(&self.name(node)),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Text,
    Latex,
}

/// A term that was written.
struct Term {
    text: String,
    /// How strongly its outermost operator binds.
    strength: u8,
    shape: Shape,
}

/// What needs no parentheses.
const ATOM: u8 = 9;

struct Writer<'a> {
    circuit: &'a Circuit,
    gate: NodeId,
    own: NodeId,
    style: Style,
}

impl Writer<'_> {
    fn named(&self, node: NodeId) -> Term {
        let text = match self.style {
            Style::Text => self.circuit.name(node).into_owned(),
            Style::Latex => self.circuit.latex_name(node),
        };
        Term { text, strength: ATOM, shape: self.circuit.graph().shape(node) }
    }

    fn number(&self, value: f64) -> String {
        let text = number::constant(value);
        if self.style == Style::Latex { number::in_latex(&text) } else { text }
    }

    fn upstream(&self) -> Term {
        let Term { text, shape, .. } = self.named(self.gate);
        let text = match self.style {
            Style::Text => format!("d{text}"),
            Style::Latex => partial(self.circuit, &text),
        };
        Term { text, strength: ATOM, shape }
    }

    /// U times a local gradient.
    fn times_upstream(&self, local: &Expr) -> Term {
        let constant = self.circuit.graph().node(self.gate).gate().constant();
        match local {
            Expr::ByConstant(choose) => self.times_upstream(choose(constant)),
            Expr::Number(1.0) => self.upstream(),
            Expr::Number(-1.0) => self.gate(Gate::Negate, vec![self.upstream()]),
            Expr::Of(Gate::Reciprocal, [a]) => {
                self.gate(Gate::Divide, vec![self.upstream(), self.write(a)])
            }
            local => self.gate(Gate::Multiply, vec![self.upstream(), self.write(local)]),
        }
    }

    fn write(&self, expr: &Expr) -> Term {
        let node = self.circuit.graph().node(self.gate);
        let constant = node.gate().constant();
        let word = |text: String| Term { text, strength: ATOM, shape: Shape::SCALAR };
        match *expr {
            Expr::Number(c) => word(self.number(c)),
            Expr::Constant => word(self.number(constant)),
            Expr::A => self.named(node.inputs()[0]),
            Expr::B => self.named(node.inputs()[1]),
            Expr::Own => self.named(self.own),
            Expr::V => self.named(self.gate),
            Expr::U => self.upstream(),
            Expr::Shared | Expr::Total(_) => word("n".into()),
            Expr::Word(text) => word(text.into()),
            Expr::Of(gate, terms) => {
                self.gate(gate, terms.iter().map(|term| self.write(term)).collect())
            }
            Expr::With(gate, a) => self.gate(gate(constant), vec![self.write(a)]),
            Expr::ByConstant(choose) => self.write(choose(constant)),
        }
    }

    fn gate(&self, gate: Gate, mut terms: Vec<Term>) -> Term {
        let shapes: Vec<Shape> = terms.iter().map(|term| term.shape).collect();
        let shape = match gate.row().forward {
            Forward::Whole { shape, .. } => shape(&shapes),
            _ => shapes.iter().try_fold(Shape::SCALAR, |all, shape| all.broadcast(*shape)),
        };
        let strength = match gate {
            Gate::AddConstant(_) => 1,
            Gate::Negate | Gate::MultiplyConstant(_) | Gate::Reciprocal => 3,
            Gate::PowerConstant(_) => 5,
            Gate::Transpose => 7,
            _ => gate.row().infix.map_or(ATOM, |infix| infix.strength),
        };
        let fraction = self.style == Style::Latex
            && matches!(gate, Gate::Divide | Gate::Reciprocal | Gate::Sqrt);
        if strength < ATOM && !fraction {
            let associative = gate.row().commutes || gate == Gate::MatMul;
            for (i, term) in terms.iter_mut().enumerate() {
                let alike = term.strength == strength && (i == 0 && strength < 5 || associative);
                if term.strength <= strength && !alike {
                    term.text = match self.style {
                        Style::Text => format!("({})", term.text),
                        Style::Latex => format!(r"\left({}\right)", term.text),
                    };
                }
            }
        }
        let scalar = shapes.iter().any(|shape| shape.is_scalar());
        let texts: Vec<String> = terms.into_iter().map(|term| term.text).collect();
        let text = match (self.style, gate, texts.as_slice()) {
            (Style::Text, Gate::MatMul, [a, b]) => format!("{a} {b}"),
            (Style::Text, Gate::Multiply, [a, b]) if !scalar => format!("{a} ⊙ {b}"),
            (Style::Text, Gate::Negate, [a]) => format!("-{a}"),
            (Style::Text, Gate::MultiplyConstant(c), [a]) => {
                format!("{} {a}", number::constant(c))
            }
            (_, Gate::BroadcastTo, [a, _]) => self.function("broadcast", a),
            (_, Gate::SumTo, [a, _]) => self.function("sum", a),
            (Style::Latex, Gate::Multiply, [a, b]) if !scalar => format!(r"{a} \odot {b}"),
            (Style::Latex, ..) => gate.latex(&texts),
            (Style::Text, ..) => gate.text(&texts),
        };
        Term { text, strength, shape: shape.unwrap_or(Shape::SCALAR) }
    }

    fn function(&self, name: &str, a: &str) -> String {
        match self.style {
            Style::Text => format!("{name}({a})"),
            Style::Latex => format!(r"\operatorname{{{name}}}\left({a}\right)"),
        }
    }
}

/// `W_{1}` of W1, `\mathrm{speed}` of speed.
pub(crate) fn latex_name(name: &str) -> String {
    let digits = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let (letters, index) = match name.split_once('_') {
        Some((letters, index)) if !letters.is_empty() && !index.is_empty() => (letters, index),
        _ if !digits.is_empty() => (digits, &name[digits.len()..]),
        _ => (name, ""),
    };
    let escaped = |text: &str| text.chars().map(latex_letter).collect::<String>();
    let mut one = letters.chars();
    let letters = match (one.next(), one.next()) {
        (Some(_), None) => escaped(letters),
        _ => format!(r"\mathrm{{{}}}", escaped(letters)),
    };
    match index {
        "" => letters,
        index => format!("{letters}_{{{}}}", escaped(index)),
    }
}

/// A letter of a name: Greek ones by their names, other ones of no alphabet that LaTeX
/// has without a package by their numbers.
fn latex_letter(c: char) -> String {
    const GREEK: [&str; 25] = [
        "alpha",
        "beta",
        "gamma",
        "delta",
        "varepsilon",
        "zeta",
        "eta",
        "theta",
        "iota",
        "kappa",
        "lambda",
        "mu",
        "nu",
        "xi",
        "o",
        "pi",
        "rho",
        "varsigma",
        "sigma",
        "tau",
        "upsilon",
        "varphi",
        "chi",
        "psi",
        "omega",
    ];
    const CAPITALS: [(char, &str); 11] = [
        ('Γ', "Gamma"),
        ('Δ', "Delta"),
        ('Θ', "Theta"),
        ('Λ', "Lambda"),
        ('Ξ', "Xi"),
        ('Π', "Pi"),
        ('Σ', "Sigma"),
        ('Υ', "Upsilon"),
        ('Φ', "Phi"),
        ('Ψ', "Psi"),
        ('Ω', "Omega"),
    ];
    let capital = CAPITALS.iter().find(|(greek, _)| *greek == c);
    match c {
        '_' => r"\_".into(),
        'ο' => "o".into(),
        'α'..='ω' => format!(r"{{\{}}}", GREEK[c as usize - 'α' as usize]),
        _ if capital.is_some() => format!(r"{{\{}}}", capital.expect("just found").1),
        c if c.is_ascii() => c.into(),
        c => format!(r"\text{{(U+{:X})}}", u32::from(c)),
    }
}

/// The derivative of the output by something, in LaTeX.
pub(crate) fn partial(circuit: &Circuit, by: &str) -> String {
    format!(r"\frac{{\partial {}}}{{\partial {by}}}", latex_name(circuit.output_name()))
}
