//! Proving the official files: each against its published MD5, and all of them told.
//!
//! [`read`](super::read) proves them too and stops at the first that is wrong;
//! this says how every file stands, and keeps nothing in memory.

use std::path::Path;

use super::official::{OFFICIAL, RECORD, Set};
use crate::parallel::in_order;
use crate::{Error, digest};

/// How one official file stands.
#[derive(Debug)]
pub struct FileReport {
    /// Its name in the folder.
    pub name: String,
    /// The official MD5, in hexadecimal.
    pub expected: String,
    /// The MD5 of what lies there, whole or not, in hexadecimal; none if it could not be read.
    pub md5: Option<String>,
    /// What is wrong with it; nothing, if it is the official file.
    pub problem: Option<Error>,
}

impl FileReport {
    /// Whether the file is the official one, byte for byte.
    pub fn is_ok(&self) -> bool {
        self.problem.is_none()
    }
}

/// Compares each of the six files of `dir` with its official MD5; in their order.
pub fn verify(dir: &Path) -> Vec<FileReport> {
    verify_set(dir, OFFICIAL)
}

pub(crate) fn verify_set(dir: &Path, set: Set) -> Vec<FileReport> {
    in_order(set.files.len(), set.files.iter(), |file| {
        let path = dir.join(file.name);
        let (md5, problem) = match digest::md5(&path) {
            Err(error) => (None, Some(error)),
            Ok((md5, found)) => {
                let expected = set.file_len();
                let problem = if found != expected {
                    let records = set.records;
                    Some(Error::Length { path, found, expected, records, record: RECORD })
                } else if md5 != file.md5 {
                    let expected = file.md5.to_owned();
                    Some(Error::Checksum { path, found: md5.clone(), expected })
                } else {
                    None
                };
                (Some(md5), problem)
            }
        };
        FileReport { name: file.name.to_owned(), expected: file.md5.to_owned(), md5, problem }
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::testing::Synthetic;

    #[test]
    fn each_file_is_told_however_many_are_wrong() {
        let dir = tempfile::TempDir::new().unwrap();
        let synthetic = Synthetic::new(2);
        synthetic.write(dir.path());
        fs::remove_file(dir.path().join("data_batch_2.bin")).unwrap();
        fs::write(dir.path().join("data_batch_3.bin"), "short").unwrap();
        fs::write(dir.path().join("data_batch_4.bin"), vec![0; 2 * 3073]).unwrap();

        let files = synthetic.files();
        let reports = verify_set(dir.path(), synthetic.set(&files));
        let names: Vec<_> = reports.iter().map(|report| report.name.as_str()).collect();
        assert_eq!(names, crate::cifar10::FILES.map(|file| file.name));
        assert!(matches!(
            reports.iter().map(|report| &report.problem).collect::<Vec<_>>()[..],
            [
                None,
                Some(Error::Missing { .. }),
                Some(Error::Length { found: 5, expected: 6146, .. }),
                Some(Error::Checksum { .. }),
                None,
                None
            ]
        ));
        // md5sum's answers for five bytes and for 6146 zeros.
        assert_eq!(reports[1].md5, None);
        assert_eq!(reports[2].md5.as_deref(), Some("4f09daa9d95bcb166a302407a0e0babe"));
        assert_eq!(reports[3].md5.as_deref(), Some("a9056bd46a14de118dfe5f412f009727"));
    }
}
