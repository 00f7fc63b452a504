//! How long each phase of a training step takes in the engine itself, and what arithmetic and memory
//! traffic the phase is.
//!
//! The engine is not changed for it. Rank 0's clock is read where the engine asks for pixels, block
//! by block, and where it hands out the loss, so that the times of the phases add up to the step:
//!
//! | phase | from | to |
//! | --- | --- | --- |
//! | gather and normalize | a block is asked for | it is there; summed over the blocks |
//! | forward | a block is there | the next is asked for; of the last block the mean of the others |
//! | loss | the last block is multiplied | the loss is known: layers after the first, softmax, and waiting for the other ranks |
//! | backward and update | the loss is known | the next step asks for its first block |
//!
//! The backward pass of a layer and its update are one phase, because a panel of dW is used up while it
//! is in the first-level cache. [`update_alone`] is the update by itself.

use std::ops::Range;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use chainrule_nn::optimizer::{Method, Optimizer};
use chainrule_tensor::comm::{Communicator, ThreadGroup};
use chainrule_tensor::gather::Rows;
use chainrule_tensor::kernel::bf16::{LeftMut, Packing};
use chainrule_tensor::ops::elementwise::SumOfSquares;
use chainrule_tensor::ops::update::State;
use chainrule_tensor::{Buffer, Isa};

use crate::images::{CLASSES, INPUTS, numbers};
use crate::{Shape, Trainer};

/// One phase of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Phase {
    /// What it does.
    pub name: &'static str,
    /// Seconds of a step.
    pub seconds: f64,
    /// Floating-point operations of a step, a multiply-add being two.
    pub flop: f64,
    /// Bytes of a step: every operand as read once, every result as written once. What stays in the
    /// first-level cache between two uses counts as little as what comes from memory twice.
    pub bytes: f64,
}

impl Phase {
    /// Its arithmetic intensity, in operations for each byte.
    pub fn intensity(&self) -> f64 {
        self.flop / self.bytes
    }

    /// Its operations a second, of all threads together.
    pub fn flop_per_second(&self) -> f64 {
        self.flop / self.seconds
    }
}

/// When rank 0 asked for a block and had it.
type Asked = (Instant, Instant);

/// Rows that note when rank 0 asks for them.
struct Watched<'a, R> {
    rows: R,
    /// Columns before this belong to rank 0.
    own: usize,
    log: &'a Mutex<Vec<Asked>>,
}

impl<R> Watched<'_, R> {
    /// Notes what gathers the columns from `first` on, if it has done so.
    fn note(&self, first: usize, gather: impl FnOnce() -> bool) -> bool {
        let start = Instant::now();
        let is_done = gather();
        if is_done && first < self.own {
            self.log.lock().expect("no rank has panicked").push((start, Instant::now()));
        }
        is_done
    }
}

impl<R: Rows<f32>> Rows<f32> for Watched<'_, R> {
    fn columns(&self) -> usize {
        self.rows.columns()
    }

    fn gather(&self, isa: Isa, rows: &[u32], columns: Range<usize>, out: &mut [f32]) {
        self.note(columns.start, || {
            self.rows.gather(isa, rows, columns, out);
            true
        });
    }

    fn gather_tiles(
        &self,
        packing: Packing,
        rows: &[u32],
        columns: Range<usize>,
        to: LeftMut,
    ) -> bool {
        self.note(columns.start, || self.rows.gather_tiles(packing, rows, columns, to))
    }

    fn prefetch(&self, rows: &[u32], columns: Range<usize>) {
        self.rows.prefetch(rows, columns);
    }
}

/// The phases of `steps` steps on `threads` threads, which `trainer` was made with: the mean of each.
///
/// # Panics
/// If there are fewer than two steps.
pub fn measure(trainer: &mut Trainer, shape: &Shape, threads: usize, steps: usize) -> Vec<Phase> {
    assert!(steps > 1, "the last step has no end");
    let (log, mut losses) = (Mutex::new(vec![]), vec![]);
    trainer.train_each(
        steps,
        |rows| Watched { rows, own: INPUTS / threads, log: &log },
        || losses.push(Instant::now()),
    );
    let log = log.into_inner().expect("no rank has panicked");
    phases(shape, seconds(&log, &losses))
}

/// Weights that are updated at once: about a panel of dW.
const PANEL: usize = 768;

/// The update of the first layer's weights by itself, of gradients that are in the first-level cache.
pub fn update_alone(isa: Isa, shape: &Shape, group: &ThreadGroup) -> Phase {
    let all = INPUTS * shape.hidden.first().copied().unwrap_or(CLASSES);
    let (weights, gradient) = (all / group.size(), numbers(1, PANEL, 1));
    let method = Method::Momentum { momentum: 0.9, nesterov: false };
    let update = Optimizer { learning_rate: 1e-4, l2: 1e-4, decay: 0.0, method }.at(1);
    let rounds = (20_000_000 / weights).max(2);
    let seconds = group.run(|comm| {
        let (mut w, mut v) = (Buffer::zeros(weights), Buffer::zeros(weights));
        let mut squares = SumOfSquares::default();
        let mut once = || {
            for (w, v) in w.chunks_mut(PANEL).zip(v.chunks_mut(PANEL)) {
                let gradient = &gradient.as_slice()[..w.len()];
                update.apply(isa, State { w, v, s: &mut [] }, gradient, &mut squares);
            }
        };
        once();
        comm.barrier();
        let start = Instant::now();
        (0..rounds).for_each(|_| once());
        start.elapsed().as_secs_f64() / rounds as f64
    });
    let seconds = seconds.into_iter().fold(0.0, f64::max);
    let all = (weights * group.size()) as f64;
    // Without the sum of squares, which is a loop of its own.
    Phase { name: "update by itself", seconds, flop: 7.0 * all, bytes: 16.0 * all }
}

