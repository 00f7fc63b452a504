//! A person's own images: from a folder of pictures, or files of another set, to every result.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use image::{GrayImage, Luma, Rgb, RgbImage};
use serde_json::Value;
use tempfile::TempDir;

fn chainrule(args: &str) -> Command {
    let mut command = Command::cargo_bin("chainrule").unwrap();
    command.args(args.split_whitespace());
    command
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Three classes of 20 pictures, 12 x 8, which a glance tells apart: each is bright in a color of its
/// own, and a little different from the others.
fn photos(dir: &Path) -> PathBuf {
    let folder = dir.join("photos");
    for (class, name) in ["red leaf", "green leaf", "blüte"].into_iter().enumerate() {
        fs::create_dir_all(folder.join(name)).unwrap();
        for i in 0..20u32 {
            let picture = RgbImage::from_fn(12, 8, |x, y| {
                let mut rgb = [(i * 3 + x * 5) as u8, (40 + y * 4) as u8, (i * 2 + y) as u8];
                rgb[class] = 200 + (i + x) as u8;
                Rgb(rgb)
            });
            picture.save(folder.join(name).join(format!("{i}.png"))).unwrap();
        }
    }
    folder
}

fn train(data: &str, out: &Path, flags: &str) -> Output {
    let mut command = chainrule("train --epochs 4 --hidden-dim 10 --batch-size 8 --data");
    command.arg(data).arg("--out").arg(out).args(flags.split_whitespace()).output().unwrap()
}

fn images(folder: &Path) -> String {
    format!("images:{}", folder.display())
}

#[test]
fn a_folder_of_pictures_trains_in_one_command_and_every_other_command_finds_it_again() {
    let dir = TempDir::new().unwrap();
    let (folder, out) = (photos(dir.path()), dir.path().join("run"));
    let output = train(&images(&folder), &out, "--flip --shift 1");
    assert!(output.status.success(), "{}", stderr(&output));
    // A fifth of 60 tests; of the 48 others a tenth validates, for 5,000 cannot.
    let plan = "288 -> 10 -> 3; 44 images to train on, 4 to validate, 12 to test";
    assert!(stderr(&output).contains(plan), "{}", stderr(&output));
    let summary = json(&out.join("summary.json"));
    assert_eq!(
        (&summary["data"], &summary["test_accuracy"]),
        (&"images of photos".into(), &1.0.into())
    );
    let config: toml::Table = fs::read_to_string(out.join("config.toml")).unwrap().parse().unwrap();
    assert_eq!(config["data"].as_str(), Some(images(&folder).as_str()));
    assert_eq!(config["validation"].as_integer(), Some(4));
    let confusion = fs::read_to_string(out.join("confusion.csv")).unwrap();
    assert!(confusion.starts_with("true_class,blüte,green leaf,red leaf\n"), "{confusion}");
    let tiles = image::open(out.join("weights.png")).unwrap();
    // Ten units, five in a row, each pixel 10 x 10: 128 / 12.
    assert_eq!((tiles.width(), tiles.height()), (5 * 122 + 2, 2 * 82 + 2));
    let page = fs::read_to_string(out.join("report.html")).unwrap();
    assert!(
        page.contains("blüte") && page.contains("12</b>") || page.contains("of the 12 test images")
    );

    let output = chainrule("eval --json --model").arg(&out).output().unwrap();
    let eval: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&eval["accuracy"], &eval["n"]), (&1.0.into(), &12.into()), "{}", stderr(&output));

    // A model file alone, wherever it is, knows the classes and the size.
    let model = dir.path().join("alone.safetensors");
    fs::copy(out.join("model.safetensors"), &model).unwrap();
    let large = dir.path().join("large.png");
    RgbImage::from_fn(120, 100, |x, _| Rgb([(x / 4) as u8, 230, 60])).save(&large).unwrap();
    let mut command = chainrule("predict --json --model");
    let output = command.arg(&model).args([&large, &folder.join("blüte")]).output().unwrap();
    let found: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((found.len(), &found[0]["class"]), (21, &"green leaf".into()));
    assert!(found[1..].iter().all(|found| found["class"] == "blüte"), "{found:?}");

    let onnx = dir.path().join("model.onnx");
    let mut command = chainrule("export --format onnx --model");
    let output = command.arg(&out).arg("-o").arg(&onnx).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn a_run_goes_on_from_a_folder_that_moved_and_not_from_one_that_changed() {
    let dir = TempDir::new().unwrap();
    let (folder, out) = (photos(dir.path()), dir.path().join("run"));
    assert!(train(&images(&folder), &out, "").status.success());
    let moved = dir.path().join("moved");
    fs::rename(&folder, &moved).unwrap();
    let resume = |data: &str| {
        let mut command = chainrule("train --epochs 5 --resume");
        command.arg(&out).args(["--data", data]).output().unwrap()
    };
    assert!(stderr(&resume(&images(&folder))).contains("photos"), "it is not there any more");
    let output = resume(&images(&moved));
    assert!(output.status.success(), "{}", stderr(&output));
    let output = chainrule("eval --model").arg(&out).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    fs::remove_file(moved.join("blüte/3.png")).unwrap();
    let mut command = chainrule("train --epochs 6 --resume");
    let output = command.arg(&out).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("it began with images whose SHA-256 is"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_broken_picture_is_named_and_with_the_flag_left_out() {
    let dir = TempDir::new().unwrap();
    let (folder, out) = (photos(dir.path()), dir.path().join("run"));
    let broken = folder.join("green leaf/7.png");
    fs::write(&broken, &fs::read(&broken).unwrap()[..60]).unwrap();
    fs::write(folder.join("green leaf/.DS_Store"), "hidden").unwrap();
    let output = train(&images(&folder), &out, "");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains(&format!("error: cannot read {}: ", broken.display())), "{said}");
    assert!(said.contains("(1 of 60 pictures broken); --skip-broken"), "{said}");
    let output = train(&images(&folder), &out, "--skip-broken");
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains(&format!("left out: cannot read {}: ", broken.display())), "{said}");
    // Later commands know that it was to be left out.
    let output = chainrule("eval --model").arg(&out).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));

    let output = chainrule("data describe --json").arg(images(&folder)).output().unwrap();
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(found["sizes"][0]["images"], 59);
    assert_eq!(
        found["classes"][1],
        serde_json::json!({"class": "green leaf", "train": 16, "test": 4})
    );
    assert!(found["broken"][0].as_str().unwrap().contains("7.png"), "{found}");
}

