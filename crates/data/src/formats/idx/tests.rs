use std::path::{Path, PathBuf};

use super::names::{BY_LABELS, known};
use super::set::Named;
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
    assert_eq!(
        told,
        "x, byte 20: the file ends, and its header promises 12 values of uint8: [2, 2, 3]"
    );
    assert!(refusal(&[&whole[..], &[0]].concat()).starts_with("x, byte 28: the file goes on"));
    assert_eq!(refusal(&whole[..9]), "x, byte 8: the file ends within its header");
    assert!(refusal(b"\x1f\x8b\x08\x00").starts_with("x, byte 0: expected two zeros"));
    assert!(refusal(b"\0\0\x0a\x03").starts_with("x, byte 2: values of type 0x0a"));
    assert!(refusal(b"\0\0\x08\x05").starts_with("x, byte 3: 5 dimensions"));
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
    .unwrap()
    .0;
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
    assert!(
        sentence
            .starts_with("d holds IDX files of images (i of 3) and of labels (l of 3): expected"),
        "{sentence}"
    );
    told(vec![images(3), images(2), labels(&[0, 1, 1]), labels(&[0, 1, 1])]);
    told(vec![images(2), images(2), labels(&[0, 1]), labels(&[0, 1])]);
    let sentence = told(vec![images(3), images(2), labels(&[0, 1, 1]), labels(&[0, 7])]);
    assert_eq!(sentence, "l: record 1 (byte 9) has label 7, expected 0 to 1");
    let sentence = told(vec![images(3), images(2), labels(&[0, 0, 2]), labels(&[0, 1])]);
    assert!(
        sentence.starts_with("d has a test image of label 1 (record 1 of l) and no"),
        "{sentence}"
    );
    let wide = named("w", &[2, 1, 2], &[0; 4]);
    let sentence = told(vec![images(3), wide, labels(&[0, 1, 1]), labels(&[0, 1])]);
    assert!(sentence.contains("images of 1 x 1 and of 2 x 1 pixels"), "{sentence}");
}

#[test]
fn mnist_and_fashion_mnist_are_told_apart_by_their_labels() {
    let shape = Shape { channels: 1, height: 28, width: 28 };
    let labels = |start: [u8; 10], n: usize| [&start[..], &vec![0; n - 10]].concat();
    for (name, train, test, classes) in BY_LABELS {
        let (train, test) = (labels(train, 60_000), labels(test, 10_000));
        let found = known(shape, [&train, &test], (0, 10), false);
        assert_eq!(
            (found.name.as_str(), found.classes),
            (name, classes.map(str::to_owned).to_vec())
        );
        assert_eq!(known(shape, [&test, &train], (0, 10), false).name, "IDX");
    }
}

/// The bytes of an array of another type, of its values' bytes.
fn typed(code: u8, dims: &[u32], values: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut bytes = vec![0, 0, code, dims.len() as u8];
    dims.iter().for_each(|dim| bytes.extend(dim.to_be_bytes()));
    values.into_iter().for_each(|value| bytes.extend(value));
    bytes
}

#[test]
fn numbers_of_any_type_that_are_bytes_are_read_as_bytes() {
    // The types and their codes are those of the format's description at MNIST's own page.
    let values = [0i16, 1, 7, 127];
    let ways: [(u8, Vec<Vec<u8>>); 5] = [
        (0x09, values.map(|x| (x as i8).to_be_bytes().to_vec()).to_vec()),
        (0x0b, values.map(|x| x.to_be_bytes().to_vec()).to_vec()),
        (0x0c, values.map(|x| i32::from(x).to_be_bytes().to_vec()).to_vec()),
        (0x0d, values.map(|x| f32::from(x).to_be_bytes().to_vec()).to_vec()),
        (0x0e, values.map(|x| f64::from(x).to_be_bytes().to_vec()).to_vec()),
    ];
    for (code, bytes) in ways {
        assert!(is_array(&[0, 0, code, 1]));
        for dims in [&[4][..], &[4, 1], &[1, 2, 2]] {
            let array = read(&typed(code, dims, bytes.clone())[..], Path::new("x")).unwrap();
            assert_eq!(array.values, [0, 1, 7, 127], "{code:#04x}");
            assert!(array.change.unwrap().ends_with(", all of them bytes"));
            assert_eq!(array.dims.len(), if dims.len() == 3 { 3 } else { 1 });
        }
    }
    // As torchvision's ToTensor leaves them: fractions of 255.
    let fractions = |n: f32| (n / 255.0).to_be_bytes().to_vec();
    let bytes = typed(0x0d, &[1, 2, 2], [0.0, 1.0, 128.0, 255.0].map(fractions));
    let array = read(&bytes[..], Path::new("x")).unwrap();
    assert_eq!(array.values, [0, 1, 128, 255]);
    assert_eq!(array.change.unwrap(), "float32 from 0 to 1, read as fractions of 255");
}

