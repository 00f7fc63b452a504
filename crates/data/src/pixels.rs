//! The numbers that a network reads of its images: bytes, normalized while they are gathered, or
//! numbers that were computed beforehand.

use std::ops::Range;

use chainrule_tensor::gather::Rows;
use chainrule_tensor::kernel::bf16::{LeftMut, Packing};
use chainrule_tensor::kernel::prefetch::prefetch;
use chainrule_tensor::ops::bytes::ByteRows;
use chainrule_tensor::{Isa, Scalar};

use crate::{FloatImages, Gain, Images, Shape};

/// Images as rows of numbers.
#[derive(Clone, Copy, Debug)]
pub enum Pixels<'a> {
    /// Value j of an image is its byte j times `scale[j]` plus `shift[j]`.
    Bytes {
        /// The images, n of them.
        images: &'a Images,
        /// (dim)
        scale: &'a [f32],
        /// (dim)
        shift: &'a [f32],
        /// The contrast normalization of each image before that, (n), or empty.
        gains: Option<&'a [Gain]>,
    },
    /// The values are taken as they are.
    Floats(&'a FloatImages),
}

impl<'a> Pixels<'a> {
    /// The shape of one image.
    pub fn shape(&self) -> Shape {
        match self {
            Pixels::Bytes { images, .. } => images.shape(),
            Pixels::Floats(images) => images.shape(),
        }
    }

    /// The number of images.
    pub fn len(&self) -> usize {
        match self {
            Pixels::Bytes { images, .. } => images.len(),
            Pixels::Floats(images) => images.len(),
        }
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Notes the given columns of an image for prefetching, moved `by` so many as far as it goes.
    pub(crate) fn prefetch_moved(&self, row: u32, columns: &Range<usize>, by: isize) {
        let dim = self.shape().dim();
        let moved = |at: usize| at.saturating_add_signed(by).min(dim);
        let columns = moved(columns.start)..moved(columns.end);
        match self {
            Pixels::Bytes { images, .. } => prefetch(&images.image(row as usize)[columns]),
            Pixels::Floats(images) => prefetch(&images.image(row as usize)[columns]),
        }
    }
}

impl<T: Scalar> Rows<T> for Pixels<'_> {
    fn columns(&self) -> usize {
        self.shape().dim()
    }

    fn gather(&self, isa: Isa, rows: &[u32], columns: Range<usize>, out: &mut [T]) {
        match *self {
            Pixels::Bytes { images, scale, shift, gains: None } => {
                ByteRows::new(images.pixels(), scale, shift).gather(isa, rows, columns, out);
            }
            Pixels::Bytes { images, scale, shift, gains: Some(gains) } => {
                assert_eq!(out.len(), rows.len() * columns.len());
                for (&row, out) in rows.iter().zip(out.chunks_exact_mut(columns.len().max(1))) {
                    let bytes = &images.image(row as usize)[columns.clone()];
                    let of = (&scale[columns.clone()], &shift[columns.clone()]);
                    standardize(bytes, gains[row as usize], of, out);
                }
            }
            Pixels::Floats(images) => images.gather(isa, rows, columns, out),
        }
    }

    fn gather_tiles(
        &self,
        packing: Packing,
        rows: &[u32],
        columns: Range<usize>,
        to: LeftMut,
    ) -> bool {
        let Pixels::Bytes { images, scale, shift, gains: None } = *self else { return false };
        let bytes = ByteRows::new(images.pixels(), scale, shift);
        Rows::<T>::gather_tiles(&bytes, packing, rows, columns, to)
    }

    fn prefetch(&self, rows: &[u32], columns: Range<usize>) {
        rows.iter().for_each(|&row| self.prefetch_moved(row, &columns, 0));
    }
}

/// Values of an image with a contrast normalization, each times its scale plus its shift.
pub(crate) fn standardize<V: Copy + Into<f32>, T: Scalar>(
    values: &[V],
    gain: Gain,
    (scale, shift): (&[f32], &[f32]),
    out: &mut [T],
) {
    for (((out, &value), scale), shift) in out.iter_mut().zip(values).zip(scale).zip(shift) {
        *out = T::from_f32(gain.apply(value.into()) * scale + shift);
    }
}
