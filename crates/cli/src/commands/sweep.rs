//! `chainrule sweep`: many runs with different settings, side by side, ranked on validation.

mod board;
mod result;
mod slurm;
mod task;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use chainrule_tensor::Kernel;
use chainrule_train::config::DataChoice;
use chainrule_train::sweep::{Outcome, Point, Run, RunState, pool, shown};
use chainrule_train::{Data, Origin, RunFolder, Sameness, Sweep};

use super::images::load;
use super::report::{REPORT, Subject, draw};
use crate::shell::quoting::{program, quoted, train_with};
use crate::shell::signals::Signals;
use board::Board;
use slurm::Submission;
use task::Task;

/// Arguments of `chainrule sweep`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  chainrule sweep recipes/sweeps/two-layer.toml              runs side by side, in results/two-layer
  chainrule sweep recipes/sweeps/two-layer.toml              the same again: resumes where it stopped
  chainrule sweep recipes/sweeps/two-layer.toml --data sample --out results/try
  chainrule sweep recipes/sweeps/two-layer.toml --commands > runs.txt   a command a run, for a job array
  chainrule sweep recipes/sweeps/two-layer.toml --gather     and rank what these have reached

On Slurm, from a machine that can submit jobs:
  chainrule sweep recipes/sweeps/two-layer.toml --slurm --jobs 50 --sbatch '--partition=cpu --time=60'
  chainrule sweep recipes/sweeps/two-layer.toml              state and ranking by now
  chainrule sweep recipes/sweeps/two-layer.toml --wait       stay until the jobs have ended
  chainrule sweep recipes/sweeps/two-layer.toml --cancel     end them

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
    /// Runs at a time [default: the number of cores / the threads of a run]; with --slurm, tasks at
    /// a time [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// Train nothing; print one command for each run, under halving for each of the rung at hand
    #[arg(long, conflicts_with_all = ["gather", "json", "jobs"])]
    commands: bool,
    /// Train nothing; rank the finished runs of the folder
    #[arg(long, conflicts_with = "jobs")]
    gather: bool,
    /// Submit what is left to Slurm: an array of jobs, one for each rung of halving, and a job that
    /// gathers
    #[arg(long, conflicts_with_all = ["commands", "gather", "json"])]
    slurm: bool,
    /// Options for sbatch, quoted as in a shell: --sbatch '--partition=cpu --time=60'
    #[arg(long, value_name = "OPTIONS", requires = "slurm", allow_hyphen_values = true)]
    sbatch: Option<String>,
    /// Runs of a task, one after the other: more than one where runs are short [default: 1]
    #[arg(long, alias = "points-per-task", value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=10_000))]
    runs_per_task: Option<u16>,
    /// Stay until the sweep's jobs on Slurm have ended; Ctrl-C leaves them
    #[arg(long, conflicts_with_all = ["commands", "gather"])]
    wait: bool,
    /// End the sweep's jobs on Slurm
    #[arg(long, conflicts_with_all = ["commands", "gather", "slurm", "wait"])]
    cancel: bool,
    /// Train here, although the sweep was submitted to Slurm and its jobs have ended
    #[arg(long, conflicts_with_all = ["commands", "gather", "slurm", "wait", "cancel"])]
    local: bool,
    /// Train the runs of this task alone, from 1: what the jobs of --slurm do
    #[arg(long, value_name = "N", conflicts_with_all = ["commands", "gather", "slurm", "wait", "cancel"])]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    task: Option<u32>,
    /// The rung of --task, from 1
    #[arg(long, value_name = "N", requires = "task", default_value = "1")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    rung: u16,
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
    let size = args.runs_per_task.map_or(1, usize::from);
    if args.commands {
        print_commands(&sweep, &out, &args)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(number) = args.task {
        let task = Task { number: number as usize, rung: args.rung.into(), size };
        return task::run(&sweep, &out, task, args.jobs);
    }
    if args.slurm {
        submit(&sweep, &out, &args, size)?;
        if !args.wait {
            return Ok(ExitCode::SUCCESS);
        }
    }
    if !args.gather
        && let Some(submission) = Submission::read(&out)?
    {
        return on_slurm(&sweep, &out, &args, &submission);
    }
    if args.wait || args.cancel {
        bail!("the sweep in {} is not on Slurm: --slurm submits it", out.display());
    }
    let signals = Signals::default();
    let (_folder, runs) = match args.gather {
        true => gather(&sweep, &out)?,
        false => train(&sweep, &out, &args, &signals)?,
    };
    conclude(&sweep, &out, &runs, &args, &signals)
}

