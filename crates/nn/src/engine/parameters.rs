//! Parameters, optimizer state and moving average of an [`Engine`], to read and to set. All have the
//! layout of a classifier's parameters ([`crate::Architecture::tensors`]).

use chainrule_tensor::{Buffer, Scalar};

use super::Engine;
use crate::param::Parameter;
use crate::shard::Net;
use crate::{SoftmaxClassifier, state};

impl<T: Scalar> Engine<T> {
    /// Number of steps taken so far. The optimizers' bias corrections and the random numbers of a step
    /// depend on it.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Sets the number of steps taken: the next one is number `steps` + 1.
    pub fn set_steps(&mut self, steps: u64) {
        self.steps = steps;
    }

    /// Sets all parameters to those of `model`. The optimizer's state is unchanged.
    ///
    /// # Panics
    /// If its architecture is not the one that the engine was made for.
    pub fn load(&mut self, model: &SoftmaxClassifier<T>) {
        self.scatter(model, |parameter| &mut parameter.value);
    }

    /// Sets one parameter, by its index in the flat buffer of a classifier's parameters.
    ///
    /// # Panics
    /// If the index is out of range.
    pub fn set_parameter(&mut self, index: usize, value: T) {
        assert!(index < self.architecture.len(), "parameter {index}");
        let Self { architecture, shared, nets, group, .. } = self;
        for (rank, net) in group.own_ranks().zip(nets) {
            let net = net.get_mut().expect("a panic in a step leaves no engine to go on with");
            for piece in state::pieces(architecture, shared, rank) {
                if let Some(stored) = piece.find(index) {
                    let parameter = net.parameter_mut(piece.layer, piece.kind);
                    parameter.expect("the rank has its pieces").value[stored] = value;
                }
            }
        }
    }

    /// The parameters, gathered from all ranks.
    pub fn model(&self) -> SoftmaxClassifier<T> {
        self.gather(|parameter| &parameter.value)
    }

    /// The optimizer's velocity, laid out as the parameters of a classifier.
    ///
    /// After one step with a learning rate and a momentum of 0 it is the gradient.
    pub fn velocity(&self) -> SoftmaxClassifier<T> {
        self.gather(|parameter| &parameter.velocity)
    }

    /// Sets the optimizer's velocity, laid out as the parameters of a classifier.
    ///
    /// # Panics
    /// If the architecture is not the one that the engine was made for.
    pub fn set_velocity(&mut self, velocity: &SoftmaxClassifier<T>) {
        self.scatter(velocity, |parameter| &mut parameter.velocity);
    }

    /// The optimizer's second moment, the running mean of the squared gradient, laid out as the
    /// parameters of a classifier; `None` if the optimizer keeps none.
    pub fn second_moment(&self) -> Option<SoftmaxClassifier<T>> {
        self.gather_if_kept(|parameter| &parameter.second_moment)
    }

    /// Sets the second moment.
    ///
    /// # Panics
    /// If the architecture is not the one that the engine was made for.
    pub fn set_second_moment(&mut self, second_moment: &SoftmaxClassifier<T>) {
        self.nets_mut().for_each(Net::keep_second_moment);
        self.scatter(second_moment, |parameter| &mut parameter.second_moment);
    }

    /// The exponential moving average of the parameters; `None` without [`Engine::set_ema_decay`].
    pub fn ema(&self) -> Option<SoftmaxClassifier<T>> {
        self.gather_if_kept(|parameter| &parameter.ema)
    }

    /// Sets the exponential moving average of the parameters, after [`Engine::set_ema_decay`].
    ///
    /// # Panics
    /// If no average is kept, or the architecture is not the one that the engine was made for.
    pub fn set_ema(&mut self, ema: &SoftmaxClassifier<T>) {
        self.scatter(ema, |parameter| &mut parameter.ema);
    }

    /// Swaps the parameters with their moving average: once before the average is evaluated, and once
    /// after it. Without an average nothing happens.
    pub fn swap_ema(&mut self) {
        for Parameter { value, ema, .. } in self.nets_mut().flat_map(Net::parameters_mut) {
            if !ema.is_empty() {
                std::mem::swap(value, ema);
            }
        }
    }

    fn gather(&self, of: impl Fn(&Parameter<T>) -> &Buffer<T>) -> SoftmaxClassifier<T> {
        let (architecture, shared, group) = (&self.architecture, &self.shared, &self.group);
        let mut flat = architecture.zeros();
        for thread in 0..self.nets.len() {
            state::gather(architecture, shared, &self.net(thread), &mut flat, &of);
        }
        if group.ranks() > group.size() {
            let own = group.own_ranks();
            let bytes = state::to_bytes(architecture, shared, own.clone(), &flat);
            for (process, bytes) in group.all_gather(bytes).iter().enumerate() {
                let ranks = process * own.len()..(process + 1) * own.len();
                state::from_bytes(architecture, shared, ranks, bytes, &mut flat);
            }
        }
        SoftmaxClassifier::from_parameters(self.architecture.clone(), flat)
    }

    fn gather_if_kept(
        &self,
        of: impl Fn(&Parameter<T>) -> &Buffer<T>,
    ) -> Option<SoftmaxClassifier<T>> {
        // Every rank has the bias of the last layer.
        let kept = !of(&self.net(0).linear[self.architecture.depth() - 1].bias).is_empty();
        kept.then(|| self.gather(of))
    }
}
