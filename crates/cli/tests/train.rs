//! `chainrule train`, `eval` and `gradcheck` as a person meets them: files, figures, sentences.
//!
//! All on the built-in sample: nothing here asks a network.

use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use chainrule_tensor::{Kernel, Precision};
use chainrule_train::Config;
use serde_json::Value;

fn chainrule() -> Command {
    let mut command = Command::cargo_bin("chainrule").unwrap();
    // Should a test ask for CIFAR-10 all the same, it finds no source and takes the sample.
    command.env("CHAINRULE_CIFAR10_URL", "http://127.0.0.1:1/").env("PATH", "");
    command
}

fn train(out: &Path, flags: &str) -> Output {
    let mut command = chainrule();
    command.args(["train", "--data", "sample", "--epochs", "2", "--hidden-dim", "20", "--out"]);
    command.arg(out).args(flags.split_whitespace()).output().unwrap()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The column of a CSV file by its name.
fn column(path: &Path, name: &str) -> Vec<f64> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    let at = lines.next().unwrap().split(',').position(|column| column == name).unwrap();
    lines.map(|line| line.split(',').nth(at).unwrap().parse().unwrap()).collect()
}

#[test]
fn a_run_leaves_every_file_that_the_readme_promises() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let output = train(&out, "--batch-size 64 --lr-decay 0.7");
    assert!(output.status.success(), "{}", stderr(&output));
    let said = String::from_utf8(output.stdout).unwrap();
    for part in ["Test accuracy", "run", "chainrule eval ", "SAMPLE"] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    for file in [
        "config.toml",
        "iterations.csv",
        "epochs.csv",
        "summary.json",
        "model.safetensors",
        "last.safetensors",
        "confusion.csv",
        "curves.svg",
        "curves.png",
        "weights.png",
        "report.html",
    ] {
        assert!(out.join(file).metadata().unwrap().len() > 0, "{file}");
    }
    // 900 images of the sample train, 100 validate: 15 steps of 64 an epoch, the last of 4.
    assert_eq!(column(&out.join("iterations.csv"), "iteration").len(), 30);
    assert_eq!(column(&out.join("epochs.csv"), "iteration"), [0.0, 15.0, 30.0]);
    let rates = column(&out.join("iterations.csv"), "learning_rate");
    assert!((rates[15] / rates[14] - 0.7).abs() < 1e-12, "the decay of an epoch: {rates:?}");
    let summary = json(&out.join("summary.json"));
    assert_eq!((&summary["data"], &summary["iterations"]), (&"sample".into(), &30.into()));
    let confusion = std::fs::read_to_string(out.join("confusion.csv")).unwrap();
    let counts = confusion.lines().skip(1).flat_map(|line| line.split(',').skip(1));
    assert_eq!(counts.map(|n| n.parse::<u32>().unwrap()).sum::<u32>(), 200, "all test images");

    // eval finds the same figures in the saved model.
    let output = chainrule().args(["eval", "--json", "--model"]).arg(&out).output().unwrap();
    let eval: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(eval["accuracy"], summary["test_accuracy"]);
    assert_eq!((&eval["split"], &eval["n"]), (&"test".into(), &200.into()));
    for (split, n, figure) in
        [("val", 100, "validation_accuracy"), ("train", 900, "train_accuracy")]
    {
        let args = ["eval", "--json", "--split", split, "--model"];
        let output = chainrule().args(args).arg(&out).output().unwrap();
        let eval: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&eval["accuracy"], &eval["n"]), (&summary[figure], &n.into()), "{split}");
    }
}

#[test]
fn the_config_of_a_run_repeats_it_to_the_bit_with_another_number_of_threads() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (dir.path().join("first"), dir.path().join("second"));
    assert!(train(&first, "--threads 1 --seed 7 --learning-rate 0.013").status.success());
    let mut again = chainrule();
    again.args(["train", "--threads", "3", "--recipe"]).arg(first.join("config.toml"));
    assert!(again.arg("--out").arg(&second).output().unwrap().status.success());
    for file in ["model.safetensors", "last.safetensors", "confusion.csv"] {
        let read = |out: &Path| std::fs::read(out.join(file)).unwrap();
        assert!(read(&first) == read(&second), "{file} differs");
    }
    let losses = |out: &Path| column(&out.join("iterations.csv"), "loss");
    assert_eq!(losses(&first), losses(&second));
}

