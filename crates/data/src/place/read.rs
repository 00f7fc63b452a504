//! Reading what was recognized.

use std::io::{Read, Seek};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::recognize::{Contents, is_gzip, is_named_officially, recognize};
use crate::reading::{Loaded, Progress, Reading};
use crate::{Error, cifar10, cifar100, file, folder, idx};

/// Reads whatever lies in a folder.
///
/// # Errors
/// As [`recognize`], and as the reader of what is found there.
pub fn read(dir: &Path, reading: &Reading, progress: Progress) -> Result<Loaded, Error> {
    let dataset = match recognize(dir)? {
        Contents::Folder => return folder::read(dir, reading, progress),
        Contents::Cifar10(files) if files.iter().any(|file| is_named_officially(file)) => {
            cifar10::read(dir)?
        }
        Contents::Cifar10(files) => cifar10::read_renamed(&files)?,
        Contents::Cifar100(files) => cifar100::read(&files)?,
        Contents::Idx(files) => {
            let arrays = files.into_iter().map(|path| Ok((path.clone(), read_array(&path)?)));
            idx::dataset(dir, arrays.collect::<Result<_, Error>>()?)?
        }
    };
    if reading.resize.is_some() {
        return Err(Error::Place {
            path: dir.to_owned(),
            problem: format!(
                "holds {}, whose images have one size: leave --resize out",
                dataset.name
            ),
        });
    }
    Ok(Loaded { dataset, notes: vec![], skipped: vec![] })
}

/// Reads an IDX file, packed by gzip or not.
fn read_array(path: &Path) -> Result<idx::Array, Error> {
    let failed = |reason| Error::Read { path: path.to_owned(), reason };
    let (mut file, _) = file::open(path).map_err(failed)?;
    let mut start = Vec::new();
    file.by_ref().take(2).read_to_end(&mut start).map_err(failed)?;
    file.rewind().map_err(failed)?;
    if is_gzip(&start) {
        idx::read(MultiGzDecoder::new(std::io::BufReader::new(file)), path)
    } else {
        idx::read(std::io::BufReader::new(file), path)
    }
}
