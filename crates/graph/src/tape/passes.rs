//! The two passes over the tape.
//!
//! The backward pass comes in two forms from the same table of derivatives.
//! [`Graph::differentiate`] appends it to the tape as gates, so that a gradient is
//! a node like any other, and can be differentiated again. [`Graph::backward`]
//! computes the numbers alone: for a scalar graph by one loop, which needs
//! no new nodes; for a graph of matrices by those gates.

use super::{Graph, NodeId};
use crate::derivative::{self, Gates};
use crate::op::{Forward, Gate, Row};
use crate::value::{Shape, View};

impl Graph {
    /// Forward pass: every value and every local gradient anew, up the tape.
    pub fn forward(&mut self) {
        for i in 0..self.entries.len() {
            self.compute(i);
        }
    }

    /// The same from a node on, where nothing before has changed.
    pub(crate) fn forward_from(&mut self, first: NodeId) {
        for i in first.index()..self.entries.len() {
            self.compute(i);
        }
    }

    /// The value of a node, and its local gradients, from the values before it.
    pub(super) fn compute(&mut self, index: usize) {
        let entry = self.entries[index];
        let (row, constant) = (entry.gate.row(), entry.gate.constant());
        let (before, rest) = self.values.split_at_mut(entry.at as usize);
        let out = &mut rest[..entry.shape.elements()];
        let edges = &self.edges[entry.edges()];
        let locals = &mut self.locals[entry.edges()];
        // In a graph of scalars a node's number lies at its own place.
        let all_scalars = self.matrices == 0;
        let place = |input: NodeId| match all_scalars {
            true => input.index(),
            false => self.entries[input.index()].at as usize,
        };
        let number = |input: NodeId| before[place(input)];
        let scalar = entry.shape.is_scalar()
            && (all_scalars
                || edges.iter().all(|input| self.entries[input.index()].shape.is_scalar()));
        match (edges, scalar) {
            ([], _) => {
                if entry.gate != Gate::Variable {
                    out[0] = constant;
                }
            }
            (&[a], true) => {
                out[0] = compute_scalar(row, constant, &[number(a)], &mut locals[..1]);
            }
            (&[a, b], true) => {
                out[0] = compute_scalar(row, constant, &[number(a), number(b)], &mut locals[..2]);
            }
            (_, true) => {
                let inputs: Vec<f64> = edges.iter().map(|&input| number(input)).collect();
                out[0] = compute_scalar(row, constant, &inputs, locals);
            }
            (_, false) => {
                let view = |input: &NodeId| {
                    let entry = &self.entries[input.index()];
                    View { shape: entry.shape, numbers: &before[entry.numbers()] }
                };
                let inputs: Vec<View<'_>> = edges.iter().map(view).collect();
                compute_matrix(entry.gate, entry.shape, &inputs, out);
            }
        }
    }

    /// Backward pass: the derivative of the scalar `output` by every node. What an
    /// earlier backward pass left is forgotten.
    ///
    /// # Panics
    /// If the output is a matrix.
    pub fn backward(&mut self, output: NodeId) {
        assert!(self.shape(output).is_scalar(), "the output of a backward pass is a scalar");
        self.gradients.fill(0.0);
        if self.matrices == 0 {
            self.backward_in_numbers(output);
        } else {
            let length = self.entries.len();
            let (gradients, sent) = self.append_backward(output);
            self.sent.clear();
            self.sent_at.clear();
            for sent in sent {
                self.sent_at.push(sent.map(|_| self.sent.len()));
                if let Some(node) = sent {
                    let numbers = self.entries[node.index()].numbers();
                    self.sent.extend_from_slice(&self.values[numbers]);
                }
            }
            for (index, gradient) in gradients.into_iter().enumerate() {
                if let Some(gradient) = gradient {
                    let (to, from) = (self.entries[index], self.entries[gradient.index()]);
                    self.gradients[to.numbers()].copy_from_slice(&self.values[from.numbers()]);
                }
            }
            self.truncate(length);
        }
    }

    /// One loop down the tape of scalars.
    fn backward_in_numbers(&mut self, output: NodeId) {
        // A node that the output doesn't depend on must send nothing back, not
        // even 0 · inf = NaN; so the backward pass marks what it reaches.
        let mut reached = vec![false; output.index() + 1];
        reached[output.index()] = true;
        self.gradients[output.index()] = 1.0;
        for i in (0..=output.index()).rev() {
            if !reached[i] {
                continue;
            }
            let upstream = self.gradients[i];
            for edge in self.entries[i].edges() {
                // In a graph of scalars a node's number lies at its own place.
                let input = self.edges[edge].index();
                reached[input] = true;
                self.gradients[input] += upstream * self.locals[edge];
            }
        }
    }

