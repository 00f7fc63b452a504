//! `chainrule train`: train a network and write a folder of results.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::bail;
use chainrule_data::Size;
use chainrule_nn::{Activation, Norm};
use chainrule_report::text_chart;
use chainrule_train::config::{DataChoice, Normalize, OptimizerName};
use chainrule_train::schedule::Schedule;
use chainrule_train::{
    Checkpoint, Config, Epoch, Error, Iteration, Observer, Plan, RunFolder, Summary, restart,
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::de::value::Error as ValueError;
use serde::de::{DeserializeOwned, IntoDeserializer};

use super::images::load;
use super::program;
use super::report::{Subject, draw, quoted};
use super::serve::Server;

/// Arguments of `chainrule train`.
#[derive(clap::Args)]
#[command(
    args_override_self = true,
    after_help = "\
Examples:
  chainrule train                                    100 hidden units, 10 epochs
  chainrule train --hidden-dim 512,256 --epochs 20   two hidden layers
  chainrule train --hidden-dim 0                     the linear softmax classifier
  chainrule train --data sample                      1,000 images, no download
  chainrule train --data images:photos --resize 32   photos/cat/1.jpg, photos/dog/2.png, ...
  chainrule train --data datasets/mnist              its four files, packed or not
  chainrule train --flip --shift 2 --test-flips      mirror images in training and in the test
  chainrule train --hidden-dim 512,256 --check       is this network worth a long run?
  chainrule train --hidden-dim 512,256 --find-lr     draw the loss over the learning rate
  chainrule train --recipe results/run-001/config.toml --seed 1
  chainrule train --resume results/run-001           go on after a stop, a crash or a power cut
  chainrule train --resume results/run-001 --epochs 20
  chainrule train --epochs 100 --serve               watch it in a browser
"
)]
pub struct Args {
    /// A TOML file of settings: the same names as these flags, with underscores. Flags win
    #[arg(long, value_name = "FILE")]
    recipe: Option<PathBuf>,
    /// Widths of the hidden layers, such as 100 or 512,256; 0 is the linear classifier [default: 100]
    #[arg(long, value_name = "WIDTHS", value_parser = parse_widths)]
    hidden_dim: Option<Widths>,
    /// Hidden units: relu, leaky-relu, gelu, tanh or sigmoid [default: relu]
    #[arg(long, value_name = "NAME")]
    activation: Option<Activation>,
    /// Normalization of the hidden layers: none, batch or layer [default: none]
    #[arg(long, value_name = "NAME")]
    norm: Option<Norm>,
    /// Share of the hidden activations that are dropped in a step [default: 0]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    dropout: Option<f64>,
    /// Share of the probability that is asked for of all classes alike [default: 0]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    label_smoothing: Option<f64>,
    /// Mix pairs of images, in shares from the distribution Beta(X, X); 0 mixes none [default: 0]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    mixup: Option<f64>,
    /// sgd, rmsprop or adam; adam with --weight-decay and --reg 0 is AdamW [default: sgd]
    #[arg(long, alias = "optimiser", value_name = "NAME", value_parser = named::<OptimizerName>)]
    optimizer: Option<OptimizerName>,
    /// Step size of the first epoch [default: 0.02]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    learning_rate: Option<f64>,
    /// How the learning rate falls: exponential, step, plateau, linear, polynomial or cosine
    /// [default: exponential]
    #[arg(long, value_name = "NAME", value_parser = named::<Schedule>)]
    schedule: Option<Schedule>,
    /// Factor on the learning rate after each epoch [default: 0.7]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    lr_decay: Option<f64>,
    /// Epochs between two factors of the schedule step; of plateau, epochs without a better
    /// validation accuracy before one [default: 1]
    #[arg(long, value_name = "N")]
    step_epochs: Option<u32>,
    /// Where the schedules linear, polynomial and cosine end [default: 0]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    lr_last: Option<f64>,
    /// Exponent of the schedule polynomial [default: 1]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    power: Option<f64>,
    /// Epochs, or parts of one, in which the learning rate rises from 0 [default: 0]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    warmup_epochs: Option<f64>,
    /// Images in a step [default: 64]
    #[arg(long, value_name = "N")]
    batch_size: Option<usize>,
    /// Passes over the training images [default: 10]
    #[arg(long, value_name = "N")]
    epochs: Option<u32>,
    /// L2 penalty: 1/2 reg times the sum of the squared weights [default: 0.005]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    reg: Option<f64>,
    /// Decoupled weight decay: this share, times the learning rate, off the weights in each step
    /// [default: 0]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    weight_decay: Option<f64>,
    /// Share of the last step's velocity that stays, of sgd and rmsprop [default: 0.9]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    momentum: Option<f64>,
    /// Share of adam's running mean of gradients that stays [default: 0.9]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    beta1: Option<f64>,
    /// Share of the running mean of squares that stays, of adam and rmsprop [default: 0.999]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    beta2: Option<f64>,
    /// What is added to the root of that mean [default: 1e-8]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    epsilon: Option<f64>,
    /// Look ahead along the momentum, as Nesterov does
    #[arg(long)]
    nesterov: bool,
    /// Scale a step's gradient down to this norm if it is longer; inf only writes the norm down
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    clip_norm: Option<f64>,
    /// Evaluate and save a running mean of the weights, of which a step leaves this share; 0.999 is
    /// usual
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    average: Option<f64>,
    /// Deviation of the first weights [default: He's, the root of 2 over the inputs]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    weight_scale: Option<f64>,
    /// Mean and deviation for each pixel or for each color [default: pixel]
    #[arg(long, alias = "normalise", value_name = "pixel|channel", value_parser = named::<Normalize>)]
    normalize: Option<Normalize>,
    /// Take its own mean and contrast from each image, with this regularizer; 10 is usual
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    contrast: Option<f32>,
    /// Whiten the training images (ZCA) with this regularizer; 0.1 is usual
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    zca: Option<f64>,
    /// Mirror every other training image, left to right, anew in each epoch
    #[arg(long)]
    flip: bool,
    /// Move training images by up to so many pixels along each axis [default: 0]
    #[arg(long, value_name = "PIXELS")]
    shift: Option<u8>,
    /// Turn training images by up to so many degrees, to either side [default: 0]
    #[arg(long, value_name = "DEGREES", allow_negative_numbers = true)]
    rotate: Option<f64>,
    /// Cut a square of this side out of training images [default: 0]
    #[arg(long, value_name = "PIXELS")]
    cutout: Option<u8>,
    /// Test with the mean of the probabilities of each image and of its mirror image
    #[arg(long)]
    test_flips: bool,
    /// Stop after so many epochs without a better validation accuracy
    #[arg(long, value_name = "N")]
    patience: Option<u32>,
    /// Measure training accuracy on so many images, which is faster; 0 is all [default: 0]
    #[arg(long, value_name = "N")]
    train_sample: Option<usize>,
    /// Images set aside to choose the best weights by [default: 5000]
    #[arg(long, value_name = "N")]
    validation: Option<usize>,
    /// Decides the first weights, the split and the order of the images [default: 0]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Threads; 0 is one for each core. The result is the same for any number [default: 0]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Take the images in the order of the files; the last ones are for validation
    #[arg(long)]
    no_shuffle: bool,
    /// Stop after so many steps
    #[arg(long, value_name = "N")]
    max_steps: Option<u64>,
    /// Look at every activation, gradient and weight after each step, and stop at the first that is
    /// not finite
    #[arg(long)]
    watch: bool,
    /// Write a checkpoint after every so many steps too, not only after each epoch
    #[arg(long, value_name = "N")]
    checkpoint_every: Option<u64>,
    /// Go on with the run in this folder, with its settings; --epochs may add to them
    #[arg(long, value_name = "DIR", conflicts_with_all = ["out", "init_from", "recipe"])]
    resume: Option<PathBuf>,
    /// Start from the weights of a safetensors file, or the best of a run's folder
    #[arg(long, value_name = "FILE|DIR")]
    init_from: Option<PathBuf>,
    /// cifar10; the sample of 1,000 images that is part of this program; images:DIR, a folder of
    /// pictures with one folder a class; or the folder of CIFAR-100, MNIST or Fashion-MNIST
    /// [default: cifar10]
    #[arg(long, value_name = "cifar10|sample|images:DIR|DIR")]
    data: Option<DataChoice>,
    /// Where CIFAR-10 lies, or is to be put [default: datasets/cifar-10-batches-bin]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Bring the pictures of a folder to this size, 32 or 64x48 (width x height)
    #[arg(long, value_name = "SIZE")]
    resize: Option<Size>,
    /// Leave out pictures of a folder that cannot be read, and name them
    #[arg(long)]
    skip_broken: bool,
    /// Check the network before a long run, and train nothing: its initial loss, 50 images learned by
    /// heart, its gradient, the size of its steps; exit code 1 if one fails
    #[arg(long, conflicts_with_all = ["find_lr", "resume", "out"])]
    check: bool,
    /// Let the learning rate grow until the loss does, train no further, and draw the loss into --out
    /// [default: results/lr-finder]
    #[arg(long, conflicts_with = "resume")]
    find_lr: bool,
    /// The folder for the results, new or empty [default: results/run-001 or the next free number]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Show the run in a browser on this machine while it goes on, at this port
    #[arg(long, value_name = "PORT", num_args = 0..=1, default_missing_value = "8017")]
    serve: Option<u16>,
    /// Print the summary as JSON, and nothing else, on standard output
    #[arg(long)]
    json: bool,
}

