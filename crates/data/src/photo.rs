//! A picture of any size, PNG or JPEG, as an image of a dataset: 1 or 3 channels of bytes.
//!
//! As the field does it for CIFAR-10: the picture is turned upright (EXIF), laid on white where it
//! is transparent, cut in its middle to the proportions that are wanted, and that is brought to
//! size by the triangle filter, which is as wide as a pixel of the result and so averages over all
//! pixels behind it. A picture of the right size stays as it is, to the bit. Colors become gray,
//! where gray is wanted, by the luma of Rec. 709: 0.2126 red, 0.7152 green, 0.0722 blue.

use std::io::{Cursor, Read};
use std::path::Path;

use image::imageops::{self, FilterType};
use image::{
    DynamicImage, GrayImage, ImageBuffer, ImageDecoder, ImageFormat, ImageReader, Pixel, RgbImage,
};

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
    if matches!(image::guess_format(bytes), Ok(ImageFormat::Jpeg)) && !is_whole_jpeg(bytes) {
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

/// Whether a JPEG goes on to its end marker. The decoder makes up what is missing, in gray.
///
/// Between two markers there are segments that tell their length, and, behind a start of scan,
/// coded data in which an 0xFF is followed by 0 or a restart marker (ITU-T T.81, B.1.1).
fn is_whole_jpeg(bytes: &[u8]) -> bool {
    const START_OF_SCAN: u8 = 0xda;
    const END_OF_IMAGE: u8 = 0xd9;
    let is_restart = |code: u8| (0xd0..=0xd7).contains(&code);
    let mut at = 2;
    while let Some(rest) = bytes.get(at..) {
        // Whatever stands before the next marker is coded data, or padding.
        let is_marker =
            |pair: &[u8]| pair[0] == 0xff && ![0, 0xff].contains(&pair[1]) && !is_restart(pair[1]);
        let Some(marker) = rest.windows(2).position(is_marker) else { return false };
        let (code, segment) = (rest[marker + 1], &rest[marker + 2..]);
        match (code, segment) {
            (END_OF_IMAGE, _) => return true,
            (START_OF_SCAN.. | 0x02..START_OF_SCAN, [high, low, ..]) => {
                at += marker + 2 + usize::from(u16::from_be_bytes([*high, *low]));
            }
            _ => at += marker + 2,
        }
    }
    false
}

/// The values of a picture that is brought to this shape.
fn values(picture: DynamicImage, shape: Shape) -> Vec<u8> {
    let size = (shape.width as u32, shape.height as u32);
    match shape.channels {
        1 => fit(gray(picture), size).into_raw(),
        3 => {
            let small = fit(opaque(picture), size);
            (0..3).flat_map(|channel| small.pixels().map(move |pixel| pixel[channel])).collect()
        }
        channels => panic!("a picture of {channels} channels"),
    }
}

/// A value of a picture, `alpha` of it over white.
fn over_white(value: u16, alpha: u16) -> u8 {
    ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}

/// The picture in three channels of a byte, over white.
fn opaque(picture: DynamicImage) -> RgbImage {
    if !picture.color().has_alpha() {
        return picture.into_rgb8();
    }
    let picture = picture.into_rgba8();
    RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
        let [red, green, blue, alpha] = picture.get_pixel(x, y).0.map(u16::from);
        image::Rgb([red, green, blue].map(|c| over_white(c, alpha)))
    })
}

/// The picture in one channel of a byte, over white.
fn gray(picture: DynamicImage) -> GrayImage {
    if !picture.color().has_alpha() {
        return picture.into_luma8();
    }
    let picture = picture.into_luma_alpha8();
    GrayImage::from_fn(picture.width(), picture.height(), |x, y| {
        let [value, alpha] = picture.get_pixel(x, y).0.map(u16::from);
        image::Luma([over_white(value, alpha)])
    })
}

/// The largest part in the middle that has the proportions of `wide` × `high`, brought to that size.
fn fit<P: Pixel<Subpixel = u8> + 'static>(
    picture: ImageBuffer<P, Vec<u8>>,
    (wide, high): (u32, u32),
) -> ImageBuffer<P, Vec<u8>> {
    assert!(wide > 0 && high > 0, "a picture without pixels");
    let (width, height) = picture.dimensions();
    if (width, height) == (wide, high) {
        return picture;
    }
    let scaled = |side: u32, by: u32, of: u32| {
        let product = u64::from(side) * u64::from(by);
        ((product + u64::from(of) / 2) / u64::from(of)).max(1) as u32
    };
    let (part_width, part_height) =
        (width.min(scaled(height, wide, high)), height.min(scaled(width, high, wide)));
    let (left, top) = ((width - part_width) / 2, (height - part_height) / 2);
    let part = imageops::crop_imm(&picture, left, top, part_width, part_height);
    imageops::resize(&*part, wide, high, FilterType::Triangle)
}

