//! Random formulas against an evaluator of their own; random text against the reader.

use std::collections::BTreeMap;

use chainrule_graph::{Formula, Gates};
use proptest::prelude::*;

mod tree;

use tree::{tree, used};

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
