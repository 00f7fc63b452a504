//! What lies in a folder, by its names alone: parts, classes, pictures.

use std::path::{Path, PathBuf};

use super::entries::{Entry, count, entries, folders, pictures, place, some};
use super::parts::{Part, Parts, note_of_siblings};
use crate::{Error, picture};

/// Labels are bytes.
const MOST_CLASSES: usize = 256;

/// How deep classes are looked for, below a folder that holds a single one.
const LEVELS: usize = 3;

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
    /// Notes for the user on how the folder was read.
    pub notes: Vec<String>,
}

impl Listing {
    pub fn of(dir: &Path) -> Result<Listing, Error> {
        let top = folders(dir)?;
        let Parts { folders: parts, mut notes } = Parts::of(dir, &top)?;
        if let [(_, Part::Either)] = parts[..] {
            notes.extend(note_of_siblings(dir));
        }
        let classes = classes(dir, &parts)?;
        let mut listing =
            Listing { dir: dir.to_owned(), classes, pictures: vec![], others: vec![], notes };
        let part_folders: Vec<PathBuf> = match &parts[..] {
            [(_, Part::Either)] => vec![],
            parts => parts.iter().map(|(folder, _)| folder.clone()).collect(),
        };
        for (folder, part) in parts {
            for class in 0..listing.classes.len() {
                let name = &listing.classes[class];
                let within = folder.join(name);
                let before = listing.pictures.len();
                listing.walk(&within, class as u8, part)?;
                if listing.pictures.len() == before {
                    return Err(empty_class(&within)?);
                }
            }
        }
        listing.notes.extend(left_aside(&listing.others, "is no picture", "are no pictures"));
        let mut stray = vec![];
        for folder in std::iter::once(&listing.dir).chain(part_folders.iter()) {
            stray.extend(pictures(folder)?);
        }
        stray.dedup();
        listing.notes.extend(left_aside(
            &stray,
            "is a picture that lies beside the folders of the classes, has no class",
            "are pictures that lie beside the folders of the classes, have no class",
        ));
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
        0 => Err(no_classes(dir)?),
        1 => Err(one_class(dir, &classes[0])?),
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

/// A note on files that are left aside, if there are any.
fn left_aside(files: &[PathBuf], one: &str, several: &str) -> Option<String> {
    let first = files.first()?.display();
    Some(match files.len() {
        1 => format!("1 file {one} and is left aside: {first}"),
        n => format!("{n} files {several} and are left aside: {first}, ..."),
    })
}

/// Why a folder without folders is none of classes; it may be one class, of a set that lies above.
fn no_classes(dir: &Path) -> Result<Error, Error> {
    let found = pictures(dir)?.len();
    let absolute = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    let above =
        absolute.parent().filter(|above| found > 0 && folders(above).is_ok_and(|f| f.len() > 1));
    let remedy = match above {
        Some(above) => format!(
            "if it is one class of several, name the folder above it, {}; else put the pictures of each \
             class into a folder that is named after it",
            above.display()
        ),
        None => "put those of each class into a folder that is named after it".into(),
    };
    Ok(place(dir, format!("holds {} and no folder: {remedy}", count(found))))
}

/// Why a folder with a single folder in it is none of classes; the classes may lie one level lower.
fn one_class(dir: &Path, name: &str) -> Result<Error, Error> {
    let mut within = dir.join(name);
    let mut below = folders(&within)?;
    // One folder in another, as archives are often unpacked; a class has no such depth.
    for _ in 0..LEVELS {
        let (1, Some(only)) = (below.len(), below.values().next()) else { break };
        within = only.clone();
        below = folders(&within)?;
    }
    Ok(place(
        dir,
        match below.len() {
            0 | 1 => format!("holds one class, {name}: expected at least two to tell apart"),
            _ => format!(
                "holds one folder, {name}; {} lie in {}: name that one",
                some(below.keys()),
                within.display()
            ),
        },
    ))
}

/// What is wrong with a class without pictures.
fn empty_class(dir: &Path) -> Result<Error, Error> {
    let files = entries(dir)?.into_iter().filter(|entry| !entry.is_folder).count();
    Ok(place(dir, format!("holds no picture ({files} other files): fill it, or remove it")))
}
