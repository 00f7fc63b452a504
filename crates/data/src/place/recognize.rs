//! What lies in a place, by the content of its files.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::formats::sniff::{Kind, below, hint_of_level, is_named_officially, kind};
use crate::{Error, folder, picture};

/// What is said of the MATLAB version.
pub(super) const MATLAB: &str = "holds MATLAB files (.mat), which are not read: take the binary or the Python version of the set";

/// What is said of an archive that is not read.
const OTHER_ARCHIVE: &str =
    "an archive that is not read (.tar and .tar.gz are): unpack it, and name the folder";

/// What lies in a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contents {
    /// Files of CIFAR-10, under the official names or others.
    Cifar10(Vec<PathBuf>),
    /// Files of CIFAR-100.
    Cifar100(Vec<PathBuf>),
    /// Files of either set in the Python version.
    CifarPython(Vec<PathBuf>),
    /// The archive of either set, in either version.
    Archive,
    /// IDX files.
    Idx(Vec<PathBuf>),
    /// Folders, of pictures it must be.
    Folder,
}

/// Looks what lies in a folder, or what a file is.
///
/// # Errors
/// If it holds nothing that is known, or several kinds at once.
pub fn recognize(place: &Path) -> Result<Contents, Error> {
    let refuse = |problem: String| Error::Place { path: place.to_owned(), problem };
    let failed = |reason: io::Error| match reason.kind() {
        ErrorKind::NotFound => refuse("is not there: expected a folder of images".into()),
        ErrorKind::NotADirectory => refuse("is no folder: name the one that it lies in".into()),
        _ => Error::Read { path: place.to_owned(), reason },
    };
    if place.is_file() {
        return file(place);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(place).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    let mut kinds = Vec::new();
    for path in &files {
        kinds.push(kind(path)?);
    }
    let of = |kind: Kind| -> Vec<PathBuf> {
        let both = files.iter().zip(&kinds);
        both.filter(|(_, of)| **of == Some(kind)).map(|(path, _)| path.clone()).collect()
    };
    let sets =
        [Kind::Cifar10, Kind::Cifar100, Kind::Python, Kind::Idx].map(|kind| (kind, of(kind)));
    let mut found = sets.into_iter().filter(|(_, files)| !files.is_empty());
    match (found.next(), found.next()) {
        (Some((Kind::Cifar10, files)), None) => Ok(Contents::Cifar10(files)),
        (Some((Kind::Cifar100, files)), None) => Ok(Contents::Cifar100(files)),
        (Some((Kind::Python, files)), None) => Ok(Contents::CifarPython(files)),
        (Some((_, files)), None) => Ok(Contents::Idx(files)),
        (Some((first, ones)), Some((second, others))) => Err(refuse(format!(
            "holds files of several sets, {} of {} and {} of {}: give each set a folder of its own",
            ones.len(),
            first.name(),
            others.len(),
            second.name()
        ))),
        // A damaged file is still meant, and its reader says what is wrong with it.
        (None, _) if files.iter().any(|path| is_named_officially(path)) => {
            Ok(Contents::Cifar10(files))
        }
        (None, _) if kinds.contains(&Some(Kind::Matlab)) => Err(refuse(MATLAB.into())),
        (None, _) if kinds == [Some(Kind::OtherArchive)] => {
            Err(refuse(format!("holds {OTHER_ARCHIVE}")))
        }
        (None, _) => match hint_of_level(place) {
            Some(hint) => Err(refuse(format!("holds no images itself, and {hint}"))),
            None if folder::may_be(place).map_err(failed)? => Ok(Contents::Folder),
            None => Err(refuse(nothing(place, &files, &of(Kind::Archive)))),
        },
    }
}

/// A folder below this one that holds CIFAR-10 in either version, if there is one.
pub fn cifar10_below(dir: &Path) -> Option<PathBuf> {
    let is_set = |kind: &Kind| matches!(kind, Kind::Cifar10 | Kind::Python);
    below(dir).into_iter().find(|(_, kind)| is_set(kind)).map(|(path, _)| path)
}

/// What a file is that was named in the place of a folder.
fn file(path: &Path) -> Result<Contents, Error> {
    let refuse = |problem: String| Error::Place { path: path.to_owned(), problem };
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.display().to_string(),
        _ => ".".into(),
    };
    match kind(path)? {
        Some(Kind::Archive) => Ok(Contents::Archive),
        Some(Kind::Matlab) => Err(refuse(MATLAB.replace("holds MATLAB files (.mat), which are", "is a MATLAB file, which is"))),
        Some(Kind::OtherArchive) => Err(refuse(format!("is {OTHER_ARCHIVE}"))),
        Some(kind) => Err(refuse(format!(
            "belongs to a set ({}): name the folder that it lies in, {folder}",
            kind.name()
        ))),
        None if picture::is_meant(path) => Err(refuse(
            "is a picture: name the folder in which those of the classes lie".into(),
        )),
        None => Err(refuse(
            "is neither a folder nor an archive of CIFAR-10 or CIFAR-100: name the folder that it lies in"
                .into(),
        )),
    }
}

/// What is said of a folder without images.
fn nothing(place: &Path, files: &[PathBuf], archives: &[PathBuf]) -> String {
    if let [archive] = archives {
        return format!("holds an archive and no folder: name {}", archive.display());
    }
    let pictures = files.iter().filter(|path| picture::is_meant(path)).count();
    let absolute = std::path::absolute(place).unwrap_or_else(|_| place.to_owned());
    if let (true, Some(above)) = (pictures > 0, absolute.parent()) {
        return format!(
            "holds {pictures} pictures and no folder: if it is one class of several, name the folder above \
             it, {}; else put the pictures of each class into a folder that is named after it",
            above.display()
        );
    }
    format!(
        "holds {} and no folder: expected the files of CIFAR-10 or CIFAR-100 (the binary or the Python \
         version, or its archive), the IDX files of MNIST or Fashion-MNIST, or a folder of pictures for \
         each class",
        match files.len() {
            0 => "nothing".to_owned(),
            1 => "one file".to_owned(),
            n => format!("{n} files"),
        }
    )
}
