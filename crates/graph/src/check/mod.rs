//! The backward pass against centered differences that know their own error.
//!
//! ```text
//! ∂f/∂x  ≈  D(h) = (f(x + h) - f(x - h)) / 2h
//! ```
//!
//! A centered difference has an error of its own. A check that doesn't know it
//! reports right gradients as wrong, or misses wrong ones. Three things are done
//! about that:
//!
//! - The step is chosen by the function (`step`): it is so small that no gate's
//!   input moves further than the gate is smooth, which the table of operations
//!   says. So a step is never longer than a period, nor does it cross a kink or
//!   the end of a domain.
//! - From there D(h) is taken at ever smaller steps and extrapolated to h = 0
//!   (`extrapolation`, after Ridders), which also tells the truncation error.
//! - Each gate stores its value v_i with a relative error of up to ε, which the
//!   output feels as |∂f/∂v_i| |v_i| ε. The sum over all gates, over h, is what
//!   rounding can do to D(h). The gradient's own rounding is added.
//!
//! Their sum is the [`Checked::resolution`]. A gradient that is further than that
//! from the difference *differs*; where the resolution is too poor to compare, or
//! there is no derivative, the check *cannot tell*, and says why.

mod extrapolation;
mod probe;
mod step;

use std::fmt;

use crate::circuit::Circuit;
use crate::number::short;
use crate::tape::NodeId;

use extrapolation::{Extrapolation, RATIO};
use probe::{Obstacle, Probe};

/// Relative difference up to which gradient and centered difference agree.
const TOLERANCE: f64 = 1e-6;

/// Centered differences in one extrapolation.
const STEPS: usize = 16;

/// What the comparison came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Equal to one part in a million.
    Agrees,
    /// Cannot tell: they differ by less than the centered difference can resolve,
    /// or there is no step with which to take one.
    Unresolved,
    /// Cannot tell: the point lies on a kink of a relu, abs, max or min, where
    /// there is no derivative.
    Kink,
    /// Cannot tell: the gradient or the function is infinite or NaN.
    NotFinite,
    /// The gradient is wrong.
    Differs,
}

/// Elements of a matrix that are compared at most, evenly spread over it.
pub const MOST_ELEMENTS: usize = 100;

/// One variable's gradient, computed twice; of a matrix the element that came out
/// worst.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The variable.
    pub variable: NodeId,
    /// Row and column of the element, counted from 0; none for a scalar.
    pub element: Option<(usize, usize)>,
    /// How many elements were compared.
    pub elements: usize,
    /// By the backward pass.
    pub gradient: f64,
    /// By the centered difference; NaN if none could be taken.
    pub difference: f64,
    /// The smallest step of the centered difference.
    pub step: f64,
    /// What the two may be apart by rounding and truncation.
    pub resolution: f64,
    /// What follows.
    pub verdict: Verdict,
    /// Why the check cannot tell; empty where it can.
    pub reason: String,
}

impl Checked {
    /// |gradient - difference| over the larger of the two; 0 if both are 0.
    #[must_use]
    pub fn relative_error(&self) -> f64 {
        relative_error(self.gradient, self.difference)
    }
}

impl fmt::Display for Checked {
    /// `agrees`, `DIFFERS`, or `cannot tell: ...`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.verdict {
            Verdict::Agrees => write!(f, "agrees"),
            Verdict::Differs => write!(f, "DIFFERS"),
            _ => write!(f, "cannot tell: {}", self.reason),
        }
    }
}

fn relative_error(a: f64, b: f64) -> f64 {
    let scale = a.abs().max(b.abs());
    if a == b { 0.0 } else { (a - b).abs() / scale }
}

/// Compares the gradient of each of `variables` with a centered difference. It
/// runs the graph some hundred times for each of them.
///
/// ```
/// use chainrule_graph::{Formula, Gates, check::{Verdict, check}};
///
/// let formula = Formula::parse("sin(1/x)").unwrap();
/// let circuit = formula.circuit(&[("x", 1e-5)], Gates::Written).unwrap();
/// let variables: Vec<_> = circuit.variables().map(|(_, id)| id).collect();
/// assert_eq!(check(&circuit, &variables)[0].verdict, Verdict::Agrees);
/// ```
#[must_use]
pub fn check(circuit: &Circuit, variables: &[NodeId]) -> Vec<Checked> {
    variables.iter().map(|&variable| check_variable(circuit, variable)).collect()
}

/// The element of a variable that comes out worst.
fn check_variable(circuit: &Circuit, variable: NodeId) -> Checked {
    let gradient = circuit.graph().gradient_matrix(variable);
    let all = gradient.numbers.len();
    let elements = all.min(MOST_ELEMENTS);
    let rank = |checked: &Checked| match checked.verdict {
        Verdict::Agrees => 0,
        Verdict::Unresolved => 1,
        Verdict::Kink => 2,
        Verdict::NotFinite => 3,
        Verdict::Differs => 4,
    };
    let checked = (0..elements).map(|i| {
        let element = i * all / elements;
        check_element(circuit, variable, element, gradient.numbers[element])
    });
    let worst = checked.max_by(|a, b| {
        rank(a).cmp(&rank(b)).then(a.relative_error().total_cmp(&b.relative_error()))
    });
    Checked { elements, ..worst.expect("a matrix has an element") }
}

