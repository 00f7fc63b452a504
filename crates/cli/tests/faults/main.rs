//! A run whose file system fails it: each system call that writes fails once, and the power is cut
//! after each. What was there before is still there, and the command that began the run, given
//! again, ends with the bytes of an uninterrupted run.
//!
//! The calls are seen, and failed, by a library that is preloaded into the program ([`shim`]); the
//! program knows nothing of it. `just faults` goes through every place and writes the table of
//! `results/faults.md`; without `CHAINRULE_FAULTS`, which names that file, some dozens are tried.
#![cfg(target_os = "linux")]

mod disk;
mod shim;
#[path = "../support/mod.rs"]
mod support;

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use disk::{Disk, Model};
use shim::{Call, Fault, Shim};
use support::same;

/// A run of 36 steps with five checkpoints.
const RUN: &str = "train --data sample --epochs 2 --hidden-dim 8 --batch-size 50 \
                   --checkpoint-every 11 --threads 1 --autoresume --out";

const fn fault(name: &'static str, number: i32, calls: &'static str) -> Fault {
    Fault { name, number, calls, restarts: number == -1 || number == 4 }
}

const FAULTS: [Fault; 6] = [
    fault("ENOSPC", 28, "create write fsync mkdir rename ftruncate"),
    fault("EIO", 5, "create open write fsync mkdir rename ftruncate unlink link rmdir"),
    fault("EINTR", 4, "create open write fsync ftruncate"),
    fault("short write", -1, "write"),
    fault("EACCES", 13, "rename"),
    fault("EXDEV", 18, "rename"),
];

/// The file to write the table into: then every place is tried.
fn table() -> Option<PathBuf> {
    std::env::var_os("CHAINRULE_FAULTS").map(PathBuf::from)
}

fn program(out: &Path) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("chainrule"));
    command.args(RUN.split_whitespace()).arg(out);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn succeeds(output: &Output, what: &str) {
    assert!(output.status.success(), "{what}: {}", stderr(output));
}

/// The uninterrupted run, the calls that it made, and a folder for the others.
struct Whole {
    dir: tempfile::TempDir,
    shim: Shim,
    calls: Vec<Call>,
}

impl Whole {
    fn new() -> Whole {
        let dir = tempfile::tempdir().unwrap();
        let shim = Shim::build();
        let root = dir.path().join("whole");
        std::fs::create_dir(&root).unwrap();
        let (output, calls) = shim.run(program(&root.join("run")), &root, None);
        succeeds(&output, "uninterrupted");
        Whole { dir, shim, calls }
    }

    fn run(&self) -> PathBuf {
        self.dir.path().join("whole/run")
    }

    /// A folder for a run of this name; it holds what the first `calls` of the whole run left.
    fn root(&self, name: &str, calls: usize) -> PathBuf {
        let root = self.dir.path().join(name);
        let mut disk = Disk::default();
        self.calls[..calls].iter().for_each(|call| disk.apply(call));
        disk.write(&root, Model::Arrived);
        root
    }

    /// How many calls lead to the middle of the run, where a new checkpoint is written and not yet in
    /// its place; and the calls of the run that is resumed there.
    fn resumed(&self) -> (usize, Vec<Call>) {
        let renamed = |call: &Call| call.name == "rename" && file(call) == "checkpoint.safetensors";
        let renames = self.calls.iter().enumerate().filter(|(_, call)| renamed(call));
        let middle = renames.map(|(at, _)| at).nth(2).expect("a third checkpoint");
        let root = self.root("resumed", middle);
        let (output, calls) = self.shim.run(program(&root.join("run")), &root, None);
        succeeds(&output, "resumed");
        (middle, calls)
    }
}

/// Does each of the jobs, some at a time.
fn side_by_side(jobs: usize, work: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let job = next.fetch_add(1, Ordering::Relaxed);
                    if job >= jobs {
                        return;
                    }
                    work(job);
                }
            });
        }
    });
}

