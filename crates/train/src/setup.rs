//! A run before its first step: its settings, network, engine and images.

use std::collections::HashSet;
use std::path::Path;
use std::time::SystemTime;

use chainrule_nn::{Engine, SoftmaxClassifier};
use chainrule_runs::folder::{CONFIG, write_whole};
use chainrule_runs::{Provenance, RunFolder};
use chainrule_tensor::Kernel;
use serde::Serialize;
use toml::{Table, Value};

use crate::config::{ConfigError, OF_START};
use crate::origin::Sameness;
use crate::{
    Config, Data, Error, ModelFile, Origin, Prepared, Processes, machine, prepared, teacher,
};

/// Settles what depends on the data and the machine: the size of the sample's validation part,
/// the number of threads, and the widths of the weights to start from.
pub(crate) fn settle(
    config: &Config,
    data: &Data,
    start: Option<&ModelFile>,
    processes: usize,
) -> Result<Config, ConfigError> {
    let mut config = config.clone();
    config.validation = data.validation(config.validation);
    if data.is_sample() {
        config.data = crate::config::DataChoice::Sample;
    }
    config.threads = machine::threads(config.threads);
    config.batch_size = data.batch_size(config.batch_size, config.validation);
    if let Some(start) = start {
        config = starting_from(start, config)?;
    }
    config.check()?;
    let (images, inputs) = (data.dataset.train.len(), data.dataset.train.dim());
    config.check_with_data(images, inputs, data.dataset.train.classes(), processes)?;
    Ok(config)
}

/// The settings with those that the weights to start from decide, each of which must be theirs or its
/// default.
fn starting_from(start: &ModelFile, config: Config) -> Result<Config, ConfigError> {
    let (widths, units) = (start.classifier.widths(), start.classifier.hidden());
    let started = Config {
        hidden_dim: widths[1..widths.len() - 1].to_vec(),
        activation: units.activation,
        norm: units.norm,
        contrast: start.normalization.contrast().copied(),
        ..config.clone()
    };
    let tables = [&config, &started, &Config::default()].map(Config::to_table);
    let values = |key| {
        let text = |table: &Table| table.get(key).map_or("none".to_owned(), Value::to_string);
        tables.each_ref().map(text)
    };
    for key in OF_START {
        let [asked, theirs, default] = values(key);
        if ![theirs.as_str(), &default].contains(&asked.as_str()) {
            return Err(ConfigError::new(format!(
                "{key} is {asked}, and the weights to start from have {theirs}: leave it out"
            )));
        }
    }
    for key in ["normalize", "weight_scale"] {
        let [asked, _, default] = values(key);
        if asked != default {
            return Err(ConfigError::new(format!(
                "{key} and init_from do not go together: the weights to start from are not drawn, and \
                 have a mean and deviation of the images: leave it out"
            )));
        }
    }
    Ok(started)
}

/// The networks that a run reads before its first step.
pub(crate) struct Networks {
    /// The weights to start from, if the run starts from any.
    pub start: Option<ModelFile>,
    /// The network to learn from, if there is one.
    pub teacher: Option<ModelFile>,
}

/// The settings as each of so many `processes` will use them, and the networks that the run reads.
///
/// # Errors
/// A setting that cannot work, alone or with these images.
pub(crate) fn settled(
    config: &Config,
    data: &Data,
    processes: usize,
) -> Result<(Config, Networks), Error> {
    config.check()?;
    let start = config.init_from.as_deref().map(ModelFile::load).transpose()?;
    // The weights were trained on the images of their run, some of which may be test images here.
    let origin = config.init_from.as_deref().map(Origin::of).transpose()?.flatten();
    let origin = origin.filter(|_| !config.allow_other_images);
    origin.as_ref().map_or(Ok(()), |origin| origin.check(data))?;
    let config = settle(config, data, start.as_ref(), processes)?;
    origin.map_or(Ok(()), |origin| check_validation(&config, &origin, data))?;
    let teacher = teacher::open(&config, data)?;
    let images = &data.dataset.train;
    if let (Some(start), Some(path)) = (&start, &config.init_from) {
        start.check_images(path, images)?;
    }
    config.augmentation().check(images)?;
    Ok((config, Networks { start, teacher }))
}