    /// The backward pass as gates: appends to the tape the derivative of the
    /// scalar `output` by each node, and tells which node that is; none where the
    /// output doesn't depend on it. A gradient can be differentiated again.
    ///
    /// ```
    /// use chainrule_graph::Graph;
    ///
    /// let mut g = Graph::new();
    /// let x = g.variable("x", 0.5);
    /// let f = g.exp(x);
    /// let first = g.differentiate(f)[x.index()].unwrap();
    /// let second = g.differentiate(first)[x.index()].unwrap();
    /// assert_eq!(g.value(second), 0.5_f64.exp());
    /// ```
    ///
    /// # Panics
    /// If the output is a matrix.
    pub fn differentiate(&mut self, output: NodeId) -> Vec<Option<NodeId>> {
        self.append_backward(output).0
    }

    /// The gradient of each node, and what is sent back along each edge.
    fn append_backward(&mut self, output: NodeId) -> (Vec<Option<NodeId>>, Vec<Option<NodeId>>) {
        assert!(self.shape(output).is_scalar(), "the output of a backward pass is a scalar");
        let mut gradients: Vec<Option<NodeId>> = vec![None; output.index() + 1];
        let mut along_edges = vec![None; self.edges.len()];
        for i in (0..=output.index()).rev() {
            let (node, upstream) = (NodeId::new(i), gradients[i]);
            if upstream.is_none() && node != output || self.entries[i].gate.is_input() {
                continue;
            }
            let edges = self.entries[i].edges();
            let sent = Gates { graph: self, node, upstream }.sent_back();
            for (edge, sent) in edges.zip(sent) {
                let Some(sent) = sent else { continue };
                along_edges[edge] = Some(sent);
                let input = self.edges[edge].index();
                gradients[input] = Some(match gradients[input] {
                    Some(sum) => self.add(sum, sent),
                    None => sent,
                });
            }
        }
        gradients[output.index()] = Some(self.constant(1.0));
        (gradients, along_edges)
    }
}

/// The value of a gate of scalars, and its local gradients.
#[inline(always)]
fn compute_scalar(row: &Row, constant: f64, inputs: &[f64], locals: &mut [f64]) -> f64 {
    let value = row.value(constant, inputs);
    derivative::local_gradients(row, constant, inputs, value, locals);
    value
}

/// The value of a gate where a matrix takes part.
fn compute_matrix(gate: Gate, shape: Shape, inputs: &[View<'_>], out: &mut [f64]) {
    let constant = gate.constant();
    let columns = shape.columns as usize;
    let places = (0..shape.elements()).map(|i| (i / columns, i % columns));
    match gate.row().forward {
        Forward::Given => {}
        Forward::Whole { fill, .. } => fill(inputs, out),
        Forward::Map(g) => {
            out.iter_mut().zip(inputs[0].numbers).for_each(|(v, &a)| *v = g(a, constant));
        }
        Forward::Zip(g) | Forward::Fold(g) => {
            for (v, (row, column)) in out.iter_mut().zip(places) {
                let elements = inputs.iter().map(|input| input.at(row, column));
                *v = elements.reduce(g).expect("a gate has inputs");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_used_twice_gets_both_gradients() {
        let mut g = Graph::new();
        let x = g.variable("x", 3.0);
        let square = g.mul(x, x);
        let f = g.add(square, x);
        g.backward(f);
        assert_eq!(g.gradient(x), 7.0); // d(x² + x)/dx = 2x + 1
    }

    #[test]
    fn a_second_backward_pass_forgets_the_first() {
        let mut g = Graph::new();
        let x = g.variable("x", 2.0);
        let y = g.scale(x, 10.0);
        g.backward(y);
        g.backward(y);
        assert_eq!(g.gradient(x), 10.0);
        g.backward(x);
        assert_eq!((g.gradient(x), g.gradient(y)), (1.0, 0.0));
    }

    #[test]
    fn a_gate_off_the_path_to_the_output_does_not_poison_it() {
        let mut g = Graph::new();
        let x = g.variable("x", 0.0);
        let unused = g.log(x); // local gradient 1/0
        let f = g.exp(x);
        assert!(g.value(unused).is_infinite());
        g.backward(f);
        assert_eq!(g.gradient(x), 1.0);
    }

    #[test]
    fn a_deep_chain_needs_no_stack() {
        let mut g = Graph::new();
        let x = g.variable("x", 1.0);
        let mut f = x;
        for _ in 0..1_000_000 {
            f = g.neg(f);
        }
        g.backward(f);
        assert_eq!((g.value(f), g.gradient(x)), (1.0, 1.0));
    }
}
