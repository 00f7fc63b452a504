//! What this machine allows, and the share of it that a training step reaches.
//!
//! The limit counts the products alone, with two floating-point operations for each multiply-add:
//! for an image, 2 in out forward, as many for dW, and after the first layer as many for dX.
//! Gather, softmax, update and memory are taken as free, so 100 % is out of reach.
//!
//! The picture shows why: where each phase of a step stands under the roofs of arithmetic and of
//! memory (Williams, Waterman & Patterson 2009).

mod chart;

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

use chainrule_bench::machine::{threads, warn_if_busy};
use chainrule_bench::phases::{self, Phase};
use chainrule_bench::protocol::Window;
use chainrule_bench::{Shape, Trainer, output};
use chainrule_tensor::comm::{Communicator, ThreadGroup};
use chainrule_tensor::{Isa, Kernel, peak};
use clap::Parser;
use serde::Serialize;

/// Those of `just compare`.
const SHAPES: [(usize, &[usize]); 6] = [
    (64, &[100]),
    (200, &[100]),
    (256, &[512]),
    (128, &[1024]),
    (100, &[50]),
    (128, &[1024, 1024, 512]),
];

/// A small and a wide network, whose phases are drawn.
const DRAWN: [(usize, &[usize]); 2] = [(64, &[100]), (128, &[1024])];

/// Bytes a core reads, over and over: well inside its L2, in a shared L3, in neither.
const SIZES: [(&str, usize); 3] = [("L2", 1 << 20), ("L3", 12 << 20), ("DRAM", 256 << 20)];

/// Prints the machine's peak and each configuration as a share of what it allows; draws the phases of
/// a step under the roofs
#[derive(Parser)]
#[command(args_override_self = true)]
struct Args {
    /// Seconds for each measurement; the best of three is taken
    #[arg(long, default_value_t = 0.5)]
    seconds: f64,
    /// The table of roofs and phases to write; the chart, .svg and .png, goes beside it
    #[arg(long, value_name = "FILE.csv", default_value = "results/roofline.csv")]
    output: PathBuf,
}

/// What so many threads reach at most.
struct Roofs {
    threads: usize,
    /// Operations a second.
    peak: f64,
    /// Bytes a second, from each memory of [`SIZES`].
    bandwidths: Vec<(&'static str, f64)>,
}

/// A network's phases.
struct Drawn {
    shape: Shape,
    phases: Vec<Phase>,
    /// No part of the step, in which it is done together with the backward pass.
    update: Phase,
}

impl Drawn {
    /// The phases, and the update by itself.
    fn points(&self) -> impl Iterator<Item = &Phase> {
        self.phases.iter().chain([&self.update])
    }
}

/// A row of the table; a roof has no shape, and is of arithmetic or of memory.
#[derive(Default, Serialize)]
struct Row {
    kind: &'static str,
    threads: usize,
    batch: Option<usize>,
    hidden: Option<String>,
    name: &'static str,
    share_of_step: Option<f64>,
    flop_per_byte: Option<f64>,
    gflop_per_second: Option<f64>,
    gbyte_per_second: Option<f64>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let isa = Kernel::isa_from_environment()?;
    warn_if_busy();
    println!("kernels: {isa}\n");

    let mut roofs = vec![];
    for threads in threads() {
        let group = ThreadGroup::new(threads)?;
        let peak = multiply_adds(&group, isa, args.seconds);
        print!("{threads} threads: {:6.0} GFLOP/s", peak / 1e9);
        let mut bandwidths = vec![];
        for (name, bytes) in SIZES {
            let speed = bandwidth(&group, isa, bytes, args.seconds);
            print!(", {name} {:.0} GB/s", speed / 1e9);
            bandwidths.push((name, speed));
        }
        println!();
        roofs.push(Roofs { threads, peak, bandwidths });
    }

    println!("\nbatch  hidden          threads    limit, images/s  reached, images/s  share");
    for (batch, hidden) in SHAPES {
        let shape = Shape::new(batch, hidden);
        for &Roofs { threads, peak, .. } in &roofs {
            let limit = peak / shape.flop_per_image();
            let reached = training(&shape, threads, args.seconds);
            println!(
                "{batch:5}  {:14}  {threads:7}  {limit:17.0}  {reached:17.0}  {:4.0} %",
                shape.widths("+"),
                100.0 * reached / limit
            );
        }
    }

