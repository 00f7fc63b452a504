//! Normalization: x = (byte - mean) / std, with mean and deviation in pixel units, 0 to 255; or, of
//! images with a contrast normalization of their own before it ([`Gain`]), in units of that.
//!
//! One mean and deviation for all values, one a channel, or one a pixel value. They are taken
//! over the training part alone: the images that judge must not leak into what is judged.
//! The sums are of integers, and exact, so the result is the same in whatever order they are
//! formed.

use crate::{Error, Gain, Images};

/// Mean and standard deviation in pixel units, of 1, channels or dim values each, and the
/// regularizer of the contrast normalization before them, if there is one.
///
/// ```
/// # use chainrule_data::{Images, Shape};
/// # let shape = Shape { channels: 1, height: 1, width: 3 };
/// # let images = Images::new(vec![1, 2, 3, 7, 8, 9], vec![0, 1], shape, 2)?;
/// use chainrule_data::Normalization;
///
/// let normalization = Normalization::per_pixel(&images, &[0, 1])?;
/// assert_eq!((normalization.mean()[0], normalization.std()[0]), (4.0, 3.0)); // of 1 and 7
/// # Ok::<(), chainrule_data::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Normalization {
    mean: Vec<f32>,
    std: Vec<f32>,
    contrast: Option<f32>,
}

impl Normalization {
    /// Takes a mean and deviation from elsewhere, such as a model file.
    ///
    /// # Errors
    /// [`Error::Normalization`] unless both have the same number of values, at least one, all
    /// finite, and each deviation is positive.
    pub fn new(mean: Vec<f32>, std: Vec<f32>) -> Result<Self, Error> {
        let refuse = |why: String| Err(Error::Normalization(why));
        if mean.is_empty() || mean.len() != std.len() {
            return refuse(format!(
                "{} means and {} deviations: expected as many of each, at least one",
                mean.len(),
                std.len()
            ));
        }
        if let Some(i) = mean.iter().position(|m| !m.is_finite()) {
            return refuse(format!("mean {i} is {}, expected a finite number", mean[i]));
        }
        if let Some(i) = std.iter().position(|s| !(s.is_finite() && *s > 0.0)) {
            return refuse(format!("deviation {i} is {}, expected a positive number", std[i]));
        }
        Ok(Self { mean, std, contrast: None })
    }

    /// The same after a per-image contrast normalization, whose regularizer is `contrast`.
    ///
    /// # Errors
    /// [`Error::Normalization`] if it is no positive number.
    pub fn with_contrast(self, contrast: Option<f32>) -> Result<Self, Error> {
        match contrast.filter(|x| !(x.is_finite() && *x > 0.0)) {
            Some(x) => Err(Error::Normalization(format!(
                "the regularizer of the contrast is {x}, expected a positive number"
            ))),
            None => Ok(Self { contrast, ..self }),
        }
    }

    /// Per-image contrast normalization with a regularizer, then one mean and deviation for each
    /// run of `group` values: 1 for each pixel, height · width for each channel.
    ///
    /// # Errors
    /// As [`per_channel`](Self::per_channel), and if the regularizer is no positive number.
    pub fn of_contrast(
        images: &Images,
        indices: &[u32],
        regularizer: f32,
        group: usize,
    ) -> Result<Self, Error> {
        check_indices(images, indices)?;
        let of = Self::new(vec![0.0], vec![1.0])?.with_contrast(Some(regularizer))?;
        let gains = Gain::of(images, regularizer);
        let mut sums = vec![(0.0, 0.0); images.dim()];
        for &i in indices {
            let (gain, pixels) = (gains[i as usize], images.image(i as usize));
            for ((sum, square), &byte) in sums.iter_mut().zip(pixels) {
                let x = f64::from(gain.apply(f32::from(byte)));
                *sum += x;
                *square += x * x;
            }
        }
        let n = (indices.len() * group) as f64;
        let moments = sums.chunks_exact(group).map(|sums| {
            let (sum, square) = sums.iter().fold((0.0, 0.0), |(a, b), (x, y)| (a + x, b + y));
            let variance = square / n - (sum / n) * (sum / n);
            // A value that never varies is left as it is: 0 in training.
            let std = if variance > 1e-9 { variance.sqrt() } else { 1.0 };
            ((sum / n) as f32, std as f32)
        });
        let (mean, std) = moments.unzip();
        Ok(Self { mean, std, ..of })
    }

