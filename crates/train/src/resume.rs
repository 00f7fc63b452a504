//! Resuming a run from its checkpoint, to the bytes of an uninterrupted run.

use std::path::Path;
use std::time::Instant;

use chainrule_runs::folder::{CONFIG, LAST, MODEL};
use chainrule_runs::{ClassMetrics, Confusion, Record, RunFolder, Summary, Table};
use chainrule_tensor::Kernel;

use crate::checkpoint::{Checkpoint, State};
use crate::observer::Observer;
use crate::run::{Best, Files, Finished, Running};
use crate::setup::{self, engine, provenance, settle};
use crate::{Config, Data, Error, Origin, Prepared, Processes, teacher};

/// Resumes the run whose `checkpoint` was read from `folder`. Its files get the bytes of an
/// uninterrupted run, but for times. `config` may differ from the run's in the number of epochs and
/// in settings on which no result depends.
///
/// # Errors
/// As [`run`](fn@crate::run), and [`Error::Resume`] if anything else differs from what the run began with.
pub fn resume(
    checkpoint: Checkpoint,
    config: &Config,
    data: &Data,
    folder: &RunFolder,
    observer: &mut dyn Observer,
) -> Result<Finished, Error> {
    let alone = Processes::default();
    let finished = resume_on(&alone, checkpoint, config, data, folder.path(), observer)?;
    Ok(finished.expect("there is no other process"))
}

/// [`resume`] in one of several processes, as [`start_on`](crate::start_on): each has the checkpoint.
///
/// # Errors
/// As [`resume`], in all processes, and [`Error::Elsewhere`] if another process has failed.
pub fn resume_on(
    processes: &Processes,
    checkpoint: Checkpoint,
    config: &Config,
    data: &Data,
    out: &Path,
    observer: &mut dyn Observer,
) -> Result<Option<Finished>, Error> {
    let clock = Instant::now();
    let Checkpoint { state, model, velocity, second_moment, ema, best, normalization } = checkpoint;
    let refuse = |problem: String| Error::Resume { folder: out.to_owned(), problem };
    let resuming = processes.with_threads(config.resuming(&state.config));
    let then = &state.provenance;
    let settled = || {
        let config = settle(&resuming, data, None, processes.count())?;
        config
            .check_resumes(&state.config, state.at.iteration)
            .map_err(|error| refuse(error.to_string()))?;
        let begun = state.at.epoch + u32::from(state.at.step > 0);
        if config.epochs < begun {
            return Err(refuse(format!(
                "epochs is {}, and epoch {begun} has begun",
                config.epochs
            )));
        }
        let kernel = Kernel::from_environment(config.precision)?;
        let now = provenance(data, kernel);
        if !Kernel::round_alike(&now.kernel, &then.kernel) {
            return Err(refuse(format!(
                "it began with {} kernels, and these are {}, which round differently; set {}={} where \
                 the processor has them",
                then.kernel,
                now.kernel,
                chainrule_tensor::isa::VARIABLE,
                then.kernel
            )));
        }
        if now.data_sha256 != then.data_sha256 {
            return Err(refuse(format!(
                "it began with images whose SHA-256 is {}, and that of these is {}",
                then.data_sha256, now.data_sha256
            )));
        }
        let teacher = teacher::open(&config, data)?;
        if let (Some(teacher), Some(path)) = (&teacher, &config.teacher) {
            let (then, now) = (then.teacher_sha256.as_deref(), teacher::sha256(teacher));
            teacher::check_same(path, then, &now).map_err(refuse)?;
        }
        Ok((config, kernel, now, teacher))
    };
    let (config, kernel, now, teacher) = processes.agree(settled())?;
    processes.check(&config, &now, &model, kernel)?;
    let ready = || {
        let mut prepared = Prepared::new(&config, &data.dataset, Some(normalization))?;
        check_position(&state, prepared.split.train.len()).map_err(refuse)?;
        let engine = engine(processes, &config, &model, &prepared, kernel)?;
        prepared.whiten(&config, kernel.isa(), |step| observer.preparing(step))?;
        prepared.set_teacher(&config, teacher.as_ref(), kernel.isa())?;
        Ok((prepared, engine))
    };
    let (prepared, mut engine) = processes.agree::<_, Error>(ready())?;
    engine.set_velocity(&velocity);
    drop((model, velocity)); // the engine has its own copies
    if let Some(second_moment) = second_moment {
        engine.set_second_moment(&second_moment);
    }
    if let Some(ema) = ema {
        engine.set_ema(&ema);
    }
    engine.set_steps(state.at.iteration);
    let (mut record, mut files) = (chainrule_runs::Run::default(), None);
    processes.first_alone(|| {
        let settings = setup::record(out, &config, Some(then))?;
        if !config.is_over(state.at, state.best.epoch) {
            Summary::set_aside(out)?; // it is of other weights than the run will have
        }
        let iterations = Table::cut_back(out, state.iterations_csv)?;
        files = Some(Files { iterations, epochs: Table::cut_back(out, state.epochs_csv)? });
        record = chainrule_runs::Run::resumed(out, settings)?;
        Ok(())
    })?;
    let mut run = Running {
        processes,
        files,
        record,
        rates: prepared.rates(&config).standing_at(state.plateau),
        engine,
        prepared,
        provenance: state.provenance,
        duplicates_across: data.duplicates.across,
        out,
        at: state.at,
        clock,
        spent: state.spent,
        best: None,
        config,
    };
    // The file may hold the weights of an epoch after the checkpoint.
    processes.first_alone(|| run.save(&best, MODEL))?;
    run.best = Some(Best { model: best, epoch: state.best });
    if run.config != state.config {
        run.save_checkpoint()?; // or a kill would lose the new settings
    }
    observer.start(&run.plan());
    run.go_on(observer)
}

