//! Which way up a picture is: the orientation of its Exif data, else of its XMP.
//!
//! As Pillow's `ImageOps.exif_transpose` decides it: the first Exif data of the file count, wherever
//! they stand, as SHORT or LONG; where they have no orientation, the text
//! `tiff:Orientation` of the XMP does. A value other than 1 to 8 turns nothing.

use std::io::Cursor;

use exif::{In, Reader, Tag, Value};
use image::metadata::Orientation;
use image::{ImageDecoder, ImageFormat};

/// The orientation of the picture in `bytes`, of which `decoder` has read the header.
pub(super) fn orientation(
    bytes: &[u8],
    format: ImageFormat,
    decoder: &mut impl ImageDecoder,
) -> Orientation {
    if !matches!(
        format,
        ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::WebP | ImageFormat::Tiff
    ) {
        return Orientation::NoTransforms;
    }
    let value = of_exif(bytes).or_else(|| {
        let xmp = decoder.xmp_metadata().ok().flatten();
        let late = || (format == ImageFormat::Png).then(|| xmp_of_png(bytes)).flatten();
        of_xmp(xmp.as_deref().or_else(late)?)
    });
    let value = value.and_then(|value| u8::try_from(value).ok());
    value.and_then(Orientation::from_exif).unwrap_or(Orientation::NoTransforms)
}

/// The orientation of the Exif data, if there is one.
fn of_exif(bytes: &[u8]) -> Option<u32> {
    let mut reader = Reader::new();
    let read = reader.continue_on_error(true).read_from_container(&mut Cursor::new(bytes));
    let exif = read.or_else(|error| error.distill_partial_result(|_| {})).ok()?;
    match &exif.get_field(Tag::Orientation, In::PRIMARY)?.value {
        // A BYTE is no number to Pillow.
        value @ (Value::Short(_) | Value::Long(_)) => value.get_uint(0),
        _ => None,
    }
}

/// The digit behind `tiff:Orientation="` or `tiff:Orientation>`.
fn of_xmp(xmp: &[u8]) -> Option<u32> {
    const NAME: &[u8] = b"tiff:Orientation";
    let behind = xmp.windows(NAME.len()).enumerate().filter(|(_, window)| *window == NAME);
    let digit = |at: usize| match &xmp[at + NAME.len()..] {
        [b'=', b'"', digit @ b'0'..=b'9', ..] | [b'>', digit @ b'0'..=b'9', ..] => {
            Some(u32::from(digit - b'0'))
        }
        _ => None,
    };
    behind.filter_map(|(at, _)| digit(at)).next()
}

/// The XMP of a PNG, wherever it stands: the decoder has read what lies before the pixels alone.
fn xmp_of_png(bytes: &[u8]) -> Option<&[u8]> {
    const KEYWORD: &[u8] = b"XML:com.adobe.xmp\0";
    let mut rest = bytes.get(8..)?;
    while let [a, b, c, d, kind @ ..] = rest {
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        let data = kind.get(4..length.checked_add(4)?)?;
        if kind.starts_with(b"iTXt") && data.starts_with(KEYWORD) {
            return Some(data);
        }
        rest = kind.get(length + 8..)?;
    }
    None
}
