//! Products that are known to be symmetric: half of one is computed, the other half is its mirror.
//!
//! The rows are cut into blocks, the same on any number of threads, and a block is computed by one
//! thread, so that the result is the same bits on any number of them.

use crate::comm::ThreadGroup;
use crate::{Scalar, Tensor, View, ViewMut, gemm};

/// Rows of a block.
const BLOCK: usize = 128;

/// C := A·B + βC on and below the diagonal; what is above it is unspecified until [`mirror`].
///
/// # Panics
/// If C is not square, or the shapes do not fit together.
pub fn lower_product<T: Scalar>(
    a: View<T>,
    b: View<T>,
    beta: T,
    c: &mut Tensor<T>,
    group: &ThreadGroup,
) {
    let n = c.columns();
    assert_eq!(c.rows(), n, "a square matrix");
    // The longest rows first, so that the threads end at nearly the same time.
    let blocks = c.as_mut_slice().chunks_mut((BLOCK * n).max(1)).enumerate().rev();
    group.share(blocks, |(block, c)| {
        let (top, rows) = (block * BLOCK, c.len() / n);
        let columns = top + rows;
        let (a, b) = (a.part(top..columns, 0..a.columns()), b.part(0..b.rows(), 0..columns));
        let c = ViewMut::strided(c, rows, columns, n, 1);
        gemm(T::ONE, a, b, beta, c).expect("the shapes fit together");
    });
}

/// Copies what is below the diagonal of a square matrix to above it.
///
/// # Panics
/// If it is not square.
pub fn mirror<T: Scalar>(c: &mut Tensor<T>) {
    /// Side of the squares that are transposed in the cache.
    const TILE: usize = 32;
    let n = c.columns();
    assert_eq!(c.rows(), n, "a square matrix");
    let c = c.as_mut_slice();
    for top in (0..n).step_by(TILE) {
        for left in (0..=top).step_by(TILE) {
            for i in top..(top + TILE).min(n) {
                for j in left..(left + TILE).min(i) {
                    c[j * n + i] = c[i * n + j];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_gram_matrix_and_its_mirror_are_the_whole() {
        for n in [0, 1, 31, 33, 127, 128, 129, 300] {
            let x = Tensor::from_fn(7, n, |i, j| ((i * 31 + j * 17) % 23) as f64 - 11.0);
            let mut whole = Tensor::from_fn(n, n, |i, j| (i * j % 5) as f64);
            let mut half = whole.clone();
            gemm(1.0, x.view().t(), x.view(), 1.0, whole.view_mut()).unwrap();
            lower_product(x.view().t(), x.view(), 1.0, &mut half, &ThreadGroup::new(2).unwrap());
            mirror(&mut half);
            assert_eq!(half.as_slice(), whole.as_slice(), "{n}: integers are multiplied exactly");
        }
    }
}
