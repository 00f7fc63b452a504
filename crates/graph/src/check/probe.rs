//! The function beside the point: its value, what rounding can do to it, and
//! whether any gate was moved further than it is smooth.

use crate::circuit::Circuit;
use crate::derivative;
use crate::op::Forward;
use crate::tape::{Graph, NodeId};
use crate::value::View;

/// The part of its smooth length by which a gate's input may move.
const PART: f64 = 0.25;

/// The graph, evaluated beside the point along one element of a variable.
pub(super) struct Probe<'a> {
    circuit: &'a Circuit,
    graph: Graph,
    variable: NodeId,
    /// Which element of the variable moves.
    element: usize,
    /// The gates that depend on the variable.
    gates: Vec<NodeId>,
    /// The elements of those of them that have a kink.
    kinks: Vec<(NodeId, usize)>,
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
    /// The side of its kink of each gate that has one.
    pub sides: Vec<Vec<f64>>,
    /// The gate that was moved too far, and by which factor.
    pub obstacle: Option<(Obstacle, f64)>,
}

impl<'a> Probe<'a> {
    pub fn new(circuit: &'a Circuit, variable: NodeId, element: usize) -> Self {
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
        let kinked = gates.iter().filter(|&&id| graph.node(id).gate().has_kink());
        let kinks: Vec<(NodeId, usize)> = kinked
            .flat_map(|&id| (0..graph.shape(id).elements()).map(move |element| (id, element)))
            .collect();
        let sides = kinks.iter().map(|&(id, element)| {
            let (inputs, value) = inputs_of(&graph, id, element);
            let on_it = match inputs[..] {
                [a] => a == 0.0,
                _ => inputs.iter().filter(|&&a| a == value).count() > 1,
            };
            (!on_it).then(|| side(&graph, id, element))
        });
        Probe { circuit, variable, element, sides: sides.collect(), kinks, gates, graph }
    }

    /// The point itself.
    pub fn x(&self) -> f64 {
        self.circuit.graph().matrix(self.variable).numbers[self.element]
    }

    /// The function at a place beside the point.
    pub fn sample(&mut self, at: f64) -> Sample {
        self.graph.set_element(self.variable, self.element, at);
        self.graph.forward();
        self.graph.backward(self.circuit.output());
        let graph = &self.graph;
        // A gate's value is rounded to one part in 1/ε, and to a subnormal number
        // at best; so is the place itself.
        let rounding = |(value, gradient): (&f64, &f64)| match gradient.abs() {
            0.0 => 0.0,
            gradient => gradient * (value.abs() * f64::EPSILON + TINY),
        };
        let numbers = |id: NodeId| {
            let node = graph.node(id);
            node.matrix().numbers.iter().zip(node.gradient_matrix().numbers)
        };
        let moved = numbers(self.variable).nth(self.element);
        let noise = self.gates.iter().flat_map(|&id| numbers(id)).chain(moved).map(rounding).sum();
        let sides: Vec<Vec<f64>> =
            self.kinks.iter().map(|&(id, element)| side(graph, id, element)).collect();
        let value = graph.value(self.circuit.output());
        let obstacle = self.obstacle(&sides);
        Sample { value, noise, sides, obstacle }
    }

