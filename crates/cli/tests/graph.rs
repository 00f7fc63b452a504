//! `chainrule graph` and `chainrule assignment`, as a user runs them.

use std::process::Output;

use assert_cmd::Command;
use serde_json::Value;

fn chainrule(args: &[&str]) -> Output {
    Command::cargo_bin("chainrule").unwrap().args(args).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn json_has_the_value_the_gradients_and_the_gates_that_programs_read() {
    let output = chainrule(&["graph", "(x+y)*z", "--at", "x=-2,y=5,z=-4", "--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let answer: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(answer["value"], -12.0);
    assert_eq!(answer["gradients"], serde_json::json!({"x": -4.0, "y": -4.0, "z": 3.0}));
    assert_eq!(answer["gates"].as_array().unwrap().len(), 2);
    assert_eq!(answer["gates"][1]["local_gradients"], serde_json::json!([-4.0, 3.0]));
}

#[test]
fn wrt_leaves_out_the_other_gradients_and_check_tells_what_was_compared() {
    let args = ["graph", "sin(x)*y", "--at", "x=0.5,y=2", "--wrt", "x", "--check", "--json"];
    let answer: Value = serde_json::from_str(&stdout(&chainrule(&args))).unwrap();
    assert_eq!(answer["gradients"].as_object().unwrap().len(), 1);
    assert_eq!(answer["check"][0]["verdict"], "agrees");
    assert_eq!(answer["check"].as_array().unwrap().len(), 1);
    // The key of before stays readable.
    let check = &answer["check"][0];
    assert!(check["centered_difference"].is_f64());
    assert_eq!(check["centred_difference"], check["centered_difference"]);
}

/// The answer of `chainrule graph --json`.
fn answer(args: &[&str]) -> Value {
    let output = chainrule(&[&["graph"], args, &["--json"]].concat());
    assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    serde_json::from_str(&stdout(&output)).unwrap()
}

#[test]
fn a_network_of_matrices_is_worked_with_the_shapes_that_were_asked_for() {
    let formula = "cross_entropy(W2 @ relu(W1 @ x + b1) + b2, y)";
    let shapes = "W1=4x3,b1=4x1,W2=2x4,b2=2x1,x=3x1";
    let args = [formula, "--shape", shapes, "--at", "y=1", "--seed", "0", "--check"];
    let network = answer(&args);
    for (name, rows, columns) in [("W1", 4, 3), ("b1", 4, 1), ("W2", 2, 4), ("x", 3, 1)] {
        let gradient = network["gradients"][name].as_array().unwrap();
        assert_eq!(gradient.len(), rows, "{name}");
        assert!(gradient.iter().all(|row| row.as_array().unwrap().len() == columns), "{name}");
    }
    let product = &network["gates"][0];
    assert_eq!(product["shape"], serde_json::json!([4, 1]));
    assert_eq!(product["rules"][0], "dW1 = dg1 xᵀ, (4x1)(1x3)");
    assert_eq!(product["sent_back"][0], network["gradients"]["W1"]);
    let checked = network["check"].as_array().unwrap();
    assert!(checked.iter().all(|check| check["verdict"] == "agrees"), "{checked:?}");
    assert_eq!(checked.iter().filter_map(|check| check["elements"].as_u64()).sum::<u64>(), 29);
    // What is drawn depends on the seed.
    let other = |seed: &str| answer(&[&args[..5], &["--seed", seed]].concat())["value"].clone();
    assert_eq!(other("0"), network["value"]);
    assert_ne!(other("1"), network["value"]);
}

#[test]
fn second_derivatives_are_asked_for_by_name() {
    let hessian = answer(&["x^3*y", "--at", "x=2,y=5", "--hessian"]);
    let expected = serde_json::json!({"x": {"x": 60.0, "y": 12.0}, "y": {"x": 12.0, "y": 0.0}});
    assert_eq!(hessian["hessian"], expected);
    let text = stdout(&chainrule(&["graph", "x^3*y", "--at", "x=2,y=5", "--hessian"]));
    assert!(text.ends_with("\nd²f/dx² = 60\nd²f/dx dy = 12\nd²f/dy² = 0\n"), "{text}");
    let only = answer(&["x^3*y", "--at", "x=2,y=5", "--hessian", "--wrt", "y"]);
    assert_eq!(only["hessian"], serde_json::json!({"y": {"y": 0.0}}));
    // Of matrices a block has a row for each element of the one.
    let matrix = answer(&["sum(x*x) * c", "--at", "x=[1;2] c=3", "--hessian"]);
    assert_eq!(matrix["hessian"]["x"]["x"], serde_json::json!([[6.0, 0.0], [0.0, 6.0]]));
    assert_eq!(matrix["hessian"]["c"]["x"], serde_json::json!([[2.0, 4.0]]));

    let both = answer(&["u = x*y; v = x + y", "--at", "x=2,y=3", "--jacobian"]);
    let expected = serde_json::json!({"u": {"x": 3.0, "y": 2.0}, "v": {"x": 1.0, "y": 1.0}});
    assert_eq!((&both["jacobian"], &both["outputs"]["u"]), (&expected, &serde_json::json!(6.0)));
    let vector = answer(&["A @ x", "--at", "A=[1,2;3,4] x=[5;6]", "--jacobian", "--wrt", "x"]);
    assert_eq!(vector["jacobian"], serde_json::json!({"f": {"x": [[1.0, 2.0], [3.0, 4.0]]}}));
    let one = answer(&["u = x*y; v = u + y", "--at", "x=2,y=3", "--jacobian=u"]);
    assert_eq!(one["jacobian"], serde_json::json!({"u": {"x": 3.0, "y": 2.0}}));

    let derivative = answer(&["x^3*y", "--at", "x=2,y=5", "--derivative", "x"]);
    assert_eq!(derivative["value"], 60.0);
    assert_eq!(derivative["gradients"], serde_json::json!({"x": 60.0, "y": 12.0}));
    for (args, said) in [
        (
            &["A @ x", "--shape", "A=2x2,x=2x1", "--jacobian", "-o", "f.svg"][..],
            "--jacobian is written",
        ),
        (&["x*2", "--at", "x=1", "--jacobian=q"], "--jacobian names q"),
        (&["x*2", "--at", "x=1", "--derivative", "q"], "--derivative names q"),
        (&["sum(A)", "--shape", "A=2x2", "--derivative", "A"], "and A is 2x2"),
        (&["sum(A*A)", "--shape", "A=40x40", "--hessian"], "the derivatives would be 1600x1600"),
    ] {
        let output = chainrule(&[&["graph"], args].concat());
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(stderr(&output).contains(said), "{}", stderr(&output));
    }
}

#[test]
fn steps_come_from_the_command_line_a_file_or_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    let steps = "# the example\nq = x + y\n  # and its product\nr = 2q\nf = q *\n  z\n";
    std::fs::write(folder.path().join("steps.txt"), steps).unwrap();
    let at = ["--at", "x=-2,y=5,z=-4"];
    let graph = |formula: &str, more: &[&str]| {
        let mut command = Command::cargo_bin("chainrule").unwrap();
        command.arg("graph").arg(formula).args(at).args(more).current_dir(&folder);
        command.write_stdin(steps).output().unwrap()
    };
    for formula in ["@steps.txt", "-", "q = x + y; f = q*z", "q = x + y\nr = q*2\n q*z"] {
        let output = graph(formula, &["--json"]);
        let answer: Value = serde_json::from_str(&stdout(&output)).expect(formula);
        assert_eq!(answer["value"], -12.0, "{formula}");
        assert_eq!(answer["gates"][0]["name"], "q", "{formula}");
        let noted = stderr(&output).contains("note: f does not depend on r, which is left out");
        assert_eq!(noted, !formula.contains(';'), "{formula}: {}", stderr(&output));
    }
    let text = stdout(&graph("@steps.txt", &["--of", "r"]));
    assert!(text.contains("r = 6\ndr/dx = 2\ndr/dy = 2\n"), "{text}");
    let output = graph("@steps.txt", &["-o", "steps.svg"]);
    assert!(output.status.success());
    let svg = std::fs::read_to_string(folder.path().join("steps.svg")).unwrap();
    assert!(svg.contains(">q</text>"), "{svg}");
    for (formula, more, said) in [
        ("@none.txt", &[][..], "the formula in none.txt could not be read"),
        ("@steps.txt", &["--of", "p"], "--of names p, but the formula's steps are: q, r, f"),
        ("q = x; q = y*z", &[], "q can't be the name of a step: an earlier step has it"),
    ] {
        let output = graph(formula, more);
        assert!(stderr(&output).contains(said), "{}", stderr(&output));
        assert_eq!(output.status.code(), Some(1));
    }
}

#[test]
fn matrices_come_from_the_command_line_from_tables_and_from_numpy() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    file("w.csv", b"1,2,3\n4,5,6\n");
    file("blanks.txt", "1 2 3\n\n4  5\t\u{2212}6\n".as_bytes());
    // As numpy 2.4.6 writes np.save("w.npy", np.array([[1., 2, 3], [4, 5, 6]], order=...)).
    let npy = |descr: &str, fortran: &str, shape: &str, numbers: &[u8]| {
        let header =
            format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}");
        let header = format!("{header:<117}\n");
        [b"\x93NUMPY\x01\x00v\x00", header.as_bytes(), numbers].concat()
    };
    let bytes = |numbers: &[f64]| numbers.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<_>>();
    let rows = bytes(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    file("w.npy", &npy("<f8", "False", "(2, 3)", &rows));
    file("f.npy", &npy("<f8", "True", "(2, 3)", &bytes(&[1.0, 4.0, 2.0, 5.0, 3.0, 6.0])));
    let big: Vec<u8> = (1..7_i16).flat_map(i16::to_be_bytes).collect();
    file("i.npy", &npy(">i2", "False", "(2, 3)", &big));
    file(
        "x.npy",
        &npy("<f4", "False", "(3,)", &[1.0_f32, 2.0, 3.0].map(f32::to_le_bytes).concat()),
    );
    file("cut.npy", &npy("<f8", "False", "(2, 3)", &rows[..40]));
    file("deep.npy", &npy("<f8", "False", "(2, 3, 1)", &rows));
    file("complex.npy", &npy("<c16", "False", "(1, 3)", &rows));
    let graph = |args: &[&str]| {
        let mut command = Command::cargo_bin("chainrule").unwrap();
        command.arg("graph").args(args).current_dir(&folder).output().unwrap()
    };
    file("bom.csv", b"\xef\xbb\xbf1,2,3\n4,5,6\n");
    for at in ["W=[1,2,3;4,5,6]", "W=@w.csv", "W=@bom.csv", "W=@w.npy", "W=@f.npy", "W=@i.npy"] {
        let output = graph(&["sum(W @ x)", "--at", at, "--at", "x=[1;2;3]", "--json"]);
        let answer: Value = serde_json::from_str(&stdout(&output)).expect(at);
        assert_eq!(answer["value"], 46.0, "{at}");
        assert_eq!(answer["gradients"]["x"], serde_json::json!([[5.0], [7.0], [9.0]]), "{at}");
    }
    // One dimension is a row; a shape makes it a column.
    let at = ["--at", "W=@blanks.txt,x=@x.npy", "--shape", "x=3x1", "--json"];
    let output = graph(&[&["sum(W @ x)"], &at[..]].concat());
    let answer: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(answer["value"], 14.0 + 4.0 + 10.0 - 18.0);
    for (at, shape, said) in [
        ("W=@none.csv", "", "W has no value: none.csv: No such file"),
        ("W=@cut.npy", "", "cut.npy: it has 40 bytes of numbers, and 2x3 needs 48"),
        ("W=@deep.npy", "", "deep.npy: it has 3 dimensions"),
        ("W=@complex.npy", "", "it holds <c16, which is not read"),
        ("W=@w.csv", "W=3x2", "W is 2x3 by --at, and 3x2 by --shape"),
        ("W=1", "V=3x2", "the formula has no variable V"),
        ("W=1", "W=3", "\"W=3\" is not a shape; write NAME=ROWSxCOLUMNS"),
        ("", "W=99999x99999", "W would be 99999x99999"),
        ("W=[1,2;3]", "", "row 2 has 1 numbers, and the first has 2"),
        ("W=@w.csv", "", "the value is 2x3, and a gradient is that of one number"),
    ] {
        let output = graph(&["W * 1", "--at", at, "--shape", shape]);
        let said_so = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{at} {shape}");
        assert!(said_so.starts_with("error: ") && said_so.contains(said), "{said_so}");
    }
    let wrong = stderr(&graph(&["sum(W @ x)", "--shape", "W=4x3,x=2x1"]));
    assert!(
        wrong.contains("@ can't take 4x3 and 2x1") && wrong.ends_with("        ^\n"),
        "{wrong}"
    );
}

#[test]
fn every_node_has_a_name_of_its_own_and_inputs_resolve() {
    for (formula, at) in [
        ("g1*x+g2", "g1=3,g2=4,x=5"),
        ("max(3,x)*max(3,g1)+max(0.3,f)", "x=1,g1=2,f=3"),
        ("g01+g3*g3-f+g1000", "g01=1,g3=2,f=3,g1000=4"),
    ] {
        let answer = chainrule(&["graph", formula, "--at", at, "--json"]);
        let answer: Value = serde_json::from_str(&stdout(&answer)).unwrap();
        let names = |list: &str| -> Vec<String> {
            let nodes = answer[list].as_array().unwrap().iter();
            nodes.map(|node| node["name"].as_str().unwrap().to_owned()).collect()
        };
        let all = [names("inputs"), names("gates")].concat();
        let own: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(own.len(), all.len(), "{formula}: {all:?}");
        for gate in answer["gates"].as_array().unwrap() {
            for input in gate["inputs"].as_array().unwrap() {
                assert!(all.iter().any(|name| name == input), "{formula}: {input}");
            }
        }
    }
    // Gates take the next free number; the output isn't called f where a variable is.
    let text = stdout(&chainrule(&["graph", "g1*f+g2", "--at", "g1=3,g2=4,f=5"]));
    assert!(text.contains("g3    g1 × f") && text.contains("df1/df = 3"), "{text}");
}

#[test]
fn what_people_type_and_paste_is_read() {
    let value = |args: &[&str]| -> Value {
        let output = chainrule(&[&["graph"], args, &["--json"]].concat());
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
        serde_json::from_str(&stdout(&output)).unwrap()
    };
    for wrt in ["x, y", "x,y", "x y", " x ; y "] {
        let answer = value(&["x*y*z", "--at", "x=1,y=2,z=3", "--wrt", wrt]);
        assert_eq!(answer["gradients"], serde_json::json!({"x": 6.0, "y": 3.0}), "{wrt}");
    }
    for at in ["x=\u{2212}3 y=4", "x = \u{2212}3; y = 4", "x=-3,\n y=4\n", "y=4,x=-3"] {
        let answer = value(&["2\u{d7}x \u{2212} y\u{b7}y \u{f7} 2", "--at", at]);
        assert_eq!(answer["value"], -14.0, "{at:?}");
    }
    assert_eq!(value(&["x*y", "--at", "x=2", "--at", "y=3"])["value"], 6.0);
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::cargo_bin("chainrule").unwrap();
    let args = ["graph", "x*x", "--at", "x=3", "-o", "-", "--format", "dot"];
    let output = command.args(args).current_dir(&folder).output().unwrap();
    assert!(stdout(&output).contains("digraph"), "{}", stdout(&output));
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "no file is called -");

    for (name, begin) in [
        ("f.svg", &b"<svg"[..]),
        ("f.PNG", b"\x89PNG"),
        ("f.dot", b"// On each edge"),
        ("f.html", b"<!DOCTYPE"),
        ("f.tex", b"% Needs amsmath"),
    ] {
        let mut command = Command::cargo_bin("chainrule").unwrap();
        command.args(["graph", "x*x", "--at", "x=3", "-o", name]).current_dir(&folder);
        command.assert().success();
        let file = std::fs::read(folder.path().join(name)).unwrap();
        assert!(file.starts_with(begin), "{name} must be what its name says");
    }
}

