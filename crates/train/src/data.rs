//! The images of a run, and where they came from.

use chainrule_data::{Dataset, Duplicates, sample};
use sha2::{Digest, Sha256};

use crate::{Config, tensors};

/// The images of a run, and where they came from.
pub struct Data {
    /// The images.
    pub dataset: Dataset,
    /// The name of the set, for the run's files: "CIFAR-10", "sample", or the name of the set.
    pub source: String,
    /// Images that are there more than once: an accuracy is told with them.
    pub duplicates: Duplicates,
}

impl Data {
    /// Images from `source`, looked through for duplicates.
    pub fn new(dataset: Dataset, source: impl Into<String>) -> Data {
        let duplicates = Duplicates::of(&dataset);
        Data { dataset, source: source.into(), duplicates }
    }

    /// The images that are part of the program.
    pub fn sample() -> Data {
        Data::new(sample::read(), "sample")
    }

    /// The number of validation images: `asked`, but where that is the default and more than half of
    /// the set, a tenth of the set.
    pub fn validation(&self, asked: usize) -> usize {
        validation(self.dataset.train.len(), asked)
    }

    /// The batch size: `asked`, but no more than there are images to train on.
    pub fn batch_size(&self, asked: usize, validation: usize) -> usize {
        batch_size(self.dataset.train.len(), asked, validation)
    }

    /// SHA-256 over labels and pixels of all training, then all test images, in hexadecimal.
    pub fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        for images in [&self.dataset.train, &self.dataset.test] {
            hash.update(images.labels());
            hash.update(images.pixels());
        }
        tensors::hexadecimal(hash)
    }

    /// Whether these are the images that are part of the program.
    pub fn is_sample(&self) -> bool {
        self.source == "sample"
    }
}

/// [`Data::validation`] of a set of `images`.
pub(crate) fn validation(images: usize, asked: usize) -> usize {
    let is_usual = asked == Config::default().validation;
    if is_usual && asked > images / 2 { (images / 10).max(1) } else { asked }
}

/// [`Data::batch_size`] of a set of `images`.
pub(crate) fn batch_size(images: usize, asked: usize, validation: usize) -> usize {
    match images.saturating_sub(validation) {
        0 => asked, // refused for its validation
        training => asked.min(training),
    }
}
