//! The two readings of the derivative that a row of [`crate::op`] writes: as a
//! number, and as gates on the tape.
//!
//! The plain backward pass of a scalar graph takes the number; a second
//! derivative, and a graph of matrices, take the gates.

use crate::op::{Derivative, Expr, Gate, Row};
use crate::tape::{Graph, NodeId};

/// A gate with its inputs and its value, as numbers.
struct Numbers<'a> {
    constant: f64,
    inputs: &'a [f64],
    value: f64,
    own: f64,
    shared: f64,
}

impl Numbers<'_> {
    fn read(&self, expr: &Expr) -> f64 {
        match *expr {
            Expr::Number(c) => c,
            Expr::Constant => self.constant,
            Expr::A => self.inputs[0],
            Expr::B => self.inputs[1],
            Expr::Own => self.own,
            Expr::V => self.value,
            Expr::U => 1.0,
            Expr::Shared => self.shared,
            Expr::Of(gate, [a]) => gate.forward(&[self.read(a)]),
            Expr::Of(gate, [a, b]) => gate.forward(&[self.read(a), self.read(b)]),
            Expr::Of(gate, terms) => {
                let terms: Vec<f64> = terms.iter().map(|term| self.read(term)).collect();
                gate.forward(&terms)
            }
            Expr::With(gate, a) => gate(self.constant).forward(&[self.read(a)]),
            Expr::ByConstant(choose) => self.read(choose(self.constant)),
            Expr::Word(word) => unreachable!("{word} is for pages alone"),
            Expr::Total(term) => {
                self.inputs.iter().map(|&own| Numbers { own, ..*self }.read(term)).sum()
            }
        }
    }
}

/// Writes the local gradients of a scalar gate of this row: its derivative by each
/// input.
#[inline(always)]
pub(crate) fn local_gradients(
    row: &Row,
    constant: f64,
    inputs: &[f64],
    value: f64,
    out: &mut [f64],
) {
    let at = |own| Numbers { constant, inputs, value, own, shared: f64::NAN };
    match &row.derivative {
        Derivative::Zero => out.fill(0.0),
        Derivative::Local(formulas) | Derivative::Sent(formulas) => {
            // An input without a formula sends nothing back.
            out.fill(0.0);
            for ((out, formula), &own) in out.iter_mut().zip(*formulas).zip(inputs) {
                *out = match formula {
                    Expr::Number(c) => *c,
                    Expr::Constant => constant,
                    Expr::A => inputs[0],
                    Expr::B => inputs[1],
                    Expr::V => value,
                    formula => at(own).read(formula),
                };
            }
        }
        Derivative::Each { shared, local } => {
            let shared = at(f64::NAN).read(shared);
            for (out, &own) in out.iter_mut().zip(inputs) {
                *out = Numbers { shared, ..at(own) }.read(local);
            }
        }
    }
}

/// A gate on the tape whose derivative is being appended.
pub(crate) struct Gates<'a> {
    pub graph: &'a mut Graph,
    pub node: NodeId,
    /// ∂f/∂v; none for the output itself, where it is 1.
    pub upstream: Option<NodeId>,
}

impl Gates<'_> {
    /// Appends what the gate sends back to each of its inputs; none where that is 0.
    pub fn sent_back(mut self) -> Vec<Option<NodeId>> {
        let node = self.graph.node(self.node);
        let (gate, inputs) = (node.gate(), node.inputs().to_vec());
        match gate.row().derivative {
            Derivative::Zero => vec![None; inputs.len()],
            Derivative::Local(formulas) => inputs
                .iter()
                .zip(formulas)
                .map(|(&own, formula)| self.times_upstream(formula, own, None))
                .collect(),
            Derivative::Each { shared, local } => {
                let shared = Some(self.read(shared, self.node, None));
                inputs.iter().map(|&own| self.times_upstream(local, own, shared)).collect()
            }
            Derivative::Sent(formulas) => {
                let formulas = formulas.iter().map(Some).chain(std::iter::repeat(None));
                let sent = inputs.iter().zip(formulas).map(|(&own, formula)| {
                    let formula = formula.filter(|f| !matches!(f, Expr::Number(0.0)))?;
                    let sent = self.read(formula, own, None);
                    Some(self.summed_to(sent, own))
                });
                sent.collect()
            }
        }
    }

    /// U times a local gradient.
    fn times_upstream(
        &mut self,
        local: &Expr,
        own: NodeId,
        shared: Option<NodeId>,
    ) -> Option<NodeId> {
        let constant = self.graph.node(self.node).gate().constant();
        let local = if let Expr::ByConstant(choose) = local { choose(constant) } else { local };
        let sent = match (local, self.upstream) {
            (Expr::Number(0.0), _) => return None,
            (Expr::Number(1.0), Some(upstream)) => upstream,
            (Expr::Number(-1.0), Some(upstream)) => self.graph.neg(upstream),
            (Expr::Constant, Some(upstream)) => self.graph.scale(upstream, constant),
            (local, Some(upstream)) => {
                let local = self.read(local, own, shared);
                self.graph.mul(upstream, local)
            }
            (local, None) => self.read(local, own, shared),
        };
        Some(self.summed_to(sent, own))
    }

    /// Summed to the shape of the input, if that was broadcast.
    fn summed_to(&mut self, sent: NodeId, own: NodeId) -> NodeId {
        let fits = self.graph.shape(sent) == self.graph.shape(own);
        if fits { sent } else { self.graph.binary(Gate::SumTo, sent, own) }
    }

    fn read(&mut self, expr: &Expr, own: NodeId, shared: Option<NodeId>) -> NodeId {
        let node = self.graph.node(self.node);
        match *expr {
            Expr::Number(c) => self.graph.constant(c),
            Expr::Constant => {
                let constant = node.gate().constant();
                self.graph.constant(constant)
            }
            Expr::A => node.inputs()[0],
            Expr::B => node.inputs()[1],
            Expr::Own => own,
            Expr::V => self.node,
            Expr::U => self.upstream.unwrap_or_else(|| self.graph.constant(1.0)),
            Expr::Shared => shared.expect("a row that shares a term says which"),
            Expr::Of(gate, terms) => {
                let terms: Vec<NodeId> =
                    terms.iter().map(|term| self.read(term, own, shared)).collect();
                self.graph.many(gate, &terms)
            }
            Expr::With(gate, a) => {
                let gate = gate(node.gate().constant());
                let a = self.read(a, own, shared);
                self.graph.unary(gate, a)
            }
            Expr::ByConstant(choose) => {
                let formula = choose(node.gate().constant());
                self.read(formula, own, shared)
            }
            Expr::Word(word) => unreachable!("{word} is for pages alone"),
            Expr::Total(term) => {
                let inputs = node.inputs().to_vec();
                let mut total = self.read(term, inputs[0], shared);
                for &input in &inputs[1..] {
                    let term = self.read(term, input, shared);
                    total = self.graph.add(total, term);
                }
                total
            }
        }
    }
}
