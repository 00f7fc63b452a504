//! What the tests of several modules share: a small set with CIFAR-10's file names, and the whole one.

use std::fs;
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};

use crate::Dataset;
use crate::cifar10::{FILES, Official, RECORD, Set, read};
use crate::digest::hex;

/// A small set of the official names: records of all labels, and pixels that differ.
pub(crate) struct Synthetic {
    pub contents: Vec<Vec<u8>>,
    md5s: Vec<String>,
    records: usize,
}

impl Synthetic {
    pub fn new(records: usize) -> Self {
        let byte = |file: usize, i: usize| match (i / RECORD, i % RECORD) {
            (record, 0) => ((file + record) % 10) as u8,
            (record, at) => (at * 7 + at / 1024 * 53 + record * 31 + file * 101) as u8,
        };
        let content = |file| (0..records * RECORD).map(|i| byte(file, i)).collect::<Vec<_>>();
        let contents: Vec<_> = (0..6).map(content).collect();
        let md5s = contents.iter().map(|content| hex(&Md5::digest(content))).collect();
        Self { contents, md5s, records }
    }

    pub fn write(&self, dir: &Path) {
        for (file, content) in FILES.iter().zip(&self.contents) {
            fs::write(dir.join(file.name), content).unwrap();
        }
    }

    pub fn files(&self) -> Vec<Official<'_>> {
        let files = FILES.iter().zip(&self.md5s);
        files.map(|(file, md5)| Official { name: file.name, md5 }).collect()
    }

    pub fn set<'a>(&self, files: &'a [Official<'a>]) -> Set<'a> {
        Set { files, records: self.records }
    }
}

/// The repository's `datasets/`.
pub(crate) fn datasets() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets")
}

/// The whole of CIFAR-10, where this machine has it.
pub(crate) fn whole() -> Option<Dataset> {
    let dir = datasets().join("cifar-10-batches-bin");
    if dir.is_dir() {
        return Some(read(&dir).unwrap());
    }
    eprintln!("passed over: CIFAR-10 is not here (`chainrule data fetch` gets it)");
    None
}
