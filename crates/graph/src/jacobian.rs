//! Jacobians and Hessians, by differentiating the gates of a backward pass.
//!
//! A backward pass from Σ_k e_k u_k, with a variable e for the output u, is a graph
//! in which e may be set: with e_i = 1 and all else 0 its gradients are row i of the
//! Jacobian ∂u_i/∂x_j. A Hessian is the Jacobian of the gradient.
//!
//! A block has a row for each element of the one and a column for each element of
//! the other, both counted row by row.

use crate::circuit::Circuit;
use crate::op::Gate;
use crate::tape::{Graph, NodeId};
use crate::value::{Shape, Value};

/// The most numbers of all blocks, and the most rows, each of which takes a pass.
pub const MOST_NUMBERS: usize = 1_000_000;

/// Derivatives of too many elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the derivatives would be {rows}x{columns} numbers, and more than {MOST_NUMBERS} are not worked"
)]
pub struct TooMany {
    /// Elements of what is differentiated.
    pub rows: usize,
    /// Elements by which.
    pub columns: usize,
}

/// The derivative of each output by each variable: `[output][variable]`, of the
/// elements of the output by those of the variable.
///
/// ```
/// use chainrule_graph::{Formula, Gates, jacobian::jacobian};
///
/// let formula = Formula::parse("u = x*y; v = x + y").unwrap();
/// let steps = formula.steps(&[("x", 2.0), ("y", 3.0)], Gates::Written).unwrap();
/// let outputs = ["u", "v"].map(|name| steps.node(Some(name)).unwrap());
/// let variables: Vec<_> = steps.graph().variables().iter().map(|(id, _)| *id).collect();
/// let blocks = jacobian(steps.graph(), &outputs, &variables).unwrap();
/// assert_eq!(blocks[0], [3.0.into(), 2.0.into()]);
/// assert_eq!(blocks[1], [1.0.into(), 1.0.into()]);
/// ```
///
/// # Errors
/// More than [`MOST_NUMBERS`].
pub fn jacobian(
    graph: &Graph,
    outputs: &[NodeId],
    variables: &[NodeId],
) -> Result<Vec<Vec<Value>>, TooMany> {
    let elements = |nodes: &[NodeId]| nodes.iter().map(|&id| graph.shape(id).elements()).sum();
    let (rows, columns): (usize, usize) = (elements(outputs), elements(variables));
    if rows.saturating_mul(columns) > MOST_NUMBERS {
        return Err(TooMany { rows, columns });
    }
    Ok(outputs.iter().map(|&output| of_output(graph, output, variables)).collect())
}

/// The second derivatives of the circuit's output: `[x][y]`, of the elements of one
/// variable and those of the other.
///
/// ```
/// use chainrule_graph::{Formula, Gates, jacobian::hessian};
///
/// let formula = Formula::parse("x^3*y").unwrap();
/// let circuit = formula.circuit(&[("x", 2.0), ("y", 5.0)], Gates::Written).unwrap();
/// let variables: Vec<_> = circuit.variables().map(|(_, id)| id).collect();
/// let blocks = hessian(&circuit, &variables).unwrap();
/// assert_eq!(blocks, [[60.0.into(), 12.0.into()], [12.0.into(), 0.0.into()]]);
/// ```
///
/// # Errors
/// More than [`MOST_NUMBERS`].
pub fn hessian(circuit: &Circuit, variables: &[NodeId]) -> Result<Vec<Vec<Value>>, TooMany> {
    let elements = |id: NodeId| circuit.graph().shape(id).elements();
    let all: usize = variables.iter().map(|&id| elements(id)).sum();
    if all.saturating_mul(all) > MOST_NUMBERS {
        return Err(TooMany { rows: all, columns: all });
    }
    let mut graph = circuit.graph().clone();
    let gradients = graph.differentiate(circuit.output());
    let row = |&variable: &NodeId| match gradients.get(variable.index()).copied().flatten() {
        Some(gradient) => of_output(&graph, gradient, variables),
        None => {
            let zeros = |&other: &NodeId| {
                let shape = block_shape(elements(variable), elements(other));
                Value::new(shape, vec![0.0; shape.elements()])
            };
            variables.iter().map(zeros).collect()
        }
    };
    Ok(variables.iter().map(row).collect())
}

impl Circuit {
    /// The circuit of the derivative by a variable: the gates of the backward pass.
    /// Its own gradients are second derivatives. None for a matrix.
    ///
    /// ```
    /// use chainrule_graph::{Formula, Gates};
    ///
    /// let formula = Formula::parse("x^3").unwrap();
    /// let circuit = formula.circuit(&[("x", 2.0)], Gates::Written).unwrap();
    /// let (_, x) = circuit.variables().next().unwrap();
    /// let derivative = circuit.derivative(x).unwrap();
    /// assert_eq!((derivative.value(), derivative.gradient("x")), (12.0, Some(12.0)));
    /// ```
    #[must_use]
    pub fn derivative(&self, variable: NodeId) -> Option<Circuit> {
        if !self.graph().shape(variable).is_scalar() {
            return None;
        }
        let mut graph = self.graph().clone();
        let gradients = graph.differentiate(self.output());
        let gradient = gradients.get(variable.index()).copied().flatten();
        let output = gradient.unwrap_or_else(|| graph.constant(0.0));
        graph.backward(output);
        let name = format!("d{}/d{}", self.output_name(), self.name(variable));
        let title = format!("{name} of {}", self.equation());
        Some(Circuit::of(graph, output, self.steps().clone(), Some(name)).named(title))
    }
}

fn block_shape(rows: usize, columns: usize) -> Shape {
    // A graph holds fewer than 2^32 numbers.
    Shape::new(rows as u32, columns as u32)
}

/// The blocks of one output.
fn of_output(graph: &Graph, output: NodeId, variables: &[NodeId]) -> Vec<Value> {
    let mut graph = graph.clone();
    let shape = graph.shape(output);
    let rows = shape.elements();
    let seed = graph.variable("e", Value::new(shape, vec![0.0; rows]));
    let product = graph.mul(output, seed);
    let sum = graph.unary(Gate::Sum, product);
    let gradients = graph.differentiate(sum);
    let mut blocks = vec![Vec::new(); variables.len()];
    for row in 0..rows {
        graph.set_element(seed, row, 1.0);
        graph.forward_from(seed);
        for (block, &variable) in blocks.iter_mut().zip(variables) {
            match gradients.get(variable.index()).copied().flatten() {
                Some(gradient) => block.extend_from_slice(graph.matrix(gradient).numbers),
                None => block.resize(block.len() + graph.shape(variable).elements(), 0.0),
            }
        }
        graph.set_element(seed, row, 0.0);
    }
    let columns = variables.iter().map(|&variable| graph.shape(variable).elements());
    let blocks = blocks.into_iter().zip(columns);
    blocks.map(|(numbers, columns)| Value::new(block_shape(rows, columns), numbers)).collect()
}
