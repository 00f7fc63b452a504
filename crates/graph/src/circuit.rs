//! A circuit: a graph, its output, and the two passes done. What the drawings
//! draw.
//!
//! [`Formula::circuit`] chooses the gates. As *written*, every operator is one
//! gate, and a number beside an operator is part of its gate (`+1`, `×(-1)`),
//! 1/u is one gate, and e^u is exp. *Primitive* makes a - b out of `×(-1)` and
//! `+`, a/b out of `1/x` and `×`, and the sigmoid out of `×(-1)`, `exp`, `+1`
//! and `1/x`. *Fused* recognizes 1/(1 + exp(-u)) and makes it one sigmoid gate.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use crate::formula::{self, Formula, Function, Operator, Term};
use crate::gate::Gate;
use crate::number;
use crate::tape::{Graph, Node, NodeId};

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
}

impl fmt::Display for NamesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(first) = self.without_value.first() {
            let names = enumerate(&self.without_value);
            write!(f, "no value was given for {names}; write {first}=NUMBER")?;
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
                if let Some(value) = formula::constant(name) {
                    write!(f, " ({name} is the number {value:.6})")?;
                }
            }
        }
        Ok(())
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

impl Formula {
    /// Builds the graph at the given values and runs it forward and backward.
    ///
    /// ```
    /// use chainrule_graph::{Formula, Gates};
    ///
    /// let formula = Formula::parse("(x + y) * z").unwrap();
    /// let values = [("x", -2.0), ("y", 5.0), ("z", -4.0)];
    /// let circuit = formula.circuit(&values, Gates::Written).unwrap();
    /// assert_eq!(circuit.value(), -12.0);
    /// assert_eq!(circuit.gradient("z"), Some(3.0));
    /// ```
    ///
    /// # Errors
    /// A variable without a value, or a value without a variable.
    pub fn circuit<S: AsRef<str>>(
        &self,
        values: &[(S, f64)],
        gates: Gates,
    ) -> Result<Circuit, NamesError> {
        let given: HashMap<&str, f64> =
            values.iter().map(|(name, value)| (name.as_ref(), *value)).collect();
        let places: HashMap<&str, usize> =
            self.variables().iter().enumerate().map(|(i, name)| (name.as_str(), i)).collect();
        let without_value: Vec<String> =
            self.variables().iter().filter(|v| !given.contains_key(v.as_str())).cloned().collect();
        let without_variable: Vec<String> = values
            .iter()
            .map(|(name, _)| name.as_ref())
            .filter(|name| !places.contains_key(name))
            .map(str::to_owned)
            .collect();
        if !without_value.is_empty() || !without_variable.is_empty() {
            let variables = self.variables().to_vec();
            return Err(NamesError { without_value, without_variable, variables });
        }

        let mut builder = Builder {
            graph: Graph::with_capacity(self.postfix().len()),
            gates,
            variables: vec![None; self.variables().len()],
        };
        let mut stack: Vec<Operand> = Vec::new();
        for &term in self.postfix() {
            let operand = match term {
                Term::Number(value) => Operand::Number(value),
                Term::Name(place) => {
                    let name = &self.variables()[place as usize];
                    Operand::Node(builder.variable(place as usize, name, &given))
                }
                Term::Negate => {
                    let a = stack.pop().expect("postfix order");
                    builder.negate(a)
                }
                Term::Apply(function) => {
                    let a = stack.pop().expect("postfix order");
                    builder.apply(function, a)
                }
                Term::Combine(operator) => {
                    let b = stack.pop().expect("postfix order");
                    let a = stack.pop().expect("postfix order");
                    builder.combine(operator, a, b)
                }
            };
            stack.push(operand);
        }
        let output = stack.pop().expect("a formula has a value");
        let output = builder.node(output);
        Ok(Circuit::new(builder.graph, output).named(self.source()))
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
}

impl Builder {
    fn variable(&mut self, place: usize, name: &str, given: &HashMap<&str, f64>) -> NodeId {
        *self.variables[place].get_or_insert_with(|| self.graph.variable(name, given[name]))
    }

