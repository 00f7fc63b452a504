//! A sweep on Slurm: an array of tasks for each rung, a job that gathers, and what became of them.

mod client;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use chainrule_data::file::read_text;
use chainrule_runs::folder::write_whole;
use chainrule_train::sweep::RunState;
use chainrule_train::{RunFolder, Sweep};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::{Deserialize, Serialize};

use super::task::{Task, on_rung};
use super::{plural, settings};
use crate::shell::quoting::quoted;
use crate::shell::signals::Signals;
use client::{Queued, ranges};

/// The record of what was submitted, in the sweep's folder.
const RECORD: &str = "slurm.toml";

/// The folder of the tasks' output, in the sweep's.
const LOGS: &str = "slurm";

/// What was submitted.
#[derive(Serialize, Deserialize)]
pub struct Submission {
    runs_per_task: usize,
    /// The job that gathers.
    gather: u64,
    /// For each rung.
    arrays: Vec<Array>,
}

#[derive(Serialize, Deserialize)]
struct Array {
    rung: usize,
    job: u64,
}

/// How a sweep is submitted.
pub struct Options<'a> {
    /// The command `chainrule sweep FILE --out DIR`, quoted.
    pub command: String,
    /// Options of `sbatch`.
    pub sbatch: &'a [String],
    /// Most tasks at a time.
    pub jobs: Option<u16>,
    /// Runs of a task; more if there are more runs than an array may have tasks.
    pub runs_per_task: usize,
}

impl Submission {
    /// What was submitted of the sweep in this folder, if anything was.
    pub fn read(out: &Path) -> anyhow::Result<Option<Submission>> {
        let path = out.join(RECORD);
        if path.symlink_metadata().is_err() {
            return Ok(None);
        }
        let text =
            read_text(&path, 1 << 20).with_context(|| format!("cannot read {}", path.display()))?;
        let submission = toml::from_str(&text).map_err(|error| {
            anyhow::anyhow!("{}: {}", path.display(), error.message().replace('\n', " "))
        })?;
        Ok(Some(submission))
    }

    /// Removes the record: the sweep is on Slurm no longer.
    pub fn forget(out: &Path) -> anyhow::Result<()> {
        let path = out.join(RECORD);
        std::fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))
    }

    fn jobs(&self) -> Vec<u64> {
        self.arrays.iter().map(|array| array.job).chain([self.gather]).collect()
    }

    /// Its jobs and tasks that have not ended.
    pub fn queued(&self) -> anyhow::Result<Vec<Queued>> {
        let jobs = self.jobs();
        let mut queued = client::queued()?;
        queued.retain(|queued| jobs.contains(&queued.job));
        Ok(queued)
    }

    /// Ends all its jobs.
    pub fn cancel(&self) -> anyhow::Result<()> {
        client::cancel(&self.jobs())
    }

    /// The runs that ought to have trained by now and whose tasks have ended, each with its task's
    /// output.
    fn failed<'a>(
        &self,
        sweep: &Sweep,
        out: &Path,
        states: &'a [RunState],
        queued: &[Queued],
    ) -> Vec<(&'a RunState, PathBuf)> {
        let Some(stage) = sweep.stage(states) else { return vec![] };
        let Some(array) = self.arrays.iter().find(|array| array.rung == stage.rung) else {
            return vec![];
        };
        let tasks = on_rung(states, stage.rung)
            .enumerate()
            .map(|(place, state)| (state, Task::of(place, self.runs_per_task)));
        let ended =
            |task: usize| !queued.iter().any(|q| q.job == array.job && q.task == Some(task));
        let left = tasks.filter(|(state, task)| {
            ended(*task) && stage.runs.iter().any(|run| run.name == state.run.name)
        });
        let log = |task: usize| out.join(LOGS).join(format!("{}_{task}.log", array.job));
        left.map(|(state, task)| (state, log(task))).collect()
    }
}

