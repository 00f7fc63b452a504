//! The loop: epochs of minibatches, accuracy after each, the best weights kept, the test.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use chainrule_data::{Changes, Dataset, sample};
use chainrule_nn::{Engine, SoftmaxClassifier, Step};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::checkpoint::{Checkpoint, State};
use crate::config::ConfigError;
use crate::folder::RunFolder;
use crate::schedule::LearningRates;
use crate::update_ratio::update_ratios;
use crate::{
    Config, Error, ModelFile, Predictor, Prepared, Task, confusion, folder, machine, tensors,
};

/// The images of a run, and where they came from.
pub struct Data {
    /// The images.
    pub dataset: Dataset,
    /// Where they came from, for the run's files: "CIFAR-10", "sample", or the name of the set.
    pub source: String,
}

impl Data {
    /// The images that are part of the program.
    pub fn sample() -> Data {
        Data { dataset: sample::read(), source: "sample".into() }
    }

    /// How many images validate where `asked` were asked for: so many, but of a set of which the
    /// usual number would be more than half, a tenth.
    pub fn validation(&self, asked: usize) -> usize {
        let n = self.dataset.train.len();
        let is_usual = asked == Config::default().validation;
        if is_usual && asked > n / 2 { (n / 10).max(1) } else { asked }
    }

    /// SHA-256 over labels and pixels of all training, then all test images, in hexadecimal.
    pub fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        for images in [&self.dataset.train, &self.dataset.test] {
            hash.update(images.labels());
            hash.update(images.pixels());
        }
        tensors::hexadecimal(hash)
    }

    /// Whether these are the images that are part of the program.
    pub fn is_sample(&self) -> bool {
        self.source == "sample"
    }
}

/// What a run is about to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The settings, as they will be used.
    pub config: Config,
    /// Steps that lie behind it: 0, but for a run that goes on.
    pub begun: u64,
    /// Steps of the whole run.
    pub iterations: u64,
    /// Values of an image.
    pub inputs: usize,
    /// Classes that are told apart.
    pub classes: usize,
    /// Images to train on.
    pub training: usize,
    /// Images to choose the best weights by.
    pub validation: usize,
    /// Images to test with.
    pub test: usize,
    /// Number of weights and biases.
    pub parameters: usize,
    /// The kernels in use.
    pub kernel: String,
}

/// One step: a line of `iterations.csv`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Iteration {
    /// From 1.
    pub iteration: u64,
    /// From 1.
    pub epoch: u32,
    /// Mean cross-entropy of the minibatch plus ½ λ Σ W², before the step.
    pub loss: f32,
    /// Step size.
    pub learning_rate: f64,
    /// Speed of this step.
    pub images_per_second: f32,
    /// Norm of the gradient over all weights and biases, without the penalty's part and before it
    /// is clipped; taken only if `clip_norm` is set.
    pub gradient_norm: Option<f64>,
}

/// The state at iteration 0 or after an epoch: a line of `epochs.csv`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// From 0, before the first step.
    pub epoch: u32,
    /// Steps taken.
    pub iteration: u64,
    /// Mean cross-entropy over all training images.
    pub train_loss: f32,
    /// From 0 to 1.
    pub train_accuracy: f64,
    /// Mean cross-entropy over all validation images; NaN if there are none.
    pub validation_loss: f32,
    /// From 0 to 1; NaN if there are none.
    pub validation_accuracy: f64,
    /// Step size of the last step; of the first, at iteration 0.
    pub learning_rate: f64,
    /// Since the run began.
    pub seconds: f64,
}

/// The result of a run: `summary.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Of the weights that were best on validation, from 0 to 1.
    pub test_accuracy: f64,
    /// Whether that is with the mirror image of each image beside it ([`crate::flips`]).
    #[serde(default)]
    pub test_flips: bool,
    /// If so, the accuracy on the images alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_accuracy_plain: Option<f64>,
    /// Mean cross-entropy of the same weights over the test images.
    pub test_loss: f64,
    /// Of the same weights.
    pub validation_accuracy: f64,
    /// Of the same weights.
    pub train_accuracy: f64,
    /// The epoch after which these weights were found; 0 is before the first step.
    pub best_epoch: u32,
    /// Steps taken.
    pub iterations: u64,
    /// Epochs begun.
    pub epochs: u32,
    /// The whole run, evaluation included.
    pub seconds: f64,
    /// Of the training steps alone.
    pub images_per_second: f64,
    /// Widths of the hidden layers.
    pub hidden_dim: Vec<usize>,
    /// The seed.
    pub seed: u64,
    /// Threads used.
    pub threads: usize,
    /// Kernels used.
    pub kernel: String,
    /// "CIFAR-10", "sample", or the name of the set.
    pub data: String,
}

