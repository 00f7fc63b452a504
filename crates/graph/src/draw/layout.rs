//! Where everything goes: columns from left to right, gates and wires.
//!
//! The drawing is layered, after Sugiyama. `layout-rs` gives each node its rank
//! (as near to who reads it as may be) and puts the items of each rank in an
//! order with few crossings. Its own coordinates are made for boxes with one
//! text and for edges with one label; here each wire carries two, so the
//! coordinates are ours:
//!
//! - Between two ranks of gates lies a column for labels alone. Each wire has a
//!   box of its own there, as wide as its numbers, through whose middle it runs
//!   straight: the value above the wire and the gradient below it.
//! - A wire that spans several ranks holds a place in each column it passes.
//! - Curves are drawn only in the gaps between columns, where nothing else is.
//!
//! So no label can meet another, nor a wire that isn't its own, whatever the
//! graph. Vertically each item is drawn to the mean of its neighbors, as far as
//! the order and the distances in its column allow: a least-squares problem with
//! chained bounds, which pooling adjacent violators solves exactly.

use std::collections::HashMap;

use layout::adt::dag::{DAG, NodeHandle};
use layout::topo::optimizer::{EdgeCrossOptimizer, RankOptimizer};

use super::{MOST_PLACES, TooLarge};
use crate::circuit::Circuit;
use crate::tape::{Node, NodeId};

/// One thing that holds a place in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Item {
    /// A gate, a variable or a constant; none is the output's own mark.
    Node(Option<NodeId>),
    /// The box around the two numbers of a wire.
    Label(usize),
    /// A wire on its way through a column.
    Pass(usize),
}

/// A wire from a node to one input of a gate, or from the output to its mark.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wire {
    pub from: NodeId,
    /// The gate and its input, or none for the output's own wire.
    pub to: Option<(NodeId, usize)>,
}

/// The columns, each with its items from top to bottom. Nodes stand in the even
/// columns, labels in the odd ones.
#[derive(Debug)]
pub(crate) struct Columns {
    pub columns: Vec<Vec<Item>>,
    pub wires: Vec<Wire>,
    /// The items that each wire runs through, from its source to its end.
    pub paths: Vec<Vec<Item>>,
}

/// Work, in comparisons, that a round of ordering the columns may cost. There
/// are some fifty rounds, and a comparison takes 20 to 40 ns: a tenth of a
/// second. Beyond it the columns stay in the order in which the formula names
/// them: correct, and for a formula in which nothing is used twice also free of
/// crossings.
const ORDERING_EFFORT: usize = 60_000;

impl Columns {
    pub fn new(circuit: &Circuit) -> Result<Self, TooLarge> {
        let ranks = ranks(circuit);
        let last = 2 * ranks[&circuit.output()];
        let column_of = |node: Option<NodeId>| node.map_or(last + 2, |id| 2 * ranks[&id]);
        let wires_into = |(id, node): (NodeId, Node<'_>)| -> usize {
            node.inputs().iter().map(|input| column_of(Some(id)) - column_of(Some(*input))).sum()
        };
        let places: usize = circuit.gates().map(wires_into).sum();
        if places > MOST_PLACES {
            return Err(TooLarge::Wires(places));
        }

        // From the output backwards, first input first, so that each column
        // lists its items in the order of the formula.
        let mut columns = vec![Vec::new(); last + 3];
        let mut wires = Vec::new();
        let mut paths = Vec::new();
        let mut seen = vec![false; circuit.graph().len()];
        columns[last + 2].push(Item::Node(None));
        let mut stack = vec![Wire { from: circuit.output(), to: None }];
        while let Some(wire) = stack.pop() {
            let index = wires.len();
            wires.push(wire);
            let (first, end) = (column_of(Some(wire.from)), column_of(wire.to.map(|(id, _)| id)));
            let mut path = vec![Item::Node(wire.to.map(|(id, _)| id))];
            for column in (first + 1..end).rev() {
                let item = if column == first + 1 { Item::Label(index) } else { Item::Pass(index) };
                columns[column].push(item);
                path.push(item);
            }
            path.push(Item::Node(Some(wire.from)));
            path.reverse();
            paths.push(path);
            if !std::mem::replace(&mut seen[wire.from.index()], true) {
                columns[first].push(Item::Node(Some(wire.from)));
                let inputs = circuit.graph().node(wire.from).inputs().iter().enumerate().rev();
                stack.extend(
                    inputs.map(|(slot, &input)| Wire { from: input, to: Some((wire.from, slot)) }),
                );
            }
        }
        let mut columns = Columns { columns, wires, paths };
        columns.order();
        Ok(columns)
    }

