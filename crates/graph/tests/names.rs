//! What the nodes of a circuit are called, in tables, drawings and JSON.

use std::collections::HashSet;

use chainrule_graph::{Circuit, Formula, Gates};

fn circuit(formula: &str, at: &[(&str, f64)]) -> Circuit {
    Formula::parse(formula).unwrap().circuit(at, Gates::Written).unwrap()
}

#[test]
fn neither_a_gate_nor_the_output_takes_the_name_of_a_variable() {
    let circuit = circuit("g1*f+g3", &[("g1", 2.0), ("f", 3.0), ("g3", 4.0)]);
    let gates: Vec<_> = circuit.gates().map(|(id, _)| circuit.name(id).into_owned()).collect();
    assert_eq!(gates, ["g2", "g4"]);
    assert_eq!(circuit.output_name(), "f1");
}

#[test]
fn nodes_that_look_alike_can_be_told_apart() {
    let circuit = circuit("max(3,x)*max(3,g2)-max(3,f)", &[("x", 1.0), ("g2", 5.0), ("f", 4.0)]);
    let names: Vec<_> = circuit.order().iter().map(|&id| circuit.unique_name(id)).collect();
    assert_eq!(names.len(), names.iter().collect::<HashSet<_>>().len(), "{names:?}");
    assert_eq!(names.iter().filter(|name| name.starts_with('3')).count(), 3);
}
