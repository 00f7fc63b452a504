//! Normalization of the sums of a hidden layer, in place of its bias.
//!
//! ```text
//! x̂ = (z - mean) / √(variance + ε)        y = γ x̂ + β
//! ```
//!
//! *Batch* normalization takes mean and variance of each feature over the batch (Ioffe & Szegedy
//! 2015); in evaluation, their running means over the batches of training. *Layer* normalization
//! takes them of each example over the features, in evaluation too (Ba, Kiros & Hinton 2016). With
//! n numbers in a mean, both have the derivative
//!
//! ```text
//! dz = (dx̂ - mean(dx̂) - x̂ mean(dx̂ x̂)) / √(variance + ε)        dx̂ = γ dy
//! dγ = Σ dy x̂,  dβ = Σ dy                                           over the batch
//! ```
//!
//! A rank owns features, for all examples. So batch normalization needs no exchange, while the
//! means of layer normalization are combined from what each tile of features contributes,
//! in the order of the tiles.
//!
//! ε is 1e-5, and a running mean moves by a tenth of the way to a batch's, as in PyTorch; the
//! running variance is that of a sample, with n - 1.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use chainrule_tensor::ops::columns::{
    add_column_products, add_column_squares, add_column_sums, normalize_backward_columns,
    scale_shift_columns,
};
use chainrule_tensor::ops::elementwise::multiply;
use chainrule_tensor::ops::rows::{
    normalize_backward_rows, row_moments, row_sums, standardize_rows,
};
use chainrule_tensor::ops::update::lerp;
use chainrule_tensor::{Buffer, Isa, Scalar};

use super::activation::{UnknownName, by_name};

/// Which normalization stands between a hidden layer's product and its activation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Norm {
    /// None: a bias is added.
    #[default]
    None,
    /// Each feature over the batch.
    Batch,
    /// Each example over the features.
    Layer,
}

impl Norm {
    /// All of them.
    pub const ALL: [Norm; 3] = [Self::None, Self::Batch, Self::Layer];
}

impl fmt::Display for Norm {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Batch => "batch",
            Self::Layer => "layer",
        })
    }
}

impl FromStr for Norm {
    type Err = UnknownName;

    fn from_str(word: &str) -> Result<Self, UnknownName> {
        by_name(word, &Self::ALL)
    }
}

/// ε: small constant for numerical stability.
pub const EPSILON: f64 = 1e-5;

/// The weight of a batch in the running statistics.
pub const RUNNING: f64 = 0.1;

/// 1 / √(variance + ε).
pub(crate) fn reciprocal_std<T: Scalar>(variance: T) -> T {
    T::ONE / (variance + T::from_f64(EPSILON)).sqrt()
}

/// Running mean and variance of some features.
pub(crate) struct Running<'a, T> {
    pub mean: &'a mut [T],
    pub variance: &'a mut [T],
}

/// x̂ over a batch, in place of z: (rows, features). Moves the running statistics, and writes
/// 1 / √(variance + ε) of each feature to `rstd`.
pub(crate) fn batch_forward<T: Scalar>(
    isa: Isa,
    z: &mut [T],
    rstd: &mut [T],
    running: Running<T>,
    scratch: &mut [T],
) {
    let width = rstd.len();
    let rows = z.len() / width;
    let n = T::from_f64(rows as f64);
    let (mean, squares) = scratch[..2 * width].split_at_mut(width);
    mean.fill(T::ZERO);
    add_column_sums(isa, z, mean);
    mean.iter_mut().for_each(|mean| *mean /= n);
    squares.fill(T::ZERO);
    add_column_squares(isa, z, mean, squares);
    let momentum = T::from_f64(RUNNING);
    lerp(isa, running.mean, mean, momentum);
    for ((rstd, running), &mut squares) in rstd.iter_mut().zip(running.variance).zip(squares) {
        *rstd = reciprocal_std(squares / n);
        // The sample variance of one example is not defined.
        if rows > 1 {
            *running += momentum * (squares / (n - T::ONE) - *running);
        }
    }
    for (mean, &rstd) in mean.iter_mut().zip(&*rstd) {
        *mean = -*mean * rstd;
    }
    scale_shift_columns(isa, z, rstd, mean);
}

/// y = γ x̂ + β by the running statistics, in place of z: (rows, features).
pub(crate) fn batch_evaluate<T: Scalar>(
    isa: Isa,
    z: &mut [T],
    (mean, variance): (&[T], &[T]),
    (gamma, beta): (&[T], &[T]),
    scratch: &mut [T],
) {
    let width = mean.len();
    let (scale, shift) = scratch[..2 * width].split_at_mut(width);
    for i in 0..width {
        scale[i] = gamma[i] * reciprocal_std(variance[i]);
        shift[i] = beta[i] - mean[i] * scale[i];
    }
    scale_shift_columns(isa, z, scale, shift);
}

