//! Random formulas against an evaluator of their own and against centered
//! differences; random text against the reader.

use std::collections::BTreeMap;

use chainrule_graph::check::{Verdict, check};
use chainrule_graph::{Formula, Gates};
use proptest::prelude::*;

/// A formula that knows its own value: written here, recursive and slow, so as
/// to share nothing with the crate.
#[derive(Clone, Debug)]
enum Tree {
    Number(f64),
    Variable(usize),
    Negate(Box<Tree>),
    Call(&'static str, Box<Tree>),
    Combine(char, Box<Tree>, Box<Tree>),
    Largest(Vec<Tree>),
}

impl Tree {
    fn value(&self, at: &[f64]) -> f64 {
        match self {
            Tree::Number(c) => *c,
            Tree::Variable(i) => at[*i],
            Tree::Negate(a) => -a.value(at),
            Tree::Call(name, a) => {
                let a = a.value(at);
                match *name {
                    "exp" => a.exp(),
                    "log" => a.ln(),
                    "sqrt" => a.sqrt(),
                    "sin" => a.sin(),
                    "cos" => a.cos(),
                    "tanh" => a.tanh(),
                    "sigmoid" => 1.0 / (1.0 + (-a).exp()),
                    "relu" => {
                        if a <= 0.0 {
                            0.0
                        } else {
                            a
                        }
                    }
                    "abs" => a.abs(),
                    _ => unreachable!(),
                }
            }
            Tree::Combine(operator, a, b) => {
                let (a, b) = (a.value(at), b.value(at));
                match operator {
                    '+' => a + b,
                    '-' => a - b,
                    '*' => a * b,
                    '/' => a / b,
                    '^' => a.powf(b),
                    _ => unreachable!(),
                }
            }
            Tree::Largest(all) => {
                let values: Vec<f64> = all.iter().map(|t| t.value(at)).collect();
                if values.iter().any(|v| v.is_nan()) {
                    return f64::NAN;
                }
                values.into_iter().fold(f64::NEG_INFINITY, f64::max)
            }
        }
    }

    /// With every pair of parentheses, or only with those that the notation needs.
    fn text(&self, sparing: bool, out: &mut String) {
        match self {
            Tree::Number(c) => out.push_str(&format!("{c}")),
            Tree::Variable(i) => out.push_str(&format!("x_{i}")),
            Tree::Negate(a) => {
                out.push_str("(-(");
                a.text(sparing, out);
                out.push_str("))");
            }
            Tree::Call(name, a) => {
                out.push_str(name);
                out.push('(');
                a.text(sparing, out);
                out.push(')');
            }
            Tree::Combine(operator, a, b) => {
                // Left-associative sums and products can go without.
                let bare = sparing
                    && matches!(
                        (operator, a.as_ref()),
                        ('+' | '-', Tree::Combine('+' | '-' | '*' | '/', ..))
                            | ('*' | '/', Tree::Combine('*' | '/', ..))
                    );
                if !bare {
                    out.push('(');
                }
                a.text(sparing, out);
                if !bare {
                    out.push(')');
                }
                out.push(*operator);
                out.push('(');
                b.text(sparing, out);
                out.push(')');
            }
            Tree::Largest(all) => {
                out.push_str("max(");
                for (i, t) in all.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    t.text(sparing, out);
                }
                out.push(')');
            }
        }
    }
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        (0..40_u32).prop_map(|n| Tree::Number(f64::from(n) / 8.0)),
        (0..4_usize).prop_map(Tree::Variable),
    ];
    leaf.prop_recursive(7, 60, 3, |inner| {
        let name = prop::sample::select(vec![
            "exp", "log", "sqrt", "sin", "cos", "tanh", "sigmoid", "relu", "abs",
        ]);
        let operator = prop::sample::select(vec!['+', '-', '*', '/', '^']);
        prop_oneof![
            inner.clone().prop_map(|a| Tree::Negate(Box::new(a))),
            (name, inner.clone()).prop_map(|(name, a)| Tree::Call(name, Box::new(a))),
            (operator, inner.clone(), inner.clone()).prop_map(|(o, a, b)| Tree::Combine(
                o,
                Box::new(a),
                Box::new(b)
            )),
            prop::collection::vec(inner, 2..4).prop_map(Tree::Largest),
        ]
    })
}

