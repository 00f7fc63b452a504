use std::path::Path;

use super::set::{KNOWN, Named, what};
use super::*;
use crate::Shape;

/// The bytes of an array.
fn bytes(dims: &[u32], values: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, dims.len() as u8];
    dims.iter().for_each(|dim| bytes.extend(dim.to_be_bytes()));
    [bytes, values.to_vec()].concat()
}

fn array(dims: &[u32], values: &[u8]) -> Array {
    read(&bytes(dims, values)[..], Path::new("x")).unwrap()
}

fn named(name: &str, dims: &[u32], values: &[u8]) -> Named {
    (name.into(), array(dims, values))
}

fn refusal(bytes: &[u8]) -> String {
    read(bytes, Path::new("x")).err().unwrap().to_string()
}

#[test]
fn every_value_is_read_and_each_fault_is_told_with_its_byte() {
    let whole = bytes(&[2, 2, 3], &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    let array = read(&whole[..], Path::new("x")).unwrap();
    assert_eq!((array.dims, array.values), (vec![2, 2, 3], (1..=12).collect()));
    let told = refusal(&whole[..20]);
    assert_eq!(told, "x, byte 20: the file ends, and its header promises 12 values: [2, 2, 3]");
    assert!(refusal(&[&whole[..], &[0]].concat()).starts_with("x, byte 28: the file goes on"));
    assert_eq!(refusal(&whole[..9]), "x, byte 8: the file ends within its header");
    assert!(refusal(b"\x1f\x8b\x08\x00").starts_with("x, byte 0: expected two zeros"));
    assert!(refusal(b"\0\0\x0d\x03").starts_with("x, byte 2: values of type 0x0d"));
    assert!(refusal(b"\0\0\x08\x02").starts_with("x, byte 3: 2 dimensions"));
    assert!(refusal(&bytes(&[5, 0, 5], &[])).starts_with("x, byte 8: dimension 1 is 0"));
}

#[test]
fn a_file_that_promises_more_than_any_memory_is_refused_from_its_header() {
    let told = refusal(&bytes(&[u32::MAX, u32::MAX, u32::MAX], &[1; 40]));
    assert!(told.starts_with("x, byte 4: dimension 0 is 4294967295"), "{told}");
    // What is promised and not there is not allocated either.
    let told = refusal(&bytes(&[1 << 21, 28, 28], &[1; 40]));
    assert!(told.starts_with("x, byte 56: the file ends"), "{told}");
}

#[test]
fn pairs_are_found_by_their_numbers_and_the_smaller_one_tests() {
    let data = dataset(
        Path::new("d"),
        vec![
            named("b", &[2, 1, 2], &[9, 8, 7, 6]),
            named("d", &[3], &[2, 0, 1]),
            named("a", &[3, 1, 2], &[1, 2, 3, 4, 5, 6]),
            named("c", &[2], &[1, 2]),
        ],
    )
    .unwrap();
    assert_eq!((data.name.as_str(), data.classes.join(" ")), ("IDX", "0 1 2".into()));
    assert_eq!((data.train.labels(), data.test.labels()), (&[2, 0, 1][..], &[1, 2][..]));
    assert_eq!((data.train.image(1), data.test.image(0)), (&[3, 4][..], &[9, 8][..]));
}

#[test]
fn arrays_that_make_no_set_are_refused() {
    let images = |n: u32| named("i", &[n, 1, 1], &vec![0; n as usize]);
    let labels = |values: &[u8]| named("l", &[values.len() as u32], values);
    let told = |arrays: Vec<Named>| dataset(Path::new("d"), arrays).unwrap_err().to_string();
    let sentence = told(vec![images(3), labels(&[0, 1, 1])]);
    assert!(sentence.starts_with("d holds IDX files of [3] images and [3] labels: expected two"));
    told(vec![images(3), images(2), labels(&[0, 1, 1]), labels(&[0, 1, 1])]);
    told(vec![images(2), images(2), labels(&[0, 1]), labels(&[0, 1])]);
    let sentence = told(vec![images(3), images(2), labels(&[0, 1, 1]), labels(&[0, 7])]);
    assert_eq!(sentence, "l: record 1 (byte 9) has label 7, expected 0 to 1");
    let wide = named("w", &[2, 1, 2], &[0; 4]);
    let sentence = told(vec![images(3), wide, labels(&[0, 1, 1]), labels(&[0, 1])]);
    assert!(sentence.contains("images of 1 x 1 and of 2 x 1 pixels"), "{sentence}");
}

#[test]
fn mnist_and_fashion_mnist_are_told_apart_by_their_labels() {
    let shape = Shape { channels: 1, height: 28, width: 28 };
    let labels = |start: [u8; 10], n: usize| [&start[..], &vec![0; n - 10]].concat();
    for (name, train, test, classes) in KNOWN {
        let (train, test) = (labels(train, 60_000), labels(test, 10_000));
        let (found, names) = what(shape, &train, &test, 10);
        assert_eq!((found, names), (name, classes.map(str::to_owned).to_vec()));
        assert_eq!(what(shape, &test, &train, 10).0, "IDX");
    }
}
