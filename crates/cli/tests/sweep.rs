//! `chainrule sweep`: many runs, ranked; stopped, killed, spread over other machines, and gathered.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Two widths and two learning rates with two seeds each.
const GRID: &str = "\
data = \"sample\"
epochs = 2
batch_size = 32
seeds = 2
[grid]
hidden_dim = [10, 20]
learning_rate = [0.001, 0.02]
";

/// Runs that go on until something happens to them.
const LONG: &str = "\
data = \"sample\"
epochs = 15
batch_size = 16
hidden_dim = 30
[grid]
learning_rate = [0.001, 0.002, 0.004]
";

fn chainrule(arguments: &[&str]) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("chainrule"));
    command.env("CHAINRULE_CIFAR10_URL", "http://127.0.0.1:1/").env("PATH", "");
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The command line of a sweep, on one core at a time or two.
fn sweep(file: &Path, out: &Path, flags: &[&str]) -> Command {
    let mut command = chainrule(&["sweep"]);
    command.arg(file).arg("--out").arg(out).args(flags);
    command
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn succeeds(output: Output) -> String {
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output)
}

fn written(dir: &Path, text: &str) -> PathBuf {
    let file = dir.join("file.toml");
    std::fs::write(&file, text).unwrap();
    file
}

/// The column of a sweep's table, by the names of its runs.
fn column(out: &Path, name: &str) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(out.join("sweep.csv")).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned));
    let header: Vec<String> = lines.next().unwrap().collect();
    let at = header.iter().position(|column| column == name);
    let at = at.unwrap_or_else(|| panic!("{name} is not in {header:?}"));
    let cells = lines.map(|cells| cells.collect::<Vec<_>>());
    cells.map(|cells| (cells[0].clone(), cells[at].clone())).collect()
}

/// What a run learned, to the bit.
fn weights(out: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(out).unwrap() {
        let entry = entry.unwrap();
        for name in ["model.safetensors", "last.safetensors", "confusion.csv"] {
            if let Ok(bytes) = std::fs::read(entry.path().join(name)) {
                all.insert(format!("{}/{name}", entry.file_name().display()), bytes);
            }
        }
    }
    all
}

#[test]
fn the_runs_side_by_side_are_those_of_the_commands_one_by_one_and_gather_ranks_them_alike() {
    let dir = tempfile::tempdir().unwrap();
    let file = written(dir.path(), GRID);
    let (here, there) = (dir.path().join("here"), dir.path().join("it's there"));
    succeeds(sweep(&file, &here, &["--jobs", "3"]).output().unwrap());
    let commands = succeeds(sweep(&file, &there, &["--commands"]).output().unwrap());
    assert!(!there.exists(), "commands are printed and nothing is run");
    assert_eq!(commands.lines().count(), 8);
    for (i, line) in commands.lines().enumerate() {
        // A line names this very program, wherever it lies.
        succeeds(Command::new("/bin/sh").args(["-c", line]).env("PATH", "").output().unwrap());
        if i == 4 {
            // What is finished by now is ranked, and what is not is said to wait; the test images
            // are kept for the end.
            let told = succeeds(sweep(&file, &there, &["--gather"]).output().unwrap());
            assert!(
                told.contains("Best on validation so far") && !told.contains("test images right")
            );
            let status = column(&there, "status");
            let waiting = status.values().filter(|status| *status == "waiting").count();
            assert_eq!((status["000"].as_str(), waiting), ("finished", 3));
        }
    }
    let told = succeeds(sweep(&file, &there, &["--gather"]).output().unwrap());
    assert!(told.contains("The winner, chosen on validation"), "{told}");
    assert_eq!(weights(&here).len(), 24);
    assert!(weights(&here) == weights(&there), "the same bits, whoever trains");
    for name in ["rank", "seed", "validation_accuracy", "validation_loss", "trained_epochs"] {
        assert_eq!(column(&here, name), column(&there, name), "{name}");
    }
    // What was gathered is a sweep, with nothing left to do.
    let again = sweep(&file, &there, &[]).output().unwrap();
    assert!(!stderr(&again).contains("validation"), "{}", stderr(&again));
    succeeds(again);
}

