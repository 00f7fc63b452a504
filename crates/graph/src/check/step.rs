//! The longest step on which the function is smooth.

use super::probe::{Obstacle, Probe};

/// The longest step, up to `most` and to a factor of 8, with which no gate is
/// moved too far on either side of the point.
///
/// # Errors
/// What is in the way of even the smallest step.
pub(super) fn longest(probe: &mut Probe, most: f64) -> Result<f64, Obstacle> {
    let x = probe.x();
    // Below it a centered difference is nothing but the rounding of x ± h.
    let least = (16.0 * f64::EPSILON * x.abs()).max(1e-307);
    let mut too_long = None;
    let mut step = most;
    let mut shrink: f64 = 4.0;
    let step = loop {
        let Some((obstacle, factor)) = in_the_way(probe, step) else { break step };
        if step <= least {
            return Err(obstacle);
        }
        too_long = Some(step);
        // The factor says how much too long, if the gate is nearly linear.
        step /= if factor.is_finite() { (1.5 * factor).clamp(2.0, 1e20) } else { shrink };
        step = step.max(least);
        shrink = (shrink * shrink).min(1e40);
    };
    let (mut step, Some(mut too_long)) = (step, too_long) else { return Ok(step) };
    while too_long / step > 8.0 {
        let between = step * (too_long / step).sqrt();
        if in_the_way(probe, between).is_none() {
            step = between;
        } else {
            too_long = between;
        }
    }
    Ok(step)
}

/// What a step meets on either side, and how much too long it is.
fn in_the_way(probe: &mut Probe, step: f64) -> Option<(Obstacle, f64)> {
    let x = probe.x();
    let [above, below] = [x + step, x - step].map(|at| probe.sample(at));
    let worse = [above.obstacle, below.obstacle].into_iter().flatten();
    let worst = worse.max_by(|(_, a), (_, b)| a.total_cmp(b));
    worst.or_else(|| {
        let gate = probe.straddled(&above.sides, &below.sides)?;
        Some((Obstacle::Kink(gate), f64::INFINITY))
    })
}
