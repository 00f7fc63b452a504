//! `chainrule sweep --slurm`, with programs in the place of Slurm's that run the tasks at once.
//! `just slurm-check` does it with Slurm itself.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Eight runs: two widths, two learning rates, two seeds.
const GRID: &str = "\
data = \"sample\"
epochs = 3
batch_size = 32
seeds = 2
[grid]
hidden_dim = [10, 20]
learning_rate = [0.001, 0.02]
";

/// Two of four points after the first epoch.
const HALVING: &str = "[halving]\nrungs = [1]\nfactor = 2\n";

/// Programs in the place of Slurm's, a file of a sweep, and the folder of its results.
struct Cluster {
    dir: tempfile::TempDir,
}

impl Cluster {
    fn new(sweep: &str) -> Cluster {
        let cluster = Cluster { dir: tempfile::tempdir().unwrap() };
        fs::create_dir(cluster.path("bin")).unwrap();
        fs::write(cluster.path("sweep.toml"), sweep).unwrap();
        cluster.program("sbatch", include_str!("sbatch.sh"));
        cluster.program("squeue", "#!/bin/sh\ncat \"$FAKE_SLURM/queue\" 2>/dev/null || true\n");
        cluster.program(
            "scancel",
            "#!/bin/sh\necho \"$*\" >>\"$FAKE_SLURM/scancel.log\"\nrm -f \"$FAKE_SLURM/queue\"\n",
        );
        cluster.program("scontrol", "#!/bin/sh\necho 'MaxArraySize            = 1001'\n");
        cluster
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn out(&self) -> PathBuf {
        self.path("it's out")
    }

    fn program(&self, name: &str, text: &str) {
        let path = self.path("bin").join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn command(&self, out: &Path, flags: &[&str]) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("chainrule"));
        let path = format!("{}:/usr/bin:/bin", self.path("bin").display());
        command.env("PATH", path).env("FAKE_SLURM", self.dir.path());
        command.arg("sweep").arg(self.path("sweep.toml")).arg("--out").arg(out).args(flags);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn sweep(&self, flags: &[&str]) -> Output {
        self.command(&self.out(), flags).output().unwrap()
    }

    /// Waits for the job that gathers.
    fn gathered(&self) {
        let began = Instant::now();
        let log = self.out().join("slurm/gather.log");
        while !fs::read_to_string(&log).is_ok_and(|text| text.contains("Results: ")) {
            assert!(began.elapsed() < Duration::from_secs(60), "nothing was gathered");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The options of each job that was submitted.
    fn submitted(&self) -> Vec<String> {
        let log = fs::read_to_string(self.path("sbatch.log")).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn succeeds(output: &Output) -> String {
    assert!(output.status.success(), "{}", stderr(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// `sweep.csv` without its times.
fn table(out: &Path) -> String {
    let text = fs::read_to_string(out.join("sweep.csv")).unwrap();
    let at = text.lines().next().unwrap().split(',').position(|name| name == "seconds").unwrap();
    let line = |line: &str| {
        let cells = line.split(',').enumerate().filter(|(i, _)| *i != at);
        cells.map(|(_, cell)| cell).collect::<Vec<_>>().join(",")
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// What the runs learned, to the bit.
fn weights(out: &Path) -> BTreeMap<String, Vec<u8>> {
    let folders = fs::read_dir(out).unwrap().map(|entry| entry.unwrap());
    let read = |entry: fs::DirEntry| {
        let bytes = fs::read(entry.path().join("model.safetensors")).ok()?;
        Some((entry.file_name().into_string().unwrap(), bytes))
    };
    folders.filter_map(read).collect()
}

#[test]
fn a_sweep_on_slurm_ends_as_a_sweep_here_byte_for_byte() {
    for (sweep, jobs) in [(GRID.to_owned(), 2), (format!("{GRID}{HALVING}"), 3)] {
        let cluster = Cluster::new(&sweep);
        let here = cluster.path("here");
        succeeds(&cluster.command(&here, &[]).output().unwrap());
        let sbatch = "--partition=cpu --comment 'two words'";
        let flags = ["--slurm", "--jobs", "2", "--points-per-task", "3", "--sbatch", sbatch];
        let told = succeeds(&cluster.sweep(&flags));
        assert!(told.contains("Submitted: 8 runs in 3 tasks of job 100"), "{told}");
        let submitted = cluster.submitted();
        assert_eq!(submitted.len(), jobs, "{submitted:?}");
        assert!(submitted[0].contains("--array=1-3%2") && !submitted[0].contains("--dependency"));
        assert!(
            submitted.iter().all(|words| words.contains("--partition=cpu --comment two words"))
        );
        if jobs == 3 {
            let second = &submitted[1];
            assert!(
                second.contains("--array=1-2%2") && second.contains("--dependency=afterok:100")
            );
        }
        let all: Vec<_> = (100..100 + jobs - 1).map(|job| job.to_string()).collect();
        let gather = format!("--dependency=afterany:{}", all.join(":"));
        assert!(submitted[jobs - 1].contains(&gather), "{submitted:?}");
        cluster.gathered();
        assert_eq!(table(&cluster.out()), table(&here));
        assert!(weights(&cluster.out()) == weights(&here) && weights(&here).len() == 8);
        assert!(cluster.out().join("000/report.html").exists(), "a task draws its runs");
        // Nothing is left to do or to submit.
        let told = succeeds(&cluster.sweep(&[]));
        assert!(told.contains("The winner, chosen on validation"), "{told}");
        assert_eq!(cluster.submitted().len(), jobs);
    }
}

#[test]
fn what_failed_is_named_with_its_log_and_only_that_is_submitted_again() {
    for (sweep, logs) in [(GRID.to_owned(), "100_5"), (format!("{GRID}{HALVING}"), "100_5")] {
        let cluster = Cluster::new(&sweep);
        fs::write(cluster.path("broken"), "5\n").unwrap();
        succeeds(&cluster.sweep(&["--slurm"]));
        cluster.gathered();
        fs::remove_file(cluster.out().join("slurm/gather.log")).unwrap();
        let output = cluster.sweep(&[]);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        let log = cluster.out().join(format!("slurm/{logs}.log"));
        let line =
            format!("failed: run 002 (hidden_dim 20, learning_rate 0.001): {}", log.display());
        assert!(said.contains(&line), "{said}");
        assert_eq!(said.matches("failed: ").count(), 1, "{said}");
        assert!(said.contains("--slurm"), "{said}");
        assert_eq!(fs::read_to_string(log).unwrap(), "the node is lost\n");
        fs::remove_file(cluster.path("broken")).unwrap();
        let before = cluster.submitted().len();
        succeeds(&cluster.sweep(&["--slurm"]));
        let again = &cluster.submitted()[before];
        assert!(again.contains("--array=5 "), "{again}");
        cluster.gathered();
        let here = cluster.path("here");
        succeeds(&cluster.command(&here, &[]).output().unwrap());
        assert_eq!(table(&cluster.out()), table(&here));
    }
}

#[test]
fn a_sweep_in_the_queue_is_shown_waited_for_and_cancelled_and_not_trained_here() {
    let cluster = Cluster::new(GRID);
    fs::write(cluster.path("hold"), "").unwrap();
    succeeds(&cluster.sweep(&["--slurm"]));
    let output = cluster.sweep(&[]);
    let said = stderr(&output);
    assert!(said.contains("On Slurm: 0 of 8 runs over; 0 tasks running, 8 waiting"), "{said}");
    assert!(!said.contains("failed: "), "{said}");
    succeeds(&output);
    assert!(!cluster.out().join("000").exists());
    for flag in ["--slurm", "--local"] {
        let output = cluster.sweep(&[flag]);
        let said = stderr(&output);
        assert!(output.status.code() == Some(1) && said.contains("--cancel ends them"), "{said}");
    }
    // Whoever stops waiting leaves the jobs.
    let waiting = cluster.command(&cluster.out(), &["--wait"]).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let kill = Command::new("/bin/kill").args(["-s", "INT", &waiting.id().to_string()]).status();
    assert!(kill.unwrap().success());
    let output = waiting.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(stderr(&output).contains("The jobs go on"), "{}", stderr(&output));
    assert!(!cluster.path("scancel.log").exists());
    // Whoever waits is told when they have ended.
    let waiting = cluster.command(&cluster.out(), &["--wait"]).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    fs::rename(cluster.path("queue"), cluster.path("queue.before")).unwrap();
    let began = Instant::now();
    let output = waiting.wait_with_output().unwrap();
    assert!(began.elapsed() < Duration::from_secs(60));
    assert_eq!(stderr(&output).matches("it did not begin").count(), 8, "{}", stderr(&output));
    fs::rename(cluster.path("queue.before"), cluster.path("queue")).unwrap();
    succeeds(&cluster.sweep(&["--cancel"]));
    assert_eq!(fs::read_to_string(cluster.path("scancel.log")).unwrap(), "100 101\n");
    // And then it is an ordinary sweep.
    let told = succeeds(&cluster.sweep(&[]));
    assert!(told.contains("The winner, chosen on validation"), "{told}");
}

#[test]
fn more_runs_than_an_array_may_have_tasks_share_tasks() {
    let cluster = Cluster::new(GRID);
    cluster.program("scontrol", "#!/bin/sh\necho 'MaxArraySize            = 4'\n");
    fs::write(cluster.path("hold"), "").unwrap();
    let output = cluster.sweep(&["--slurm"]);
    succeeds(&output);
    assert!(stderr(&output).contains("may have 3 tasks on this cluster"), "{}", stderr(&output));
    assert!(cluster.submitted()[0].contains("--array=1-3 "), "{:?}", cluster.submitted());
}

#[test]
fn without_slurm_or_against_its_refusal_nothing_is_submitted_and_one_sentence_says_why() {
    let cluster = Cluster::new(GRID);
    let output = cluster.sweep(&["--slurm", "--sbatch=--partition=none"]);
    let said = stderr(&output);
    assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{said}");
    assert!(
        said.contains("invalid partition specified: none") && said.contains("--sbatch"),
        "{said}"
    );
    assert!(!cluster.out().join("slurm.toml").exists());
    let output = cluster.sweep(&["--slurm", "--sbatch", "'half"]);
    assert!(stderr(&output).contains("a quote that is not closed"), "{}", stderr(&output));
    fs::remove_file(cluster.path("bin/sbatch")).unwrap();
    let output =
        cluster.command(&cluster.out(), &["--slurm"]).env("PATH", cluster.path("bin")).output();
    let said = stderr(&output.unwrap());
    assert!(said.contains("sbatch is not found") && said.lines().count() == 1, "{said}");
    let output = cluster.sweep(&["--wait"]);
    assert!(stderr(&output).contains("is not on Slurm: --slurm submits it"), "{}", stderr(&output));
}

#[test]
fn the_commands_of_a_sweep_with_halving_are_those_of_the_rung_at_hand() {
    let cluster = Cluster::new(&format!("{GRID}{HALVING}"));
    let here = cluster.path("here");
    succeeds(&cluster.command(&here, &[]).output().unwrap());
    for lines in [8, 4, 0] {
        let commands = succeeds(&cluster.sweep(&["--commands"]));
        assert_eq!(commands.lines().count(), lines, "{commands}");
        for line in commands.lines() {
            succeeds(&Command::new("/bin/sh").args(["-c", line]).output().unwrap());
        }
    }
    succeeds(&cluster.sweep(&["--gather"]));
    assert_eq!(table(&cluster.out()), table(&here));
    // A rung that is not decided cannot begin.
    let other = cluster.path("other");
    let output = cluster.command(&other, &["--task", "1", "--rung", "2"]).output().unwrap();
    let said = stderr(&output);
    assert!(said.contains("rung 2 cannot begin: run 000 has not reached epoch 1"), "{said}");
}
