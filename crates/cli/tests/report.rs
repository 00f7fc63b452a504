//! `chainrule report` on runs that ended, were killed, or lost their images.

use std::fs;
use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use tempfile::TempDir;

fn chainrule(args: &[&str]) -> Output {
    let mut command = Command::cargo_bin("chainrule").unwrap();
    command.env("CHAINRULE_CIFAR10_URL", "http://127.0.0.1:1/").env("PATH", "");
    command.args(args).output().unwrap()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A run of two epochs on the built-in sample.
fn train(folder: &Path) {
    let flags = ["--data", "sample", "--epochs", "2", "--hidden-dim", "8", "--clip-norm", "inf"];
    let output = chainrule(&[&["train", "--out", path(folder)], &flags[..]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn report(folders: &[&Path], page: &Path) -> String {
    let folders: Vec<_> = folders.iter().map(|folder| path(folder)).collect();
    let output = chainrule(&[&["report", "-o", path(page)], &folders[..]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::read_to_string(page).unwrap().replace('\u{a0}', " ")
}

#[test]
fn a_finished_runs_page_tells_what_the_run_and_eval_measured() {
    let dir = TempDir::new().unwrap();
    let run = dir.path().join("run");
    train(&run);
    let made = fs::read_to_string(run.join("report.html")).unwrap();
    let page = report(&[&run], &dir.path().join("page.html"));
    assert_eq!(made.replace('\u{a0}', " "), page, "made by train and by report");

    let summary = fs::read_to_string(run.join("summary.json")).unwrap();
    let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
    let accuracy = 100.0 * summary["test_accuracy"].as_f64().unwrap();
    assert!(page.contains(&format!("<h1><b>{accuracy:.2} %</b> of the 200 test images right")));
    // The matrix is that of the run: what it counted then stands in each cell now.
    let counted = fs::read_to_string(run.join("confusion.csv")).unwrap();
    let rows = counted.lines().skip(1).map(|line| line.split(',').skip(1));
    let counted: Vec<&str> = rows.flatten().collect();
    let cells = page
        .split("predicted as ")
        .skip(1)
        .filter_map(|cell| cell.split_once("\">").and_then(|(_, rest)| rest.split_once("<small>")));
    let shown: Vec<&str> = cells.map(|(count, _)| count).collect();
    assert_eq!(shown, counted);
    // What a run left is not written over by what is made of it.
    for (command, name) in
        [("report", "epochs.csv"), ("plot", "config.toml"), ("eval", "model.safetensors")]
    {
        let record = run.join(name);
        let before = fs::read(&record).unwrap();
        let flag = if command == "eval" { "--predictions" } else { "-o" };
        let output = chainrule(&[command, path(&run), flag, path(&record)]);
        let sentence = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{command}");
        assert!(sentence.contains("would be overwritten: name another file"), "{sentence}");
        assert!(fs::read(&record).unwrap() == before, "{command}");
    }
    // Nor is a page by one without images.
    let mut command = Command::cargo_bin("chainrule").unwrap();
    command.env("CHAINRULE_KERNEL", "abacus").args(["report", path(&run)]);
    let output = command.output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("abacus"), "{output:?}");
    assert_eq!(fs::read_to_string(run.join("report.html")).unwrap(), made);
    for part in ["sample of 1,000", "Gradient norm", "unit 8", "test image", "--clip-norm inf"] {
        assert!(page.contains(part), "{part}");
    }
    // Two images of each kind.
    assert_eq!(page.matches("<article class=\"looks\">").count(), 6);
    for part in ["Most confident correct predictions", "Least certain", "would do)", ">Unit "] {
        assert!(page.contains(part), "{part}");
    }
    assert!(page.len() < 400_000, "{} bytes", page.len());
}

#[test]
fn a_run_that_was_killed_has_a_page_of_what_is_there() {
    let dir = TempDir::new().unwrap();
    let run = dir.path().join("run");
    train(&run);
    // As a kill in the second epoch leaves it.
    for name in ["summary.json", "confusion.csv", "last.safetensors", "report.html"] {
        fs::remove_file(run.join(name)).unwrap();
    }
    for (name, bytes) in [("iterations.csv", 21), ("epochs.csv", 30)] {
        let whole = fs::read(run.join(name)).unwrap();
        fs::write(run.join(name), &whole[..whole.len() - bytes]).unwrap();
    }
    let page = report(&[&run], &dir.path().join("page.html"));
    assert!(page.contains("This run has not ended: 1 of 2 epochs finished"));
    // The test set is not looked at before the end.
    assert!(page.contains("100 validation images") && !page.contains("test image"));
    let plot = chainrule(&["plot", path(&run), "-o", path(&dir.path().join("curves.svg"))]);
    assert!(plot.status.success(), "{}", String::from_utf8_lossy(&plot.stderr));

    fs::remove_file(run.join("model.safetensors")).unwrap();
    fs::remove_file(run.join("epochs.csv")).unwrap();
    fs::write(run.join("iterations.csv"), "").unwrap();
    let page = report(&[&run], &dir.path().join("page.html"));
    assert!(
        page.contains("no epoch has finished yet") && page.contains("Single images are not shown")
    );
}

#[test]
fn without_the_runs_images_the_page_says_so_and_shows_the_rest() {
    let dir = TempDir::new().unwrap();
    let run = dir.path().join("run");
    train(&run);
    let config = fs::read_to_string(run.join("config.toml")).unwrap();
    let change = |from: &str, to: &str| {
        assert!(config.contains(from), "{config}");
        fs::write(run.join("config.toml"), config.replace(from, to)).unwrap();
        report(&[&run], &dir.path().join("page.html"))
    };
    let gone = change(
        "data = \"sample\"\ndata_dir = \"datasets/cifar-10-batches-bin\"",
        "data = \"cifar10\"\ndata_dir = \"nowhere\"",
    );
    assert!(gone.contains("the images are not in nowhere; --data-dir says where they are"));
    let other = change("data_sha256 = \"", "data_sha256 = \"0");
    assert!(other.contains("the images at hand are not those of the run in"));
    for page in [gone, other] {
        // The matrix of confusion.csv, the curves and the weights are there all the same.
        for part in ["200 test images", "predicted as truck", "id=\"loss\"", "unit 8"] {
            assert!(page.contains(part), "{part}");
        }
        assert!(!page.contains("id=\"calibration\""));
    }
}

#[test]
fn weights_that_are_not_the_runs_are_not_shown_as_its_predictions() {
    let dir = TempDir::new().unwrap();
    let run = dir.path().join("run");
    train(&run);
    let summary = fs::read_to_string(run.join("summary.json")).unwrap();
    let at = summary.find("\"test_accuracy\": ").unwrap() + 17;
    let end = at + summary[at..].find(',').unwrap();
    let other = format!("{}0.875{}", &summary[..at], &summary[end..]);
    fs::write(run.join("summary.json"), other).unwrap();
    let page = report(&[&run], &dir.path().join("page.html"));
    assert!(page.contains("and the run had 87.50 %: these are not its weights"));
}

#[test]
fn two_runs_are_compared_on_one_page() {
    let dir = TempDir::new().unwrap();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    train(&one);
    let flags = ["--data", "sample", "--epochs", "1", "--hidden-dim", "8", "--seed", "3"];
    let output = chainrule(&[&["train", "--out", path(&two)], &flags[..]].concat());
    assert!(output.status.success());
    let page = report(&[&one, &two], &dir.path().join("page.html"));
    for part in ["2 runs compared", "Settings that differ", "calibration error", "clip_norm"] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn a_folder_without_a_run_is_refused_in_a_sentence_and_leaves_no_page() {
    let dir = TempDir::new().unwrap();
    let page = dir.path().join("page.html");
    let output = chainrule(&["report", path(dir.path()), "-o", path(&page)]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("epochs.csv: cannot be read"), "{said}");
    assert!(!page.exists());
}

#[cfg(unix)]
#[test]
fn a_device_or_a_link_that_is_named_for_output_is_not_replaced() {
    let dir = TempDir::new().unwrap();
    let svg =
        chainrule(&["graph", "x*y", "--at", "x=1,y=2", "--format", "svg", "-o", "/dev/stdout"]);
    assert!(svg.status.success(), "{}", String::from_utf8_lossy(&svg.stderr));
    assert!(String::from_utf8(svg.stdout).unwrap().contains("<svg"));
    // A link is written through, as /dev/stdout is one to wherever the output goes.
    let (link, target) = (dir.path().join("link.svg"), dir.path().join("target"));
    fs::write(&target, "old").unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    chainrule(&["graph", "x*y", "--at", "x=1,y=2", "--format", "svg", "-o", path(&link)]);
    assert!(fs::read_to_string(&target).unwrap().contains("<svg") && link.is_symlink());
    fs::remove_file(&link).unwrap();
    fs::remove_file(&target).unwrap();
    let file = dir.path().join("g.svg");
    fs::write(&file, "old").unwrap();
    chainrule(&["graph", "x*y", "--at", "x=1,y=2", "--format", "svg", "-o", path(&file)]);
    assert!(fs::read_to_string(&file).unwrap().contains("<svg"));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn a_picture_of_curves_goes_to_standard_output_as_svg() {
    let dir = TempDir::new().unwrap();
    let (run, file) = (dir.path().join("run"), dir.path().join("file.svg"));
    train(&run);
    for flags in [&[][..], &["--bars"]] {
        let plot = |to: &str| {
            let mut command = Command::cargo_bin("chainrule").unwrap();
            command.current_dir(&dir).arg("plot").args(flags).args([path(&run), "-o", to]);
            let output = command.output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            output.stdout
        };
        let shown = plot("-");
        assert!(shown.starts_with(b"<svg"), "{}", String::from_utf8_lossy(&shown));
        plot(path(&file));
        assert_eq!(shown, fs::read(&file).unwrap());
    }
    assert!(!dir.path().join("-").exists());
}
