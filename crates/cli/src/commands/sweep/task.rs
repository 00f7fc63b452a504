//! A task of a job array: some of a sweep's runs, on whatever machine.

use std::ops::Range;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use chainrule_runs::folder::is_occupied;
use chainrule_train::Sweep;
use chainrule_train::sweep::{Outcome, Run, RunState, Stage, pool};

use super::board::Board;
use super::{check_kernels, draw_missing, load};
use crate::shell::signals::Signals;

/// Which runs a task trains.
#[derive(Clone, Copy, Debug)]
pub struct Task {
    /// From 1.
    pub number: usize,
    /// The rung, from 1.
    pub rung: usize,
    /// Runs of a task.
    pub size: usize,
}

impl Task {
    /// The places of its runs among those of its rung.
    fn places(self, runs: usize) -> Range<usize> {
        let first = (self.number - 1).saturating_mul(self.size);
        first.min(runs)..first.saturating_add(self.size).min(runs)
    }

    /// The number of the task that has the run at this place of its rung.
    pub fn of(place: usize, size: usize) -> usize {
        place / size + 1
    }
}

/// The runs that are or were on a rung, in order: those that its tasks share.
pub fn on_rung(states: &[RunState], rung: usize) -> impl Iterator<Item = &RunState> {
    states.iter().filter(move |state| state.rung >= rung)
}

/// Trains the runs of a task to their end, or to that of their rung.
pub fn run(sweep: &Sweep, out: &Path, task: Task, jobs: Option<u16>) -> anyhow::Result<ExitCode> {
    check_kernels(sweep.runs().iter())?;
    if Sweep::is_recorded(out) {
        sweep.check_continues(out)?;
    } else if out.is_dir() && is_occupied(out)? {
        return Err(chainrule_runs::Error::FolderTaken(out.to_owned()).into());
    } else {
        // Whichever task is first: all write the same.
        std::fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
        sweep.record(out)?;
    }
    let mut states: Vec<_> = sweep.runs().into_iter().map(RunState::waiting).collect();
    let rungs = sweep.halving().map_or(&[][..], |halving| &halving.rungs);
    match task.rung {
        // All other runs are nothing to it.
        1 => {
            for place in task.places(states.len()) {
                states[place] = RunState::read(out, states[place].run.clone())?;
            }
        }
        rung if rung <= rungs.len() + 1 => {
            states = sweep.states(out)?;
            let behind = sweep.stage(&states).filter(|stage| stage.rung < rung);
            if let Some((epoch, run)) =
                behind.and_then(|s| Some((s.until?, s.runs.first()?.clone())))
            {
                bail!("rung {rung} cannot begin: run {} has not reached epoch {epoch}", run.name);
            }
        }
        rung => bail!("there is no rung {rung}: this sweep has {}", rungs.len() + 1),
    }
    let until = rungs.get(task.rung - 1).copied();
    let all: Vec<&RunState> = on_rung(&states, task.rung).collect();
    let mine = &all[task.places(all.len())];
    let reached = |state: &RunState| until.is_some_and(|epoch| state.trained() >= epoch);
    let left = mine.iter().filter(|state| !state.outcome.is_over() && !reached(state));
    let runs: Vec<Run> = left.map(|state| state.run.clone()).collect();
    let is_finished = |state: &&&RunState| matches!(state.outcome, Outcome::Finished { .. });
    let finished: Vec<Run> =
        mine.iter().filter(is_finished).map(|state| state.run.clone()).collect();
    if runs.is_empty() && finished.iter().all(|run| super::is_drawn(out, run)) {
        note!("task {}: nothing is left to train", task.number);
        return Ok(ExitCode::SUCCESS);
    }
    let data = &load(sweep.base())?;
    draw_missing(out, &finished, data)?;
    let threads = sweep.base().threads.max(1);
    let jobs = jobs.map_or_else(|| (cores() / threads).max(1), usize::from);
    sweep.check_memory(&runs, data, jobs)?;
    let signals = Signals::default();
    signals.listen()?;
    let board = Board::new(sweep, out, data, &signals, states).of_task();
    pool::train(&Stage { rung: task.rung, runs, until }, out, data, jobs, &board)?;
    board.finish();
    Ok(if signals.caught() { signals.exit_code() } else { ExitCode::SUCCESS })
}

/// Cores of this task: not all clusters bind it to its own.
fn cores() -> usize {
    let given = std::env::var("SLURM_CPUS_PER_TASK").ok().and_then(|n| n.parse().ok());
    given.unwrap_or_else(|| chainrule_train::threads(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_belongs_to_one_task() {
        for (runs, size) in [(8, 1), (8, 3), (9, 3), (2, 5)] {
            let mut tasks = vec![];
            for number in 1..=runs {
                let task = Task { number, rung: 1, size };
                tasks.extend(task.places(runs).map(|place| (place, number)));
            }
            let expected: Vec<_> = (0..runs).map(|place| (place, Task::of(place, size))).collect();
            assert_eq!(tasks, expected, "{runs} {size}");
        }
    }
}
