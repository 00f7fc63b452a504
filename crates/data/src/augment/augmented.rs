//! The images of one epoch: flipped, shifted, turned and cut out as [`Augmentation`](crate::Augmentation) has drawn it.
//!
//! It is done while pixels are gathered, a block of columns at a time, by the core that owns them:
//! no augmented image ever exists as a whole. The pixels are bytes, normalized once they are at
//! their place, or numbers.

use std::ops::Range;

use chainrule_tensor::gather::Rows;
use chainrule_tensor::ops::bytes::{ByteRows, normalize};
use chainrule_tensor::{Isa, Scalar};

use super::draw::Changes;
use super::lines::{Lines, PIECE};
use super::turn::Turn;
use crate::pixels::standardize;
use crate::{Gain, Pixels, Shape};

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
                turn.write(
                    (change.flip, change.shift),
                    images.image(row),
                    shape,
                    columns.clone(),
                    values,
                );
                let gain = gains.map_or(Gain::NONE, |gains| gains[row]);
                standardize(values, gain, (&scale[columns.clone()], &shift[columns]), out);
            }
            Pixels::Floats(images) => {
                turn.write((change.flip, change.shift), images.image(row), shape, columns, values);
                out.iter_mut().zip(values).for_each(|(out, x)| *out = T::from_f32(*x));
            }
        }
    }

    /// Sets what is cut out of values `columns` of image `row` to 0.
    fn cut_out<T: Scalar>(&self, row: usize, columns: Range<usize>, out: &mut [T]) {
        let Shape { height, width, .. } = self.pixels.shape();
        let (cy, cx) = self.changes.each[row].center;
        // An even side reaches one pixel further to the left of the center than to its right.
        let span = |center: u32, n: usize| {
            let end = center as usize + self.changes.cutout.div_ceil(2);
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

impl<T: Scalar> Rows<T> for Augmented<'_> {
    fn columns(&self) -> usize {
        self.pixels.shape().dim()
    }

    fn gather(&self, isa: Isa, rows: &[u32], columns: Range<usize>, out: &mut [T]) {
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
                            .is_some_and(|lines| lines.write(isa, images, row, change, of, out));
                        if !written {
                            let mut bytes = [0; PIECE];
                            let bytes = &mut bytes[..piece.len()];
                            change.write(images.image(row), shape, piece.clone(), bytes);
                            let bytes = ByteRows::new(bytes, of.0, of.1);
                            normalize(isa, &bytes, &[0], &(0..piece.len()), out);
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

    fn prefetch(&self, rows: &[u32], columns: Range<usize>) {
        let Shape { width, .. } = self.pixels.shape();
        for &row in rows {
            let (down, right) = self.changes.each[row as usize].shift;
            let by = isize::from(down) * width as isize + isize::from(right);
            self.pixels.prefetch_moved(row, &columns, by);
        }
    }
}

#[cfg(test)]
mod tests;
