//! The page that links and shows everything.

use std::fmt::Write;

use super::{AT, Comparison, File, Training, comparison, derivation};
use crate::circuit::Circuit;
use crate::draw::escape;
use crate::number::{exact, rounded, significant};

/// The page that links and shows everything.
pub(super) struct Index<'a> {
    pub example: Circuit,
    pub primitive: Circuit,
    pub fused: Circuit,
    pub comparison: Comparison,
    pub training: Option<&'a Training>,
}

// Writing to a String can't fail, so the results of `write!` carry nothing.
impl Index<'_> {
    pub fn page(&self, files: &[File]) -> String {
        let picture = |name: &str| {
            files.iter().find(|file| file.name == name).map_or("", |file| file.content.as_str())
        };
        let mut page = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>Computation graphs and a two-layer network</title>\n<style>\n{}</style>\n\
             </head>\n<body>\n<main>\n<h1>Computation graphs and a two-layer network</h1>\n\
             <p class=\"lead\">Problem 4.1 is worked from its formula, problem 4.2 from a training \
             run. Every number was computed when this page was made.</p>\n<nav><p>",
            include_str!("../draw/page.css"),
        );
        for (anchor, name) in [
            ("example", "Worked example"),
            ("a", "4.1 (a) graph"),
            ("b", "(b) forward"),
            ("c", "(c) backward"),
            ("d", "(d) σ′"),
            ("e", "(e) sigmoid gate"),
            ("training", "4.2 training"),
            ("files", "files"),
        ] {
            let _ = write!(page, "<a href=\"#{anchor}\">{name}</a> · ");
        }
        page.truncate(page.trim_end_matches(" · ").len());
        page.push_str("</p></nav>\n");

        let value = exact(self.example.value());
        let _ = writeln!(
            page,
            "<h2 id=\"example\">Worked example: f = (x + y) z</h2>\n\
             <p>At x = -2, y = 5, z = -4. Forward: q = x + y = {}, f = q z = {value}. Backward, from \
             right to left: {}. <a href=\"example.html\">Step through it</a>.</p>\n\
             <figure>{}</figure>",
            exact(self.example.graph().value(self.example.gates().next().expect("x + y").0)),
            gradients(&self.example, &["x", "y", "z"]),
            picture("example.svg"),
        );
        let _ = writeln!(
            page,
            "<h2 id=\"a\">4.1 (a) The graph</h2>\n<p>f(w, x) = 1 / (1 + exp(-(w0 x0 + w1 x1 + w2))) out \
             of the gates ×, +, ×(-1), exp, +1 and 1/x.</p>\n<figure>{}</figure>",
            picture("a-graph.svg"),
        );
        let _ = writeln!(
            page,
            "<h2 id=\"b\">4.1 (b) The forward pass</h2>\n<p>At w = [1, 3, -2], x = [5, 8]: \
             s = {}, f = {}.</p>\n<figure>{}</figure>\n{}",
            exact(self.comparison.s),
            exact(self.primitive.value()),
            picture("b-forward.svg"),
            forward_table(&self.primitive),
        );
        let _ = writeln!(
            page,
            "<h2 id=\"c\">4.1 (c) The backward pass</h2>\n<p>Each gate multiplies the gradient from \
             upstream by its local gradient and hands the product to its inputs: {}. \
             <a href=\"c-step-by-step.html\">Step through it</a>.</p>\n<figure>{}</figure>\n{}",
            gradients(&self.primitive, &["w0", "w1", "w2", "x0", "x1"]),
            picture("c-backward.svg"),
            backward_table(&self.primitive),
        );
        page.push_str(&derivation::page());
        self.sigmoid_gate(&mut page, picture("e-sigmoid-gate.svg"));
        self.training(&mut page);
        page.push_str("<h2 id=\"files\">Files</h2>\n<ul>\n");
        let training = self.training.map_or(&[][..], |training| &training.files);
        let names =
            files.iter().map(|file| file.name).chain(training.iter().map(|(n, _)| n.as_str()));
        for name in names {
            let _ = writeln!(page, "<li><a href=\"{0}\">{0}</a></li>", escape(name));
        }
        page.push_str("</ul>\n</main>\n</body>\n</html>\n");
        page
    }

    fn sigmoid_gate(&self, page: &mut String, picture: &str) {
        let Comparison { s, forms } = &self.comparison;
        let _ = writeln!(
            page,
            "<h2 id=\"e\">4.1 (e) The sigmoid as one gate</h2>\n<p>The last four gates become one, whose \
             local gradient is that of (d): {}. <a href=\"e-step-by-step.html\">Step through \
             it</a>.</p>\n<figure>{picture}</figure>\n\
             <h3>The comparison with (c)</h3>\n<p>In exact arithmetic the two graphs give the same \
             gradients. In floating point it depends on how σ′ is written. At s = {}:</p>\n\
             <table><thead><tr><th scope=\"col\">dσ/ds by</th><th scope=\"col\">bits</th>\
             <th scope=\"col\">value</th><th scope=\"col\">relative error</th></tr></thead><tbody>",
            gradients(&self.fused, &["w0", "w1", "w2", "x0", "x1"]),
            exact(*s),
        );
        for (name, bits, value, error) in forms {
            let _ = writeln!(
                page,
                "<tr><th scope=\"row\">{name}</th><td>{bits}</td><td>{}</td><td>{}</td></tr>",
                significant(*value, 13),
                significant(*error, 2),
            );
        }
        page.push_str("</tbody></table>\n<p>Gradients of (c) and (e), side by side:</p>\n<table><thead><tr>\
            <th scope=\"col\">by</th><th scope=\"col\">(c) primitive gates</th>\
            <th scope=\"col\">(e) sigmoid gate</th><th scope=\"col\">relative difference</th></tr></thead><tbody>");
        for (name, _) in AT {
            let [c, e] = [&self.primitive, &self.fused]
                .map(|circuit| circuit.gradient(name).unwrap_or(f64::NAN));
            let _ = writeln!(
                page,
                "<tr><th scope=\"row\">{name}</th><td>{}</td><td>{}</td><td>{}</td></tr>",
                significant(c, 13),
                significant(e, 13),
                significant((c - e).abs() / c.abs(), 2),
            );
        }
        page.push_str("</tbody></table>\n");
        page.push_str(&comparison::explanation(*s));
    }

    fn training(&self, page: &mut String) {
        page.push_str("<h2 id=\"training\">4.2 The two-layer network</h2>\n");
        let Some(training) = self.training else {
            page.push_str(
                "<p>There is no training run to tell of yet. <code>chainrule train</code> makes one; \
                 then make these pages again.</p>\n",
            );
            return;
        };
        let _ = writeln!(
            page,
            "<p>From the run in <code>{}</code>.</p>\n<table><tbody>",
            escape(&training.source)
        );
        for (name, value) in &training.facts {
            let (name, value) = (escape(name), escape(value));
            let _ = writeln!(page, "<tr><th scope=\"row\">{name}</th><td>{value}</td></tr>");
        }
        page.push_str("</tbody></table>\n");
        for (name, what) in &training.files {
            let (name, what) = (escape(name), escape(what));
            if name.ends_with(".svg") || name == "weights.png" {
                let _ = writeln!(
                    page,
                    "<figure><img src=\"{name}\" alt=\"{what}\" style=\"max-width:100%\"><figcaption>{what}</figcaption></figure>",
                );
            } else {
                let _ = writeln!(page, "<p><a href=\"{name}\">{what}</a></p>");
            }
        }
    }
}

