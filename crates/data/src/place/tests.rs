use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;

use super::*;
use crate::cifar10;
use crate::cifar10::read_set;
use crate::formats::batch::assemble_cifar10;
use crate::reading::Reading;
use crate::testing::{Synthetic, python2};

fn refusal(dir: &Path) -> String {
    let error = recognize(dir).unwrap_err().to_string();
    let above = if dir.is_file() { dir.parent().unwrap() } else { dir };
    error.replace(&above.display().to_string(), "DIR")
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
    assert!(error.ends_with("holds IDX, whose images have one size"), "{error}");
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
        told.starts_with("DIR holds nothing and no folder: expected the files of CIFAR-10"),
        "{told}"
    );
    fs::write(dir.path().join("text"), "text").unwrap();
    assert!(refusal(dir.path()).starts_with("DIR holds one file and no folder"));
    assert_eq!(refusal(&dir.path().join("none")), "DIR is not there: expected a folder of images");
    assert_eq!(
        refusal(&dir.path().join("text")),
        "DIR/text is neither a folder nor an archive of CIFAR-10 or CIFAR-100: name the folder that it \
         lies in"
    );
    fs::write(dir.path().join("labels"), array(&[1], &[1])).unwrap();
    fs::write(dir.path().join("train"), [0; 3074]).unwrap();
    assert!(
        refusal(dir.path())
            .starts_with("DIR holds files of several sets, 1 of the files of CIFAR-100")
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

/// An archive of these files, gzipped.
fn archive(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(vec![]);
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, &bytes[..]).unwrap();
    }
    packed(&builder.into_inner().unwrap())
}

#[test]
fn the_official_archives_of_either_version_are_read_without_unpacking_them() {
    let synthetic = Synthetic::new(3);
    let files = synthetic.files();
    let set = synthetic.set(&files);
    let dir = TempDir::new().unwrap();
    synthetic.write(dir.path());
    let binary = read_set(dir.path(), set).unwrap();
    let named = |folder: &str, ending: &str, content: &dyn Fn(&[u8]) -> Vec<u8>| {
        let files = cifar10::FILES.iter().zip(&synthetic.contents);
        let files = files.map(|(file, bytes)| {
            let stem = file.name.trim_end_matches(".bin");
            (format!("{folder}/{stem}{ending}"), content(bytes))
        });
        files.collect::<Vec<_>>()
    };
    let pickled = |records: &[u8]| {
        let (labels, pixels): (Vec<u8>, Vec<Vec<u8>>) =
            records.chunks(3073).map(|record| (record[0], record[1..].to_vec())).unzip();
        python2(&labels, &pixels.concat())
    };
    for files in [
        named("cifar-10-batches-bin", ".bin", &<[u8]>::to_vec),
        named("cifar-10-batches-py", "", &pickled),
    ] {
        let mut files: Vec<(&str, Vec<u8>)> =
            files.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
        files.push(("cifar-10-batches-py/readme.html", b"text".to_vec()));
        for name in ["cifar.tar.gz", "anything"] {
            let path = dir.path().join(name);
            fs::write(&path, archive(&files)).unwrap();
            assert_eq!(recognize(&path).unwrap(), Contents::Archive, "{name}");
            let batches = archive::batches(&path).unwrap();
            assert!(assemble_cifar10(&path, &batches, set).unwrap() == binary);
        }
        // Unpacked by a browser: a plain tar.
        let mut plain = vec![];
        flate2::read::GzDecoder::new(&archive(&files)[..]).read_to_end(&mut plain).unwrap();
        let path = dir.path().join("cifar.tar");
        fs::write(&path, plain).unwrap();
        assert_eq!(archive::batches(&path).unwrap().len(), 6);
        // Cut short, as a download that broke off.
        let whole = archive(&files);
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        let told = archive::batches(&path).unwrap_err().to_string();
        assert!(told.contains("cifar.tar"), "{told}");
    }
    let hundred = [&[19u8, 99][..], &[7; 3072]].concat();
    fs::write(dir.path().join("c"), archive(&[("cifar-100-binary/train.bin", hundred)])).unwrap();
    let batches = archive::batches(&dir.path().join("c")).unwrap();
    assert_eq!((batches[0].labels[0], batches.len()), (99, 1));
}

