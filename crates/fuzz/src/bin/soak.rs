//! Short runs back to back in one process, through the library, and the memory that it holds.
//!
//! A leak shows only after hours. Each run here has other widths, batches and threads, and every
//! other one is stopped half-way and resumed, so that every allocation is made and given back many
//! times.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use chainrule_train::{Checkpoint, Config, Data, Error, Iteration, Observer, RunFolder};
use clap::Parser;

/// Trains again and again, and fails if the memory grows
#[derive(Parser)]
struct Args {
    /// How long to go on, in seconds
    #[arg(long, default_value_t = 3600)]
    seconds: u64,
    /// Seconds between two lines
    #[arg(long, default_value_t = 60)]
    every: u64,
    /// How much the memory may grow after the first tenth of the time, in MB
    #[arg(long, default_value_t = 8.0)]
    grow: f64,
}

/// Stops a run at a step.
struct StopAt {
    step: u64,
    taken: u64,
}

impl Observer for StopAt {
    fn iteration(&mut self, _: &Iteration) {
        self.taken += 1;
    }

    fn stop(&mut self) -> bool {
        self.taken >= self.step
    }
}

/// Memory of this process that is in RAM, in MB.
fn resident() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status").context("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kb = line.and_then(|line| line.split_whitespace().next()).context("VmRSS")?;
    Ok(kb.parse::<f64>()? / 1024.0)
}

/// One short run, stopped and resumed if `number` is odd.
fn short_run(number: usize, data: &Data, out: &Path) -> anyhow::Result<()> {
    let config = Config {
        hidden_dim: [vec![], vec![40], vec![100], vec![64, 33]][number % 4].clone(),
        batch_size: [16, 50, 100][number % 3],
        epochs: 3,
        threads: 1 + number % 3,
        seed: number as u64,
        checkpoint_every: Some(7),
        ..Config::default()
    };
    let step = if number.is_multiple_of(2) { u64::MAX } else { 11 };
    match chainrule_train::run(&config, data, out, &mut StopAt { step, taken: 0 }) {
        Err(Error::Stopped { .. }) => {
            let folder = RunFolder::open(out)?;
            let checkpoint = Checkpoint::load(out)?;
            let config = checkpoint.state.config.clone();
            let never = &mut StopAt { step: u64::MAX, taken: 0 };
            chainrule_train::resume(checkpoint, &config, data, &folder, never)?;
        }
        result => drop(result?),
    }
    Ok(())
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let data = Data::sample();
    let began = Instant::now();
    let end = Duration::from_secs(args.seconds);
    let (mut runs, mut printed, mut settled) = (0, Duration::ZERO, None);
    println!("seconds,runs,resident_mb");
    while began.elapsed() < end {
        let dir = tempfile::tempdir()?;
        short_run(runs, &data, &dir.path().join("run"))?;
        runs += 1;
        let now = began.elapsed();
        if now >= end / 10 && settled.is_none() {
            settled = Some(resident()?);
        }
        if now - printed >= Duration::from_secs(args.every) {
            printed = now;
            println!("{},{runs},{:.1}", now.as_secs(), resident()?);
        }
    }
    let (first, last) =
        (settled.context("no run ended in that time: give it more --seconds")?, resident()?);
    println!("{},{runs},{last:.1}", began.elapsed().as_secs());
    ensure!(last - first <= args.grow, "memory grew from {first:.1} to {last:.1} MB");
    eprintln!("{runs} runs: {first:.1} MB after a tenth of the time, {last:.1} MB at the end");
    Ok(())
}
