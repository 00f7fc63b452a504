//! `chainrule sweep`: many runs with different settings, side by side, ranked on validation.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard};

use anyhow::{Context, bail};
use chainrule_report::{Swept, SweptKey};
use chainrule_train::config::DataChoice;
use chainrule_train::sweep::pool::{self, Watcher};
use chainrule_train::sweep::ranking::{self, Ranked, Ranking};
use chainrule_train::sweep::{Outcome, Point, Run, shown};
use chainrule_train::{Data, Epoch, Error, Plan, RunFolder, Summary, Sweep};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use super::images::load;
use super::report::{REPORT, flags, quoted};
use super::train::{Signals, draw};
use super::write_whole;

/// Arguments of `chainrule sweep`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  chainrule sweep recipes/sweeps/two-layer.toml              one run on each core, in results/two-layer
  chainrule sweep recipes/sweeps/two-layer.toml              again: goes on where it was stopped
  chainrule sweep recipes/sweeps/two-layer.toml --data sample --out results/try
  chainrule sweep recipes/sweeps/two-layer.toml --commands > runs.txt   a command a run, for a job array
  chainrule sweep recipes/sweeps/two-layer.toml --gather     and what these have reached

A job array's task runs a line of that file:
  sh -c \"$(sed -n \"${SLURM_ARRAY_TASK_ID}p\" runs.txt)\"

The file is a recipe, what all runs share, and what varies:
  recipe = \"../augmented.toml\"                      from the folder of this file
  epochs = 5
  seeds = 3                                         each point thrice: mean and deviation
  [grid]                                            every combination
  hidden_dim = [100, 200, [256, 128]]
  [random]                                          so many runs for each combination, drawn
  runs = 20
  learning_rate = { log_uniform = [1e-3, 1e-1] }    also uniform, integers, log_integers, choice
")]
pub struct Args {
    /// The sweep: a TOML file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The folder for the runs [default: results/ and the file's name]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Runs at a time [default: the cores, over the threads that the file gives each run, or 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// Train nothing, and print one command a run
    #[arg(long, conflicts_with_all = ["gather", "json", "jobs"])]
    commands: bool,
    /// Train nothing, and rank what is finished in the folder
    #[arg(long, conflicts_with = "jobs")]
    gather: bool,
    /// The images, as `chainrule train` takes them [default: as the file says]
    #[arg(long, value_name = "cifar10|sample|images:DIR|DIR")]
    data: Option<DataChoice>,
    /// Where CIFAR-10 lies, or is to be put [default: as the file says]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Print the ranking as JSON, and nothing else, on standard output
    #[arg(long)]
    json: bool,
}

/// Runs the command; a sweep that a signal stopped ends with the shell's usual code.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let sweep = Sweep::from_file(&args.file)?.with_base(|base| {
        base.data = args.data.clone().unwrap_or_else(|| base.data.clone());
        if let Some(dir) = &args.data_dir {
            base.data_dir.clone_from(dir);
        }
    })?;
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
    let ranking = conclude(&sweep, &out, &runs, args.json)?;
    let over = runs.iter().filter(|(_, outcome)| outcome.is_over()).count();
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

/// A run with what has become of it.
type Known = (Run, Outcome);

fn outcomes(sweep: &Sweep, out: &Path) -> anyhow::Result<Vec<Known>> {
    let read = |run: Run| {
        let outcome = Outcome::read(out, &run)?;
        Ok((run, outcome))
    };
    sweep.runs().into_iter().map(read).collect()
}

