//! `chainrule graph`: a formula, worked forward and backward.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use chainrule_graph::check::{Checked, Verdict, check};
use chainrule_graph::number::{exact, significant};
use chainrule_graph::{Circuit, Formula, Gate, Gates, NodeId, draw, values};
use clap::ValueEnum;
use serde_json::{Map, Value, json};

use super::write_output;

/// Arguments of `chainrule graph`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  chainrule graph '(x+y)*z' --at x=-2,y=5,z=-4
  chainrule graph '1/(1+exp(-(w*x+b)))' --at w=2,x=-1,b=0.5 --format html -o sigmoid.html
  chainrule graph 'sin(x)^2' --at x=0.7 --check

Notation: + - * / ^ (also − × · ÷ and **), parentheses, names such as w0 or x_1, numbers such as 2.5e-3, pi and e;
exp log sqrt sin cos tanh sigmoid relu abs, max(a, b, ...) and min(a, b, ...).")]
pub struct Args {
    /// The formula, in quotes: '(x+y)*z'
    #[arg(allow_hyphen_values = true)]
    formula: String,

    /// Values of the variables: x=-2,y=5,z=-4; blanks, semicolons and line ends separate them too
    #[arg(long, value_name = "NAME=NUMBER,...", allow_hyphen_values = true)]
    at: Vec<String>,

    /// What to draw [default: as the name of the output file ends, or text]
    #[arg(long, value_enum)]
    format: Option<Format>,

    /// Write to this file instead of the terminal; - is standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Into which gates the formula is split
    #[arg(long, value_enum, default_value = "written")]
    gates: GatesArg,

    /// Compare every gradient with a centered difference: it agrees, differs (exit code 1), or the
    /// check cannot tell, and says why
    #[arg(long)]
    check: bool,

    /// Only the gradients with respect to these variables: x,y
    #[arg(long, value_name = "NAME,...")]
    wrt: Vec<String>,

    /// Print value, gradients and gates as JSON
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// A picture in characters, and a table of the gates
    Text,
    /// A picture for a page
    Svg,
    /// The same picture as pixels
    Png,
    /// For Graphviz
    Dot,
    /// A page that steps through both passes, gate by gate
    Html,
}

#[derive(Clone, Copy, ValueEnum)]
enum GatesArg {
    /// One gate for each operator, as it is written
    Written,
    /// Subtraction, division and sigmoid made of x(-1), +, 1/x, x, exp and +1
    Primitive,
    /// As written, with 1/(1+exp(-u)) recognized as one sigmoid gate
    Fused,
}

impl Format {
    /// The format that the name of the output file asks for.
    fn of(output: Option<&Path>) -> Format {
        let extension = output.and_then(Path::extension).unwrap_or_default();
        match extension.to_ascii_lowercase().to_str() {
            Some("svg") => Format::Svg,
            Some("png") => Format::Png,
            Some("dot" | "gv") => Format::Dot,
            Some("html" | "htm") => Format::Html,
            _ => Format::Text,
        }
    }
}

impl From<GatesArg> for Gates {
    fn from(gates: GatesArg) -> Self {
        match gates {
            GatesArg::Written => Gates::Written,
            GatesArg::Primitive => Gates::Primitive,
            GatesArg::Fused => Gates::Fused,
        }
    }
}

/// Runs the command.
pub fn run(args: Args) -> anyhow::Result<()> {
    let mut args = args;
    let format = args.format.unwrap_or_else(|| Format::of(args.output.as_deref()));
    args.output = args.output.filter(|file| file.as_os_str() != "-");
    let formula = Formula::parse(&args.formula)?;
    let at = values::parse(&args.at.join("\n"))?;
    let circuit = formula.circuit(&at, args.gates.into())?;
    let variables = chosen(&circuit, &args.wrt)?;
    let checked = if args.check { check(&circuit, &ids(&variables)) } else { Vec::new() };

    let text = if args.json {
        let mut text = serde_json::to_string_pretty(&to_json(&circuit, &variables, &checked))?;
        text.push('\n');
        text
    } else {
        match format {
            Format::Text => {
                // In a file or a pipe there is no edge to run over.
                let terminal = terminal_size::terminal_size_of(std::io::stdout());
                let terminal = terminal.filter(|_| args.output.is_none());
                let width = terminal.map_or(usize::MAX, |(width, _)| usize::from(width.0));
                to_text(&circuit, &variables, &checked, width)
            }
            Format::Svg | Format::Png => draw::svg::draw(&circuit)?,
            Format::Dot => draw::dot::draw(&circuit),
            Format::Html => draw::html::draw(&circuit)?,
        }
    };
    let bytes = match format {
        Format::Png if !args.json => chainrule_report::svg_to_png(&text)?,
        _ => text.into_bytes(),
    };
    match &args.output {
        Some(file) => write_output(file, &bytes)?,
        None => print(&bytes)?,
    }

    // The text and the JSON hold these already.
    let shown = args.json || matches!(format, Format::Text);
    if !shown || args.output.is_some() {
        for trouble in circuit.troubles() {
            eprintln!("warning: {}", trouble.message);
        }
        if args.check {
            eprint!("{}", check_table(&circuit, &checked));
        }
    }
    let wrong = checked.iter().filter(|c| c.verdict == Verdict::Differs);
    let wrong: Vec<_> = wrong.map(|c| circuit.name(c.variable)).collect();
    if !wrong.is_empty() {
        bail!("the gradient and its centered difference are not the same for {}", wrong.join(", "));
    }
    Ok(())
}