/// Whether a run on so many training images can be where its checkpoint says.
fn check_position(State { at, best, config, .. }: &State, images: usize) -> Result<(), String> {
    let steps = images.div_ceil(config.batch_size) as u64;
    let (epoch, step) = (u64::from(at.epoch), at.step as u64);
    let fits = step < steps && at.iteration <= epoch * steps + step && best.epoch <= at.epoch;
    fits.then_some(()).ok_or_else(|| {
        format!(
            "its checkpoint is of step {step} after epoch {epoch}, iteration {}, with the best weights \
             of epoch {}, and an epoch of {images} images has {steps} steps: it is damaged",
            at.iteration, best.epoch
        )
    })
}

/// What a folder holds of a run that is to begin there, or to go on.
#[derive(Debug)]
pub enum Found {
    /// Nothing that could go on: the run begins.
    Nothing,
    /// A run that goes on from here.
    Begun(Box<Checkpoint>),
    /// A run that is complete, with all its tables and weights.
    Finished(Box<Summary>),
}

/// Looks for the run of `config` in `folder`. What a process left that was killed before the first
/// checkpoint is removed.
///
/// # Errors
/// [`Error::OtherRun`] if the run there has other settings; if the folder holds anything else; or if
/// a file cannot be read.
pub fn look(folder: &RunFolder, config: &Config) -> Result<Found, Error> {
    let out = folder.path();
    let same = |begun: &Config, images: Option<usize>| {
        let folder = out.to_owned();
        let other = |difference| Error::OtherRun { folder, difference };
        config.check_same_run(begun, images).map_err(other)
    };
    // Other images are told apart when they are read.
    let is_on = |begun: &Config| begun.data == config.data;
    match Checkpoint::load(out) {
        Ok(checkpoint) => {
            let state = &checkpoint.state;
            same(&state.config, state.provenance.train_images)?;
            let is_over = state.config.is_over(state.at, state.best.epoch);
            let summary = finished(out)?.filter(|end| {
                is_over && is_on(&state.config) && end.iterations == state.at.iteration
            });
            return Ok(match summary {
                Some(summary) => Found::Finished(summary.into()),
                None => Found::Begun(checkpoint.into()),
            });
        }
        Err(error) if error.is_no_run() => {}
        Err(error) => return Err(error),
    }
    let Some(origin) = Origin::of(out)? else {
        return match folder.is_occupied()? {
            false => Ok(Found::Nothing),
            true => Err(chainrule_runs::Error::FolderTaken(out.to_owned()).into()),
        };
    };
    same(&origin.config, origin.train_images())?;
    // Whoever is short of disk removes the checkpoint of a run that has ended.
    if let Some(summary) = finished(out)?.filter(|_| is_on(&origin.config)) {
        return Ok(Found::Finished(summary.into()));
    }
    folder.clear_unbegun()?;
    Ok(Found::Nothing)
}

/// The result of the run in this folder, if it and all its tables and weights are there.
fn finished(out: &Path) -> Result<Option<Summary>, Error> {
    let names = [MODEL, LAST, Confusion::FILE, ClassMetrics::FILE];
    let all = names.iter().all(|name| out.join(name).is_file());
    Ok(Summary::read(out)?.filter(|_| all))
}

/// The settings of a run that was killed before its first checkpoint. Its other files are removed,
/// so that it can start again.
///
/// # Errors
/// If the folder holds no such run.
pub fn restart(folder: &RunFolder) -> Result<Config, Error> {
    if !folder.is_unbegun() {
        return Err(chainrule_runs::Error::NoRun(folder.path().to_owned()).into());
    }
    let config = Config::from_file(&folder.path().join(CONFIG))?;
    folder.clear_unbegun()?;
    Ok(config)
}
