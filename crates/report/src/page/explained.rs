//! What the network looked at in single images: gradients as pictures, an adversarial example, and
//! the hidden units that decided.

use std::fmt::Write;

use chainrule_data::Shape;

use super::images::probability;
use super::picture::{is_picture, picture};
use super::text::{escape, percent};
use super::{Section, document};
use crate::Error;
use crate::tiles::to_bytes;

/// What a network looked at in one image. All pictures are (channels · height · width), plane by
/// plane.
#[derive(Clone, Debug)]
pub struct Explained {
    /// What the image is called: its file, or its number in the set.
    pub name: String,
    /// The shape of the image.
    pub shape: Shape,
    /// Its pixels.
    pub pixels: Vec<u8>,
    /// The answer of the network.
    pub answer: String,
    /// The probability of the answer, from 0 to 1.
    pub confidence: f64,
    /// The true class, where it is known.
    pub truth: Option<String>,
    /// The gradient of the answer's score by the pixels.
    pub gradient: Vec<f32>,
    /// Gradient x input.
    pub gradient_times_input: Vec<f32>,
    /// SmoothGrad.
    pub smooth_grad: Vec<f32>,
    /// The image with the smallest step of the fast gradient sign method that changes the answer.
    pub misled: Option<Misled>,
    /// The units of the first hidden layer that decided, the most important first.
    pub units: Vec<DecidingUnit>,
}

/// An adversarial example.
#[derive(Clone, Debug)]
pub struct Misled {
    /// Its pixels.
    pub pixels: Vec<u8>,
    /// By how many of the levels 0 to 255 every pixel was changed.
    pub step: u8,
    /// The least step that would do, between two levels.
    pub least_step: f64,
    /// The new answer.
    pub answer: String,
    /// The probability of the new answer, from 0 to 1.
    pub confidence: f64,
}

/// A hidden unit and its part in a score.
#[derive(Clone, Debug)]
pub struct DecidingUnit {
    /// Its number, from 1.
    pub unit: usize,
    /// What it contributed over the sum of all units' sizes: from -1 to 1.
    pub share: f64,
    /// The weights by which it reads the image.
    pub weights: Vec<f32>,
}

/// Images under a heading.
#[derive(Clone, Debug)]
pub struct ExplainedGroup {
    /// The heading.
    pub title: String,
    /// The images.
    pub images: Vec<Explained>,
}

/// What the pictures show, for the reader of the page.
const LEGEND: &str = "<dl class=\"legend-of-looks\">\n\
    <div><dt>Gradient</dt><dd>How the score of the answer grows with each pixel, color by color. \
    Gray: not at all.</dd></div>\n\
    <div><dt>Gradient × input</dt><dd><span class=\"for\">Blue</span> parts of the image spoke for \
    the answer, <span class=\"against\">orange</span> parts against it.</dd></div>\n\
    <div><dt>SmoothGrad</dt><dd>The size of the gradient, averaged over noisy copies of the image. \
    White: a change here matters most.</dd></div>\n\
    <div><dt>Adversarial</dt><dd>Every pixel is changed by the same number of the levels 0 to 255, up \
    or down as the gradient of the loss says (FGSM): by the fewest that change the answer.</dd></div>\n\
    <div><dt>Units</dt><dd>The units of the first hidden layer that decided, by their weights as \
    pictures. + spoke for the answer, − against it: the unit's share in the sum of all \
    contributions.</dd></div>\n</dl>\n";

/// Writes a page about single images. `about` says which model answers.
///
/// # Errors
/// [`Error::Draw`], which would be a fault of this crate; if an image is neither gray nor in colors.
pub fn explanation_page(about: &str, images: &[Explained]) -> Result<String, Error> {
    let mut html = String::new();
    for image in images {
        html.push_str(&block(image)?);
    }
    let header =
        format!("<p class=\"run\">{}</p>\n<h1>What the network looks at</h1>\n", escape(about));
    let sections = vec![
        Section::new("pictures", "Pictures", html),
        Section::new("legend", "How to read them", LEGEND.into()),
    ];
    Ok(document("What the network looks at", &header, sections))
}

/// The section of a run's page.
pub(super) fn section(groups: &[ExplainedGroup]) -> Result<Section, Error> {
    let mut html = String::new();
    for group in groups.iter().filter(|group| !group.images.is_empty()) {
        let _ = writeln!(html, "<h3>{}</h3>", escape(&group.title));
        for image in group.images.iter().filter(|image| is_picture(image.shape)) {
            html.push_str(&block(image)?);
        }
    }
    if !html.is_empty() {
        html.insert_str(0, LEGEND);
    }
    Ok(Section::new("looks", "What the network looks at", html))
}

