//! The gradient of a whole network, as it is in training.

use chainrule_tensor::Isa;
use chainrule_tensor::comm::ThreadError;
use chainrule_tensor::gather::Rows;

use super::difference::{Value, compare};
use super::report::{Elements, Row, row};
use crate::architecture::TensorSpec;
use crate::{Engine, Regularization, Sgd, SoftTargets, SoftmaxClassifier, Step};

/// The batch on which a network is trained, and what training does to it.
#[derive(Clone, Copy, Debug)]
pub struct Training<'a, R> {
    /// The examples.
    pub data: &'a R,
    /// The class of each row of `data`.
    pub labels: &'a [u8],
    /// The batch: rows of `data`.
    pub rows: &'a [u32],
    /// Dropout, mixup, smoothed labels; the same noise in each step.
    pub regularization: Regularization,
    /// The weight of each class in the loss ([`Engine::set_class_weights`]).
    pub class_weights: Option<&'a [f64]>,
    /// What a teacher says of each row of `data` ([`Engine::set_soft_targets`]).
    pub soft_targets: Option<&'a SoftTargets<f64>>,
    /// λ of the penalty ½ λ Σ W².
    pub l2: f64,
}

impl<R: Rows<f64>> Training<'_, R> {
    /// Checks the derivatives of the loss by all trained parameters of `model`, a row each, in
    /// training mode. `name` is what the rows call the network.
    ///
    /// # Errors
    /// If the threads cannot be started.
    ///
    /// # Panics
    /// As [`Engine::train`], if the batch does not fit the network.
    pub fn check(
        &self,
        name: &str,
        model: &SoftmaxClassifier<f64>,
        elements: Elements,
        isa: Isa,
        threads: usize,
    ) -> Result<Vec<Row>, ThreadError> {
        let mut engine = Engine::with_kernel(model, self.rows.len(), threads, isa)?;
        engine.set_regularization(self.regularization);
        engine.set_class_weights(self.class_weights);
        engine.set_soft_targets(self.soft_targets.cloned());
        let here = self.stand_still(&mut engine);
        let gradient = engine.velocity();
        let row_of = |parameter: TensorSpec| {
            let gradient = &gradient.parameters()[parameter.range.clone()];
            let bound = elements.demand(gradient.len()).bound;
            let found = elements.places(gradient).into_iter().map(|i| {
                let place = parameter.range.start + i;
                let at = model.parameters()[place];
                let found = compare(at, gradient[i], &here, bound, |x| {
                    engine.set_parameter(place, x);
                    self.stand_still(&mut engine)
                });
                engine.set_parameter(place, at);
                found
            });
            row(name, &parameter.name, found, elements.demand(gradient.len()))
        };
        Ok(model.layout().into_iter().filter(|p| p.trained).map(row_of).collect())
    }

    /// The loss, and on which side of its kink each hidden unit is, by a step of length 0: it
    /// leaves the gradient as the engine's velocity.
    fn stand_still(&self, engine: &mut Engine<f64>) -> Value {
        let rule = Sgd { learning_rate: 0.0, momentum: 0.0, l2: self.l2, nesterov: false };
        engine.set_steps(0); // the same noise each time
        let mut loss = f64::NAN;
        let each = |step: Step| {
            loss = step.loss;
            std::ops::ControlFlow::Continue(())
        };
        // A loss that is not finite stays NaN or infinite here: nothing can be told.
        let n = self.rows.len();
        let _ = engine.train_each(self.data, self.labels, self.rows, n, |_| rule, each);
        let kinks = engine.hidden().activation.has_kink();
        Value { sides: if kinks { engine.active(n) } else { vec![] }, ..loss.into() }
    }
}
