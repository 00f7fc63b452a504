//! `chainrule plot`: the learning curves of one run, or of several over each other.

use std::path::{Path, PathBuf};

use chainrule_report::{Run, curves};

/// Arguments of `chainrule plot`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  chainrule plot results/run-001                       curves.svg and .png in its folder
  chainrule plot results/run-001 results/run-002       both in one picture, here
  chainrule plot results/seeds/* -o seeds.svg")]
pub struct Args {
    /// Folders of runs, as `chainrule train` leaves them
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,
    /// The picture to write, .svg or .png; without it, curves.svg and curves.png
    /// in the run's folder, or here if there are several runs
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Runs the command.
pub fn run(args: Args) -> anyhow::Result<()> {
    let runs = args.runs.iter().map(|folder| Run::read(folder)).collect::<Result<Vec<_>, _>>()?;
    let figure = curves(&runs)?;
    let files = match (args.output, args.runs.as_slice()) {
        (Some(file), _) => vec![file],
        (None, [folder]) => both_in(folder),
        (None, _) => both_in(Path::new("")),
    };
    for file in files {
        figure.save(&file)?;
        say!("{}", file.display());
    }
    Ok(())
}

fn both_in(folder: &Path) -> Vec<PathBuf> {
    vec![folder.join("curves.svg"), folder.join("curves.png")]
}
