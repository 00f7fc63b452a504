//! The tape: gates in the order in which they were made.
//!
//! A gate's inputs always stand before it, so the forward pass is one loop up
//! the tape and the backward pass is one loop down it. There is no recursion: a
//! chain of a million gates is a `Vec` of a million nodes.
//!
//! ```text
//! forward   for i in 0..n           v_i = g_i(v_a, v_b, ...),  l_i = [∂g_i/∂a, ∂g_i/∂b, ...]
//! backward  for i in (0..=out).rev  ḡ_a += ḡ_i · l_i[0],  ḡ_b += ḡ_i · l_i[1], ...
//! ```
//!
//! The `+=` is the whole of the rule for a value that is used more than once:
//! its gradient is the sum over all its uses.

mod passes;

use crate::op::{Forward, Gate};
use crate::value::{Shape, Value, View};

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

/// Values whose shapes a gate can't take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{gate} can't take {}: {fits}",
    shapes.iter().map(Shape::to_string).collect::<Vec<_>>().join(" and ")
)]
pub struct ShapeError {
    /// What is written in the gate.
    pub gate: String,
    /// The shapes of its inputs.
    pub shapes: Vec<Shape>,
    /// Which shapes fit.
    pub fits: &'static str,
}

/// What the tape keeps of a gate; its numbers lie in the arenas of [`Graph`].
#[derive(Clone, Copy, Debug)]
struct Entry {
    gate: Gate,
    shape: Shape,
    /// Where its inputs begin among the edges, and how many there are.
    edge: u32,
    inputs: u32,
    /// Where its value begins among the values.
    at: u32,
}

impl Entry {
    fn edges(&self) -> std::ops::Range<usize> {
        self.edge as usize..(self.edge + self.inputs) as usize
    }

    fn numbers(&self) -> std::ops::Range<usize> {
        self.at as usize..self.at as usize + self.shape.elements()
    }
}

/// A gate with everything that the two passes have found out about it.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    graph: &'a Graph,
    entry: &'a Entry,
}

impl<'a> Node<'a> {
    /// The operation.
    #[must_use]
    pub fn gate(self) -> Gate {
        self.entry.gate
    }

    /// The nodes that it reads; the same one twice in `x * x`.
    #[must_use]
    pub fn inputs(self) -> &'a [NodeId] {
        &self.graph.edges[self.entry.edges()]
    }

    /// Rows and columns of its value.
    #[must_use]
    pub fn shape(self) -> Shape {
        self.entry.shape
    }

    /// The forward value of a scalar; of a matrix the first number.
    #[must_use]
    pub fn value(self) -> f64 {
        self.graph.values[self.entry.at as usize]
    }

    /// The derivative of the value by each input, in the order of the inputs, in
    /// a graph of scalars.
    #[must_use]
    pub fn local_gradients(self) -> &'a [f64] {
        &self.graph.locals[self.entry.edges()]
    }

    /// The derivative of the output by this scalar, as the last backward pass
    /// found it; 0 before one, and where the output doesn't depend on it.
    #[must_use]
    pub fn gradient(self) -> f64 {
        self.graph.gradients[self.entry.at as usize]
    }

    /// What this node sends back to its input number `slot`: upstream gradient
    /// times local gradient, in a graph of scalars.
    #[must_use]
    pub fn sent_back(self, slot: usize) -> f64 {
        self.gradient() * self.local_gradients()[slot]
    }

    /// The same in any graph, with the shape of the input.
    #[must_use]
    pub fn sent_back_matrix(self, slot: usize) -> Value {
        if self.graph.matrices == 0 {
            return self.sent_back(slot).into();
        }
        let shape = self.graph.shape(self.inputs()[slot]);
        let edge = self.entry.edge as usize + slot;
        let sent = match self.graph.sent_at.get(edge) {
            Some(&Some(at)) => self.graph.sent[at..at + shape.elements()].to_vec(),
            _ => vec![0.0; shape.elements()],
        };
        Value::new(shape, sent)
    }

    /// The value of a matrix or a scalar.
    #[must_use]
    pub fn matrix(self) -> View<'a> {
        View { shape: self.entry.shape, numbers: &self.graph.values[self.entry.numbers()] }
    }

    /// The gradient of a matrix or a scalar.
    #[must_use]
    pub fn gradient_matrix(self) -> View<'a> {
        View { shape: self.entry.shape, numbers: &self.graph.gradients[self.entry.numbers()] }
    }
}

