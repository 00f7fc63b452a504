//! Folders that no run of this program wrote.

use std::fs;
use std::path::Path;

use chainrule_runs::{Error, Run};
use tempfile::TempDir;

const EPOCHS: &str =
    "epoch,iteration,train_loss,train_accuracy,validation_loss,validation_accuracy\n";
const ITERATIONS: &str = "iteration,loss\n";

fn folder(epochs: &str, iterations: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("epochs.csv"), format!("{EPOCHS}{epochs}")).unwrap();
    fs::write(folder.path().join("iterations.csv"), format!("{ITERATIONS}{iterations}")).unwrap();
    folder
}

#[cfg(unix)]
#[test]
fn a_pipe_in_place_of_any_file_does_not_hang_the_reader() {
    for name in ["epochs.csv", "iterations.csv", "config.toml", "summary.json"] {
        let folder = folder("", "");
        let path = folder.path().join(name);
        let _ = fs::remove_file(&path);
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let error = Run::read(folder.path()).unwrap_err().to_string();
        assert!(error.ends_with(&format!("{name}: cannot be read: it is not a regular file")));
    }
}

#[test]
fn a_table_of_a_terabyte_is_refused_from_its_length() {
    let folder = folder("", "");
    let sparse = fs::File::create(folder.path().join("iterations.csv")).unwrap();
    // The file system may not have files so large.
    if sparse.set_len(1 << 40).is_ok() {
        let error = Run::read(folder.path()).unwrap_err();
        assert!(matches!(error, Error::TooLarge { length: 1_099_511_627_776, .. }), "{error}");
    }
}

#[test]
fn a_loss_that_no_trainer_writes_is_refused_and_the_greatest_that_it_may_write_is_read() {
    let one = folder("", "1,1e39\n");
    let error = Run::read(one.path()).unwrap_err().to_string();
    assert!(error.ends_with("column `loss`: `1e39` is not a number of 32 bits"), "{error}");
    let run = Run::read(folder("0,0,3e38,0,-3e38,0\n", "1,3e38\n2,-3e38\n3,1e-45\n").path());
    let losses: Vec<f64> = run.unwrap().iterations.iter().map(|step| step.loss).collect();
    assert_eq!(losses, [3e38, -3e38, 1e-45]);
}

#[test]
fn a_message_quotes_a_long_cell_only_in_part() {
    let long = "9".repeat(100_000);
    let one = folder("", &format!("{long}x,1\n"));
    assert!(Run::read(one.path()).unwrap_err().to_string().len() < 1_000);
    fs::write(one.path().join("iterations.csv"), format!("{long},{long}\n")).unwrap();
    assert!(Run::read(one.path()).unwrap_err().to_string().len() < 1_000);
    fs::write(one.path().join("iterations.csv"), ITERATIONS).unwrap();
    fs::write(one.path().join("config.toml"), format!("hidden_dim = \"{long}\"")).unwrap();
    assert!(Run::read(one.path()).unwrap().setting("hidden_dim").unwrap().len() < 1_000);
}

#[test]
fn settings_nested_without_end_are_refused_and_overflow_no_stack() {
    let dotted = "a.".repeat(60);
    for text in [
        format!("a = {}", "[".repeat(50_000)),
        format!("a = {}1{}", format!("{{{dotted}a=").repeat(70), "}".repeat(70)),
    ] {
        let small = std::thread::Builder::new().stack_size(1 << 20);
        let read = move || {
            let tables = (EPOCHS.as_bytes(), ITERATIONS.as_bytes());
            Run::from_parts(Path::new("run"), tables.0, tables.1, Some(&text), None)
        };
        let read = small.spawn(read).unwrap().join().expect("no panic");
        assert!(matches!(read, Err(Error::Config { .. } | Error::Nesting { .. })));
    }
}
