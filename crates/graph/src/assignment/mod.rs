//! The assignment, worked: problem 4.1 from the formula, problem 4.2 from a
//! training run.
//!
//! Nothing here is a number that was written down beforehand: values,
//! gradients and the comparison of the sigmoid's derivatives are computed when
//! the pages are made, on the machine that makes them.

mod blocks;
mod comparison;
mod derivation;
mod page;
mod worked;

pub use blocks::{Block, Cell};
pub use comparison::{Comparison, compare};

use crate::circuit::Circuit;
use crate::{Formula, Gate, Gates};

use worked::Worked;

/// What the answer is called.
pub const TITLE: &str = "Computation graphs and a two-layer network";

/// Where the numbers come from.
pub const COMPUTED: &str = "Every number was computed by Chainrule when this was made.";

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

/// Whom the answer is made for.
#[derive(Clone, Debug, Default)]
pub struct Title {
    /// The name of a person.
    pub name: Option<String>,
    /// The name of a course.
    pub course: Option<String>,
}

impl Title {
    /// Both in one line, if there are any.
    #[must_use]
    pub fn line(&self) -> Option<String> {
        let parts: Vec<&str> =
            [&self.name, &self.course].into_iter().flatten().map(String::as_str).collect();
        (!parts.is_empty()).then(|| parts.join(" · "))
    }
}

/// The answer to problem 4.1.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What is told and shown, from the top.
    pub blocks: Vec<Block>,
    /// The comparison of (e), as CSV.
    pub comparison: String,
}

/// Works problem 4.1.
#[must_use]
pub fn work() -> Answer {
    let example = circuit(EXAMPLE, &EXAMPLE_AT, Gates::Written);
    let primitive = circuit(NEURON, &AT, Gates::Primitive);
    let fused = circuit(NEURON, &AT, Gates::Fused);
    let comparison = compare(pre_activation(&fused));
    let csv = comparison::csv(&comparison);
    let blocks = Worked { example, primitive, fused, comparison }.blocks();
    Answer { blocks, comparison: csv }
}

impl Answer {
    /// The files of the answer: name and content.
    #[must_use]
    pub fn files(&self) -> Vec<(&'static str, &str)> {
        let drawn = self.blocks.iter().filter_map(|block| match block {
            Block::Figure { file, svg } => Some((*file, svg.as_str())),
            Block::Page { file, html, .. } => Some((*file, html.as_str())),
            _ => None,
        });
        drawn.chain([("e-comparison.csv", self.comparison.as_str())]).collect()
    }

    /// The page that shows everything, and links the files of the answer, `others`, and those of the
    /// run.
    #[must_use]
    pub fn page(&self, title: &Title, training: Option<&Training>, others: &[&str]) -> String {
        let of_run = training.map_or(&[][..], |training| &training.files);
        let files: Vec<&str> = self
            .files()
            .iter()
            .map(|(name, _)| *name)
            .chain(others.iter().copied())
            .chain(of_run.iter().map(|(name, _)| name.as_str()))
            .collect();
        page::page(title, &self.blocks, training, &files)
    }
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
        let answer = work();
        let index = answer.page(&Title::default(), None, &["problem-4.1.pdf"]);
        for name in answer.files().iter().map(|(name, _)| *name).chain(["problem-4.1.pdf"]) {
            assert!(index.contains(&format!("href=\"{name}\"")), "{name}");
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
        let answer = work();
        let files = answer.files();
        let count = |name: &str, class: &str| {
            let (_, content) = files.iter().find(|(known, _)| *known == name).unwrap();
            content.matches(&format!("<text class=\"cr-{class}\"")).count()
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
        let title = Title { name: Some("<b>A & B".into()), course: None };
        let index = work().page(&title, Some(&training), &[]);
        assert!(index.contains("<p>&lt;b&gt;A &amp; B</p>"));
        assert!(index.contains("53.2 %") && index.contains("accuracy &amp; loss"));
        assert!(!index.contains("<script>"));
    }
}
