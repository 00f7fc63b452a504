//! `chainrule diff`: whether two runs are the same, and if not, where they part.

use std::path::PathBuf;
use std::process::ExitCode;

use chainrule_train::diff::{Comparison, Entry, Parting, Table, Tensor, Verdict, diff};

/// Arguments of `chainrule diff`.
#[derive(clap::Args)]
#[command(after_help = "\
Times, the number of threads and the paths of files are not compared. Exit code: 0 if the runs are
the same, 1 if they differ or cannot be read.

Examples:
  chainrule train --recipe results/run-001/config.toml --threads 1 --out results/again
  chainrule diff results/run-001 results/again
")]
pub struct Args {
    /// The folder of a run, as `chainrule train` leaves it
    #[arg(value_name = "RUN")]
    first: PathBuf,
    /// The folder of the other run
    #[arg(value_name = "RUN")]
    second: PathBuf,
    /// Print {"verdict", "settings", "iterations", "epochs", "weights", "summary", ...}
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let comparison = diff(&args.first, &args.second)?;
    if args.json {
        say!("{}", serde_json::to_string_pretty(&comparison)?);
    } else {
        tell(&args, &comparison)?;
    }
    Ok(if comparison.verdict == Verdict::Same { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn tell(args: &Args, comparison: &Comparison) -> anyhow::Result<()> {
    let (first, second) = (args.first.display(), args.second.display());
    let Comparison { iterations, epochs, .. } = comparison;
    let [steps, other_steps] = iterations.records;
    match comparison.verdict {
        Verdict::Same => say!(
            "{first} and {second} are the same run: {steps} iterations, and every weight to the bit"
        ),
        Verdict::FirstStoppedEarlier => say!(
            "{first} is the beginning of {second}: it stopped after {steps} of {other_steps} \
             iterations, and they are the same until there"
        ),
        Verdict::SecondStoppedEarlier => say!(
            "{second} is the beginning of {first}: it stopped after {other_steps} of {steps} \
             iterations, and they are the same until there"
        ),
        Verdict::Different => say!("{first} and {second} are different runs"),
    }
    for setting in &comparison.settings {
        let note = if setting.matters { "" } else { " (no result depends on it)" };
        say!("  setting {}{note}", values(&setting.entry));
    }
    tell_table("iterations.csv", iterations)?;
    tell_table("epochs.csv", epochs)?;
    for tensor in comparison.weights.iter().filter(|tensor| !tensor.is_same()) {
        say!("  {} {}: {}", tensor.file, tensor.name, difference(tensor));
    }
    let same = comparison.weights.iter().filter(|tensor| tensor.is_same()).count();
    if comparison.verdict != Verdict::Same && same > 0 {
        say!("  {same} of {} tensors are equal to the bit", comparison.weights.len());
    }
    for entry in &comparison.summary {
        say!("  summary.json {}", values(entry));
    }
    for missing in &comparison.missing {
        let without = if missing.from_first { &first } else { &second };
        say!("  {} is not in {without}", missing.file);
    }
    for entry in &comparison.provenance {
        say!("  note: {}", values(entry));
    }
    Ok(())
}

fn tell_table(name: &str, table: &Table) -> anyhow::Result<()> {
    for at_line in table.partings.chunk_by(|a, b| a.line == b.line) {
        let number = |name: &str, number: Option<u64>| {
            number.map_or(String::new(), |number| format!(", {name} {number}"))
        };
        let &Parting { line, iteration, epoch, .. } = &at_line[0];
        let at = number("iteration", iteration) + &number("epoch", epoch);
        let cells = at_line
            .iter()
            .map(|Parting { column, first, second, .. }| format!("{column} {first} | {second}"));
        say!("  {name} parts at line {line}{at}: {}", cells.collect::<Vec<_>>().join(", "));
    }
    let [first, second] = table.records;
    if first != second {
        say!("  {name} has {first} | {second} records");
    }
    let [own, other] = table.own_columns.each_ref().map(|columns| columns.join(", "));
    if own != other {
        say!("  {name} has columns of its own: {} | {}", or_none(&own), or_none(&other));
    }
    Ok(())
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}

fn values(Entry { key, first, second }: &Entry) -> String {
    let told = |value: &Option<String>| value.clone().unwrap_or_else(|| "not set".to_owned());
    format!("{key}: {} | {}", told(first), told(second))
}

fn difference(tensor: &Tensor) -> String {
    match &tensor.shapes {
        [Some(first), Some(second)] if first == second => format!(
            "{} of {} numbers differ, by up to {:.3e}",
            tensor.differing,
            first.iter().product::<usize>(),
            tensor.largest
        ),
        [Some(first), Some(second)] => format!("shape {first:?} | {second:?}"),
        [first, _] => {
            format!("only the {} run has it", if first.is_some() { "first" } else { "second" })
        }
    }
}
