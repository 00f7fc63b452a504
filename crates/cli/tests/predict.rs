//! `chainrule predict`, held to the network asked directly.

use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use chainrule_data::{CIFAR10_CLASSES, Gain, Images, Normalization, Pixels, sample};
use chainrule_nn::loss::softmax;
use chainrule_nn::{Engine, Init, SoftmaxClassifier};
use chainrule_train::ModelFile;
use image::{Rgb, RgbImage};
use serde_json::Value;

fn predict(model: &Path, args: &[&Path]) -> Output {
    let mut command = Command::cargo_bin("chainrule").unwrap();
    command.args(["predict", "--model"]).arg(model).args(args).output().unwrap()
}

fn said(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A model file of random weights, which reads `inputs` values.
fn model(dir: &Path, inputs: usize, contrast: Option<f32>) -> PathBuf {
    let path = dir.join("model.safetensors");
    let classifier = SoftmaxClassifier::new(&[inputs, 20, 10], Init::He, 3).unwrap();
    let (mean, std) = match contrast {
        Some(_) => (vec![0.1, -0.1, 0.2], vec![1.0, 0.9, 1.1]),
        None => (vec![120.0, 121.5, 99.0], vec![60.0, 61.0, 62.5]),
    };
    let normalization = Normalization::new(mean, std).unwrap().with_contrast(contrast).unwrap();
    ModelFile { classifier, normalization, task: None, members: vec![] }.save(&path).unwrap();
    path
}

/// The first `n` test images of the sample as PNG files, 0.png and so on.
fn photos(dir: &Path, n: usize) -> PathBuf {
    let folder = dir.join("photos");
    std::fs::create_dir(&folder).unwrap();
    let images = sample::read().test;
    for i in 0..n {
        let image = images.image(i);
        let pixel = |x: u32, y: u32| [0, 1024, 2048].map(|c| image[c + (y * 32 + x) as usize]);
        let picture = RgbImage::from_fn(32, 32, |x, y| Rgb(pixel(x, y)));
        picture.save(folder.join(format!("{i}.png"))).unwrap();
    }
    folder
}

/// The probabilities that the network of a file gives to the first `n` of `images`, read as
/// `chainrule eval` reads them: all at once.
fn asked_directly(file: &Path, images: &Images, n: u32) -> Vec<Vec<f32>> {
    let model = ModelFile::load(file).unwrap();
    let (scale, shift) = model.normalization.scale_shift(images.dim()).unwrap();
    let gains = model.normalization.contrast().map(|&contrast| Gain::of(images, contrast));
    let (scale, shift, gains) = (&scale, &shift, gains.as_deref());
    let mut engine = Engine::new(&model.classifier, 1, 2).unwrap();
    let rows: Vec<u32> = (0..n).collect();
    let scores = engine.scores(&Pixels::Bytes { images, scale, shift, gains }, &rows);
    let probabilities = (0..rows.len()).map(|row| {
        let mut scores = scores.row(row).to_vec();
        softmax(&mut scores);
        scores
    });
    probabilities.collect()
}

#[test]
fn a_picture_of_the_dataset_is_given_the_very_probabilities_that_eval_works_with() {
    for contrast in [None, Some(10.0)] {
        let dir = tempfile::tempdir().unwrap();
        let (model, photos) = (model(dir.path(), 3072, contrast), photos(dir.path(), 5));
        let output = predict(&model, &[Path::new("--json"), &photos]);
        assert!(output.status.success(), "{}", said(&output.stderr));
        let list: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        let wanted = asked_directly(&model, &sample::read().test, 5);
        assert_eq!(list.len(), wanted.len());
        for (i, (found, wanted)) in list.iter().zip(&wanted).enumerate() {
            assert_eq!(found["image"], *photos.join(format!("{i}.png")).to_string_lossy());
            let best = (0..10).max_by(|&a, &b| wanted[a].total_cmp(&wanted[b])).unwrap();
            assert_eq!(found["class"], CIFAR10_CLASSES[best]);
            assert_eq!(found["probability"], wanted[best]);
            for (class, wanted) in CIFAR10_CLASSES.iter().zip(wanted) {
                assert_eq!(found["probabilities"][class], *wanted, "image {i}, {class}");
            }
        }
    }
}

#[test]
fn a_folder_becomes_a_table_in_the_order_of_the_names() {
    let dir = tempfile::tempdir().unwrap();
    let (model, photos) = (model(dir.path(), 3072, None), photos(dir.path(), 12));
    std::fs::write(photos.join("notes.txt"), "no picture").unwrap();
    let output = predict(&model, &[&photos]);
    assert!(output.status.success(), "{}", said(&output.stderr));
    let table = said(&output.stdout);
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(lines[0][..3], ["image", "class", "probability"]);
    assert_eq!(lines[0][3..], CIFAR10_CLASSES);
    let mut names: Vec<PathBuf> = (0..12).map(|i| photos.join(format!("{i}.png"))).collect();
    names.sort();
    let found: Vec<PathBuf> = lines[1..].iter().map(|line| line[0].into()).collect();
    assert_eq!(found, names);
    for line in &lines[1..] {
        let probabilities: Vec<f32> = line[3..].iter().map(|p| p.parse().unwrap()).collect();
        assert!((probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{line:?}");
        let best = CIFAR10_CLASSES.iter().position(|class| *class == line[1]).unwrap();
        assert!(probabilities.iter().all(|p| *p <= probabilities[best]), "{line:?}");
        assert_eq!(line[2], line[3 + best]);
    }
    let file = dir.path().join("table.csv");
    let output = predict(&model, &[&photos, Path::new("-o"), &file]);
    assert!(output.status.success() && output.stdout.is_empty(), "{}", said(&output.stderr));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), table);
}

#[test]
fn a_broken_picture_is_named_and_the_others_are_still_done() {
    let dir = tempfile::tempdir().unwrap();
    let (model, photos) = (model(dir.path(), 3072, None), photos(dir.path(), 3));
    let broken = photos.join("1.png");
    let bytes = std::fs::read(&broken).unwrap();
    std::fs::write(&broken, &bytes[..bytes.len() / 2]).unwrap();
    let paths = ["0.png", "1.png", "2.png"].map(|name| photos.join(name));
    let output = predict(&model, &paths.each_ref().map(PathBuf::as_path));
    assert_eq!(output.status.code(), Some(1));
    let (shown, errors) = (said(&output.stdout), said(&output.stderr));
    let [first, _, last] = paths.each_ref().map(|path| shown.contains(&*path.to_string_lossy()));
    assert!(first && last, "{shown}");
    assert_eq!(shown.lines().count(), 8, "two pictures, a line and three classes each: {shown}");
    assert!(errors.starts_with(&format!("error: cannot read {}: ", broken.display())), "{errors}");
    assert_eq!(errors.lines().count(), 1, "{errors}");

    // In a folder it is the same.
    let output = predict(&model, &[&photos]);
    assert_eq!((output.status.code(), said(&output.stdout).lines().count()), (Some(1), 3));
    assert_eq!(said(&output.stderr), errors);
}

#[test]
fn what_cannot_be_done_is_told_in_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let photos = photos(dir.path(), 1);
    let small = model(dir.path(), 12, None);
    let output = predict(&small, &[&photos]);
    assert_eq!(output.status.code(), Some(1));
    let sentence = said(&output.stderr);
    assert!(sentence.contains("model.safetensors reads 12 values an image"), "{sentence}");

    let model = model(dir.path(), 3072, None);
    let empty = dir.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    for (path, why) in
        [(empty.as_path(), "holds no picture"), (Path::new("nowhere.jpg"), "cannot read")]
    {
        let output = predict(&model, &[path]);
        assert_eq!(output.status.code(), Some(1));
        assert!(said(&output.stderr).contains(why), "{}", said(&output.stderr));
    }
}