    /// One mean and deviation for each channel, over the images of `indices`.
    ///
    /// # Errors
    /// [`Error::Normalization`] if `indices` is empty or names an image that is not there.
    pub fn per_channel(images: &Images, indices: &[u32]) -> Result<Self, Error> {
        let area = images.shape().height * images.shape().width;
        Ok(Self::from_sums(&Sums::over(images, indices)?, area))
    }

    /// One mean and deviation for each of the dim values, over the images of `indices`.
    ///
    /// # Errors
    /// As [`per_channel`](Self::per_channel).
    pub fn per_pixel(images: &Images, indices: &[u32]) -> Result<Self, Error> {
        Ok(Self::from_sums(&Sums::over(images, indices)?, 1))
    }

    /// Mean and population deviation of each run of `group` values.
    fn from_sums(sums: &Sums, group: usize) -> Self {
        let n = u128::from(sums.images) * group as u128;
        let moments = sums.values.chunks_exact(group).zip(sums.squares.chunks_exact(group));
        let (mean, std) = moments
            .map(|(values, squares)| {
                let sum: u128 = values.iter().copied().map(u128::from).sum();
                let square: u128 = squares.iter().copied().map(u128::from).sum();
                // n² var = n Σx² - (Σx)², in integers: nothing cancels.
                let variance = (n * square - sum * sum) as f64 / (n as f64 * n as f64);
                // A value that never varies says nothing of its scale. It is divided by the
                // range of a byte: 0 in training, and at most 1 in size should it vary later.
                let std = if variance > 0.0 { variance.sqrt() } else { 255.0 };
                ((sum as f64 / n as f64) as f32, std as f32)
            })
            .unzip();
        Self { mean, std, contrast: None }
    }

    /// The regularizer of the contrast normalization before it, if there is one.
    pub fn contrast(&self) -> Option<&f32> {
        self.contrast.as_ref()
    }

    /// The mean, in pixel units.
    pub fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// The standard deviation, in pixel units; positive.
    pub fn std(&self) -> &[f32] {
        &self.std
    }

    /// `(scale, shift)` of `dim` values each, so that x = scale · byte + shift.
    ///
    /// # Errors
    /// [`Error::Normalization`] if `dim` values cannot be shared out evenly among the means, as
    /// whole channels.
    pub fn scale_shift(&self, dim: usize) -> Result<(Vec<f32>, Vec<f32>), Error> {
        let groups = self.mean.len();
        if dim == 0 || !dim.is_multiple_of(groups) {
            return Err(Error::Normalization(format!(
                "{groups} means for images of {dim} values: expected one, one a channel, or one \
                 a value"
            )));
        }
        let expand = |of: fn(f64, f64) -> f64| {
            let each = self.mean.iter().zip(&self.std).map(|(&m, &s)| of(m.into(), s.into()));
            each.flat_map(|value| std::iter::repeat_n(value as f32, dim / groups)).collect()
        };
        Ok((expand(|_, std| 1.0 / std), expand(|mean, std| -mean / std)))
    }
}

fn check_indices(images: &Images, indices: &[u32]) -> Result<(), Error> {
    if indices.is_empty() {
        return Err(Error::Normalization("there is no image to take the mean of".to_owned()));
    }
    if let Some(&i) = indices.iter().find(|&&i| i as usize >= images.len()) {
        return Err(Error::Normalization(format!(
            "image {i} of {} was asked for (counted from 0)",
            images.len()
        )));
    }
    Ok(())
}

/// Σx and Σx² of each of the dim values over some images.
struct Sums {
    images: u64,
    values: Vec<u64>,
    squares: Vec<u64>,
}

