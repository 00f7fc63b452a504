//! A centered difference that knows its own error.
//!
//! It is the six-point one, a centered difference with its first two error terms taken out by
//! Richardson's extrapolation:
//!
//! f'(x) ≈ (45 (f(x+h) - f(x-h)) - 9 (f(x+2h) - f(x-2h)) + (f(x+3h) - f(x-3h))) / 60h
//!
//! with an error of h⁶ f⁽⁷⁾(x) / 140. Its own error is estimated from two sides:
//!
//! - truncation: the four-point formula, which leaves the last pair out, has an error of
//!   h⁴ f⁽⁵⁾(x) / 30; what the last pair changed is more than is left.
//! - rounding: what the function sums up is stored to one part in 1/ε.
//!
//! With h = 5e-3, for a variable of the size of 1, both stay near 1e-13. Where the function bends
//! more sharply, as it does behind a normalization of few numbers, h is made smaller, until the two
//! agree or rounding hides what is compared. A derivative *differs* only if it does so, by far more
//! than that error, with every step down to the smallest that can tell: a step that is too long for
//! the function (longer than its period, or beyond where it saturates) proves nothing.
//!
//! A ReLU has no derivative at 0. Where one of the six points lies on the other side of such a kink
//! the numeric value means nothing, and a smaller h may help there too.

/// The value of a function at a point.
pub(super) struct Value {
    pub value: f64,
    /// The size of what was summed up, which sets the rounding: Σ|terms|.
    pub size: f64,
    /// Which side of each kink the point lies on.
    pub sides: Vec<bool>,
}

impl From<f64> for Value {
    /// A function without kinks and of few terms.
    fn from(value: f64) -> Self {
        Value { value, size: value.abs(), sides: vec![] }
    }
}

/// What became of one derivative.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Found {
    /// Equal, with this relative error.
    Agrees(f64),
    /// Wrong, with this relative error.
    Differs(f64),
    /// A kink lies between the points of every step.
    Kink,
    /// Rounding hides the difference.
    Unresolved,
    /// The function is NaN or infinite.
    NotFinite,
}

/// The first step, for a variable of the size of 1, and the ratio of each to the one before.
const FIRST: f64 = 5e-3;
const RATIO: f64 = 0.3;

/// The step at which a derivative of 0 is looked at once more, over that at which it was found.
const CLOSER: f64 = 1e-4;

/// Steps that are tried at most.
const STEPS: usize = 24;

/// By how much a derivative must be further off than the difference's own error.
const SAFETY: f64 = 10.0;

/// Roundings of the size of the function that a value may have collected.
const ROUNDINGS: f64 = 16.0;

/// Compares the derivative `analytic` of `f` at `at` with differences; `here` is `f(at)`. It agrees
/// if |a - n| / max(1e-8, |a| + |n|) is below `bound`.
pub(super) fn compare(
    at: f64,
    analytic: f64,
    here: &Value,
    bound: f64,
    mut f: impl FnMut(f64) -> Value,
) -> Found {
    if !here.value.is_finite() {
        return Found::NotFinite;
    }
    let mut h = FIRST * at.abs().max(1.0);
    let mut least = f64::INFINITY;
    // Of the smallest step that could tell: whether the derivative was far off.
    let mut far_off = None;
    let (mut kink, mut not_finite) = (false, false);
    for _ in 0..STEPS {
        let samples = [1.0, -1.0, 2.0, -2.0, 3.0, -3.0].map(|steps| f(at + steps * h));
        let [p1, m1, p2, m2, p3, m3] = samples.each_ref().map(|sample| sample.value);
        let size = samples.iter().map(|sample| sample.size).fold(here.size, f64::max);
        let step = h;
        h *= RATIO;
        if samples.iter().any(|sample| sample.sides != here.sides) {
            kink = true;
            if step < f64::EPSILON * at.abs().max(1e-3) {
                break;
            }
            continue;
        }
        if samples.iter().any(|sample| !sample.value.is_finite()) {
            not_finite = true;
            continue;
        }
        let numeric = (45.0 * (p1 - m1) - 9.0 * (p2 - m2) + (p3 - m3)) / (60.0 * step);
        let four_points = (8.0 * (p1 - m1) - (p2 - m2)) / (12.0 * step);
        let rounding = ROUNDINGS * f64::EPSILON * (size + at.abs() * numeric.abs()) / step;
        let apart = (analytic - numeric).abs();
        let error = apart / (analytic.abs() + numeric.abs()).max(1e-8);
        least = if error < least || error.is_nan() { error } else { least };
        // Where the function is level at both ends of a long step it may still rise within.
        let level = analytic == 0.0 && numeric == 0.0 && {
            let [above, below] = [1.0, -1.0].map(|side| f(at + side * CLOSER * step).value);
            (above - below).abs() > ROUNDINGS * f64::EPSILON * size
        };
        if error < bound && !level {
            return Found::Agrees(error);
        }
        if error.is_nan() {
            return Found::Differs(error); // of a finite function
        }
        if !level && apart <= SAFETY * SAFETY * rounding {
            break; // smaller steps only round more
        }
        far_off = Some(apart > SAFETY * ((numeric - four_points).abs() + rounding));
    }
    match far_off {
        Some(true) => Found::Differs(least),
        Some(false) => Found::Unresolved,
        None if least.is_finite() => Found::Unresolved,
        None if not_finite => Found::NotFinite,
        None if kink => Found::Kink,
        None => Found::Unresolved,
    }
}
