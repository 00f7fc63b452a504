//! The assignment, worked: problem 4.1 from the formula, problem 4.2 from a
//! training run.
//!
//! Nothing here is a number that was written down beforehand: values,
//! gradients and the comparison of the sigmoid's derivatives are computed when
//! the pages are made, on the machine that makes them.

use std::fmt::Write;

use crate::circuit::Circuit;
use crate::draw::svg::{self, Stage};
use crate::draw::{escape, html};
use crate::number::{exact, rounded, significant};
use crate::{Formula, Gate, Gates, sigmoid};

/// The neuron of problem 4.1 and where it is evaluated.
const NEURON: &str = "1/(1+exp(-(w0*x0+w1*x1+w2)))";
const AT: [(&str, f64); 5] = [("w0", 1.0), ("w1", 3.0), ("w2", -2.0), ("x0", 5.0), ("x1", 8.0)];

/// The example that is worked before it.
const EXAMPLE: &str = "(x+y)*z";
const EXAMPLE_AT: [(&str, f64); 3] = [("x", -2.0), ("y", 5.0), ("z", -4.0)];

/// What problem 4.2 takes from a training run.
#[derive(Clone, Debug, Default)]
pub struct Training {
    /// Where the run was found.
    pub source: String,
    /// Accuracies and what else is to be told, by name.
    pub facts: Vec<(String, String)>,
    /// Files of the run that stand beside the index: name, and what it shows.
    pub files: Vec<(String, String)>,
}

/// A file of the answer.
#[derive(Clone, Debug)]
pub struct File {
    /// Its name, in the folder of the answer.
    pub name: &'static str,
    /// What is in it.
    pub content: String,
}

/// The derivative of the sigmoid at one place, by every form.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Where.
    pub s: f64,
    /// The forms: name, precision in bits, value, error relative to the
    /// sigmoid gate's.
    pub forms: Vec<(&'static str, u32, f64, f64)>,
}

/// Computes dσ/ds at s by the chain of primitive gates, by the sigmoid gate,
/// and by the textbook form (1 - σ)σ, in double and single precision.
///
/// ```
/// let comparison = chainrule_graph::assignment::compare(27.0);
/// let textbook = &comparison.forms[2];
/// assert!(textbook.0.contains("(1 − σ)σ") && (4e-5..5e-5).contains(&textbook.3));
/// ```
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "f32 is what is to be shown")]
pub fn compare(s: f64) -> Comparison {
    let chain = circuit("1/(1+exp(-s))", &[("s", s)], Gates::Primitive);
    let gate = circuit("sigmoid(s)", &[("s", s)], Gates::Written);
    let [by_chain, by_gate] = [chain, gate].map(|c| c.gradient("s").unwrap_or(f64::NAN));
    let single = s as f32;
    let forms = [
        ("the chain ×(-1), exp, +1, 1/x", 64, by_chain),
        ("the sigmoid gate, exp(-s)/(1 + exp(-s))²", 64, by_gate),
        ("the textbook form (1 − σ)σ", 64, sigmoid::derivative_textbook(s)),
        ("the sigmoid gate's form", 32, f64::from(sigmoid::derivative_f32(single))),
        ("the textbook form (1 − σ)σ", 32, f64::from(sigmoid::derivative_textbook_f32(single))),
    ];
    let forms =
        forms.map(|(name, bits, value)| (name, bits, value, (value - by_gate).abs() / by_gate));
    Comparison { s, forms: forms.to_vec() }
}