/// Compares a gradient that was had elsewhere with a centered difference of the
/// circuit, whose variable is a scalar.
#[must_use]
pub fn check_gradient(circuit: &Circuit, variable: NodeId, gradient: f64) -> Checked {
    check_element(circuit, variable, 0, gradient)
}

/// The same for one element of a variable, counted row by row.
fn check_element(circuit: &Circuit, variable: NodeId, element: usize, gradient: f64) -> Checked {
    let shape = circuit.graph().shape(variable);
    let columns = shape.columns as usize;
    let mut probe = Probe::new(circuit, variable, element);
    let x = probe.x();
    let mut checked = Checked {
        variable,
        element: (!shape.is_scalar()).then_some((element / columns, element % columns)),
        elements: 1,
        gradient,
        difference: f64::NAN,
        step: f64::NAN,
        resolution: f64::INFINITY,
        verdict: Verdict::NotFinite,
        reason: String::new(),
    };
    if !circuit.value().is_finite() {
        checked.reason = format!("the formula gives {} here", short(circuit.value()));
        return checked;
    }
    if !gradient.is_finite() {
        checked.reason = format!("the gradient is {}", short(gradient));
        return checked;
    }
    // Near zero it isn't clear whether the formula's own length is 1 or x.
    let mut obstacle = None;
    for scale in [x.abs().max(1.0), x.abs().min(1.0)] {
        if checked.resolution <= 1e-9 * checked.difference.abs() || scale == 0.0 {
            continue;
        }
        match step::longest(&mut probe, 0.25 * scale) {
            Ok(step) => {
                let found = differences(&mut probe, step);
                if found.error < checked.resolution {
                    checked.difference = found.value;
                    checked.step = found.step;
                    checked.resolution = found.error;
                }
            }
            Err(found) => obstacle = Some(found),
        }
    }
    checked.resolution += 4.0 * probe.gradient_error();

    let error = (gradient - checked.difference).abs();
    let close = checked.relative_error() <= TOLERANCE;
    let named = |gate: NodeId| {
        format!("{} ({})", circuit.name(gate), circuit.graph().node(gate).gate().symbol())
    };
    let kink = |gate: NodeId| {
        let reason = format!(
            "{} has a kink at this point, where there is no derivative; the gradient follows \
             PyTorch's convention",
            named(gate)
        );
        (Verdict::Kink, reason)
    };
    (checked.verdict, checked.reason) = match obstacle {
        Some(Obstacle::Kink(gate)) if checked.difference.is_nan() => kink(gate),
        Some(Obstacle::Bend(gate)) if checked.difference.is_nan() => {
            let reason = format!(
                "{} changes too fast here for two 64-bit numbers beside {} to be compared",
                named(gate),
                short(x)
            );
            (Verdict::Unresolved, reason)
        }
        _ if close => (Verdict::Agrees, String::new()),
        _ if error > checked.resolution => match probe.on_a_kink() {
            Some(gate) => kink(gate),
            None => (Verdict::Differs, String::new()),
        },
        _ => {
            let reason = if checked.resolution.is_finite() {
                format!(
                    "the centered difference is good to ±{:.0e} only, because of rounding",
                    checked.resolution
                )
            } else {
                "a number on the way overflows".to_owned()
            };
            (Verdict::Unresolved, reason)
        }
    };
    checked
}

/// The derivative by differences, and what it may be off by.
struct Differences {
    value: f64,
    error: f64,
    step: f64,
}

/// Centered differences from this step down, extrapolated. The truncation error
/// is an estimate, and counts ten times; the rounding is nearly a bound, and
/// counts four times.
fn differences(probe: &mut Probe, longest: f64) -> Differences {
    let mut best = Differences { value: f64::NAN, error: f64::INFINITY, step: longest };
    let mut extrapolation = Extrapolation::default();
    let x = probe.x();
    let mut step = longest;
    for _ in 0..STEPS {
        let (above, below) = (x + step, x - step);
        if above == below {
            break;
        }
        let [high, low] = [above, below].map(|at| probe.sample(at));
        if high.obstacle.is_some() || low.obstacle.is_some() || high.sides != low.sides {
            // What was found with longer steps is not to be trusted.
            extrapolation = Extrapolation::default();
            best = Differences { value: f64::NAN, error: f64::INFINITY, step };
            step *= RATIO;
            continue;
        }
        let difference = (high.value - low.value) / (above - below);
        let noise = (high.noise + low.noise) / (above - below);
        if let Some((value, truncation)) = extrapolation.add(difference) {
            let error = 10.0 * truncation + 4.0 * noise;
            if error < best.error {
                best = Differences { value, error, step };
            } else if noise > best.error {
                break;
            }
        }
        step *= RATIO;
    }
    best
}
