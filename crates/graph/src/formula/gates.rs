//! From a formula to gates.
//!
//! As *written*, every operator is one gate, and a number beside an operator is
//! part of its gate (`+1`, `×(-1)`), 1/u is one gate, and e^u is exp. *Primitive*
//! makes a - b out of `×(-1)` and `+`, a/b out of `1/x` and `×`, and the sigmoid
//! out of `×(-1)`, `exp`, `+1` and `1/x`. *Fused* recognizes 1/(1 + exp(-u)) and
//! makes it one sigmoid gate.

use std::collections::{HashMap, HashSet};
use std::fmt;

use super::{Formula, FormulaError, FormulaErrorKind, Term};
use crate::circuit::Circuit;
use crate::op::Gate;
use crate::tape::{Graph, NodeId};
use crate::value::{Value, View};

/// The most numbers that the values of a graph may hold: 128 MB, and the backward
/// pass takes some times as much.
pub const MOST_NUMBERS: usize = 1 << 24;

/// Which gates a formula is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gates {
    /// Each operator as it is written.
    #[default]
    Written,
    /// Subtraction, division and sigmoid out of simpler gates.
    Primitive,
    /// As written, and 1/(1 + exp(-u)) as one sigmoid gate.
    Fused,
}

/// Variables and values that don't match.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct NamesError {
    /// Variables of the formula that were given no value.
    pub without_value: Vec<String>,
    /// Values whose name isn't in the formula.
    pub without_variable: Vec<String>,
    /// The variables that the formula has.
    pub variables: Vec<String>,
    /// The names of its steps.
    pub steps: Vec<String>,
}

impl fmt::Display for NamesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(first) = self.without_value.first() {
            let names = enumerate(&self.without_value);
            write!(f, "no value was given for {names}; write {first}=NUMBER")?;
            let product = self.without_value.iter().find_map(|name| self.product(name));
            if let Some((name, [a, b])) = product {
                write!(f, "; {name} is one name, and a product is written {a}*{b}")?;
            }
        }
        if !self.without_variable.is_empty() {
            if !self.without_value.is_empty() {
                write!(f, "; and ")?;
            }
            write!(f, "the formula has no variable {}", enumerate(&self.without_variable))?;
            match self.variables.as_slice() {
                [] => write!(f, "; it has no variables")?,
                variables => write!(f, "; it has {}", enumerate(variables))?,
            }
            for name in &self.without_variable {
                if let Some(value) = super::constant(name) {
                    write!(f, " ({name} is the number {value:.6})")?;
                } else if self.steps.contains(name) {
                    write!(f, " ({name} is a step, which the formula computes)")?;
                }
            }
        }
        Ok(())
    }
}

impl NamesError {
    /// A name that is two others side by side.
    fn product<'a>(&self, name: &'a str) -> Option<(&'a str, [&'a str; 2])> {
        let known = |part: &str| self.variables.iter().any(|variable| variable == part);
        let mut parts = name.char_indices().skip(1).map(|(at, _)| name.split_at(at));
        let (a, b) = parts.find(|(a, b)| {
            let given = |part: &str| self.without_variable.iter().any(|name| name == part);
            (known(a) || given(a)) && (known(b) || given(b))
        })?;
        Some((name, [a, b]))
    }
}

