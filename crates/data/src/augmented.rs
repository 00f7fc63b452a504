//! The images of one epoch: flipped, shifted and cut out as [`crate::Augmentation`] has drawn it.
//!
//! It is done while pixels are gathered, a block of columns at a time, by the core that owns them:
//! no augmented image ever exists as a whole. The pixels are bytes, normalised once they are at
//! their place, or numbers.

use std::ops::Range;

use chainrule_tensor::bytes::{ByteRows, Rows, normalise};
use chainrule_tensor::prefetch::Ahead;
use chainrule_tensor::{Path, Scalar};

use crate::augment::{Change, WIDEST};
use crate::{Changes, Pixels, Shape};

/// Pixels of an image, and images, that are put together before they are normalised.
const PIECE: usize = 128;
const GROUP: usize = 8;

/// Images with what happens to them in one epoch, as rows of numbers.
#[derive(Clone, Copy, Debug)]
pub struct Augmented<'a> {
    pixels: Pixels<'a>,
    changes: &'a Changes,
}

impl<'a> Augmented<'a> {
    /// The images of `pixels` with their `changes`.
    ///
    /// # Panics
    /// If these are not one for each image.
    pub fn new(pixels: Pixels<'a>, changes: &'a Changes) -> Self {
        assert_eq!(changes.each.len(), pixels.len(), "a change for each image");
        Self { pixels, changes }
    }