/// What became of a run after a call had failed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    WentOn,
    Refused,
}

/// The name of the file that a call was about, as a person knows it.
fn file(call: &Call) -> String {
    let path = if call.name == "rename" { Path::new(&call.second) } else { &call.path };
    // Of the folder around the run, its name there.
    let name = path.file_name().unwrap_or("run".as_ref()).to_string_lossy().into_owned();
    let name = name.strip_suffix(".unfinished").unwrap_or(&name);
    name.strip_prefix('.').filter(|_| name != ".lock").unwrap_or(name).to_owned()
}

/// Lets the `at`-th call fail that can fail so, in a run that begins after `calls` of the whole one,
/// and gives the command again. Nothing, if there is no such call.
fn fail(whole: &Whole, fault: &Fault, at: usize, calls: usize) -> Option<(Call, Outcome)> {
    let (error, restarts) = (fault.name, fault.restarts);
    let root = whole.root(&format!("{}-{at}-{calls}", fault.number), calls);
    let run = root.join("run");
    let (output, made) = whole.shim.run(program(&run), &root, Some((fault, at)));
    let failed = made.iter().position(|call| call.is_injected)?;
    let call = &made[failed];
    let said = stderr(&output);
    let what = format!("{error} at {} of {} ({at}-th): {said}", call.name, call.path.display());
    assert!(!said.contains("panicked"), "{what}");
    // A lock file that is left behind locks nothing.
    let harmless = call.name == "unlink" && call.path.ends_with(".lock");
    let outcome = if output.status.success() {
        assert!(restarts || harmless, "the run hides it: {what}");
        Outcome::WentOn
    } else {
        assert!(!restarts, "the call is not made again: {what}");
        assert_eq!(output.status.code(), Some(1), "{what}");
        let lines: Vec<_> = said.lines().filter(|line| line.starts_with("error: ")).collect();
        assert!(lines.len() == 1 && lines[0].contains(&file(call)), "{}: {what}", file(call));
        Outcome::Refused
    };
    let is_checkpoint =
        |call: &Call| call.name == "rename" && file(call) == "checkpoint.safetensors";
    if calls > 0 || made[..failed].iter().any(is_checkpoint) {
        assert!(run.join("checkpoint.safetensors").exists(), "the checkpoint is lost: {what}");
    }
    succeeds(&program(&run).output().unwrap(), &format!("given again after {what}"));
    same(&whole.run(), &run, &what);
    std::fs::remove_dir_all(&root).unwrap();
    Some((call.clone(), outcome))
}

#[test]
fn a_call_that_fails_loses_nothing_and_is_told_with_the_file_that_it_was_about() {
    let whole = Whole::new();
    let (middle, resumed) = whole.resumed();
    let mut jobs = vec![];
    for (number, fault) in FAULTS.iter().enumerate() {
        for (from, calls) in [(0, &whole.calls), (middle, &resumed)] {
            // All of them, or four of each fault, far apart.
            let places = calls.iter().filter(|call| fault.is_of(call)).count();
            let step = if table().is_some() { 1 } else { (places / 4).max(1) };
            jobs.extend((number % step..places).step_by(step).map(|at| (fault, at, from)));
        }
    }
    let found = Mutex::new(BTreeMap::<(String, &str, Outcome), usize>::new());
    side_by_side(jobs.len(), |job| {
        let (fault, at, from) = jobs[job];
        if let Some((call, outcome)) = fail(&whole, fault, at, from) {
            *found.lock().unwrap().entry((call.name, fault.name, outcome)).or_default() += 1;
        }
    });
    let found = found.into_inner().unwrap();
    let places: usize = found.values().sum();
    assert!(places >= 24, "only {places} calls failed");
    let mut text =
        String::from("| call | error | places | what came of it |\n| --- | --- | --- | --- |\n");
    for ((call, error, outcome), places) in &found {
        let outcome = match outcome {
            Outcome::WentOn => "the run went on, to the same bytes",
            Outcome::Refused => {
                "exit code 1 and a sentence that names the file; given again: the same bytes"
            }
        };
        writeln!(text, "| {call} | {error} | {places} | {outcome} |").unwrap();
    }
    writeln!(text, "\n{places} calls failed, one in each run.").unwrap();
    tell(&text);
}

