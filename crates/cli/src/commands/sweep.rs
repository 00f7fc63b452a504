//! `chainrule sweep`: many runs with different settings, side by side, ranked on validation.

mod board;
mod result;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use chainrule_train::config::DataChoice;
use chainrule_train::sweep::{Outcome, Point, RunState, pool, shown};
use chainrule_train::{Data, Origin, RunFolder, Sameness, Sweep};

use super::images::load;
use super::report::{REPORT, Subject, draw};
use crate::shell::quoting::{program, quoted, train_with};
use crate::shell::signals::Signals;
use board::Board;

/// Arguments of `chainrule sweep`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  chainrule sweep recipes/sweeps/two-layer.toml              runs side by side, in results/two-layer
  chainrule sweep recipes/sweeps/two-layer.toml              the same again: resumes where it stopped
  chainrule sweep recipes/sweeps/two-layer.toml --data sample --out results/try
  chainrule sweep recipes/sweeps/two-layer.toml --commands > runs.txt   a command a run, for a job array
  chainrule sweep recipes/sweeps/two-layer.toml --gather     and rank what these have reached

A task of a job array runs one line of that file:
  sh -c \"$(sed -n \"${SLURM_ARRAY_TASK_ID}p\" runs.txt)\"

The file is a recipe that all runs share, and the settings that vary:
  recipe = \"../augmented.toml\"                      from the folder of this file
  epochs = 5
  seeds = 3                                         each point three times: mean and deviation
  [grid]                                            every combination
  hidden_dim = [100, 200, [256, 128]]
  [random]                                          20 random draws for each combination
  runs = 20
  learning_rate = { log_uniform = [1e-3, 1e-1] }    also uniform, integers, log_integers, choice
  [halving]                                         successive halving: of the points that are left,
  rungs = [1, 3]                                    after epochs 1 and 3, the best third trains on
  factor = 3
")]
pub struct Args {
    /// The sweep: a TOML file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The folder for the runs [default: results/ and the file's name]
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Runs at a time [default: the number of cores / the threads of a run]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// Train nothing; print one command for each run
    #[arg(long, conflicts_with_all = ["gather", "json", "jobs"])]
    commands: bool,
    /// Train nothing; rank the finished runs of the folder
    #[arg(long, conflicts_with = "jobs")]
    gather: bool,
    /// The images, as `chainrule train` takes them [default: as the file says]
    #[arg(long, value_name = "cifar10|sample|images:DIR|DIR")]
    data: Option<DataChoice>,
    /// Folder of CIFAR-10; it is downloaded to it if it is not there [default: as the file says]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Print only the ranking, as JSON, on standard output
    #[arg(long)]
    json: bool,
}

