use std::fs::{self, File};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::formats::cifar10::verify::verify_set;
use crate::testing::{Synthetic, datasets, whole};

/// A folder of a whole set of three records a file, as `spoil` leaves it, and what reading
/// it then says.
fn refusal(spoil: impl Fn(&Path)) -> (String, TempDir) {
    let dir = TempDir::new().unwrap();
    let synthetic = Synthetic::new(3);
    synthetic.write(dir.path());
    spoil(dir.path());
    let files = synthetic.files();
    let error = read_set(dir.path(), synthetic.set(&files)).unwrap_err().to_string();
    (error.replace(&dir.path().display().to_string(), "DIR"), dir)
}

fn rewrite(dir: &Path, name: &str, change: impl Fn(&mut Vec<u8>)) {
    let mut bytes = fs::read(dir.join(name)).unwrap();
    change(&mut bytes);
    fs::write(dir.join(name), bytes).unwrap();
}

#[test]
fn every_label_and_pixel_comes_out_where_the_format_has_it() {
    let dir = TempDir::new().unwrap();
    // More than one block of the reader, and a part of one.
    let synthetic = Synthetic::new(70);
    synthetic.write(dir.path());
    let files = synthetic.files();
    let data = read_set(dir.path(), synthetic.set(&files)).unwrap();
    assert_eq!((data.train.len(), data.test.len(), data.train.dim()), (350, 70, 3072));
    for (file, content) in synthetic.contents.iter().enumerate() {
        let (images, first) = if file < 5 { (&data.train, file * 70) } else { (&data.test, 0) };
        for (record, bytes) in content.chunks(RECORD).enumerate() {
            assert_eq!(images.labels()[first + record], bytes[0], "{file} {record}");
            assert_eq!(images.image(first + record), &bytes[1..], "{file} {record}");
        }
    }
    let one = read_batch(&dir.path().join("data_batch_2.bin")).unwrap();
    assert_eq!(one.image(69), data.train.image(139));
}

#[test]
fn a_truncated_file_is_refused_by_its_length() {
    let (error, _) = refusal(|dir| rewrite(dir, "data_batch_4.bin", |b| b.truncate(9218)));
    assert_eq!(
        error,
        "DIR/data_batch_4.bin is 9218 bytes long, expected 9219 (3 records of 3073 bytes)"
    );
}

#[test]
fn an_over_long_file_is_refused_by_its_length() {
    let (error, _) = refusal(|dir| rewrite(dir, "test_batch.bin", |b| b.extend([0; RECORD])));
    assert!(error.starts_with("DIR/test_batch.bin is 12292 bytes long, expected 9219"));
}

#[test]
fn a_label_of_ten_is_refused_by_record_and_byte() {
    let (error, _) = refusal(|dir| rewrite(dir, "data_batch_1.bin", |b| b[2 * RECORD] = 10));
    assert_eq!(error, "DIR/data_batch_1.bin: record 2 (byte 6146) has label 10, expected 0 to 9");
}

#[test]
fn a_pixel_that_is_not_the_authors_is_refused_by_the_checksum() {
    let (error, dir) = refusal(|dir| rewrite(dir, "data_batch_5.bin", |b| b[5000] ^= 1));
    let found = digest::md5(&dir.path().join("data_batch_5.bin")).unwrap().0;
    let start = format!("DIR/data_batch_5.bin is damaged: its MD5 is {found}, the official");
    assert!(error.starts_with(&start), "{error}");
}

#[test]
fn a_missing_file_and_an_empty_folder_say_how_to_get_the_data() {
    let (error, _) = refusal(|dir| fs::remove_file(dir.join("data_batch_3.bin")).unwrap());
    assert_eq!(error, "DIR/data_batch_3.bin is missing");
    let empty = TempDir::new().unwrap();
    assert!(matches!(read(empty.path()), Err(Error::Missing { .. })));
    assert!(matches!(read(&empty.path().join("none")), Err(Error::Missing { .. })));
}

#[test]
fn a_folder_in_place_of_a_file_is_refused() {
    let (error, _) = refusal(|dir| {
        fs::remove_file(dir.join("test_batch.bin")).unwrap();
        fs::create_dir(dir.join("test_batch.bin")).unwrap();
    });
    assert_eq!(error, "cannot read DIR/test_batch.bin: it is not a regular file");
}

