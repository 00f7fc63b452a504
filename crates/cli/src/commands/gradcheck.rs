//! `chainrule gradcheck`: every derivative against a centered difference, in f64.

use anyhow::bail;
use chainrule_nn::gradcheck::{self, BOUND, Row};

/// Arguments of `chainrule gradcheck`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  chainrule gradcheck
  chainrule gradcheck --json")]
pub struct Args {
    /// Print a list of {"layer", "parameter", "worst_relative_error", "passed", ...}
    #[arg(long)]
    json: bool,
}

/// A row for programs.
pub(super) fn as_json(row: &Row) -> serde_json::Value {
    serde_json::json!({
        "layer": row.layer,
        "parameter": row.parameter,
        "worst_relative_error": row.worst_relative_error,
        "checked": row.checked,
        "kinks": row.kinks,
        "passed": row.passed,
    })
}

/// The rows as a table for people.
pub(super) fn print(rows: &[Row]) -> anyhow::Result<()> {
    let name = rows.iter().map(|row| row.layer.len()).max().unwrap_or(0);
    let parameter = rows.iter().map(|row| row.parameter.len()).max().unwrap_or(0).max(9);
    say!(
        "{:<name$}  {:<parameter$} {:>20} {:>8} {:>6}  passed",
        "layer",
        "parameter",
        "worst relative error",
        "checked",
        "kinks"
    );
    for row in rows {
        say!(
            "{:<name$}  {:<parameter$} {:>20.2e} {:>8} {:>6}  {}",
            row.layer,
            row.parameter,
            row.worst_relative_error,
            row.checked,
            row.kinks,
            if row.passed { "yes" } else { "NO" }
        );
    }
    Ok(())
}

/// Runs the command.
pub fn run(args: Args) -> anyhow::Result<()> {
    let rows = gradcheck::run(chainrule_tensor::Isa::from_environment()?);
    if args.json {
        say!("{}", serde_json::to_string_pretty(&rows.iter().map(as_json).collect::<Vec<_>>())?);
    } else {
        print(&rows)?;
    }
    let failed = rows.iter().filter(|row| !row.passed).count();
    if failed > 0 {
        bail!(
            "{failed} of {} derivatives differ from a centered difference by {BOUND:.0e} or more, \
             or had too many kinks to be compared",
            rows.len()
        );
    }
    if !args.json {
        say!("\nAll {} derivatives agree with centered differences to {BOUND:.0e}.", rows.len());
    }
    Ok(())
}