fn used(tree: &Tree, seen: &mut BTreeMap<usize, ()>) {
    match tree {
        Tree::Number(_) => {}
        Tree::Variable(i) => {
            seen.insert(*i, ());
        }
        Tree::Negate(a) | Tree::Call(_, a) => used(a, seen),
        Tree::Combine(_, a, b) => {
            used(a, seen);
            used(b, seen);
        }
        Tree::Largest(all) => all.iter().for_each(|t| used(t, seen)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn a_formula_means_what_it_says(
        tree in tree(),
        at in prop::array::uniform4(-3.0..3.0_f64),
        sparing: bool,
        gates in prop::sample::select(vec![Gates::Written, Gates::Primitive, Gates::Fused]),
    ) {
        let mut text = String::new();
        tree.text(sparing, &mut text);
        let mut seen = BTreeMap::new();
        used(&tree, &mut seen);
        let values: Vec<_> = seen.keys().map(|&i| (format!("x_{i}"), at[i])).collect();
        let circuit = Formula::parse(&text).unwrap().circuit(&values, gates).unwrap();
        let (ours, theirs) = (circuit.value(), tree.value(&at));
        // As written, the very same operations run in the same order. The other
        // gates may round differently, which a steep formula can amplify.
        let same = ours == theirs || (ours.is_nan() && theirs.is_nan());
        let close = (ours - theirs).abs() <= 1e-6 * ours.abs().max(theirs.abs()).max(1e-6);
        let shaky = circuit.gates().any(|(_, n)| n.value().abs() > 1e6 || n.gradient().abs() > 1e6
            || !n.value().is_finite() || !n.gradient().is_finite());
        prop_assert!(same || close || (gates != Gates::Written && shaky) , "{text} at {at:?}: {ours} and not {theirs}");
    }

    #[test]
    fn no_gradient_differs_from_its_centered_difference(
        tree in tree(),
        at in prop::array::uniform4(-3.0..3.0_f64),
        gates in prop::sample::select(vec![Gates::Written, Gates::Primitive, Gates::Fused]),
    ) {
        let mut text = String::new();
        tree.text(true, &mut text);
        let mut seen = BTreeMap::new();
        used(&tree, &mut seen);
        let values: Vec<_> = seen.keys().map(|&i| (format!("x_{i}"), at[i])).collect();
        let circuit = Formula::parse(&text).unwrap().circuit(&values, gates).unwrap();
        let variables: Vec<_> = circuit.variables().map(|(_, id)| id).collect();
        for checked in check(&circuit, &variables) {
            prop_assert!(checked.verdict != Verdict::Differs, "{text} at {at:?}: {checked:?}");
        }
    }

    #[test]
    fn random_bytes_are_read_or_refused_and_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let text = String::from_utf8_lossy(&bytes);
        if let Err(error) = Formula::parse(&text) {
            prop_assert!(error.position <= text.chars().count());
            let _ = error.to_string();
        }
    }

    #[test]
    fn random_pieces_of_notation_are_read_or_refused_and_never_panic(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "(", ")", "+", "-", "*", "/", "^", "**", ",", " ", "x", "w0", "2", "1e5", ".", "e", "pi",
            "exp(", "max(", "log", "1/(1+exp(-", "−", "θ", "\n", "1.5.", "_",
        ]), 0..40),
    ) {
        let text = pieces.concat();
        if let Ok(formula) = Formula::parse(&text) {
            let values: Vec<_> = formula.variables().iter().map(|n| (n.clone(), 0.5)).collect();
            for gates in [Gates::Written, Gates::Primitive, Gates::Fused] {
                let circuit = formula.circuit(&values, gates).unwrap();
                let _ = circuit.troubles();
            }
        }
    }
}

#[test]
fn most_random_formulas_are_really_compared_with_their_difference() {
    // A check that called everything unresolved would prove nothing.
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut agreed, mut compared) = (0, 0);
    for _ in 0..400 {
        let tree = tree().new_tree(&mut runner).unwrap().current();
        let mut text = String::new();
        tree.text(true, &mut text);
        let formula = Formula::parse(&text).unwrap();
        let values: Vec<_> = formula.variables().iter().map(|n| (n.clone(), 1.37)).collect();
        let circuit = formula.circuit(&values, Gates::Written).unwrap();
        let variables: Vec<_> = circuit.variables().map(|(_, id)| id).collect();
        for checked in check(&circuit, &variables) {
            if checked.gradient.is_finite() {
                compared += 1;
                agreed += usize::from(checked.verdict == Verdict::Agrees);
            }
        }
    }
    assert!(compared > 200 && agreed * 10 > compared * 8, "{agreed} of {compared}");
}
