//! A model as `.npz`: what `numpy.load` makes a dictionary of arrays of.
//!
//! A zip file whose members are the tensors of the model file, stored as they are, each as `.npy`:
//!
//! ```text
//! b"\x93NUMPY" 1 0   2 bytes: length of the header
//! {'descr': '<f4', 'fortran_order': False, 'shape': (10, 100), }   spaces, newline
//! the values, little-endian and row-major
//! ```
//!
//! One more, `activation`, is the name of the hidden units' activation, as an array of text without
//! dimensions. Equal models give equal bytes: every member has the date at which zip's time begins.
//!
//! The formats are those of numpy's `lib.format` and of PKWARE's APPNOTE.TXT, 4.3.

use super::{TooLarge, little_endian};
use crate::{ModelFile, weights};

/// Largest file without the extension for large ones.
const MOST: usize = u32::MAX as usize;

/// The bytes of the file.
///
/// # Errors
/// If the weights take more than 4 GB.
pub fn npz(model: &ModelFile) -> Result<Vec<u8>, TooLarge> {
    // Beside the values there are some hundred bytes a tensor.
    let bytes = size_of_val(model.classifier.parameters());
    if bytes > MOST - (1 << 20) {
        return Err(TooLarge { bytes, format: "npz", most: MOST });
    }
    let tensors = weights::parameters(&model.classifier);
    let tensors = tensors.chain(weights::normalization(&model.normalization));
    let mut zip = Zip::default();
    for (name, shape, values) in tensors {
        zip.add(&format!("{name}.npy"), &npy("<f4", &shape, &little_endian(values)));
    }
    let activation = model.classifier.hidden().activation.to_string();
    let text: Vec<u8> = activation.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
    zip.add("activation.npy", &npy(&format!("<U{}", activation.chars().count()), &[], &text));
    Ok(zip.finish())
}

/// An array of numpy's: its type, its shape and its bytes.
fn npy(descr: &str, shape: &[usize], values: &[u8]) -> Vec<u8> {
    // A Python tuple: (), (3,), (3, 4,).
    let shape: String = shape.iter().map(|n| format!("{n}, ")).collect();
    let shape = shape.trim_end();
    let mut header =
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}");
    // Magic, version and length are 10 bytes; with the newline all are a multiple of 64.
    let padded = (10 + header.len() + 1).next_multiple_of(64) - 10;
    header += &" ".repeat(padded - header.len() - 1);
    header.push('\n');
    let length = (header.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), values].concat()
}

/// A zip file of stored members.
#[derive(Default)]
struct Zip {
    bytes: Vec<u8>,
    /// The directory, which stands at the end.
    directory: Vec<u8>,
    members: u16,
}

impl Zip {
    fn add(&mut self, name: &str, content: &[u8]) {
        /// Version 2.0, no flags, stored, midnight, 1 January 1980.
        const COMMON: [u8; 10] = [20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0];
        let (offset, length) = (self.bytes.len() as u32, content.len() as u32);
        let mut entry = COMMON.to_vec();
        entry.extend(crc32fast::hash(content).to_le_bytes());
        entry.extend(length.to_le_bytes()); // compressed
        entry.extend(length.to_le_bytes());
        entry.extend((name.len() as u16).to_le_bytes());
        entry.extend([0; 2]); // no extra field

        self.bytes.extend(b"PK\x03\x04");
        self.bytes.extend(&entry);
        self.bytes.extend(name.as_bytes());
        self.bytes.extend(content);

        self.directory.extend(b"PK\x01\x02\x14\x00"); // made by version 2.0
        self.directory.extend(&entry);
        self.directory.extend([0; 10]); // no comment, first disk, no attributes
        self.directory.extend(offset.to_le_bytes());
        self.directory.extend(name.as_bytes());
        self.members += 1;
    }

    fn finish(mut self) -> Vec<u8> {
        let offset = self.bytes.len() as u32;
        let length = self.directory.len() as u32;
        self.bytes.append(&mut self.directory);
        self.bytes.extend(b"PK\x05\x06\0\0\0\0"); // the first disk, and the only one
        self.bytes.extend(self.members.to_le_bytes());
        self.bytes.extend(self.members.to_le_bytes());
        self.bytes.extend(length.to_le_bytes());
        self.bytes.extend(offset.to_le_bytes());
        self.bytes.extend([0; 2]); // no comment
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use chainrule_data::Normalization;
    use chainrule_nn::{Init, SoftmaxClassifier};

    use super::*;

    #[test]
    fn an_array_has_the_very_bytes_that_numpy_saves() {
        // numpy.save of numpy.array([[1, 2, 3]], "<f4"), and of numpy.array("relu"), numpy 2:
        // the header's text, and that its end is at byte 128.
        let values = little_endian(&[1.0, 2.0, 3.0]);
        let bytes = npy("<f4", &[1, 3], &values);
        let head = b"\x93NUMPY\x01\0v\0{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3";
        assert!(bytes.starts_with(head), "{:?}", bytes.escape_ascii().to_string());
        assert_eq!((bytes.len(), bytes[127], &bytes[128..]), (140, b'\n', &values[..]));
        assert!(npy("<U4", &[], &[0; 16]).windows(13).any(|part| part == b"'shape': (), "));
        assert!(npy("<f4", &[7], &[]).windows(13).any(|part| part == b"'shape': (7,)"));
    }

    #[test]
    fn every_tensor_is_a_member_that_the_directory_finds() {
        let classifier = SoftmaxClassifier::new(&[12, 5, 3], Init::He, 1).unwrap();
        let normalization = Normalization::new(vec![1.0; 3], vec![2.0; 3]).unwrap();
        let model = ModelFile { classifier, normalization, task: None, members: vec![] };
        let bytes = npz(&model).unwrap();
        let u16_at =
            |at: usize| usize::from(u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap()));
        let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let end = bytes.len() - 22;
        assert_eq!(&bytes[end..end + 4], b"PK\x05\x06");
        let mut at = u32_at(end + 16) as usize;
        assert_eq!(at + u32_at(end + 12) as usize, end, "the directory fills the gap");
        let mut names = vec![];
        for _ in 0..u16_at(end + 10) {
            assert_eq!(&bytes[at..at + 4], b"PK\x01\x02");
            let (crc, length, name) = (u32_at(at + 16), u32_at(at + 24) as usize, u16_at(at + 28));
            let local = u32_at(at + 42) as usize;
            assert_eq!(&bytes[local..local + 4], b"PK\x03\x04");
            assert_eq!(bytes[local + 30..local + 30 + name], bytes[at + 46..at + 46 + name]);
            let content = &bytes[local + 30 + name..][..length];
            assert!(content.starts_with(b"\x93NUMPY"));
            assert_eq!(crc32fast::hash(content), crc);
            let name_text = String::from_utf8(bytes[at + 46..at + 46 + name].to_vec()).unwrap();
            if name_text == "fc2.weight.npy" {
                assert!(content.ends_with(&little_endian(model.classifier.weight(1))));
            }
            names.push(name_text.trim_end_matches(".npy").to_owned());
            at += 46 + name;
        }
        let wanted = "fc1.weight fc1.bias fc2.weight fc2.bias input.mean input.std activation";
        assert_eq!(names.join(" "), wanted);
    }
}
