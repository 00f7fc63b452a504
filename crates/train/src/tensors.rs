//! Named tensors in a safetensors file, written whole, with a checksum, and read with suspicion.
//!
//! ```text
//! 8 bytes      n, the length of the header, little-endian
//! n bytes      {"__metadata__": {KEY: TEXT, ...},
//!               NAME: {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...}
//! the rest     the tensors' bytes, little-endian and row-major, one after another
//! ```
//!
//! All tensors are f32. The header is written here, with everything in the order of the names, so
//! that the same content is always the same bytes; the safetensors crate, which keeps the metadata
//! in the order of a hash table, reads it and checks it.
//!
//! The metadata's `sha256` is taken of the rest of the metadata and of each tensor's name, shape
//! and bytes. So a file that was damaged anywhere that matters is found out.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufReader, Read};
use std::path::Path;

use chainrule_data::file;
use safetensors::tensor::{Dtype, Metadata};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{Error, folder, machine};

/// The entry of the metadata that holds the checksum.
const CHECKSUM: &str = "sha256";

/// Longest header that is read, in bytes. A layer takes less than 200.
const MOST_HEADER: u64 = 1 << 20;

/// A file of tensors, as it was read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TensorFile {
    /// Name -> (shape, values), f32 only.
    pub tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
    /// What stands beside them, the checksum left out.
    pub metadata: HashMap<String, String>,
    /// Whether it came with a checksum, which then was right.
    pub proved: bool,
}

impl TensorFile {
    /// Writes `tensors` (name, shape, values) and `metadata` so that under the path's name there
    /// is always the old file or the new, whole. Adds the entries `format`, for which PyTorch's
    /// readers ask, and `sha256`. Equal content gives equal bytes.
    ///
    /// # Errors
    /// If it cannot be written.
    ///
    /// # Panics
    /// If there are not as many values as a shape says.
    pub(crate) fn save(
        path: &Path,
        tensors: &[(String, Vec<usize>, &[f32])],
        metadata: &[(&str, String)],
    ) -> Result<(), Error> {
        folder::write_whole(path, &Self::serialize(tensors, metadata))
    }

    /// The bytes of the file that [`TensorFile::save`] writes.
    ///
    /// # Panics
    /// If there are not as many values as a shape says.
    pub(crate) fn serialize(
        tensors: &[(String, Vec<usize>, &[f32])],
        metadata: &[(&str, String)],
    ) -> Vec<u8> {
        let mut content = Content::default();
        content.metadata.insert("format", "pt");
        content.metadata.extend(metadata.iter().map(|(key, text)| (*key, text.as_str())));
        for (name, shape, values) in tensors {
            assert_eq!(shape.iter().product::<usize>(), values.len(), "values of {name}");
            content.tensors.insert(name, (shape, values));
        }
        content.serialize()
    }

    /// Reads a file of this program or of PyTorch. A file without `sha256` is taken as it is.
    ///
    /// # Errors
    /// If it cannot be read, is not a regular file, is larger than the memory that is free, is not
    /// safetensors, holds anything but f32, or does not have the checksum that it claims.
    pub(crate) fn load(path: &Path) -> Result<TensorFile, Error> {
        let (file, length) = file::open(path).map_err(Error::file("read", path))?;
        let refuse = |problem| Error::Model { path: path.to_owned(), problem };
        if let Some(free) = machine::available_memory().filter(|&free| length > free) {
            return Err(refuse(format!(
                "it is {:.1} GB long, and {:.1} GB of memory are free",
                length as f64 / 1e9,
                free as f64 / 1e9
            )));
        }
        Self::read(BufReader::new(file), length).map_err(refuse)
    }

    /// Reads the `length` bytes of a file. Nothing is allocated that they could not fill.
    pub(crate) fn read(mut from: impl Read, length: u64) -> Result<TensorFile, String> {
        let ended = |error: io::Error| format!("cannot be read to its end: {error}");
        let mut size = [0; 8];
        if length < size.len() as u64 {
            return Err(format!("not a safetensors file: it is {length} bytes long"));
        }
        from.read_exact(&mut size).map_err(ended)?;
        if size.starts_with(b"PK\x03\x04") || size.starts_with(b"\x80\x02") {
            let known = "not a safetensors file, but PyTorch's own (torch.save): write it with \
                         safetensors.torch.save_file";
            return Err(known.into());
        }
        let size = u64::from_le_bytes(size);
        let rest = length - 8;
        if size > rest.min(MOST_HEADER) {
            return Err(format!(
                "not a safetensors file: it claims a header of {size} bytes, and holds {rest} \
                 (at most {MOST_HEADER} are read)"
            ));
        }
        let mut header = vec![0; size as usize];
        from.read_exact(&mut header).map_err(ended)?;
        let header: Metadata = serde_json::from_slice(&header)
            .map_err(|error| format!("not a safetensors file: its header: {error}"))?;
        let (claimed, found) = (header.data_len() as u64, rest - size);
        if claimed != found {
            return Err(format!(
                "not a whole safetensors file: its tensors are {claimed} bytes, and {found} stand \
                 after the header"
            ));
        }

        let mut tensors = BTreeMap::new();
        for name in header.offset_keys() {
            let info = header.info(&name).expect("a tensor of the header");
            if info.dtype != Dtype::F32 {
                return Err(format!("{name} holds {:?}: expected F32", info.dtype));
            }
            let values = floats(&mut from, info.shape.iter().product()).map_err(ended)?;
            tensors.insert(name, (info.shape.clone(), values));
        }
        let mut metadata: HashMap<String, String> =
            header.metadata().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
        let claimed = metadata.remove(CHECKSUM);
        let file = TensorFile { tensors, metadata, proved: claimed.is_some() };
        match claimed {
            Some(claimed) if claimed != file.content().checksum() => Err(format!(
                "it is damaged: its content has the SHA-256 {}, and it says {claimed}",
                file.content().checksum()
            )),
            _ => Ok(file),
        }
    }

