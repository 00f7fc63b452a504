//! The learning-rate finder: the loss while the learning rate grows, and the rate to choose.
//!
//! Steps are taken as in the first epochs of a run, with a rate that grows by the same factor in
//! each, from [`FROM`] to [`TO`] (Smith 2017, "Cyclical Learning Rates for Training Neural
//! Networks", section 3.3). The losses are smoothed as fastai's `AvgSmoothLoss` does it, an
//! exponential mean without the share of its beginning:
//!
//! m_t = β m_{t-1} + (1 - β) L_t,  smoothed L_t = m_t / (1 - β^t),  β = 0.98
//!
//! and as in its `LRFinder` the search ends where that is more than four times its least. Two rates
//! are reported, as in fastai: the one at which the smoothed loss falls most steeply
//! over the logarithm of the rate, and a tenth of the one at which it is least.

use std::ops::ControlFlow;

use chainrule_nn::Step;
use chainrule_tensor::math;
use serde::Serialize;

use crate::setup::{Ready, ready};
use crate::{Config, Data, Error};

/// The first learning rate.
pub const FROM: f64 = 1e-5;

/// The learning rate of the last step, if the search comes so far.
pub const TO: f64 = 10.0;

/// Most steps of a search; an epoch may have fewer.
pub const STEPS: usize = 300;

/// β, the decay of the moving average.
const SMOOTHING: f64 = 0.98;

/// How many times its least the smoothed loss may be.
const MOST_RISE: f64 = 4.0;

/// One step of the search: a line of `lr_finder.csv`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    /// From 1.
    pub step: usize,
    /// The rate of this step.
    pub learning_rate: f64,
    /// The loss before it.
    pub loss: f64,
    /// The mean of this and the earlier losses.
    pub smoothed_loss: f64,
}

/// What a search has found.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    /// The steps whose loss is finite.
    pub points: Vec<Point>,
    /// Why it ended before the last rate, if it did.
    pub ended: Option<String>,
    /// The rate at which the smoothed loss falls most steeply; none if it nowhere falls.
    pub steepest: Option<f64>,
    /// A tenth of the rate at which the smoothed loss is least; none if it nowhere falls.
    pub tenth_of_least: Option<f64>,
}

