//! How a folder of pictures stands: classes, sizes, broken pictures.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use super::listing::{Listing, Picture};
use crate::parallel::in_order;
use crate::picture::{self, Header};
use crate::reading::{Counted, Progress, Reading};
use crate::{Duplicates, Error, Spot};

/// How a folder of pictures stands.
#[derive(Debug)]
pub struct Survey {
    /// Each class, with its pictures to train on and to test with.
    pub classes: Vec<(String, [usize; 2])>,
    /// How many pictures have each width and height.
    pub sizes: BTreeMap<(u32, u32), usize>,
    /// How many of the pictures have no colors.
    pub gray: usize,
    /// Pictures that are there more than once, pixel for pixel, in the size that they have; what
    /// should be known of it, a sentence each.
    pub duplicates: Vec<String>,
    /// Pictures that cannot be read, by name.
    pub broken: Vec<Error>,
    /// Notes for the user on how the folder is read.
    pub notes: Vec<String>,
}

/// Reads every picture of a folder to its last pixel, and tells what there is.
///
/// # Errors
/// As [`read`](fn@super::read), but for sizes, broken pictures and memory, which are told.
pub fn survey(dir: &Path, reading: &Reading, progress: Progress) -> Result<Survey, Error> {
    let listing = Listing::of(dir)?;
    let counted = Counted::new("reading the pictures", listing.pictures.len(), progress);
    let found = in_order(reading.threads, listing.pictures.iter(), |picture| {
        let checked = picture::fingerprint(&picture.path);
        let both = checked.and_then(|key| Ok((key, picture::header(&picture.path)?)));
        counted.after(both)
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
    // The place of each picture among those of its part.
    let spots: HashMap<&Path, Spot> = parts
        .iter()
        .zip([false, true])
        .flat_map(|(pictures, is_test)| {
            let each = pictures.iter().enumerate();
            each.map(move |(index, picture)| (picture.path.as_path(), Spot { is_test, index }))
        })
        .collect();
    let mut keys = Vec::new();
    for (result, picture) in found.into_iter().zip(&listing.pictures) {
        match result {
            Ok((key, Header { width, height, is_gray })) => {
                keys.push((key, spots[picture.path.as_path()], picture.class));
                *sizes.entry((width, height)).or_default() += 1;
                gray += usize::from(is_gray);
            }
            Err(error) => broken.push(error),
        }
    }
    let name =
        |spot: Spot| listing.within(parts[usize::from(spot.is_test)][spot.index]).to_string();
    let duplicates = Duplicates::count(keys).sentences(name);
    Ok(Survey { classes, sizes, gray, duplicates, broken, notes: listing.notes })
}
