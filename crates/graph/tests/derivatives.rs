//! The table of derivatives: as numbers, as gates, twice, and for matrices.

use chainrule_graph::{Circuit, Formula, Gate, Gates, Graph, NodeId, Shape, Value};
use proptest::prelude::*;

mod tree;

use tree::{tree, used};

fn close(a: f64, b: f64, bound: f64) -> bool {
    (a - b).abs() <= bound * a.abs().max(b.abs()) || a == b || a.is_nan() && b.is_nan()
}

proptest! {
    #[test]
    fn the_backward_pass_in_gates_gives_the_numbers_of_the_one_without(
        tree in tree(),
        at in prop::array::uniform4(-3.0..3.0_f64),
        gates in prop::sample::select(vec![Gates::Written, Gates::Primitive, Gates::Fused]),
    ) {
        let mut text = String::new();
        tree.text(true, &mut text);
        let mut seen = Default::default();
        used(&tree, &mut seen);
        let values: Vec<_> = seen.keys().map(|&i| (format!("x_{i}"), at[i])).collect();
        let circuit = Formula::parse(&text).unwrap().circuit(&values, gates).unwrap();
        let mut graph = circuit.graph().clone();
        let appended = graph.differentiate(circuit.output());
        for (name, id) in circuit.variables() {
            let number = circuit.graph().gradient(id);
            let gate = appended[id.index()].map_or(0.0, |gradient| graph.value(gradient));
            // 0 · inf, which is NaN in numbers, is left out where a gate sends back 0.
            prop_assert!(number.is_nan() || close(number, gate, 1e-14), "{text} d/d{name}: {number} {gate}");
        }
    }
}

/// ∂²f/∂a∂b
fn second(formula: &str, at: &[(&str, f64)], a: &str, b: &str) -> f64 {
    let circuit = Formula::parse(formula).unwrap().circuit(at, Gates::Written).unwrap();
    let id = |circuit: &Circuit, name: &str| -> NodeId {
        circuit.variables().find(|(known, _)| *known == name).unwrap().1
    };
    let (a, b) = (id(&circuit, a), id(&circuit, b));
    let mut graph = circuit.graph().clone();
    let Some(first) = graph.differentiate(circuit.output())[a.index()] else { return 0.0 };
    let second = graph.differentiate(first);
    second.get(b.index()).copied().flatten().map_or(0.0, |node| graph.value(node))
}

#[test]
fn second_derivatives_are_gates_of_gates() {
    // By sympy, evaluated to 20 digits: fixtures/second.py.
    for line in include_str!("fixtures/second.txt").lines().filter(|l| !l.starts_with('#')) {
        let [formula, at, by, expected] =
            line.split(" | ").collect::<Vec<_>>().try_into().expect("four fields");
        let at = chainrule_graph::values::parse(at).unwrap();
        let at: Vec<_> =
            at.iter().map(|(name, value)| (name.as_str(), value.numbers()[0])).collect();
        let (a, b) = by.split_once(' ').unwrap();
        let (found, expected) = (second(formula, &at, a, b), expected.parse().unwrap());
        assert!(close(found, expected, 1e-12), "{formula} by {by}: {found} and not {expected}");
    }
}

#[test]
fn a_power_has_derivatives_at_zero_wherever_it_has_one() {
    for (c, first, twice) in [(0.0, 0.0, 0.0), (1.0, 1.0, 0.0), (2.0, 0.0, 2.0), (3.0, 0.0, 0.0)] {
        let formula = format!("x^{c}");
        let at = [("x", 0.0)];
        let circuit = Formula::parse(&formula).unwrap().circuit(&at, Gates::Written).unwrap();
        assert_eq!(circuit.gradient("x"), Some(first), "{formula}");
        assert_eq!(second(&formula, &at, "x", "x"), twice, "{formula}");
    }
    let at = [("x", 0.0), ("y", 0.0)];
    let circuit = Formula::parse("x^y").unwrap().circuit(&at, Gates::Written).unwrap();
    assert_eq!((circuit.gradient("x"), circuit.gradient("y")), (Some(0.0), Some(0.0)));
}

