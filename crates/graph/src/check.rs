//! The backward pass against centered differences.
//!
//! ```text
//! ∂f/∂x  ≈  D(h) = (f(x + h) - f(x - h)) / 2h
//! ```
//!
//! A centered difference has an error of its own, and a check that doesn't know
//! it either cries wolf or sleeps. Two parts are estimated for each variable:
//!
//! - truncation, of order h²: D(2h) - D(h) is three times that of D(h);
//! - rounding: each gate's value v_i is stored with a relative error of up to ε,
//!   which the output feels as |∂f/∂v_i| |v_i| ε. The sum over all gates, over
//!   h, is what rounding can do to D(h). The gradients in it are those that the
//!   backward pass has just computed.
//!
//! Their sum is the [`Checked::resolution`]: what the difference can't see. At
//! f = 0.9999999999981 with a gradient of 1.9e-12 nothing is left to compare,
//! and the check says so instead of passing or failing.

use std::cmp::Ordering;

use crate::circuit::Circuit;
use crate::tape::{Graph, NodeId};

/// Relative difference up to which gradient and centered difference agree.
const TOLERANCE: f64 = 1e-6;

/// What the comparison came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Equal to one part in a million.
    Agrees,
    /// They differ by less than the centered difference can resolve.
    Unresolved,
    /// Between x - h and x + h a relu, abs, max or min changes sides, so that
    /// the difference straddles a kink and says nothing about the gradient.
    Kink,
    /// The gradient, or every difference near it, is infinite or NaN.
    NotFinite,
    /// The gradient is wrong.
    Differs,
}

/// One variable's gradient, computed twice.
#[derive(Clone, Copy, Debug)]
pub struct Checked {
    /// The variable.
    pub variable: NodeId,
    /// By the backward pass.
    pub gradient: f64,
    /// By the centered difference.
    pub difference: f64,
    /// The h of the centered difference.
    pub step: f64,
    /// What the centered difference may be off by, by its own rounding and
    /// truncation.
    pub resolution: f64,
    /// What follows.
    pub verdict: Verdict,
}

impl Checked {
    /// |gradient - difference| over the larger of the two; 0 if both are 0.
    #[must_use]
    pub fn relative_error(&self) -> f64 {
        relative_error(self.gradient, self.difference)
    }
}

fn relative_error(a: f64, b: f64) -> f64 {
    let scale = a.abs().max(b.abs());
    if scale == 0.0 { 0.0 } else { (a - b).abs() / scale }
}

/// Compares the gradient of each of `variables` with a centered difference. It
/// runs the graph forward eight times for each of them.
///
/// ```
/// use chainrule_graph::{Formula, Gates, check::{Verdict, check}};
///
/// let formula = Formula::parse("sin(x) * x").unwrap();
/// let circuit = formula.circuit(&[("x", 0.7)], Gates::Written).unwrap();
/// let variables: Vec<_> = circuit.variables().map(|(_, id)| id).collect();
/// assert_eq!(check(&circuit, &variables)[0].verdict, Verdict::Agrees);
/// ```
#[must_use]
pub fn check(circuit: &Circuit, variables: &[NodeId]) -> Vec<Checked> {
    let graph = circuit.graph();
    let rounding: f64 = circuit
        .gates()
        .map(|(_, node)| (node.gradient() * node.value()).abs() * f64::EPSILON)
        .sum();
    let mut probe = Probe { graph: graph.clone(), output: circuit.output() };
    variables.iter().map(|&variable| check_one(&mut probe, variable, rounding)).collect()
}

/// The graph, evaluated beside the point.
struct Probe {
    graph: Graph,
    output: NodeId,
}

impl Probe {
    fn value(&mut self, variable: NodeId, x: f64) -> f64 {
        self.graph.set(variable, x);
        self.graph.forward();
        self.graph.value(self.output)
    }

    /// D(h), with the h that the rounding of x ± h has left.
    fn difference(&mut self, variable: NodeId, x: f64, h: f64) -> f64 {
        let (above, below) = (x + h, x - h);
        (self.value(variable, above) - self.value(variable, below)) / (above - below)
    }

    /// The side of its kink of every gate that has one.
    fn sides(&mut self, variable: NodeId, x: f64) -> Vec<Option<Ordering>> {
        self.value(variable, x);
        let graph = &self.graph;
        graph
            .nodes()
            .filter_map(|(_, node)| {
                let [a, b] = match *node.inputs() {
                    [a] => [graph.value(a), 0.0],
                    [a, b] => [graph.value(a), graph.value(b)],
                    _ => return None,
                };
                node.gate().has_kink().then(|| node.gate().side(a, b))
            })
            .collect()
    }
}

fn check_one(probe: &mut Probe, variable: NodeId, rounding: f64) -> Checked {
    let gradient = probe.graph.gradient(variable);
    let x = probe.graph.value(variable);
    // The best step balances h² against ε/h. Near zero it isn't clear whether
    // the formula's own scale is 1 or x, so both are tried.
    let base = f64::EPSILON.cbrt();
    let mut best = Checked {
        variable,
        gradient,
        difference: f64::NAN,
        step: base * x.abs().max(1.0),
        resolution: f64::INFINITY,
        verdict: Verdict::NotFinite,
    };
    for scale in [x.abs().max(1.0), x.abs()] {
        let step = base * scale;
        if x + step == x {
            continue;
        }
        let difference = probe.difference(variable, x, step);
        let doubled = probe.difference(variable, x, 2.0 * step);
        let resolution = (doubled - difference).abs() + rounding / step;
        if resolution < best.resolution {
            best = Checked { difference, step, resolution, ..best };
        }
    }
    let straddles = probe.sides(variable, x - best.step) != probe.sides(variable, x + best.step);
    probe.value(variable, x);

    let error = (gradient - best.difference).abs();
    best.verdict = if !gradient.is_finite() || !best.difference.is_finite() {
        Verdict::NotFinite
    } else if relative_error(gradient, best.difference) <= TOLERANCE {
        Verdict::Agrees
    } else if straddles {
        Verdict::Kink
    } else if error <= best.resolution {
        Verdict::Unresolved
    } else {
        Verdict::Differs
    };
    best
}