    /// Sets what is cut out of values `columns` of image `row` to 0.
    fn cut_out<T: Scalar>(&self, row: usize, columns: Range<usize>, out: &mut [T]) {
        let Shape { height, width, .. } = self.pixels.shape();
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
    /// Values `columns` of an image, flipped and shifted.
    fn write<V: Copy + Default>(
        self,
        image: &[V],
        shape: Shape,
        columns: Range<usize>,
        out: &mut [V],
    ) {
        /// The width of the usual images, for which the copies below are a few vectors each.
        const USUAL: usize = 32;
        let Shape { height, width, .. } = shape;
        let mut at = columns.start;
        let (mut line, mut x) = (at / width, at % width);
        let (mut first, mut y) = (line / height * height, line % height);
        while at < columns.end {
            let from = (first + reflect(y, self.shift.0, height)) * width;
            let n = (width - x).min(columns.end - at);
            let to = &mut out[at - columns.start..][..n];
            if n == USUAL && width == USUAL {
                let to = to.try_into().expect("a line");
                self.write_usual_line::<USUAL, V>(image, from, to);
            } else if n == width {
                self.write_line(&image[from..from + width], to);
            } else {
                // A part of a line, where the block of columns ends.
                let mut whole = [V::default(); WIDEST];
                self.write_line(&image[from..from + width], &mut whole[..width]);
                to.copy_from_slice(&whole[x..x + n]);
            }
            (at, x, line, y) = (at + n, 0, line + 1, y + 1);
            if y == height {
                (first, y) = (line, 0);
            }
        }
    }

    /// One line of values: shifted, its end reflected, and mirrored.
    fn write_line<V: Copy>(self, from: &[V], to: &mut [V]) {
        let (n, by) = (from.len(), usize::from(self.shift.1.unsigned_abs()));
        if self.shift.1 >= 0 {
            to[..n - by].copy_from_slice(&from[by..]);
        } else {
            to[by..].copy_from_slice(&from[..n - by]);
        }
        self.reflect_end(from, to);
        if self.flip {
            to.reverse();
        }
    }

    /// [`Change::write_line`] of the N values from `start` on: all N are copied from where the
    /// shift has them, though some belong to the next line.
    fn write_usual_line<const N: usize, V: Copy>(self, image: &[V], start: usize, to: &mut [V; N]) {
        let from = &image[start..start + N];
        let moved =
            start.checked_add_signed(self.shift.1.into()).and_then(|at| image.get(at..at + N));
        let Some(moved) = moved else {
            return self.write_line(from, to); // the next line would be beyond the image
        };
        to.copy_from_slice(moved);
        self.reflect_end(from, to);
        if self.flip {
            to.reverse();
        }
    }

    /// What a shift has left open at the end of a line.
    fn reflect_end<V: Copy>(self, from: &[V], to: &mut [V]) {
        let (n, by) = (from.len(), usize::from(self.shift.1.unsigned_abs()));
        if self.shift.1 >= 0 {
            for i in 0..by {
                to[n - by + i] = from[n - 2 - i];
            }
        } else {
            for i in 0..by {
                to[by - 1 - i] = from[1 + i];
            }
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
        self.pixels.shape().dim()
    }

    fn gather(&self, path: Path, rows: &[u32], columns: Range<usize>, out: &mut [T]) {
        assert_eq!(out.len(), rows.len() * columns.len());
        let (shape, width) = (self.pixels.shape(), columns.len());
        match self.pixels {
            Pixels::Bytes { images, scale, shift } => {
                let write = |row: u32, columns: Range<usize>, bytes: &mut [u8]| {
                    let row = row as usize;
                    self.changes.each[row].write(images.image(row), shape, columns, bytes);
                };
                gather_bytes(path, rows, columns.clone(), (scale, shift), write, out);
            }
            Pixels::Floats(images) => {
                let mut values = [0.0; PIECE];
                for (&row, out) in rows.iter().zip(out.chunks_exact_mut(width.max(1))) {
                    let row = row as usize;
                    for (start, out) in columns.clone().step_by(PIECE).zip(out.chunks_mut(PIECE)) {
                        let (piece, values) = (start..start + out.len(), &mut values[..out.len()]);
                        self.changes.each[row].write(images.image(row), shape, piece, values);
                        out.iter_mut().zip(values).for_each(|(out, &mut x)| *out = T::from_f32(x));
                    }
                }
            }
        }
        if self.changes.cutout > 0 {
            for (&row, out) in rows.iter().zip(out.chunks_exact_mut(width.max(1))) {
                self.cut_out(row as usize, columns.clone(), out);
            }
        }
    }

    fn soon(&self, rows: &[u32], columns: Range<usize>, ahead: &mut Ahead) {
        Rows::<T>::soon(&self.pixels, rows, columns, ahead);
    }
}

/// Bytes of `rows` that `write` puts into place, a group at a time, each times a scale plus a shift.
fn gather_bytes<T: Scalar>(
    path: Path,
    rows: &[u32],
    columns: Range<usize>,
    (scale, shift): (&[f32], &[f32]),
    write: impl Fn(u32, Range<usize>, &mut [u8]),
    out: &mut [T],
) {
    let width = columns.len();
    let mut bytes = [0; GROUP * PIECE];
    for (rows, out) in rows.chunks(GROUP).zip(out.chunks_mut((GROUP * width).max(1))) {
        // Blocks are no wider than a piece, so that this is one turn.
        for start in columns.clone().step_by(PIECE) {
            let piece = start..(start + PIECE).min(columns.end);
            let bytes = &mut bytes[..rows.len() * piece.len()];
            for (&row, bytes) in rows.iter().zip(bytes.chunks_exact_mut(piece.len())) {
                write(row, piece.clone(), bytes);
            }
            let one = ByteRows::new(bytes, &scale[piece.clone()], &shift[piece.clone()]);
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
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Augmentation, Images};

    const SHAPE: Shape = Shape { channels: 3, height: 7, width: 9 };

    fn images(n: usize) -> Images {
        let pixels = (0..n * SHAPE.dim()).map(|i| (i * 37 % 251) as u8).collect();
        Images::new(pixels, vec![0; n], SHAPE, 1).unwrap()
    }

    /// Image `row` in an epoch, gathered in blocks of so many columns.
    fn gathered(images: &Images, changes: &Changes, row: u32, block: usize) -> Vec<f32> {
        let pixels = Pixels::Bytes { images, scale: &ONE, shift: &ZERO };
        let rows = Augmented::new(pixels, changes);
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
}
