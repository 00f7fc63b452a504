//! Which tensor was the first to hold a NaN or an infinity.
//!
//! One infinity or NaN reaches the whole network within a step, and shows as a loss that is NaN. The
//! cause is the first tensor that is not finite in the order of the mathematics:
//!
//! ```text
//! forward    the input; of each layer its weight, the scale of its normalization, its bias, its
//!            activation; the loss
//! backward   from the last layer to the first, the gradient by what it writes
//! update     from the last layer to the first, the velocity, then the weight, scale or bias
//! ```
//!
//! When the loss is not finite there has been no update, and the forward pass is made again to
//! look at each of its tensors: that costs nothing before. After
//! [`crate::Engine::set_detect_anomaly`] every step looks at all of them, and finds what the loss does
//! not show: an infinite weight behind a unit that is dead. Each rank looks at what it owns, and the
//! first finding of all counts, so the answer is the same for any number of threads.

use std::fmt;
use std::ops::Range;

use chainrule_tensor::Scalar;
use chainrule_tensor::exchange::Exchange;
use chainrule_tensor::ops::elementwise::all_finite;

use crate::SoftmaxClassifier;
use crate::architecture::Kind;
use crate::layers::hidden::HiddenUnits;
use crate::param::Parameter;
use crate::shard::{Net, Shared};

/// A tensor of a training step. Layers count from 1, as their names do: `fc1`, `fc2`, …
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TensorName {
    /// The batch that is read.
    Input,
    /// The weight of a layer.
    Weight(usize),
    /// γ of the normalization behind a layer.
    Scale(usize),
    /// The bias of a layer that has no normalization.
    Bias(usize),
    /// β of the normalization behind a layer.
    Shift(usize),
    /// The running mean of the batch normalization behind a layer.
    RunningMean(usize),
    /// The running variance of the batch normalization behind a layer.
    RunningVariance(usize),
    /// What a layer hands on: behind its activation function, or, of the last layer, the scores.
    Activation(usize),
    /// The loss, of numbers that are all finite.
    Loss,
    /// ∂L/∂Z of a layer: the derivative of the loss by what it writes, before its activation.
    Gradient(usize),
    /// The velocity of a layer's weight.
    WeightVelocity(usize),
    /// The velocity of γ.
    ScaleVelocity(usize),
    /// The velocity of a layer's bias.
    BiasVelocity(usize),
    /// The velocity of β.
    ShiftVelocity(usize),
}

impl fmt::Display for TensorName {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Input => write!(f, "the input"),
            Self::Weight(layer) => write!(f, "fc{layer}.weight"),
            Self::Scale(layer) => write!(f, "norm{layer}.weight"),
            Self::Bias(layer) => write!(f, "fc{layer}.bias"),
            Self::Shift(layer) => write!(f, "norm{layer}.bias"),
            Self::RunningMean(layer) => write!(f, "norm{layer}.running_mean"),
            Self::RunningVariance(layer) => write!(f, "norm{layer}.running_var"),
            Self::Activation(layer) => write!(f, "the activation of fc{layer}"),
            Self::Loss => write!(f, "the loss"),
            Self::Gradient(layer) => write!(f, "the gradient of fc{layer}"),
            Self::WeightVelocity(layer) => write!(f, "the velocity of fc{layer}.weight"),
            Self::ScaleVelocity(layer) => write!(f, "the velocity of norm{layer}.weight"),
            Self::BiasVelocity(layer) => write!(f, "the velocity of fc{layer}.bias"),
            Self::ShiftVelocity(layer) => write!(f, "the velocity of norm{layer}.bias"),
        }
    }
}

/// The number of nothing: larger than that of any tensor.
pub(crate) const NONE: u64 = u64::MAX;

impl TensorName {
    /// With β in place of b, whose storage it shares, where a normalization stands behind the layer.
    fn with_normalization(self, normalized: impl Fn(usize) -> bool) -> Self {
        match self {
            Self::Bias(layer) if normalized(layer) => Self::Shift(layer),
            Self::BiasVelocity(layer) if normalized(layer) => Self::ShiftVelocity(layer),
            other => other,
        }
    }
}

/// The tensors of the forward pass, in the order of the mathematics. β counts as the bias.
fn forward(depth: usize) -> impl Iterator<Item = TensorName> {
    use TensorName::*;
    let layer = |l| [Weight(l), Scale(l), Bias(l), Activation(l)];
    [Input].into_iter().chain((1..=depth).flat_map(layer))
}

/// The tensors of the backward pass and the update, in the order of the mathematics.
fn backward(depth: usize) -> impl Iterator<Item = TensorName> {
    use TensorName::*;
    let update =
        |l| [WeightVelocity(l), Weight(l), ScaleVelocity(l), Scale(l), BiasVelocity(l), Bias(l)];
    (1..=depth).rev().map(Gradient).chain((1..=depth).rev().flat_map(update))
}