fn gradients(circuit: &Circuit, names: &[&str]) -> String {
    let each = names.iter().map(|name| {
        let gradient = circuit.gradient(name).unwrap_or(f64::NAN);
        format!("df/d{name} = {}", significant(gradient, 7))
    });
    each.collect::<Vec<_>>().join(", ")
}

fn forward_table(circuit: &Circuit) -> String {
    let mut table = String::from(
        "<table><thead><tr><th scope=\"col\">gate</th><th scope=\"col\">computes</th>\
         <th scope=\"col\">value</th></tr></thead><tbody>",
    );
    for (id, node) in circuit.gates() {
        let _ = writeln!(
            table,
            "<tr><th scope=\"row\">{}</th><td>{} = {}</td><td class=\"value\">{}</td></tr>",
            circuit.name(id),
            escape(&circuit.operation(id)),
            escape(&circuit.expression(id)),
            exact(node.value()),
        );
    }
    table.push_str("</tbody></table>");
    table
}

fn backward_table(circuit: &Circuit) -> String {
    let mut table = String::from(
        "<table><thead><tr><th scope=\"col\">gate</th><th scope=\"col\">to</th>\
         <th scope=\"col\">upstream</th><th scope=\"col\">× local</th><th scope=\"col\">= product</th>\
         </tr></thead><tbody>",
    );
    let gates: Vec<_> = circuit.gates().collect();
    for (id, node) in gates.into_iter().rev() {
        for (slot, &input) in node.inputs().iter().enumerate() {
            let _ = writeln!(
                table,
                "<tr><th scope=\"row\">{} ({})</th><td>{}</td><td>{}</td><td>{}</td>\
                 <td class=\"gradient\">{}</td></tr>",
                circuit.name(id),
                escape(&node.gate().symbol()),
                circuit.name(input),
                rounded(node.gradient(), 7),
                rounded(node.local_gradients()[slot], 7),
                rounded(node.sent_back(slot), 7),
            );
        }
    }
    table.push_str("</tbody></table>");
    table
}
