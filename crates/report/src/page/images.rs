//! Pictures: the weights of the first layer, and example predictions.

use std::fmt::Write;

use super::picture::{is_picture, picture};
use super::text::{count, escape, percent};
use super::{FirstLayer, Report, Section};
use crate::Error;
use crate::predictions::Prediction;
use crate::tiles::to_bytes;

/// How many images of each kind are shown.
const EXAMPLES: usize = 12;

/// Most values of images of each kind, in bytes to keep the page small.
const MOST_EXAMPLES: usize = 225 << 10;

/// Most values of weights that are shown, in bytes to keep the page small.
const MOST_WEIGHTS: usize = 600 << 10;

/// The weights of the first layer, a picture for each unit.
pub(super) fn first_layer(report: &Report<'_>) -> Result<Section, Error> {
    let Some(FirstLayer { weights, shape }) = report.first_layer.filter(|l| is_picture(l.shape))
    else {
        return Ok(Section::new("weights", "First layer", String::new()));
    };
    let all: Vec<(usize, &[f32])> = weights.chunks_exact(shape.dim()).enumerate().collect();
    let most = (MOST_WEIGHTS / shape.dim()).max(1);
    let mut shown = all.clone();
    let mut html = String::from("<p>The weights of each unit as a picture");
    if all.len() > most {
        // In their own order, but only those that weigh most.
        let weight = |tile: &[f32]| tile.iter().map(|&w| f64::from(w).powi(2)).sum::<f64>();
        shown.sort_by(|a, b| weight(b.1).total_cmp(&weight(a.1)));
        shown.truncate(most);
        shown.sort_by_key(|(unit, _)| *unit);
        let _ = write!(
            html,
            ". Of {} units, the {most} with the largest weights",
            count(all.len() as u64)
        );
    }
    html.push_str(
        ". Each is min-max scaled by itself, so brightness cannot be compared between \
         units.</p>\n",
    );
    let (wide, narrow) = (columns(shown.len(), 10..=20), columns(shown.len(), 5..=10));
    let _ = write!(html, "<ul class=\"tiles\" style=\"--wide:{wide};--narrow:{narrow}\">");
    // The units of a linear classifier are the classes.
    let classes = report.confusion.as_ref().map(|confusion| &confusion.classes);
    let classes = classes.filter(|_| matches!(report.run.setting("hidden_dim"), Some("" | "0")));
    for (unit, tile) in shown {
        let class = classes.and_then(|classes| classes.get(unit));
        let name = class.map_or_else(|| format!("unit {}", unit + 1), String::clone);
        let caption = class.map_or_else(String::new, |name| format!("<p>{}</p>", escape(name)));
        let tile = picture(shape, &to_bytes(tile), &name)?;
        let _ = write!(html, "<li>{tile}{caption}</li>");
    }
    html.push_str("</ul>\n");
    Ok(Section::new("weights", "First layer", html))
}

/// How many tiles stand side by side: as many as leave no row unfilled, if there is such a number.
fn columns(tiles: usize, wanted: std::ops::RangeInclusive<usize>) -> usize {
    let most = *wanted.end();
    wanted.rev().find(|columns| tiles.is_multiple_of(*columns)).unwrap_or(most)
}

/// The most confident mistakes, and the least confident correct predictions.
pub(super) fn examples(report: &Report<'_>) -> Result<Section, Error> {
    let mut html = String::new();
    match (&report.predictions, &report.confusion) {
        (Ok(predictions), Some(confusion)) if is_picture(predictions.images().shape()) => {
            let show = |html: &mut String, title: &str, shown: Vec<Prediction<'_>>| {
                if shown.is_empty() {
                    return Ok::<(), Error>(());
                }
                let _ = write!(html, "<h3>{title}</h3>\n<ul class=\"examples\">\n");
                for prediction in shown {
                    html.push_str(&example(report, &confusion.classes, &prediction)?);
                }
                html.push_str("</ul>\n");
                Ok(())
            };
            let most = EXAMPLES.min(MOST_EXAMPLES / predictions.images().dim());
            let mistakes = predictions.most_confident_mistakes(most);
            show(&mut html, "Most confident mistakes", mistakes)?;
            show(
                &mut html,
                "Least confident correct predictions",
                predictions.least_confident_hits(most),
            )?;
        }
        (Err(why), _) => {
            let _ = writeln!(html, "<p>Single images are not shown: {}</p>", escape(why));
        }
        _ => {}
    }
    Ok(Section::new("images", "Example predictions", html))
}

fn example(
    report: &Report<'_>,
    classes: &[String],
    prediction: &Prediction<'_>,
) -> Result<String, Error> {
    let Prediction { image, pixels, label, class, confidence, label_probability } = *prediction;
    let Ok(predictions) = &report.predictions else { return Ok(String::new()) };
    let (predicted, truth) = (escape(&classes[class]), escape(&classes[label]));
    let alt = format!("{} image {image}", report.set);
    let img = picture(predictions.images().shape(), pixels, &alt)?;
    let mut html = format!(
        "<li title=\"{alt}\">{img}<p><b>{predicted}</b> <span>{}</span></p>",
        probability(confidence)
    );
    if !prediction.is_right() {
        let _ = write!(
            html,
            "<p class=\"truth\">is {truth} <span>{}</span></p>",
            probability(label_probability)
        );
    }
    html.push_str("</li>\n");
    Ok(html)
}

/// A probability, never rounded to 0 or 1.
pub(super) fn probability(p: f64) -> String {
    match p {
        0.9995..1.0 => format!("&gt;\u{a0}{}", percent(0.999, 1)),
        0.0..0.0005 if p > 0.0 => format!("&lt;\u{a0}{}", percent(0.001, 1)),
        _ => percent(p, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_certainty_is_called_one() {
        let texts = [1.0, 0.99999, 0.9994, 0.5, 0.0005, 1e-9, 0.0].map(probability);
        let texts = texts.map(|text| text.replace('\u{a0}', " "));
        let expected =
            ["100.0 %", "&gt; 99.9 %", "99.9 %", "50.0 %", "0.1 %", "&lt; 0.1 %", "0.0 %"];
        assert_eq!(texts, expected);
    }

    #[test]
    fn tiles_fill_their_rows_where_their_number_allows_it() {
        let wide = [10, 50, 64, 100, 200, 300, 101].map(|tiles| columns(tiles, 10..=20));
        assert_eq!(wide, [10, 10, 16, 20, 20, 20, 20]);
    }
}