#[test]
fn the_check_agrees_or_says_why_it_cannot_tell_and_exits_with_0() {
    // Derivatives by mpmath.
    for (formula, at, told) in [
        ("sin(x)", "x=1e6", "0.936752127533"),
        ("sin(1/x)", "x=1e-5", "agrees"),
        ("exp(x)", "x=700", "agrees"),
        ("1/x", "x=1e-300", "cannot tell: the gradient is -inf"),
        ("relu(x)", "x=0", "cannot tell: g1 (relu) has a kink at this point"),
        ("max(x,y,z)", "x=1,y=1,z=1", "cannot tell: g1 (max) has a kink at this point"),
    ] {
        let output = chainrule(&["graph", formula, "--at", at, "--check"]);
        assert_eq!(output.status.code(), Some(0), "{formula}: {}", stderr(&output));
        assert!(stdout(&output).contains(told), "{formula}: {}", stdout(&output));
    }
}

#[test]
fn bad_input_gets_one_message_and_exit_code_1() {
    let long = vec!["x"; 3000].join("+");
    for (args, message) in [
        (&["graph", "x+$"][..], "  x+$\n    ^"),
        (&["graph", ""], "the formula is empty"),
        (&["graph", "x*y", "--at", "x=1"], "no value was given for y; write y=NUMBER after --at"),
        (&["graph", "x", "--at", "x=1,q=2"], "no variable q"),
        (&["graph", "x", "--at", "x=1", "--wrt", "q"], "--wrt names q"),
        (&["graph", "x", "--at", "x=1", "--wrt", ","], "--wrt names no variable"),
        (&["graph", "x", "--at", "x=1", "-o", "/no/such/folder/f.svg"], "could not be written"),
        (
            &["graph", "x", "--at", "x=1", "--blank", "-o", "f.html"],
            "--blank leaves the numbers out",
        ),
        (
            &["graph", &long, "--at", "x=1", "-o", "f.pdf"],
            "a picture of more than 2000 can't be read",
        ),
        (&["assignment", "--run", "/no/such/run"], "summary.json could not be read"),
    ] {
        let output = chainrule(args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        let said = stderr(&output);
        assert!(said.starts_with("error: ") && said.contains(message), "{said}");
        assert!(!said.contains("panicked"), "{said}");
    }
    assert_eq!(chainrule(&["graph", "x", "--format", "bmp"]).status.code(), Some(2));
}

#[test]
fn a_graph_as_png_is_its_svg_with_two_pixels_for_each_on_white_paper() {
    let formula = ["graph", "(x+y)*z", "--at", "x=-2,y=5,z=-4", "--format"];
    let svg = stdout(&chainrule(&[&formula[..], &["svg"]].concat()));
    let size = |name: &str| -> u32 {
        let number = svg.split(&format!(" {name}=\"")).nth(1).unwrap();
        number.split('"').next().unwrap().parse().unwrap()
    };
    let png = chainrule(&[&formula[..], &["png"]].concat()).stdout;
    let picture = image::load_from_memory(&png).unwrap().into_rgb8();
    assert_eq!(picture.dimensions(), (2 * size("width"), 2 * size("height")));
    assert_eq!(picture.get_pixel(0, 0).0, [255; 3]);
    // Values are green and gradients red, which nothing else in it is.
    let strong = |of: usize| {
        let others = [(of + 1) % 3, (of + 2) % 3];
        picture
            .pixels()
            .filter(|p| others.iter().all(|&o| p.0[of] > p.0[o].saturating_add(60)))
            .count()
    };
    assert!(strong(1) > 100 && strong(0) > 100, "{} {}", strong(1), strong(0));
}

#[test]
fn a_gate_that_made_an_infinity_is_marked_in_every_drawing_and_told_on_the_terminal() {
    for (format, mark) in
        [("svg", "cr-trouble"), ("dot", "color=red"), ("html", "cr-trouble"), ("text", "!g1")]
    {
        let output = chainrule(&["graph", "log(x)*y", "--at", "x=0,y=1", "--format", format]);
        assert!(output.status.success());
        let drawing = stdout(&output);
        assert!(drawing.contains(mark), "{format}: {drawing}");
        let told = format!("{drawing}{}", stderr(&output));
        assert!(told.contains("gate g1 (log): log(0) gave -inf"), "{format}");
    }
}

#[test]
fn the_assignment_is_made_into_one_folder_with_the_figures_of_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let (run, out) = (folder.path().join("run"), folder.path().join("answer"));
    std::fs::create_dir(&run).unwrap();
    let summary = r#"{"test_accuracy": 0.5325, "validation_accuracy": 0.541, "epochs": 10}"#;
    std::fs::write(run.join("summary.json"), summary).unwrap();
    std::fs::write(run.join("curves.svg"), "<svg xmlns='http://www.w3.org/2000/svg'/>").unwrap();
    let [run, out_name] = [&run, &out].map(|path| path.to_str().unwrap());
    let titled = ["--name", "Grace <Hopper>", "--course", "CS 1"];
    let output = chainrule(&[&["assignment", "--run", run, "-o", out_name], &titled[..]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let index = std::fs::read_to_string(out.join("index.html")).unwrap();
    let title = "Grace &lt;Hopper&gt; · CS 1";
    for text in ["53.25 %", "54.10 %", "curves.svg", "4.2e-5", "1.879607580687e-12", title] {
        assert!(index.contains(text), "{text}");
    }
    for link in index.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(link.starts_with('#') || out.join(link).is_file(), "{link} leads nowhere");
    }
}

#[test]
fn the_paper_of_problem_4_1_has_every_figure_as_text() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("answer");
    let titled = ["--name", "Grace Hopper", "--course", "CS 1"];
    let args = [&["assignment", "-o", out.to_str().unwrap()], &titled[..]].concat();
    let output =
        Command::cargo_bin("chainrule").unwrap().args(args).current_dir(&folder).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let pdf = out.join("problem-4.1.pdf");
    let found = std::process::Command::new("pdftotext").arg("-layout").arg(&pdf).arg("-").output();
    let Ok(found) = found else {
        eprintln!("passed over: pdftotext is not installed");
        return;
    };
    let text = stdout(&found);
    // By mpmath with 30 digits: the derivative of the sigmoid at 27, its multiples, and the sigmoid.
    for figure in [
        "Grace Hopper · CS 1",
        "0.9999999999981204",
        "1.879528816532e-12",
        "9.39764408266e-12",
        "1.503623053226e-11",
        "5.638586449596e-12",
        "1.879607580687e-12",
        "0.235003712",
        "Why the textbook form is off by 4.2e-5",
    ] {
        assert!(text.contains(figure), "{figure}");
    }
    // The three drawings of the neuron, and that with the sigmoid gate.
    assert_eq!(text.matches("f = 1/(1+exp(-(w0*x0+w1*x1+w2)))").count(), 4);
}