/// Prints a table, and appends it to the file that was asked for.
fn tell(text: &str) {
    use std::io::Write;
    println!("{text}");
    if let Some(path) = table() {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&path).unwrap();
        writeln!(file, "{text}").unwrap();
    }
}

#[test]
fn a_power_cut_after_any_call_loses_no_checkpoint_and_the_run_ends_with_the_same_bytes() {
    let whole = Whole::new();
    // The run from its beginning, and one that is resumed in the middle.
    let (middle, resumed) = whole.resumed();
    let mut states = vec![];
    let mut distinct = HashSet::new();
    for (name, from, calls) in [("begun", 0, &whole.calls), ("resumed", middle, &resumed)] {
        let mut disk = Disk::default();
        whole.calls[..from].iter().for_each(|call| disk.apply(call));
        if from > 0 {
            disk.sync();
        }
        let mut is_safe = from > 0; // there is a checkpoint that a power cut must not lose
        for (at, call) in calls.iter().enumerate() {
            disk.apply(call);
            let is_checkpoint =
                |call: &Call| call.name == "rename" && file(call) == "checkpoint.safetensors";
            is_safe |= call.name == "fsync" && at > 0 && is_checkpoint(&calls[at - 1]);
            for model in Model::all(at as u64) {
                let state = disk.state(model);
                if distinct.insert(state.clone()) {
                    states.push((
                        format!(
                            "{name}, cut after call {at} ({} of {}), {model:?}",
                            call.name,
                            file(call)
                        ),
                        model,
                        state,
                        is_safe,
                    ));
                }
            }
        }
        // A run that has ended has ended.
        let root = whole.dir.path().join("ended");
        disk.write(&root, Model::Synced);
        let output = program(&root.join("run")).output().unwrap();
        succeeds(&output, "ended");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            said.contains("is finished"),
            "a power cut after the end loses the run {name}: {said}"
        );
        std::fs::remove_dir_all(&root).unwrap();
    }
    let all = states.len();
    if table().is_none() {
        let step = states.len() / 40;
        states = states.into_iter().step_by(step.max(1)).collect();
    }
    let counts = Mutex::new(BTreeMap::<&str, [usize; 2]>::new());
    side_by_side(states.len(), |job| {
        let (what, model, state, is_safe) = &states[job];
        let root = whole.dir.path().join(format!("cut-{job}"));
        state.write(&root);
        let run = root.join("run");
        let has_checkpoint = run.join("checkpoint.safetensors").exists();
        assert!(has_checkpoint || !is_safe, "the checkpoint is lost: {what}");
        succeeds(&program(&run).output().unwrap(), what);
        same(&whole.run(), &run, what);
        std::fs::remove_dir_all(&root).unwrap();
        counts.lock().unwrap().entry(model.name()).or_default()[usize::from(has_checkpoint)] += 1;
    });
    let mut text = String::from(
        "| what survives the power cut | states of the disk | begun anew | resumed from a checkpoint |\n| --- | --- | --- | --- |\n",
    );
    let counts = counts.into_inner().unwrap();
    for (name, [anew, resumed]) in &counts {
        writeln!(text, "| {name} | {} | {anew} | {resumed} |", anew + resumed).unwrap();
    }
    writeln!(text, "\n{} of {all} different states of the disk after {} calls; from each the command that began the run \
                    ended with the same bytes.", states.len(), whole.calls.len() + resumed.len()).unwrap();
    tell(&text);
}