/// The tensor of a number that [`look_forward`] or [`look_backward`] has given.
pub(crate) fn name<T: Scalar>(net: &Net<T>, number: u64) -> Option<TensorName> {
    let depth = net.linear.len();
    let normalized = |l: usize| net.hidden.get(l - 1).is_some_and(HiddenUnits::is_normalized);
    let name = forward(depth).chain(backward(depth)).nth(usize::try_from(number).ok()?)?;
    Some(name.with_normalization(normalized))
}

/// After the forward pass of a batch of `rows` rows, before its loss: the number of the first tensor
/// of which this rank's part is not finite, or [`NONE`].
pub(crate) fn look_forward<T: Scalar>(net: &Net<T>, shared: &Shared<T>, rows: usize) -> u64 {
    let found = forward(net.linear.len()).position(|name| !is_finite(net, shared, rows, name));
    found.map_or(NONE, |number| number as u64)
}

/// The same after the update.
pub(crate) fn look_backward<T: Scalar>(net: &Net<T>, shared: &Shared<T>, rows: usize) -> u64 {
    let depth = net.linear.len();
    let found = backward(depth).position(|name| !is_finite(net, shared, rows, name));
    found.map_or(NONE, |number| (forward(depth).count() + number) as u64)
}

/// Whether this rank's part of a tensor is finite.
fn is_finite<T: Scalar>(net: &Net<T>, shared: &Shared<T>, rows: usize, name: TensorName) -> bool {
    let finite = |numbers: &[T]| all_finite(net.work.isa, numbers);
    let value = |l: usize, kind: Kind| {
        net.parameter(l - 1, kind).is_none_or(|parameter: &Parameter<T>| finite(&parameter.value))
    };
    let velocity = |l: usize, kind: Kind| {
        net.parameter(l - 1, kind).is_none_or(|parameter| finite(&parameter.velocity))
    };
    // Own features of what layer l reads.
    let inputs = |l: usize| {
        let linear = &net.linear[l - 1];
        linear.blocks.iter().all(|block| finite(&linear.input[block.values(rows)]))
    };
    let outputs = |l: usize, exchange: &Exchange<T>, mut own: Range<usize>| {
        let tiles = &shared.layers[l - 1].tiling.tiles;
        own.all(|t| finite(&exchange.read(t)[..rows * tiles[t].len()]))
    };
    let depth = net.linear.len();
    let logits = || outputs(depth, &net.logits, 0..shared.layers[depth - 1].tiling.tiles.len());
    let input = &net.linear[0];
    match name {
        TensorName::Input if !input.operands.input.is_empty() => {
            input.blocks.iter().all(|block| input.operands.input.is_finite(block, rows))
        }
        TensorName::Input => inputs(1),
        TensorName::Weight(l) => value(l, Kind::Weight),
        TensorName::Scale(l) => value(l, Kind::Scale),
        TensorName::Bias(l) | TensorName::Shift(l) => value(l, Kind::Bias),
        TensorName::RunningMean(l) => value(l, Kind::RunningMean),
        TensorName::RunningVariance(l) => value(l, Kind::RunningVariance),
        TensorName::Activation(l) if l < depth => inputs(l + 1),
        TensorName::Activation(_) => logits(),
        TensorName::Loss => true,
        TensorName::Gradient(l) if l < depth => {
            let own = shared.layers[l].sharding.owned[net.rank].clone();
            outputs(l, &shared.layers[l - 1].dz, own)
        }
        TensorName::Gradient(_) => logits(),
        TensorName::WeightVelocity(l) => velocity(l, Kind::Weight),
        TensorName::ScaleVelocity(l) => velocity(l, Kind::Scale),
        TensorName::BiasVelocity(l) | TensorName::ShiftVelocity(l) => velocity(l, Kind::Bias),
    }
}

impl<T: Scalar> SoftmaxClassifier<T> {
    /// The first parameter or running statistic that is not finite, layer by layer, in the order of
    /// the flat buffer.
    pub fn first_not_finite(&self) -> Option<TensorName> {
        let architecture = self.architecture();
        let normalized = |l: usize| !architecture.range(l - 1, Kind::Scale).is_empty();
        (1..=self.depth()).flat_map(|l| Kind::ALL.map(|kind| (l, kind))).find_map(|(l, kind)| {
            let numbers = &self.parameters()[architecture.range(l - 1, kind)];
            let name = match kind {
                Kind::Weight => TensorName::Weight(l),
                Kind::Bias => TensorName::Bias(l),
                Kind::Scale => TensorName::Scale(l),
                Kind::RunningMean => TensorName::RunningMean(l),
                Kind::RunningVariance => TensorName::RunningVariance(l),
            };
            let finite = numbers.iter().all(|x| x.is_finite());
            (!finite).then(|| name.with_normalization(normalized))
        })
    }
}
