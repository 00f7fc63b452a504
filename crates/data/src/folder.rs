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
        let channels = if whole().all(|(_, header)| header.is_gray) { 1 } else { 3 };
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
    /// How many of the pictures have no colors.
    pub gray: usize,
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
    let (mut sizes, mut gray, mut broken) = (BTreeMap::new(), 0, Vec::new());
    for result in found {
        match result {
            Ok(Header { width, height, is_gray }) => {
                *sizes.entry((width, height)).or_default() += 1;
                gray += usize::from(is_gray);
            }
            Err(error) => broken.push(error),
        }
    }
    Ok(Survey { classes, sizes, gray, broken, notes: listing.notes })
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

#[cfg(test)]
mod tests {
    use std::fs;

    use image::{DynamicImage, GrayImage, Luma, Rgb, RgbImage};
    use tempfile::TempDir;

    use super::*;

    fn silent(_: &str, _: usize, _: usize) {}

    fn save(dir: &Path, name: &str, picture: impl Into<DynamicImage>) {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        picture.into().save(path).unwrap();
    }

    /// A picture of one color, whose red says which it is.
    fn plain(red: u8) -> RgbImage {
        RgbImage::from_pixel(4, 3, Rgb([red, 7, 9]))
    }

    /// A folder of classes, a picture for each number.
    fn of(classes: &[(&str, Range<u8>)]) -> TempDir {
        let dir = TempDir::new().unwrap();
        for (class, reds) in classes {
            reds.clone()
                .for_each(|red| save(dir.path(), &format!("{class}/{red}.png"), plain(red)));
        }
        dir
    }

    fn reading() -> Reading {
        Reading { threads: 2, ..Reading::default() }
    }

    fn problem(dir: &Path) -> String {
        let error = read(dir, &reading(), &silent).unwrap_err().to_string();
        error.replace(&dir.display().to_string(), "DIR")
    }

    /// The number of each image, in the order of the set.
    fn reds(images: &Images) -> Vec<u8> {
        (0..images.len()).map(|i| images.image(i)[0]).collect()
    }

