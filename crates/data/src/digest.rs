//! Checksums of files.

use std::io::{ErrorKind, Read};
use std::path::Path;

use md5::{Digest, Md5};

use crate::{Error, file};

/// A digest in lower-case hexadecimal.
pub(crate) fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The MD5 of a regular file, in hexadecimal, and its length in bytes.
pub(crate) fn md5(path: &Path) -> Result<(String, u64), Error> {
    let (mut file, _) = file::open(path).map_err(Error::at(path))?;
    let mut hash = Md5::new();
    let mut buffer = vec![0; 1 << 17];
    let mut length = 0;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((hex(&hash.finalize()), length)),
            Ok(n) => {
                hash.update(&buffer[..n]);
                length += n as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(reason) => return Err(Error::Read { path: path.to_owned(), reason }),
        }
    }
}
