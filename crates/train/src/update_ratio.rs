//! The update ratio of each layer: ‖ΔW‖ / ‖W‖, the size of a step beside the weights.
//!
//! About 1e-3 is usual; far more is a learning rate too high, far less one too low (CS231n,
//! "Neural Networks Part 3: Learning and Evaluation").

use chainrule_nn::{Engine, Optimizer, SoftmaxClassifier};

/// The ratio of the last step that `engine` took by this `optimizer` to the weights of `model`, for
/// each layer; weight decay is not counted.
pub fn update_ratios(
    engine: &Engine,
    model: &SoftmaxClassifier,
    optimizer: &Optimizer<f32>,
) -> Vec<f64> {
    let (velocity, second_moment) = (engine.velocity(), engine.second_moment());
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>().sqrt();
    let ratio = |layer| {
        let second = second_moment.as_ref().map_or(&[][..], |second| second.weight(layer));
        let steps = velocity.weight(layer).iter().enumerate().map(|(i, &v)| {
            optimizer.last_step(engine.steps(), v, second.get(i).copied().unwrap_or(0.0))
        });
        let weights = model.weight(layer).iter().map(|&w| f64::from(w));
        norm(&mut { steps }) / norm(&mut { weights })
    };
    (0..model.depth()).map(ratio).collect()
}
