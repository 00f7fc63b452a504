//! A picture of any size, PNG or JPEG, as an image of a dataset: 3 channels of `side` × `side` bytes.
//!
//! As the field does it for CIFAR-10: the picture is turned upright (EXIF), laid on white where it
//! is transparent, cut to the square in its middle, and that is brought to `side` × `side` by the
//! triangle filter, which is as wide as a pixel of the result and so averages over all pixels
//! behind it. A square picture of `side` × `side` stays as it is, to the bit.

use std::io::Cursor;
use std::path::Path;

use image::imageops::{self, FilterType};
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, RgbImage};

use crate::{Error, file};

/// Largest file that is read, in bytes.
const MOST_BYTES: u64 = 1 << 28;

/// Most memory that the pixels of a picture may take, in bytes: 178 million pixels of 3 bytes.
const MOST_DECODED: u64 = 1 << 29;

/// Reads a picture: 3 · side · side bytes, channel by channel, each row by row, as in
/// [`Images`](crate::Images).
///
/// # Errors
/// [`Error::Photo`] if the file cannot be read, is neither PNG nor JPEG, is damaged or cut short,
/// or is too large.
///
/// # Panics
/// If `side` is 0.
pub fn read(path: &Path, side: u32) -> Result<Vec<u8>, Error> {
    let picture = file::read(path, MOST_BYTES).map_err(|error| error.to_string());
    let picture = picture.and_then(|bytes| decode(&bytes));
    let picture = picture.map_err(|problem| Error::Photo { path: path.to_owned(), problem })?;
    let small = shrink(&opaque(picture), side);
    Ok((0..3).flat_map(|channel| small.pixels().map(move |pixel| pixel[channel])).collect())
}

/// The picture that the bytes of a file make, upright.
fn decode(bytes: &[u8]) -> Result<DynamicImage, String> {
    let format = image::guess_format(bytes).ok();
    match format {
        Some(ImageFormat::Png) => {}
        Some(ImageFormat::Jpeg) if is_whole_jpeg(bytes) => {}
        Some(ImageFormat::Jpeg) => return Err("it is a JPEG that ends too early".into()),
        _ if bytes.is_empty() => return Err("it is empty".into()),
        Some(other) => return Err(format!("it is {other:?}: expected a PNG or a JPEG")),
        None => return Err("it is neither a PNG nor a JPEG".into()),
    }
    let damaged = |error: image::ImageError| format!("it is damaged: {error}");
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format();
    let mut decoder = reader.map_err(|error| error.to_string())?.into_decoder().map_err(damaged)?;
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
    let orientation = decoder.orientation().map_err(damaged)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

/// Whether a JPEG goes on to its end marker. The decoder makes up what is missing, in grey.
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

/// The picture in three channels of a byte, over white.
fn opaque(picture: DynamicImage) -> RgbImage {
    if !picture.color().has_alpha() {
        return picture.into_rgb8();
    }
    let picture = picture.into_rgba8();
    RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
        let [red, green, blue, alpha] = picture.get_pixel(x, y).0.map(u16::from);
        let over_white = |c: u16| ((c * alpha + 255 * (255 - alpha) + 127) / 255) as u8;
        image::Rgb([red, green, blue].map(over_white))
    })
}

/// The square in the middle, brought to `side` × `side`.
fn shrink(picture: &RgbImage, side: u32) -> RgbImage {
    assert!(side > 0, "a picture without pixels");
    let (width, height) = picture.dimensions();
    let short = width.min(height);
    let (left, top) = ((width - short) / 2, (height - short) / 2);
    let square = imageops::crop_imm(picture, left, top, short, short);
    imageops::resize(&*square, side, side, FilterType::Triangle)
}

#[cfg(test)]
mod tests {
    use image::{ImageBuffer, Luma, LumaA, Rgb, Rgba};

    use super::*;
    use crate::sample;

    /// What [`read`] makes of a picture that is saved under `name`.
    fn through(picture: impl Into<DynamicImage>, name: &str) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        picture.into().save(&path).unwrap();
        read(&path, 32).unwrap()
    }

    fn problem(bytes: &[u8]) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("photo");
        std::fs::write(&path, bytes).unwrap();
        read(&path, 32).unwrap_err().to_string()
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
        let small = shrink(&picture, 2);
        let values: Vec<u8> = small.pixels().map(|pixel| pixel[0]).collect();
        assert_eq!(values, [61, 137, 141, 152]);
    }

    #[test]
    fn one_colour_stays_that_colour_at_any_size_and_shape() {
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
        let grey = ImageBuffer::from_pixel(8, 8, Luma([77u8]));
        let deep = ImageBuffer::from_pixel(8, 8, Luma([0x4d4du16]));
        let colour = ImageBuffer::from_pixel(8, 8, Rgb([0x0a0au16, 0xffff, 0]));
        let faint = ImageBuffer::from_pixel(8, 8, Rgba([255u8, 0, 100, 51]));
        let gone = ImageBuffer::from_pixel(8, 8, LumaA([0u8, 0]));
        assert_eq!(pixels(grey.into()), [77; 3]);
        assert_eq!(pixels(deep.into()), [77; 3]);
        assert_eq!(pixels(colour.into()), [10, 255, 0]);
        // A fifth of the colour, four of white: 51 + 204, 204, 20 + 204.
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
            let pixels = read(&path, 32).unwrap();
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
        let missing = read(Path::new("nowhere.png"), 32).unwrap_err().to_string();
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