#[test]
fn inputs_that_tie_share_the_gradient_equally() {
    // As torch.amax over the stacked inputs, and torch.maximum for two.
    let gradients = |formula: &str, at: &[(&str, f64)]| -> Vec<f64> {
        let circuit = Formula::parse(formula).unwrap().circuit(at, Gates::Written).unwrap();
        circuit.variables().map(|(_, id)| circuit.graph().gradient(id)).collect()
    };
    let third = 1.0 / 3.0;
    for name in ["max", "min"] {
        let three = format!("{name}(x,y,z)");
        let tie = gradients(&three, &[("x", 2.0), ("y", 2.0), ("z", 2.0)]);
        assert_eq!(tie, [third; 3], "{name}");
        let z = if name == "max" { 1.0 } else { 3.0 };
        assert_eq!(gradients(&three, &[("x", 2.0), ("y", 2.0), ("z", z)]), [0.5, 0.5, 0.0]);
        assert_eq!(gradients(&three, &[("x", 2.0), ("y", z), ("z", 2.0)]), [0.5, 0.0, 0.5]);
        assert_eq!(gradients(&format!("{name}(x,y)"), &[("x", 2.0), ("y", 2.0)]), [0.5, 0.5]);
        let five = format!("{name}(a,b,c,d,h)");
        let at = ["a", "b", "c", "d", "h"].map(|name| (name, 7.0));
        assert_eq!(gradients(&five, &at), [0.2; 5], "{name}");
    }
    assert_eq!(gradients("relu(x)", &[("x", 0.0)]), [0.0]);
    assert_eq!(gradients("abs(x)", &[("x", 0.0)]), [0.0]);
}

#[test]
fn a_layer_of_matrices_has_the_gradients_that_jax_gives() {
    // sum(tanh(W @ x + b) * y), y a row that is broadcast: fixtures/matrices.py.
    let mut g = Graph::new();
    let value =
        |rows, columns, numbers: &[f64]| Value::new(Shape::new(rows, columns), numbers.to_vec());
    let w = g.variable("W", value(2, 3, &[0.1, -0.2, 0.3, 0.4, 0.5, -0.6]));
    let x = g.variable("x", value(3, 2, &[1.0, -1.0, 0.5, 2.0, -1.5, 0.25]));
    let b = g.variable("b", value(2, 1, &[0.05, -0.15]));
    let y = g.variable("y", value(1, 2, &[2.0, -3.0]));
    let product = g.binary(Gate::MatMul, w, x);
    let z = g.add(product, b);
    let a = g.tanh(z);
    let weighted = g.mul(a, y);
    let f = g.unary(Gate::Sum, weighted);
    g.backward(f);
    let mut lines = include_str!("fixtures/matrices.txt").lines().filter(|l| !l.starts_with('#'));
    let mut next = || -> Vec<f64> {
        lines.next().unwrap().split(' ').map(|number| number.parse().unwrap()).collect()
    };
    assert!(close(g.value(f), next()[0], 1e-14));
    for variable in [w, x, b, y] {
        let expected = next();
        let gradient = g.gradient_matrix(variable);
        assert_eq!(gradient.numbers.len(), expected.len());
        for (a, b) in gradient.numbers.iter().zip(expected) {
            assert!(close(*a, b, 1e-13), "{a} and not {b}");
        }
    }
}

#[test]
fn shapes_that_do_not_fit_are_refused_with_both_shapes() {
    let mut g = Graph::new();
    let a = g.variable("a", Value::new(Shape::new(4, 3), vec![0.0; 12]));
    let b = g.variable("b", Value::new(Shape::new(2, 1), vec![0.0; 2]));
    for (gate, name) in [(Gate::MatMul, "@"), (Gate::Add, "+")] {
        let message = g.apply(gate, &[a, b]).unwrap_err().to_string();
        assert!(message.starts_with(&format!("{name} can't take 4x3 and 2x1: ")), "{message}");
    }
}