    fn node(&mut self, operand: Operand) -> NodeId {
        match operand {
            Operand::Number(value) => self.graph.constant(value),
            Operand::Node(node) => node,
        }
    }

    fn negate(&mut self, a: Operand) -> Operand {
        match a {
            Operand::Number(value) => Operand::Number(-value),
            Operand::Node(node) => Operand::Node(self.graph.neg(node)),
        }
    }

    fn apply(&mut self, function: Function, a: Operand) -> Operand {
        let a = self.node(a);
        let gate = match function {
            Function::Sigmoid if self.gates == Gates::Primitive => {
                let negated = self.graph.neg(a);
                let decay = self.graph.exp(negated);
                let denominator = self.graph.shift(decay, 1.0);
                return Operand::Node(self.graph.reciprocal(denominator));
            }
            Function::Sigmoid => Gate::Sigmoid,
            Function::Exp => Gate::Exp,
            Function::Log => Gate::Log,
            Function::Sqrt => Gate::Sqrt,
            Function::Sin => Gate::Sin,
            Function::Cos => Gate::Cos,
            Function::Tanh => Gate::Tanh,
            Function::Relu => Gate::Relu,
            Function::Abs => Gate::Abs,
        };
        Operand::Node(self.graph.unary(gate, a))
    }

    fn combine(&mut self, operator: Operator, a: Operand, b: Operand) -> Operand {
        use Operand::{Node, Number};
        let primitive = self.gates == Gates::Primitive;
        let gate = match (operator, a, b) {
            (Operator::Add, Node(a), Number(c)) | (Operator::Add, Number(c), Node(a)) => {
                return Node(self.graph.shift(a, c));
            }
            (Operator::Add, ..) => Gate::Add,

            (Operator::Subtract, Node(a), Number(c)) => return Node(self.graph.shift(a, -c)),
            (Operator::Subtract, ..) if primitive => {
                let negated = self.negate(b);
                return self.combine(Operator::Add, a, negated);
            }
            (Operator::Subtract, ..) => Gate::Subtract,

            (Operator::Multiply, Node(a), Number(c)) | (Operator::Multiply, Number(c), Node(a)) => {
                return Node(if c == -1.0 { self.graph.neg(a) } else { self.graph.scale(a, c) });
            }
            (Operator::Multiply, ..) => Gate::Multiply,

            (Operator::Divide, Number(1.0), Node(b)) => return Node(self.one_over(b)),
            (Operator::Divide, a, b) if primitive => {
                let b = self.node(b);
                let reciprocal = self.graph.reciprocal(b);
                return Node(match a {
                    Number(1.0) => reciprocal,
                    Number(c) => self.graph.scale(reciprocal, c),
                    Node(a) => self.graph.mul(a, reciprocal),
                });
            }
            (Operator::Divide, ..) => Gate::Divide,

            (Operator::Power, Number(base), Node(exponent)) if base == std::f64::consts::E => {
                return Node(self.graph.exp(exponent));
            }
            (Operator::Power, Node(a), Number(c)) => {
                return Node(self.graph.unary(Gate::PowerConstant(c), a));
            }
            (Operator::Power, ..) => Gate::Power,

            (Operator::Max, ..) => Gate::Max,
            (Operator::Min, ..) => Gate::Min,
        };
        let a = self.node(a);
        let b = self.node(b);
        Node(self.graph.binary(gate, a, b))
    }