/// Searches with the network, the optimizer and the images that `config` describes; its learning
/// rate and schedule do not matter.
///
/// # Errors
/// As [`crate::run()`], as far as a run comes before its first step.
pub fn find_lr(config: &Config, data: &Data, progress: impl FnMut(&str)) -> Result<Search, Error> {
    let Ready { config, mut engine, mut prepared, .. } = ready(config, data, progress)?;
    let (mut smoothed, mut points, mut ended) = (Smoothed::default(), vec![], None);
    let mut least = f64::INFINITY;
    // A small set is repeated until there are enough steps.
    for epoch in 1.. {
        let before = points.len();
        let (mut order, changes) = prepared.epoch(&config, epoch)?;
        order.truncate((STEPS - before) * config.batch_size);
        prepared.teach(&mut engine, &order, changes.as_ref())?;
        let each = |Step { number, loss, .. }: Step| {
            let step = before + number;
            let learning_rate = rate(step);
            if !loss.is_finite() {
                ended =
                    Some(format!("the loss is {loss} at a learning rate of {learning_rate:.2e}"));
                return ControlFlow::Break(());
            }
            let smoothed_loss = smoothed.add(loss);
            points.push(Point { step: step + 1, learning_rate, loss, smoothed_loss });
            least = least.min(smoothed_loss);
            if smoothed_loss > MOST_RISE * least {
                ended = Some(format!(
                    "the loss is over {MOST_RISE} times its least at a learning rate of {learning_rate:.2e}"
                ));
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        };
        let rule = |step| config.step(rate(before + step));
        let trained =
            prepared.train(&mut engine, (&order, changes.as_ref()), config.batch_size, rule, each);
        if let (Err(diverged), None) = (trained, &ended) {
            ended = Some(format!("diverged: {diverged}"));
        }
        if ended.is_some() || points.len() == STEPS {
            break;
        }
    }
    let (steepest, tenth_of_least) = (steepest(&points), tenth_of_least(&points));
    Ok(Search { points, ended, steepest, tenth_of_least })
}

/// The rate of a step, from 0, of so many.
fn rate(step: usize) -> f64 {
    FROM * math::pow(TO / FROM, step as f64 / (STEPS - 1) as f64)
}

/// The smoothed loss.
#[derive(Default)]
struct Smoothed {
    mean: f64,
    losses: i32,
}

impl Smoothed {
    fn add(&mut self, loss: f64) -> f64 {
        self.mean = SMOOTHING * self.mean + (1.0 - SMOOTHING) * loss;
        self.losses += 1;
        self.mean / (1.0 - math::pow(SMOOTHING, self.losses.into()))
    }
}

/// The first step that counts. The first tenth of a search is left out, as in fastai: there the
/// mean is of few losses.
fn first(points: &[Point]) -> usize {
    points.len() / 10
}

/// Where the smoothed loss is least.
fn least(points: &[Point]) -> Option<usize> {
    let smoothed = |&i: &usize| points[i].smoothed_loss;
    (first(points)..points.len()).min_by(|a, b| smoothed(a).total_cmp(&smoothed(b)))
}

fn tenth_of_least(points: &[Point]) -> Option<f64> {
    least(points).filter(|&i| i > first(points)).map(|i| points[i].learning_rate / 10.0)
}

/// The rate in the middle of the thirtieth of the search over which the smoothed loss falls most,
/// up to where it is least. Over one step it falls most where a batch was easy.
fn steepest(points: &[Point]) -> Option<f64> {
    let (first, last) = (first(points), least(points)?);
    let reach = (points.len() / 60).max(1);
    let fall = |&i: &usize| points[i - reach].smoothed_loss - points[i + reach].smoothed_loss;
    let middles = first.max(reach)..(last + 1).saturating_sub(reach);
    let steepest = middles.max_by(|a, b| fall(a).total_cmp(&fall(b)))?;
    (fall(&steepest) > 0.0).then(|| points[steepest].learning_rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A search whose smoothed loss is this function of the rate's power of ten.
    fn points(loss: impl Fn(f64) -> f64) -> Vec<Point> {
        let point = |step| {
            let learning_rate = rate(step);
            let smoothed_loss = loss(learning_rate.log10());
            Point { step: step + 1, learning_rate, loss: smoothed_loss, smoothed_loss }
        };
        (0..STEPS).map(point).collect()
    }

    #[test]
    fn the_rates_grow_by_the_same_factor_from_the_first_to_the_last() {
        let rates: Vec<_> = (0..STEPS).map(rate).collect();
        assert!((rates[0] / FROM - 1.0).abs() < 1e-12 && (rates[299] / TO - 1.0).abs() < 1e-12);
        let factor = 1e6f64.powf(1.0 / 299.0);
        assert!(rates.windows(2).all(|pair| (pair[1] / pair[0] - factor).abs() < 1e-12));
    }

    #[test]
    fn the_mean_forgets_its_beginning_and_follows_the_losses() {
        // By hand: 3; (0.98 · 0.06 + 0.02 · 5) / (1 - 0.98²) = 0.1588 / 0.0396.
        let mut smoothed = Smoothed::default();
        assert!((smoothed.add(3.0) - 3.0).abs() < 1e-12);
        assert!((smoothed.add(5.0) - 0.1588 / 0.0396).abs() < 1e-12);
        let last = (0..1000).map(|_| smoothed.add(7.0)).last().unwrap();
        assert!((last - 7.0).abs() < 1e-6);
    }

    #[test]
    fn the_steepest_fall_and_the_least_are_found_where_a_curve_has_them() {
        // A logistic fall around 10⁻², then a rise from 10⁰ on.
        let curve = |x: f64| 2.3 - 1.0 / (1.0 + (-4.0 * (x + 2.0)).exp()) + 3.0 * x.max(0.0);
        // The noise of the first few losses is neither.
        let mut points = points(curve);
        points[3].smoothed_loss = 0.1;
        let steepest = steepest(&points).unwrap().log10();
        assert!((steepest + 2.0).abs() < 0.05, "{steepest}");
        let tenth = tenth_of_least(&points).unwrap().log10();
        assert!((tenth + 1.0).abs() < 0.05, "{tenth}");
    }

    #[test]
    fn where_the_loss_never_falls_no_rate_is_recommended() {
        let points = points(|x| 10.0 + x);
        assert_eq!((steepest(&points), tenth_of_least(&points)), (None, None));
        assert_eq!((steepest(&points[..1]), tenth_of_least(&points[..1])), (None, None));
        assert_eq!((steepest(&[]), tenth_of_least(&[])), (None, None));
    }
}
