//! The first layer's weights as a sheet of small pictures, one for each hidden unit.
//!
//! A row of the (out, 3072) matrix is laid out as the pixels of CIFAR-10 are: 1024
//! red, 1024 green, 1024 blue, each 32 x 32 row-major. Within a tile, w becomes
//! 255 (w - min) / (max - min) over its 3072 weights, so each tile uses the whole
//! range, and tiles can't be compared in strength.

use std::path::Path;

use chainrule_data::file;

use crate::Error;
use crate::sheet::{drawn, encode_png};

const SIDE: usize = 32;
const PLANE: usize = SIDE * SIDE;
const PIXELS: usize = 3 * PLANE;

/// Writes `weights`, (units, 3072) row-major, as a PNG with one tile for each unit.
///
/// # Errors
/// [`Error::Tiles`] if the length is not `units * 3072` or there is no unit,
/// [`Error::Write`] with the path.
pub fn write_weight_tiles(path: &Path, weights: &[f32], units: usize) -> Result<(), Error> {
    let sheet = Sheet::draw(weights, units)?;
    let size = (sheet.width as u32, sheet.height as u32);
    let mut png = Vec::new();
    drawn(encode_png(&mut png, size, &sheet.rgb))?;
    file::write_whole(path, &png).map_err(Error::write(path))
}

/// An RGB picture, row-major.
struct Sheet {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
}

impl Sheet {
    fn draw(weights: &[f32], units: usize) -> Result<Sheet, Error> {
        if units == 0 || units.checked_mul(PIXELS) != Some(weights.len()) {
            return Err(Error::Tiles { units, found: weights.len() });
        }
        let columns = columns(units);
        let zoom = match units {
            0..=16 => 4,
            17..=256 => 2,
            _ => 1,
        };
        let gap = zoom.min(2);
        let pitch = SIDE * zoom + gap;
        let width = columns * pitch + gap;
        let height = units.div_ceil(columns) * pitch + gap;
        let mut sheet = Sheet { width, height, rgb: vec![255; width * height * 3] };
        for (unit, tile) in weights.chunks_exact(PIXELS).enumerate() {
            let left = gap + unit % columns * pitch;
            let top = gap + unit / columns * pitch;
            sheet.place(&to_bytes(tile), left, top, zoom);
        }
        Ok(sheet)
    }

    /// Puts a tile of three planes down, each of its pixels `zoom` wide and high.
    fn place(&mut self, tile: &[u8], left: usize, top: usize, zoom: usize) {
        for y in 0..SIDE * zoom {
            for x in 0..SIDE * zoom {
                let from = y / zoom * SIDE + x / zoom;
                let to = ((top + y) * self.width + left + x) * 3;
                for channel in 0..3 {
                    self.rgb[to + channel] = tile[channel * PLANE + from];
                }
            }
        }
    }
}

/// Scales to 0..=255 by the least and greatest finite weight. A tile without contrast,
/// and a weight that is not a number, is the grey in the middle.
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

/// How many tiles stand side by side: near a square, with the fewest empty places.
fn columns(units: usize) -> usize {
    let square = (units as f64).sqrt().ceil() as usize;
    (square..=2 * square)
        .min_by_key(|&columns| (units.div_ceil(columns) * columns - units, columns))
        .unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sheet_is_filled_where_the_count_allows_it() {
        let shape = [1, 10, 50, 100, 300, 512, 1024].map(|n| (columns(n), n.div_ceil(columns(n))));
        assert_eq!(shape, [(1, 1), (5, 2), (10, 5), (10, 10), (20, 15), (32, 16), (32, 32)]);
    }

    #[test]
    fn red_green_and_blue_planes_become_the_pixels_of_their_place() {
        let mut tile = vec![0.0_f32; PIXELS];
        tile[5] = 1.0; // red, row 0, column 5
        tile[PLANE + 32] = 1.0; // green, row 1, column 0
        tile[2 * PLANE + 1023] = 1.0; // blue, the last
        let sheet = Sheet::draw(&tile, 1).unwrap();
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
    fn each_tile_is_scaled_by_itself_and_one_without_contrast_is_grey() {
        assert_eq!(to_bytes(&[-3.0, 1.0, 5.0]), [0, 128, 255]);
        assert_eq!(to_bytes(&[0.25; 4]), [128; 4]);
        assert_eq!(to_bytes(&[f32::NAN, -1.0, 1.0, f32::INFINITY]), [128, 0, 255, 255]);
        assert_eq!(to_bytes(&[f32::MIN, f32::MAX]), [0, 255]);
    }

    #[test]
    fn weights_of_another_shape_are_refused_with_both_sizes() {
        let error = Sheet::draw(&[0.0; 3072], 2).err().unwrap();
        assert_eq!(
            error.to_string(),
            "2 tiles of 3 x 32 x 32 need 6144 weights, but there are 3072"
        );
        assert!(Sheet::draw(&[], 0).is_err());
    }
}
