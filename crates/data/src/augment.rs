//! Training images a little different in every epoch: flips, shifts, cut-out.
//!
//! Pixel (y, x) of the image that is read is pixel (r(y + dy), r(x + dx)) of the one that is stored,
//! x counted from the right if it is flipped, where r reflects at the borders without repeating
//! them: -1 is 1, and n is n - 2. Of a cut-out image a square is 0 after the normalisation, that is
//! the mean (DeVries & Taylor 2017).
//!
//! What happens to an image is a pure function of the seed, the epoch and the image. It is drawn
//! for all images when an epoch begins, and done while pixels are gathered, a block of columns at a
//! time, by the core that owns them: no augmented image ever exists as a whole.

use std::ops::Range;

use chainrule_tensor::bytes::{ByteRows, Rows, normalise};
use chainrule_tensor::prefetch::Ahead;
use chainrule_tensor::{Path, Scalar};
use rand_core::Rng;

use crate::random::{Purpose, below, generator};
use crate::{Error, Images, Shape};

/// Widest image, in pixels, that can be augmented.
const WIDEST: usize = 256;

/// Pixels of an image, and images, that are put together before they are normalised.
const PIECE: usize = 128;
const GROUP: usize = 8;

/// What may happen to a training image. The default changes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Augmentation {
    /// Every other image is mirrored, left to right.
    pub flip: bool,
    /// Most pixels by which an image is moved, in each direction of each axis.
    pub shift: u8,
    /// Side of the square that is cut out, in pixels; its centre lies anywhere in the image.
    pub cutout: u8,
}

/// What happens to one image in one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Change {
    flip: bool,
    /// Downwards and to the right, in pixels of the stored image.
    shift: (i16, i16),
    /// Centre of the square, (y, x).
    centre: (u16, u16),
}

/// What happens to each image in one epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    cutout: usize,
    each: Vec<Change>,
}

impl Augmentation {
    /// Whether these images can be augmented so.
    ///
    /// # Errors
    /// If they are too small for the shift, or too wide.
    pub fn check(self, images: &Images) -> Result<(), Error> {
        let (height, width) = (images.shape().height, images.shape().width);
        let (side, most) = (height.min(width), self.shift);
        if usize::from(most) >= side {
            return Err(Error::Augmentation(format!(
                "shift is {most}: it must be below the side of an image, {side}"
            )));
        }
        if width > WIDEST {
            return Err(Error::Augmentation(format!(
                "the images are {width} pixels wide: up to {WIDEST} can be augmented"
            )));
        }
        Ok(())
    }

    /// Draws what happens to each of the `images` in epoch `epoch`.
    ///
    /// # Errors
    /// As [`Augmentation::check`].
    pub fn draw(self, images: &Images, seed: u64, epoch: u32) -> Result<Changes, Error> {
        self.check(images)?;
        let Shape { height, width, .. } = images.shape();
        let most = self.shift;
        let mut rng = generator(seed, Purpose::Augmentation, u64::from(epoch));
        let change = |_| {
            let mut offset = || below(&mut rng, 2 * u32::from(most) + 1) as i16 - i16::from(most);
            let shift = (offset(), offset());
            let centre =
                (below(&mut rng, height as u32) as u16, below(&mut rng, width as u32) as u16);
            Change { flip: self.flip && rng.next_u64() >> 63 == 1, shift, centre }
        };
        Ok(Changes { cutout: self.cutout.into(), each: (0..images.len()).map(change).collect() })
    }
}

/// The images of one epoch, as normalised rows.
#[derive(Clone, Copy, Debug)]
pub struct Augmented<'a> {
    images: &'a Images,
    scale: &'a [f32],
    shift: &'a [f32],
    changes: &'a Changes,
}

impl<'a> Augmented<'a> {
    /// The `images` with their `changes`, each pixel times `scale` plus `shift`.
    ///
    /// # Panics
    /// If these are not one for each image and pixel.
    pub fn new(
        images: &'a Images,
        scale: &'a [f32],
        shift: &'a [f32],
        changes: &'a Changes,
    ) -> Self {
        assert_eq!(changes.each.len(), images.len(), "a change for each image");
        assert!(scale.len() == images.dim() && shift.len() == images.dim(), "one for each pixel");
        Self { images, scale, shift, changes }
    }

    /// Writes bytes `columns` of image `row` as it looks in this epoch.
    fn write(&self, row: usize, columns: Range<usize>, out: &mut [u8]) {
        let Shape { height, width, .. } = self.images.shape();
        let (image, change) = (self.images.image(row), self.changes.each[row]);
        let mut at = columns.start;
        while at < columns.end {
            let (line, x) = (at / width, at % width);
            let n = (width - x).min(columns.end - at);
            let (channel, y) = (line / height, line % height);
            let start = (channel * height + reflect(y, change.shift.0, height)) * width;
            let from = &image[start..start + width];
            let to = &mut out[at - columns.start..][..n];
            if n == width {
                change.write_line(from, to);
            } else {
                // A part of a line, where the block of columns ends.
                let mut whole = [0; WIDEST];
                change.write_line(from, &mut whole[..width]);
                to.copy_from_slice(&whole[x..x + n]);
            }
            at += n;
        }
    }

