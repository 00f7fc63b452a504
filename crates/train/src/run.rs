//! The loop: epochs of minibatches, accuracy after each, the best weights kept, the test.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use chainrule_data::Changes;
use chainrule_nn::{Engine, SoftmaxClassifier, Step};
use chainrule_runs::folder::{LAST, MODEL};
use chainrule_runs::records::as_written;
use chainrule_runs::{Confusion, Epoch, Iteration, Metrics, Provenance, RunFolder, Summary, Table};
use chainrule_tensor::Kernel;

use crate::checkpoint::{Position, Snapshot, Spent, State};
use crate::observer::{Observer, Plan};
use crate::schedule::LearningRates;
use crate::setup::{Ready, prepare, provenance, record, settled};
use crate::test::Test;
use crate::update_ratio::update_ratios;
use crate::{Answers, Config, Data, Error, ModelFile, Prepared, Processes, Task, teacher};

/// A run that has ended, with everything in memory: nothing of it needs to be read again.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The records of the run, as in its folder.
    pub run: chainrule_runs::Run,
    /// The settings that were used.
    pub config: Config,
    /// The result.
    pub summary: Summary,
    /// The weights that were best on validation, as in `model.safetensors`.
    pub model: ModelFile,
    /// Their answers on the test images.
    pub test: Answers,
    /// How many test images of each class were predicted as which.
    pub confusion: Confusion,
    /// Precision, recall and F1 of each class on the test images.
    pub metrics: Metrics,
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
) -> Result<Finished, Error> {
    start(config, data, &RunFolder::create(out)?, observer)
}

/// [`run`] in a folder that is already locked.
///
/// # Errors
/// As [`run`].
pub fn start(
    config: &Config,
    data: &Data,
    folder: &RunFolder,
    observer: &mut dyn Observer,
) -> Result<Finished, Error> {
    let finished = start_on(&Processes::default(), config, data, folder.path(), observer)?;
    Ok(finished.expect("there is no other process"))
}