/// Runs the command; a sweep that a signal stopped ends with the shell's usual code.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let data = args.data.as_ref().map(|data| ("data", data.to_string()));
    let dir = args.data_dir.as_ref().map(|dir| ("data_dir", dir.to_string_lossy().into_owned()));
    let settings = data.into_iter().chain(dir).map(|(key, value)| (key.into(), value.into()));
    let sweep = Sweep::from_file(&args.file)?.with(settings.collect())?;
    let stem = args.file.file_stem().unwrap_or(args.file.as_os_str());
    let out = args.out.clone().unwrap_or_else(|| Path::new("results").join(stem));
    if args.commands {
        print_commands(&sweep, &out)?;
        return Ok(ExitCode::SUCCESS);
    }
    let signals = Signals::default();
    let (_folder, runs) = match args.gather {
        true => gather(&sweep, &out)?,
        false => train(&sweep, &out, &args, &signals)?,
    };
    let ranking = result::conclude(&sweep, &out, &runs, args.json)?;
    let over = runs.iter().filter(|state| state.outcome.is_over()).count();
    if over < runs.len() && !args.gather {
        eprintln!(
            "\nStopped; {over} of {} runs are over, and nothing of the others is lost.",
            runs.len()
        );
        eprintln!("To go on: the same command");
        return Ok(signals.exit_code());
    }
    Ok(if ranking.best().is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is finished in a folder that job arrays have filled.
fn gather(sweep: &Sweep, out: &Path) -> anyhow::Result<(RunFolder, Vec<RunState>)> {
    if !out.is_dir() {
        bail!(
            "there is nothing to gather: {} is no folder; --out says where the runs are",
            out.display()
        );
    }
    let folder = RunFolder::open(out)?;
    if Sweep::is_recorded(out) {
        sweep.check_continues(out)?;
    }
    let runs = sweep.states(out)?;
    if runs.iter().all(|state| state.outcome == Outcome::Waiting) {
        bail!(
            "no run of this sweep has begun in {}; --commands prints how to start them",
            out.display()
        );
    }
    sweep.record(out)?;
    Ok((folder, runs))
}

/// Trains all that is not over yet.
fn train(
    sweep: &Sweep,
    out: &Path,
    args: &Args,
    signals: &Signals,
) -> anyhow::Result<(RunFolder, Vec<RunState>)> {
    let recorded = Sweep::is_recorded(out);
    let mut runs = match recorded {
        true => {
            sweep.check_continues(out)?;
            sweep.states(out)?
        }
        false => sweep.runs().into_iter().map(RunState::waiting).collect(),
    };
    let undrawn = |state: &RunState| {
        matches!(state.outcome, Outcome::Finished { .. })
            && !Sweep::folder(out, &state.run).join(REPORT).exists()
    };
    if runs.iter().all(|state| state.outcome.is_over() && !undrawn(state)) {
        return Ok((RunFolder::open(out)?, runs));
    }
    let data = &load(sweep.base())?;
    sweep.check(data)?; // before a folder is made
    check_images(out, &runs, data)?;
    let folder = if recorded { RunFolder::open(out)? } else { RunFolder::create(out)? };
    sweep.record(out)?;
    for state in runs.iter().filter(|state| undrawn(state)) {
        // Killed between its result and its pictures.
        draw(&Subject::read(&Sweep::folder(out, &state.run))?, data)?;
    }
    let threads = sweep.base().threads.max(1);
    let jobs = match args.jobs {
        Some(jobs) => jobs.into(),
        None => (chainrule_train::threads(0) / threads).max(1),
    };
    signals.listen()?;
    let board = Board::new(sweep, out, data, signals, std::mem::take(&mut runs));
    board.announce(jobs, threads);
    let mut result = Ok(());
    while result.is_ok()
        && !signals.caught()
        && let Some(stage) = board.stage()
    {
        result = pool::train(&stage, out, data, jobs, &board);
    }
    let runs = board.finish();
    result::write_table(sweep, out, &runs)?;
    result.context(
        "the sweep has stopped, with checkpoints; once this is mended, the same command goes on",
    )?;
    Ok((folder, runs))
}

/// Refuses images that are not those of the runs that are over, with which the others are compared.
/// Those that go on are held to their checkpoints.
fn check_images(out: &Path, runs: &[RunState], data: &Data) -> anyhow::Result<()> {
    let mut compared = HashSet::new();
    for state in runs.iter().filter(|state| state.outcome.is_over()) {
        let Some(origin) = Origin::of(&Sweep::folder(out, &state.run))? else { continue };
        if !compared.insert(origin.data_sha256().map(str::to_owned)) {
            continue;
        }
        if let Sameness::Other(what) = origin.compare(data) {
            bail!(
                "{what}: runs on different images cannot be ranked together; put the images of the \
                 sweep back, or begin it anew in another folder with --out"
            );
        }
    }
    Ok(())
}

fn print_commands(sweep: &Sweep, out: &Path) -> anyhow::Result<()> {
    if sweep.halving().is_some() {
        bail!(
            "--commands prints whole runs, and with [halving] it is decided on the way which runs go \
             on: leave one of the two out"
        );
    }
    for run in sweep.runs() {
        let settings = run.config.changed().into_iter();
        let settings: Vec<_> = settings.map(|(key, value)| (key, shown(&value))).collect();
        let settings = settings.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let line = train_with(settings).context("a setting has no flag")?;
        let line = line.replacen("chainrule", &program(), 1);
        let folder = Sweep::folder(out, &run);
        let Some(folder) = folder.to_str() else {
            bail!("{} is not UTF-8, and a command cannot name it", folder.display());
        };
        say!("{line} --out {}", quoted(folder));
    }
    Ok(())
}

fn plural(n: usize) -> &'static str {
    if n == 1 { "" } else { "s" }
}

/// What a point has of the keys that vary: "learning_rate 0.02, norm batch".
fn settings(sweep: &Sweep, point: &Point) -> String {
    let pairs = sweep.varied().iter().zip(&point.values);
    let pairs = pairs.map(|(varied, value)| format!("{} {}", varied.key, shown(value)));
    pairs.collect::<Vec<_>>().join(", ")
}
