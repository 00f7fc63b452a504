//! The architecture of a network: widths, hidden units, and the tensors that hold its parameters.
//!
//! With widths d₀, d₁, …, d_L (inputs, hidden widths, classes), layer l = 1 … L has a weight W_l
//! of shape (d_l, d_{l-1}) and a bias b_l of shape (d_l), the layout of PyTorch's `nn.Linear`,
//! and is called `fc1`, `fc2`, …:
//!
//! a₀ = x,  a_l = relu(W_l a_{l-1} + b_l),  p = softmax(W_L a_{L-1} + b_L)
//!
//! No hidden width at all makes it the linear softmax classifier. The ReLU may be another
//! activation, and a normalization may stand before it ([`Hidden`]); that has the names of PyTorch's
//! `BatchNorm1d` or `LayerNorm`, `norm1.weight` (γ), `norm1.bias` (β, in place of `fc1.bias`), and, of
//! a batch normalization, `norm1.running_mean` and `norm1.running_var`.
//!
//! An architecture holds no numbers. Whoever makes, loads, saves, checks or distributes parameters
//! asks it where each tensor lies in the one flat buffer that holds them all.

use std::ops::Range;

use chainrule_tensor::Scalar;

use crate::layers::hidden::Hidden;
use crate::layers::norm::Norm;

/// Widths that make no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArchitectureError {
    /// Fewer than two widths.
    #[error("a network needs an input width and a number of classes, not {0} widths")]
    TooFewWidths(usize),
    /// A layer of nothing.
    #[error("width {position} of {widths:?} is 0: every layer needs at least one unit")]
    ZeroWidth {
        /// Which width, from 1.
        position: usize,
        /// All of them.
        widths: Vec<usize>,
    },
    /// More parameters than can be counted in memory.
    #[error("widths {0:?} make more parameters than fit into memory")]
    TooManyParameters(Vec<usize>),
}

/// Widths and hidden units of a multi-layer perceptron.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Architecture {
    widths: Vec<usize>,
    hidden: Hidden,
}

/// Name, shape and range in the flat buffer of one tensor of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// `fc1.weight`, `fc1.bias`, `fc2.weight`, …
    pub name: String,
    /// (outputs, inputs) of a weight, (outputs) of the others.
    pub shape: Vec<usize>,
    /// Where it lies.
    pub range: Range<usize>,
    /// Whether it has a gradient; running statistics have none.
    pub trained: bool,
}

/// Number of weights and biases of a network of these widths, if it can be counted.
pub fn parameter_count(widths: &[usize]) -> Option<usize> {
    widths.windows(2).try_fold(0usize, |sum, pair| {
        sum.checked_add(pair[0].checked_add(1)?.checked_mul(pair[1])?)
    })
}

/// Number of γ and of running statistics of all layers but the last.
fn norm_count(widths: &[usize], norm: Norm) -> usize {
    let each = match norm {
        Norm::None => 0,
        Norm::Layer => 1,
        Norm::Batch => 3,
    };
    let hidden = widths.get(1..widths.len() - 1).unwrap_or_default();
    hidden.iter().fold(0, |sum: usize, width| sum.saturating_add(width.saturating_mul(each)))
}

/// A kind of tensor that a layer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// W, (outputs, inputs).
    Weight,
    /// b, or β of a normalization.
    Bias,
    /// γ of a normalization.
    Scale,
    /// Of a batch normalization.
    RunningMean,
    /// Of a batch normalization.
    RunningVariance,
}

impl Kind {
    /// In the order of the flat buffer.
    pub const ALL: [Kind; 5] =
        [Self::Weight, Self::Bias, Self::Scale, Self::RunningMean, Self::RunningVariance];

    fn has_gradient(self) -> bool {
        !matches!(self, Self::RunningMean | Self::RunningVariance)
    }
}

impl Architecture {
    /// `widths` are the number of inputs, the hidden widths, the number of classes.
    ///
    /// # Errors
    /// If there are fewer than two widths, one of them is 0, or together they are too large.
    pub fn new(widths: &[usize], hidden: Hidden) -> Result<Self, ArchitectureError> {
        if widths.len() < 2 {
            return Err(ArchitectureError::TooFewWidths(widths.len()));
        }
        if let Some(i) = widths.iter().position(|&w| w == 0) {
            let widths = widths.to_vec();
            return Err(ArchitectureError::ZeroWidth { position: i + 1, widths });
        }
        parameter_count(widths)
            .and_then(|count| count.checked_add(norm_count(widths, hidden.norm)))
            .filter(|&count| count < isize::MAX as usize / size_of::<f64>())
            .ok_or_else(|| ArchitectureError::TooManyParameters(widths.to_vec()))?;
        Ok(Self { widths: widths.to_vec(), hidden })
    }

    /// Number of inputs, hidden widths, number of classes.
    pub fn widths(&self) -> &[usize] {
        &self.widths
    }

    /// What stands between two layers.
    pub fn hidden(&self) -> Hidden {
        self.hidden
    }

    /// Number of fully connected layers: the hidden ones and the last.
    pub fn depth(&self) -> usize {
        self.widths.len() - 1
    }

    /// Number of values of the input.
    pub fn inputs(&self) -> usize {
        self.widths[0]
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.widths[self.depth()]
    }

    /// Length of the flat buffer: all parameters and running statistics.
    pub fn len(&self) -> usize {
        parameter_count(&self.widths).expect("counted when it was made")
            + norm_count(&self.widths, self.hidden.norm)
    }

