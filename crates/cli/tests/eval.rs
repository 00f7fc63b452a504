//! `chainrule eval`: on the images of the run, or on others and said so; and a network that gives no
//! numbers.

use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use chainrule_data::Normalization;
use chainrule_nn::{Init, SoftmaxClassifier};
use chainrule_train::ModelFile;
use image::{Rgb, RgbImage};
use serde_json::Value;

fn chainrule(args: &[&str]) -> Output {
    Command::cargo_bin("chainrule").unwrap().args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A folder of two classes in two parts, 12 pictures to train on and 6 to test with in each; `offset`
/// makes other pictures.
fn pictures(folder: &Path, offset: u32) {
    for (part, n) in [("train", 12), ("test", 6)] {
        for (class, red) in [("red", 200), ("blue", 20)] {
            let dir = folder.join(part).join(class);
            std::fs::create_dir_all(&dir).unwrap();
            for i in 0..n {
                let green = 10 + i + if part == "train" { 0 } else { 50 } + offset;
                let color = |x: u32, y: u32| {
                    let noise = ((x * 7 + y * 13 + i * 29) % 50) as u8;
                    Rgb([red + noise, green as u8, 220 - red + noise])
                };
                let picture = RgbImage::from_fn(8, 8, color);
                picture.save(dir.join(format!("{i:02}.png"))).unwrap();
            }
        }
    }
}

fn train(images: &Path, out: &Path) {
    let data = format!("images:{}", path(images));
    let flags = ["--epochs", "2", "--hidden-dim", "4", "--batch-size", "4", "--out", path(out)];
    let output = chainrule(&[&["train", "--data", &data], &flags[..]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
}

fn json(args: &[&str]) -> (Value, String) {
    let output = chainrule(&[&["eval", "--json"], args].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    (serde_json::from_slice(&output.stdout).unwrap(), text(&output.stderr))
}

/// Three test pictures fewer: which pictures are for what may change with it, and a network is tested
/// on what it was trained on.
#[test]
fn images_that_are_not_those_of_the_run_are_refused_and_allowed_only_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let (images, run) = (dir.path().join("images"), dir.path().join("run"));
    pictures(&images, 0);
    train(&images, &run);
    let (own, notes) = json(&[path(&run)]);
    assert_eq!((&own["n"], &own["images_of_run"]), (&12.into(), &true.into()));
    assert_eq!(notes, "");

    for i in 0..3 {
        std::fs::remove_file(images.join(format!("test/red/{i:02}.png"))).unwrap();
    }
    for split in ["test", "val", "train"] {
        let output = chainrule(&["eval", path(&run), "--split", split]);
        assert_eq!(output.status.code(), Some(1));
        let error = text(&output.stderr);
        for part in [
            "are not those of the run in",
            "24 images to train on and 12 to test with",
            "24 images to train on and 9 to test with",
            "--allow-other-images",
        ] {
            assert!(error.contains(part), "{part} is not in {error}");
        }
        assert_eq!(output.stdout, b"");
    }
    let (other, notes) = json(&[path(&run), "--allow-other-images"]);
    assert_eq!((&other["n"], &other["images_of_run"]), (&9.into(), &false.into()));
    assert!(notes.starts_with("WARNING: the images at hand are not those of the run"), "{notes}");
    let output = chainrule(&["eval", path(&run), "--allow-other-images"]);
    assert!(text(&output.stdout).contains("which are not those of the run"), "{output:?}");

    // A folder of the same relative shape with other pictures, named as the run's.
    let others = dir.path().join("others");
    pictures(&others, 1);
    let output = chainrule(&["eval", path(&run), "--data-dir", path(&others)]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));

    // What was put back is what it was.
    std::fs::remove_dir_all(&images).unwrap();
    pictures(&images, 0);
    assert_eq!(json(&[path(&run)]).0, own);
}

#[test]
fn images_named_with_data_are_evaluated_and_those_trained_on_among_them_counted() {
    let dir = tempfile::tempdir().unwrap();
    let [images, others, run] = ["images", "others", "run"].map(|name| dir.path().join(name));
    pictures(&images, 0);
    train(&images, &run);
    pictures(&others, 100);
    let data = format!("images:{}", path(&others));
    let (found, notes) = json(&[path(&run), "--data", &data]);
    assert_eq!((&found["n"], &found["images_of_run"]), (&12.into(), &false.into()));
    assert_eq!(found["trained_on"], 0);
    assert!(notes.contains("are not those of the run"), "{notes}");

    // All 24 training pictures of the run, some of which it validated with, in the place of the test.
    std::fs::remove_dir_all(others.join("test")).unwrap();
    std::fs::create_dir(others.join("test")).unwrap();
    for class in ["red", "blue"] {
        std::fs::rename(images.join("train").join(class), others.join("test").join(class)).unwrap();
    }
    pictures(&images, 0);
    let (found, notes) = json(&[path(&run), "--data", &data]);
    let validated = json(&[path(&run), "--split", "val"]).0["n"].as_u64().unwrap();
    assert_eq!(found["n"], 24);
    assert_eq!(found["trained_on"], 24 - validated);
    assert!(notes.contains("are among those that the network was trained on"), "{notes}");
}

/// The ranking of a sweep is one of accuracies on the same images.
#[test]
fn a_sweep_goes_on_only_with_the_images_of_its_finished_runs() {
    let dir = tempfile::tempdir().unwrap();
    let [images, file, out] = ["images", "s.toml", "out"].map(|name| dir.path().join(name));
    pictures(&images, 0);
    let sweep = |rates: &str| {
        let text = format!(
            "data = \"images:{}\"\nepochs = 1\nhidden_dim = [4]\nbatch_size = 4\n[grid]\n\
             learning_rate = {rates}\n",
            path(&images)
        );
        std::fs::write(&file, text).unwrap();
        chainrule(&["sweep", path(&file), "--out", path(&out), "--jobs", "1"])
    };
    let output = sweep("[0.01]");
    assert!(output.status.success(), "{}", text(&output.stderr));
    std::fs::remove_dir_all(&images).unwrap();
    pictures(&images, 1);
    let output = sweep("[0.01, 0.02]");
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    for part in ["are not those of the run in", "put the images of the sweep back", "--out"] {
        assert!(error.contains(part), "{part} is not in {error}");
    }
    assert!(!out.join("001").exists(), "no run on other images was begun");
    std::fs::remove_dir_all(&images).unwrap();
    pictures(&images, 0);
    let output = sweep("[0.01, 0.02]");
    assert!(output.status.success(), "{}", text(&output.stderr));
}

/// Settings from before there was a record of the images, or with the record cut off.
#[test]
fn the_images_of_a_run_without_a_record_of_them_are_read_and_it_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let [images, run] = ["images", "run"].map(|name| dir.path().join(name));
    pictures(&images, 0);
    train(&images, &run);
    let own = json(&[path(&run)]).0;
    let config = std::fs::read_to_string(run.join("config.toml")).unwrap();
    let settings = config.split("[provenance]").next().unwrap();
    std::fs::write(run.join("config.toml"), settings).unwrap();
    let (found, notes) = json(&[path(&run)]);
    assert_eq!((&found["accuracy"], &found["n"]), (&own["accuracy"], &own["n"]));
    assert!(found["images_of_run"].is_null(), "{found}");
    assert!(notes.contains("does not say which images the run was on"), "{notes}");
    // A file of this name of another program, beside a model file alone.
    let other = dir.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("config.toml"), "[server]\nport = 80\n").unwrap();
    let model = other.join("model.safetensors");
    std::fs::copy(run.join("model.safetensors"), &model).unwrap();
    let data = format!("images:{}", path(&images));
    let (found, notes) = json(&[path(&model), "--data", &data]);
    assert_eq!((&found["accuracy"], &notes[..]), (&own["accuracy"], ""));
}

