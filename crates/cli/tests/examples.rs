//! Every public type of the libraries has an example in its documentation.
//!
//! The test reads the sources: a `pub struct`, `enum`, `trait` or `type` outside of tests whose doc
//! comment has no block of code is named. What is for the crate alone is `pub(crate)`, and needs none.

use std::fs;
use std::path::{Path, PathBuf};

const LIBRARIES: [&str; 6] = ["tensor", "nn", "graph", "data", "train", "report"];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = vec![];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The lines of public types without an example.
fn without_example(source: &str) -> Vec<usize> {
    let (mut missing, mut has_example) = (vec![], false);
    for (i, line) in source.lines().enumerate() {
        if line == "#[cfg(test)]" {
            break;
        }
        let is_type = ["struct ", "enum ", "trait ", "type "]
            .iter()
            .any(|kind| line.starts_with(&format!("pub {kind}")));
        if is_type && !has_example {
            missing.push(i + 1);
        }
        if line.starts_with("///") {
            has_example |= line == "/// ```" || line == "/// ```no_run";
        } else if line.is_empty() || is_type || line.ends_with('}') {
            has_example = false;
        }
    }
    missing
}

#[test]
fn every_public_type_has_an_example() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut missing = vec![];
    for library in LIBRARIES {
        for file in sources(&crates.join(library).join("src")) {
            let name = file.strip_prefix(&crates).unwrap().to_string_lossy().replace('\\', "/");
            let lines = without_example(&fs::read_to_string(&file).unwrap());
            missing.extend(lines.iter().map(|line| format!("crates/{name}:{line}")));
        }
    }
    assert!(missing.is_empty(), "public types without an example:\n{}", missing.join("\n"));
}

#[test]
fn a_type_without_an_example_is_found() {
    let source = "/// One.\n///\n/// ```\n/// assert!(true);\n/// ```\n#[derive(Debug)]\npub struct One;\n\n\
                  /// Two.\npub struct Two {\n    a: u8,\n}\n";
    assert_eq!(without_example(source), [10]);
}
