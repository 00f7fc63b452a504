//! Training images a little different in every epoch: flips, shifts, rotations, cut-out.
//!
//! Pixel (y, x) of the image that is read is pixel (r(y + dy), r(x + dx)) of the one that is stored,
//! x counted from the right if it is flipped, where r reflects at the borders without repeating
//! them: -1 is 1, and n is n - 2. If images are turned as well, `turn` says where between
//! pixels it is read. Of a cut-out image a square is 0 after the normalization, that is
//! the mean (DeVries & Taylor 2017).
//!
//! What happens to an image is a pure function of the seed, the epoch and the image. It is drawn
//! for all images when an epoch begins, and done by [`crate::Augmented`].

use rand_core::Rng;

use super::change::Change;
use super::turn::Turn;
use crate::random::{Purpose, below, generator};
use crate::{Error, Images, Shape};

/// What may happen to a training image. The default changes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Augmentation {
    /// Every other image is mirrored, left to right.
    pub flip: bool,
    /// Most pixels by which an image is moved, in each direction of each axis.
    pub shift: u8,
    /// Largest angle by which an image is turned, to either side, in degrees: 0 to 180.
    pub rotate: f64,
    /// Side of the square that is cut out, in pixels; its center lies anywhere in the image.
    pub cutout: u8,
}

/// What happens to each image in one epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct Changes {
    /// Side of the square that is cut out.
    pub(crate) cutout: usize,
    /// One for each image.
    pub(crate) each: Vec<Change>,
}

impl Changes {
    /// Every one of the `images` moved by the same pixels, down and right, and, with `flip`, mirrored
    /// left to right; nothing else.
    ///
    /// # Errors
    /// As [`Augmentation::check`], of the larger of the two shifts.
    pub fn view(images: &Images, flip: bool, shift: (i8, i8)) -> Result<Changes, Error> {
        let most = shift.0.unsigned_abs().max(shift.1.unsigned_abs());
        Augmentation { shift: most, ..Augmentation::default() }.check(images)?;
        let shift = (shift.0.into(), shift.1.into());
        let change = Change { flip, shift, center: (0, 0), turn: None };
        Ok(Changes { cutout: 0, each: vec![change; images.len()] })
    }
}

impl Augmentation {
    /// Whether these images can be augmented so.
    ///
    /// # Errors
    /// If they are too small for the shift, or the angle is none.
    pub fn check(self, images: &Images) -> Result<(), Error> {
        let (height, width) = (images.shape().height, images.shape().width);
        let (side, most) = (height.min(width), self.shift);
        if usize::from(most) >= side {
            return Err(Error::Augmentation(format!(
                "shift is {most}: it must be below the side of an image, {side}"
            )));
        }
        if !(0.0..=180.0).contains(&self.rotate) {
            return Err(Error::Augmentation(format!(
                "rotate is {}: it must be an angle from 0 to 180 degrees",
                self.rotate
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
            let center = (below(&mut rng, height as u32), below(&mut rng, width as u32));
            let flip = self.flip && rng.next_u64() >> 63 == 1;
            // Drawn last and only if asked for: without it all else is drawn as it ever was.
            let turn = (self.rotate > 0.0).then(|| {
                let uniform = (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
                Turn::of(self.rotate * (2.0 * uniform - 1.0))
            });
            Change { flip, shift, center, turn }
        };
        Ok(Changes { cutout: self.cutout.into(), each: (0..images.len()).map(change).collect() })
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

    fn epoch(images: &Images, augmentation: Augmentation, epoch: u32) -> Changes {
        augmentation.draw(images, 5, epoch).unwrap()
    }

    #[test]
    fn every_change_comes_about_as_often_as_it_should() {
        let images = images(9000);
        let changes =
            epoch(&images, Augmentation { flip: true, shift: 1, ..Augmentation::default() }, 1);
        // 9000 draws of 1/2 and of 1/9 deviate by 47 and 30; five times that is beyond chance.
        let flipped = changes.each.iter().filter(|change| change.flip).count();
        assert!(flipped.abs_diff(4500) < 5 * 47, "{flipped}");
        for dy in -1..=1 {
            for dx in -1..=1 {
                let n = changes.each.iter().filter(|change| change.shift == (dy, dx)).count();
                assert!(n.abs_diff(1000) < 5 * 30, "({dy}, {dx}): {n}");
            }
        }
        let next =
            epoch(&images, Augmentation { flip: true, shift: 1, ..Augmentation::default() }, 2);
        assert_ne!(changes, next, "every epoch is another");
        let again =
            epoch(&images, Augmentation { flip: true, shift: 1, ..Augmentation::default() }, 1);
        assert_eq!(changes, again);
    }

    #[test]
    fn a_shift_as_wide_as_the_image_is_refused() {
        let images = images(1);
        let wide = Augmentation { shift: 7, ..Augmentation::default() };
        let error = wide.draw(&images, 0, 1).unwrap_err();
        assert_eq!(error.to_string(), "shift is 7: it must be below the side of an image, 7");
    }
}
