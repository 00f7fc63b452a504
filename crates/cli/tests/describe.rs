//! `chainrule describe`: a model, or a set of images, told apart by what lies there.

use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use chainrule_data::{Normalization, Shape};
use chainrule_nn::{Activation, Hidden, Init, Norm, SoftmaxClassifier};
use chainrule_train::{ModelFile, Task};
use serde_json::{Value, json};

fn describe(args: &[&str]) -> Output {
    Command::cargo_bin("chainrule").unwrap().arg("describe").args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn model(folder: &Path) {
    let hidden = Hidden { norm: Norm::Layer, activation: Activation::Gelu };
    let classifier = SoftmaxClassifier::with_hidden(&[12, 5, 3], hidden, Init::He, 3).unwrap();
    let normalization =
        Normalization::new(vec![120.0, 121.5, 99.0], vec![60.0, 61.0, 62.5]).unwrap();
    let shape = Shape { channels: 3, height: 2, width: 2 };
    let classes = ["cat", "a, b", "eel"].map(str::to_owned).to_vec();
    let task = Some(Task { shape, classes });
    ModelFile { classifier, normalization, task, members: vec![] }
        .save(&folder.join("model.safetensors"))
        .unwrap();
}

#[test]
fn a_runs_folder_and_its_file_are_described_alike() {
    let dir = tempfile::tempdir().unwrap();
    model(dir.path());
    let file = dir.path().join("model.safetensors");
    let output = describe(&[dir.path().to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let told = text(&output.stdout);
    for part in [
        "fc1 (Linear)        [1, 5]",
        "norm1 (LayerNorm)",
        "gelu1 (GELU)",
        "fc2 (Linear)        [1, 3]",
        "Total params: 88\n", // 12 * 5 + 2 * 5 + 5 * 3 + 3
        "Images: 3 x 2 x 2, (pixel - mean) / std, with a mean and deviation for each channel\n",
        "Classes (3): cat, a, b, eel\n",
    ] {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
    assert_eq!(text(&describe(&[file.to_str().unwrap()]).stdout), told);

    let output = describe(&[file.to_str().unwrap(), "--json", "--batch-size", "8"]);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["parameters"], 88);
    assert_eq!(found["mult_adds"], 8 * 88);
    assert_eq!(found["image"], json!([3, 2, 2]));
    assert_eq!(found["classes"], json!(["cat", "a, b", "eel"]));
    assert_eq!(found["layers"][1]["output_shape"], json!([8, 5]));
}

#[test]
fn images_are_described_as_by_data_describe() {
    let output = describe(&["sample", "--json"]);
    let mut command = Command::cargo_bin("chainrule").unwrap();
    let wanted = command.args(["data", "describe", "sample", "--json"]).output().unwrap();
    assert!(output.status.success() && output.stdout == wanted.stdout, "{}", text(&output.stderr));
}

#[test]
fn what_is_neither_a_model_nor_images_is_refused_in_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("notes.txt");
    std::fs::write(&file, "no model").unwrap();
    let [file, gone, nowhere] =
        [file, dir.path().join("gone.safetensors"), dir.path().join("nowhere")];
    for (path, part) in
        [(&file, "not a safetensors file"), (&gone, "cannot read"), (&nowhere, "is not there")]
    {
        let output = describe(&[path.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(1));
        let error = text(&output.stderr);
        assert!(error.contains(part) && error.lines().count() == 1, "{error}");
    }
}
