//! The loop: epochs of minibatches, accuracy after each, the best weights kept, the test.

use std::fs::File;
use std::io::BufWriter;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Instant, SystemTime};

use chainrule_data::{Dataset, Images, Normalisation, Split, epoch_order, sample};
use chainrule_nn::{Engine, Evaluation, Sgd, SoftmaxClassifier};
use chainrule_tensor::bytes::ByteRows;
use serde::{Deserialize, Serialize};

use crate::config::{ConfigError, Normalise};
use crate::{Config, Error, ModelFile, confusion, folder, machine};

/// The images of a run, and where they came from.
pub struct Data {
    /// The images.
    pub dataset: Dataset,
    /// Where they came from, for the run's files: "CIFAR-10" or "sample".
    pub source: String,
}

impl Data {
    /// The images that are part of the program.
    pub fn sample() -> Data {
        Data { dataset: sample::read(), source: "sample".into() }
    }

    /// How many images validate where `asked` were asked for: of the sample, a tenth at most.
    pub fn validation(&self, asked: usize) -> usize {
        if self.is_sample() { asked.min(self.dataset.train.len() / 10) } else { asked }
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
    /// Steps of the whole run.
    pub iterations: u64,
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
    /// Step size of the epoch that ended; of the first, at iteration 0.
    pub learning_rate: f64,
    /// Since the run began.
    pub seconds: f64,
}

/// The result of a run: `summary.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Of the weights that were best on validation, from 0 to 1.
    pub test_accuracy: f64,
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
    /// "CIFAR-10" or "sample".
    pub data: String,
}

/// Hears how far a run has come.
pub trait Observer: Send {
    /// The run is about to begin.
    fn start(&mut self, _plan: &Plan) {}
    /// A step was taken.
    fn iteration(&mut self, _iteration: &Iteration) {}
    /// An epoch has ended, or (epoch 0) the first is about to begin. `best`: no epoch before did
    /// as well on validation.
    fn epoch(&mut self, _epoch: &Epoch, _best: bool) {}
}

/// Hears nothing.
pub struct Quiet;

impl Observer for Quiet {}

/// The images as the network reads them, and which of them are for what.
pub struct Prepared<'a> {
    dataset: &'a Dataset,
    /// Mean and deviation of the training part.
    pub normalisation: Normalisation,
    /// Which images train and which validate.
    pub split: Split,
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl<'a> Prepared<'a> {
    /// Splits the images as `config` says, and normalises by the training part, or as
    /// `normalisation` says.
    ///
    /// # Errors
    /// If the split leaves nothing to train on, or the normalisation does not fit the images.
    pub fn new(
        config: &Config,
        dataset: &'a Dataset,
        normalisation: Option<Normalisation>,
    ) -> Result<Self, Error> {
        let n = dataset.train.len();
        let split = if config.shuffle {
            Split::seeded(n, config.validation, config.seed)?
        } else {
            let border = (n - config.validation.min(n)) as u32;
            Split { train: (0..border).collect(), validation: (border..n as u32).collect() }
        };
        let normalisation = match (normalisation, config.normalise) {
            (Some(given), _) => given,
            (None, Normalise::Pixel) => Normalisation::per_pixel(&dataset.train, &split.train)?,
            (None, Normalise::Channel) => Normalisation::per_channel(&dataset.train, &split.train)?,
        };
        let (scale, shift) = normalisation.scale_shift(dataset.train.dim())?;
        Ok(Self { dataset, normalisation, split, scale, shift })
    }

    /// Images as normalised rows.
    pub fn rows<'b>(&'b self, images: &'b Images) -> ByteRows<'b> {
        ByteRows::new(images.pixels(), &self.scale, &self.shift)
    }

    /// Loss and predictions on the given images of the training file.
    pub fn evaluate(&self, engine: &mut Engine, indices: &[u32]) -> Evaluation {
        let train = &self.dataset.train;
        engine.evaluate(&self.rows(train), train.labels(), indices)
    }

    /// Loss and predictions on all test images.
    pub fn test(&self, engine: &mut Engine) -> Evaluation {
        let test = &self.dataset.test;
        let all: Vec<u32> = (0..test.len() as u32).collect();
        engine.evaluate(&self.rows(test), test.labels(), &all)
    }
}

/// `config.toml`: the settings, and where they came to what.
#[derive(Serialize)]
struct Recorded<'a> {
    #[serde(flatten)]
    config: &'a Config,
    #[serde(rename = "provenance")]
    provenance: Provenance,
}

/// What it takes, beside the settings, to get the same bits again.
#[derive(Serialize)]
struct Provenance {
    chainrule: &'static str,
    started: String,
    processor: String,
    cores: usize,
    kernel: String,
    data: String,
}

