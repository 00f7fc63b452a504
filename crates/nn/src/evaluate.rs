//! Scores, predictions and loss of a classifier, by the threads that train it.

use chainrule_tensor::gather::Rows;
use chainrule_tensor::ops::rows::argmax;
use chainrule_tensor::{Scalar, Tensor};

use crate::engine::{EVALUATION_ROWS, Engine};
use crate::loss::cross_entropy;
use crate::step::{self, Batch};

/// How a classifier did on some rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The rows, as they were asked for.
    pub rows: Vec<u32>,
    /// The class with the highest score, for each of the rows.
    pub predictions: Vec<u32>,
    /// Mean cross-entropy over the rows, without the penalty on the weights; NaN for no rows.
    pub loss: f64,
}

impl Evaluation {
    /// The fraction of rows whose prediction is their label, from 0 to 1; NaN for no rows.
    pub fn accuracy(&self, labels: &[u8]) -> f64 {
        let pairs = self.rows.iter().zip(&self.predictions);
        let hits = pairs.filter(|&(&row, &class)| u32::from(labels[row as usize]) == class).count();
        hits as f64 / self.rows.len() as f64
    }
}

impl<T: Scalar> Engine<T> {
    /// Loss and predictions for some rows of `data`. Parameters and state are unchanged.
    ///
    /// # Panics
    /// If a row or a label is out of range.
    pub fn evaluate(&mut self, data: &impl Rows<T>, labels: &[u8], rows: &[u32]) -> Evaluation {
        self.check_rows(data, labels, rows);
        let (shared, classes) = (&self.shared, self.architecture.classes());
        let last = &shared.layers[shared.layers.len() - 1].tiling;
        let kernel = self.kernel();
        let results = self.group.run(|comm| {
            let net = &mut self.net(comm.thread());
            let _section = kernel.section();
            let mut found = vec![];
            for chunk in rows.chunks(EVALUATION_ROWS) {
                step::forward(net, shared, &comm, Batch::new(data, labels, chunk), None);
                // Every rank has all logits; each thread of a process looks at some of the rows.
                let border = |thread| thread * chunk.len() / comm.threads();
                let own = border(comm.thread())..border(comm.thread() + 1);
                let logits = net.logits_by_row(last, chunk.len());
                for (i, logits) in own.clone().zip(logits.chunks(classes).skip(own.start)) {
                    let loss = cross_entropy(logits, usize::from(labels[chunk[i] as usize]));
                    found.push((argmax(logits) as u32, loss.to_f64()));
                }
                shared.barrier_between_batches(&comm);
            }
            found
        });
        // Back in the order of the rows: chunk by chunk, thread by thread.
        let mut parts: Vec<_> = results.into_iter().map(Vec::into_iter).collect();
        let (mut predictions, mut loss) = (Vec::with_capacity(rows.len()), 0.0);
        for chunk in rows.chunks(EVALUATION_ROWS) {
            for (thread, part) in parts.iter_mut().enumerate() {
                let border = |thread| thread * chunk.len() / self.group.size();
                for (class, row_loss) in part.take(border(thread + 1) - border(thread)) {
                    predictions.push(class);
                    loss += row_loss;
                }
            }
        }
        Evaluation { rows: rows.to_vec(), predictions, loss: loss / rows.len() as f64 }
    }

    /// The logits Z_L, before the softmax, for some rows of `data`: (rows, classes).
    ///
    /// # Panics
    /// If a row is out of range.
    pub fn scores(&mut self, data: &impl Rows<T>, rows: &[u32]) -> Tensor<T> {
        self.check_columns(data);
        let shared = &self.shared;
        let last = &shared.layers[shared.layers.len() - 1].tiling;
        let kernel = self.kernel();
        let results = self.group.run(|comm| {
            let net = &mut self.net(comm.thread());
            let _section = kernel.section();
            let mut logits = vec![];
            for chunk in rows.chunks(EVALUATION_ROWS) {
                step::forward(net, shared, &comm, Batch::new(data, &[], chunk), None);
                if comm.thread() == 0 {
                    logits.extend_from_slice(net.logits_by_row(last, chunk.len()));
                }
                shared.barrier_between_batches(&comm);
            }
            logits
        });
        let logits = results.into_iter().next().expect("a group has a first thread");
        Tensor::from_vec(logits, rows.len(), self.architecture.classes())
    }
}
