//! Where everything stands: the boxes of the nodes, the labels, and the wires
//! between the columns.

use std::collections::HashMap;
use std::fmt::Write;

use super::{Picture, Stage, name_and_shape, sum_of};
use crate::circuit::Circuit;
use crate::draw::block::{Block, Kind};
use crate::draw::layout::{Columns, Item};
use crate::draw::{TooLarge, label, on_wire, uses};
use crate::tape::NodeId;

/// Width of one character: common monospaced faces are 0.60 em or narrower.
pub(super) const CHARACTER: f64 = 7.9;
pub(super) const MARGIN: f64 = 16.0;
/// From one line of a matrix to the next.
pub(super) const LINE: f64 = 16.0;
const TITLE: f64 = 36.0;
pub(super) const GATE_HALF: f64 = 20.0;
pub(super) const INPUT_HALF: f64 = 14.0;
/// Half the height of a label box: one line above the wire and one below.
const LABEL_HALF: f64 = 20.0;
const PASS_HALF: f64 = 3.0;
/// The size of a gate's name beside that of other text.
const SMALL: f64 = 10.0 / 13.0;
/// Free space between two items of a column: room for a gate's name, too.
const GAP: f64 = 16.0;
/// Room below a node for the sum of what comes back along its wires.
const SUM: f64 = 18.0;

/// A node's box, by its center.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub x: f64,
    pub y: f64,
    pub half_width: f64,
    pub half_height: f64,
}

pub(super) fn text_width(text: &str) -> f64 {
    text.chars().map(|c| if c.is_ascii() { CHARACTER } else { 1.2 * CHARACTER }).sum()
}

impl<'a> Picture<'a> {
    pub fn new(circuit: &'a Circuit, stage: Stage) -> Result<Self, TooLarge> {
        let columns = Columns::new(circuit)?;
        let uses = uses(circuit);
        let half_height = |item| match item {
            Item::Node(Some(id)) => {
                let node = circuit.graph().node(id);
                let body = if node.gate().is_input() { INPUT_HALF } else { GATE_HALF };
                // The same room above keeps the center in the middle.
                let lines = || sum_of(circuit, id).height() - 1;
                body + if uses[id.index()] > 1 { SUM + LINE * lines() as f64 } else { 0.0 }
            }
            Item::Node(None) => INPUT_HALF,
            Item::Label(wire) => {
                let labels = on_wire(circuit, columns.wires[wire]);
                let lines = labels.iter().map(|block| block.height() - 1).max().unwrap_or(0);
                LABEL_HALF + LINE * lines as f64
            }
            Item::Pass(_) => PASS_HALF,
        };
        let mut y = columns.heights(half_height, GAP);
        let edges = columns.columns.iter().zip(&y).flat_map(|(items, y)| {
            items.iter().zip(y).map(|(&item, &y)| (y - half_height(item), y + half_height(item)))
        });
        let (top, bottom) = edges
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(t, b), (top, bottom)| {
                (t.min(top), b.max(bottom))
            });
        for y in y.iter_mut().flatten() {
            *y += TITLE + MARGIN - top;
        }
        let half_width: Vec<f64> = columns
            .columns
            .iter()
            .map(|items| {
                items
                    .iter()
                    .map(|&item| half_room(circuit, &columns, &uses, item))
                    .fold(0.0, f64::max)
            })
            .collect();