    let Some(roofs) = roofs.last() else { return Ok(()) };
    let group = ThreadGroup::new(roofs.threads)?;
    println!("\nbatch  hidden  phase                    of a step  FLOP/byte  GFLOP/s");
    let mut drawn = vec![];
    for (batch, hidden) in DRAWN {
        let shape = Shape::new(batch, hidden);
        let phases = phases(&shape, roofs.threads, args.seconds);
        let step = step_seconds(&phases);
        for phase in &phases {
            println!(
                "{batch:5}  {:6}  {:23} {:9.1} %  {:9.2}  {:7.0}",
                shape.widths("+"),
                phase.name,
                100.0 * phase.seconds / step,
                phase.intensity(),
                phase.flop_per_second() / 1e9
            );
        }
        let update = phases::update_alone(isa, &shape, &group);
        println!(
            "{batch:5}  {:6}  {:23} {:>11}  {:9.2}  {:7.0}",
            shape.widths("+"),
            update.name,
            "",
            update.intensity(),
            update.flop_per_second() / 1e9
        );
        drawn.push(Drawn { shape, phases, update });
    }
    write(&args.output, roofs, &drawn)?;
    let chart = chart::chart(roofs, &drawn, isa);
    output::save_chart(&args.output, |path| chart.save(path))?;
    println!("{}", args.output.display());
    Ok(())
}

fn step_seconds(phases: &[Phase]) -> f64 {
    phases.iter().map(|phase| phase.seconds).sum()
}

fn write(path: &Path, roofs: &Roofs, drawn: &[Drawn]) -> anyhow::Result<()> {
    let mut table = output::table(path)?;
    let Roofs { threads, peak, bandwidths } = roofs;
    let row = Row { threads: *threads, ..Row::default() };
    let gflop_per_second = Some(peak / 1e9);
    table.serialize(Row { kind: "arithmetic", name: "FMA", gflop_per_second, ..row })?;
    for (name, speed) in bandwidths {
        let row = Row { threads: *threads, ..Row::default() };
        table.serialize(Row {
            kind: "memory",
            name,
            gbyte_per_second: Some(speed / 1e9),
            ..row
        })?;
    }
    for network in drawn {
        let Drawn { shape, phases, update } = network;
        for phase in network.points() {
            let part = phase != update;
            table.serialize(Row {
                kind: if part { "phase" } else { "apart" },
                threads: *threads,
                batch: Some(shape.batch),
                hidden: Some(shape.widths("+")),
                name: phase.name,
                share_of_step: part.then(|| phase.seconds / step_seconds(phases)),
                flop_per_byte: Some(phase.intensity()),
                gflop_per_second: Some(phase.flop_per_second() / 1e9),
                gbyte_per_second: Some(phase.bytes / phase.seconds / 1e9),
            })?;
        }
    }
    Ok(table.flush()?)
}

/// The phases of the fastest of some windows, of `seconds` in all.
fn phases(shape: &Shape, threads: usize, seconds: f64) -> Vec<Phase> {
    let mut trainer = Trainer::new(shape, threads);
    let steps = 8192_usize.div_ceil(shape.batch);
    trainer.train(steps);
    let (start, mut windows) = (Instant::now(), vec![]);
    while windows.is_empty() || start.elapsed().as_secs_f64() < 3.0 * seconds {
        windows.push(phases::measure(&mut trainer, shape, threads, steps));
    }
    let fastest = windows.into_iter().min_by(|a, b| step_seconds(a).total_cmp(&step_seconds(b)));
    fastest.expect("at least one window")
}

/// The best of three times of `seconds` in which `work`, done by every core at once, is repeated;
/// `work` returns how much it did.
fn best_speed(group: &ThreadGroup, seconds: f64, work: impl Fn(usize) -> f64 + Sync) -> f64 {
    let once = || {
        let speeds = group.run(|comm| {
            comm.barrier();
            let (start, mut done) = (Instant::now(), 0.0);
            while start.elapsed().as_secs_f64() < seconds {
                done += work(comm.rank());
            }
            done / start.elapsed().as_secs_f64()
        });
        speeds.iter().sum::<f64>()
    };
    (0..3).map(|_| once()).fold(0.0, f64::max)
}

fn multiply_adds(group: &ThreadGroup, isa: Isa, seconds: f64) -> f64 {
    best_speed(group, seconds, |_| {
        let (operations, sum) = peak::multiply_add(isa);
        black_box(sum);
        operations
    })
}

fn bandwidth(group: &ThreadGroup, isa: Isa, bytes: usize, seconds: f64) -> f64 {
    let data: Vec<_> = (0..group.size()).map(|_| vec![1.0_f32; bytes / size_of::<f32>()]).collect();
    best_speed(group, seconds, |rank| {
        black_box(peak::read(isa, black_box(&data[rank])));
        bytes as f64
    })
}

fn training(shape: &Shape, threads: usize, seconds: f64) -> f64 {
    let mut trainer = Trainer::new(shape, threads);
    let steps = 4096_usize.div_ceil(shape.batch);
    trainer.train(steps);
    let mut once = || Window::measure(seconds, || trainer.train(steps)).images_per_second;
    (0..3).map(|_| once()).fold(0.0, f64::max)
}