/// Hears how far a run has come.
///
/// ```
/// use chainrule_train::{Config, Data, Error, Observer, run};
///
/// # let folder = tempfile::tempdir()?;
/// # let out = folder.path().join("run");
/// # let config = Config { hidden_dim: vec![], epochs: 1, threads: 1, ..Config::default() };
/// /// Asks the run to stop after its first step.
/// struct Impatient;
///
/// impl Observer for Impatient {
///     fn stop(&mut self) -> bool {
///         true
///     }
/// }
///
/// let stopped = run(&config, &Data::sample(), &out, &mut Impatient).unwrap_err();
/// assert!(matches!(stopped, Error::Stopped { .. })); // with a checkpoint
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Observer: Send {
    /// The images are being prepared: what is done to them, a line for people.
    fn preparing(&mut self, _step: &str) {}
    /// The run is about to begin.
    fn start(&mut self, _plan: &Plan) {}
    /// A step was taken.
    fn iteration(&mut self, _iteration: &Iteration) {}
    /// An epoch has ended, or (epoch 0) the first is about to begin. `best`: no epoch before did
    /// as well on validation.
    fn epoch(&mut self, _epoch: &Epoch, _best: bool) {}
    /// Asked after each step: whether to write a checkpoint and stop here. Once true it must stay
    /// true.
    fn stop(&mut self) -> bool {
        false
    }
}

/// Hears nothing.
pub struct Quiet;

impl Observer for Quiet {}

/// `config.toml`: the settings, and where they came to what.
#[derive(Serialize)]
struct Recorded<'a> {
    #[serde(flatten)]
    config: &'a Config,
    provenance: &'a Provenance,
}

/// What it takes, beside the settings, to get the same bits again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// The version of this program.
    pub chainrule: String,
    /// The commit that it was built from, where that is known; `+` if the source was changed.
    pub commit: String,
    /// When the run began, in UTC.
    pub started: String,
    /// The processor's name.
    pub processor: String,
    /// Its cores.
    pub cores: usize,
    /// The kernels in use.
    pub kernel: String,
    /// "CIFAR-10", "sample", or the name of the set.
    pub data: String,
    /// SHA-256 over labels and pixels of all training, then all test images.
    pub data_sha256: String,
    /// Images to train on, those for validation among them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_images: Option<usize>,
    /// Images to test with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_images: Option<usize>,
}

impl Provenance {
    fn of(data: &Data, kernel: chainrule_tensor::Isa) -> Self {
        Self {
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
        }
    }
}

/// Settles what depends on the data and the machine: the size of the sample's validation part,
/// the number of threads, and the widths of the weights to start from.
fn settle(config: &Config, data: &Data, start: Option<&ModelFile>) -> Result<Config, ConfigError> {
    let mut config = config.clone();
    config.validation = data.validation(config.validation);
    if data.is_sample() {
        config.data = crate::config::DataChoice::Sample;
    }
    config.threads = machine::threads(config.threads);
    if let Some(start) = start {
        let widths = start.classifier.widths();
        let hidden = widths[1..widths.len() - 1].to_vec();
        if ![&hidden, &Config::default().hidden_dim].contains(&&config.hidden_dim) {
            return Err(ConfigError::new(format!(
                "hidden_dim is {:?}, and the weights to start from have {hidden:?}: leave it out",
                config.hidden_dim
            )));
        }
        config.hidden_dim = hidden;
        let contrast = start.normalization.contrast().copied();
        if config.contrast.is_some() && config.contrast != contrast {
            return Err(ConfigError::new(
                "contrast is not that of the weights to start from, which know their own: leave it \
                 out",
            ));
        }
        config.contrast = contrast;
    }
    config.check()?;
    let (images, inputs) = (data.dataset.train.len(), data.dataset.train.dim());
    config.check_with_data(images, inputs, data.dataset.train.classes())?;
    Ok(config)
}

