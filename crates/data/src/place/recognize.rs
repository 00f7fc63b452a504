//! What lies in a folder, by the content of its files.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use crate::{Error, cifar10, cifar100, file, folder, idx};

/// Records of a file whose labels are looked at to tell what it is.
const LOOKED_AT: u64 = 16;

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

pub(super) fn is_gzip(start: &[u8]) -> bool {
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

pub(super) fn is_named_officially(path: &Path) -> bool {
    cifar10::FILES.iter().any(|file| path.file_name().is_some_and(|name| name == file.name))
}
