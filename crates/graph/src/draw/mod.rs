//! Drawings: for the terminal, as SVG, as DOT, as LaTeX, and as a page to step through.
//!
//! All of them follow the diagrams of the course: gates from left to right, and
//! on every wire the forward value above and the gradient below. The number
//! below a wire is what travels back along that wire; a node that is read more
//! than once shows the sum as well, for that is its gradient. A small matrix is
//! written out, a large one is a tile with its shape, mean and norm.

pub(crate) mod block;
pub mod dot;
pub mod html;
pub mod latex;
pub(crate) mod layout;
pub mod svg;
pub mod text;

use crate::circuit::Circuit;
use crate::number;
use crate::op::Gate;
use crate::tape::NodeId;
use crate::value::{Value, View};

use block::Block;
pub use block::{MOST_WRITTEN, in_line};

/// The most gates that are placed in a picture. A larger one would be meters
/// wide; its numbers are better read as a table, or laid out by Graphviz.
pub const MOST_GATES: usize = 2_000;

/// The most places that wires may take up in a picture: one for each column of gates, and of
/// numbers, that a wire passes. A graph of a thousand gates in a row has millions if each of them
/// reads the same variable, and no picture of it can be read.
pub const MOST_PLACES: usize = 100_000;

/// A drawing that can't be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooLarge {
    /// There are too many gates.
    #[error(
        "the graph has {0} gates, and a picture of more than {MOST_GATES} can't be read; \
         text, DOT and JSON have no such limit"
    )]
    Gates(usize),
    /// The wires are too long.
    #[error(
        "the graph's wires pass {0} columns, and a picture with more than {MOST_PLACES} can't be \
         read; text, DOT and JSON have no such limit"
    )]
    Wires(usize),
}

fn refuse_the_unreadable(circuit: &Circuit) -> Result<(), TooLarge> {
    match circuit.gates().count() {
        gates if gates > MOST_GATES => Err(TooLarge::Gates(gates)),
        _ => Ok(()),
    }
}

/// Significant digits of the numbers in a picture.
const DIGITS: usize = 4;

/// What stands on a wire: the value that goes forward, and the gradient that comes
/// back along it.
fn on_wire(circuit: &Circuit, wire: layout::Wire) -> [Block; 2] {
    let graph = circuit.graph();
    let back = back_along(circuit, wire);
    [graph.matrix(wire.from), back.view()].map(|view| block_of(circuit, view))
}

/// The gradient that comes back along a wire.
fn back_along(circuit: &Circuit, wire: layout::Wire) -> Value {
    let graph = circuit.graph();
    match wire.to {
        Some((gate, slot)) => graph.node(gate).sent_back_matrix(slot),
        None => {
            let gradient = graph.gradient_matrix(wire.from);
            Value::new(gradient.shape, gradient.numbers.to_vec())
        }
    }
}

/// The gradient of a node, for a picture.
fn gradient_block(circuit: &Circuit, node: NodeId) -> Block {
    block_of(circuit, circuit.graph().gradient_matrix(node))
}

fn block_of(circuit: &Circuit, view: View<'_>) -> Block {
    if circuit.is_blank() { Block::blank(view) } else { Block::new(view, DIGITS) }
}

/// How many wires leave each node, by its place on the tape.
fn uses(circuit: &Circuit) -> Vec<usize> {
    let mut uses = vec![0; circuit.graph().len()];
    uses[circuit.output().index()] += 1;
    for (_, node) in circuit.gates() {
        for input in node.inputs() {
            uses[input.index()] += 1;
        }
    }
    uses
}

/// What is written in a node: the gate's symbol, or the name of a variable, cut
/// if it is very long.
fn label(circuit: &Circuit, node: NodeId) -> String {
    const LONGEST: usize = 14;
    match circuit.graph().node(node).gate() {
        Gate::Variable => {
            let name = circuit.name(node);
            match name.char_indices().nth(LONGEST) {
                Some((byte, _)) => format!("{}…", &name[..byte]),
                None => name.into_owned(),
            }
        }
        gate => gate.symbol().into_owned(),
    }
}

/// One line that says what is drawn, for those who can't see it.
fn description(circuit: &Circuit) -> String {
    use std::fmt::Write;
    const NAMED: usize = 12;
    let mut text = format!("Value {}.", number::short(circuit.value()));
    for (name, id) in circuit.variables().take(NAMED) {
        let gradient = in_line(circuit.graph().gradient_matrix(id), DIGITS);
        // Writing to a String can't fail.
        let _ = write!(text, " Gradient by {name} {gradient}.");
    }
    text
}

/// Text as it may stand in XML and HTML.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
