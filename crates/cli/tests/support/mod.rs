//! What a run left in its folder, times aside, and whether two runs left the same.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A CSV file without the column of times.
fn timeless(path: PathBuf, time: &str) -> Vec<u8> {
    let text = std::fs::read_to_string(path).unwrap();
    let at = text.lines().next().unwrap().split(',').position(|name| name == time).unwrap();
    assert!(text.ends_with('\n'), "no half line");
    let without = |line: &str| {
        let cells: Vec<_> = line.split(',').enumerate().filter(|&(i, _)| i != at).collect();
        cells.into_iter().map(|(_, cell)| cell).collect::<Vec<_>>().join(",") + "\n"
    };
    text.lines().map(without).collect::<String>().into_bytes()
}

/// What a run left, times aside.
pub fn content(out: &Path) -> BTreeMap<&'static str, Vec<u8>> {
    let whole = |name: &'static str| (name, std::fs::read(out.join(name)).unwrap());
    let mut files: BTreeMap<_, _> = [
        "model.safetensors",
        "last.safetensors",
        "confusion.csv",
        "metrics.csv",
        "weights.png",
        "curves.svg",
    ]
    .map(whole)
    .into();
    let table = |name: &'static str, time| (name, timeless(out.join(name), time));
    files.extend([table("iterations.csv", "images_per_second"), table("epochs.csv", "seconds")]);
    for (name, times) in [
        ("summary.json", &["seconds", "images_per_second", "threads", "ranks"][..]),
        ("config.toml", &["started", "threads"]),
    ] {
        let text = std::fs::read_to_string(out.join(name)).unwrap();
        let kept = |line: &&str| {
            !times.iter().any(|time| line.trim().trim_start_matches('"').starts_with(time))
        };
        files.insert(name, text.lines().filter(kept).collect::<Vec<_>>().join("\n").into_bytes());
    }
    files
}

/// Panics, with `what` was done to the other run, if they differ.
pub fn same(whole: &Path, other: &Path, what: &str) {
    let (whole, other) = (content(whole), content(other));
    for (name, content) in &whole {
        assert!(other[name] == *content, "{name} differs: {what}");
    }
    assert_eq!(whole.len(), other.len());
}
