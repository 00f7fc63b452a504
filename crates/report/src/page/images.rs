//! What can be looked at: the weights of the first layer, and images that were hard.

use std::fmt::Write;

use super::picture::{is_picture, picture};
use super::text::{count, escape, percent};
use super::{FirstLayer, Report, Section};
use crate::Error;
use crate::predictions::Prediction;
use crate::tiles::to_bytes;

/// How many images of each kind are shown.
const EXAMPLES: usize = 12;

/// Most values of weights that are shown, in bytes: what keeps the page small.
const MOST_WEIGHTS: usize = 600 << 10;

/// What each unit of the first layer looks for.
pub(super) fn first_layer(report: &Report<'_>) -> Result<Section, Error> {
    let Some(FirstLayer { weights, shape }) = report.first_layer.filter(|l| is_picture(l.shape))
    else {
        return Ok(Section::new("weights", "First layer", String::new()));
    };
    let all: Vec<(usize, &[f32])> = weights.chunks_exact(shape.dim()).enumerate().collect();
    let most = (MOST_WEIGHTS / shape.dim()).max(1);
    let mut shown = all.clone();
    let mut html = String::from("<p>What each unit looks for: its weights as a picture");
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
        ". Each is scaled by itself, so that they cannot be compared in strength.</p>\n\
         <div class=\"tiles\">",
    );
    for (unit, tile) in shown {
        html.push_str(&picture(shape, &to_bytes(tile), &format!("unit {}", unit + 1))?);
    }
    html.push_str("</div>\n");
    Ok(Section::new("weights", "First layer", html))
}

/// The most confident mistakes, and the least certain hits.
pub(super) fn examples(report: &Report<'_>) -> Result<Section, Error> {
    let mut html = String::new();
    match (&report.predictions, &report.confusion) {
        (Ok(predictions), Some(confusion)) if is_picture(predictions.images().shape()) => {
            let show = |html: &mut String, title: &str, shown: Vec<Prediction<'_>>| {
                if shown.is_empty() {
                    return Ok(());
                }
                let _ = write!(html, "<h3>{title}</h3>\n<ul class=\"examples\">\n");
                for prediction in shown {
                    html.push_str(&example(report, &confusion.classes, &prediction)?);
                }
                html.push_str("</ul>\n");
                Ok(())
            };
            let mistakes = predictions.most_confident_mistakes(EXAMPLES);
            show(&mut html, "Most confident mistakes", mistakes)?;
            show(&mut html, "Least certain hits", predictions.least_certain_hits(EXAMPLES))?;
        }
        (Err(why), _) => {
            let _ = writeln!(html, "<p>Single images cannot be shown: {}</p>", escape(why));
        }
        _ => {}
    }
    Ok(Section::new("images", "Mistakes and close calls", html))
}

fn example(
    report: &Report<'_>,
    classes: &[String],
    prediction: &Prediction<'_>,
) -> Result<String, Error> {
    let Prediction { image, pixels, label, class, confidence, label_probability } = *prediction;
    let Ok(predictions) = &report.predictions else { return Ok(String::new()) };
    let (said, truth) = (escape(&classes[class]), escape(&classes[label]));
    let alt = format!("{} image {image}", report.set);
    let img = picture(predictions.images().shape(), pixels, &alt)?;
    let sure = match confidence {
        // Rounded up, it would claim a certainty that is not there.
        0.9995..1.0 => format!("&gt;\u{a0}{}", percent(0.999, 1)),
        _ => percent(confidence, 1),
    };
    let verdict = match prediction.is_right() {
        true => format!("<b>{said}</b> <span>{sure}</span>"),
        false => format!(
            "<b>{said}</b> <span>{sure}</span><br><i>is {truth}</i> <span>{}</span>",
            percent(label_probability, 1)
        ),
    };
    Ok(format!("<li title=\"{alt}\">{img}<p>{verdict}</p></li>\n"))
}
