//! The transpose of a row-major matrix, copied.

use crate::isa::for_each_isa;

for_each_isa! {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Isa;

    #[test]
    fn a_transpose_moves_every_element() {
        for isa in Isa::available() {
            let x: Vec<f32> = (0..21).map(|i| i as f32).collect();
            let mut out = vec![0.0; 21];
            transpose(isa, &x, 3, 7, &mut out);
            for i in 0..3 {
                for j in 0..7 {
                    assert_eq!(out[j * 3 + i], x[i * 7 + j]);
                }
            }
        }
    }
}