/// A type of its own, or clap would take a list for a flag that may be repeated.
#[derive(Clone)]
struct Widths(Vec<usize>);

fn parse_widths(text: &str) -> Result<Widths, String> {
    if matches!(text, "0" | "none") {
        return Ok(Widths(vec![]));
    }
    let width = |part: &str| {
        let part = part.trim();
        part.parse().map_err(|_| format!("{part:?} is not a width: write 100, or 512,256"))
    };
    text.split(',').map(width).collect::<Result<_, _>>().map(Widths)
}

/// A choice by the word that a recipe has for it.
pub(super) fn named<C: DeserializeOwned>(word: &str) -> Result<C, String> {
    C::deserialize(word.into_deserializer()).map_err(|error: ValueError| error.to_string())
}

impl Args {
    /// The recipe's settings, or the defaults, with the flags laid over them.
    pub(super) fn config(&self) -> anyhow::Result<Config> {
        let recipe = self.recipe.as_deref().map(Config::from_file).transpose()?;
        Ok(self.over(recipe.unwrap_or_default()))
    }

    /// Settings with the flags laid over them.
    fn over(&self, base: Config) -> Config {
        Config {
            hidden_dim: self.hidden_dim.clone().map_or(base.hidden_dim, |widths| widths.0),
            activation: self.activation.unwrap_or(base.activation),
            norm: self.norm.unwrap_or(base.norm),
            dropout: self.dropout.unwrap_or(base.dropout),
            label_smoothing: self.label_smoothing.unwrap_or(base.label_smoothing),
            mixup: self.mixup.unwrap_or(base.mixup),
            optimizer: self.optimizer.unwrap_or(base.optimizer),
            learning_rate: self.learning_rate.unwrap_or(base.learning_rate),
            schedule: self.schedule.unwrap_or(base.schedule),
            step_epochs: self.step_epochs.unwrap_or(base.step_epochs),
            lr_last: self.lr_last.unwrap_or(base.lr_last),
            power: self.power.unwrap_or(base.power),
            warmup_epochs: self.warmup_epochs.unwrap_or(base.warmup_epochs),
            nesterov: base.nesterov || self.nesterov,
            lr_decay: self.lr_decay.unwrap_or(base.lr_decay),
            batch_size: self.batch_size.unwrap_or(base.batch_size),
            epochs: self.epochs.unwrap_or(base.epochs),
            reg: self.reg.unwrap_or(base.reg),
            weight_decay: self.weight_decay.unwrap_or(base.weight_decay),
            momentum: self.momentum.unwrap_or(base.momentum),
            beta1: self.beta1.unwrap_or(base.beta1),
            beta2: self.beta2.unwrap_or(base.beta2),
            epsilon: self.epsilon.unwrap_or(base.epsilon),
            average: self.average.or(base.average),
            clip_norm: self.clip_norm.or(base.clip_norm),
            weight_scale: self.weight_scale.or(base.weight_scale),
            normalize: self.normalize.unwrap_or(base.normalize),
            contrast: self.contrast.or(base.contrast),
            zca: self.zca.or(base.zca),
            flip: base.flip || self.flip,
            shift: self.shift.unwrap_or(base.shift),
            rotate: self.rotate.unwrap_or(base.rotate),
            cutout: self.cutout.unwrap_or(base.cutout),
            test_flips: base.test_flips || self.test_flips,
            patience: self.patience.or(base.patience),
            train_sample: self.train_sample.unwrap_or(base.train_sample),
            validation: self.validation.unwrap_or(base.validation),
            seed: self.seed.unwrap_or(base.seed),
            shuffle: base.shuffle && !self.no_shuffle,
            max_steps: self.max_steps.or(base.max_steps),
            watch: base.watch || self.watch,
            checkpoint_every: self.checkpoint_every.or(base.checkpoint_every),
            threads: self.threads.unwrap_or(base.threads),
            init_from: self.init_from.clone().or(base.init_from),
            data: self.data.clone().unwrap_or(base.data),
            data_dir: self.data_dir.clone().unwrap_or(base.data_dir),
            resize: self.resize.or(base.resize),
            skip_broken: base.skip_broken || self.skip_broken,
        }
    }
}

