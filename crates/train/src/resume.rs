//! Resuming a run from its checkpoint, to the bytes of an uninterrupted run.

use std::time::Instant;

use chainrule_runs::folder::{CONFIG, MODEL};
use chainrule_runs::{RunFolder, Table};

use crate::checkpoint::Checkpoint;
use crate::observer::Observer;
use crate::run::{Best, Finished, Running};
use crate::setup::{engine, provenance, record, settle};
use crate::{Config, Data, Error, Prepared};

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
    let clock = Instant::now();
    let Checkpoint { state, model, velocity, second_moment, ema, best, normalization } = checkpoint;
    let out = folder.path();
    let refuse = |problem: String| Error::Resume { folder: out.to_owned(), problem };
    let config = settle(&config.resuming(&state.config), data, None)?;
    config.check_resumes(&state.config).map_err(|error| refuse(error.to_string()))?;
    let begun = state.at.epoch + u32::from(state.at.step > 0);
    if config.epochs < begun {
        return Err(refuse(format!("epochs is {}, and epoch {begun} has begun", config.epochs)));
    }
    let kernel = chainrule_tensor::Isa::from_environment()?;
    let (then, now) = (&state.provenance, provenance(data, kernel));
    if now.kernel != then.kernel {
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
    let mut prepared = Prepared::new(&config, &data.dataset, Some(normalization))?;
    let mut engine = engine(&config, &model, &prepared, kernel)?;
    engine.set_velocity(&velocity);
    if let Some(second_moment) = second_moment {
        engine.set_second_moment(&second_moment);
    }
    if let Some(ema) = ema {
        engine.set_ema(&ema);
    }
    engine.set_steps(state.at.iteration);
    prepared.whiten(&config, kernel, |step| observer.preparing(step))?;
    let settings = record(out, &config, then)?;
    let iterations = Table::cut_back(out, state.iterations_csv)?;
    let epochs = Table::cut_back(out, state.epochs_csv)?;
    let mut run = Running {
        iterations,
        epochs,
        record: chainrule_runs::Run::resumed(out, settings)?,
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
    run.save(&best, MODEL)?;
    run.best = Some(Best { model: best, epoch: state.best });
    if run.config != state.config {
        run.save_checkpoint()?; // or a kill would lose the new settings
    }
    observer.start(&run.plan());
    run.go_on(observer)
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
