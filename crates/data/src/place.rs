//! A place of images, told by what lies there and not by its name.
//!
//! | what lies there | how it is told | read by |
//! | --- | --- | --- |
//! | CIFAR-10 | files of 10,000 records of 3073 bytes, labels below 10 | [`cifar10`] |
//! | CIFAR-100 | files of whole records of 3074 bytes, labels below 20 and 100 | [`cifar100`] |
//! | MNIST, Fashion-MNIST and others of their kind | the first four bytes, packed by gzip or not | [`idx`] |
//! | pictures | folders in it | [`folder`] |
//!
//! Which of the files is to train on is told by their sizes or checksums.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use crate::{Dataset, Error, Size, cifar10, cifar100, file, folder, idx};

/// Records of a file whose labels are looked at to tell what it is.
const LOOKED_AT: u64 = 16;

/// How a place is read.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// The size that pictures are brought to.
    pub resize: Option<Size>,
    /// Whether pictures that cannot be read are left out.
    pub skip_broken: bool,
    /// Decides which pictures test, where the place does not.
    pub seed: u64,
    /// Threads that read pictures; the result does not depend on it.
    pub threads: usize,
    /// Bytes of memory that the pixels may take, where that is known.
    pub memory: Option<u64>,
}

/// Hears, from any thread, what is being done, and how many of how many are.
pub type Progress<'a> = &'a (dyn Fn(&str, usize, usize) + Sync);

/// What was read.
#[derive(Debug)]
pub struct Loaded {
    /// The images.
    pub dataset: Dataset,
    /// What a person should know of how the place was taken, a sentence each.
    pub notes: Vec<String>,
    /// The pictures that were left out, each with the reason.
    pub skipped: Vec<Error>,
}

/// What lies in a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contents {
    /// Files of CIFAR-10, under the official names or others.
    Cifar10(Vec<PathBuf>),
    /// Files of CIFAR-100.
    Cifar100(Vec<PathBuf>),
    /// IDX files.
    Idx(Vec<PathBuf>),
    /// Folders, of pictures it must be.
    Folder,
}

