//! `chainrule graph`: a formula, worked forward and backward.

mod files;
mod json;
mod second;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use chainrule_data::picture;
use chainrule_graph::check::{Checked, Verdict, check};
use chainrule_graph::jacobian::hessian;
use chainrule_graph::number::significant;
use chainrule_graph::value::View;
use chainrule_graph::{Circuit, Formula, Gate, Gates, NodeId, Value, draw, random, values};
use clap::ValueEnum;

use super::{check_output, write_output};

/// Arguments of `chainrule graph`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  chainrule graph '(x+y)*z' --at x=-2,y=5,z=-4
  chainrule graph '1/(1+exp(-(w*x+b)))' --at w=2,x=-1,b=0.5 --format html -o sigmoid.html
  chainrule graph 'sin(x)^2' --at x=0.7 --check
  chainrule graph 'sum(relu(W @ x + b))' --shape W=2x3,x=3x1 --at 'b=[1;-1]' -o layer.svg
  chainrule graph 'q = x + y; f = q*z' --at x=-2,y=5,z=-4
  chainrule graph 'x^3*y' --at x=2,y=5 --hessian

Notation: + - * / ^ (also − × · ÷ and **), 2x and 2(x+1), |x|, x², √x, parentheses, names such as w0 or x_1, numbers
such as 2.5e-3, pi and e; steps are separated by ; or line ends;
exp log log2 log10 sqrt sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh sigmoid softplus erf relu abs,
max(a, b, ...) and min(a, b, ...). Matrices: A @ B, A.T, broadcasting as in numpy; sum, mean, max and min of all
elements, of each column with axis=0, of each row with axis=1: sum(A, axis=1); softmax, log_softmax and logsumexp of
each row or of one column; cross_entropy(scores, labels) and mse(a, b).")]
pub struct Args {
    /// The formula, in quotes: '(x+y)*z'; @FILE reads it from a file, one step a line, and - from
    /// standard input
    #[arg(allow_hyphen_values = true)]
    formula: String,

    /// Values of the variables: x=-2,y=5,z=-4; blanks, semicolons and line ends separate them too.
    /// A matrix is written row by row, `W=[1,2;3,4]`, or read from a file, W=@w.csv or W=@w.npy
    #[arg(long, value_name = "NAME=VALUE,...", allow_hyphen_values = true)]
    at: Vec<String>,

    /// Rows and columns of variables: W=4x3,b=4x1; those without a value are drawn from a normal
    /// distribution, and rounded to two digits
    #[arg(long, value_name = "NAME=ROWSxCOLUMNS,...")]
    shape: Vec<String>,

    /// Seed of the values that are drawn
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,

    /// The step that is worked, and not the last one: --of q
    #[arg(long, value_name = "STEP")]
    of: Option<String>,

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

    /// The second derivatives too, by each two of the variables
    #[arg(long)]
    hessian: bool,

    /// The derivatives of several outputs, or of a matrix, by the variables: of those steps that no
    /// other step reads, or of the named ones, --jacobian=u,v
    #[arg(
        long,
        value_name = "STEP,...",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "",
        conflicts_with_all = ["of", "hessian", "derivative", "check"]
    )]
    jacobian: Option<String>,

    /// Work the graph of the derivative by this variable, which the backward pass makes; its
    /// gradients are the second derivatives
    #[arg(long, value_name = "NAME")]
    derivative: Option<String>,

    /// Leave the numbers out of the picture, for the board and the exam
    #[arg(long, conflicts_with_all = ["json", "check", "hessian", "jacobian"])]
    blank: bool,

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
    /// The same picture for paper, with text that can be selected
    Pdf,
    /// For Graphviz
    Dot,
    /// A page that steps through both passes, gate by gate
    Html,
    /// Both passes as mathematics, line by line
    Latex,
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
    /// The format that the name of the output file asks for, if its ending is that of one.
    fn of(output: &Path) -> Option<Format> {
        let extension = output.extension().unwrap_or_default();
        Some(match extension.to_ascii_lowercase().to_str()? {
            "" | "txt" => Format::Text,
            "svg" => Format::Svg,
            "png" => Format::Png,
            "pdf" => Format::Pdf,
            "dot" | "gv" => Format::Dot,
            "html" | "htm" => Format::Html,
            "tex" => Format::Latex,
            _ => return None,
        })
    }

    /// How the name of a file of this format ends.
    fn ending(self) -> &'static str {
        match self {
            Format::Text => ".txt",
            Format::Svg => ".svg",
            Format::Png => ".png",
            Format::Pdf => ".pdf",
            Format::Dot => ".dot",
            Format::Html => ".html",
            Format::Latex => ".tex",
        }
    }
}

