//! Our training step beside those of the frameworks, or of another build, in turns within the same
//! minutes.
//!
//! Every peer is a process that lives through a configuration and works when it is told to. In
//! each round every peer has one window of time in f32, and another at its best where another
//! precision is faster. The order rotates from round to round, so that what else the machine does
//! slows all alike. A ratio is taken within a round, f32 beside f32 and best beside best; the table
//! has the medians and quartiles of the rounds.

mod results;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, ensure};
use chainrule_bench::machine::warn_if_busy;
use chainrule_bench::peer::{Peer, Places, sibling};
use chainrule_bench::protocol::{Ready, Run, Window};
use chainrule_bench::{Instructions, Shape, output, statistics};
use chainrule_report::Bars;
use clap::Parser;

use results::{Configuration, Measured, Speeds};

/// Trains in turns with other frameworks, or another build, and writes how fast each was
#[derive(Parser)]
struct Args {
    /// BATCH:HIDDEN of each configuration; hidden widths are joined by plus signs
    #[arg(
        long = "work",
        value_name = "B:H",
        value_delimiter = ',',
        default_value = "64:100,200:100,256:512,128:1024,100:50,128:1024+1024+512"
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
    /// Hold every side to these instructions; without it, each uses what the machine has
    #[arg(long, value_enum)]
    isa: Option<Instructions>,
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

    let mut groups = vec![];
    for shape in &args.shapes {
        for &threads in &args.threads {
            let task = if args.eval { "evaluation" } else { "training" };
            let isa = args.isa.map_or("any", Instructions::name);
            let configuration = Configuration { task, shape, threads, isa };
            let measured = compare(&args, shape, threads)?;
            for record in results::records(&configuration, &measured) {
                table.write_record(record)?;
            }
            table.flush()?;
            groups.extend(results::bars(&configuration, &measured));
        }
    }
    let held = args.isa.map_or(String::new(), |isa| format!(", all held to {}", isa.name()));
    let chart = Bars {
        title: format!(
            "{}, in images per second{held}",
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
    for (name, mut command) in commands {
        if let Some(isa) = args.isa {
            isa.hold(&name, &mut command)?;
        }
        let (peer, ready) =
            start(command, args.eval, shape, threads).with_context(|| format!("peer `{name}`"))?;
        let best = ready.best.as_ref().map_or(String::new(), |best| format!("; best: {best}"));
        eprintln!("  {name}: {}, {}{best}", ready.version, ready.setting);
        peers.push((name, peer, ready));
    }
    let mut speeds: Vec<_> = peers.iter().map(|_| Speeds::default()).collect();
    for round in 0..args.rounds {
        for turn in 0..peers.len() {
            let i = (round + turn) % peers.len();
            let (name, peer, ready) = &mut peers[i];
            let mut window = |best| {
                let run = Run { seconds: args.seconds, best };
                run_once(peer, run).with_context(|| format!("peer `{name}`"))
            };
            let in_f32 = window(false)?;
            speeds[i].f32.push(in_f32);
            speeds[i].best.push(if ready.best.is_some() { window(true)? } else { in_f32 });
        }
    }
    let reference = speeds[1.min(speeds.len() - 1)].clone();
    let measured = |((name, _, ready), speeds): ((String, Peer, Ready), Speeds)| Measured {
        ratios: Speeds {
            f32: statistics::ratios(&speeds.f32, &reference.f32),
            best: statistics::ratios(&speeds.best, &reference.best),
        },
        name,
        ready,
        speeds,
    };
    let results: Vec<_> = peers.into_iter().zip(speeds).map(measured).collect();
    for result in &results {
        eprintln!("{result}");
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

/// Lets a peer work; images a second.
fn run_once(peer: &mut Peer, run: Run) -> anyhow::Result<f64> {
    peer.send(&run.to_string())?;
    Ok(peer.answer::<Window>()?.images_per_second)
}
