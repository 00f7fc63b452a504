//! From the pixels of one image to the numbers that the network reads, and the derivative back.
//!
//! ```text
//! c = (p - m) / √(v + ε)     with a contrast normalization, m and v the image's mean and variance
//! c = p                      without
//! x = (c - mean) / std
//!
//! dc = dx / std
//! dp = (dc - mean(dc) - c mean(dc c)) / √(v + ε)        or dp = dc
//! ```
//!
//! It is what [`Pixels`](crate::Pixels) does to bytes, for pixels that are any numbers.

use chainrule_tensor::Scalar;

use crate::{Error, Normalization};

/// The normalization of an image as a function of its pixels, with its derivative.
///
/// ```
/// use chainrule_data::{Normalization, Standardize};
///
/// let of = Standardize::<f64>::new(&Normalization::new(vec![10.0], vec![4.0])?, 2)?;
/// let mut gradient = [1.0, -2.0]; // of some function, by what the network reads
/// assert_eq!(of.forward(&[12.0, 6.0]), [0.5, -1.0]);
/// of.backward(&[12.0, 6.0], &mut gradient);
/// assert_eq!(gradient, [0.25, -0.5]); // by the pixels
/// # Ok::<(), chainrule_data::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Standardize<T> {
    /// (dim)
    scale: Vec<T>,
    /// (dim)
    shift: Vec<T>,
    /// ε of the contrast normalization.
    contrast: Option<T>,
}

impl<T: Scalar> Standardize<T> {
    /// For images of `dim` values.
    ///
    /// # Errors
    /// As [`Normalization::scale_shift`].
    pub fn new(normalization: &Normalization, dim: usize) -> Result<Self, Error> {
        let (scale, shift) = normalization.scale_shift(dim)?;
        let numbers = |of: Vec<f32>| of.into_iter().map(T::from_f32).collect();
        let contrast = normalization.contrast().map(|&contrast| T::from_f32(contrast));
        Ok(Self { scale: numbers(scale), shift: numbers(shift), contrast })
    }

    /// x of one image, (dim), from its pixels in units of 0 to 255.
    pub fn forward(&self, pixels: &[T]) -> Vec<T> {
        let mut x = pixels.to_vec();
        self.center(&mut x);
        for ((x, &scale), &shift) in x.iter_mut().zip(&self.scale).zip(&self.shift) {
            *x = *x * scale + shift;
        }
        x
    }

    /// ∂L/∂pixels, (dim), in place of ∂L/∂x.
    pub fn backward(&self, pixels: &[T], gradient: &mut [T]) {
        gradient.iter_mut().zip(&self.scale).for_each(|(dc, &scale)| *dc *= scale);
        let mut c = pixels.to_vec();
        let Some(gain) = self.center(&mut c) else { return };
        let n = gradient.len() as f64;
        let mean = gradient.iter().map(|dc| dc.to_f64()).sum::<f64>() / n;
        let products = gradient.iter().zip(&c).map(|(dc, c)| dc.to_f64() * c.to_f64());
        let mean_product = T::from_f64(products.sum::<f64>() / n);
        for (dc, &c) in gradient.iter_mut().zip(&c) {
            *dc = (*dc - T::from_f64(mean) - c * mean_product) * gain;
        }
    }

    /// c in place of the pixels, and 1 / √(v + ε), where there is a contrast normalization.
    fn center(&self, pixels: &mut [T]) -> Option<T> {
        let regularizer = self.contrast?.to_f64();
        let n = pixels.len() as f64;
        let mean = pixels.iter().map(|p| p.to_f64()).sum::<f64>() / n;
        let square = |x: f64| x * x;
        let variance = pixels.iter().map(|p| square(p.to_f64() - mean)).sum::<f64>() / n;
        let gain = T::from_f64(1.0 / (variance + regularizer).sqrt());
        pixels.iter_mut().for_each(|p| *p = (*p - T::from_f64(mean)) * gain);
        Some(gain)
    }
}

#[cfg(test)]
mod tests {
    use chainrule_tensor::Isa;
    use chainrule_tensor::gather::Rows;

    use super::*;
    use crate::{Gain, Images, Pixels, Shape};

    const DIM: usize = 12;

    fn normalizations() -> [Normalization; 3] {
        let of = |mean: &[f32], std: &[f32]| Normalization::new(mean.into(), std.into()).unwrap();
        let each: Vec<f32> = (0..DIM).map(|i| 0.5 + 0.1 * i as f32).collect();
        [
            of(&[120.0], &[60.0]),
            of(&[100.0, 120.0, 140.0], &[50.0, 60.0, 70.0]),
            of(&each, &each).with_contrast(Some(10.0)).unwrap(),
        ]
    }

    #[test]
    fn bytes_become_what_the_network_reads_in_training() {
        let pixels: Vec<u8> = (0..DIM).map(|i| (i * 53 % 256) as u8).collect();
        let shape = Shape { channels: 3, height: 2, width: 2 };
        let images = Images::new(pixels.clone(), vec![0], shape, 1).unwrap();
        for normalization in normalizations() {
            let (scale, shift) = normalization.scale_shift(DIM).unwrap();
            let gains = normalization.contrast().map(|&of| Gain::of(&images, of));
            let (scale, shift, gains) = (&scale[..], &shift[..], gains.as_deref());
            let mut expected = [0.0f32; DIM];
            let bytes = Pixels::Bytes { images: &images, scale, shift, gains };
            bytes.gather(Isa::best(), &[0], 0..DIM, &mut expected);
            let floats: Vec<f32> = pixels.iter().map(|&p| p.into()).collect();
            let found = Standardize::new(&normalization, DIM).unwrap().forward(&floats);
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-5, "{normalization:?}: {found} {expected}");
            }
        }
    }

    #[test]
    fn the_derivative_is_the_slope() {
        let at = |i: usize, h: f64| -> Vec<f64> {
            (0..DIM).map(|j| (j * 53 % 256) as f64 + if i == j { h } else { 0.0 }).collect()
        };
        let weights: Vec<f64> = (0..DIM).map(|i| ((7 * i) % 5) as f64 - 1.5).collect();
        for normalization in normalizations() {
            let of = Standardize::<f64>::new(&normalization, DIM).unwrap();
            let sum = |pixels: Vec<f64>| -> f64 {
                of.forward(&pixels).iter().zip(&weights).map(|(x, w)| w * x).sum()
            };
            let mut gradient = weights.clone();
            of.backward(&at(0, 0.0), &mut gradient);
            for (i, found) in gradient.into_iter().enumerate() {
                let slope = (sum(at(i, 1e-3)) - sum(at(i, -1e-3))) / 2e-3;
                assert!((found - slope).abs() < 1e-9, "{normalization:?}: {found} {slope}");
            }
        }
    }
}