/// dz in place of dy: (rows, features), with x̂ in `normed`, dγ and dβ.
pub(crate) fn batch_backward<T: Scalar>(
    isa: Isa,
    gradient: &mut [T],
    normed: &[T],
    (gamma, rstd): (&[T], &[T]),
    (d_gamma, d_beta): (&[T], &[T]),
    scratch: &mut [T],
) {
    let width = gamma.len();
    let n = T::from_f64((gradient.len() / width) as f64);
    let (scale, means) = scratch[..3 * width].split_at_mut(width);
    let (mean_dx, mean_dx_x) = means.split_at_mut(width);
    for i in 0..width {
        scale[i] = gamma[i] * rstd[i];
        (mean_dx[i], mean_dx_x[i]) = (d_beta[i] / n, d_gamma[i] / n);
    }
    normalize_backward_columns(isa, gradient, normed, mean_dx, mean_dx_x, scale);
}

/// dγ = Σ dy x̂ over the rows of a batch.
pub(crate) fn backward_gamma<T: Scalar>(isa: Isa, dy: &[T], normed: &[T], d_gamma: &mut [T]) {
    d_gamma.fill(T::ZERO);
    add_column_products(isa, dy, normed, d_gamma);
}

/// What a tile of features contributes to the moments of each example: its own mean, and the sum
/// of squared distances from it.
pub(crate) fn layer_moments<T: Scalar>(isa: Isa, z: &[T], rows: usize, own: &mut [[T; 2]]) {
    row_moments(isa, z, z.len() / rows.max(1), &mut own[..rows]);
}

/// Mean and 1 / √(variance + ε) of each example, from the moments of all tiles of so many features
/// each: n mean = Σ n_t mean_t, and n variance = Σ M_t + n_t (mean_t - mean)².
pub(crate) fn layer_statistics<
    T: Scalar,
    I: Iterator<Item = (usize, M)>,
    M: Deref<Target = Buffer<[T; 2]>>,
>(
    tiles: impl Fn() -> I,
    statistics: &mut [[T; 2]],
) {
    let count = |n: usize| T::from_f64(n as f64);
    let features = count(tiles().map(|(width, _)| width).sum());
    statistics.fill([T::ZERO; 2]);
    for (width, moments) in tiles() {
        for ([mean, _], [own, _]) in statistics.iter_mut().zip(moments.iter()) {
            *mean += count(width) * *own / features;
        }
    }
    for (width, moments) in tiles() {
        for ([mean, sum], [own, squares]) in statistics.iter_mut().zip(moments.iter()) {
            *sum += *squares + count(width) * (*own - *mean) * (*own - *mean);
        }
    }
    for [_, sum] in statistics {
        *sum = reciprocal_std(*sum / features);
    }
}

/// x̂ of each example, in place of z: (rows, features), from [`layer_statistics`].
pub(crate) fn layer_forward<T: Scalar>(isa: Isa, z: &mut [T], statistics: &[[T; 2]]) {
    standardize_rows(isa, z, z.len() / statistics.len().max(1), statistics);
}

/// dx̂ = γ dy in place of dy: (rows, features), and what it contributes to Σ dx̂ and Σ dx̂ x̂ of each
/// example.
pub(crate) fn layer_backward_sums<T: Scalar>(
    isa: Isa,
    gradient: &mut [T],
    normed: &[T],
    gamma: &[T],
    own: &mut [[T; 2]],
) {
    let rows = gradient.len() / gamma.len();
    gradient.chunks_exact_mut(gamma.len()).for_each(|dy| multiply(isa, dy, gamma));
    row_sums(isa, gradient, normed, gamma.len(), &mut own[..rows]);
}

/// Of each example what [`layer_backward`] needs: [mean(dx̂), mean(dx̂ x̂), 1 / √(variance + ε)], from
/// what all tiles of `features` features contribute.
pub(crate) fn layer_means<T: Scalar, M: Deref<Target = Buffer<[T; 2]>>>(
    tiles: impl Iterator<Item = M>,
    features: usize,
    statistics: &[[T; 2]],
    means: &mut [[T; 3]],
) {
    let features = T::from_f64(features as f64);
    for (mean, [_, rstd]) in means.iter_mut().zip(statistics) {
        *mean = [T::ZERO, T::ZERO, *rstd];
    }
    for sums in tiles {
        for (mean, sums) in means.iter_mut().zip(sums.iter()) {
            mean[0] += sums[0] / features;
            mean[1] += sums[1] / features;
        }
    }
}

/// dz in place of dx̂: (rows, features), with [`layer_means`].
pub(crate) fn layer_backward<T: Scalar>(
    isa: Isa,
    gradient: &mut [T],
    normed: &[T],
    means: &[[T; 3]],
) {
    normalize_backward_rows(isa, gradient, normed, gradient.len() / means.len().max(1), means);
}
