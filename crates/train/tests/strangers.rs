//! Recipes and model files from strangers.

use std::path::Path;

use chainrule_train::diff::diff;
use chainrule_train::{Config, ModelFile};

fn refusal(text: &str) -> String {
    let read = Config::from_toml(text).and_then(|config| config.check());
    read.expect_err("a refusal").to_string()
}

#[test]
fn a_recipe_nested_without_end_is_refused_and_overflows_no_stack() {
    let deep = 50_000;
    let dotted = "a.".repeat(60);
    for text in [
        format!("hidden_dim = {}", "[".repeat(deep)),
        format!("provenance = {}1{}", "{a=".repeat(deep), "}".repeat(deep)),
        format!("[{}a]", "a.".repeat(deep)),
        // Each kind of nesting has a limit of its own; this one stays below both.
        format!("provenance = {}1{}", format!("{{{dotted}a=").repeat(70), "}".repeat(70)),
    ] {
        // With a stack smaller than any that a program begins with.
        let small = std::thread::Builder::new().stack_size(1 << 20);
        let read = move || {
            assert!(Config::from_toml(&text).is_err());
            // The same text as the settings of a run that is compared with itself.
            let run = tempfile::tempdir().unwrap();
            std::fs::write(run.path().join("config.toml"), &text).unwrap();
            let error = diff(run.path(), run.path()).unwrap_err().to_string();
            assert!(error.contains("config.toml: not TOML: "), "{error}");
        };
        small.spawn(read).unwrap().join().expect("no panic");
    }
}

#[test]
fn a_recipe_of_a_hundred_thousand_layers_is_refused_before_it_is_built() {
    let text = format!("hidden_dim = [{}]", "1,".repeat(100_000));
    assert_eq!(refusal(&text), "hidden_dim has 100000 layers: at most 1000 can be trained");
}

#[cfg(unix)]
#[test]
fn a_pipe_or_a_device_in_place_of_a_file_does_not_hang_the_reader() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let refusal = |path: &Path| format!("cannot read {}: it is not a regular file", path.display());
    for path in [pipe.as_path(), Path::new("/dev/zero")] {
        assert_eq!(Config::from_file(path).unwrap_err().to_string(), refusal(path));
        assert_eq!(ModelFile::load(path).unwrap_err().to_string(), refusal(path));
    }
    assert_eq!(Config::from_file(dir.path()).unwrap_err().to_string(), refusal(dir.path()));
}

#[test]
fn a_recipe_longer_than_any_is_refused_from_its_length() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("long.toml");
    std::fs::write(&path, "#".repeat(1 << 19)).unwrap();
    let error = Config::from_file(&path).unwrap_err().to_string();
    assert!(error.contains("it is 524288 bytes long"), "{error}");
}
