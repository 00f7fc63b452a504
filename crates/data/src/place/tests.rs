use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;

use super::*;
use crate::cifar10;
use crate::reading::Reading;

fn refusal(dir: &Path) -> String {
    let error = recognize(dir).unwrap_err().to_string();
    error.replace(&dir.display().to_string(), "DIR")
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(vec![], Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An IDX file: its first four bytes, its dimensions, its values.
fn array(dims: &[u32], values: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, dims.len() as u8];
    dims.iter().for_each(|dim| bytes.extend(dim.to_be_bytes()));
    [bytes, values.to_vec()].concat()
}

#[test]
fn a_set_of_idx_files_is_read_packed_and_plain_under_any_name() {
    let dir = TempDir::new().unwrap();
    let write = |name: &str, bytes: Vec<u8>| fs::write(dir.path().join(name), bytes).unwrap();
    write("one", array(&[3, 1, 2], &[1, 2, 3, 4, 5, 6]));
    write("two.bin", packed(&array(&[3], &[2, 0, 1])));
    write("three.png", packed(&array(&[2, 1, 2], &[7, 8, 9, 10])));
    write("four", array(&[2], &[1, 1]));
    write("readme", b"text".to_vec());
    let data = read(dir.path(), &Reading::default(), &|_, _, _| {}).unwrap().dataset;
    assert_eq!(
        (data.train.labels(), data.train.pixels()),
        (&[2, 0, 1][..], &[1, 2, 3, 4, 5, 6][..])
    );
    assert_eq!((data.test.labels(), data.test.pixels()), (&[1, 1][..], &[7, 8, 9, 10][..]));
    let resize = Reading { resize: Some("4".parse().unwrap()), ..Reading::default() };
    let error = read(dir.path(), &resize, &|_, _, _| {}).unwrap_err().to_string();
    assert!(
        error.ends_with("holds IDX, whose images have one size: leave --resize out"),
        "{error}"
    );
    // Cut short within the packing.
    let bytes = fs::read(dir.path().join("two.bin")).unwrap();
    write("two.bin", bytes[..bytes.len() - 6].to_vec());
    let error = read(dir.path(), &Reading::default(), &|_, _, _| {}).unwrap_err().to_string();
    assert!(error.contains("two.bin"), "{error}");
}

#[test]
fn what_lies_there_decides_and_not_what_it_is_called() {
    let content = |kind: fn(Vec<PathBuf>) -> Contents, bytes: &[u8]| {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("data_batch_1.bin");
        fs::write(&path, bytes).unwrap();
        assert_eq!(recognize(dir.path()).unwrap(), kind(vec![path]));
    };
    content(Contents::Idx, &array(&[1], &[1]));
    content(Contents::Cifar100, &[&[19, 99][..], &[255; 3072]].concat().repeat(20));
    content(Contents::Cifar10, &[&[9][..], &[255; 3072]].concat().repeat(10_000));
    // A label above the limit: not CIFAR-100, and by its name CIFAR-10's, which is then refused.
    content(Contents::Cifar10, &[&[20, 99][..], &[255; 3072]].concat().repeat(20));
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("cat")).unwrap();
    assert_eq!(recognize(dir.path()).unwrap(), Contents::Folder);
}

#[test]
fn a_place_of_nothing_known_says_what_there_could_have_been() {
    let dir = TempDir::new().unwrap();
    let told = refusal(dir.path());
    assert!(
        told.starts_with("DIR holds nothing and no folder: expected the binary files"),
        "{told}"
    );
    fs::write(dir.path().join("text"), "text").unwrap();
    assert!(refusal(dir.path()).starts_with("DIR holds one file and no folder"));
    assert_eq!(refusal(&dir.path().join("none")), "DIR is not there: expected a folder of images");
    assert_eq!(refusal(&dir.path().join("text")), "DIR is no folder: name the one that it lies in");
    fs::write(dir.path().join("labels"), array(&[1], &[1])).unwrap();
    fs::write(dir.path().join("train"), [0; 3074]).unwrap();
    assert!(
        refusal(dir.path()).starts_with("DIR holds files of several sets, 0 of CIFAR-10, 1 of")
    );
}

#[test]
fn cifar10_under_other_names_is_found_by_its_checksums() {
    use crate::testing::datasets;
    let official = datasets().join("cifar-10-batches-bin");
    if !official.is_dir() {
        eprintln!("passed over: CIFAR-10 is not here (`chainrule data fetch` gets it)");
        return;
    }
    let dir = TempDir::new().unwrap();
    for (i, file) in cifar10::FILES.iter().rev().enumerate() {
        fs::copy(official.join(file.name), dir.path().join(format!("{i}"))).unwrap();
    }
    let data = read(dir.path(), &Reading::default(), &|_, _, _| {}).unwrap().dataset;
    assert!(data == cifar10::read(&official).unwrap());
    fs::remove_file(dir.path().join("2")).unwrap();
    let error = read(dir.path(), &Reading::default(), &|_, _, _| {}).unwrap_err().to_string();
    assert!(error.contains("data_batch_4.bin is missing"), "{error}");
}