/// The first names of a list, and how many more there are.
fn enumerate(names: &[String]) -> String {
    const SHOWN: usize = 8;
    let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// A formula and values of which no graph can be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CircuitError {
    /// Variables and values don't match.
    #[error(transparent)]
    Names(#[from] NamesError),
    /// An operation can't take its values; it says which, and where.
    #[error(transparent)]
    At(#[from] FormulaError),
}

impl Formula {
    /// Builds the graph at the given values and runs it forward and backward. A
    /// value is a number, or a [`Value`] with rows and columns. The output is the
    /// last step.
    ///
    /// ```
    /// use chainrule_graph::{Formula, Gates, Shape, Value};
    ///
    /// let formula = Formula::parse("q = x + y; f = q*z").unwrap();
    /// let values = [("x", -2.0), ("y", 5.0), ("z", -4.0)];
    /// let circuit = formula.circuit(&values, Gates::Written).unwrap();
    /// assert_eq!(circuit.value(), -12.0);
    /// assert_eq!(circuit.gradient("z"), Some(3.0));
    ///
    /// let formula = Formula::parse("sum(W @ x)").unwrap();
    /// let w = Value::new(Shape::new(2, 2), vec![1.0, 2.0, 3.0, 4.0]);
    /// let x = Value::new(Shape::new(2, 1), vec![5.0, 6.0]);
    /// let circuit = formula.circuit(&[("W", w), ("x", x)], Gates::Written).unwrap();
    /// assert_eq!(circuit.value(), 56.0);
    /// assert_eq!(circuit.gradient_matrix("x").unwrap().numbers, [4.0, 6.0]);
    /// ```
    ///
    /// # Errors
    /// A variable without a value, or a value without a variable; shapes that an
    /// operation can't take; an output that is a matrix.
    pub fn circuit<S: AsRef<str>, V: Into<Value> + Clone>(
        &self,
        values: &[(S, V)],
        gates: Gates,
    ) -> Result<Circuit, CircuitError> {
        self.steps(values, gates)?.circuit(None)
    }

    /// Builds the graph of all steps and runs it forward.
    ///
    /// # Errors
    /// A variable without a value, or a value without a variable; shapes that an
    /// operation can't take.
    pub fn steps<S: AsRef<str>, V: Into<Value> + Clone>(
        &self,
        values: &[(S, V)],
        gates: Gates,
    ) -> Result<Steps<'_>, CircuitError> {
        let given: HashMap<&str, &V> =
            values.iter().map(|(name, value)| (name.as_ref(), value)).collect();
        let known: HashSet<&str> = self.variables().iter().map(String::as_str).collect();
        let without_value: Vec<String> =
            self.variables().iter().filter(|v| !given.contains_key(v.as_str())).cloned().collect();
        let without_variable: Vec<String> = values
            .iter()
            .map(|(name, _)| name.as_ref())
            .filter(|name| !known.contains(name))
            .map(str::to_owned)
            .collect();
        if !without_value.is_empty() || !without_variable.is_empty() {
            let variables = self.variables().to_vec();
            let steps = self.step_names().map(str::to_owned).collect();
            return Err(NamesError { without_value, without_variable, variables, steps }.into());
        }

        let mut builder = Builder {
            graph: Graph::with_capacity(self.steps.iter().map(|step| step.postfix.len()).sum()),
            gates,
            variables: vec![None; self.variables().len()],
            steps: Vec::new(),
        };
        let mut stack: Vec<Operand> = Vec::new();
        for &term in self.steps.iter().flat_map(|step| &step.postfix) {
            let operand = match term {
                Term::Number(value) => Operand::Number(value),
                Term::Name(place) => {
                    let name = self.variables[place as usize].as_str();
                    let value = || given[name].clone().into();
                    Operand::Node(builder.variable(place as usize, name, value))
                }
                Term::Step(place) => builder.steps[place as usize],
                Term::Apply { gate, inputs, at } => {
                    let first = stack.len() - inputs as usize;
                    let result = builder.apply(gate, &stack[first..]);
                    stack.truncate(first);
                    result.map_err(|kind| FormulaError::new(kind, self.source(), at as usize))?
                }
                Term::Juxtaposed(at) => {
                    let first = stack.len() - 2;
                    let result = builder.juxtaposed(&stack[first..]);
                    stack.truncate(first);
                    result.map_err(|kind| FormulaError::new(kind, self.source(), at as usize))?
                }
                Term::Done => {
                    builder.steps.push(stack.pop().expect("a step has a value"));
                    continue;
                }
            };
            stack.push(operand);
        }
        let steps = std::mem::take(&mut builder.steps);
        let nodes = steps.into_iter().map(|step| builder.node(step)).collect();
        Ok(Steps { formula: self, graph: builder.graph, nodes })
    }
}

/// The graph of a formula, with the node of each of its steps.
#[derive(Clone, Debug)]
pub struct Steps<'a> {
    formula: &'a Formula,
    graph: Graph,
    nodes: Vec<NodeId>,
}

