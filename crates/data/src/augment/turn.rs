//! Rotations: an image turned about its center, in one resampling with its shift and its mirroring.
//!
//! Position p = (y + dy, x + dx) of the shifted image, x counted from the right if it is mirrored,
//! is read at c + R (p - c), where c is the center of the stored image and R the rotation
//!
//! ```text
//! y' = cos y - sin x
//! x' = sin y + cos x
//! ```
//!
//! by a positive angle clockwise. Both coordinates are reflected at the borders, as a shift's are,
//! and the value is bilinear between the four pixels around the place.

use std::ops::Range;

use chainrule_tensor::math;

use crate::Shape;

/// Sine and cosine of the angle by which an image is turned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Turn {
    sin: f32,
    cos: f32,
}

impl Turn {
    /// By an angle in degrees.
    pub fn of(degrees: f64) -> Turn {
        let (sin, cos) = math::sin_cos(degrees.to_radians());
        Turn { sin: sin as f32, cos: cos as f32 }
    }

    /// Sine and cosine.
    #[cfg(test)]
    pub fn sin_cos(self) -> (f64, f64) {
        (self.sin.into(), self.cos.into())
    }
}

impl Turn {
    /// Values `columns` of an image: mirrored if `flip`, moved by `shift` (down, right), and turned.
    pub fn write<V: Copy + Into<f32>>(
        self,
        (flip, shift): (bool, (i16, i16)),
        image: &[V],
        Shape { height, width, .. }: Shape,
        columns: Range<usize>,
        out: &mut [f32],
    ) {
        let (cy, cx) = ((height - 1) as f32 / 2.0, (width - 1) as f32 / 2.0);
        let mut at = columns.start;
        while at < columns.end {
            let (line, x) = (at / width, at % width);
            let n = (width - x).min(columns.end - at);
            let channel = &image[line / height * height * width..][..height * width];
            let v = (line % height) as f32 + f32::from(shift.0) - cy;
            let (down, right) = (cy + self.cos * v, cx + self.sin * v);
            for (out, x) in out[at - columns.start..][..n].iter_mut().zip(x..) {
                let x = if flip { width - 1 - x } else { x };
                let u = x as f32 + f32::from(shift.1) - cx;
                let y = reflect(down - self.sin * u, (height - 1) as f32);
                let x = reflect(right + self.cos * u, (width - 1) as f32);
                // They are not negative, so that this rounds down.
                let (top, left) = (y as u32 as usize, x as u32 as usize);
                let (fy, fx) = (y - top as f32, x - left as f32);
                let (bottom, beside) = ((top + 1).min(height - 1), (left + 1).min(width - 1));
                let across = |line: usize| {
                    let (a, b) = (channel[line * width + left], channel[line * width + beside]);
                    (1.0 - fx) * a.into() + fx * b.into()
                };
                *out = (1.0 - fy) * across(top) + fy * across(bottom);
            }
            at += n;
        }
    }
}

/// Where a position lies in `0..=last`, reflected at both ends as often as it takes.
fn reflect(at: f32, last: f32) -> f32 {
    let mut at = at.abs();
    while at > last {
        if last == 0.0 {
            return 0.0;
        }
        at = (2.0 * last - at).abs();
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_reflected_until_it_is_inside() {
        for (at, want) in
            [(0.0, 0.0), (-1.5, 1.5), (4.5, 3.5), (8.0, 0.0), (-9.0, 1.0), (21.0, 3.0)]
        {
            assert_eq!(reflect(at, 4.0), want, "{at}");
        }
        assert_eq!(reflect(1.5, 0.0), 0.0, "an image of one line");
    }

    #[test]
    fn a_quarter_turn_moves_every_pixel_to_its_place() {
        // Clockwise, as numpy.rot90(x, -1): a b / c d becomes c a / d b.
        let shape = Shape { channels: 1, height: 2, width: 2 };
        let mut out = [0.0; 4];
        Turn::of(90.0).write((false, (0, 0)), &[1u8, 2, 3, 4], shape, 0..4, &mut out);
        let near = out.iter().zip([3.0, 1.0, 4.0, 2.0]).all(|(a, b)| (a - b).abs() < 1e-5);
        assert!(near, "{out:?}");
    }
}
