//! Tables on paper.

use std::fmt::Write as _;

use super::math::{self, Formula};
use super::{INK, LINE, SOFT, svg};
use crate::Error;
use crate::chart::escape;
use crate::chart::letters::{bold_width, width, wrap};

/// The size of letters.
const SIZE: f64 = 12.0;

/// Between two columns.
const GAP: f64 = 26.0;

/// The width of a letter of DejaVu Sans Mono, in em.
const MONO: f64 = 0.602_05;

/// The narrowest that a column of text becomes.
const NARROWEST: f64 = 120.0;

/// What stands in a cell.
#[derive(Clone, Debug)]
pub struct Cell {
    content: String,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Value,
    Gradient,
    Math,
}

impl Cell {
    /// Words, which may be broken into lines.
    #[must_use]
    pub fn text(content: impl Into<String>) -> Cell {
        Cell { content: content.into(), kind: Kind::Text }
    }

    /// A number, or what else has letters of one width.
    #[must_use]
    pub fn number(content: impl Into<String>) -> Cell {
        Cell { content: content.into(), kind: Kind::Number }
    }

    /// A value of the forward pass.
    #[must_use]
    pub fn value(content: impl Into<String>) -> Cell {
        Cell { content: content.into(), kind: Kind::Value }
    }

    /// A gradient.
    #[must_use]
    pub fn gradient(content: impl Into<String>) -> Cell {
        Cell { content: content.into(), kind: Kind::Gradient }
    }

    /// A formula in MathML: of `math`, `mrow`, `mi`, `mn`, `mo`, `mtext`, `mfrac`, `msup` and `msub`.
    #[must_use]
    pub fn math(content: impl Into<String>) -> Cell {
        Cell { content: content.into(), kind: Kind::Math }
    }

    fn width(&self, formula: Option<&Formula>) -> f64 {
        match self.kind {
            Kind::Text => width(&self.content, SIZE),
            Kind::Math => formula.map_or(0.0, |formula| formula.width),
            _ => SIZE * MONO * self.content.chars().count() as f64,
        }
    }
}

/// A table, row by row: the SVG of each, and its height.
pub(super) struct Set {
    pub header: Option<(String, f64)>,
    pub rows: Vec<(String, f64)>,
}

/// Sets a table into `room` pixels.
pub(super) fn set(header: &[&str], rows: &[Vec<Cell>], room: f64) -> Result<Set, Error> {
    let formulas: Vec<Vec<Option<Formula>>> = rows
        .iter()
        .map(|row| {
            let formula = |cell: &Cell| match cell.kind {
                Kind::Math => math::set(&cell.content, SIZE + 2.0).map(Some),
                _ => Ok(None),
            };
            row.iter().map(formula).collect()
        })
        .collect::<Result<_, _>>()?;
    let count = rows.iter().map(Vec::len).chain([header.len()]).max().unwrap_or(0);
    let mut widths = vec![0.0_f64; count];
    for (column, title) in header.iter().enumerate() {
        widths[column] = bold_width(title, SIZE);
    }
    for (row, formulas) in rows.iter().zip(&formulas) {
        for (column, (cell, formula)) in row.iter().zip(formulas).enumerate() {
            widths[column] = widths[column].max(cell.width(formula.as_ref()));
        }
    }
    // Too wide a table gives up some of its widest column of words.
    let total = widths.iter().sum::<f64>() + GAP * count.saturating_sub(1) as f64;
    let is_text = |column: usize| {
        rows.iter().any(|row| row.get(column).is_some_and(|c| c.kind == Kind::Text))
    };
    let widest = (0..count)
        .filter(|&column| is_text(column))
        .max_by(|&a, &b| widths[a].total_cmp(&widths[b]));
    if let Some(widest) = widest.filter(|_| total > room) {
        widths[widest] = (widths[widest] - (total - room)).max(NARROWEST);
    }
    let mut x = vec![0.0; count];
    for column in 1..count {
        x[column] = x[column - 1] + widths[column - 1] + GAP;
    }
    let right = x.last().zip(widths.last()).map_or(0.0, |(x, width)| x + width);

    // A column of words or mathematics stands to the left, one of numbers to the right.
    let is_left = |column: usize| {
        let is_number = |cell: &Cell| !matches!(cell.kind, Kind::Text | Kind::Math);
        column == 0 || !rows.iter().any(|row| row.get(column).is_some_and(is_number))
    };
    let anchor = |column: usize| match is_left(column) {
        true => (x[column], "start"),
        false => (x[column] + widths[column], "end"),
    };

    let mut titles = String::new();
    for (column, title) in header.iter().enumerate() {
        let (x, anchor) = anchor(column);
        let _ = write!(
            titles,
            "<text x=\"{x:.2}\" y=\"15\" font-size=\"{SIZE}\" text-anchor=\"{anchor}\" fill=\"{SOFT}\">{}</text>",
            escape(title),
        );
    }
    let _ =
        write!(titles, "<path d=\"M0 21.5H{right:.2}\" stroke=\"#9aa4b2\" stroke-width=\"1\"/>");

    let mut set = Vec::new();
    for (row, formulas) in rows.iter().zip(&formulas) {
        // All cells stand on the baseline of the first line.
        let above = formulas.iter().flatten().map(|f| f.ascent).fold(SIZE, f64::max);
        let below = formulas.iter().flatten().map(|f| f.descent).fold(0.0, f64::max);
        let baseline = above + 4.0;
        let mut lines_of_row = 1;
        let mut content = String::new();
        for (column, (cell, formula)) in row.iter().zip(formulas).enumerate() {
            let (x, anchor) = anchor(column);
            if let Some(formula) = formula {
                let _ = write!(
                    content,
                    "<g transform=\"translate({x:.2} {baseline:.2})\">{}</g>",
                    formula.svg
                );
                continue;
            }
            let (style, lines) = match cell.kind {
                Kind::Text => {
                    let wide = |line: &str| width(line, SIZE);
                    (format!("fill=\"{INK}\""), wrap(&cell.content, widths[column] + 0.1, wide))
                }
                kind => {
                    let style = match kind {
                        Kind::Value => "fill=\"#0b6b2e\" font-weight=\"bold\"",
                        Kind::Gradient => "fill=\"#b3161b\" font-style=\"italic\"",
                        _ => "fill=\"#14181f\"",
                    };
                    (
                        format!("{style} font-family=\"DejaVu Sans Mono\""),
                        vec![cell.content.clone()],
                    )
                }
            };
            lines_of_row = lines_of_row.max(lines.len());
            for (i, line) in lines.iter().enumerate() {
                let _ = write!(
                    content,
                    "<text x=\"{x:.2}\" y=\"{:.2}\" font-size=\"{SIZE}\" text-anchor=\"{anchor}\" {style}>{}</text>",
                    baseline + SIZE * LINE * i as f64,
                    escape(line),
                );
            }
        }
        let height = baseline + below.max(SIZE * LINE * (lines_of_row - 1) as f64) + 4.0;
        set.push((svg(&content, right, height), height));
    }
    let header = (!header.is_empty()).then(|| (svg(&titles, right, 24.0), 24.0));
    Ok(Set { header, rows: set })
}