    /// 1/u; fused, 1/(1 + exp(-t)) takes its last three gates back off the tape
    /// and puts one sigmoid of t there. They are the last three, and nothing
    /// else reads them, for a formula is a tree but for its variables.
    fn one_over(&mut self, u: NodeId) -> NodeId {
        if self.gates != Gates::Fused {
            return self.graph.reciprocal(u);
        }
        let step = |node: NodeId, gate: Gate| {
            let node = self.graph.node(node);
            (node.gate() == gate).then(|| node.inputs()[0])
        };
        let exponent = step(u, Gate::AddConstant(1.0)).and_then(|decay| step(decay, Gate::Exp));
        let Some(exponent) = exponent else { return self.graph.reciprocal(u) };
        let node = *self.graph.node(exponent);
        match node.gate() {
            Gate::Negate => {
                self.pop_gates(3);
                self.graph.sigmoid(node.inputs()[0])
            }
            Gate::MultiplyConstant(c) if c < 0.0 => {
                self.pop_gates(3);
                let scaled = self.graph.scale(node.inputs()[0], -c);
                self.graph.sigmoid(scaled)
            }
            _ => self.graph.reciprocal(u),
        }
    }

    fn pop_gates(&mut self, count: usize) {
        for _ in 0..count {
            self.graph.pop_gate();
        }
    }
}

/// A graph and its output, with the backward pass done. Only what the output
/// depends on is part of it.
#[derive(Clone, Debug)]
pub struct Circuit {
    graph: Graph,
    output: NodeId,
    title: String,
    /// The nodes that the output depends on, in the order of the tape.
    order: Vec<NodeId>,
    /// For a gate its number, counted from 1; for a variable its place among the
    /// graph's. A million names would take longer to write than both passes.
    numbers: Vec<u32>,
}

impl Circuit {
    /// Takes a graph as it stands and runs it backward from `output`.
    #[must_use]
    pub fn new(mut graph: Graph, output: NodeId) -> Self {
        graph.backward(output);
        let mut needed = vec![false; graph.len()];
        needed[output.index()] = true;
        for (id, node) in graph.nodes().rev() {
            if needed[id.index()] {
                for input in node.inputs() {
                    needed[input.index()] = true;
                }
            }
        }
        let order: Vec<NodeId> =
            graph.nodes().map(|(id, _)| id).filter(|id| needed[id.index()]).collect();
        let mut numbers = vec![0; graph.len()];
        for (place, (id, _)) in (0..).zip(graph.variables()) {
            numbers[id.index()] = place;
        }
        let gates = order.iter().filter(|id| graph.node(**id).gate().arity() > 0);
        for (number, id) in (1..).zip(gates) {
            numbers[id.index()] = number;
        }
        Circuit { graph, output, title: String::new(), order, numbers }
    }

    /// With a title: the formula, for one that was read.
    #[must_use]
    pub fn named(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// The title, or nothing.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The graph.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The node whose value is the circuit's.
    #[must_use]
    pub fn output(&self) -> NodeId {
        self.output
    }

    /// The value of the output.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.graph.value(self.output)
    }

    /// The derivative of the output by the variable of this name.
    #[must_use]
    pub fn gradient(&self, variable: &str) -> Option<f64> {
        self.variables().find(|(name, _)| *name == variable).map(|(_, id)| self.graph.gradient(id))
    }

    /// The variables that the output depends on.
    pub fn variables(&self) -> impl Iterator<Item = (&str, NodeId)> {
        let used = |id: &NodeId| self.order.binary_search(id).is_ok();
        self.graph
            .variables()
            .iter()
            .filter(move |(id, _)| used(id))
            .map(|(id, n)| (n.as_str(), *id))
    }

    /// The nodes that the output depends on, inputs before those who read them.
    #[must_use]
    pub fn order(&self) -> &[NodeId] {
        &self.order
    }

    /// The same, without the variables and constants.
    pub fn gates(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        self.order.iter().map(|&id| (id, self.graph.node(id))).filter(|(_, n)| n.gate().arity() > 0)
    }

