//! Reading what was recognized.

use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use super::archive;
use super::recognize::{Contents, recognize};
use crate::formats::batch::assemble;
use crate::formats::cifar_python;
use crate::formats::sniff::{is_gzip, is_named_officially};
use crate::parallel::in_order;
use crate::reading::{Loaded, Progress, Reading};
use crate::{Dataset, Error, cifar10, cifar100, file, folder, idx};

/// Reads whatever lies in a folder or an archive.
///
/// # Errors
/// As [`recognize`], and as the reader of what is found there.
pub fn read(dir: &Path, reading: &Reading, progress: Progress) -> Result<Loaded, Error> {
    let mut notes = vec![];
    let dataset = match recognize(dir)? {
        Contents::Folder => return folder::read(dir, reading, progress),
        Contents::Cifar10(files) if files.iter().any(|file| is_named_officially(file)) => {
            cifar10::read(dir)?
        }
        Contents::Cifar10(files) => cifar10::read_renamed(&files)?,
        Contents::Cifar100(files) => cifar100::read(&files)?,
        Contents::CifarPython(files) => read_python(dir, &files)?,
        Contents::Archive => archive::read(dir)?,
        Contents::Idx(files) => {
            let (files, of_files) = idx::without_packed(files);
            let arrays = files.into_iter().map(|path| Ok((path.clone(), read_array(&path)?)));
            let (dataset, of_arrays) = idx::dataset(dir, arrays.collect::<Result<_, Error>>()?)?;
            notes = [of_files, of_arrays].concat();
            dataset
        }
    };
    if reading.resize.is_some() {
        return Err(Error::OneSize { path: dir.to_owned(), name: dataset.name });
    }
    Ok(Loaded { dataset, notes, skipped: vec![], names: Default::default() })
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

/// Reads the files of either set in the Python version.
fn read_python(dir: &Path, files: &[PathBuf]) -> Result<Dataset, Error> {
    let read = |path: &PathBuf| {
        let bytes = file::read(path, cifar_python::MOST_BYTES).map_err(Error::at(path))?;
        cifar_python::read(&bytes, path)
    };
    let batches = in_order(files.len(), files.iter(), read);
    let batches =
        batches.into_iter().filter_map(Result::transpose).collect::<Result<Vec<_>, _>>()?;
    assemble(dir, batches)
}