#[test]
fn the_ranking_goes_by_the_mean_validation_accuracy_and_tells_the_winners_test_alone() {
    let dir = tempfile::tempdir().unwrap();
    let file = written(dir.path(), GRID);
    let out = dir.path().join("out");
    let told = succeeds(sweep(&file, &out, &["--json"]).output().unwrap());
    let told: Value = serde_json::from_str(&told).unwrap();
    let accuracy = |run: &str, name: &str| -> f64 {
        let text = std::fs::read_to_string(out.join(run).join("summary.json")).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()[name].as_f64().unwrap()
    };
    let mean = |point: usize, name: &str| {
        let second = format!("{point:03}-seed-1");
        (accuracy(&format!("{point:03}"), name) + accuracy(&second, name)) / 2.0
    };
    let ranking = told["ranking"].as_array().unwrap();
    assert_eq!(ranking.len(), 4);
    let mut last = f64::INFINITY;
    for ranked in ranking {
        let point = ranked["point"].as_u64().unwrap() as usize;
        let told = ranked["validation_accuracy"].as_f64().unwrap();
        assert!((told - mean(point, "validation_accuracy")).abs() < 1e-12, "point {point}");
        assert!(told <= last, "from best to worst");
        last = told;
    }
    let best = &told["best"];
    assert_eq!(best["point"], ranking[0]["point"]);
    let point = best["point"].as_u64().unwrap() as usize;
    let test = best["test_accuracy"].as_f64().unwrap();
    assert!((test - mean(point, "test_accuracy")).abs() < 1e-12);
    let keys: Vec<_> = told["mattered"].as_array().unwrap().iter().map(|m| &m["key"]).collect();
    assert_eq!(keys, ["hidden_dim", "learning_rate"]);
    // No other run's test accuracy can be chosen by.
    let table = std::fs::read_to_string(out.join("sweep.csv")).unwrap();
    assert!(table.lines().count() == 9 && !table.contains("test"), "{table}");
    assert_eq!(column(&out, "learning_rate")["001-seed-1"], "0.02");
    for name in ["sweep.svg", "sweep.png", "000/report.html", "003-seed-1/curves.svg"] {
        assert!(out.join(name).metadata().unwrap().len() > 0, "{name}");
    }
}

#[test]
fn a_run_that_diverges_is_ranked_last_with_its_reason_and_not_run_again() {
    let dir = tempfile::tempdir().unwrap();
    let text = "data = \"sample\"\nepochs = 2\nhidden_dim = 10\n[grid]\nlearning_rate = [50, 0.01]";
    let file = written(dir.path(), text);
    let out = dir.path().join("out");
    let told = succeeds(sweep(&file, &out, &[]).output().unwrap());
    assert!(told.contains("diverged             50  at step "), "{told}");
    assert_eq!(
        column(&out, "rank"),
        [("000".into(), "2".into()), ("001".into(), "1".into())].into()
    );
    assert_eq!(column(&out, "status")["000"], "diverged");
    assert!(column(&out, "reason")["000"].contains("the loss is "));
    let again = sweep(&file, &out, &[]).output().unwrap();
    assert_eq!(stderr(&again), "", "nothing is left to do");
    assert_eq!(succeeds(again), told);
}

