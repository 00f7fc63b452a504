//! The derivation of dσ/ds, line by line, as MathML.

use super::blocks::{Block, Cell, heading};
use crate::number::significant;
use crate::sigmoid;

/// A line of the derivation: the term, as MathML and as a function; and why.
type Line = (&'static str, fn(f64) -> f64, &'static str);

/// (d), line by line. Each line is also evaluated at one place, where none of
/// the forms loses digits, so that a slip of the pen would show.
pub(super) fn blocks() -> Vec<Block> {
    const S: f64 = 0.5;
    const E: &str = "<msup><mi>e</mi><mrow><mo>−</mo><mi>s</mi></mrow></msup>";
    const D: &str = "<mrow><mn>1</mn><mo>+</mo>@E</mrow>";
    fn decay(s: f64) -> f64 {
        (-s).exp()
    }
    let lines: [Line; 7] = [
        (
            "<mfrac><mi>d</mi><mrow><mi>d</mi><mi>s</mi></mrow></mfrac>\
             <msup><mrow><mo>(</mo>@D<mo>)</mo></mrow><mrow><mo>−</mo><mn>1</mn></mrow></msup>",
            |s| {
                let h = 1e-5;
                (sigmoid::value(s + h) - sigmoid::value(s - h)) / (2.0 * h)
            },
            "the sigmoid, written as a power; its value here by a centered difference",
        ),
        (
            "<mo>−</mo><msup><mrow><mo>(</mo>@D<mo>)</mo></mrow><mrow><mo>−</mo><mn>2</mn></mrow></msup>\
             <mo>·</mo><mfrac><mi>d</mi><mrow><mi>d</mi><mi>s</mi></mrow></mfrac><mrow><mo>(</mo>@D<mo>)</mo></mrow>",
            |s| {
                let h = 1e-5;
                let inner = (decay(s + h) - decay(s - h)) / (2.0 * h);
                -(1.0 + decay(s)).powi(-2) * inner
            },
            "the chain rule: outer times inner derivative, the inner one by a centered difference",
        ),
        (
            "<mo>−</mo><msup><mrow><mo>(</mo>@D<mo>)</mo></mrow><mrow><mo>−</mo><mn>2</mn></mrow></msup>\
             <mo>·</mo><mrow><mo>(</mo><mo>−</mo>@E<mo>)</mo></mrow>",
            |s| -(1.0 + decay(s)).powi(-2) * -decay(s),
            "the derivative of exp(-s) is -exp(-s)",
        ),
        (
            "<mfrac>@E<msup><mrow><mo>(</mo>@D<mo>)</mo></mrow><mn>2</mn></msup></mfrac>",
            |s| decay(s) / (1.0 + decay(s)).powi(2),
            "two minus signs make a plus: this is the form that the gate computes",
        ),
        (
            "<mfrac><mrow><mo>(</mo>@D<mo>)</mo><mo>−</mo><mn>1</mn></mrow>@D</mfrac><mo>·</mo>\
             <mfrac><mn>1</mn>@D</mfrac>",
            |s| ((1.0 + decay(s)) - 1.0) / (1.0 + decay(s)) * (1.0 / (1.0 + decay(s))),
            "add and subtract 1 above, and split the square",
        ),
        (
            "<mrow><mo>(</mo><mn>1</mn><mo>−</mo><mfrac><mn>1</mn>@D</mfrac><mo>)</mo></mrow><mo>·</mo>\
             <mfrac><mn>1</mn>@D</mfrac>",
            |s| (1.0 - 1.0 / (1.0 + decay(s))) * (1.0 / (1.0 + decay(s))),
            "divide the first fraction",
        ),
        (
            "<mrow><mo>(</mo><mn>1</mn><mo>−</mo><mi>σ</mi><mo>(</mo><mi>s</mi><mo>)</mo><mo>)</mo></mrow>\
             <mi>σ</mi><mo>(</mo><mi>s</mi><mo>)</mo>",
            sigmoid::derivative_textbook,
            "what stands there is σ",
        ),
    ];
    const LEFT: &str =
        "<mfrac><mrow><mi>d</mi><mi>σ</mi></mrow><mrow><mi>d</mi><mi>s</mi></mrow></mfrac>";
    let rows = lines.iter().enumerate().map(|(i, (term, value, reason))| {
        let left = if i == 0 { LEFT } else { "" };
        let term = term.replace("@D", D).replace("@E", E);
        vec![
            Cell::Math(format!("<math>{left}</math>")),
            Cell::Math(format!("<math><mo>=</mo>{term}</math>")),
            Cell::Number(significant(value(S), 9)),
            Cell::Text((*reason).into()),
        ]
    });
    vec![
        heading(1, "d", "4.1 (d) The derivative of the sigmoid"),
        Block::Paragraph(format!(
            "σ(s) = 1 / (1 + exp(-s)). Each line is also evaluated, at s = {S}."
        )),
        Block::Table { header: Vec::new(), rows: rows.collect() },
        Block::Paragraph(
            "And since 1 − σ(s) = exp(-s)/(1 + exp(-s)) = σ(-s), it is also σ(s) σ(-s).".into(),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_derivation_has_the_same_value() {
        // By hand to eight digits: σ(0.5) = 0.62245933, σ' = 0.23500371.
        let blocks = blocks();
        let Some(Block::Table { rows, .. }) = blocks.get(2) else { panic!("{blocks:?}") };
        let values = rows.iter().map(|row| match &row[2] {
            Cell::Number(value) => value.as_str(),
            other => panic!("{other:?}"),
        });
        assert_eq!(values.filter(|value| value.starts_with("0.2350037")).count(), 7);
    }
}