/// Settles what depends on the data and the machine: the size of the sample's validation part,
/// the number of threads, and the widths of the weights to start from.
fn settle(config: &Config, data: &Data, start: Option<&ModelFile>) -> Result<Config, ConfigError> {
    let mut config = config.clone();
    if data.is_sample() {
        config.validation = data.validation(config.validation);
        config.data = crate::config::DataChoice::Sample;
    }
    config.threads = machine::threads(config.threads);
    if let Some(start) = start {
        let widths = start.classifier.widths();
        config.hidden_dim = widths[1..widths.len() - 1].to_vec();
    }
    config.check()?;
    let (images, inputs) = (data.dataset.train.len(), data.dataset.train.dim());
    config.check_with_data(images, inputs, data.dataset.train.classes())?;
    Ok(config)
}

/// Trains as `config` says and fills the folder `out`, which must not exist or be empty.
///
/// # Errors
/// A setting that cannot work, a file that cannot be written, or a loss that is no longer finite;
/// what was written until then stays.
pub fn run(
    config: &Config,
    data: &Data,
    out: &Path,
    observer: &mut dyn Observer,
) -> Result<Summary, Error> {
    config.check()?;
    let started = SystemTime::now();
    let start = config.init_from.as_deref().map(ModelFile::load).transpose()?;
    let config = &settle(config, data, start.as_ref())?;
    let images = &data.dataset.train;
    if let (Some(start), Some(path)) = (&start, &config.init_from) {
        start.check_images(path, images)?;
    }
    let (model, normalisation) = match start {
        Some(ModelFile { classifier, normalisation }) => (classifier, Some(normalisation)),
        None => (config.classifier(images.dim(), images.classes())?, None),
    };
    let path = chainrule_tensor::Path::from_environment()?;
    let mut engine = Engine::with_path(&model, config.batch_size, config.threads, path)?;
    let prepared = Prepared::new(config, &data.dataset, normalisation)?;

    let provenance = Provenance {
        chainrule: env!("CARGO_PKG_VERSION"),
        started: humantime::format_rfc3339_seconds(started).to_string(),
        processor: machine::processor(),
        cores: machine::cores(),
        kernel: path.to_string(),
        data: data.source.clone(),
    };
    let recorded = toml::to_string(&Recorded { config, provenance })
        .map_err(|error| ConfigError::new(format!("config.toml cannot hold a setting: {error}")))?;
    folder::create(out)?;
    folder::write_whole(&out.join("config.toml"), recorded.as_bytes())?;

    let (training, batch) = (prepared.split.train.len(), config.batch_size);
    let steps_per_epoch = training.div_ceil(batch) as u64;
    let most = config.max_steps.unwrap_or(u64::MAX);
    observer.start(&Plan {
        iterations: (steps_per_epoch * u64::from(config.epochs)).min(most),
        training,
        validation: prepared.split.validation.len(),
        test: data.dataset.test.len(),
        parameters: model.parameters().len(),
        kernel: path.to_string(),
        config: config.clone(),
    });
    let mut run = Running {
        config,
        prepared,
        out,
        iterations: Table::create(out.join("iterations.csv"))?,
        epochs: Table::create(out.join("epochs.csv"))?,
        clock: Instant::now(),
        taken: 0,
        trained_images: 0,
        trained_seconds: 0.0,
        best: None,
    };

    run.end_epoch(&mut engine, 0, observer)?;
    let mut begun = 0;
    while begun < config.epochs && run.taken < most {
        begun += 1;
        run.train_epoch(&mut engine, begun, most, observer)?;
        run.end_epoch(&mut engine, begun, observer)?;
    }
    run.finish(&mut engine, data, begun)
}

/// A CSV file that is being written, a record at a time.
struct Table {
    path: std::path::PathBuf,
    csv: csv::Writer<BufWriter<File>>,
}

impl Table {
    fn create(path: std::path::PathBuf) -> Result<Table, Error> {
        let file = File::create_new(&path).map_err(Error::file("create", &path))?;
        Ok(Table { csv: csv::Writer::from_writer(BufWriter::new(file)), path })
    }

    fn write(&mut self, record: impl Serialize) -> Result<(), Error> {
        self.csv.serialize(record).map_err(Error::csv(&self.path))
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.csv.flush().map_err(Error::file("write", &self.path))
    }
}

/// The best weights so far, and how they did.
struct Best {
    model: SoftmaxClassifier,
    epoch: Epoch,
}

/// A run under way.
struct Running<'a> {
    config: &'a Config,
    prepared: Prepared<'a>,
    out: &'a Path,
    iterations: Table,
    epochs: Table,
    clock: Instant,
    taken: u64,
    trained_images: usize,
    trained_seconds: f64,
    best: Option<Best>,
}

