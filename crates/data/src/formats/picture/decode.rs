//! Reading a picture file, within limits.

use std::io::{Cursor, Read};
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader};

use super::fit::values;
use super::jpeg;
use crate::{Error, Shape, file};

/// Largest file that is read, in bytes.
const MOST_BYTES: u64 = 1 << 28;

/// Most memory that the pixels of a picture may take, in bytes: 178 million pixels of 3 bytes.
const MOST_DECODED: u64 = 1 << 29;

/// Endings of the names that pictures have, those that cannot be read among them.
const ENDINGS: [&str; 12] =
    ["png", "jpg", "jpeg", "jpe", "jfif", "gif", "bmp", "webp", "tif", "tiff", "avif", "heic"];

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

/// Whether a file is meant to be a picture: it begins as PNG or JPEG do, or its name ends as those
/// of pictures do. A file that cannot be opened has only its name.
pub fn is_meant(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    if ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)) {
        return true;
    }
    let mut start = Vec::new();
    let read = file::open(path).and_then(|(file, _)| file.take(16).read_to_end(&mut start));
    let format = image::guess_format(&start);
    read.is_ok() && matches!(format, Ok(ImageFormat::Png | ImageFormat::Jpeg))
}

/// Reads the header of a picture.
///
/// # Errors
/// As [`read`], but for damage behind the header.
pub fn header(path: &Path) -> Result<Header, Error> {
    let header = || {
        let bytes = bytes(path)?;
        let mut decoder = decoder(&bytes)?;
        let (width, height) = decoder.dimensions();
        let is_turned = {
            use image::metadata::Orientation::{
                Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH,
            };
            let orientation = decoder.orientation().map_err(damaged)?;
            matches!(orientation, Rotate90 | Rotate90FlipH | Rotate270 | Rotate270FlipH)
        };
        let (width, height) = if is_turned { (height, width) } else { (width, height) };
        Ok(Header { width, height, is_gray: !decoder.color_type().has_color() })
    };
    header().map_err(refusal(path))
}

/// Reads a picture as an image of this shape: its values channel by channel, each row by row, as
/// in [`Images`](crate::Images).
///
/// # Errors
/// [`Error::Photo`] if the file cannot be read, is neither PNG nor JPEG, is damaged or cut short,
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

/// Decodes a picture to its last pixel, and forgets it.
///
/// # Errors
/// As [`read`].
pub fn check(path: &Path) -> Result<(), Error> {
    bytes(path).and_then(|bytes| decode(&bytes)).map(drop).map_err(refusal(path))
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
    let mut decoder = decoder(bytes)?;
    let orientation = decoder.orientation().map_err(damaged)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

/// A decoder that has read the header, of a picture that is not too large.
fn decoder(bytes: &[u8]) -> Result<impl ImageDecoder + '_, String> {
    match image::guess_format(bytes).ok() {
        Some(ImageFormat::Png | ImageFormat::Jpeg) => {}
        _ if bytes.is_empty() => return Err("it is empty".into()),
        Some(other) => return Err(format!("it is {other:?}: expected a PNG or a JPEG")),
        None => return Err("it is neither a PNG nor a JPEG".into()),
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
    Ok(decoder)
}
