//! The notation: what is read, and what is refused where.

use chainrule_graph::{Formula, FormulaErrorKind as Kind, Gates, draw};

fn value(formula: &str) -> f64 {
    let names = Formula::parse(formula).unwrap_or_else(|e| panic!("{e}")).variables().to_vec();
    let all = [("x", 3.0), ("y", 2.0), ("w0", 10.0), ("x_1", 7.0), ("θ", 0.5)];
    let at: Vec<_> = all.into_iter().filter(|(n, _)| names.iter().any(|m| m == n)).collect();
    Formula::parse(formula).unwrap().circuit(&at, Gates::Written).unwrap().value()
}

#[test]
fn operators_bind_as_mathematicians_write_them() {
    for (formula, expected) in [
        ("1+2*3", 7.0),
        ("(1+2)*3", 9.0),
        ("10-4-3", 3.0),
        ("24/4/3", 2.0),
        ("2^3^2", 512.0),
        ("-x^2", -9.0),
        ("-3^2", -9.0),
        ("(-3)^2", 9.0),
        ("2^-1", 0.5),
        ("2^-x*8", 1.0),
        ("-x*y", -6.0),
        ("12/-x*y", -8.0),
        ("x - -y", 5.0),
        ("--x", 3.0),
        ("+x", 3.0),
        ("2*-x+1", -5.0),
        ("2*-x^2", -18.0),
        ("2*x^2/x", 6.0),
        ("-2*x", -6.0),
        ("1e3+2.5E-1+.5+3.", 1003.75),
        ("2*e", 2.0 * std::f64::consts::E),
        ("pi - π", 0.0),
        ("x**y", 9.0),
        ("x·y − x×y", 0.0),
        ("w0 + x_1 + θ", 17.5),
        ("max(1, x, y) + min(5, 4, 6)", 7.0),
        ("max(min(x, y), -abs(-4))", 2.0),
        ("ln(e^x)", 3.0),
        ("sqrt(x+6) * relu(-x)", 0.0),
        ("\tx\n*\r\ny ", 6.0),
        ("((((x))))", 3.0),
        ("2x", 6.0),
        ("2x^2", 18.0),
        ("-2x^2", -18.0),
        ("2(x+1)", 8.0),
        ("(x)(y)", 6.0),
        ("(x+1)y - 3(x)(y)", -10.0),
        ("2x/y", 3.0),
        ("x*2y", 12.0),
        ("2sin(x)cos(x)", 2.0 * 3.0_f64.sin() * 3.0_f64.cos()),
        ("2pi", std::f64::consts::TAU),
        ("2e^x", 2.0 * 3.0_f64.exp()),
        ("2e", 2.0 * std::f64::consts::E),
        ("|x - y*4|", 5.0),
        ("2|y-x|(x)", 6.0),
        ("|x|*|y| - |-|x||", 3.0),
        ("||x|-5|", 2.0),
        ("x² + y³", 17.0),
        ("-x²", -9.0),
        ("-3²", -9.0),
        ("2x²", 18.0),
        ("y⁻¹ + x⁰", 1.5),
        ("(x+1)¹²/4^11", 4.0),
        ("√(x+6)", 3.0),
        ("√y*√y*x", 2.0_f64.sqrt() * 2.0_f64.sqrt() * 3.0),
        ("2√(x+6)y", 12.0),
        ("√-x*-x - 0*√x", f64::NAN),
        ("6÷x", 2.0),
        ("q = x + y; q*q", 25.0),
        ("q = x + y\nr = 2q\n r*r", 100.0),
        ("q = x +\n y\n + y; f = q", 7.0),
        ("c = 3; c*x", 9.0),
        ("t = e^(-x); f = 1/(1 + t) + t", 1.0 / (1.0 + (-3.0_f64).exp()) + (-3.0_f64).exp()),
    ] {
        let value = value(formula);
        assert!(value == expected || value.is_nan() && expected.is_nan(), "{formula}: {value}");
    }
}

