//! Who left the finite numbers first.
//!
//! One infinity or NaN spreads through the network within a step, so what a person sees is a loss
//! that is NaN. The cause is the first place that is not finite in the order of the mathematics:
//!
//! ```text
//! forward    the input; of each layer its weight, the scale of its normalization, its bias, its
//!            activations; the loss
//! backward   from the last layer to the first, the gradient by its activations
//! update     from the last layer to the first, the velocity, then the weight, scale or bias
//! ```
//!
//! When the loss is not finite there has been no update, and the forward pass is made again to
//! look at each of its places: that costs nothing before. After [`crate::Engine::set_watch`] every
//! step looks at all of its places, and finds what the loss does not show: an infinite weight
//! behind a unit that is dead. Each core looks at what it owns, and the first finding of all
//! counts, so the place is the same for any number of threads.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use chainrule_tensor::Scalar;
use chainrule_tensor::ops::elementwise::all_finite;
use chainrule_tensor::team::{Board, Member};

use crate::SoftmaxClassifier;
use crate::step::{Batch, Core, Layer, Rule, meet_before_next_batch};

/// A part of a training step. Layers count from 1, as their names do: `fc1`, `fc2`, …
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The batch that is read.
    Input,
    /// The weight of a layer.
    Weight(usize),
    /// γ of the normalization behind a layer.
    Scale(usize),
    /// The bias of a layer.
    Bias(usize),
    /// What a layer hands on: behind its ReLU, or, of the last layer, the scores.
    Activation(usize),
    /// The loss, of numbers that are all finite.
    Loss,
    /// ∂L/∂Z of a layer: the derivative of the loss by what it writes, before its ReLU.
    Gradient(usize),
    /// The velocity of a layer's weight.
    WeightVelocity(usize),
    /// The velocity of γ.
    ScaleVelocity(usize),
    /// The velocity of a layer's bias.
    BiasVelocity(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Place::Input => write!(f, "the input"),
            Place::Weight(layer) => write!(f, "fc{layer}.weight"),
            Place::Scale(layer) => write!(f, "norm{layer}.weight"),
            Place::Bias(layer) => write!(f, "fc{layer}.bias"),
            Place::Activation(layer) => write!(f, "the activation of fc{layer}"),
            Place::Loss => write!(f, "the loss itself"),
            Place::Gradient(layer) => write!(f, "the gradient of fc{layer}"),
            Place::WeightVelocity(layer) => write!(f, "the velocity of fc{layer}.weight"),
            Place::ScaleVelocity(layer) => write!(f, "the velocity of norm{layer}.weight"),
            Place::BiasVelocity(layer) => write!(f, "the velocity of fc{layer}.bias"),
        }
    }
}

/// The places of a step in the order of the mathematics, and the first that was found unfit.
pub(crate) struct Watch {
    forward: Vec<Place>,
    backward: Vec<Place>,
    /// Its number in `forward`, or, counted from there, in `backward`.
    first: AtomicUsize,
}

impl Watch {
    pub fn new(depth: usize) -> Self {
        let layer = |l| [Place::Weight(l), Place::Scale(l), Place::Bias(l), Place::Activation(l)];
        let forward = [Place::Input].into_iter().chain((1..=depth).flat_map(layer)).collect();
        let update = |l| {
            [
                Place::WeightVelocity(l),
                Place::Weight(l),
                Place::ScaleVelocity(l),
                Place::Scale(l),
                Place::BiasVelocity(l),
                Place::Bias(l),
            ]
        };
        let gradients = (1..=depth).rev().map(Place::Gradient);
        let backward = gradients.chain((1..=depth).rev().flat_map(update)).collect();
        Self { forward, backward, first: AtomicUsize::new(usize::MAX) }
    }

    /// The first place that any core has found; they must have met since.
    pub fn first(&self) -> Option<Place> {
        let places = self.forward.iter().chain(&self.backward);
        places.copied().nth(self.first.load(Ordering::Relaxed))
    }
}