    /// Sets what is cut out of bytes `columns` of image `row` to 0.
    fn cut_out<T: Scalar>(&self, row: usize, columns: Range<usize>, out: &mut [T]) {
        let (height, width) = (self.images.shape().height, self.images.shape().width);
        let (cy, cx) = self.changes.each[row].centre;
        // An even side reaches one pixel further to the left of the centre than to its right.
        let span = |centre: u16, n: usize| {
            let end = usize::from(centre) + self.changes.cutout.div_ceil(2);
            (end.saturating_sub(self.changes.cutout), end.min(n))
        };
        let ((top, bottom), (left, right)) = (span(cy, height), span(cx, width));
        for line in columns.start / width..columns.end.div_ceil(width) {
            if (top..bottom).contains(&(line % height)) {
                let start = (line * width + left).max(columns.start);
                let end = (line * width + right).min(columns.end);
                if start < end {
                    out[start - columns.start..end - columns.start].fill(T::ZERO);
                }
            }
        }
    }
}

impl Change {
    /// One line of pixels: shifted, its end reflected, and mirrored.
    fn write_line(self, from: &[u8], to: &mut [u8]) {
        let (n, by) = (from.len(), usize::from(self.shift.1.unsigned_abs()));
        if self.shift.1 >= 0 {
            to[..n - by].copy_from_slice(&from[by..]);
            for i in 0..by {
                to[n - by + i] = from[n - 2 - i];
            }
        } else {
            to[by..].copy_from_slice(&from[..n - by]);
            for i in 0..by {
                to[by - 1 - i] = from[1 + i];
            }
        }
        if self.flip {
            to.reverse();
        }
    }
}

/// Where a shifted position lies in `0..n`, reflected at both ends.
fn reflect(at: usize, shift: i16, n: usize) -> usize {
    let at = at as isize + isize::from(shift);
    let last = n as isize - 1;
    let at = if at < 0 {
        -at
    } else if at > last {
        2 * last - at
    } else {
        at
    };
    at as usize
}