#[test]
fn a_folder_goes_on_with_more_points_and_is_refused_to_another_sweep() {
    let dir = tempfile::tempdir().unwrap();
    let text = "data = \"sample\"\nepochs = 1\nhidden_dim = 10\n[grid]\nlearning_rate = [0.01]";
    let file = written(dir.path(), text);
    let out = dir.path().join("out");
    succeeds(sweep(&file, &out, &[]).output().unwrap());
    let summary = || out.join("000/summary.json").metadata().unwrap().modified().unwrap();
    let first = summary();
    written(dir.path(), &text.replace("[0.01]", "[0.01, 0.02]"));
    succeeds(sweep(&file, &out, &[]).output().unwrap());
    assert_eq!(summary(), first, "what is finished stays");
    assert_eq!(column(&out, "status").len(), 2);
    for (other, part) in [
        (text.replace("[0.01]", "[0.03, 0.02]"), "learning_rate is 0.03, and was 0.01"),
        (text.into(), "it has 1 point with 1 seed, and had 2 points with 1 seed"),
    ] {
        written(dir.path(), &other);
        let output = sweep(&file, &out, &[]).output().unwrap();
        let said = stderr(&output);
        assert!(output.status.code() == Some(1) && said.contains(part), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    // A folder of something else is left alone, and one without runs has nothing to gather.
    let taken = dir.path().join("taken");
    std::fs::create_dir(&taken).unwrap();
    std::fs::write(taken.join("letter.txt"), "mine").unwrap();
    let output = sweep(&file, &taken, &[]).output().unwrap();
    assert!(stderr(&output).contains("already exists and is not empty"), "{}", stderr(&output));
    assert!(stderr(&output).contains("--out names another folder"), "{}", stderr(&output));
    for folder in [&taken, &dir.path().join("nowhere")] {
        let output = sweep(&file, folder, &["--gather"]).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    }
    assert_eq!(std::fs::read_dir(&taken).unwrap().count(), 1);
    // The run of another sweep in the place of one of this.
    let gathered = dir.path().join("gathered");
    std::fs::create_dir(&gathered).unwrap();
    std::fs::rename(out.join("001"), gathered.join("000")).unwrap();
    let output = sweep(&file, &gathered, &["--gather"]).output().unwrap();
    let said = stderr(&output);
    assert!(said.contains("000") && said.contains("learning_rate is 0.01, and was 0.02"), "{said}");
}

#[test]
fn a_sweep_that_is_killed_and_started_again_ends_with_the_same_bits() {
    let dir = tempfile::tempdir().unwrap();
    let file = written(dir.path(), LONG);
    let (whole, killed) = (dir.path().join("whole"), dir.path().join("killed"));
    succeeds(sweep(&file, &whole, &[]).output().unwrap());
    // When a run began: one that goes on keeps it, and one that begins anew does not.
    let started = |run: &str| {
        let text = std::fs::read_to_string(killed.join(run).join("config.toml")).ok()?;
        let begun = killed.join(run).join("checkpoint.safetensors").exists();
        text.lines().find(|line| begun && line.starts_with("started")).map(str::to_owned)
    };
    let mut unfinished = 0;
    let mut first = None;
    for life in [400, 1100, 250] {
        let mut child = sweep(&file, &killed, &["--jobs", "2"]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(life));
        child.kill().unwrap();
        child.wait().unwrap();
        unfinished += usize::from(!killed.join("002/summary.json").exists());
        first = first.or_else(|| started("000"));
    }
    assert!(unfinished > 0, "a kill came before the end");
    succeeds(sweep(&file, &killed, &[]).output().unwrap());
    assert_eq!(weights(&whole).len(), 9);
    assert!(weights(&whole) == weights(&killed));
    assert!(first.is_some() && first == started("000"), "it went on, and did not begin anew");
    for name in ["validation_accuracy", "validation_loss", "rank", "status"] {
        assert_eq!(column(&whole, name), column(&killed, name), "{name}");
    }
}

#[cfg(unix)]
#[test]
fn a_signal_stops_all_runs_with_checkpoints_and_the_same_command_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let file = written(dir.path(), &LONG.replace("epochs = 15", "epochs = 2000"));
    let out = dir.path().join("out");
    let run = sweep(&file, &out, &["--jobs", "2"]).spawn().unwrap();
    let began = Instant::now();
    while !["000", "001"].iter().all(|run| out.join(run).join("checkpoint.safetensors").exists()) {
        assert!(began.elapsed() < Duration::from_secs(60), "the runs did not begin");
        std::thread::sleep(Duration::from_millis(5));
    }
    // Meanwhile the folder belongs to it.
    let other = sweep(&file, &out, &[]).output().unwrap();
    assert!(stderr(&other).contains("is being written to by process"), "{}", stderr(&other));
    let kill = Command::new("/bin/kill").args(["-s", "INT", &run.id().to_string()]).status();
    assert!(kill.unwrap().success());
    let output = run.wait_with_output().unwrap();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("To go on: the same command"), "{said}");
    let status = column(&out, "status");
    let status: Vec<_> = status.values().map(String::as_str).collect();
    assert_eq!(status, ["unfinished", "unfinished", "waiting"]);
}

