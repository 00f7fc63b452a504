//! A sweep while it goes on: a bar on a terminal, a line a run elsewhere.

use std::io::IsTerminal;
use std::path::Path;
use std::sync::{Mutex, MutexGuard};

use anyhow::Context;
use chainrule_train::sweep::pool::Watcher;
use chainrule_train::sweep::{Outcome, Ranking, Run, RunState, Stage};
use chainrule_train::{Data, Epoch, Error, Finished, Plan, Sweep};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::result::write_table;
use super::{Subject, draw, plural, settings};
use crate::shell::progress::print_above;
use crate::shell::signals::Signals;
use crate::shell::verbosity::{Verbosity, shows};

/// What is known of all runs, and shown: a bar on a terminal, a line a run elsewhere.
pub struct Board<'a> {
    sweep: &'a Sweep,
    out: &'a Path,
    data: &'a Data,
    signals: &'a Signals,
    bar: ProgressBar,
    /// Whether it writes the table of all runs, and not only trains some of them.
    writes_table: bool,
    state: Mutex<State>,
}

struct State {
    runs: Vec<RunState>,
    stopping: bool,
}

impl<'a> Board<'a> {
    pub fn new(
        sweep: &'a Sweep,
        out: &'a Path,
        data: &'a Data,
        signals: &'a Signals,
        runs: Vec<RunState>,
    ) -> Self {
        let state = State { runs, stopping: false };
        let (bar, state) = (ProgressBar::hidden(), Mutex::new(state));
        Board { sweep, out, data, signals, bar, writes_table: true, state }
    }

    /// The same for a task, which knows nothing of the runs of others.
    pub fn of_task(self) -> Self {
        Board { writes_table: false, ..self }
    }

    pub fn announce(&self, jobs: usize, threads: usize) {
        let state = self.state();
        let points = self.sweep.points().len();
        let all = state.runs.len();
        let left = state.runs.iter().filter(|state| !state.outcome.is_over()).count();
        self.say(format!(
            "{points} point{}, {all} run{}{}; {} at a time, {threads} thread{} each, in {}",
            plural(points),
            plural(all),
            if left < all { format!(", {left} left") } else { String::new() },
            jobs.min(left),
            plural(threads),
            self.out.display()
        ));
        if std::io::stderr().is_terminal() && shows(Verbosity::Normal) {
            let template = "{prefix} {wide_bar} {msg}, {eta} left";
            self.bar.set_style(ProgressStyle::with_template(template).expect("it is right"));
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
            self.show(&state);
            // What lies behind tells nothing of the speed.
            self.bar.reset_eta();
        }
    }

    /// The runs that train next, if any are left; what is decided by then is said.
    pub fn stage(&self) -> Option<Stage> {
        let mut state = self.state();
        let before = count(&state.runs, "stopped");
        self.sweep.decide(&mut state.runs);
        let stage = self.sweep.stage(&state.runs)?;
        if let Some(halving) = self.sweep.halving() {
            let stopped = count(&state.runs, "stopped") - before;
            if stopped > 0 {
                let epoch = halving.rungs[stage.rung - 2];
                self.say(format!("after epoch {epoch}: {stopped} run{} stopped", plural(stopped)));
            }
            let n = stage.runs.len();
            let until = match stage.until {
                Some(epoch) => format!("until epoch {epoch}"),
                None => "to the end".into(),
            };
            let rungs = halving.rungs.len() + 1;
            self.say(format!("rung {} of {rungs}: {n} run{} {until}", stage.rung, plural(n)));
        }
        self.show(&state);
        Some(stage)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no writer has panicked")
    }

    fn say(&self, line: String) {
        print_above(&self.bar, line);
    }

    fn show(&self, state: &State) {
        let over = state.runs.iter().filter(|state| state.outcome.is_over()).count();
        let ranking = Ranking::new(self.sweep, &state.runs);
        let best = ranking.best().and_then(|best| Some((best.point, best.accuracy?)));
        self.position(state);
        self.bar.set_prefix(format!("{over}/{} runs", state.runs.len()));
        self.bar.set_message(match best {
            Some((point, accuracy)) => format!("best {:.2} % (point {point})", 100.0 * accuracy),
            None => "no result yet".into(),
        });
    }

    /// How much is trained, in epochs, of what is left of the rungs.
    fn position(&self, state: &State) {
        let trained = state.runs.iter().map(|state| u64::from(state.trained())).sum();
        let left: u64 = self.sweep.epochs_left(&state.runs);
        self.bar.set_length(trained + left);
        self.bar.set_position(trained);
    }

    fn place(state: &State, run: &Run) -> usize {
        let place = state.runs.iter().position(|other| other.run.name == run.name);
        place.expect("it is one of the runs")
    }

    pub fn finish(self) -> Vec<RunState> {
        self.bar.finish_and_clear();
        self.state.into_inner().expect("no writer has panicked").runs
    }
}

impl Watcher for Board<'_> {
    type Error = anyhow::Error;

    fn began(&self, run: &Run, _plan: &Plan) {
        let mut state = self.state();
        let place = Self::place(&state, run);
        state.runs[place].outcome = Outcome::Unfinished;
    }

    fn epoch(&self, run: &Run, epoch: &Epoch) {
        let mut state = self.state();
        let place = Self::place(&state, run);
        let epochs = &mut state.runs[place].epochs;
        // An epoch whose checkpoint was lost is trained anew.
        epochs.retain(|other| other.epoch < epoch.epoch);
        epochs.push(*epoch);
        self.position(&state);
    }

    fn ended(&self, run: &Run, result: Result<Finished, Error>) -> anyhow::Result<()> {
        let outcome = match result {
            Ok(finished) => {
                let folder = Sweep::folder(self.out, run);
                let outcome = Outcome::of(&finished, &folder)?;
                let subject = Subject::of(&folder, finished);
                draw(&subject, self.data).with_context(|| format!("run {}", run.name))?;
                outcome
            }
            Err(error) => match RunState::read(self.out, run.clone())?.outcome {
                // What only detect_anomaly finds does not stand in the tables.
                Outcome::Unfinished => {
                    let reason = match &error {
                        Error::Diverged { iteration, epoch, tensor: Some(tensor), .. } => {
                            format!(
                                "at step {iteration} (epoch {epoch}): {tensor} is NaN or infinite"
                            )
                        }
                        error => error.to_string(),
                    };
                    Outcome::Diverged { reason, seconds: 0.0 }
                }
                outcome => outcome,
            },
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
            Outcome::Diverged { reason, .. } => format!("diverged {reason}"),
            other => other.word().into(),
        };
        let mut state = self.state();
        let place = Self::place(&state, run);
        state.runs[place].outcome = outcome;
        self.say(format!("{}  {told}  {}", run.name, settings(self.sweep, point)));
        self.show(&state);
        if self.writes_table {
            write_table(self.sweep, self.out, &state.runs)?;
        }
        Ok(())
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

fn count(runs: &[RunState], word: &str) -> usize {
    runs.iter().filter(|state| state.outcome.word() == word).count()
}