/// What to draw, by `--format` or by the name of the output file.
///
/// # Errors
/// If the file's name says that it holds something else.
fn format_of(args: &Args) -> anyhow::Result<Format> {
    let asked = args.format.unwrap_or(Format::Text);
    let Some(output) = &args.output else { return Ok(asked) };
    let named = Format::of(output);
    if args.format.is_none() && !args.json {
        return named.with_context(|| {
            let endings: Vec<_> =
                Format::value_variants().iter().map(|format| format.ending()).collect();
            format!(
                "{}: no format by this ending: expected one of {}, or --format",
                output.display(),
                endings.join(" ")
            )
        });
    }
    let is_other = match named {
        Some(Format::Text) => false,
        Some(named) => args.json || named.ending() != asked.ending(),
        None => picture::has_ending(output),
    };
    if is_other {
        let (what, ending) = match args.json {
            true => ("--json", ".json"),
            false => ("--format", asked.ending()),
        };
        bail!(
            "{}: the ending is not that of what {what} asks for: expected {ending}",
            output.display()
        );
    }
    Ok(asked)
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
    args.output = args.output.filter(|file| file.as_os_str() != "-");
    let format = format_of(&args)?;
    let formula = Formula::parse(&files::formula(&args.formula)?)?;
    let mut inputs: Vec<_> =
        args.formula.strip_prefix('@').map(PathBuf::from).into_iter().collect();
    let at = values_of(&args, &mut inputs)?;
    if let Some(output) = &args.output {
        check_output(output, inputs.iter().map(PathBuf::as_path))?;
    }
    let steps = formula.steps(&at, args.gates.into())?;
    if let Some(step) = &args.of
        && steps.node(Some(step)).is_none()
    {
        let names: Vec<_> = formula.step_names().collect();
        bail!("--of names {step}, but the formula's steps are: {}", names.join(", "));
    }
    if let Some(outputs) = &args.jacobian {
        return second::print_jacobian(&steps, outputs, &args, format);
    }
    let names = formula.step_names().map(|name| (name, steps.node(Some(name))));
    // A number is part of the gates that read it.
    let number = |node: &NodeId| matches!(steps.graph().node(*node).gate(), Gate::Constant(_));
    let nodes: Vec<_> =
        names.filter_map(|(name, node)| Some((name, node.filter(|node| !number(node))?))).collect();
    let mut circuit = steps.circuit(args.of.as_deref())?;
    let unread = nodes.iter().filter(|(_, node)| circuit.order().binary_search(node).is_err());
    for (name, _) in unread.filter(|_| args.of.is_none()) {
        eprintln!("note: {} does not depend on {name}, which is left out", circuit.output_name());
    }
    if let Some(name) = &args.derivative {
        let [(_, variable)] =
            chosen(&circuit.variables().collect(), "--derivative", std::slice::from_ref(name))?[..]
        else {
            bail!("--derivative names one variable");
        };
        let Some(derivative) = circuit.derivative(variable) else {
            bail!(
                "--derivative takes a variable that is one number, and {name} is {}",
                circuit.graph().shape(variable)
            );
        };
        circuit = derivative;
    }
    if args.blank {
        if matches!(format, Format::Html | Format::Latex) {
            bail!("--blank leaves the numbers out of a picture: as text, SVG, PNG, PDF or DOT");
        }
        circuit = circuit.blank();
    }
    let variables = chosen(&circuit.variables().collect(), "--wrt", &args.wrt)?;
    let second = if args.hessian { Some(hessian(&circuit, &ids(&variables))?) } else { None };
    let checked = if args.check { check(&circuit, &ids(&variables)) } else { Vec::new() };

    let text = if args.json {
        let mut text = serde_json::to_string_pretty(&json::of(
            &circuit,
            &variables,
            &checked,
            second.as_deref(),
        ))?;
        text.push('\n');
        text
    } else {
        match format {
            Format::Text => {
                // In a file or a pipe there is no edge to run over.
                let terminal = terminal_size::terminal_size_of(std::io::stdout());
                let terminal = terminal.filter(|_| args.output.is_none());
                let width = terminal.map_or(usize::MAX, |(width, _)| usize::from(width.0));
                to_text(&circuit, &variables, &checked, second.as_deref(), width)
            }
            Format::Svg | Format::Png | Format::Pdf => draw::svg::draw(&circuit)?,
            Format::Dot => draw::dot::draw(&circuit),
            Format::Html => draw::html::draw(&circuit)?,
            Format::Latex => draw::latex::draw(&circuit),
        }
    };
    let bytes = match format {
        Format::Png if !args.json => chainrule_report::svg_to_png(&text)?,
        Format::Pdf if !args.json => chainrule_report::svg_to_pdf(&text, circuit.title())?,
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
        if let Some(second) = &second {
            eprint!("{}", second::table(circuit.output_name(), &variables, second));
        }
        if args.check {
            eprint!("{}", check_table(&circuit, &checked));
        }
    }
    let wrong = checked.iter().filter(|c| c.verdict == Verdict::Differs);
    let wrong: Vec<_> = wrong.map(|c| name_of(&circuit, c)).collect();
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

/// The values that were given, and those that are drawn for a shape alone. The files that are read for
/// them are added to `files`.
fn values_of(args: &Args, files: &mut Vec<PathBuf>) -> anyhow::Result<Vec<(String, Value)>> {
    let mut at = values::parse_with(&args.at.join("\n"), |file| {
        files.push(file.into());
        files::matrix(file)
    })?;
    for (name, shape) in values::parse_shapes(&args.shape.join("\n"))? {
        let Some((_, value)) = at.iter_mut().find(|(known, _)| *known == name) else {
            let numbers = u64::from(shape.rows) * u64::from(shape.columns);
            if numbers > chainrule_graph::MOST_NUMBERS as u64 {
                bail!(
                    "{name} would be {shape}, which is more than {} numbers",
                    chainrule_graph::MOST_NUMBERS
                );
            }
            let drawn = random::normal(&name, shape, args.seed);
            at.push((name, drawn));
            continue;
        };
        let given = value.shape();
        let in_a_line = given.rows == 1 || given.columns == 1;
        if given.is_scalar() {
            *value = Value::new(shape, vec![value.numbers()[0]; shape.elements()]);
        } else if given != shape && in_a_line && given.elements() == shape.elements() {
            *value = Value::new(shape, value.numbers().to_vec());
        } else if given != shape {
            bail!("{name} is {given} by --at, and {shape} by --shape");
        }
    }
    Ok(at)
}

type Named<'a> = Vec<(&'a str, NodeId)>;

