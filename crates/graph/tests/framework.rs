//! Values and gradients against a framework's automatic differentiation. The
//! reference was written by `fixtures/gradients.py`, which knows nothing of
//! this crate.

use chainrule_graph::{Formula, Gates, values};

fn relative(a: f64, b: f64) -> f64 {
    (a - b).abs() / a.abs().max(b.abs()).max(1e-300)
}

#[test]
fn every_gradient_equals_a_frameworks_whatever_gates_the_formula_is_made_of() {
    let mut cases = 0;
    for line in include_str!("fixtures/gradients.txt").lines().filter(|l| !l.starts_with('#')) {
        let [formula, at, value, gradients] =
            line.split(" | ").collect::<Vec<_>>().try_into().expect("four fields");
        let at = values::parse(at).unwrap();
        let value: f64 = value.parse().unwrap();
        for gates in [Gates::Written, Gates::Primitive, Gates::Fused] {
            let circuit = Formula::parse(formula).unwrap().circuit(&at, gates).unwrap();
            assert!(relative(circuit.value(), value) < 1e-12, "{formula}: {}", circuit.value());
            for (name, expected) in values::parse(gradients).unwrap() {
                let gradient = circuit.gradient(&name).unwrap();
                let expected = expected.numbers()[0];
                // Where terms cancel, as in the softmax, what is left has fewer digits.
                let error = (gradient - expected).abs() / expected.abs().max(1e-300);
                assert!(
                    error < 1e-12,
                    "{formula}, {gates:?}: d/d{name} = {gradient}, not {expected}"
                );
            }
        }
        cases += 1;
    }
    assert!(cases >= 30, "only {cases} formulas were compared");
}

#[test]
fn the_assignments_own_numbers_come_out_to_twelve_digits() {
    let at = values::parse("w0=1,w1=3,w2=-2,x0=5,x1=8").unwrap();
    let formula = Formula::parse("1/(1+exp(-(w0*x0+w1*x1+w2)))").unwrap();
    let ds = 1.879528816532e-12;
    for gates in [Gates::Written, Gates::Primitive, Gates::Fused] {
        let circuit = formula.circuit(&at, gates).unwrap();
        assert!(relative(circuit.value(), 0.9999999999981204) < 1e-15);
        for (name, factor) in [("w0", 5.0), ("w1", 8.0), ("w2", 1.0), ("x0", 1.0), ("x1", 3.0)] {
            let gradient = circuit.gradient(name).unwrap();
            assert!(relative(gradient, factor * ds) < 1e-12, "{gates:?} d/d{name} = {gradient:e}");
        }
        let symbols: Vec<_> =
            circuit.gates().map(|(_, node)| node.gate().symbol().into_owned()).collect();
        let expected: &[&str] = match gates {
            Gates::Fused => &["×", "×", "+", "+", "σ"],
            _ => &["×", "×", "+", "+", "×(-1)", "exp", "+1", "1/x"],
        };
        assert_eq!(symbols, expected);
    }
}