    fn content(&self) -> Content<'_> {
        let tensors = self.tensors.iter();
        Content {
            metadata: self.metadata.iter().map(|(key, text)| (&**key, &**text)).collect(),
            tensors: tensors
                .map(|(name, (shape, values))| (&**name, (&**shape, &**values)))
                .collect(),
        }
    }
}

/// What a file holds, in the order in which it is written and hashed.
#[derive(Default)]
struct Content<'a> {
    metadata: BTreeMap<&'a str, &'a str>,
    tensors: BTreeMap<&'a str, (&'a [usize], &'a [f32])>,
}

impl Content<'_> {
    /// The file's bytes, the checksum among them.
    fn serialize(&self) -> Vec<u8> {
        let checksum = self.checksum();
        let mut metadata = self.metadata.clone();
        metadata.insert(CHECKSUM, &checksum);

        let mut header = serde_json::Map::new();
        header.insert("__metadata__".to_owned(), json!(metadata));
        let mut end = 0;
        for (&name, (shape, values)) in &self.tensors {
            let start = end;
            end += size_of_val(*values);
            let entry = json!({ "dtype": "F32", "shape": shape, "data_offsets": [start, end] });
            header.insert(name.to_owned(), entry);
        }
        let mut header = serde_json::to_vec(&header).expect("a map of text and numbers");
        // So that the numbers after it are aligned in the file.
        header.resize(header.len().next_multiple_of(8), b' ');

        let mut bytes = Vec::with_capacity(8 + header.len() + end);
        bytes.extend((header.len() as u64).to_le_bytes());
        bytes.extend(header);
        for (_, values) in self.tensors.values() {
            blocks(values, |block| bytes.extend(block));
        }
        bytes
    }

    /// The SHA-256 in hexadecimal: of the metadata's keys and texts, and the tensors' names,
    /// shapes and bytes, each behind its length, so that nothing can pass for its neighbor.
    fn checksum(&self) -> String {
        let mut hash = Sha256::new();
        let length = |hash: &mut Sha256, n: usize| hash.update((n as u64).to_le_bytes());
        let text = |hash: &mut Sha256, text: &str| {
            length(hash, text.len());
            hash.update(text);
        };
        length(&mut hash, self.metadata.len());
        for (key, value) in &self.metadata {
            text(&mut hash, key);
            text(&mut hash, value);
        }
        for (name, (shape, values)) in &self.tensors {
            text(&mut hash, name);
            length(&mut hash, shape.len());
            shape.iter().for_each(|&side| length(&mut hash, side));
            blocks(values, |block| hash.update(block));
        }
        hexadecimal(hash)
    }
}

/// The hash of all that was fed to it, as text.
pub(crate) fn hexadecimal(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Numbers converted at once.
const BLOCK: usize = 1024;

/// Shows `values` to `each` as little-endian bytes, block by block.
fn blocks(values: &[f32], mut each: impl FnMut(&[u8])) {
    let mut bytes = Vec::with_capacity(4 * BLOCK);
    for block in values.chunks(BLOCK) {
        bytes.clear();
        bytes.extend(block.iter().flat_map(|x| x.to_le_bytes()));
        each(&bytes);
    }
}

/// Reads `n` little-endian numbers.
fn floats(from: &mut impl Read, n: usize) -> io::Result<Vec<f32>> {
    let mut values = Vec::with_capacity(n);
    let mut buffer = [0; 4 * BLOCK];
    while values.len() < n {
        let bytes = &mut buffer[..4 * (n - values.len()).min(BLOCK)];
        from.read_exact(bytes)?;
        values.extend(bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)));
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
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
            let start =
                format!("not a safetensors file: it claims a header of {claimed} bytes, and");
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
        assert!(
            error.contains("its tensors are 4398046511104 bytes, and 8 stand after"),
            "{error}"
        );
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
        let error = claim(r#"{"dtype":"F64","shape":[1],"data_offsets":[0,8]}"#);
        assert_eq!(error, "w holds F64: expected F32");
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
        assert_eq!(
            (&file.tensors["w"].0[..], bits(&file.tensors["w"].1)),
            (&[3, 2][..], bits(&SMALL))
        );
    }

    #[test]
    fn a_file_that_no_memory_holds_and_a_device_are_refused_unread() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("large.safetensors");
        let error = TensorFile::load(dir.path()).unwrap_err().to_string();
        assert!(error.ends_with("it is not a regular file"), "{error}");
        let sparse = fs::File::create(&path).unwrap();
        // The file system may not have files so large.
        if machine::available_memory().is_some() && sparse.set_len(1 << 43).is_ok() {
            let error = TensorFile::load(&path).unwrap_err().to_string();
            assert!(error.contains("it is 8796.1 GB long, and "), "{error}");
        }
    }
}