/// Refuses to validate on images that the weights to start from were trained on: they would be the best
/// weights of the run.
fn check_validation(config: &Config, origin: &Origin, data: &Data) -> Result<(), Error> {
    if origin.compare(data) != Sameness::Same {
        return Ok(());
    }
    let known: HashSet<u32> = origin.split(data)?.train.into_iter().collect();
    let own = prepared::split(config, data.dataset.train.len())?.validation;
    let seen = own.iter().filter(|&row| known.contains(row)).count();
    if seen == 0 {
        return Ok(());
    }
    let theirs = &origin.config;
    Err(ConfigError::new(format!(
        "{seen} of the {} validation images are among those that the weights to start from were \
         trained on: give split_seed = {} and validation = {} as their run had, or allow_other_images",
        own.len(),
        theirs.split_seed.unwrap_or(theirs.seed),
        theirs.validation
    ))
    .into())
}

/// A network before its first step, and the images that it is to learn.
pub(crate) struct Ready<'a> {
    /// The settings, as they will be used.
    pub config: Config,
    pub model: SoftmaxClassifier,
    pub engine: Engine,
    pub prepared: Prepared<'a>,
}

/// Makes the network and the images that `config` describes, and reports each stage to
/// `progress`.
pub(crate) fn ready<'a>(
    config: &Config,
    data: &'a Data,
    progress: impl FnMut(&str),
) -> Result<Ready<'a>, Error> {
    let alone = Processes::default();
    let (config, networks) = settled(config, data, alone.count())?;
    prepare(&alone, config, networks, data, progress)
}

/// [`ready`], of settings that are [`settled`] already.
pub(crate) fn prepare<'a>(
    processes: &Processes,
    config: Config,
    Networks { start, teacher }: Networks,
    data: &'a Data,
    progress: impl FnMut(&str),
) -> Result<Ready<'a>, Error> {
    let images = &data.dataset.train;
    let (model, normalization) = match start {
        Some(ModelFile { classifier, normalization, .. }) => (classifier, Some(normalization)),
        None => (config.classifier(images.dim(), images.classes())?, None),
    };
    let kernel = Kernel::from_environment(config.precision)?;
    let mut prepared = Prepared::new(&config, &data.dataset, normalization)?;
    let engine = engine(processes, &config, &model, &prepared, kernel)?;
    prepared.whiten(&config, kernel.isa(), progress)?;
    prepared.set_teacher(&config, teacher.as_ref(), kernel.isa())?;
    Ok(Ready { config, model, engine, prepared })
}

/// The engine that trains `model` on the training part of these images, as `config` says.
pub(crate) fn engine(
    processes: &Processes,
    config: &Config,
    model: &SoftmaxClassifier,
    prepared: &Prepared,
    kernel: Kernel,
) -> Result<Engine, Error> {
    let group = processes.group(config.threads)?;
    let mut engine = Engine::on_group(model, config.batch_size, group, kernel);
    engine.set_regularization(config.regularization());
    engine.set_class_weights(prepared.class_weights(config).as_deref());
    engine.set_ema_decay(config.ema_decay);
    engine.set_clip_norm(config.clip_norm);
    engine.set_detect_anomaly(config.detect_anomaly);
    Ok(engine)
}

/// Writes the settings of a run into its folder before its images are read, so that it can be
/// resumed however early it is killed. [`start`](crate::start) adds where it ran, and on which images.
///
/// # Errors
/// If they cannot be written.
pub fn announce(config: &Config, folder: &RunFolder) -> Result<(), Error> {
    record(folder.path(), config, None).map(drop)
}

/// Writes `config.toml`, and returns its text.
///
/// # Errors
/// If it cannot be written.
pub(crate) fn record(
    out: &Path,
    config: &Config,
    provenance: Option<&Provenance>,
) -> Result<String, Error> {
    let recorded = toml::to_string(&Recorded { config, provenance })
        .map_err(|error| ConfigError::new(format!("config.toml cannot hold a setting: {error}")))?;
    write_whole(&out.join(CONFIG), recorded.as_bytes())?;
    Ok(recorded)
}

/// `config.toml`: the settings and, once the images are known, the provenance.
#[derive(Serialize)]
struct Recorded<'a> {
    #[serde(flatten)]
    config: &'a Config,
    #[serde(skip_serializing_if = "Option::is_none")]
    provenance: Option<&'a Provenance>,
}

/// The provenance of a run on these images that begins now.
pub(crate) fn provenance(data: &Data, kernel: Kernel) -> Provenance {
    Provenance {
        chainrule: env!("CARGO_PKG_VERSION").into(),
        commit: env!("CHAINRULE_COMMIT").into(),
        started: machine::time(SystemTime::now()),
        processor: machine::processor(),
        cores: machine::cores(),
        kernel: kernel.to_string(),
        data: data.source.clone(),
        data_sha256: data.sha256(),
        train_images: Some(data.dataset.train.len()),
        test_images: Some(data.dataset.test.len()),
        teacher_sha256: None,
        members: vec![],
    }
}
