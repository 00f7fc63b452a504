//! How the time of training grows: with threads, batch size, hidden width, depth, and images.
//!
//! Every row of the table is one network: the median of some windows of training, and what it
//! comes to in arithmetic. Time must grow in line with the arithmetic; where a sweep's GFLOP/s
//! falls, something else than multiplication takes the time.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use chainrule_bench::{IMAGES, INPUTS, Work};
use chainrule_report::{Axis, Figure, Key, Line, Look, Panel};
use clap::Parser;
use serde::Serialize;

/// Measures how the cost of training grows, and writes a table and a chart.
#[derive(Parser)]
struct Args {
    /// Threads of the sweep over threads, and of all others the largest of these
    /// [default: 1 to the number of cores]
    #[arg(long, value_delimiter = ',')]
    threads: Vec<usize>,
    /// Windows of training for each network; the median counts
    #[arg(long, default_value_t = 5)]
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
}

/// Multiplications and additions of one image's forward and backward pass. Of the first layer
/// there is no derivative by the input.
fn flop_per_image(hidden: &[usize]) -> f64 {
    let widths = [&[INPUTS], hidden, &[10]].concat();
    let layers = widths.windows(2).map(|pair| 2.0 * (pair[0] * pair[1]) as f64);
    layers.enumerate().map(|(l, product)| if l == 0 { 2.0 } else { 3.0 } * product).sum()
}

impl Args {
    fn measure(
        &self,
        sweep: &'static str,
        threads: usize,
        batch: usize,
        hidden: &[usize],
        images: usize,
    ) -> Row {
        let mut work = Work::with_images(hidden, batch, threads, images);
        let window = Duration::from_secs_f64(self.seconds);
        let steps = (8192 / batch).max(4);
        work.train(steps);
        let mut speeds: Vec<f64> = (0..self.windows.max(1))
            .map(|_| {
                let (began, mut done) = (Instant::now(), 0);
                while began.elapsed() < window {
                    work.train(steps);
                    done += steps * batch;
                }
                done as f64 / began.elapsed().as_secs_f64()
            })
            .collect();
        speeds.sort_by(f64::total_cmp);
        let speed = speeds[speeds.len() / 2];
        let gflop = flop_per_image(hidden) / 1e9;
        let widths: Vec<_> = hidden.iter().map(usize::to_string).collect();
        let row = Row {
            sweep,
            threads,
            batch,
            hidden: widths.join("+"),
            images,
            gflop_per_epoch: gflop * images as f64,
            images_per_second: speed.round(),
            seconds_per_epoch: images as f64 / speed,
            gflops_per_second: gflop * speed,
        };
        eprintln!(
            "{sweep:8} {threads} threads, batch {batch}, hidden {:16} {:8.0} images/s, {:5.0} GFLOP/s",
            row.hidden, speed, row.gflops_per_second
        );
        row
    }
}

fn main() -> anyhow::Result<()> {
    let mut args = Args::parse();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if args.threads.is_empty() {
        args.threads = (1..=cores).collect();
    }
    let most = args.threads.iter().copied().max().unwrap_or(1);

    let mut rows = vec![];
    for &threads in &args.threads {
        for hidden in [100, 1024] {
            rows.push(args.measure("threads", threads, 128, &[hidden], IMAGES));
        }
    }
    for batch in [16, 32, 64, 128, 256, 512, 1024] {
        rows.push(args.measure("batch", most, batch, &[256], IMAGES));
    }
    for hidden in [16, 32, 64, 128, 256, 512, 1024, 2048] {
        rows.push(args.measure("width", most, 128, &[hidden], IMAGES));
    }
    for depth in 1..=6 {
        rows.push(args.measure("depth", most, 128, &[512].repeat(depth), IMAGES));
    }
    for images in [1_000, 5_000, 20_000, 50_000] {
        rows.push(args.measure("images", most, 128, &[256], images));
    }

    if let Some(folder) = args.output.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    let mut table =
        csv::Writer::from_path(&args.output).with_context(|| args.output.display().to_string())?;
    for row in &rows {
        table.serialize(row)?;
    }
    table.flush()?;
    let chart = chart(&rows);
    for ending in ["svg", "png"] {
        chart.save(&args.output.with_extension(ending))?;
    }
    println!("{}", args.output.display());
    Ok(())
}

/// The smallest and the largest of some values, with some air.
fn ends(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    (values.clone().fold(f64::MAX, f64::min) / 1.3, values.fold(0.0, f64::max) * 1.3)
}

fn chart(rows: &[Row]) -> Figure {
    let of =
        |sweep: &str| rows.iter().filter(|row| row.sweep == sweep).cloned().collect::<Vec<_>>();
    let threads = of("threads");
    let most = threads.iter().map(|row| row.threads).max().unwrap_or(1) as f64;
    let highest = threads.iter().map(|row| row.gflops_per_second).fold(0.0, f64::max);
    let line = |hidden: &str, look| {
        let rows = threads.iter().filter(|row| row.hidden == hidden);
        Line { points: rows.map(|row| (row.threads as f64, row.gflops_per_second)).collect(), look }
    };
    let (small, large) = (Look::nth(0), Look::nth(1));
    let speed = Panel {
        lines: vec![line("100", small), line("1024", large)],
        ..Panel::new(
            Axis::linear("threads", 0.0, most),
            Axis::linear("GFLOP/s of training", 0.0, highest * 1.1),
        )
    };

    let sweeps = [("batch", 2), ("width", 3), ("depth", 4), ("images", 5)];
    let grown: Vec<Row> = rows.iter().filter(|row| row.sweep != "threads").cloned().collect();
    let (least, largest) = ends(grown.iter().map(|row| row.gflop_per_epoch));
    let (shortest, longest) = ends(grown.iter().map(|row| row.seconds_per_epoch));
    let lines = sweeps.map(|(sweep, n)| Line {
        points: of(sweep).iter().map(|row| (row.gflop_per_epoch, row.seconds_per_epoch)).collect(),
        look: Look::nth(n),
    });
    let cost = Panel {
        lines: lines.into(),
        ..Panel::new(
            Axis::logarithmic("GFLOP of an epoch", least, largest),
            Axis::logarithmic("seconds of an epoch", shortest, longest),
        )
    };
    let mut keys = vec![Key::new("100 hidden units", small), Key::new("1024 hidden units", large)];
    keys.extend(sweeps.map(|(sweep, n)| Key::new(format!("sweep over {sweep}"), Look::nth(n))));
    Figure {
        title: "How the cost of training grows".into(),
        subtitle: vec![format!(
            "left: speed against threads, batch 128; right: time against arithmetic, {most} threads"
        )],
        keys,
        panels: vec![speed, cost],
    }
}