    /// Hands each column to layout-rs, to be put in an order with few crossings.
    fn order(&mut self) {
        let effort: usize = self.columns.windows(2).map(|c| c[0].len().pow(2) * c[1].len()).sum();
        if effort > ORDERING_EFFORT {
            return;
        }
        // A Pass stands once in each column on its way, so a place is an item
        // and its column.
        let places: Vec<(usize, Item)> = self
            .columns
            .iter()
            .enumerate()
            .flat_map(|(c, items)| items.iter().map(move |&item| (c, item)))
            .collect();
        let handles: HashMap<(usize, Item), NodeHandle> =
            places.iter().enumerate().map(|(i, &place)| (place, NodeHandle::new(i))).collect();
        let mut dag = new_dag(places.len());
        for path in &self.paths {
            let first = self.column_of(path[0]);
            for (i, pair) in path.windows(2).enumerate() {
                dag.add_edge(handles[&(first + i, pair[0])], handles[&(first + i + 1, pair[1])]);
            }
        }
        let ranks = dag.ranks_mut();
        *ranks = vec![Vec::new(); self.columns.len()];
        for (i, (column, _)) in places.iter().enumerate() {
            ranks[*column].push(NodeHandle::new(i));
        }
        EdgeCrossOptimizer::new(&mut dag).optimize();
        for (column, handles) in self.columns.iter_mut().zip(dag.ranks()) {
            *column = handles.iter().map(|handle| places[handle.get_index()].1).collect();
        }
    }

    fn column_of(&self, node: Item) -> usize {
        self.columns.iter().position(|items| items.contains(&node)).expect("every node is placed")
    }

    /// The vertical center of every item, by column: items of half-heights
    /// `half` at least `gap` apart, each as near to its neighbors as can be.
    pub fn heights(&self, half: impl Fn(Item) -> f64, gap: f64) -> Vec<Vec<f64>> {
        let mut index: HashMap<(usize, Item), usize> = HashMap::new();
        let mut column_of: HashMap<Item, usize> = HashMap::new();
        for (c, items) in self.columns.iter().enumerate() {
            for (i, &item) in items.iter().enumerate() {
                index.insert((c, item), i);
                column_of.insert(item, c);
            }
        }
        // Links between neighbors: (column, item there, item in the next).
        let mut links: Vec<Vec<(usize, usize)>> = vec![Vec::new(); self.columns.len()];
        for path in &self.paths {
            let first = column_of[&path[0]];
            for (i, pair) in path.windows(2).enumerate() {
                let c = first + i;
                links[c].push((index[&(c, pair[0])], index[&(c + 1, pair[1])]));
            }
        }
        let distances: Vec<Vec<f64>> = self
            .columns
            .iter()
            .map(|items| items.windows(2).map(|pair| half(pair[0]) + gap + half(pair[1])).collect())
            .collect();

        let mut y: Vec<Vec<f64>> = distances
            .iter()
            .map(|column| {
                let mut at = 0.0;
                std::iter::once(0.0)
                    .chain(column.iter().map(|distance| {
                        at += distance;
                        at
                    }))
                    .collect()
            })
            .collect();
        const SWEEPS: usize = 12;
        for _ in 0..SWEEPS {
            for c in (0..y.len() - 1).rev() {
                let pulls = links[c].iter().map(|&(here, there)| (here, y[c + 1][there]));
                y[c] = settle(&y[c], pulls, &distances[c]);
            }
            for c in 1..y.len() {
                let pulls = links[c - 1].iter().map(|&(there, here)| (here, y[c - 1][there]));
                y[c] = settle(&y[c], pulls, &distances[c]);
            }
        }
        y
    }
}

/// Moves the items of a column to the mean of what pulls at them (an item that
/// nothing pulls stays), keeping the order and the distances: the least sum of
/// squares, by pooling adjacent violators.
fn settle(
    current: &[f64],
    pulls: impl Iterator<Item = (usize, f64)>,
    distances: &[f64],
) -> Vec<f64> {
    let mut sums = vec![(0.0, 0.0); current.len()];
    for (item, pull) in pulls {
        sums[item].0 += pull;
        sums[item].1 += 1.0;
    }
    // With the distances taken off, "in order and apart" is "not decreasing".
    let mut offset = 0.0;
    let mut offsets = vec![0.0; current.len()];
    for (i, distance) in distances.iter().enumerate() {
        offset += distance;
        offsets[i + 1] = offset;
    }
    let mut blocks: Vec<(f64, usize)> = Vec::new(); // (mean, items)
    for (i, &(sum, count)) in sums.iter().enumerate() {
        let wanted = if count > 0.0 { sum / count } else { current[i] };
        let mut block = (wanted - offsets[i], 1);
        while let Some(&(mean, items)) = blocks.last() {
            if mean <= block.0 {
                break;
            }
            blocks.pop();
            let total = items + block.1;
            block = ((mean * items as f64 + block.0 * block.1 as f64) / total as f64, total);
        }
        blocks.push(block);
    }
    let settled = blocks.iter().flat_map(|&(mean, items)| std::iter::repeat_n(mean, items));
    settled.zip(&offsets).map(|(mean, offset)| mean + offset).collect()
}

