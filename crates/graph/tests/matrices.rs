//! Formulas of matrices: against a framework, and what is refused where.

use chainrule_graph::check::{Verdict, check};
use chainrule_graph::jacobian::{hessian, jacobian};
use chainrule_graph::{
    Circuit, CircuitError, Formula, FormulaErrorKind as Kind, Gates, Shape, Value, draw, random,
    values,
};

fn circuit(formula: &str, at: &str) -> Circuit {
    let at = values::parse(at).unwrap();
    let formula = Formula::parse(formula).unwrap_or_else(|e| panic!("{e}"));
    formula.circuit(&at, Gates::Written).unwrap_or_else(|e| panic!("{e}"))
}

/// The fields of each line of a fixture.
fn cases<const N: usize>(fixture: &str) -> Vec<[&str; N]> {
    let lines = fixture.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split(" | ").collect::<Vec<_>>().try_into().unwrap()).collect()
}

/// The largest difference of two matrices, over the largest number of either.
fn apart(ours: &[f64], theirs: &[f64]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    let difference = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs());
    let size = ours.iter().chain(theirs).fold(1e-300, |most: f64, a| most.max(a.abs()));
    difference.fold(0.0, |most: f64, a| if a.is_nan() { a } else { most.max(a) }) / size
}

#[test]
fn every_gradient_of_a_matrix_is_that_of_pytorch() {
    // By fixtures/torch_matrices.py.
    let cases = cases::<4>(include_str!("fixtures/torch_matrices.txt"));
    assert!(cases.len() >= 25);
    for [formula, at, value, gradients] in cases {
        for gates in [Gates::Written, Gates::Primitive, Gates::Fused] {
            let given = values::parse(at).unwrap();
            let circuit = Formula::parse(formula).unwrap().circuit(&given, gates).unwrap();
            let off = apart(&[circuit.value()], &[value.parse().unwrap()]);
            assert!(off < 1e-12, "{formula}, {gates:?}: {off:e}");
            for (name, expected) in values::parse(gradients).unwrap() {
                let ours = circuit.gradient_matrix(&name).unwrap();
                assert_eq!(ours.shape, expected.shape(), "{formula}: {name}");
                let off = apart(ours.numbers, expected.numbers());
                assert!(off < 1e-12, "{formula}, {gates:?}, by {name}: {off:e}");
            }
        }
    }
}

#[test]
fn the_check_confirms_every_element_of_every_gradient() {
    for [formula, at, _, _] in cases::<4>(include_str!("fixtures/torch_matrices.txt")) {
        let circuit = circuit(formula, at);
        let variables: Vec<_> = circuit.variables().map(|(_, id)| id).collect();
        for checked in check(&circuit, &variables) {
            let name = circuit.name(checked.variable);
            assert_eq!(checked.verdict, Verdict::Agrees, "{formula}, {name}: {checked:?}");
            assert_eq!(checked.elements, circuit.graph().shape(checked.variable).elements());
        }
    }
}

#[test]
fn the_check_names_the_element_that_stands_on_a_kink() {
    let circuit = circuit("sum(relu(A) * B)", "A=[1,-2;0,3] B=[1,2;3,4]");
    let variables: Vec<_> = circuit.variables().map(|(_, id)| id).collect();
    let [a, b] = check(&circuit, &variables).try_into().unwrap();
    assert_eq!((a.verdict, a.element, a.elements), (Verdict::Kink, Some((1, 0)), 4));
    assert_eq!(b.verdict, Verdict::Agrees);
}