#[test]
fn settings_that_cannot_work_are_told_in_one_sentence_and_leave_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = |text: &str| {
        let path = dir.path().join(format!("recipe-{}.toml", text.len()));
        std::fs::write(&path, text).unwrap();
        format!("--recipe {}", path.display())
    };
    for (flags, sentence) in [
        ("--batch-size 0".to_owned(), "batch_size is 0: a step needs at least one image"),
        ("--learning-rate -0.1".into(), "learning_rate is -0.1: it must be a positive number"),
        ("--learning-rate NaN".into(), "learning_rate is NaN: it must be a positive number"),
        ("--learning-rate inf".into(), "learning_rate is inf: it must be a positive number"),
        ("--hidden-dim 50,0,20".into(), "width 2 is 0"),
        ("--hidden-dim 40000000000".into(), "GB of memory"),
        ("--hidden-dim 9223372036854775807".into(), "more memory than any machine has"),
        ("--shift 32".into(), "shift is 32: it must be below the side of an image, 32"),
        ("--schedule cosine --lr-last 1".into(), "lr_last is 1: it must be from 0"),
        ("--cycles 0".into(), "cycles is [0]: it must be rising numbers of epochs from 1"),
        ("--warmup-epochs 2".into(), "warmup_epochs is 2: it must be from 0 to below epochs, 2"),
        ("--nesterov --momentum 0".into(), "nesterov needs a momentum above 0"),
        ("--clip-norm 0".into(), "clip_norm must be a positive number"),
        ("--dropout 1".into(), "dropout is 1: it must be from 0 to below 1"),
        ("--dropout 0.999999".into(), "and must be at most 0.99998"),
        ("--optimizer adam --beta2 0.99999999".into(), "beta2 is 0.99999999, which is 1.0 in f32"),
        ("--learning-rate 1e-60".into(), "learning_rate is 1e-60, which is 0.0 in f32"),
        ("--label-smoothing -0.1".into(), "label_smoothing is -0.1: it must be from 0 to below 1"),
        ("--mixup -1".into(), "mixup is -1: it must be 0 or a positive number"),
        ("--ema-decay 1".into(), "ema_decay is 1: it must be from 0 to below 1"),
        ("--norm batch --batch-size 1".into(), "needs a batch_size above 1"),
        ("--hidden-dim 0 --norm layer".into(), "hidden_dim says there are none"),
        ("--optimizer adam --nesterov".into(), "it goes with optimizer"),
        ("--weight-decay 100".into(), "each step would take all of the weights"),
        ("--schedule plateau --validation 0".into(), "set some images aside"),
        ("--patience 0".into(), "patience is 0: leave it out"),
        ("--checkpoint-every 0".into(), "checkpoint_every is 0"),
        ("--momentum 1".into(), "momentum is 1: it must be from 0 to below 1"),
        ("--reg -1".into(), "reg is -1: it must be 0 or a positive number"),
        ("--max-steps 0".into(), "max_steps is 0"),
        ("--epochs 0".into(), "epochs is 0"),
        ("--threads 5000".into(), "threads is 5000"),
        ("--init-from nowhere.safetensors".into(), "cannot read nowhere.safetensors"),
        ("--recipe nowhere.toml".into(), "cannot read nowhere.toml"),
        (recipe("learning_rat = 0.1"), "unknown key `learning_rat`: did you mean `learning_rate`?"),
        (recipe("epochs = \"ten\""), "epochs"),
        (recipe("epochs = "), "recipe-9.toml"),
    ] {
        let out = dir.path().join("run");
        let output = train(&out, &flags);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{flags}: {said}");
        assert!(said.starts_with("error: ") && said.contains(sentence), "{flags}: {said}");
        assert!(!said.contains("panicked"), "{flags}: {said}");
        let left = std::fs::read_dir(&out).map_or(0, Iterator::count);
        assert_eq!(left, 0, "{flags} left files behind");
    }
}

