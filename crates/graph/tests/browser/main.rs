//! The page and the pictures in a real browser.

mod driver;

use chainrule_graph::{Circuit, Formula, Gates, draw, values};
use driver::Browser;

const ARROW_LEFT: &str = "\u{E012}";
const ARROW_RIGHT: &str = "\u{E014}";
const HOME: &str = "\u{E011}";
const END: &str = "\u{E010}";

fn circuit(formula: &str, at: &str, gates: Gates) -> Circuit {
    Formula::parse(formula).unwrap().circuit(&values::parse(at).unwrap(), gates).unwrap()
}

/// What the drawing shows on its wires: [from, to, value, gradient], in the
/// order of the wires, with "" for what is still hidden.
fn wires(browser: &Browser) -> Vec<[String; 4]> {
    let wires = browser.script(
        "const name = n => { const node = document.querySelector(`.cr-node[data-node='${n}']`);
           return node.querySelector('.cr-symbol').textContent; };
         const shown = t => getComputedStyle(t).visibility === 'hidden' ? '' : t.firstChild.data;
         return [...document.querySelectorAll('.cr-edge')].map(e => [name(e.dataset.from),
           name(e.dataset.to), shown(e.querySelector('.cr-value')),
           shown(e.querySelector('.cr-gradient'))]);",
    );
    let mut wires: Vec<[String; 4]> = serde_json::from_value(wires).expect("four texts a wire");
    wires.sort();
    wires
}

