//! Mathematics on paper: the part of MathML that a derivation needs.

use std::fmt::Write as _;

use resvg::usvg::roxmltree;

use crate::Error;
use crate::chart::escape;
use crate::chart::letters::width;

/// The middle of a line above its baseline, where a fraction has its bar, in em.
const AXIS: f64 = 0.31;
/// How far letters reach above and below the baseline, in em.
const ASCENT: f64 = 0.76;
const DESCENT: f64 = 0.24;
/// The size of an exponent or an index.
const SCRIPT: f64 = 0.72;
/// The blank on both sides of a sign between two terms, in em.
const AROUND: f64 = 0.28;

/// A formula that is set: its lengths in pixels, and its SVG around the point where it begins, on the
/// baseline.
#[derive(Clone, Debug)]
pub(super) struct Formula {
    pub width: f64,
    pub ascent: f64,
    pub descent: f64,
    pub svg: String,
}

/// Sets MathML in letters of `size` pixels.
///
/// # Errors
/// [`Error::Draw`] if it is no XML, or has another element.
pub(super) fn set(mathml: &str, size: f64) -> Result<Formula, Error> {
    let document =
        roxmltree::Document::parse(mathml).map_err(|error| Error::Draw(error.to_string()))?;
    element(document.root_element(), size)
}

fn element(node: roxmltree::Node<'_, '_>, size: f64) -> Result<Formula, Error> {
    let child = |i: usize| {
        let child = node.children().filter(roxmltree::Node::is_element).nth(i);
        child.ok_or_else(|| Error::Draw(format!("<{}> is cut short", node.tag_name().name())))
    };
    let text = node.text().unwrap_or_default();
    match node.tag_name().name() {
        "math" | "mrow" => row(node, size),
        "mi" => Ok(letters(text, size, text.chars().count() == 1)),
        "mn" | "mo" | "mtext" => Ok(letters(text, size, false)),
        "mfrac" => Ok(fraction(&element(child(0)?, size)?, &element(child(1)?, size)?, size)),
        kind @ ("msup" | "msub") => {
            let (base, script) = (element(child(0)?, size)?, element(child(1)?, SCRIPT * size)?);
            let rise = match kind {
                "msup" => (base.ascent - 0.4 * script.ascent).max(0.38 * size),
                _ => -0.2 * size,
            };
            let mut whole = Line::default();
            whole.add(&base, 0.0);
            whole.add(&script, -rise);
            Ok(whole.0)
        }
        other => Err(Error::Draw(format!("<{other}> of MathML is not set on paper"))),
    }
}

/// Formulas one after another.
#[derive(Default)]
struct Line(Formula);

impl Default for Formula {
    fn default() -> Formula {
        Formula { width: 0.0, ascent: 0.0, descent: 0.0, svg: String::new() }
    }
}

impl Line {
    /// Adds a formula, `lower` pixels below the baseline.
    fn add(&mut self, next: &Formula, lower: f64) {
        let line = &mut self.0;
        let _ = write!(
            line.svg,
            "<g transform=\"translate({:.2} {lower:.2})\">{}</g>",
            line.width, next.svg
        );
        line.width += next.width;
        line.ascent = line.ascent.max(next.ascent - lower);
        line.descent = line.descent.max(next.descent + lower);
    }
}

fn row(node: roxmltree::Node<'_, '_>, size: f64) -> Result<Formula, Error> {
    let children: Vec<_> = node.children().filter(roxmltree::Node::is_element).collect();
    let is_parenthesis =
        |node: &roxmltree::Node<'_, '_>| matches!(node.text(), Some("(" | ")")) && is_sign(node);
    let set: Vec<Formula> =
        children.iter().map(|child| element(*child, size)).collect::<Result<_, _>>()?;
    let inside = || children.iter().zip(&set).filter(|(child, _)| !is_parenthesis(child));
    let ascent = inside().map(|(_, f)| f.ascent).fold(ASCENT * size, f64::max);
    let descent = inside().map(|(_, f)| f.descent).fold(DESCENT * size, f64::max);
    let mut line = Line::default();
    for (i, (child, formula)) in children.iter().zip(&set).enumerate() {
        if is_parenthesis(child) {
            line.add(&parenthesis(child.text().unwrap_or_default(), size, ascent, descent), 0.0);
            continue;
        }
        // A sign in front of a term has no blank, one between two terms has.
        let before = i.checked_sub(1).map(|i| &children[i]);
        let opens = before.is_none_or(|before| is_sign(before) && before.text() != Some(")"));
        let equals = child.text() == Some("=");
        let blank = if is_sign(child) && (equals || !opens) { AROUND * size } else { 0.0 };
        line.0.width += blank;
        line.add(formula, 0.0);
        line.0.width += blank;
    }
    Ok(line.0)
}

fn is_sign(node: &roxmltree::Node<'_, '_>) -> bool {
    node.tag_name().name() == "mo"
}

fn letters(text: &str, size: f64, slanted: bool) -> Formula {
    let style = if slanted { " font-style=\"oblique\"" } else { "" };
    Formula {
        width: width(text, size),
        ascent: ASCENT * size,
        descent: DESCENT * size,
        svg: format!("<text font-size=\"{size:.2}\"{style}>{}</text>", escape(text)),
    }
}

/// A parenthesis as high as what it encloses.
fn parenthesis(text: &str, size: f64, ascent: f64, descent: f64) -> Formula {
    let mut formula = letters(text, size, false);
    let factor = (ascent + descent) / ((ASCENT + DESCENT) * size);
    if factor > 1.1 {
        let lower = descent - factor * DESCENT * size;
        formula.svg = format!(
            "<g transform=\"translate(0 {lower:.2}) scale(1 {factor:.3})\">{}</g>",
            formula.svg
        );
        (formula.ascent, formula.descent) = (ascent, descent);
    }
    formula
}

fn fraction(above: &Formula, below: &Formula, size: f64) -> Formula {
    let padding = 0.12 * size;
    let axis = AXIS * size;
    let width = above.width.max(below.width) + 2.0 * padding;
    let rise = axis + padding + above.descent;
    let fall = padding + below.ascent - axis;
    let side = padding;
    let mut svg = format!(
        "<path d=\"M{side:.2} {:.2}H{:.2}\" stroke=\"#14181f\" stroke-width=\"{:.2}\"/>",
        -axis,
        width - side + padding,
        0.06 * size,
    );
    for (part, y) in [(above, -rise), (below, fall)] {
        let x = side + (width - part.width - padding) / 2.0;
        let _ = write!(svg, "<g transform=\"translate({x:.2} {y:.2})\">{}</g>", part.svg);
    }
    Formula {
        width: width + padding,
        ascent: rise + above.ascent,
        descent: fall + below.descent,
        svg,
    }
}