impl<T: Scalar> SoftmaxClassifier<T> {
    /// The first weight or bias that is not finite.
    pub fn first_not_finite(&self) -> Option<Place> {
        let finite = |numbers: &[T]| numbers.iter().all(|x| x.is_finite());
        (1..=self.depth()).find_map(|l| {
            match (finite(self.weight(l - 1)), finite(self.bias(l - 1))) {
                (false, _) => Some(Place::Weight(l)),
                (true, false) => Some(Place::Bias(l)),
                (true, true) => None,
            }
        })
    }
}

impl<T: Scalar> Core<T> {
    /// After the forward pass of a batch of `rows` rows, before its loss.
    pub(crate) fn look_at_forward(&self, layers: &[Layer<T>], rows: usize, watch: &Watch) {
        self.look(layers, rows, watch, &watch.forward, 0);
    }

    /// After the update.
    pub(crate) fn look_at_backward(&self, layers: &[Layer<T>], rows: usize, watch: &Watch) {
        self.look(layers, rows, watch, &watch.backward, watch.forward.len());
    }

    fn look(
        &self,
        layers: &[Layer<T>],
        rows: usize,
        watch: &Watch,
        places: &[Place],
        number: usize,
    ) {
        let unfit = |&place: &Place| !self.is_finite(layers, rows, place);
        if let Some(at) = places.iter().position(unfit) {
            watch.first.fetch_min(number + at, Ordering::Relaxed);
        }
    }

    /// The place that made the loss of `batch` leave the finite numbers; nothing has been updated
    /// since. All cores come here together and find the same.
    pub(crate) fn cause(
        &mut self,
        layers: &[Layer<T>],
        member: Member,
        batch: Batch<T>,
        rule: Rule<T>,
        watch: &Watch,
    ) -> Place {
        meet_before_next_batch(layers, member);
        // The loss has overwritten the scores by its derivative: make them again.
        self.forward(layers, member, batch, Some(&rule.noise));
        self.look_at_forward(layers, batch.rows.len(), watch);
        member.meet();
        watch.first().unwrap_or(Place::Loss)
    }

    /// Whether this core's part of a place is finite.
    fn is_finite(&self, layers: &[Layer<T>], rows: usize, place: Place) -> bool {
        let finite = |numbers: &[T]| all_finite(self.work.isa, numbers);
        // What layer l writes, and its bias, belong to the owners of the inputs of layer l + 1.
        let scale = |l: usize| self.shares.get(l).map(|next| &next.hidden.gamma);
        let bias =
            |l: usize| self.shares.get(l).map_or(&self.output_bias, |next| &next.hidden.bias);
        let inputs = |l: usize| {
            let (share, layout) = (&self.shares[l - 1], &layers[l - 1].layout);
            share.blocks.clone().all(|k| finite(&share.x[share.columns(layout, k, rows)]))
        };
        let outputs = |l: usize, board: &Board<T>, mut own: Range<usize>| {
            let tiles = &layers[l - 1].layout.tiles;
            own.all(|t| finite(&board.read(t)[..rows * tiles[t].len()]))
        };
        let scores =
            || outputs(layers.len(), &self.scores, 0..layers[layers.len() - 1].layout.tiles.len());
        match place {
            Place::Input => inputs(1),
            Place::Weight(l) => finite(&self.shares[l - 1].weights.value),
            Place::Scale(l) => scale(l).is_none_or(|scale| finite(&scale.value)),
            Place::Bias(l) => finite(&bias(l).value),
            Place::Activation(l) if l < layers.len() => inputs(l + 1),
            Place::Activation(_) => scores(),
            Place::Loss => true,
            Place::Gradient(l) if l < layers.len() => {
                outputs(l, &layers[l - 1].dz, self.shares[l].blocks.clone())
            }
            Place::Gradient(_) => scores(),
            Place::WeightVelocity(l) => finite(&self.shares[l - 1].weights.velocity),
            Place::ScaleVelocity(l) => scale(l).is_none_or(|scale| finite(&scale.velocity)),
            Place::BiasVelocity(l) => finite(&bias(l).velocity),
        }
    }
}