/// To standard output; a reader that has seen enough (`| head`) is no error.
fn print(bytes: &[u8]) -> anyhow::Result<()> {
    match std::io::stdout().lock().write_all(bytes) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("the output could not be written")
        }
        _ => Ok(()),
    }
}

type Named<'a> = Vec<(&'a str, NodeId)>;

/// The variables that --wrt names, or all.
fn chosen<'a>(circuit: &'a Circuit, wrt: &[String]) -> anyhow::Result<Named<'a>> {
    let all: Named = circuit.variables().collect();
    let separators = |c: char| c == ',' || c == ';' || c.is_whitespace();
    let wanted = wrt.iter().flat_map(|names| names.split(separators));
    let wanted: Vec<&str> = wanted.filter(|name| !name.is_empty()).collect();
    if wanted.is_empty() {
        return match wrt {
            [] => Ok(all),
            _ => bail!("--wrt names no variable; write --wrt x,y"),
        };
    }
    wanted
        .into_iter()
        .map(|wanted| {
            let found = all.iter().find(|(name, _)| *name == wanted).copied();
            match found {
                Some(variable) => Ok(variable),
                None => bail!(
                    "--wrt names {wanted}, but the formula's variables are: {}",
                    all.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
                ),
            }
        })
        .collect()
}

fn ids(variables: &Named) -> Vec<NodeId> {
    variables.iter().map(|(_, id)| *id).collect()
}

fn to_text(circuit: &Circuit, variables: &Named, checked: &[Checked], width: usize) -> String {
    let mut text = draw::text::draw(circuit, width);
    let f = circuit.output_name();
    text.push_str(&format!("\n{f} = {}\n", significant(circuit.value(), 16)));
    for (name, id) in variables {
        let gradient = significant(circuit.graph().gradient(*id), 13);
        text.push_str(&format!("d{f}/d{name} = {gradient}\n"));
    }
    if !checked.is_empty() {
        text.push('\n');
        text.push_str(&check_table(circuit, checked));
    }
    text
}

fn check_table(circuit: &Circuit, checked: &[Checked]) -> String {
    let names: Vec<_> = checked.iter().map(|c| circuit.name(c.variable)).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(8);
    let mut text = format!(
        "{:width$}  {:>19}  {:>19}  {:>14}\n",
        "variable", "gradient", "centered difference", "relative error"
    );
    for (name, c) in names.iter().zip(checked) {
        text.push_str(&format!(
            "{name:width$}  {:>19}  {:>19}  {:>14}  {c}\n",
            significant(c.gradient, 12),
            significant(c.difference, 12),
            format!("{:.1e}", c.relative_error()),
        ));
    }
    text
}

/// A float as JSON: infinities and NaN, which JSON doesn't have, as strings.
fn number(value: f64) -> Value {
    if value.is_finite() { json!(value) } else { json!(exact(value)) }
}

fn to_json(circuit: &Circuit, variables: &Named, checked: &[Checked]) -> Value {
    let graph = circuit.graph();
    let gradients: Map<String, Value> = variables
        .iter()
        .map(|(name, id)| ((*name).to_owned(), number(graph.gradient(*id))))
        .collect();
    let mut gates = Vec::new();
    let mut inputs = Vec::new();
    for &id in circuit.order() {
        let node = graph.node(id);
        let (name, value) = (circuit.unique_name(id), number(node.value()));
        let gradient = number(node.gradient());
        if node.gate().is_input() {
            let kind = if node.gate() == Gate::Variable { "variable" } else { "constant" };
            inputs.push(json!({"name": name, "kind": kind, "value": value, "gradient": gradient}));
            continue;
        }
        gates.push(json!({
            "name": name,
            "gate": node.gate().symbol(),
            "inputs": node.inputs().iter().map(|&input| circuit.unique_name(input)).collect::<Vec<_>>(),
            "value": value,
            "local_gradients":
                node.local_gradients().iter().map(|&local| number(local)).collect::<Vec<_>>(),
            "gradient": gradient,
        }));
    }
    let mut answer = json!({
        "formula": circuit.title(),
        "value": number(circuit.value()),
        "gradients": gradients,
        "inputs": inputs,
        "gates": gates,
        "troubles": circuit.troubles().iter().map(|t| &t.message).collect::<Vec<_>>(),
    });
    if !checked.is_empty() {
        answer["check"] = checked
            .iter()
            .map(|c| {
                json!({
                    "variable": circuit.name(c.variable),
                    "gradient": number(c.gradient),
                    "centered_difference": number(c.difference),
                    "centred_difference": number(c.difference), // its first name
                    "relative_error": number(c.relative_error()),
                    "step": number(c.step),
                    "resolution": number(c.resolution),
                    "reason": c.reason,
                    "verdict": match c.verdict {
                        Verdict::Agrees => "agrees",
                        Verdict::Unresolved => "unresolved",
                        Verdict::Kink => "kink",
                        Verdict::NotFinite => "not finite",
                        Verdict::Differs => "differs",
                    },
                })
            })
            .collect();
    }
    answer
}
