//! From a formula to gates.
//!
//! As *written*, every operator is one gate, and a number beside an operator is
//! part of its gate (`+1`, `×(-1)`), 1/u is one gate, and e^u is exp. *Primitive*
//! makes a - b out of `×(-1)` and `+`, a/b out of `1/x` and `×`, and the sigmoid
//! out of `×(-1)`, `exp`, `+1` and `1/x`. *Fused* recognizes 1/(1 + exp(-u)) and
//! makes it one sigmoid gate.

use std::collections::HashMap;
use std::fmt;

use super::{Formula, Term};
use crate::circuit::Circuit;
use crate::op::Gate;
use crate::tape::{Graph, NodeId};

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
                if let Some(value) = super::constant(name) {
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
            graph: Graph::with_capacity(self.postfix.len()),
            gates,
            variables: vec![None; self.variables().len()],
        };
        let mut stack: Vec<Operand> = Vec::new();
        for &term in &self.postfix {
            let operand = match term {
                Term::Number(value) => Operand::Number(value),
                Term::Name(place) => {
                    let name = &self.variables[place as usize];
                    Operand::Node(builder.variable(place as usize, name, &given))
                }
                Term::Apply(gate, inputs) => {
                    let first = stack.len() - inputs as usize;
                    let result = builder.apply(gate, &stack[first..]);
                    stack.truncate(first);
                    result
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

    /// A gate of these operands; a number beside an operator becomes part of it.
    fn apply(&mut self, gate: Gate, operands: &[Operand]) -> Operand {
        use Operand::{Node, Number};
        let primitive = self.gates == Gates::Primitive;
        let node = match (gate, operands) {
            (Gate::Negate, &[Number(value)]) => return Number(-value),

            (Gate::Add, &[Node(a), Number(c)] | &[Number(c), Node(a)]) => self.graph.shift(a, c),

            (Gate::Subtract, &[Node(a), Number(c)]) => self.graph.shift(a, -c),
            (Gate::Subtract, &[a, b]) if primitive => {
                let negated = self.apply(Gate::Negate, &[b]);
                return self.apply(Gate::Add, &[a, negated]);
            }

            (Gate::Multiply, &[Node(a), Number(c)] | &[Number(c), Node(a)]) => {
                if c == -1.0 {
                    self.graph.neg(a)
                } else {
                    self.graph.scale(a, c)
                }
            }

            (Gate::Divide, &[Number(1.0), Node(b)]) => self.one_over(b),
            (Gate::Divide, &[a, b]) if primitive => {
                let b = self.node(b);
                let reciprocal = self.graph.reciprocal(b);
                match a {
                    Number(1.0) => reciprocal,
                    Number(c) => self.graph.scale(reciprocal, c),
                    Node(a) => self.graph.mul(a, reciprocal),
                }
            }

            (Gate::Power, &[Number(base), Node(exponent)]) if base == std::f64::consts::E => {
                self.graph.exp(exponent)
            }
            (Gate::Power, &[Node(a), Number(c)]) => self.graph.unary(Gate::PowerConstant(c), a),

            (Gate::Sigmoid, &[a]) if primitive => {
                let a = self.node(a);
                let negated = self.graph.neg(a);
                let decay = self.graph.exp(negated);
                let denominator = self.graph.shift(decay, 1.0);
                self.graph.reciprocal(denominator)
            }

            (_, &[a, b]) => {
                let (a, b) = (self.node(a), self.node(b));
                self.graph.binary(gate, a, b)
            }

            _ => {
                let inputs: Vec<NodeId> = operands.iter().map(|&a| self.node(a)).collect();
                self.graph.many(gate, &inputs)
            }
        };
        Node(node)
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
        let node = self.graph.node(exponent);
        match (node.gate(), node.inputs()) {
            (Gate::Negate, &[a]) => {
                self.graph.truncate(self.graph.len() - 3);
                self.graph.sigmoid(a)
            }
            (Gate::MultiplyConstant(c), &[a]) if c < 0.0 => {
                self.graph.truncate(self.graph.len() - 3);
                let scaled = self.graph.scale(a, -c);
                self.graph.sigmoid(scaled)
            }
            _ => self.graph.reciprocal(u),
        }
    }
}
