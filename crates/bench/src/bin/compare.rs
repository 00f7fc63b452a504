//! Our training step beside those of the frameworks, in turns within the same minutes.
//!
//! Every peer is a process that lives through a configuration and works when it is told to (the
//! protocol is in `peers/peer.py`). In each round every peer has one window of time, and the order
//! rotates from round to round, so that what the machine does meanwhile strikes all alike. A ratio
//! is taken within a round; the medians and quartiles of the rounds are what is written down.

use std::fs;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::str::FromStr;

use anyhow::{Context, bail, ensure};
use chainrule_bench::warn_if_busy;
use chainrule_report::{Bar, BarGroup, Bars, SERIES};
use clap::Parser;
use serde_json::Value;

/// Trains side by side with other frameworks and writes who was how fast.
#[derive(Parser)]
struct Args {
    /// BATCH:HIDDEN of each configuration; hidden widths are joined by plus signs
    #[arg(
        long = "work",
        value_name = "B:H",
        value_delimiter = ',',
        default_value = "64:100,200:100,256:512,128:1024,100:50,128:512+256,128:1024+1024+512"
    )]
    works: Vec<Work>,
    #[arg(long, value_delimiter = ',', default_value = "2,1")]
    threads: Vec<usize>,
    /// Peers beside ours; the first is the one that ratios are taken to
    #[arg(long, value_delimiter = ',', default_value = "pytorch,numpy")]
    peers: Vec<String>,
    /// The Python that has the packages of peers/requirements.txt
    #[arg(long, default_value = "target/peers/bin/python")]
    python: PathBuf,
    /// The folder with the programs of the peers candle and burn
    #[arg(long, value_name = "DIR", default_value = "target/rust-peers/release")]
    rust_peers: PathBuf,
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

/// The peers that are programs of the workspace in `peers/`, and not scripts for Python.
const RUST_PEERS: [&str; 2] = ["burn", "candle"];

/// A batch size and hidden widths.
#[derive(Clone)]
struct Work {
    batch: usize,
    hidden: Vec<usize>,
}

impl FromStr for Work {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Work> {
        let (batch, hidden) =
            text.split_once(':').context("a batch and hidden widths are wanted, as in 64:100")?;
        let hidden = hidden.split('+').map(str::parse).collect::<Result<_, _>>()?;
        Ok(Work { batch: batch.parse()?, hidden })
    }
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    ensure!(args.rounds > 0, "one round at least");
    warn_if_busy();
    let folder = args.output.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
    }
    let mut table = csv::Writer::from_path(&args.output)
        .with_context(|| format!("{}", args.output.display()))?;
    table.write_record(COLUMNS)?;

    let mut groups = vec![];
    for work in &args.works {
        for &threads in &args.threads {
            let results = compare(&args, work, threads)?;
            for result in &results {
                table.write_record(result.record(&args, work, threads))?;
            }
            table.flush()?;
            groups.push(group(&results, work, threads));
        }
    }
    let chart = Bars {
        title: match args.eval {
            true => "Classifying, in images a second".into(),
            false => "Training, in images a second".into(),
        },
        subtitle: vec![format!(
            "{} rounds in turns; a bar is the median ratio to {}, the line at its end the middle half",
            args.rounds,
            args.peers.first().map_or("ours", String::as_str)
        )],
        groups,
    };
    for ending in ["svg", "png"] {
        chart.save(&args.output.with_extension(ending))?;
    }
    println!("{}", args.output.display());
    Ok(())
}

/// One peer in one configuration.
struct Measured {
    name: String,
    version: String,
    setting: String,
    tried: String,
    /// Images a second, a value for each round.
    speeds: Vec<f64>,
    /// The same divided by the reference's of the same round.
    ratios: Vec<f64>,
}

const COLUMNS: [&str; 19] = [
    "task",
    "batch",
    "hidden",
    "threads",
    "peer",
    "version",
    "setting",
    "tried",
    "rounds",
    "minimum",
    "lower_quartile",
    "median",
    "upper_quartile",
    "maximum",
    "ratio_minimum",
    "ratio_lower_quartile",
    "ratio_median",
    "ratio_upper_quartile",
    "ratio_maximum",
];

