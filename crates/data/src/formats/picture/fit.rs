//! A decoded picture brought to the size and the channels of a dataset.

use image::imageops::{self, FilterType};
use image::{DynamicImage, GrayImage, ImageBuffer, Pixel, RgbImage};

use crate::Shape;

/// The values of a picture that is brought to this shape.
pub(super) fn values(picture: DynamicImage, shape: Shape) -> Vec<u8> {
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
pub(super) fn opaque(picture: DynamicImage) -> RgbImage {
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
    match (picture.color().has_color(), picture.color().has_alpha()) {
        (true, _) => {
            let colors = opaque(picture);
            GrayImage::from_fn(colors.width(), colors.height(), |x, y| {
                image::Luma([luma(colors.get_pixel(x, y).0)])
            })
        }
        (false, false) => picture.into_luma8(),
        (false, true) => {
            let picture = picture.into_luma_alpha8();
            GrayImage::from_fn(picture.width(), picture.height(), |x, y| {
                let [value, alpha] = picture.get_pixel(x, y).0.map(u16::from);
                image::Luma([over_white(value, alpha)])
            })
        }
    }
}

/// The luma of Rec. 601 in sixteen bits behind the point, rounded: Pillow's `L`.
fn luma(rgb: [u8; 3]) -> u8 {
    let [red, green, blue] = rgb.map(u32::from);
    ((19_595 * red + 38_470 * green + 7_471 * blue + 0x8000) >> 16) as u8
}

/// The largest part in the middle that has the proportions of `wide` × `high`, brought to that size.
pub(super) fn fit<P: Pixel<Subpixel = u8> + 'static>(
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