#[test]
fn the_model_may_stand_first_and_dash_is_standard_output() {
    let dir = tempfile::tempdir().unwrap();
    let (model, photos) = (model(dir.path(), 3072, None), photos(dir.path(), 3));
    let run = |args: &[&Path]| {
        let mut command = Command::cargo_bin("chainrule").unwrap();
        command.arg("predict").args(args).current_dir(dir.path()).output().unwrap()
    };
    let wanted = predict(&model, &[&photos]);
    assert!(wanted.status.success());
    let [json, output, dash] = ["--json", "-o", "-"].map(Path::new);
    assert_eq!(run(&[&model, &photos]).stdout, wanted.stdout);
    assert_eq!(run(&[&model, &photos, output, dash]).stdout, wanted.stdout);
    assert!(!dir.path().join("-").exists(), "no file of that name");
    let wanted = predict(&model, &[&photos, json]);
    assert_eq!(run(&[json, &model, &photos, output, dash]).stdout, wanted.stdout);
    for args in [&[&*model][..], &[Path::new("--model"), &model], &[]] {
        assert_eq!(run(args).status.code(), Some(2), "{args:?}: a wrong command line");
    }
}

/// A pipe without a writer would keep whoever opens it waiting.
#[cfg(unix)]
#[test]
fn what_is_named_as_a_picture_and_cannot_be_opened_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (model, photos) = (model(dir.path(), 3072, None), photos(dir.path(), 1));
    std::os::unix::fs::symlink("nowhere.png", photos.join("b.png")).unwrap();
    std::os::unix::fs::symlink("c.png", photos.join("c.png")).unwrap();
    let pipe = std::process::Command::new("mkfifo").arg(photos.join("d.png")).status().unwrap();
    assert!(pipe.success());
    let output = predict(&model, &[&photos]);
    let errors = said(&output.stderr);
    assert_eq!((output.status.code(), said(&output.stdout).lines().count()), (Some(1), 2));
    let starts = ["b.png", "c.png", "d.png"];
    let starts = starts.map(|name| format!("error: cannot read {}: ", photos.join(name).display()));
    assert!(errors.lines().zip(&starts).all(|(line, start)| line.starts_with(start)), "{errors}");
    assert_eq!(errors.lines().count(), 3, "{errors}");
}

