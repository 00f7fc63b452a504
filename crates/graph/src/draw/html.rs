//! One page that needs nothing else: the reader steps through the forward pass
//! and then the backward pass, gate by gate.
//!
//! Every step is written into the page here, with its numbers; the script only
//! shows one at a time and uncovers what it has reached in the drawing. So the
//! page can be read without scripts, and printed: then all steps are there. Below them the
//! derivation stands as mathematics.

use std::fmt::Write;

use pulldown_latex::config::DisplayMode;
use pulldown_latex::{Parser, RenderConfig, Storage, push_mathml};

use super::block::{Block, Kind, in_line};
use super::latex::{self, Section};
use super::{TooLarge, escape, svg, uses};
use crate::circuit::Circuit;
use crate::number::{rounded, short};
use crate::op::Gate;
use crate::tape::NodeId;
use crate::value::View;

/// Significant digits in the steps, where there is more room than on a wire.
const DIGITS: usize = 6;

/// Writes the page.
///
/// # Errors
/// More gates than [`super::MOST_GATES`], or longer wires than [`super::MOST_PLACES`].
pub fn draw(circuit: &Circuit) -> Result<String, TooLarge> {
    let picture = svg::draw(circuit)?;
    let title = escape(&circuit.equation());
    let mut values = String::new();
    for (name, id) in circuit.variables() {
        let separator = if values.is_empty() { "at " } else { ", " };
        let value = in_line(circuit.graph().matrix(id), DIGITS);
        let _ = write!(values, "{separator}{} = {value}", escape(name));
    }
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{}</style>\n</head>\n<body>\n<main>\n\
         <h1><code>{title}</code></h1>\n<p class=\"lead\">{values}</p>\n\
         <figure tabindex=\"0\" aria-label=\"The computation graph\">\n{picture}</figure>\n",
        include_str!("page.css"),
    );
    page.push_str(
        "<div id=\"stepper\" hidden>\n\
         <progress id=\"progress\" value=\"0\" aria-label=\"Progress through the steps\"></progress>\n\
         <div class=\"controls\">\n\
         <button id=\"first\" type=\"button\">Start</button>\n\
         <button id=\"back\" type=\"button\">Back</button>\n\
         <button id=\"next\" type=\"button\" class=\"next\">Next step</button>\n\
         <button id=\"last\" type=\"button\">End</button>\n\
         <span id=\"place\"></span>\n</div>\n\
         <div id=\"panel\" role=\"status\" aria-live=\"polite\" aria-atomic=\"true\"></div>\n\
         <p class=\"hint\">Arrow keys step forward and back; Home and End go to the ends.</p>\n</div>\n\
         <details id=\"all\" open>\n<summary>All steps</summary>\n<ol id=\"steps\">\n",
    );
    Steps { circuit, uses: uses(circuit), out: &mut page }.write();
    page.push_str("</ol>\n</details>\n");
    mathematics(&mut page, circuit);
    page.push_str("</main>\n<script>\n");
    page.push_str(include_str!("page.js"));
    page.push_str("</script>\n</body>\n</html>\n");
    Ok(page)
}

/// The derivation in MathML, which a browser sets without a network.
fn mathematics(page: &mut String, circuit: &Circuit) {
    page.push_str("<details id=\"mathematics\">\n<summary>As mathematics</summary>\n");
    for Section { title, lines } in latex::derivation(circuit) {
        let _ = writeln!(page, "<h3>{title}</h3>\n<table class=\"derivation\"><tbody>");
        for line in lines {
            let (left, right) = line.split_once('&').unwrap_or(("", &line));
            let _ = writeln!(page, "<tr><td>{}</td><td>{}</td></tr>", mathml(left), mathml(right));
        }
        page.push_str("</tbody></table>\n");
    }
    page.push_str("</details>\n");
}