    /// What a node is called: a variable by its name, a constant by its number,
    /// a gate by its place on the tape: g1, g2, ...
    #[must_use]
    pub fn name(&self, node: NodeId) -> Cow<'_, str> {
        let number = self.numbers[node.index()];
        match self.graph.node(node).gate() {
            Gate::Variable => self.graph.variables()[number as usize].1.as_str().into(),
            Gate::Constant(c) => number::constant(c).into(),
            _ => format!("g{number}").into(),
        }
    }

    /// The node's operation with the numbers in it: `3 × (-4)`, `exp(-27)`.
    #[must_use]
    pub fn expression(&self, node: NodeId) -> String {
        self.written(node, |input| number::rounded(self.graph.value(input), 6))
    }

    /// The node's operation with the names of its inputs: `g1 × z`, `exp(g5)`.
    #[must_use]
    pub fn operation(&self, node: NodeId) -> String {
        self.written(node, |input| self.name(input).into_owned())
    }

    fn written(&self, node: NodeId, operand: impl Fn(NodeId) -> String) -> String {
        let gate = self.graph.node(node).gate();
        let inputs = self.graph.node(node).inputs();
        let operands: Vec<String> = inputs.iter().map(|&input| operand(input)).collect();
        let bracket = |text: &str| {
            if text.starts_with('-') { format!("({text})") } else { text.to_owned() }
        };
        match (gate, operands.as_slice()) {
            (Gate::Reciprocal, [a]) => format!("1 / {}", bracket(a)),
            (Gate::Negate, [a]) => format!("{a} × (-1)"),
            (Gate::AddConstant(c), [a]) => {
                let sign = if c.is_sign_negative() { '-' } else { '+' };
                format!("{a} {sign} {}", number::constant(c.abs()))
            }
            (Gate::MultiplyConstant(c), [a]) => format!("{a} × {}", bracket(&number::constant(c))),
            (Gate::PowerConstant(c), [a]) => {
                format!("{} ^ {}", bracket(a), bracket(&number::constant(c)))
            }
            (Gate::Max | Gate::Min, [a, b]) => format!("{}({a}, {b})", gate.symbol()),
            (_, [a, b]) => format!("{} {} {}", bracket(a), gate.symbol(), bracket(b)),
            (_, [a]) => format!("{}({a})", gate.symbol()),
            _ => self.name(node).into_owned(),
        }
    }

    /// Where infinities and NaNs come from: every node whose value isn't finite
    /// though its inputs are, and every gate that sends back a gradient that
    /// isn't finite though the one from upstream is. Empty if all went well.
    #[must_use]
    pub fn troubles(&self) -> Vec<Trouble> {
        let mut troubles = Vec::new();
        for &id in &self.order {
            let node = self.graph.node(id);
            let fed_well = node.inputs().iter().all(|&input| self.graph.value(input).is_finite());
            if !node.value().is_finite() && fed_well {
                let what = format!("{} gave {}", self.expression(id), number::short(node.value()));
                troubles.push(self.trouble(id, what));
                continue;
            }
            for (slot, &input) in node.inputs().iter().enumerate() {
                let sent = node.sent_back(slot);
                if !sent.is_finite() && node.gradient().is_finite() {
                    let what = format!(
                        "{} sent back {} to {}: local gradient {}, upstream {}",
                        self.expression(id),
                        number::short(sent),
                        self.name(input),
                        number::short(node.local_gradients()[slot]),
                        number::short(node.gradient()),
                    );
                    troubles.push(self.trouble(id, what));
                }
            }
        }
        troubles
    }

    fn trouble(&self, node: NodeId, what: String) -> Trouble {
        let gate = self.graph.node(node).gate();
        let message = match gate {
            Gate::Variable | Gate::Constant(_) => what,
            _ => format!("gate {} ({}): {what}", self.name(node), gate.symbol()),
        };
        Trouble { node, message }
    }
}

/// A gate that made an infinity or a NaN out of finite numbers.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// The gate.
    pub node: NodeId,
    /// One sentence that names it and says what it did.
    pub message: String,
}
