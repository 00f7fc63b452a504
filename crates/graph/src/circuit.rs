//! A circuit: a graph of scalars, its output, and the two passes done. What the
//! drawings draw.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use crate::number;
use crate::op::Gate;
use crate::tape::{Graph, Node, NodeId};
use crate::value::View;

/// A graph and its output, with the backward pass done. Only what the output
/// depends on is part of it.
#[derive(Clone, Debug)]
pub struct Circuit {
    graph: Graph,
    output: NodeId,
    title: String,
    /// The nodes that the output depends on, in the order of the tape.
    order: Vec<NodeId>,
    /// For a gate its number, counted from 1; for a variable its place among the
    /// graph's. A million names would take longer to write than both passes.
    numbers: Vec<u32>,
    /// The names of inputs that would otherwise have the name of another node.
    renamed: HashMap<NodeId, String>,
    /// The names of the gates that are a step of the formula.
    steps: HashMap<NodeId, String>,
    /// What the drawings call the output.
    output_name: String,
    /// Whether the title says so.
    title_has_names: bool,
    /// Whether drawings leave the numbers out.
    blank: bool,
}

impl Circuit {
    /// Takes a graph as it stands and runs it backward from `output`.
    #[must_use]
    pub fn new(mut graph: Graph, output: NodeId) -> Self {
        graph.backward(output);
        Self::of(graph, output, HashMap::new(), None)
    }

    /// A graph that ran backward from `output`, the names of gates, and that of the
    /// output.
    pub(crate) fn of(
        graph: Graph,
        output: NodeId,
        steps: HashMap<NodeId, String>,
        output_name: Option<String>,
    ) -> Self {
        let mut needed = vec![false; graph.len()];
        needed[output.index()] = true;
        for (id, node) in graph.nodes().rev() {
            if needed[id.index()] {
                for input in node.inputs() {
                    needed[input.index()] = true;
                }
            }
        }
        let order: Vec<NodeId> =
            graph.nodes().map(|(id, _)| id).filter(|id| needed[id.index()]).collect();
        let mut numbers = vec![0; graph.len()];
        for (place, (id, _)) in (0..).zip(graph.variables()) {
            numbers[id.index()] = place;
        }
        // A gate takes the next number with which it has no variable's name.
        let names = graph.variables().iter().map(|(_, name)| name).chain(steps.values());
        let taken: HashSet<&str> = names.map(String::as_str).collect();
        let gates = order
            .iter()
            .filter(|id| !graph.node(**id).gate().is_input() && !steps.contains_key(id));
        let free = (1..).filter(|number| !taken.contains(format!("g{number}").as_str()));
        if taken.iter().any(|name| name.starts_with('g')) {
            gates.zip(free).for_each(|(id, number)| numbers[id.index()] = number);
        } else {
            gates.zip(1..).for_each(|(id, number)| numbers[id.index()] = number);
        }
        let free = std::iter::once("f".to_owned()).chain((1..).map(|number| format!("f{number}")));
        let title_has_names = !steps.is_empty() || output_name.is_some();
        let free =
            output_name.or_else(|| free.into_iter().find(|name| !taken.contains(name.as_str())));
        let renamed = renamed(&graph, &order);
        Circuit {
            output_name: free.expect("names don't end"),
            steps,
            title_has_names,
            blank: false,
            graph,
            output,
            title: String::new(),
            order,
            numbers,
            renamed,
        }
    }

    /// With a title: the formula, for one that was read.
    #[must_use]
    pub fn named(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// With empty places for the numbers in its drawings, for the board and the exam.
    #[must_use]
    pub fn blank(self) -> Self {
        Circuit { blank: true, ..self }
    }

    /// Whether drawings leave the numbers out.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.blank
    }

    /// The title, or nothing.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The names of the gates that are a step of the formula.
    pub(crate) fn steps(&self) -> &HashMap<NodeId, String> {
        &self.steps
    }

    /// The title as an equation: `f = (x+y)*z`, and `q = x+y; f = q*z` as it is.
    #[must_use]
    pub fn equation(&self) -> String {
        match self.title() {
            "" => self.output_name.clone(),
            title if self.title_has_names => title.to_owned(),
            title => format!("{} = {title}", self.output_name),
        }
    }

    /// The graph.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The node whose value is the circuit's.
    #[must_use]
    pub fn output(&self) -> NodeId {
        self.output
    }

