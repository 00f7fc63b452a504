//! One IDX file: an array of bytes.

use std::io::{ErrorKind, Read};
use std::path::Path;

use crate::Error;

/// Most values of an array: 2 GB, 2.7 million images of 28 × 28.
const MOST: u64 = 1 << 31;

/// An array of bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Array {
    /// 1 or 3 dimensions.
    pub dims: Vec<usize>,
    /// Row-major.
    pub values: Vec<u8>,
}

/// Whether a file that begins so is an IDX array of images or of labels.
pub fn is_array(start: &[u8]) -> bool {
    matches!(start, [0, 0, 8, 1 | 3, ..])
}

/// Reads an array from its first byte to the end of `from`; `path` is for messages.
///
/// Nothing is allocated that `from` does not fill.
///
/// # Errors
/// [`Error::Idx`] if it is no array of bytes in 1 or 3 dimensions, claims more than 2 GB, ends too
/// early or too late; [`Error::Read`] if it cannot be read.
pub fn read(mut from: impl Read, path: &Path) -> Result<Array, Error> {
    let refuse = |byte: u64, problem: String| Error::Idx { path: path.to_owned(), byte, problem };
    let failed = |at: u64| {
        move |error: std::io::Error| match error.kind() {
            ErrorKind::UnexpectedEof => refuse(at, "the file ends within its header".into()),
            _ => Error::Read { path: path.to_owned(), reason: error },
        }
    };
    let mut word = [0; 4];
    from.read_exact(&mut word).map_err(failed(0))?;
    let rank = match word {
        [0, 0, 8, rank @ (1 | 3)] => usize::from(rank),
        [0, 0, 8, rank] => {
            return Err(refuse(3, format!("{rank} dimensions: expected 3 of images, 1 of labels")));
        }
        [0, 0, kind, _] => {
            return Err(refuse(2, format!("values of type {kind:#04x}: expected bytes, 0x08")));
        }
        _ => return Err(refuse(0, "expected two zeros, with which an IDX file begins".into())),
    };
    let mut dims = Vec::with_capacity(rank);
    let mut count = 1u64;
    for i in 0..rank as u64 {
        let at = 4 + 4 * i;
        from.read_exact(&mut word).map_err(failed(at))?;
        let dim = u32::from_be_bytes(word);
        count = count.saturating_mul(dim.into());
        if dim == 0 || count > MOST {
            let problem = format!("dimension {i} is {dim}: expected 1 to {MOST} values in all");
            return Err(refuse(at, problem));
        }
        dims.push(dim as usize);
    }
    let header = 4 + 4 * rank as u64;
    let mut values = Vec::new();
    let read = from.by_ref().take(count).read_to_end(&mut values).map_err(failed(header))? as u64;
    if read < count {
        let problem = format!("the file ends, and its header promises {count} values: {dims:?}");
        return Err(refuse(header + read, problem));
    }
    if from.read(&mut word).map_err(failed(header + count))? > 0 {
        let problem = format!("the file goes on, and its header promises {count} values: {dims:?}");
        return Err(refuse(header + count, problem));
    }
    Ok(Array { dims, values })
}