/// Prints what was found, and how to go on if there is something left.
fn conclude(
    sweep: &Sweep,
    out: &Path,
    runs: &[RunState],
    args: &Args,
    signals: &Signals,
) -> anyhow::Result<ExitCode> {
    let ranking = result::conclude(sweep, out, runs, args.json)?;
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

/// The command of a person for the same sweep.
fn again(args: &Args) -> String {
    let out = args
        .out
        .as_deref()
        .map_or(String::new(), |out| format!(" --out {}", quoted(&out.to_string_lossy())));
    format!("{} sweep {}{out}", program(), quoted(&args.file.to_string_lossy()))
}

/// Submits what is left of a sweep, once its images are here and it is known to work.
fn submit(sweep: &Sweep, out: &Path, args: &Args, size: usize) -> anyhow::Result<()> {
    if let Some(submission) = Submission::read(out)?
        && !submission.queued()?.is_empty()
    {
        bail!(
            "the sweep in {} is on Slurm already: --wait waits for its jobs, and --cancel ends them",
            out.display()
        );
    }
    let runs = states(sweep, out)?;
    let data = &load(sweep.base())?;
    let folder = begin(sweep, out, &runs, data, 0)?;
    let sbatch = args.sbatch.as_deref().map(|text| {
        shlex::split(text).context("the value of --sbatch has a quote that is not closed")
    });
    let options = slurm::Options {
        command: slurm::command(&args.file, out, &images(args))?,
        sbatch: &sbatch.transpose()?.unwrap_or_default(),
        jobs: args.jobs,
        runs_per_task: size,
    };
    slurm::submit(sweep, &folder, &runs, &options)?;
    if !args.wait {
        note!(
            "State and ranking: {0}; to wait: {0} --wait; to end the jobs: {0} --cancel",
            again(args)
        );
    }
    Ok(())
}

/// The flags that say where the images are, as they were given.
fn images(args: &Args) -> Vec<(&'static str, String)> {
    let data = args.data.as_ref().map(|data| ("--data", data.to_string()));
    let dir = args.data_dir.as_ref().map(|dir| ("--data-dir", dir.to_string_lossy().into_owned()));
    data.into_iter().chain(dir).collect()
}

/// A sweep that was submitted: its state, or what was asked for.
fn on_slurm(
    sweep: &Sweep,
    out: &Path,
    args: &Args,
    submission: &Submission,
) -> anyhow::Result<ExitCode> {
    sweep.check_continues(out)?;
    if args.cancel {
        submission.cancel()?;
        Submission::forget(out)?;
        say!(
            "Cancelled. What was trained stays; to go on here: {0}, or on Slurm: {0} --slurm",
            again(args)
        );
        return Ok(ExitCode::SUCCESS);
    }
    if args.local {
        if !submission.queued()?.is_empty() {
            bail!(
                "jobs of the sweep in {} are still on Slurm: --cancel ends them, and then it can be \
                 trained here",
                out.display()
            );
        }
        Submission::forget(out)?;
        let signals = Signals::default();
        let (_folder, runs) = train(sweep, out, args, &signals)?;
        return conclude(sweep, out, &runs, args, &signals);
    }
    if args.wait
        && let Some(code) = slurm::wait(submission, sweep, out, &again(args))?
    {
        return Ok(code);
    }
    let runs = sweep.states(out)?;
    let failed = slurm::tell(submission, sweep, out, &runs, &again(args));
    let _folder = patiently(out)?;
    let ranking = result::conclude(sweep, out, &runs, args.json)?;
    let is_over = runs.iter().all(|state| state.outcome.is_over());
    let is_bad = failed || is_over && ranking.best().is_none();
    Ok(if is_bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What is finished in a folder that job arrays have filled.
fn gather(sweep: &Sweep, out: &Path) -> anyhow::Result<(RunFolder, Vec<RunState>)> {
    if !out.is_dir() {
        bail!(
            "there is nothing to gather: {} is no folder; --out says where the runs are",
            out.display()
        );
    }
    let folder = patiently(out)?;
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

/// How long a lock is waited for that another process holds only to rank.
const PATIENCE: Duration = Duration::from_secs(30);

/// Locks a folder that another process may be ranking just now.
fn patiently(out: &Path) -> anyhow::Result<RunFolder> {
    let began = Instant::now();
    loop {
        match RunFolder::open(out) {
            Err(chainrule_runs::Error::FolderHeld { .. }) if began.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(200));
            }
            result => return Ok(result?),
        }
    }
}

/// The states of all runs in a folder, which may not be there yet.
fn states(sweep: &Sweep, out: &Path) -> anyhow::Result<Vec<RunState>> {
    if !Sweep::is_recorded(out) {
        return Ok(sweep.runs().into_iter().map(RunState::waiting).collect());
    }
    sweep.check_continues(out)?;
    Ok(sweep.states(out)?)
}

/// Checks all points on these images, and `jobs` of what is left side by side, and makes or opens the
/// folder.
fn begin(
    sweep: &Sweep,
    out: &Path,
    runs: &[RunState],
    data: &Data,
    jobs: usize,
) -> anyhow::Result<RunFolder> {
    sweep.check(data)?; // before a folder is made
    let left = runs.iter().filter(|state| !state.outcome.is_over());
    let left: Vec<Run> = left.map(|state| state.run.clone()).collect();
    sweep.check_memory(&left, data, jobs)?;
    check_images(out, runs, data)?;
    let recorded = Sweep::is_recorded(out);
    let folder = if recorded { RunFolder::open(out)? } else { RunFolder::create(out)? };
    sweep.record(out)?;
    Ok(folder)
}

/// Whether this processor has the kernel that is asked for, for each of the runs and their pictures:
/// before anything is written.
fn check_kernels<'a>(mut runs: impl Iterator<Item = &'a Run>) -> anyhow::Result<()> {
    Kernel::isa_from_environment()?;
    runs.try_for_each(|run| Kernel::from_environment(run.config.precision).map(drop))?;
    Ok(())
}

/// Whether the pictures of a finished run are there.
fn is_drawn(out: &Path, run: &Run) -> bool {
    Sweep::folder(out, run).join(REPORT).exists()
}

/// Draws runs that were killed between their result and their pictures.
fn draw_missing(out: &Path, finished: &[Run], data: &Data) -> anyhow::Result<()> {
    for run in finished.iter().filter(|run| !is_drawn(out, run)) {
        draw(&Subject::read(&Sweep::folder(out, run))?, data)?;
    }
    Ok(())
}

/// Trains all that is not over yet.
fn train(
    sweep: &Sweep,
    out: &Path,
    args: &Args,
    signals: &Signals,
) -> anyhow::Result<(RunFolder, Vec<RunState>)> {
    let mut runs = states(sweep, out)?;
    let finished = runs.iter().filter(|state| matches!(state.outcome, Outcome::Finished { .. }));
    let finished: Vec<Run> = finished.map(|state| state.run.clone()).collect();
    let drawn = finished.iter().all(|run| is_drawn(out, run));
    if drawn && runs.iter().all(|state| state.outcome.is_over()) {
        return Ok((RunFolder::open(out)?, runs));
    }
    check_kernels(runs.iter().filter(|state| !state.outcome.is_over()).map(|state| &state.run))?;
    let threads = sweep.base().threads.max(1);
    let jobs = match args.jobs {
        Some(jobs) => jobs.into(),
        None => (chainrule_train::threads(0) / threads).max(1),
    };
    let data = &load(sweep.base())?;
    let folder = begin(sweep, out, &runs, data, jobs)?;
    draw_missing(out, &finished, data)?;
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

fn print_commands(sweep: &Sweep, out: &Path, args: &Args) -> anyhow::Result<()> {
    if sweep.halving().is_some() {
        // A run that stops at a rung is no command of `chainrule train`.
        let runs = states(sweep, out)?;
        let Some(stage) = sweep.stage(&runs) else { return Ok(()) };
        let command = slurm::command(&args.file, out, &images(args))?;
        for (place, state) in task::on_rung(&runs, stage.rung).enumerate() {
            if stage.runs.iter().any(|run| run.name == state.run.name) {
                say!("{command} --task {} --rung {}", place + 1, stage.rung);
            }
        }
        return Ok(());
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
