//! Named tensors in a safetensors file, written whole, with a checksum, and read with suspicion.
//!
//! ```text
//! 8 bytes      n, the length of the header, little-endian
//! n bytes      {"__metadata__": {KEY: TEXT, ...},
//!               NAME: {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...}
//! the rest     the tensors' bytes, little-endian and row-major, one after another
//! ```
//!
//! All tensors are written as f32; f16, bf16 and f64 are read too, and converted. The header is
//! written here, with everything in the order of the names, so
//! that the same content is always the same bytes; the safetensors crate, which keeps the metadata
//! in the order of a hash table, reads it and checks it.
//!
//! The metadata's `sha256` is taken of the rest of the metadata and of each tensor's name, shape
//! and bytes. So a file that was damaged anywhere that matters is found out.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use chainrule_data::{Amount, file};
use half::{bf16, f16};
use safetensors::tensor::{Dtype, Metadata};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{Error, machine};

mod foreign;
mod header;

/// The entry of the metadata that holds the checksum.
const CHECKSUM: &str = "sha256";

/// The entry of the metadata that a checkpoint has and a model has not: the state of its run.
pub(crate) const STATE: &str = "state";

/// Longest header that is read, in bytes. A layer takes less than 200.
const MOST_HEADER: u64 = 1 << 20;

/// A file of tensors, as it was read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TensorFile {
    /// Name -> (shape, values), of all tensors of floating-point numbers.
    pub tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
    /// The types other than f32 that were converted to it -> how many tensors had them.
    pub converted: BTreeMap<&'static str, usize>,
    /// Name -> type of the tensors that hold anything else, which are not read.
    pub others: BTreeMap<String, String>,
    /// What stands beside them, the checksum left out.
    pub metadata: HashMap<String, String>,
    /// Whether it came with a checksum, which then was right.
    pub proved: bool,
}

impl TensorFile {
    /// Writes `tensors` (name, shape, values) and `metadata` so that under the path's name there
    /// is always the old file or the new, whole. Adds the entries `format`, for which PyTorch's
    /// readers ask, and `sha256`. Equal content gives equal bytes. The new file is read back before it
    /// takes the place of the old one: its checksum fits, or the old one stays. Memory holds a block of
    /// it at a time.
    ///
    /// # Errors
    /// If it cannot be written, or not read back.
    ///
    /// # Panics
    /// If there are not as many values as a shape says.
    pub(crate) fn save(
        path: &Path,
        tensors: &[(String, Vec<usize>, &[f32])],
        metadata: &[(&str, String)],
    ) -> Result<(), Error> {
        let content = Content::new(tensors, metadata);
        let write = |new: &mut File| {
            let mut to = BufWriter::with_capacity(WRITTEN, new);
            content.write(&mut to)?;
            to.flush()
        };
        let check = |new: &Path| {
            let (file, length) = file::open(new)?;
            Self::verify(BufReader::new(file), length).map_err(io::Error::other)
        };
        file::write_checked(path, write, check).map_err(Error::file("write", path))
    }

    /// The bytes of the file that [`TensorFile::save`] writes.
    ///
    /// # Panics
    /// If there are not as many values as a shape says.
    pub(crate) fn serialize(
        tensors: &[(String, Vec<usize>, &[f32])],
        metadata: &[(&str, String)],
    ) -> Vec<u8> {
        let mut bytes = vec![];
        Content::new(tensors, metadata).write(&mut bytes).expect("memory takes all");
        bytes
    }

    /// Reads a file of this program or of PyTorch. A file without `sha256` is taken as it is.
    ///
    /// # Errors
    /// If it cannot be read, is not a regular file, is larger than the memory that is free, is not
    /// safetensors, or does not have the checksum that it claims.
    pub(crate) fn load(path: &Path) -> Result<TensorFile, Error> {
        let (file, length) = file::open(path).map_err(Error::file("read", path))?;
        let refuse = |problem| Error::Model { path: path.to_owned(), problem };
        if let Some(memory) = machine::available_memory().filter(|memory| length > memory.bytes) {
            let length = Amount(length);
            return Err(refuse(format!("it is {length} long, and {memory}")));
        }
        Self::read(BufReader::new(file), length).map_err(refuse)
    }

    /// Reads the `length` bytes of a file. Nothing is allocated that they could not fill.
    pub(crate) fn read(from: impl Read, length: u64) -> Result<TensorFile, String> {
        let (file, claimed) = Self::parse(from, length)?;
        claimed.map_or(Ok(()), |claimed| same(&claimed, &file.content().checksum()))?;
        Ok(file)
    }

