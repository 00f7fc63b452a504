//! CIFAR-10 or CIFAR-100 from the archive that their author publishes, binary or Python version.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::formats::archive::{Refusal, visit};
use crate::formats::batch::{Batch, Cifar, assemble};
use crate::formats::records::read_file_of;
use crate::formats::{cifar_python, pickle};
use crate::{Dataset, Error, cifar10, cifar100, file};

/// Most bytes that an archive unpacks to; CIFAR's have 190 million.
const MOST_BYTES: u64 = 1 << 29;

/// Reads the set in an archive; nothing is unpacked to the disk.
///
/// # Errors
/// If it is damaged or suspicious, holds no such set, or as the readers of its files.
pub(super) fn read(path: &Path) -> Result<Dataset, Error> {
    assemble(path, batches(path)?)
}

/// The images of each file of CIFAR's in an archive; at least one.
pub(super) fn batches(path: &Path) -> Result<Vec<Batch>, Error> {
    let (file, _) = file::open(path).map_err(Error::at(path))?;
    batches_of(path, BufReader::new(file))
}

/// [`batches`] of the bytes of the archive `path`.
pub(super) fn batches_of(path: &Path, bytes: impl BufRead) -> Result<Vec<Batch>, Error> {
    let refuse = |problem: String| Error::Place { path: path.to_owned(), problem };
    let (mut batches, mut others, mut is_matlab) = (vec![], vec![], false);
    let walked = visit(bytes, MOST_BYTES, &mut |name, length, from| {
        let member = path.join(name);
        if !is_named(&member) {
            is_matlab |= name.ends_with(".mat");
            others.push(name.to_owned());
            return Ok(());
        }
        batches.extend(batch(member, length, from)?);
        Ok::<(), Error>(())
    });
    walked.map_err(|refusal| match refusal {
        Refusal::Broken(reason) => refuse(format!("is damaged ({reason}): get the archive anew")),
        Refusal::Hostile(why) => refuse(format!("is refused: {why}")),
        Refusal::Visitor(error) => error,
    })?;
    match batches.is_empty() {
        false => Ok(batches),
        true if is_matlab => Err(refuse(super::recognize::MATLAB.into())),
        true => Err(refuse(format!(
            "holds no file of CIFAR-10 or CIFAR-100{}: unpack it, and name the folder",
            others.first().map(|name| format!(" (but {name})")).unwrap_or_default()
        ))),
    }
}

/// Whether a member of an archive has the name of a file of CIFAR's, in either version.
fn is_named(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let stem = name.strip_suffix(".bin").unwrap_or(name);
    let stems = cifar10::FILES.iter().filter_map(|file| file.name.strip_suffix(".bin"));
    stems.chain(["train", "test"]).any(|known| stem == known)
}

/// The images of a member.
fn batch(path: PathBuf, length: u64, from: &mut dyn Read) -> Result<Option<Batch>, Error> {
    let mut bytes = Vec::new();
    if let Err(reason) = from.take(cifar_python::MOST_BYTES).read_to_end(&mut bytes) {
        let problem = format!("is damaged ({reason}): get the archive anew");
        return Err(Error::Place { path, problem });
    }
    if bytes.len() as u64 != length {
        return Err(Error::Place {
            path,
            problem: format!("is {length} bytes long: expected fewer"),
        });
    }
    if pickle::is_pickle(&bytes) {
        return cifar_python::read(&bytes, &path);
    }
    let is_fine = !length.is_multiple_of(cifar10::RECORD as u64);
    let (set, limits) = if is_fine {
        (Cifar::Hundred, &cifar100::LIMITS[..])
    } else {
        (Cifar::Ten, &cifar10::LIMITS[..])
    };
    let (labels, pixels) = read_file_of(&bytes[..], length, &path, limits)?.into_parts();
    Ok(Some(Batch { path, set, labels, pixels }))
}
