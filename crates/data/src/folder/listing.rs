//! What lies in a folder, by its names alone: parts, classes, pictures.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::{Error, picture};

/// Labels are bytes.
const MOST_CLASSES: usize = 256;

/// Names of folders that hold a part of the set.
const TRAIN: &str = "train";
const TEST: &str = "test";
const VALIDATION: [&str; 3] = ["val", "valid", "validation"];

/// What a folder says a picture is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The split decides.
    Either,
    Train,
    Test,
}

/// A picture of the folder.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    pub path: PathBuf,
    /// From the folder on, with `/` between the parts.
    pub name: Vec<u8>,
    pub class: u8,
    pub part: Part,
}

/// What lies in a folder, by its names alone.
pub(super) struct Listing {
    pub dir: PathBuf,
    pub classes: Vec<String>,
    /// By name.
    pub pictures: Vec<Picture>,
    /// Files that are no pictures.
    others: Vec<PathBuf>,
    /// What a person should know of how the folder was taken.
    pub notes: Vec<String>,
}

/// An entry of a folder.
struct Entry {
    path: PathBuf,
    is_folder: bool,
    is_link: bool,
}

impl Entry {
    fn name(&self) -> &std::ffi::OsStr {
        self.path.file_name().unwrap_or_default()
    }
}

/// What a folder holds, by name, without what begins with a dot.
fn entries(dir: &Path) -> Result<Vec<Entry>, Error> {
    let refuse = |reason| Error::Read { path: dir.to_owned(), reason };
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(refuse)? {
        let entry = entry.map_err(refuse)?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            let is_link = entry.file_type().map_err(refuse)?.is_symlink();
            let path = entry.path();
            entries.push(Entry { is_folder: path.is_dir(), is_link, path });
        }
    }
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

/// The folders of a folder by their names.
fn folders(dir: &Path) -> Result<BTreeMap<String, PathBuf>, Error> {
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

pub(super) fn place(path: &Path, problem: String) -> Error {
    Error::Place { path: path.to_owned(), problem }
}

/// A list of names for a sentence, cut short if it is long.
fn some<'a>(names: impl ExactSizeIterator<Item = &'a String>) -> String {
    let more = names.len().saturating_sub(5);
    let first: Vec<&str> = names.take(5).map(String::as_str).collect();
    let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
    first.join(", ") + &tail
}

impl Listing {
    pub fn of(dir: &Path) -> Result<Listing, Error> {
        let top = folders(dir)?;
        let test = [TEST].iter().chain(&VALIDATION).find(|name| top.contains_key(**name));
        let has_parts = match (top.get(TRAIN), test) {
            // Or these are two classes, of those names.
            (Some(train), Some(_)) => !folders(train)?.is_empty(),
            _ => false,
        };
        let mut notes = Vec::new();
        let mut parts = vec![(dir.to_owned(), Part::Either)];
        if let (true, Some(&test)) = (has_parts, test) {
            parts = vec![(dir.join(TRAIN), Part::Train), (dir.join(test), Part::Test)];
            let named = |name: &String| name == TRAIN || name == test;
            for name in top.keys().filter(|name| !named(name)) {
                if !VALIDATION.contains(&name.as_str()) {
                    return Err(place(
                        dir,
                        format!("holds {name} beside {TRAIN} and {test}: expected those two alone"),
                    ));
                }
                parts.push((dir.join(name), Part::Train));
                notes.push(format!(
                    "the pictures of {name} join those of {TRAIN}: --validation sets some of both aside"
                ));
            }
        }
        let classes = classes(dir, &parts)?;
        let mut listing =
            Listing { dir: dir.to_owned(), classes, pictures: vec![], others: vec![], notes };
        for (folder, part) in parts {
            for class in 0..listing.classes.len() {
                let name = &listing.classes[class];
                let within = folder.join(name);
                let before = listing.pictures.len();
                listing.walk(&within, class as u8, part)?;
                if listing.pictures.len() == before {
                    return Err(place(
                        &within,
                        "holds no PNG and no JPEG: fill it, or remove it".into(),
                    ));
                }
            }
        }
        if !listing.others.is_empty() {
            listing.notes.push(format!(
                "{} file{} no picture and left aside: {}{}",
                listing.others.len(),
                if listing.others.len() == 1 { " is" } else { "s are" },
                listing.others[0].display(),
                if listing.others.len() > 1 { ", ..." } else { "" }
            ));
        }
        Ok(listing)
    }

    /// Adds the pictures of a folder, and of those in it.
    fn walk(&mut self, folder: &Path, class: u8, part: Part) -> Result<(), Error> {
        for Entry { path, is_folder, is_link } in entries(folder)? {
            if is_folder && !is_link {
                self.walk(&path, class, part)?;
            } else if is_folder || !picture::is_meant(&path) {
                // A link to a folder might lead round in a circle.
                self.others.push(path);
            } else {
                let parts = path.strip_prefix(&self.dir).unwrap_or(&path).iter();
                let parts: Vec<&[u8]> = parts.map(|part| part.as_encoded_bytes()).collect();
                self.pictures.push(Picture { name: parts.join(&b'/'), class, part, path });
            }
        }
        Ok(())
    }
}

/// The classes of all parts, in their order.
fn classes(dir: &Path, parts: &[(PathBuf, Part)]) -> Result<Vec<String>, Error> {
    let mut of_parts = Vec::new();
    for (folder, _) in parts {
        of_parts.push((folder, folders(folder)?.into_keys().collect::<Vec<_>>()));
    }
    let (first, classes) = of_parts.swap_remove(0);
    for (other, names) in of_parts {
        let lacks = |these: &[String], those: &[String]| {
            these.iter().find(|name| !those.contains(name)).cloned()
        };
        for (a, b, lacking) in
            [(first, other, lacks(&classes, &names)), (other, first, lacks(&names, &classes))]
        {
            if let Some(name) = lacking {
                return Err(place(
                    a,
                    format!(
                        "has a class {name}, and {} has not: expected the same classes",
                        b.display()
                    ),
                ));
            }
        }
    }
    match classes.len() {
        0 => {
            let files = entries(dir)?;
            let pictures = files.iter().filter(|entry| picture::is_meant(&entry.path)).count();
            Err(place(
                dir,
                format!(
                    "holds {pictures} pictures and no folder: put those of each class into a folder that \
                     is named after it"
                ),
            ))
        }
        1 => Err(place(
            dir,
            format!("holds one class, {}: expected at least two to tell apart", classes[0]),
        )),
        n if n > MOST_CLASSES => Err(place(
            dir,
            format!(
                "holds {n} folders, {}: at most {MOST_CLASSES} classes can be told apart",
                some(classes.iter())
            ),
        )),
        _ => Ok(classes),
    }
}

/// Whether a folder may be one of classes: there are folders in it.
///
/// # Errors
/// If it cannot be read.
pub(crate) fn may_be(dir: &Path) -> io::Result<bool> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") && entry.path().is_dir() {
            return Ok(true);
        }
    }
    Ok(false)
}
