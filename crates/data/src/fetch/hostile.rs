//! The readers of what comes over the network, for those who feed them mutated bytes: in memory,
//! for a set of one record a file. Nothing of the sort is needed to fetch CIFAR-10.

use std::io::{self, Cursor};

use super::error::Failure;
use super::{npm, official};
use crate::cifar10::{FILES, Set};

fn why(failure: Failure) -> String {
    match failure {
        Failure::Source(why) => why,
        Failure::Fatal(error) => error.to_string(),
    }
}

/// Walks through `bytes` as the author's archive, `records` a file; says how many bytes the six
/// files hold.
///
/// # Errors
/// Why the archive is refused.
pub fn official_archive(bytes: &[u8], records: usize) -> Result<u64, String> {
    let set = Set { files: &FILES, records };
    let mut read = 0;
    official::visit_files(bytes, set, &mut |_, from| {
        read += io::copy(from, &mut io::sink()).map_err(Failure::broken)?;
        Ok(())
    })
    .map_err(why)?;
    Ok(read)
}

/// Reads `bytes` as a sheet of the npm package with as many rows as there are labels; says how
/// many bytes of records it makes.
///
/// # Errors
/// Why the sheet is refused.
pub fn npm_sheet(bytes: &[u8], labels: &[u8]) -> Result<usize, String> {
    let mut made = 0;
    let write = |record: &[u8]| {
        made += record.len();
        Ok(())
    };
    npm::records(Cursor::new(bytes), labels, write).map_err(why)?;
    Ok(made)
}

/// Reads `bytes` as the npm package's list of `n` labels.
///
/// # Errors
/// Why the list is refused.
pub fn npm_labels(mut bytes: &[u8], n: usize) -> Result<Vec<u8>, String> {
    let length = bytes.len() as u64;
    npm::labels("the list", length, &mut bytes, n).map_err(why)
}
