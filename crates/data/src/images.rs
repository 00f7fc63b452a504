//! Images in memory: n rows of bytes, and a label for each.
//!
//! `pixels` is (n, dim), row-major, one `u8` a value; a row is (channels, height, width),
//! row-major too, so CIFAR-10's is 1024 red values, 1024 green, 1024 blue. `labels` is (n).

use std::ops::Range;

use chainrule_tensor::gather::Rows;
use chainrule_tensor::kernel::prefetch::prefetch;
use chainrule_tensor::{Isa, Scalar};

use crate::Error;

/// The shape of one image. Its values lie channel by channel, each channel row by row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// 3 for red, green and blue; 1 for gray.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Shape {
    /// Values in one image: channels · height · width.
    pub fn dim(&self) -> usize {
        self.channels * self.height * self.width
    }
}

/// Labeled images: n rows of `u8` pixels, one label each.
///
/// ```
/// use chainrule_data::{Images, Shape};
///
/// let shape = Shape { channels: 1, height: 1, width: 3 };
/// let images = Images::new(vec![1, 2, 3, 7, 8, 9], vec![0, 1], shape, 2)?;
/// assert_eq!((images.len(), images.image(1)), (2, &[7, 8, 9][..]));
/// assert!(Images::new(vec![1, 2], vec![0], shape, 2).is_err()); // an image of two pixels
/// # Ok::<(), chainrule_data::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Images {
    pixels: Vec<u8>,
    labels: Vec<u8>,
    shape: Shape,
    classes: usize,
}

impl Images {
    /// Takes `pixels` (n, dim) and `labels` (n), each label below `classes` (1 to 256).
    ///
    /// # Errors
    /// [`Error::Shape`] if the lengths do not belong together or a label names no class.
    pub fn new(
        pixels: Vec<u8>,
        labels: Vec<u8>,
        shape: Shape,
        classes: usize,
    ) -> Result<Self, Error> {
        let dim = shape.dim();
        if dim == 0 || !(1..=256).contains(&classes) {
            return Err(Error::Shape(format!(
                "images of {dim} values in {classes} classes: expected at least one value, and \
                 1 to 256 classes"
            )));
        }
        if labels.len().checked_mul(dim) != Some(pixels.len()) {
            return Err(Error::Shape(format!(
                "{} bytes of pixels for {} labels: expected {dim} bytes an image",
                pixels.len(),
                labels.len(),
            )));
        }
        if let Some(i) = labels.iter().position(|&label| usize::from(label) >= classes) {
            return Err(Error::Shape(format!(
                "image {i} has label {}, expected 0 to {}",
                labels[i],
                classes - 1
            )));
        }
        Ok(Self { pixels, labels, shape, classes })
    }

    /// Labels (n) and pixels (n, dim).
    #[cfg(feature = "places")]
    pub(crate) fn into_parts(self) -> (Vec<u8>, Vec<u8>) {
        (self.labels, self.pixels)
    }

    /// The number of images, n.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Values in one image; 3072 for CIFAR-10.
    pub fn dim(&self) -> usize {
        self.shape.dim()
    }

    /// The shape of one image.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The number of classes; labels run from 0 to one less.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// All pixels, (n, dim), row-major.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The pixels of image `i`, (dim).
    ///
    /// # Panics
    /// If there is no image `i`, as a slice does.
    pub fn image(&self, i: usize) -> &[u8] {
        let dim = self.dim();
        &self.pixels[i * dim..(i + 1) * dim]
    }

    /// All labels, (n).
    pub fn labels(&self) -> &[u8] {
        &self.labels
    }
}

impl std::fmt::Debug for Images {
    /// The sizes only.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Images")
            .field("n", &self.len())
            .field("shape", &self.shape)
            .field("classes", &self.classes)
            .finish_non_exhaustive()
    }
}

/// Images of which something was computed: (n, dim) as `f32`, each row as in [`Images`].
#[derive(Clone, PartialEq)]
pub struct FloatImages {
    values: Vec<f32>,
    shape: Shape,
}

impl FloatImages {
    /// Takes `values` (n, dim), row-major.
    ///
    /// # Panics
    /// If they are not made of whole images.
    pub fn new(values: Vec<f32>, shape: Shape) -> Self {
        assert!(shape.dim() > 0 && values.len().is_multiple_of(shape.dim()), "whole images");
        Self { values, shape }
    }

    /// The number of images, n.
    pub fn len(&self) -> usize {
        self.values.len() / self.shape.dim()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The shape of one image.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The values of image `i`, (dim).
    ///
    /// # Panics
    /// If there is no image `i`.
    pub fn image(&self, i: usize) -> &[f32] {
        let dim = self.shape.dim();
        &self.values[i * dim..(i + 1) * dim]
    }
}

impl<T: Scalar> Rows<T> for FloatImages {
    fn columns(&self) -> usize {
        self.shape.dim()
    }

    fn gather(&self, _: Isa, rows: &[u32], columns: Range<usize>, out: &mut [T]) {
        assert_eq!(out.len(), rows.len() * columns.len());
        for (&row, out) in rows.iter().zip(out.chunks_exact_mut(columns.len().max(1))) {
            let values = &self.image(row as usize)[columns.clone()];
            out.iter_mut().zip(values).for_each(|(out, &value)| *out = T::from_f32(value));
        }
    }

    fn prefetch(&self, rows: &[u32], columns: Range<usize>) {
        for &row in rows {
            prefetch(&self.image(row as usize)[columns.clone()]);
        }
    }
}

impl std::fmt::Debug for FloatImages {
    /// The sizes alone.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (n, shape) = (self.len(), self.shape);
        f.debug_struct("FloatImages").field("n", &n).field("shape", &shape).finish_non_exhaustive()
    }
}

/// A dataset as its authors divide it. Validation is taken out of `train` by a
/// [`Split`](crate::Split), never out of `test`.
///
/// ```
/// let sample = chainrule_data::sample::read();
/// assert_eq!(sample.classes[usize::from(sample.test.labels()[0])], "cat");
/// assert_eq!(sample.train.len(), 1000);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// What the set is called, for people: "CIFAR-10".
    pub name: String,
    /// The name of each class, in the order of the labels.
    pub classes: Vec<String>,
    /// The images to learn from.
    pub train: Images,
    /// The images to be judged by.
    pub test: Images,
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAIR: Shape = Shape { channels: 1, height: 1, width: 2 };

    #[test]
    fn an_image_is_its_own_row_of_the_pixels() {
        let images = Images::new((0..6).collect(), vec![2, 0, 1], PAIR, 3).unwrap();
        assert_eq!(
            (images.len(), images.dim(), images.image(0), images.image(2)),
            (3, 2, &[0, 1][..], &[4, 5][..])
        );
    }

    #[test]
    fn pixels_and_labels_that_do_not_belong_together_are_refused() {
        for (pixels, labels, classes, why) in [
            (5, vec![0, 0, 0], 1, "5 bytes of pixels for 3 labels: expected 2 bytes an image"),
            (4, vec![0, 3], 3, "image 1 has label 3, expected 0 to 2"),
            (0, vec![], 0, "images of 2 values in 0 classes: expected at least one value"),
            (0, vec![], 257, "images of 2 values in 257 classes: expected at least one value"),
        ] {
            let error = Images::new(vec![0; pixels], labels, PAIR, classes).unwrap_err();
            assert!(error.to_string().starts_with(why), "{error}");
        }
    }
}
