//! Where one step of a formula ends and the next begins.

use std::ops::Range;

use crate::number::is_minus;
use crate::op::Gate;

/// The bytes of each step that isn't blank.
///
/// A semicolon ends a step. A line end does so in a formula that has named steps,
/// but within parentheses and beside an operator.
pub(super) fn spans(source: &str) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let lines = has_names(source);
    let (mut start, mut depth) = (0, 0_usize);
    for (at, c) in source.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            '\n' if lines && depth == 0 && !goes_on(&source[start..at], &source[at..]) => {
                spans.push(start..at);
                start = at + 1;
            }
            ';' => {
                spans.push(start..at);
                (start, depth) = (at + 1, 0);
            }
            _ => {}
        }
    }
    spans.push(start..source.len());
    spans.retain(|span| !source[span.clone()].trim().is_empty());
    spans
}

/// Whether any step has a name: an = outside of parentheses.
fn has_names(source: &str) -> bool {
    let mut depth = 0_usize;
    source.chars().any(|c| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == '=' && depth == 0
    })
}

/// Whether what stands before and behind a line end is one step.
fn goes_on(before: &str, behind: &str) -> bool {
    let (before, behind) = (before.trim_end(), behind.trim_start());
    let last = before.char_indices().next_back();
    let waits = last.is_some_and(|(byte, c)| {
        c == '=' || c == ',' || is_minus(c) || Gate::operator(&before[byte..]).is_some()
    });
    waits || Gate::operator(behind).is_some()
}