#[test]
fn the_page_of_settings_and_the_help_tell_every_setting_there_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = std::fs::read_to_string(root.join("docs/settings.md")).unwrap();
    let help = chainrule().args(["train", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let keys = Config::keys();
    assert!(keys.len() > 40);
    for key in keys {
        assert!(page.contains(&format!("`{key}`")), "docs/settings.md does not tell {key}");
        let flag = if key == "shuffle" { "no-shuffle".into() } else { key.replace('_', "-") };
        assert!(help.contains(&format!("--{flag}")), "--help does not tell --{flag}");
    }
}

#[test]
fn every_committed_recipe_can_be_trained() {
    let recipes = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
    let entries = [recipes.clone(), recipes.join("ablation")].map(std::fs::read_dir);
    let paths = entries.into_iter().flat_map(|entries| entries.unwrap()).map(|e| e.unwrap().path());
    let (mut trained, mut read) = (0, 0);
    for path in paths.filter(|path| path.extension().is_some_and(|ending| ending == "toml")) {
        let config = Config::from_file(&path).unwrap();
        config.check().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        read += 1;
        if config.zca.is_some() {
            continue; // the whitening alone takes half a minute; tests of its own see to it
        }
        let out = tempfile::tempdir().unwrap();
        let flags = format!("--recipe {} --max-steps 2", path.display());
        let mut command = chainrule();
        command.args(["train", "--data", "sample"]).args(flags.split_whitespace());
        let output = command.arg("--out").arg(out.path().join("run")).output().unwrap();
        assert!(output.status.success(), "{}: {}", path.display(), stderr(&output));
        trained += 1;
    }
    assert!(trained > 2 && read > 10);
}

#[test]
fn the_help_names_the_defaults_that_are_used() {
    let output = chainrule().args(["train", "--help"]).output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let config = Config::default();
    for (flag, default) in [
        ("--hidden-dim", config.hidden_dim[0].to_string()),
        ("--learning-rate", config.learning_rate.to_string()),
        ("--lr-decay", config.lr_decay.to_string()),
        ("--batch-size", config.batch_size.to_string()),
        ("--epochs", config.epochs.to_string()),
        ("--reg", config.reg.to_string()),
        ("--momentum", config.momentum.to_string()),
        ("--validation", config.validation.to_string()),
        ("--seed", config.seed.to_string()),
        ("--threads", config.threads.to_string()),
        ("--data-dir", config.data_dir.display().to_string()),
    ] {
        let at = help.find(&format!("{flag} <")).unwrap_or_else(|| panic!("no {flag} in {help}"));
        let about = help[at + 2..].split(" --").next().unwrap();
        assert!(about.contains(&format!("[default: {default}]")), "{flag}: {about}");
    }
}

#[test]
fn a_wrong_command_line_is_exit_code_2() {
    for (args, part) in [
        ("train --hidden-dim ten", "\"ten\" is not a width"),
        ("train --no-such-flag", "--no-such-flag"),
        ("trian", "trian"),
        ("train --flip=perhaps", "perhaps"),
        ("train --optimizer adan", "adam"),
        // TOML's integers end at 2^63, and config.toml names every setting.
        ("train --seed 18446744073709551615", "below 2^63"),
        ("train --hidden-dim 18446744073709551615", "below 2^63"),
        ("train --tta rotations", "of \"flips\" and \"shifts\""),
        ("train -q -v", "cannot be used with"),
    ] {
        let output = chainrule().args(args.split(' ')).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args}: {}", stderr(&output));
        assert!(stderr(&output).contains(part), "{args}: {}", stderr(&output));
    }
}

#[test]
fn a_folder_that_holds_something_is_never_written_to() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    std::fs::create_dir(&out).unwrap();
    std::fs::write(out.join("thesis.txt"), "years of work").unwrap();
    let output = train(&out, "");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("already exists and is not empty"), "{}", stderr(&output));
    assert!(stderr(&output).contains("--out names another folder"), "{}", stderr(&output));
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 1);
    // Nor is a file taken for a folder.
    let output = train(&out.join("thesis.txt"), "");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("exists and is not a folder"), "{}", stderr(&output));
}

#[test]
fn a_loss_that_overflows_ends_the_run_with_the_iteration_and_the_learning_rate() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let output = train(&out, "--learning-rate 1e30");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("diverged at step "), "{said}");
    let rate =
        said.rsplit("learning rate ").next().and_then(|rest| rest.split(',').next()).unwrap();
    assert!(rate.parse::<f64>().unwrap() > 9e29, "a cosine from 1e30: {said}");
    assert!(!column(&out.join("epochs.csv"), "epoch").is_empty(), "what was written is kept");
    let text = std::fs::read_to_string(out.join("iterations.csv")).unwrap();
    assert!(text.lines().count() >= 2, "the iterations until then are kept: {text}");

    // A step whose own loss was finite may have wrecked the weights: no success, no figure.
    let last = dir.path().join("last");
    let output = train(&last, "--learning-rate 1e30 --max-steps 1");
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(!last.join("summary.json").exists());
}

#[test]
fn the_place_where_the_numbers_end_is_named_and_what_to_do_depends_on_when() {
    let dir = tempfile::tempdir().unwrap();
    let said = |name: &str, flags: &str| {
        let output = train(&dir.path().join(name), flags);
        assert_eq!(output.status.code(), Some(1), "{flags}: {}", stderr(&output));
        stderr(&output)
    };
    // 3072 products of a pixel and a weight near 1e38 are beyond f32, whose largest is 3.4e38.
    let first = said("first", "--weight-scale 1e38");
    assert!(first.contains("diverged at step 0: ") && first.contains("fc1"), "{first}");
    assert!(first.contains(" is NaN or infinite") && first.contains("--weight-scale"), "{first}");
    let later = said("later", "--learning-rate 1e30 --watch");
    assert!(later.contains("diverged at step ") && later.contains("fc"), "{later}");
    assert!(later.contains(" is NaN or infinite") && later.contains("--learning-rate"), "{later}");
}

