//! What happens to one image: it is mirrored, moved, turned, and a square of it is cut out.

use std::ops::Range;

use super::turn::Turn;
use crate::Shape;

/// Widest image, in pixels, of which a whole line is moved to take a part of it.
const WIDE: usize = 256;

/// What happens to one image in one epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Change {
    pub flip: bool,
    /// Downwards and to the right, in pixels of the stored image.
    pub shift: (i16, i16),
    /// Center of the square, (y, x).
    pub center: (u32, u32),
    /// How it is turned, if images are turned at all.
    pub turn: Option<Turn>,
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
    pub fn write<V: Copy + Default>(
        self,
        image: &[V],
        shape: Shape,
        columns: Range<usize>,
        out: &mut [V],
    ) {
        let (width, mut at) = (shape.width, columns.start);
        let mut whole = [V::default(); WIDE];
        for start in lines(self, shape, &columns) {
            let x = at % width;
            let n = (width - x).min(columns.end - at);
            let (from, to) = (&image[start..start + width], &mut out[at - columns.start..][..n]);
            if n == width {
                self.write_line(from, to);
            } else if width > WIDE {
                for (to, x) in to.iter_mut().zip(x..) {
                    let x = if self.flip { width - 1 - x } else { x };
                    *to = from[reflect(x, self.shift.1, width)];
                }
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
    pub fn reflected(self, n: usize) -> impl Iterator<Item = (usize, usize)> {
        let by = usize::from(self.shift.1.unsigned_abs());
        let right = self.shift.1 >= 0;
        (0..by).map(move |i| if right { (n - by + i, n - 2 - i) } else { (by - 1 - i, 1 + i) })
    }
}

/// Where a shifted position lies in `0..n`, reflected at both ends.
pub(crate) fn reflect(at: usize, shift: i16, n: usize) -> usize {
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
