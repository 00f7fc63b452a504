//! The function beside the point: its value, what rounding can do to it, and
//! whether any gate was moved further than it is smooth.

use crate::circuit::Circuit;
use crate::tape::{Graph, NodeId};

/// The part of its smooth length by which a gate's input may move.
const PART: f64 = 0.25;

/// The graph, evaluated beside the point along one variable.
pub(super) struct Probe<'a> {
    circuit: &'a Circuit,
    graph: Graph,
    variable: NodeId,
    /// The gates that depend on the variable.
    gates: Vec<NodeId>,
    /// Those of them with a kink.
    kinks: Vec<NodeId>,
    /// On which side of its kink each of those is at the point itself; none where
    /// it stands on it.
    sides: Vec<Option<Vec<f64>>>,
}

/// What keeps a step from being longer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Obstacle {
    /// This gate's input moves further than the gate is smooth.
    Bend(NodeId),
    /// This gate changes to the other side of its kink.
    Kink(NodeId),
}

/// The function at one place.
pub(super) struct Sample {
    pub value: f64,
    /// What rounding can do to the value.
    pub noise: f64,
    /// The side of its kink of each gate that has one: its local gradients.
    pub sides: Vec<Vec<f64>>,
    /// The gate that was moved too far, and by which factor.
    pub obstacle: Option<(Obstacle, f64)>,
}

impl<'a> Probe<'a> {
    pub fn new(circuit: &'a Circuit, variable: NodeId) -> Self {
        let graph = circuit.graph().clone();
        let mut depends = vec![false; graph.len()];
        depends[variable.index()] = true;
        let mut gates = Vec::new();
        for (id, node) in circuit.gates() {
            if node.inputs().iter().any(|input| depends[input.index()]) {
                depends[id.index()] = true;
                gates.push(id);
            }
        }
        let kinks: Vec<NodeId> =
            gates.iter().copied().filter(|&id| graph.node(id).gate().has_kink()).collect();
        let sides = kinks.iter().map(|&id| {
            let node = graph.node(id);
            let values: Vec<f64> = node.inputs().iter().map(|&input| graph.value(input)).collect();
            let on_it = match values[..] {
                [a] => a == 0.0,
                _ => values.iter().filter(|&&a| a == node.value()).count() > 1,
            };
            (!on_it).then(|| node.local_gradients().to_vec())
        });
        Probe { circuit, variable, sides: sides.collect(), kinks, gates, graph }
    }

    /// The point itself.
    pub fn x(&self) -> f64 {
        self.circuit.graph().value(self.variable)
    }

    /// The function at a place beside the point.
    pub fn sample(&mut self, at: f64) -> Sample {
        self.graph.set(self.variable, at);
        self.graph.forward();
        self.graph.backward(self.circuit.output());
        let graph = &self.graph;
        // A gate's value is rounded to one part in 1/ε, and to a subnormal number
        // at best; so is the place itself.
        let rounding = |id: &NodeId| {
            let node = graph.node(*id);
            let (value, gradient) = (node.value().abs(), node.gradient().abs());
            if gradient == 0.0 { 0.0 } else { gradient * (value * f64::EPSILON + TINY) }
        };
        let noise = self.gates.iter().chain([&self.variable]).map(rounding).sum();
        let sides: Vec<Vec<f64>> =
            self.kinks.iter().map(|&id| graph.node(id).local_gradients().to_vec()).collect();
        let value = graph.value(self.circuit.output());
        let obstacle = self.obstacle(&sides);
        Sample { value, noise, sides, obstacle }
    }

    /// The gate that was moved furthest beyond what it allows, if any was.
    fn obstacle(&self, sides: &[Vec<f64>]) -> Option<(Obstacle, f64)> {
        let (here, there) = (self.circuit.graph(), &self.graph);
        let mut worst: Option<(Obstacle, f64)> = None;
        for &id in &self.gates {
            let inputs = here.node(id).inputs();
            let gate = here.node(id).gate();
            let mut values = [0.0; 2];
            for (value, &input) in values.iter_mut().zip(inputs) {
                *value = here.value(input);
            }
            for (slot, &input) in inputs.iter().enumerate().take(2) {
                let moved = (there.value(input) - here.value(input)).abs();
                if moved == 0.0 {
                    continue;
                }
                let reach = gate.reach(slot, &values[..inputs.len().min(2)]);
                let factor = moved / (PART * reach);
                let factor = if factor.is_nan() { f64::INFINITY } else { factor };
                if factor > worst.map_or(1.0, |(_, factor)| factor) {
                    worst = Some((Obstacle::Bend(id), factor));
                }
            }
            if worst.is_none() && !there.value(id).is_finite() {
                worst = Some((Obstacle::Bend(id), f64::INFINITY));
            }
        }
        let crossed = self
            .kinks
            .iter()
            .zip(&self.sides)
            .zip(sides)
            .find(|((_, here), there)| here.as_ref().is_some_and(|here| here != *there));
        match crossed {
            Some(((&gate, _), _)) if worst.is_none() => Some((Obstacle::Kink(gate), f64::INFINITY)),
            _ => worst,
        }
    }

    /// The first gate on whose kink the point stands and which is on another side
    /// above it than below.
    pub fn straddled(&self, above: &[Vec<f64>], below: &[Vec<f64>]) -> Option<NodeId> {
        let mut gates = self.kinks.iter().zip(above).zip(below);
        gates.find(|((_, above), below)| above != below).map(|((&gate, _), _)| gate)
    }

    /// The first gate on whose kink the point stands, so that its gradient is a
    /// convention.
    pub fn on_a_kink(&self) -> Option<NodeId> {
        self.kinks.iter().zip(&self.sides).find(|(_, side)| side.is_none()).map(|(&gate, _)| gate)
    }

    /// What rounding can have done to the gradient at the point: an error analysis
    /// of the backward pass.
    pub fn gradient_error(&self) -> f64 {
        let graph = self.circuit.graph();
        let mut errors = vec![0.0; graph.len()];
        for &id in self.circuit.order().iter().rev() {
            let node = graph.node(id);
            let (gradient, error) = (node.gradient().abs(), errors[id.index()]);
            if gradient == 0.0 && error == 0.0 {
                continue;
            }
            for (&input, local) in node.inputs().iter().zip(node.local_gradients()) {
                let local = local.abs();
                errors[input.index()] += error * local
                    + 4.0 * f64::EPSILON * gradient * local
                    + 100.0 * TINY * (1.0 + gradient);
            }
        }
        errors[self.variable.index()]
    }
}

/// The smallest positive number.
const TINY: f64 = 5e-324;
