//! The assignment, worked: problem 4.1 from the formula, problem 4.2 from a
//! training run.
//!
//! Nothing here is a number that was written down beforehand: values,
//! gradients and the comparison of the sigmoid's derivatives are computed when
//! the pages are made, on the machine that makes them.

mod comparison;
mod derivation;
mod index;

pub use comparison::{Comparison, compare};

use crate::circuit::Circuit;
use crate::draw::html;
use crate::draw::svg::{self, Stage};
use crate::{Formula, Gate, Gates};

use index::Index;

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
    files.push(File { name: "e-comparison.csv", content: comparison::csv(&comparison) });
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