#[test]
fn pictures_of_any_size_train_once_a_size_is_given() {
    let dir = TempDir::new().unwrap();
    let (folder, out) = (photos(dir.path()), dir.path().join("run"));
    RgbImage::from_pixel(90, 20, Rgb([9, 240, 9]))
        .save(folder.join("green leaf/wide.jpg"))
        .unwrap();
    let said = stderr(&train(&images(&folder), &out, ""));
    assert!(
        said.contains("of 12 x 8 pixels and green leaf/wide.jpg of 90 x 20: --resize 32"),
        "{said}"
    );
    let output =
        train(folder.to_str().unwrap(), &out, "--resize 6x4 --contrast 10 --test-flips --rotate 9");
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("72 -> 10 -> 3; "), "{}", stderr(&output));
    let config = fs::read_to_string(out.join("config.toml")).unwrap();
    assert!(config.contains("resize = \"6x4\""), "{config}");
    // Without a folder of pictures the flag is a mistake.
    let said = stderr(&train("sample", &dir.path().join("none"), "--resize 8"));
    assert!(said.contains("resize and skip_broken are for pictures of a folder"), "{said}");
    let output = train("sample", &dir.path().join("none"), "--resize 8by8");
    assert_eq!(output.status.code(), Some(2));
}

/// An IDX file: its dimensions and its values.
fn array(dims: &[u32], values: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, dims.len() as u8];
    dims.iter().for_each(|dim| bytes.extend(dim.to_be_bytes()));
    [bytes, values.to_vec()].concat()
}