/// Runs the command; a run that a signal stopped ends with the shell's usual code.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    if args.check || args.find_lr {
        let config = args.config()?;
        config.check()?;
        let data = load(&config)?;
        return match args.check {
            true => super::check::run(&config, &data, args.json),
            false => super::find_lr::run(&config, &data, args.out.as_deref(), args.json),
        };
    }
    let mut observer = Terminal::new();
    let server = args.serve.map(Server::bind).transpose()?; // before a folder is made
    let (folder, config, checkpoint) = match &args.resume {
        Some(out) => {
            let folder = RunFolder::open(out)?;
            match Checkpoint::load(out) {
                Ok(checkpoint) => {
                    (folder, args.over(checkpoint.state.config.clone()), Some(checkpoint))
                }
                Err(error) if error.is_no_run() => {
                    let config = args.over(restart(&folder)?);
                    (folder, config, None)
                }
                Err(error) => return Err(error.into()),
            }
        }
        None => {
            let config = args.config()?;
            config.check()?; // before a folder is made
            let folder = match &args.out {
                Some(out) => RunFolder::create(out)?,
                None => RunFolder::next_free(Path::new("results"))?,
            };
            (folder, config, None)
        }
    };
    config.check()?;
    if let Some(file) = &config.init_from {
        super::model::open(file)?;
    }
    let data = match load(&config) {
        Ok(data) => data,
        Err(error) => return Err(leave(folder, error)),
    };
    if args.validation.is_some() && data.validation(config.validation) < config.validation {
        let n = data.validation(config.validation);
        eprintln!(
            "note: {} are more than half of the images: a tenth validates, {n}",
            config.validation
        );
    }
    let live = server.map(|server| server.start(folder.path())).transpose()?;
    observer.signals.listen()?;
    let result = match checkpoint {
        Some(checkpoint) => {
            chainrule_train::resume(checkpoint, &config, &data, &folder, &mut observer)
        }
        None => chainrule_train::start(&config, &data, &folder, &mut observer),
    };
    let code = observer.signals.exit_code();
    drop(observer);
    let out = folder.path();
    let finished = match result {
        Ok(finished) => finished,
        Err(Error::Stopped { iteration, folder }) => {
            let epochs = Checkpoint::load(&folder)?.state.at.epoch;
            eprintln!("\nStopped after iteration {iteration}; {epochs} epochs are whole.");
            let folder = quoted(&folder.to_string_lossy());
            eprintln!("To go on: {} train --resume {folder}", program());
            return Ok(code);
        }
        Err(error @ Error::Complete { .. }) => {
            let again = format!("{} train --resume {}", program(), quoted(&out.to_string_lossy()));
            bail!("{error}; once this is mended, `{again}` writes what is missing");
        }
        Err(error) if error.is_of_file() => return Err(advise(error, out)),
        Err(error) => return Err(leave(folder, error.into())),
    };
    let summary = finished.summary.clone();
    let drawn = draw(&Subject::of(out, finished), &data);
    if let Some(live) = live {
        live.finish(out);
    }
    if args.json {
        say!("{}", serde_json::to_string_pretty(&summary)?);
    } else {
        conclude(&summary, out)?;
    }
    drawn.map(|()| ExitCode::SUCCESS)
}