#[cfg(target_os = "linux")]
#[test]
fn runs_that_do_not_fit_into_memory_together_are_refused_before_the_first_begins() {
    let dir = tempfile::tempdir().unwrap();
    // Five copies of 3072 x 4000 weights and more: some 250 MB a run.
    let file = written(dir.path(), "data = \"sample\"\nhidden_dim = 4000\nseeds = 4\n");
    let out = dir.path().join("out");
    let program = assert_cmd::cargo::cargo_bin!("chainrule");
    let line = "ulimit -v 900000 && exec \"$0\" sweep \"$1\" --out \"$2\" --jobs 4";
    let mut shell = Command::new("/bin/sh");
    let shell = shell.args(["-c", line]).args([program, &file, &out]);
    let said = stderr(&shell.output().unwrap());
    assert!(
        said.contains("4 runs at a time take up to 1.") && said.contains(" GB of memory"),
        "{said}"
    );
    assert!(said.contains("(ulimit -v): lower jobs to "), "{said}");
    assert!(said.lines().count() == 1 && !out.exists(), "{said}");
}

/// Six points with two seeds each, of a schedule that depends on the number of epochs.
const HALVING: &str = "\
data = \"sample\"
epochs = 6
batch_size = 32
schedule = \"cosine\"
seeds = 2
[grid]
hidden_dim = [10, 20]
learning_rate = [0.001, 0.01, 50]
";

/// Three of six after epoch 1, two of three after epoch 3.
const RUNGS: &str = "[halving]\nrungs = [1, 3]\nfactor = 2\n";

/// The best validation accuracy of each epoch on, mean over the seeds of a point.
fn reached(out: &Path, point: usize, epochs: usize) -> Option<f64> {
    let of = |run: String| {
        let text = std::fs::read_to_string(out.join(run).join("epochs.csv")).unwrap();
        let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let header = lines.next().unwrap();
        let at = header.iter().position(|column| *column == "validation_accuracy").unwrap();
        let rows: Vec<f64> = lines.map(|cells| cells[at].parse().unwrap()).collect();
        (rows.len() > epochs).then(|| rows[..=epochs].iter().copied().fold(0.0, f64::max))
    };
    Some((of(format!("{point:03}"))? + of(format!("{point:03}-seed-1"))?) / 2.0)
}

