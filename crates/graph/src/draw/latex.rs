//! Both passes as a LaTeX document, line by line. It needs `article` and `amsmath`.

use std::fmt::Write;

use super::block::{Kind, tile};
use super::{Block, uses};
use crate::circuit::Circuit;
use crate::number::{in_latex, significant};
use crate::rule::{latex_name, partial};
use crate::tape::NodeId;
use crate::value::View;

const DIGITS: usize = 6;

/// A part of the derivation.
pub(super) struct Section {
    pub title: &'static str,
    /// Equations; `&` stands before the sign of equality.
    pub lines: Vec<String>,
}

/// Writes the document: what is given, the forward pass, the backward pass, and the
/// gradients by the variables.
#[must_use]
pub fn draw(circuit: &Circuit) -> String {
    let mut out = String::from(
        "% Needs amsmath alone: pdflatex or latex compiles it.\n\\documentclass{article}\n\
         \\usepackage{amsmath}\n\\setcounter{MaxMatrixCols}{20}\n\\allowdisplaybreaks\n\
         \\begin{document}\n",
    );
    for Section { title, lines } in derivation(circuit) {
        // Writing to a String can't fail.
        let _ = writeln!(
            out,
            "\\section*{{{title}}}\n\\begin{{align*}}\n{}\n\\end{{align*}}",
            lines.join(" \\\\\n"),
        );
    }
    out.push_str("\\end{document}\n");
    out
}

/// Both passes, line by line.
pub(super) fn derivation(circuit: &Circuit) -> Vec<Section> {
    let graph = circuit.graph();
    let uses = uses(circuit);
    let name = |id: NodeId| circuit.latex_name(id);
    let f = latex_name(circuit.output_name());

    let given: Vec<String> = circuit
        .variables()
        .map(|(_, id)| format!("{} &= {}", name(id), value(graph.matrix(id))))
        .collect();
    let mut forward = Vec::new();
    for (id, node) in circuit.gates() {
        let names: Vec<String> = node.inputs().iter().map(|&input| name(input)).collect();
        let mut line = format!("{} &= {}", name(id), node.gate().latex(&names));
        if !graph.has_matrices() {
            let numbers = node.inputs().iter().map(|&input| value(graph.matrix(input)));
            let _ = write!(line, " = {}", node.gate().latex(&numbers.collect::<Vec<_>>()));
        }
        forward.push(format!("{line} = {}", value(node.matrix())));
    }
    let output = name(circuit.output());
    if output != f {
        forward.push(format!("{f} &= {output} = {}", value(graph.matrix(circuit.output()))));
    }

    let mut backward = vec![format!("{} &= 1", partial(circuit, &output))];
    let gates: Vec<_> = circuit.gates().collect();
    for (id, node) in gates.into_iter().rev() {
        for (slot, &input) in node.inputs().iter().enumerate() {
            let Some(rule) = circuit.rule(id, slot) else { continue };
            // What is read more than once gets a part from each of its readers.
            let sign = if uses[input.index()] > 1 { r"&\mathrel{+}=" } else { "&=" };
            let sent = node.sent_back_matrix(slot);
            let left = partial(circuit, &name(input));
            backward.push(format!("{left} {sign} {} = {}", rule.latex, value(sent.view())));
        }
    }
    let gradients: Vec<String> = circuit
        .variables()
        .map(|(_, id)| {
            format!("{} &= {}", partial(circuit, &name(id)), value(graph.gradient_matrix(id)))
        })
        .collect();

    let sections = [
        ("Given", given),
        ("Forward pass", forward),
        ("Backward pass", backward),
        ("Gradients", gradients),
    ];
    let sections = sections.map(|(title, lines)| Section { title, lines });
    sections.into_iter().filter(|section| !section.lines.is_empty()).collect()
}

/// A number, a matrix in parentheses, or of a large one shape, mean and norm.
fn value(view: View<'_>) -> String {
    match Block::new(view, DIGITS).kind {
        Kind::Number => number(view.numbers[0]),
        Kind::Matrix => {
            let row = |row: &[f64]| row.iter().map(|a| number(*a)).collect::<Vec<_>>().join(" & ");
            let rows: Vec<String> =
                view.numbers.chunks(view.shape.columns as usize).map(row).collect();
            format!(r"\begin{{pmatrix}} {} \end{{pmatrix}}", rows.join(r" \\ "))
        }
        Kind::Tile => format!(r"\text{{({})}}", tile(view, DIGITS).join(", ")),
    }
}

/// `1.5 \cdot 10^{-12}`
fn number(value: f64) -> String {
    in_latex(&significant(value, DIGITS))
}