/// What is finished in a folder that job arrays have filled.
fn gather(sweep: &Sweep, out: &Path) -> anyhow::Result<(RunFolder, Vec<Known>)> {
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
    let runs = outcomes(sweep, out)?;
    if runs.iter().all(|(_, outcome)| *outcome == Outcome::Waiting) {
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
) -> anyhow::Result<(RunFolder, Vec<Known>)> {
    let recorded = Sweep::is_recorded(out);
    let mut runs = match recorded {
        true => {
            sweep.check_continues(out)?;
            outcomes(sweep, out)?
        }
        false => sweep.runs().into_iter().map(|run| (run, Outcome::Waiting)).collect(),
    };
    let undrawn = |(run, outcome): &Known| {
        matches!(outcome, Outcome::Finished { .. })
            && !Sweep::folder(out, run).join(REPORT).exists()
    };
    if runs.iter().all(|known| known.1.is_over() && !undrawn(known)) {
        return Ok((RunFolder::open(out)?, runs));
    }
    let data = &load(sweep.base())?;
    sweep.check(data)?; // before a folder is made
    let folder = if recorded { RunFolder::open(out)? } else { RunFolder::create(out)? };
    sweep.record(out)?;
    for (run, _) in runs.iter().filter(|known| undrawn(known)) {
        draw(&Sweep::folder(out, run), data)?; // killed between its result and its pictures
    }
    let threads = sweep.base().threads.max(1);
    let jobs = match args.jobs {
        Some(jobs) => jobs.into(),
        None => (chainrule_train::threads(0) / threads).max(1),
    };
    let left: Vec<Run> =
        runs.iter().filter(|known| !known.1.is_over()).map(|(run, _)| run.clone()).collect();
    signals.listen()?;
    let board = Board::new(sweep, out, data, signals, std::mem::take(&mut runs));
    board.announce(left.len(), jobs.min(left.len()), threads);
    let result = pool::train(&left, out, data, jobs, &board);
    let runs = board.finish();
    write_table(sweep, out, &runs)?;
    result.context(
        "the sweep has stopped, with checkpoints; once this is mended, the same command goes on",
    )?;
    Ok((folder, runs))
}

fn print_commands(sweep: &Sweep, out: &Path) -> anyhow::Result<()> {
    let default = chainrule_train::Config::default().to_table();
    for run in sweep.runs() {
        let settings = run.config.to_table().into_iter();
        let settings: Vec<_> = settings
            .filter(|(key, value)| default.get(key) != Some(value))
            .map(|(key, value)| (key, shown(&value)))
            .collect();
        let settings = settings.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let line = flags(settings).context("a setting has no flag")?;
        let folder = Sweep::folder(out, &run);
        let Some(folder) = folder.to_str() else {
            bail!("{} is not UTF-8, and a command cannot name it", folder.display());
        };
        say!("{line} --out {}", quoted(folder));
    }
    Ok(())
}

/// What is known of all runs, and shown: a bar on a terminal, a line a run elsewhere.
struct Board<'a> {
    sweep: &'a Sweep,
    out: &'a Path,
    data: &'a Data,
    signals: &'a Signals,
    bar: ProgressBar,
    state: Mutex<State>,
}

struct State {
    runs: Vec<Known>,
    /// Epochs that are over, of each run.
    epochs: Vec<u32>,
    stopping: bool,
}

impl<'a> Board<'a> {
    fn new(
        sweep: &'a Sweep,
        out: &'a Path,
        data: &'a Data,
        signals: &'a Signals,
        runs: Vec<Known>,
    ) -> Self {
        let epochs = runs.iter().map(|(run, outcome)| match outcome {
            Outcome::Waiting => 0,
            Outcome::Unfinished { epochs } => *epochs,
            Outcome::Finished { .. } | Outcome::Diverged { .. } => run.config.epochs,
        });
        let state = State { epochs: epochs.collect(), runs, stopping: false };
        Board { sweep, out, data, signals, bar: ProgressBar::hidden(), state: Mutex::new(state) }
    }

    fn announce(&self, left: usize, jobs: usize, threads: usize) {
        let state = self.state();
        let points = self.sweep.points().len();
        let all = state.runs.len();
        self.say(format!(
            "{points} point{}, {all} run{}{}; {jobs} at a time, {threads} thread{} each, in {}",
            plural(points),
            plural(all),
            if left < all { format!(", {left} left") } else { String::new() },
            plural(threads),
            self.out.display()
        ));
        if std::io::stderr().is_terminal() {
            let total = state.runs.iter().map(|(run, _)| u64::from(run.config.epochs)).sum();
            self.bar.set_length(total);
            let template = "{prefix} {wide_bar} {msg}, {eta} left";
            self.bar.set_style(ProgressStyle::with_template(template).expect("it is right"));
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
            self.show(&state);
            // What lies behind tells nothing of the speed.
            self.bar.reset_eta();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no writer has panicked")
    }

    fn say(&self, line: String) {
        if self.bar.is_hidden() {
            // A sweep does not end because nobody reads about it any more.
            let _ = writeln!(std::io::stderr(), "{line}");
        } else {
            self.bar.println(line);
        }
    }

    fn show(&self, state: &State) {
        let over = state.runs.iter().filter(|(_, outcome)| outcome.is_over()).count();
        let ranking = Ranking::new(self.sweep, &state.runs);
        let best = ranking.best().and_then(|best| Some((best.point, best.accuracy?)));
        self.bar.set_position(state.epochs.iter().copied().map(u64::from).sum());
        self.bar.set_prefix(format!("{over}/{} runs", state.runs.len()));
        self.bar.set_message(match best {
            Some((point, accuracy)) => format!("best {:.2} % (point {point})", 100.0 * accuracy),
            None => "no result yet".into(),
        });
    }

    fn place(state: &State, run: &Run) -> usize {
        let place = state.runs.iter().position(|(other, _)| other.name == run.name);
        place.expect("it is one of the runs")
    }

    fn finish(self) -> Vec<Known> {
        self.bar.finish_and_clear();
        self.state.into_inner().expect("no writer has panicked").runs
    }
}

impl Watcher for Board<'_> {
    type Error = anyhow::Error;

