//! Rows of bytes, read as normalized numbers: images stay a byte a pixel in memory, a quarter of
//! what `f32` would take, and become numbers only in the block of columns that is being used.

use std::ops::Range;

use crate::isa::for_each_isa;

/// A matrix of bytes whose element (i, j) stands for the number
/// `bytes[i * columns + j] * scale[j] + shift[j]`.
#[derive(Clone, Copy, Debug)]
pub struct ByteRows<'a> {
    bytes: &'a [u8],
    scale: &'a [f32],
    shift: &'a [f32],
}

impl<'a> ByteRows<'a> {
    /// Rows of `scale.len()` bytes each, one after the other.
    ///
    /// # Panics
    /// If `scale` and `shift` differ in length, or `bytes` is not made of whole rows.
    pub fn new(bytes: &'a [u8], scale: &'a [f32], shift: &'a [f32]) -> Self {
        assert_eq!(scale.len(), shift.len(), "one scale and one shift for each column");
        assert!(bytes.is_empty() || bytes.len().is_multiple_of(scale.len()), "whole rows of bytes");
        Self { bytes, scale, shift }
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.scale.len()
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.bytes.len() / self.columns().max(1)
    }

    /// Scale and shift of some columns.
    pub(crate) fn normalization(&self, columns: &Range<usize>) -> (&'a [f32], &'a [f32]) {
        (&self.scale[columns.clone()], &self.shift[columns.clone()])
    }

    /// Some columns of row `i`.
    #[inline]
    pub(crate) fn row(&self, i: u32, columns: &Range<usize>) -> &'a [u8] {
        let start = i as usize * self.columns();
        &self.bytes[start + columns.start..start + columns.end]
    }
}

for_each_isa! {
    /// `out = byte * scale + shift` for the given columns of the given rows.
    ///
    /// # Panics
    /// If there is no such row or column, or `out` is not (rows.len(), columns.len()).
    pub fn normalize<T: Scalar>(
        from: &ByteRows<'_>,
        rows: &[u32],
        columns: &Range<usize>,
        out: &mut [T],
    ) {
        let (scale, shift) = from.normalization(columns);
        assert_eq!(out.len(), rows.len() * columns.len());
        for (&row, out) in rows.iter().zip(out.chunks_exact_mut(columns.len().max(1))) {
            let bytes = from.row(row, columns);
            for (((out, &byte), &scale), &shift) in out.iter_mut().zip(bytes).zip(scale).zip(shift)
            {
                *out = T::from_f32(f32::from(byte) * scale + shift);
            }
        }
    }
}

/// Bytes of a line of [`normalize_lines`]: the width of the usual images.
pub const LINE: usize = 32;

for_each_isa! {
    /// `out = byte * scale + shift` for lines of [`LINE`] bytes each. Line i lies at
    /// `bytes[starts[i]..]`, and is read from its end if they are to be `mirrored`.
    ///
    /// # Panics
    /// If a line reaches beyond `bytes`, or `scale`, `shift` and `out` do not hold all lines.
    pub fn normalize_lines<T: Scalar>(
        bytes: &[u8],
        starts: &[usize],
        mirrored: bool,
        scale: &[f32],
        shift: &[f32],
        out: &mut [T],
    ) {
        let n = starts.len() * LINE;
        assert!(scale.len() == n && shift.len() == n && out.len() == n, "{} lines", starts.len());
        let (scale, shift) = (scale.as_chunks::<LINE>().0, shift.as_chunks::<LINE>().0);
        let lines = out.as_chunks_mut::<LINE>().0.iter_mut().zip(starts).zip(scale).zip(shift);
        for (((out, &start), scale), shift) in lines {
            let bytes: &[u8; LINE] = bytes[start..].first_chunk().expect("a whole line");
            if mirrored {
                for i in 0..LINE {
                    out[i] = T::from_f32(f32::from(bytes[LINE - 1 - i]) * scale[i] + shift[i]);
                }
            } else {
                for i in 0..LINE {
                    out[i] = T::from_f32(f32::from(bytes[i]) * scale[i] + shift[i]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Isa;

    #[test]
    fn lines_are_read_from_where_they_begin_and_mirrored() {
        let bytes: Vec<u8> = (0..150).collect();
        let scale: Vec<f32> = (0..64).map(|j| 1.0 + j as f32).collect();
        let shift = vec![0.25; 64];
        for isa in Isa::available() {
            for mirrored in [false, true] {
                let mut out = vec![f32::NAN; 64];
                normalize_lines(isa, &bytes, &[118, 3], mirrored, &scale, &shift, &mut out);
                for (j, found) in out.iter().enumerate() {
                    let at = if mirrored { 31 - j % 32 } else { j % 32 };
                    let byte = [118, 3][j / 32] + at;
                    assert_eq!(*found, byte as f32 * scale[j] + 0.25, "{isa}, column {j}");
                }
            }
        }
    }
}
