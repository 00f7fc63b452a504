//! The container, held to the safetensors crate and to its own checksum.

use std::fs;

use safetensors::tensor::{SafeTensors, TensorView};

use super::*;

const SMALL: [f32; 6] = [0.5, -1.0, 3.0e-30, f32::NAN, f32::INFINITY, -0.0];

/// Two tensors of more than one block, and of a few numbers; some metadata.
fn saved(path: &Path) -> Vec<u8> {
    let long: Vec<f32> = (0..BLOCK + 7).map(|i| i as f32 / 8.0).collect();
    let tensors = [
        ("zeta".to_owned(), vec![2, 3], &SMALL[..]),
        ("alpha".to_owned(), vec![BLOCK + 7], &long),
        ("none".to_owned(), vec![0, 4], &[]),
    ];
    let metadata = [("step", "7".to_owned()), ("note", "\"é\"\n".to_owned())];
    TensorFile::save(path, &tensors, &metadata).unwrap();
    fs::read(path).unwrap()
}

fn read(bytes: &[u8]) -> Result<TensorFile, String> {
    TensorFile::read(bytes, bytes.len() as u64)
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}

#[test]
fn every_bit_of_a_tensor_and_every_word_beside_it_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.safetensors");
    saved(&path);
    let file = TensorFile::load(&path).unwrap();
    assert_eq!(file.tensors.keys().collect::<Vec<_>>(), ["alpha", "none", "zeta"]);
    let (shape, values) = &file.tensors["zeta"];
    assert_eq!((shape.as_slice(), bits(values)), (&[2, 3][..], bits(&SMALL)));
    assert_eq!(file.tensors["alpha"].1[BLOCK + 6], (BLOCK + 6) as f32 / 8.0);
    assert_eq!(file.tensors["none"], (vec![0, 4], vec![]));
    let mut metadata: Vec<_> = file.metadata.iter().map(|(k, v)| (&**k, &**v)).collect();
    metadata.sort_unstable();
    assert_eq!(metadata, [("format", "pt"), ("note", "\"é\"\n"), ("step", "7")]);
}

#[test]
fn the_same_content_is_the_same_bytes_in_whatever_order_it_is_given() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.safetensors");
    let (a, b) = (("a".to_owned(), vec![1], &[1.0][..]), ("b".to_owned(), vec![1], &[2.0][..]));
    let (x, y) = (("x", "1".to_owned()), ("y", "2".to_owned()));
    TensorFile::save(&path, &[a.clone(), b.clone()], &[x.clone(), y.clone()]).unwrap();
    let one = fs::read(&path).unwrap();
    TensorFile::save(&path, &[b, a], &[y, x]).unwrap();
    assert!(one == fs::read(&path).unwrap());
}

#[test]
fn the_reference_reader_finds_the_same_tensors() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = saved(&dir.path().join("state.safetensors"));
    let theirs = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(theirs.len(), 3);
    let zeta = theirs.tensor("zeta").unwrap();
    assert_eq!((zeta.dtype(), zeta.shape()), (Dtype::F32, &[2, 3][..]));
    let data: Vec<u8> = SMALL.iter().flat_map(|x| x.to_le_bytes()).collect();
    assert_eq!(zeta.data(), data);
    let (length, header) = SafeTensors::read_metadata(&bytes).unwrap();
    assert_eq!(length % 8, 0, "the numbers are aligned");
    assert_eq!(header.metadata().as_ref().unwrap()["format"], "pt");
}

#[test]
fn a_flipped_bit_is_found_or_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.safetensors");
    let tensors = [("w".to_owned(), vec![2, 3], &SMALL[..]), ("b".to_owned(), vec![1], &[9.0])];
    TensorFile::save(&path, &tensors, &[("step", "7".to_owned())]).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let whole = read(&bytes).unwrap();
    let all = |file: &TensorFile| -> Vec<_> {
        file.tensors.iter().map(|(n, (s, v))| (n.clone(), s.clone(), bits(v))).collect()
    };
    let mut passed = 0;
    for bit in 0..8 * bytes.len() {
        bytes[bit / 8] ^= 1 << (bit % 8);
        let verified = TensorFile::verify(&bytes[..], bytes.len() as u64);
        assert!(verified.is_err() || read(&bytes).is_ok_and(|file| file.proved), "bit {bit}");
        if let Ok(file) = read(&bytes) {
            passed += 1;
            assert_eq!(all(&file), all(&whole), "bit {bit}");
            let told =
                whole.metadata.iter().all(|(key, text)| file.metadata.get(key) == Some(text));
            assert!(told, "bit {bit}");
        }
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    // The name of the checksum's entry, and blanks for blanks.
    assert!(passed < 8 * 8, "{passed} flips passed");
}

