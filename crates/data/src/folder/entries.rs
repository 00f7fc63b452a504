//! The files and folders of a folder, by name.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use crate::{Error, picture};

/// What macOS puts into every archive beside the real folder.
const NOISE: &str = "__MACOSX";

/// An entry of a folder.
pub(super) struct Entry {
    pub path: PathBuf,
    pub is_folder: bool,
    pub is_link: bool,
}

impl Entry {
    fn name(&self) -> &OsStr {
        self.path.file_name().unwrap_or_default()
    }
}

/// Whether an entry of this name is passed over without a word.
fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".") || name == NOISE
}

/// What a folder holds, by name, without what begins with a dot.
pub(super) fn entries(dir: &Path) -> Result<Vec<Entry>, Error> {
    let refuse = |reason| Error::Read { path: dir.to_owned(), reason };
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(refuse)? {
        let entry = entry.map_err(refuse)?;
        if !is_hidden(&entry.file_name()) {
            let is_link = entry.file_type().map_err(refuse)?.is_symlink();
            let path = entry.path();
            entries.push(Entry { is_folder: path.is_dir(), is_link, path });
        }
    }
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

/// The folders of a folder by their names.
pub(super) fn folders(dir: &Path) -> Result<BTreeMap<String, PathBuf>, Error> {
    let mut folders = BTreeMap::new();
    for entry in entries(dir)?.into_iter().filter(|entry| entry.is_folder) {
        let name = entry.name().to_str().filter(|name| !name.chars().any(char::is_control));
        let Some(name) = name else {
            return Err(place(
                dir,
                format!(
                    "holds a folder {:?}: rename it in plain UTF-8, for that is the name of a class",
                    entry.name()
                ),
            ));
        };
        folders.insert(name.to_owned(), entry.path.clone());
    }
    Ok(folders)
}

/// The pictures that lie directly in a folder, in the order of their names; also those that cannot be
/// read, such as a link to nothing.
///
/// # Errors
/// If the folder cannot be read.
pub fn pictures(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let files = entries(dir)?.into_iter().filter(|entry| !entry.is_folder).map(|entry| entry.path);
    Ok(files.filter(|path| picture::is_meant(path)).collect())
}

/// Whether a folder may be one of classes: there are folders in it.
///
/// # Errors
/// If it cannot be read.
pub(crate) fn may_be(dir: &Path) -> io::Result<bool> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if !is_hidden(&entry.file_name()) && entry.path().is_dir() {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(super) fn place(path: &Path, problem: String) -> Error {
    Error::Place { path: path.to_owned(), problem }
}

/// "1 picture", "2 pictures".
pub(super) fn count(n: usize) -> String {
    if n == 1 { "1 picture".into() } else { format!("{n} pictures") }
}

/// A list of names for a sentence, cut short if it is long.
pub(super) fn some<'a>(names: impl ExactSizeIterator<Item = &'a String>) -> String {
    let more = names.len().saturating_sub(5);
    let first: Vec<&str> = names.take(5).map(String::as_str).collect();
    let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
    first.join(", ") + &tail
}