#[test]
fn clipping_writes_the_norm_of_the_gradient_and_its_absence_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (free, watched, clipped) =
        (dir.path().join("free"), dir.path().join("watched"), dir.path().join("clipped"));
    assert!(train(&free, "").status.success());
    assert!(train(&watched, "--clip-norm inf --watch").status.success());
    assert!(train(&clipped, "--clip-norm 0.5").status.success());
    let weights = |out: &Path| std::fs::read(out.join("last.safetensors")).unwrap();
    assert!(weights(&free) == weights(&watched), "looking changes nothing");
    assert!(weights(&free) != weights(&clipped));
    let norms = column(&watched.join("iterations.csv"), "gradient_norm");
    assert!(norms.iter().all(|norm| norm.is_finite() && *norm > 0.0), "{norms:?}");
    assert_eq!(norms[0], column(&clipped.join("iterations.csv"), "gradient_norm")[0]);
    let text = std::fs::read_to_string(free.join("iterations.csv")).unwrap();
    assert!(text.lines().skip(1).all(|line| line.ends_with(',')), "no norm was taken: {text}");
}

#[test]
fn without_any_source_the_sample_is_used_and_said_aloud() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let mut command = chainrule();
    command.args(["train", "--epochs", "1", "--hidden-dim", "0", "--data-dir"]);
    let output = command.arg(dir.path().join("none")).arg("--out").arg(&out).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("WARNING: CIFAR-10 could not be had"), "{}", stderr(&output));
    assert_eq!(json(&out.join("summary.json"))["data"], "sample");
    let config = std::fs::read_to_string(out.join("config.toml")).unwrap();
    assert!(config.contains("data = \"sample\""), "{config}");
}

#[test]
fn a_run_that_starts_from_a_file_goes_on_where_the_file_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, first, second) =
        (dir.path().join("whole"), dir.path().join("first"), dir.path().join("second"));
    // Without momentum and shuffling an epoch of 25 steps of 40 is the same whenever it comes, and
    // a file keeps every bit.
    let plain = "--no-shuffle --momentum 0 --lr-decay 1 --validation 0 --batch-size 40";
    assert!(train(&whole, &format!("{plain} --epochs 3")).status.success());
    assert!(train(&first, &format!("{plain} --epochs 5 --max-steps 25")).status.success());
    assert_eq!(json(&first.join("summary.json"))["iterations"], 25);
    let start = first.join("last.safetensors");
    let flags = format!("{plain} --epochs 2 --init-from {}", start.display());
    assert!(train(&second, &flags).status.success());
    // A folder stands for its best weights, which here are the last; widths that do not fit are
    // told, and not taken over in silence.
    let third = dir.path().join("third");
    let from = format!("{plain} --epochs 2 --init-from {}", first.display());
    assert!(train(&third, &from).status.success());
    let said = stderr(&train(&dir.path().join("fourth"), &format!("{from} --hidden-dim 7")));
    assert!(said.contains("hidden_dim is [7], and the weights to start from have [20]"), "{said}");
    let losses = |out: &Path| column(&out.join("iterations.csv"), "loss");
    assert_eq!(losses(&third), losses(&second));
    assert_eq!([losses(&first), losses(&second)].concat(), losses(&whole));
    let weights = |out: &Path| std::fs::read(out.join("last.safetensors")).unwrap();
    assert!(weights(&second) == weights(&whole));
}

#[test]
fn what_weights_to_start_from_decide_is_taken_over_or_refused() {
    let dir = tempfile::tempdir().unwrap();
    let first = dir.path().join("first");
    let output = train(&first, "--activation tanh --norm layer --max-steps 2");
    assert!(output.status.success(), "{}", stderr(&output));
    let start = |name: &str, flags: &str| {
        let flags = format!("--max-steps 2 --init-from {} {flags}", first.display());
        train(&dir.path().join(name), &flags)
    };
    let unseen = "validation images are among those that the weights to start from were trained on: give \
                  split_seed = 0 and validation = 100 as their run had";
    for (flags, sentence) in [
        (
            "--activation gelu",
            "activation is \"gelu\", and the weights to start from have \"tanh\"",
        ),
        ("--normalize channel", "normalize and init_from do not go together"),
        ("--weight-scale 0.1", "weight_scale and init_from do not go together"),
        ("--seed 1", unseen),
    ] {
        let output = start("refused", flags);
        assert_eq!(output.status.code(), Some(1), "{flags}");
        assert!(stderr(&output).contains(sentence), "{flags}: {}", stderr(&output));
    }
    for (name, flags) in [
        ("same", ""),
        ("named", "--activation tanh --norm layer"),
        ("another", "--seed 1 --split-seed 0"),
        ("allowed", "--seed 1 --allow-other-images"),
    ] {
        let output = start(name, flags);
        assert!(output.status.success(), "{flags}: {}", stderr(&output));
        let config = std::fs::read_to_string(dir.path().join(name).join("config.toml")).unwrap();
        for setting in ["activation = \"tanh\"", "norm = \"layer\""] {
            assert!(config.contains(setting), "{name}: {config}");
        }
    }
}