/// Takes a folder away again if nothing has come into it.
fn leave(folder: RunFolder, error: anyhow::Error) -> anyhow::Error {
    let path = folder.path().to_owned();
    drop(folder); // and with it its lock
    let _ = std::fs::remove_dir(path); // which a folder that holds anything survives
    error
}

/// What to do after a disk has failed or is full: go on from the last checkpoint.
fn advise(error: Error, out: &Path) -> anyhow::Error {
    match Checkpoint::load(out) {
        Ok(checkpoint) => anyhow::anyhow!(
            "{error}; the checkpoint of iteration {} is whole, and once this is mended \
             `{} train --resume {}` goes on from there",
            checkpoint.state.at.iteration,
            program(),
            quoted(&out.to_string_lossy())
        ),
        Err(_) => error.into(),
    }
}

/// Ctrl-C and SIGTERM: the first asks the run to stop, the second ends the program at once.
#[derive(Default)]
pub(super) struct Signals {
    caught: Arc<AtomicUsize>,
}

impl Signals {
    /// Until this is called, a signal does what it does to any program.
    pub(super) fn listen(&self) -> anyhow::Result<()> {
        use signal_hook::consts::{SIGINT, SIGTERM};
        let again = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            let code = 128 + signal;
            signal_hook::flag::register_conditional_shutdown(signal, code, again.clone())?;
            let number = usize::try_from(signal).expect("signals are numbered from 1");
            signal_hook::flag::register_usize(signal, self.caught.clone(), number)?;
            signal_hook::flag::register(signal, again.clone())?;
        }
        Ok(())
    }

    pub(super) fn caught(&self) -> bool {
        self.caught.load(Ordering::Relaxed) > 0
    }

    /// What the shell gives a program that a signal ended.
    pub(super) fn exit_code(&self) -> ExitCode {
        ExitCode::from(128 + self.caught.load(Ordering::Relaxed) as u8)
    }
}

