//! The formats of pictures that are read, and how their names end: one list for every command.

use image::ImageFormat;
use std::path::Path;

/// The formats that are read, for messages.
pub const FORMATS: &str = "PNG, JPEG, WebP, BMP, GIF or TIFF";

/// Endings of the names of pictures that are read, in lower case.
pub const ENDINGS: [&str; 10] =
    ["png", "jpg", "jpeg", "jpe", "jfif", "webp", "bmp", "gif", "tif", "tiff"];

/// Endings of the names of pictures that are not read.
const OTHERS: [&str; 4] = ["avif", "heic", "heif", "jxl"];

fn ends_as(path: &Path, endings: &[&str]) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    endings.iter().any(|known| ending.eq_ignore_ascii_case(known))
}

/// Whether a file's name ends as that of a picture that is read, in any case.
pub fn has_ending(path: &Path) -> bool {
    ends_as(path, &ENDINGS)
}

/// Whether a file's name ends as that of a picture, read or not.
pub(super) fn is_named_as_picture(path: &Path) -> bool {
    has_ending(path) || ends_as(path, &OTHERS)
}

/// Whether a format is read.
pub(super) fn is_read(format: ImageFormat) -> bool {
    use ImageFormat::{Bmp, Gif, Jpeg, Png, Tiff, WebP};
    matches!(format, Png | Jpeg | WebP | Bmp | Gif | Tiff)
}

/// Whether the first bytes of a file say that it is a picture, whatever its name. BMP's two letters
/// begin many a text, and TIFF's four bytes the raw files of cameras.
pub(super) fn begins_as_picture(start: &[u8]) -> bool {
    use ImageFormat::{Gif, Jpeg, Png, WebP};
    matches!(image::guess_format(start), Ok(Png | Jpeg | WebP | Gif))
}