#[test]
fn a_header_that_claims_more_than_there_is_is_refused_from_the_size_alone() {
    for claimed in [u64::MAX, 1 << 40, 1 << 24, 9] {
        let mut bytes = claimed.to_le_bytes().to_vec();
        bytes.extend(b"{}      ");
        let error = read(&bytes).unwrap_err();
        let start = format!("not a safetensors file: it claims a header of {claimed} bytes, and");
        assert!(error.starts_with(&start), "{error}");
    }
    // The length is true, and the header too long all the same.
    let mut from = ((MOST_HEADER + 1).to_le_bytes()).to_vec();
    from.extend(b"{");
    let error = TensorFile::read(&from[..], 1 << 40).unwrap_err();
    assert!(error.contains("claims a header of 1048577 bytes"), "{error}");
}

#[test]
fn tensors_that_claim_more_than_there_is_are_refused_before_any_is_read() {
    let claim = |entry: &str| {
        let header = format!("{{\"w\":{entry}}}");
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.bytes());
        bytes.extend([0; 8]);
        read(&bytes).unwrap_err()
    };
    let error =
        claim(r#"{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4398046511104]}"#);
    assert!(error.contains("its tensors are 4398046511104 bytes, and 8 stand after"), "{error}");
    for entry in [
        r#"{"dtype":"F32","shape":[2],"data_offsets":[0,12]}"#,
        r#"{"dtype":"F32","shape":[2],"data_offsets":[8,0]}"#,
        r#"{"dtype":"F32","shape":[2],"data_offsets":[4,12]}"#,
        r#"{"dtype":"F32","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,8]}"#,
        r#"{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}"#,
        r#"{"dtype":"F32"}"#,
    ] {
        let error = claim(entry);
        assert!(error.starts_with("not a safetensors file: its header:"), "{entry}: {error}");
    }
    let deep = claim(&"[".repeat(100_000));
    assert!(deep.contains("its header: recursion limit"), "{deep}");
}

#[test]
fn a_file_of_pytorchs_has_no_checksum_and_is_read() {
    let data: Vec<u8> = SMALL.iter().flat_map(|x| x.to_le_bytes()).collect();
    let view = TensorView::new(Dtype::F32, vec![3, 2], &data).unwrap();
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let bytes = safetensors::serialize([("w", view)], Some(metadata)).unwrap();
    let file = read(&bytes).unwrap();
    assert_eq!((&file.tensors["w"].0[..], bits(&file.tensors["w"].1)), (&[3, 2][..], bits(&SMALL)));
}

#[test]
fn a_file_that_no_memory_holds_and_a_device_are_refused_unread() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("large.safetensors");
    let error = TensorFile::load(dir.path()).unwrap_err().to_string();
    assert!(error.ends_with("it is not a regular file"), "{error}");
    let sparse = File::create(&path).unwrap();
    // The file system may not have files so large.
    if machine::available_memory().is_some() && sparse.set_len(1 << 43).is_ok() {
        let error = TensorFile::load(&path).unwrap_err().to_string();
        assert!(error.contains("it is 8796.1 GB long, and "), "{error}");
    }
}

