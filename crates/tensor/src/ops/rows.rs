//! Kernels along the rows of a row-major matrix.

use crate::isa::for_each_isa;
use crate::scalar::Scalar;

/// Independent sums along a row: one vector of AVX-512.
const LANES: usize = 16;

/// Σ f(x, y) along a row, in 16 interleaved lanes on every ISA.
#[inline(always)]
fn sum_along<T: Scalar>(x: &[T], y: &[T], f: impl Fn(T, T) -> T) -> T {
    let mut lanes = [T::ZERO; LANES];
    let (xs, ys) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
    let tails = xs.remainder().iter().zip(ys.remainder());
    for (xs, ys) in xs.zip(ys) {
        for ((lane, &x), &y) in lanes.iter_mut().zip(xs).zip(ys) {
            *lane += f(x, y);
        }
    }
    for (lane, (&x, &y)) in lanes.iter_mut().zip(tails) {
        *lane += f(x, y);
    }
    lanes.iter().copied().sum()
}

for_each_isa! {
    /// Of each row of `x` (rows x `width`), the mean and the sum of squared distances from it.
    ///
    /// # Panics
    /// If there are not as many `moments` as rows.
    pub fn row_moments<T: Scalar>(x: &[T], width: usize, moments: &mut [[T; 2]]) {
        assert_eq!(x.len(), moments.len() * width);
        let n = T::from_f64(width as f64);
        for (x, moments) in x.chunks_exact(width.max(1)).zip(moments) {
            let mean = sum_along(x, x, |x, _| x) / n;
            *moments = [mean, sum_along(x, x, |x, _| (x - mean) * (x - mean))];
        }
    }
}

for_each_isa! {
    /// Of each row of `x` and `y` (rows x `width`), Σ x and Σ x y.
    ///
    /// # Panics
    /// If there are not as many `sums` as rows.
    pub fn row_sums<T: Scalar>(x: &[T], y: &[T], width: usize, sums: &mut [[T; 2]]) {
        assert!(x.len() == sums.len() * width && y.len() == x.len());
        let rows = x.chunks_exact(width.max(1)).zip(y.chunks_exact(width.max(1)));
        for ((x, y), sums) in rows.zip(sums) {
            *sums = [sum_along(x, x, |x, _| x), sum_along(x, y, |x, y| x * y)];
        }
    }
}

for_each_isa! {
    /// The backward pass of a normalization of rows, in place: `x`, the derivative by the output `y`,
    /// becomes that by the input, `x = (x - mean - y projection) scale`. `x` and `y` are (rows x
    /// `width`); `coefficients` holds [mean, projection, scale] of each row.
    ///
    /// # Panics
    /// If there are not as many `coefficients` as rows.
    pub fn normalize_backward_rows<T: Scalar>(
        x: &mut [T], y: &[T], width: usize, coefficients: &[[T; 3]],
    ) {
        assert!(x.len() == coefficients.len() * width && y.len() == x.len());
        let rows = x.chunks_exact_mut(width.max(1)).zip(y.chunks_exact(width.max(1)));
        for ((x, y), &[mean, projection, scale]) in rows.zip(coefficients) {
            for (x, &y) in x.iter_mut().zip(y) {
                *x = (*x - mean - y * projection) * scale;
            }
        }
    }
}

for_each_isa! {
    /// `x = (x - mean) scale` along each row of `x` (rows x `width`), with [mean, scale] in `coefficients`.
    ///
    /// # Panics
    /// If there are not as many `coefficients` as rows.
    pub fn standardize_rows<T: Scalar>(x: &mut [T], width: usize, coefficients: &[[T; 2]]) {
        assert_eq!(x.len(), coefficients.len() * width);
        for (x, &[mean, scale]) in x.chunks_exact_mut(width.max(1)).zip(coefficients) {
            for x in x {
                *x = (*x - mean) * scale;
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

/// The index of the largest value of a row; of equal ones the first. 0 for an empty row.
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
}
