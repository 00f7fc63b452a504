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
    /// Adds `row` onto each row of `x` (rows x row.len()).
    ///
    /// # Panics
    /// If `x` is not made of whole rows.
    pub fn add_to_rows<T: Scalar>(x: &mut [T], row: &[T]) {
        assert!(x.len().is_multiple_of(row.len().max(1)));
        for x in x.chunks_exact_mut(row.len().max(1)) {
            for (x, &term) in x.iter_mut().zip(row) {
                *x += term;
            }
        }
    }
}

for_each_path! {
    /// Adds `(x - center)²` of each row of `x` (rows x sums.len()) onto `sums`.
    ///
    /// # Panics
    /// If `x` is not made of whole rows, or `center` is not a row.
    pub fn add_column_squares<T: Scalar>(x: &[T], center: &[T], sums: &mut [T]) {
        assert!(x.len().is_multiple_of(sums.len().max(1)) && center.len() == sums.len());
        for row in x.chunks_exact(sums.len().max(1)) {
            for ((s, &x), &center) in sums.iter_mut().zip(row).zip(center) {
                *s += (x - center) * (x - center);
            }
        }
    }
}

for_each_path! {
    /// Adds `x y` of each row (rows x sums.len()) onto `sums`.
    ///
    /// # Panics
    /// If `x` and `y` are not made of the same number of whole rows.
    pub fn add_column_products<T: Scalar>(x: &[T], y: &[T], sums: &mut [T]) {
        assert!(x.len() == y.len() && x.len().is_multiple_of(sums.len().max(1)));
        let n = sums.len().max(1);
        for (x, y) in x.chunks_exact(n).zip(y.chunks_exact(n)) {
            for ((s, &x), &y) in sums.iter_mut().zip(x).zip(y) {
                *s += x * y;
            }
        }
    }
}

for_each_path! {
    /// `x = x scale + shift` for each row of `x` (rows x scale.len()).
    ///
    /// # Panics
    /// If `x` is not made of whole rows, or `shift` is not one.
    pub fn scale_shift_columns<T: Scalar>(x: &mut [T], scale: &[T], shift: &[T]) {
        let n = scale.len().max(1);
        assert!(x.len().is_multiple_of(n) && shift.len() == scale.len());
        for x in x.chunks_exact_mut(n) {
            for ((x, &scale), &shift) in x.iter_mut().zip(scale).zip(shift) {
                *x = *x * scale + shift;
            }
        }
    }
}

for_each_path! {
    /// `x = (x - shift - y slope) scale` for each row of `x` and `y` (rows x scale.len()).
    ///
    /// # Panics
    /// If they are not made of the same number of whole rows, or `shift` or `slope` is not one.
    pub fn subtract_lines_of_columns<T: Scalar>(
        x: &mut [T], y: &[T], shift: &[T], slope: &[T], scale: &[T],
    ) {
        let n = scale.len().max(1);
        assert!(x.len() == y.len() && x.len().is_multiple_of(n));
        assert!(shift.len() == scale.len() && slope.len() == scale.len());
        for (x, y) in x.chunks_exact_mut(n).zip(y.chunks_exact(n)) {
            for ((((x, &y), &shift), &slope), &scale) in
                x.iter_mut().zip(y).zip(shift).zip(slope).zip(scale)
            {
                *x = (*x - shift - y * slope) * scale;
            }
        }
    }
}

/// Independent sums along a row: one vector of AVX-512.
const LANES: usize = 16;

/// Σ f(x, y) along a row, in 16 interleaved lanes whatever the path.
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

for_each_path! {
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

for_each_path! {
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

for_each_path! {
    /// `x = (x - shift - y slope) scale` along each row of `x` and `y` (rows x `width`), with
    /// [shift, slope, scale] in `lines`.
    ///
    /// # Panics
    /// If there are not as many `lines` as rows.
    pub fn subtract_lines_of_rows<T: Scalar>(
        x: &mut [T], y: &[T], width: usize, lines: &[[T; 3]],
    ) {
        assert!(x.len() == lines.len() * width && y.len() == x.len());
        let rows = x.chunks_exact_mut(width.max(1)).zip(y.chunks_exact(width.max(1)));
        for ((x, y), &[shift, slope, scale]) in rows.zip(lines) {
            for (x, &y) in x.iter_mut().zip(y) {
                *x = (*x - shift - y * slope) * scale;
            }
        }
    }
}

for_each_path! {
    /// `x = (x - mean) scale` along each row of `x` (rows x `width`), with [mean, scale] in `lines`.
    ///
    /// # Panics
    /// If there are not as many `lines` as rows.
    pub fn standardize_rows<T: Scalar>(x: &mut [T], width: usize, lines: &[[T; 2]]) {
        assert_eq!(x.len(), lines.len() * width);
        for (x, &[mean, scale]) in x.chunks_exact_mut(width.max(1)).zip(lines) {
            for x in x {
                *x = (*x - mean) * scale;
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
