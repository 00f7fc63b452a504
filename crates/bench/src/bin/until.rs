//! Seconds of training until the test set is 45 %, 50 % and 53 % right, ours beside PyTorch's.
//!
//! Both train with the defaults of `chainrule train` on the real images, seed by seed in turns.
//! After every 100 steps the clock stands still while the test set is classified.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, ensure};
use chainrule_bench::warn_if_busy;
use chainrule_data::{Dataset, cifar10, epoch_order};
use chainrule_nn::Engine;
use chainrule_report::{Axis, Dash, Figure, Key, Line, Look, Marker, Panel};
use chainrule_train::Config;
use chainrule_train::{ModelFile, Predictor, Prepared};
use clap::Parser;
use serde::Deserialize;

/// Accuracies that are waited for.
const GOALS: [f64; 3] = [0.45, 0.50, 0.53];

/// Trains until the accuracies are reached, side by side with PyTorch.
#[derive(Parser)]
struct Args {
    #[arg(long, default_value = "datasets/cifar-10-batches-bin")]
    data_dir: PathBuf,
    /// The Python that has the packages of peers/requirements.txt
    #[arg(long, default_value = "target/peers/bin/python")]
    python: PathBuf,
    #[arg(long, default_value_t = 3)]
    seeds: u64,
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Passes over the training images; without it, as many as `chainrule train` makes
    #[arg(long)]
    epochs: Option<u32>,
    /// Steps between two looks at the test set
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
    ensure!(args.seeds > 0 && args.every > 0, "one seed and one step at least");
    warn_if_busy();
    let dataset = cifar10::read(&args.data_dir)?;
    if let Some(folder) = args.output.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
    }
    let mut table = csv::Writer::from_path(&args.output)
        .with_context(|| format!("{}", args.output.display()))?;
    table.write_record(["trainer", "seed", "iteration", "seconds", "test_accuracy"])?;

    let mut runs: BTreeMap<&str, Vec<Vec<Reading>>> = BTreeMap::new();
    for seed in 0..args.seeds {
        let defaults = Config::default();
        let epochs = args.epochs.unwrap_or(defaults.epochs);
        let config = Config { seed, epochs, threads: args.threads, ..defaults };
        for (trainer, readings) in
            [("Chainrule", ours(&args, &config, &dataset)?), ("PyTorch", theirs(&args, &config)?)]
        {
            for reading in &readings {
                table.write_record([
                    trainer.to_owned(),
                    seed.to_string(),
                    reading.iteration.to_string(),
                    format!("{:.4}", reading.seconds),
                    reading.accuracy.to_string(),
                ])?;
            }
            table.flush()?;
            runs.entry(trainer).or_default().push(readings);
        }
    }

    println!("median seconds of training until so much of the test set is right:");
    for (trainer, runs) in &runs {
        print!("{trainer:10}");
        for goal in GOALS {
            match median(runs.iter().map(|run| seconds_until(run, goal)).collect()) {
                seconds if seconds.is_finite() => {
                    print!("  {:.0} %: {seconds:6.2} s", 100.0 * goal)
                }
                _ => print!("  {:.0} %: not reached", 100.0 * goal),
            }
        }
        println!();
    }
    let figure = draw(&runs, args.threads);
    for ending in ["svg", "png"] {
        figure.save(&args.output.with_extension(ending))?;
    }
    println!("{}", args.output.display());
    Ok(())
}

fn ours(args: &Args, config: &Config, dataset: &Dataset) -> anyhow::Result<Vec<Reading>> {
    let train = &dataset.train;
    let model = config.classifier(train.dim(), train.classes())?;
    let kernels = chainrule_tensor::Isa::from_environment()?;
    let mut engine = Engine::with_isa(&model, config.batch_size, config.threads, kernels)?;
    let prepared = Prepared::new(config, dataset, None)?;
    let images = prepared.pixels();

    let (mut readings, mut iteration, mut seconds) = (vec![], 0, 0.0);
    let mut look = |engine: &mut Engine, iteration, seconds| {
        let normalization = prepared.normalization.clone();
        let file = ModelFile { classifier: engine.model(), normalization, task: None };
        let (images, all) = (&dataset.test, (0..dataset.test.len() as u32).collect::<Vec<_>>());
        let answers =
            Predictor::with_isa(&file, config.threads, kernels)?.ask(images, &all, false)?;
        let accuracy = answers.evaluate(images.labels()).accuracy(images.labels());
        readings.push(Reading { iteration, seconds, accuracy });
        anyhow::Ok(())
    };
    look(&mut engine, iteration, seconds)?;
    let rates = prepared.rates(config);
    for epoch in 1..=config.epochs {
        let mut start = Instant::now();
        let order = epoch_order(&prepared.split.train, config.seed, epoch);
        let mut rest = order.as_slice();
        while !rest.is_empty() {
            let steps = args.every - iteration % args.every;
            let rule = config.step(rates.at(iteration as u64));
            let (now, later) = rest.split_at(rest.len().min(steps * config.batch_size));
            engine.train(&images, train.labels(), now, config.batch_size, rule)?;
            iteration += now.len().div_ceil(config.batch_size);
            rest = later;
            if iteration % args.every == 0 {
                seconds += start.elapsed().as_secs_f64();
                look(&mut engine, iteration, seconds)?;
                start = Instant::now();
            }
        }
        seconds += start.elapsed().as_secs_f64();
    }
    Ok(readings)
}

fn theirs(args: &Args, config: &Config) -> anyhow::Result<Vec<Reading>> {
    let hidden: Vec<_> = config.hidden_dim.iter().map(usize::to_string).collect();
    let mut process = Command::new(&args.python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/pytorch_until.py"))
        .arg("--data-dir")
        .arg(&args.data_dir)
        .args(["--hidden", &hidden.join(",")])
        .args(["--learning-rate", &config.learning_rate.to_string()])
        .args(["--lr-decay", &config.lr_decay.to_string()])
        .args(["--momentum", &config.momentum.to_string()])
        .args(["--reg", &config.reg.to_string()])
        .args(["--batch", &config.batch_size.to_string()])
        .args(["--epochs", &config.epochs.to_string()])
        .args(["--every", &args.every.to_string()])
        .args(["--validation", &config.validation.to_string()])
        .args(["--seed", &config.seed.to_string()])
        .args(["--threads", &config.threads.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("{} does not start", args.python.display()))?;
    let output = process.stdout.take().context("the process has no output")?;
    let mut readings = vec![];
    for line in BufReader::new(output).lines() {
        let line = line?;
        readings.push(serde_json::from_str(&line).with_context(|| format!("it said `{line}`"))?);
    }
    let status = process.wait()?;
    ensure!(status.success(), "PyTorch's side ended with {status}");
    Ok(readings)
}

/// When `goal` was first reached; infinite if it never was.
fn seconds_until(run: &[Reading], goal: f64) -> f64 {
    let reached = run.iter().find(|reading| reading.accuracy >= goal);
    reached.map_or(f64::INFINITY, |reading| reading.seconds)
}

/// The middle value, the lower of two.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(f64::INFINITY)
}

fn draw(runs: &BTreeMap<&str, Vec<Vec<Reading>>>, threads: usize) -> Figure {
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
        title: "Seconds of training, and what they bring".into(),
        subtitle: vec![format!(
            "the defaults of `chainrule train` on CIFAR-10, {threads} threads; \
             evaluation is off the clock"
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
        assert_eq!(median(vec![3.0, f64::INFINITY, 1.0]), 3.0);
    }
}
