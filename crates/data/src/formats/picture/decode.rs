//! Reading a picture file, within limits.

use std::io::{Cursor, Read};
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader};
use md5::{Digest, Md5};

use super::caught::caught;
use super::endings::{FORMATS, begins_as_picture, is_named_as_picture, is_read};
use super::fit::{opaque, values};
use super::jpeg;
use super::orientation::orientation;
use super::webp;
use crate::{Error, Shape, file};

/// Largest file that is read, in bytes.
const MOST_BYTES: u64 = 1 << 28;

/// Most memory that the pixels of a picture may take, in bytes: 178 million pixels of 3 bytes.
/// A fuzzer gets less, or it would spend its time on clearing memory.
const MOST_DECODED: u64 = if cfg!(fuzzing) { 1 << 22 } else { 1 << 29 };

/// What a picture says of itself before its pixels are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// In pixels, once it stands upright.
    pub width: u32,
    /// In pixels, once it stands upright.
    pub height: u32,
    /// Whether it has one channel, and perhaps a transparency, and no colors.
    pub is_gray: bool,
}

/// Whether a file is meant to be a picture: it begins as one does, or its name ends as those of
/// pictures do. A file that cannot be opened has only its name.
pub fn is_meant(path: &Path) -> bool {
    if is_named_as_picture(path) {
        return true;
    }
    let mut start = Vec::new();
    let read = file::open(path).and_then(|(file, _)| file.take(16).read_to_end(&mut start));
    read.is_ok() && begins_as_picture(&start)
}

/// Reads the header of a picture.
///
/// # Errors
/// As [`read`], but for damage behind the header.
pub fn header(path: &Path) -> Result<Header, Error> {
    let header = |bytes: &[u8]| {
        let (mut decoder, format) = decoder(bytes)?;
        let (width, height) = decoder.dimensions();
        let is_turned = {
            use image::metadata::Orientation::{
                Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH,
            };
            let orientation = orientation(bytes, format, &mut decoder);
            matches!(orientation, Rotate90 | Rotate90FlipH | Rotate270 | Rotate270FlipH)
        };
        let (width, height) = if is_turned { (height, width) } else { (width, height) };
        Ok(Header { width, height, is_gray: !decoder.color_type().has_color() })
    };
    bytes(path).and_then(|bytes| caught(|| header(&bytes))).map_err(refusal(path))
}

/// Reads a picture as an image of this shape: its values channel by channel, each row by row, as
/// in [`Images`](crate::Images).
///
/// # Errors
/// [`Error::Photo`] if the file cannot be read, is in no format that is read, is damaged or cut short,
/// or is too large.
///
/// # Panics
/// If the shape has neither 1 nor 3 channels, or no pixels.
pub fn read(path: &Path, shape: Shape) -> Result<Vec<u8>, Error> {
    let picture = bytes(path).and_then(|bytes| decode(&bytes)).map_err(refusal(path))?;
    Ok(values(picture, shape))
}

/// [`read`] of the bytes of a file; the error says what is wrong with them.
#[doc(hidden)]
pub fn parse(bytes: &[u8], shape: Shape) -> Result<Vec<u8>, String> {
    decode(bytes).map(|picture| values(picture, shape))
}

/// Decodes a picture to its last pixel; the MD5 of its width, its height and its colors over white.
///
/// # Errors
/// As [`read`].
pub(crate) fn fingerprint(path: &Path) -> Result<[u8; 16], Error> {
    let picture = bytes(path).and_then(|bytes| decode(&bytes)).map_err(refusal(path))?;
    let picture = opaque(picture);
    let size = [picture.width(), picture.height()].map(u32::to_le_bytes);
    Ok(Md5::new()
        .chain_update(size.as_flattened())
        .chain_update(picture.as_raw())
        .finalize()
        .into())
}

fn refusal(path: &Path) -> impl FnOnce(String) -> Error {
    let path = path.to_owned();
    move |problem| Error::Photo { path, problem }
}

fn bytes(path: &Path) -> Result<Vec<u8>, String> {
    file::read(path, MOST_BYTES).map_err(|error| error.to_string())
}

fn damaged(error: image::ImageError) -> String {
    format!("it is damaged: {error}")
}

/// The picture that the bytes of a file make, upright.
fn decode(bytes: &[u8]) -> Result<DynamicImage, String> {
    if matches!(image::guess_format(bytes), Ok(ImageFormat::Jpeg)) && !jpeg::is_whole(bytes) {
        return Err("it is a JPEG that ends too early".into());
    }
    caught(|| {
        let (mut decoder, format) = decoder(bytes)?;
        let orientation = orientation(bytes, format, &mut decoder);
        let mut picture = DynamicImage::from_decoder(decoder).map_err(damaged)?;
        picture.apply_orientation(orientation);
        Ok(picture)
    })
}

/// A decoder that has read the header, of a picture that is not too large.
fn decoder(bytes: &[u8]) -> Result<(impl ImageDecoder + '_, ImageFormat), String> {
    let format = match image::guess_format(bytes).ok() {
        Some(format) if is_read(format) => format,
        _ if bytes.is_empty() => return Err("it is empty".into()),
        Some(other) => return Err(format!("it is {other:?}: expected {FORMATS}")),
        None => return Err(format!("it is no {FORMATS}")),
    };
    if format == ImageFormat::WebP && !webp::is_whole(bytes) {
        return Err("it is a WebP that ends too early".into());
    }
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format();
    let decoder = reader.map_err(|error| error.to_string())?.into_decoder().map_err(damaged)?;
    let ((width, height), needed) = (decoder.dimensions(), decoder.total_bytes());
    if width == 0 || height == 0 {
        return Err("it has no pixels".into());
    }
    if needed > MOST_DECODED {
        return Err(format!(
            "its {width} x {height} pixels would take {} MB of memory, and at most {} are given: \
             make it smaller first",
            needed / 1_000_000,
            MOST_DECODED / 1_000_000
        ));
    }
    Ok((decoder, format))
}
