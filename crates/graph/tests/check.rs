//! The check by centered differences: right gradients are never called wrong, and
//! wrong ones are found wherever a difference can tell. Right is what forward-mode
//! dual numbers say, computed over the formula's tree, which shares nothing with
//! the crate; or a number from mpmath.

use std::collections::BTreeMap;

use chainrule_graph::check::{Checked, Verdict, check, check_gradient};
use chainrule_graph::{Circuit, Formula, Gates, NodeId};
use proptest::prelude::*;

mod tree;

use tree::{Tree, tree, used};

fn circuit(formula: &str, at: &[(&str, f64)]) -> Circuit {
    Formula::parse(formula).unwrap().circuit(at, Gates::Written).unwrap()
}

fn variables(circuit: &Circuit) -> Vec<NodeId> {
    circuit.variables().map(|(_, id)| id).collect()
}

fn checked(formula: &str, at: &[(&str, f64)]) -> Checked {
    let circuit = circuit(formula, at);
    check(&circuit, &variables(&circuit))[0].clone()
}

#[test]
fn a_step_is_never_longer_than_a_period_nor_than_the_way_to_a_pole() {
    // Derivatives by mpmath with 50 digits.
    for (formula, x, derivative) in [
        ("sin(x)", 1e6, 9.367_521_275_331e-1),
        ("sin(1/x)", 1e-5, 9.993_608_074_379e9),
        ("sin(1/x)", -3e-5, -5.669_846_999_562e8),
        ("exp(x)", 700.0, 1.014_232_054_735e304),
        ("exp(x)", -700.0, 9.859_676_543_76e-305),
        ("1/x", 1e-150, -1.0e300),
        ("1/x", 1e150, -1.0e-300),
        ("sqrt(x)", 1e-20, 5.0e9),
        ("sqrt(x)", 1e-300, 5.0e149),
        ("log(x)", 1e-300, 1.0e300),
        ("x^0.3", 1e-200, 3.0e139),
        ("x^x", 1e-10, -2.202_585_087_922e1),
        ("tanh(x)", 1e-9, 1.0),
        ("exp(1/x)", 0.01, -2.688_117_141_816e47),
        ("exp(1e100*x)", 0.0, 1.0e100),
        ("x*x", 1e-100, 2.0e-100),
        ("x^2", 1e150, 2.0e150),
        ("cos(1e10*x)", 1e-3, -4.205_477_930_019e9),
        ("1/(1e-8+x^2)", 1e-6, -1.999_600_059_992e10),
        ("log(x-1)", 1.000_000_1, 9.999_999_994_161e6),
    ] {
        let c = checked(formula, &[("x", x)]);
        let right = (c.gradient / derivative - 1.0).abs() < 1e-9;
        assert!(right, "{formula} at {x}: {:e}", c.gradient);
        assert_eq!(c.verdict, Verdict::Agrees, "{formula} at {x}: {c:?}");
    }
}

#[test]
fn where_no_difference_can_tell_the_check_says_why() {
    for (formula, at, verdict, reason) in [
        ("1/x", &[("x", 1e-300)][..], Verdict::NotFinite, "the gradient is -inf"),
        ("log(x)", &[("x", 0.0)], Verdict::NotFinite, "the formula gives -inf"),
        ("sqrt(x)", &[("x", 0.0)], Verdict::NotFinite, "the gradient is inf"),
        ("relu(x)", &[("x", 0.0)], Verdict::Kink, "g1 (relu) has a kink"),
        ("max(x,y,z)", &[("x", 2.0), ("y", 2.0), ("z", 2.0)], Verdict::Kink, "g1 (max)"),
        ("x^1.5", &[("x", 0.0)], Verdict::Unresolved, "g1 (^1.5) changes too fast"),
        ("sin(1/x)", &[("x", 1e-30)], Verdict::Unresolved, "g2 (sin) changes too fast"),
        ("x*x", &[("x", 1e-200)], Verdict::Unresolved, "because of rounding"), // 1e-400
        ("sin(x)", &[("x", 1e17)], Verdict::Unresolved, "g1 (sin) changes too fast"),
        (
            "1/(1+exp(-(w*x)))",
            &[("w", 1.0), ("x", 34.0)],
            Verdict::Unresolved,
            "because of rounding",
        ),
    ] {
        let c = checked(formula, at);
        assert_eq!(c.verdict, verdict, "{formula}: {c:?}");
        assert!(c.reason.contains(reason) && c.to_string().contains("cannot tell"), "{c:?}");
    }
}

#[test]
fn a_kink_beside_the_point_is_not_stepped_over() {
    for (formula, x) in [
        ("relu(x-1)", 1.000_001),
        ("abs(x)", -1e-12),
        ("max(x,2)", 2.0 + 1e-9),
        ("relu(x^2-0.0001)", 0.02),
        ("max(x*x,0)", 0.0),
        ("max(x,x)", 3.0),
    ] {
        let c = checked(formula, &[("x", x)]);
        assert_eq!(c.verdict, Verdict::Agrees, "{formula}: {c:?}");
    }
}