#[test]
fn gray_images_of_idx_files_go_all_the_way_to_a_prediction() {
    let dir = TempDir::new().unwrap();
    let set = dir.path().join("set");
    fs::create_dir(&set).unwrap();
    // Label l has its column l bright, in 5 x 4 pixels.
    let labels = |n: u8| (0..n).map(|i| i % 4).collect::<Vec<u8>>();
    let pixels = |labels: &[u8]| {
        let image = |&l: &u8| (0..20).map(move |at| if at % 4 == l { 220 } else { 10 });
        labels.iter().flat_map(image).collect::<Vec<u8>>()
    };
    for (n, name) in [(160u8, "a"), (40, "b")] {
        let labels = labels(n);
        fs::write(set.join(name), array(&[n.into(), 5, 4], &pixels(&labels))).unwrap();
        fs::write(set.join(format!("{name}.labels")), array(&[n.into()], &labels)).unwrap();
    }
    let out = dir.path().join("run");
    let output =
        train(set.to_str().unwrap(), &out, "--validation 16 --learning-rate 0.1 --zca 0.1");
    assert!(output.status.success(), "{}", stderr(&output));
    let summary = json(&out.join("summary.json"));
    assert_eq!((&summary["data"], &summary["test_accuracy"]), (&"IDX".into(), &1.0.into()));
    let picture = dir.path().join("three.png");
    GrayImage::from_fn(4, 5, |x, _| Luma([if x == 3 { 220 } else { 10 }])).save(&picture).unwrap();
    let mut command = chainrule("predict --model");
    let output = command.arg(&out).arg(&picture).output().unwrap();
    let said = stdout(&output);
    assert!(said.lines().nth(1).unwrap().trim_start().starts_with("3 "), "{said}");
    for flag in ["--check", "--find-lr"] {
        let mut command =
            chainrule("train --hidden-dim 10 --batch-size 8 --validation 16 --epochs 4");
        let command = command.arg("--data").arg(&set).arg(flag);
        if flag == "--find-lr" {
            command.arg("--out").arg(dir.path().join("lr"));
        }
        let output = command.output().unwrap();
        assert!(
            output.status.code() < Some(2) && !stderr(&output).contains("panicked"),
            "{output:?}"
        );
    }
}

#[test]
fn a_hundred_classes_are_told_without_a_table_that_nobody_can_read() {
    let dir = TempDir::new().unwrap();
    let folder = dir.path().join("many");
    for class in 0..100u8 {
        fs::create_dir_all(folder.join(format!("class-{class:02}"))).unwrap();
        for i in 0..3 {
            let picture = RgbImage::from_pixel(3, 2, Rgb([class * 2, 255 - class, 80 * i]));
            picture.save(folder.join(format!("class-{class:02}/{i}.png"))).unwrap();
        }
    }
    let out = dir.path().join("run");
    let output = train(&images(&folder), &out, "--epochs 1");
    assert!(output.status.success(), "{}", stderr(&output));
    let page = fs::read_to_string(out.join("report.html")).unwrap();
    assert!(
        page.contains("100 test images of 100 classes") && !page.contains("class=\"confusion\"")
    );
    assert_eq!(fs::read_to_string(out.join("confusion.csv")).unwrap().lines().count(), 101);
}

#[test]
fn what_is_no_set_of_images_is_told_in_a_sentence_and_leaves_nothing_behind() {
    let dir = TempDir::new().unwrap();
    let out = dir.path().join("run");
    let empty = dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    for (data, sentence) in [
        (
            empty.display().to_string(),
            "holds nothing and no folder: expected the files of CIFAR-10 or CIFAR-100",
        ),
        (images(&empty), "holds 0 pictures and no folder: put those of each class"),
        ("no/such/place".into(), "no/such/place is not there"),
    ] {
        let output = train(&data, &out, "");
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.starts_with("error: ") && said.contains(sentence), "{said}");
        assert!(fs::read_dir(&out).map_or(0, Iterator::count) == 0, "{data}");
    }
    assert_eq!(train("images:", &out, "").status.code(), Some(2));
}

