//! How a folder of pictures stands: classes, sizes, broken pictures.

use std::collections::BTreeMap;
use std::path::Path;

use super::listing::{Listing, Picture};
use crate::Error;
use crate::parallel::in_order;
use crate::picture::{self, Header};
use crate::reading::{Counted, Progress, Reading};

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
        let checked = picture::check(&picture.path);
        counted.after(checked.and_then(|()| picture::header(&picture.path)))
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
