//! Cholesky's decomposition: A = L Lᵀ for a symmetric positive definite A, L lower triangular.
//!
//! By blocks of columns, from the left: the block on the diagonal by the definition, what is below
//! it by substitution, and then all that is to the right loses the product of what was found
//! (Golub & Van Loan 2013, "Matrix Computations", section 4.2).

use crate::comm::ThreadGroup;
use crate::linalg::symmetric::lower_product;
use crate::{Tensor, View};

/// Columns of a block.
const BLOCK: usize = 128;

/// The L of the symmetric `a`, of which only what is on and below the diagonal is read.
///
/// None if `a` is not positive definite. The result is the same bits on any number of threads.
///
/// # Panics
/// If `a` is not square.
pub fn cholesky(mut a: Tensor<f64>, group: &ThreadGroup) -> Option<Tensor<f64>> {
    let n = a.rows();
    assert_eq!(n, a.columns(), "a square matrix");
    for left in (0..n).step_by(BLOCK) {
        let right = (left + BLOCK).min(n);
        for j in left..right {
            let pivot = a.row(j)[j] - dot(&a.row(j)[left..j], &a.row(j)[left..j]);
            if pivot.is_nan() || pivot <= 0.0 {
                return None;
            }
            a.row_mut(j)[j] = pivot.sqrt();
            for i in j + 1..right {
                let value = a.row(i)[j] - dot(&a.row(i)[left..j], &a.row(j)[left..j]);
                a.row_mut(i)[j] = value / pivot.sqrt();
            }
        }
        let (done, below) = a.as_mut_slice().split_at_mut(right * n);
        let diagonal =
            View::new(&done[left * n..], right - left, n).part(0..right - left, left..right);
        group.share(below.chunks_mut(n), |row| {
            for j in left..right {
                let known =
                    (left..j).map(|k| row[k] * diagonal.get(j - left, k - left)).sum::<f64>();
                row[j] = (row[j] - known) / diagonal.get(j - left, j - left);
            }
        });
        let rest = n - right;
        let found = Tensor::from_fn(rest, right - left, |i, j| a.row(right + i)[left + j]);
        let mut product = Tensor::zeros(rest, rest);
        lower_product(found.view(), found.view().t(), 0.0, &mut product, group);
        for i in 0..rest {
            let (row, product) = (&mut a.row_mut(right + i)[right..], product.row(i));
            row[..=i].iter_mut().zip(product).for_each(|(a, p)| *a -= p);
        }
    }
    for i in 0..n {
        a.row_mut(i)[i + 1..].fill(0.0);
    }
    Some(a)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gemm;

    #[test]
    fn the_triangle_times_its_transpose_is_the_matrix_again() {
        for n in [0, 1, 2, 127, 128, 129, 300] {
            let want = Tensor::from_fn(n, n, |i, j| match (i, j) {
                _ if i < j => 0.0,
                _ if i == j => 1.0 + (i % 7) as f64,
                _ => ((i * 31 + j * 17) % 23) as f64 / 100.0 - 0.1,
            });
            let mut a = Tensor::zeros(n, n);
            gemm(1.0, want.view(), want.view().t(), 0.0, a.view_mut()).unwrap();
            let one = cholesky(a.clone(), &ThreadGroup::new(1).unwrap()).unwrap();
            for (found, want) in one.as_slice().iter().zip(want.as_slice()) {
                assert!((found - want).abs() < 1e-10, "{n}: {found}, {want}");
            }
            let three = cholesky(a, &ThreadGroup::new(3).unwrap()).unwrap();
            assert_eq!(one.as_slice(), three.as_slice(), "{n}: three threads, other bits");
        }
    }

    #[test]
    fn a_matrix_that_is_not_positive_definite_has_none() {
        let group = ThreadGroup::new(1).unwrap();
        for corner in [1.0, 0.5, f64::NAN] {
            let a = Tensor::from_rows(&[[1.0, 1.0], [1.0, corner]]);
            assert!(cholesky(a, &group).is_none(), "{corner}");
        }
    }
}
