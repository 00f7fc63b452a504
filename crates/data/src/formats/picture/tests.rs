use std::io::Cursor;
use std::path::Path;

use image::{DynamicImage, ImageBuffer, ImageFormat, Luma, LumaA, Rgb, RgbImage, Rgba};

use super::fit::fit;
use super::*;
use crate::Shape;
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
    let picture =
        RgbImage::from_fn(5, 5, |j, i| Rgb([((37 * i + 11 * j * j + 5 * i * j) % 256) as u8; 3]));
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
    let colors = ImageBuffer::from_fn(2, 1, |x, _| Rgb([[255u8, 0, 0], [0, 255, 255]][x as usize]));
    // Image.new("RGB", (1, 1), color).convert("L") of Pillow 13: 76 of red; 179 of green and blue.
    assert_eq!(gray(colors.into()), [76, 179]);
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
    let exif =
        b"\xff\xe1\0\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x03\0\0\0\0\0\0";
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
    assert!(problem(b"once upon a time").ends_with("it is no PNG, JPEG, WebP, BMP, GIF or TIFF"));
    let ico = problem(b"\0\0\x01\0\x01\0\x01\x01");
    assert!(ico.ends_with("it is Ico: expected PNG, JPEG, WebP, BMP, GIF or TIFF"), "{ico}");
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
    assert!(jpeg::is_whole(&[&jpeg[..], b"\xff\xda trailer"].concat()));
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

/// The pictures of tests/pictures, which Pillow wrote, each with what Pillow makes of it: upright,
/// over white, (height, width, 3) (tests/reference/pictures.py).
fn references() -> Vec<(std::path::PathBuf, Shape, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures");
    let sizes = std::fs::read_to_string(folder.join("sizes.txt")).unwrap();
    let each = sizes.lines().map(|line| {
        let fields: Vec<&str> = line.split(' ').collect();
        let [width, height] = [1, 2].map(|i| fields[i].parse().unwrap());
        let pixels = std::fs::read(folder.join(format!("{}.rgb", fields[0]))).unwrap();
        (folder.join(fields[0]), Shape { channels: 3, height, width }, pixels)
    });
    each.collect()
}

#[test]
fn every_format_is_read_and_turned_upright_as_pillow_does_it() {
    let references = references();
    assert_eq!(references.len(), 34);
    for (path, shape, want) in references {
        let name = path.file_name().unwrap().display().to_string();
        let Header { width, height, .. } = header(&path).unwrap();
        let is_jpeg = name.ends_with(".jpg");
        let times = if is_jpeg { 8 } else { 1 };
        assert_eq!(
            (width, height),
            (times * shape.width as u32, times * shape.height as u32),
            "{name}"
        );
        let found = read(&path, shape).unwrap();
        let area = shape.height * shape.width;
        for y in 0..shape.height {
            for x in 0..shape.width {
                let at = y * shape.width + x;
                let found = [found[at], found[area + at], found[2 * area + at]];
                let want = &want[3 * at..3 * at + 3];
                // JPEG loses a little, and shrinking mixes the blocks of color where they meet.
                let is_corner =
                    [0, shape.width - 1].contains(&x) && [0, shape.height - 1].contains(&y);
                let is_near = found.iter().zip(want).all(|(a, b)| a.abs_diff(*b) < 12);
                let is_right = if is_jpeg { !is_corner || is_near } else { found == *want };
                assert!(is_right, "{name}, ({y}, {x}): {found:?}, Pillow has {want:?}");
            }
        }
    }
}

#[test]
fn a_gray_picture_of_any_format_stays_gray() {
    for (path, shape, want) in references() {
        let name = path.file_name().unwrap().display().to_string();
        let is_gray = ["gray.bmp", "gray.tif", "bits.tif"].contains(&name.as_str());
        // GIF and BMP have palettes, and WebP has no gray.
        if is_gray && !name.ends_with(".bmp") {
            assert!(header(&path).unwrap().is_gray, "{name}");
        }
        if is_gray {
            let gray: Vec<u8> = want.chunks(3).map(|rgb| rgb[0]).collect();
            assert_eq!(read(&path, Shape { channels: 1, ..shape }).unwrap(), gray, "{name}");
        }
    }
}

#[test]
fn pictures_of_every_format_that_are_cut_short_are_refused_and_never_filled_up() {
    // What is read of some lies in their first half: the first of several frames, the pixels before
    // the text.
    let is_read_early = |path: &Path| {
        let name = path.file_stem().unwrap().to_str().unwrap();
        ["frames", "pages", "xmp-after", "exif-after"].contains(&name)
    };
    for (path, shape, _) in references().into_iter().filter(|(path, ..)| !is_read_early(path)) {
        let bytes = std::fs::read(&path).unwrap();
        for end in [bytes.len() / 4, bytes.len() / 2] {
            assert!(parse(&bytes[..end], shape).is_err(), "{}: {end} bytes", path.display());
        }
    }
}

#[test]
fn a_webp_whose_metadata_claim_to_be_huge_takes_no_memory() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures");
    let mut bytes = std::fs::read(folder.join("xmp.webp")).unwrap();
    let at = bytes.windows(4).rposition(|name| name == b"XMP ").unwrap();
    assert!(webp::is_whole(&bytes));
    bytes[at + 4..at + 8].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(problem(&bytes).ends_with("it is a WebP that ends too early"), "{}", problem(&bytes));
    // What stands behind the end that the first header tells is no part of it.
    let length = u32::try_from(at - 8).unwrap();
    bytes[4..8].copy_from_slice(&length.to_le_bytes());
    assert!(webp::is_whole(&bytes));
}

#[test]
fn a_file_of_any_format_that_claims_to_be_huge_takes_no_memory() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures");
    // Where each format has its width and height: BMP's DIB header, GIF's screen and frame.
    for (name, places) in [("plain.bmp", &[(18, 4), (22, 4)][..]), ("plain.gif", &[(6, 2), (8, 2)])]
    {
        let mut bytes = std::fs::read(folder.join(name)).unwrap();
        for &(at, n) in places {
            bytes[at..at + n].copy_from_slice(&60_000u32.to_le_bytes()[..n]);
        }
        let told = parse(&bytes, SHAPE).unwrap_err();
        assert!(told.contains("60000 x 60000"), "{name}: {told}");
    }
}

#[test]
fn names_of_pictures_end_as_they_do_in_any_case() {
    for ending in ["jfif", "jpe", "jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff"] {
        for ending in [ending.to_owned(), ending.to_uppercase()] {
            let path = Path::new("folder").join(format!("a.b.{ending}"));
            assert!(has_ending(&path) && is_meant(&path), "{ending}");
        }
    }
    for name in ["png", "a.txt", "a.png.txt", "a", "a.heic"] {
        assert!(!has_ending(Path::new(name)), "{name}");
    }
    assert!(is_meant(Path::new("a.heic")), "a picture, though it cannot be read");
}
