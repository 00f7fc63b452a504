//! Our side of the comparison: a process that trains, or classifies, when it is told to.
//!
//! It speaks the protocol of `peers/peer.py`: a line of JSON when it is ready, then an answer to
//! each `run SECONDS`.

use std::io::{self, Write};
use std::time::Instant;

use anyhow::{Context, bail};
use chainrule_bench::Work;
use chainrule_tensor::Isa;
use clap::Parser;
use serde_json::json;

/// Images that are classified with --eval.
const EVALUATION_IMAGES: usize = 10_000;

/// Images between two looks at the clock.
const IMAGES_A_LOOK: usize = 4_096;

#[derive(Parser)]
struct Args {
    /// Hidden widths, as in 512,256
    #[arg(long, value_delimiter = ',', default_value = "100")]
    hidden: Vec<usize>,
    #[arg(long, default_value_t = 64)]
    batch: usize,
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Classify instead of training
    #[arg(long)]
    eval: bool,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut work = Work::new(&args.hidden, args.batch, args.threads);
    let steps = IMAGES_A_LOOK.div_ceil(args.batch);
    let mut once = || {
        if args.eval {
            work.evaluate(EVALUATION_IMAGES);
            EVALUATION_IMAGES
        } else {
            work.train(steps);
            steps * args.batch
        }
    };
    once();
    let version = format!("Chainrule {}", env!("CARGO_PKG_VERSION"));
    say(&json!({"version": version, "setting": Isa::from_environment()?.to_string()}))?;

    for line in io::stdin().lines() {
        let line = line?;
        let Some(seconds) = line.strip_prefix("run ") else {
            bail!("the one command is `run SECONDS`, not `{line}`");
        };
        let seconds: f64 = seconds.trim().parse().with_context(|| format!("in `{line}`"))?;
        let (start, mut images) = (Instant::now(), 0);
        while start.elapsed().as_secs_f64() < seconds {
            images += once();
        }
        let passed = start.elapsed().as_secs_f64();
        let speed = images as f64 / passed;
        say(&json!({"images_per_second": speed, "images": images, "seconds": passed}))?;
    }
    Ok(())
}

/// One line, sent at once.
fn say(value: &serde_json::Value) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{value}")?;
    out.flush()
}
