//! Computation graphs: build one or parse a formula, run it forward and backward,
//! check its gradients, and draw it the way a teacher would on the board.
//!
//! Two ways in. By hand, gate by gate, with [`Graph`]:
//!
//! ```
//! use chainrule_graph::Graph;
//!
//! let mut g = Graph::new();
//! let x = g.variable("x", 2.0);
//! let y = g.mul(x, x);
//! g.backward(y);
//! assert_eq!((g.value(y), g.gradient(x)), (4.0, 4.0));
//! ```
//!
//! or from a formula, with [`Formula::circuit`].
//!
//! A gate is one row of the table in [`op`]: its names, its value, its derivative
//! (written in gates) and how it looks. A value has a shape, and a scalar is 1x1.
//! Everything is f64, and nothing recurses: a million gates are a `Vec` of a
//! million nodes.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`value`] | numbers with a shape |
//! | [`op`] | the table of operations |
//! | [`derivative`] | how a row writes its derivative; as a number and as gates |
//! | [`tape`] | the gates in order, and both passes |
//! | [`formula`] | the notation, its reader, and from a formula to gates |
//! | [`values`] | the notation of values, shapes and matrices |
//! | [`random`] | values that are drawn by a seed |
//! | [`rule`] | what a gate sends back, written out with its shapes |
//! | [`circuit`] | a graph with its output, and the names of its nodes |
//! | [`jacobian`] | Jacobians, Hessians and the graph of a derivative |
//! | [`check`] | gradients against differences that know their own error |
//! | [`draw`] | text, SVG, DOT, LaTeX and the page to step through |
//! | [`assignment`] | the assignment, worked |

pub mod assignment;
pub mod check;
pub mod circuit;
pub mod derivative;
pub mod draw;
pub mod formula;
mod gate;
pub mod jacobian;
pub mod number;
pub mod op;
pub mod random;
pub mod rule;
pub mod sigmoid;
pub mod tape;
pub mod value;
pub mod values;

pub use circuit::{Circuit, Trouble};
pub use formula::{
    CircuitError, Formula, FormulaError, FormulaErrorKind, Gates, MOST_NUMBERS, NamesError, Steps,
};
pub use op::Gate;
pub use tape::{Graph, Node, NodeId, ShapeError};
pub use value::{Shape, Value};
