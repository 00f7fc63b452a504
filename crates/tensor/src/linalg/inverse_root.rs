//! A^(-1/2), the inverse square root of a symmetric positive definite matrix, by products alone.
//!
//! With Cholesky's A = L Lᵀ and the polar decomposition L = H U, H symmetric and U orthogonal,
//! H² = L Lᵀ = A, and so A^(-1/2) = H⁻¹ = U L⁻¹.
//!
//! The iteration of Newton and Schulz for U (Higham 2008, "Functions of Matrices", section 8.3),
//!
//! ```text
//! X := L / √c,  then repeatedly  X := α/2 X (3 I - α² Xᵀ X)
//! ```
//!
//! makes α x (3 - α² x²) / 2 of each singular value x, which goes to 1. Where all of them lie in
//! l..1, the best α of a step is √(3 / (1 + l + l²)) (Chen & Chow 2014, "A stable scaling of
//! Newton-Schulz for improving the sign function computation of a Hermitian matrix"): small values
//! grow by 2.6 a step instead of 1.5. As l is known, so is the number of steps: nine where the
//! eigenvalues of A span four decades.
//!
//! The coupled iteration for the root itself would do without L, and loses all digits where the
//! eigenvalues span seven decades. Here the error is that of A's own rounding.

use std::ops::Range;

use crate::comm::ThreadGroup;
use crate::linalg::cholesky::cholesky;
use crate::linalg::symmetric::{lower_product, mirror};
use crate::{Tensor, ViewMut, gemm};

/// Rows or columns of a block.
const BLOCK: usize = 128;

/// The symmetric A^(-1/2) of the symmetric `a`, whose eigenvalues are all `smallest` or larger.
///
/// None if A is not positive definite. The result is the same bits on any number of threads.
///
/// # Panics
/// If `a` is not square, or `smallest` is not positive.
pub fn inverse_root(a: Tensor<f64>, smallest: f64, group: &ThreadGroup) -> Option<Tensor<f64>> {
    let n = a.rows();
    assert_eq!(n, a.columns(), "a square matrix");
    assert!(smallest > 0.0, "a positive eigenvalue, not {smallest}");
    // No eigenvalue is beyond the largest sum of a row's absolute values.
    let sums = (0..n).map(|i| a.row(i).iter().map(|x| x.abs()).sum::<f64>());
    let largest = sums.fold(smallest, f64::max);

    let l = cholesky(a, group)?;
    let mut x = l.clone();
    x.as_mut_slice().iter_mut().for_each(|x| *x /= largest.sqrt());
    let (mut r, mut next) = (Tensor::zeros(n, n), Tensor::zeros(n, n));
    for alpha in scales((smallest / largest).sqrt()) {
        lower_product(x.view().t(), x.view(), 0.0, &mut r, group);
        mirror(&mut r);
        r.as_mut_slice().iter_mut().for_each(|r| *r *= -0.5 * alpha * alpha * alpha);
        (0..n).for_each(|i| r.row_mut(i)[i] += 1.5 * alpha);
        share_rows(&mut next, group, |rows, next| {
            let rows = x.view().part(rows, 0..n);
            gemm(1.0, rows, r.view(), 0.0, next).expect("the shapes fit together");
        });
        std::mem::swap(&mut x, &mut next);
    }
    divide(&mut x, &l, group);
    // U L⁻¹ is symmetric but for rounding.
    Some(Tensor::from_fn(n, n, |i, j| (x.row(i)[j] + x.row(j)[i]) / 2.0))
}

/// The α of every step that takes each x in `least`..1 to 1.
fn scales(least: f64) -> Vec<f64> {
    // A little less, for what rounding may have taken from the smallest.
    let mut l = 0.99 * least;
    let mut scales = vec![];
    loop {
        let alpha = (3.0 / (1.0 + l + l * l)).sqrt();
        scales.push(alpha);
        // A step squares 1 - l, so that no digit is left to win after this one.
        if 1.0 - l < 1e-8 {
            return scales;
        }
        l = alpha * l * (3.0 - alpha * l * (alpha * l)) / 2.0;
    }
}