    /// The value of the output.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.graph.value(self.output)
    }

    /// The derivative of the output by the variable of this name.
    #[must_use]
    pub fn gradient(&self, variable: &str) -> Option<f64> {
        self.variables().find(|(name, _)| *name == variable).map(|(_, id)| self.graph.gradient(id))
    }

    /// The derivatives of the output by each element of the variable of this name.
    #[must_use]
    pub fn gradient_matrix(&self, variable: &str) -> Option<View<'_>> {
        let (_, id) = self.variables().find(|(name, _)| *name == variable)?;
        Some(self.graph.gradient_matrix(id))
    }

    /// The variables that the output depends on.
    pub fn variables(&self) -> impl Iterator<Item = (&str, NodeId)> {
        let used = |id: &NodeId| self.order.binary_search(id).is_ok();
        self.graph
            .variables()
            .iter()
            .filter(move |(id, _)| used(id))
            .map(|(id, n)| (n.as_str(), *id))
    }

    /// The nodes that the output depends on, inputs before those who read them.
    #[must_use]
    pub fn order(&self) -> &[NodeId] {
        &self.order
    }

    /// The same, without the variables and constants.
    pub fn gates(&self) -> impl Iterator<Item = (NodeId, Node<'_>)> {
        self.order
            .iter()
            .map(|&id| (id, self.graph.node(id)))
            .filter(|(_, node)| !node.gate().is_input())
    }

    /// What a node is called: a variable by its name, a constant by its number,
    /// a gate by its place on the tape: g1, g2, ... A gate passes over a number
    /// with which it would have a variable's name.
    #[must_use]
    pub fn name(&self, node: NodeId) -> Cow<'_, str> {
        let number = self.numbers[node.index()];
        match self.graph.node(node).gate() {
            Gate::Variable => self.graph.variables()[number as usize].1.as_str().into(),
            Gate::Constant(c) => number::constant(c).into(),
            _ => match self.steps.get(&node) {
                Some(name) => name.as_str().into(),
                None => format!("g{number}").into(),
            },
        }
    }

    /// A name that no other node has: [`Circuit::name`], but the second constant 3
    /// is `3 (2)`, and so is the second variable of a name.
    #[must_use]
    pub fn unique_name(&self, node: NodeId) -> Cow<'_, str> {
        self.renamed.get(&node).map_or_else(|| self.name(node), Cow::from)
    }

    /// The node's operation with the numbers in it: `3 × (-4)`, `exp(-27)`.
    #[must_use]
    pub fn expression(&self, node: NodeId) -> String {
        self.written(node, |input| match self.graph.shape(input).is_scalar() {
            true => number::rounded(self.graph.value(input), 6),
            false => self.name(input).into_owned(),
        })
    }

    /// The node's operation with the names of its inputs: `g1 × z`, `exp(g5)`.
    #[must_use]
    pub fn operation(&self, node: NodeId) -> String {
        self.written(node, |input| self.name(input).into_owned())
    }

    fn written(&self, node: NodeId, operand: impl Fn(NodeId) -> String) -> String {
        let gate = self.graph.node(node).gate();
        if gate.is_input() {
            return self.name(node).into_owned();
        }
        let inputs = self.graph.node(node).inputs();
        gate.text(&inputs.iter().map(|&input| operand(input)).collect::<Vec<_>>())
    }

    /// What the drawings call the output: f, or f1, f2, ... where a variable is
    /// called f.
    #[must_use]
    pub fn output_name(&self) -> &str {
        &self.output_name
    }

    /// Where infinities and NaNs come from: every node whose value isn't finite
    /// though its inputs are, and every gate that sends back a gradient that
    /// isn't finite though the one from upstream is. Empty if all went well, and
    /// where the numbers are left out.
    #[must_use]
    pub fn troubles(&self) -> Vec<Trouble> {
        let mut troubles = Vec::new();
        if self.blank {
            return troubles;
        }
        for &id in &self.order {
            let node = self.graph.node(id);
            let inputs = node.inputs().iter();
            let fed_well = inputs.clone().all(|&input| self.graph.matrix(input).is_finite());
            if !node.matrix().is_finite() && fed_well {
                let what = format!("{} gave {}", self.expression(id), worst(node.matrix()));
                troubles.push(self.trouble(id, what));
                continue;
            }
            for (slot, &input) in node.inputs().iter().enumerate() {
                if self.graph.has_matrices() {
                    let sent = node.sent_back_matrix(slot);
                    if !sent.view().is_finite() && node.gradient_matrix().is_finite() {
                        let (sent, to) = (worst(sent.view()), self.name(input));
                        let what = format!("{} sent back {sent} to {to}", self.expression(id));
                        troubles.push(self.trouble(id, what));
                    }
                    continue;
                }
                let sent = node.sent_back(slot);
                if !sent.is_finite() && node.gradient().is_finite() {
                    let what = format!(
                        "{} sent back {} to {}: local gradient {}, upstream {}",
                        self.expression(id),
                        number::short(sent),
                        self.name(input),
                        number::short(node.local_gradients()[slot]),
                        number::short(node.gradient()),
                    );
                    troubles.push(self.trouble(id, what));
                }
            }
        }
        troubles
    }

    fn trouble(&self, node: NodeId, what: String) -> Trouble {
        let gate = self.graph.node(node).gate();
        let message = match gate {
            Gate::Variable | Gate::Constant(_) => what,
            _ => format!("gate {} ({}): {what}", self.name(node), gate.symbol()),
        };
        Trouble { node, message }
    }
}

/// A gate that made an infinity or a NaN out of finite numbers.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// The gate.
    pub node: NodeId,
    /// One sentence that names it and says what it did.
    pub message: String,
}

/// The first number that isn't finite.
fn worst(view: View<'_>) -> String {
    let number = view.numbers.iter().find(|a| !a.is_finite());
    number::short(number.copied().unwrap_or(f64::NAN))
}

/// A name for each input that has the name of one before it: `x (2)`, `3 (2)`.
fn renamed(graph: &Graph, order: &[NodeId]) -> HashMap<NodeId, String> {
    let variables = graph.variables().iter().map(|(id, name)| (*id, Cow::from(name.as_str())));
    let constants = order.iter().filter_map(|&id| match graph.node(id).gate() {
        Gate::Constant(c) => Some((id, number::constant(c).into())),
        _ => None,
    });
    let mut times: HashMap<Cow<'_, str>, u32> = HashMap::new();
    let mut renamed = HashMap::new();
    for (id, name) in variables.chain(constants) {
        let times = times.entry(name.clone()).or_default();
        *times += 1;
        if *times > 1 {
            renamed.insert(id, format!("{name} ({times})"));
        }
    }
    renamed
}
