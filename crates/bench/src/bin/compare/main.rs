//! Our training step beside those of the frameworks, or of another build, in turns within the same
//! minutes.
//!
//! Every peer is a process that lives through a configuration and works when it is told to. In
//! each round every peer has one window of time, and the order rotates from round to round, so
//! that what else the machine does slows all alike. A ratio is taken within a round; the table has
//! the medians and quartiles of the rounds.

mod results;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, ensure};
use chainrule_bench::machine::warn_if_busy;
use chainrule_bench::peer::{Peer, Places, sibling};
use chainrule_bench::protocol::{Ready, Window};
use chainrule_bench::{Shape, output, statistics};
use chainrule_report::Bars;
use clap::Parser;

use results::Measured;

/// Trains in turns with other frameworks, or another build, and writes how fast each was
#[derive(Parser)]
struct Args {
    /// BATCH:HIDDEN of each configuration; hidden widths are joined by plus signs
    #[arg(
        long = "work",
        value_name = "B:H",
        value_delimiter = ',',
        default_value = "64:100,200:100,256:512,128:1024,100:50,128:512+256,128:1024+1024+512"
    )]
    shapes: Vec<Shape>,
    #[arg(long, value_delimiter = ',', default_value = "2,1")]
    threads: Vec<usize>,
    /// Peers beside ours: pytorch, numpy, candle, burn, or the path of another build's
    /// chainrule-bench-step; ratios are to the first
    #[arg(long, value_delimiter = ',', default_value = "pytorch,numpy")]
    peers: Vec<String>,
    #[command(flatten)]
    places: Places,
    /// Classify 10,000 images instead of training
    #[arg(long)]
    eval: bool,
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Seconds of a window
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// The table to write; the chart, .svg and .png, goes beside it
    #[arg(long, value_name = "FILE.csv", default_value = "results/compare.csv")]
    output: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    ensure!(args.rounds > 0, "--rounds is 0: at least one round is needed");
    warn_if_busy();
    let mut table = output::table(&args.output)?;
    table.write_record(results::COLUMNS)?;
    let task = if args.eval { "evaluation" } else { "training" };

    let mut groups = vec![];
    for shape in &args.shapes {
        for &threads in &args.threads {
            let measured = compare(&args, shape, threads)?;
            for peer in &measured {
                table.write_record(peer.record(task, shape, threads))?;
            }
            table.flush()?;
            groups.push(results::bars(&measured, shape, threads));
        }
    }
    let chart = Bars {
        title: format!(
            "{}, in images per second",
            if args.eval { "Classifying" } else { "Training" }
        ),
        subtitle: vec![format!(
            "{} rounds in turns; bars: median ratio to {}; lines: from the lower to the upper quartile",
            args.rounds,
            args.peers.first().map_or("ours", String::as_str)
        )],
        groups,
    };
    output::save_chart(&args.output, |path| chart.save(path))?;
    println!("{}", args.output.display());
    Ok(())
}

/// Lets all peers take turns at one configuration; ours comes first in the answer.
fn compare(args: &Args, shape: &Shape, threads: usize) -> anyhow::Result<Vec<Measured>> {
    eprintln!("batch {}, hidden {}, {threads} threads", shape.batch, shape.widths("+"));
    let mut commands = vec![("ours".to_owned(), sibling("chainrule-bench-step")?)];
    for peer in &args.peers {
        commands.push((peer.clone(), args.places.command(peer)?));
    }
    // One after the other, because a peer looks for its best setting before it is ready.
    let mut peers = vec![];
    for (name, command) in commands {
        let (peer, ready) =
            start(command, args.eval, shape, threads).with_context(|| format!("peer `{name}`"))?;
        eprintln!("  {name}: {}, {}", ready.version, ready.setting);
        peers.push((name, peer, ready));
    }
    let mut speeds = vec![vec![]; peers.len()];
    for round in 0..args.rounds {
        for turn in 0..peers.len() {
            let i = (round + turn) % peers.len();
            let (name, peer, _) = &mut peers[i];
            let speed = run(peer, args.seconds).with_context(|| format!("peer `{name}`"))?;
            speeds[i].push(speed);
        }
    }
    let reference = speeds[1.min(speeds.len() - 1)].clone();
    let measured = |((name, _, ready), speeds): ((String, Peer, Ready), Vec<f64>)| Measured {
        name,
        ready,
        ratios: statistics::ratios(&speeds, &reference),
        speeds,
    };
    let results: Vec<_> = peers.into_iter().zip(speeds).map(measured).collect();
    for result in &results {
        eprintln!("  {result}");
    }
    Ok(results)
}

/// A peer that is ready.
fn start(
    mut command: Command,
    eval: bool,
    shape: &Shape,
    threads: usize,
) -> anyhow::Result<(Peer, Ready)> {
    command.args(["--hidden", &shape.widths(","), "--batch", &shape.batch.to_string()]);
    command.args(["--threads", &threads.to_string()]);
    if eval {
        command.arg("--eval");
    }
    let mut peer = Peer::start(command)?;
    let ready = peer.answer()?;
    Ok((peer, ready))
}

/// Lets a peer work for about so many seconds; images a second.
fn run(peer: &mut Peer, seconds: f64) -> anyhow::Result<f64> {
    peer.send(&format!("run {seconds}"))?;
    Ok(peer.answer::<Window>()?.images_per_second)
}