        let points = points(&columns, &y);
        let entering =
            columns.wires.iter().enumerate().filter_map(|(i, wire)| Some((wire.to?, i))).collect();
        let mut picture = Picture {
            circuit,
            columns,
            points,
            entering,
            x: Vec::new(),
            half_width,
            y,
            uses,
            stage,
            width: 0.0,
            height: TITLE + 2.0 * MARGIN + bottom - top,
        };
        picture.spread();
        Ok(picture)
    }

    /// The columns side by side, with wider gaps where wires climb further.
    fn spread(&mut self) {
        let mut climb = vec![0.0_f64; self.y.len()];
        for pair in self.points.iter().flat_map(|points| points.windows(2)) {
            let (column, y) = pair[0];
            climb[column] = climb[column].max((pair[1].1 - y).abs());
        }
        let mut right = MARGIN;
        let mut gap = 0.0;
        for (half_width, climb) in self.half_width.iter().zip(climb) {
            self.x.push(right + gap + half_width);
            right += gap + 2.0 * half_width;
            gap = (14.0 + 0.14 * climb).clamp(14.0, 64.0);
        }
        self.width = right + MARGIN;
    }

    pub fn places(&self) -> HashMap<Option<NodeId>, Place> {
        let mut places = HashMap::new();
        for (c, items) in self.columns.columns.iter().enumerate() {
            for (&item, &y) in items.iter().zip(&self.y[c]) {
                if let Item::Node(node) = item {
                    let is_gate =
                        node.is_some_and(|id| !self.circuit.graph().node(id).gate().is_input());
                    places.insert(
                        node,
                        Place {
                            x: self.x[c],
                            y,
                            half_width: half_width(self.circuit, &self.columns, item),
                            half_height: if is_gate { GATE_HALF } else { INPUT_HALF },
                        },
                    );
                }
            }
        }
        places
    }

    /// How far above or below its middle a wire enters the gate. The first input
    /// enters above the second; where the order doesn't matter, the upper wire
    /// above the lower, so that they don't cross.
    pub fn port(&self, index: usize) -> f64 {
        let Some((gate, slot)) = self.columns.wires[index].to else { return 0.0 };
        let node = self.circuit.graph().node(gate);
        let inputs = node.inputs().len();
        if inputs < 2 {
            return 0.0;
        }
        let half = if inputs == 2 { 8.0 } else { 12.0 };
        let height = |slot: usize| {
            let points = &self.points[self.entering[&(gate, slot)]];
            points[points.len() - 2].1
        };
        let above = |other: usize| {
            let (mine, others) = (height(slot), height(other));
            if node.gate().row().commutes && mine != others { others < mine } else { other < slot }
        };
        let rank = (0..inputs).filter(|&other| above(other)).count();
        half * (2.0 * rank as f64 / (inputs - 1) as f64 - 1.0)
    }

    /// From one point to the next: straight, or a curve that lies in the gap
    /// behind `column` alone.
    pub fn connect(&self, path: &mut String, from: (f64, f64), to: (f64, f64), column: usize) {
        let start = from.0.max(self.x[column] + self.half_width[column]);
        let next = (column + 1).min(self.x.len() - 1);
        let end = to.0.min(self.x[next] - self.half_width[next]);
        if (from.1 - to.1).abs() < 0.05 {
            let _ = write!(path, "H{:.1}", to.0);
            return;
        }
        let middle = (start + end) / 2.0;
        let _ = write!(
            path,
            "H{start:.1}C{middle:.1} {:.1} {middle:.1} {:.1} {end:.1} {:.1}H{:.1}",
            from.1, to.1, to.1, to.0,
        );
    }
}

/// Where each wire runs: the columns on its way, and its height in each.
fn points(columns: &Columns, y: &[Vec<f64>]) -> Vec<Vec<(usize, f64)>> {
    let mut heights = HashMap::new();
    let mut column_of = HashMap::new();
    for (column, (items, y)) in columns.columns.iter().zip(y).enumerate() {
        for (&item, &y) in items.iter().zip(y) {
            heights.insert((column, item), y);
            column_of.insert(item, column);
        }
    }
    let run = |path: &Vec<Item>| {
        let first = column_of[&path[0]];
        let items = path.iter().enumerate();
        items.map(|(i, &item)| (first + i, heights[&(first + i, item)])).collect()
    };
    columns.paths.iter().map(run).collect()
}

fn half_width(circuit: &Circuit, columns: &Columns, item: Item) -> f64 {
    match item {
        Item::Node(None) => (text_width(circuit.output_name()) / 2.0 + 8.0).max(INPUT_HALF),
        Item::Node(Some(id)) => {
            let node = circuit.graph().node(id);
            let (least, padding) =
                if node.gate().is_input() { (INPUT_HALF, 8.0) } else { (GATE_HALF, 9.0) };
            (text_width(&label(circuit, id)) / 2.0 + padding).max(least)
        }
        Item::Label(wire) => {
            let widths = on_wire(circuit, columns.wires[wire]).map(|block| block_width(&block));
            widths[0].max(widths[1]) / 2.0 + 5.0
        }
        Item::Pass(_) => 0.0,
    }
}

/// The width of a label.
fn block_width(block: &Block) -> f64 {
    let brackets = if block.kind == Kind::Number { 0.0 } else { 12.0 };
    block.lines.iter().map(|line| text_width(line)).fold(0.0, f64::max) + brackets
}

/// Half the width that an item takes in its column: its box, or the sum below it.
fn half_room(circuit: &Circuit, columns: &Columns, uses: &[usize], item: Item) -> f64 {
    let Item::Node(Some(id)) = item else { return half_width(circuit, columns, item) };
    let sum = match uses[id.index()] {
        0 | 1 => 0.0,
        _ => block_width(&sum_of(circuit, id)) / 2.0 + 4.0,
    };
    let above = match circuit.graph().has_matrices() {
        true => SMALL * text_width(&name_and_shape(circuit, id)) / 2.0,
        false => 0.0,
    };
    half_width(circuit, columns, item).max(sum).max(above)
}
