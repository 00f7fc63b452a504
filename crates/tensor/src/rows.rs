//! Kernels over the rows of a row-major matrix.

use crate::path::for_each_path;
use crate::scalar::Scalar;

for_each_path! {
    /// Adds each row of `x` (rows x sums.len()) onto `sums`, from the first row to the last.
    ///
    /// # Panics
    /// If `x` is not made of whole rows.
    pub fn add_column_sums<T: Scalar>(x: &[T], sums: &mut [T]) {
        assert!(sums.is_empty() && x.is_empty() || x.len().is_multiple_of(sums.len()));
        for row in x.chunks_exact(sums.len().max(1)) {
            for (s, &x) in sums.iter_mut().zip(row) {
                *s += x;
            }
        }
    }
}

for_each_path! {
    /// Writes the transpose of `x` (rows x columns, row-major) to `out` (columns x rows).
    ///
    /// # Panics
    /// If either slice is not `rows * columns` long.
    pub fn transpose<T: Scalar>(x: &[T], rows: usize, columns: usize, out: &mut [T]) {
        assert!(x.len() == rows * columns && out.len() == x.len());
        for (j, out) in out.chunks_exact_mut(rows.max(1)).enumerate() {
            for (i, o) in out.iter_mut().enumerate() {
                *o = x[i * columns + j];
            }
        }
    }
}

/// ln Σ exp(x) of a row, with the maximum taken out first: no score is too large to exponentiate.
///
/// A row that holds a NaN, or plus infinity, gives NaN.
pub fn log_sum_exp<T: Scalar>(row: &[T]) -> T {
    let maximum = row.iter().fold(T::NEG_INFINITY, |m, &x| m.max(x));
    let sum: T = row.iter().map(|&x| (x - maximum).exp()).sum();
    maximum + sum.ln()
}

/// Where the largest value of a row stands; the first of equals. 0 for an empty row.
pub fn argmax<T: Scalar>(row: &[T]) -> usize {
    let mut best = 0;
    for (i, &x) in row.iter().enumerate() {
        if x > row[best] {
            best = i;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Path;

    #[test]
    fn huge_scores_do_not_overflow() {
        assert_eq!(log_sum_exp(&[1e4f64, -1e4]), 1e4);
        assert_eq!(log_sum_exp(&[-1e4f32, -1e4]), -1e4 + 2.0f32.ln());
        assert!(log_sum_exp(&[f64::NAN, 0.0]).is_nan());
    }

    #[test]
    fn the_first_of_equal_scores_wins() {
        assert_eq!(argmax(&[1.0f32, 3.0, 3.0]), 1);
        assert_eq!(argmax::<f32>(&[]), 0);
    }

    #[test]
    fn a_transpose_moves_every_element() {
        for path in Path::available() {
            let x: Vec<f32> = (0..21).map(|i| i as f32).collect();
            let mut out = vec![0.0; 21];
            transpose(path, &x, 3, 7, &mut out);
            for i in 0..3 {
                for j in 0..7 {
                    assert_eq!(out[j * 3 + i], x[i * 7 + j]);
                }
            }
        }
    }
}