#[test]
fn the_caret_stands_under_the_character_that_could_not_be_read() {
    for (formula, position, kind) in [
        ("", 0, Kind::Empty),
        (" \n", 0, Kind::Empty),
        ("x + ", 3, Kind::EndsEarly),
        ("x + * y", 4, Kind::ValueExpected("*".into())),
        ("(x + y", 0, Kind::Unclosed),
        ("2*exp(x", 5, Kind::Unclosed),
        ("x + y) * z", 5, Kind::Unopened),
        ("()", 1, Kind::ValueExpected(")".into())),
        ("x # y", 2, Kind::Character('#')),
        ("θ+€", 2, Kind::Character('€')),
        ("x y", 2, Kind::OperatorExpected("y".into())),
        ("1.2.3", 0, Kind::Number("1.2.3".into())),
        ("x*1e999", 2, Kind::Number("1e999".into())),
        ("x + .", 4, Kind::Number(".".into())),
        ("foo(x)", 0, Kind::UnknownFunction("foo".into())),
        ("x + exp", 4, Kind::FunctionAlone("exp".into())),
        ("x 2", 2, Kind::OperatorExpected("2".into())),
        ("(x)2", 3, Kind::OperatorExpected("2".into())),
        ("2 3", 2, Kind::OperatorExpected("3".into())),
        ("|x", 0, Kind::UnclosedBar),
        ("(|x)", 1, Kind::UnclosedBar),
        ("|(x|", 4, Kind::EndsEarly),
        ("x²²x³⁻", 4, Kind::Number("³⁻".into())),
        ("x⁻", 1, Kind::Number("⁻".into())),
        ("q = x; q = y", 7, Kind::StepName { name: "q".into(), why: "an earlier step has it" }),
        ("exp = x", 0, Kind::StepName { name: "exp".into(), why: "it is a function" }),
        ("e = x", 0, Kind::StepName { name: "e".into(), why: "it is a number" }),
        (
            "f = x; x = 2",
            7,
            Kind::StepName { name: "x".into(), why: "an earlier step reads it as a variable" },
        ),
        ("q = ; x", 3, Kind::EndsEarly),
        ("exp(x, y)", 5, Kind::TooManyArguments("exp".into())),
        ("mse(x)", 5, Kind::TooFewArguments("mse".into())),
        ("mse(x, y, x)", 8, Kind::TooManyArguments("mse".into())),
        ("sum(x, 0)", 5, Kind::TooManyArguments("sum".into())),
        ("sum(x, axis=2)", 7, Kind::Axis),
        ("exp(x, axis=0)", 7, Kind::Axis),
        ("sum(x, axis=0, y)", 13, Kind::Axis),
        ("x + y = 3", 6, Kind::StrayEquals),
        ("f = = x", 4, Kind::StrayEquals),
        ("x, y", 1, Kind::StrayComma),
        ("max((x, y), 1)", 6, Kind::StrayComma),
        ("max(x,)", 6, Kind::ValueExpected(")".into())),
    ] {
        let error = Formula::parse(formula).expect_err(formula);
        assert_eq!((error.position, &error.kind), (position, &kind), "{formula}");
        if kind != Kind::Empty {
            let text = error.to_string();
            let caret = text.lines().last().unwrap();
            assert_eq!(caret.find('^'), Some(position + 2), "{text}");
        }
    }
}