/// A folder is predicted as training reads it: pictures by their names in any case and of any
/// spelling, and by their content.
#[test]
fn the_pictures_of_a_folder_are_those_that_training_reads() {
    let dir = tempfile::tempdir().unwrap();
    let (model, photos) = (model(dir.path(), 3072, None), photos(dir.path(), 1));
    let png = std::fs::read(photos.join("0.png")).unwrap();
    let mut jpeg = vec![];
    let picture = image::load_from_memory(&png).unwrap();
    picture.write_to(&mut std::io::Cursor::new(&mut jpeg), image::ImageFormat::Jpeg).unwrap();
    for (name, bytes) in
        [("a.PNG", &png), ("b.jfif", &jpeg), ("c.jpe", &jpeg), ("d.JPEG", &jpeg), ("e", &png)]
    {
        std::fs::write(photos.join(name), bytes).unwrap();
    }
    std::fs::write(photos.join("notes.txt"), "no picture").unwrap();
    std::fs::create_dir(photos.join("f.png")).unwrap();
    let output = predict(&model, &[&photos]);
    assert!(output.status.success(), "{}", said(&output.stderr));
    let table = said(&output.stdout);
    let names = table.lines().skip(1).map(|line| line.split(',').next().unwrap());
    let names: Vec<_> = names.map(|name| name.rsplit('/').next().unwrap()).collect();
    assert_eq!(names, ["0.png", "a.PNG", "b.jfif", "c.jpe", "d.JPEG", "e"]);
}