#[test]
fn gradcheck_prints_a_row_for_each_parameter_and_the_same_as_json() {
    let output = chainrule().args(["gradcheck", "--json"]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    for row in &rows {
        assert!(row["worst_relative_error"].as_f64().unwrap() < 1e-7, "{row}");
        assert_eq!(row["passed"], true, "{row}");
    }
    let output = chainrule().arg("gradcheck").output().unwrap();
    let table = String::from_utf8(output.stdout).unwrap();
    assert_eq!(table.lines().filter(|line| line.ends_with("  yes")).count(), rows.len());
}

#[test]
fn damaged_images_end_a_run_with_their_name_and_stay_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("data_batch_1.bin");
    std::fs::write(&file, [9; 100]).unwrap();
    let mut command = chainrule();
    command.args(["train", "--epochs", "1", "--data-dir"]).arg(dir.path()).arg("--out");
    let output = command.arg(dir.path().join("run")).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("data_batch_1.bin"), "{}", stderr(&output));
    assert_eq!(std::fs::read(&file).unwrap(), [9; 100]);
}

#[test]
fn a_test_with_flips_says_so_and_tells_the_accuracy_without_them() {
    let dir = tempfile::tempdir().unwrap();
    let (with, without) = (dir.path().join("with"), dir.path().join("without"));
    let output = train(&with, "--test-flips");
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(train(&without, "").status.success());
    let (flips, plain) = (json(&with.join("summary.json")), json(&without.join("summary.json")));
    assert_eq!((&flips["test_flips"], &plain["test_flips"]), (&true.into(), &false.into()));
    assert_eq!(flips["test_accuracy_plain"], plain["test_accuracy"]);
    assert!(plain.get("test_accuracy_plain").is_none());
    assert_eq!(flips["validation_accuracy"], plain["validation_accuracy"], "validation is plain");
    assert_ne!(flips["test_loss"], plain["test_loss"]);
    let line = format!(
        "Test accuracy {:.2} % with flips, {:.2} % without",
        100.0 * flips["test_accuracy"].as_f64().unwrap(),
        100.0 * plain["test_accuracy"].as_f64().unwrap()
    );
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains(&line), "{line} is not in {said}");
    // The page does not doubt the weights, and eval finds the same.
    let page = std::fs::read_to_string(with.join("report.html")).unwrap();
    assert!(page.contains("Without flips") && !page.contains("not its weights"));
    for (flags, accuracy, loss) in [
        (&["--flips"][..], &flips["test_accuracy"], &flips["test_loss"]),
        (&[], &plain["test_accuracy"], &plain["test_loss"]),
    ] {
        let mut eval = chainrule();
        eval.args(["eval", "--json", "--model"]).arg(&without).args(flags);
        let eval: Value = serde_json::from_slice(&eval.output().unwrap().stdout).unwrap();
        assert_eq!((&eval["accuracy"], &eval["loss"]), (accuracy, loss), "{flags:?}");
        assert_eq!(eval["flips"], Value::from(!flags.is_empty()));
    }
}

#[test]
fn a_check_trains_nothing_writes_nothing_and_its_exit_code_says_whether_all_is_well() {
    let dir = tempfile::tempdir().unwrap();
    let check = |flags: &str| {
        let mut command = chainrule();
        command.current_dir(&dir).args(["train", "--check", "--data", "sample"]);
        command.args(["--hidden-dim", "20"]).args(flags.split_whitespace()).output().unwrap()
    };
    let output = check("");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let said = String::from_utf8(output.stdout).unwrap();
    for part in ["Initial loss: passed", "50 images learned by heart: passed", "fc2.bias", "1e-3"] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    let output = check("--learning-rate 1e-7 --json");
    assert_eq!(output.status.code(), Some(1));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&found["passed"], &found["by_heart"]["passed"]), (&false.into(), &false.into()));
    assert_eq!(found["gradient"].as_array().unwrap().len(), 4);
    assert_eq!(found["updates"]["ratios"][1]["layer"], "fc2");
    assert_eq!(found["updates"]["ratios"][1]["usual"], false, "{}", found["updates"]);
    assert_eq!(check("--out here").status.code(), Some(2));
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0);
}

#[test]
fn so_many_images_validate_as_were_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    for (asked, validate) in [("200", 200), ("450", 450), ("5000", 100)] {
        let out = dir.path().join(asked);
        let flags = format!("--data sample --epochs 1 --hidden-dim 0 --validation {asked}");
        let run = chainrule().arg("train").args(flags.split(" ")).arg("--out").arg(&out).output();
        let run = run.unwrap();
        assert!(run.status.success(), "{}", stderr(&run));
        let config = std::fs::read_to_string(out.join("config.toml")).unwrap();
        assert!(config.contains(&format!("validation = {validate}\n")), "{config}");
    }
}

