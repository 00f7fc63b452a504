//! `chainrule-fuzz`: mutated inputs for every reader, and how they fared.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::bail;
use chainrule_fuzz::{Campaign, TARGETS, Tally, Target};
use clap::Parser;

/// Feed mutated files to the readers: none may panic, take long or fill the memory
#[derive(Parser)]
struct Args {
    /// Try these files as they are, and no mutated ones
    #[arg(value_name = "FILE", requires = "target")]
    files: Vec<PathBuf>,
    /// One reader alone
    #[arg(long, value_name = "NAME", value_parser = names())]
    target: Option<String>,
    /// Mutated inputs in all, shared out evenly among the readers
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    inputs: u64,
    /// Which inputs
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// How long a single input may take
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    seconds_limit: f64,
    /// Where an input is kept that does harm
    #[arg(long, value_name = "DIR", default_value = "target/fuzz")]
    out: PathBuf,
}

fn names() -> clap::builder::PossibleValuesParser {
    TARGETS.map(|target| target.name).into()
}

/// What all readers together may hold, in bytes.
const MOST_MEMORY: u64 = 1_000_000_000;

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let Ok(limit) = Duration::try_from_secs_f64(args.seconds_limit) else {
        bail!("--seconds-limit is {}: it must be 0 or a positive number", args.seconds_limit);
    };
    let wanted = |target: &&Target| args.target.as_deref().is_none_or(|name| name == target.name);
    let targets: Vec<&Target> = TARGETS.iter().filter(wanted).collect();
    let inputs = args.inputs.div_ceil(targets.len() as u64);
    let campaign = Campaign { inputs, seed: args.seed, limit, folder: args.out };

    let begun = AtomicU64::new(0);
    let mut all = Tally::default();
    println!("reader         inputs     read   inputs/s   slowest");
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| watch(&begun, &campaign));
        let result = targets.iter().try_for_each(|target| {
            let tally = match args.files.as_slice() {
                [] => campaign.run(target, &begun)?,
                files => campaign.replay(target, files, &begun)?,
            };
            print(target.name, &tally);
            all.inputs += tally.inputs;
            all.taken += tally.taken;
            all.elapsed += tally.elapsed;
            all.slowest = all.slowest.max(tally.slowest);
            anyhow::Ok(())
        });
        begun.store(u64::MAX, Ordering::Relaxed);
        watch.thread().unpark();
        result
    })?;
    print("all", &all);
    if let Some(peak) = peak_memory() {
        println!("peak memory {:.0} MB", peak as f64 / 1e6);
        if peak > MOST_MEMORY {
            bail!("the readers held more than {:.0} MB", MOST_MEMORY as f64 / 1e6);
        }
    }
    Ok(())
}

fn print(name: &str, tally: &Tally) {
    let Tally { inputs, taken, elapsed, slowest } = tally;
    println!(
        "{name:<10} {inputs:>10}   {:>4.1} % {:>10.0} {:>6.1} ms",
        100.0 * *taken as f64 / *inputs as f64,
        *inputs as f64 / elapsed.as_secs_f64(),
        1e3 * slowest.as_secs_f64(),
    );
}

/// Ends the process if one input takes a minute; nothing else can end an endless loop.
fn watch(begun: &AtomicU64, campaign: &Campaign) {
    let patience = Duration::from_secs(60).max(3 * campaign.limit);
    let mut before = 0;
    loop {
        std::thread::park_timeout(patience);
        match begun.load(Ordering::Relaxed) {
            u64::MAX => return,
            now if now == before && now > 0 => {
                let folder = campaign.folder.display();
                eprintln!("Error: a reader hangs: its input is the one file in {folder}");
                std::process::exit(1);
            }
            now => before = now,
        }
    }
}

/// The most memory that this process has held, in bytes, where the system tells.
fn peak_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}