/// The picture that misleads is one that anyone can save and ask about.
#[test]
fn what_explain_says_of_an_adversarial_picture_is_what_predict_says_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let (model, photos) = (model(dir.path(), 3072, Some(10.0)), photos(dir.path(), 2));
    let page = dir.path().join("page.html");
    let [json, explain] = ["--json", "--explain"].map(Path::new);
    let output = predict(&model, &[json, &photos, explain, &page]);
    assert!(output.status.success(), "{}", said(&output.stderr));
    let list: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let html = std::fs::read_to_string(&page).unwrap();
    assert_eq!(html.matches("<article").count(), 2);
    for (i, found) in list.iter().enumerate() {
        let explanation = &found["explanation"];
        for list in ["gradient", "gradient_times_input", "smooth_grad"] {
            assert_eq!(explanation[list].as_array().unwrap().len(), 3072, "{list}");
        }
        let units = explanation["units"].as_array().unwrap();
        let shares: f64 = units.iter().map(|unit| unit["share"].as_f64().unwrap()).sum();
        assert!(units.len() == 20 && (shares - 1.0).abs() < 1e-9, "{shares}");
        let adversarial = &explanation["adversarial"];
        let step = adversarial["step"].as_u64().unwrap();
        let byte = |i: usize| adversarial["pixels"][i].as_u64().unwrap() as u8;
        let at = |x: u32, y: u32| [0, 1024, 2048].map(|c| byte(c + (y * 32 + x) as usize));
        let picture = RgbImage::from_fn(32, 32, |x, y| Rgb(at(x, y)));
        let saved = dir.path().join(format!("adversarial-{i}.png"));
        picture.save(&saved).unwrap();
        let again = predict(&model, &[json, &saved]);
        let again: Vec<Value> = serde_json::from_slice(&again.stdout).unwrap();
        assert_ne!(adversarial["class"], found["class"]);
        for key in ["class", "probability"] {
            assert_eq!(again[0][key], adversarial[key], "{key} of image {i}");
        }
        // As text it is the same.
        let text =
            said(&predict(&model, &[&photos.join(format!("{i}.png")), explain, &page]).stdout);
        let line = format!(
            "a change of every value by {step} {} of 255 makes it {} (",
            if step == 1 { "level" } else { "levels" },
            adversarial["class"].as_str().unwrap()
        );
        assert!(text.contains(&line), "{line}: {text}");
    }
}

#[test]
fn a_picture_that_is_predicted_is_not_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let (model, photos) = (model(dir.path(), 3072, None), photos(dir.path(), 2));
    let picture = photos.join("1.png");
    let bytes = std::fs::read(&picture).unwrap();
    for flag in ["-o", "--explain"] {
        for named in [&picture, &photos] {
            let output = predict(&model, &[named, Path::new(flag), &photos.join("./1.png")]);
            let sentence = said(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{flag}: {sentence}");
            assert!(sentence.contains("1.png is what the command reads"), "{flag}: {sentence}");
            assert!(std::fs::read(&picture).unwrap() == bytes, "{flag}");
        }
    }
}

#[test]
fn what_cannot_be_explained_is_told_in_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let (model, photos) = (model(dir.path(), 3072, None), photos(dir.path(), 1));
    let [explain, samples] = ["--explain", "--samples"].map(Path::new);
    let output = predict(&model, &[&photos, explain, Path::new("-")]);
    assert_eq!(output.status.code(), Some(2));
    let output = predict(&model, &[&photos, samples, Path::new("3")]);
    assert_eq!(output.status.code(), Some(2), "without --explain it would do nothing");
    let page = dir.path().join("page.html");
    let output = predict(&model, &[&photos, explain, &page, samples, Path::new("0")]);
    assert_eq!(output.status.code(), Some(2));
    for i in 1..101 {
        std::fs::copy(photos.join("0.png"), photos.join(format!("{i}.png"))).unwrap();
    }
    let output = predict(&model, &[&photos, explain, &page]);
    assert_eq!(output.status.code(), Some(1));
    let sentence = said(&output.stderr);
    assert!(sentence.contains("at most 100 pictures on a page, and these are 101"), "{sentence}");
    assert!(!page.exists());
}
