//! Our side of the comparison: a process that trains, or classifies, when it is told to.

use chainrule_bench::images::IMAGES;
use chainrule_bench::protocol::{Ready, Window, serve};
use chainrule_bench::{Ingredients, Shape, Trainer};
use chainrule_tensor::{Kernel, Precision};
use clap::Parser;

/// Images that are classified with --eval.
const EVALUATION_IMAGES: usize = 10_000;

/// A trial of one of several precisions.
const TRIAL_SECONDS: f64 = 0.5;

/// Images between two looks at the clock.
const IMAGES_A_LOOK: usize = 4_096;

/// Trains on made-up images when it is told to: reads `run SECONDS` lines, answers with JSON
#[derive(Parser)]
struct Args {
    /// Hidden widths, as in 512,256
    #[arg(long, value_delimiter = ',', default_value = "100")]
    hidden: Vec<usize>,
    /// Images in a step
    #[arg(long, default_value_t = 64)]
    batch: usize,
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Precision of the products: f32 or bf16; without it f32, and at its best bf16 where the
    /// processor multiplies it and that is faster
    #[arg(long)]
    precision: Option<Precision>,
    /// Classify instead of training
    #[arg(long)]
    eval: bool,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut precisions = vec![args.precision.unwrap_or_default()];
    let bf16 = Kernel::from_environment(Precision::Bf16);
    if args.precision.is_none() && bf16.is_ok_and(|kernel| !kernel.emulates()) {
        precisions.push(Precision::Bf16);
    }
    let shape = Shape::new(args.batch, &args.hidden);
    let steps = IMAGES_A_LOOK.div_ceil(args.batch);
    let (mut trainers, mut settings, mut speeds) = (vec![], vec![], vec![]);
    for &precision in &precisions {
        let ingredients = Ingredients { precision, ..Ingredients::default() };
        trainers.push(Trainer::with(ingredients, &shape, args.threads, IMAGES));
        settings.push(Kernel::from_environment(precision)?.to_string());
    }
    let mut work = |i: usize| {
        if args.eval {
            trainers[i].evaluate(EVALUATION_IMAGES);
            EVALUATION_IMAGES
        } else {
            trainers[i].train(steps)
        }
    };
    for i in 0..precisions.len() {
        work(i);
        // One precision needs no trial.
        let seconds = if precisions.len() > 1 { TRIAL_SECONDS } else { 0.0 };
        speeds.push(Window::measure(seconds, || work(i)).images_per_second);
    }
    let best = (0..speeds.len()).max_by(|&a, &b| speeds[a].total_cmp(&speeds[b])).unwrap_or(0);
    let tried = settings.iter().zip(&speeds).filter(|_| precisions.len() > 1);
    let ready = Ready {
        version: format!("Chainrule {}", env!("CARGO_PKG_VERSION")),
        setting: settings[0].clone(),
        best: (best > 0).then(|| settings[best].clone()),
        tried: tried.map(|(name, speed)| (name.clone(), speed.round().into())).collect(),
    };
    serve(&ready, |at_best| work(if at_best { best } else { 0 }))
}
