//! A run that is stopped and goes on has the bits of the run that was never stopped.

use std::ops::ControlFlow;

use chainrule_nn::{Engine, Sgd, SoftmaxClassifier, Step};
use chainrule_tensor::{Kernel, Tensor};
use common::problem_in_f32;

mod common;

const BATCH: usize = 4;
const RULE: Sgd<f32> = Sgd { learning_rate: 0.05, momentum: 0.9, l2: 0.01, nesterov: false };

/// The bits of a run: each step's loss and norm, the weights, the velocity.
type Bits = (Vec<(f64, Option<f64>)>, SoftmaxClassifier, SoftmaxClassifier);

/// Trains a pass over `x` in calls of `piece` steps each; `between` has the engine after each.
fn train(
    mut engine: Engine,
    x: &Tensor,
    labels: &[u8],
    piece: usize,
    between: impl Fn(Engine) -> Engine,
) -> Bits {
    let order: Vec<u32> = (0..x.rows() as u32).rev().collect();
    let mut steps = vec![];
    let mut rest = order.as_slice();
    while !rest.is_empty() {
        let mut taken = 0;
        let each = |step: Step| {
            steps.push((step.loss, step.gradient_norm));
            taken = step.number + 1;
            if taken == piece { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        engine.train_each(x, labels, rest, BATCH, |_| RULE, each).unwrap();
        rest = &rest[rest.len().min(taken * BATCH)..];
        engine = between(engine);
    }
    (steps, engine.model(), engine.velocity())
}

#[test]
fn an_epoch_in_pieces_has_the_bits_of_the_epoch_at_once() {
    // 23 steps, the last of 2 rows; blocks of several panels, narrow tiles, a single layer.
    for widths in [&[300, 130, 47, 10][..], &[129, 100, 10], &[784, 26]] {
        let (model, x, labels) = problem_in_f32(widths, 90);
        for kernel in Kernel::available() {
            for (threads, max_norm) in [(1, None), (3, None), (1, Some(0.2)), (3, Some(0.2))] {
                let start = |model: &SoftmaxClassifier| {
                    let mut engine = Engine::with_kernel(model, BATCH, threads, kernel).unwrap();
                    engine.set_clip_norm(max_norm);
                    engine
                };
                let afresh = |engine: Engine| {
                    let mut fresh = start(&engine.model());
                    fresh.set_velocity(&engine.velocity());
                    fresh
                };
                let whole = train(start(&model), &x, &labels, usize::MAX, |engine| engine);
                assert_eq!(whole.0.len(), 23);
                for piece in [1, 7] {
                    let case = format!("{kernel:?} {widths:?}, {threads} threads, {piece} a call");
                    let same = train(start(&model), &x, &labels, piece, |engine| engine);
                    assert_eq!(whole.0, same.0, "{case}");
                    assert!(whole == same, "{case}: weights");
                    let other = train(start(&model), &x, &labels, piece, afresh);
                    assert_eq!(whole.0, other.0, "{case}, a new engine each");
                    assert!(whole == other, "{case}: weights of a new engine each");
                }
            }
        }
    }
}