#[cfg(test)]
mod tests {
    use image::{ImageBuffer, Luma, LumaA, Rgb, Rgba};

    use super::*;
    use crate::cifar10::SHAPE;
    use crate::sample;

    /// What [`read`] makes of a picture that is saved under `name`.
    fn through(picture: impl Into<DynamicImage>, name: &str) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        picture.into().save(&path).unwrap();
        read(&path, SHAPE).unwrap()
    }

    fn problem(bytes: &[u8]) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("photo");
        std::fs::write(&path, bytes).unwrap();
        read(&path, SHAPE).unwrap_err().to_string()
    }

    fn encoded(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(vec![]);
        picture.into().write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    /// An image of the sample, each pixel `times` × `times` large.
    fn enlarged(image: &[u8], times: u32) -> RgbImage {
        RgbImage::from_fn(32 * times, 32 * times, |x, y| {
            let at = (y / times * 32 + x / times) as usize;
            Rgb([image[at], image[1024 + at], image[2048 + at]])
        })
    }

    #[test]
    fn a_picture_of_the_right_size_keeps_every_byte() {
        let data = sample::read();
        for i in 0..10 {
            let image = data.test.image(i);
            assert!(through(enlarged(image, 1), "photo.png") == image, "image {i}");
        }
    }

    #[test]
    fn an_enlarged_picture_comes_back_close_to_what_it_was() {
        let data = sample::read();
        let image = data.test.image(0);
        let back = through(enlarged(image, 4), "photo.png");
        let apart = image.iter().zip(&back).map(|(a, b)| f64::from(a.abs_diff(*b)));
        let mean = apart.sum::<f64>() / 3072.0;
        // To each side the filter reaches half a pixel of the result too far, an eighth of its weight.
        assert!(mean < 5.0, "{mean} of 255 apart on the mean");
    }

    #[test]
    fn a_picture_is_shrunk_as_pytorch_shrinks_it() {
        // torch.nn.functional.interpolate(x, (2, 2), mode="bilinear", antialias=True) of the
        // 5 x 5 picture x[i][j] = (37 i + 11 j² + 5 i j) mod 256, PyTorch 2.15: 61,
        // 136.79, 141.30, 151.93.
        let picture = RgbImage::from_fn(5, 5, |j, i| {
            Rgb([((37 * i + 11 * j * j + 5 * i * j) % 256) as u8; 3])
        });
        let small = fit(picture, (2, 2));
        let values: Vec<u8> = small.pixels().map(|pixel| pixel[0]).collect();
        assert_eq!(values, [61, 137, 141, 152]);
    }

    #[test]
    fn colors_become_gray_by_their_luma_and_the_transparent_white() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p.png");
        let gray = |picture: DynamicImage| {
            picture.save(&path).unwrap();
            read(&path, Shape { channels: 1, height: 1, width: 2 }).unwrap()
        };
        let colors =
            ImageBuffer::from_fn(2, 1, |x, _| Rgb([[255u8, 0, 0], [0, 255, 255]][x as usize]));
        // 255 · 0.2126 = 54.2; 255 · (0.7152 + 0.0722) = 200.8.
        let found = gray(colors.into());
        assert!(found[0].abs_diff(54) <= 1 && found[1].abs_diff(201) <= 1, "{found:?}");
        let faint = ImageBuffer::from_fn(2, 1, |x, _| LumaA([[100u8, 51], [9, 0]][x as usize]));
        assert_eq!(gray(faint.into()), [224, 255]);
    }

    #[test]
    fn a_picture_is_cut_to_the_proportions_that_are_wanted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p.png");
        // A band of 200 in the middle, 12 of 20 lines high: what 20 x 12 leaves of 20 x 20.
        let picture =
            RgbImage::from_fn(20, 20, |_, y| Rgb([if (4..16).contains(&y) { 200 } else { 0 }; 3]));
        picture.save(&path).unwrap();
        let values = read(&path, Shape { channels: 3, height: 6, width: 10 }).unwrap();
        assert_eq!(values, vec![200; 180]);
        assert_eq!(header(&path).unwrap(), Header { width: 20, height: 20, is_gray: false });
    }

    #[test]
    fn one_color_stays_that_color_at_any_size_and_shape() {
        for (width, height) in [(1, 1), (7, 300), (100, 33), (31, 32), (3000, 2)] {
            let pixels = through(RgbImage::from_pixel(width, height, Rgb([9, 130, 251])), "p.png");
            let wanted = [9, 130, 251].map(|value| [value; 1024]).concat();
            assert!(pixels == wanted, "{width} x {height}");
        }
        let jpeg = through(RgbImage::from_pixel(90, 60, Rgb([100; 3])), "photo.jpg");
        assert!(jpeg.iter().all(|value| value.abs_diff(100) <= 2), "{jpeg:?}");
    }

    #[test]
    fn the_middle_of_a_long_picture_is_taken() {
        let in_the_middle = |x: u32| Rgb(if (40..72).contains(&x) { [200; 3] } else { [0; 3] });
        let lying = RgbImage::from_fn(112, 32, |x, _| in_the_middle(x));
        let standing = RgbImage::from_fn(32, 112, |_, y| in_the_middle(y));
        for picture in [lying, standing] {
            assert!(through(picture, "photo.png").iter().all(|&value| value == 200));
        }
    }

    #[test]
    fn every_kind_of_png_becomes_three_channels_and_the_transparent_becomes_white() {
        let pixels = |picture: DynamicImage| {
            let all = through(picture, "photo.png");
            [all[0], all[1024], all[2048]]
        };
        let gray = ImageBuffer::from_pixel(8, 8, Luma([77u8]));
        let deep = ImageBuffer::from_pixel(8, 8, Luma([0x4d4du16]));
        let color = ImageBuffer::from_pixel(8, 8, Rgb([0x0a0au16, 0xffff, 0]));
        let faint = ImageBuffer::from_pixel(8, 8, Rgba([255u8, 0, 100, 51]));
        let gone = ImageBuffer::from_pixel(8, 8, LumaA([0u8, 0]));
        assert_eq!(pixels(gray.into()), [77; 3]);
        assert_eq!(pixels(deep.into()), [77; 3]);
        assert_eq!(pixels(color.into()), [10, 255, 0]);
        // A fifth of the color, four of white: 51 + 204, 204, 20 + 204.
        assert_eq!(pixels(faint.into()), [255, 204, 224]);
        assert_eq!(pixels(gone.into()), [255; 3]);
    }

    #[test]
    fn a_photo_taken_with_the_camera_upside_down_is_turned_upright() {
        let lit = RgbImage::from_fn(32, 32, |_, y| Rgb(if y < 16 { [250; 3] } else { [5; 3] }));
        let jpeg = encoded(lit, ImageFormat::Jpeg);
        // An APP1 segment behind the start: big-endian TIFF, one entry, 0x0112 (orientation),
        // of type SHORT, 1 value, 3 (rotated by 180 degrees).
        let exif = b"\xff\xe1\0\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x03\0\0\0\0\0\0";
        let turned = [&jpeg[..2], exif, &jpeg[2..]].concat();
        let dir = tempfile::tempdir().unwrap();
        let (top, bottom) = (16 * 5, 32 * 27);
        for (bytes, wanted) in [(&jpeg, [250, 5]), (&turned, [5, 250])] {
            let path = dir.path().join("photo.jpg");
            std::fs::write(&path, bytes).unwrap();
            let pixels = read(&path, SHAPE).unwrap();
            for (at, wanted) in [top, bottom].into_iter().zip(wanted) {
                assert!(pixels[at].abs_diff(wanted) < 9, "{} where {wanted} was", pixels[at]);
            }
        }
    }

    #[test]
    fn files_that_are_no_whole_picture_are_refused_with_the_reason() {
        let picture = enlarged(sample::read().test.image(3), 2);
        let png = encoded(picture.clone(), ImageFormat::Png);
        let jpeg = encoded(picture, ImageFormat::Jpeg);
        assert!(problem(b"").ends_with("it is empty"));
        assert!(problem(b"once upon a time").ends_with("it is neither a PNG nor a JPEG"));
        assert!(problem(b"GIF89a\x01\0\x01\0").ends_with("it is Gif: expected a PNG or a JPEG"));
        for end in [20, png.len() / 2, png.len() - 20] {
            let problem = problem(&png[..end]);
            assert!(problem.contains("it is damaged: "), "{end} bytes: {problem}");
        }
        for end in [3, 20, jpeg.len() / 2, jpeg.len() - 1] {
            let problem = problem(&jpeg[..end]);
            assert!(problem.ends_with("it is a JPEG that ends too early"), "{end}: {problem}");
        }
        let missing = read(Path::new("nowhere.png"), SHAPE).unwrap_err().to_string();
        assert!(missing.starts_with("cannot read nowhere.png: "), "{missing}");
    }

    #[test]
    fn what_cameras_write_behind_a_photo_is_no_damage() {
        let jpeg = encoded(RgbImage::from_pixel(8, 8, Rgb([9; 3])), ImageFormat::Jpeg);
        assert!(is_whole_jpeg(&[&jpeg[..], b"\xff\xda trailer"].concat()));
    }

    #[test]
    fn a_picture_that_claims_to_be_huge_takes_no_memory() {
        let mut png = encoded(RgbImage::new(1, 1), ImageFormat::Png);
        // Width and height of the IHDR, and its CRC-32 (of binascii.crc32, in Python).
        png[16..24].copy_from_slice(&[0, 0, 0xc3, 0x50, 0, 0, 0xc3, 0x50]);
        png[29..33].copy_from_slice(&0xc4cd_aa9d_u32.to_be_bytes());
        let problem = problem(&png);
        assert!(problem.contains("50000 x 50000 pixels would take 7500 MB"), "{problem}");
    }
}