/// Without its settings a run was tested on the images of the defaults, and nothing said so.
#[test]
fn a_run_without_whole_settings_is_refused_by_the_name_of_their_file() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let train =
        ["train", "--data", "sample", "--epochs", "1", "--hidden-dim", "4", "--out", path(&run)];
    assert!(chainrule(&train).status.success());
    let config = run.join("config.toml");
    let whole = std::fs::read(&config).unwrap();
    let second = dir.path().join("second");
    for left in [&whole[..13], b"\xff\xfe", b""] {
        std::fs::write(&config, left).unwrap();
        refuses(&["eval", path(&run)], &config);
        let start = ["--init-from", path(&run), "--out", path(&second)];
        refuses(&[&["train", "--data", "sample"], &start[..]].concat(), &config);
    }
    std::fs::remove_file(&config).unwrap();
    refuses(&["eval", path(&run)], &config);
    // A file alone is anybody's.
    let alone = dir.path().join("alone.safetensors");
    std::fs::rename(run.join("model.safetensors"), &alone).unwrap();
    assert!(chainrule(&["eval", path(&alone), "--data", "sample"]).status.success());
}

fn refuses(args: &[&str], file: &Path) {
    let output = chainrule(args);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{args:?}: {error}");
    assert!(error.contains(path(file)), "{args:?}: {error}");
}