/// The variables that a flag names, or all.
fn chosen<'a>(all: &Named<'a>, flag: &str, wrt: &[String]) -> anyhow::Result<Named<'a>> {
    let separators = |c: char| c == ',' || c == ';' || c.is_whitespace();
    let wanted = wrt.iter().flat_map(|names| names.split(separators));
    let wanted: Vec<&str> = wanted.filter(|name| !name.is_empty()).collect();
    if wanted.is_empty() {
        return match wrt {
            [] => Ok(all.clone()),
            _ => bail!("{flag} names no variable; write {flag} x,y"),
        };
    }
    wanted
        .into_iter()
        .map(|wanted| {
            let found = all.iter().find(|(name, _)| *name == wanted).copied();
            match found {
                Some(variable) => Ok(variable),
                None => bail!(
                    "{flag} names {wanted}, but the formula's variables are: {}",
                    all.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
                ),
            }
        })
        .collect()
}

fn ids(variables: &Named) -> Vec<NodeId> {
    variables.iter().map(|(_, id)| *id).collect()
}

fn to_text(
    circuit: &Circuit,
    variables: &Named,
    checked: &[Checked],
    second: Option<&[Vec<Value>]>,
    width: usize,
) -> String {
    let mut text = draw::text::draw(circuit, width);
    if circuit.is_blank() {
        return text;
    }
    let f = circuit.output_name();
    text.push_str(&format!("\n{f} = {}\n", significant(circuit.value(), 16)));
    for (name, id) in variables {
        let gradient = written(circuit.graph().gradient_matrix(*id));
        text.push_str(&format!("d{f}/d{name} = {gradient}\n"));
    }
    if let Some(second) = second {
        text.push('\n');
        text.push_str(&second::table(f, variables, second));
    }
    if !checked.is_empty() {
        text.push('\n');
        text.push_str(&check_table(circuit, checked));
    }
    text
}

/// A number with 13 digits, or a matrix as --at takes it; of a large one shape, mean and norm.
fn written(view: View<'_>) -> String {
    match view.shape.is_scalar() {
        true => significant(view.numbers[0], 13),
        false => draw::in_line(view, 13),
    }
}

/// `x`, `W[0,2]`
fn name_of(circuit: &Circuit, checked: &Checked) -> String {
    let name = circuit.name(checked.variable);
    checked.element.map_or(name.to_string(), |(row, column)| format!("{name}[{row},{column}]"))
}

fn check_table(circuit: &Circuit, checked: &[Checked]) -> String {
    let names: Vec<_> = checked.iter().map(|c| name_of(circuit, c)).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(8);
    let mut text = format!(
        "{:width$}  {:>19}  {:>19}  {:>14}\n",
        "variable", "gradient", "centered difference", "relative error"
    );
    for (name, c) in names.iter().zip(checked) {
        text.push_str(&format!(
            "{name:width$}  {:>19}  {:>19}  {:>14}  {c}{}\n",
            significant(c.gradient, 12),
            significant(c.difference, 12),
            format!("{:.1e}", c.relative_error()),
            if c.element.is_some() {
                format!(" (the worst of {})", c.elements)
            } else {
                String::new()
            },
        ));
    }
    text
}