#[test]
fn a_search_for_the_learning_rate_replaces_its_own_files_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("results/lr-finder");
    std::fs::create_dir_all(&out).unwrap();
    std::fs::write(out.join("notes.txt"), "mine").unwrap();
    std::fs::write(out.join("lr_finder.csv"), "old").unwrap();
    let mut command = chainrule();
    command.current_dir(&dir).args(["train", "--find-lr", "--data", "sample", "--json"]);
    let output = command.args(["--hidden-dim", "20", "--batch-size", "6"]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let csv = out.join("lr_finder.csv");
    let (steps, rates) = (column(&csv, "step"), column(&csv, "learning_rate"));
    assert_eq!(found["steps"], steps.len());
    let (losses, smoothed) = (column(&csv, "loss"), column(&csv, "smoothed_loss"));
    assert!(steps.len() > 50 && (smoothed[0] / losses[0] - 1.0).abs() < 1e-9);
    let steepest = found["steepest"].as_f64().unwrap();
    assert!(rates.contains(&steepest), "{steepest}");
    let svg = std::fs::read_to_string(out.join("lr_finder.svg")).unwrap();
    assert!(svg.contains("falls most steeply") && svg.contains("learning rate (log scale)"));
    assert!(std::fs::read(out.join("lr_finder.png")).unwrap().starts_with(b"\x89PNG"));
    assert_eq!(std::fs::read_to_string(out.join("notes.txt")).unwrap(), "mine");
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 4);
}

/// The settings of the recipe and flags, as `config.toml` records them.
fn recorded(recipe: &str, flags: &str) -> Config {
    let dir = tempfile::tempdir().unwrap();
    let (out, path) = (dir.path().join("run"), dir.path().join("recipe.toml"));
    std::fs::write(&path, recipe).unwrap();
    let flags = format!("--max-steps 1 --recipe {} {flags}", path.display());
    let output = train(&out, &flags);
    assert!(output.status.success(), "{recipe} {flags}: {}", stderr(&output));
    Config::from_file(&out.join("config.toml")).unwrap()
}

/// Nothing undid a boolean or an option of a recipe.
#[test]
fn a_flag_undoes_whatever_a_recipe_sets() {
    let recipe = "flip = true\nclip_norm = 1.0\nema_decay = 0.9\nshuffle = false\ntta = \"flips\"";
    let as_it_is = recorded(recipe, "");
    assert!(as_it_is.flip && !as_it_is.shuffle && as_it_is.tta.flips);
    assert_eq!((as_it_is.clip_norm, as_it_is.ema_decay), (Some(1.0), Some(0.9)));
    for flags in [
        "--no-flip --clip-norm none --no-ema-decay --shuffle --tta none",
        "--flip=false --no-clip-norm --ema-decay none --no-shuffle=false --no-tta",
        "--flip --flip=false --clip-norm 3 --clip-norm none --average none --shuffle=true --tta=none",
    ] {
        let flags = flags.replace("--no-shuffle=false", "--no-shuffle --shuffle");
        let undone = recorded(recipe, &flags);
        assert!(!undone.flip && undone.shuffle && !undone.tta.flips, "{flags}");
        assert_eq!((undone.clip_norm, undone.ema_decay), (None, None), "{flags}");
    }
    // The last of two wins, and a flag that is not given changes nothing.
    assert!(recorded(recipe, "--no-flip --flip").flip);
    assert!(recorded("flip = true", "--nesterov").flip);
}

/// The names of other programs, and those of before.
#[test]
fn other_names_of_a_setting_mean_the_same_as_flags_and_in_a_recipe() {
    let canonical = recorded(
        "",
        "--learning-rate 0.01 --reg 0.1 --clip-norm 2 --validation 50 --ema-decay 0.9 --tta flips \
         --detect-anomaly --normalize channel --optimizer rmsprop",
    );
    let flags = "--lr 0.01 --l2 0.1 --max-grad-norm 2 --val-size 50 --average 0.9 --test-flips --watch \
                 --normalise channel --optimiser rmsprop";
    assert_eq!(recorded("", flags), canonical);
    assert_eq!(recorded("", &flags.replace("--val-size", "--val")), canonical);
    let recipe = "lr = 0.01\nl2 = 0.1\nmax_grad_norm = 2.0\nval_size = 50\naverage = 0.9\n\
                  test_flips = true\nwatch = true\nnormalise = \"channel\"\noptimiser = \"rmsprop\"";
    assert_eq!(recorded(recipe, ""), canonical);
    let list = recipe.replace("test_flips = true", "tta = [\"flips\"]");
    assert_eq!(recorded(&list, ""), canonical);
    let undone = "--no-average --no-test-flips --no-watch";
    let new = recorded(recipe, "--no-ema-decay --no-tta --no-detect-anomaly");
    assert_eq!(recorded(recipe, undone), new);
    assert!(new.ema_decay.is_none() && !new.detect_anomaly);
    // --config is --recipe, and -o is --out.
    let dir = tempfile::tempdir().unwrap();
    let (out, path) = (dir.path().join("run"), dir.path().join("recipe.toml"));
    std::fs::write(&path, recipe).unwrap();
    let mut command = chainrule();
    command.args([
        "train",
        "--data",
        "sample",
        "--hidden-dim",
        "20",
        "--max-steps",
        "1",
        "--epochs",
    ]);
    command.args(["2", "--config"]).arg(&path).arg("-o").arg(&out);
    assert!(command.output().unwrap().status.success());
    assert_eq!(Config::from_file(&out.join("config.toml")).unwrap(), canonical);
}