impl Sums {
    fn over(images: &Images, indices: &[u32]) -> Result<Self, Error> {
        check_indices(images, indices)?;
        let dim = images.dim();
        let mut sums =
            Self { images: indices.len() as u64, values: vec![0; dim], squares: vec![0; dim] };
        // 255² · 65,536 < 2³²: so many squares fit a u32, and u32 sums are twice as fast.
        for block in indices.chunks(65_536) {
            let mut values = vec![0u32; dim];
            let mut squares = vec![0u32; dim];
            for &i in block {
                let row = images.image(i as usize).iter().map(|&byte| u32::from(byte));
                for ((value, square), x) in values.iter_mut().zip(&mut squares).zip(row) {
                    *value += x;
                    *square += x * x;
                }
            }
            for (total, part) in [(&mut sums.values, values), (&mut sums.squares, squares)] {
                total.iter_mut().zip(part).for_each(|(total, part)| *total += u64::from(part));
            }
        }
        Ok(sums)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Shape;

    /// Two channels of two values: image 0 is 1 3 | 10 10, image 1 is 5 7 | 10 10, and image 2,
    /// which no test trains on, is all 255.
    fn images() -> Images {
        let shape = Shape { channels: 2, height: 1, width: 2 };
        let pixels = vec![1, 3, 10, 10, 5, 7, 10, 10, 255, 255, 255, 255];
        Images::new(pixels, vec![0, 0, 0], shape, 1).unwrap()
    }

    #[test]
    fn each_channel_has_the_mean_and_deviation_worked_out_by_hand() {
        // 1 3 5 7: mean 4, variance (9 + 1 + 1 + 9) / 4 = 5.
        let of = Normalization::per_channel(&images(), &[0, 1]).unwrap();
        assert_eq!((of.mean(), of.std()), (&[4.0, 10.0][..], &[5.0f32.sqrt(), 255.0][..]));
    }

    #[test]
    fn each_pixel_has_the_mean_and_deviation_worked_out_by_hand() {
        let of = Normalization::per_pixel(&images(), &[1, 0]).unwrap();
        assert_eq!(of.mean(), [3.0, 5.0, 10.0, 10.0]);
        assert_eq!(of.std(), [2.0, 2.0, 255.0, 255.0]);
    }

    #[test]
    fn a_pixel_that_never_varies_stays_finite() {
        let of = Normalization::per_pixel(&images(), &[0, 1]).unwrap();
        let (scale, shift) = of.scale_shift(4).unwrap();
        assert_eq!((scale[3] * 10.0 + shift[3]).abs(), 0.0);
        assert!((scale[3] * 255.0 + shift[3]).abs() <= 1.0);
    }

    #[test]
    fn the_sums_do_not_overflow_however_many_bright_images_there_are() {
        // Two blocks of u32 sums, the first filled to 65,536 · 255² of 2³².
        let n = 70_000;
        let shape = Shape { channels: 1, height: 1, width: 1 };
        let images = Images::new(vec![255; n], vec![0; n], shape, 1).unwrap();
        let indices: Vec<u32> = (0..n as u32).collect();
        let of = Normalization::per_pixel(&images, &indices).unwrap();
        assert_eq!((of.mean(), of.std()), (&[255.0][..], &[255.0][..]));
    }

    #[test]
    fn scale_and_shift_reach_every_value_of_the_image() {
        let one = Normalization::new(vec![10.0], vec![4.0]).unwrap();
        assert_eq!(one.scale_shift(2).unwrap(), (vec![0.25; 2], vec![-2.5; 2]));
        let two = Normalization::new(vec![1.0, 2.0], vec![1.0, 2.0]).unwrap();
        assert_eq!(
            two.scale_shift(4).unwrap(),
            (vec![1.0, 1.0, 0.5, 0.5], vec![-1.0, -1.0, -1.0, -1.0])
        );
        for dim in [0, 3] {
            assert!(two.scale_shift(dim).is_err(), "{dim}");
        }
    }

    #[test]
    fn a_mean_or_deviation_that_would_spread_nonsense_is_refused() {
        for (mean, std, why) in [
            (vec![], vec![], "0 means and 0 deviations"),
            (vec![0.0], vec![1.0, 1.0], "1 means and 2 deviations"),
            (vec![f32::NAN], vec![1.0], "mean 0 is NaN"),
            (vec![0.0, 0.0], vec![1.0, 0.0], "deviation 1 is 0"),
            (vec![0.0], vec![-1.0], "deviation 0 is -1"),
            (vec![0.0], vec![f32::INFINITY], "deviation 0 is inf"),
        ] {
            let error = Normalization::new(mean, std).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        assert!(Normalization::per_pixel(&images(), &[]).is_err());
        let error = Normalization::per_pixel(&images(), &[3]).unwrap_err().to_string();
        assert!(error.contains("image 3 of 3"), "{error}");
    }
}