#[test]
fn archives_of_something_else_are_refused_with_what_to_do() {
    let dir = TempDir::new().unwrap();
    let told = |name: &str, bytes: Vec<u8>| {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        let error = read(&path, &Reading::default(), &|_, _, _| {}).unwrap_err().to_string();
        error.replace(&dir.path().display().to_string(), "DIR")
    };
    assert_eq!(
        told("x.tar.gz", archive(&[("photos/cat.png", vec![1])])),
        "DIR/x.tar.gz holds no file of CIFAR-10 or CIFAR-100 (but photos/cat.png): unpack it, and name \
         the folder"
    );
    let matlab = "holds MATLAB files (.mat), which are not read: take the binary or the Python version of \
                  the set";
    assert_eq!(
        told("m.tar.gz", archive(&[("cifar-10-batches-mat/data_batch_1.mat", vec![1])])),
        format!("DIR/m.tar.gz {matlab}")
    );
    let other =
        "an archive that is not read (.tar and .tar.gz are): unpack it, and name the folder";
    // The first bytes as `file` (1) knows them.
    for (name, start) in [
        ("x.zip", &b"PK\x03\x04rest"[..]),
        ("x.tar.xz", b"\xfd7zXZ\0\0"),
        ("x.tar.bz2", b"BZh91AY"),
        ("x.7z", b"7z\xbc\xaf\x27\x1c"),
    ] {
        assert_eq!(told(name, start.to_vec()), format!("DIR/{name} is {other}"));
    }
    let zipped = TempDir::new().unwrap();
    fs::write(zipped.path().join("a.zip"), b"PK\x03\x04").unwrap();
    assert_eq!(refusal(zipped.path()), format!("DIR holds {other}"));
    let mut cut = archive(&[("cifar-10-batches-py/data_batch_1", noise())]);
    cut.truncate(cut.len() / 2);
    let cut = told("cut.tar.gz", cut);
    assert!(
        cut.contains("data_batch_1 is damaged (") && cut.ends_with("get the archive anew"),
        "{cut}"
    );
    let notes = archive(&[("cifar-10-batches-py/data_batch_1", b"\x80\x02}.".to_vec())]);
    assert!(told("notes.tar.gz", notes).contains("holds no file of CIFAR-10 or CIFAR-100"));
    let images = array(&[2, 1, 1], &[1, 2]);
    assert_eq!(
        told("train-images-idx3-ubyte", images.clone()),
        "DIR/train-images-idx3-ubyte belongs to a set (IDX files): name the folder that it lies in, DIR"
    );
    assert!(told("train-images-idx3-ubyte.gz", packed(&images)).contains("to a set (IDX files)"));
    // MATLAB 5.0 files begin with these words (MathWorks, MAT-File Format).
    let folder = dir.path().join("cifar-10-batches-mat");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("data_batch_1.mat"), b"MATLAB 5.0 MAT-file, Platform: GLNXA64").unwrap();
    assert_eq!(refusal(&folder), format!("DIR {matlab}"));
}

/// Bytes that do not pack, of a linear congruential generator.
fn noise() -> Vec<u8> {
    let next = |state: &u32| Some(state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    std::iter::successors(Some(1), next).take(40_000).map(|state| (state >> 24) as u8).collect()
}

#[test]
fn a_packed_file_that_is_cut_short_is_not_called_a_broken_header() {
    let dir = TempDir::new().unwrap();
    let packed = packed(&array(&[400, 10, 10], &noise()));
    fs::write(dir.path().join("images.gz"), &packed[..packed.len() / 2]).unwrap();
    let told = read(dir.path(), &Reading::default(), &|_, _, _| {}).unwrap_err().to_string();
    assert!(told.contains("the file ends, and its header promises 40000 values"), "{told}");
}

#[test]
fn a_folder_one_level_too_high_is_told_with_the_right_one() {
    let dir = TempDir::new().unwrap();
    let write = |name: &str, bytes: Vec<u8>| {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    // As torchvision's root=DIR leaves them.
    write("MNIST/raw/train-images-idx3-ubyte", array(&[2, 1, 1], &[1, 2]));
    assert_eq!(
        refusal(dir.path()),
        "DIR holds no images itself, and DIR/MNIST/raw holds IDX files: name that folder"
    );
    write("cifar-10-batches-py/data_batch_1", python2(&[1], &[0; 3072]));
    write("cifar-10-batches-py/batches.meta", b"meta".to_vec());
    write("cifar-10-python.tar.gz", b"\x1f\x8b".to_vec());
    assert_eq!(
        refusal(dir.path()),
        "DIR holds no images itself, and DIR/MNIST/raw holds IDX files, DIR/cifar-10-batches-py holds \
         CIFAR's Python version: name one of them"
    );
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("cifar-10-binary.tar.gz"), packed(&[0; 600])).unwrap();
    assert_eq!(
        refusal(dir.path()),
        "DIR holds an archive and no folder: name DIR/cifar-10-binary.tar.gz"
    );
    for i in 0..3 {
        image::RgbImage::new(2, 2).save(dir.path().join(format!("{i}.png"))).unwrap();
    }
    fs::remove_file(dir.path().join("cifar-10-binary.tar.gz")).unwrap();
    assert!(refusal(dir.path()).starts_with("DIR holds 3 pictures and no folder: if it is one"));
}