/// [`start`] in one of several processes, all of which make the same call. The first writes into the
/// folder `out`, which it has locked, and hears its observer; it alone gets the result.
///
/// # Errors
/// As [`run`], in all processes, and [`Error::Elsewhere`] if another process has failed.
pub fn start_on(
    processes: &Processes,
    config: &Config,
    data: &Data,
    out: &Path,
    observer: &mut dyn Observer,
) -> Result<Option<Finished>, Error> {
    let clock = Instant::now();
    let mut ready = || {
        let config = processes.with_threads(config.clone());
        let (config, networks) = settled(&config, data, processes.count())?;
        let kernel = Kernel::from_environment(config.precision)?;
        let provenance = Provenance {
            teacher_sha256: networks.teacher.as_ref().map(teacher::sha256),
            ..provenance(data, kernel)
        };
        let ready = prepare(processes, config, networks, data, |step| observer.preparing(step))?;
        Ok((ready, provenance, kernel))
    };
    let (Ready { config, model, engine, prepared }, provenance, kernel) =
        processes.agree::<_, Error>(ready())?;
    processes.check(&config, &provenance, &model, kernel)?;
    let (mut settings, mut files) = (String::new(), None);
    processes.first_alone(|| {
        settings = record(out, &config, Some(&provenance))?;
        let (iterations, epochs) = (Table::create(out, 0)?, Table::create(out, model.depth())?);
        files = Some(Files { iterations, epochs });
        Ok(())
    })?;
    drop(model); // the engine has its own copy
    let mut run = Running {
        processes,
        files,
        record: chainrule_runs::Run::begun(out, settings),
        rates: prepared.rates(&config),
        engine,
        prepared,
        provenance,
        duplicates_across: data.duplicates.across,
        out,
        at: Position::default(),
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

/// The best weights so far, and their epoch.
pub(crate) struct Best {
    pub model: SoftmaxClassifier,
    pub epoch: Epoch,
}

/// The tables that grow.
pub(crate) struct Files {
    pub iterations: Table<Iteration>,
    pub epochs: Table<Epoch>,
}

/// A run under way.
pub(crate) struct Running<'a> {
    pub config: Config,
    pub engine: Engine,
    pub prepared: Prepared<'a>,
    pub rates: LearningRates,
    pub provenance: Provenance,
    /// Test images that are training images as well.
    pub duplicates_across: usize,
    pub out: &'a Path,
    pub processes: &'a Processes,
    /// Of the first process.
    pub files: Option<Files>,
    /// What has been written into the two tables.
    pub record: chainrule_runs::Run,
    pub at: Position,
    pub clock: Instant,
    pub spent: Spent,
    pub best: Option<Best>,
}

impl Running<'_> {
    pub fn plan(&self) -> Plan {
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
            parameters: self.engine.architecture().len(),
            kernel: self.engine.kernel(),
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

    /// Trains the remaining steps, and tests.
    pub fn go_on(mut self, observer: &mut dyn Observer) -> Result<Option<Finished>, Error> {
        while !self.config.is_over(self.at, self.best().epoch.epoch) {
            if self.processes.first_says(observer.stop()) {
                return Err(self.stopped());
            }
            self.train_epoch(observer)?;
            self.at = Position { epoch: self.at.epoch + 1, step: 0, ..self.at };
            self.end_epoch(observer)?;
            self.save_checkpoint()?;
        }
        self.finish()
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
        self.prepared.teach(&mut self.engine, &order, changes.as_ref())?;
        loop {
            self.train(&order[self.at.step * batch..], changes.as_ref(), epoch, observer)?;
            if self.at.step * batch >= order.len() {
                return Ok(()); // the end of an epoch has a checkpoint of its own
            }
            self.save_checkpoint()?;
            if self.processes.first_says(observer.stop()) {
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
        let options = |step| config.step(rates.at(before + step as u64));
        let (files, at, spent) = (&mut self.files, &mut self.at, &mut self.spent);
        let steps = &mut self.record.iterations;
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
                epoch: Some(epoch),
                loss: as_written(loss),
                learning_rate: Some(rates.at(at.iteration - 1)),
                images_per_second: Some(images as f32 / (now - last).as_secs_f32()),
                gradient_norm,
            };
            last = now;
            observer.iteration(&iteration);
            if let Some(Err(error)) =
                files.as_mut().map(|files| files.iterations.write(&iteration, &[]))
            {
                failure = Some(error);
                return ControlFlow::Break(());
            }
            steps.push(iteration);
            let due = config.checkpoint_every.is_some_and(|n| at.iteration.is_multiple_of(n));
            if due || observer.stop() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let (engine, batch) = (&mut self.engine, config.batch_size);
        let result = self.prepared.train(engine, (order, changes), batch, options, each);
        self.spent.training_seconds += began.elapsed().as_secs_f64();
        let files = &mut self.files;
        self.processes.first_alone(|| match (failure, files) {
            (Some(error), _) => Err(error.into()),
            (None, files) => Ok(files.iter_mut().try_for_each(|files| files.iterations.flush())?),
        })?;
        result.map_err(|diverged| Error::Diverged {
            iteration: self.at.iteration,
            epoch,
            learning_rate: self.rates.at(self.at.iteration - 1),
            loss: diverged.loss,
            tensor: Some(diverged.tensor),
            folder: self.out.to_owned(),
        })
    }

    /// Evaluates the weights, and keeps them if they are the best on validation.
    fn end_epoch(&mut self, observer: &mut dyn Observer) -> Result<(), Error> {
        let labels = self.prepared.dataset.train.labels();
        let learning_rate = self.rates.at(self.at.iteration.saturating_sub(1));
        let last = self.engine.model();
        let ratios = update_ratios(&self.engine, &last, &self.config.step(learning_rate));
        let engine = &mut self.engine;
        engine.swap_ema();
        let split = &self.prepared.split;
        let measured = match self.config.train_sample {
            0 => &split.train[..],
            n => &split.train[..n.min(split.train.len())],
        };
        let train = self.prepared.evaluate(engine, measured);
        let validation = self.prepared.evaluate(engine, &split.validation);
        engine.swap_ema();
        let model = engine.ema().unwrap_or(last);
        let epoch = Epoch {
            epoch: self.at.epoch,
            iteration: self.at.iteration,
            train_loss: as_written(train.loss),
            train_accuracy: train.accuracy(labels),
            validation_loss: as_written(validation.loss),
            validation_accuracy: validation.accuracy(labels),
            learning_rate: Some(learning_rate),
            seconds: Some(self.seconds()),
        };
        let files = &mut self.files;
        self.processes.first_alone(|| {
            let Some(Files { epochs, .. }) = files else { return Ok(()) };
            epochs.write(&epoch, &ratios)?;
            Ok(epochs.flush()?)
        })?;
        self.record.push_epoch(epoch, &ratios);
        // The last step can diverge although its own loss was finite. The validation loss counts too,
        // but for no images, where it is NaN.
        let mut losses = vec![train.loss];
        losses.extend((!split.validation.is_empty()).then_some(validation.loss));
        if let Some(loss) = losses.into_iter().find(|loss| !loss.is_finite()) {
            return Err(Error::Diverged {
                iteration: self.at.iteration,
                epoch: self.at.epoch,
                learning_rate,
                loss,
                tensor: model.first_not_finite(),
                folder: self.out.to_owned(),
            });
        }
        // Without validation images the last epoch is kept.
        let better = |best: &Best| {
            self.config.validation == 0
                || epoch.validation_accuracy > best.epoch.validation_accuracy
        };
        let best = self.best.as_ref().is_none_or(better);
        if epoch.epoch > 0 {
            self.rates.end_epoch(best);
        }
        if best {
            self.processes.first_alone(|| self.save(&model, MODEL))?;
            self.best = Some(Best { model, epoch });
        }
        observer.epoch(&epoch, best);
        Ok(())
    }

    fn best(&self) -> &Best {
        self.best.as_ref().expect("the weights at iteration 0 were measured")
    }

    /// Writes a model file. Its network reads pixels without whitening.
    pub fn save(&self, classifier: &SoftmaxClassifier, name: &str) -> Result<(), Error> {
        self.model_file(classifier).save(&self.out.join(name))
    }

    fn model_file(&self, classifier: &SoftmaxClassifier) -> ModelFile {
        ModelFile {
            classifier: self.prepared.plain(classifier),
            normalization: self.prepared.normalization.clone(),
            task: Task::of(self.prepared.dataset),
            members: vec![],
        }
    }

    pub fn save_checkpoint(&mut self) -> Result<(), Error> {
        let (engine, processes) = (&self.engine, self.processes);
        let (model, velocity) = (engine.model(), engine.velocity());
        let (second_moment, ema) = (engine.second_moment(), engine.ema());
        processes.first_alone(|| {
            let Some(Files { iterations, epochs }) = &mut self.files else { return Ok(()) };
            let (iterations_csv, epochs_csv) = (iterations.sync()?, epochs.sync()?);
            let snapshot = Snapshot {
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
                model: &model,
                velocity: &velocity,
                second_moment: second_moment.as_ref(),
                ema: ema.as_ref(),
                best: &self.best().model,
                normalization: &self.prepared.normalization,
            };
            snapshot.save(self.out)
        })
    }

    /// The test, once, of the weights that were best on validation. The summary is written first:
    /// from then on the run is complete.
    fn finish(mut self) -> Result<Option<Finished>, Error> {
        let last = self.engine.ema().unwrap_or_else(|| self.engine.model());
        if self.files.is_none() {
            return Ok(None); // the first process tests alone
        }
        self.save(&last, LAST)?;
        drop(last);
        let Best { model: best, epoch } =
            self.best.take().expect("the weights at iteration 0 were measured");
        let model = self.model_file(&best);
        drop(best);
        let (threads, isa) = (self.engine.threads(), self.engine.isa());
        let Prepared { dataset, .. } = self.prepared;
        let tta = self.config.tta;
        let test = Test::of(&model, dataset, tta, threads, isa)?;
        let Test { answers, confusion, metrics, .. } = test;
        let Spent { training_seconds, training_images, .. } = self.spent;
        let summary = Summary {
            test_accuracy: test.accuracy,
            test_flips: tta.flips,
            test_shifts: tta.shifts,
            test_accuracy_plain: test.accuracy_plain,
            test_loss: test.loss,
            validation_accuracy: epoch.validation_accuracy,
            train_accuracy: epoch.train_accuracy,
            best_epoch: epoch.epoch,
            iterations: self.at.iteration,
            epochs: self.at.epoch,
            seconds: self.seconds(),
            images_per_second: training_images as f64 / training_seconds.max(1e-9),
            hidden_dim: self.config.hidden_dim.clone(),
            seed: self.config.seed,
            threads,
            ranks: Some(self.processes.count()).filter(|&ranks| ranks > 1),
            kernel: self.engine.kernel().to_string(),
            precision: self.config.precision.to_string(),
            data: self.provenance.data.clone(),
            duplicates_across: Some(self.duplicates_across).filter(|&n| n > 0),
            cycles: self.config.cycles.clone(),
            teacher: self.config.teacher.as_ref().map(|path| path.display().to_string()),
            macro_precision: Some(metrics.macro_precision),
            macro_recall: Some(metrics.macro_recall),
            macro_f1: Some(metrics.macro_f1),
            balanced_accuracy: Some(metrics.balanced_accuracy),
            top_5_accuracy: answers.top_5_accuracy(dataset.test.labels()),
        };
        summary.write(self.out)?;
        let tables = confusion.write(self.out).and_then(|()| metrics.write(self.out));
        tables.map_err(|error| Error::Complete {
            folder: self.out.to_owned(),
            problem: error.to_string(),
        })?;
        self.record.finish(&summary);
        let Running { record: run, config, .. } = self;
        Ok(Some(Finished { run, config, summary, model, test: answers, confusion, metrics }))
    }
}