/// LaTeX as MathML.
fn mathml(latex: &str) -> String {
    let storage = Storage::new();
    let config = RenderConfig { display_mode: DisplayMode::Block, ..RenderConfig::default() };
    let mut mathml = String::new();
    match push_mathml(&mut mathml, Parser::new(latex, &storage), config) {
        // The parser takes what \operatorname names as it is written.
        Ok(()) => mathml.replace(r"\_", "_"),
        Err(_) => format!("<code>{}</code>", escape(latex)),
    }
}

/// The list of steps: the inputs, each gate forward, the gradient of the output
/// by itself, each gate backward, and what came out.
struct Steps<'a> {
    circuit: &'a Circuit,
    uses: Vec<usize>,
    out: &'a mut String,
}

// Writing to a String can't fail, so the results of `write!` carry nothing.
impl Steps<'_> {
    fn write(mut self) {
        let circuit = self.circuit;
        let gates: Vec<NodeId> = circuit.gates().map(|(id, _)| id).collect();
        self.out.push_str(
            "<li data-phase=\"start\"><h3>The inputs are given</h3>\
             <p>Forward first: each gate computes its value from the values to its left.</p></li>\n",
        );
        for &id in &gates {
            self.forward(id);
        }
        let f = circuit.output_name();
        let output = escape(&circuit.name(circuit.output()));
        let _ = writeln!(
            self.out,
            "<li data-phase=\"backward\" data-node=\"f\"><h3>The way back begins</h3>\
             <p class=\"equation\">∂{f}/∂{f} = <b class=\"gradient\">1</b></p>\
             <p>{f} is {output}, so ∂{f}/∂{output} starts at 1. Now each gate multiplies the gradient \
             from upstream by its local gradients and hands the products to its inputs.</p></li>",
        );
        for &id in gates.iter().rev() {
            self.backward(id);
        }
        self.results();
    }

    fn forward(&mut self, id: NodeId) {
        let circuit = self.circuit;
        let node = circuit.graph().node(id);
        let _ = writeln!(
            self.out,
            "<li data-phase=\"forward\" data-node=\"{}\"><h3>Forward: {}</h3>\
             <p class=\"equation\">{} = {}{} = {}</p></li>",
            id.index(),
            self.heading(id),
            circuit.name(id),
            escape(&circuit.operation(id)),
            match circuit.graph().has_matrices() {
                true => String::new(),
                false => format!(" = {}", escape(&circuit.expression(id))),
            },
            shown("value", node.matrix()),
        );
    }

    /// One step back in a graph of matrices: the rule for each input, with its shapes.
    fn backward_of_matrices(&mut self, id: NodeId) {
        let circuit = self.circuit;
        let node = circuit.graph().node(id);
        let name = circuit.name(id);
        let _ = write!(
            self.out,
            "<li data-phase=\"backward\" data-node=\"{}\"><h3>Backward: {}</h3>\
             <p class=\"equation\">upstream: d{name} = {}{}</p><p class=\"rule\">{}</p>\
             <table><thead><tr><th scope=\"col\">rule</th><th scope=\"col\">shapes</th>\
             <th scope=\"col\">sent back</th></tr></thead><tbody>",
            id.index(),
            self.heading(id),
            shown("gradient", node.gradient_matrix()),
            if self.uses[id.index()] > 1 { ", the sum of what its wires brought back" } else { "" },
            escape(node.gate().rule()),
        );
        for (slot, &input) in node.inputs().iter().enumerate() {
            let rule = circuit.rule(id, slot);
            let nothing = || (format!("d{} = 0", circuit.name(input)), String::new());
            let (text, shapes) = rule.map_or_else(nothing, |rule| (rule.text, rule.shapes));
            let _ = write!(
                self.out,
                "<tr><th scope=\"row\">{}</th><td>{}</td><td class=\"product\">{}</td></tr>",
                escape(&text),
                escape(&shapes),
                shown("gradient", node.sent_back_matrix(slot).view()),
            );
        }
        self.out.push_str("</tbody></table></li>\n");
    }

    fn backward(&mut self, id: NodeId) {
        if self.circuit.graph().has_matrices() {
            return self.backward_of_matrices(id);
        }
        let circuit = self.circuit;
        let graph = circuit.graph();
        let node = graph.node(id);
        let name = circuit.name(id);
        let _ = write!(
            self.out,
            "<li data-phase=\"backward\" data-node=\"{}\"><h3>Backward: {}</h3>\
             <p class=\"equation\">upstream: ∂{}/∂{name} = {}{}</p><p class=\"rule\">local: {}</p>\
             <table><thead><tr><th scope=\"col\">to</th><th scope=\"col\">upstream</th>\
             <th scope=\"col\">× local</th><th scope=\"col\">= product</th></tr></thead><tbody>",
            id.index(),
            self.heading(id),
            circuit.output_name(),
            number("gradient", node.gradient()),
            if self.uses[id.index()] > 1 { ", the sum of what its wires brought back" } else { "" },
            escape(node.gate().rule()),
        );
        for (slot, &input) in node.inputs().iter().enumerate() {
            let _ = write!(
                self.out,
                "<tr><th scope=\"row\">{}</th><td class=\"upstream\">{}</td>\
                 <td class=\"local\">× {}</td><td class=\"product\">= {}</td></tr>",
                escape(&circuit.name(input)),
                rounded(node.gradient(), DIGITS),
                rounded(node.local_gradients()[slot], DIGITS),
                number("gradient", node.sent_back(slot)),
            );
        }
        self.out.push_str("</tbody></table></li>\n");
    }

    fn results(&mut self) {
        let circuit = self.circuit;
        let _ = write!(
            self.out,
            "<li data-phase=\"end\"><h3>Done</h3><p class=\"equation\">{} = {}</p>",
            circuit.output_name(),
            number("value", circuit.value()),
        );
        for (name, id) in circuit.variables() {
            let _ = write!(
                self.out,
                "<p class=\"equation\">∂{}/∂{} = {}{}</p>",
                circuit.output_name(),
                escape(name),
                shown("gradient", circuit.graph().gradient_matrix(id)),
                if self.uses[id.index()] > 1 { " (Σ over its wires)" } else { "" },
            );
        }
        for trouble in circuit.troubles() {
            let _ = write!(self.out, "<p class=\"bad\">{}</p>", escape(&trouble.message));
        }
        self.out.push_str("</li>\n");
    }

    /// `g2, the × gate`
    fn heading(&self, id: NodeId) -> String {
        let gate = self.circuit.graph().node(id).gate();
        let symbol = if gate == Gate::Sigmoid { "sigmoid".into() } else { gate.symbol() };
        let shape = match self.circuit.graph().has_matrices() {
            true => format!(", {}", self.circuit.graph().shape(id)),
            false => String::new(),
        };
        format!("{}, the {} gate{shape}", self.circuit.name(id), escape(&symbol))
    }
}

/// A number, the numbers of a small matrix in rows and columns, or a tile.
fn shown(class: &str, view: View<'_>) -> String {
    let bad = if view.is_finite() { "" } else { " bad" };
    let block = Block::new(view, DIGITS);
    match block.kind {
        Kind::Number => number(class, view.numbers[0]),
        Kind::Tile => format!("<b class=\"{class}{bad} tile\">{}</b>", block.lines.join("<br>")),
        Kind::Matrix => {
            let cells = view.numbers.iter().map(|a| format!("<i>{}</i>", rounded(*a, DIGITS)));
            format!(
                "<b class=\"{class}{bad} matrix\" style=\"--columns:{}\">{}</b>",
                view.shape.columns,
                cells.collect::<String>(),
            )
        }
    }
}

fn number(class: &str, value: f64) -> String {
    let bad = if value.is_finite() { "" } else { " bad" };
    // A value that only looks whole is shown in full on hovering.
    let title = if short(value).starts_with('≈') {
        format!(" title=\"{}\"", crate::number::exact(value))
    } else {
        String::new()
    };
    format!("<b class=\"{class}{bad}\"{title}>{}</b>", rounded(value, DIGITS))
}