#[test]
fn parts_of_a_set_are_never_classes_in_any_command() {
    let dir = TempDir::new().unwrap();
    let folder = photos(dir.path());
    // As on Kaggle: brain/Training/glioma/..., brain/Testing/glioma/...
    for (part, numbers) in [("Training", 0..15), ("Testing", 15..20)] {
        for class in ["red leaf", "green leaf", "blüte"] {
            fs::create_dir_all(folder.join(part).join(class)).unwrap();
            for i in numbers.clone() {
                let name = format!("{class}/{i}.png");
                fs::rename(folder.join(&name), folder.join(part).join(name)).unwrap();
            }
        }
    }
    for class in ["red leaf", "green leaf", "blüte"] {
        fs::remove_dir(folder.join(class)).unwrap();
    }
    let output = chainrule("data describe --json").arg(images(&folder)).output().unwrap();
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&found["train"], &found["test"]), (&45.into(), &15.into()), "{found}");
    assert_eq!(found["classes"].as_array().unwrap().len(), 3, "{found}");
    let out = dir.path().join("run");
    let output = train(folder.to_str().unwrap(), &out, "");
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("-> 10 -> 3; "), "{}", stderr(&output));
    assert!(stderr(&output).contains("15 to test"), "{}", stderr(&output));
    // Without classes in them, they are refused by every command.
    let flat = dir.path().join("flat");
    for part in ["Training", "Testing"] {
        fs::create_dir_all(flat.join(part)).unwrap();
        let from = folder.join(part).join("blüte");
        for entry in fs::read_dir(from).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, flat.join(part).join(path.file_name().unwrap())).unwrap();
        }
    }
    let mut check = chainrule("train --check --data");
    let none = dir.path().join("none");
    for output in [train(&images(&flat), &none, ""), check.arg(images(&flat)).output().unwrap()] {
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains("which are names of parts"), "{}", stderr(&output));
    }
}

#[test]
fn the_same_pictures_in_two_classes_or_two_parts_are_told_by_every_command() {
    let dir = TempDir::new().unwrap();
    let folder = photos(dir.path());
    for i in 0..20 {
        let [from, to] =
            ["red leaf", "green leaf"].map(|class| folder.join(class).join(format!("{i}.png")));
        fs::copy(from, to).unwrap();
    }
    let output = chainrule("data describe --json").arg(images(&folder)).output().unwrap();
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let told = found["duplicates"].to_string();
    assert!(told.contains("40 images have a copy of another class"), "{told}");
    assert!(told.contains("test images are also in the training set, pixel for pixel"), "{told}");
    let output = chainrule("data describe").arg(images(&folder)).output().unwrap();
    assert!(stdout(&output).contains("duplicates: 40 images have a copy"), "{}", stdout(&output));
    let out = dir.path().join("run");
    let trained = train(&images(&folder), &out, "");
    let mut check = chainrule("train --check --hidden-dim 10 --batch-size 8 --data");
    for output in [&trained, &check.arg(images(&folder)).output().unwrap()] {
        let said = stderr(output);
        assert!(said.contains("WARNING: 40 images have a copy of another class ("), "{said}");
        assert!(said.contains("green leaf/") && said.contains("red leaf/"), "{said}");
    }
    // No accuracy is told without them. How many there are, each test image says by itself.
    let reading = chainrule_data::reading::Reading { threads: 1, ..Default::default() };
    let set = chainrule_data::folder::read(&folder, &reading, &|_, _, _| ()).unwrap().dataset;
    let all = |images: &chainrule_data::Images| {
        (0..images.len()).map(|i| images.image(i).to_vec()).collect::<Vec<_>>()
    };
    let (trained_on, tested) = (all(&set.train), all(&set.test));
    let across = tested.iter().filter(|image| trained_on.contains(image)).count();
    assert!(across > 0);
    assert_eq!(json(&out.join("summary.json"))["duplicates_across"], across, "{trained:?}");
    let said = format!("{across} of the test images are in the training set, too");
    assert!(stdout(&trained).contains(&said), "{}", stdout(&trained));
    let output = chainrule("eval --json").arg(&out).output().unwrap();
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["duplicates_across"], across, "{found}");
    let page = fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("copies of training images"));
    let output = chainrule("data describe").arg("sample").output().unwrap();
    assert!(stdout(&output).contains("no image is there twice"), "{}", stdout(&output));
}

