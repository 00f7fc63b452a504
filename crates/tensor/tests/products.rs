//! Every product against its definition, three plain loops: all transposes, sizes around the
//! kernels' tiles, every α and β that has a case of its own, and a C that holds NaN.

use chainrule_tensor::gemm::reference;
use chainrule_tensor::kernel::{matmul, matmul_transposed};
use chainrule_tensor::{Isa, Scalar, Tensor, View, ViewMut, gemm};

/// Numbers without a pattern, in -1..1, the same on every run.
fn numbers<T: Scalar>(rows: usize, columns: usize, seed: usize) -> Tensor<T> {
    let mut state = (seed as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    Tensor::from_fn(rows, columns, |_, _| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        T::from_f64((state >> 33) as f64 / (1u64 << 30) as f64 - 1.0)
    })
}

fn assert_close<T: Scalar>(got: &Tensor<T>, want: &Tensor<T>, k: usize, what: &str) {
    // A sum of k products, each below 1, in another order: k roundings of at most k/2 ulp.
    let epsilon = if size_of::<T>() == 4 { 1.2e-7 } else { 2.3e-16 };
    let bound = epsilon * (k as f64 + 4.0) * 4.0;
    for (at, (g, w)) in got.as_slice().iter().zip(want.as_slice()).enumerate() {
        let off = (g.to_f64() - w.to_f64()).abs();
        assert!(off <= bound, "{what}: element {at} is {g}, not {w}");
    }
}

fn sweep_gemm<T: Scalar>() {
    let sizes = [0, 1, 2, 3, 4, 5, 7, 8, 9, 13, 17, 33];
    let scales = [(1.0, 0.0), (1.0, 1.0), (-0.5, 2.0), (0.0, 0.5), (0.0, 0.0)];
    for &m in &sizes {
        for &k in &sizes {
            for &n in &sizes {
                for transposes in 0..8 {
                    let at = |bit: usize| transposes >> bit & 1 == 1;
                    let a = if at(0) { numbers::<T>(k, m, 1) } else { numbers(m, k, 1) };
                    let b = if at(1) { numbers::<T>(n, k, 2) } else { numbers(k, n, 2) };
                    let (a, b) = (
                        if at(0) { a.view().t() } else { a.view() },
                        if at(1) { b.view().t() } else { b.view() },
                    );
                    let (alpha, beta) = scales[(m + 2 * k + 3 * n + transposes) % scales.len()];
                    let (alpha, beta) = (T::from_f64(alpha), T::from_f64(beta));
                    let mut got = if at(2) { numbers::<T>(n, m, 3) } else { numbers(m, n, 3) };
                    if beta == T::ZERO {
                        got.as_mut_slice().fill(T::from_f64(f64::NAN));
                    }
                    let mut want = got.clone();
                    fn target<T: Scalar>(c: &mut Tensor<T>, transposed: bool) -> ViewMut<'_, T> {
                        if transposed { c.view_mut().t() } else { c.view_mut() }
                    }
                    gemm(alpha, a, b, beta, target(&mut got, at(2))).unwrap();
                    reference(alpha, a, b, beta, target(&mut want, at(2))).unwrap();
                    let what = format!("{m} x {k} x {n}, transposes {transposes:03b}");
                    assert_close(&got, &want, k, &what);
                }
            }
        }
    }
}

#[test]
fn gemm_in_f32_is_its_definition() {
    sweep_gemm::<f32>();
}

#[test]
fn gemm_in_f64_is_its_definition() {
    sweep_gemm::<f64>();
}

#[test]
fn gemm_of_large_odd_sizes_is_its_definition() {
    let (a, b) = (numbers::<f32>(257, 131, 1), numbers::<f32>(131, 129, 2));
    let (mut got, mut want) = (numbers(257, 129, 3), numbers(257, 129, 3));
    gemm(0.5, a.view(), b.view(), -1.5, got.view_mut()).unwrap();
    reference(0.5, a.view(), b.view(), -1.5, want.view_mut()).unwrap();
    assert_close(&got, &want, 131, "257 x 131 x 129");
}

