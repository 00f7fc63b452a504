//! Matrices: a rank-2 [`Tensor`] on a [`Buffer`], and strided views of it.
//!
//! Element (i, j) of a view lies at `i * row_stride + j * column_stride`. A [`Tensor`] is
//! row-major: its row stride is its number of columns, its column stride 1. Transposing a view
//! swaps the two strides and moves nothing.

use std::ops::Range;

use crate::buffer::Buffer;
use crate::scalar::Scalar;

/// A row-major matrix of shape (rows, columns) that owns its numbers.
///
/// ```
/// use chainrule_tensor::Tensor;
/// let t = Tensor::from_rows(&[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
/// assert_eq!((t.rows(), t.columns()), (2, 3));
/// assert_eq!(t.view().t().get(2, 1), 6.0);
/// ```
#[derive(Debug, PartialEq)]
pub struct Tensor<T = f32> {
    data: Buffer<T>,
    rows: usize,
    columns: usize,
}

impl<T: Scalar> Clone for Tensor<T> {
    fn clone(&self) -> Self {
        Self { data: self.data.clone(), ..*self }
    }
}

impl<T: Scalar> Tensor<T> {
    /// All zeros. The memory is that of [`Buffer::zeros`].
    pub fn zeros(rows: usize, columns: usize) -> Self {
        Self { data: Buffer::zeros(rows * columns), rows, columns }
    }

    /// The element (i, j) is `f(i, j)`.
    pub fn from_fn(rows: usize, columns: usize, mut f: impl FnMut(usize, usize) -> T) -> Self {
        let mut tensor = Self::zeros(rows, columns);
        for (at, element) in tensor.data.iter_mut().enumerate() {
            *element = f(at / columns, at % columns);
        }
        tensor
    }

    /// A matrix written out row by row.
    pub fn from_rows<const N: usize>(rows: &[[T; N]]) -> Self {
        Self::from_vec(rows.concat(), rows.len(), N)
    }

    /// Takes over `data`, which holds the rows one after the other, where it lies: without a copy,
    /// and without the alignment of [`Tensor::zeros`].
    ///
    /// # Panics
    /// If `data` is not `rows * columns` long.
    pub fn from_vec(data: Vec<T>, rows: usize, columns: usize) -> Self {
        assert_eq!(data.len(), rows * columns, "a {rows} x {columns} tensor");
        Self { data: data.into(), rows, columns }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// All elements, row by row.
    pub fn as_slice(&self) -> &[T] {
        &self.data
    }

    /// All elements, row by row, to write.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.data
    }

    /// All elements, row by row: the `Vec` that [`Tensor::from_vec`] took over, else a copy.
    pub fn into_vec(self) -> Vec<T> {
        self.data.into_vec()
    }

    /// Row `i`, of `columns` elements.
    pub fn row(&self, i: usize) -> &[T] {
        &self.data[i * self.columns..(i + 1) * self.columns]
    }

    /// Row `i`, to write.
    pub fn row_mut(&mut self, i: usize) -> &mut [T] {
        &mut self.data[i * self.columns..(i + 1) * self.columns]
    }

    /// The whole tensor as a view.
    pub fn view(&self) -> View<'_, T> {
        View::new(&self.data, self.rows, self.columns)
    }

    /// The whole tensor as a view to write through.
    pub fn view_mut(&mut self) -> ViewMut<'_, T> {
        ViewMut::new(&mut self.data, self.rows, self.columns)
    }
}

/// A borrowed matrix, seen through two strides.
///
/// ```
/// use chainrule_tensor::View;
///
/// let numbers = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
/// let view = View::new(&numbers, 2, 3);
/// assert_eq!(view.get(1, 0), 4.0);
/// assert_eq!(view.t().get(0, 1), 4.0); // transposed, and no number has moved
/// assert_eq!(view.part(0..2, 1..3).get(1, 1), 6.0);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct View<'a, T = f32> {
    data: &'a [T],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

/// How many elements a matrix reaches over, from its first to its last.
fn reach(rows: usize, columns: usize, row_stride: usize, column_stride: usize) -> Option<usize> {
    if rows == 0 || columns == 0 {
        return Some(0);
    }
    let down = (rows - 1).checked_mul(row_stride)?;
    let across = (columns - 1).checked_mul(column_stride)?;
    down.checked_add(across)?.checked_add(1)
}

