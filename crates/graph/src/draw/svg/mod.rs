//! The drawing as SVG, light in a light browser, dark in a dark one, and black
//! on white on paper. It needs no fonts of its own and no network.
//!
//! Value and gradient are told apart by place (above, below) and by face
//! (upright and bold, italic) as well as by color.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;

mod geometry;

use super::block::{Block, Kind};
use super::layout::Columns;
use super::{
    TooLarge, back_along, description, escape, gradient_block, label, on_wire,
    refuse_the_unreadable,
};
use crate::circuit::Circuit;
use crate::number::exact;
use crate::op::Gate;
use crate::tape::NodeId;
use crate::value::View;

use geometry::{CHARACTER, LINE, MARGIN, Place, text_width};

/// Draws the circuit.
///
/// # Errors
/// More gates than [`super::MOST_GATES`], or longer wires than [`super::MOST_PLACES`].
pub fn draw(circuit: &Circuit) -> Result<String, TooLarge> {
    draw_up_to(circuit, Stage::Backward)
}

/// How much of the work a drawing shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The gates and wires alone.
    Graph,
    /// And the values.
    Forward,
    /// And the gradients.
    Backward,
}

/// Draws the circuit as it stands before, between or after the two passes; each
/// thing has the same place in all three.
///
/// # Errors
/// More gates than [`super::MOST_GATES`], or longer wires than [`super::MOST_PLACES`].
pub fn draw_up_to(circuit: &Circuit, stage: Stage) -> Result<String, TooLarge> {
    refuse_the_unreadable(circuit)?;
    Ok(Picture::new(circuit, stage)?.svg())
}

struct Picture<'a> {
    circuit: &'a Circuit,
    columns: Columns,
    /// Center and half-width of each column, heights of its items.
    x: Vec<f64>,
    half_width: Vec<f64>,
    y: Vec<Vec<f64>>,
    /// For each wire the items that it runs through: column and height.
    points: Vec<Vec<(usize, f64)>>,
    /// The wire at each input of each gate.
    entering: HashMap<(NodeId, usize), usize>,
    uses: Vec<usize>,
    stage: Stage,
    width: f64,
    height: f64,
}

