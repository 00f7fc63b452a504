//! Scalar computation graphs: build one or parse a formula, run it forward and
//! backward, and draw it the way a teacher would on the board.
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
//! The gates are `add`, `sub`, `mul`, `div`, `pow`, `max`, `min`, `neg`,
//! `scale`, `shift`, `reciprocal`, `exp`, `log`, `relu`, `sigmoid`, `tanh`, and
//! any other [`Gate`] by [`Graph::unary`] and [`Graph::binary`]. Everything is
//! f64, and nothing recurses: a million gates are a `Vec` of a million nodes.

pub mod assignment;
pub mod check;
pub mod circuit;
pub mod derivative;
pub mod draw;
pub mod formula;
mod gate;
pub mod number;
pub mod op;
pub mod sigmoid;
pub mod tape;
pub mod value;
pub mod values;

pub use circuit::{Circuit, Trouble};
pub use formula::{Formula, FormulaError, FormulaErrorKind, Gates, NamesError};
pub use op::Gate;
pub use tape::{Graph, Node, NodeId, ShapeError};
pub use value::{Shape, Value};