/// PyTorch's DataLoader gives one batch of all images.
#[test]
fn a_batch_larger_than_the_training_set_is_all_of_it_and_said() {
    let dir = tempfile::tempdir().unwrap();
    let (large, all) = (dir.path().join("large"), dir.path().join("all"));
    let output = train(&large, "--batch-size 64000");
    assert!(output.status.success(), "{}", stderr(&output));
    let note = "there are 900 images to train on, and the batch size is 64000";
    assert!(stderr(&output).contains(note), "{}", stderr(&output));
    assert_eq!(column(&large.join("iterations.csv"), "iteration"), [1.0, 2.0], "a step an epoch");
    assert!(train(&all, "--batch-size 900").status.success());
    let weights = |out: &Path| std::fs::read(out.join("last.safetensors")).unwrap();
    assert!(weights(&large) == weights(&all));
    // One image has no variance.
    let output = train(&dir.path().join("one"), "--norm batch --batch-size 64 --validation 499");
    assert!(output.status.success(), "{}", stderr(&output));
}

/// The defaults of torch.optim.Adam and torch.optim.RMSprop of PyTorch 2.15, from their signatures.
#[test]
fn an_optimizer_that_is_chosen_alone_has_the_defaults_of_pytorch() {
    let adam = recorded("", "--optimizer adam");
    let of = |c: &Config| [c.learning_rate, c.beta1, c.beta2, c.epsilon, c.reg, c.weight_decay];
    assert_eq!(of(&adam), [1e-3, 0.9, 0.999, 1e-8, 0.0, 0.0]);
    let rmsprop = recorded("optimizer = \"rmsprop\"", "");
    assert_eq!(of(&rmsprop), [1e-2, 0.9, 0.99, 1e-8, 0.0, 0.0]);
    assert_eq!(rmsprop.momentum, 0.0);
    // What is given stays, in the recipe or by a flag, whichever names the optimizer.
    let given = recorded("learning_rate = 0.3\nreg = 0.005", "--optimizer adam --beta1 0.5");
    assert_eq!(of(&given), [0.3, 0.5, 0.999, 1e-8, 0.005, 0.0]);
    assert_eq!(of(&recorded("", "--optimizer sgd")), of(&Config::default()));
}

/// The default decay left 1e-17 of the learning rate after 100 epochs.
#[test]
fn the_default_schedule_suits_any_number_of_epochs_and_a_decay_that_is_given_is_once_an_epoch() {
    let dir = tempfile::tempdir().unwrap();
    for epochs in [1, 10, 100] {
        let out = dir.path().join(epochs.to_string());
        let output = train(&out, &format!("--epochs {epochs} --hidden-dim 0 --batch-size 450"));
        assert!(output.status.success(), "{}", stderr(&output));
        let rates = column(&out.join("iterations.csv"), "learning_rate");
        assert_eq!((rates.len(), rates[0]), (2 * epochs, 0.01));
        assert!((rates[epochs] - 0.005).abs() < 1e-12, "half in the middle: {}", rates[epochs]);
    }
    let schedule = |recipe: &str, flags: &str| {
        toml::Value::try_from(recorded(recipe, flags).schedule).unwrap().to_string()
    };
    assert_eq!(schedule("", "--lr-decay 0.9"), "\"exponential\"");
    assert_eq!(schedule("lr_decay = 0.9", ""), "\"exponential\"");
    assert_eq!(schedule("schedule = \"linear\"", "--lr-decay 0.9"), "\"exponential\"");
    assert_eq!(schedule("schedule = \"step\"", "--lr-decay 0.9"), "\"step\"");
    assert_eq!(schedule("lr_decay = 0.9", "--schedule linear"), "\"linear\"");
    // A flag without an effect is no silence.
    let flags = "--lr-decay 0.9 --max-steps 1";
    let both = train(&dir.path().join("both"), &format!("{flags} --schedule cosine"));
    let note = "lr_decay has no effect with schedule = \"cosine\"";
    assert!(stderr(&both).contains(note), "{}", stderr(&both));
    let others = "--max-steps 1 --optimizer adam --momentum 0.5 --beta1 0.8 --teacher-weight 0.3";
    let others = stderr(&train(&dir.path().join("others"), others));
    for note in [
        "momentum has no effect with optimizer = \"adam\"",
        "teacher_weight has no effect with teacher = none",
    ] {
        assert!(others.contains(note), "{others}");
    }
    assert!(!others.contains("beta1 has") && !others.contains("teacher_weight 0.3"), "{others}");
    let alone = train(&dir.path().join("alone"), flags);
    assert!(!stderr(&alone).contains("lr_decay has no effect"), "{}", stderr(&alone));
}