#[test]
fn a_gate_says_by_which_rule_with_which_shapes_it_sends_gradients_back() {
    let at = "W=[1,2,3;4,5,6] x=[1;2;3] b=[1;-40] c=[0.5,2]";
    let circuit = circuit("sum(relu(W @ x + b) * c / 2) + mean(W)", at);
    let rules: Vec<_> = circuit
        .gates()
        .flat_map(|(id, node)| (0..node.inputs().len()).map(move |slot| (id, slot)))
        .filter_map(|(id, slot)| circuit.rule(id, slot))
        .map(|rule| format!("{}, {}", rule.text, rule.shapes))
        .collect();
    assert_eq!(
        rules,
        [
            "dW = dg1 xᵀ, (2x1)(1x3)",
            "dx = Wᵀ dg1, (3x2)(2x1)",
            "dg1 = dg2, 2x1",
            "db = dg2, 2x1",
            "dg2 = dg3 ⊙ (g2 > 0), 2x1",
            "dg3 = dg4 ⊙ c, 2x2, summed to 2x1",
            "dc = dg4 ⊙ g3, 2x2, summed to 1x2",
            "dg4 = dg5 / 2, 2x2",
            "dg5 = broadcast(dg6), 2x2",
            "dW = broadcast(dg7 / n), 2x3",
            "dg6 = dg8, 1x1",
            "dg7 = dg8, 1x1",
        ]
    );
}

#[test]
fn shapes_that_do_not_fit_are_refused_at_the_operator_with_both_shapes() {
    let refused = |formula: &str, at: &str| -> (usize, String) {
        let at = values::parse(at).unwrap();
        match Formula::parse(formula).unwrap().circuit(&at, Gates::Written) {
            Err(CircuitError::At(error)) => (error.position, error.to_string()),
            other => panic!("{formula}: {other:?}"),
        }
    };
    let at = "A=[1,2,3;4,5,6] B=[1,2;3,4] y=[0,1]";
    for (formula, position, said) in [
        ("sum(A @ B)", 6, "@ can't take 2x3 and 2x2: the left one needs as many columns as"),
        ("sum(B + A)", 6, "+ can't take 2x2 and 2x3: rows and columns must be equal, or 1"),
        ("sum(A.T)*sum(A @ A)", 15, "@ can't take 2x3 and 2x3"),
        ("max(A, B)", 0, "max can't take 2x3 and 2x2"),
        ("2*mse(A, B)", 2, "mse can't take 2x3 and 2x2"),
        ("cross_entropy(A, B)", 0, "cross entropy can't take 2x3 and 2x2: the scores of an"),
        (
            "cross_entropy(A, y + 2)",
            0,
            "with 3 scores a label is a whole number from 0 to 2, and not 3",
        ),
        ("cross_entropy(A, y / 2)", 0, "not 0.5"),
        ("x = A\nA @ B", 8, "@ can't take"),
        ("A.T @ B", 0, "the value is 3x2, and a gradient is that of one number: sum(...)"),
        ("f = sum(B); g = B", 12, "the value is 2x2"),
    ] {
        let names = Formula::parse(formula).unwrap();
        let all = values::parse(at).unwrap();
        let used: Vec<_> =
            all.into_iter().filter(|(name, _)| names.variables().contains(name)).collect();
        let text = match names.circuit(&used, Gates::Written) {
            Err(CircuitError::At(error)) => {
                assert_eq!(error.position, position, "{error}");
                error.to_string()
            }
            other => panic!("{formula}: {other:?}"),
        };
        assert!(text.starts_with(said) || text.contains(said), "{text}");
    }
    let (position, text) = refused("sum(x @ y)", "x=[1;2] y=[3,4,5;6,7,8]");
    assert_eq!(position, 6);
    assert!(text.ends_with("\n  sum(x @ y)\n        ^"), "{text}");
    // A matrix of too many numbers is refused before it is made.
    let line = |rows, columns| Value::new(Shape::new(rows, columns), vec![1.0; 10_000]);
    let at = [("x", line(10_000, 1)), ("y", line(1, 10_000))];
    let error = Formula::parse("sum(x @ y)").unwrap().circuit(&at, Gates::Written).unwrap_err();
    let CircuitError::At(error) = error else { panic!("{error}") };
    assert_eq!(error.kind, Kind::TooLarge(Shape::new(10_000, 10_000)));
}