impl<'a, T: Scalar> View<'a, T> {
    /// `data` as a row-major matrix, its rows one after the other.
    ///
    /// # Panics
    /// If `data` is shorter than the matrix.
    pub fn new(data: &'a [T], rows: usize, columns: usize) -> Self {
        Self::strided(data, rows, columns, columns, 1)
    }

    /// `data` as a matrix whose element (i, j) is `data[i * row_stride + j * column_stride]`.
    ///
    /// # Panics
    /// If an element would lie outside `data`.
    pub fn strided(
        data: &'a [T],
        rows: usize,
        columns: usize,
        row_stride: usize,
        column_stride: usize,
    ) -> Self {
        let needed = reach(rows, columns, row_stride, column_stride);
        assert!(
            needed.is_some_and(|n| n <= data.len()),
            "a {rows} x {columns} view with strides {row_stride} and {column_stride} \
             does not fit into {} elements",
            data.len()
        );
        Self { data, rows, columns, row_stride, column_stride }
    }

    /// Some rows and columns of it.
    ///
    /// # Panics
    /// If it does not have them.
    pub fn part(self, rows: Range<usize>, columns: Range<usize>) -> Self {
        assert!(rows.end <= self.rows && columns.end <= self.columns, "a part of the matrix");
        let start = rows.start * self.row_stride + columns.start * self.column_stride;
        let data = self.data.get(start..).unwrap_or_default(); // no row or column: no element
        Self::strided(data, rows.len(), columns.len(), self.row_stride, self.column_stride)
    }

    /// The transpose: the same numbers with the strides swapped.
    pub fn t(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Whether it has no element.
    pub fn is_empty(&self) -> bool {
        self.rows == 0 || self.columns == 0
    }

    /// Distance from a row to the next, and from a column to the next.
    pub fn strides(&self) -> (usize, usize) {
        (self.row_stride, self.column_stride)
    }

    /// The element (i, j).
    ///
    /// # Panics
    /// If the matrix has no such element.
    pub fn get(&self, i: usize, j: usize) -> T {
        assert!(
            i < self.rows && j < self.columns,
            "({i}, {j}) in {} x {}",
            self.rows,
            self.columns
        );
        self.data[i * self.row_stride + j * self.column_stride]
    }

    /// All elements, row by row, of a view whose rows lie one after the other.
    ///
    /// # Panics
    /// If they do not.
    pub(crate) fn as_slice(&self) -> &'a [T] {
        assert!(self.is_empty() || (self.row_stride, self.column_stride) == (self.columns, 1));
        &self.data[..self.rows * self.columns]
    }

    /// Row `i` of a view whose columns are adjacent.
    ///
    /// # Panics
    /// If they are not, or there is no such row.
    #[inline(always)]
    pub(crate) fn row(&self, i: usize) -> &'a [T] {
        assert!(i < self.rows && (self.column_stride == 1 || self.columns <= 1));
        &self.data[i * self.row_stride..][..self.columns]
    }

    /// The same view, if its numbers are `f32`.
    pub(crate) fn as_f32(self) -> Option<View<'a, f32>> {
        let Self { data, rows, columns, row_stride, column_stride } = self;
        Some(View { data: T::as_f32(data)?, rows, columns, row_stride, column_stride })
    }

    /// The same view, if its numbers are `f64`.
    pub(crate) fn as_f64(self) -> Option<View<'a, f64>> {
        let Self { data, rows, columns, row_stride, column_stride } = self;
        Some(View { data: T::as_f64(data)?, rows, columns, row_stride, column_stride })
    }

    pub(crate) fn as_ptr(&self) -> *const T {
        self.data.as_ptr()
    }
}

