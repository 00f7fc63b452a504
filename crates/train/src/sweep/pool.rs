//! Runs side by side: each with threads of its own, all with the same images in memory.
//!
//! Threads that train one network wait for each other at barriers, so one run per core, with one
//! thread each, is the fastest way through a sweep. The bits of a run do not depend
//! on its threads, nor on what runs beside it.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use chainrule_runs::folder::is_occupied;
use chainrule_runs::{Epoch, RunFolder};

use super::{Run, Stage, Sweep};
use crate::{Checkpoint, Config, Data, Error, Finished, Observer, Plan, restart, resume, start};

/// Receives the events of a sweep's runs, from several threads at once.
pub trait Watcher: Sync {
    /// The error of [`Watcher::ended`].
    type Error: From<Error> + Send;

    /// A run begins or is resumed.
    fn began(&self, _run: &Run, _plan: &Plan) {}
    /// An epoch of a run has ended.
    fn epoch(&self, _run: &Run, _epoch: &Epoch) {}
    /// A run has ended: with a result, or because it diverged, which is the error.
    ///
    /// # Errors
    /// What ends the sweep.
    fn ended(&self, run: &Run, result: Result<Finished, Error>) -> Result<(), Self::Error>;
    /// Whether all runs should write a checkpoint and stop. Once true it must stay true.
    fn stop(&self) -> bool {
        false
    }
}

/// Trains the runs of `stage`, `jobs` at a time, each in its folder in `out`, to their end or until
/// the rung's. A run that was stopped or killed is resumed from its checkpoint.
///
/// # Errors
/// The first error that is not a run's own, such as a full disk; the other runs are stopped then,
/// with a checkpoint. [`Error::Stopped`] is not an error here: the run can be resumed.
pub fn train<W: Watcher>(
    stage: &Stage,
    out: &Path,
    data: &Data,
    jobs: usize,
    watcher: &W,
) -> Result<(), W::Error> {
    let next = Mutex::new(stage.runs.iter());
    let failed = AtomicBool::new(false);
    let failure = Mutex::new(None);
    let work = || {
        loop {
            let worker = Worker { watcher, failed: &failed };
            if worker.stops() {
                return;
            }
            let Some(run) = next.lock().expect("no iterator has panicked").next() else { return };
            let until = stage.until.unwrap_or(u32::MAX);
            let mut listener = Listener { run, worker, until, at: 0 };
            let result = match train_one(run, &Sweep::folder(out, run), data, &mut listener) {
                Ok(finished) => watcher.ended(run, Ok(finished)),
                // At the rung, or because all runs stop, which ends the loop.
                Err(Error::Stopped { .. }) => Ok(()),
                Err(error @ Error::Diverged { .. }) => watcher.ended(run, Err(error)),
                Err(error) => Err(error.into()),
            };
            if let Err(error) = result {
                failed.store(true, Ordering::Relaxed);
                failure.lock().expect("no writer has panicked").get_or_insert(error);
                return;
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, stage.runs.len().max(1)) {
            scope.spawn(work);
        }
    });
    failure.into_inner().expect("no writer has panicked").map_or(Ok(()), Err)
}

/// Trains a run from its beginning, or from its checkpoint.
fn train_one(
    run: &Run,
    path: &Path,
    data: &Data,
    observer: &mut dyn Observer,
) -> Result<Finished, Error> {
    // Side by side, a run has one thread unless it is given more.
    let config = Config { threads: run.config.threads.max(1), ..run.config.clone() };
    let begun = path.is_dir() && is_occupied(path).map_err(Error::file("read", path))?;
    if !begun {
        let folder = RunFolder::create(path)?;
        return start(&config, data, &folder, observer);
    }
    let folder = RunFolder::open(path)?;
    match Checkpoint::load(path) {
        Ok(checkpoint) => resume(checkpoint, &config, data, &folder, observer),
        Err(error) if error.is_no_run() => {
            restart(&folder)?;
            start(&config, data, &folder, observer)
        }
        Err(error) => Err(error),
    }
}

/// What each worker thread shares.
struct Worker<'a, W> {
    watcher: &'a W,
    failed: &'a AtomicBool,
}

impl<W: Watcher> Worker<'_, W> {
    fn stops(&self) -> bool {
        self.failed.load(Ordering::Relaxed) || self.watcher.stop()
    }
}

/// Passes the events of one run to the watcher of all.
struct Listener<'a, W> {
    run: &'a Run,
    worker: Worker<'a, W>,
    /// The epoch after which it stops.
    until: u32,
    /// Complete epochs.
    at: u32,
}

impl<W: Watcher> Observer for Listener<'_, W> {
    fn start(&mut self, plan: &Plan) {
        self.worker.watcher.began(self.run, plan);
    }

    fn epoch(&mut self, epoch: &Epoch, _best: bool) {
        self.at = epoch.epoch;
        self.worker.watcher.epoch(self.run, epoch);
    }

    fn stop(&mut self) -> bool {
        self.at >= self.until || self.worker.stops()
    }
}
