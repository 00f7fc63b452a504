//! Formats opened, and closed again with the checksums put right.
//!
//! A flipped bit in a gzip file is found by its CRC, one in a PNG's chunk by another: mutated as
//! they are, such files never get past the door. So the content is taken out of the seeds,
//! mutated, and put into a file that is right but for it.

use std::io::{Read, Write};

use flate2::read::{GzDecoder, ZlibDecoder};
use flate2::write::{GzEncoder, ZlibEncoder};
use flate2::{Compression, Crc};

/// A way into a format, and out again.
pub struct Layer {
    /// What it is called: `guided TARGET NAME`.
    pub name: &'static str,
    /// The content of a file; none if it is too broken to have any.
    pub open: fn(&[u8]) -> Option<Vec<u8>>,
    /// A file with this content, however strange that is.
    pub close: fn(&[u8]) -> Vec<u8>,
}

/// A tar archive in gzip; its headers are left as the mutation left them.
pub const GZIP: Layer = Layer { name: "gzip", open: gunzip, close: gzip };

/// A tar archive in gzip, each of its headers with the right checksum.
pub const TAR: Layer = Layer {
    name: "tar",
    open: gunzip,
    close: |tar| {
        let mut tar = tar.to_vec();
        repair_headers(&mut tar);
        gzip(&tar)
    },
};

/// A PNG, each of whose chunks has the right checksum.
pub const PNG_CHUNKS: Layer =
    Layer { name: "chunks", open: |png| Some(png.to_vec()), close: repair_chunks };

/// The rows of a PNG as they are compressed: each a byte that names the filter, then its pixels.
pub const PNG_ROWS: Layer = Layer { name: "rows", open: rows, close: sheet };

/// The header of a safetensors file: its length is put before it, and numbers behind it.
pub const SAFETENSORS_HEADER: Layer = Layer { name: "header", open: header, close: with_header };

fn gunzip(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut content).ok()?;
    Some(content)
}

/// Stored, not compressed: what is mutated is the content, and this is faster.
fn gzip(content: &[u8]) -> Vec<u8> {
    let mut gz = GzEncoder::new(Vec::new(), Compression::none());
    let written = gz.write_all(content).and_then(|()| gz.finish());
    written.expect("writing to memory")
}

/// Gives each header, from the first on, the sum of its bytes that it ends with.
fn repair_headers(tar: &mut [u8]) {
    const BLOCK: usize = 512;
    const SIZE: std::ops::Range<usize> = 124..136;
    const SUM: std::ops::Range<usize> = 148..156;
    let mut at = 0;
    while let Some(header) = tar.get_mut(at..at + BLOCK) {
        if header.iter().all(|&byte| byte == 0) {
            break;
        }
        header[SUM].fill(b' ');
        let sum: u32 = header.iter().copied().map(u32::from).sum();
        header[SUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let size = String::from_utf8_lossy(&header[SIZE]);
        let size = usize::from_str_radix(size.trim_matches(['\0', ' ']), 8).unwrap_or(0);
        let Some(next) = size.checked_next_multiple_of(BLOCK).and_then(|n| n.checked_add(BLOCK))
        else {
            break;
        };
        at = at.saturating_add(next);
    }
}

const SIGNATURE: [u8; 8] = *b"\x89PNG\r\n\x1a\n";

/// The chunks of a PNG: where each begins, and how long its data are. Ends where one is cut off.
fn chunks(png: &[u8]) -> impl Iterator<Item = (usize, usize)> {
    let mut at = SIGNATURE.len();
    std::iter::from_fn(move || {
        let length = png.get(at..at.checked_add(4)?)?;
        let length = u32::from_be_bytes(length.try_into().ok()?) as usize;
        let begin = at;
        at = at.checked_add(length)?.checked_add(12)?;
        (at <= png.len()).then_some((begin, length))
    })
}

fn repair_chunks(png: &[u8]) -> Vec<u8> {
    let mut repaired = png.to_vec();
    for (begin, length) in chunks(png) {
        let crc = begin + 8 + length;
        repaired[crc..crc + 4].copy_from_slice(&checksum(&png[begin + 4..crc]));
    }
    repaired
}

fn checksum(chunk: &[u8]) -> [u8; 4] {
    let mut crc = Crc::new();
    crc.update(chunk);
    crc.sum().to_be_bytes()
}

fn rows(png: &[u8]) -> Option<Vec<u8>> {
    let data = chunks(png).filter(|&(begin, _)| &png[begin + 4..begin + 8] == b"IDAT");
    let packed: Vec<u8> =
        data.flat_map(|(begin, length)| &png[begin + 8..begin + 8 + length]).copied().collect();
    let mut rows = Vec::new();
    ZlibDecoder::new(&packed[..]).read_to_end(&mut rows).ok()?;
    Some(rows)
}

/// A PNG of 1024 x 2 pixels with these rows.
fn sheet(rows: &[u8]) -> Vec<u8> {
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::none());
    let packed = zlib.write_all(rows).and_then(|()| zlib.finish()).expect("writing to memory");
    let mut png = SIGNATURE.to_vec();
    // Width, height, eight bits, RGB, and the only methods that there are.
    let start = [&1024u32.to_be_bytes()[..], &2u32.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    for (name, data) in [(b"IHDR", &start[..]), (b"IDAT", &packed), (b"IEND", &[])] {
        let begin = png.len() + 4;
        png.extend((data.len() as u32).to_be_bytes());
        png.extend(name);
        png.extend(data);
        let crc = checksum(&png[begin..]);
        png.extend(crc);
    }
    png
}

fn header(file: &[u8]) -> Option<Vec<u8>> {
    let length = u64::from_le_bytes(file.get(..8)?.try_into().ok()?);
    Some(file.get(8..usize::try_from(length).ok()?.checked_add(8)?)?.to_vec())
}

/// The file behind the header is as long as the greatest number in it that ends a list, as the
/// offsets do, and is not beyond reason.
fn with_header(header: &[u8]) -> Vec<u8> {
    const MOST: usize = 1 << 14;
    let lists = header.split(|&byte| byte == b']');
    let ends = lists.filter_map(|list| list.rsplit(|byte| !byte.is_ascii_digit()).next());
    let numbers = ends.filter_map(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    let length = numbers.filter(|&number: &usize| number <= MOST).max().unwrap_or(0);
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header);
    // Ones: a deviation may not be 0.
    file.extend(std::iter::repeat_n(1f32.to_le_bytes(), length.div_ceil(4)).flatten());
    file.truncate(8 + header.len() + length);
    file
}
