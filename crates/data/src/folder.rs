//! A folder of pictures, with one folder a class: `photos/cat/1.jpg`, `photos/dog/7.png`.
//!
//! The classes are the names of the folders, in their order. A picture is any PNG or JPEG in them,
//! or in folders within them, whatever its name; a file whose name ends as a picture's does and that
//! is none is broken, and everything else (text, `Thumbs.db`) is left aside. What begins with a dot
//! is not seen at all.
//!
//! If there are folders `train` and `test` (or `val` for it) that hold the classes, they are the
//! parts; with all three, `val` joins `train`, for a run sets validation images aside by itself. Else
//! a fifth of each class, rounded, at least one picture, is the test part. A picture's place is
//! decided by the MD5 of the seed and of its name: in each class those of the least digests test, and
//! in this order images stand in the set, so that classes are mixed. So the parts are the same on
//! every machine, and a picture more or less leaves the others where they were.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use md5::{Digest, Md5};

use crate::parallel::in_order;
use crate::photo::{self, Header};
use crate::place::{Loaded, Progress, Reading};
use crate::{Dataset, Error, Images, Shape, Size};

/// Labels are bytes.
const MOST_CLASSES: usize = 256;

/// Of how many pictures of a class one is for the test.
const TEST_SHARE: usize = 5;

/// Names of folders that hold a part of the set.
const TRAIN: &str = "train";
const TEST: &str = "test";
const VALIDATION: [&str; 3] = ["val", "valid", "validation"];

/// What a folder says a picture is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// The split decides.
    Either,
    Train,
    Test,
}

/// A picture of the folder.
#[derive(Clone, Debug)]
struct Picture {
    path: PathBuf,
    /// From the folder on, with `/` between the parts.
    name: Vec<u8>,
    class: u8,
    part: Part,
}

/// What lies in a folder, by its names alone.
struct Listing {
    dir: PathBuf,
    classes: Vec<String>,
    /// By name.
    pictures: Vec<Picture>,
    /// Files that are no pictures.
    others: Vec<PathBuf>,
    /// What a person should know of how the folder was taken.
    notes: Vec<String>,
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

fn place(path: &Path, problem: String) -> Error {
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
    fn of(dir: &Path) -> Result<Listing, Error> {
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
            } else if is_folder || !photo::is_meant(&path) {
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

    /// The pictures to train on and those to test with, each in the order of the set.
    fn split(&self, seed: u64) -> Result<[Vec<&Picture>; 2], Error> {
        let digest = |picture: &Picture| -> [u8; 16] {
            Md5::new()
                .chain_update(seed.to_le_bytes())
                .chain_update(&picture.name)
                .finalize()
                .into()
        };
        let mut ordered: Vec<_> = self.pictures.iter().map(|p| (digest(p), p)).collect();
        ordered.sort_by(|(a, p), (b, q)| (a, &p.name).cmp(&(b, &q.name)));
        let mut of_class = vec![0usize; self.classes.len()];
        ordered.iter().for_each(|(_, picture)| of_class[usize::from(picture.class)] += 1);
        let mut for_test: Vec<usize> =
            of_class.iter().map(|n| ((n + TEST_SHARE / 2) / TEST_SHARE).max(1)).collect();
        let [mut train, mut test] = [vec![], vec![]];
        for (_, picture) in ordered {
            let class = usize::from(picture.class);
            let tests = match picture.part {
                Part::Either => for_test[class] > 0,
                part => part == Part::Test,
            };
            if tests { &mut test } else { &mut train }.push(picture);
            for_test[class] = for_test[class].saturating_sub(1);
        }
        let lacks = |class: &usize| !train.iter().any(|p| usize::from(p.class) == *class);
        match (0..self.classes.len()).find(lacks) {
            Some(class) => Err(place(
                &self.dir.join(&self.classes[class]),
                "holds one picture: expected at least two, one to train on and one to test with"
                    .into(),
            )),
            None => Ok([train, test]),
        }
    }

    /// The headers of all pictures, or what is wrong with them.
    fn headers(&self, threads: usize, progress: Progress) -> Vec<Result<Header, Error>> {
        let counted = Counted::new("looking at the pictures", self.pictures.len(), progress);
        in_order(threads, self.pictures.iter(), |picture| {
            counted.after(photo::header(&picture.path))
        })
    }

    /// The name of a picture within the folder.
    fn within<'a>(&self, picture: &'a Picture) -> std::path::Display<'a> {
        picture.path.strip_prefix(&self.dir).unwrap_or(&picture.path).display()
    }