/// What the weights have learned by heart must not test them.
#[test]
fn weights_of_a_run_on_other_images_are_started_from_only_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let [images, others, run] = ["images", "others", "run"].map(|name| dir.path().join(name));
    pictures(&images, 0);
    train(&images, &run);
    pictures(&others, 100);
    let out = dir.path().join("second");
    let start = |images: &Path, more: &[&str]| {
        let data = format!("images:{}", path(images));
        let flags = ["--init-from", path(&run), "--epochs", "1", "--batch-size", "4"];
        chainrule(&[&["train", "--data", &data, "--out", path(&out)], &flags[..], more].concat())
    };
    let output = start(&others, &[]);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    for part in ["are not those of the run in", "--allow-other-images"] {
        assert!(error.contains(part), "{part} is not in {error}");
    }
    assert!(!out.exists(), "no folder is left of a run that never began");
    let output = start(&others, &["--allow-other-images"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let config = std::fs::read_to_string(out.join("config.toml")).unwrap();
    assert!(config.contains("allow_other_images = true"), "{config}");
    std::fs::remove_dir_all(&out).unwrap();
    assert!(start(&images, &[]).status.success(), "the same images need no word");
}

#[test]
fn a_network_whose_scores_are_not_numbers_has_no_accuracy() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("model.safetensors");
    let mut classifier = SoftmaxClassifier::new(&[3072, 4, 10], Init::He, 0).unwrap();
    classifier.weight_mut(0).fill(3e38);
    classifier.weight_mut(1).fill(3e38);
    let normalization = Normalization::new(vec![0.0], vec![1.0]).unwrap();
    ModelFile { classifier, normalization, task: None, members: vec![] }.save(&file).unwrap();
    for flags in [&[][..], &["--flips"], &["--json"], &["--split", "val"]] {
        let output = chainrule(&[&["eval", path(&file), "--data", "sample"], flags].concat());
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), String::new()));
        let error = text(&output.stderr);
        assert!(error.contains("the scores of the network are not finite numbers"), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn predictions_go_to_standard_output_and_the_figure_beside_them() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("model.safetensors");
    let classifier = SoftmaxClassifier::new(&[3072, 10], Init::He, 0).unwrap();
    let normalization = Normalization::new(vec![120.0], vec![60.0]).unwrap();
    ModelFile { classifier, normalization, task: None, members: vec![] }.save(&file).unwrap();
    let output = chainrule(&["eval", path(&file), "--data", "sample", "--predictions", "-"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let table = text(&output.stdout);
    assert!(table.starts_with("image,label,prediction\n0,"), "{table}");
    assert_eq!(table.lines().count(), 201, "a line for each of the 200 test images");
    assert!(text(&output.stderr).starts_with("test: "), "{}", text(&output.stderr));
}

#[test]
fn nothing_is_fetched_into_a_folder_that_does_not_hold_the_images() {
    let dir = tempfile::tempdir().unwrap();
    let (model, wrong) = (dir.path().join("model.safetensors"), dir.path().join("wrong"));
    let classifier = SoftmaxClassifier::new(&[3072, 10], Init::He, 0).unwrap();
    let normalization = Normalization::new(vec![120.0], vec![60.0]).unwrap();
    ModelFile { classifier, normalization, task: None, members: vec![] }.save(&model).unwrap();
    for exists in [false, true] {
        if exists {
            std::fs::create_dir(&wrong).unwrap();
        }
        let mut command = Command::cargo_bin("chainrule").unwrap();
        command.env("CHAINRULE_CIFAR10_URL", "http://127.0.0.1:1/").env("PATH", "");
        command.args(["eval", path(&model), "--data-dir", path(&wrong)]);
        let error = text(&command.output().unwrap().stderr);
        let wanted = format!(
            "error: {0} holds no CIFAR-10: name its folder with --data-dir, or get it with \
             `chainrule data fetch --dir {0}`\n",
            path(&wrong)
        );
        assert!(error.ends_with(&wanted) && !error.contains("http"), "{error}");
    }
    assert_eq!(std::fs::read_dir(&wrong).unwrap().count(), 0);
}
