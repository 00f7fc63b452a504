//! The `f32` products with the bits of the vector kernels, in plain Rust: the table of `tile.rs`, loop
//! by loop. For the small products of a network whose others are bf16, so that the whole has the same
//! bits on every processor; matrixmultiply, which is faster, rounds otherwise.

use super::LANES;
use crate::gemm::{ShapeError, check_shapes};
use crate::matrix::{View, ViewMut};

/// C := A·B, or C := C + A·B: each element one chain of fused multiply-adds from 0, in the order of k.
pub(super) fn matmul(
    a: View,
    b: View,
    c: &mut ViewMut,
    accumulate: bool,
) -> Result<(), ShapeError> {
    let (m, k, n) = check_shapes(&a, &b, c)?;
    for i in 0..m {
        for j in 0..n {
            let sum = (0..k).fold(0.0f32, |sum, p| a.get(i, p).mul_add(b.get(p, j), sum));
            put(c, (i, j), sum, accumulate);
        }
    }
    Ok(())
}

/// C := A·Bᵀ, or C := C + A·Bᵀ: sixteen chains, every sixteenth k each; their total; what is left of k.
pub(super) fn matmul_transposed(
    a: View,
    b: View,
    c: &mut ViewMut,
    accumulate: bool,
) -> Result<(), ShapeError> {
    let (m, k, n) = check_shapes(&a, &b.t(), c)?;
    let whole = k / LANES * LANES;
    for i in 0..m {
        for j in 0..n {
            let add = |sum: f32, p: usize| a.get(i, p).mul_add(b.get(j, p), sum);
            let lane = |lane: usize| (lane..whole).step_by(LANES).fold(0.0, add);
            let v: [f32; LANES / 2] = std::array::from_fn(|l| lane(l) + lane(l + LANES / 2));
            let total = ((v[0] + v[2]) + (v[1] + v[3])) + ((v[4] + v[6]) + (v[5] + v[7]));
            put(c, (i, j), (whole..k).fold(total, add), accumulate);
        }
    }
    Ok(())
}

fn put(c: &mut ViewMut, (i, j): (usize, usize), product: f32, accumulate: bool) {
    let before = if accumulate { Some(c.as_view().get(i, j)) } else { None };
    c.set(i, j, before.map_or(product, |before| before + product));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel;
    use crate::{Isa, Tensor};

    #[test]
    fn the_plain_products_have_the_bits_of_the_vector_kernels() {
        let wave = |rows, columns, seed: usize| {
            Tensor::from_fn(rows, columns, |i, j| ((i * 31 + j * 17 + seed) as f32 * 0.7).sin())
        };
        for (m, k, n) in
            [(1, 1, 1), (5, 15, 3), (7, 16, 10), (9, 17, 15), (17, 100, 49), (3, 128, 10)]
        {
            let (a, b, b_t) = (wave(m, k, 1), wave(k, n, 2), wave(n, k, 3));
            for isa in Isa::available().into_iter().filter(|&isa| isa != Isa::PORTABLE) {
                for accumulate in [false, true] {
                    let (mut got, mut want) = (wave(m, n, 4), wave(m, n, 4));
                    matmul(a.view(), b.view(), &mut got.view_mut(), accumulate).unwrap();
                    kernel::matmul(isa, a.view(), b.view(), want.view_mut(), accumulate).unwrap();
                    assert_eq!(got.as_slice(), want.as_slice(), "{isa} {m} x {k} x {n}");
                    let (mut got, mut want) = (wave(m, n, 4), wave(m, n, 4));
                    matmul_transposed(a.view(), b_t.view(), &mut got.view_mut(), accumulate)
                        .unwrap();
                    let (b, c) = (b_t.view(), want.view_mut());
                    kernel::matmul_transposed(isa, a.view(), b, c, accumulate).unwrap();
                    assert_eq!(
                        got.as_slice(),
                        want.as_slice(),
                        "{isa} {m} x {k} x {n}, transposed"
                    );
                }
            }
        }
    }
}
