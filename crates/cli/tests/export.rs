//! `chainrule export`, as a person calls it. What other programs make of the files,
//! `reference/export_check.py` asks them.

use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use chainrule_data::Normalization;
use chainrule_nn::{Activation, Hidden, Init, Norm, SoftmaxClassifier};
use chainrule_train::ModelFile;

fn export(model: &Path, format: &str, to: &Path) -> Output {
    let mut command = Command::cargo_bin("chainrule").unwrap();
    command.args(["export", "--format", format, "--model"]).arg(model);
    command.arg("-o").arg(to).output().unwrap()
}

#[test]
fn each_format_is_written_and_the_model_file_comes_back_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    let hidden = Hidden { norm: Norm::Layer, activation: Activation::Gelu };
    let classifier = SoftmaxClassifier::with_hidden(&[12, 5, 3], hidden, Init::He, 3).unwrap();
    let normalization = Normalization::new(vec![120.0], vec![60.0]).unwrap();
    ModelFile { classifier, normalization, task: None, members: vec![] }.save(&path).unwrap();
    // A zip file begins with PK, the ONNX file with field 1, the version of its format.
    let begins: [(&str, &[u8]); 2] = [("npz", b"PK\x03\x04"), ("onnx", b"\x08")];
    for (format, magic) in begins {
        let to = dir.path().join(format);
        let output = export(&path, format, &to);
        assert!(output.status.success(), "{format}: {output:?}");
        assert!(std::fs::read(&to).unwrap().starts_with(magic), "{format}");
    }
    let to = dir.path().join("copy.safetensors");
    assert!(export(&path, "safetensors", &to).status.success());
    assert!(std::fs::read(&to).unwrap() == std::fs::read(&path).unwrap());
}

#[test]
fn a_damaged_model_is_not_exported() {
    let dir = tempfile::tempdir().unwrap();
    let (path, to) = (dir.path().join("model.safetensors"), dir.path().join("model.onnx"));
    std::fs::write(&path, "no model").unwrap();
    let output = export(&path, "onnx", &to);
    assert_eq!(output.status.code(), Some(1));
    let sentence = String::from_utf8(output.stderr).unwrap();
    assert!(sentence.contains("not a safetensors file") && !to.exists(), "{sentence}");
}

#[test]
fn model_format_and_file_may_stand_in_their_places_and_dash_is_standard_output() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    let classifier = SoftmaxClassifier::new(&[12, 5, 3], Init::He, 3).unwrap();
    let normalization = Normalization::new(vec![120.0], vec![60.0]).unwrap();
    ModelFile { classifier, normalization, task: None, members: vec![] }.save(&path).unwrap();
    let model = path.to_str().unwrap();
    let run = |args: &[&str]| {
        let mut command = Command::cargo_bin("chainrule").unwrap();
        command.arg("export").args(args).current_dir(dir.path()).output().unwrap()
    };
    let wanted = run(&["--model", model, "--format", "onnx", "-o", "named.onnx"]);
    assert!(wanted.status.success(), "{wanted:?}");
    let wanted = std::fs::read(dir.path().join("named.onnx")).unwrap();
    for args in [
        &[model, "onnx", "a.onnx"][..],
        &[model, "onnx", "-o", "a.onnx"],
        &[model, "a.onnx", "--format", "onnx"],
        &["--model", model, "ONNX", "a.onnx"],
    ] {
        let output = run(args);
        assert!(output.status.success(), "{args:?}: {output:?}");
        assert!(std::fs::read(dir.path().join("a.onnx")).unwrap() == wanted, "{args:?}");
        std::fs::remove_file(dir.path().join("a.onnx")).unwrap();
    }
    let output = run(&[model, "onnx", "-o", "-"]);
    assert!(output.status.success() && output.stdout == wanted, "nothing but the file");
    assert!(!dir.path().join("-").exists());
    let error = String::from_utf8(run(&[model, "onnx", "a", "--opset", "99"]).stderr).unwrap();
    assert!(error.contains("--opset is 99: expected"), "{error}");
    for args in [
        &[][..],
        &[model],
        &[model, "onnx"],
        &[model, "tflite", "a"],
        &[model, "onnx", "a", "b"],
        &[model, "npz", "a", "--opset", "17"],
        &[model, "onnx", "a", "--opset", "12"],
    ] {
        assert_eq!(run(args).status.code(), Some(2), "{args:?}: a wrong command line");
    }
}

#[cfg(unix)]
#[test]
fn the_model_and_the_records_of_a_run_are_not_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let (path, link) = (dir.path().join("model.safetensors"), dir.path().join("link.onnx"));
    let classifier = SoftmaxClassifier::new(&[12, 5, 3], Init::He, 3).unwrap();
    let normalization = Normalization::new(vec![120.0], vec![60.0]).unwrap();
    ModelFile { classifier, normalization, task: None, members: vec![] }.save(&path).unwrap();
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let model = std::fs::read(&path).unwrap();
    for to in [
        &path,
        &dir.path().join("../").join(dir.path().file_name().unwrap()).join("link.onnx"),
        &link,
    ] {
        let output = export(&path, "onnx", to);
        let sentence = String::from_utf8(output.stderr).unwrap();
        let wanted = format!("error: {} is what the command reads", to.display());
        assert!(output.status.code() == Some(1) && sentence.starts_with(&wanted), "{sentence}");
        assert!(std::fs::read(&path).unwrap() == model);
    }
    // Another run's record, there already or not.
    let run = dir.path().join("run");
    std::fs::create_dir(&run).unwrap();
    for name in ["config.toml", "iterations.csv", "last.safetensors"] {
        std::fs::write(run.join(name), name).unwrap();
    }
    for name in ["last.safetensors", "checkpoint.safetensors", "summary.json"] {
        let output = export(&path, "safetensors", &run.join(name));
        let sentence = String::from_utf8(output.stderr).unwrap();
        assert!(sentence.contains(&format!("{name} is a record of the run in ")), "{sentence}");
    }
    assert_eq!(std::fs::read_dir(&run).unwrap().count(), 3);
    assert!(export(&path, "onnx", &run.join("model.onnx")).status.success());
    assert!(export(&path, "safetensors", &dir.path().join("last.safetensors")).status.success());
}

/// The limit ends a program by a signal, if it does nothing about it.
#[cfg(unix)]
#[test]
fn a_limit_on_the_size_of_a_file_is_told_in_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let (path, to) = (dir.path().join("model.safetensors"), dir.path().join("model.onnx"));
    let classifier = SoftmaxClassifier::new(&[300, 20, 3], Init::He, 3).unwrap();
    let normalization = Normalization::new(vec![120.0], vec![60.0]).unwrap();
    ModelFile { classifier, normalization, task: None, members: vec![] }.save(&path).unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -f 8; exec \"$@\"", "sh"]);
    command.arg(assert_cmd::cargo::cargo_bin("chainrule")).args(["export".as_ref(), &*path]);
    let output = command.arg("onnx").arg(&to).output().unwrap();
    let sentence = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{sentence}");
    assert!(sentence.contains("model.onnx could not be written: File too large"), "{sentence}");
    assert!(!to.exists());
}
