//! The tape: gates in the order in which they were made.
//!
//! A gate's inputs always stand before it, so the forward pass is one loop up
//! the tape and the backward pass is one loop down it. There is no recursion: a
//! chain of a million gates is a `Vec` of a million nodes.
//!
//! ```text
//! forward   for i in 0..n           v_i = g_i(v_a, v_b),  l_i = [∂g_i/∂a, ∂g_i/∂b]
//! backward  for i in (0..=out).rev  ḡ_a += ḡ_i · l_i[0],  ḡ_b += ḡ_i · l_i[1]
//! ```
//!
//! The `+=` is the whole of the rule for a value that is used more than once:
//! its gradient is the sum over all its uses.

use crate::gate::Gate;

/// A node of a [`Graph`]: its place on the tape. It belongs to the graph that
/// made it; handing it to another graph gives a wrong answer or a panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u32);

impl NodeId {
    fn new(index: usize) -> Self {
        NodeId(u32::try_from(index).expect("a graph holds at most 2^32 nodes"))
    }

    /// The place on the tape, counted from 0.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A gate with everything that the two passes have found out about it.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    gate: Gate,
    inputs: [NodeId; 2],
    value: f64,
    local_gradients: [f64; 2],
    gradient: f64,
}

impl Node {
    /// The operation.
    #[must_use]
    pub fn gate(&self) -> Gate {
        self.gate
    }

    /// The nodes that it reads: none, one or two; the same one twice in `x * x`.
    #[must_use]
    pub fn inputs(&self) -> &[NodeId] {
        &self.inputs[..self.gate.arity()]
    }

    /// The forward value.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.value
    }

    /// The derivative of the value by each input, in the order of the inputs.
    #[must_use]
    pub fn local_gradients(&self) -> &[f64] {
        &self.local_gradients[..self.gate.arity()]
    }

    /// The derivative of the output by this node's value, as the last backward
    /// pass found it; 0 before one, and where the output doesn't depend on it.
    #[must_use]
    pub fn gradient(&self) -> f64 {
        self.gradient
    }

    /// What this node sends back to its input number `slot`: upstream gradient
    /// times local gradient.
    #[must_use]
    pub fn sent_back(&self, slot: usize) -> f64 {
        self.gradient * self.local_gradients()[slot]
    }
}

/// A scalar computation graph in f64.
///
/// Each method that adds a gate computes its value and its local gradients at
/// once, so a graph under construction is always forward-evaluated.
///
/// ```
/// use chainrule_graph::Graph;
///
/// let mut g = Graph::new();
/// let x = g.variable("x", -2.0);
/// let y = g.variable("y", 5.0);
/// let z = g.variable("z", -4.0);
/// let q = g.add(x, y);
/// let f = g.mul(q, z);
/// assert_eq!(g.value(f), -12.0);
///
/// g.backward(f);
/// assert_eq!([x, y, z].map(|v| g.gradient(v)), [-4.0, -4.0, 3.0]);
///
/// g.set(x, 1.0);
/// g.forward();
/// assert_eq!(g.value(f), -24.0);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Graph {
    nodes: Vec<Node>,
    /// Names of the variables, in the order in which they were made.
    names: Vec<(NodeId, String)>,
}

impl Graph {
    /// An empty graph.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty graph with room for `nodes` nodes.
    #[must_use]
    pub fn with_capacity(nodes: usize) -> Self {
        Graph { nodes: Vec::with_capacity(nodes), names: Vec::new() }
    }

    /// Adds an input with a name and a value. Every call makes a new node, even
    /// for a name that is there already.
    pub fn variable(&mut self, name: impl Into<String>, value: f64) -> NodeId {
        let id = self.push(Gate::Variable, [NodeId(0); 2], value);
        self.names.push((id, name.into()));
        id
    }

    /// Adds a number.
    pub fn constant(&mut self, value: f64) -> NodeId {
        self.push(Gate::Constant(value), [NodeId(0); 2], value)
    }

    /// Adds a gate with one input.
    ///
    /// # Panics
    /// If the gate takes another number of inputs, or `a` isn't of this graph.
    pub fn unary(&mut self, gate: Gate, a: NodeId) -> NodeId {
        assert_eq!(gate.arity(), 1, "{gate:?} doesn't take one input");
        let value = gate.forward(self.value(a), 0.0);
        self.push(gate, [a, a], value)
    }

    /// Adds a gate with two inputs.
    ///
    /// # Panics
    /// If the gate takes another number of inputs, or `a` or `b` isn't of this
    /// graph.
    pub fn binary(&mut self, gate: Gate, a: NodeId, b: NodeId) -> NodeId {
        assert_eq!(gate.arity(), 2, "{gate:?} doesn't take two inputs");
        let value = gate.forward(self.value(a), self.value(b));
        self.push(gate, [a, b], value)
    }

    fn push(&mut self, gate: Gate, inputs: [NodeId; 2], value: f64) -> NodeId {
        let id = NodeId::new(self.nodes.len());
        let [a, b] = match gate.arity() {
            0 => [0.0, 0.0],
            _ => inputs.map(|input| self.value(input)),
        };
        let local_gradients = gate.local_gradients(a, b, value);
        self.nodes.push(Node { gate, inputs, value, local_gradients, gradient: 0.0 });
        id
    }