#[cfg(unix)]
#[test]
fn a_pipe_in_place_of_a_file_does_not_hang_the_reader() {
    let (error, _) = refusal(|dir| {
        let path = dir.join("data_batch_2.bin");
        fs::remove_file(&path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    });
    assert_eq!(error, "cannot read DIR/data_batch_2.bin: it is not a regular file");
}

#[cfg(unix)]
#[test]
fn an_unreadable_folder_is_said_with_the_systems_reason() {
    // A file where the folder should be: no user may read through it, not even root.
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = read(&file).unwrap_err();
    assert!(matches!(&error, Error::Read { .. }), "{error}");
    assert!(error.to_string().contains("data_batch_1.bin"), "{error}");
}

#[test]
fn one_batch_of_no_whole_number_of_records_is_refused() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("some.bin");
    for length in [0, 1, RECORD - 1, RECORD + 1] {
        fs::write(&path, vec![0; length]).unwrap();
        let error = read_batch(&path).unwrap_err().to_string();
        assert!(error.contains(&format!("is {length} bytes long, which is not")), "{error}");
    }
}

#[test]
fn a_batch_that_claims_a_terabyte_is_refused_from_its_length() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("some.bin");
    let sparse = File::create(&path).unwrap();
    // The file system may not have files so large.
    if sparse.set_len((RECORD << 28) as u64).is_err() {
        return;
    }
    let error = read_batch(&path).unwrap_err().to_string();
    assert!(error.ends_with("holds 268435456 records: at most 100000 are read"), "{error}");
}

#[test]
fn the_manifest_says_what_the_code_holds_the_files_to() {
    let text = fs::read_to_string(datasets().join("manifest.toml")).unwrap();
    let manifest: toml::Table = text.parse().unwrap();
    let listed: Vec<_> = manifest["cifar10"]["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| {
            assert_eq!(file["bytes"].as_integer(), Some((RECORDS * RECORD) as i64));
            (file["name"].as_str().unwrap(), file["md5"].as_str().unwrap())
        })
        .collect();
    assert_eq!(listed, FILES.map(|file| (file.name, file.md5)));
}

#[test]
fn the_whole_set_has_the_published_labels_and_channel_means() {
    let Some(data) = whole() else { return };
    assert_eq!((data.train.len(), data.test.len()), (50_000, 10_000));
    assert_eq!(data.train.labels()[..10], [6, 9, 9, 4, 1, 1, 2, 7, 8, 3]);
    assert_eq!(data.test.labels()[..10], [3, 8, 8, 0, 6, 6, 1, 6, 3, 1]);
    let per_class = |images: &Images| {
        let mut counts = [0; 10];
        images.labels().iter().for_each(|&label| counts[usize::from(label)] += 1);
        counts
    };
    assert_eq!(per_class(&data.train), [5_000; 10]);
    assert_eq!(per_class(&data.test), [1_000; 10]);

    // The figures that everyone's transforms carry, as fractions of 255.
    let all: Vec<u32> = (0..50_000).collect();
    let of = crate::Normalization::per_channel(&data.train, &all).unwrap();
    for (found, published) in
        [(of.mean(), [0.4914, 0.4822, 0.4465]), (of.std(), [0.2470, 0.2435, 0.2616])]
    {
        for (found, published) in found.iter().zip(published) {
            assert!((found / 255.0 - published).abs() < 5e-5, "{found} {published}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_flipped_byte_is_found_and_named_by_file(
        file in 0usize..6, at in 0usize..2 * RECORD, flip in 1u8..,
    ) {
        let dir = TempDir::new().unwrap();
        let synthetic = Synthetic::new(2);
        synthetic.write(dir.path());
        rewrite(dir.path(), FILES[file].name, |bytes| bytes[at] ^= flip);
        let files = synthetic.files();
        let set = synthetic.set(&files);
        let error = read_set(dir.path(), set).unwrap_err().to_string();
        prop_assert!(error.contains(FILES[file].name), "{}", error);
        for (i, report) in verify_set(dir.path(), set).iter().enumerate() {
            prop_assert_eq!(report.is_ok(), i != file, "{}", report.name);
        }
    }

    #[test]
    fn a_strangers_bytes_are_read_or_refused_and_never_panic(
        mut bytes in prop::collection::vec(0u8..12, 0..3),
        length in 0usize..4 * RECORD,
        marks in prop::collection::vec((0usize..4 * RECORD, any::<u8>()), 0..8),
    ) {
        bytes.resize(length, 3);
        for (at, byte) in marks {
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
        }
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("some.bin");
        fs::write(&path, &bytes).unwrap();
        let labels: Vec<u8> = bytes.iter().step_by(RECORD).copied().collect();
        let right = !bytes.is_empty()
            && bytes.len() % RECORD == 0
            && labels.iter().all(|&label| label < 10);
        match read_batch(&path) {
            Ok(images) => prop_assert!(right && images.labels() == labels),
            Err(_) => prop_assert!(!right),
        }
    }
}