impl Measured {
    fn record(&self, args: &Args, work: &Work, threads: usize) -> Vec<String> {
        let task = if args.eval { "evaluation" } else { "training" };
        let mut record = vec![
            task.to_owned(),
            work.batch.to_string(),
            widths(work, "+"),
            threads.to_string(),
            self.name.clone(),
            self.version.clone(),
            self.setting.clone(),
            self.tried.clone(),
            self.speeds.len().to_string(),
        ];
        record.extend(five_numbers(&self.speeds).map(|speed| format!("{speed:.0}")));
        record.extend(five_numbers(&self.ratios).map(|ratio| format!("{ratio:.3}")));
        record
    }
}

fn widths(work: &Work, between: &str) -> String {
    work.hidden.iter().map(usize::to_string).collect::<Vec<_>>().join(between)
}

/// Lets all peers take turns at one configuration; ours comes first in the answer.
fn compare(args: &Args, work: &Work, threads: usize) -> anyhow::Result<Vec<Measured>> {
    eprintln!("batch {}, hidden {}, {threads} threads", work.batch, widths(work, "+"));
    let mut commands = vec![("ours".to_owned(), Command::new(sibling("chainrule-bench-step")?))];
    for peer in &args.peers {
        commands.push((peer.clone(), command_of(args, peer)?));
    }
    // One after the other, because a peer looks for its best setting before it is ready.
    let mut peers = vec![];
    for (name, mut command) in commands {
        command.args(["--hidden", &widths(work, ","), "--batch", &work.batch.to_string()]);
        command.args(["--threads", &threads.to_string()]);
        if args.eval {
            command.arg("--eval");
        }
        let peer = Peer::start(&name, command).with_context(|| format!("peer `{name}`"))?;
        eprintln!("  {name}: {}, {}", peer.version, peer.setting);
        peers.push(peer);
    }
    let mut speeds = vec![vec![]; peers.len()];
    for round in 0..args.rounds {
        for turn in 0..peers.len() {
            let i = (round + turn) % peers.len();
            let peer = &mut peers[i];
            let speed = peer.run(args.seconds).with_context(|| format!("peer `{}`", peer.name))?;
            speeds[i].push(speed);
        }
    }
    let reference = speeds[1.min(speeds.len() - 1)].clone();
    let ratios = |speeds: &[f64]| speeds.iter().zip(&reference).map(|(a, b)| a / b).collect();
    let measured = |(peer, speeds): (Peer, Vec<f64>)| Measured {
        name: peer.name.clone(),
        version: peer.version.clone(),
        setting: peer.setting.clone(),
        tried: peer.tried.clone(),
        ratios: ratios(&speeds),
        speeds,
    };
    let results: Vec<_> = peers.into_iter().zip(speeds).map(measured).collect();
    for result in &results {
        let ([low, _, speed, _, high], [.., ratio, _, _]) =
            (five_numbers(&result.speeds), five_numbers(&result.ratios));
        eprintln!("  {:10} {speed:9.0} ({low:.0} to {high:.0}), {ratio:.2}x", result.name);
    }
    Ok(results)
}

fn group(results: &[Measured], work: &Work, threads: usize) -> BarGroup {
    let bars = results.iter().enumerate().map(|(i, result)| {
        let [_, low, ratio, high, _] = five_numbers(&result.ratios);
        let thousands = five_numbers(&result.speeds)[2] / 1000.0;
        Bar {
            name: match i {
                0 => "Chainrule".to_owned(),
                _ => result.version.clone(),
            },
            label: format!("{ratio:.2}x, {thousands:.1} thousand"),
            length: ratio,
            spread: (low, high),
            ink: SERIES[i % SERIES.len()],
        }
    });
    let s = if threads == 1 { "" } else { "s" };
    BarGroup {
        name: format!(
            "batch {}, {} hidden units, {threads} thread{s}",
            work.batch,
            widths(work, " + ")
        ),
        bars: bars.collect(),
    }
}