/// The settings as they will be used, and the weights to start from, if the run starts from any.
///
/// # Errors
/// A setting that cannot work, alone or with these images.
pub(crate) fn settled(config: &Config, data: &Data) -> Result<(Config, Option<ModelFile>), Error> {
    config.check()?;
    let start = config.init_from.as_deref().map(ModelFile::load).transpose()?;
    let config = settle(config, data, start.as_ref())?;
    let images = &data.dataset.train;
    if let (Some(start), Some(path)) = (&start, &config.init_from) {
        start.check_images(path, images)?;
    }
    config.augmentation().check(images)?;
    Ok((config, start))
}

/// A network before its first step, and the images that it is to learn.
pub(crate) struct Ready<'a> {
    /// The settings, as they will be used.
    pub config: Config,
    pub model: SoftmaxClassifier,
    pub engine: Engine,
    pub prepared: Prepared<'a>,
}

/// Makes the network and the images ready that `config` describes, and tells `progress` what is
/// done to them.
pub(crate) fn ready<'a>(
    config: &Config,
    data: &'a Data,
    progress: impl FnMut(&str),
) -> Result<Ready<'a>, Error> {
    let (config, start) = settled(config, data)?;
    let images = &data.dataset.train;
    let (model, normalization) = match start {
        Some(ModelFile { classifier, normalization, .. }) => (classifier, Some(normalization)),
        None => (config.classifier(images.dim(), images.classes())?, None),
    };
    let kernel = chainrule_tensor::Isa::from_environment()?;
    let engine = engine(&config, &model, kernel)?;
    let mut prepared = Prepared::new(&config, &data.dataset, normalization)?;
    prepared.whiten(&config, kernel, progress)?;
    Ok(Ready { config, model, engine, prepared })
}

/// Trains as `config` says and fills the folder `out`, which must not exist or be empty.
///
/// # Errors
/// A setting that cannot work, a file that cannot be written, or a loss that is no longer finite;
/// what was written until then stays. [`Error::Stopped`] if the observer asked for it.
pub fn run(
    config: &Config,
    data: &Data,
    out: &Path,
    observer: &mut dyn Observer,
) -> Result<Summary, Error> {
    start(config, data, &RunFolder::create(out)?, observer)
}