/// Submits all that is left of a sweep whose folder is locked.
pub fn submit(
    sweep: &Sweep,
    folder: &RunFolder,
    states: &[RunState],
    options: &Options,
) -> anyhow::Result<()> {
    let out = folder.path();
    let Some(stage) = sweep.stage(states) else { return Ok(()) };
    let here: Vec<&RunState> = on_rung(states, stage.rung).collect();
    let most = client::most_tasks();
    let size = options.runs_per_task.max(here.len().div_ceil(most));
    if size > options.runs_per_task {
        note!("an array may have {most} tasks on this cluster: each trains up to {size} runs");
    }
    let is_left = |state: &RunState| stage.runs.iter().any(|run| run.name == state.run.name);
    let places = here.iter().enumerate().filter(|(_, state)| is_left(state));
    let mut tasks: Vec<usize> = places.map(|(place, _)| Task::of(place, size)).collect();
    tasks.dedup();
    let first = tasks.len();
    std::fs::create_dir_all(out.join(LOGS))
        .with_context(|| format!("cannot create {}", out.join(LOGS).display()))?;
    let logs = std::path::absolute(out.join(LOGS))?;
    let name = out.file_name().unwrap_or(out.as_os_str()).to_string_lossy();
    let mut submission = Submission { runs_per_task: size, gather: 0, arrays: vec![] };
    let submitted = (|| {
        let rungs = sweep.halving().map_or(0, |halving| halving.rungs.len()) + 1;
        let mut points = here.len() / sweep.seeds() as usize;
        for rung in stage.rung..=rungs {
            if rung > stage.rung {
                points = points.div_ceil(sweep.halving().map_or(1, |halving| halving.factor));
                tasks = (1..=(points * sweep.seeds() as usize).div_ceil(size)).collect();
            }
            let throttle = options.jobs.map_or(String::new(), |jobs| format!("%{jobs}"));
            let mut words = vec![
                format!("--job-name=chainrule-{name}"),
                format!("--array={}{throttle}", ranges(&tasks)),
                format!("--cpus-per-task={}", sweep.base().threads.max(1)),
                format!("--output={}/%A_%a.log", logs.display()),
                "--open-mode=append".into(),
                "--requeue".into(),
                "--kill-on-invalid-dep=yes".into(),
            ];
            words.extend(
                submission.arrays.last().map(|last| format!("--dependency=afterok:{}", last.job)),
            );
            words.extend(options.sbatch.iter().cloned());
            let command = format!(
                "{} --task \"$SLURM_ARRAY_TASK_ID\" --rung {rung} --runs-per-task {size}",
                options.command
            );
            let job = client::submit(&words, &script(&command))?;
            submission.arrays.push(Array { rung, job });
        }
        let jobs: Vec<_> = submission.arrays.iter().map(|array| array.job.to_string()).collect();
        let mut words = vec![
            format!("--job-name=chainrule-{name}-gather"),
            "--cpus-per-task=1".into(),
            format!("--output={}/gather.log", logs.display()),
            format!("--dependency=afterany:{}", jobs.join(":")),
        ];
        words.extend(options.sbatch.iter().cloned());
        let command = format!("{} --gather", options.command);
        submission.gather = client::submit(&words, &script(&command))?;
        let record = toml::to_string(&submission).expect("it is a table");
        Ok(write_whole(&out.join(RECORD), record.as_bytes())?)
    })();
    if let Err(error) = submitted {
        // Half of a sweep would wait for what never comes.
        let jobs: Vec<u64> = submission.arrays.iter().map(|array| array.job).collect();
        if !jobs.is_empty() {
            let _ = client::cancel(&jobs);
        }
        return Err(error);
    }
    let jobs: Vec<_> = submission.arrays.iter().map(|array| array.job.to_string()).collect();
    say!(
        "Submitted: {} run{} in {} task{} of job {}{}, then job {} gathers.",
        stage.runs.len(),
        plural(stage.runs.len()),
        first,
        plural(first),
        jobs[0],
        match jobs.len() {
            1 => String::new(),
            _ => format!(", then the later rungs in {}", jobs[1..].join(", ")),
        },
        submission.gather
    );
    Ok(())
}

/// What a job runs. The program takes the place of the shell, and so gets the signals of Slurm.
fn script(command: &str) -> String {
    format!("#!/bin/sh\nexec {command}\n")
}

