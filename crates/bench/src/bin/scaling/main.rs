//! How the time of training grows: with threads, batch size, hidden width, depth and images; and
//! what each ingredient of a network costs.
//!
//! Every row of the table is one network: the median of some windows of training, and what it
//! comes to in arithmetic. Time must grow in line with the arithmetic; where a sweep's GFLOP/s
//! falls, something else than multiplication takes the time. The networks of a group take turns,
//! so that what else the machine does slows them alike; ratios are taken within a round.

mod chart;
mod sweeps;

use std::path::PathBuf;

use anyhow::ensure;
use chainrule_bench::machine::{cores, warn_if_busy};
use chainrule_bench::protocol::Window;
use chainrule_bench::statistics::{median, ratios};
use chainrule_bench::{Trainer, output};
use clap::Parser;
use serde::Serialize;

use sweeps::{Network, Sweep};

/// Measures how the cost of training grows, and writes a table and a chart
#[derive(Parser)]
#[command(args_override_self = true)]
struct Args {
    /// What grows; the chart shows all of these but the ingredients
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "threads,batch,width,depth,images"
    )]
    sweeps: Vec<Sweep>,
    /// Threads of the sweep over threads, and of all others the largest of these
    /// [default: 1 to the number of cores]
    #[arg(long, value_delimiter = ',')]
    threads: Vec<usize>,
    /// Windows of training for each network; the median counts
    #[arg(long, alias = "rounds", default_value_t = 5)]
    windows: usize,
    /// Seconds of a window
    #[arg(long, default_value_t = 0.4)]
    seconds: f64,
    /// The table to write; the chart, .svg and .png, goes beside it
    #[arg(long, value_name = "FILE.csv", default_value = "results/scaling.csv")]
    output: PathBuf,
}

/// One network and its cost.
#[derive(Clone, Serialize)]
struct Row {
    sweep: &'static str,
    threads: usize,
    batch: usize,
    hidden: String,
    images: usize,
    gflop_per_epoch: f64,
    images_per_second: f64,
    seconds_per_epoch: f64,
    gflops_per_second: f64,
    /// Of the sweep over ingredients.
    ingredient: Option<String>,
    /// Its speed as a share of the plain network's: the median of the rounds.
    ratio_to_plain: Option<f64>,
}

fn main() -> anyhow::Result<()> {
    let mut args = Args::parse();
    ensure!(args.windows > 0, "--windows is 0: at least one window is needed");
    ensure!(!args.threads.contains(&0), "--threads has a 0: at least one thread is needed");
    if args.threads.is_empty() {
        args.threads = (1..=cores()).collect();
    }
    warn_if_busy();
    let mut table = output::table(&args.output)?;
    let mut rows = vec![];
    for sweep in &args.sweeps {
        for group in sweep.groups(&args.threads) {
            for row in measure(*sweep, &group, args.windows, args.seconds) {
                print(&row);
                table.serialize(&row)?;
                rows.push(row);
            }
            table.flush()?;
        }
    }
    rows.retain(|row| row.ingredient.is_none());
    if !rows.is_empty() {
        let chart = chart::chart(&rows);
        output::save_chart(&args.output, |path| chart.save(path))?;
    }
    println!("{}", args.output.display());
    Ok(())
}

/// Lets the networks of a group take turns.
fn measure(sweep: Sweep, group: &[Network], windows: usize, seconds: f64) -> Vec<Row> {
    let trainer = |n: &Network| Trainer::with(n.ingredients, &n.shape, n.threads, n.images);
    let mut trainers: Vec<_> = group.iter().map(trainer).collect();
    let mut speeds = vec![vec![]; group.len()];
    // The first round fills the caches and does not count.
    for round in 0..=windows {
        for (i, trainer) in trainers.iter_mut().enumerate() {
            let steps = (2048 / group[i].shape.batch).max(4);
            let seconds = if round == 0 { 0.25 * seconds } else { seconds };
            let window = Window::measure(seconds, || trainer.train(steps));
            if round > 0 {
                speeds[i].push(window.images_per_second);
            }
        }
    }
    let row = |(network, own): (&Network, &Vec<f64>)| {
        let Network { threads, shape, images, .. } = network;
        let (speed, gflop) = (median(own), shape.flop_per_image() / 1e9);
        let is_ingredient = sweep == Sweep::Ingredients;
        Row {
            sweep: sweep.name(),
            threads: *threads,
            batch: shape.batch,
            hidden: shape.widths("+"),
            images: *images,
            gflop_per_epoch: gflop * *images as f64,
            images_per_second: speed.round(),
            seconds_per_epoch: *images as f64 / speed,
            gflops_per_second: gflop * speed,
            ingredient: is_ingredient.then(|| network.name.clone()),
            ratio_to_plain: is_ingredient.then(|| median(&ratios(own, &speeds[0]))),
        }
    };
    group.iter().zip(&speeds).map(row).collect()
}

fn print(row: &Row) {
    let Row { sweep, threads, batch, hidden, images_per_second, gflops_per_second, .. } = row;
    print!(
        "{sweep:11} {threads} threads, batch {batch:4}, hidden {hidden:16} \
         {images_per_second:8.0} images/s, {gflops_per_second:5.0} GFLOP/s"
    );
    match (&row.ingredient, row.ratio_to_plain) {
        (Some(name), Some(ratio)) => println!(", {name:22} {:5.1} %", 100.0 * ratio),
        _ => println!(),
    }
}