#[test]
fn a_one_by_one_matrix_is_a_scalar_and_a_scalar_formula_stays_one() {
    let matrix = circuit("sum(A * b)", "A=[[3]] b=2");
    assert!(!matrix.graph().has_matrices());
    assert_eq!(matrix.gradient("A"), Some(2.0));
    assert!(draw::text::draw(&matrix, 200).contains("local gradients"));
}

#[test]
fn small_matrices_are_written_out_and_large_ones_are_tiles_in_every_drawing() {
    let small = circuit("sum(W @ x)", "W=[1.5,-2;3,4] x=[5;6]");
    let text = draw::text::draw(&small, 200);
    for line in ["[1.5  -2]", "[  3   4]", "dW = dg1 xᵀ   (2x1)(1x2)", "g1 = W @ x  2x1", "W  2x2"]
    {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    let svg = draw::svg::draw(&small).unwrap();
    assert!(svg.contains(">1.5\u{a0}\u{a0}-2</text>") && svg.contains("class=\"cr-bracket\""));
    assert!(svg.contains(">g1 2x1</text>") && !svg.contains("<rect class=\"cr-tile\""));
    let page = draw::html::draw(&small).unwrap();
    assert!(page.contains("--columns:2\"><i>5</i><i>6</i><i>5</i><i>6</i></b>"));
    assert!(page.contains("dW = dg1 xᵀ</th><td>(2x1)(1x2)</td>"));
    assert!(draw::dot::draw(&small).contains("[1.5  -2]\\n[  3   4]\\n[5  6]\\n[5  6]"));

    let at = [
        ("W", Value::new(Shape::new(9, 8), vec![0.5; 72])),
        ("x", random::normal("x", Shape::new(8, 1), 3)),
    ];
    let large = Formula::parse("sum(W @ x)").unwrap().circuit(&at, Gates::Written).unwrap();
    for drawing in [
        draw::text::draw(&large, 400),
        draw::svg::draw(&large).unwrap().replace('\u{a0}', " "),
        draw::dot::draw(&large),
        draw::html::draw(&large).unwrap(),
    ] {
        // 72 halves: their norm is √(72/4).
        for text in ["9x8", "mean 0.5", "norm 4.24"] {
            assert!(drawing.contains(text), "{text}");
        }
    }
}

#[test]
fn the_elements_that_tie_for_the_largest_share_its_gradient() {
    // As torch.amax.
    let gradient = |formula: &str| {
        let circuit = circuit(formula, "A=[1,5,5;5,2,3]");
        circuit.gradient_matrix("A").unwrap().numbers.to_vec()
    };
    let third = 1.0 / 3.0;
    assert_eq!(gradient("max(A)"), [0.0, third, third, third, 0.0, 0.0]);
    assert_eq!(gradient("sum(max(A, axis=1))"), [0.0, 0.5, 0.5, 1.0, 0.0, 0.0]);
    assert_eq!(gradient("sum(max(A, axis=0))"), [0.0, 1.0, 1.0, 1.0, 0.0, 0.0]);
    assert_eq!(gradient("min(A)"), [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
}

#[test]
fn the_losses_stay_finite_with_scores_that_overflow_the_exponential() {
    let circuit = circuit("cross_entropy(z, y) + sum(softmax(z))", "z=[1000;-1000;0] y=1");
    assert_eq!(circuit.value(), 2001.0);
    assert_eq!(circuit.gradient_matrix("z").unwrap().numbers, [1.0, -1.0, 0.0]);
}

#[test]
fn a_matrix_that_makes_an_infinity_is_named() {
    let circuit = circuit("sum(log(A))", "A=[1,0;2,3]");
    let troubles: Vec<_> = circuit.troubles().into_iter().map(|t| t.message).collect();
    assert_eq!(troubles, ["gate g1 (log): log(A) gave -inf"]);
}

#[test]
fn every_second_derivative_is_that_of_pytorch() {
    // By fixtures/torch_matrices.py.
    let cases = cases::<4>(include_str!("fixtures/torch_hessians.txt"));
    let formulas: std::collections::HashSet<_> = cases.iter().map(|case| case[0]).collect();
    assert!(formulas.len() >= 10);
    for [formula, at, by, expected] in cases {
        let circuit = circuit(formula, at);
        let (a, b) = by.split_once(' ').unwrap();
        let id = |name: &str| circuit.variables().find(|(known, _)| *known == name).unwrap().1;
        let block = hessian(&circuit, &[id(a), id(b)]).unwrap()[0][1].clone();
        let expected = &values::parse(&format!("H={expected}")).unwrap()[0].1;
        assert_eq!(block.shape(), expected.shape(), "{formula} by {by}");
        // Where a block is 0, its size is that of the gradient.
        let size = circuit.gradient_matrix(a).unwrap().norm().max(1.0);
        let difference = block.numbers().iter().zip(expected.numbers()).map(|(a, b)| (a - b).abs());
        let off = difference.fold(0.0, |most: f64, a| if a.is_nan() { a } else { most.max(a) });
        assert!(
            off <= 1e-10 * expected.view().norm().max(1e-2 * size),
            "{formula} by {by}: {off:e}"
        );
    }
}

#[test]
fn a_jacobian_has_a_row_for_each_element_of_the_output() {
    let formula = Formula::parse("u = A @ x; v = x * 2").unwrap();
    let at = values::parse("A=[1,2;3,4;5,6] x=[7;8]").unwrap();
    let steps = formula.steps(&at, Gates::Written).unwrap();
    let ends = steps.ends();
    assert_eq!(ends.iter().map(|(name, _)| *name).collect::<Vec<_>>(), [Some("u"), Some("v")]);
    let outputs: Vec<_> = ends.iter().map(|(_, node)| *node).collect();
    let variables: Vec<_> = steps.graph().variables().iter().map(|(id, _)| *id).collect();
    let blocks = jacobian(steps.graph(), &outputs, &variables).unwrap();
    // u = A x: ∂u_i/∂x_j = a_ij, and ∂u_i/∂a_kj = x_j where k is i.
    assert_eq!(blocks[0][1].numbers(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(blocks[0][0].shape(), Shape::new(3, 6));
    assert_eq!(blocks[0][0].numbers()[..6], [7.0, 8.0, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!(blocks[0][0].numbers()[6..12], [0.0, 0.0, 7.0, 8.0, 0.0, 0.0]);
    assert_eq!(blocks[1][0].numbers(), [0.0; 12]);
    assert_eq!(blocks[1][1].numbers(), [2.0, 0.0, 0.0, 2.0]);
    let large = Formula::parse("sum(A*A)").unwrap();
    let at = [("A", random::normal("A", Shape::new(40, 40), 0))];
    let large = large.circuit(&at, Gates::Written).unwrap();
    let variables: Vec<_> = large.variables().map(|(_, id)| id).collect();
    let error = hessian(&large, &variables).unwrap_err().to_string();
    assert!(error.starts_with("the derivatives would be 1600x1600 numbers"), "{error}");
}

#[test]
fn the_graph_of_a_derivative_has_the_second_derivatives_for_gradients() {
    let circuit = circuit("q = sin(x)*y; f = q^2", "x=0.7 y=1.3");
    let (_, x) = circuit.variables().find(|(name, _)| *name == "x").unwrap();
    let derivative = circuit.derivative(x).unwrap();
    let (s, c, y) = (0.7_f64.sin(), 0.7_f64.cos(), 1.3);
    assert!((derivative.value() - 2.0 * s * c * y * y).abs() < 1e-15);
    assert!((derivative.gradient("x").unwrap() - 2.0 * (c * c - s * s) * y * y).abs() < 1e-14);
    assert!((derivative.gradient("y").unwrap() - 4.0 * s * c * y).abs() < 1e-14);
    assert_eq!(derivative.output_name(), "df/dx");
    assert!(draw::svg::draw(&derivative).unwrap().contains("df/dx of q = sin(x)*y; f = q^2"));
}
