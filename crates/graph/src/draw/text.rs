//! The drawing for a terminal: the same picture in box characters, where it
//! fits, and the tape as a table.
//!
//! ```text
//!    -2
//! x ────╮
//!    -4 │      3
//!       ├→(+)────╮
//!    5  │     -4 │      -12
//! y ────╯        ├→(×)─────→ f
//!    -4          │       1
//! ```

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write;

use super::block::Block;
use super::layout::{Columns, Item};
use super::{MOST_GATES, gradient_block, label, on_wire, uses};
use crate::circuit::Circuit;
use crate::number::rounded;
use crate::op::Gate;
use crate::tape::NodeId;
use crate::value::View;

/// The picture, then the table. A picture that is wider than `width` characters
/// is left out, with a line that says so.
#[must_use]
pub fn draw(circuit: &Circuit, width: usize) -> String {
    let mut out = String::new();
    if !circuit.title().is_empty() {
        let _ = writeln!(out, "{}\n", circuit.equation());
    }
    match picture(circuit) {
        Some(lines) if lines.iter().all(|line| line.chars().count() <= width) => {
            for line in lines {
                out.push_str(&line);
                out.push('\n');
            }
            out.push_str("\nAbove each wire its value, below it its gradient.\n\n");
        }
        Some(lines) => {
            let needed = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
            let _ = writeln!(
                out,
                "(The picture is {needed} characters wide: see it as SVG or HTML.)\n"
            );
        }
        None => {}
    }
    if circuit.is_blank() {
        return out;
    }
    match circuit.graph().has_matrices() {
        true => ledger(&mut out, circuit),
        false => table(&mut out, circuit),
    }
    for trouble in circuit.troubles() {
        let _ = writeln!(out, "! {}", trouble.message);
    }
    out
}