/// The header's length is the first number of the file: its low bytes spell the magic bytes of a
/// pickle (80 02), of gzip (1f 8b), of zip (50 4b), of zlib (78 9c) at some length.
#[test]
fn a_header_of_any_length_is_read_whatever_other_format_its_length_spells() {
    let entry = r#""w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let start = r#"{"__metadata__":{"note":""#;
    let least = start.len() + r#""},"#.len() + entry.len();
    for length in 8..=70_000 {
        let (header, data) = match usize::checked_sub(length, least) {
            Some(pad) => {
                ([start, &"x".repeat(pad), r#""},"#, entry].concat(), &[0, 0, 0x80, 0x3f][..])
            }
            None => (["{}", &*" ".repeat(length - 2)].concat(), &[][..]),
        };
        assert_eq!(header.len(), length);
        let bytes = [&(length as u64).to_le_bytes(), header.as_bytes(), data].concat();
        let file = read(&bytes);
        let file = file.unwrap_or_else(|error| panic!("a header of {length} bytes: {error}"));
        assert_eq!(file.tensors.len(), data.len() / 4, "a header of {length} bytes");
    }
}

/// The beginnings are those that the programs write: torch.save (zip, and the pickle before 1.6),
/// numpy.savez, numpy.save, h5py, gzip, onnx.save.
#[test]
fn a_file_of_another_format_is_named_once_the_parser_has_refused_it() {
    let zip = |name: &str| {
        let mut bytes = b"PK\x03\x04".to_vec();
        bytes.resize(26, 0);
        bytes.extend((name.len() as u16).to_le_bytes());
        bytes.extend([0, 0]);
        bytes.extend(name.bytes());
        bytes
    };
    for (beginning, named) in [
        (zip("archive/data.pkl"), "PyTorch's own format (torch.save): write it with"),
        (zip("net/data.pkl"), "PyTorch's own format (torch.save)"),
        (zip("fc1.weight.npy"), "arrays of numpy (.npz)"),
        (zip("metadata.json"), "a model of Keras"),
        (zip("photo.jpg"), "a zip archive"),
        (b"\x80\x02\x8a\nl\xfc\x9c\x46\xf9".to_vec(), "PyTorch's own format (torch.save)"),
        (b"\x80\x04\x95\0\0\0\0\0".to_vec(), "PyTorch's own format (torch.save)"),
        (b"\x93NUMPY\x01\0v\0{'descr'".to_vec(), "an array of numpy (.npy)"),
        (b"\x89HDF\r\n\x1a\n\0".to_vec(), "HDF5"),
        (b"\x1f\x8b\x08\0\0\0\0\0".to_vec(), "a gzip archive"),
        (b"\x08\x08\x12\x07pytorch".to_vec(), "ONNX"),
        (b"version https://git-lfs.github.com/spec/v1".to_vec(), "a pointer of Git LFS"),
        (b"<!DOCTYPE html>".to_vec(), "a page of HTML"),
        (b"{\"fc1\": 1}".to_vec(), "text, JSON perhaps"),
        (b"epochs = 10\nseed = 0\n".to_vec(), "text: expected"),
    ] {
        let bytes = [beginning, vec![b' '; 100]].concat();
        let error = read(&bytes).unwrap_err();
        let start = format!("not a safetensors file, but {named}");
        assert!(error.starts_with(&start), "{error}, expected {named}");
    }
    // A length that is possible, and no header: what follows the magic bytes does not matter.
    let mut bytes = 640u64.to_le_bytes().to_vec();
    bytes.resize(8 + 640, b'x');
    let error = read(&bytes).unwrap_err();
    assert!(error.starts_with("not a safetensors file, but PyTorch's own"), "{error}");
    bytes[..8].copy_from_slice(&641u64.to_le_bytes());
    bytes.push(b'x');
    assert!(read(&bytes).unwrap_err().starts_with("not a safetensors file: its header: "));
}

/// 1.5, -0.1 and 65504 in each type, by numpy (`np.array(x, dtype).tobytes()`) and, bf16, by the upper
/// half of the f32.
#[test]
fn halves_and_doubles_are_converted_and_integers_set_apart() {
    let halves = [0x3e00u16, 0xae66, 0x7bff].map(u16::to_le_bytes).concat();
    let brains = [0x3fc0u16, 0xbdcd, 0x4780].map(u16::to_le_bytes).concat();
    let doubles = [1.5f64, -0.1, 65504.0].map(f64::to_le_bytes).concat();
    let whole = 7i64.to_le_bytes();
    let view = |dtype, n, data| TensorView::new(dtype, vec![n], data).unwrap();
    let views = [
        ("a", view(Dtype::F16, 3, &halves)),
        ("b", view(Dtype::BF16, 3, &brains)),
        ("c", view(Dtype::F64, 3, &doubles)),
        ("d", view(Dtype::I64, 1, &whole)),
    ];
    let file = read(&safetensors::serialize(views, None).unwrap()).unwrap();
    assert_eq!(file.tensors["a"].1, [1.5, -0.099_975_586, 65504.0]);
    assert_eq!(file.tensors["b"].1, [1.5, -0.100_097_656, 65536.0]);
    assert_eq!(file.tensors["c"].1, [1.5, -0.1, 65504.0]);
    assert_eq!(file.converted, BTreeMap::from([("BF16", 1), ("F16", 1), ("F64", 1)]));
    assert_eq!(file.others, BTreeMap::from([("d".to_owned(), "I64".to_owned())]));
}

/// Of two tensors of one name a reader takes the first, another the last.
#[test]
fn a_header_that_names_a_tensor_twice_is_refused() {
    let entry = r#""fc1.weight":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"#;
    let header = format!("{{{entry},{entry}}}");
    let bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &[0; 4]].concat();
    let error = read(&bytes).unwrap_err();
    assert_eq!(error, "its header names fc1.weight twice: expected each tensor once");
}
