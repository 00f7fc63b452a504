//! Slurm's own programs: what they are asked, and what they answer.

use std::io::{ErrorKind, Write};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, bail};

/// The number of tasks of an array where Slurm does not tell: that of its default `MaxArraySize`.
const MOST_TASKS: usize = 1000;

/// A job, or a task of an array, that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    pub job: u64,
    /// The number of its task, if it is one.
    pub task: Option<usize>,
    /// Whether it has begun.
    pub runs: bool,
}

/// Submits a script with these options of `sbatch`, and returns the number of its job.
pub fn submit(options: &[String], script: &str) -> anyhow::Result<u64> {
    let mut sbatch = Command::new("sbatch");
    sbatch.arg("--parsable").args(options).stdin(Stdio::piped());
    let output = ask(sbatch, script)?;
    // "123", or "123;cluster".
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let number = told.trim().split(';').next().and_then(|number| number.parse().ok());
    number.with_context(|| format!("sbatch printed no number of a job, but {:?}", told.trim()))
}

/// The jobs of this user that have not ended.
pub fn queued() -> anyhow::Result<Vec<Queued>> {
    let mut squeue = Command::new("squeue");
    // The job of an array, the number in it, the state; a line for each task.
    squeue.args(["--me", "--noheader", "--array", "--format=%F %K %T"]);
    let output = ask(squeue, "")?;
    Ok(String::from_utf8_lossy(&output.stdout).lines().filter_map(parse).collect())
}

/// A line of `squeue`.
fn parse(line: &str) -> Option<Queued> {
    let mut words = line.split_whitespace();
    let (job, task, state) = (words.next()?, words.next()?, words.next()?);
    let runs = !matches!(state, "PENDING" | "REQUEUED" | "REQUEUE_HOLD" | "REQUEUE_FED");
    Some(Queued { job: job.parse().ok()?, task: task.parse().ok(), runs })
}

/// Ends these jobs.
pub fn cancel(jobs: &[u64]) -> anyhow::Result<()> {
    let mut scancel = Command::new("scancel");
    scancel.args(jobs.iter().map(u64::to_string));
    ask(scancel, "").map(drop)
}

/// The largest number of a task that an array may have.
pub fn most_tasks() -> usize {
    let mut scontrol = Command::new("scontrol");
    scontrol.args(["show", "config"]);
    let Ok(output) = ask(scontrol, "") else { return MOST_TASKS };
    most_tasks_of(&String::from_utf8_lossy(&output.stdout)).unwrap_or(MOST_TASKS)
}

/// "MaxArraySize            = 1001": a number must be below it.
fn most_tasks_of(config: &str) -> Option<usize> {
    let line = config.lines().find_map(|line| line.trim().strip_prefix("MaxArraySize"))?;
    let size: usize = line.trim_start().strip_prefix('=')?.trim().parse().ok()?;
    Some(size.saturating_sub(1).max(1))
}

/// Runs one of Slurm's programs; what it says against it is the error.
fn ask(mut command: Command, input: &str) -> anyhow::Result<Output> {
    let name = command.get_program().to_string_lossy().into_owned();
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Err(error) if error.kind() == ErrorKind::NotFound => bail!(
            "{name} is not found: --slurm needs a machine from which jobs can be submitted to Slurm; \
             without it the sweep runs here, and --commands prints its runs for other schedulers"
        ),
        child => child.with_context(|| format!("cannot start {name}"))?,
    };
    if let Some(mut stdin) = child.stdin.take() {
        // Whoever does not read it says why by its exit code.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().with_context(|| format!("cannot wait for {name}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said: Vec<_> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let advice = match name.as_str() {
            "sbatch" => "; --sbatch passes options to it, such as --sbatch=--partition=NAME",
            _ => "",
        };
        bail!("{name} failed with {}: {}{advice}", output.status, said.join("; "));
    }
    Ok(output)
}

/// Ascending numbers as Slurm writes them: "1-3,7".
pub fn ranges(numbers: &[usize]) -> String {
    let mut ranges: Vec<(usize, usize)> = vec![];
    for &n in numbers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == n => *last = n,
            _ => ranges.push((n, n)),
        }
    }
    let shown = |&(first, last): &(usize, usize)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    ranges.iter().map(shown).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_sbatch_reads_them() {
        // As the manual of sbatch has it: --array=0-15, --array=0,6,16-32.
        assert_eq!(ranges(&(0..16).collect::<Vec<_>>()), "0-15");
        let mut numbers = vec![0, 6];
        numbers.extend(16..=32);
        assert_eq!(ranges(&numbers), "0,6,16-32");
        assert_eq!(ranges(&[]), "");
    }

    /// Lines of squeue 22.05.
    #[test]
    fn a_line_of_the_queue_is_a_task_or_a_job() {
        let task = Queued { job: 7, task: Some(12), runs: true };
        assert_eq!(parse("7 12 RUNNING"), Some(task.clone()));
        assert_eq!(parse("7 12 PENDING"), Some(Queued { runs: false, ..task }));
        assert_eq!(parse("8 N/A PENDING"), Some(Queued { job: 8, task: None, runs: false }));
        assert_eq!(parse(""), None);
    }

    /// Lines of `scontrol show config` of Slurm 22.05.
    #[test]
    fn the_size_of_an_array_is_that_of_the_cluster() {
        let config =
            "Configuration data as of 2026\nMaxArraySize            = 1001\nMaxDBDMsgs = 20008";
        assert_eq!(most_tasks_of(config), Some(1000));
        assert_eq!(most_tasks_of("MaxDBDMsgs = 20008"), None);
    }
}
