//! The derivative of a function of the logits by the inputs: dX of the first layer, which a step of
//! training does not need.
//!
//! ```text
//! forward    Z_L of X                                as in training, without dropout or mixup
//! backward   dZ_L = ∂s/∂Z_L, given for each row      in the place of the loss's derivative
//!            dZ_{l-1} from dZ_l, for l = L … 2       as in training
//!            dX = dZ_1 W_1ᵀ                          ∂s/∂X, (rows, inputs)
//! ```
//!
//! With dZ_L = 1 for one class, that is the gradient of its score (Simonyan, Vedaldi & Zisserman
//! 2014, "Deep inside convolutional networks"). It is the backward pass of [`crate::step`]; the
//! gradients of the parameters are kept aside, and nothing is updated.

use chainrule_tensor::comm::Communicator;
use chainrule_tensor::exchange::Exchange;
use chainrule_tensor::gather::Rows;
use chainrule_tensor::{Buffer, Scalar, Tensor};

use crate::clip;
use crate::engine::{EVALUATION_ROWS, Engine};
use crate::layers::norm::Norm;
use crate::optimizer::Sgd;
use crate::shard::Shared;
use crate::step::{self, Batch, TrainOptions};

impl<T: Scalar> Engine<T> {
    /// For each of some rows of `data` the derivative by its inputs of a function of its logits:
    /// (rows, inputs). `seed` gets the number of a row in `rows` and the row's logits Z_L, (classes),
    /// and turns these into ∂s/∂Z_L. Parameters and state are unchanged.
    ///
    /// ```
    /// use chainrule_nn::{Engine, Init, SoftmaxClassifier};
    /// use chainrule_tensor::Tensor;
    ///
    /// let model = SoftmaxClassifier::<f64>::new(&[3, 2], Init::He, 0)?;
    /// let mut engine = Engine::new(&model, 1, 1)?;
    /// let x = Tensor::from_rows(&[[1.0, 2.0, 3.0]]);
    /// // The score of class 1 of a linear classifier has its weights for a gradient.
    /// let gradient = engine.input_gradient(&x, &[0], |_, z| z.copy_from_slice(&[0.0, 1.0]));
    /// assert_eq!(gradient.row(0), &model.weight(0)[3..]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    /// If the network has a batch normalization, which is to be folded into its weights first
    /// ([`SoftmaxClassifier::folded`](crate::SoftmaxClassifier::folded)); if a row is out of range; of
    /// an engine whose products are of bf16, which keep no rows of dZ_1.
    pub fn input_gradient(
        &mut self,
        data: &impl Rows<T>,
        rows: &[u32],
        seed: impl Fn(usize, &mut [T]) + Sync,
    ) -> Tensor<T> {
        self.check_columns(data);
        assert!(self.hidden().norm != Norm::Batch, "a network whose batch normalization is folded");
        let (shared, kernel, batch, isa) = (&self.shared, self.kernel(), self.batch(), self.isa());
        assert_eq!(kernel, isa.into(), "the kernel of the products");
        let (inputs, classes) = (self.architecture.inputs(), self.architecture.classes());
        let tiling = &shared.layers[0].tiling;
        let last = &shared.layers[shared.layers.len() - 1].tiling;
        let keeps = self.keeps_gradients();
        let dx = input_exchange(shared, batch);
        let standstill =
            Sgd { learning_rate: T::ZERO, momentum: T::ZERO, l2: T::ZERO, nesterov: false };
        let no_options = TrainOptions::default();
        let options = no_options.at(1, isa, standstill.into());
        let results = self.group.run(|comm| {
            let net = &mut self.net(comm.thread());
            let _section = kernel.section();
            if !keeps {
                clip::keep_gradients(net, true);
            }
            let mut found = vec![];
            for (number, chunk) in rows.chunks(batch).enumerate() {
                let n = chunk.len();
                let batch_of = Batch::new(data, &[], chunk);
                step::forward(net, shared, &comm, batch_of, Some(&options.noise));
                let logits = net.logits_by_row(last, n).chunks_exact_mut(classes);
                logits.enumerate().for_each(|(i, logits)| seed(number * batch + i, logits));
                net.set_logits_from_rows(last, n);
                step::backward(net, shared, &comm, batch_of, &options, Some(&dx));
                comm.all_gather(&[dx.rows(n)]);
                if comm.thread() == 0 {
                    let start = found.len();
                    found.resize(start + n * inputs, T::ZERO);
                    for (k, block) in tiling.blocks.iter().enumerate() {
                        let from = dx.read(k);
                        let rows = found[start..].chunks_exact_mut(inputs);
                        for (to, from) in rows.zip(from.chunks_exact(block.len())) {
                            to[block.clone()].copy_from_slice(from);
                        }
                    }
                }
                // The next batch writes what the first thread has just read.
                comm.all_gather(&[shared.stop.all()]);
            }
            if !keeps {
                clip::keep_gradients(net, false);
            }
            found
        });
        let found = results.into_iter().next().expect("a group has a first thread");
        Tensor::from_vec(found, rows.len(), inputs)
    }

    /// The activations A_1 of the first hidden layer for some rows of `data`, (rows, units), as in
    /// evaluation.
    ///
    /// # Panics
    /// If the network has no hidden layer, or a row is out of range; of an engine on one process of
    /// several, which has only a part of the activations.
    pub fn first_hidden(&mut self, data: &impl Rows<T>, rows: &[u32]) -> Tensor<T> {
        self.check_columns(data);
        let (shared, kernel) = (&self.shared, self.kernel());
        let tiling = &shared.layers.get(1).expect("a network with a hidden layer").tiling;
        let units = self.architecture.widths()[1];
        assert_eq!(self.group.ranks(), self.group.size(), "all ranks in this process");
        let results = self.group.run(|comm| {
            let net = &mut self.net(comm.thread());
            let _section = kernel.section();
            let mut own = vec![];
            for (number, chunk) in rows.chunks(EVALUATION_ROWS).enumerate() {
                step::forward(net, shared, &comm, Batch::new(data, &[], chunk), None);
                let layer = &net.linear[1];
                for block in &layer.blocks {
                    let values = layer.input[block.values(chunk.len())].to_vec();
                    own.push((number * EVALUATION_ROWS, block.number, values));
                }
                shared.barrier_between_batches(&comm);
            }
            own
        });
        let mut table = Tensor::zeros(rows.len(), units);
        for (first, block, values) in results.into_iter().flatten() {
            let columns = tiling.blocks[block].clone();
            for (i, values) in values.chunks_exact(columns.len()).enumerate() {
                let start = (first + i) * units;
                table.as_mut_slice()[start + columns.start..start + columns.end]
                    .copy_from_slice(values);
            }
        }
        table
    }
}

/// Slot k: dX for the features of block k of the first layer, (rows, width). Written by its owner.
fn input_exchange<T: Scalar>(shared: &Shared<T>, rows: usize) -> Exchange<T> {
    let (tiling, sharding) = (&shared.layers[0].tiling, &shared.layers[0].sharding);
    let slots: Vec<Buffer<T>> =
        tiling.blocks.iter().map(|block| Buffer::zeros(rows * block.len())).collect();
    let owners = (0..slots.len()).map(|k| sharding.owner(k)).collect();
    Exchange::new(rows, slots, owners)
}