/// [`run`] in a folder that is held already.
///
/// # Errors
/// As [`run`].
pub fn start(
    config: &Config,
    data: &Data,
    folder: &RunFolder,
    observer: &mut dyn Observer,
) -> Result<Summary, Error> {
    let clock = Instant::now();
    let ready = ready(config, data, |step| observer.preparing(step))?;
    let Ready { config, model, engine, prepared } = ready;
    let provenance = Provenance::of(data, engine.isa());
    let out = folder.path();
    record(out, &config, &provenance)?;
    let layers = model.depth();
    let mut run = Running {
        iterations: Table::create(out.join("iterations.csv"), &ITERATION_COLUMNS)?,
        epochs: Table::create(out.join("epochs.csv"), &epoch_columns(layers))?,
        engine,
        rates: prepared.rates(&config),
        prepared,
        provenance,
        out,
        at: Position { epoch: 0, step: 0, iteration: 0 },
        clock,
        spent: Spent::default(),
        best: None,
        config,
    };
    observer.start(&run.plan());
    run.end_epoch(observer)?;
    run.save_checkpoint()?;
    run.go_on(observer)
}

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
) -> Result<Summary, Error> {
    let clock = Instant::now();
    let Checkpoint { state, model, velocity, squares, average, best, normalization } = checkpoint;
    let out = folder.path();
    let refuse = |problem: String| Error::Resume { folder: out.to_owned(), problem };
    let config = settle(config, data, None)?;
    config.check_resumes(&state.config).map_err(|error| refuse(error.to_string()))?;
    let begun = state.at.epoch + u32::from(state.at.step > 0);
    if config.epochs < begun {
        return Err(refuse(format!("epochs is {}, and epoch {begun} has begun", config.epochs)));
    }
    let kernel = chainrule_tensor::Isa::from_environment()?;
    let (then, now) = (&state.provenance, Provenance::of(data, kernel));
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
    let mut engine = engine(&config, &model, kernel)?;
    engine.set_velocity(&velocity);
    if let Some(squares) = squares {
        engine.set_squares(&squares);
    }
    if let Some(average) = average {
        engine.set_averaged(&average);
    }
    engine.set_steps(state.at.iteration);
    let mut prepared = Prepared::new(&config, &data.dataset, Some(normalization))?;
    prepared.whiten(&config, kernel, |step| observer.preparing(step))?;
    if config != state.config {
        record(out, &config, then)?;
    }
    let mut run = Running {
        iterations: Table::cut_back(out.join("iterations.csv"), state.iterations_csv)?,
        epochs: Table::cut_back(out.join("epochs.csv"), state.epochs_csv)?,
        engine,
        rates: prepared.rates(&config).standing_at(state.plateau),
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
    run.save(&best, "model.safetensors")?;
    run.best = Some(Best { model: best, epoch: state.best });
    observer.start(&run.plan());
    run.go_on(observer)
}

pub(crate) fn engine(
    config: &Config,
    model: &SoftmaxClassifier,
    kernel: chainrule_tensor::Isa,
) -> Result<Engine, Error> {
    let mut engine = Engine::with_isa(model, config.batch_size, config.threads, kernel)?;
    engine.set_regularization(config.regularization());
    engine.set_average(config.average);
    engine.set_clip_norm(config.clip_norm);
    engine.set_watch(config.watch);
    Ok(engine)
}

/// Writes `config.toml`.
fn record(out: &Path, config: &Config, provenance: &Provenance) -> Result<(), Error> {
    let recorded = toml::to_string(&Recorded { config, provenance })
        .map_err(|error| ConfigError::new(format!("config.toml cannot hold a setting: {error}")))?;
    folder::write_whole(&out.join("config.toml"), recorded.as_bytes())
}

const ITERATION_COLUMNS: [&str; 6] =
    ["iteration", "epoch", "loss", "learning_rate", "images_per_second", "gradient_norm"];

/// The columns of `epochs.csv` for a network of so many layers.
fn epoch_columns(layers: usize) -> Vec<String> {
    let columns = [
        "epoch",
        "iteration",
        "train_loss",
        "train_accuracy",
        "validation_loss",
        "validation_accuracy",
        "learning_rate",
        "seconds",
    ];
    let ratios = (1..=layers).map(|layer| format!("fc{layer}_update_ratio"));
    columns.map(String::from).into_iter().chain(ratios).collect()
}

/// A CSV file that is being written, a record at a time.
struct Table {
    path: PathBuf,
    csv: csv::Writer<BufWriter<File>>,
}

impl Table {
    fn create(path: PathBuf, columns: &[impl AsRef<str>]) -> Result<Table, Error> {
        let file = File::create_new(&path).map_err(Error::file("create", &path))?;
        let mut table = Table::of(path, file);
        let header = table.csv.write_record(columns.iter().map(AsRef::as_ref));
        header.map_err(Error::csv(&table.path))?;
        Ok(table)
    }

    /// Opens a table to go on after its first `length` bytes. What a killed process wrote after
    /// them, half a line perhaps, is cut off.
    fn cut_back(path: PathBuf, length: u64) -> Result<Table, Error> {
        let open = || -> std::io::Result<(File, bool)> {
            let mut file = OpenOptions::new().read(true).write(true).open(&path)?;
            // A link would let a stranger's folder shorten any file of ours.
            let whole = path.symlink_metadata()?.is_file() && file.metadata()?.len() >= length;
            let mut last = [0];
            if whole && length > 0 {
                file.seek(SeekFrom::Start(length - 1))?;
                file.read_exact(&mut last)?;
            }
            Ok((file, last == [b'\n']))
        };
        let (mut file, fits) = open().map_err(Error::file("open", &path))?;
        if !fits {
            let problem = format!(
                "it is not the table that the checkpoint was written with: no line ends at byte \
                 {length}"
            );
            return Err(Error::Model { path, problem });
        }
        let cut = file.set_len(length).and_then(|()| file.seek(SeekFrom::End(0)));
        cut.map_err(Error::file("write", &path))?;
        Ok(Table::of(path, file))
    }

    fn of(path: PathBuf, file: File) -> Table {
        let csv = csv::WriterBuilder::new().has_headers(false).from_writer(BufWriter::new(file));
        Table { path, csv }
    }

    fn write(&mut self, record: impl Serialize) -> Result<(), Error> {
        self.csv.serialize(record).map_err(Error::csv(&self.path))
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.csv.flush().map_err(Error::file("write", &self.path))
    }

    /// Puts all records on the disk, and says how many bytes they are.
    fn sync(&mut self) -> Result<u64, Error> {
        self.flush()?;
        let file = self.csv.get_ref().get_ref();
        let length = file.sync_data().and_then(|()| file.metadata());
        Ok(length.map_err(Error::file("write", &self.path))?.len())
    }
}

/// How far a run has come: the steps of epochs that are over, and of the one after them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Epochs that are over.
    pub epoch: u32,
    /// Steps taken in the epoch after them.
    pub step: usize,
    /// Steps taken in all.
    pub iteration: u64,
}