/// One image: a line, a row of pictures, a row of units.
fn block(explained: &Explained) -> Result<String, Error> {
    let Explained { name, shape, answer, .. } = explained;
    let truth = explained.truth.as_ref().filter(|truth| *truth != answer);
    let mut html = format!(
        "<article class=\"looks\">\n<p class=\"subject\"><b>{}</b> {}{} <span>{}</span></p>\n\
         <ul class=\"looks-row\">\n",
        escape(answer),
        probability(explained.confidence),
        truth.map_or_else(String::new, |truth| format!(", is {}", escape(truth))),
        escape(name)
    );
    let mut show = |shape: Shape, planes: &[u8], title: &str, note: &str| -> Result<(), Error> {
        let img = picture(shape, planes, &format!("{title} of {name}"))?;
        let note = if note.is_empty() { String::new() } else { format!("<p>{note}</p>") };
        let _ = writeln!(html, "<li>{img}<p>{}</p>{note}</li>", escape(title));
        Ok(())
    };
    let rgb = Shape { channels: 3, ..*shape };
    let gray = Shape { channels: 1, ..*shape };
    show(*shape, &explained.pixels, "Image", "")?;
    show(*shape, &signed(&explained.gradient), "Gradient", "")?;
    let parts = over_channels(*shape, &explained.gradient_times_input, |x| x);
    show(rgb, &diverging(&parts), "Gradient × input", "")?;
    let sizes = over_channels(*shape, &explained.smooth_grad, f32::abs);
    show(gray, &bright(&sizes), "SmoothGrad", "")?;
    match &explained.misled {
        Some(misled) => {
            let note =
                format!("<b>{}</b> {}", escape(&misled.answer), probability(misled.confidence));
            show(*shape, &misled.pixels, "Adversarial", &note)?;
            let change = explained.pixels.iter().zip(&misled.pixels);
            let change: Vec<f32> = change.map(|(&a, &b)| f32::from(b) - f32::from(a)).collect();
            let note = format!(
                "{} of 255 levels{}",
                misled.step,
                if misled.least_step < f64::from(misled.step) {
                    format!(" ({:.2} would do)", misled.least_step)
                } else {
                    String::new()
                }
            );
            show(*shape, &signed(&change), "Its change", &note)?;
        }
        None => html.push_str("<li class=\"none\"><p>No step changes the answer.</p></li>\n"),
    }
    html.push_str("</ul>\n");
    if !explained.units.is_empty() {
        html.push_str("<ul class=\"looks-row units\">\n");
        for DecidingUnit { unit, share, weights } in &explained.units {
            let tile = picture(*shape, &to_bytes(weights), &format!("weights of unit {unit}"))?;
            let sign = if *share < 0.0 { "−" } else { "+" };
            let _ = writeln!(
                html,
                "<li>{tile}<p>Unit {unit}</p><p><b>{sign}{}</b></p></li>",
                percent(share.abs(), 1)
            );
        }
        html.push_str("</ul>\n");
    }
    html.push_str("</article>\n");
    Ok(html)
}

/// Of each pixel the sum over its channels.
fn over_channels(shape: Shape, planes: &[f32], of: impl Fn(f32) -> f32) -> Vec<f32> {
    let plane = shape.height * shape.width;
    let sum = |pixel| (0..shape.channels).map(|channel| of(planes[channel * plane + pixel])).sum();
    (0..plane).map(sum).collect()
}

/// The size that 99 of 100 values stay below, so that a single one does not darken the picture;
/// never 0.
fn scale(values: &[f32]) -> f32 {
    let mut sizes: Vec<f32> = values.iter().map(|x| x.abs()).filter(|x| x.is_finite()).collect();
    sizes.sort_by(f32::total_cmp);
    let at = (sizes.len() * 99).div_ceil(100).saturating_sub(1);
    sizes.get(at).copied().filter(|&size| size > 0.0).unwrap_or(f32::MAX)
}

/// Values over their [`scale`], from -1 to 1; what is not a number is 0.
fn scaled(values: &[f32]) -> impl Iterator<Item = f32> + '_ {
    let scale = scale(values);
    values.iter().map(move |&x| if x.is_nan() { 0.0 } else { (x / scale).clamp(-1.0, 1.0) })
}

/// From black for the most negative to white, 0 being gray.
fn signed(values: &[f32]) -> Vec<u8> {
    scaled(values).map(|x| (127.5 + 127.5 * x).round() as u8).collect()
}

/// From black for 0 to white.
fn bright(values: &[f32]) -> Vec<u8> {
    scaled(values).map(|x| (255.0 * x.abs()).round() as u8).collect()
}

/// From white for 0 to blue for the positive and orange for the negative, three planes: the colors of
/// Okabe & Ito, which the color-blind can distinguish.
fn diverging(values: &[f32]) -> Vec<u8> {
    const BLUE: [f32; 3] = [0.0, 114.0, 178.0];
    const ORANGE: [f32; 3] = [213.0, 94.0, 0.0];
    let of_channel = |channel: usize| {
        scaled(values).map(move |x| {
            let full = if x < 0.0 { ORANGE } else { BLUE }[channel];
            (255.0 + (full - 255.0) * x.abs()).round() as u8
        })
    };
    (0..3).flat_map(of_channel).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_of_gradients_have_the_colors_that_the_legend_says() {
        let values = [-2.0, 0.0, 1.0, 2.0];
        assert_eq!(signed(&values), [0, 128, 191, 255]);
        assert_eq!(bright(&values), [255, 0, 128, 255]);
        let [red, green, blue] =
            [0, 4, 8].map(|plane| diverging(&values)[plane..plane + 4].to_vec());
        assert_eq!(red, [213, 255, 128, 0]);
        assert_eq!(green, [94, 255, 185, 114]);
        assert_eq!(blue, [0, 255, 217, 178]);
    }

    #[test]
    fn one_large_value_does_not_hide_the_others_and_no_value_is_no_fault() {
        let mut values = vec![1.0; 199];
        values.push(1000.0);
        assert_eq!(signed(&values)[0], 255);
        assert_eq!(signed(&[0.0, 0.0]), [128, 128]);
        assert_eq!(signed(&[f32::NAN, 1.0]), [128, 255]);
        assert!(signed(&[]).is_empty());
    }

    #[test]
    fn colors_are_summed_pixel_by_pixel() {
        let shape = Shape { channels: 3, height: 1, width: 2 };
        let planes = [1.0, -1.0, 2.0, -2.0, 4.0, 8.0];
        assert_eq!(over_channels(shape, &planes, |x| x), [7.0, 5.0]);
        assert_eq!(over_channels(shape, &planes, f32::abs), [7.0, 11.0]);
    }
}