fn conclude(summary: &Summary, out: &Path) -> anyhow::Result<()> {
    let folder = out.display();
    if summary.data == "sample" {
        say!(
            "\nTrained on the SAMPLE of 1,000 images, not on CIFAR-10: the accuracy means nothing."
        );
    }
    say!(
        "\nTest accuracy {:.2} %{} (loss {:.4}), of the weights after epoch {}{}.",
        100.0 * summary.test_accuracy,
        summary
            .test_accuracy_plain
            .map_or(String::new(), |plain| format!(" with flips, {:.2} % without", 100.0 * plain)),
        summary.test_loss,
        summary.best_epoch,
        if summary.validation_accuracy.is_nan() {
            String::new()
        } else {
            let validation = 100.0 * summary.validation_accuracy;
            format!(", which were best on validation ({validation:.2} %)")
        }
    );
    say!(
        "{} iterations in {:.1} s, {:.0} images/s on {} thread{} ({}).",
        summary.iterations,
        summary.seconds,
        summary.images_per_second,
        summary.threads,
        if summary.threads == 1 { "" } else { "s" },
        summary.kernel
    );
    say!("Results: {folder}  (report.html, curves.svg, epochs.csv, model.safetensors, ...)");
    let quoted = quoted(&out.to_string_lossy());
    say!("Next:    open {folder}/report.html, or {} eval {quoted}", program());
    Ok(())
}

