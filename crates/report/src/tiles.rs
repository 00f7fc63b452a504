//! The first layer's weights as a sheet of small pictures, one for each hidden unit.
//!
//! A row of the (out, in) matrix is laid out as the pixels of an image are: of CIFAR-10's,
//! 1024 red, 1024 green, 1024 blue, each 32 x 32 row-major. Within a tile, w becomes
//! 255 (w - min) / (max - min) over its weights, so each tile uses the whole
//! range, and tiles can't be compared in strength.

use std::path::Path;

use chainrule_data::{Shape, file};

use crate::Error;
use crate::picture::encode_png;

/// Most pixels of a sheet; of units beyond it there are no tiles.
const MOST_PIXELS: usize = 1 << 25;

/// Writes `weights`, (units, channels · height · width) row-major, as a PNG with one tile of that
/// `shape` for each unit, in colors or in gray; with the first units if all would be too many.
///
/// # Errors
/// [`Error::Tiles`] if the length is not `units` times that of an image, there is no unit, or the
/// shape has neither 1 nor 3 channels; [`Error::Write`] with the path.
pub fn write_weight_tiles(
    path: &Path,
    weights: &[f32],
    units: usize,
    shape: Shape,
) -> Result<(), Error> {
    let sheet = Sheet::draw(weights, units, shape)?;
    let size = (sheet.width as u32, sheet.height as u32);
    let png = encode_png(size, &sheet.rgb)?;
    file::write_whole(path, &png).map_err(Error::write(path))
}

/// An RGB picture, row-major.
struct Sheet {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
}

impl Sheet {
    fn draw(weights: &[f32], units: usize, shape: Shape) -> Result<Sheet, Error> {
        let is_picture = matches!(shape.channels, 1 | 3) && shape.dim() > 0;
        if units == 0 || !is_picture || units.checked_mul(shape.dim()) != Some(weights.len()) {
            return Err(Error::Tiles { units, shape, found: weights.len() });
        }
        let units = units.min((MOST_PIXELS / (shape.height * shape.width)).max(1));
        let columns = columns(units);
        // Tiles of 32 pixels are drawn in four times, twice or once their size.
        let most = match units {
            0..=16 => 128,
            17..=256 => 64,
            _ => 32,
        };
        let zoom = (most / shape.height.max(shape.width)).max(1);
        let gap = zoom.min(2);
        let (across, down) = (shape.width * zoom + gap, shape.height * zoom + gap);
        let width = columns * across + gap;
        let height = units.div_ceil(columns) * down + gap;
        let mut sheet = Sheet { width, height, rgb: vec![255; width * height * 3] };
        for (unit, tile) in weights.chunks_exact(shape.dim()).take(units).enumerate() {
            let left = gap + unit % columns * across;
            let top = gap + unit / columns * down;
            sheet.draw_tile(&to_bytes(tile), shape, (left, top), zoom);
        }
        Ok(sheet)
    }

    /// Puts a tile of one or three planes down, each of its pixels `zoom` wide and high.
    fn draw_tile(&mut self, tile: &[u8], shape: Shape, (left, top): (usize, usize), zoom: usize) {
        let plane = shape.height * shape.width;
        for y in 0..shape.height * zoom {
            for x in 0..shape.width * zoom {
                let from = y / zoom * shape.width + x / zoom;
                let to = ((top + y) * self.width + left + x) * 3;
                for channel in 0..3 {
                    // Gray is the same in all three.
                    let of = channel.min(shape.channels - 1) * plane;
                    self.rgb[to + channel] = tile[of + from];
                }
            }
        }
    }
}

/// Scales to 0..=255 by the least and greatest finite weight. A tile without contrast,
/// and a weight that is not a number, is the gray in the middle.
pub(crate) fn to_bytes(tile: &[f32]) -> Vec<u8> {
    let finite = tile.iter().copied().filter(|w| w.is_finite());
    let (least, greatest) =
        finite.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), w| (low.min(w), high.max(w)));
    tile.iter()
        .map(|&w| {
            let scaled =
                (f64::from(w) - f64::from(least)) / (f64::from(greatest) - f64::from(least));
            if scaled.is_nan() { 128 } else { (255.0 * scaled).round() as u8 }
        })
        .collect()
}

