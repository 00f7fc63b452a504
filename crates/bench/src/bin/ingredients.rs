//! What each ingredient costs: the speed of a training step with it, as a share of the speed
//! without.
//!
//! All networks of a shape take turns, in rounds, so that whatever slows the machine slows them
//! alike; the median of the ratios to the plain network of the same round is told.

use std::time::Instant;

use chainrule_bench::{Ingredients, Work, warn_if_busy};
use chainrule_nn::{Activation, Hidden, Method, Norm, Regularization};
use clap::Parser;

/// Prints images/s of the plain network, and of each ingredient as a share of that.
#[derive(Parser)]
struct Args {
    /// Seconds for each measurement
    #[arg(long, default_value_t = 0.3)]
    seconds: f64,
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

/// Batch and hidden widths.
const SHAPES: [(usize, &[usize]); 3] = [(64, &[100]), (128, &[1024]), (128, &[1024, 512])];

/// Images in memory: more than the caches hold.
const IMAGES: usize = 8192;

fn ingredients() -> Vec<(String, Ingredients)> {
    let plain = Ingredients::default();
    let with = |regularization| Ingredients { regularization, ..plain };
    let none = Regularization::default();
    let optimizer = |method| Ingredients { method, ..plain };
    let mut all = vec![("plain".to_owned(), plain)];
    for activation in &Activation::ALL[1..] {
        let hidden = Hidden { activation: *activation, ..Hidden::default() };
        all.push((activation.to_string(), Ingredients { hidden, ..plain }));
    }
    for norm in &Norm::ALL[1..] {
        let hidden = Hidden { norm: *norm, ..Hidden::default() };
        all.push((format!("{norm} normalization"), Ingredients { hidden, ..plain }));
    }
    all.extend([
        ("dropout".to_owned(), with(Regularization { dropout: 0.2, ..none })),
        ("mixup".to_owned(), with(Regularization { mixup: 0.2, ..none })),
        ("smoothed labels".to_owned(), with(Regularization { label_smoothing: 0.1, ..none })),
        ("Nesterov".to_owned(), optimizer(Method::Momentum { momentum: 0.9, nesterov: true })),
        (
            "RMSProp".to_owned(),
            optimizer(Method::RmsProp { momentum: 0.0, smoothing: 0.99, epsilon: 1e-8 }),
        ),
        ("Adam".to_owned(), optimizer(Method::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 })),
        ("mean of the weights".to_owned(), Ingredients { average: Some(0.999), ..plain }),
        ("clipped norm".to_owned(), Ingredients { clip_norm: Some(1e3), ..plain }),
    ]);
    all
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    warn_if_busy();
    println!(
        "{} threads; share of the plain network's speed, median of {}",
        args.threads, args.rounds
    );
    for (batch, hidden) in SHAPES {
        let mut all: Vec<_> = ingredients()
            .into_iter()
            .map(|(name, with)| (name, Work::of(with, hidden, batch, args.threads, IMAGES), vec![]))
            .collect();
        for _ in 0..=args.rounds {
            for (_, work, speeds) in &mut all {
                let (start, mut steps) = (Instant::now(), 0);
                while start.elapsed().as_secs_f64() < args.seconds {
                    work.train(8);
                    steps += 8;
                }
                speeds.push((steps * batch) as f64 / start.elapsed().as_secs_f64());
            }
        }
        println!("\nbatch {batch}, hidden {hidden:?}");
        // The first round has filled the caches, and does not count.
        let plain = all[0].2[1..].to_vec();
        for (name, _, speeds) in &all {
            let ratio = median(speeds[1..].iter().zip(&plain).map(|(own, plain)| own / plain));
            let speed = median(speeds[1..].iter().copied());
            println!("  {name:<22} {speed:>9.0} images/s  {:>5.1} %", 100.0 * ratio);
        }
    }
    Ok(())
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