    /// Never: a network has a layer.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Number of trained values: weights, biases and scales.
    pub fn trained_count(&self) -> usize {
        self.tensors().iter().filter(|tensor| tensor.trained).map(|tensor| tensor.range.len()).sum()
    }

    /// Where a tensor of layer `layer`, from 0, lies in the flat buffer; empty if the layer has none.
    pub(crate) fn range(&self, layer: usize, kind: Kind) -> Range<usize> {
        let below = parameter_count(&self.widths[..=layer]).expect("counted when it was made");
        // All layers below are hidden ones, which is what `norm_count` takes the outputs of all
        // layers but the last for.
        let mut start = below + norm_count(&self.widths[..layer + 2], self.hidden.norm);
        for before in Kind::ALL {
            let len = self.shape(layer, before).iter().product::<usize>();
            if before == kind {
                return start..start + len;
            }
            start += len;
        }
        unreachable!("every kind is among them all")
    }

    /// The shape of a tensor; (0) if the layer has none.
    fn shape(&self, layer: usize, kind: Kind) -> Vec<usize> {
        let (inputs, outputs) = (self.widths[layer], self.widths[layer + 1]);
        let norm = if layer + 1 < self.depth() { self.hidden.norm } else { Norm::None };
        let has = match kind {
            Kind::Weight => return vec![outputs, inputs],
            Kind::Bias => true,
            Kind::Scale => norm != Norm::None,
            Kind::RunningMean | Kind::RunningVariance => norm == Norm::Batch,
        };
        vec![if has { outputs } else { 0 }]
    }

    /// The name of a tensor, in PyTorch's way.
    pub(crate) fn name(&self, layer: usize, kind: Kind) -> String {
        let normalized = layer + 1 < self.depth() && self.hidden.norm != Norm::None;
        let module = if kind == Kind::Weight || !normalized { "fc" } else { "norm" };
        let tensor = match kind {
            Kind::Weight | Kind::Scale => "weight",
            Kind::Bias => "bias",
            Kind::RunningMean => "running_mean",
            Kind::RunningVariance => "running_var",
        };
        format!("{module}{}.{tensor}", layer + 1)
    }

    /// Name, shape and range of every tensor, in the order of the buffer.
    pub fn tensors(&self) -> Vec<TensorSpec> {
        let spec = |layer: usize, kind: Kind| TensorSpec {
            name: self.name(layer, kind),
            shape: self.shape(layer, kind),
            range: self.range(layer, kind),
            trained: kind.has_gradient(),
        };
        let all = (0..self.depth()).flat_map(|l| Kind::ALL.map(move |kind| spec(l, kind)));
        all.filter(|tensor| !tensor.range.is_empty()).collect()
    }

    /// A flat buffer of zeros.
    pub(crate) fn zeros<T: Scalar>(&self) -> Vec<T> {
        vec![T::ZERO; self.len()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(widths: &[usize], norm: Norm) -> Result<Architecture, ArchitectureError> {
        Architecture::new(widths, Hidden { norm, ..Hidden::default() })
    }

    #[test]
    fn tensors_have_pytorchs_names_and_shapes_and_fill_the_buffer() {
        type Shapes = &'static [(&'static str, &'static [usize])];
        let cases: [(Norm, Shapes); 3] = [
            (
                Norm::None,
                &[
                    ("fc1.weight", &[4, 5]),
                    ("fc1.bias", &[4]),
                    ("fc2.weight", &[3, 4]),
                    ("fc2.bias", &[3]),
                ],
            ),
            (
                Norm::Layer,
                &[
                    ("fc1.weight", &[4, 5]),
                    ("norm1.bias", &[4]),
                    ("norm1.weight", &[4]),
                    ("fc2.weight", &[3, 4]),
                    ("fc2.bias", &[3]),
                ],
            ),
            (
                Norm::Batch,
                &[
                    ("fc1.weight", &[4, 5]),
                    ("norm1.bias", &[4]),
                    ("norm1.weight", &[4]),
                    ("norm1.running_mean", &[4]),
                    ("norm1.running_var", &[4]),
                    ("fc2.weight", &[3, 4]),
                    ("fc2.bias", &[3]),
                ],
            ),
        ];
        for (norm, want) in cases {
            let architecture = of(&[5, 4, 3], norm).unwrap();
            let tensors = architecture.tensors();
            let got: Vec<_> = tensors.iter().map(|t| (t.name.as_str(), &t.shape[..])).collect();
            assert_eq!(got, want);
            let mut end = 0;
            for tensor in &tensors {
                assert_eq!(tensor.range.start, end);
                assert_eq!(tensor.range.len(), tensor.shape.iter().product::<usize>());
                end = tensor.range.end;
            }
            assert_eq!(end, architecture.len());
            assert_eq!(
                architecture.trained_count(),
                4 * 5 + 4 + 3 * 4 + 3 + 4 * usize::from(norm != Norm::None)
            );
        }
    }

    #[test]
    fn widths_that_make_no_network_are_refused() {
        let plain = |widths: &[usize]| of(widths, Norm::Batch);
        assert_eq!(plain(&[3]), Err(ArchitectureError::TooFewWidths(1)));
        let error = plain(&[3, 0, 2]).unwrap_err().to_string();
        assert_eq!(error, "width 2 of [3, 0, 2] is 0: every layer needs at least one unit");
        assert!(plain(&[usize::MAX, 2]).is_err());
        assert!(plain(&[1 << 40, 1 << 40]).is_err());
    }
}