#[test]
fn numbers_that_are_no_bytes_are_refused_with_file_type_and_value() {
    let float = |x: f32| x.to_be_bytes().to_vec();
    let told = refusal(&typed(0x0d, &[1, 1, 3], [0.0, 0.5, 3.0].map(float)));
    assert!(told.starts_with("x, byte 20: value 1 of float32 is 0.5: expected whole"), "{told}");
    // One among fractions.
    for wrong in [f32::NAN, f32::INFINITY, -0.5, 300.0] {
        let told = refusal(&typed(0x0d, &[1, 1, 3], [0.5, 0.25, wrong].map(float)));
        let value = format!("x, byte 24: value 2 of float32 is {wrong}: expected whole");
        assert!(told.starts_with(&value), "{told}");
    }
    let told = refusal(&typed(0x0d, &[2], [float(0.5), float(f32::NAN)]));
    assert!(told.starts_with("x, byte 8: value 0 of float32 is 0.5: expected labels"), "{told}");
    let told = refusal(&typed(0x0c, &[2], [1i32, 256].map(|x| x.to_be_bytes().to_vec())));
    assert!(told.starts_with("x, byte 12: value 1 of int32 is 256"), "{told}");
    let told = refusal(&typed(0x09, &[1, 1, 1], [vec![0xff]]));
    assert!(told.starts_with("x, byte 16: value 0 of int8 is -1"), "{told}");
    // QMNIST's labels, (n, 8), are no labels of one class each.
    let told = refusal(&typed(0x0c, &[1, 8], [[0; 32].to_vec()]));
    assert!(told.starts_with("x, byte 4: dimensions [1, 8]: expected (n) of labels"), "{told}");
}

#[test]
fn images_in_colors_are_read_with_their_channels_first_or_last() {
    let values: Vec<u8> = (0..24).collect();
    let first = array(&[2, 3, 2, 2], &values);
    assert_eq!((first.dims, &first.values), (vec![2, 3, 2, 2], &values));
    // numpy.arange(24).reshape(2, 2, 2, 3).transpose(0, 3, 1, 2).ravel()
    let last = array(&[2, 2, 2, 3], &values);
    assert_eq!(last.dims, [2, 3, 2, 2]);
    let want =
        [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11, 12, 15, 18, 21, 13, 16, 19, 22, 14, 17, 20, 23];
    assert_eq!(last.values, want);
    assert!(refusal(&bytes(&[1, 2, 2, 2], &[0; 8])).contains("with 1 or 3 channels"));
    let set = vec![
        named("a", &[2, 2, 2, 3], &values),
        named("b", &[1, 2, 2, 3], &values[..12]),
        named("c", &[2], &[0, 1]),
        named("d", &[1], &[1]),
    ];
    let (data, _) = dataset(Path::new("d"), set).unwrap();
    assert_eq!(data.train.shape(), Shape { channels: 3, height: 2, width: 2 });
    assert_eq!(data.train.image(1), &want[12..]);
}