/// The tape, one line a node.
fn table(out: &mut String, circuit: &Circuit) {
    const DIGITS: usize = 10;
    let troubles: HashSet<_> = circuit.troubles().iter().map(|t| t.node).collect();
    let header = ["node", "operation", "value", "gradient", "local gradients"].map(str::to_owned);
    let mut rows = vec![header];
    for &id in circuit.order() {
        let node = circuit.graph().node(id);
        let operation = match node.gate() {
            Gate::Variable => "variable".to_owned(),
            Gate::Constant(_) => "constant".to_owned(),
            _ => circuit.operation(id),
        };
        let mut local = String::new();
        for (slot, (&input, &gradient)) in
            node.inputs().iter().zip(node.local_gradients()).enumerate()
        {
            let separator = if slot == 0 { "" } else { ", " };
            let gradient = rounded(gradient, 6);
            let _ = write!(local, "{separator}by {} {gradient}", circuit.name(input));
        }
        let mark = if troubles.contains(&id) { "!" } else { "" };
        rows.push([
            format!("{mark}{}", circuit.name(id)),
            operation,
            rounded(node.value(), DIGITS),
            rounded(node.gradient(), DIGITS),
            local,
        ]);
    }
    let widest = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..4).map(|c| widest(c).unwrap_or(0)).collect();
    for [name, operation, value, gradient, local] in &rows {
        let [a, b, c, d] = [widths[0].max(4), widths[1], widths[2], widths[3]];
        let line = format!("{name:a$}  {operation:b$}  {value:>c$}  {gradient:>d$}  {local}");
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

/// The tape of matrices: for each node its shape, value and gradient, and the rules
/// by which a gate sends gradients back.
fn ledger(out: &mut String, circuit: &Circuit) {
    let troubles: HashSet<_> = circuit.troubles().iter().map(|t| t.node).collect();
    for &id in circuit.order() {
        let node = circuit.graph().node(id);
        let name = circuit.name(id);
        let mark = if troubles.contains(&id) { "!" } else { "" };
        let operation = match node.gate() {
            Gate::Variable => String::new(),
            Gate::Constant(_) => ", a constant".to_owned(),
            _ => format!(" = {}", circuit.operation(id)),
        };
        let _ = writeln!(out, "{mark}{name}{operation}  {}", node.shape());
        let gradient = format!("d{name}");
        beside(out, &[("value", node.matrix()), (&gradient, node.gradient_matrix())]);
        let rules = (0..node.inputs().len()).filter_map(|slot| circuit.rule(id, slot));
        for rule in rules {
            let _ = writeln!(out, "  {}   {}", rule.text, rule.shapes);
        }
        out.push('\n');
    }
}

/// Values side by side, each with its name before its first line.
fn beside(out: &mut String, named: &[(&str, View<'_>)]) {
    const DIGITS: usize = 6;
    let blocks: Vec<_> =
        named.iter().map(|(name, view)| (name, Block::new(*view, DIGITS).text())).collect();
    let height = blocks.iter().map(|(_, lines)| lines.len()).max().unwrap_or(0);
    for row in 0..height {
        let mut line = String::new();
        for (name, lines) in &blocks {
            let name = if row == 0 { name } else { "" };
            let text = lines.get(row).map_or("", String::as_str);
            let width = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
            let _ = write!(line, "  {name:6} {text:width$}  ");
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
}

// The four arms of a box character.
const UP: u8 = 1;
const DOWN: u8 = 2;
const LEFT: u8 = 4;
const RIGHT: u8 = 8;

/// What a cell holds: lines that meet in it, or a character.
#[derive(Clone, Copy)]
enum Cell {
    Lines(u8),
    Text(char),
}

/// The picture by row and column.
type Cells = BTreeMap<(i64, usize), Cell>;

/// A connection across one gap: rows on either side, and who shares its
/// vertical line: wires out of the same node, or into the same gate.
struct Crossing {
    from: i64,
    to: i64,
    shared: i64,
}

/// The lines of the picture; none where it is too large, or where its wires
/// could be mistaken for one another.
fn picture(circuit: &Circuit) -> Option<Vec<String>> {
    /// Beyond this no terminal is wide enough, so there is no need to try.
    const MOST_DRAWN: usize = 80;
    if circuit.gates().count() > MOST_DRAWN.min(MOST_GATES) {
        return None;
    }
    let columns = Columns::new(circuit).ok()?;
    let uses = uses(circuit);
    let labels: Vec<[Vec<String>; 2]> = columns
        .wires
        .iter()
        .map(|wire| on_wire(circuit, *wire).map(|block| block.text()))
        .collect();
    let half = |item| match item {
        Item::Node(Some(id)) if uses[id.index()] > 1 => sum(circuit, id).len() as f64,
        Item::Node(_) | Item::Pass(_) => 0.0,
        Item::Label(wire) => labels[wire].iter().map(Vec::len).max().unwrap_or(0) as f64,
    };
    // Rounding keeps distances that are whole numbers.
    let rows: Vec<Vec<i64>> = columns
        .heights(half, 2.0)
        .iter()
        .map(|column| column.iter().map(|y| y.round() as i64).collect())
        .collect();
    let top = rows.iter().flatten().min()?;
    let row_of: HashMap<(usize, Item), i64> = columns
        .columns
        .iter()
        .zip(&rows)
        .enumerate()
        .flat_map(|(c, (items, rows))| {
            items.iter().zip(rows).map(move |(&item, &row)| ((c, item), row - top))
        })
        .collect();
    let text = |item: Item| -> String {
        match item {
            Item::Node(None) => circuit.output_name().to_owned(),
            Item::Node(Some(id)) if circuit.graph().node(id).gate().is_input() => {
                label(circuit, id)
            }
            Item::Node(Some(id)) => format!("({})", label(circuit, id)),
            Item::Label(wire) => widest(labels[wire].iter().flatten()),
            Item::Pass(_) => String::new(),
        }
    };
    let sum = |item: Item| match item {
        Item::Node(Some(id)) if uses[id.index()] > 1 => sum(circuit, id),
        _ => Vec::new(),
    };

    // The connections across each gap, and a vertical line for each that climbs.
    let mut gaps: Vec<Vec<Crossing>> = (1..columns.columns.len()).map(|_| Vec::new()).collect();
    for path in &columns.paths {
        let first = (0..columns.columns.len()).find(|&c| row_of.contains_key(&(c, path[0])))?;
        for (i, pair) in path.windows(2).enumerate() {
            let (from, to) = (row_of[&(first + i, pair[0])], row_of[&(first + i + 1, pair[1])]);
            let shared = if matches!(pair[0], Item::Node(_)) { from } else { to };
            gaps[first + i].push(Crossing { from, to, shared });
        }
    }

    let mut cells = Cells::new();
    let mut left = 0;
    for (c, items) in columns.columns.iter().enumerate() {
        let width = |item: Item| {
            let padding = if matches!(item, Item::Label(_)) { 2 } else { 0 };
            let body = text(item).chars().count() + padding;
            body.max(widest(sum(item).iter()).chars().count())
        };
        let column_width = items.iter().map(|&item| width(item)).max().unwrap_or(0);
        for &item in items {
            let row = row_of[&(c, item)];
            match item {
                Item::Label(index) => {
                    run(&mut cells, row, left, left + column_width);
                    let [value, gradient] = &labels[index];
                    let above = row - value.len() as i64;
                    for (lines, first) in [(value, above), (gradient, row + 1)] {
                        for (line, row) in lines.iter().zip(first..) {
                            let indent = (column_width - line.chars().count()) / 2;
                            write_text(&mut cells, row, left + indent, line);
                        }
                    }
                }
                Item::Pass(_) => run(&mut cells, row, left, left + column_width),
                Item::Node(node) => {
                    // Inputs end at the right of their column, gates begin at
                    // its left: a short wire fills the rest.
                    let text = text(item);
                    let length = text.chars().count();
                    let input = node.is_some_and(|id| circuit.graph().node(id).gate().is_input());
                    let at = if input { left + column_width - length } else { left };
                    write_text(&mut cells, row, at, &text);
                    if !input && node.is_some() {
                        run(&mut cells, row, at + length, left + column_width);
                    }
                    for (line, row) in sum(item).iter().zip(row + 1..) {
                        write_text(&mut cells, row, left, line);
                    }
                }
            }
        }
        left += column_width;
        let Some(gap) = gaps.get(c) else { break };
        let lanes = lanes(gap)?;
        let gap_width = lanes.values().max().map_or(0, |lane| lane + 1) + 2;
        for crossing in gap {
            let end = left + gap_width;
            if crossing.from == crossing.to {
                run(&mut cells, crossing.from, left, end);
            } else {
                let lane = left + 1 + lanes[&crossing.shared];
                run(&mut cells, crossing.from, left, lane);
                run(&mut cells, crossing.to, lane + 1, end);
                let down = crossing.to > crossing.from;
                join(&mut cells, crossing.from, lane, LEFT | if down { DOWN } else { UP });
                join(&mut cells, crossing.to, lane, RIGHT | if down { UP } else { DOWN });
                let (a, b) = (crossing.from.min(crossing.to), crossing.from.max(crossing.to));
                for row in a + 1..b {
                    join(&mut cells, row, lane, UP | DOWN);
                }
            }
        }
        // An arrow's head before each gate and before the output.
        if c % 2 == 1 {
            for &item in &columns.columns[c + 1] {
                let enters = matches!(item, Item::Node(node)
                    if node.is_none_or(|id| !circuit.graph().node(id).gate().is_input()));
                if enters {
                    let row = row_of[&(c + 1, item)];
                    cells.insert((row, left + gap_width - 1), Cell::Text('→'));
                }
            }
        }
        left += gap_width;
    }
    Some(lines(&cells))
}

/// The gradient of a node that is read more than once, in lines.
fn sum(circuit: &Circuit, node: NodeId) -> Vec<String> {
    let lines = gradient_block(circuit, node).text();
    let marks = std::iter::once('Σ').chain(std::iter::repeat(' '));
    lines.iter().zip(marks).map(|(line, mark)| format!("{mark} {line}")).collect()
}

/// The longest of some lines.
fn widest<'a>(lines: impl Iterator<Item = &'a String>) -> String {
    lines.max_by_key(|line| line.chars().count()).cloned().unwrap_or_default()
}

/// A vertical line for each group of connections that climb, so that no two
/// groups share one where their rows overlap, and none runs along a row where
/// another ends. None if that can't be had.
fn lanes(gap: &[Crossing]) -> Option<BTreeMap<i64, usize>> {
    struct Group {
        key: i64,
        top: i64,
        bottom: i64,
        from: Vec<i64>,
        to: Vec<i64>,
        lane: usize,
    }
    let mut groups: Vec<Group> = Vec::new();
    for crossing in gap.iter().filter(|crossing| crossing.from != crossing.to) {
        let key = crossing.shared;
        let at = groups.iter().position(|g| g.key == key).unwrap_or_else(|| {
            groups.push(Group { key, top: key, bottom: key, from: vec![], to: vec![], lane: 0 });
            groups.len() - 1
        });
        let group = &mut groups[at];
        group.top = group.top.min(crossing.from).min(crossing.to);
        group.bottom = group.bottom.max(crossing.from).max(crossing.to);
        group.from.push(crossing.from);
        group.to.push(crossing.to);
    }
    // Push lines to the right until nothing conflicts; a circle of "must be to
    // the right of" never settles, and then there is no drawing.
    for _ in 0..=groups.len() * groups.len() {
        let mut moved = false;
        for a in 0..groups.len() {
            for b in 0..groups.len() {
                if a == b {
                    continue;
                }
                let (first, second) = (&groups[a], &groups[b]);
                let behind = first.from.iter().any(|row| second.to.contains(row));
                let overlap = first.top <= second.bottom && second.top <= first.bottom;
                let clash = (behind && second.lane <= first.lane)
                    || (overlap && a < b && second.lane == first.lane);
                if clash {
                    groups[b].lane = groups[a].lane + 1;
                    moved = true;
                }
            }
        }
        if !moved {
            return Some(groups.into_iter().map(|group| (group.key, group.lane)).collect());
        }
    }
    None
}

fn join(cells: &mut Cells, row: i64, x: usize, arms: u8) {
    match cells.entry((row, x)).or_insert(Cell::Lines(0)) {
        Cell::Lines(lines) => *lines |= arms,
        Cell::Text(_) => {}
    }
}

/// A line along a row, from a column up to another.
fn run(cells: &mut Cells, row: i64, from: usize, to: usize) {
    for x in from..to {
        join(cells, row, x, LEFT | RIGHT);
    }
}

fn write_text(cells: &mut Cells, row: i64, x: usize, text: &str) {
    for (i, c) in text.chars().enumerate() {
        cells.insert((row, x + i), Cell::Text(c));
    }
}

fn lines(cells: &Cells) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let Some(first) = cells.keys().next().map(|(row, _)| *row) else { return lines };
    let mut length = 0;
    for (&(row, x), cell) in cells {
        while (lines.len() as i64) <= row - first {
            lines.push(String::new());
            length = 0;
        }
        let line = lines.last_mut().expect("just pushed");
        line.extend(std::iter::repeat_n(' ', x - length));
        line.push(match *cell {
            Cell::Text(c) => c,
            Cell::Lines(arms) => box_character(arms),
        });
        length = x + 1;
    }
    lines
}

fn box_character(arms: u8) -> char {
    match (arms & UP != 0, arms & DOWN != 0, arms & LEFT != 0, arms & RIGHT != 0) {
        (false, false, _, _) => '─',
        (true, false, true, true) => '┴',
        (true, false, true, false) => '╯',
        (true, false, false, _) => '╰',
        (false, true, true, true) => '┬',
        (false, true, true, false) => '╮',
        (false, true, false, _) => '╭',
        (true, true, false, false) => '│',
        (true, true, true, false) => '┤',
        (true, true, false, true) => '├',
        (true, true, true, true) => '┼',
    }
}
