//! Whether a WebP is whole.

/// Whether each chunk of an extended WebP lies within the file. The decoder takes a chunk's word for its
/// length, and asks for as much memory: up to 4 GB for metadata in a file of 100 bytes.
///
/// A chunk is its name, its length as 4 little-endian bytes, that many bytes, and a byte more where they
/// are odd in number. The chunks follow each other to the length in the first header (WebP Container
/// Specification, "RIFF File Format").
pub(super) fn is_whole(bytes: &[u8]) -> bool {
    let length = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
    let Some(end) = length(4) else { return false };
    // One that is not extended is a single chunk of pixels, whose end the decoder notices.
    let mut at = 12;
    while bytes.get(12..16) == Some(b"VP8X") && at < (end as usize).saturating_add(8) {
        if at == bytes.len() {
            break;
        }
        let Some(length) = length(at + 4) else { return false };
        let next = at.saturating_add(8).saturating_add(length as usize);
        if next > bytes.len() {
            return false;
        }
        at = next + (next & 1);
    }
    true
}
