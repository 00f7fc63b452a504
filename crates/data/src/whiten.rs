//! ZCA whitening: images whose pixels no longer tell of each other, and that are still images.
//!
//! With the covariance C of the standardized training pixels, x becomes P x, where
//! P = (C + εI)^(-1/2) is symmetric: of all maps that whiten, the one that changes the images least
//! (Bell & Sejnowski 1997). Directions in which the images hardly vary are mostly noise, and the
//! regularizer ε keeps them from being blown up: a variance of λ becomes λ / (λ + ε).
//!
//! As P is linear, a first layer W on whitened pixels is the layer W P on plain ones
//! ([`Whitening::fold`]), and nobody who uses the network need know of it.

use chainrule_tensor::bytes::Rows;
use chainrule_tensor::inverse_root::inverse_root;
use chainrule_tensor::symmetric::{lower_product, mirror};
use chainrule_tensor::team::Team;
use chainrule_tensor::{Path, Tensor, View, ViewMut, gemm};

use crate::{Error, FloatImages, Shape};

/// Smallest regularizer: below it the inverse root would be made of rounding.
pub const LEAST_REGULARIZER: f64 = 1e-6;

/// Images whose products are summed up, and images that are whitened, at a time.
const SUMMED: usize = 1024;
const WHITENED: usize = 256;

/// The map P, and the threads that apply it. All of it is the same bits on any number of threads.
#[derive(Debug)]
pub struct Whitening {
    /// (dim, dim), symmetric.
    matrix: Tensor<f32>,
    shape: Shape,
    path: Path,
    team: Team,
}

impl Whitening {
    /// P for the standardized `images` of `shape`, learned from those of `training`, with the
    /// regularizer ε, from [`LEAST_REGULARIZER`] on. Tells `progress` what it is about to do.
    ///
    /// It takes O(n dim²) for the covariance and O(dim³) for the root, and room for four matrices
    /// (dim, dim) of `f64`.
    ///
    /// # Errors
    /// [`Error::Whitening`] if a pixel is the same in all images.
    ///
    /// # Panics
    /// If there is no training image or no such one, or the regularizer is too small.
    pub fn fit(
        images: &impl Rows<f64>,
        shape: Shape,
        training: &[u32],
        regularizer: f64,
        (path, team): (Path, Team),
        mut progress: impl FnMut(&str),
    ) -> Result<Self, Error> {
        assert!(regularizer >= LEAST_REGULARIZER, "a regularizer of {regularizer}");
        progress("the covariance of their pixels");
        let mut covariance = covariance(images, training, path, &team);
        // Standardized pixels have variance 1, but for those that have none.
        let constant = (0..shape.dim()).find(|&i| covariance.row(i)[i] < 0.5);
        if let Some(at) = constant {
            let area = shape.height * shape.width;
            return Err(Error::Whitening(format!(
                "pixel {at} (channel {}, row {}, column {}, counted from 0) is the same in all {} \
                 training images, and cannot be whitened: train without zca, or on more images",
                at / area,
                at % area / shape.width,
                at % shape.width,
                training.len()
            )));
        }
        (0..shape.dim()).for_each(|i| covariance.row_mut(i)[i] += regularizer);
        progress("the inverse root of it");
        let root = inverse_root(covariance, regularizer, &team);
        let root = root.ok_or_else(|| {
            Error::Whitening(format!(
                "the covariance of the pixels has no inverse root with a regularizer of \
                 {regularizer}: choose a larger zca"
            ))
        })?;
        let matrix = Tensor::from_fn(root.rows(), root.rows(), |i, j| root.row(i)[j] as f32);
        Ok(Self { matrix, shape, path, team })
    }

    /// The first `n` of the standardized `images`, whitened.
    pub fn apply(&self, images: &impl Rows<f32>, n: usize) -> FloatImages {
        let dim = self.shape.dim();
        let mut values = vec![0.0; n * dim];
        self.team.share(values.chunks_mut(WHITENED * dim).enumerate(), |(chunk, out)| {
            let first = chunk * WHITENED;
            let rows: Vec<u32> = (first..first + out.len() / dim).map(|row| row as u32).collect();
            let mut plain = vec![0.0; out.len()];
            images.gather(self.path, &rows, 0..dim, &mut plain);
            self.times_matrix(&plain, out);
        });
        FloatImages::new(values, self.shape)
    }

    /// W P for the weights W (outputs, dim) of a layer: what they are on plain pixels.
    pub fn fold(&self, weights: &[f32]) -> Vec<f32> {
        let mut folded = vec![0.0; weights.len()];
        let block = WHITENED * self.shape.dim();
        let blocks = weights.chunks(block).zip(folded.chunks_mut(block));
        self.team.share(blocks, |(weights, folded)| self.times_matrix(weights, folded));
        folded
    }

    /// Rows times P.
    fn times_matrix(&self, rows: &[f32], out: &mut [f32]) {
        let dim = self.shape.dim();
        let n = rows.len() / dim;
        let (rows, out) = (View::new(rows, n, dim), ViewMut::new(out, n, dim));
        gemm(1.0, rows, self.matrix.view(), 0.0, out).expect("the shapes fit together");
    }
}

/// Xᵀ X / n over the `training` rows X, whose mean is 0.
fn covariance(images: &impl Rows<f64>, training: &[u32], path: Path, team: &Team) -> Tensor<f64> {
    let dim = images.columns();
    let mut sum = Tensor::zeros(dim, dim);
    let mut x = vec![0.0; SUMMED * dim];
    for training in training.chunks(SUMMED) {
        let x = &mut x[..training.len() * dim];
        team.share(training.iter().zip(x.chunks_mut(dim)), |(&row, x)| {
            images.gather(path, &[row], 0..dim, x);
        });
        let x = View::new(x, training.len(), dim);
        lower_product(x.t(), x, 1.0, &mut sum, team);
    }
    let n = training.len() as f64;
    sum.as_mut_slice().iter_mut().for_each(|value| *value /= n);
    mirror(&mut sum);
    sum
}

#[cfg(test)]
mod tests {
    use chainrule_tensor::bytes::ByteRows;

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
        let team = (Path::best(), Team::new(threads).unwrap());
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
    fn whitened_pixels_covary_as_the_regularizer_leaves_them_and_are_the_same_bits_on_any_threads()
    {
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
        let team = Team::new(1).unwrap();
        let before = covariance(&rows, &training, Path::best(), &team);
        let after = covariance(&whitened[0], &training, Path::best(), &team);
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
            rows.gather(Path::best(), &[row], 0..40, &mut plain);
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
        assert!(
            error.starts_with("pixel 10 (channel 1, row 1, column 1, counted from 0)"),
            "{error}"
        );
    }
}
