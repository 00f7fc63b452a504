//! Seconds of training until the test set is 45 %, 50 % and 53 % right, ours beside PyTorch's.
//!
//! Both train with the defaults of `chainrule train` on the real images, seed by seed in turns, at
//! the same learning rate in each step: in f32, and at the best of all precisions where another is
//! faster. After every 100 steps the clock stands still while the test set is classified.

use std::fmt;
use std::iter;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, ensure};
use chainrule_bench::machine::warn_if_busy;
use chainrule_bench::peer::{Peer, Places};
use chainrule_bench::protocol::Ready;
use chainrule_bench::statistics::median;
use chainrule_bench::{Shape, output};
use chainrule_data::{Dataset, cifar10, epoch_order};
use chainrule_nn::Engine;
use chainrule_report::{Axis, Dash, Figure, Key, Line, Look, Marker, Panel};
use chainrule_tensor::{Kernel, Precision};
use chainrule_train::config::Tta;
use chainrule_train::{Config, ModelFile, Predictor, Prepared};
use clap::Parser;
use serde::Deserialize;
use serde_json::json;

/// Accuracies that are waited for.
const GOALS: [f64; 3] = [0.45, 0.50, 0.53];

/// Trains until the accuracies are reached, side by side with PyTorch
#[derive(Parser)]
struct Args {
    #[arg(long, default_value = "datasets/cifar-10-batches-bin")]
    data_dir: PathBuf,
    #[command(flatten)]
    places: Places,
    #[arg(long, default_value_t = 3)]
    seeds: u64,
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Passes over the training images; without it, as many as `chainrule train` makes
    #[arg(long)]
    epochs: Option<u32>,
    /// Steps between two tests
    #[arg(long, default_value_t = 100)]
    every: usize,
    /// The table to write; the chart, .svg and .png, goes beside it
    #[arg(long, value_name = "FILE.csv", default_value = "results/until.csv")]
    output: PathBuf,
}

/// How far a run was after some seconds of training.
#[derive(Clone, Copy, Deserialize)]
struct Reading {
    iteration: usize,
    seconds: f64,
    accuracy: f64,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    ensure!(args.seeds > 0, "--seeds is 0: at least one seed is needed");
    ensure!(args.every > 0, "--every is 0: at least one step is needed");
    warn_if_busy();
    let dataset = cifar10::read(&args.data_dir)?;
    let mut table = output::table(&args.output)?;
    let columns = ["trainer", "setting", "seed", "iteration", "seconds", "test_accuracy"];
    table.write_record(columns)?;

    let settings = pytorch_settings(&args).context("peer `pytorch`")?;
    let mut runs: Vec<(Trainer, Vec<Vec<Reading>>)> = vec![];
    for seed in 0..args.seeds {
        let defaults = Config::default();
        let epochs = args.epochs.unwrap_or(defaults.epochs);
        let config = Config { seed, epochs, threads: args.threads, ..defaults };
        let prepared = Prepared::new(&config, &dataset, None)?;
        let mut all = vec![];
        for precision in [Precision::F32, Precision::Bf16] {
            let kernel = Kernel::from_environment(precision)?;
            if kernel.emulates() {
                println!("Chainrule, bf16: not measured here, it is emulated");
                continue;
            }
            let readings = ours(&args, &config, kernel, &dataset, &prepared)?;
            let setting = kernel.to_string();
            all.push((Trainer { name: "Chainrule", setting }, readings));
        }
        for setting in &settings {
            let readings = theirs(&args, &config, &prepared, setting);
            let trainer = Trainer { name: "PyTorch", setting: setting.clone() };
            all.push((trainer, readings.context("peer `pytorch`")?));
        }
        for (trainer, readings) in all {
            for reading in &readings {
                table.write_record([
                    trainer.name.to_owned(),
                    trainer.setting.clone(),
                    seed.to_string(),
                    reading.iteration.to_string(),
                    format!("{:.4}", reading.seconds),
                    reading.accuracy.to_string(),
                ])?;
            }
            table.flush()?;
            match runs.iter_mut().find(|(known, _)| *known == trainer) {
                Some((_, runs)) => runs.push(readings),
                None => runs.push((trainer, vec![readings])),
            }
        }
    }

    println!("median seconds of training until so much of the test set is right:");
    for (trainer, runs) in &runs {
        print!("{:56}", trainer.to_string());
        for goal in GOALS {
            let seconds: Vec<_> = runs.iter().map(|run| seconds_until(run, goal)).collect();
            match median(&seconds) {
                seconds if seconds.is_finite() => {
                    print!("  {:.0} %: {seconds:6.2} s", 100.0 * goal)
                }
                _ => print!("  {:.0} %: not reached", 100.0 * goal),
            }
        }
        let last: Vec<_> = runs.iter().filter_map(|run| run.last()).map(|r| r.accuracy).collect();
        println!("  at the end {:.2} %", 100.0 * median(&last));
    }
    let figure = draw(&runs, args.threads);
    output::save_chart(&args.output, |path| figure.save(path))?;
    println!("{}", args.output.display());
    Ok(())
}

/// Who trained, and how.
#[derive(PartialEq)]
struct Trainer {
    name: &'static str,
    setting: String,
}

impl fmt::Display for Trainer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.name, self.setting)
    }
}