/// X := X L⁻¹ for a lower triangular L: z L = x is solved for each row, from its last value on.
fn divide(x: &mut Tensor<f64>, l: &Tensor<f64>, group: &ThreadGroup) {
    let n = l.rows();
    share_rows(x, group, |_, mut x| {
        for left in (0..n).step_by(BLOCK).rev() {
            let right = (left + BLOCK).min(n);
            let mut block =
                Tensor::from_fn(x.rows(), right - left, |i, j| x.as_view().get(i, left + j));
            let solved = x.as_view().part(0..x.rows(), right..n);
            let below = l.view().part(right..n, left..right);
            gemm(-1.0, solved, below, 1.0, block.view_mut()).expect("the shapes fit together");
            for i in 0..block.rows() {
                let z = block.row_mut(i);
                for j in (0..z.len()).rev() {
                    z[j] /= l.row(left + j)[left + j];
                    let (before, value) = (&l.row(left + j)[left..left + j], z[j]);
                    z[..j].iter_mut().zip(before).for_each(|(z, l)| *z -= value * l);
                }
                z.iter().enumerate().for_each(|(j, &z)| x.set(i, left + j, z));
            }
        }
    });
}

/// Calls `work` with each block of rows of a matrix: which rows they are, and the block.
fn share_rows(
    of: &mut Tensor<f64>,
    group: &ThreadGroup,
    work: impl Fn(Range<usize>, ViewMut<f64>) + Sync,
) {
    let columns = of.columns();
    let blocks = of.as_mut_slice().chunks_mut((BLOCK * columns).max(1)).enumerate();
    group.share(blocks, |(block, part)| {
        let rows = part.len() / columns;
        let top = block * BLOCK;
        work(top..top + rows, ViewMut::new(part, rows, columns));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A symmetric matrix with these eigenvalues: Q diag(values) Qᵀ, where Q mirrors at a vector.
    fn with_eigenvalues(values: &[f64]) -> Tensor<f64> {
        let n = values.len();
        let v: Vec<f64> = (0..n).map(|i| 1.0 + (i * 7 % 11) as f64).collect();
        let square: f64 = v.iter().map(|x| x * x).sum();
        let q = Tensor::from_fn(n, n, |i, j| f64::from(i == j) - 2.0 * v[i] * v[j] / square);
        let scaled = Tensor::from_fn(n, n, |i, j| q.row(i)[j] * values[j]);
        let mut a = Tensor::zeros(n, n);
        gemm(1.0, scaled.view(), q.view().t(), 0.0, a.view_mut()).unwrap();
        mirror(&mut a);
        a
    }

    /// The largest difference of two matrices of one shape.
    fn apart(a: &Tensor<f64>, b: &Tensor<f64>) -> f64 {
        a.as_slice().iter().zip(b.as_slice()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    }

    #[test]
    fn the_root_has_the_inverse_roots_of_the_eigenvalues_over_ten_decades() {
        let group = ThreadGroup::new(2).unwrap();
        for (n, decades, tolerance) in
            [(1, 0, 1e-15), (2, 1, 1e-14), (5, 4, 1e-11), (128, 4, 1e-11), (131, 10, 1e-5)]
        {
            let last = (n - 1).max(1) as f64;
            let value = |i| 1e3 * 10f64.powf(-f64::from(decades) * i as f64 / last);
            let values: Vec<f64> = (0..n).map(value).collect();
            let smallest = values[n - 1];
            let root = inverse_root(with_eigenvalues(&values), smallest, &group).unwrap();
            let roots: Vec<f64> = values.iter().map(|x| 1.0 / x.sqrt()).collect();
            let error = apart(&root, &with_eigenvalues(&roots)) * smallest.sqrt();
            assert!(error < tolerance, "{n} eigenvalues over {decades} decades: {error:e}");
        }
    }

    #[test]
    fn the_root_is_symmetric_and_the_same_bits_on_any_number_of_threads() {
        let values: Vec<f64> = (1..=300).map(f64::from).collect();
        let a = with_eigenvalues(&values);
        let one = inverse_root(a.clone(), 1.0, &ThreadGroup::new(1).unwrap()).unwrap();
        assert!((0..300).all(|i| (0..i).all(|j| one.row(i)[j] == one.row(j)[i])));
        for threads in [2, 3] {
            let more = inverse_root(a.clone(), 1.0, &ThreadGroup::new(threads).unwrap()).unwrap();
            assert_eq!(one.as_slice(), more.as_slice(), "{threads} threads");
        }
    }
}