    /// a + b
    pub fn add(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.binary(Gate::Add, a, b)
    }

    /// a - b
    pub fn sub(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.binary(Gate::Subtract, a, b)
    }

    /// a b
    pub fn mul(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.binary(Gate::Multiply, a, b)
    }

    /// a / b
    pub fn div(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.binary(Gate::Divide, a, b)
    }

    /// a ^ b
    pub fn pow(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.binary(Gate::Power, a, b)
    }

    /// The larger of a and b
    pub fn max(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.binary(Gate::Max, a, b)
    }

    /// The smaller of a and b
    pub fn min(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.binary(Gate::Min, a, b)
    }

    /// -a
    pub fn neg(&mut self, a: NodeId) -> NodeId {
        self.unary(Gate::Negate, a)
    }

    /// c a, with the constant c part of the gate
    pub fn scale(&mut self, a: NodeId, c: f64) -> NodeId {
        self.unary(Gate::MultiplyConstant(c), a)
    }

    /// a + c, with the constant c part of the gate
    pub fn shift(&mut self, a: NodeId, c: f64) -> NodeId {
        self.unary(Gate::AddConstant(c), a)
    }

    /// 1 / a
    pub fn reciprocal(&mut self, a: NodeId) -> NodeId {
        self.unary(Gate::Reciprocal, a)
    }

    /// exp a
    pub fn exp(&mut self, a: NodeId) -> NodeId {
        self.unary(Gate::Exp, a)
    }

    /// The natural logarithm of a
    pub fn log(&mut self, a: NodeId) -> NodeId {
        self.unary(Gate::Log, a)
    }

    /// max(0, a)
    pub fn relu(&mut self, a: NodeId) -> NodeId {
        self.unary(Gate::Relu, a)
    }

    /// The sigmoid of a as one gate
    pub fn sigmoid(&mut self, a: NodeId) -> NodeId {
        self.unary(Gate::Sigmoid, a)
    }

    /// tanh a
    pub fn tanh(&mut self, a: NodeId) -> NodeId {
        self.unary(Gate::Tanh, a)
    }

    /// Gives a variable another value. The rest of the graph follows at the
    /// next [`Graph::forward`].
    ///
    /// # Panics
    /// If the node isn't a variable.
    pub fn set(&mut self, variable: NodeId, value: f64) {
        let node = &mut self.nodes[variable.index()];
        assert_eq!(node.gate, Gate::Variable, "only a variable can be set");
        node.value = value;
    }

    /// Forward pass: every value and every local gradient anew, up the tape.
    pub fn forward(&mut self) {
        for i in 0..self.nodes.len() {
            let Node { gate, inputs, value, .. } = self.nodes[i];
            let [a, b] = match gate.arity() {
                0 => [value, 0.0],
                1 => [self.value(inputs[0]), 0.0],
                _ => inputs.map(|input| self.value(input)),
            };
            let value = gate.forward(a, b);
            self.nodes[i].value = value;
            self.nodes[i].local_gradients = gate.local_gradients(a, b, value);
        }
    }

    /// Backward pass: the derivative of `output` by every node, down the tape.
    /// What an earlier backward pass left is forgotten.
    pub fn backward(&mut self, output: NodeId) {
        // A node that the output doesn't depend on must send nothing back, not
        // even 0 · inf = NaN; so the backward pass marks what it reaches.
        let mut reached = vec![false; self.nodes.len()];
        for node in &mut self.nodes {
            node.gradient = 0.0;
        }
        reached[output.index()] = true;
        self.nodes[output.index()].gradient = 1.0;
        for i in (0..=output.index()).rev() {
            if !reached[i] {
                continue;
            }
            let node = self.nodes[i];
            for (slot, &input) in node.inputs().iter().enumerate() {
                reached[input.index()] = true;
                self.nodes[input.index()].gradient += node.sent_back(slot);
            }
        }
    }

    /// The forward value of a node.
    #[must_use]
    pub fn value(&self, node: NodeId) -> f64 {
        self.nodes[node.index()].value
    }

    /// The derivative of the last backward pass's output by this node.
    #[must_use]
    pub fn gradient(&self, node: NodeId) -> f64 {
        self.nodes[node.index()].gradient
    }

    /// The node itself.
    #[must_use]
    pub fn node(&self, node: NodeId) -> &Node {
        &self.nodes[node.index()]
    }

    /// All nodes in the order of the tape: inputs before those who read them.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = (NodeId, &Node)> + DoubleEndedIterator {
        self.nodes.iter().enumerate().map(|(i, node)| (NodeId::new(i), node))
    }

    /// How many nodes there are, variables and constants counted in.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The variables and their names, in the order in which they were made.
    #[must_use]
    pub fn variables(&self) -> &[(NodeId, String)] {
        &self.names
    }

    /// Takes the last node off the tape; only for one that nothing reads.
    pub(crate) fn pop_gate(&mut self) {
        let popped = self.nodes.pop();
        debug_assert!(popped.is_some_and(|node| node.gate != Gate::Variable));
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