    /// Checks the `length` bytes of a file that [`TensorFile::save`] has written against their
    /// checksum, block by block.
    fn verify(mut from: impl Read, length: u64) -> Result<(), String> {
        let header = header(&mut from, length)?;
        let mut metadata: BTreeMap<&str, &str> =
            header.metadata().iter().flatten().map(|(key, text)| (&**key, &**text)).collect();
        let claimed = metadata.remove(CHECKSUM).ok_or("it is damaged: it has lost its checksum")?;
        let mut checksum = Checksum::new(&metadata);
        // They lie in the order of their names, in which they are hashed; empty ones lie in one place.
        let mut tensors: Vec<_> = header.tensors().into_iter().collect();
        tensors.sort_by(|(a, of_a), (b, of_b)| {
            of_a.data_offsets.cmp(&of_b.data_offsets).then_with(|| a.cmp(b))
        });
        for (name, info) in tensors {
            if info.dtype != Dtype::F32 {
                return Err(format!("it is damaged: {name} holds {:?}, and not F32", info.dtype));
            }
            let (start, end) = info.data_offsets;
            checksum.tensor(&name, &info.shape);
            let mut data = from.by_ref().take((end - start) as u64);
            io::copy(&mut data, &mut checksum).map_err(ended)?;
        }
        same(claimed, &checksum.text())
    }

    /// [`TensorFile::read`], and the checksum that the file claims in place of its check.
    pub(crate) fn parse(
        mut from: impl Read,
        length: u64,
    ) -> Result<(TensorFile, Option<String>), String> {
        let header = header(&mut from, length)?;
        let mut tensors = BTreeMap::new();
        let (mut converted, mut others) = (BTreeMap::new(), BTreeMap::new());
        for name in header.offset_keys() {
            let info = header.info(&name).expect("a tensor of the header");
            let (start, end) = info.data_offsets;
            match numbers(&mut from, info.dtype, info.shape.iter().product()).map_err(ended)? {
                Some((values, dtype)) => {
                    if let Some(dtype) = dtype {
                        *converted.entry(dtype).or_default() += 1;
                    }
                    tensors.insert(name, (info.shape.clone(), values));
                }
                None => {
                    let mut skipped = from.by_ref().take((end - start) as u64);
                    io::copy(&mut skipped, &mut io::sink()).map_err(ended)?;
                    others.insert(name, format!("{:?}", info.dtype));
                }
            }
        }
        let mut metadata: HashMap<String, String> =
            header.metadata().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
        let claimed = metadata.remove(CHECKSUM);
        let proved = claimed.is_some();
        Ok((TensorFile { tensors, converted, others, metadata, proved }, claimed))
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

/// Why reading has stopped, in words.
fn ended(error: io::Error) -> String {
    format!("cannot be read to its end: {error}")
}

/// Refuses a file whose content has another checksum than it `claimed`.
fn same(claimed: &str, found: &str) -> Result<(), String> {
    match claimed == found {
        true => Ok(()),
        false => Err(format!(
            "it is damaged: its content has the SHA-256 {found}, and it says {claimed}"
        )),
    }
}

/// Reads the header of a file of `length` bytes, up to the first tensor.
fn header(from: &mut impl Read, length: u64) -> Result<Metadata, String> {
    let mut size = [0; 8];
    if length < size.len() as u64 {
        return Err(format!("not a safetensors file: it is {length} bytes long"));
    }
    from.read_exact(&mut size).map_err(ended)?;
    // What the parser refuses may be a file of another format, which its first bytes tell.
    let refuse = |rest: &[u8], problem: String| {
        let beginning = [&size, rest].concat();
        let foreign = foreign::named(&beginning);
        foreign.map_or(problem, |named| format!("not a safetensors file, but {named}"))
    };
    let (header_length, rest) = (u64::from_le_bytes(size), length - 8);
    if header_length > rest.min(MOST_HEADER) {
        let mut beginning = vec![];
        from.take(foreign::BEGINNING).read_to_end(&mut beginning).map_err(ended)?;
        let problem = format!(
            "not a safetensors file: it claims a header of {header_length} bytes, and holds \
             {rest} (at most {MOST_HEADER} are read)"
        );
        return Err(refuse(&beginning, problem));
    }
    let mut bytes = vec![0; header_length as usize];
    from.read_exact(&mut bytes).map_err(ended)?;
    let damaged = |error| format!("not a safetensors file: its header: {error}");
    let names = serde_json::from_slice::<header::Names>(&bytes);
    let header: Metadata =
        serde_json::from_slice(&bytes).map_err(|error| refuse(&bytes, damaged(error)))?;
    if let Some(name) = names.map_err(damaged)?.twice {
        let name = name.escape_debug();
        return Err(format!("its header names {name} twice: expected each tensor once"));
    }
    let (claimed, found) = (header.data_len() as u64, rest - header_length);
    if claimed != found {
        return Err(format!(
            "not a whole safetensors file: its tensors are {claimed} bytes, and {found} stand \
             after the header"
        ));
    }
    Ok(header)
}

/// What a file holds, in the order in which it is written and hashed.
#[derive(Default)]
struct Content<'a> {
    metadata: BTreeMap<&'a str, &'a str>,
    tensors: BTreeMap<&'a str, (&'a [usize], &'a [f32])>,
}

impl<'a> Content<'a> {
    /// These tensors and metadata, and the entry `format`.
    fn new(
        tensors: &'a [(String, Vec<usize>, &[f32])],
        metadata: &'a [(&str, String)],
    ) -> Content<'a> {
        let mut content = Content::default();
        content.metadata.insert("format", "pt");
        content.metadata.extend(metadata.iter().map(|(key, text)| (*key, text.as_str())));
        for (name, shape, values) in tensors {
            assert_eq!(shape.iter().product::<usize>(), values.len(), "values of {name}");
            content.tensors.insert(name, (shape, values));
        }
        content
    }

