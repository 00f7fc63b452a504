//! ZCA whitening: images whose pixels no longer tell of each other, and that are still images.
//!
//! With the covariance C of the standardized training pixels, x becomes P x, where
//! P = (C + εI)^(-1/2) is symmetric: of all maps that whiten, the one that changes the images least
//! (Bell & Sejnowski 1997). Directions in which the images hardly vary are mostly noise, and the
//! regularizer ε keeps them from being blown up: a variance of λ becomes λ / (λ + ε).
//!
//! As P is linear, a first layer W on whitened pixels is the layer W P on plain ones
//! ([`Whitening::fold`]), so whoever uses the network need not know of it.

use chainrule_tensor::comm::ThreadGroup;
use chainrule_tensor::gather::Rows;
use chainrule_tensor::linalg::inverse_root::inverse_root;
use chainrule_tensor::linalg::symmetric::{lower_product, mirror};
use chainrule_tensor::{Isa, Tensor, View, ViewMut, gemm};

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
    isa: Isa,
    team: ThreadGroup,
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
        (isa, team): (Isa, ThreadGroup),
        mut progress: impl FnMut(&str),
    ) -> Result<Self, Error> {
        assert!(regularizer >= LEAST_REGULARIZER, "a regularizer of {regularizer}");
        progress("the covariance of their pixels");
        let mut covariance = covariance(images, training, isa, &team);
        // Standardized pixels have variance 1, but for those that have none.
        let constant = (0..shape.dim()).find(|&i| covariance.row(i)[i] < 0.5);
        if let Some(at) = constant {
            let area = shape.height * shape.width;
            return Err(Error::Whitening(format!(
                "pixel {at} (channel {}, row {}, column {}, counted from 0) is the same in all {} \
                 training images, so that they cannot be whitened: more images are needed, or no whitening",
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
                 {regularizer}: a larger one is needed"
            ))
        })?;
        let matrix = Tensor::from_fn(root.rows(), root.rows(), |i, j| root.row(i)[j] as f32);
        Ok(Self { matrix, shape, isa, team })
    }

    /// The first `n` of the standardized `images`, whitened.
    pub fn apply(&self, images: &impl Rows<f32>, n: usize) -> FloatImages {
        let dim = self.shape.dim();
        let mut values = vec![0.0; n * dim];
        self.team.share(values.chunks_mut(WHITENED * dim).enumerate(), |(chunk, out)| {
            let first = chunk * WHITENED;
            let rows: Vec<u32> = (first..first + out.len() / dim).map(|row| row as u32).collect();
            let mut plain = vec![0.0; out.len()];
            images.gather(self.isa, &rows, 0..dim, &mut plain);
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
fn covariance(
    images: &impl Rows<f64>,
    training: &[u32],
    isa: Isa,
    team: &ThreadGroup,
) -> Tensor<f64> {
    let dim = images.columns();
    let mut sum = Tensor::zeros(dim, dim);
    let mut x = vec![0.0; SUMMED * dim];
    for training in training.chunks(SUMMED) {
        let x = &mut x[..training.len() * dim];
        team.share(training.iter().zip(x.chunks_mut(dim)), |(&row, x)| {
            images.gather(isa, &[row], 0..dim, x);
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
mod tests;