/// Says how far the jobs are, and which runs failed; whether any did and nothing is under way.
pub fn tell(
    submission: &Submission,
    sweep: &Sweep,
    out: &Path,
    states: &[RunState],
    again: &str,
) -> bool {
    if states.iter().all(|state| state.outcome.is_over()) {
        return false;
    }
    let queued = match submission.queued() {
        Ok(queued) => queued,
        Err(error) => {
            note!("Whether its jobs still run is not known: {error}");
            return false;
        }
    };
    let tasks = queued.iter().filter(|queued| queued.task.is_some());
    let (running, waiting): (Vec<&Queued>, Vec<&Queued>) = tasks.partition(|queued| queued.runs);
    let over = states.iter().filter(|state| state.outcome.is_over()).count();
    note!(
        "On Slurm: {over} of {} runs over; {} task{} running, {} waiting",
        states.len(),
        running.len(),
        plural(running.len()),
        waiting.len()
    );
    let failed = submission.failed(sweep, out, states, &queued);
    for (state, log) in &failed {
        let log = match log.exists() {
            true => log.display().to_string(),
            false => "it did not begin".into(),
        };
        let point = &sweep.points()[state.run.point];
        eprintln!("failed: run {} ({}): {log}", state.run.name, settings(sweep, point));
    }
    if !failed.is_empty() {
        eprintln!("To submit what failed again: {again} --slurm");
    }
    !failed.is_empty() && queued.is_empty()
}

/// How often the queue is looked at: soon at first, for what is short.
const POLL: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// How often the queue may fail to answer in a row.
const MOST_FAILURES: usize = 10;

/// Stays until the jobs have ended. A signal ends the waiting and leaves the jobs: then the exit code
/// of that.
pub fn wait(
    submission: &Submission,
    sweep: &Sweep,
    out: &Path,
    again: &str,
) -> anyhow::Result<Option<ExitCode>> {
    let signals = Signals::default();
    signals.listen()?;
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    let template = "{prefix} {wide_bar} {msg}";
    bar.set_style(ProgressStyle::with_template(template).expect("it is right"));
    let (mut pause, mut failures, mut said) = (POLL.0, 0, None);
    loop {
        let began = Instant::now();
        let states = sweep.states(out)?;
        let over = states.iter().filter(|state| state.outcome.is_over()).count();
        let trained: u64 = states.iter().map(|state| u64::from(state.trained())).sum();
        bar.set_length(trained + sweep.epochs_left(&states));
        bar.set_position(trained);
        bar.set_prefix(format!("{over}/{} runs", states.len()));
        match submission.queued() {
            Ok(queued) if queued.is_empty() => break,
            Ok(queued) => {
                failures = 0;
                let running = queued.iter().filter(|queued| queued.runs).count();
                bar.set_message(format!("{running} running, {} waiting", queued.len() - running));
            }
            Err(error) if failures == MOST_FAILURES => return Err(error),
            Err(_) => failures += 1,
        }
        if bar.is_hidden() && said != Some(over) {
            note!("{over} of {} runs are over", states.len());
            said = Some(over);
        }
        // Thousands of folders on a shared disk are not read all the time.
        pause = (2 * pause).min(POLL.1).max(10 * began.elapsed());
        let began = Instant::now();
        while began.elapsed() < pause {
            if signals.caught() {
                bar.finish_and_clear();
                eprintln!(
                    "The jobs go on. To wait again: {again} --wait; to end them: {again} --cancel"
                );
                return Ok(Some(signals.exit_code()));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    bar.finish_and_clear();
    Ok(None)
}

/// The command that the jobs run: this very program, with the file and the folder as they lie.
pub fn command(file: &Path, out: &Path, images: &[(&str, String)]) -> anyhow::Result<String> {
    let program = std::env::current_exe().context("cannot tell where this program lies")?;
    let mut words = vec![
        path(&program)?,
        "sweep".into(),
        path(&std::path::absolute(file)?)?,
        "--out".into(),
        path(&std::path::absolute(out)?)?,
    ];
    for (flag, value) in images {
        words.extend([(*flag).to_owned(), quoted(value)]);
    }
    Ok(words.join(" "))
}

fn path(path: &Path) -> anyhow::Result<String> {
    match path.to_str() {
        Some(text) => Ok(quoted(text)),
        None => bail!("{} is not UTF-8, and a script cannot name it", path.display()),
    }
}
