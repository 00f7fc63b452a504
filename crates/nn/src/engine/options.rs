//! How an [`Engine`] trains: the setters of what is the same in every step.

use chainrule_tensor::{Buffer, Scalar};

use super::Engine;
use crate::clip;
use crate::distill::SoftTargets;
use crate::regularize::Regularization;
use crate::shard::Net;

impl<T: Scalar> Engine<T> {
    /// Clips the gradient of every step to a norm of at most `max_norm` ([`crate::clip`]), and
    /// reports the norm in [`Step::gradient_norm`](super::Step::gradient_norm). An infinite `max_norm`
    /// reports and clips nothing. `None`, the default, computes no norm, which saves the memory of
    /// a gradient and two passes over it.
    ///
    /// # Panics
    /// If `max_norm` is not positive.
    pub fn set_clip_norm(&mut self, max_norm: Option<f64>) {
        assert!(max_norm.is_none_or(|max| max > 0.0), "a positive norm, not {max_norm:?}");
        self.options.clip_norm = max_norm;
        self.nets_mut().for_each(|net| clip::keep_gradients(net, max_norm.is_some()));
    }

    /// What training does to each batch: dropout, mixup, label smoothing. The default is none.
    ///
    /// # Panics
    /// If dropout or label smoothing is not from 0 to below 1, or mixup's α is negative.
    pub fn set_regularization(&mut self, regularization: Regularization) {
        let Regularization { dropout, mixup, label_smoothing, .. } = regularization;
        assert!([dropout, label_smoothing].iter().all(|share| (0.0..1.0).contains(share)));
        assert!(mixup >= 0.0, "mixup's α is positive, or 0 for none");
        self.options.regularization = regularization;
    }

    /// Weighs the classes in the training loss, as PyTorch's `CrossEntropyLoss(weight=...)` does: the
    /// loss of a batch is the weighted mean over its examples. With mixup the targets are
    /// probabilities, each weighted by its class, and the loss is the plain mean over examples. `None`,
    /// the default, is a weight of 1 for every class. Evaluation is never weighted.
    ///
    /// # Panics
    /// If there is not one weight for each class, or one is not positive and finite.
    pub fn set_class_weights(&mut self, weights: Option<&[f64]>) {
        let usable = |weight: &f64| weight.is_finite() && *weight > 0.0;
        assert!(
            weights.is_none_or(|weights| {
                weights.len() == self.architecture.classes() && weights.iter().all(usable)
            }),
            "a positive weight for each of {} classes, not {weights:?}",
            self.architecture.classes()
        );
        self.options.class_weights =
            weights.map(|weights| weights.iter().map(|&weight| T::from_f64(weight)).collect());
    }

    /// Learns from a teacher's probabilities beside the labels ([`crate::distill`]): those of every row
    /// of the data that [`Engine::train`] is then called with. The default, `None`, is no teacher.
    /// Evaluation knows of none.
    ///
    /// # Panics
    /// If the temperature is not positive, the weight is not from 0 to 1, or the probabilities are not
    /// those of whole rows.
    pub fn set_soft_targets(&mut self, targets: Option<SoftTargets<T>>) {
        if let Some(SoftTargets { temperature, weight, probabilities }) = &targets {
            let classes = self.architecture.classes();
            assert!(temperature.is_finite() && *temperature > 0.0, "a temperature above 0");
            assert!((0.0..=1.0).contains(weight), "a weight from 0 to 1, not {weight}");
            assert!(
                probabilities.len().is_multiple_of(classes),
                "probabilities of {classes} classes"
            );
        }
        self.options.soft_targets = targets;
    }

    /// Keeps an exponential moving average of all parameters, which starts from their present values:
    /// ema := d ema + (1 - d) w after step t = 1, 2, …, with d = min(`decay`, (1 + t) / (10 + t)), as
    /// in TensorFlow's `ExponentialMovingAverage` with `num_updates`: the initial weights lose their
    /// influence early. `None`, the default, keeps none.
    ///
    /// # Panics
    /// If the decay is not from 0 to below 1.
    pub fn set_ema_decay(&mut self, decay: Option<f64>) {
        assert!(
            decay.is_none_or(|decay| (0.0..1.0).contains(&decay)),
            "a decay from 0 to below 1, not {decay:?}"
        );
        self.options.ema_decay = decay;
        for parameter in self.nets_mut().flat_map(Net::parameters_mut) {
            parameter.ema =
                if decay.is_some() { parameter.value.clone() } else { Buffer::default() };
        }
    }

    /// Whether every step checks all activations, gradients, velocities and new parameters, and
    /// training ends at the first tensor that is not finite even if the loss still is
    /// ([`crate::anomaly`]). That costs a pass over all of them. The default is false.
    pub fn set_detect_anomaly(&mut self, detect: bool) {
        self.options.detect_anomaly = detect;
    }
}
