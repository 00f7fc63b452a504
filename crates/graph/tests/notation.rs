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
    ] {
        assert_eq!(value(formula), expected, "{formula}");
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
        ("2x", 1, Kind::OperatorExpected("x".into())),
        ("x y", 2, Kind::OperatorExpected("y".into())),
        ("(x)(y)", 3, Kind::OperatorExpected("(".into())),
        ("2e", 1, Kind::OperatorExpected("e".into())),
        ("1.2.3", 0, Kind::Number("1.2.3".into())),
        ("x*1e999", 2, Kind::Number("1e999".into())),
        ("x + .", 4, Kind::Number(".".into())),
        ("foo(x)", 0, Kind::UnknownFunction("foo".into())),
        ("x + exp", 4, Kind::FunctionAlone("exp".into())),
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