#[test]
fn the_notebook_shows_the_sources_and_the_run_and_is_not_replaced_unasked() {
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let mut command = Command::cargo_bin("chainrule").unwrap();
        let output = command.args(args).current_dir(&folder).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    };
    run(&["train", "--data", "sample", "--epochs", "1", "--quiet", "--out", "results/run-001"]);
    run(&["assignment", "--name", "Grace \"G\" Hopper"]);
    let file = folder.path().join("results/assignment/problem-4.2.ipynb");
    let notebook: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!((&notebook["nbformat"], &notebook["nbformat_minor"]), (&4.into(), &5.into()));
    let cells = notebook["cells"].as_array().unwrap();
    let joined = |lines: &Value| -> String {
        lines.as_array().unwrap().iter().filter_map(Value::as_str).collect()
    };
    let source: String = cells.iter().map(|cell| joined(&cell["source"])).collect();
    let linear = std::fs::read_to_string("../nn/src/layers/linear.rs").unwrap();
    let backward = linear.split_once("/// dW = Xᵀ dZ:").unwrap().1.split_once("\n}\n").unwrap().0;
    for text in [backward, "pub struct SoftmaxClassifier", "dW = X^\\top dZ", "Grace \"G\" Hopper"]
    {
        assert!(source.contains(text), "{text}");
    }
    let ids: std::collections::HashSet<_> = cells.iter().map(|cell| &cell["id"]).collect();
    assert_eq!(ids.len(), cells.len());

    let results = folder.path().join("results/run-001");
    let summary = std::fs::read_to_string(results.join("summary.json")).unwrap();
    let summary: Value = serde_json::from_str(&summary).unwrap();
    let accuracy = 100.0 * summary["test_accuracy"].as_f64().unwrap();
    let outputs: Vec<&Value> =
        cells.iter().filter_map(|cell| cell["outputs"].as_array()).flatten().collect();
    let printed: String = outputs
        .iter()
        .map(|output| match &output["text"] {
            Value::Null => String::new(),
            text => joined(text),
        })
        .collect();
    assert!(printed.contains(&format!("accuracy on the test set: {accuracy:.2} %\n")), "{printed}");
    assert!(printed.contains(&std::fs::read_to_string(results.join("config.toml")).unwrap()));
    let curves = std::fs::read_to_string(results.join("curves.svg")).unwrap();
    let svg = outputs.iter().find(|output| output["data"]["image/svg+xml"].is_array()).unwrap();
    assert_eq!(joined(&svg["data"]["image/svg+xml"]), curves);
    assert!(outputs.iter().any(|output| output["data"]["image/png"].is_string()));

    std::fs::write(&file, "worked in").unwrap();
    let said = run(&["assignment"]);
    assert!(
        said.contains("problem-4.2.ipynb, which exists already; --force replaces it"),
        "{said}"
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "worked in");
    run(&["assignment", "--force"]);
    assert_ne!(std::fs::read_to_string(&file).unwrap(), "worked in");
}