#[test]
fn a_kernel_that_cannot_be_is_refused_before_images_are_looked_for() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let mut command = chainrule();
    command.env("CHAINRULE_KERNEL", "abacus").args(["train", "--data", "images:nowhere", "--out"]);
    let output = command.arg(&out).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("abacus"), "{}", stderr(&output));
    assert!(!stderr(&output).contains("nowhere"), "{}", stderr(&output));
    assert!(!out.exists(), "no folder is left of it");
}

/// Its pictures and `eval` are made in f32, which instructions for bf16 do not multiply.
#[test]
fn a_run_whose_kernel_was_named_ends_with_its_pictures_and_is_evaluated() {
    let dir = tempfile::tempdir().unwrap();
    for kernel in Kernel::available().iter().filter(|one| one.precision() == Precision::Bf16) {
        let (name, out) = (kernel.to_string(), dir.path().join(kernel.to_string()));
        let flags = ["train", "--data", "sample", "--epochs", "1", "--precision", "bf16", "--out"];
        let mut train = chainrule();
        let trained = train.args(flags).arg(&out).env("CHAINRULE_KERNEL", &name).output().unwrap();
        assert!(trained.status.success(), "{name}: {}", stderr(&trained));
        let mut eval = chainrule();
        let found = eval.arg("eval").arg(&out).env("CHAINRULE_KERNEL", &name).output().unwrap();
        assert!(found.status.success(), "{name}: {}", stderr(&found));
    }
}

/// "Which of the two" has no right answer.
#[test]
fn a_recipe_that_gives_a_setting_by_two_of_its_names_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("twice.toml");
    for (recipe, sentence) in [
        ("lr = 0.1\nlearning_rate = 0.2", "learning_rate is set twice: lr means the same"),
        ("tta = \"none\"\ntest_flips = true", "tta is set twice: test_flips means the same"),
        ("val = 10\nval_size = 20", "validation is set twice: val_size or val means the same"),
    ] {
        std::fs::write(&path, recipe).unwrap();
        let output = train(&dir.path().join("run"), &format!("--recipe {}", path.display()));
        assert_eq!(output.status.code(), Some(1), "{recipe}: {}", stderr(&output));
        assert!(stderr(&output).contains(sentence), "{recipe}: {}", stderr(&output));
        assert!(stderr(&output).contains("twice.toml"), "{recipe}: {}", stderr(&output));
    }
    // Over a recipe a flag wins, by whichever name.
    assert_eq!(recorded("lr = 0.1", "--learning-rate 0.2").learning_rate, 0.2);
    assert_eq!(recorded("learning_rate = 0.1", "--lr 0.2").learning_rate, 0.2);
}

#[test]
fn quiet_leaves_the_result_and_verbose_tells_where_the_images_came_from() {
    let dir = tempfile::tempdir().unwrap();
    let output = train(&dir.path().join("quiet"), "-q --batch-size 64000");
    assert!(output.status.success());
    assert_eq!(stderr(&output), "");
    assert!(String::from_utf8(output.stdout).unwrap().contains("Test accuracy"));
    let output = train(&dir.path().join("verbose"), "-v");
    let said = stderr(&output);
    assert!(said.contains("images: sample, read in ") && said.contains("time: "), "{said}");
    assert!(!stderr(&train(&dir.path().join("plain"), "")).contains("read in"));
    // An error is no progress.
    let output = train(&dir.path().join("bad"), "-q --dropout 1");
    assert!(stderr(&output).starts_with("error: dropout is 1"), "{}", stderr(&output));
}

#[test]
fn a_run_in_bf16_says_when_f32_would_be_faster_and_one_in_f32_when_bf16_would() {
    let dir = tempfile::tempdir().unwrap();
    let is_fast = !Kernel::best(Precision::Bf16).emulates();
    for (name, flags, advice) in [
        (
            "bf16",
            "--precision bf16",
            (!is_fast).then_some("kernels: precision f32 would be faster"),
        ),
        (
            "wide",
            "--hidden-dim 512",
            is_fast.then_some("--precision bf16 would train this network"),
        ),
        ("narrow", "", None),
    ] {
        let output = train(&dir.path().join(name), &format!("--epochs 1 {flags}"));
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), stderr(&output));
        assert!(output.status.success(), "{said}");
        match advice {
            Some(advice) => assert_eq!(said.matches(advice).count(), 1, "{name}: {said}"),
            None => assert!(!said.contains("would"), "{name}: {said}"),
        }
    }
    let summary = json(&dir.path().join("bf16/summary.json"));
    assert_eq!(summary["precision"], "bf16");
    assert_eq!(json(&dir.path().join("wide/summary.json"))["precision"], "f32");
}