#[test]
fn halving_trains_those_to_the_end_that_were_ahead_at_each_rung_with_the_bits_of_whole_runs() {
    let dir = tempfile::tempdir().unwrap();
    let file = written(dir.path(), HALVING);
    let (whole, halved) = (dir.path().join("whole"), dir.path().join("halved"));
    succeeds(sweep(&file, &whole, &[]).output().unwrap());
    // Whom the whole runs name, by their tables.
    let mut left: Vec<usize> = (0..6).collect();
    let mut rungs = [1; 6];
    for (epochs, promoted) in [(1, 3), (3, 2)] {
        let mut scores: Vec<_> = left
            .iter()
            .filter_map(|&point| Some((reached(&whole, point, epochs)?, point)))
            .collect();
        scores.sort_by(|a, b| b.0.total_cmp(&a.0));
        let behind = scores.get(promoted).map_or(0.0, |score| score.0);
        assert!(scores[promoted - 1].0 > behind, "a tie shows nothing: {scores:?}");
        left = scores[..promoted].iter().map(|&(_, point)| point).collect();
        left.iter().for_each(|&point| rungs[point] += 1);
    }
    written(dir.path(), &format!("{HALVING}{RUNGS}"));
    let output = sweep(&file, &halved, &["--jobs", "3"]).output().unwrap();
    let said = stderr(&output);
    assert!(said.contains("rung 3 of 3: 4 runs to the end"), "{said}");
    let told = succeeds(output);
    for (run, rung) in column(&halved, "rung") {
        let point: usize = run[..3].parse().unwrap();
        assert_eq!(rung, rungs[point].to_string(), "{run}");
        let status = match point % 3 {
            2 => "diverged",
            _ if rungs[point] == 3 => "finished",
            _ => "stopped",
        };
        assert_eq!(column(&halved, "status")[&run], status, "{run}");
        if status != "diverged" {
            let trained = [1, 3, 6][rungs[point] - 1];
            assert_eq!(column(&halved, "trained_epochs")[&run], trained.to_string(), "{run}");
        }
    }
    // The winners are runs of `chainrule train`, to the bit.
    assert_eq!(
        weights(&halved).keys().filter(|name| name.ends_with("last.safetensors")).count(),
        4
    );
    let (halves, wholes) = (weights(&halved), weights(&whole));
    for name in halves.keys().filter(|name| rungs[name[..3].parse::<usize>().unwrap()] == 3) {
        assert!(halves[name] == wholes[name], "{name}");
    }
    // The best of the last rung is the best of all, and points are ranked by their rungs.
    let rank = column(&halved, "rank");
    for (a, b) in rank.keys().flat_map(|a| rank.keys().map(move |b| (a, b))) {
        let of =
            |run: &String| (run[..3].parse::<usize>().unwrap(), rank[run].parse::<u32>().unwrap());
        let ((point_a, rank_a), (point_b, rank_b)) = (of(a), of(b));
        assert!(rungs[point_a] <= rungs[point_b] || rank_a < rank_b, "{rank:?}");
    }
    assert!(told.contains("The winner, chosen on validation"), "{told}");
    let again = sweep(&file, &halved, &[]).output().unwrap();
    assert_eq!(stderr(&again), "", "nothing is left to do");
    assert_eq!(succeeds(again), told);
}

#[test]
fn a_sweep_with_halving_that_is_killed_again_and_again_ends_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let file = written(dir.path(), &format!("{LONG}[halving]\nrungs = [2, 6]\nfactor = 2\n"));
    let (whole, killed) = (dir.path().join("whole"), dir.path().join("killed"));
    succeeds(sweep(&file, &whole, &[]).output().unwrap());
    let mut unfinished = 0;
    for life in [300, 500, 250, 700] {
        let mut child = sweep(&file, &killed, &["--jobs", "2"]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(life));
        child.kill().unwrap();
        child.wait().unwrap();
        let runs = ["000", "001", "002"];
        unfinished +=
            usize::from(!runs.iter().any(|run| killed.join(run).join("summary.json").exists()));
    }
    assert!(unfinished > 0, "a kill came before the end");
    succeeds(sweep(&file, &killed, &[]).output().unwrap());
    assert!(weights(&whole) == weights(&killed));
    let names =
        ["rung", "validation_accuracy", "validation_loss", "rank", "status", "trained_epochs"];
    for name in names {
        assert_eq!(column(&whole, name), column(&killed, name), "{name}");
    }
}

#[test]
fn the_example_in_the_recipes_is_a_sweep_that_can_be_tried_on_the_sample() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes/sweeps/two-layer.toml");
    let out = tempfile::tempdir().unwrap();
    let arguments = ["--data", "sample", "--commands"];
    let commands = succeeds(sweep(&file, out.path(), &arguments).output().unwrap());
    assert!(commands.lines().all(|line| line.contains("--data sample")), "{commands}");
}

#[test]
fn a_kernel_that_cannot_be_is_refused_before_a_folder_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let (file, out) = (written(dir.path(), GRID), dir.path().join("out"));
    for flags in [&[][..], &["--task", "1"]] {
        let output = sweep(&file, &out, flags).env("CHAINRULE_KERNEL", "abacus").output().unwrap();
        assert!(stderr(&output).starts_with("error: "), "{}", stderr(&output));
        assert!(stderr(&output).contains("abacus") && !out.exists(), "{}", stderr(&output));
    }
}