/// Seconds of gather, forward, loss, backward: means over all steps but the last.
fn seconds(log: &[Asked], losses: &[Instant]) -> [f64; 4] {
    let blocks = log.len() / losses.len();
    let steps: Vec<_> = log.chunks(blocks).zip(losses).collect();
    let mut sums = [Duration::ZERO; 4];
    for pair in steps.windows(2) {
        let ((asked, loss), (next, _)) = (pair[0], pair[1]);
        let between = asked.windows(2).map(|pair| pair[1].0 - pair[0].1).sum::<Duration>();
        let last = between / (blocks as u32 - 1).max(1);
        sums[0] += asked.iter().map(|(start, end)| *end - *start).sum::<Duration>();
        sums[1] += between + last;
        sums[2] += (*loss - asked[blocks - 1].1).saturating_sub(last);
        sums[3] += next[0].0 - *loss;
    }
    sums.map(|sum| sum.as_secs_f64() / (steps.len() - 1) as f64)
}

/// Arithmetic and traffic of each phase beside its time.
fn phases(shape: &Shape, [gather, forward, loss, backward]: [f64; 4]) -> Vec<Phase> {
    let batch = shape.batch as f64;
    let widths: Vec<_> = [&[INPUTS], shape.hidden.as_slice(), &[CLASSES]].concat();
    let layers: Vec<_> = widths.windows(2).map(|pair| (pair[0] as f64, pair[1] as f64)).collect();
    let (first, later) = layers.split_first().expect("a network has a layer");
    // The products of a layer, and the numbers of A, W and Z.
    let product = |&(inputs, outputs): &(f64, f64)| 2.0 * batch * inputs * outputs;
    let numbers =
        |&(inputs, outputs): &(f64, f64)| (batch * inputs, inputs * outputs, batch * outputs);
    let forward_bytes = |layer| {
        let (a, w, z) = numbers(layer);
        4.0 * (a + w + z)
    };
    // A and dZ are read, W and V read and written.
    let backward_bytes = |layer| {
        let (a, w, z) = numbers(layer);
        4.0 * (a + 4.0 * w + z)
    };
    let pixels = batch * first.0;
    // v = μ v + (g + λ w), w = k w - η v, and the sum of the squares of w.
    let update: f64 = layers.iter().map(|(inputs, outputs)| 9.0 * inputs * outputs).sum();
    let phase = |name, seconds, flop, bytes| Phase { name, seconds, flop, bytes };
    vec![
        phase("gather and normalize", gather, 2.0 * pixels, 5.0 * pixels),
        phase("forward, first layer", forward, product(first), forward_bytes(first)),
        phase(
            "loss and later layers",
            loss,
            later.iter().map(product).sum(),
            later.iter().map(forward_bytes).sum(),
        ),
        phase(
            "backward and update",
            backward,
            product(first) + later.iter().map(|layer| 2.0 * product(layer)).sum::<f64>() + update,
            layers.iter().map(backward_bytes).sum(),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_phases_of_a_step_add_up_to_it() {
        let zero = Instant::now();
        let at = |ms: u64| zero + Duration::from_millis(ms);
        // Two steps of two blocks; a block takes 1 ms to gather and 4 to multiply.
        let log = [(0, 1), (5, 6), (20, 21), (25, 26)].map(|(start, end)| (at(start), at(end)));
        let found = seconds(&log, &[at(13), at(33)]).map(|seconds| (seconds * 1e3).round());
        assert_eq!(found, [2.0, 8.0, 3.0, 7.0]);
        assert_eq!(found.iter().sum::<f64>(), 20.0);
    }

    #[test]
    fn the_arithmetic_of_the_phases_is_that_of_the_step() {
        let shape = Shape::new(64, &[100, 50]);
        let phases = phases(&shape, [1.0; 4]);
        let weights = (3072 * 100 + 100 * 50 + 50 * 10) as f64;
        // The gather's multiply-adds and the update are no products.
        let others = 2.0 * 64.0 * 3072.0 + 9.0 * weights;
        let products: f64 = phases.iter().map(|phase| phase.flop).sum::<f64>() - others;
        assert_eq!(products, 64.0 * shape.flop_per_image());
        // By hand: (64 x 3072 + 3072 x 100 + 64 x 100) numbers of 4 bytes.
        assert_eq!(phases[1].bytes, 2_040_832.0);
    }

    #[test]
    fn a_step_of_the_engine_has_its_phases() {
        let shape = Shape::new(8, &[16]);
        for threads in [1, 2] {
            let mut trainer = Trainer::new(&shape, threads);
            let found = measure(&mut trainer, &shape, threads, 3);
            assert!(found.iter().all(|phase| phase.seconds > 0.0), "{threads}: {found:?}");
        }
    }
}
