//! How a place of images is read, and what comes of it.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{Dataset, Error, Size};

/// How a place is read.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// The size that pictures are brought to.
    pub resize: Option<Size>,
    /// Whether pictures that cannot be read are left out.
    pub skip_broken: bool,
    /// Decides which pictures test, where the place does not.
    pub seed: u64,
    /// Threads that read pictures; the result does not depend on it.
    pub threads: usize,
    /// Bytes of memory that the pixels may take, where that is known.
    pub memory: Option<u64>,
}

/// Called from any thread with what is being done, how many items are done, and of how many.
pub type Progress<'a> = &'a (dyn Fn(&str, usize, usize) + Sync);

/// What was read.
#[derive(Debug)]
pub struct Loaded {
    /// The images.
    pub dataset: Dataset,
    /// Notes for the user on how the place was read, a sentence each.
    pub notes: Vec<String>,
    /// The pictures that were left out, each with the reason.
    pub skipped: Vec<Error>,
    /// The files of the images to train on and of those to test with; none where an image is no file.
    pub names: [Vec<String>; 2],
}

/// Tells how many of many are done.
pub(crate) struct Counted<'a> {
    stage: &'static str,
    done: AtomicUsize,
    all: usize,
    progress: Progress<'a>,
}

impl<'a> Counted<'a> {
    pub fn new(stage: &'static str, all: usize, progress: Progress<'a>) -> Self {
        Self { stage, done: AtomicUsize::new(0), all, progress }
    }

    /// Counts one more, and hands its result on.
    pub fn after<R>(&self, result: R) -> R {
        (self.progress)(self.stage, self.done.fetch_add(1, Ordering::Relaxed) + 1, self.all);
        result
    }
}
