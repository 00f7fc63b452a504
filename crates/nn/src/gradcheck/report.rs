//! The report: a row a parameter, summed up from what became of its elements.

use super::difference::{Found, Value, compare};
use super::{BOUND, BOUND_OF_FEW};

/// What became of a parameter, or of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The derivatives agree with their differences.
    Agrees,
    /// One is wrong.
    Differs,
    /// Too few could be compared.
    CannotTell,
}

/// How one parameter, or one input, of a layer fared.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The layer, or the whole network.
    pub layer: String,
    /// What the derivative is taken by.
    pub parameter: String,
    /// Largest |a - n| / max(1e-8, |a| + |n|) over the elements that were compared.
    pub worst_relative_error: f64,
    /// Elements that were compared.
    pub checked: usize,
    /// Elements left out because a ReLU changed sides within every difference.
    pub kinks: usize,
    /// Elements left out because rounding hides their derivative, or because the function is NaN
    /// or infinite there.
    pub unresolved: usize,
    /// What follows: one element that differs is enough for that; else enough elements must have
    /// been compared: of all at least nine in ten, of a few as many as were asked for.
    pub verdict: Verdict,
    /// Why the check cannot tell; empty where it can.
    pub reason: String,
    /// Whether the verdict is that it agrees.
    pub passed: bool,
}

/// Which elements of a parameter are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Elements {
    /// Each of them, to [`BOUND`].
    All,
    /// So many, to [`BOUND_OF_FEW`].
    Few(usize),
}

/// What a row must show to pass.
pub(super) struct Demand {
    /// Every relative error is below this.
    pub bound: f64,
    /// Fewest elements that are compared.
    least: usize,
    /// After so many no more are.
    most: usize,
}

impl Elements {
    pub(super) fn demand(self, all: usize) -> Demand {
        match self {
            Elements::All => Demand { bound: BOUND, least: (9 * all).div_ceil(10), most: all },
            Elements::Few(n) => Demand { bound: BOUND_OF_FEW, least: n.min(all), most: n },
        }
    }

    /// The places in a gradient at which it is checked, as far as needed.
    pub(super) fn places(self, gradient: &[f64]) -> Vec<usize> {
        match self {
            Elements::All => (0..gradient.len()).collect(),
            Elements::Few(_) => spread(gradient),
        }
    }
}

/// Up to some hundred places of a gradient, each as far from those before it as the golden ratio
/// puts it, but for those whose value is too small beside the others to be told from rounding. A
/// value of 0 stays: a layer that forgets a derivative has those.
pub(super) fn spread(gradient: &[f64]) -> Vec<usize> {
    let mean_square = gradient.iter().map(|g| g * g).sum::<f64>() / gradient.len() as f64;
    let too_small = 0.01 * mean_square.sqrt();
    let mut places = vec![];
    for k in 0..500 {
        let place = ((f64::from(k) * GOLDEN_RATIO).fract() * gradient.len() as f64) as usize;
        let g = gradient[place];
        if !(g != 0.0 && g.abs() < too_small || places.contains(&place)) {
            places.push(place);
        }
    }
    places
}

/// (√5 - 1) / 2
const GOLDEN_RATIO: f64 = 0.618_033_988_749_894_9;

/// Compares `analytic` with the differences of `f` around `at`, element by element.
pub(super) fn check<V: Into<Value>>(
    layer: &str,
    parameter: &str,
    at: &[f64],
    analytic: &[f64],
    mut f: impl FnMut(&[f64]) -> V,
) -> Row {
    assert_eq!(at.len(), analytic.len());
    let mut point = at.to_vec();
    let here = f(&point).into();
    let found = (0..at.len()).map(|i| {
        let found = compare(at[i], analytic[i], &here, BOUND, |x| {
            point[i] = x;
            f(&point).into()
        });
        point[i] = at[i];
        found
    });
    row(layer, parameter, found, Elements::All.demand(at.len()))
}

/// Sums up what was found of a parameter's elements.
pub(super) fn row(
    layer: &str,
    parameter: &str,
    mut elements: impl Iterator<Item = Found>,
    Demand { least, most, .. }: Demand,
) -> Row {
    let (mut worst, mut checked, mut kinks, mut unresolved) = (0.0f64, 0, 0, 0);
    let (mut differs, mut not_finite) = (false, false);
    while checked < most {
        let Some(found) = elements.next() else { break };
        match found {
            Found::Agrees(error) | Found::Differs(error) => {
                // `max` would drop a NaN, and a NaN must be seen.
                worst = if error > worst || error.is_nan() { error } else { worst };
                checked += 1;
                differs |= matches!(found, Found::Differs(_));
            }
            Found::Kink => kinks += 1,
            Found::Unresolved => unresolved += 1,
            Found::NotFinite => {
                unresolved += 1;
                not_finite = true;
            }
        }
    }
    let verdict = if differs {
        Verdict::Differs
    } else if checked >= least.max(1) {
        Verdict::Agrees
    } else {
        Verdict::CannotTell
    };
    let reason = match verdict {
        Verdict::CannotTell if not_finite => "the function is NaN or infinite here".to_owned(),
        Verdict::CannotTell if unresolved > kinks => {
            format!("rounding hides {unresolved} derivatives of {}", checked + kinks + unresolved)
        }
        Verdict::CannotTell => {
            format!("{kinks} elements of {} lie beside a kink", checked + kinks + unresolved)
        }
        _ => String::new(),
    };
    Row {
        layer: layer.to_owned(),
        parameter: parameter.to_owned(),
        worst_relative_error: worst,
        checked,
        kinks,
        unresolved,
        verdict,
        reason,
        passed: verdict == Verdict::Agrees,
    }
}