#[test]
fn what_can_be_read_in_two_ways_is_refused_with_both_readings() {
    for (formula, position, text, first, second) in [
        ("1/2x", 3, "a/2x", "(a/2)*x", "a/(2*x)"),
        ("y + x/3(x+1)", 7, "a/3(...)", "(a/3)*(...)", "a/(3*(...))"),
        ("1/(x)sin(y)", 5, "a/(x)sin(...)", "((x))", ""),
        ("x^2y", 3, "x^2y", "(x^2)*y", "x^(2*y)"),
        ("x**2y", 4, "x**2y", "(x**2)*y", "x**(2*y)"),
        ("√2x", 2, "√2x", "√(2)*x", "√(2*x)"),
        ("√x²", 2, "√x²", "(√x)²", "√(x²)"),
        ("√x^2", 2, "√x^2", "(√x)^2", "√(x^2)"),
        ("x²^3", 2, "x²^3", "(x²)^3", "x^(2^3)"),
        ("sin²(x)", 0, "sin²(x)", "sin(x)^2", "sin(sin(x))"),
        ("2*sin^2(x)", 2, "sin²(x)", "sin(x)^2", "sin(sin(x))"),
        ("sin⁻¹(x)", 0, "sin⁻¹(x)", "asin(x)", "1/sin(x)"),
        ("tanh^-1(x)", 0, "tanh⁻¹(x)", "atanh(x)", "1/tanh(x)"),
        ("||x||", 0, "||x||", "abs(abs(x))", "the norm, sqrt(sum(x^2))"),
        ("|x|y|x|", 4, "|a|b|c|", "abs(a)*b*abs(c)", "abs(a*abs(b)*c)"),
    ] {
        let error = Formula::parse(formula).expect_err(formula);
        assert_eq!(error.position, position, "{error}");
        let Kind::Ambiguous { text: found, readings } = &error.kind else { panic!("{error}") };
        assert_eq!(found, text, "{formula}");
        if !second.is_empty() {
            assert_eq!(readings, &[first, second], "{formula}");
        }
    }
    let error = Formula::parse("y*x(y+1)").unwrap_err();
    assert_eq!((error.position, error.kind), (2, Kind::UnknownFunction("x".into())));
    let message = Formula::parse("x(y)").unwrap_err().to_string();
    assert!(
        message.contains("x(...) can be a function") && message.contains("x*(...)"),
        "{message}"
    );
    // Of two matrices a product without a sign can be either.
    let at = chainrule_graph::values::parse("A=[1,2;3,4] c=2").unwrap();
    let work = |formula: &str| Formula::parse(formula).unwrap().circuit(&at, Gates::Written);
    assert_eq!(work("sum(2(A)c)").unwrap().value(), 40.0);
    let error = work("c*sum((A)(A))").unwrap_err().to_string();
    assert!(error.contains("A @ B") && error.contains("A * B"), "{error}");
    // Names side by side are one name.
    let formula = Formula::parse("xy + x + y").unwrap();
    let error = formula.circuit(&[("x", 1.0), ("y", 2.0)], Gates::Written).unwrap_err();
    assert!(error.to_string().ends_with("xy is one name, and a product is written x*y"), "{error}");
}

#[test]
fn steps_give_their_names_to_gates_and_output() {
    let formula = Formula::parse("q = x + y\nf = q * z").unwrap();
    let at = [("x", -2.0), ("y", 5.0), ("z", -4.0)];
    let circuit = formula.circuit(&at, Gates::Written).unwrap();
    assert_eq!((circuit.value(), circuit.gradient("z")), (-12.0, Some(3.0)));
    let names: Vec<_> = circuit.gates().map(|(id, _)| circuit.name(id).into_owned()).collect();
    assert_eq!((names, circuit.output_name()), (vec!["q".to_owned(), "f".into()], "f"));
    assert_eq!(circuit.equation(), "q = x + y; f = q * z");
    let text = draw::text::draw(&circuit, 100);
    assert!(text.contains("\nq     x + y") && text.contains("\nf     q × z"), "{text}");
    assert!(draw::svg::draw(&circuit).unwrap().contains(">q</text>"));
    // Any step can be the output, and a name is no variable.
    let steps = formula.steps(&at, Gates::Written).unwrap();
    let q = steps.circuit(Some("q")).unwrap();
    assert_eq!((q.value(), q.gradient("z"), q.output_name()), (3.0, None, "q"));
    let given = [("x", 1.0), ("y", 1.0), ("z", 1.0), ("q", 2.0)];
    let error = formula.circuit(&given, Gates::Written).unwrap_err().to_string();
    assert!(error.contains("no variable q") && error.contains("q is a step"), "{error}");
    // A step that two others read is one gate, in each kind of gates.
    let formula = Formula::parse("t = exp(-x); d = 1 + t; f = 1/d + t").unwrap();
    for gates in [Gates::Written, Gates::Primitive, Gates::Fused] {
        let circuit = formula.circuit(&[("x", 0.7)], gates).unwrap();
        let (t, s) = ((-0.7_f64).exp(), 1.0 / (1.0 + (-0.7_f64).exp()));
        assert!((circuit.value() - (s + t)).abs() < 1e-15, "{gates:?}");
        assert!((circuit.gradient("x").unwrap() - (s * (1.0 - s) - t)).abs() < 1e-15, "{gates:?}");
    }
}

