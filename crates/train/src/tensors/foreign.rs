//! Files of other formats, by their first bytes: for the message, after the parser has refused.

/// How many bytes behind the first 8 are looked at.
pub(super) const BEGINNING: u64 = 504;

/// What the file is that begins so, and what to do with it.
pub(super) fn named(beginning: &[u8]) -> Option<&'static str> {
    const FORMATS: [(&[u8], &str); 14] = [
        (
            b"\x93NUMPY",
            "an array of numpy (.npy): write the arrays with safetensors.numpy.save_file",
        ),
        (
            b"\x89HDF\r\n\x1a\n",
            "HDF5, as Keras writes it (.h5): write its arrays with safetensors.numpy.save_file",
        ),
        (b"\x1f\x8b", "a gzip archive: unpack it first"),
        (b"BZh", "a bzip2 archive: unpack it first"),
        (b"\xfd7zXZ\0", "an xz archive: unpack it first"),
        (b"\x28\xb5\x2f\xfd", "a zstd archive: unpack it first"),
        (b"GGUF", "GGUF, of llama.cpp: expected a classifier in safetensors"),
        (
            b"version https://git-lfs",
            "a pointer of Git LFS: get the file itself with `git lfs pull`",
        ),
        (b"<", "a page of HTML or XML, as a failed download leaves it: fetch the file again"),
        (b"{", "text, JSON perhaps: expected safetensors"),
        (b"\x89PNG", "a PNG picture: expected safetensors"),
        (b"\xff\xd8\xff", "a JPEG picture: expected safetensors"),
        (b"%PDF", "a PDF: expected safetensors"),
        (b"\x7fELF", "a program: expected safetensors"),
    ];
    let is_pickle = matches!(beginning, [0x80, 2..=5, ..]);
    let has_number = matches!(beginning, [8, 1..=32, 0x12 | 0x1a | 0x22 | 0x3a, ..]);
    match beginning {
        _ if beginning.starts_with(b"PK\x03\x04") => Some(in_a_zip(beginning)),
        _ if is_pickle => Some(TORCH_SAVE),
        _ if has_number => {
            Some("ONNX: expected the weights that it was exported from, as safetensors")
        }
        _ if beginning.get(4..8) == Some(b"TFL3") => Some("TensorFlow Lite: expected safetensors"),
        _ => match FORMATS.iter().find(|(magic, _)| beginning.starts_with(magic)) {
            Some((_, name)) => Some(name),
            None => is_text(beginning).then_some("text: expected safetensors"),
        },
    }
}

/// Whether these are lines of text in ASCII; a possible length of a header is none.
fn is_text(beginning: &[u8]) -> bool {
    beginning.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace())
}

const TORCH_SAVE: &str = "PyTorch's own format (torch.save): write it with \
                          safetensors.torch.save_file(model.state_dict(), FILE)";

/// A zip file, by the name of its first member, which stands at byte 30 (APPNOTE.TXT, 4.3.7).
fn in_a_zip(beginning: &[u8]) -> &'static str {
    let length = beginning.get(26..28).map_or(0, |n| usize::from(u16::from_le_bytes([n[0], n[1]])));
    let name = beginning.get(30..).unwrap_or_default();
    let name = &name[..length.min(name.len())];
    if name.ends_with(b".npy") {
        "arrays of numpy (.npz): write them with safetensors.numpy.save_file"
    } else if name.ends_with(b".pkl") || name.windows(5).any(|part| part == b"/data") {
        TORCH_SAVE
    } else if name.ends_with(b".json") || name.ends_with(b".h5") {
        "a model of Keras (.keras): write its arrays with safetensors.numpy.save_file"
    } else {
        "a zip archive, as torch.save and numpy.savez write them: write the tensors with \
         safetensors.torch.save_file"
    }
}