impl Steps<'_> {
    /// The graph, run forward.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The steps in one line.
    #[must_use]
    pub fn title(&self) -> String {
        self.formula.title()
    }

    /// The node of the last step, or of the one with this name; none if there is
    /// none.
    #[must_use]
    pub fn node(&self, name: Option<&str>) -> Option<NodeId> {
        self.place(name).map(|place| self.nodes[place])
    }

    /// The steps that no other step reads, with their names.
    #[must_use]
    pub fn ends(&self) -> Vec<(Option<&str>, NodeId)> {
        let steps = &self.formula.steps;
        let read = |place: usize| {
            let term = Term::Step(place as u32);
            steps.iter().any(|step| step.postfix.contains(&term))
        };
        let ends = (0..steps.len()).filter(|&place| !read(place));
        ends.map(|place| (steps[place].name.as_deref(), self.nodes[place])).collect()
    }

    fn place(&self, name: Option<&str>) -> Option<usize> {
        let steps = &self.formula.steps;
        match name {
            None => steps.len().checked_sub(1),
            Some(_) => steps.iter().position(|step| step.name.as_deref() == name),
        }
    }

    /// The circuit whose output is the last step, or the step of this name.
    ///
    /// # Errors
    /// A step that is a matrix.
    ///
    /// # Panics
    /// If no step has the name.
    pub fn circuit(mut self, name: Option<&str>) -> Result<Circuit, CircuitError> {
        let place = self.place(name).expect("a step of this name");
        let (output, step) = (self.nodes[place], &self.formula.steps[place]);
        let shape = self.graph.shape(output);
        if !shape.is_scalar() {
            let (kind, source) = (FormulaErrorKind::Matrix(shape), self.formula.source());
            let blanks =
                source[step.span.clone()].len() - source[step.span.clone()].trim_start().len();
            return Err(FormulaError::new(kind, source, step.span.start + blanks).into());
        }
        let mut names = HashMap::new();
        for (&node, step) in self.nodes.iter().zip(&self.formula.steps) {
            if let Some(name) = &step.name
                && !self.graph.node(node).gate().is_input()
            {
                names.entry(node).or_insert_with(|| name.clone());
            }
        }
        let output_name = step.name.clone();
        self.graph.backward(output);
        let circuit = Circuit::of(self.graph, output, names, output_name);
        Ok(circuit.named(self.formula.title()))
    }
}

/// A value while the graph is being built. A number stays a number until it is
/// known whether it becomes part of a gate or a node of its own.
#[derive(Clone, Copy)]
enum Operand {
    Number(f64),
    Node(NodeId),
}

struct Builder {
    graph: Graph,
    gates: Gates,
    /// The node of each variable that has been met.
    variables: Vec<Option<NodeId>>,
    /// The values of the steps that are done.
    steps: Vec<Operand>,
}

/// What is wrong with the operands of a gate.
type Refused = FormulaErrorKind;

impl Builder {
    fn variable(&mut self, place: usize, name: &str, value: impl FnOnce() -> Value) -> NodeId {
        *self.variables[place].get_or_insert_with(|| self.graph.variable(name, value()))
    }

    fn node(&mut self, operand: Operand) -> NodeId {
        match operand {
            Operand::Number(value) => self.graph.constant(value),
            Operand::Node(node) => node,
        }
    }

    /// A gate of these inputs, if it can take them.
    fn gate(&mut self, gate: Gate, inputs: &[NodeId]) -> Result<NodeId, Refused> {
        if self.graph.has_matrices() {
            let shape = self.graph.result_shape(gate, inputs).map_err(FormulaErrorKind::Shapes)?;
            if self.graph.numbers() + shape.elements() > MOST_NUMBERS {
                return Err(FormulaErrorKind::TooLarge(shape));
            }
        }
        if let Some(refuses) = gate.row().refuses {
            let inputs: Vec<View<'_>> = inputs.iter().map(|&a| self.graph.matrix(a)).collect();
            if let Some(reason) = refuses(&inputs) {
                return Err(FormulaErrorKind::Values(reason));
            }
        }
        self.graph.apply(gate, inputs).map_err(FormulaErrorKind::Shapes)
    }

    /// A product without a sign, which of two matrices can be either.
    fn juxtaposed(&mut self, factors: &[Operand]) -> Result<Operand, Refused> {
        let matrix = |factor: &Operand| match *factor {
            Operand::Number(_) => false,
            Operand::Node(node) => !self.graph.shape(node).is_scalar(),
        };
        if factors.iter().all(matrix) {
            let readings = ["A @ B, the matrix product".into(), "A * B, element by element".into()];
            return Err(FormulaErrorKind::Ambiguous { text: "A B".into(), readings });
        }
        self.apply(Gate::Multiply, factors)
    }