impl<T: Scalar> Rows<T> for Augmented<'_> {
    fn columns(&self) -> usize {
        self.images.dim()
    }

    fn gather(&self, path: Path, rows: &[u32], columns: Range<usize>, out: &mut [T]) {
        assert_eq!(out.len(), rows.len() * columns.len());
        let (rows, width) = (rows.chunks(GROUP), columns.len());
        let mut bytes = [0; GROUP * PIECE];
        for (rows, out) in rows.zip(out.chunks_mut((GROUP * width).max(1))) {
            // Blocks are no wider than a piece, so that this is one turn.
            for start in columns.clone().step_by(PIECE) {
                let piece = start..(start + PIECE).min(columns.end);
                let bytes = &mut bytes[..rows.len() * piece.len()];
                for (&row, bytes) in rows.iter().zip(bytes.chunks_exact_mut(piece.len())) {
                    self.write(row as usize, piece.clone(), bytes);
                }
                let one =
                    ByteRows::new(bytes, &self.scale[piece.clone()], &self.shift[piece.clone()]);
                let all = &[0, 1, 2, 3, 4, 5, 6, 7][..rows.len()];
                if piece.len() == width {
                    normalise(path, &one, all, &(0..width), out);
                } else {
                    for (i, out) in out.chunks_exact_mut(width).enumerate() {
                        let out = &mut out[start - columns.start..][..piece.len()];
                        normalise(path, &one, &all[i..=i], &(0..piece.len()), out);
                    }
                }
            }
            if self.changes.cutout > 0 {
                for (&row, out) in rows.iter().zip(out.chunks_exact_mut(width)) {
                    self.cut_out(row as usize, columns.clone(), out);
                }
            }
        }
    }

    fn soon(&self, rows: &[u32], columns: Range<usize>, ahead: &mut Ahead) {
        for &row in rows {
            ahead.push(&self.images.image(row as usize)[columns.clone()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape { channels: 3, height: 7, width: 9 };

    fn images(n: usize) -> Images {
        let pixels = (0..n * SHAPE.dim()).map(|i| (i * 37 % 251) as u8).collect();
        Images::new(pixels, vec![0; n], SHAPE, 1).unwrap()
    }

    /// Image `row` in an epoch, gathered in blocks of so many columns.
    fn gathered(images: &Images, changes: &Changes, row: u32, block: usize) -> Vec<f32> {
        let rows = Augmented::new(images, &ONE, &ZERO, changes);
        let mut all = vec![];
        for start in (0..SHAPE.dim()).step_by(block) {
            let columns = start..(start + block).min(SHAPE.dim());
            let mut out = vec![f32::NAN; columns.len()];
            rows.gather(Path::best(), &[row], columns, &mut out);
            all.extend(out);
        }
        all
    }

    const ONE: [f32; 189] = [1.0; 189];
    const ZERO: [f32; 189] = [0.0; 189];

    fn epoch(images: &Images, augmentation: Augmentation, epoch: u32) -> Changes {
        augmentation.draw(images, 5, epoch).unwrap()
    }

    /// The definition, pixel by pixel, of an image padded by reflection (numpy's `np.pad(...,
    /// mode="reflect")`: d c b | a b c d | c b a), cut out of the padded one, and mirrored.
    fn plain(image: &[u8], change: Change) -> Vec<f32> {
        let (h, w) = (SHAPE.height as i32, SHAPE.width as i32);
        let inside = |at: i32, n: i32| {
            let period = 2 * (n - 1);
            let at = at.rem_euclid(period);
            if at < n { at } else { period - at }
        };
        let mut out = vec![];
        for c in 0..SHAPE.channels as i32 {
            for y in 0..h {
                for x in 0..w {
                    let x = if change.flip { w - 1 - x } else { x };
                    let (dy, dx) = (i32::from(change.shift.0), i32::from(change.shift.1));
                    let at = (c * h + inside(y + dy, h)) * w + inside(x + dx, w);
                    out.push(f32::from(image[at as usize]));
                }
            }
        }
        out
    }

    #[test]
    fn nothing_asked_for_changes_nothing() {
        let images = images(4);
        let changes = epoch(&images, Augmentation::default(), 1);
        for row in 0..4 {
            let want: Vec<f32> = images.image(row).iter().map(|&x| f32::from(x)).collect();
            assert_eq!(gathered(&images, &changes, row as u32, 189), want);
        }
    }

    #[test]
    fn an_image_is_shifted_reflected_and_mirrored_as_the_definition_says_in_any_blocks() {
        let images = images(60);
        let changes = epoch(&images, Augmentation { flip: true, shift: 4, cutout: 0 }, 3);
        for row in 0..60 {
            let want = plain(images.image(row), changes.each[row]);
            for block in [1, 16, 48, 189] {
                assert_eq!(
                    gathered(&images, &changes, row as u32, block),
                    want,
                    "{:?}",
                    changes.each[row]
                );
            }
        }
    }

    #[test]
    fn every_change_comes_about_as_often_as_it_should() {
        let images = images(9000);
        let changes = epoch(&images, Augmentation { flip: true, shift: 1, cutout: 0 }, 1);
        // 9000 draws of 1/2 and of 1/9 deviate by 47 and 30; five times that is beyond chance.
        let flipped = changes.each.iter().filter(|change| change.flip).count();
        assert!(flipped.abs_diff(4500) < 5 * 47, "{flipped}");
        for dy in -1..=1 {
            for dx in -1..=1 {
                let n = changes.each.iter().filter(|change| change.shift == (dy, dx)).count();
                assert!(n.abs_diff(1000) < 5 * 30, "({dy}, {dx}): {n}");
            }
        }
        let next = epoch(&images, Augmentation { flip: true, shift: 1, cutout: 0 }, 2);
        assert_ne!(changes, next, "every epoch is another");
        let again = epoch(&images, Augmentation { flip: true, shift: 1, cutout: 0 }, 1);
        assert_eq!(changes, again);
    }

    #[test]
    fn a_square_is_cut_out_and_only_at_the_border_less_of_it() {
        let images = images(300);
        let changes = epoch(&images, Augmentation { flip: false, shift: 0, cutout: 3 }, 1);
        let mut whole = 0;
        for row in 0..300 {
            let (found, image) = (gathered(&images, &changes, row as u32, 40), images.image(row));
            let (cy, cx) = changes.each[row].centre;
            for (at, (&found, &pixel)) in found.iter().zip(image).enumerate() {
                let (y, x) = ((at / 9 % 7) as i32, (at % 9) as i32);
                let cut = (y - i32::from(cy)).abs() <= 1 && (x - i32::from(cx)).abs() <= 1;
                assert_eq!(found, if cut { 0.0 } else { f32::from(pixel) });
            }
            whole += usize::from((1..6).contains(&cy) && (1..8).contains(&cx));
        }
        assert!(whole > 0, "some lie within the image");
    }

    #[test]
    fn a_shift_as_wide_as_the_image_is_refused() {
        let images = images(1);
        let wide = Augmentation { shift: 7, ..Augmentation::default() };
        let error = wide.draw(&images, 0, 1).unwrap_err();
        assert_eq!(error.to_string(), "shift is 7: it must be below the side of an image, 7");
    }
}
