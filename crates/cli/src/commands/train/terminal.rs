//! A run on the terminal: a chart and a bar, or a line an epoch where there is no terminal.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use chainrule_report::text_chart;
use chainrule_train::config::OptimizerName;
use chainrule_train::schedule::Schedule;
use chainrule_train::{Config, Epoch, Iteration, Observer, Plan};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::commands::describe::compact;
use crate::shell::progress::print_above;
use crate::shell::signals::Signals;
use crate::shell::verbosity::{Verbosity, shows};

/// A run as it is shown: a chart and a bar on a terminal, a line an epoch elsewhere.
pub struct Terminal {
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
    pub signals: Signals,
    /// Whether the run was asked to stop.
    stopping: bool,
}

/// How often the bar is drawn anew: often enough for the eye, and no cost to the training.
const REDRAW: Duration = Duration::from_millis(100);

/// Columns and rows of the chart on the terminal.
const CHART: (usize, usize) = (48, 6);

impl Terminal {
    pub fn new() -> Terminal {
        Terminal {
            bar: ProgressBar::hidden(),
            on_terminal: std::io::stderr().is_terminal() && shows(Verbosity::Normal),
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
        print_above(&self.bar, line);
    }
}

/// The bar of a run, below a chart of its accuracy.
fn style(chart: &str) -> ProgressStyle {
    let bar = "{prefix} {wide_bar} {msg}, {eta} left";
    let template = if chart.is_empty() { bar.into() } else { format!("{chart}\n{bar}") };
    ProgressStyle::with_template(&template).expect("the template is right")
}

/// The learning rate schedule, in words.
fn schedule(config: &Config) -> String {
    let Config { lr_decay, step_epochs, lr_last, power, .. } = config;
    match config.schedule {
        Schedule::Exponential => format!("x {lr_decay} an epoch"),
        Schedule::Step => format!("x {lr_decay} every {step_epochs} epochs"),
        Schedule::Plateau => format!("x {lr_decay} after {step_epochs} epochs without improvement"),
        Schedule::Linear => format!("linear to {lr_last}"),
        Schedule::Polynomial => format!("polynomial of power {power} to {lr_last}"),
        Schedule::Cosine => format!("cosine to {lr_last}"),
    }
}

/// Settings that the first lines of a run show anyway, or on which nothing depends.
const SHOWN: [&str; 22] = [
    "hidden_dim",
    "optimizer",
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
    "cycles",
    "data",
    "data_dir",
    "resize",
    "skip_broken",
    "checkpoint_every",
    "train_sample",
];

/// The other settings that are not the default.
fn others(config: &Config) -> Vec<String> {
    let unused = config.unused();
    let others = config.changed().into_iter().filter(|(key, _)| {
        !SHOWN.contains(&key.as_str()) && unused.iter().all(|(setting, _)| setting != key)
    });
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
            "{}{hidden} -> {}; {} images to train on, {} to validate, {} to test",
            plan.inputs, plan.classes, plan.training, plan.validation, plan.test
        ));
        self.say(compact(plan));
        let (optimizer, momentum) = match config.optimizer {
            OptimizerName::Sgd => ("sgd", format!(", momentum {}", config.momentum)),
            OptimizerName::Rmsprop => ("rmsprop", format!(", momentum {}", config.momentum)),
            OptimizerName::Adam => ("adam", String::new()),
        };
        self.say(format!(
            "{}, learning rate {} ({}){}, reg {}, batch {}, seed {}; {} thread{}, {} kernels",
            optimizer,
            config.learning_rate,
            schedule(config),
            momentum,
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
        if plan.kernel.emulates() {
            self.say(format!(
                "bf16 is emulated by {} kernels: precision f32 would be faster",
                plan.kernel
            ));
        }
        if let Some(last) = config.cycles.last() {
            self.say(format!(
                "a new cycle of the schedule begins after epoch {last}, from learning rate {}: this is \
                 not the run that had {} epochs from the beginning",
                config.learning_rate, config.epochs
            ));
        }
        match plan.begun {
            0 => {}
            begun if Some(begun) == config.max_steps => {
                self.say(format!("this run is complete: it ended after max_steps = {begun}"));
            }
            begun if begun == plan.iterations => self.say(format!(
                "this run is complete; more --epochs resume it{}",
                match config.schedule.depends_on_epochs() {
                    true => " with a new cycle of its schedule",
                    false => "",
                }
            )),
            begun => self.say(format!("resuming after iteration {begun}")),
        }
        self.epochs = config.epochs;
        self.batch = config.batch_size;
        if self.on_terminal {
            let target = ProgressDrawTarget::stderr();
            self.bar = ProgressBar::with_draw_target(Some(plan.iterations), target);
            self.bar.set_style(style(""));
            // The speed of a resumed run is that from here on.
            self.bar.set_position(plan.begun);
            self.bar.reset_eta();
        }
    }

    fn iteration(&mut self, iteration: &Iteration) {
        // A moving average over some hundred steps: the loss of one step jumps too much to be read.
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
        // Without validation images there is no accuracy, and no best epoch.
        let (short, long) = match validation.is_nan() {
            true => (String::new(), String::new()),
            false => (
                format!(", validation {validation:.1} %"),
                format!("  validation {validation:>5.2} %{}", if best { "  best" } else { "" }),
            ),
        };
        self.accuracies = format!(", train {train:.1} %{short}");
        self.say(format!(
            "epoch {:>3}  loss {:.4}  train {train:>5.2} %{long}",
            epoch.epoch, epoch.train_loss
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
            self.say("stopping with a checkpoint; press Ctrl-C again to stop at once".into());
        }
        stop
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