/// The rank of each node: gates behind their inputs, and variables as near as
/// can be to the first gate that reads them.
fn ranks(circuit: &Circuit) -> HashMap<NodeId, usize> {
    let order = circuit.order();
    let handles: HashMap<NodeId, NodeHandle> =
        order.iter().enumerate().map(|(i, &id)| (id, NodeHandle::new(i))).collect();
    let mut dag = new_dag(order.len());
    for &id in order {
        for input in circuit.graph().node(id).inputs() {
            dag.add_edge(handles[input], handles[&id]);
        }
    }
    dag.recompute_node_ranks();
    RankOptimizer::new(&mut dag).optimize();
    let mut ranks = HashMap::new();
    for (rank, handles) in dag.ranks().iter().enumerate() {
        ranks.extend(handles.iter().map(|handle| (order[handle.get_index()], rank)));
    }
    ranks
}

/// A graph of layout-rs without edges. Its self-check is turned off: it follows
/// every path through the graph, of which there are 2^n after n doublings.
fn new_dag(nodes: usize) -> DAG {
    let mut dag = DAG::new();
    dag.set_validate(false);
    dag.new_nodes(nodes);
    dag
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Formula, Gates};

    fn columns(formula: &str) -> Columns {
        let formula = Formula::parse(formula).unwrap();
        let at: Vec<_> = formula.variables().iter().map(|n| (n.clone(), 1.5)).collect();
        Columns::new(&formula.circuit(&at, Gates::Written).unwrap()).unwrap()
    }

    fn crossings(columns: &Columns) -> usize {
        let mut crossings = 0;
        for c in 0..columns.columns.len() - 1 {
            let mut links = Vec::new();
            for path in &columns.paths {
                for pair in path.windows(2) {
                    let here = columns.columns[c].iter().position(|i| *i == pair[0]);
                    let there = columns.columns[c + 1].iter().position(|i| *i == pair[1]);
                    links.extend(here.zip(there));
                }
            }
            for (i, a) in links.iter().enumerate() {
                crossings += links[..i]
                    .iter()
                    .filter(|b| (a.0 < b.0) != (a.1 < b.1) && a.0 != b.0 && a.1 != b.1)
                    .count();
            }
        }
        crossings
    }

    #[test]
    fn a_formula_that_uses_nothing_twice_is_drawn_without_a_crossing() {
        for formula in [
            "(x+y)*z",
            "1/(1+exp(-(w0*x0+w1*x1+w2)))",
            "max(a*b, c, exp(d-e_1)/(f+g)) - h^2*sin(i*j)",
        ] {
            assert_eq!(crossings(&columns(formula)), 0, "{formula}");
        }
    }

    #[test]
    fn labels_keep_their_distance_in_every_column() {
        for formula in ["x*x+x*y+y*y-x/y", "a*b+b*c+c*a+a*c*b", "sin(x)^2+cos(x)^2+x"] {
            let columns = columns(formula);
            let half = |item| if matches!(item, Item::Pass(_)) { 5.0 } else { 18.0 };
            for (items, y) in columns.columns.iter().zip(columns.heights(half, 10.0)) {
                for i in 1..items.len() {
                    let least = half(items[i - 1]) + 10.0 + half(items[i]);
                    assert!(y[i] - y[i - 1] >= least - 1e-9, "{formula}: {y:?}");
                }
            }
        }
    }

    #[test]
    fn a_short_formula_that_reads_one_name_often_is_placed_in_no_time() {
        let clock = std::time::Instant::now();
        columns(&format!("x{}", "*y+y".repeat(40)));
        assert!(clock.elapsed().as_secs_f64() < 1.0, "{:?}", clock.elapsed());
    }

    #[test]
    fn doubling_thirty_times_does_not_take_two_to_the_thirty_steps() {
        let mut g = crate::Graph::new();
        let mut x = g.variable("x", 1e-9);
        for _ in 0..30 {
            x = g.add(x, x);
        }
        let columns = Columns::new(&Circuit::new(g, x)).unwrap();
        assert_eq!(columns.wires.len(), 61);
    }
}
