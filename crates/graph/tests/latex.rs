//! The passes as LaTeX, and pictures without numbers.

use std::process::Command;

use chainrule_graph::{Circuit, Formula, Gates, draw, random, values};

fn circuit(formula: &str, at: &str) -> Circuit {
    let at = values::parse(at).unwrap();
    Formula::parse(formula).unwrap().circuit(&at, Gates::Written).unwrap()
}

#[test]
fn each_line_of_both_passes_is_written_as_mathematics() {
    let tex = draw::latex::draw(&circuit("q = x + y; f = q*z", "x=-2,y=5,z=-4"));
    for line in [
        r"x &= -2",
        r"q &= x + y = -2 + 5 = 3",
        r"f &= q \cdot z = 3 \cdot (-4) = -12",
        r"\frac{\partial f}{\partial f} &= 1",
        r"\frac{\partial f}{\partial q} &= \frac{\partial f}{\partial f} \cdot z = -4",
        r"\frac{\partial f}{\partial x} &= \frac{\partial f}{\partial q} = -4",
    ] {
        assert!(tex.contains(line), "{line} in\n{tex}");
    }
    let tex = draw::latex::draw(&circuit("sum(relu(W_1 @ x)) + x.T @ x", "W_1=[1,2;3,-4] x=[5;6]"));
    for line in [
        r"g_{1} &= W_{1} x = \begin{pmatrix} 17 \\ -9 \end{pmatrix}",
        r"\frac{\partial f}{\partial W_{1}} &= \frac{\partial f}{\partial g_{1}} {x}^{\top} = \begin{pmatrix} 5 & 6 \\ 0 & 0 \end{pmatrix}",
        r"\frac{\partial f}{\partial x} &\mathrel{+}= {W_{1}}^{\top} \frac{\partial f}{\partial g_{1}} = \begin{pmatrix} 1 \\ 2 \end{pmatrix}",
    ] {
        assert!(tex.contains(line), "{line} in\n{tex}");
    }
}

#[test]
fn every_formula_compiles_with_plain_latex() {
    if Command::new("pdflatex").arg("--version").output().is_err() {
        eprintln!("passed over: pdflatex is not installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let fixtures =
        [include_str!("fixtures/gradients.txt"), include_str!("fixtures/torch_matrices.txt")];
    let lines = fixtures.iter().flat_map(|fixture| fixture.lines());
    let mut documents: Vec<String> = lines
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(" | ").collect::<Vec<_>>())
        .map(|fields| draw::latex::draw(&circuit(fields[0], fields[1])))
        .collect();
    let odd = "max(3, α_1)^θ * -2e-7 + speed/Ω - π*10^-x_a_b + log(a1b) * é + 1e300*名";
    let names = Formula::parse(odd).unwrap();
    let at: Vec<_> = names.variables().iter().map(|name| (name.clone(), 0.25)).collect();
    documents.push(draw::latex::draw(&names.circuit(&at, Gates::Primitive).unwrap()));
    documents.push(draw::latex::draw(&circuit("1/x + log(x)", "x=0")));
    let large = random::normal("A", chainrule_graph::Shape::new(30, 20), 0);
    let large = Formula::parse("mean(A^2)").unwrap().circuit(&[("A", large)], Gates::Written);
    documents.push(draw::latex::draw(&large.unwrap()));
    let neuron = circuit("1/(1+exp(-w*x))", "w=2 x=3");
    let (_, w) = neuron.variables().next().unwrap();
    documents.push(draw::latex::draw(&neuron.derivative(w).unwrap()));
    // One run of TeX for all: each body in turn.
    let begin = "\\begin{document}\n";
    let (preamble, _) = documents[0].split_once(begin).unwrap();
    let body = |text: &String| text.split_once(begin).unwrap().1.replace("\\end{document}", "");
    let bodies: String = documents.iter().map(body).collect();
    let file = folder.path().join("all.tex");
    std::fs::write(&file, format!("{preamble}{begin}{bodies}\\end{{document}}\n")).unwrap();
    let mut command = Command::new("pdflatex");
    command.args(["-interaction=nonstopmode", "-halt-on-error", "all.tex"]);
    let output = command.current_dir(&folder).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let problem = said.find("\n!").map_or("", |at| &said[at..(at + 600).min(said.len())]);
    assert!(output.status.success(), "{problem}");
}

#[test]
fn the_page_shows_each_line_of_the_derivation_as_mathematics_without_a_network() {
    let fixtures =
        [include_str!("fixtures/gradients.txt"), include_str!("fixtures/torch_matrices.txt")];
    let formulas = fixtures.iter().flat_map(|fixture| fixture.lines());
    for line in formulas.filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split(" | ").collect();
        let circuit = circuit(fields[0], fields[1]);
        let tex = draw::latex::draw(&circuit);
        let lines = tex.lines().filter(|line| line.contains("&")).count();
        let page = draw::html::draw(&circuit).unwrap();
        let mathematics = page.split_once("As mathematics").unwrap().1;
        // What could not be read stands as code.
        assert!(!mathematics.contains("<code>") && !mathematics.contains("merror"), "{line}");
        assert!(!mathematics.contains('\\'), "{line}: a command of LaTeX is left");
        assert_eq!(mathematics.matches("<math").count(), 2 * lines, "{line}");
    }
    let page = draw::html::draw(&circuit("q = x + y; f = q*z", "x=-2,y=5,z=-4")).unwrap();
    assert!(page.contains("<mfrac"));
    let named = page.replace("http://www.w3.org/", "");
    assert!(!named.contains("http://") && !named.contains("https://"));
}

#[test]
fn the_name_of_a_function_has_its_underscores_escaped() {
    // In LaTeX a bare _ would set what follows as an index.
    for formula in ["sum(log_softmax(A))", "cross_entropy(A, 1)"] {
        let tex = draw::latex::draw(&circuit(formula, "A=[1,2]"));
        for name in tex.split(r"\operatorname{").skip(1) {
            let name = name.split('}').next().unwrap();
            assert!(!name.replace(r"\_", "").contains('_'), "{name}");
        }
        assert!(tex.contains(r"log\_softmax") || tex.contains(r"cross\_entropy"), "{tex}");
    }
}

#[test]
fn a_blank_picture_has_the_places_of_the_numbers_and_none_of_the_numbers() {
    for (formula, at) in
        [("(x+y)*z", "x=-271,y=538,z=-419"), ("sum(A @ x)", "A=[271,538;419,657] x=[739;826]")]
    {
        let blank = circuit(formula, at).blank();
        let drawings = [
            draw::text::draw(&blank, 200),
            draw::svg::draw(&blank).unwrap(),
            draw::dot::draw(&blank),
        ];
        for drawing in drawings {
            let drawing = drawing.split("</style>").last().unwrap();
            assert!(drawing.contains("_____"), "{drawing}");
            for number in ["271", "538", "419", "657", "739", "826", "267"] {
                let shown = drawing.contains(&format!(">{number}"))
                    || drawing.contains(&format!("-{number}"));
                assert!(
                    !shown && !drawing.contains(&format!(" {number} ")),
                    "{number} in\n{drawing}"
                );
            }
        }
    }
}
