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

/// The bytes that Python 2 pickles for a batch of CIFAR-10, as `pickletools` shows the official
/// files: protocol 2, texts that are bytes, numpy 1.
#[cfg(feature = "places")]
pub(crate) fn python2(labels: &[u8], pixels: &[u8]) -> Vec<u8> {
    let mut out = b"\x80\x02}q\x01(U\x0bbatch_labelq\x02U\x15training batch 1 of 5q\x03U\x06labelsq\x04]q\x05("
        .to_vec();
    labels.iter().for_each(|label| out.extend([b'K', *label]));
    out.extend(b"eU\x04dataq\x06cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08K\x00\x85q\x09");
    out.extend(b"U\x01bq\x0a\x87q\x0bRq\x0c(K\x01M");
    out.extend(((pixels.len() / 3072) as u16).to_le_bytes());
    out.extend(b"M\x00\x0c\x86cnumpy\ndtype\nq\x0dU\x02u1K\x00K\x01\x87q\x0eRq\x0f(K\x03U\x01|NNNJ\xff\xff\xff\xff");
    out.extend(b"J\xff\xff\xff\xffK\x00tb\x89T");
    out.extend((pixels.len() as u32).to_le_bytes());
    out.extend(pixels);
    out.extend(b"tbU\x09filenamesq\x10]q\x11(U\x05a.pngq\x12eu.");
    out
}
