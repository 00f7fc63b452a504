//! The graph in Graphviz's DOT language, for those who lay it out themselves.

use std::collections::HashSet;
use std::fmt::Write;

use super::{label, uses};
use crate::circuit::Circuit;
use crate::number::short;
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
        if uses[id.index()] > 1 {
            let _ = write!(text, "\nΣ {}", short(node.gradient()));
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
            edge(
                &mut out,
                input,
                &format!("n{}", id.index()),
                circuit.graph().value(input),
                node.sent_back(slot),
            );
        }
    }
    let output = circuit.output();
    edge(&mut out, output, "f", circuit.value(), circuit.graph().gradient(output));
    out.push_str("}\n");
    out
}

fn edge(out: &mut String, from: NodeId, to: &str, value: f64, gradient: f64) {
    let bad = if value.is_finite() && gradient.is_finite() { "" } else { ", fontcolor=red" };
    let from = from.index();
    let _ =
        writeln!(out, "  n{from} -> {to} [label=\"{}\\n{}\"{bad}];", short(value), short(gradient));
}

fn quote(text: &str) -> String {
    let one_line = text.replace('\\', "\\\\").replace('"', "\\\"");
    one_line.replace('\n', "\\n").replace(['\r', '\t'], " ")
}