impl Picture<'_> {
    fn svg(&self) -> String {
        let troubles = self.circuit.troubles();
        let notes: Vec<String> = troubles.iter().take(5).map(|t| t.message.clone()).collect();
        let legend = "value above each wire, gradient below";
        let title = match self.circuit.title() {
            "" => String::new(),
            _ => self.circuit.equation().split_whitespace().collect::<Vec<_>>().join(" "),
        };
        // A long formula may widen the drawing only so far.
        let widest = notes
            .iter()
            .map(String::as_str)
            .chain([legend, title.as_str()])
            .map(|line| 2.0 * MARGIN + text_width(line))
            .fold(0.0, f64::max);
        let width = self.width.max(widest.min(960.0));
        let shift = (width - self.width) / 2.0;
        let fits = ((width - 2.0 * MARGIN) / CHARACTER) as usize;
        let height = self.height + 24.0 + 20.0 * notes.len() as f64;

        let mut out = String::new();
        // Writing to a String can't fail.
        let _ = write!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"cr-graph\" role=\"img\" \
             width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" \
             aria-label=\"{}\">\n<style>\n{}</style>\n\
             <rect class=\"cr-paper\" width=\"100%\" height=\"100%\"/>\n",
            escape(&format!(
                "Computation graph of {}. {}",
                clip(&title, 200),
                if self.stage == Stage::Backward && !self.circuit.is_blank() {
                    description(self.circuit)
                } else {
                    String::new()
                },
            )),
            include_str!("../svg.css"),
        );
        let _ = writeln!(
            out,
            "<text class=\"cr-title\" x=\"{MARGIN}\" y=\"{:.1}\">{}</text>",
            MARGIN + 12.0,
            escape(&clip(&title, fits)),
        );
        let _ = writeln!(out, "<g transform=\"translate({shift:.1} 0)\">");
        let places = self.places();
        for wire in 0..self.columns.wires.len() {
            self.draw_wire(&mut out, wire, &places);
        }
        let marked: HashSet<NodeId> = troubles.iter().map(|t| t.node).collect();
        for (&node, &place) in ordered(&places) {
            self.draw_node(&mut out, node, place, node.is_some_and(|id| marked.contains(&id)));
        }
        out.push_str("</g>\n");
        let mut y = self.height + 6.0;
        let _ = writeln!(
            out,
            "<text class=\"cr-note\" x=\"{MARGIN}\" y=\"{y:.1}\">{}</text>",
            match self.stage {
                Stage::Graph => "gates in circles, inputs in boxes",
                Stage::Forward => "<tspan class=\"cr-value\">value</tspan> above each wire",
                Stage::Backward => {
                    "<tspan class=\"cr-value\">value</tspan> above each wire, \
                     <tspan class=\"cr-gradient\">gradient</tspan> below"
                }
            },
        );
        for note in &notes {
            y += 20.0;
            let _ = writeln!(
                out,
                "<text class=\"cr-bad\" x=\"{MARGIN}\" y=\"{y:.1}\">{}</text>",
                escape(&clip(note, fits)),
            );
        }
        out.push_str("</svg>\n");
        out
    }

    fn draw_wire(&self, out: &mut String, index: usize, places: &HashMap<Option<NodeId>, Place>) {
        let wire = self.columns.wires[index];
        let target = wire.to.map(|(id, _)| id);
        let (from, to) = (places[&Some(wire.from)], places[&target]);
        let [value, gradient] = on_wire(self.circuit, wire);
        let back = back_along(self.circuit, wire);
        let graph = self.circuit.graph();
        let port = self.port(index);
        // A gate is round at its sides: the port lies a little further in.
        let radius = to.half_height;
        let inset = if port == 0.0 { 0.0 } else { radius - (radius * radius - port * port).sqrt() };
        let end = (to.x - to.half_width + inset, to.y + port);

        let points = &self.points[index];
        let mut at = (from.x + from.half_width, from.y);
        let mut path = format!("M{:.1} {:.1}", at.0, at.1);
        for &(column, y) in &points[1..points.len() - 1] {
            let (left, right) = (
                self.x[column] - self.half_width[column],
                self.x[column] + self.half_width[column],
            );
            self.connect(&mut path, at, (left, y), column - 1);
            let _ = write!(path, "H{right:.1}");
            at = (right, y);
        }
        let (column, _) = points[points.len() - 2];
        self.connect(&mut path, at, end, column);

        let (column, y) = points[1];
        let x = self.x[column];
        let to_name = target.map_or(self.circuit.output_name().into(), |id| self.circuit.name(id));
        let _ = write!(
            out,
            "<g class=\"cr-edge\" data-from=\"{}\" data-to=\"{}\" data-slot=\"{}\">\
             <path class=\"cr-wire\" d=\"{path}\"/>\
             <path class=\"cr-head\" d=\"M{ex:.1} {ey:.1}l-8 -4v8z\"/>",
            wire.from.index(),
            target.map_or("f".to_owned(), |id| id.index().to_string()),
            wire.to.map_or(0, |(_, slot)| slot),
            ex = end.0,
            ey = end.1,
        );
        let above = -6.0 - LINE * (value.height() - 1) as f64;
        let texts = [
            (Stage::Forward, "value", value, graph.matrix(wire.from), above, "value of"),
            (Stage::Backward, "gradient", gradient, back.view(), 15.0, "gradient back to"),
        ];
        for (stage, class, block, view, baseline, meaning) in texts {
            if stage > self.stage {
                break;
            }
            let tip = if self.circuit.is_blank() {
                String::new()
            } else {
                format!(
                    "{meaning} {} on the wire to {}: {}",
                    escape(&self.circuit.name(wire.from)),
                    escape(&to_name),
                    all_digits(view),
                )
            };
            draw_block(out, &block, &format!("cr-{class}"), (x, y + baseline), &tip);
        }
        out.push_str("</g>\n");
    }

    fn draw_node(&self, out: &mut String, node: Option<NodeId>, place: Place, trouble: bool) {
        let Place { x, y, half_width, half_height } = place;
        let (class, text, index, tip) = match node {
            None => {
                let name = self.circuit.output_name().to_owned();
                ("cr-input", name, "f".to_owned(), "the output".to_owned())
            }
            Some(id) => {
                let node = self.circuit.graph().node(id);
                let class = match node.gate() {
                    Gate::Variable => "cr-input",
                    Gate::Constant(_) => "cr-input cr-constant",
                    _ => "cr-gate",
                };
                let mut tip = self.circuit.name(id).into_owned();
                if self.stage == Stage::Backward && !self.circuit.is_blank() {
                    let value = all_digits(node.matrix());
                    let gradient = all_digits(node.gradient_matrix());
                    let _ = write!(tip, ": value {value}, gradient {gradient}");
                }
                // A hyphen is too small to stand alone in a circle.
                let text = label(self.circuit, id);
                let text = if text == "-" { "−".to_owned() } else { text };
                (class, text, id.index().to_string(), tip)
            }
        };
        let _ = write!(
            out,
            "<g class=\"cr-node{}\" data-node=\"{index}\"><title>{}</title>\
             <rect class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"{:.1}\"/>\
             <text class=\"cr-symbol\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            if trouble { " cr-trouble" } else { "" },
            escape(&tip),
            x - half_width,
            y - half_height,
            2.0 * half_width,
            2.0 * half_height,
            if class == "cr-gate" { half_height } else { 6.0 },
            y + 4.5,
            escape(&text),
        );
        let above = node.map(|id| name_and_shape(self.circuit, id)).unwrap_or_default();
        if !above.is_empty() {
            let _ = write!(
                out,
                "<text class=\"cr-name\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                y - half_height - 5.0,
                escape(&above),
            );
        }
        let summed = |id: &NodeId| self.stage == Stage::Backward && self.uses[id.index()] > 1;
        if let Some(id) = node.filter(summed) {
            let sum = sum_of(self.circuit, id);
            draw_block(out, &sum, "cr-gradient cr-sum", (x, y + half_height + 14.0), "");
        }
        if trouble {
            let (x, y) = (x + half_width - 3.0, y - half_height + 1.0);
            let _ = write!(
                out,
                "<circle class=\"cr-badge\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"8\"/>\
                 <text class=\"cr-badge-mark\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">!</text>",
                y + 4.5,
            );
        }
        out.push_str("</g>\n");
    }
}