    fn began(&self, run: &Run, _plan: &Plan) {
        let mut state = self.state();
        let place = Self::place(&state, run);
        state.runs[place].1 = Outcome::Unfinished { epochs: state.epochs[place] };
    }

    fn epoch(&self, run: &Run, epoch: &Epoch) {
        let mut state = self.state();
        let place = Self::place(&state, run);
        state.epochs[place] = epoch.epoch;
        self.bar.set_position(state.epochs.iter().copied().map(u64::from).sum());
    }

    fn ended(&self, run: &Run, diverged: Option<Error>) -> anyhow::Result<()> {
        if diverged.is_none() {
            let folder = Sweep::folder(self.out, run);
            draw(&folder, self.data).with_context(|| format!("run {}", run.name))?;
        }
        let outcome = match (Outcome::read(self.out, run)?, diverged) {
            // What only a watch finds does not stand in the tables.
            (Outcome::Unfinished { epochs }, Some(error)) => {
                Outcome::Diverged { reason: error.to_string(), epochs, seconds: 0.0 }
            }
            (outcome, _) => outcome,
        };
        let point = &self.sweep.points()[run.point];
        let told = match &outcome {
            Outcome::Finished { summary, .. } => format!(
                "validation {:>5.2} % after epoch {} of {}, {:.1} s",
                100.0 * summary.validation_accuracy,
                summary.best_epoch,
                summary.epochs,
                summary.seconds
            ),
            Outcome::Diverged { reason, .. } => format!("diverged: {reason}"),
            other => other.word().into(),
        };
        let mut state = self.state();
        let place = Self::place(&state, run);
        state.epochs[place] = run.config.epochs;
        state.runs[place].1 = outcome;
        self.say(format!("{}  {told}  {}", run.name, settings(self.sweep, point)));
        self.show(&state);
        write_table(self.sweep, self.out, &state.runs)
    }