/// All files of the answer; `index.html` links and shows the others.
#[must_use]
pub fn files(training: Option<&Training>) -> Vec<File> {
    let example = circuit(EXAMPLE, &EXAMPLE_AT, Gates::Written);
    let primitive = circuit(NEURON, &AT, Gates::Primitive);
    let fused = circuit(NEURON, &AT, Gates::Fused);
    let picture = |circuit: &Circuit, stage| {
        svg::draw_up_to(circuit, stage).expect("the assignment's graphs are small")
    };
    let page = |circuit: &Circuit| html::draw(circuit).expect("the assignment's graphs are small");
    let mut files = vec![
        File { name: "example.svg", content: picture(&example, Stage::Backward) },
        File { name: "example.html", content: page(&example) },
        File { name: "a-graph.svg", content: picture(&primitive, Stage::Graph) },
        File { name: "b-forward.svg", content: picture(&primitive, Stage::Forward) },
        File { name: "c-backward.svg", content: picture(&primitive, Stage::Backward) },
        File { name: "c-step-by-step.html", content: page(&primitive) },
        File { name: "e-sigmoid-gate.svg", content: picture(&fused, Stage::Backward) },
        File { name: "e-step-by-step.html", content: page(&fused) },
    ];
    let comparison = compare(pre_activation(&fused));
    files.push(File { name: "e-comparison.csv", content: comparison_csv(&comparison) });
    let index = Index { example, primitive, fused, comparison, training };
    files.push(File { name: "index.html", content: index.page(&files) });
    files
}

fn circuit(formula: &str, at: &[(&str, f64)], gates: Gates) -> Circuit {
    let formula = Formula::parse(formula).expect("the assignment's formulas are well formed");
    formula.circuit(at, gates).expect("the assignment gives every value")
}

/// s, the input of the sigmoid gate.
fn pre_activation(fused: &Circuit) -> f64 {
    let sigmoid = fused.gates().find(|(_, node)| node.gate() == Gate::Sigmoid);
    sigmoid.map_or(f64::NAN, |(_, node)| fused.graph().value(node.inputs()[0]))
}

fn comparison_csv(comparison: &Comparison) -> String {
    let mut csv = String::from("form,bits,s,derivative,relative_error\n");
    for (name, bits, value, error) in &comparison.forms {
        let _ = writeln!(csv, "\"{name}\",{bits},{},{value:e},{error:e}", comparison.s);
    }
    csv
}

/// The page that links and shows everything.
struct Index<'a> {
    example: Circuit,
    primitive: Circuit,
    fused: Circuit,
    comparison: Comparison,
    training: Option<&'a Training>,
}