/// A computation graph in f64. A value is a matrix; a scalar is one of 1x1.
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
    entries: Vec<Entry>,
    /// The inputs of all gates, one gate after the other.
    edges: Vec<NodeId>,
    /// The local gradient along each edge; 0 where a matrix takes part.
    locals: Vec<f64>,
    /// The values of all nodes, each row by row; and their gradients.
    values: Vec<f64>,
    gradients: Vec<f64>,
    /// Names of the variables, in the order in which they were made.
    names: Vec<(NodeId, String)>,
    /// How many nodes are no scalars.
    matrices: usize,
    /// In a graph of matrices what the last backward pass sent along each edge, and
    /// where that of an edge begins; none where it is 0.
    sent: Vec<f64>,
    sent_at: Vec<Option<usize>>,
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
        Graph {
            entries: Vec::with_capacity(nodes),
            edges: Vec::with_capacity(2 * nodes),
            locals: Vec::with_capacity(2 * nodes),
            values: Vec::with_capacity(nodes),
            gradients: Vec::with_capacity(nodes),
            ..Self::default()
        }
    }

    /// Adds an input with a name and a value: a number, or a matrix. Every call
    /// makes a new node, even for a name that is there already.
    pub fn variable(&mut self, name: impl Into<String>, value: impl Into<Value>) -> NodeId {
        let value = value.into();
        let id = self.push(Gate::Variable, &[], value.shape());
        self.set_value(id, &value);
        self.names.push((id, name.into()));
        id
    }

    /// Adds a number.
    pub fn constant(&mut self, value: f64) -> NodeId {
        let id = self.push(Gate::Constant(value), &[], Shape::SCALAR);
        self.compute(id.index());
        id
    }

    /// Adds a gate with one input.
    ///
    /// # Panics
    /// If the gate takes another number of inputs, or `a` isn't of this graph.
    pub fn unary(&mut self, gate: Gate, a: NodeId) -> NodeId {
        self.many(gate, &[a])
    }

    /// Adds a gate with two inputs.
    ///
    /// # Panics
    /// If the gate takes another number of inputs, their shapes don't fit, or `a`
    /// or `b` isn't of this graph.
    pub fn binary(&mut self, gate: Gate, a: NodeId, b: NodeId) -> NodeId {
        self.many(gate, &[a, b])
    }

    /// Adds a gate with any number of inputs.
    ///
    /// # Panics
    /// If the gate takes another number of inputs, their shapes don't fit, or one
    /// isn't of this graph.
    pub fn many(&mut self, gate: Gate, inputs: &[NodeId]) -> NodeId {
        self.apply(gate, inputs).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The same, for inputs whose shapes may not fit.
    ///
    /// # Errors
    /// Shapes that the gate can't take.
    ///
    /// # Panics
    /// If the gate takes another number of inputs, or one isn't of this graph.
    pub fn apply(&mut self, gate: Gate, inputs: &[NodeId]) -> Result<NodeId, ShapeError> {
        let (least, most) = gate.takes();
        assert!((least..=most).contains(&inputs.len()), "{gate:?} doesn't take {}", inputs.len());
        let scalars =
            self.matrices == 0 || inputs.iter().all(|&input| self.shape(input).is_scalar());
        let shape = if scalars { Shape::SCALAR } else { self.result_shape(gate, inputs)? };
        let id = self.push(gate, inputs, shape);
        self.compute(id.index());
        Ok(id)
    }

    /// The shape that a gate of these inputs would have.
    pub(crate) fn result_shape(&self, gate: Gate, inputs: &[NodeId]) -> Result<Shape, ShapeError> {
        let shapes: Vec<Shape> = inputs.iter().map(|&input| self.shape(input)).collect();
        let (shape, fits) = match gate.row().forward {
            Forward::Whole { shape, fits, .. } => (shape(&shapes), fits),
            _ => (
                shapes[1..].iter().try_fold(shapes[0], |all, &shape| all.broadcast(shape)),
                "rows and columns must be equal, or 1 in one of them",
            ),
        };
        shape.ok_or_else(|| ShapeError { gate: gate.symbol().into_owned(), shapes, fits })
    }

    fn push(&mut self, gate: Gate, inputs: &[NodeId], shape: Shape) -> NodeId {
        let id = NodeId::new(self.entries.len());
        let place = |at: usize| u32::try_from(at).expect("a graph holds at most 2^32 numbers");
        let entry = Entry {
            gate,
            shape,
            edge: place(self.edges.len()),
            inputs: place(inputs.len()),
            at: place(self.values.len()),
        };
        self.entries.push(entry);
        self.edges.extend_from_slice(inputs);
        self.locals.resize(self.edges.len(), 0.0);
        if shape.is_scalar() {
            self.values.push(f64::NAN);
            self.gradients.push(0.0);
        } else {
            self.values.resize(entry.numbers().end, f64::NAN);
            self.gradients.resize(entry.numbers().end, 0.0);
        }
        self.matrices += usize::from(!shape.is_scalar());
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
    /// If the node isn't a variable, or isn't a scalar.
    pub fn set(&mut self, variable: NodeId, value: f64) {
        let entry = self.entries[variable.index()];
        assert!(entry.gate == Gate::Variable, "only a variable can be set");
        assert!(entry.shape.is_scalar(), "the variable is a matrix");
        self.values[entry.at as usize] = value;
    }

    /// The same for a matrix.
    ///
    /// # Panics
    /// If the node isn't a variable, or the value has another shape.
    pub fn set_value(&mut self, variable: NodeId, value: &Value) {
        let entry = self.entries[variable.index()];
        assert!(entry.gate == Gate::Variable, "only a variable can be set");
        assert_eq!(entry.shape, value.shape(), "a variable keeps its shape");
        self.values[entry.numbers()].copy_from_slice(value.numbers());
    }

    /// Gives one element of a variable another value.
    pub(crate) fn set_element(&mut self, variable: NodeId, element: usize, value: f64) {
        let entry = self.entries[variable.index()];
        self.values[entry.numbers()][element] = value;
    }

    /// How many numbers the values of all nodes hold.
    pub(crate) fn numbers(&self) -> usize {
        self.values.len()
    }

    /// Whether any value is no scalar.
    #[must_use]
    pub fn has_matrices(&self) -> bool {
        self.matrices > 0
    }

    /// The forward value of a scalar node; of a matrix the first number.
    #[must_use]
    pub fn value(&self, node: NodeId) -> f64 {
        self.node(node).value()
    }

    /// The forward value of any node.
    #[must_use]
    pub fn matrix(&self, node: NodeId) -> View<'_> {
        self.node(node).matrix()
    }

    /// Rows and columns of a node's value.
    #[must_use]
    pub fn shape(&self, node: NodeId) -> Shape {
        self.entries[node.index()].shape
    }

    /// The derivative of the last backward pass's output by this scalar node.
    #[must_use]
    pub fn gradient(&self, node: NodeId) -> f64 {
        self.node(node).gradient()
    }

    /// The derivative of the last backward pass's output by each element of a node.
    #[must_use]
    pub fn gradient_matrix(&self, node: NodeId) -> View<'_> {
        self.node(node).gradient_matrix()
    }

    /// The node itself.
    #[must_use]
    pub fn node(&self, node: NodeId) -> Node<'_> {
        Node { graph: self, entry: &self.entries[node.index()] }
    }

    /// All nodes in the order of the tape: inputs before those who read them.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = (NodeId, Node<'_>)> + DoubleEndedIterator {
        let node = |(i, entry)| (NodeId::new(i), Node { graph: self, entry });
        self.entries.iter().enumerate().map(node)
    }

    /// How many nodes there are, variables and constants counted in.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The variables and their names, in the order in which they were made.
    #[must_use]
    pub fn variables(&self) -> &[(NodeId, String)] {
        &self.names
    }

    /// Takes the last gates off the tape; only for those that nothing before reads.
    pub(crate) fn truncate(&mut self, length: usize) {
        let Some(first) = self.entries.get(length).copied() else { return };
        let gone = &self.entries[length..];
        debug_assert!(gone.iter().all(|entry| entry.gate != Gate::Variable));
        self.matrices -= gone.iter().filter(|entry| !entry.shape.is_scalar()).count();
        self.entries.truncate(length);
        self.edges.truncate(first.edge as usize);
        self.locals.truncate(first.edge as usize);
        self.values.truncate(first.at as usize);
        self.gradients.truncate(first.at as usize);
    }
}