#[test]
fn a_gradient_that_lost_its_digits_by_cancellation_is_not_called_wrong() {
    // cos(x)/x - sin(x)/x², of which nothing is left in 64 bits.
    for x in [1e-4, 1e-6, 1e-8, 1e-10] {
        let c = checked("sin(x)/x", &[("x", x)]);
        assert_ne!(c.verdict, Verdict::Differs, "{c:?}");
    }
}

#[test]
fn a_gradient_that_is_wrong_in_its_fifth_digit_differs() {
    for (formula, x) in [("sin(x)", 1e6), ("exp(x)", 700.0), ("sqrt(x)", 1e-20), ("x^3", 1.7)] {
        let circuit = circuit(formula, &[("x", x)]);
        let variable = variables(&circuit)[0];
        let gradient = circuit.graph().gradient(variable);
        for factor in [1.00001, 0.0, -1.0, 2.0, 1e300_f64.min(1.0 / gradient.abs())] {
            let c = check_gradient(&circuit, variable, factor * gradient);
            assert_eq!(c.verdict, Verdict::Differs, "{formula} {factor}: {c:?}");
        }
    }
}

fn circuit_of(tree: &Tree, at: &[f64], gates: Gates) -> (String, Circuit) {
    let mut text = String::new();
    tree.text(true, &mut text);
    let mut seen = BTreeMap::new();
    used(tree, &mut seen);
    let values: Vec<_> = seen.keys().map(|&i| (format!("x_{i}"), at[i])).collect();
    let circuit = Formula::parse(&text).unwrap().circuit(&values, gates).unwrap();
    (text, circuit)
}

/// Numbers of every size that a formula may meet, or of the size of 1.
fn number() -> impl Strategy<Value = f64> {
    let any_size = (-150.0..150.0_f64, any::<bool>())
        .prop_map(|(e, negative)| 10_f64.powf(e) * if negative { -1.0 } else { 1.0 });
    prop_oneof![any_size, -3.0..3.0_f64]
}

/// What became of gradients that were right, and of ones that were spoiled.
#[derive(Debug, Default)]
struct Tally {
    right: usize,
    agreed: usize,
    spoiled: usize,
    found: usize,
}

impl Tally {
    /// Checks all gradients of a formula, as they are and spoiled.
    fn add(&mut self, tree: &Tree, at: &[f64], gates: Gates) -> Result<(), String> {
        let (text, circuit) = circuit_of(tree, at, gates);
        let told = |c: &Checked| format!("{text} at {at:?}, {gates:?}: {c:?}");
        for (name, id) in circuit.variables() {
            let by: usize = name[2..].parse().unwrap();
            let (_, derivative) = tree.dual(at, by);
            let gradient = circuit.graph().gradient(id);
            let c = check_gradient(&circuit, id, gradient);
            if c.verdict == Verdict::Differs {
                return Err(told(&c));
            }
            let close = (gradient - derivative).abs() <= 1e-9 * derivative.abs();
            if !close || !gradient.is_finite() || gradient.abs() < 1e-300 {
                continue;
            }
            self.right += 1;
            self.agreed += usize::from(c.verdict == Verdict::Agrees);
            for factor in [-1.0, 0.0, 2.0, 1.01] {
                let wrong = check_gradient(&circuit, id, factor * gradient);
                // Nothing is told from 0 where the difference is 0.
                let both_0 = factor == 0.0 && wrong.difference == 0.0;
                if wrong.verdict == Verdict::Agrees && !both_0 {
                    return Err(told(&wrong));
                }
                self.spoiled += 1;
                self.found += usize::from(wrong.verdict == Verdict::Differs);
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_right_gradient_differs_and_no_wrong_one_agrees(
        tree in tree(),
        at in prop::array::uniform4(number()),
        gates in prop::sample::select(vec![Gates::Written, Gates::Primitive, Gates::Fused]),
    ) {
        Tally::default().add(&tree, &at, gates).map_err(TestCaseError::fail)?;
    }
}

#[test]
fn most_gradients_are_really_compared_and_most_wrong_ones_found() {
    // A check that could never tell would pass the test above.
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut tally = Tally::default();
    for _ in 0..400 {
        let tree = tree().new_tree(&mut runner).unwrap().current();
        let at = prop::array::uniform4(number()).new_tree(&mut runner).unwrap().current();
        tally.add(&tree, &at, Gates::Written).unwrap();
    }
    let Tally { right, agreed, spoiled, found } = tally;
    println!("{tally:?}");
    assert!(right > 200 && 10 * agreed > 9 * right && 10 * found > 9 * spoiled, "{tally:?}");
}
