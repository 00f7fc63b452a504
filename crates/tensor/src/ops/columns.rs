//! Kernels over the columns of a row-major matrix: sums down them, and one value for each of them
//! applied to every row.

use crate::isa::for_each_isa;

for_each_isa! {
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

for_each_isa! {
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

for_each_isa! {
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

for_each_isa! {
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

for_each_isa! {
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

for_each_isa! {
    /// The backward pass of a normalization of columns, in place: `x`, the derivative by the output
    /// `y`, becomes that by the input, `x = (x - mean - y projection) scale`. `x` and `y` are (rows x
    /// scale.len()); `mean` and `projection` are the means of `x` and `x y` down the columns.
    ///
    /// # Panics
    /// If they are not made of the same number of whole rows, or `mean` or `projection` is not one.
    pub fn normalize_backward_columns<T: Scalar>(
        x: &mut [T], y: &[T], mean: &[T], projection: &[T], scale: &[T],
    ) {
        let n = scale.len().max(1);
        assert!(x.len() == y.len() && x.len().is_multiple_of(n));
        assert!(mean.len() == scale.len() && projection.len() == scale.len());
        for (x, y) in x.chunks_exact_mut(n).zip(y.chunks_exact(n)) {
            for ((((x, &y), &mean), &projection), &scale) in
                x.iter_mut().zip(y).zip(mean).zip(projection).zip(scale)
            {
                *x = (*x - mean - y * projection) * scale;
            }
        }
    }
}