#[cfg(target_os = "linux")]
#[test]
fn a_limit_of_memory_ends_in_a_sentence_and_never_in_an_abort() {
    let dir = TempDir::new().unwrap();
    let program = assert_cmd::cargo::cargo_bin("chainrule");
    let under = |kibibytes: u32, args: &str| {
        let script = format!("ulimit -v {kibibytes}; exec '{}' {args}", program.display());
        let mut command = std::process::Command::new("sh");
        command.args(["-c", &script]).env("RUST_BACKTRACE", "1").output().unwrap()
    };
    // Below this the system cannot even load the program, and says so in its own way.
    let mut limits = (16_000..400_000).step_by(1000);
    let least = limits.find(|&limit| under(limit, "--version").status.success()).unwrap();
    // A network that cannot fit is refused before its run, with the limit and what to lower.
    let large = dir.path().join("large");
    let args =
        format!("train --data sample --hidden-dim 20000 --threads 1 --out '{}'", large.display());
    let error = stderr(&under(least + 200_000, &args));
    for part in [
        "hidden_dim is [20000]: training takes 1.2 GB of memory for the weights alone, and ",
        " are left below the limit of address space (ulimit -v); lower hidden_dim",
    ] {
        assert!(error.contains(part), "{error}");
    }
    assert!(!large.exists());
    let folder = photos(dir.path());
    let (folder, run) = (folder.display(), dir.path().join("run"));
    let trained = train(&format!("images:{folder}"), &run, "");
    assert!(trained.status.success(), "{}", stderr(&trained));
    let run = run.display();
    // A thread that begins where its stack just fits is ended by the C library: a window of some KiB.
    for more in (2000..8000).step_by(40) {
        let out = dir.path().join("narrow");
        let args =
            format!("train --data sample --hidden-dim 300 --threads 2 --out '{}'", out.display());
        let output = under(least + more, &args);
        assert_eq!(output.status.code(), Some(1), "{more}: {output:?}");
    }
    let mut refused = 0;
    for (i, more) in [0, 2500, 5000, 10_000, 20_000, 40_000].into_iter().enumerate() {
        let out = dir.path().join(i.to_string());
        for args in [
            format!(
                "train --data sample --hidden-dim 300 --threads 2 --max-steps 2 --out '{}'",
                out.display()
            ),
            format!("eval '{run}' --threads 8"),
            format!("predict '{run}' '{folder}/blüte'"),
            format!("data describe 'images:{folder}'"),
        ] {
            let output = under(least + more, &args);
            let said = stderr(&output);
            assert!(matches!(output.status.code(), Some(0 | 1)), "{args}, {more}: {output:?}");
            assert!(!said.contains("panicked") && !said.contains("backtrace"), "{args}: {said}");
            if output.status.code() == Some(1) {
                let sentence = said.lines().last().unwrap_or_default();
                let tells = ["memory", "cannot start", "Cannot allocate"];
                assert!(sentence.starts_with("error: "), "{args}, {more}: {said}");
                assert!(tells.iter().any(|word| sentence.contains(word)), "{args}: {said}");
                refused += 1;
            }
        }
    }
    assert!(refused > 0, "no limit was low enough");
}

#[test]
fn images_of_more_than_256_pixels_in_a_line_train_as_they_are_and_augmented() {
    let dir = TempDir::new().unwrap();
    let data = images(&photos(dir.path()));
    for flags in ["--resize 300x2", "--resize 257x4 --flip --shift 2 --cutout 3 --tta flips,shifts"]
    {
        let output = train(&data, &dir.path().join(&flags[9..14]), flags);
        assert!(output.status.success(), "{flags}: {}", stderr(&output));
    }
}