/// The command that starts a peer, without the arguments that tell it the work.
fn command_of(args: &Args, peer: &str) -> anyhow::Result<Command> {
    if RUST_PEERS.contains(&peer) {
        let program = args.rust_peers.join(format!("{peer}-peer"));
        ensure!(program.is_file(), "{} is not there: just rust-peers builds it", program.display());
        return Ok(Command::new(program));
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("peers/{peer}_peer.py"));
    ensure!(script.is_file(), "{} is not there: no peer `{peer}`", script.display());
    let mut command = Command::new(&args.python);
    command.arg(script);
    Ok(command)
}

/// Another program of this build.
fn sibling(name: &str) -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name(name);
    ensure!(
        program.is_file(),
        "{} is not there; build all programs of this crate: cargo build --release -p chainrule-bench",
        program.display()
    );
    Ok(program)
}

/// A process that works when it is told to, and ends when it is dropped.
struct Peer {
    name: String,
    version: String,
    setting: String,
    tried: String,
    process: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    fn start(name: &str, mut command: Command) -> anyhow::Result<Peer> {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} does not start", command.get_program().display()))?;
        let (Some(input), Some(output)) = (process.stdin.take(), process.stdout.take()) else {
            bail!("the process has no pipes");
        };
        let mut peer = Peer {
            name: name.to_owned(),
            version: String::new(),
            setting: String::new(),
            tried: String::new(),
            process,
            input,
            output: BufReader::new(output).lines(),
        };
        let ready = peer.answer()?;
        let text = |key: &str| ready[key].as_str().unwrap_or_default().to_owned();
        (peer.version, peer.setting) = (text("version"), text("setting"));
        if let Some(tried) = ready["tried"].as_object() {
            let tried: Vec<_> =
                tried.iter().map(|(name, speed)| format!("{name}: {speed}")).collect();
            peer.tried = tried.join("; ");
        }
        Ok(peer)
    }

    /// Works for about so many seconds; images a second.
    fn run(&mut self, seconds: f64) -> anyhow::Result<f64> {
        writeln!(self.input, "run {seconds}")?;
        self.input.flush()?;
        let answer = self.answer()?;
        answer["images_per_second"].as_f64().with_context(|| format!("no speed in {answer}"))
    }

    fn answer(&mut self) -> anyhow::Result<Value> {
        let line = self.output.next().context("it ended without an answer")??;
        serde_json::from_str(&line).with_context(|| format!("it answered `{line}`"))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // A peer keeps no files, so it may be stopped at any moment; one that is gone is gone.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Minimum, lower quartile, median, upper quartile, maximum; between two values in proportion.
fn five_numbers(values: &[f64]) -> [f64; 5] {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    [0.0, 0.25, 0.5, 0.75, 1.0].map(|share| {
        let place = share * last as f64;
        let (low, high) = (place.floor() as usize, place.ceil() as usize);
        match (sorted.get(low), sorted.get(high)) {
            (Some(a), Some(b)) => a + (b - a) * (place - place.floor()),
            _ => f64::NAN,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_lie_between_the_values_in_proportion() {
        assert_eq!(five_numbers(&[5.0, 1.0, 4.0, 2.0, 3.0]), [1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(five_numbers(&[2.0, 1.0]), [1.0, 1.25, 1.5, 1.75, 2.0]);
        assert_eq!(five_numbers(&[7.0]), [7.0; 5]);
    }

    #[test]
    fn a_configuration_is_read_as_it_is_written() {
        let work: Work = "128:512+256".parse().unwrap();
        assert_eq!((work.batch, work.hidden), (128, vec![512, 256]));
        assert!("128".parse::<Work>().is_err());
        assert!("128:512,256".parse::<Work>().is_err());
    }

    #[test]
    fn a_rust_peer_that_is_not_built_is_told_from_one_that_does_not_exist() {
        let empty = tempfile::tempdir().unwrap();
        let args = Args::parse_from(["compare".as_ref(), "--rust-peers".as_ref(), empty.path()]);
        let error = command_of(&args, "candle").unwrap_err().to_string();
        assert!(error.ends_with("candle-peer is not there: just rust-peers builds it"), "{error}");
        let error = command_of(&args, "scandle").unwrap_err().to_string();
        assert!(error.ends_with("no peer `scandle`"), "{error}");

        fs::write(empty.path().join("candle-peer"), "").unwrap();
        let command = command_of(&args, "candle").unwrap();
        assert_eq!(command.get_program(), empty.path().join("candle-peer"));
    }
}