/// A borrowed matrix to write, seen through two strides.
///
/// Its elements are distinct: no two positions share one.
#[derive(Debug)]
pub struct ViewMut<'a, T = f32> {
    data: &'a mut [T],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a, T: Scalar> ViewMut<'a, T> {
    /// `data` as a row-major matrix, its rows one after the other.
    ///
    /// # Panics
    /// If `data` is shorter than the matrix.
    pub fn new(data: &'a mut [T], rows: usize, columns: usize) -> Self {
        Self::strided(data, rows, columns, columns, 1)
    }

    /// `data` as a matrix whose element (i, j) is `data[i * row_stride + j * column_stride]`.
    ///
    /// # Panics
    /// If an element would lie outside `data`, or two positions would share one.
    pub fn strided(
        data: &'a mut [T],
        rows: usize,
        columns: usize,
        row_stride: usize,
        column_stride: usize,
    ) -> Self {
        let view = View::strided(data, rows, columns, row_stride, column_stride);
        let distinct = match (rows, columns) {
            (0, _) | (_, 0) | (1, 1) => true,
            (_, 1) => row_stride > 0,
            (1, _) => column_stride > 0,
            // One of the two directions is nested inside a single stride of the other.
            _ => {
                let (row, column) = ((columns - 1) * column_stride, (rows - 1) * row_stride);
                column_stride > 0 && row_stride > 0 && (row_stride > row || column_stride > column)
            }
        };
        assert!(
            distinct,
            "a {rows} x {columns} view with strides {row_stride} and {column_stride} would write \
             one element twice"
        );
        let View { rows, columns, row_stride, column_stride, .. } = view;
        Self { data, rows, columns, row_stride, column_stride }
    }

    /// The transpose: the same numbers with the strides swapped.
    pub fn t(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    /// The same matrix, to read.
    pub fn as_view(&self) -> View<'_, T> {
        View {
            data: self.data,
            rows: self.rows,
            columns: self.columns,
            row_stride: self.row_stride,
            column_stride: self.column_stride,
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Distance from a row to the next, and from a column to the next.
    pub fn strides(&self) -> (usize, usize) {
        (self.row_stride, self.column_stride)
    }

    /// Writes the element (i, j).
    ///
    /// # Panics
    /// If the matrix has no such element.
    pub fn set(&mut self, i: usize, j: usize, value: T) {
        assert!(
            i < self.rows && j < self.columns,
            "({i}, {j}) in {} x {}",
            self.rows,
            self.columns
        );
        self.data[i * self.row_stride + j * self.column_stride] = value;
    }

    /// Row `i` of a view whose columns are adjacent, to write.
    ///
    /// # Panics
    /// If they are not, or there is no such row.
    pub(crate) fn row_mut(&mut self, i: usize) -> &mut [T] {
        assert!(i < self.rows && (self.column_stride == 1 || self.columns <= 1));
        &mut self.data[i * self.row_stride..][..self.columns]
    }

    /// The same view, if its numbers are `f32`.
    pub(crate) fn as_f32(&mut self) -> Option<ViewMut<'_, f32>> {
        let Self { rows, columns, row_stride, column_stride, .. } = *self;
        Some(ViewMut { data: T::as_f32_mut(self.data)?, rows, columns, row_stride, column_stride })
    }

    /// The same view, if its numbers are `f64`.
    pub(crate) fn as_f64(&mut self) -> Option<ViewMut<'_, f64>> {
        let Self { rows, columns, row_stride, column_stride, .. } = *self;
        Some(ViewMut { data: T::as_f64_mut(self.data)?, rows, columns, row_stride, column_stride })
    }

    pub(crate) fn as_mut_ptr(&mut self) -> *mut T {
        self.data.as_mut_ptr()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transposing_twice_is_the_same_matrix() {
        let t = Tensor::from_fn(3, 5, |i, j| (10 * i + j) as f64);
        for i in 0..3 {
            for j in 0..5 {
                assert_eq!(t.view().t().get(j, i), t.view().get(i, j));
                assert_eq!(t.view().t().t().get(i, j), t.view().get(i, j));
            }
        }
    }

    #[test]
    #[should_panic(expected = "does not fit")]
    fn a_view_cannot_reach_beyond_its_storage() {
        View::strided(&[0.0f32; 11], 3, 4, 4, 1);
    }

    #[test]
    #[should_panic(expected = "does not fit")]
    fn a_reach_that_overflows_is_refused() {
        View::strided(&[0.0f32; 11], 3, 2, usize::MAX / 2 + 1, 1);
    }

    #[test]
    fn views_that_would_write_one_element_twice_are_refused() {
        let clash = |rows, columns, rs, cs| {
            std::panic::catch_unwind(|| {
                ViewMut::strided(&mut [0.0f32; 64], rows, columns, rs, cs);
            })
            .is_err()
        };
        assert!(clash(3, 4, 3, 1), "rows overlap");
        assert!(clash(2, 2, 0, 1), "row stride 0");
        assert!(clash(1, 4, 1, 0), "column stride 0");
        assert!(clash(4, 1, 0, 1), "one column, row stride 0");
        assert!(!clash(3, 4, 4, 1));
        assert!(!clash(3, 4, 1, 3), "column-major");
        assert!(!clash(1, 1, 0, 0), "a single element");
        assert!(!clash(0, 4, 0, 0), "nothing");
    }
}