    /// The gate that was moved furthest beyond what it allows, if any was.
    fn obstacle(&self, sides: &[Vec<f64>]) -> Option<(Obstacle, f64)> {
        let (here, there) = (self.circuit.graph(), &self.graph);
        let mut worst: Option<(Obstacle, f64)> = None;
        for &id in &self.gates {
            let node = here.node(id);
            let (gate, inputs) = (node.gate(), node.inputs());
            let whole = matches!(gate.row().forward, Forward::Whole { .. });
            let mut look = |slot: usize, values: &[f64], moved: f64| {
                if moved == 0.0 {
                    return;
                }
                let factor = moved / (PART * gate.reach(slot, values));
                let factor = if factor.is_nan() { f64::INFINITY } else { factor };
                if factor > worst.map_or(1.0, |(_, factor)| factor) {
                    worst = Some((Obstacle::Bend(id), factor));
                }
            };
            if whole {
                for (slot, &input) in inputs.iter().enumerate() {
                    let numbers = here.matrix(input).numbers.iter();
                    for (a, b) in numbers.zip(there.matrix(input).numbers) {
                        look(slot, &[*a], (b - a).abs());
                    }
                }
            } else {
                let first = inputs.len().min(2);
                let views =
                    |graph: &'a Graph| inputs.iter().take(2).map(|&input| graph.matrix(input));
                let before: Vec<View<'_>> = views(here).collect();
                let after: Vec<View<'_>> =
                    inputs.iter().take(2).map(|&input| there.matrix(input)).collect();
                let columns = node.shape().columns as usize;
                for i in 0..node.shape().elements() {
                    let at = |view: &View<'_>| view.at(i / columns, i % columns);
                    let mut values = [0.0; 2];
                    values.iter_mut().zip(&before).for_each(|(value, view)| *value = at(view));
                    for slot in 0..first {
                        look(slot, &values[..first], (at(&after[slot]) - values[slot]).abs());
                    }
                }
            }
            if worst.is_none() && !there.matrix(id).is_finite() {
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
            Some(((&(gate, _), _), _)) if worst.is_none() => {
                Some((Obstacle::Kink(gate), f64::INFINITY))
            }
            _ => worst,
        }
    }

    /// The first gate on whose kink the point stands and which is on another side
    /// above it than below.
    pub fn straddled(&self, above: &[Vec<f64>], below: &[Vec<f64>]) -> Option<NodeId> {
        let mut gates = self.kinks.iter().zip(above).zip(below);
        gates.find(|((_, above), below)| above != below).map(|((&(gate, _), _), _)| gate)
    }

    /// The first gate on whose kink the point stands, so that its gradient is a
    /// convention.
    pub fn on_a_kink(&self) -> Option<NodeId> {
        self.kinks
            .iter()
            .zip(&self.sides)
            .find(|(_, side)| side.is_none())
            .map(|(&(gate, _), _)| gate)
    }

    /// What rounding can have done to the gradient at the point: an error analysis
    /// of the backward pass.
    pub fn gradient_error(&self) -> f64 {
        let graph = self.circuit.graph();
        if graph.has_matrices() {
            return self.gradient_error_of_matrices();
        }
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

    /// The same for matrices, with the largest number of each for all.
    fn gradient_error_of_matrices(&self) -> f64 {
        let graph = self.circuit.graph();
        let largest = |numbers: &[f64]| numbers.iter().fold(0.0, |most: f64, a| most.max(a.abs()));
        let mut errors = vec![0.0; graph.len()];
        for &id in self.circuit.order().iter().rev() {
            let node = graph.node(id);
            let gradient = largest(node.gradient_matrix().numbers);
            if gradient == 0.0 {
                continue;
            }
            for (slot, &input) in node.inputs().iter().enumerate() {
                let sent = largest(node.sent_back_matrix(slot).numbers());
                let error = errors[id.index()] / gradient + 4.0 * f64::EPSILON;
                errors[input.index()] += error * sent + 100.0 * TINY * (1.0 + gradient);
            }
        }
        errors[self.variable.index()]
    }
}

/// What one element of a gate reads, and its value.
fn inputs_of(graph: &Graph, id: NodeId, element: usize) -> (Vec<f64>, f64) {
    let node = graph.node(id);
    let value = node.matrix().numbers[element];
    let columns = node.shape().columns as usize;
    let (row, column) = (element / columns, element % columns);
    let inputs = node.inputs().iter();
    if !matches!(node.gate().row().forward, Forward::Whole { .. }) {
        return (inputs.map(|&input| graph.matrix(input).at(row, column)).collect(), value);
    }
    // The largest or smallest of a row, of a column, or of all.
    let a = graph.matrix(node.inputs()[0]);
    let within = |all: u32, reduced: u32, place: usize| match reduced == all {
        true => place..place + 1,
        false => 0..all as usize,
    };
    let rows = within(a.shape.rows, node.shape().rows, row);
    let columns = within(a.shape.columns, node.shape().columns, column);
    let read = rows.flat_map(|row| columns.clone().map(move |column| a.at(row, column)));
    (read.collect(), value)
}

/// On which side of its kink an element of a gate is: its local gradients.
fn side(graph: &Graph, id: NodeId, element: usize) -> Vec<f64> {
    let node = graph.node(id);
    if !graph.has_matrices() {
        return node.local_gradients().to_vec();
    }
    let (inputs, value) = inputs_of(graph, id, element);
    let (row, constant) = (node.gate().row(), node.gate().constant());
    if matches!(row.forward, Forward::Whole { .. }) {
        return inputs.iter().map(|&a| f64::from(a == value)).collect();
    }
    let mut local = vec![0.0; inputs.len()];
    derivative::local_gradients(row, constant, &inputs, value, &mut local);
    local
}

/// The smallest positive number.
const TINY: f64 = 5e-324;