/// Shows a run: a chart and a bar on a terminal, a line an epoch elsewhere.
struct Terminal {
    bar: ProgressBar,
    on_terminal: bool,
    epochs: u32,
    shown: Instant,
    accuracies: String,
    /// Of each epoch, in %.
    training: Vec<f64>,
    validation: Vec<f64>,
    loss: f32,
    trained: f64,
    images: f64,
    batch: usize,
    signals: Signals,
    /// Whether it was said that the run will stop.
    stopping: bool,
}

/// How often the bar is drawn anew: often enough for the eye, and no cost to the training.
const REDRAW: Duration = Duration::from_millis(100);

/// Columns and rows of the chart on the terminal.
const CHART: (usize, usize) = (48, 6);

impl Terminal {
    fn new() -> Terminal {
        Terminal {
            bar: ProgressBar::hidden(),
            on_terminal: std::io::stderr().is_terminal(),
            epochs: 0,
            shown: Instant::now(),
            accuracies: String::new(),
            training: Vec::new(),
            validation: Vec::new(),
            loss: f32::NAN,
            trained: 0.0,
            images: 0.0,
            batch: 0,
            signals: Signals::default(),
            stopping: false,
        }
    }

    fn say(&self, line: String) {
        if self.bar.is_hidden() {
            // Training does not end because nobody reads about it any more.
            let _ = writeln!(std::io::stderr(), "{line}");
        } else {
            self.bar.println(line);
        }
    }
}

/// The bar of a run, below a chart of its accuracy.
fn style(chart: &str) -> ProgressStyle {
    let bar = "{prefix} {wide_bar} {msg}, {eta} left";
    let template = if chart.is_empty() { bar.into() } else { format!("{chart}\n{bar}") };
    ProgressStyle::with_template(&template).expect("the template is right")
}

/// How the learning rate falls, in words.
fn schedule(config: &Config) -> String {
    let Config { lr_decay, step_epochs, lr_last, power, .. } = config;
    match config.schedule {
        Schedule::Exponential => format!("x {lr_decay} an epoch"),
        Schedule::Step => format!("x {lr_decay} every {step_epochs} epochs"),
        Schedule::Plateau => format!("x {lr_decay} after {step_epochs} epochs that were no better"),
        Schedule::Linear => format!("along a line to {lr_last}"),
        Schedule::Polynomial => format!("along a power of {power} to {lr_last}"),
        Schedule::Cosine => format!("along a cosine to {lr_last}"),
    }
}

/// The settings that are not the default's, but for those that a run's first lines tell anyway and
/// those on which nothing depends.
fn others(config: &Config) -> Vec<String> {
    const TOLD: [&str; 20] = [
        "hidden_dim",
        "learning_rate",
        "schedule",
        "lr_decay",
        "step_epochs",
        "lr_last",
        "power",
        "momentum",
        "reg",
        "batch_size",
        "seed",
        "threads",
        "validation",
        "epochs",
        "data",
        "data_dir",
        "resize",
        "skip_broken",
        "checkpoint_every",
        "train_sample",
    ];
    let told = |key: &str| TOLD.contains(&key);
    let others = config.changed().into_iter().filter(|(key, _)| !told(key));
    others.map(|(key, value)| format!("{key} {value}")).collect()
}