#[test]
fn the_assignment_is_told_from_ones_own_run_on_cifar_10_before_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let told = || {
        let mut command = Command::cargo_bin("chainrule").unwrap();
        stdout(&command.arg("assignment").current_dir(&folder).output().unwrap())
    };
    let run = |name: &str, data: &str| {
        let run = folder.path().join("results").join(name);
        std::fs::create_dir_all(&run).unwrap();
        let summary = format!(r#"{{"test_accuracy": 0.5, "seconds": 5.76, "data": "{data}"}}"#);
        std::fs::write(run.join("summary.json"), summary).unwrap();
    };
    run("reference", "CIFAR-10"); // part of the project
    run("run-001", "pictures in photos");
    assert!(told().contains("no training run was found"));
    run("run-002", "sample");
    assert!(told().contains("the run in results/run-002"));
    let index = folder.path().join("results/assignment/index.html");
    let index = std::fs::read_to_string(index).unwrap();
    assert!(index.contains("the accuracy means nothing") && index.contains(">5.8<"), "{index}");
    run("run-003", "CIFAR-10");
    run("run-004", "sample");
    assert!(told().contains("the run in results/run-003"));
}

#[test]
fn the_files_that_are_read_are_not_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let [matrix, formula] = ["w.csv", "f.txt"].map(|name| dir.path().join(name));
    std::fs::write(&matrix, "1,2\n").unwrap();
    std::fs::write(&formula, "sum(W)").unwrap();
    let (of_matrix, of_formula) =
        (format!("W=@{}", matrix.display()), format!("@{}", formula.display()));
    for file in [&matrix, &formula] {
        let before = std::fs::read(file).unwrap();
        let args =
            [&of_formula, "--at", &of_matrix, "--format", "text", "-o", file.to_str().unwrap()];
        for more in [&[][..], &["--jacobian"]] {
            let output = chainrule(&[&["graph"], &args[..], more].concat());
            assert!(stderr(&output).contains("is what the command reads"), "{}", stderr(&output));
            assert!(std::fs::read(file).unwrap() == before);
        }
    }
}

