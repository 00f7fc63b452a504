//! `chainrule ensemble`, and the other commands on what it writes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

fn chainrule(args: &[&str]) -> Output {
    let mut command = Command::cargo_bin("chainrule").unwrap();
    command.env("CHAINRULE_CIFAR10_URL", "http://127.0.0.1:1/").args(args).output().unwrap()
}

fn text(args: &[&str]) -> String {
    let output = chainrule(args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn train(folder: &Path, flags: &str) {
    let flags: Vec<&str> = flags.split_whitespace().collect();
    text(
        &[&["train", "-q", "--data", "sample", "--epochs", "1", "--out", path(folder)], &flags[..]]
            .concat(),
    );
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Three runs, two of them normalized by batches and the third whitened, and the ensemble of them.
fn made(dir: &TempDir, flags: [&str; 3]) -> (Vec<PathBuf>, PathBuf) {
    let members: Vec<PathBuf> = ["a", "b", "c"].map(|name| dir.path().join(name)).into();
    for (member, flags) in members.iter().zip(flags) {
        train(member, flags);
    }
    let out = dir.path().join("whole");
    let names: Vec<&str> = members.iter().map(|member| path(member)).collect();
    text(&[&["ensemble"], &names[..], &["--out", path(&out)]].concat());
    (members, out)
}

#[test]
fn an_ensemble_is_a_model_to_every_other_command_and_is_told_as_what_it_is() {
    let dir = TempDir::new().unwrap();
    let (_, out) = made(
        &dir,
        [
            "--hidden-dim 12 --norm batch --tta flips,shifts",
            "--hidden-dim 9 --norm batch --seed 1",
            "--hidden-dim 7 --zca 0.5 --seed 2",
        ],
    );
    let whole = path(&out);
    let summary = json(&fs::read_to_string(out.join("summary.json")).unwrap());
    assert_eq!((&summary["test_flips"], &summary["test_shifts"]), (&true.into(), &true.into()));
    assert_eq!(summary["hidden_dim"], json("[28]"));
    for (flags, accuracy) in [
        (&["--tta", "flips,shifts"][..], &summary["test_accuracy"]),
        (&[], &summary["test_accuracy_plain"]),
    ] {
        let found = json(&text(&[&["eval", whole, "--json"], flags].concat()));
        assert_eq!(&found["accuracy"], accuracy, "{flags:?}");
        assert_eq!(found["images_of_run"], true);
    }
    // Seeds split differently, so that no image is left that no member was trained on.
    let output = chainrule(&["eval", whole, "--split", "val"]);
    let sentence = String::from_utf8(output.stderr).unwrap();
    assert!(sentence.contains("the val split holds no image"), "{sentence}");
    let described = text(&["describe", whole]);
    assert!(
        described.contains("An ensemble of 3 networks as one") && described.contains("[1, 28]")
    );
    assert_eq!(json(&text(&["describe", whole, "--json"]))["members"].as_array().unwrap().len(), 3);
    let onnx = dir.path().join("whole.onnx");
    text(&["export", whole, "onnx", path(&onnx)]);
    assert!(fs::read(&onnx).unwrap().starts_with(b"\x08"));
    let page = dir.path().join("page.html");
    text(&["report", whole, "-o", path(&page)]);
    let page = fs::read_to_string(page).unwrap();
    assert!(page.contains("chainrule ensemble ") && !page.contains("chainrule train --recipe"));
    assert!(page.contains("of the 200 test images right"));
    assert_eq!(chainrule(&["train", "--resume", whole]).status.code(), Some(1), "it is no run");
}

#[test]
fn members_with_the_same_validation_images_keep_them() {
    let dir = TempDir::new().unwrap();
    let flags = ["--hidden-dim 12", "--seed 4 --split-seed 0", "--hidden-dim 7 --reg 0"];
    let (members, out) = made(&dir, flags);
    let of =
        |model: &Path| json(&text(&["eval", path(model), "--split", "val", "--json"]))["n"].clone();
    assert_eq!(of(&out), of(&members[0]));
    let summary = json(&fs::read_to_string(out.join("summary.json")).unwrap());
    assert!(summary["validation_accuracy"].is_number());
}

#[test]
fn members_that_do_not_match_or_were_on_other_images_leave_nothing_behind() {
    let dir = TempDir::new().unwrap();
    let (a, deep, out) = (dir.path().join("a"), dir.path().join("b"), dir.path().join("whole"));
    train(&a, "--hidden-dim 5");
    train(&deep, "--hidden-dim 5,5");
    let refused = |members: &[&Path]| {
        let members: Vec<&str> = members.iter().map(|member| path(member)).collect();
        let output = chainrule(&[&["ensemble"], &members[..], &["--out", path(&out)]].concat());
        assert_eq!(output.status.code(), Some(1));
        assert!(!out.exists());
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(refused(&[&a, &deep]).contains("it has 3 layers: expected 2"));
    assert!(refused(&[&a]).contains("expected two or more"));
    assert!(refused(&[&a, &a.join("model.safetensors")]).contains("is a member twice"));
    let config = a.join("config.toml");
    let text = fs::read_to_string(&config).unwrap();
    let at = text.find("data_sha256 = \"").unwrap() + "data_sha256 = \"".len();
    let mut other = text.clone();
    other.replace_range(at..at + 4, "0000");
    fs::write(&config, other).unwrap();
    let copy = dir.path().join("copy");
    fs::create_dir(&copy).unwrap();
    for name in ["config.toml", "model.safetensors"] {
        fs::copy(a.join(name), copy.join(name)).unwrap();
    }
    assert!(refused(&[&a, &copy]).contains("not those of the run"));
}