    /// A gate of these operands; a number beside an operator becomes part of it.
    fn apply(&mut self, gate: Gate, operands: &[Operand]) -> Result<Operand, Refused> {
        use Operand::{Node, Number};
        let primitive = self.gates == Gates::Primitive;
        let node = match (gate, operands) {
            (Gate::Negate, &[Number(value)]) => return Ok(Number(-value)),

            (Gate::Add, &[Node(a), Number(c)] | &[Number(c), Node(a)]) => {
                self.gate(Gate::AddConstant(c), &[a])
            }

            (Gate::Subtract, &[Node(a), Number(c)]) => self.gate(Gate::AddConstant(-c), &[a]),
            (Gate::Subtract, &[a, b]) if primitive => {
                let negated = self.apply(Gate::Negate, &[b])?;
                return self.apply(Gate::Add, &[a, negated]);
            }

            (Gate::Multiply, &[Node(a), Number(c)] | &[Number(c), Node(a)]) => {
                let gate = if c == -1.0 { Gate::Negate } else { Gate::MultiplyConstant(c) };
                self.gate(gate, &[a])
            }

            (Gate::Divide, &[Number(1.0), Node(b)]) => self.one_over(b),
            (Gate::Divide, &[a, b]) if primitive => {
                let b = self.node(b);
                let reciprocal = self.gate(Gate::Reciprocal, &[b])?;
                match a {
                    Number(1.0) => Ok(reciprocal),
                    Number(c) => self.gate(Gate::MultiplyConstant(c), &[reciprocal]),
                    Node(a) => self.gate(Gate::Multiply, &[a, reciprocal]),
                }
            }

            (Gate::Power, &[Number(base), Node(exponent)]) if base == std::f64::consts::E => {
                self.gate(Gate::Exp, &[exponent])
            }
            (Gate::Power, &[Node(a), Number(c)]) => self.gate(Gate::PowerConstant(c), &[a]),

            (Gate::Sigmoid, &[a]) if primitive => {
                let a = self.node(a);
                let negated = self.gate(Gate::Negate, &[a])?;
                let decay = self.gate(Gate::Exp, &[negated])?;
                let denominator = self.gate(Gate::AddConstant(1.0), &[decay])?;
                self.gate(Gate::Reciprocal, &[denominator])
            }

            (_, &[a, b]) => {
                let inputs = [self.node(a), self.node(b)];
                self.gate(gate, &inputs)
            }

            _ => {
                let inputs: Vec<NodeId> = operands.iter().map(|&a| self.node(a)).collect();
                self.gate(gate, &inputs)
            }
        };
        node.map(Node)
    }

    /// 1/u; fused, 1/(1 + exp(-t)) takes its last three gates back off the tape
    /// and puts one sigmoid of t there, if they are the last three and no step's.
    /// Then nothing else reads them, for a formula is a tree but for its variables
    /// and steps.
    fn one_over(&mut self, u: NodeId) -> Result<NodeId, Refused> {
        if self.gates != Gates::Fused {
            return self.gate(Gate::Reciprocal, &[u]);
        }
        let last = self.graph.len() - 1;
        let free = |node: NodeId, place: usize| {
            let of_step =
                self.steps.iter().any(|step| matches!(step, Operand::Node(n) if *n == node));
            node.index() + place == last && !of_step
        };
        let step = |node: NodeId, gate: Gate, place: usize| {
            let inputs = self.graph.node(node);
            (inputs.gate() == gate && free(node, place)).then(|| inputs.inputs()[0])
        };
        let exponent = step(u, Gate::AddConstant(1.0), 0)
            .and_then(|decay| step(decay, Gate::Exp, 1))
            .filter(|exponent| free(*exponent, 2));
        let Some(exponent) = exponent else { return self.gate(Gate::Reciprocal, &[u]) };
        let node = self.graph.node(exponent);
        match (node.gate(), node.inputs()) {
            (Gate::Negate, &[a]) => {
                self.graph.truncate(self.graph.len() - 3);
                self.gate(Gate::Sigmoid, &[a])
            }
            (Gate::MultiplyConstant(c), &[a]) if c < 0.0 => {
                self.graph.truncate(self.graph.len() - 3);
                let scaled = self.gate(Gate::MultiplyConstant(-c), &[a])?;
                self.gate(Gate::Sigmoid, &[scaled])
            }
            _ => self.gate(Gate::Reciprocal, &[u]),
        }
    }
}
