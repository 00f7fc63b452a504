//! The images of one epoch: flipped, shifted, turned and cut out as [`crate::Augmentation`] has drawn it.
//!
//! It is done while pixels are gathered, a block of columns at a time, by the core that owns them:
//! no augmented image ever exists as a whole. The pixels are bytes, normalized once they are at
//! their place, or numbers.

use std::ops::Range;

use chainrule_tensor::bytes::{ByteRows, LINE, Rows, normalize, normalize_lines};
use chainrule_tensor::prefetch::Ahead;
use chainrule_tensor::{Path, Scalar};

use crate::augment::{Change, WIDEST};
use crate::pixels::standardize;
use crate::rotate::Turn;
use crate::{Changes, Gain, Images, Pixels, Shape};

/// Values of an image that are put into place at a time: a block of columns is no wider.
const PIECE: usize = 128;

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

    /// Writes values `columns` of image `row`, which is turned.
    fn write_turned<T: Scalar>(
        &self,
        row: usize,
        turn: Turn,
        columns: Range<usize>,
        out: &mut [T],
    ) {
        let (change, shape) = (self.changes.each[row], self.pixels.shape());
        let mut values = [0.0; PIECE];
        let values = &mut values[..columns.len()];
        match self.pixels {
            Pixels::Bytes { images, scale, shift, gains } => {
                change.write_turned(turn, images.image(row), shape, columns.clone(), values);
                let gain = gains.map_or(Gain::NONE, |gains| gains[row]);
                standardize(values, gain, (&scale[columns.clone()], &shift[columns]), out);
            }
            Pixels::Floats(images) => {
                change.write_turned(turn, images.image(row), shape, columns, values);
                out.iter_mut().zip(values).for_each(|(out, x)| *out = T::from_f32(*x));
            }
        }
    }

    /// Sets what is cut out of values `columns` of image `row` to 0.
    fn cut_out<T: Scalar>(&self, row: usize, columns: Range<usize>, out: &mut [T]) {
        let Shape { height, width, .. } = self.pixels.shape();
        let (cy, cx) = self.changes.each[row].center;
        // An even side reaches one pixel further to the left of the center than to its right.
        let span = |center: u16, n: usize| {
            let end = usize::from(center) + self.changes.cutout.div_ceil(2);
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

/// The lines of an image that some columns touch: where each begins, as the shift has it.
fn lines(change: Change, shape: Shape, columns: &Range<usize>) -> impl Iterator<Item = usize> {
    let Shape { height, width, .. } = shape;
    let first = columns.start / width;
    let (mut channel, mut y) = (first / height * height, first % height);
    (first..columns.end.div_ceil(width)).map(move |_| {
        let start = (channel + reflect(y, change.shift.0, height)) * width;
        y += 1;
        if y == height {
            (channel, y) = (channel + height, 0);
        }
        start
    })
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
        let (width, mut at) = (shape.width, columns.start);
        let mut whole = [V::default(); WIDEST];
        for start in lines(self, shape, &columns) {
            let x = at % width;
            let n = (width - x).min(columns.end - at);
            let (from, to) = (&image[start..start + width], &mut out[at - columns.start..][..n]);
            if n == width {
                self.write_line(from, to);
            } else {
                // A part of a line, where the block of columns ends.
                self.write_line(from, &mut whole[..width]);
                to.copy_from_slice(&whole[x..x + n]);
            }
            at += n;
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
        for (at, of) in self.reflected(n) {
            to[at] = from[of];
        }
        if self.flip {
            to.reverse();
        }
    }

    /// What a shift leaves open at the end of a line of n values: for each place, before the line
    /// is mirrored, the place whose value it has.
    fn reflected(self, n: usize) -> impl Iterator<Item = (usize, usize)> {
        let by = usize::from(self.shift.1.unsigned_abs());
        let right = self.shift.1 >= 0;
        (0..by).map(move |i| if right { (n - by + i, n - 2 - i) } else { (by - 1 - i, 1 + i) })
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
        for start in columns.clone().step_by(PIECE) {
            let piece = start..(start + PIECE).min(columns.end);
            let usual = Lines::of(shape, &piece);
            for (&row, out) in rows.iter().zip(out.chunks_exact_mut(width)) {
                let out = &mut out[start - columns.start..][..piece.len()];
                let (row, change) = (row as usize, self.changes.each[row as usize]);
                if let Some(turn) = change.turn {
                    self.write_turned(row, turn, piece.clone(), out);
                    continue;
                }
                match self.pixels {
                    Pixels::Bytes { images, scale, shift, gains: Some(gains) } => {
                        let of = (&scale[piece.clone()], &shift[piece.clone()]);
                        let mut bytes = [0; PIECE];
                        let bytes = &mut bytes[..piece.len()];
                        change.write(images.image(row), shape, piece.clone(), bytes);
                        standardize(bytes, gains[row], of, out);
                    }
                    Pixels::Bytes { images, scale, shift, gains: None } => {
                        let of = (&scale[piece.clone()], &shift[piece.clone()]);
                        let written = usual
                            .as_ref()
                            .is_some_and(|lines| lines.write(path, images, row, change, of, out));
                        if !written {
                            let mut bytes = [0; PIECE];
                            let bytes = &mut bytes[..piece.len()];
                            change.write(images.image(row), shape, piece.clone(), bytes);
                            let bytes = ByteRows::new(bytes, of.0, of.1);
                            normalize(path, &bytes, &[0], &(0..piece.len()), out);
                        }
                    }
                    Pixels::Floats(images) => {
                        let mut values = [0.0; PIECE];
                        let values = &mut values[..piece.len()];
                        change.write(images.image(row), shape, piece.clone(), values);
                        out.iter_mut().zip(values).for_each(|(out, x)| *out = T::from_f32(*x));
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
        let Shape { width, .. } = self.pixels.shape();
        for &row in rows {
            let (down, right) = self.changes.each[row as usize].shift;
            let by = isize::from(down) * width as isize + isize::from(right);
            self.pixels.soon_moved(row, &columns, by, ahead);
        }
    }
}

/// The lines of [`LINE`] bytes that are a piece of an image.
struct Lines {
    /// Where the line's channel begins, counted in lines, and the line in it.
    places: [(usize, usize); PIECE / LINE],
    n: usize,
    height: usize,
}

impl Lines {
    /// The lines of `columns`, if the images are so wide and these are whole lines.
    fn of(Shape { height, width, .. }: Shape, columns: &Range<usize>) -> Option<Lines> {
        let whole = |at: usize| width == LINE && at.is_multiple_of(LINE);
        if !(whole(columns.start) && whole(columns.end)) {
            return None;
        }
        let (mut places, first, n) =
            ([(0, 0); PIECE / LINE], columns.start / LINE, columns.len() / LINE);
        for (line, place) in (first..first + n).zip(&mut places) {
            *place = (line / height * height, line % height);
        }
        Some(Lines { places, n, height })
    }

    /// Writes these lines of image `row`: what [`Change::write`] writes, normalized on the way.
    /// Every line is read from where the shift has it, though some of what is read belongs to the
    /// line beside it, and then its end is reflected.
    ///
    /// Whether that could be done: the first and the last of all lines have none beside them.
    fn write<T: Scalar>(
        &self,
        path: Path,
        images: &Images,
        row: usize,
        change: Change,
        (scale, shift): (&[f32], &[f32]),
        out: &mut [T],
    ) -> bool {
        let (pixels, image) = (images.pixels(), row * images.dim());
        let (down, right) = change.shift;
        let mut lines = [0; PIECE / LINE];
        for (line, &(channel, y)) in lines.iter_mut().zip(&self.places[..self.n]) {
            *line = image + (channel + reflect(y, down, self.height)) * LINE;
        }
        let lines = &lines[..self.n];
        let mut starts = [0; PIECE / LINE];
        for (start, line) in starts.iter_mut().zip(lines) {
            match line.checked_add_signed(right.into()) {
                Some(at) if at + LINE <= pixels.len() => *start = at,
                _ => return false,
            }
        }
        normalize_lines(path, pixels, &starts[..self.n], change.flip, scale, shift, out);
        for (at, of) in change.reflected(LINE) {
            let at = if change.flip { LINE - 1 - at } else { at };
            for (i, line) in lines.iter().enumerate() {
                let at = i * LINE + at;
                out[at] = T::from_f32(f32::from(pixels[line + of]) * scale[at] + shift[at]);
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Augmentation, FloatImages};

    /// Of no usual size, and of the size that has a way of its own.
    const ODD: Shape = Shape { channels: 3, height: 7, width: 9 };
    const USUAL: Shape = Shape { channels: 2, height: 16, width: 32 };

    fn images(n: usize, shape: Shape) -> Images {
        let pixels = (0..n * shape.dim()).map(|i| (i * 37 % 251) as u8).collect();
        Images::new(pixels, vec![0; n], shape, 1).unwrap()
    }

    /// Image `row` in an epoch, gathered in blocks of so many columns.
    fn collect(pixels: Pixels, changes: &Changes, row: u32, block: usize) -> Vec<f32> {
        let (rows, dim) = (Augmented::new(pixels, changes), pixels.shape().dim());
        let mut all = vec![];
        for start in (0..dim).step_by(block) {
            let columns = start..(start + block).min(dim);
            let mut out = vec![f32::NAN; columns.len()];
            rows.gather(Path::best(), &[row], columns, &mut out);
            all.extend(out);
        }
        all
    }

    /// [`collect`] of pixels as they are.
    fn gathered(images: &Images, changes: &Changes, row: u32, block: usize) -> Vec<f32> {
        let (scale, shift) = (vec![1.0; images.dim()], vec![0.0; images.dim()]);
        collect(
            Pixels::Bytes { images, scale: &scale, shift: &shift, gains: None },
            changes,
            row,
            block,
        )
    }

    fn epoch(images: &Images, augmentation: Augmentation, epoch: u32) -> Changes {
        augmentation.draw(images, 5, epoch).unwrap()
    }

    /// The definition, pixel by pixel, of an image padded by reflection (numpy's `np.pad(...,
    /// mode="reflect")`: d c b | a b c d | c b a), turned about its center, cut out of the padded
    /// one, and mirrored.
    fn plain(image: &[u8], Shape { channels, height, width }: Shape, change: Change) -> Vec<f32> {
        let inside = |at: i32, n: usize| {
            let at = at.rem_euclid(2 * (n as i32 - 1)) as usize;
            if at < n { at } else { 2 * (n - 1) - at }
        };
        let (sin, cos) = change.turn.map_or((0.0, 1.0), Turn::sin_cos);
        let mut out = vec![];
        for c in 0..channels {
            let pixel = |y: f64, x: f64| {
                let at = (c * height + inside(y as i32, height)) * width + inside(x as i32, width);
                f64::from(image[at])
            };
            for y in 0..height {
                for x in 0..width {
                    let x = if change.flip { width - 1 - x } else { x };
                    let (cy, cx) = ((height - 1) as f64 / 2.0, (width - 1) as f64 / 2.0);
                    let v = y as f64 + f64::from(change.shift.0) - cy;
                    let u = x as f64 + f64::from(change.shift.1) - cx;
                    let (y, x) = (cy + cos * v - sin * u, cx + sin * v + cos * u);
                    let (top, left) = (y.floor(), x.floor());
                    let (fy, fx) = (y - top, x - left);
                    let value = (1.0 - fy) * (1.0 - fx) * pixel(top, left)
                        + (1.0 - fy) * fx * pixel(top, left + 1.0)
                        + fy * (1.0 - fx) * pixel(top + 1.0, left)
                        + fy * fx * pixel(top + 1.0, left + 1.0);
                    out.push(value as f32);
                }
            }
        }
        out
    }

    #[test]
    fn nothing_asked_for_changes_nothing() {
        let images = images(4, ODD);
        let changes = epoch(&images, Augmentation::default(), 1);
        for row in 0..4 {
            let want: Vec<f32> = images.image(row).iter().map(|&x| f32::from(x)).collect();
            assert_eq!(gathered(&images, &changes, row as u32, 189), want);
        }
    }

    /// Bytes and floats, in blocks that are whole lines and in others, against the definition.
    fn agrees_with_the_definition(augmentation: Augmentation, tolerance: f32) {
        for (shape, blocks) in [(ODD, [1, 16, 48, 189]), (USUAL, [128, 32, 48, 1024])] {
            let (images, n) = (images(6, shape), shape.dim());
            let floats = images.pixels().iter().map(|&byte| f32::from(byte)).collect();
            let floats = FloatImages::new(floats, shape);
            let scale: Vec<f32> = (0..n).map(|j| (1 + j % 4) as f32).collect();
            let shift: Vec<f32> = (0..n).map(|j| j as f32).collect();
            // Of few images, so that the first and the last, which have no others beside them, are
            // moved in every direction.
            for (number, row) in (1..20).flat_map(|number| (0..6).map(move |row| (number, row))) {
                let changes = epoch(&images, augmentation, number);
                let want = plain(images.image(row as usize), shape, changes.each[row as usize]);
                let scaled: Vec<f32> =
                    want.iter().zip(&scale).zip(&shift).map(|((x, a), b)| x * a + b).collect();
                for block in blocks {
                    let bytes = Pixels::Bytes {
                        images: &images,
                        scale: &scale,
                        shift: &shift,
                        gains: None,
                    };
                    for (pixels, want) in [(bytes, &scaled), (Pixels::Floats(&floats), &want)] {
                        let found = collect(pixels, &changes, row, block);
                        let near = |(a, b): (&f32, &f32)| (a - b).abs() <= tolerance;
                        let same = found.len() == n && found.iter().zip(want).all(near);
                        assert!(same, "{:?}, blocks of {block}", changes.each[row as usize]);
                    }
                }
            }
        }
    }

    #[test]
    fn an_image_is_shifted_reflected_and_mirrored_as_the_definition_says_in_any_blocks() {
        let moved = Augmentation { flip: true, shift: 4, ..Augmentation::default() };
        agrees_with_the_definition(moved, 0.0);
    }

    #[test]
    fn an_image_is_turned_as_the_definition_says_in_any_blocks() {
        // Positions are f32: a pixel further along the line differs by 250, and four times that.
        for rotate in [15.0, 180.0] {
            let turned = Augmentation { flip: true, shift: 3, rotate, cutout: 0 };
            agrees_with_the_definition(turned, 0.02);
        }
    }

    #[test]
    fn a_square_is_cut_out_and_only_at_the_border_less_of_it() {
        let images = images(300, ODD);
        let changes = epoch(&images, Augmentation { cutout: 3, ..Augmentation::default() }, 1);
        let mut whole = 0;
        for row in 0..300 {
            let (found, image) = (gathered(&images, &changes, row as u32, 40), images.image(row));
            let (cy, cx) = changes.each[row].center;
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