/// The nodes in the order of the tape, so that the same graph gives the same file.
fn ordered(places: &HashMap<Option<NodeId>, Place>) -> Vec<(&Option<NodeId>, &Place)> {
    let mut nodes: Vec<_> = places.iter().collect();
    nodes.sort_by_key(|(node, _)| (node.is_none(), **node));
    nodes
}

/// The gradient of a node that is read more than once.
fn sum_of(circuit: &Circuit, node: NodeId) -> Block {
    let mut block = gradient_block(circuit, node);
    match block.kind {
        Kind::Number => block.lines[0].insert_str(0, "Σ "),
        Kind::Matrix | Kind::Tile => block.lines.insert(0, "Σ".into()),
    }
    block
}

/// What stands above a node: the name of a gate, and in a graph of matrices the
/// shape.
fn name_and_shape(circuit: &Circuit, id: NodeId) -> String {
    let node = circuit.graph().node(id);
    let name = if node.gate().is_input() { "".into() } else { circuit.name(id) };
    match circuit.graph().has_matrices() {
        true => format!("{name} {}", node.shape()).trim_start().to_owned(),
        false => name.into_owned(),
    }
}

/// A scalar with all digits; of a matrix all numbers if they are few.
fn all_digits(view: View<'_>) -> String {
    match view.shape.is_scalar() {
        true => exact(view.numbers[0]),
        false => format!("{} {}", view.shape, super::block::in_line(view, 6)),
    }
}

/// Lines of text whose first stands on this baseline, in the middle; a matrix in
/// brackets, a large one in a frame.
fn draw_block(out: &mut String, block: &Block, class: &str, (x, y): (f64, f64), tip: &str) {
    let bad = if block.finite { "" } else { " cr-bad" };
    let tip = if tip.is_empty() { String::new() } else { format!("<title>{tip}</title>") };
    if block.kind == Kind::Number {
        let _ = write!(
            out,
            "<text class=\"{class}{bad}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{}{tip}</text>",
            block.lines[0],
        );
        return;
    }
    let _ = write!(out, "<g class=\"{class}{bad}\">{tip}");
    let half = CHARACTER * block.width() as f64 / 2.0 + 4.0;
    let heading = usize::from(block.lines[0] == "Σ");
    let (top, bottom) =
        (y - 12.0 + LINE * heading as f64, y + 4.0 + LINE * (block.height() - 1) as f64);
    if block.kind == Kind::Matrix {
        for (edge, into) in [(x - half, 4), (x + half, -4)] {
            let _ = write!(
                out,
                "<path class=\"cr-bracket\" d=\"M{:.1} {top:.1}H{edge:.1}V{bottom:.1}h{into}\"/>",
                edge + f64::from(into),
            );
        }
    } else {
        let _ = write!(
            out,
            "<rect class=\"cr-tile\" x=\"{:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"3\"/>",
            x - half - 1.0,
            2.0 * half + 2.0,
            bottom - top,
        );
    }
    for (i, line) in block.lines.iter().enumerate() {
        // Blanks that align numbers must not be joined.
        let line = line.replace(' ', "\u{a0}");
        let y = y + LINE * i as f64;
        let _ = write!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{line}</text>");
    }
    out.push_str("</g>");
}

/// At most `length` characters, the cut marked.
fn clip(text: &str, length: usize) -> String {
    if text.chars().count() <= length {
        return text.to_owned();
    }
    let mut clipped: String = text.chars().take(length.saturating_sub(1)).collect();
    clipped.push('…');
    clipped
}
