//! What the Rust peers share, as `peer.py` is for those in Python: arguments, work, protocol.
//!
//! A peer hands [`run`] the ways in which its framework can be used. Each is tried for a moment, and
//! the fastest serves the comparison; with `--check`, each must first reach the losses and classes
//! that numpy reaches on the same numbers.

mod check;
mod random;
mod serve;
mod work;

use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;

pub use work::{
    Batches, CLASSES, EVALUATION_IMAGES, IMAGES, INPUTS, Layer, MEAN, SCALE, Sgd, Work,
};

/// A network that learns.
pub trait Train {
    /// One step of SGD on the images of these rows.
    fn step(&mut self, rows: &[u32]) -> Result<()>;

    /// The mean cross-entropy of the images of these rows, without the L2 penalty.
    fn loss(&mut self, rows: &[u32]) -> Result<f32>;
}

/// A network that classifies all images of its work.
pub trait Classify {
    /// The class of each image.
    fn classify(&mut self) -> Result<Vec<u32>>;
}

/// A way to use a framework: its name, and how it is got ready for the work.
pub type Way<T> = (&'static str, fn(&Work) -> Result<Box<T>>);

/// A framework: its name, the crate that gives its version, and the ways to use it.
pub struct Framework {
    /// As it stands in the table and the chart.
    pub name: &'static str,
    /// The crate of `Cargo.lock` whose version is the framework's.
    pub package: &'static str,
    /// Ways to train.
    pub training: &'static [Way<dyn Train>],
    /// Ways to classify.
    pub evaluation: &'static [Way<dyn Classify>],
}

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
    /// Compare each way to use the framework with numpy, and end
    #[arg(long)]
    check: bool,
}

/// The whole of a peer's `main`.
pub fn run(framework: &Framework) -> Result<()> {
    let args = Args::parse();
    ensure!(args.threads > 0, "one thread at least");
    set_threads(args.threads)?;
    if args.check {
        return check::check(framework);
    }
    let version = format!("{} {}", framework.name, version_of(framework.package)?);
    if args.eval {
        let work = Work::new(EVALUATION_IMAGES, &args.hidden, args.batch, Sgd::MEASURED)?;
        serve::serve(&version, framework.evaluation, &work, |mut network| {
            Box::new(move || Ok(network.classify()?.len()))
        })
    } else {
        let work = Work::new(IMAGES, &args.hidden, args.batch, Sgd::MEASURED)?;
        serve::serve(&version, framework.training, &work, |mut network| {
            let mut batches = Batches::new(IMAGES, args.batch);
            Box::new(move || {
                let rows = batches.next_rows();
                network.step(rows)?;
                Ok(rows.len())
            })
        })
    }
}

/// Tells the frameworks how many threads to take: they read it in the environment, which a
/// process cannot safely change for itself, so that this one starts anew if it says otherwise.
fn set_threads(threads: usize) -> Result<()> {
    // The pool of rayon, and the threads of matrixmultiply, below burn's ndarray.
    let variables = ["RAYON_NUM_THREADS", "MATMUL_NUM_THREADS"];
    let wanted = threads.to_string();
    if variables.iter().all(|name| std::env::var(name).is_ok_and(|value| value == wanted)) {
        return Ok(());
    }
    let mut command = Command::new(std::env::current_exe()?);
    command.args(std::env::args_os().skip(1));
    command.envs(variables.map(|name| (name, &wanted)));
    Err(command.exec()).context("the program cannot start itself anew")
}

/// The version of a crate that this program was built with.
fn version_of(package: &str) -> Result<&'static str> {
    let lock = include_str!("../../Cargo.lock");
    let heading = format!("name = \"{package}\"\nversion = \"");
    let Some((_, after)) = lock.split_once(&heading) else {
        bail!("no crate `{package}` in Cargo.lock");
    };
    after.split('"').next().context("Cargo.lock ends too soon")
}
