//! `chainrule diff` as a person meets it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

/// Runs of one temporary folder: the first, and others that are compared with it.
struct Runs {
    dir: TempDir,
}

impl Runs {
    /// With one run, `first`: two epochs of 15 steps on the built-in sample.
    fn new() -> Runs {
        let runs = Runs { dir: tempfile::tempdir().unwrap() };
        runs.train("first", "--threads 1");
        runs
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn train(&self, name: &str, flags: &str) {
        let mut command = Command::cargo_bin("chainrule").unwrap();
        command.args("train --data sample --epochs 2 --hidden-dim 8 --batch-size 64".split(' '));
        command.args(flags.split_whitespace()).arg("--out").arg(self.path(name));
        command.assert().success();
    }

    /// A copy of the first run.
    fn copy(&self, name: &str) -> PathBuf {
        let to = self.path(name);
        fs::create_dir(&to).unwrap();
        for entry in fs::read_dir(self.path("first")).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
        to
    }

    fn diff(&self, first: &str, second: &str, flags: &[&str]) -> Output {
        let mut command = Command::cargo_bin("chainrule").unwrap();
        // So that names are short in what is said.
        command.current_dir(self.dir.path()).arg("diff").args([first, second]).args(flags);
        command.output().unwrap()
    }

    /// Exit code and standard output of a comparison with the first run.
    fn said(&self, second: &str) -> (i32, String) {
        let output = self.diff("first", second, &[]);
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    }

    fn json(&self, second: &str) -> Value {
        serde_json::from_slice(&self.diff("first", second, &["--json"]).stdout).unwrap()
    }
}

/// Replaces one cell of a CSV file; lines count from 1, the header's.
fn put(path: &Path, line: usize, column: &str, cell: &str) {
    let text = fs::read_to_string(path).unwrap();
    let mut lines: Vec<String> = text.lines().map(String::from).collect();
    let at = lines[0].split(',').position(|name| name == column).unwrap();
    let mut cells: Vec<&str> = lines[line - 1].split(',').collect();
    cells[at] = cell;
    lines[line - 1] = cells.join(",");
    fs::write(path, lines.join("\n") + "\n").unwrap();
}

#[test]
fn a_repeated_run_is_the_same_whatever_its_threads_and_times() {
    let runs = Runs::new();
    runs.train("again", "--threads 3");
    let (code, said) = runs.said("again");
    assert_eq!(code, 0, "{said}");
    let first = "first and again are the same run: 30 iterations, and every weight to the bit";
    assert_eq!(said.lines().next(), Some(first));
    assert!(said.contains("setting threads: 1 | 3 (no result depends on it)"), "{said}");
    assert_eq!(runs.json("again")["verdict"], "same");
    // Files from before there were these settings and figures, which then had their defaults.
    for (name, without) in [("config.toml", "teacher_weight"), ("summary.json", "\"test_shifts\"")]
    {
        let file = runs.path("again").join(name);
        let text = fs::read_to_string(&file).unwrap();
        let left: Vec<_> = text.lines().filter(|line| !line.contains(without)).collect();
        assert_eq!(left.len() + 1, text.lines().count(), "{name} without {without}");
        fs::write(file, left.join("\n")).unwrap();
    }
    assert_eq!(runs.json("again")["verdict"], "same");
}

#[test]
fn another_seed_is_told_with_the_setting_the_iteration_and_the_weights() {
    let runs = Runs::new();
    runs.train("other", "--threads 1 --seed 1");
    let (code, said) = runs.said("other");
    assert_eq!(code, 1);
    assert!(
        said.starts_with("first and other are different runs\n  setting seed: 0 | 1\n"),
        "{said}"
    );
    assert!(said.contains("iterations.csv parts at line 2, iteration 1, epoch 1: loss "), "{said}");
    // 3072 inputs times 8 units, no two of them drawn alike.
    let weights = "last.safetensors fc1.weight: 24576 of 24576 numbers differ, by up to ";
    assert!(said.contains(weights), "{said}");
    assert!(said.contains("summary.json test_loss: "), "{said}");
    assert!(!said.contains("summary.json seconds"), "{said}");
}

#[test]
fn a_run_that_stopped_earlier_is_the_beginning_of_the_other() {
    let runs = Runs::new();
    runs.train("shorter", "--threads 1 --max-steps 15");
    let (code, said) = runs.said("shorter");
    assert_eq!(code, 1);
    let sentence = "shorter is the beginning of first: it stopped after 15 of 30 iterations";
    assert!(said.starts_with(sentence), "{said}");
    let output = runs.diff("shorter", "first", &["--json"]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["verdict"], "first_stopped_earlier");

    // A run that was killed in the middle of a line is its beginning as well.
    let killed = runs.copy("killed");
    for file in ["summary.json", "last.safetensors"] {
        fs::remove_file(killed.join(file)).unwrap();
    }
    for (file, records) in [("iterations.csv", 21), ("epochs.csv", 2)] {
        let text = fs::read_to_string(killed.join(file)).unwrap();
        let end = text.match_indices('\n').nth(records).unwrap().0;
        fs::write(killed.join(file), &text[..end + 4]).unwrap();
    }
    let (code, said) = runs.said("killed");
    assert_eq!(code, 1);
    assert!(
        said.starts_with("killed is the beginning of first: it stopped after 21 of 30"),
        "{said}"
    );
    assert!(said.contains("summary.json is not in killed"), "{said}");
}

#[test]
fn a_single_cell_bit_or_key_that_differs_is_found_and_told_apart_from_times() {
    let runs = Runs::new();

    let path = runs.copy("times");
    put(&path.join("iterations.csv"), 5, "images_per_second", "1");
    put(&path.join("epochs.csv"), 3, "seconds", "1e9");
    assert_eq!(runs.said("times").0, 0);

    let path = runs.copy("loss");
    put(&path.join("iterations.csv"), 18, "loss", "0.125");
    let parting = &runs.json("loss")["iterations"]["partings"][0];
    assert_eq!((&parting["line"], &parting["iteration"]), (&18.into(), &17.into()), "{parting}");
    assert_eq!((&parting["epoch"], &parting["second"]), (&2.into(), &"0.125".into()), "{parting}");

    // A step size of the first line does not hide the loss of a later one.
    put(&path.join("iterations.csv"), 2, "learning_rate", "9");
    let (_, said) = runs.said("loss");
    let both =
        ["line 2, iteration 1, epoch 1: learning_rate 0.01 | 9\n", "line 18, iteration 17, "];
    assert!(both.iter().all(|part| said.contains(part)), "{said}");

    let path = runs.copy("accuracy");
    put(&path.join("epochs.csv"), 4, "validation_accuracy", "2");
    let (code, said) = runs.said("accuracy");
    assert_eq!(code, 1);
    assert!(
        said.contains("epochs.csv parts at line 4, iteration 30, epoch 2: validation_acc"),
        "{said}"
    );

    // The lowest bit of the last number of the file.
    let path = runs.copy("bit").join("last.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    let end = bytes.len() - 4;
    bytes[end] ^= 1;
    // A checksum must go, or the file would be called damaged, which is another finding.
    if let Some(at) = bytes.windows(6).position(|name| name == b"sha256") {
        bytes[at..at + 6].copy_from_slice(b"sha000");
    }
    fs::write(&path, bytes).unwrap();
    let json = runs.json("bit");
    let tensors = json["weights"].as_array().unwrap();
    let differ: Vec<&Value> = tensors.iter().filter(|tensor| tensor["differing"] != 0).collect();
    assert_eq!((differ.len(), &differ[0]["differing"]), (1, &1.into()), "{json}");
    assert_eq!(differ[0]["file"], "last.safetensors");

    let path = runs.copy("key").join("config.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("new_key = 3\n{}", text.replace("reg = 0.008", "reg = 0.5"))).unwrap();
    let (code, said) = runs.said("key");
    assert_eq!(code, 1);
    assert!(said.contains("setting reg: 0.008 | 0.5\n"), "{said}");
    assert!(said.contains("setting new_key: not set | 3\n"), "{said}");

    let path = runs.copy("processor").join("config.toml");
    let text = fs::read_to_string(&path).unwrap();
    let end = text.find("cores = ").unwrap();
    fs::write(&path, format!("{}cores = 4096\n", &text[..end])).unwrap();
    let (code, said) = runs.said("processor");
    assert_eq!(code, 0, "where it ran is no part of a run");
    assert!(said.contains(" | 4096\n"), "{said}");
}

#[test]
fn folders_without_a_run_and_damaged_files_are_told_in_one_sentence() {
    let runs = Runs::new();
    let damage = |name: &str, file: &str, content: &str| {
        fs::write(runs.copy(name).join(file), content).unwrap();
    };
    damage("toml", "config.toml", "seed = = 1\n");
    damage("csv", "iterations.csv", "iteration,loss\n1,2\n1\n");
    damage("json", "summary.json", "[1]");
    damage("tensors", "last.safetensors", "nothing of the kind");
    fs::create_dir(runs.path("empty")).unwrap();
    for (name, sentence) in [
        ("nowhere", "cannot read nowhere/config.toml: "),
        ("empty", "cannot read empty/config.toml: "),
        ("toml", "toml/config.toml: not TOML: "),
        ("csv", "csv/iterations.csv, record 2 (line 3): 1 fields, but the header row has 2"),
        ("json", "json/summary.json: not a JSON object of figures: "),
        ("tensors", "tensors/last.safetensors: not a safetensors file"),
    ] {
        let output = runs.diff("first", name, &[]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{name}: {said}");
        assert!(said.starts_with(&format!("error: {sentence}")), "{name}: {said}");
        assert_eq!(said.lines().count(), 1, "{name}: {said}");
        assert!(output.stdout.is_empty(), "{name}");
    }
}