#[test]
fn the_error_of_a_long_formula_shows_the_place_and_not_all_of_it() {
    let mut formula = "x+".repeat(500_000);
    formula.push('?');
    let text = Formula::parse(&formula).unwrap_err().to_string();
    assert!(text.len() < 200, "{}", text.len());
    let [_, excerpt, caret] = text.lines().collect::<Vec<_>>().try_into().unwrap();
    assert_eq!(excerpt.chars().nth(caret.find('^').unwrap()), Some('?'));
}

#[test]
fn a_hundred_thousand_parentheses_and_a_megabyte_get_an_answer() {
    let depth = 100_000;
    for (open, close) in [("(", ")"), ("sin(", ")"), ("-", ""), ("2^", ""), ("max(x,", ")")] {
        let formula = format!("{}x{}", open.repeat(depth), close.repeat(depth));
        let circuit = Formula::parse(&formula).unwrap().circuit(&[("x", 0.0)], Gates::Written);
        assert!(!circuit.unwrap().value().is_nan(), "{open}");
        let unclosed = open.repeat(depth);
        assert!(Formula::parse(&unclosed).is_err());
    }
    let formula = format!("x{}", "+x".repeat(500_000));
    let circuit = Formula::parse(&formula).unwrap().circuit(&[("x", 2.0)], Gates::Written).unwrap();
    assert_eq!((circuit.value(), circuit.gradient("x")), (1_000_002.0, Some(500_001.0)));
    assert!(Formula::parse(&")".repeat(1 << 20)).is_err());
    assert!(Formula::parse(&"x".repeat(255)).is_ok());
    let error = Formula::parse(&format!("1 + {}", "x".repeat(1 << 20))).unwrap_err();
    assert_eq!((error.position, error.kind), (4, Kind::LongName(format!("{}...", "x".repeat(24)))));
}

#[test]
fn a_name_without_a_value_and_a_value_without_a_name_are_both_named() {
    let formula = Formula::parse("x*y + e").unwrap();
    let message = |at: &[(&str, f64)]| formula.circuit(at, Gates::Written).unwrap_err().to_string();
    assert_eq!(message(&[("x", 1.0)]), "no value was given for y; write y=NUMBER");
    let both = message(&[("x", 1.0), ("z", 2.0)]);
    assert!(both.contains("given for y") && both.contains("no variable z"), "{both}");
    let shadowed = message(&[("x", 1.0), ("y", 1.0), ("e", 2.0)]);
    assert!(shadowed.contains("e is the number 2.718282"), "{shadowed}");
}

#[test]
fn the_gate_that_made_an_infinity_or_a_nan_is_named() {
    let trouble = |formula: &str, at: &[(&str, f64)]| {
        let circuit = Formula::parse(formula).unwrap().circuit(at, Gates::Written).unwrap();
        circuit.troubles().into_iter().map(|t| t.message).collect::<Vec<_>>()
    };
    assert_eq!(
        trouble("exp(x*y) + log(x - 1)", &[("x", 1.0), ("y", 2.0)])[0],
        "gate g4 (log): log(0) gave -inf"
    );
    assert_eq!(
        trouble("(x - 1) / (y - y)", &[("x", 1.0), ("y", 2.0)])[0],
        "gate g3 (/): 0 / 0 gave NaN"
    );
    // Forward all is well; only the gradient isn't.
    let gradient = trouble("3 * sqrt(x)", &[("x", 0.0)]);
    assert_eq!(gradient.len(), 1);
    assert!(gradient[0].starts_with("gate g1 (sqrt): sqrt(0) sent back inf to x"), "{gradient:?}");
    assert!(trouble("x*y", &[("x", 1.0), ("y", 2.0)]).is_empty());
}

#[test]
fn a_variable_that_a_thousand_gates_read_does_not_make_a_picture_of_gigabytes() {
    let formula = Formula::parse(&format!("x{}", "*y+y".repeat(900))).unwrap();
    let formula = formula.circuit(&[("x", 0.5), ("y", 0.5)], Gates::Written).unwrap();
    let error = draw::svg::draw(&formula).unwrap_err().to_string();
    assert!(error.starts_with("the graph's wires pass "), "{error}");
    // Its numbers are told all the same.
    assert!(draw::text::draw(&formula, 100).contains("g1800"));
}