#[test]
fn shapes_that_do_not_fit_are_named_and_nothing_is_written() {
    let (a, b) = (numbers::<f32>(2, 3, 1), numbers::<f32>(4, 5, 2));
    let mut c = Tensor::from_fn(2, 5, |_, _| 7.0);
    let error = gemm(1.0, a.view(), b.view(), 0.0, c.view_mut()).unwrap_err();
    assert!(error.to_string().starts_with("cannot multiply 2 x 3 by 4 x 5 into 2 x 5"), "{error}");
    assert!(matmul(Isa::best(), a.view(), b.view(), c.view_mut(), false).is_err());
    assert!(c.as_slice().iter().all(|&x| x == 7.0));
}

/// The kernel of one ISA, with A as it is and transposed, for one shape.
fn check_matmul(isa: Isa, m: usize, k: usize, n: usize) {
    for transposed in [false, true] {
        for accumulate in [false, true] {
            // Strides wider than the matrices: a kernel that strays reads what it must not.
            let a = if transposed { numbers(k, m + 3, 1) } else { numbers::<f32>(m, k + 3, 1) };
            let a = if transposed {
                View::strided(a.as_slice(), k, m, m + 3, 1).t()
            } else {
                View::strided(a.as_slice(), m, k, k + 3, 1)
            };
            let b = numbers::<f32>(k, n + 5, 2);
            let b = View::strided(b.as_slice(), k, n, n + 5, 1);
            let mut got = numbers(m, n + 2, 3);
            let mut want = got.clone();
            if !accumulate {
                for i in 0..m {
                    got.row_mut(i)[..n].fill(f32::NAN);
                }
            }
            fn target(c: &mut Tensor, n: usize) -> ViewMut<'_> {
                let (rows, stride) = (c.rows(), c.columns());
                ViewMut::strided(c.as_mut_slice(), rows, n, stride, 1)
            }
            matmul(isa, a, b, target(&mut got, n), accumulate).unwrap();
            let beta = if accumulate { 1.0 } else { 0.0 };
            reference(1.0, a, b, beta, target(&mut want, n)).unwrap();
            assert_close(&got, &want, k, &format!("{isa}: {m} x {k} x {n}, At {transposed}"));
        }
    }
}

#[test]
fn matmul_is_its_definition_on_every_isa() {
    for isa in Isa::available() {
        for m in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 257] {
            for k in [0, 1, 2, 3, 17, 128] {
                for n in [0, 1, 15, 16, 17, 32, 47, 48, 49, 64, 96, 112] {
                    check_matmul(isa, m, k, n);
                }
            }
        }
    }
}

/// Every ISA whose kernels promise the bits of plain loops.
fn vector_isas() -> impl Iterator<Item = Isa> {
    Isa::available().into_iter().filter(|&isa| isa != Isa::PORTABLE)
}

#[test]
fn every_vector_kernel_gives_one_chain_of_fused_multiply_adds_in_the_order_of_k_to_the_bit() {
    // Rows and columns around each tile, and what is left of them.
    let rows = [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 16, 17, 31];
    let columns = [1, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 47, 48, 49, 64, 95];
    for (m, n) in rows.iter().flat_map(|&m| columns.map(|n| (m, n))) {
        for k in [1, 2, 3, 77] {
            let (a, b) = (numbers::<f32>(m, k, 1), numbers::<f32>(k, n, 2));
            let transposed = Tensor::from_fn(k, m, |p, i| a.row(i)[p]);
            let before = numbers::<f32>(m, n, 3);
            for accumulate in [false, true] {
                let want = Tensor::from_fn(m, n, |i, j| {
                    let fused = |sum, p: usize| a.row(i)[p].mul_add(b.row(p)[j], sum);
                    let sum = (0..k).fold(0.0, fused);
                    if accumulate { before.row(i)[j] + sum } else { sum }
                });
                for isa in vector_isas() {
                    for a in [a.view(), transposed.view().t()] {
                        let mut got = before.clone();
                        matmul(isa, a, b.view(), got.view_mut(), accumulate).unwrap();
                        assert_eq!(got.as_slice(), want.as_slice(), "{isa}: {m} x {k} x {n}");
                    }
                }
            }
        }
    }
}