#[test]
fn a_folder_of_torchvision_with_packed_and_unpacked_files_is_one_set() {
    let names = ["t10k-images-idx3-ubyte", "t10k-images-idx3-ubyte.gz", "train.gz", "other"];
    let (kept, notes) = without_packed(names.map(PathBuf::from).to_vec());
    assert_eq!(kept, ["t10k-images-idx3-ubyte", "train.gz", "other"].map(PathBuf::from));
    assert!(notes[0].starts_with("t10k-images-idx3-ubyte.gz are packed copies"), "{notes:?}");
    // A copy under another name is found by its content.
    let set = vec![
        named("a", &[2, 1, 2], &[1, 2, 3, 4]),
        named("a copy", &[2, 1, 2], &[1, 2, 3, 4]),
        named("b", &[1, 1, 2], &[5, 6]),
        named("c", &[2], &[0, 1]),
        named("d", &[1], &[1]),
    ];
    let (data, notes) = dataset(Path::new("d"), set).unwrap();
    assert_eq!((data.train.len(), data.test.len()), (2, 1));
    assert_eq!(notes, ["a copy holds what a holds, and is left out"]);
}

#[test]
fn the_letters_of_emnist_are_26_classes_and_its_transposition_is_told() {
    // EMNIST: 28 x 28, labels 1 to 26 (A to Z, by its mapping.txt), rows and columns exchanged
    // (Cohen et al. 2017, and torchvision's issue 2630).
    let labels = |n: u8| (0..n).map(|i| 1 + i % 26).collect::<Vec<u8>>();
    let set = |prefix: &str| {
        vec![
            named(&format!("{prefix}train-images-idx3-ubyte"), &[52, 28, 28], &[7; 52 * 784]),
            named(&format!("{prefix}train-labels-idx1-ubyte"), &[52], &labels(52)),
            named(&format!("{prefix}test-images-idx3-ubyte"), &[26, 28, 28], &[7; 26 * 784]),
            named(&format!("{prefix}test-labels-idx1-ubyte"), &[26], &labels(26)),
        ]
    };
    let (data, notes) = dataset(Path::new("d"), set("emnist-letters-")).unwrap();
    assert_eq!(
        (data.name.as_str(), data.classes.len(), data.train.classes()),
        ("EMNIST Letters", 26, 26)
    );
    assert_eq!((data.classes[0].as_str(), data.classes[25].as_str()), ("A", "Z"));
    assert_eq!((data.train.labels()[0], data.test.labels()[25]), (0, 25));
    assert!(
        notes[0].starts_with("its labels are 1 to 26, and are read as 26 classes"),
        "{notes:?}"
    );
    assert!(notes[1].contains("rows and columns exchanged"), "{notes:?}");
    // The same labels of another set: its classes keep their numbers.
    let (data, notes) = dataset(Path::new("d"), set("")).unwrap();
    assert_eq!(
        (data.name.as_str(), data.classes[0].as_str(), data.classes.len()),
        ("IDX", "1", 26)
    );
    assert_eq!(notes.len(), 1, "{notes:?}");
    // The other parts of EMNIST, by their sizes alone.
    let shape = Shape { channels: 1, height: 28, width: 28 };
    for (name, sizes, classes, last) in [
        ("EMNIST Letters", [124_800, 20_800], 26, "Z"),
        ("EMNIST Digits", [240_000, 40_000], 10, "9"),
        ("EMNIST Balanced", [112_800, 18_800], 47, "t"),
        ("EMNIST ByMerge", [697_932, 116_323], 47, "t"),
        ("EMNIST ByClass", [697_932, 116_323], 62, "z"),
    ] {
        let [train, test] = sizes.map(|n| vec![0; n]);
        let first = u8::from(classes == 26);
        let found = known(shape, [&train, &test], (first, classes), false);
        assert_eq!((found.name.as_str(), found.classes.len()), (name, classes));
        assert!(found.is_transposed && found.classes[classes - 1] == last, "{name}");
    }
}

#[test]
fn classes_without_a_training_image_are_told() {
    let images = |n: u32| named("i", &[n, 1, 1], &vec![0; n as usize]);
    let labels = |values: &[u8]| named("l", &[values.len() as u32], values);
    let notes = |train: &[u8]| {
        let set = vec![images(4), images(2), labels(train), labels(&[0, 1])];
        dataset(Path::new("d"), set).unwrap().1
    };
    assert!(notes(&[0, 1, 2, 2]).is_empty());
    let told = notes(&[0, 1, 2, 200]);
    let wanted = "197 of the 201 classes have no training image: their labels are up to 200";
    assert_eq!(told, [wanted]);
}
