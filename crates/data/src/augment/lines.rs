//! Images that are 32 pixels wide, CIFAR's, have a faster way: whole lines are moved, mirrored and
//! normalized in one pass.

use std::ops::Range;

use chainrule_tensor::ops::bytes::{LINE, normalize_lines};
use chainrule_tensor::{Isa, Scalar};

use super::change::{Change, reflect};
use crate::{Images, Shape};

/// Values of an image that are put into place at a time: a block of columns is no wider.
pub(crate) const PIECE: usize = 128;

/// The lines of [`LINE`] bytes that are a piece of an image.
pub(crate) struct Lines {
    /// Where the line's channel begins, counted in lines, and the line in it.
    places: [(usize, usize); PIECE / LINE],
    n: usize,
    height: usize,
}

impl Lines {
    /// The lines of `columns`, if the images are so wide and these are whole lines.
    pub fn of(Shape { height, width, .. }: Shape, columns: &Range<usize>) -> Option<Lines> {
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
    pub fn write<T: Scalar>(
        &self,
        isa: Isa,
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
        normalize_lines(isa, pixels, &starts[..self.n], change.flip, scale, shift, out);
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