impl Observer for Terminal {
    fn preparing(&mut self, step: &str) {
        self.say(step.to_owned());
    }

    fn start(&mut self, plan: &Plan) {
        let config = &plan.config;
        let hidden: String = config.hidden_dim.iter().map(|width| format!(" -> {width}")).collect();
        self.say(format!(
            "{}{hidden} -> {}, {} parameters; {} images to train on, {} to validate, {} to test",
            plan.inputs, plan.classes, plan.parameters, plan.training, plan.validation, plan.test
        ));
        self.say(format!(
            "learning rate {} ({}), momentum {}, reg {}, batch {}, seed {}; {} thread{}, {} kernels",
            config.learning_rate,
            schedule(config),
            config.momentum,
            config.reg,
            config.batch_size,
            config.seed,
            config.threads,
            if config.threads == 1 { "" } else { "s" },
            plan.kernel
        ));
        let others = others(config);
        if !others.is_empty() {
            self.say(others.join(", "));
        }
        match plan.begun {
            0 => {}
            begun if begun == plan.iterations => {
                self.say("this run is at its end; more --epochs would go on with it".into());
            }
            begun => self.say(format!("going on after iteration {begun}")),
        }
        self.epochs = config.epochs;
        self.batch = config.batch_size;
        if self.on_terminal {
            let target = ProgressDrawTarget::stderr();
            self.bar = ProgressBar::with_draw_target(Some(plan.iterations), target);
            self.bar.set_style(style(""));
            // A run that goes on has its speed from here on.
            self.bar.set_position(plan.begun);
            self.bar.reset_eta();
        }
    }

    fn iteration(&mut self, iteration: &Iteration) {
        // A gliding mean over some hundred steps: one step's loss jumps too much to be read.
        let (old, new) = (self.loss, iteration.loss as f32);
        self.loss = if old.is_finite() { 0.99 * old + 0.01 * new } else { new };
        let speed = iteration.images_per_second.map_or(f64::NAN, f64::from);
        let seconds = self.batch as f64 / speed;
        self.images += self.batch as f64;
        self.trained += seconds;
        if self.on_terminal && self.shown.elapsed() >= REDRAW {
            self.shown = Instant::now();
            self.bar.set_position(iteration.iteration);
            self.bar.set_prefix(format!("epoch {}/{}", iteration.epoch.unwrap_or(0), self.epochs));
            self.bar.set_message(format!(
                "loss {:.3}{}, {:.0}k images/s",
                self.loss,
                self.accuracies,
                self.images / self.trained / 1e3
            ));
        }
    }

    fn epoch(&mut self, epoch: &Epoch, best: bool) {
        let (train, validation) = (100.0 * epoch.train_accuracy, 100.0 * epoch.validation_accuracy);
        self.accuracies = format!(", train {train:.1} %, validation {validation:.1} %");
        self.say(format!(
            "epoch {:>3}  loss {:.4}  train {train:>5.2} %  validation {validation:>5.2} %{}",
            epoch.epoch,
            epoch.train_loss,
            if best { "  best" } else { "" }
        ));
        self.training.push(train);
        self.validation.push(validation);
        if self.on_terminal {
            let lines = [("train %", &self.training[..]), ("validation %", &self.validation)];
            self.bar.set_style(style(&text_chart(&lines, CHART.0, CHART.1)));
        }
    }

    fn stop(&mut self) -> bool {
        let stop = self.signals.caught();
        if stop && !self.stopping {
            self.stopping = true;
            self.say("stopping with a checkpoint; once more to stop at once".into());
        }
        stop
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
