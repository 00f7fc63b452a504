//! What this machine allows, and the share of it that a training step reaches.
//!
//! The limit counts the products alone, with two floating-point operations for each multiply-add:
//! for an image, 2 in out forward, as many for dW, and after the first layer as many for dX.
//! Gather, softmax, update and memory are taken as free, so 100 % is out of reach.

use std::hint::black_box;
use std::time::Instant;

use chainrule_bench::machine::{threads, warn_if_busy};
use chainrule_bench::protocol::Window;
use chainrule_bench::{Shape, Trainer};
use chainrule_tensor::comm::{Communicator, ThreadGroup};
use chainrule_tensor::{Isa, peak};
use clap::Parser;

/// Batch and hidden width.
const SHAPES: [(usize, usize); 5] = [(64, 100), (200, 100), (256, 512), (128, 1024), (100, 50)];

/// Bytes a core reads, over and over: well inside its L2, in a shared L3, in neither.
const SIZES: [(&str, usize); 3] = [("L2", 1 << 20), ("L3", 12 << 20), ("DRAM", 256 << 20)];

/// Prints the machine's peak and each configuration as a share of what it allows
#[derive(Parser)]
struct Args {
    /// Seconds for each measurement; the best of three is taken
    #[arg(long, default_value_t = 0.5)]
    seconds: f64,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let isa = Isa::from_environment()?;
    warn_if_busy();
    println!("kernels: {isa}\n");

    let mut peaks = vec![];
    for threads in threads() {
        let group = ThreadGroup::new(threads)?;
        let operations = multiply_adds(&group, isa, args.seconds);
        print!("{threads} threads: {:6.0} GFLOP/s", operations / 1e9);
        for (name, bytes) in SIZES {
            let speed = bandwidth(&group, isa, bytes, args.seconds);
            print!(", {name} {:.0} GB/s", speed / 1e9);
        }
        println!();
        peaks.push((threads, operations));
    }

    println!("\nbatch  hidden  threads    limit, images/s  reached, images/s  share");
    for (batch, hidden) in SHAPES {
        let shape = Shape::new(batch, &[hidden]);
        for &(threads, peak) in &peaks {
            let limit = peak / shape.flop_per_image();
            let reached = training(&shape, threads, args.seconds);
            println!(
                "{batch:5}  {hidden:6}  {threads:7}  {limit:17.0}  {reached:17.0}  {:4.0} %",
                100.0 * reached / limit
            );
        }
    }
    Ok(())
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
