//! Per-image contrast normalization: each image with its own mean taken off, divided by its own
//! deviation, √(variance + ε), over all its values (Coates, Ng & Lee 2011, "An analysis of
//! single-layer networks in unsupervised feature learning", with ε = 10 for pixels of 0 to 255).
//!
//! It comes before the standardization of each pixel, and for one image it is a factor and a
//! summand, so that pixels can stay bytes in memory.

use crate::Images;

/// What becomes of the pixels of one image: byte · gain + offset.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gain {
    /// 1 / √(variance + ε)
    pub gain: f32,
    /// - mean / √(variance + ε)
    pub offset: f32,
}

impl Gain {
    /// Pixels as they are.
    pub(crate) const NONE: Gain = Gain { gain: 1.0, offset: 0.0 };

    /// The gains of all `images`, with the regularizer ε in squared pixel units; positive.
    pub fn of(images: &Images, regularizer: f32) -> Vec<Gain> {
        (0..images.len()).map(|i| Gain::of_image(images.image(i), regularizer)).collect()
    }

    fn of_image(pixels: &[u8], regularizer: f32) -> Gain {
        let sums = |(sum, squares), &byte: &u8| {
            let x = u64::from(byte);
            (sum + x, squares + x * x)
        };
        let (sum, squares) = pixels.iter().fold((0u64, 0u64), sums);
        let n = pixels.len() as f64;
        // n² var = n Σx² - (Σx)², in integers: nothing cancels.
        let spread = u128::from(squares) * pixels.len() as u128 - u128::from(sum).pow(2);
        let gain = 1.0 / (spread as f64 / (n * n) + f64::from(regularizer)).sqrt();
        Gain { gain: gain as f32, offset: (-(sum as f64) / n * gain) as f32 }
    }

    /// The value of a pixel.
    pub(crate) fn apply(self, pixel: f32) -> f32 {
        pixel * self.gain + self.offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Shape;

    #[test]
    fn an_image_has_the_mean_and_contrast_worked_out_by_hand() {
        let shape = Shape { channels: 1, height: 2, width: 2 };
        // 1 3 5 7: mean 4, variance 5; with 11 more the deviation is 4. An even image stays 0.
        let images = Images::new(vec![1, 3, 5, 7, 9, 9, 9, 9], vec![0, 0], shape, 1).unwrap();
        let gains = Gain::of(&images, 11.0);
        let values = [1.0, 3.0, 5.0, 7.0].map(|x| gains[0].apply(x));
        assert_eq!(values, [-0.75, -0.25, 0.25, 0.75]);
        assert!(gains[1].apply(9.0).abs() < 1e-6, "{:?}", gains[1]);
    }
}