    fn stop(&self) -> bool {
        let stop = self.signals.caught();
        if stop {
            let mut state = self.state();
            if !state.stopping {
                state.stopping = true;
                self.say("stopping with checkpoints; once more to stop at once".into());
            }
        }
        stop
    }
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

/// Writes `sweep.csv`: a run a line.
fn write_table(sweep: &Sweep, out: &Path, runs: &[Known]) -> anyhow::Result<()> {
    let ranking = Ranking::new(sweep, runs);
    let mut csv = csv::Writer::from_writer(vec![]);
    let mut header = vec!["run", "point", "seed", "rank"];
    header.extend(sweep.varied().iter().map(|varied| varied.key.as_str()));
    header.extend([
        "validation_accuracy",
        "validation_loss",
        "best_epoch",
        "trained_epochs",
        "seconds",
        "status",
        "reason",
    ]);
    csv.write_record(header)?;
    for (run, outcome) in runs {
        let rank = ranking.points.iter().position(|ranked| ranked.point == run.point);
        let place = rank.filter(|&rank| is_ranked(&ranking.points[rank]));
        let mut record = vec![
            run.name.clone(),
            run.point.to_string(),
            run.config.seed.to_string(),
            place.map_or(String::new(), |rank| (rank + 1).to_string()),
        ];
        record.extend(sweep.points()[run.point].values.iter().map(shown));
        let empty = String::new;
        record.extend(match outcome {
            Outcome::Waiting => [empty(), empty(), empty(), "0".into(), empty()],
            Outcome::Unfinished { epochs } => {
                [empty(), empty(), empty(), epochs.to_string(), empty()]
            }
            Outcome::Finished { summary, validation_loss } => [
                summary.validation_accuracy.to_string(),
                validation_loss.to_string(),
                summary.best_epoch.to_string(),
                summary.epochs.to_string(),
                summary.seconds.to_string(),
            ],
            Outcome::Diverged { epochs, seconds, .. } => {
                [empty(), empty(), empty(), epochs.to_string(), seconds.to_string()]
            }
        });
        record.push(outcome.word().into());
        record.push(match outcome {
            Outcome::Diverged { reason, .. } => reason.clone(),
            _ => empty(),
        });
        csv.write_record(record)?;
    }
    write_whole(&out.join("sweep.csv"), &csv.into_inner()?)
}

/// Whether there is anything to rank a point by.
fn is_ranked(point: &Ranked) -> bool {
    point.accuracy.is_some() || point.diverged.is_some()
}

/// Writes the table and the chart, and prints the ranking and the winner's test accuracy.
fn conclude(sweep: &Sweep, out: &Path, runs: &[Known], as_json: bool) -> anyhow::Result<Ranking> {
    let summaries = || {
        runs.iter().filter_map(|(run, outcome)| match outcome {
            Outcome::Finished { summary, .. } => Some((run, &**summary)),
            _ => None,
        })
    };
    let mut sources = summaries().map(|(run, summary)| (run, &summary.data));
    if let Some((first, data)) = sources.next()
        && let Some((other, images)) = sources.find(|(_, images)| *images != data)
    {
        bail!(
            "run {} was on {data} and run {} on {images}, which cannot be ranked together: remove \
             the runs on the wrong images",
            first.name,
            other.name
        );
    }
    write_table(sweep, out, runs)?;
    let ranking = Ranking::new(sweep, runs);
    if !sweep.varied().is_empty() {
        let figure = chart(sweep, &ranking, runs);
        write_whole(&out.join("sweep.svg"), figure.svg()?.as_bytes())?;
        write_whole(&out.join("sweep.png"), &figure.png()?)?;
    }
    let of_best: Vec<(&Run, &Summary)> = match ranking.best() {
        Some(best) => summaries().filter(|(run, _)| run.point == best.point).collect(),
        None => vec![],
    };
    if as_json {
        let value = to_json(sweep, out, runs, &ranking, &of_best);
        say!("{}", serde_json::to_string_pretty(&value)?);
    } else {
        print(sweep, out, &ranking, &of_best)?;
    }
    Ok(ranking)
}

fn chart(sweep: &Sweep, ranking: &Ranking, runs: &[Known]) -> chainrule_report::Figure {
    let shown_points: Vec<&Ranked> =
        ranking.points.iter().filter(|point| is_ranked(point)).collect();
    let accuracies: Vec<_> = shown_points
        .iter()
        .map(|point| point.accuracy.filter(|_| point.diverged.is_none()))
        .collect();
    let keys: Vec<_> = sweep
        .varied()
        .iter()
        .enumerate()
        .map(|(i, varied)| {
            let values = shown_points.iter().map(|point| {
                let value = &sweep.points()[point.point].values[i];
                ranking::number(value).map_or_else(|| Swept::Word(shown(value)), Swept::Number)
            });
            SweptKey {
                name: varied.key.clone(),
                logarithmic: varied.logarithmic,
                values: values.collect(),
                groups: ranking.groups[i].clone(),
                share: ranking.shares[i],
            }
        })
        .collect();
    let count = |word| runs.iter().filter(|(_, outcome)| outcome.word() == word).count();
    let mut subtitle = vec![format!(
        "{} of {} runs finished, {} diverged; {} seed{} a point; ranked on validation alone",
        count("finished"),
        runs.len(),
        count("diverged"),
        sweep.seeds(),
        plural(sweep.seeds() as usize)
    )];
    let best = ranking.best().and_then(|best| Some((best, best.accuracy?)));
    subtitle.extend(best.map(|(best, accuracy)| {
        let point = &sweep.points()[best.point];
        format!("best: {:.2} %, {}", 100.0 * accuracy, settings(sweep, point))
    }));
    let title = "What mattered".into();
    chainrule_report::sweep(title, subtitle, &keys, &accuracies, best.map(|_| 0))
}

/// Most lines of the ranking that are printed; the table has them all.
const MOST_LINES: usize = 30;

fn print(
    sweep: &Sweep,
    out: &Path,
    ranking: &Ranking,
    of_best: &[(&Run, &Summary)],
) -> anyhow::Result<()> {
    let several = sweep.seeds() > 1;
    let mut header = vec!["rank".to_owned(), "point".into(), "validation".into()];
    if several {
        header.extend(["deviation".into(), "runs".into()]);
    }
    header.extend(sweep.varied().iter().map(|varied| varied.key.clone()));
    let mut rows = vec![header];
    let ranked: Vec<_> = ranking.points.iter().filter(|point| is_ranked(point)).collect();
    for (i, point) in ranked.iter().enumerate().take(MOST_LINES) {
        let percent = |share: Option<f64>| match share {
            Some(share) => format!("{:.2} %", 100.0 * share),
            None => "-".into(),
        };
        let accuracy = match point.diverged {
            Some(_) => "diverged".into(),
            None => percent(point.accuracy),
        };
        let mut row = vec![(i + 1).to_string(), point.point.to_string(), accuracy];
        if several {
            row.push(percent(point.deviation));
            row.push(format!("{}/{}", point.finished, sweep.seeds()));
        }
        row.extend(sweep.points()[point.point].values.iter().map(shown));
        rows.push(row);
    }
    let widths: Vec<usize> = (0..rows[0].len())
        .map(|i| rows.iter().map(|row| row[i].chars().count()).max().unwrap_or(0))
        .collect();
    say!("");
    let reasons = ranked.iter().map(|point| point.diverged.as_deref());
    for (row, reason) in rows.iter().zip(std::iter::once(None).chain(reasons)) {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:>width$}"));
        let line = cells.chain(reason.map(str::to_owned)).collect::<Vec<_>>().join("  ");
        say!("{line}");
    }
    if ranked.len() > MOST_LINES {
        say!("... and {} more in {}", ranked.len() - MOST_LINES, out.join("sweep.csv").display());
    }
    if ranking.shares.iter().any(Option::is_some) {
        say!(
            "\nWhat mattered: the share of the variance of the validation accuracy that a key alone"
        );
        say!("explains, among points that did not diverge (Kelley's epsilon squared; the rest is");
        say!("interplay and chance)");
        let width = sweep.varied().iter().map(|varied| varied.key.len()).max().unwrap_or(0);
        for (varied, share) in sweep.varied().iter().zip(&ranking.shares) {
            if let Some(share) = share {
                say!("  {:<width$}  {:>3.0} %", varied.key, 100.0 * share);
            }
        }
    }
    match (ranking.best(), of_best) {
        (Some(best), [(first, _), ..]) => {
            let tests: Vec<_> = of_best.iter().map(|(_, summary)| summary.test_accuracy).collect();
            let test = 100.0 * ranking::mean(&tests).unwrap_or(f64::NAN);
            say!(
                "\nThe winner, chosen on validation: point {}; {:.2} % of the test images right{}.",
                best.point,
                test,
                match ranking::deviation(&tests) {
                    Some(deviation) => format!(
                        ", the mean of {} seeds with deviation {:.2}",
                        tests.len(),
                        100.0 * deviation
                    ),
                    None => String::new(),
                }
            );
            if of_best.iter().any(|(_, summary)| summary.data == "sample") {
                say!("Trained on the SAMPLE of 1,000 images, not on CIFAR-10: it means nothing.");
            }
            let recipe = Sweep::folder(out, first).join("config.toml");
            say!("Again:   chainrule train --recipe {}", recipe.display());
        }
        _ => say!("\nNo point has a result."),
    }
    say!("Results: {}  (sweep.csv, sweep.svg, sweep.png, and a folder a run)", out.display());
    Ok(())
}

