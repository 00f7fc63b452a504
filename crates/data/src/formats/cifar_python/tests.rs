use super::*;
use crate::testing::{Synthetic, python2, whole};

/// A file that numpy wrote (tests/reference/python_version.py).
fn fixture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python");
    std::fs::read(folder.join(format!("{name}.pickle"))).unwrap()
}

fn read_one(bytes: &[u8]) -> Batch {
    read(bytes, Path::new("data_batch_1")).unwrap().unwrap()
}

fn problem(bytes: &[u8]) -> String {
    read(bytes, Path::new("x")).unwrap_err().to_string()
}

/// The pixels of the fixtures.
fn pixels() -> Vec<u8> {
    (0..2).flat_map(|r| (0..3072).map(move |j| ((7 * j + 31 * r) % 251) as u8)).collect()
}

#[test]
fn what_numpy_pickles_in_any_protocol_is_read_as_it_was_written() {
    for name in ["ten-2", "ten-3", "ten-4", "ten-5", "arrays-4", "scalars-4"] {
        let batch = read_one(&fixture(name));
        assert_eq!((batch.set, &batch.labels[..]), (Cifar::Ten, &[7, 0][..]), "{name}");
        assert!(batch.pixels == pixels(), "{name}");
    }
    let batch = read_one(&fixture("hundred-2"));
    assert_eq!((batch.set, &batch.labels[..]), (Cifar::Hundred, &[99, 3][..]));
    assert!(batch.pixels == pixels());
    // numpy 1 has another name for the module.
    let bytes = fixture("ten-2");
    let at = bytes.windows(12).position(|w| w == b"numpy._core.").unwrap();
    let old = [&bytes[..at], b"numpy.core.", &bytes[at + 12..]].concat();
    assert!(read_one(&old).pixels == pixels());
}

#[test]
fn what_python_2_pickled_is_read_as_it_was_written() {
    let labels = [3, 9, 0];
    let pixels: Vec<u8> = (0..3 * 3072).map(|i| (i % 251) as u8).collect();
    let batch = read_one(&python2(&labels, &pixels));
    assert_eq!((batch.set, &batch.labels[..]), (Cifar::Ten, &labels[..]));
    assert!(batch.pixels == pixels);
}

#[test]
fn a_pickle_without_images_is_passed_over_and_one_of_something_else_refused() {
    assert!(read(&fixture("meta-2"), Path::new("batches.meta")).unwrap().is_none());
    let told = problem(&fixture("floats-4"));
    assert!(
        told.contains("data is [2, 3072] of <f4: expected an array of uint8, (n, 3072)"),
        "{told}"
    );
    let labels = |labels: &[u8]| python2(labels, &vec![0; 3072 * 2]);
    assert!(problem(&labels(&[1, 10])).ends_with("labels[1] is 10: expected 0 to 9"));
    assert!(problem(&labels(&[1])).ends_with("2 images and 1 labels: expected as many of each"));
    let whole = fixture("ten-4");
    for end in [0, 1, 3, 40, 3000, whole.len() - 1] {
        let told = problem(&whole[..end]);
        assert!(told.contains("the file ends too early"), "{end}: {told}");
    }
}

#[test]
fn no_code_of_a_pickle_is_run() {
    // pickle.dumps of an object whose __reduce__ is (os.system, ("true",)), protocol 2.
    let told = problem(b"\x80\x02cposix\nsystem\nq\x00X\x04\x00\x00\x00trueq\x01\x85q\x02Rq\x03.");
    assert_eq!(
        told,
        "x, byte 32: it calls posix.system, and nothing but numpy arrays is read of a pickle"
    );
    for bytes in
        [&b"\x80\x02\x8a\xff"[..], b"\x80\x02e.", b"\x80\x02b.", b"\x80\x02N\x85R.", b"\x80\x09."]
    {
        assert!(problem(bytes).starts_with("x, byte "), "{bytes:?}");
    }
}

#[test]
fn a_pickle_of_a_few_bytes_cannot_fill_the_memory() {
    // A tuple of the tuple before it, twice, thirty times over: a billion values if they were copied.
    let doubled = [&b"\x80\x02)q\x00"[..], &b"h\x00h\x00\x86q\x00".repeat(30), b"."].concat();
    assert!(read(&doubled, Path::new("x")).unwrap().is_none());
    // Two million values, and as many references.
    let told = problem(&[&b"\x80\x02]("[..], &[b'N'; 1 << 21]].concat());
    assert!(told.ends_with("it holds more than 1048576 values"), "{told}");
    let told = problem(&[&b"\x80\x02](Nq\x00"[..], &b"h\x00".repeat(1 << 21)].concat());
    assert!(told.ends_with("it refers to values more than 1048576 times"), "{told}");
    // A text that claims a terabyte.
    assert!(problem(b"\x80\x02\x8e\0\0\0\0\0\x01\0\0x").contains("the file ends too early"));
    // The same text made into bytes again and again.
    let text = [&b"\x80\x02X\xe8\x03\0\0"[..], &[b'a'; 1000]].concat();
    let again = b"c_codecs\nencode\nh\x00\x85R".repeat(300);
    let told = problem(&[&text[..], b"q\x00", &again, b"."].concat());
    assert!(told.ends_with("it makes more bytes than the file has"), "{told}");
}

#[test]
fn a_set_of_both_versions_is_the_same_set() {
    let synthetic = Synthetic::new(3);
    let files = synthetic.files();
    let set = synthetic.set(&files);
    let dir = tempfile::TempDir::new().unwrap();
    synthetic.write(dir.path());
    let binary = cifar10::read_set(dir.path(), set).unwrap();
    let batch = |content: &Vec<u8>| {
        let (labels, pixels): (Vec<u8>, Vec<Vec<u8>>) =
            content.chunks(3073).map(|record| (record[0], record[1..].to_vec())).unzip();
        read_one(&python2(&labels, &pixels.concat()))
    };
    // In any order, under any names.
    let mut batches: Vec<Batch> = synthetic.contents.iter().rev().map(batch).collect();
    let place = Path::new("p");
    let python = super::super::batch::assemble_cifar10(place, &batches, set).unwrap();
    assert!(python == binary);
    batches[0].pixels[5] ^= 1;
    batches[0].path = "p/test_batch".into();
    let told = super::super::batch::assemble_cifar10(place, &batches, set).unwrap_err().to_string();
    assert!(
        told.starts_with("p/test_batch holds 3 images that are not the official ones"),
        "{told}"
    );
    batches.remove(0);
    let told = super::super::batch::assemble_cifar10(place, &batches, set).unwrap_err().to_string();
    assert_eq!(told, "p holds 5 of the six files of CIFAR-10, and test_batch is not among them");
}

#[test]
fn the_whole_python_version_gives_the_bytes_of_the_binary_version() {
    let Some(whole) = whole() else { return };
    let dir = tempfile::TempDir::new().unwrap();
    let parts = [&whole.train, &whole.test];
    let of_all = parts.iter().flat_map(|images| {
        images.labels().chunks(10_000).zip(images.pixels().chunks(10_000 * 3072))
    });
    let names = cifar10::FILES.map(|file| file.name.trim_end_matches(".bin"));
    for (name, (labels, pixels)) in names.iter().zip(of_all) {
        std::fs::write(dir.path().join(name), python2(labels, pixels)).unwrap();
    }
    std::fs::write(dir.path().join("batches.meta"), fixture("meta-2")).unwrap();
    let read = crate::place::read(dir.path(), &Default::default(), &|_, _, _| {}).unwrap();
    assert!(read.dataset == whole);
}
