//! A line chart in letters, for a terminal.
//!
//! Braille letters are dots, 2 by 4 of them for each letter, so that 60 columns of 6
//! rows are a picture of 120 by 24 dots. The largest and the least value stand on the left, the
//! name of each line at its end:
//!
//! ```text
//! 60.0 ⠀⠀⠀⣀⠤⠒⠉ train
//!      ⠀⡠⠊⣀⠤⠔⠒ validation
//! 30.0 ⡰⠕⠊⠀⠀⠀⠀
//! ```

use std::collections::BTreeMap;

/// Dots of one letter, across and down.
const ACROSS: usize = 2;
const DOWN: usize = 4;

/// The bit of each dot of a braille letter, by row and column, as Unicode numbers them.
const BITS: [[u32; ACROSS]; DOWN] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];

/// Draws `lines`, each a name and its values at equal steps, on `columns` by `rows` letters with
/// the numbers to the left and the names to the right of them. Numbers that are not finite are
/// left out; where nothing can be joined by a line, the text is empty.
///
/// ```
/// use chainrule_report::text_chart;
/// let text = text_chart(&[("x", &[0.0, 1.0])], 2, 1);
/// assert_eq!(text, "1.0 ⡠⠊ x");
/// ```
#[must_use]
pub fn text_chart(lines: &[(&str, &[f64])], columns: usize, rows: usize) -> String {
    let values =
        || lines.iter().flat_map(|(_, line)| line.iter()).filter(|value| value.is_finite());
    let low = values().copied().fold(f64::INFINITY, f64::min);
    let high = values().copied().fold(f64::NEG_INFINITY, f64::max);
    let steps = lines.iter().map(|(_, line)| line.len()).max().unwrap_or(0);
    if columns == 0 || rows == 0 || steps < 2 || low > high {
        return String::new();
    }
    let (last_column, last_row) = (columns * ACROSS - 1, rows * DOWN - 1);
    // The row of dots of a value, from the top.
    let row = |value: f64| {
        let share = if high > low { (value - low) / (high - low) } else { 0.5 };
        ((1.0 - share) * last_row as f64).round() as usize
    };

    let mut letters = vec![vec![0; columns]; rows];
    let mut names = BTreeMap::new();
    for (name, line) in lines {
        let mut before = None;
        for column in 0..=last_column {
            let here = value_at(line, column as f64 / last_column as f64 * (steps - 1) as f64);
            let Some(here) = here.map(row) else {
                before = None;
                continue;
            };
            // A steep line is joined by the dots between, on the side of the later column.
            let before = before.replace(here).unwrap_or(here);
            let dots = if here < before { here..before } else { before + 1..here + 1 };
            for dot in dots.chain([here]) {
                letters[dot / DOWN][column / ACROSS] |= BITS[dot % DOWN][column % ACROSS];
            }
        }
        if let Some(end) = line.iter().rev().find(|value| value.is_finite()) {
            put(&mut names, row(*end) / DOWN, rows, name);
        }
    }

    let (top, bottom) = (format!("{high:.1}"), format!("{low:.1}"));
    let width = top.len().max(bottom.len());
    let mut text = Vec::with_capacity(rows);
    for (at, letters) in letters.iter().enumerate() {
        let number = match at {
            0 => &top,
            _ if at + 1 == rows => &bottom,
            _ => "",
        };
        let drawn: String =
            letters.iter().map(|bits| char::from_u32(0x2800 + bits).expect("braille")).collect();
        let name = names.get(&at).copied().unwrap_or_default();
        text.push(format!("{number:>width$} {drawn} {name}").trim_end().to_owned());
    }
    text.join("\n")
}

/// The value of a line `at` so many steps from its beginning, between two steps in proportion.
fn value_at(line: &[f64], at: f64) -> Option<f64> {
    let step = at.floor() as usize;
    let (here, part) = (*line.get(step)?, at - at.floor());
    let value = if part == 0.0 { here } else { here + part * (line.get(step + 1)? - here) };
    value.is_finite().then_some(value)
}

/// Writes a name beside `row`, or on the nearest row that is free.
fn put<'a>(names: &mut BTreeMap<usize, &'a str>, row: usize, rows: usize, name: &'a str) {
    let free = (0..rows).filter(|at| !names.contains_key(at));
    if let Some(nearest) = free.min_by_key(|at| at.abs_diff(row)) {
        names.insert(nearest, name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rising_line_goes_from_the_lower_left_to_the_upper_right() {
        // By hand: 4 columns of dots, 8 rows; the dots at (0, 7), (1, 5), (2, 2), (3, 0), each
        // joined to the one before by the dots above it.
        let text = text_chart(&[("up", &[0.0, 1.0])], 2, 2);
        let letter = |dots: &[(usize, usize)]| {
            let bits = dots.iter().fold(0, |bits, &(row, column)| bits | BITS[row][column]);
            char::from_u32(0x2800 + bits).unwrap()
        };
        let upper = letter(&[(2, 0), (3, 0), (0, 1), (1, 1)]);
        let lower = letter(&[(3, 0), (1, 1), (2, 1)]);
        let beside = letter(&[(0, 0)]);
        assert_eq!(text, format!("1.0 \u{2800}{upper} up\n0.0 {lower}{beside}"));
    }

    #[test]
    fn every_line_has_its_name_although_both_end_at_one_height() {
        let text = text_chart(&[("train", &[0.0, 5.0]), ("validation", &[1.0, 5.0])], 4, 3);
        let rows: Vec<&str> = text.lines().collect();
        assert!(rows[0].ends_with(" train") && rows[1].ends_with(" validation"), "{text}");
    }

    #[test]
    fn what_is_not_a_number_leaves_a_gap() {
        let text = text_chart(&[("a", &[0.0, f64::NAN, f64::NAN, 1.0])], 6, 1);
        let drawn: Vec<char> = text.chars().skip(4).take(6).collect();
        assert!(drawn[1..5].iter().all(|&letter| letter == '\u{2800}'), "{text}");
        assert!(drawn[0] != '\u{2800}' && drawn[5] != '\u{2800}', "{text}");
    }

    #[test]
    fn a_line_that_does_not_move_is_drawn_in_the_middle() {
        assert_eq!(text_chart(&[("flat", &[2.0, 2.0])], 2, 1), "2.0 ⠤⠤ flat");
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        for line in [&[][..], &[1.0], &[f64::NAN, f64::NAN]] {
            assert_eq!(text_chart(&[("a", line)], 10, 3), "");
        }
        assert_eq!(text_chart(&[], 10, 3), "");
        assert_eq!(text_chart(&[("a", &[0.0, 1.0])], 0, 3), "");
    }
}