// Writing to a String can't fail, so the results of `write!` carry nothing.
impl Index<'_> {
    fn page(&self, files: &[File]) -> String {
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
            include_str!("draw/page.css"),
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
        page.push_str(&derivation());
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
        page.push_str(&explanation(*s));
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

/// A line of the derivation: the term, as MathML and as a function; and why.
type Line = (&'static str, fn(f64) -> f64, &'static str);

/// (d), line by line. Each line is also evaluated at one place, where none of
/// the forms loses digits, so that a slip of the pen would show.
fn derivation() -> String {
    const S: f64 = 0.5;
    const E: &str = "<msup><mi>e</mi><mrow><mo>−</mo><mi>s</mi></mrow></msup>";
    const D: &str = "<mrow><mn>1</mn><mo>+</mo>@E</mrow>";
    fn decay(s: f64) -> f64 {
        (-s).exp()
    }
    let lines: [Line; 7] = [
        (
            "<mfrac><mi>d</mi><mrow><mi>d</mi><mi>s</mi></mrow></mfrac>\
             <msup><mrow><mo>(</mo>@D<mo>)</mo></mrow><mrow><mo>−</mo><mn>1</mn></mrow></msup>",
            |s| {
                let h = 1e-5;
                (sigmoid::value(s + h) - sigmoid::value(s - h)) / (2.0 * h)
            },
            "the sigmoid, written as a power; its value here by a centered difference",
        ),
        (
            "<mo>−</mo><msup><mrow><mo>(</mo>@D<mo>)</mo></mrow><mrow><mo>−</mo><mn>2</mn></mrow></msup>\
             <mo>·</mo><mfrac><mi>d</mi><mrow><mi>d</mi><mi>s</mi></mrow></mfrac><mrow><mo>(</mo>@D<mo>)</mo></mrow>",
            |s| {
                let h = 1e-5;
                let inner = (decay(s + h) - decay(s - h)) / (2.0 * h);
                -(1.0 + decay(s)).powi(-2) * inner
            },
            "the chain rule: outer times inner derivative, the inner one by a centered difference",
        ),
        (
            "<mo>−</mo><msup><mrow><mo>(</mo>@D<mo>)</mo></mrow><mrow><mo>−</mo><mn>2</mn></mrow></msup>\
             <mo>·</mo><mrow><mo>(</mo><mo>−</mo>@E<mo>)</mo></mrow>",
            |s| -(1.0 + decay(s)).powi(-2) * -decay(s),
            "the derivative of exp(-s) is -exp(-s)",
        ),
        (
            "<mfrac>@E<msup><mrow><mo>(</mo>@D<mo>)</mo></mrow><mn>2</mn></msup></mfrac>",
            |s| decay(s) / (1.0 + decay(s)).powi(2),
            "two minus signs make a plus: this is the form that the gate computes",
        ),
        (
            "<mfrac><mrow><mo>(</mo>@D<mo>)</mo><mo>−</mo><mn>1</mn></mrow>@D</mfrac><mo>·</mo>\
             <mfrac><mn>1</mn>@D</mfrac>",
            |s| ((1.0 + decay(s)) - 1.0) / (1.0 + decay(s)) * (1.0 / (1.0 + decay(s))),
            "add and subtract 1 above, and split the square",
        ),
        (
            "<mrow><mo>(</mo><mn>1</mn><mo>−</mo><mfrac><mn>1</mn>@D</mfrac><mo>)</mo></mrow><mo>·</mo>\
             <mfrac><mn>1</mn>@D</mfrac>",
            |s| (1.0 - 1.0 / (1.0 + decay(s))) * (1.0 / (1.0 + decay(s))),
            "divide the first fraction",
        ),
        (
            "<mrow><mo>(</mo><mn>1</mn><mo>−</mo><mi>σ</mi><mo>(</mo><mi>s</mi><mo>)</mo><mo>)</mo></mrow>\
             <mi>σ</mi><mo>(</mo><mi>s</mi><mo>)</mo>",
            sigmoid::derivative_textbook,
            "what stands there is σ",
        ),
    ];
    let mut out = format!(
        "<h2 id=\"d\">4.1 (d) The derivative of the sigmoid</h2>\n<p>σ(s) = 1 / (1 + exp(-s)). Each \
         line is also evaluated, at s = {S}.</p>\n<table><tbody>\n"
    );
    for (i, (term, value, reason)) in lines.iter().enumerate() {
        let left = if i == 0 {
            "<mfrac><mrow><mi>d</mi><mi>σ</mi></mrow><mrow><mi>d</mi><mi>s</mi></mrow></mfrac>"
        } else {
            ""
        };
        let term = term.replace("@D", D).replace("@E", E);
        let _ = writeln!(
            out,
            "<tr><td><math>{left}</math></td><td style=\"text-align:left\">\
             <math><mo>=</mo>{term}</math></td><td>{}</td>\
             <td style=\"text-align:left;font-family:inherit\">{reason}</td></tr>",
            significant(value(S), 9),
        );
    }
    out.push_str(
        "</tbody></table>\n<p>And since 1 − σ(s) = exp(-s)/(1 + exp(-s)) = σ(-s), it is also \
         σ(s) σ(-s).</p>\n",
    );
    out
}

/// Why the textbook form is off at s, with the numbers of this machine.
fn explanation(s: f64) -> String {
    let decay = (-s).exp();
    let denominator = 1.0 + decay;
    let sigma = 1.0 / denominator;
    let left_over = 1.0 - sigma;
    let spacing = f64::EPSILON / 2.0; // between floats just below 1
    let error = (sigmoid::derivative_textbook(s) / sigmoid::derivative(s) - 1.0).abs();
    #[expect(clippy::cast_possible_truncation, reason = "f32 is what is to be shown")]
    let sigma_f32 = 1.0 / (1.0 + (-s as f32).exp());
    // The first whole s at which the textbook form has nothing left.
    let zero_at = |lost: &dyn Fn(i32) -> bool| (1..1000).find(|&s| lost(s)).unwrap_or(0);
    let zero_f64 = zero_at(&|s| sigmoid::derivative_textbook(f64::from(s)) == 0.0);
    #[expect(clippy::cast_precision_loss, reason = "whole numbers below 1000")]
    let zero_f32 = zero_at(&|s| sigmoid::derivative_textbook_f32(s as f32) == 0.0);
    format!(
        "<h3>Why the textbook form is off by {error}</h3>\n\
         <p>σ({s}) is just below 1. There the 64-bit floats are {spacing} apart, so what \
         is stored is σ = {sigma}, rounded. The subtraction 1 − σ is then exact, but the digits that it \
         would have to bring out were lost before: it gives {left_over}, which is {steps} steps of \
         {spacing}, where exp(-{s})/(1 + exp(-{s})) = {truth} was meant. That is cancellation, and the \
         relative error of the gradient is {error}.</p>\n\
         <p>A 32-bit float has 24 bits: just below 1 they are {spacing_f32} apart, more than the whole of \
         1 − σ. There σ({s}) is stored as {sigma_f32}, and the textbook gradient is {gradient_f32}: the \
         neuron would not learn at all. The textbook form is exactly 0 from s = {zero_f32} on in 32 bits \
         and from s = {zero_f64} on in 64.</p>\n\
         <p>The chain of (c) never subtracts numbers that are nearly equal: it multiplies \
         -1/(1 + exp(-s))² by exp(-s). The sigmoid gate computes exp(-|s|)/(1 + exp(-|s|))², which is \
         σ(s) σ(-s); nothing is subtracted, the exponential can't overflow, and the gradient is good to \
         the last digits in either precision.</p>\n",
        error = significant(error, 2),
        s = exact(s),
        spacing = significant(spacing, 3),
        sigma = exact(sigma),
        left_over = significant(left_over, 10),
        steps = exact(left_over / spacing),
        truth = significant(decay / denominator, 10),
        spacing_f32 = significant(f64::from(f32::EPSILON) / 2.0, 3),
        gradient_f32 = significant(f64::from(sigmoid::derivative_textbook_f32(s as f32)), 3),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_links_every_file_and_holds_the_published_figures() {
        let files = files(None);
        let index = &files.last().unwrap().content;
        for file in &files[..files.len() - 1] {
            assert!(index.contains(&format!("href=\"{}\"", file.name)), "{}", file.name);
        }
        for figure in [
            "0.9999999999981204",
            "df/dw0 = 9.397644e-12",
            "df/dw1 = 1.503623e-11",
            "df/dw2 = 1.879529e-12",
            "df/dx0 = 1.879529e-12",
            "df/dx1 = 5.638586e-12",
            "1.879528816532e-12",
            "1.879607580687e-12",
            "4.2e-5",
            "df/dx = -4, df/dy = -4, df/dz = 3",
        ] {
            assert!(index.contains(figure), "{figure}");
        }
    }

    #[test]
    fn every_line_of_the_derivation_has_the_same_value() {
        // By hand to eight digits: σ(0.5) = 0.62245933, σ' = 0.23500371.
        assert_eq!(derivation().matches(">0.2350037").count(), 7);
    }

    #[test]
    fn the_drawing_of_the_forward_pass_shows_no_gradient_and_the_graph_no_number() {
        let files = files(None);
        let count = |name: &str, class: &str| {
            let file = files.iter().find(|file| file.name == name).unwrap();
            file.content.matches(&format!("<text class=\"cr-{class}\"")).count()
        };
        assert_eq!((count("a-graph.svg", "value"), count("a-graph.svg", "gradient")), (0, 0));
        assert_eq!((count("b-forward.svg", "value"), count("b-forward.svg", "gradient")), (13, 0));
        assert_eq!(
            (count("c-backward.svg", "value"), count("c-backward.svg", "gradient")),
            (13, 13)
        );
    }

    #[test]
    fn what_a_run_is_called_cannot_break_the_page() {
        let training = Training {
            source: "runs/<script>".into(),
            facts: vec![("test accuracy".into(), "53.2 %".into())],
            files: vec![("curves.svg".into(), "accuracy & loss".into())],
        };
        let index = files(Some(&training)).pop().unwrap().content;
        assert!(index.contains("53.2 %") && index.contains("accuracy &amp; loss"));
        assert!(!index.contains("<script>"));
    }
}
