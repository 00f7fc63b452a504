//! Our side of the comparison: a process that trains, or classifies, when it is told to.

use chainrule_bench::images::IMAGES;
use chainrule_bench::protocol::{Ready, serve};
use chainrule_bench::{Ingredients, Shape, Trainer};
use chainrule_tensor::{Kernel, Precision};
use clap::Parser;

/// Images that are classified with --eval.
const EVALUATION_IMAGES: usize = 10_000;

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
    /// Precision of the products: f32 or bf16
    #[arg(long, default_value_t)]
    precision: Precision,
    /// Classify instead of training
    #[arg(long)]
    eval: bool,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let ingredients = Ingredients { precision: args.precision, ..Ingredients::default() };
    let shape = Shape::new(args.batch, &args.hidden);
    let mut trainer = Trainer::with(ingredients, &shape, args.threads, IMAGES);
    let steps = IMAGES_A_LOOK.div_ceil(args.batch);
    let mut once = || {
        if args.eval {
            trainer.evaluate(EVALUATION_IMAGES);
            EVALUATION_IMAGES
        } else {
            trainer.train(steps)
        }
    };
    once();
    let ready = Ready {
        version: format!("Chainrule {}", env!("CARGO_PKG_VERSION")),
        setting: Kernel::from_environment(args.precision)?.to_string(),
        best: None,
        tried: Default::default(),
    };
    serve(&ready, |_| once())
}