/// An element of A·Bᵀ: sixteen sums side by side, their total, and what is left of k.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut v = [0.0f32; 16];
    let (a, b) = (a.chunks_exact(16), b.chunks_exact(16));
    let left = a.remainder().iter().zip(b.remainder());
    for (a, b) in a.zip(b) {
        for i in 0..16 {
            v[i] = a[i].mul_add(b[i], v[i]);
        }
    }
    for i in 0..8 {
        v[i] += v[i + 8];
    }
    let total = ((v[0] + v[2]) + (v[1] + v[3])) + ((v[4] + v[6]) + (v[5] + v[7]));
    left.fold(total, |sum, (a, b)| a.mul_add(*b, sum))
}

#[test]
fn every_vector_kernel_of_few_columns_sums_in_sixteen_lanes_to_the_bit() {
    for k in [1, 15, 16, 17, 31, 32, 48, 77, 128] {
        for (m, n) in (1..=9).flat_map(|m| (1..=15).map(move |n| (m, n))) {
            let (a, b) = (numbers::<f32>(m, k, 1), numbers::<f32>(n, k, 2));
            let before = numbers::<f32>(m, n, 3);
            for accumulate in [false, true] {
                let want = Tensor::from_fn(m, n, |i, j| {
                    let sum = dot(a.row(i), b.row(j));
                    if accumulate { before.row(i)[j] + sum } else { sum }
                });
                for isa in vector_isas() {
                    let mut got = before.clone();
                    matmul_transposed(isa, a.view(), b.view(), got.view_mut(), accumulate).unwrap();
                    assert_eq!(got.as_slice(), want.as_slice(), "{isa}: {m} x {k} x {n}");
                }
            }
        }
    }
}

#[test]
fn an_element_of_a_product_has_the_same_bits_whatever_rows_stand_beside_it() {
    for isa in vector_isas() {
        // 53 columns are 48 in vectors and 5 beside them.
        let (a, b) = (numbers::<f32>(23, 77, 1), numbers::<f32>(77, 53, 2));
        let mut whole = Tensor::zeros(23, 53);
        matmul(isa, a.view(), b.view(), whole.view_mut(), false).unwrap();
        let few = numbers::<f32>(7, 77, 4);
        let mut dots = Tensor::zeros(23, 7);
        matmul_transposed(isa, a.view(), few.view(), dots.view_mut(), false).unwrap();
        for i in 0..23 {
            let row = View::new(a.row(i), 1, 77);
            let mut alone = Tensor::zeros(1, 53);
            matmul(isa, row, b.view(), alone.view_mut(), false).unwrap();
            assert_eq!(alone.as_slice(), whole.row(i), "{isa}: row {i}");
            let mut alone = Tensor::zeros(1, 7);
            matmul_transposed(isa, row, few.view(), alone.view_mut(), false).unwrap();
            assert_eq!(alone.as_slice(), dots.row(i), "{isa}: row {i}, transposed");
        }
    }
}

#[test]
fn matmul_transposed_is_its_definition_on_every_isa() {
    for isa in Isa::available() {
        for m in [0, 1, 2, 3, 4, 5, 7, 64, 65] {
            for k in [0, 1, 4, 8, 15, 16, 17, 31, 33, 48, 128] {
                for n in [0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 15] {
                    for accumulate in [false, true] {
                        let (a, b) = (numbers::<f32>(m, k + 3, 1), numbers::<f32>(n, k + 1, 2));
                        let a = View::strided(a.as_slice(), m, k, k + 3, 1);
                        let b = View::strided(b.as_slice(), n, k, k + 1, 1);
                        let mut got = numbers(m, n, 3);
                        let mut want = got.clone();
                        if !accumulate {
                            got.as_mut_slice().fill(f32::NAN);
                        }
                        matmul_transposed(isa, a, b, got.view_mut(), accumulate).unwrap();
                        let beta = if accumulate { 1.0 } else { 0.0 };
                        reference(1.0, a, b.t(), beta, want.view_mut()).unwrap();
                        let what = format!("{isa}: {m} x {k} x {n}, transposed");
                        assert_close(&got, &want, k, &what);
                    }
                }
            }
        }
    }
}
