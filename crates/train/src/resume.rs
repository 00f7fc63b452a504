//! Resuming a run from its checkpoint, to the bytes of an uninterrupted run.

use std::time::Instant;

use chainrule_runs::folder::{CONFIG, MODEL};
use chainrule_runs::{RunFolder, Table};

use crate::checkpoint::Checkpoint;
use crate::run::{Best, Finished, Observer, Running};
use crate::setup::{engine, provenance, record, settle};
use crate::{Config, Data, Error, Prepared};

/// Goes on with the run whose `checkpoint` was read from `folder`, to the very bytes of the run
/// that was never stopped, times aside. Of the settings, `config` may differ in the number of
/// epochs, and in what no result depends on.
///
/// # Errors
/// As [`run`], and [`Error::Resume`] if anything else differs from what the run began with.
pub fn resume(
    checkpoint: Checkpoint,
    config: &Config,
    data: &Data,
    folder: &RunFolder,
    observer: &mut dyn Observer,
) -> Result<Finished, Error> {
    let clock = Instant::now();
    let Checkpoint { state, model, velocity, squares, average, best, normalization } = checkpoint;
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
    if let Some(squares) = squares {
        engine.set_second_moment(&squares);
    }
    if let Some(average) = average {
        engine.set_ema(&average);
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
        out,
        at: state.at,
        clock,
        spent: state.spent,
        best: None,
        config,
    };
    // The file may hold the weights of an epoch of which this moment knows nothing.
    run.save(&best, MODEL)?;
    run.best = Some(Best { model: best, epoch: state.best });
    if run.config != state.config {
        run.save_checkpoint()?; // or a kill would lose what was asked for
    }
    observer.start(&run.plan());
    run.go_on(observer)
}

/// The settings of a run that was killed before its first checkpoint; what it had written beside
/// them is cleared away, so that it can begin anew.
///
/// # Errors
/// If this is no such run.
pub fn restart(folder: &RunFolder) -> Result<Config, Error> {
    if !folder.is_unbegun() {
        return Err(chainrule_runs::Error::NoRun(folder.path().to_owned()).into());
    }
    let config = Config::from_file(&folder.path().join(CONFIG))?;
    folder.clear_unbegun()?;
    Ok(config)
}