/// How many tiles stand side by side: near a square, with the fewest empty cells.
fn columns(units: usize) -> usize {
    let square = (units as f64).sqrt().ceil() as usize;
    (square..=2 * square)
        .min_by_key(|&columns| (units.div_ceil(columns) * columns - units, columns))
        .unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CIFAR: Shape = Shape { channels: 3, height: 32, width: 32 };
    const PLANE: usize = 1024;

    #[test]
    fn the_sheet_is_filled_where_the_count_allows_it() {
        let shape = [1, 10, 50, 100, 300, 512, 1024].map(|n| (columns(n), n.div_ceil(columns(n))));
        assert_eq!(shape, [(1, 1), (5, 2), (10, 5), (10, 10), (20, 15), (32, 16), (32, 32)]);
    }

    #[test]
    fn red_green_and_blue_planes_become_the_pixels_of_their_place() {
        let mut tile = vec![0.0_f32; CIFAR.dim()];
        tile[5] = 1.0; // red, row 0, column 5
        tile[PLANE + 32] = 1.0; // green, row 1, column 0
        tile[2 * PLANE + 1023] = 1.0; // blue, the last
        let sheet = Sheet::draw(&tile, 1, CIFAR).unwrap();
        assert_eq!((sheet.width, sheet.height), (32 * 4 + 4, 32 * 4 + 4));
        let pixel = |row: usize, column: usize| {
            let at = ((2 + row * 4) * sheet.width + 2 + column * 4) * 3;
            [sheet.rgb[at], sheet.rgb[at + 1], sheet.rgb[at + 2]]
        };
        assert_eq!(pixel(0, 5), [255, 0, 0]);
        assert_eq!(pixel(1, 0), [0, 255, 0]);
        assert_eq!(pixel(31, 31), [0, 0, 255]);
        assert_eq!(pixel(16, 16), [0, 0, 0]);
        assert_eq!(sheet.rgb[..3], [255, 255, 255], "the gap is white");
    }

    #[test]
    fn a_gray_tile_that_is_wider_than_high_keeps_its_proportions() {
        let shape = Shape { channels: 1, height: 2, width: 3 };
        let sheet = Sheet::draw(&[0.0, 0.0, 1.0, 0.5, 0.0, 0.0], 1, shape).unwrap();
        // Of at most 128 pixels: 42 for each.
        assert_eq!((sheet.width, sheet.height), (3 * 42 + 4, 2 * 42 + 4));
        let pixel = |row: usize, column: usize| {
            let at = ((2 + row * 42) * sheet.width + 2 + column * 42) * 3;
            [sheet.rgb[at], sheet.rgb[at + 1], sheet.rgb[at + 2]]
        };
        assert_eq!((pixel(0, 2), pixel(1, 0), pixel(1, 2)), ([255; 3], [128; 3], [0; 3]));
    }

    #[test]
    fn a_thousand_units_of_large_images_do_not_fill_the_memory() {
        let shape = Shape { channels: 1, height: 2048, width: 4096 };
        let sheet = Sheet::draw(&vec![0.0; 5 * shape.dim()], 5, shape).unwrap();
        assert_eq!((sheet.width, sheet.height), (2 * 4097 + 1, 2 * 2049 + 1), "four of five");
    }

    #[test]
    fn each_tile_is_scaled_by_itself_and_one_without_contrast_is_gray() {
        assert_eq!(to_bytes(&[-3.0, 1.0, 5.0]), [0, 128, 255]);
        assert_eq!(to_bytes(&[0.25; 4]), [128; 4]);
        assert_eq!(to_bytes(&[f32::NAN, -1.0, 1.0, f32::INFINITY]), [128, 0, 255, 255]);
        assert_eq!(to_bytes(&[f32::MIN, f32::MAX]), [0, 255]);
    }

    #[test]
    fn weights_of_another_shape_are_refused_with_both_sizes() {
        let error = Sheet::draw(&[0.0; 3072], 2, CIFAR).err().unwrap();
        assert_eq!(
            error.to_string(),
            "2 tiles of 3 x 32 x 32 need 6144 weights, but there are 3072"
        );
        assert!(Sheet::draw(&[], 0, CIFAR).is_err());
    }
}
