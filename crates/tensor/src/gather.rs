//! Where a batch of inputs comes from: [`Rows`].

use std::ops::Range;

use crate::isa::Isa;
use crate::kernel::bf16::{self, LeftMut, Packing};
use crate::kernel::prefetch::prefetch;
use crate::matrix::Tensor;
use crate::ops::bytes::{ByteRows, normalize};
use crate::scalar::Scalar;

/// Where a batch of inputs comes from: numbered rows, of which some columns are asked for.
///
/// ```
/// use chainrule_tensor::gather::Rows;
/// use chainrule_tensor::{Isa, Tensor};
///
/// let table = Tensor::from_rows(&[[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0]]);
/// let mut batch = [0.0; 4];
/// table.gather(Isa::best(), &[1, 0], 1..3, &mut batch);
/// assert_eq!(batch, [5.0, 6.0, 2.0, 3.0]); // rows in any order, and some of their columns
/// ```
pub trait Rows<T>: Sync {
    /// Number of columns: the inputs of the first layer.
    fn columns(&self) -> usize;

    /// Writes the given columns of the given rows to `out`, as (rows.len(), columns.len()).
    ///
    /// # Panics
    /// If there is no such row or column, or `out` has another length.
    fn gather(&self, isa: Isa, rows: &[u32], columns: Range<usize>, out: &mut [T]);

    /// Gathers the same into tiles ([`pack_left`](bf16::pack_left)), where that is faster than to gather
    /// numbers and to pack those. Returns false, and has done nothing, where it is not.
    ///
    /// # Panics
    /// As [`Rows::gather`], or if there are fewer tiles.
    fn gather_tiles(
        &self,
        _packing: Packing,
        _rows: &[u32],
        _columns: Range<usize>,
        _to: LeftMut,
    ) -> bool {
        false
    }

    /// Prefetches ([`prefetch`]) the given columns of the given rows for a later [`Rows::gather`]:
    /// rows of a shuffled batch lie anywhere in memory, where the hardware prefetcher cannot predict them.
    fn prefetch(&self, _rows: &[u32], _columns: Range<usize>) {}
}

impl<T: Scalar> Rows<T> for ByteRows<'_> {
    fn columns(&self) -> usize {
        ByteRows::columns(self)
    }

    fn gather(&self, isa: Isa, rows: &[u32], columns: Range<usize>, out: &mut [T]) {
        normalize(isa, self, rows, &columns, out);
    }

    fn gather_tiles(
        &self,
        packing: Packing,
        rows: &[u32],
        columns: Range<usize>,
        to: LeftMut,
    ) -> bool {
        bf16::pack_bytes(packing, self, rows, &columns, to)
    }

    fn prefetch(&self, rows: &[u32], columns: Range<usize>) {
        for &row in rows {
            prefetch(self.row(row, &columns));
        }
    }
}

impl<T: Scalar> Rows<T> for Tensor<T> {
    fn columns(&self) -> usize {
        Tensor::columns(self)
    }

    fn gather(&self, _: Isa, rows: &[u32], columns: Range<usize>, out: &mut [T]) {
        assert_eq!(out.len(), rows.len() * columns.len());
        for (&row, out) in rows.iter().zip(out.chunks_exact_mut(columns.len().max(1))) {
            out.copy_from_slice(&self.row(row as usize)[columns.clone()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gathered_block_holds_the_asked_rows_and_columns() {
        let bytes: Vec<u8> = (0..4 * 40).map(|i| i as u8).collect();
        let scale: Vec<f32> = (0..40).map(|j| 1.0 + j as f32).collect();
        let shift = vec![-0.5; 40];
        let rows = ByteRows::new(&bytes, &scale, &shift);
        let table = Tensor::from_fn(4, 40, |i, j| bytes[i * 40 + j] as f32 * scale[j] - 0.5);
        for isa in Isa::available() {
            let (mut a, mut b) = (vec![f32::NAN; 3 * 35], vec![f32::NAN; 3 * 35]);
            rows.gather(isa, &[3, 0, 3], 4..39, &mut a);
            table.gather(isa, &[3, 0, 3], 4..39, &mut b);
            assert_eq!(a, b, "{isa}");
            assert_eq!(a[35], 4.0 * 5.0 - 0.5, "row 0, column 4");
        }
    }
}
