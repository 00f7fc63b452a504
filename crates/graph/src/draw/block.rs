//! What is shown of a value: a number, the numbers of a small matrix, or of a large
//! one a tile with its shape, mean and norm.

use crate::number;
use crate::value::View;

/// The most rows and columns of a matrix whose numbers are written out.
pub const MOST_WRITTEN: usize = 5;

/// A value in lines of text.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// Lines of the same length.
    pub lines: Vec<String>,
    pub kind: Kind,
    /// Whether every number is finite.
    pub finite: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Number,
    Matrix,
    Tile,
}

impl Block {
    /// A value with numbers of so many significant digits.
    pub fn new(view: View<'_>, digits: usize) -> Self {
        let (rows, columns) = (view.shape.rows as usize, view.shape.columns as usize);
        let written = |value: &f64| number::rounded(*value, digits);
        let (lines, kind) = if view.shape.is_scalar() {
            (vec![written(&view.numbers[0])], Kind::Number)
        } else if rows <= MOST_WRITTEN && columns <= MOST_WRITTEN {
            let cells: Vec<String> = view.numbers.iter().map(written).collect();
            let width = |column: usize| {
                let column = cells.iter().skip(column).step_by(columns);
                column.map(|cell| cell.chars().count()).max().unwrap_or(0)
            };
            let widths: Vec<usize> = (0..columns).map(width).collect();
            let line = |row: &[String]| {
                let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:>width$}"));
                cells.collect::<Vec<_>>().join("  ")
            };
            (cells.chunks(columns).map(line).collect(), Kind::Matrix)
        } else {
            (tile(view, digits).to_vec(), Kind::Tile)
        };
        Block { lines, kind, finite: view.is_finite() }
    }

    /// Empty places for the numbers of a value.
    pub fn blank(view: View<'_>) -> Self {
        const PLACE: &str = "_____";
        let block = Block::new(view, 1);
        let lines = match block.kind {
            Kind::Number => vec![PLACE.to_owned()],
            Kind::Matrix => {
                let line = vec![PLACE; view.shape.columns as usize].join("  ");
                vec![line; view.shape.rows as usize]
            }
            Kind::Tile => vec![view.shape.to_string(), PLACE.to_owned()],
        };
        Block { lines, finite: true, ..block }
    }

    /// Characters of its widest line.
    pub fn width(&self) -> usize {
        self.lines.iter().map(|line| line.chars().count()).max().unwrap_or(0)
    }

    pub fn height(&self) -> usize {
        self.lines.len()
    }

    /// Its lines for a terminal: a matrix in brackets.
    pub fn text(&self) -> Vec<String> {
        match self.kind {
            Kind::Matrix => self.lines.iter().map(|line| format!("[{line}]")).collect(),
            Kind::Number | Kind::Tile => self.lines.clone(),
        }
    }
}

/// Shape, mean and Euclidean norm.
pub(crate) fn tile(view: View<'_>, digits: usize) -> [String; 3] {
    let mean = view.numbers.iter().sum::<f64>() / view.numbers.len() as f64;
    [
        view.shape.to_string(),
        format!("mean {}", number::significant(mean, digits)),
        format!("norm {}", number::significant(view.norm(), digits)),
    ]
}

/// A value in one line: `[1, 2; 3, 4]`, or shape, mean and norm.
#[must_use]
pub fn in_line(view: View<'_>, digits: usize) -> String {
    let block = Block::new(view, digits);
    match block.kind {
        Kind::Number => block.lines[0].clone(),
        Kind::Tile => block.lines.join(", "),
        Kind::Matrix => {
            let columns = view.shape.columns as usize;
            let row = |row: &[f64]| {
                let cells = row.iter().map(|value| number::rounded(*value, digits));
                cells.collect::<Vec<_>>().join(", ")
            };
            let rows: Vec<String> = view.numbers.chunks(columns).map(row).collect();
            format!("[{}]", rows.join("; "))
        }
    }
}
