//! The graph in Graphviz's DOT language, for those who lay it out themselves.

use std::collections::HashSet;
use std::fmt::Write;

use super::block::Block;
use super::layout::Wire;
use super::{gradient_block, label, on_wire, uses};
use crate::circuit::Circuit;
use crate::op::Gate;
use crate::tape::NodeId;

/// Writes the circuit as a `digraph`: on each edge the value, and the gradient
/// below it.
#[must_use]
pub fn draw(circuit: &Circuit) -> String {
    let troubles: HashSet<NodeId> = circuit.troubles().iter().map(|t| t.node).collect();
    let uses = uses(circuit);
    let mut out = String::from(
        "// On each edge: the value, and below it the gradient.\n\
         digraph chainrule {\n  rankdir=LR;\n  node [shape=circle, fontname=\"monospace\"];\n  \
         edge [fontname=\"monospace\"];\n",
    );
    // Writing to a String can't fail.
    let _ = writeln!(out, "  label=\"{}\";", quote(circuit.title()));
    for &id in circuit.order() {
        let node = circuit.graph().node(id);
        let mut text = label(circuit, id);
        if circuit.graph().has_matrices() {
            let _ = write!(text, "\n{}", node.shape());
        }
        if uses[id.index()] > 1 {
            let _ = write!(text, "\nΣ {}", gradient_block(circuit, id).text().join("\n"));
        }
        let shape = match node.gate() {
            Gate::Variable => ", shape=box",
            Gate::Constant(_) => ", shape=box, style=dashed",
            _ => "",
        };
        let mark =
            if troubles.contains(&id) { ", color=red, penwidth=3, xlabel=\"!\"" } else { "" };
        let _ = writeln!(out, "  n{} [label=\"{}\"{shape}{mark}];", id.index(), quote(&text));
    }
    match circuit.output_name() {
        "f" => out.push_str("  f [shape=box];\n"),
        name => out.push_str(&format!("  f [label=\"{}\", shape=box];\n", quote(name))),
    }
    for (id, node) in circuit.gates() {
        for (slot, &input) in node.inputs().iter().enumerate() {
            let wire = Wire { from: input, to: Some((id, slot)) };
            edge(&mut out, input, &format!("n{}", id.index()), &on_wire(circuit, wire));
        }
    }
    let output = circuit.output();
    edge(&mut out, output, "f", &on_wire(circuit, Wire { from: output, to: None }));
    out.push_str("}\n");
    out
}

fn edge(out: &mut String, from: NodeId, to: &str, [value, gradient]: &[Block; 2]) {
    let bad = if value.finite && gradient.finite { "" } else { ", fontcolor=red" };
    let from = from.index();
    let lines = [value.text(), gradient.text()].concat().join("\\n");
    let _ = writeln!(out, "  n{from} -> {to} [label=\"{lines}\"{bad}];");
}

fn quote(text: &str) -> String {
    let one_line = text.replace('\\', "\\\\").replace('"', "\\\"");
    one_line.replace('\n', "\\n").replace(['\r', '\t'], " ")
}
