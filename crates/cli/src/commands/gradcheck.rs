//! `chainrule gradcheck`: every derivative against a centered difference, in f64. It agrees, it
//! differs (exit code 1), or the check cannot tell, and says why.

use anyhow::bail;
use chainrule_nn::gradcheck::{self, BOUND, Row, Verdict};

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

fn verdict(row: &Row) -> &'static str {
    match row.verdict {
        Verdict::Agrees => "agrees",
        Verdict::Differs => "differs",
        Verdict::CannotTell => "cannot tell",
    }
}

/// A row for programs.
pub(super) fn as_json(row: &Row) -> serde_json::Value {
    serde_json::json!({
        "layer": row.layer,
        "parameter": row.parameter,
        "worst_relative_error": row.worst_relative_error,
        "checked": row.checked,
        "kinks": row.kinks,
        "unresolved": row.unresolved,
        "verdict": verdict(row),
        "reason": row.reason,
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
            match row.verdict {
                Verdict::Agrees => "yes".to_owned(),
                Verdict::Differs => "NO".to_owned(),
                Verdict::CannotTell => format!("cannot tell: {}", row.reason),
            }
        );
    }
    Ok(())
}

/// Runs the command.
pub fn run(args: Args) -> anyhow::Result<()> {
    let rows = gradcheck::run(chainrule_tensor::Kernel::isa_from_environment()?);
    if args.json {
        say!("{}", serde_json::to_string_pretty(&rows.iter().map(as_json).collect::<Vec<_>>())?);
    } else {
        print(&rows)?;
    }
    let count = |verdict| rows.iter().filter(|row| row.verdict == verdict).count();
    let (differ, unknown) = (count(Verdict::Differs), count(Verdict::CannotTell));
    if differ > 0 {
        bail!(
            "{differ} of {} derivatives differ from a centered difference by {BOUND:.0e} or more",
            rows.len()
        );
    }
    if !args.json {
        let agree = rows.len() - unknown;
        let all = if unknown == 0 { "All " } else { "" };
        say!("\n{all}{agree} derivatives agree with centered differences to {BOUND:.0e}.");
        if unknown > 0 {
            say!("Of {unknown} nothing can be told: their rows say why.");
        }
    }
    Ok(())
}
