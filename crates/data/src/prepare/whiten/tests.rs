use chainrule_tensor::ops::bytes::ByteRows;

use super::*;
use crate::{Images, Normalization};

/// Images whose neighboring pixels are alike.
fn images(n: usize, shape: Shape) -> Images {
    let (mut state, mut last) = (1u32, 0);
    let pixel = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        last = (3 * last + (state >> 24)) / 4;
        last as u8
    };
    Images::new((0..n * shape.dim()).map(pixel).collect(), vec![0; n], shape, 1).unwrap()
}

fn scaled(images: &Images, training: &[u32]) -> (Vec<f32>, Vec<f32>) {
    let of = Normalization::per_pixel(images, training).unwrap();
    of.scale_shift(images.dim()).unwrap()
}

fn fit(images: &Images, n: u32, regularizer: f64, threads: usize) -> Result<Whitening, Error> {
    let training: Vec<u32> = (0..n).collect();
    let (scale, shift) = scaled(images, &training);
    let rows = ByteRows::new(images.pixels(), &scale, &shift);
    let team = (Isa::best(), ThreadGroup::new(threads).unwrap());
    Whitening::fit(&rows, images.shape(), &training, regularizer, team, |_| ())
}

#[test]
fn the_map_is_the_one_that_numpy_finds_by_eigenvalues() {
    // x = (arange(7)[:, None] * 37 + arange(4) * 101 + outer(arange(7)**2, arange(4)) * 13) % 251
    // x = (x - x.mean(0)) / x.std(0)
    // l, v = linalg.eigh(x.T @ x / 7 + 0.1 * eye(4)); v @ diag(l ** -0.5) @ v.T
    let want = [
        [1.14878456, 0.14996793, 0.19793903, -0.2590936],
        [0.14996793, 1.04766156, 0.15762722, 0.15968978],
        [0.19793903, 0.15762722, 1.05111014, 0.11291001],
        [-0.2590936, 0.15968978, 0.11291001, 1.12163806],
    ];
    let pixel = |i, j| ((i * 37 + j * 101 + i * i * j * 13) % 251) as u8;
    let pixels = (0..7).flat_map(|i| (0..4).map(move |j| pixel(i, j))).collect();
    let shape = Shape { channels: 1, height: 2, width: 2 };
    let images = Images::new(pixels, vec![0; 7], shape, 1).unwrap();
    let found = fit(&images, 7, 0.1, 1).unwrap().matrix;
    for (found, want) in found.as_slice().iter().zip(want.as_flattened()) {
        assert!((f64::from(*found) - want).abs() < 1e-6, "{found}, numpy has {want}");
    }
}

#[test]
fn whitened_pixels_covary_as_the_regularizer_leaves_them_and_are_the_same_bits_on_any_threads() {
    // More pixels than a block of rows has, more images than one sum, and some that only watch.
    let shape = Shape { channels: 3, height: 7, width: 9 };
    let (images, n, regularizer) = (images(1500, shape), 1400u32, 0.1);
    let training: Vec<u32> = (0..n).collect();
    let (scale, shift) = scaled(&images, &training);
    let rows = ByteRows::new(images.pixels(), &scale, &shift);
    let whitened: Vec<_> = (1..=3)
        .map(|threads| fit(&images, n, regularizer, threads).unwrap().apply(&rows, 1500))
        .collect();
    assert!(whitened[0] == whitened[1] && whitened[0] == whitened[2]);

    // Cov (C + εI) = C, where Cov is what is left of the covariance C.
    let team = ThreadGroup::new(1).unwrap();
    let before = covariance(&rows, &training, Isa::best(), &team);
    let after = covariance(&whitened[0], &training, Isa::best(), &team);
    assert!(before.row(0)[1] > 0.5, "these pixels tell of each other");
    let mut regular = before.clone();
    (0..shape.dim()).for_each(|i| regular.row_mut(i)[i] += regularizer);
    let mut product = Tensor::zeros(shape.dim(), shape.dim());
    gemm(1.0, after.view(), regular.view(), 0.0, product.view_mut()).unwrap();
    for (found, want) in product.as_slice().iter().zip(before.as_slice()) {
        assert!((found - want).abs() < 1e-4, "{found}, {want}");
    }
}

#[test]
fn folded_weights_do_to_plain_pixels_what_they_did_to_whitened_ones() {
    let shape = Shape { channels: 1, height: 5, width: 8 };
    let images = images(300, shape);
    let (scale, shift) = scaled(&images, &(0..300).collect::<Vec<_>>());
    let rows = ByteRows::new(images.pixels(), &scale, &shift);
    let whitening = fit(&images, 300, 0.01, 2).unwrap();
    let weights: Vec<f32> = (0..2 * 40).map(|i| (i * 7 % 13) as f32 - 6.0).collect();
    let folded = whitening.fold(&weights);
    let whitened = whitening.apply(&rows, 300);
    for row in 0..300 {
        let mut plain = vec![0.0f32; 40];
        rows.gather(Isa::best(), &[row], 0..40, &mut plain);
        let times = |weights: &[f32], x: &[f32]| -> Vec<f32> {
            let each = weights.chunks(40).map(|w| w.iter().zip(x).map(|(w, x)| w * x).sum());
            each.collect()
        };
        let on_whitened = times(&weights, whitened.image(row as usize));
        for (a, b) in on_whitened.iter().zip(times(&folded, &plain)) {
            assert!((a - b).abs() < 1e-3 * a.abs().max(1.0), "image {row}: {a}, {b}");
        }
    }
}

#[test]
fn a_constant_pixel_is_named() {
    let shape = Shape { channels: 2, height: 2, width: 3 };
    let mut pixels = images(50, shape).pixels().to_vec();
    pixels.iter_mut().skip(10).step_by(12).for_each(|pixel| *pixel = 7);
    let images = Images::new(pixels, vec![0; 50], shape, 1).unwrap();
    let error = fit(&images, 50, 0.1, 1).unwrap_err().to_string();
    assert!(error.starts_with("pixel 10 (channel 1, row 1, column 1, counted from 0)"), "{error}");
}