    #[test]
    fn every_picture_is_in_one_part_with_the_class_of_its_folder() {
        let dir = of(&[("dog", 0..10), ("Cat", 10..33)]);
        let data = read(dir.path(), &reading(), &silent).unwrap().dataset;
        assert_eq!(data.classes, ["Cat", "dog"], "in the order of their bytes");
        assert_eq!(data.train.shape(), Shape { channels: 3, height: 3, width: 4 });
        for images in [&data.train, &data.test] {
            for (i, red) in reds(images).into_iter().enumerate() {
                assert_eq!(images.labels()[i], u8::from(red < 10), "{red}");
                let wanted = [[red; 12], [7; 12], [9; 12]].concat();
                assert_eq!(images.image(i), wanted);
            }
        }
        let mut all = [reds(&data.train), reds(&data.test)].concat();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..33));
        // A fifth of each: 2 of 10, and of 23 rounded 5.
        let dogs = data.test.labels().iter().filter(|&&label| label == 1).count();
        assert_eq!((data.test.len(), dogs), (7, 2));
        let runs = data.train.labels().windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert!(runs > 4, "classes are mixed: {:?}", data.train.labels());
    }

    #[test]
    fn the_parts_depend_on_the_seed_and_the_names_alone() {
        let dir = of(&[("a", 0..20), ("b", 20..40)]);
        let parts = |dir: &Path, seed: u64, threads: usize| {
            let reading = Reading { seed, threads, ..Reading::default() };
            let data = read(dir, &reading, &silent).unwrap().dataset;
            (reds(&data.train), reds(&data.test))
        };
        let whole = parts(dir.path(), 3, 1);
        assert_eq!(whole, parts(dir.path(), 3, 5));
        assert_ne!(whole, parts(dir.path(), 4, 1));
        // Written in another order, in another place.
        let copy = TempDir::new().unwrap();
        for red in (0..40).rev() {
            save(
                copy.path(),
                &format!("{}/{red}.png", if red < 20 { "a" } else { "b" }),
                plain(red),
            );
        }
        assert_eq!(whole, parts(copy.path(), 3, 2));
        // A picture that goes leaves the others in their order.
        fs::remove_file(copy.path().join(format!("a/{}.png", 7))).unwrap();
        let (train, test) = parts(copy.path(), 3, 2);
        let without =
            |reds: &[u8]| reds.iter().copied().filter(|&red| red != 7).collect::<Vec<_>>();
        assert_eq!([train, test].concat().len(), 39);
        assert_eq!(parts(copy.path(), 3, 2).0.iter().filter(|red| **red >= 20).count(), 16);
        assert!(without(&whole.1).iter().all(|red| parts(copy.path(), 3, 2).1.contains(red)));
    }

    #[test]
    fn folders_of_parts_are_kept_apart_and_validation_joins_training() {
        let dir = of(&[
            ("train/x", 0..3),
            ("train/y", 3..6),
            ("test/x", 6..7),
            ("test/y", 7..9),
            ("val/x", 9..10),
            ("val/y", 10..11),
        ]);
        let Loaded { dataset, notes, .. } = read(dir.path(), &reading(), &silent).unwrap();
        let sorted = |images: &Images| {
            let mut reds = reds(images);
            reds.sort_unstable();
            reds
        };
        assert_eq!(sorted(&dataset.test), [6, 7, 8]);
        assert_eq!(sorted(&dataset.train), [0, 1, 2, 3, 4, 5, 9, 10]);
        assert!(notes[0].starts_with("the pictures of val join those of train"), "{notes:?}");
        // Without a test folder, val is what tests.
        fs::remove_dir_all(dir.path().join("test")).unwrap();
        let data = read(dir.path(), &reading(), &silent).unwrap().dataset;
        assert_eq!(sorted(&data.test), [9, 10]);
        fs::remove_dir_all(dir.path().join("val/y")).unwrap();
        assert_eq!(
            problem(dir.path()),
            "DIR/train has a class y, and DIR/val has not: expected the same classes"
        );
        // Two classes may have these names.
        let classes = of(&[("train", 0..5), ("test", 5..10)]);
        assert_eq!(
            read(classes.path(), &reading(), &silent).unwrap().dataset.classes,
            ["test", "train"]
        );
    }

    #[test]
    fn a_broken_picture_is_named_and_only_on_request_left_out() {
        let dir = of(&[("a", 0..10), ("b", 10..20)]);
        let path = dir.path().join("a/3.png");
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 20]).unwrap();
        fs::write(dir.path().join("b/0.jpg"), "no picture").unwrap();
        let told = problem(dir.path());
        assert!(told.starts_with("cannot read DIR/a/3.png: it is damaged: "), "{told}");
        assert!(
            told.ends_with("(2 of 21 pictures broken); --skip-broken leaves broken pictures out"),
            "{told}"
        );
        let skip = Reading { skip_broken: true, ..reading() };
        let Loaded { dataset, skipped, .. } = read(dir.path(), &skip, &silent).unwrap();
        assert_eq!(skipped.len(), 2);
        assert!(skipped[1].to_string().ends_with("b/0.jpg: it is neither a PNG nor a JPEG"));
        let mut all = [reds(&dataset.train), reds(&dataset.test)].concat();
        all.sort_unstable();
        assert!(all.into_iter().eq((0..20).filter(|red| *red != 3)));
        for images in [&dataset.train, &dataset.test] {
            let labels = reds(images).into_iter().map(|red| u8::from(red >= 10));
            assert!(labels.eq(images.labels().iter().copied()), "each keeps its label");
        }
        let survey = survey(dir.path(), &reading(), &silent).unwrap();
        assert_eq!((survey.broken.len(), survey.sizes[&(4, 3)], survey.gray), (2, 19, 0));
    }

    #[test]
    fn pictures_of_different_sizes_need_a_size() {
        let dir = of(&[("a", 0..3), ("b", 3..6)]);
        save(dir.path(), "b/9.png", RgbImage::new(5, 6));
        let told = problem(dir.path());
        let start = "DIR holds pictures of different sizes, a/0.png of 4 x 3 pixels and b/9.png of 5 x 6: \
                     --resize 32";
        assert!(told.starts_with(start), "{told}");
        let size = Some(Size { width: 8, height: 2 });
        let data =
            read(dir.path(), &Reading { resize: size, ..reading() }, &silent).unwrap().dataset;
        assert_eq!(data.train.shape(), Shape { channels: 3, height: 2, width: 8 });
        let too_large = Reading { resize: size, memory: Some(335), ..reading() };
        let told = read(dir.path(), &too_large, &silent).unwrap_err().to_string();
        assert!(told.contains("holds 7 pictures that take 0.0 GB as 8 x 2 pixels"), "{told}");
    }

    #[test]
    fn gray_pictures_stay_gray_unless_one_has_colors() {
        let dir = TempDir::new().unwrap();
        let gray = |value: u8| GrayImage::from_pixel(2, 2, Luma([value]));
        for (i, class) in ["a", "a", "b", "b"].iter().enumerate() {
            save(dir.path(), &format!("{class}/{i}.png"), gray(10 * i as u8));
        }
        let data = read(dir.path(), &reading(), &silent).unwrap().dataset;
        assert_eq!((data.train.shape().channels, data.train.dim()), (1, 4));
        save(dir.path(), "b/9.png", RgbImage::from_pixel(2, 2, Rgb([1, 2, 3])));
        let data = read(dir.path(), &reading(), &silent).unwrap().dataset;
        assert_eq!(data.train.shape().channels, 3);
    }

    #[test]
    fn what_is_no_picture_is_left_aside_and_folders_within_a_class_count() {
        let dir = of(&[("a", 0..2), ("a/more", 2..4), ("b", 4..8)]);
        for name in ["a/Thumbs.db", "a/.DS_Store", "b/notes.txt", "readme.md"] {
            fs::write(dir.path().join(name), "text").unwrap();
        }
        fs::create_dir(dir.path().join(".git")).unwrap();
        // By its content it is one, whatever its name.
        fs::rename(dir.path().join("b/5.png"), dir.path().join("b/five")).unwrap();
        let Loaded { dataset, notes, .. } = read(dir.path(), &reading(), &silent).unwrap();
        assert_eq!(dataset.train.len() + dataset.test.len(), 8);
        assert_eq!(dataset.classes, ["a", "b"]);
        assert!(notes[0].starts_with("2 files are no picture"), "{notes:?}");
    }

    #[test]
    fn folders_that_cannot_be_learned_from_are_refused_with_the_reason() {
        assert!(problem(of(&[]).path()).starts_with("DIR holds 0 pictures and no folder: put"));
        assert_eq!(
            problem(of(&[("a", 0..3)]).path()),
            "DIR holds one class, a: expected at least two to tell apart"
        );
        let told = problem(of(&[("a", 0..3), ("b", 3..4)]).path());
        assert!(told.starts_with("DIR/b holds one picture: expected at least two"), "{told}");
        let dir = of(&[("a", 0..3)]);
        fs::create_dir(dir.path().join("b")).unwrap();
        assert!(problem(dir.path()).starts_with("DIR/b holds no PNG and no JPEG"));
        (0..256).for_each(|i| fs::create_dir(dir.path().join(format!("class {i}"))).unwrap());
        assert!(problem(dir.path()).contains("at most 256 classes"), "{}", problem(dir.path()));
        let two = of(&[("a\nb", 0..3), ("c", 3..5)]);
        assert!(problem(two.path()).contains("rename it in plain UTF-8"));
    }

    #[cfg(unix)]
    #[test]
    fn links_to_pictures_and_classes_are_followed_and_circles_are_not() {
        use std::os::unix::fs::symlink;
        let dir = of(&[("a", 0..3)]);
        let elsewhere = of(&[("x", 3..6)]);
        symlink(elsewhere.path().join("x"), dir.path().join("b")).unwrap();
        symlink(elsewhere.path().join("x/3.png"), dir.path().join("a/linked.png")).unwrap();
        symlink(dir.path(), dir.path().join("a/circle")).unwrap();
        symlink("nowhere", dir.path().join("a/gone.png")).unwrap();
        assert!(problem(dir.path()).starts_with("cannot read DIR/a/gone.png: "));
        let skip = Reading { skip_broken: true, ..reading() };
        let data = read(dir.path(), &skip, &silent).unwrap().dataset;
        assert_eq!((data.train.len() + data.test.len(), data.classes.len()), (7, 2));
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_not_utf8_are_no_class_and_no_hindrance_to_a_picture() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        let dir = of(&[("a", 0..3), ("b", 3..6)]);
        let odd = OsStr::from_bytes(b"\xff.png");
        if fs::rename(dir.path().join("a/0.png"), dir.path().join("a").join(odd)).is_err() {
            return; // not on this file system
        }
        let data = read(dir.path(), &reading(), &silent).unwrap().dataset;
        assert_eq!(data.train.len() + data.test.len(), 6);
        fs::create_dir(dir.path().join(OsStr::from_bytes(b"cl\xffss"))).unwrap();
        assert!(problem(dir.path()).contains("rename it in plain UTF-8"));
    }
}