fn to_json(
    sweep: &Sweep,
    out: &Path,
    runs: &[Known],
    ranking: &Ranking,
    of_best: &[(&Run, &Summary)],
) -> Value {
    let varied = |point: usize| -> Value {
        let values = sweep.points()[point].values.iter();
        let pairs = sweep.varied().iter().zip(values).map(|(varied, value)| {
            (varied.key.clone(), serde_json::to_value(value).unwrap_or(Value::Null))
        });
        Value::Object(pairs.collect())
    };
    let shares = sweep.varied().iter().zip(&ranking.shares);
    let shares = shares.map(|(varied, share)| json!({ "key": varied.key, "share": share }));
    let ranked = ranking.points.iter().filter(|point| is_ranked(point));
    let points = ranked.enumerate().map(|(i, point)| {
        json!({
            "rank": i + 1,
            "point": point.point,
            "settings": varied(point.point),
            "validation_accuracy": point.accuracy,
            "deviation": point.deviation,
            "validation_loss": point.loss,
            "finished": point.finished,
            "diverged": point.diverged,
        })
    });
    let runs = runs.iter().map(|(run, outcome)| {
        json!({
            "run": run.name,
            "point": run.point,
            "seed": run.config.seed,
            "status": outcome.word(),
        })
    });
    let tests: Vec<_> = of_best.iter().map(|(_, summary)| summary.test_accuracy).collect();
    json!({
        "folder": out,
        "ranking": points.collect::<Vec<_>>(),
        "mattered": shares.collect::<Vec<_>>(),
        "best": ranking.best().map(|best| json!({
            "point": best.point,
            "settings": varied(best.point),
            "validation_accuracy": best.accuracy,
            "test_accuracy": ranking::mean(&tests),
            "test_deviation": ranking::deviation(&tests),
        })),
        "runs": runs.collect::<Vec<_>>(),
    })
}