impl Running<'_> {
    /// Step size of an epoch, from 1: the first one's, times `lr_decay` for each before it.
    fn learning_rate(&self, epoch: u32) -> f64 {
        self.config.learning_rate * self.config.lr_decay.powf(f64::from(epoch.max(1) - 1))
    }

    fn train_epoch(
        &mut self,
        engine: &mut Engine,
        epoch: u32,
        most: u64,
        observer: &mut dyn Observer,
    ) -> Result<(), Error> {
        let (config, train) = (self.config, &self.prepared.split.train);
        let mut order =
            if config.shuffle { epoch_order(train, config.seed, epoch) } else { train.clone() };
        let left = usize::try_from(most - self.taken).unwrap_or(usize::MAX);
        order.truncate(left.saturating_mul(config.batch_size));

        let learning_rate = self.learning_rate(epoch);
        let rule = Sgd {
            learning_rate: learning_rate as f32,
            momentum: config.momentum as f32,
            l2: config.reg as f32,
        };
        let before = self.taken;
        let (table, taken) = (&mut self.iterations, &mut self.taken);
        let mut failure = None;
        let began = Instant::now();
        let mut last = began;
        let each = |step: usize, loss: f64| {
            let now = Instant::now();
            let images = config.batch_size.min(order.len() - step * config.batch_size);
            *taken = before + step as u64 + 1;
            let iteration = Iteration {
                iteration: *taken,
                epoch,
                loss: loss as f32,
                learning_rate,
                images_per_second: images as f32 / (now - last).as_secs_f32(),
            };
            last = now;
            observer.iteration(&iteration);
            match table.write(iteration) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failure = Some(error);
                    ControlFlow::Break(())
                }
            }
        };
        let images = &self.prepared.dataset.train;
        let rows = self.prepared.rows(images);
        let result =
            engine.train_each(&rows, images.labels(), &order, config.batch_size, rule, each);
        self.trained_seconds += began.elapsed().as_secs_f64();
        self.trained_images += order.len();
        if let Some(error) = failure {
            return Err(error);
        }
        self.iterations.flush()?;
        result.map_err(|diverged| Error::Diverged {
            iteration: self.taken,
            epoch,
            learning_rate,
            loss: diverged.loss,
            folder: self.out.to_owned(),
        })
    }

    /// Measures the weights as they are, and keeps them if none were better on validation.
    fn end_epoch(
        &mut self,
        engine: &mut Engine,
        number: u32,
        observer: &mut dyn Observer,
    ) -> Result<(), Error> {
        let labels = self.prepared.dataset.train.labels();
        let train = self.prepared.evaluate(engine, &self.prepared.split.train);
        let validation = self.prepared.evaluate(engine, &self.prepared.split.validation);
        let epoch = Epoch {
            epoch: number,
            iteration: self.taken,
            train_loss: train.loss as f32,
            train_accuracy: train.accuracy(labels),
            validation_loss: validation.loss as f32,
            validation_accuracy: validation.accuracy(labels),
            learning_rate: self.learning_rate(number),
            seconds: self.clock.elapsed().as_secs_f64(),
        };
        self.epochs.write(epoch)?;
        self.epochs.flush()?;
        // A last step may have wrecked the weights after its own loss was still finite.
        if !train.loss.is_finite() {
            return Err(Error::Diverged {
                iteration: self.taken,
                epoch: number,
                learning_rate: epoch.learning_rate,
                loss: train.loss,
                folder: self.out.to_owned(),
            });
        }
        // Without validation images every epoch is as good as any, and the last one is kept.
        let better = |best: &Best| {
            self.config.validation == 0
                || epoch.validation_accuracy > best.epoch.validation_accuracy
        };
        let best = self.best.as_ref().is_none_or(better);
        if best {
            let model = engine.model();
            self.save(&model, "model.safetensors")?;
            self.best = Some(Best { model, epoch });
        }
        observer.epoch(&epoch, best);
        Ok(())
    }

    fn save(&self, classifier: &SoftmaxClassifier, name: &str) -> Result<(), Error> {
        let normalisation = self.prepared.normalisation.clone();
        let file = ModelFile { classifier: classifier.clone(), normalisation };
        file.save(&self.out.join(name))
    }

    /// The test, once, of the weights that were best on validation.
    fn finish(self, engine: &mut Engine, data: &Data, epochs: u32) -> Result<Summary, Error> {
        self.save(&engine.model(), "last.safetensors")?;
        let best = self.best.as_ref().expect("iteration 0 was measured");
        engine.load(&best.model);
        let test = self.prepared.test(engine);
        let labels = data.dataset.test.labels();
        let counts = confusion::matrix(&test, labels, data.dataset.classes.len());
        confusion::write(&self.out.join("confusion.csv"), &counts, &data.dataset.classes)?;
        let summary = Summary {
            test_accuracy: test.accuracy(labels),
            test_loss: test.loss,
            validation_accuracy: best.epoch.validation_accuracy,
            train_accuracy: best.epoch.train_accuracy,
            best_epoch: best.epoch.epoch,
            iterations: self.taken,
            epochs,
            seconds: self.clock.elapsed().as_secs_f64(),
            images_per_second: self.trained_images as f64 / self.trained_seconds.max(1e-9),
            hidden_dim: self.config.hidden_dim.clone(),
            seed: self.config.seed,
            threads: engine.threads(),
            kernel: engine.path().to_string(),
            data: data.source.clone(),
        };
        let mut json = serde_json::to_vec_pretty(&summary).expect("a summary is an object");
        json.push(b'\n');
        folder::write_whole(&self.out.join("summary.json"), &json)?;
        Ok(summary)
    }
}