/// What a run took so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spent {
    /// Seconds of the processes before this one.
    pub seconds: f64,
    /// Seconds of the training steps alone.
    pub training_seconds: f64,
    /// Images that these steps took.
    pub training_images: usize,
}

/// The best weights so far, and how they did.
struct Best {
    model: SoftmaxClassifier,
    epoch: Epoch,
}

/// A run under way.
struct Running<'a> {
    config: Config,
    engine: Engine,
    prepared: Prepared<'a>,
    rates: LearningRates,
    provenance: Provenance,
    out: &'a Path,
    iterations: Table,
    epochs: Table,
    at: Position,
    clock: Instant,
    spent: Spent,
    best: Option<Best>,
}

impl Running<'_> {
    fn plan(&self) -> Plan {
        let config = &self.config;
        let training = self.prepared.split.train.len();
        let steps = training.div_ceil(config.batch_size) as u64 * u64::from(config.epochs);
        Plan {
            begun: self.at.iteration,
            iterations: steps.min(self.most()),
            inputs: self.prepared.dataset.train.dim(),
            classes: self.prepared.dataset.train.classes(),
            training,
            validation: self.prepared.split.validation.len(),
            test: self.prepared.dataset.test.len(),
            parameters: self.engine.model().parameters().len(),
            kernel: self.provenance.kernel.clone(),
            config: config.clone(),
        }
    }

    /// Most steps that may be taken.
    fn most(&self) -> u64 {
        self.config.max_steps.unwrap_or(u64::MAX)
    }

    fn seconds(&self) -> f64 {
        self.spent.seconds + self.clock.elapsed().as_secs_f64()
    }

    /// Trains what is left, and tests.
    fn go_on(mut self, observer: &mut dyn Observer) -> Result<Summary, Error> {
        while self.at.epoch < self.config.epochs && self.at.iteration < self.most() && self.hopes()
        {
            if observer.stop() {
                return Err(self.stopped());
            }
            self.train_epoch(observer)?;
            self.at = Position { epoch: self.at.epoch + 1, step: 0, ..self.at };
            self.end_epoch(observer)?;
            self.save_checkpoint()?;
        }
        self.finish()
    }

    /// Whether the best epoch is not so long ago that it is time to stop.
    fn hopes(&self) -> bool {
        let waited = self.at.epoch - self.best().epoch.epoch;
        self.config.patience.is_none_or(|patience| waited < patience)
    }

    fn stopped(&self) -> Error {
        Error::Stopped { iteration: self.at.iteration, folder: self.out.to_owned() }
    }

    /// Takes the steps of the epoch under way that are left, with a checkpoint wherever one is due.
    fn train_epoch(&mut self, observer: &mut dyn Observer) -> Result<(), Error> {
        let epoch = self.at.epoch + 1;
        let batch = self.config.batch_size;
        let (mut order, changes) = self.prepared.epoch(&self.config, epoch)?;
        let steps = self.most() - (self.at.iteration - self.at.step as u64);
        order.truncate(usize::try_from(steps).unwrap_or(usize::MAX).saturating_mul(batch));
        loop {
            self.train(&order[self.at.step * batch..], changes.as_ref(), epoch, observer)?;
            if self.at.step * batch >= order.len() {
                return Ok(()); // the end of an epoch has a checkpoint of its own
            }
            self.save_checkpoint()?;
            if observer.stop() {
                return Err(self.stopped());
            }
        }
    }

    /// Takes steps until `order` is at its end, a checkpoint is due or the observer wants to stop.
    fn train(
        &mut self,
        order: &[u32],
        changes: Option<&Changes>,
        epoch: u32,
        observer: &mut dyn Observer,
    ) -> Result<(), Error> {
        let (config, rates, before) = (&self.config, &self.rates, self.at.iteration);
        let rule = |step| config.step(rates.at(before + step as u64));
        let (table, at, spent) = (&mut self.iterations, &mut self.at, &mut self.spent);
        let mut failure = None;
        let began = Instant::now();
        let mut last = began;
        let each = |Step { number, loss, gradient_norm }: Step| {
            let now = Instant::now();
            let images = config.batch_size.min(order.len() - number * config.batch_size);
            at.step += 1;
            at.iteration += 1;
            spent.training_images += images;
            let iteration = Iteration {
                iteration: at.iteration,
                epoch,
                loss: loss as f32,
                learning_rate: rates.at(at.iteration - 1),
                images_per_second: images as f32 / (now - last).as_secs_f32(),
                gradient_norm,
            };
            last = now;
            observer.iteration(&iteration);
            if let Err(error) = table.write(iteration) {
                failure = Some(error);
                return ControlFlow::Break(());
            }
            let due = config.checkpoint_every.is_some_and(|n| at.iteration.is_multiple_of(n));
            if due || observer.stop() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let (engine, batch) = (&mut self.engine, config.batch_size);
        let result = self.prepared.train(engine, (order, changes), batch, rule, each);
        self.spent.training_seconds += began.elapsed().as_secs_f64();
        if let Some(error) = failure {
            return Err(error);
        }
        self.iterations.flush()?;
        result.map_err(|diverged| Error::Diverged {
            iteration: self.at.iteration,
            epoch,
            learning_rate: self.rates.at(self.at.iteration - 1),
            loss: diverged.loss,
            place: Some(diverged.place),
            folder: self.out.to_owned(),
        })
    }

    /// Measures the weights as they are, and keeps them if none were better on validation.
    fn end_epoch(&mut self, observer: &mut dyn Observer) -> Result<(), Error> {
        let labels = self.prepared.dataset.train.labels();
        let learning_rate = self.rates.at(self.at.iteration.saturating_sub(1));
        let last = self.engine.model();
        let ratios = update_ratios(&self.engine, &last, &self.config.step(learning_rate));
        let engine = &mut self.engine;
        engine.exchange_averaged();
        let split = &self.prepared.split;
        let measured = match self.config.train_sample {
            0 => &split.train[..],
            n => &split.train[..n.min(split.train.len())],
        };
        let train = self.prepared.evaluate(engine, measured);
        let validation = self.prepared.evaluate(engine, &split.validation);
        engine.exchange_averaged();
        let model = engine.averaged().unwrap_or(last);
        let epoch = Epoch {
            epoch: self.at.epoch,
            iteration: self.at.iteration,
            train_loss: train.loss as f32,
            train_accuracy: train.accuracy(labels),
            validation_loss: validation.loss as f32,
            validation_accuracy: validation.accuracy(labels),
            learning_rate,
            seconds: self.seconds(),
        };
        self.epochs.write((epoch, ratios))?;
        self.epochs.flush()?;
        // A last step may have wrecked the weights after its own loss was still finite.
        if !train.loss.is_finite() {
            return Err(Error::Diverged {
                iteration: self.at.iteration,
                epoch: self.at.epoch,
                learning_rate,
                loss: train.loss,
                place: model.first_not_finite(),
                folder: self.out.to_owned(),
            });
        }
        // Without validation images every epoch is as good as any, and the last one is kept.
        let better = |best: &Best| {
            self.config.validation == 0
                || epoch.validation_accuracy > best.epoch.validation_accuracy
        };
        let best = self.best.as_ref().is_none_or(better);
        if epoch.epoch > 0 {
            self.rates.end_epoch(best);
        }
        if best {
            self.save(&model, "model.safetensors")?;
            self.best = Some(Best { model, epoch });
        }
        observer.epoch(&epoch, best);
        Ok(())
    }

    fn best(&self) -> &Best {
        self.best.as_ref().expect("the weights at iteration 0 were measured")
    }

    /// Weights of this run as a file of their own, which reads plain pixels.
    fn file(&self, classifier: &SoftmaxClassifier) -> ModelFile {
        let normalization = self.prepared.normalization.clone();
        let classifier = self.prepared.plain(classifier);
        ModelFile { classifier, normalization, task: Task::of(self.prepared.dataset) }
    }

    fn save(&self, classifier: &SoftmaxClassifier, name: &str) -> Result<(), Error> {
        self.file(classifier).save(&self.out.join(name))
    }

    fn save_checkpoint(&mut self) -> Result<(), Error> {
        let (iterations_csv, epochs_csv) = (self.iterations.sync()?, self.epochs.sync()?);
        let model = self.engine.model();
        let checkpoint = Checkpoint {
            state: State {
                format: State::FORMAT,
                widths: model.widths().to_vec(),
                iterations_csv,
                epochs_csv,
                at: self.at,
                spent: Spent { seconds: self.seconds(), ..self.spent },
                best: self.best().epoch,
                plateau: self.rates.plateau,
                config: self.config.clone(),
                provenance: self.provenance.clone(),
            },
            model,
            velocity: self.engine.velocity(),
            squares: self.engine.squares(),
            average: self.engine.averaged(),
            best: self.best().model.clone(),
            normalization: self.prepared.normalization.clone(),
        };
        checkpoint.save(self.out)
    }

    /// The test, once, of the weights that were best on validation.
    fn finish(mut self) -> Result<Summary, Error> {
        self.save(
            &self.engine.averaged().unwrap_or_else(|| self.engine.model()),
            "last.safetensors",
        )?;
        let best = self.best.take().expect("the weights at iteration 0 were measured");
        let (threads, isa) = (self.engine.threads(), self.engine.isa());
        let mut predictor = Predictor::with_isa(&self.file(&best.model), threads, isa)?;
        let Dataset { test: images, classes, .. } = self.prepared.dataset;
        let all: Vec<u32> = (0..images.len() as u32).collect();
        let mut test = |flips| -> Result<_, Error> {
            Ok(predictor.ask(images, &all, flips)?.evaluate(images.labels()))
        };
        let (test, test_accuracy_plain) = match (test(false)?, self.config.test_flips) {
            (plain, true) => (test(true)?, Some(plain.accuracy(images.labels()))),
            (plain, false) => (plain, None),
        };
        let counts = confusion::matrix(&test, images.labels(), classes.len());
        confusion::write(&self.out.join("confusion.csv"), &counts, classes)?;
        let Spent { training_seconds, training_images, .. } = self.spent;
        let summary = Summary {
            test_accuracy: test.accuracy(images.labels()),
            test_flips: self.config.test_flips,
            test_accuracy_plain,
            test_loss: test.loss,
            validation_accuracy: best.epoch.validation_accuracy,
            train_accuracy: best.epoch.train_accuracy,
            best_epoch: best.epoch.epoch,
            iterations: self.at.iteration,
            epochs: self.at.epoch,
            seconds: self.seconds(),
            images_per_second: training_images as f64 / training_seconds.max(1e-9),
            hidden_dim: self.config.hidden_dim.clone(),
            seed: self.config.seed,
            threads: self.engine.threads(),
            kernel: self.engine.isa().to_string(),
            data: self.provenance.data.clone(),
        };
        let mut json = serde_json::to_vec_pretty(&summary).expect("a summary is an object");
        json.push(b'\n');
        folder::write_whole(&self.out.join("summary.json"), &json)?;
        Ok(summary)
    }
}