/// A step of the page: its heading, lines of its text, and the wires.
type Step = (&'static str, &'static [&'static str], [[String; 4]; 5]);

fn wire(from: &str, to: &str, value: &str, gradient: &str) -> [String; 4] {
    [from, to, value, gradient].map(str::to_owned)
}

#[test]
fn a_reader_who_clicks_through_the_page_sees_every_number_when_its_turn_comes() {
    let Some(browser) = Browser::start() else { return };
    let circuit = circuit("(x+y)*z", "x=-2,y=5,z=-4", Gates::Written);
    browser.open(&draw::html::draw(&circuit).unwrap(), "html");

    // By hand: q = x + y = 3, f = q z = -12; df/dq = -4, df/dz = 3, df/dx = df/dy = -4.
    let stages: [Step; 7] = [
        (
            "The inputs are given",
            &[],
            [
                wire("+", "×", "", ""),
                wire("x", "+", "-2", ""),
                wire("y", "+", "5", ""),
                wire("z", "×", "-4", ""),
                wire("×", "f", "", ""),
            ],
        ),
        (
            "Forward: g1, the + gate",
            &["g1 = x + y = (-2) + 5 = 3"],
            [
                wire("+", "×", "3", ""),
                wire("x", "+", "-2", ""),
                wire("y", "+", "5", ""),
                wire("z", "×", "-4", ""),
                wire("×", "f", "", ""),
            ],
        ),
        (
            "Forward: g2, the × gate",
            &["g2 = g1 × z = 3 × (-4) = -12"],
            [
                wire("+", "×", "3", ""),
                wire("x", "+", "-2", ""),
                wire("y", "+", "5", ""),
                wire("z", "×", "-4", ""),
                wire("×", "f", "-12", ""),
            ],
        ),
        (
            "The way back begins",
            &["∂f/∂f = 1"],
            [
                wire("+", "×", "3", ""),
                wire("x", "+", "-2", ""),
                wire("y", "+", "5", ""),
                wire("z", "×", "-4", ""),
                wire("×", "f", "-12", "1"),
            ],
        ),
        (
            "Backward: g2, the × gate",
            &["upstream: ∂f/∂g2 = 1", "g1\t1\t× -4\t= -4", "z\t1\t× 3\t= 3"],
            [
                wire("+", "×", "3", "-4"),
                wire("x", "+", "-2", ""),
                wire("y", "+", "5", ""),
                wire("z", "×", "-4", "3"),
                wire("×", "f", "-12", "1"),
            ],
        ),
        (
            "Backward: g1, the + gate",
            &["upstream: ∂f/∂g1 = -4", "x\t-4\t× 1\t= -4", "y\t-4\t× 1\t= -4"],
            [
                wire("+", "×", "3", "-4"),
                wire("x", "+", "-2", "-4"),
                wire("y", "+", "5", "-4"),
                wire("z", "×", "-4", "3"),
                wire("×", "f", "-12", "1"),
            ],
        ),
        (
            "Done",
            &["f = -12", "∂f/∂x = -4", "∂f/∂y = -4", "∂f/∂z = 3"],
            [
                wire("+", "×", "3", "-4"),
                wire("x", "+", "-2", "-4"),
                wire("y", "+", "5", "-4"),
                wire("z", "×", "-4", "3"),
                wire("×", "f", "-12", "1"),
            ],
        ),
    ];
    let look = |stage: usize| {
        let (title, lines, expected) = &stages[stage];
        assert_eq!(browser.text("#place"), format!("Step {} of 7", stage + 1));
        let panel = browser.text("#panel");
        assert!(panel.starts_with(title), "{panel}");
        for line in *lines {
            assert!(panel.contains(line), "{panel:?} has no {line:?}");
        }
        assert_eq!(wires(&browser), expected, "at {title}");
    };
    look(0);
    for stage in 1..7 {
        browser.click("#next");
        look(stage);
    }
    for stage in (0..6).rev() {
        browser.click("#back");
        look(stage);
    }
    // The same by the keyboard; at the ends nothing more happens.
    browser.press(ARROW_LEFT);
    look(0);
    for stage in 1..7 {
        browser.press(ARROW_RIGHT);
        look(stage);
    }
    browser.press(ARROW_RIGHT);
    look(6);
    browser.press(HOME);
    look(0);
    browser.press(END);
    look(6);
    browser.click("#first");
    look(0);
    browser.click("#last");
    look(6);
}

#[test]
fn the_assignments_sigmoid_is_stepped_through_to_the_published_gradients() {
    let Some(browser) = Browser::start() else { return };
    let at = "w0=1,w1=3,w2=-2,x0=5,x1=8";
    let circuit = circuit("1/(1+exp(-(w0*x0+w1*x1+w2)))", at, Gates::Primitive);
    browser.open(&draw::html::draw(&circuit).unwrap(), "html");
    let mut steps = 1;
    while browser.script("return document.getElementById('next').disabled") == false {
        browser.click("#next");
        steps += 1;
    }
    assert_eq!(steps, 1 + 8 + 1 + 8 + 1);
    let panel = browser.text("#panel");
    for line in [
        "∂f/∂w0 = 9.39764e-12",
        "∂f/∂w1 = 1.50362e-11",
        "∂f/∂w2 = 1.87953e-12",
        "∂f/∂x0 = 1.87953e-12",
        "∂f/∂x1 = 5.63859e-12",
    ] {
        assert!(panel.contains(line), "{panel}");
    }
    let wires = wires(&browser);
    assert!(wires.contains(&wire("w0", "×", "1", "9.398e-12")), "{wires:?}");
    assert!(wires.contains(&wire("×(-1)", "exp", "-27", "-1.88e-12")), "{wires:?}");
}

#[test]
fn no_label_lies_on_another_label_or_on_a_gate() {
    let Some(browser) = Browser::start() else { return };
    // From three gates to some sixty, with fan-out, long names and long numbers.
    let softmax = "-log(exp(s_1)/(exp(s_1)+exp(s_2)+exp(s_3)+exp(s_4)))";
    let sum: Vec<String> = (0..15).map(|i| format!("tanh(w{i}*x{}+b)", i % 3)).collect();
    let wide = sum.join("+");
    let deep = format!("{}x{}", "sin(y*".repeat(29), ")".repeat(29));
    let drawings: [(&str, Gates); 8] = [
        ("(x+y)*z", Gates::Written),
        ("1/(1+exp(-(w0*x0+w1*x1+w2)))", Gates::Primitive),
        ("1/(1+exp(-(w0*x0+w1*x1+w2)))", Gates::Fused),
        ("x*x*x+x*y-log(y-0.37)/(x-y)^2", Gates::Primitive),
        ("learning_rate*exp(-1234.5678*a_rather_long_name_of_a_variable)", Gates::Written),
        (softmax, Gates::Written),
        (&wide, Gates::Written),
        (&deep, Gates::Written),
    ];
    for (formula, gates) in drawings {
        let formula = Formula::parse(formula).unwrap();
        let at: Vec<_> =
            formula.variables().iter().zip(1..).map(|(n, i)| (n, 0.37 * f64::from(i))).collect();
        let circuit = formula.circuit(&at, gates).unwrap();
        browser.open(&draw::svg::draw(&circuit).unwrap(), "svg");
        let report = browser.script(
            "const boxes = [...document.querySelectorAll('text, rect:not(.cr-paper)')].map(e => {
               const b = e.getBoundingClientRect();
               return { e, text: e.firstChild ? e.firstChild.data : '', l: b.left, r: b.right,
                        t: b.top, b: b.bottom, rect: e.tagName === 'rect', node: e.parentNode };
             });
             const bad = [];
             boxes.forEach((p, i) => boxes.slice(0, i).forEach(q => {
               if (p.rect && q.rect && p.node === q.node) return;
               if ((p.rect || q.rect) && p.node === q.node) return;
               // A line box is higher than its letters: a touch of one pixel is none.
               const w = Math.min(p.r, q.r) - Math.max(p.l, q.l);
               const h = Math.min(p.b, q.b) - Math.max(p.t, q.t);
               if (w > 0.5 && h > 1) bad.push([p.text, q.text, w, h]);
             }));
             // Where a wire runs through a text that isn't its own, or through its own.
             for (const path of document.querySelectorAll('.cr-wire')) {
               const length = path.getTotalLength();
               for (let s = 0; s <= length; s += 2) {
                 const at = path.getPointAtLength(s).matrixTransform(path.getScreenCTM());
                 for (const box of boxes) {
                   if (!box.rect && at.x > box.l && at.x < box.r && at.y > box.t + 2 && at.y < box.b - 3)
                     bad.push(['wire through', box.text, at.x, at.y]);
                 }
               }
             }
             const page = document.documentElement.getBoundingClientRect();
             for (const p of boxes) if (p.l < 0 || p.t < 0 || p.r > page.right || p.b > page.bottom)
               bad.push(['outside', p.text, p.l, p.t]);
             return { bad: bad.slice(0, 5), texts: boxes.length };",
        );
        let texts = report["texts"].as_u64().unwrap_or(0);
        assert!(texts as usize >= 3 * circuit.gates().count(), "{formula:?}: {report}");
        assert_eq!(report["bad"], serde_json::json!([]), "{}", formula.source());
    }
}