/// Looks what lies in a folder.
///
/// # Errors
/// If it is no folder, or holds nothing that is known, or two kinds at once.
pub fn recognize(dir: &Path) -> Result<Contents, Error> {
    let refuse = |problem: String| Error::Place { path: dir.to_owned(), problem };
    let failed = |reason: std::io::Error| match reason.kind() {
        ErrorKind::NotFound => refuse("is not there: expected a folder of images".into()),
        ErrorKind::NotADirectory => refuse("is no folder: name the one that it lies in".into()),
        _ => Error::Read { path: dir.to_owned(), reason },
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    let (mut cifar10, mut cifar100, mut idx) = (vec![], vec![], vec![]);
    for path in &files {
        match kind(path)? {
            Some(Kind::Cifar10) => cifar10.push(path.clone()),
            Some(Kind::Cifar100) => cifar100.push(path.clone()),
            Some(Kind::Idx) => idx.push(path.clone()),
            None => {}
        }
    }
    match [cifar10.len(), cifar100.len(), idx.len()] {
        // A damaged file is still meant, and its reader says what is wrong with it.
        [0, 0, 0] if files.iter().any(|path| is_named_officially(path)) => {
            Ok(Contents::Cifar10(files))
        }
        [0, 0, 0] if folder::may_be(dir).map_err(failed)? => Ok(Contents::Folder),
        [0, 0, 0] => Err(refuse(format!(
            "holds {} and no folder: expected the binary files of CIFAR-10 or CIFAR-100, the IDX files of \
             MNIST or Fashion-MNIST, or a folder of pictures for each class",
            match files.len() {
                0 => "nothing".to_owned(),
                1 => "one file".to_owned(),
                n => format!("{n} files"),
            }
        ))),
        [_, 0, 0] => Ok(Contents::Cifar10(cifar10)),
        [0, _, 0] => Ok(Contents::Cifar100(cifar100)),
        [0, 0, _] => Ok(Contents::Idx(idx)),
        [tens, hundreds, arrays] => Err(refuse(format!(
            "holds files of several sets, {tens} of CIFAR-10, {hundreds} of CIFAR-100 and {arrays} of IDX: \
             give each set a folder of its own"
        ))),
    }
}

/// The formats of single files.
enum Kind {
    Cifar10,
    Cifar100,
    Idx,
}

/// What a file is by its first bytes and its length, if it is known.
fn kind(path: &Path) -> Result<Option<Kind>, Error> {
    let failed = |reason| Error::Read { path: path.to_owned(), reason };
    let (mut file, length) = file::open(path).map_err(failed)?;
    let mut start = Vec::new();
    file.by_ref().take(4).read_to_end(&mut start).map_err(failed)?;
    if is_gzip(&start) {
        file.rewind().map_err(failed)?;
        let mut unpacked = Vec::new();
        // What cannot be unpacked is none of ours.
        let _ = MultiGzDecoder::new(file).take(4).read_to_end(&mut unpacked);
        return Ok(idx::is_array(&unpacked).then_some(Kind::Idx));
    }
    if idx::is_array(&start) {
        return Ok(Some(Kind::Idx));
    }
    let official = (cifar10::RECORDS * cifar10::RECORD) as u64;
    let is_cifar10 =
        length == official && are_records(&mut file, length, &cifar10::LIMITS).map_err(failed)?;
    let is_cifar100 = !is_cifar10
        && length > 0
        && length.is_multiple_of(cifar100::RECORD as u64)
        && are_records(&mut file, length, &cifar100::LIMITS).map_err(failed)?;
    Ok(match (is_cifar10, is_cifar100) {
        (true, _) => Some(Kind::Cifar10),
        (_, true) => Some(Kind::Cifar100),
        _ => None,
    })
}

fn is_gzip(start: &[u8]) -> bool {
    start.starts_with(&[0x1f, 0x8b])
}

/// Whether the first records of a file have labels below `limits`.
fn are_records(file: &mut File, length: u64, limits: &[usize]) -> std::io::Result<bool> {
    let record = (limits.len() + cifar10::SHAPE.dim()) as u64;
    for at in (0..length).step_by(record as usize).take(LOOKED_AT as usize) {
        file.seek(SeekFrom::Start(at))?;
        let mut labels = vec![0; limits.len()];
        file.read_exact(&mut labels)?;
        if labels.iter().zip(limits).any(|(&label, &limit)| usize::from(label) >= limit) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Reads whatever lies in a folder.
///
/// # Errors
/// As [`recognize`], and as the reader of what is found there.
pub fn read(dir: &Path, reading: &Reading, progress: Progress) -> Result<Loaded, Error> {
    let dataset = match recognize(dir)? {
        Contents::Folder => return folder::read(dir, reading, progress),
        Contents::Cifar10(files) if files.iter().any(|file| is_named_officially(file)) => {
            cifar10::read(dir)?
        }
        Contents::Cifar10(files) => cifar10::read_renamed(&files)?,
        Contents::Cifar100(files) => cifar100::read(&files)?,
        Contents::Idx(files) => {
            let arrays = files.into_iter().map(|path| Ok((path.clone(), read_array(&path)?)));
            idx::dataset(dir, arrays.collect::<Result<_, Error>>()?)?
        }
    };
    if reading.resize.is_some() {
        return Err(Error::Place {
            path: dir.to_owned(),
            problem: format!(
                "holds {}, whose images have one size: leave --resize out",
                dataset.name
            ),
        });
    }
    Ok(Loaded { dataset, notes: vec![], skipped: vec![] })
}

fn is_named_officially(path: &Path) -> bool {
    cifar10::FILES.iter().any(|file| path.file_name().is_some_and(|name| name == file.name))
}

/// Reads an IDX file, packed by gzip or not.
fn read_array(path: &Path) -> Result<idx::Array, Error> {
    let failed = |reason| Error::Read { path: path.to_owned(), reason };
    let (mut file, _) = file::open(path).map_err(failed)?;
    let mut start = Vec::new();
    file.by_ref().take(2).read_to_end(&mut start).map_err(failed)?;
    file.rewind().map_err(failed)?;
    if is_gzip(&start) {
        idx::read(MultiGzDecoder::new(std::io::BufReader::new(file)), path)
    } else {
        idx::read(std::io::BufReader::new(file), path)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use tempfile::TempDir;

    use super::*;

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
        assert_eq!(
            refusal(&dir.path().join("none")),
            "DIR is not there: expected a folder of images"
        );
        assert_eq!(
            refusal(&dir.path().join("text")),
            "DIR is no folder: name the one that it lies in"
        );
        fs::write(dir.path().join("labels"), array(&[1], &[1])).unwrap();
        fs::write(dir.path().join("train"), [0; 3074]).unwrap();
        assert!(
            refusal(dir.path()).starts_with("DIR holds files of several sets, 0 of CIFAR-10, 1 of")
        );
    }

    #[test]
    fn cifar10_under_other_names_is_found_by_its_checksums() {
        use crate::cifar10::tests::datasets;
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
}
