//! The README and the pages of docs/ keep their word: every command in them works, in the order in
//! which they stand, and every link leads somewhere.
//!
//! A page is read as by somebody without a network: what asks for CIFAR-10 gets the sample.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Recipes that are not run here: the tests themselves, and what takes minutes.
const NOT_RUN: [&str; 9] =
    ["test", "bench", "kills", "same-bits", "fuzz", "soak", "roofline", "compare", "parity"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The README and the pages of the book.
fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<_> =
        fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.retain(|page| page.extension().is_some_and(|extension| extension == "md"));
    pages.sort();
    pages.insert(0, root().join("README.md"));
    pages
}

/// The lines of the blocks of a page that are marked as `sh`.
fn commands(page: &str) -> Vec<&str> {
    let mut within = false;
    let mut commands = Vec::new();
    for line in page.lines() {
        match line {
            "```sh" => within = true,
            _ if line.starts_with("```") => within = false,
            _ if within && !line.trim().is_empty() => commands.push(line),
            _ => {}
        }
    }
    commands
}

/// A folder in which `just` calls this build's `chainrule` and nobody reaches a network.
fn desk(just: &Path) -> tempfile::TempDir {
    let desk = tempfile::tempdir().unwrap();
    let tools = desk.path().join("tools");
    fs::create_dir(&tools).unwrap();
    let program = assert_cmd::cargo::cargo_bin!("chainrule");
    let script = |name: &str, text: String| {
        let file = tools.join(name);
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    };
    script(
        "just",
        format!(
            "#!/bin/sh\nexec '{}' --justfile '{}/justfile' --working-directory . \
             --set chainrule '{}' \"$@\"\n",
            just.display(),
            root().display(),
            program.display()
        ),
    );
    script("npm", "#!/bin/sh\nexit 1\n".into());
    symlink(program, tools.join("chainrule")).unwrap();
    symlink(root().join("recipes"), desk.path().join("recipes")).unwrap();
    let photo = image::RgbImage::from_fn(90, 60, |x, y| image::Rgb([x as u8, y as u8, 128]));
    photo.save(desk.path().join("photo.jpg")).unwrap();
    for (class, blue) in [("cat", 20), ("dog", 220)] {
        let folder = desk.path().join("photos").join(class);
        fs::create_dir_all(&folder).unwrap();
        for i in 0..60 {
            let photo = image::RgbImage::from_pixel(40 + i, 30, image::Rgb([i as u8, 90, blue]));
            photo.save(folder.join(format!("{i}.png"))).unwrap();
        }
    }
    desk
}

fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

#[test]
fn every_command_of_the_book_works() {
    let Some(just) = find("just") else {
        eprintln!("passed over: `just` is not installed, and the book is written with it");
        return;
    };
    std::thread::scope(|scope| {
        for page in pages() {
            let just = &just;
            scope.spawn(move || every_command_works(just, &page));
        }
    });
}

fn every_command_works(just: &Path, page: &Path) {
    let text = fs::read_to_string(page).unwrap();
    let name = page.file_name().unwrap().to_string_lossy();
    let desk = desk(just);
    for line in commands(&text) {
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some("just"), Some(recipe)) if NOT_RUN.contains(&recipe) => {
                let mut show = Command::new(just);
                let shown = show.args(["--show", recipe]).current_dir(root()).output();
                assert!(shown.unwrap().status.success(), "{name}: there is no `{line}`");
                continue;
            }
            (Some("cargo"), _) => continue,
            (Some("just" | "chainrule"), Some(_)) => {}
            _ => panic!("{name}: `{line}` is neither just, chainrule nor cargo"),
        }
        let tools = desk.path().join("tools");
        let output = Command::new("sh")
            .args(["-c", &line.replace("--serve ", "--serve 0 ")]) // a port that is free
            .current_dir(desk.path())
            .env("PATH", format!("{}:/usr/bin:/bin", tools.display()))
            .env("CHAINRULE_CIFAR10_URL", "http://127.0.0.1:1/")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: `{line}` failed:\n{said}");
    }
}

#[test]
fn every_link_between_the_pages_leads_to_a_file() {
    let more = ["recipes", "results", "results/benchmarks", "results/reference", "datasets"];
    let more = more.iter().map(|folder| root().join(folder).join("README.md"));
    for page in pages().into_iter().chain(more) {
        let text = fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1) {
            let link = link.split(')').next().unwrap();
            if link.contains("://") {
                continue;
            }
            let file = link.split('#').next().unwrap();
            let there = page.parent().unwrap().join(file).exists();
            assert!(there, "{}: {link} leads nowhere", page.display());
        }
    }
}

#[test]
fn the_test_accuracy_in_the_readme_is_that_of_the_committed_runs() {
    let reference = root().join("results/reference");
    let summary = fs::read(reference.join("summary.json")).unwrap();
    let summary: serde_json::Value = serde_json::from_slice(&summary).unwrap();
    let of_run = 100.0 * summary["test_accuracy"].as_f64().unwrap();
    // | seed | test, % | validation, % | best epoch |
    let page = fs::read_to_string(reference.join("README.md")).unwrap();
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().parse().ok()).collect();
    let rows = page.lines().map(cells).filter(|row: &Vec<Option<f64>>| row.len() == 6);
    let mut seeds: Vec<f64> = rows.filter_map(|row| row[2]).collect();
    seeds.sort_by(f64::total_cmp);
    assert_eq!(seeds.len(), 5);
    let mean = seeds.iter().sum::<f64>() / 5.0;
    let readme = fs::read_to_string(root().join("README.md")).unwrap().replace('\n', " ");
    for sentence in [
        format!("This is a real run: {of_run:.2} % of the test images right"),
        format!("gave {mean:.2} % on the mean, from {:.2} to {:.2};", seeds[0], seeds[4]),
    ] {
        assert!(readme.contains(&sentence), "README.md does not say: {sentence}");
    }
}
