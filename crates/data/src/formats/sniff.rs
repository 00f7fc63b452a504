//! What a file is, by its first bytes and its length, and where such files lie.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use super::{cifar10, cifar100, idx, pickle};
use crate::{Error, file};

/// Records of a file whose labels are looked at to tell what it is.
const LOOKED_AT: u64 = 16;

/// Bytes at the beginning of a file that tell what it is: a tar archive says so behind 257.
const START: u64 = 512;

/// Smallest file of CIFAR's Python version under another name, in bytes.
const LEAST_PICKLE: u64 = 1 << 20;

/// The first bytes of archives and packed files that are not read: zip, xz, bzip2, zstd, 7z, rar.
const OTHER_ARCHIVES: [&[u8]; 6] =
    [b"PK\x03\x04", b"\xfd7zXZ\0", b"BZh", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf\x27\x1c", b"Rar!"];

/// The formats of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Cifar10,
    Cifar100,
    /// Of either set.
    Python,
    Matlab,
    Idx,
    /// Tar, gzipped or not.
    Archive,
    /// Zip, xz, bzip2, zstd, 7z or rar, none of which is read.
    OtherArchive,
}

impl Kind {
    /// What a folder of such files holds, for a message.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Cifar10 => "the files of CIFAR-10",
            Kind::Cifar100 => "the files of CIFAR-100",
            Kind::Python => "CIFAR's Python version",
            Kind::Matlab => "MATLAB files",
            Kind::Idx => "IDX files",
            Kind::Archive => "an archive",
            Kind::OtherArchive => "an archive of another kind",
        }
    }

    /// Whether images are read from it.
    pub fn is_read(self) -> bool {
        !matches!(self, Kind::Matlab | Kind::OtherArchive)
    }
}

/// What a file is, if it is known.
///
/// # Errors
/// If it cannot be read.
pub(crate) fn kind(path: &Path) -> Result<Option<Kind>, Error> {
    let failed = |reason| Error::Read { path: path.to_owned(), reason };
    let (mut file, length) = file::open(path).map_err(failed)?;
    let mut start = Vec::new();
    file.by_ref().take(START).read_to_end(&mut start).map_err(failed)?;
    if is_gzip(&start) {
        file.rewind().map_err(failed)?;
        // What can be unpacked of it: it may be cut short, and its reader says so.
        let mut start = Vec::new();
        let _ = MultiGzDecoder::new(file).take(START).read_to_end(&mut start);
        let is_archive = is_tar(&start) || has_ending(path, &["tar.gz", "tgz"]);
        let is_idx = idx::is_array(&start);
        return Ok(is_idx.then_some(Kind::Idx).or(is_archive.then_some(Kind::Archive)));
    }
    if pickle::is_pickle(&start) {
        let is_large = length >= LEAST_PICKLE;
        return Ok((is_large || is_named_as_python(path)).then_some(Kind::Python));
    }
    let official = (cifar10::RECORDS * cifar10::RECORD) as u64;
    let mut are = |limits: &[usize]| are_records(&mut file, length, limits).map_err(failed);
    Ok(match () {
        () if length == official && are(&cifar10::LIMITS)? => Some(Kind::Cifar10),
        () if idx::is_array(&start) => Some(Kind::Idx),
        () if is_tar(&start) => Some(Kind::Archive),
        () if start.starts_with(b"MATLAB") => Some(Kind::Matlab),
        () if OTHER_ARCHIVES.iter().any(|magic| start.starts_with(magic)) => {
            Some(Kind::OtherArchive)
        }
        () if length > 0
            && length.is_multiple_of(cifar100::RECORD as u64)
            && are(&cifar100::LIMITS)? =>
        {
            Some(Kind::Cifar100)
        }
        () => None,
    })
}

/// Whether a file that begins so is gzipped.
pub(crate) fn is_gzip(start: &[u8]) -> bool {
    start.starts_with(&[0x1f, 0x8b])
}

fn is_tar(start: &[u8]) -> bool {
    start.get(257..262) == Some(b"ustar")
}

fn has_ending(path: &Path, endings: &[&str]) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    endings.iter().any(|ending| name.ends_with(&format!(".{ending}")))
}

/// Whether a file has a name of CIFAR-10's binary version.
pub(crate) fn is_named_officially(path: &Path) -> bool {
    cifar10::FILES.iter().any(|file| path.file_name().is_some_and(|name| name == file.name))
}

/// Whether a file has a name of either set in the Python version.
fn is_named_as_python(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    let stems = cifar10::FILES.iter().filter_map(|file| file.name.strip_suffix(".bin"));
    stems.chain(["train", "test"]).any(|stem| name == stem)
}

/// Whether the first records of a file have labels below `limits`.
fn are_records(file: &mut File, length: u64, limits: &[usize]) -> io::Result<bool> {
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

/// The folders below `dir`, up to two levels, that hold files of a set, and what these are.
pub(crate) fn below(dir: &Path) -> Vec<(PathBuf, Kind)> {
    /// Folders and files of each that are looked at: a set has a few files, a class thousands.
    const FOLDERS: usize = 40;
    const FILES: usize = 20;
    fn look(dir: &Path, levels: usize, found: &mut Vec<(PathBuf, Kind)>) {
        let mut paths: Vec<PathBuf> =
            std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()).collect();
        paths.sort();
        let folders = paths.iter().filter(|path| path.is_dir() && !path.is_symlink());
        for folder in folders.take(FOLDERS) {
            let files = std::fs::read_dir(folder).into_iter().flatten().flatten().take(FILES);
            let mut kinds =
                files.filter(|e| e.path().is_file()).filter_map(|e| kind(&e.path()).ok()?);
            match kinds.find(|kind| *kind != Kind::Archive) {
                Some(kind) => found.push((folder.clone(), kind)),
                None if levels > 1 => look(folder, levels - 1, found),
                None => {}
            }
        }
    }
    let mut found = Vec::new();
    look(dir, 2, &mut found);
    found
}

/// What lies below a folder, for a message: "DIR/a holds IDX files: name it".
pub(crate) fn hint_of_level(dir: &Path) -> Option<String> {
    let found: Vec<_> = below(dir).into_iter().filter(|(_, kind)| kind.is_read()).collect();
    let each = found
        .iter()
        .take(3)
        .map(|(path, kind)| format!("{} holds {}", path.display(), kind.name()));
    let remedy = if found.len() > 1 { "name one of them" } else { "name that folder" };
    (!found.is_empty()).then(|| format!("{}: {remedy}", each.collect::<Vec<_>>().join(", ")))
}