/// PyTorch's fastest setting of f32 for this work, and the fastest of any precision if it is another.
fn pytorch_settings(args: &Args) -> anyhow::Result<Vec<String>> {
    let config = Config::default();
    let shape = Shape::new(config.batch_size, &config.hidden_dim);
    let mut command = args.places.command("pytorch")?;
    command.args(["--hidden", &shape.widths(","), "--batch", &shape.batch.to_string()]);
    command.args(["--threads", &args.threads.to_string()]);
    let ready: Ready = Peer::start(command)?.answer()?;
    Ok(iter::once(ready.setting).chain(ready.best).collect())
}

fn ours(
    args: &Args,
    config: &Config,
    kernel: Kernel,
    dataset: &Dataset,
    prepared: &Prepared,
) -> anyhow::Result<Vec<Reading>> {
    let (train, test) = (&dataset.train, &dataset.test);
    let model = config.classifier(train.dim(), train.classes())?;
    let mut engine = Engine::with_kernel(&model, config.batch_size, config.threads, kernel)?;
    let (images, rates) = (prepared.pixels(), prepared.rates(config));

    let all: Vec<_> = (0..test.len() as u32).collect();
    let accuracy = |engine: &Engine| {
        let normalization = prepared.normalization.clone();
        let file =
            ModelFile { classifier: engine.model(), normalization, task: None, members: vec![] };
        let answers =
            Predictor::with_isa(&file, config.threads, kernel.isa())?.ask(test, &all, Tta::NONE)?;
        anyhow::Ok(answers.evaluate(test.labels()).accuracy(test.labels()))
    };
    let (mut iteration, mut seconds) = (0, 0.0);
    let mut readings = vec![Reading { iteration, seconds, accuracy: accuracy(&engine)? }];
    for epoch in 1..=config.epochs {
        let mut start = Instant::now();
        let order = epoch_order(&prepared.split.train, config.seed, epoch);
        let mut rest = order.as_slice();
        while !rest.is_empty() {
            let steps = args.every - iteration % args.every;
            let step = |number| config.step(rates.at((iteration + number) as u64));
            let (now, later) = rest.split_at(rest.len().min(steps * config.batch_size));
            let on = |_| ControlFlow::Continue(());
            engine.train_each(&images, train.labels(), now, config.batch_size, step, on)?;
            iteration += now.len().div_ceil(config.batch_size);
            rest = later;
            if iteration % args.every == 0 {
                seconds += start.elapsed().as_secs_f64();
                readings.push(Reading { iteration, seconds, accuracy: accuracy(&engine)? });
                start = Instant::now();
            }
        }
        seconds += start.elapsed().as_secs_f64();
    }
    Ok(readings)
}

fn theirs(
    args: &Args,
    config: &Config,
    prepared: &Prepared,
    setting: &str,
) -> anyhow::Result<Vec<Reading>> {
    let mut command = args.places.script("pytorch_until")?;
    command.arg("--data-dir").arg(&args.data_dir);
    let mut peer = Peer::start(command)?;
    let steps = prepared.split.train.len().div_ceil(config.batch_size) * config.epochs as usize;
    let rates = prepared.rates(config);
    let rates: Vec<_> = (0..steps as u64).map(|step| rates.at(step)).collect();
    let settings = json!({
        "hidden": config.hidden_dim,
        "learning_rates": rates,
        "momentum": config.momentum,
        "reg": config.reg,
        "batch": config.batch_size,
        "validation": config.validation,
        "seed": config.seed,
        "threads": config.threads,
        "every": args.every,
        "setting": setting,
    });
    peer.send(&settings.to_string())?;
    let mut readings = vec![];
    while let Some(reading) = peer.next_answer()? {
        readings.push(reading);
    }
    peer.finish()?;
    Ok(readings)
}

/// When `goal` was first reached; infinite if it never was.
fn seconds_until(run: &[Reading], goal: f64) -> f64 {
    let reached = run.iter().find(|reading| reading.accuracy >= goal);
    reached.map_or(f64::INFINITY, |reading| reading.seconds)
}

fn draw(runs: &[(Trainer, Vec<Vec<Reading>>)], threads: usize) -> Figure {
    let (mut keys, mut lines, mut longest) = (vec![], vec![], 0.0_f64);
    for (i, (trainer, runs)) in runs.iter().enumerate() {
        let dash = if i == 0 { Dash::Solid } else { Dash::Dashed };
        let look = Look::nth(i).dash(dash).marker(Marker::None).width(1.5);
        keys.push(Key::new(format!("{trainer}, {} seeds", runs.len()), look));
        for run in runs {
            longest = run.iter().map(|reading| reading.seconds).fold(longest, f64::max);
            let points = run.iter().map(|r| (r.seconds, 100.0 * r.accuracy)).collect();
            lines.push(Line { points, look });
        }
    }
    Figure {
        title: "Test accuracy against seconds of training".into(),
        subtitle: vec![format!(
            "defaults of `chainrule train` on CIFAR-10, {threads} threads; evaluation not counted"
        )],
        keys,
        panels: vec![Panel {
            lines,
            ..Panel::new(
                Axis::linear("seconds of training", 0.0, longest),
                Axis::linear("test accuracy (%)", 0.0, 60.0),
            )
        }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_counts_from_the_first_time_it_was_reached() {
        let reading = |seconds, accuracy| Reading { iteration: 0, seconds, accuracy };
        let run = [reading(0.0, 0.1), reading(1.0, 0.46), reading(2.0, 0.44), reading(3.0, 0.5)];
        assert_eq!(seconds_until(&run, 0.45), 1.0);
        assert_eq!(seconds_until(&run, 0.5), 3.0);
        assert_eq!(seconds_until(&run, 0.53), f64::INFINITY);
    }
}
