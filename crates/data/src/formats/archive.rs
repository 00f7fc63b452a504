//! Members of a tar archive, gzipped as a rule, from an untrusted source.
//!
//! Nothing is unpacked by the names that stand in the archive: the caller is shown each regular
//! file's name and bytes, and writes what it was looking for under a name of its own. An archive
//! with a path that leads out, a link or a device is refused altogether, since no honest one has
//! any. The unpacked size is bounded, so a small archive cannot fill the memory or the day.

use std::io::{self, BufRead, Read};
use std::path::{Component, Path};

use flate2::bufread::GzDecoder;
use tar::{Archive, EntryType};

/// Why an archive is not read to its end.
#[derive(Debug)]
pub(crate) enum Refusal<E> {
    /// It cannot be unpacked.
    Broken(io::Error),
    /// It can be unpacked and should not be.
    Hostile(String),
    /// The visitor has had enough.
    Visitor(E),
}

/// Takes a member's path, its length in bytes, and its bytes.
pub(crate) type Visit<'a, E> = dyn FnMut(&str, u64, &mut dyn Read) -> Result<(), E> + 'a;

/// Shows each regular file of `archive`, gzipped or not, to `visit`.
///
/// `limit` bounds the unpacked size of the whole in bytes.
pub(crate) fn visit<E>(
    archive: impl BufRead,
    limit: u64,
    visit: &mut Visit<E>,
) -> Result<(), Refusal<E>> {
    let mut archive = archive;
    let is_plain = archive.fill_buf().map_err(Refusal::Broken)?.get(257..262) == Some(b"ustar");
    let from: Box<dyn Read + '_> =
        if is_plain { Box::new(archive) } else { Box::new(GzDecoder::new(archive)) };
    let mut archive = Archive::new(Bounded { from, left: limit });
    for entry in archive.entries().map_err(Refusal::Broken)? {
        let mut entry = entry.map_err(Refusal::Broken)?;
        let path = entry.path().map_err(Refusal::Broken)?.into_owned();
        let shown = shown(&path);
        if !stays_inside(&path) {
            return Err(Refusal::Hostile(format!("the path {shown} leads out of the folder")));
        }
        match entry.header().entry_type() {
            EntryType::Directory | EntryType::XGlobalHeader => {}
            EntryType::Regular => {
                let length = entry.size();
                visit(path.to_str().unwrap_or_default(), length, &mut entry)
                    .map_err(Refusal::Visitor)?;
            }
            _ => return Err(Refusal::Hostile(format!("{shown} is neither a file nor a folder"))),
        }
    }
    Ok(())
}

/// An untrusted path for a message: no longer than a line, and nothing that a terminal obeys.
fn shown(path: &Path) -> String {
    const LONGEST: usize = 80;
    let path = path.to_string_lossy();
    let mut shown: String = path.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if path.chars().nth(LONGEST).is_some() {
        shown.push_str("...");
    }
    shown
}

fn stays_inside(path: &Path) -> bool {
    path.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir))
}

/// A reader that fails, rather than ends, after so many bytes.
struct Bounded<R> {
    from: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.from.read(buffer)?;
        self.left = self
            .left
            .checked_sub(n as u64)
            .ok_or_else(|| io::Error::other("it unpacks to more than CIFAR-10 can be"))?;
        Ok(n)
    }
}
