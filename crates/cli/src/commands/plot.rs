//! `chainrule plot`: the learning curves of one run, or of several over each other; or what they
//! reached, in bars.

use std::path::{Path, PathBuf};

use chainrule_report::{Run, curves, outcomes};

use super::{check_output, write_output};

/// Arguments of `chainrule plot`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  chainrule plot results/run-001                       curves.svg and .png in its folder
  chainrule plot results/run-001 results/run-002       both in one picture, here
  chainrule plot results/seeds/* -o seeds.svg
  chainrule plot --bars results/seeds/*                their test accuracies: bars.svg and .png")]
pub struct Args {
    /// Folders of runs, as `chainrule train` leaves them
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,
    /// Draw the test accuracy of each run as a bar, with its difference from the first run
    #[arg(long)]
    bars: bool,
    /// The picture to write, .svg or .png; without it, curves.svg and curves.png (or bars.svg and
    /// bars.png) in the run's folder, or here if there are several runs; - is standard output, as SVG
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Runs the command.
pub fn run(args: Args) -> anyhow::Result<()> {
    if let Some(output) = &args.output {
        check_output(output, args.runs.iter().map(PathBuf::as_path))?;
    }
    let runs = args.runs.iter().map(|folder| Run::read(folder)).collect::<Result<Vec<_>, _>>()?;
    let name = if args.bars { "bars" } else { "curves" };
    let files = match (args.output, args.runs.as_slice()) {
        (Some(file), _) => vec![file],
        (None, runs) => {
            let folder = if let [folder] = runs { folder } else { Path::new("") };
            vec![folder.join(format!("{name}.svg")), folder.join(format!("{name}.png"))]
        }
    };
    if let [file] = files.as_slice()
        && super::is_standard_output(file)
    {
        let svg = match args.bars {
            true => outcomes(&runs).map_err(with_remedy)?.svg(),
            false => curves(&runs)?.svg(),
        };
        return write_output(file, svg.as_bytes());
    }
    for file in files {
        match args.bars {
            true => outcomes(&runs).map_err(with_remedy)?.save(&file)?,
            false => curves(&runs)?.save(&file)?,
        }
        say!("{}", file.display());
    }
    Ok(())
}

/// The error, and what to do about a run that has not ended.
fn with_remedy(error: chainrule_report::Error) -> anyhow::Error {
    match error {
        chainrule_report::Error::NoResult { .. } => {
            anyhow::anyhow!("{error}; `chainrule train --resume` goes on with it")
        }
        _ => error.into(),
    }
}