    /// The shape that the images will have.
    fn shape(
        &self,
        headers: &[Result<Header, Error>],
        resize: Option<Size>,
    ) -> Result<Shape, Error> {
        let whole = || {
            let both = self.pictures.iter().zip(headers);
            both.filter_map(|(picture, header)| Some((picture, header.as_ref().ok()?)))
        };
        let Some((first, header)) = whole().next() else {
            return Err(place(&self.dir, "holds no picture that can be read".into()));
        };
        let size = |header: &Header| (header.width, header.height);
        let (width, height) = match resize {
            Some(Size { width, height }) => (width, height),
            None => match whole().find(|(_, other)| size(other) != size(header)) {
                None => size(header),
                Some((second, other)) => {
                    return Err(place(
                        &self.dir,
                        format!(
                            "holds pictures of different sizes, {} of {} x {} pixels and {} of {} x {}: \
                             --resize 32 makes all of them 32 x 32, and --resize 64x48 wider than high",
                            self.within(first),
                            header.width,
                            header.height,
                            self.within(second),
                            other.width,
                            other.height
                        ),
                    ));
                }
            },
        };
        let channels = if whole().all(|(_, header)| header.is_grey) { 1 } else { 3 };
        Ok(Shape { channels, height: height as usize, width: width as usize })
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
            let pictures = files.iter().filter(|entry| photo::is_meant(&entry.path)).count();
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

/// Tells how many of many are done.
struct Counted<'a> {
    stage: &'static str,
    done: AtomicUsize,
    all: usize,
    progress: Progress<'a>,
}

impl<'a> Counted<'a> {
    fn new(stage: &'static str, all: usize, progress: Progress<'a>) -> Self {
        Self { stage, done: AtomicUsize::new(0), all, progress }
    }