    /// Writes the file's bytes, the checksum among them.
    fn write(&self, to: &mut impl Write) -> io::Result<()> {
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

        to.write_all(&(header.len() as u64).to_le_bytes())?;
        to.write_all(&header)?;
        self.tensors.values().try_for_each(|(_, values)| blocks(values, to))
    }

    fn checksum(&self) -> String {
        let mut checksum = Checksum::new(&self.metadata);
        for (name, (shape, values)) in &self.tensors {
            checksum.tensor(name, shape);
            blocks(values, &mut checksum).expect("a hash takes all");
        }
        checksum.text()
    }
}

/// The SHA-256 of a file: of the metadata's keys and texts, and the tensors' names, shapes and bytes,
/// each behind its length, so that nothing can pass for its neighbor.
struct Checksum(Sha256);

impl Checksum {
    fn new(metadata: &BTreeMap<&str, &str>) -> Checksum {
        let mut checksum = Checksum(Sha256::new());
        checksum.length(metadata.len());
        for (key, value) in metadata {
            checksum.words(key);
            checksum.words(value);
        }
        checksum
    }

    fn length(&mut self, n: usize) {
        self.0.update((n as u64).to_le_bytes());
    }

    fn words(&mut self, words: &str) {
        self.length(words.len());
        self.0.update(words);
    }

    /// A tensor, whose bytes are to follow.
    fn tensor(&mut self, name: &str, shape: &[usize]) {
        self.words(name);
        self.length(shape.len());
        shape.iter().for_each(|&side| self.length(side));
    }

    /// In hexadecimal.
    fn text(self) -> String {
        hexadecimal(self.0)
    }
}

/// The bytes of a tensor.
impl Write for Checksum {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The hash of all that was fed to it, as text.
pub(crate) fn hexadecimal(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Numbers converted at once.
const BLOCK: usize = 1024;

/// Bytes written at once.
const WRITTEN: usize = 1 << 20;

/// Writes `values` as little-endian bytes, block by block.
fn blocks(values: &[f32], to: &mut impl Write) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(4 * BLOCK);
    for block in values.chunks(BLOCK) {
        bytes.clear();
        bytes.extend(block.iter().flat_map(|x| x.to_le_bytes()));
        to.write_all(&bytes)?;
    }
    Ok(())
}

/// Reads `n` little-endian numbers of a type as f32, and says which type it was if it was another;
/// nothing, of a type that holds no floating-point numbers of two bytes or more.
fn numbers(
    from: &mut impl Read,
    dtype: Dtype,
    n: usize,
) -> io::Result<Option<(Vec<f32>, Option<&'static str>)>> {
    Ok(Some(match dtype {
        Dtype::F32 => (decoded(from, n, f32::from_le_bytes)?, None),
        Dtype::F16 => (decoded(from, n, |b| f16::from_le_bytes(b).to_f32())?, Some("F16")),
        Dtype::BF16 => (decoded(from, n, |b| bf16::from_le_bytes(b).to_f32())?, Some("BF16")),
        Dtype::F64 => (decoded(from, n, |b| f64::from_le_bytes(b) as f32)?, Some("F64")),
        _ => return Ok(None),
    }))
}

/// Reads `n` numbers of `N` bytes each.
fn decoded<const N: usize>(
    from: &mut impl Read,
    n: usize,
    decode: impl Fn([u8; N]) -> f32,
) -> io::Result<Vec<f32>> {
    let mut values = Vec::with_capacity(n);
    let mut buffer = vec![0; N * BLOCK];
    while values.len() < n {
        let bytes = &mut buffer[..N * (n - values.len()).min(BLOCK)];
        from.read_exact(bytes)?;
        values.extend(bytes.as_chunks().0.iter().map(|bytes| decode(*bytes)));
    }
    Ok(values)
}

#[cfg(test)]
mod tests;
