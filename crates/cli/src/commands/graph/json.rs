//! The answer as JSON.

use chainrule_graph::check::{Checked, Verdict};
use chainrule_graph::number::exact;
use chainrule_graph::value::View;
use chainrule_graph::{Circuit, Gate, NodeId, Value as Matrix};
use serde_json::{Map, Value, json};

use super::Named;

/// A float as JSON: infinities and NaN, which JSON doesn't have, as strings.
fn number(value: f64) -> Value {
    if value.is_finite() { json!(value) } else { json!(exact(value)) }
}

/// A matrix as a list of its rows, a scalar as a number.
pub(super) fn matrix(view: View<'_>) -> Value {
    if view.shape.is_scalar() {
        return number(view.numbers[0]);
    }
    let rows = view.numbers.chunks(view.shape.columns as usize);
    rows.map(|row| row.iter().map(|&value| number(value)).collect::<Value>()).collect()
}

/// Derivatives as `[x][y]`.
pub(super) fn blocks<'a>(
    rows: impl Iterator<Item = &'a str>,
    variables: &Named,
    blocks: &[Vec<Matrix>],
) -> Value {
    let row = |blocks: &Vec<Matrix>| -> Map<String, Value> {
        let named = variables.iter().zip(blocks);
        named.map(|((name, _), block)| ((*name).to_owned(), matrix(block.view()))).collect()
    };
    Value::Object(rows.map(str::to_owned).zip(blocks.iter().map(|r| row(r).into())).collect())
}

/// Value, gradients, inputs, gates, and what was checked.
pub(super) fn of(
    circuit: &Circuit,
    variables: &Named,
    checked: &[Checked],
    second: Option<&[Vec<Matrix>]>,
) -> Value {
    let graph = circuit.graph();
    let gradients: Map<String, Value> = variables
        .iter()
        .map(|(name, id)| ((*name).to_owned(), matrix(graph.gradient_matrix(*id))))
        .collect();
    let mut gates = Vec::new();
    let mut inputs = Vec::new();
    for &id in circuit.order() {
        let node = graph.node(id);
        let mut entry = Map::new();
        entry.insert("name".into(), circuit.unique_name(id).into());
        let variable = node.gate() == Gate::Variable;
        if node.gate().is_input() {
            let kind = if variable { "variable" } else { "constant" };
            entry.insert("kind".into(), kind.into());
        } else {
            let inputs = node.inputs().iter().map(|&input| circuit.unique_name(input));
            entry.insert("gate".into(), node.gate().symbol().into());
            entry.insert("inputs".into(), inputs.collect());
        }
        if graph.has_matrices() {
            entry.insert("shape".into(), json!([node.shape().rows, node.shape().columns]));
        }
        entry.insert("value".into(), matrix(node.matrix()));
        if !node.gate().is_input() {
            backward(circuit, id, &mut entry);
        }
        entry.insert("gradient".into(), matrix(node.gradient_matrix()));
        let list = if node.gate().is_input() { &mut inputs } else { &mut gates };
        list.push(Value::Object(entry));
    }
    let mut answer = json!({
        "formula": circuit.title(),
        "value": number(circuit.value()),
        "gradients": gradients,
        "inputs": inputs,
        "gates": gates,
        "troubles": circuit.troubles().iter().map(|t| &t.message).collect::<Vec<_>>(),
    });
    if let Some(second) = second {
        let names = variables.iter().map(|(name, _)| *name);
        answer["hessian"] = blocks(names, variables, second);
    }
    if !checked.is_empty() {
        answer["check"] = checked
            .iter()
            .map(|c| {
                let mut entry = json!({
                    "variable": circuit.name(c.variable),
                    "gradient": number(c.gradient),
                    "centered_difference": number(c.difference),
                    "centred_difference": number(c.difference), // its first name
                    "relative_error": number(c.relative_error()),
                    "step": number(c.step),
                    "resolution": number(c.resolution),
                    "reason": c.reason,
                    "verdict": match c.verdict {
                        Verdict::Agrees => "agrees",
                        Verdict::Unresolved => "unresolved",
                        Verdict::Kink => "kink",
                        Verdict::NotFinite => "not finite",
                        Verdict::Differs => "differs",
                    },
                });
                if let Some((row, column)) = c.element {
                    entry["element"] = json!([row, column]);
                    entry["elements"] = c.elements.into();
                }
                entry
            })
            .collect();
    }
    answer
}

/// What a gate does on the way back: the local gradients of a scalar; of a matrix what
/// is sent to each input, and by which rule.
fn backward(circuit: &Circuit, id: NodeId, entry: &mut Map<String, Value>) {
    let node = circuit.graph().node(id);
    if !circuit.graph().has_matrices() {
        let local = node.local_gradients().iter().map(|&local| number(local));
        entry.insert("local_gradients".into(), local.collect());
        return;
    }
    let slots = 0..node.inputs().len();
    let sent = slots.clone().map(|slot| matrix(node.sent_back_matrix(slot).view()));
    entry.insert("sent_back".into(), sent.collect());
    let rule = |slot| circuit.rule(id, slot).map(|rule| format!("{}, {}", rule.text, rule.shapes));
    entry.insert("rules".into(), slots.map(|slot| json!(rule(slot))).collect());
}
