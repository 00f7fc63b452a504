//! The answer to problem 4.1 as a list of blocks, which the page and the paper both show.

use super::blocks::{Block, Cell, heading};
use super::{AT, Comparison, comparison, derivation};
use crate::circuit::Circuit;
use crate::draw::html;
use crate::draw::svg::{self, Stage};
use crate::number::{exact, rounded, significant};

/// The circuits and figures of the answer.
pub(super) struct Worked {
    pub example: Circuit,
    pub primitive: Circuit,
    pub fused: Circuit,
    pub comparison: Comparison,
}

impl Worked {
    /// The blocks of the whole answer.
    pub fn blocks(&self) -> Vec<Block> {
        let mut blocks = self.example();
        blocks.extend(self.graph_and_passes());
        blocks.extend(derivation::blocks());
        blocks.extend(self.sigmoid_gate());
        blocks
    }

    fn example(&self) -> Vec<Block> {
        let circuit = &self.example;
        let q = circuit.gates().next().map_or(f64::NAN, |(_, node)| node.value());
        vec![
            heading(1, "example", "Worked example: f = (x + y) z"),
            Block::Paragraph(format!(
                "At x = -2, y = 5, z = -4. Forward: q = x + y = {}, f = q z = {}. Backward, from right \
                 to left: {}.",
                exact(q),
                exact(circuit.value()),
                gradients(circuit, &["x", "y", "z"]),
            )),
            figure("example.svg", circuit, Stage::Backward),
            steps("example.html", circuit),
        ]
    }

    fn graph_and_passes(&self) -> Vec<Block> {
        let circuit = &self.primitive;
        vec![
            heading(1, "a", "4.1 (a) The graph"),
            Block::Paragraph(
                "f(w, x) = 1 / (1 + exp(-(w0 x0 + w1 x1 + w2))) out of the gates ×, +, ×(-1), exp, +1 \
                 and 1/x."
                    .into(),
            ),
            figure("a-graph.svg", circuit, Stage::Graph),
            heading(1, "b", "4.1 (b) The forward pass"),
            Block::Paragraph(format!(
                "At w = [1, 3, -2], x = [5, 8]: s = {}, f = {}.",
                exact(self.comparison.s),
                exact(circuit.value()),
            )),
            figure("b-forward.svg", circuit, Stage::Forward),
            forward_table(circuit),
            heading(1, "c", "4.1 (c) The backward pass"),
            Block::Paragraph(format!(
                "Each gate multiplies the gradient from upstream by its local gradient and hands the \
                 product to its inputs: {}.",
                gradients(circuit, &NAMES),
            )),
            figure("c-backward.svg", circuit, Stage::Backward),
            steps("c-step-by-step.html", circuit),
            backward_table(circuit),
        ]
    }

    fn sigmoid_gate(&self) -> Vec<Block> {
        let Comparison { s, forms } = &self.comparison;
        let forms = forms.iter().map(|(name, bits, value, error)| {
            vec![
                Cell::Text((*name).into()),
                Cell::Number(bits.to_string()),
                Cell::Number(significant(*value, 13)),
                Cell::Number(significant(*error, 2)),
            ]
        });
        let side_by_side = NAMES.iter().map(|name| {
            let [c, e] = [&self.primitive, &self.fused]
                .map(|circuit| circuit.gradient(name).unwrap_or(f64::NAN));
            vec![
                Cell::Text((*name).into()),
                Cell::Number(significant(c, 13)),
                Cell::Number(significant(e, 13)),
                Cell::Number(significant((c - e).abs() / c.abs(), 2)),
            ]
        });
        let mut blocks = vec![
            heading(1, "e", "4.1 (e) The sigmoid as one gate"),
            Block::Paragraph(format!(
                "The last four gates become one, whose local gradient is that of (d): {}.",
                gradients(&self.fused, &NAMES),
            )),
            figure("e-sigmoid-gate.svg", &self.fused, Stage::Backward),
            steps("e-step-by-step.html", &self.fused),
            heading(2, "e-comparison", "The comparison with (c)"),
            Block::Paragraph(format!(
                "In exact arithmetic the two graphs give the same gradients. In floating point it \
                 depends on how σ′ is written. At s = {}:",
                exact(*s),
            )),
            Block::Table {
                header: vec!["dσ/ds by", "bits", "value", "relative error"],
                rows: forms.collect(),
            },
            Block::Paragraph("Gradients of (c) and (e), side by side:".into()),
            Block::Table {
                header: vec![
                    "by",
                    "(c) primitive gates",
                    "(e) sigmoid gate",
                    "relative difference",
                ],
                rows: side_by_side.collect(),
            },
        ];
        blocks.extend(comparison::explanation(*s));
        blocks
    }
}

/// The variables of the neuron.
const NAMES: [&str; 5] = [AT[0].0, AT[1].0, AT[2].0, AT[3].0, AT[4].0];

fn figure(file: &'static str, circuit: &Circuit, stage: Stage) -> Block {
    let svg = svg::draw_up_to(circuit, stage).expect("the assignment's graphs are small");
    Block::Figure { file, svg }
}

fn steps(file: &'static str, circuit: &Circuit) -> Block {
    let html = html::draw(circuit).expect("the assignment's graphs are small");
    Block::Page { file, html, text: "Step through it" }
}

fn gradients(circuit: &Circuit, names: &[&str]) -> String {
    let each = names.iter().map(|name| {
        let gradient = circuit.gradient(name).unwrap_or(f64::NAN);
        format!("df/d{name} = {}", significant(gradient, 7))
    });
    each.collect::<Vec<_>>().join(", ")
}

fn forward_table(circuit: &Circuit) -> Block {
    let rows = circuit.gates().map(|(id, node)| {
        vec![
            Cell::Number(circuit.name(id).into_owned()),
            Cell::Text(format!("{} = {}", circuit.operation(id), circuit.expression(id))),
            Cell::Value(exact(node.value())),
        ]
    });
    Block::Table { header: vec!["gate", "computes", "value"], rows: rows.collect() }
}

fn backward_table(circuit: &Circuit) -> Block {
    let gates: Vec<_> = circuit.gates().collect();
    let mut rows = Vec::new();
    for (id, node) in gates.into_iter().rev() {
        for (slot, &input) in node.inputs().iter().enumerate() {
            rows.push(vec![
                Cell::Number(format!("{} ({})", circuit.name(id), node.gate().symbol())),
                Cell::Number(circuit.name(input).into_owned()),
                Cell::Number(rounded(node.gradient(), 7)),
                Cell::Number(rounded(node.local_gradients()[slot], 7)),
                Cell::Gradient(rounded(node.sent_back(slot), 7)),
            ]);
        }
    }
    Block::Table { header: vec!["gate", "to", "upstream", "× local", "= product"], rows }
}
