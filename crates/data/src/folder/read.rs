//! The pictures of a folder as a dataset.

use std::ops::Range;
use std::path::Path;

use super::entries::place;
use super::listing::{Listing, Picture};
use crate::parallel::in_order;
use crate::picture::{self, Header};
use crate::reading::{Counted, Loaded, Progress, Reading};
use crate::{Dataset, Error, Images, Shape, Size};

impl Listing {
    /// The headers of all pictures, or what is wrong with them.
    fn headers(&self, threads: usize, progress: Progress) -> Vec<Result<Header, Error>> {
        let counted = Counted::new("looking at the pictures", self.pictures.len(), progress);
        in_order(threads, self.pictures.iter(), |picture| {
            counted.after(picture::header(&picture.path))
        })
    }

    /// The name of a picture within the folder.
    pub(super) fn within<'a>(&self, picture: &'a Picture) -> std::path::Display<'a> {
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
                    let named = |picture: &Picture, of: &Header| {
                        (self.within(picture).to_string(), of.width, of.height)
                    };
                    return Err(Error::Sizes {
                        path: self.dir.clone(),
                        first: named(first, header),
                        second: named(second, other),
                    });
                }
            },
        };
        let channels = if whole().all(|(_, header)| header.is_gray) { 1 } else { 3 };
        Ok(Shape { channels, height: height as usize, width: width as usize })
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
        let Shape { width, height, .. } = shape;
        return Err(Error::Memory { path: dir.to_owned(), count: all, width, height, bytes, free });
    }
    let parts = listing.split(reading.seed)?;
    let counted = Counted::new("reading the pictures", all, progress);
    let mut skipped = Vec::new();
    let [train, test] = parts.map(|pictures| {
        let mut pixels = vec![0; pictures.len() * shape.dim()];
        let rows = pictures.iter().zip(pixels.chunks_exact_mut(shape.dim()));
        let results = in_order(reading.threads, rows, |(picture, row)| {
            let values = picture::read(&picture.path, shape);
            counted.after(values.map(|values| row.copy_from_slice(&values)))
        });
        let (mut labels, mut names) = (Vec::new(), Vec::new());
        for (at, (result, picture)) in results.into_iter().zip(pictures).enumerate() {
            match result {
                Ok(()) => {
                    let from: Range<usize> = at * shape.dim()..(at + 1) * shape.dim();
                    pixels.copy_within(from, labels.len() * shape.dim());
                    labels.push(picture.class);
                    names.push(listing.within(picture).to_string());
                }
                Err(error) => skipped.push((&picture.name, error)),
            }
        }
        pixels.truncate(labels.len() * shape.dim());
        (pixels, labels, names)
    });
    skipped.sort_by_key(|(name, _)| *name);
    let mut skipped: Vec<Error> = skipped.into_iter().map(|(_, error)| error).collect();
    if !skipped.is_empty() && !reading.skip_broken {
        let count = skipped.len();
        return Err(Error::Broken { first: Box::new(skipped.swap_remove(0)), count, all });
    }
    for (what, (_, labels, _)) in [("train on", &train), ("test with", &test)] {
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
    let images = |pixels, labels| Images::new(pixels, labels, shape, classes);
    let names = [train.2, test.2];
    let (train, test) = (images(train.0, train.1)?, images(test.0, test.1)?);
    let name = dir.file_name().map_or_else(|| dir.to_string_lossy(), |name| name.to_string_lossy());
    let dataset =
        Dataset { name: format!("images of {name}"), classes: listing.classes, train, test };
    Ok(Loaded { dataset, notes: listing.notes, skipped, names })
}