    /// Counts one more, and hands its result on.
    fn after<R>(&self, result: R) -> R {
        (self.progress)(self.stage, self.done.fetch_add(1, Ordering::Relaxed) + 1, self.all);
        result
    }
}

/// Reads a folder of pictures.
///
/// # Errors
/// A sentence on the first thing that is not as it should be: no classes, or too many; a class
/// without pictures; sizes that differ, without `resize`; pictures that are broken, without
/// `skip_broken`; more pixels than the memory holds.
pub fn read(dir: &Path, reading: &Reading, progress: Progress) -> Result<Loaded, Error> {
    let listing = Listing::of(dir)?;
    let headers = listing.headers(reading.threads, progress);
    let shape = listing.shape(&headers, reading.resize)?;
    let all = listing.pictures.len();
    let bytes = (all as u64).saturating_mul(shape.dim() as u64);
    if let Some(free) = reading.memory.filter(|&free| bytes > free) {
        return Err(place(
            dir,
            format!(
                "holds {all} pictures that take {:.1} GB as {} x {} pixels, and {:.1} GB of memory are \
                 free: --resize brings them to a smaller size",
                bytes as f64 / 1e9,
                shape.width,
                shape.height,
                free as f64 / 1e9
            ),
        ));
    }
    let parts = listing.split(reading.seed)?;
    let counted = Counted::new("reading the pictures", all, progress);
    let mut skipped = Vec::new();
    let [train, test] = parts.map(|pictures| {
        let mut pixels = vec![0; pictures.len() * shape.dim()];
        let rows = pictures.iter().zip(pixels.chunks_exact_mut(shape.dim()));
        let results = in_order(reading.threads, rows, |(picture, row)| {
            let values = photo::read(&picture.path, shape);
            counted.after(values.map(|values| row.copy_from_slice(&values)))
        });
        let mut labels = Vec::new();
        for (at, (result, picture)) in results.into_iter().zip(pictures).enumerate() {
            match result {
                Ok(()) => {
                    let from: Range<usize> = at * shape.dim()..(at + 1) * shape.dim();
                    pixels.copy_within(from, labels.len() * shape.dim());
                    labels.push(picture.class);
                }
                Err(error) => skipped.push((&picture.name, error)),
            }
        }
        pixels.truncate(labels.len() * shape.dim());
        (pixels, labels)
    });
    skipped.sort_by_key(|(name, _)| *name);
    let mut skipped: Vec<Error> = skipped.into_iter().map(|(_, error)| error).collect();
    if !skipped.is_empty() && !reading.skip_broken {
        let count = skipped.len();
        return Err(Error::Broken { first: Box::new(skipped.swap_remove(0)), count, all });
    }
    for (what, (_, labels)) in [("train on", &train), ("test with", &test)] {
        let lacks = |class: &usize| !labels.iter().any(|&label| usize::from(label) == *class);
        if let Some(class) = (0..listing.classes.len()).find(lacks) {
            let class = &listing.classes[class];
            return Err(place(
                dir,
                format!(
                    "has no picture of {class} to {what} that could be read: mend some, or remove the class"
                ),
            ));
        }
    }
    let classes = listing.classes.len();
    let images = |(pixels, labels)| Images::new(pixels, labels, shape, classes);
    let (train, test) = (images(train)?, images(test)?);
    let name = dir.file_name().map_or_else(|| dir.to_string_lossy(), |name| name.to_string_lossy());
    let dataset =
        Dataset { name: format!("images of {name}"), classes: listing.classes, train, test };
    Ok(Loaded { dataset, notes: listing.notes, skipped })
}

/// How a folder of pictures stands.
#[derive(Debug)]
pub struct Survey {
    /// Each class, with its pictures to train on and to test with.
    pub classes: Vec<(String, [usize; 2])>,
    /// How many pictures have each width and height.
    pub sizes: BTreeMap<(u32, u32), usize>,
    /// How many of the pictures have no colours.
    pub grey: usize,
    /// Pictures that cannot be read, by name.
    pub broken: Vec<Error>,
    /// What a person should know of how the folder is taken.
    pub notes: Vec<String>,
}

/// Reads every picture of a folder to its last pixel, and tells what there is.
///
/// # Errors
/// As [`read`], but for sizes, broken pictures and memory, which are told.
pub fn survey(dir: &Path, reading: &Reading, progress: Progress) -> Result<Survey, Error> {
    let listing = Listing::of(dir)?;
    let counted = Counted::new("reading the pictures", listing.pictures.len(), progress);
    let found = in_order(reading.threads, listing.pictures.iter(), |picture| {
        let checked = photo::check(&picture.path);
        counted.after(checked.and_then(|()| photo::header(&picture.path)))
    });
    let parts = listing.split(reading.seed)?;
    let count = |pictures: &[&Picture], class: usize| {
        pictures.iter().filter(|picture| usize::from(picture.class) == class).count()
    };
    let of = |(class, name): (usize, &String)| {
        (name.clone(), parts.each_ref().map(|pictures| count(pictures, class)))
    };
    let classes = listing.classes.iter().enumerate().map(of).collect();
    let (mut sizes, mut grey, mut broken) = (BTreeMap::new(), 0, Vec::new());
    for result in found {
        match result {
            Ok(Header { width, height, is_grey }) => {
                *sizes.entry((width, height)).or_default() += 1;
                grey += usize::from(is_grey);
            }
            Err(error) => broken.push(error),
        }
    }
    Ok(Survey { classes, sizes, grey, broken, notes: listing.notes })
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