#[test]
fn a_file_is_not_named_as_what_it_does_not_hold() {
    let dir = tempfile::tempdir().unwrap();
    let graph = |name: &str, flags: &[&str]| {
        let file = dir.path().join(name);
        let args = ["graph", "x^2", "--at", "x=3", "-o", file.to_str().unwrap()];
        (chainrule(&[&args[..], flags].concat()), file)
    };
    for (name, flags, expected) in [
        ("f.jpg", &[][..], "expected one of .txt .svg .png .pdf .dot .html .tex, or --format"),
        ("f.json", &[], ".html .tex, or --format"),
        ("x.png", &["--format", "svg"], "of what --format asks for: expected .svg"),
        ("x.jpeg", &["--format", "png"], "expected .png"),
        ("x.svg", &["--json"], "of what --json asks for: expected .json"),
    ] {
        let (output, file) = graph(name, flags);
        let sentence = stderr(&output);
        assert!(sentence.starts_with(&format!("error: {}: ", file.display())), "{sentence}");
        assert!(sentence.contains(expected) && !file.exists(), "{sentence}");
    }
    for (name, flags) in [
        ("f", &[][..]),
        ("f.TXT", &[]),
        ("f.gv", &["--format", "dot"]),
        ("f.md", &["--format", "text"]),
        ("f.json", &["--json"]),
    ] {
        let (output, file) = graph(name, flags);
        assert!(output.status.success() && file.exists(), "{name}: {}", stderr(&output));
    }
}

#[test]
fn an_error_message_has_no_control_character_of_what_was_given() {
    let output = chainrule(&["graph", "x", "--at", "\u{1b}[31mé\u{9b}\u{7}=1"]);
    let sentence = stderr(&output);
    assert!(sentence.contains("\\u{1b}[31mé\\u{9b}\\u{7}"), "{sentence}");
    assert!(sentence.trim_end().chars().all(|c| !c.is_control()), "{sentence:?}");
    // The message of a TOML error is of several lines.
    let dir = tempfile::tempdir().unwrap();
    let recipe = dir.path().join("recipe.toml");
    std::fs::write(&recipe, "epochs = 1\n\"a\\u001bb\" = 1\n\u{1b}\n").unwrap();
    let output = chainrule(&["train", "--recipe", recipe.to_str().unwrap()]);
    let sentence = stderr(&output);
    assert!(sentence.lines().count() > 1 && sentence.contains("\\u{1b}"), "{sentence}");
    assert!(sentence.chars().all(|c| c == '\n' || !c.is_control()), "{sentence:?}");
}
