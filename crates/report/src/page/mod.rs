//! A run on one page of HTML, or several runs compared, in a file that needs nothing else.
//!
//! Everything stands in the page as it is written here, drawn and with its numbers: it can be read
//! without scripts, printed and mailed. The script adds the values under pointer, finger or
//! keyboard, and switches between linear and logarithmic axes.

mod answer;
mod calibration;
mod chart;
mod classes;
mod comparison;
mod explained;
mod images;
mod picture;
mod settings;
mod sizes;
mod text;

use chainrule_data::Shape;

use self::answer::answer;
use self::chart::Chart;
pub use self::explained::{DecidingUnit, Explained, ExplainedGroup, Misled, explanation_page};
use self::text::escape;
use crate::chart::{dark_style, variables};
use crate::curves::{
    Named, accuracy_axis, accuracy_lines, first_broken, iteration_axis, loss_lines,
};
use crate::{Confusion, Error, Predictions, Run, curves};

/// A run and its network.
///
/// ```
/// use chainrule_report::{Report, Run, page};
///
/// let report = Report {
///     run: Run { name: "mine".into(), test_accuracy: Some(0.54), ..Run::default() },
///     first_layer: None,
///     predictions: Err("the images are elsewhere".into()),
///     set: "test",
///     confusion: None,
///     explained: vec![],
///     commands: vec![],
/// };
/// let html = page(&[report])?;
/// assert!(html.contains("54.00") && html.contains("the images are elsewhere"));
/// # Ok::<(), chainrule_report::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Report<'a> {
    /// The run.
    pub run: Run,
    /// The weights of the first layer.
    pub first_layer: Option<FirstLayer<'a>>,
    /// The predictions, or why there are none, as a sentence.
    pub predictions: Result<Predictions<'a>, String>,
    /// The set of the images: "test" or "validation".
    pub set: &'static str,
    /// The confusion matrix of the predictions, or else that of the run.
    pub confusion: Option<Confusion>,
    /// What the network looks at in some of the images.
    pub explained: Vec<ExplainedGroup>,
    /// Commands that repeat the run, each a line, with what it needs.
    pub commands: Vec<Command>,
}

/// The weights of a layer that reads pixels.
#[derive(Clone, Copy, Debug)]
pub struct FirstLayer<'a> {
    /// (units, channels · height · width), row-major.
    pub weights: &'a [f32],
    /// The shape of the images that it reads.
    pub shape: Shape,
}

/// A command line for a shell.
#[derive(Clone, Debug)]
pub struct Command {
    /// What it does, and what it needs.
    pub about: String,
    /// The line.
    pub line: String,
}

/// Writes the page of one run, or the page that compares several.
///
/// # Errors
/// [`Error::NoRuns`] for an empty list; [`Error::Draw`], which would be a fault of this crate.
pub fn page(reports: &[Report<'_>]) -> Result<String, Error> {
    match reports {
        [] => Err(Error::NoRuns),
        [report] => {
            let sections = vec![
                Section::new("curves", "Learning curves", learning_curves(&report.run)),
                images::first_layer(report)?,
                classes::confusion(report),
                images::examples(report)?,
                explained::section(&report.explained)?,
                calibration::calibration(report),
                sizes::sizes(&report.run),
                settings::settings(report),
            ];
            Ok(document(&curves::title(&report.run), &answer(report), sections))
        }
        _ => Ok(comparison::comparison(reports)),
    }
}

/// What the page's script elements hold: that of every page, and that of [`live_page`]. A server's
/// content security policy can allow these and no other.
pub const SCRIPTS: [&str; 2] =
    [concat!("\n", include_str!("page.js")), concat!("\n", include_str!("live.js"))];

/// Writes the page of a run that is still running: opened from a server, it reloads itself and
/// shows what has changed.
///
/// # Errors
/// As [`page`].
pub fn live_page(report: &Report<'_>) -> Result<String, Error> {
    let page = page(std::slice::from_ref(report))?;
    let script = format!("<script>{}</script>\n</body>", SCRIPTS[1]);
    Ok(page.replacen("</body>", &script, 1))
}

/// A part of the page under a heading.
struct Section {
    id: &'static str,
    title: &'static str,
    html: String,
}

impl Section {
    fn new(id: &'static str, title: &'static str, html: String) -> Section {
        Section { id, title, html }
    }
}

/// The page around its sections; those without content are left out.
fn document(title: &str, header: &str, mut sections: Vec<Section>) -> String {
    sections.retain(|section| !section.html.is_empty());
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{}</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>\n{}{}{}\n</style>\n</head>\n\
         <body>\n<header>\n{header}<nav aria-label=\"Sections\">",
        escape(title),
        variables(),
        include_str!("page.css"),
        dark_style(),
    );
    for Section { id, title, .. } in &sections {
        page.push_str(&format!("<a href=\"#{id}\">{title}</a> "));
    }
    page.push_str("</nav>\n</header>\n<main>\n");
    for Section { id, title, html } in &sections {
        page.push_str(&format!(
            "<section id=\"{id}\" aria-labelledby=\"{id}-title\">\n\
             <h2 id=\"{id}-title\">{title}</h2>\n{html}</section>\n"
        ));
    }
    page.push_str("</main>\n<footer>Written by Chainrule ");
    page.push_str(env!("CARGO_PKG_VERSION"));
    page.push_str("</footer>\n<script>");
    page.push_str(SCRIPTS[0]);
    page.push_str("</script>\n</body>\n</html>\n");
    page
}

/// Charts side by side; those without a line are left out.
fn charts(charts: impl IntoIterator<Item = Chart>) -> String {
    let drawn = charts.into_iter().filter(|chart| !chart.is_empty()).map(|chart| chart.html());
    let drawn: String = drawn.collect();
    if drawn.is_empty() { drawn } else { format!("<div class=\"charts\">\n{drawn}</div>\n") }
}

fn learning_curves(run: &Run) -> String {
    let runs = std::slice::from_ref(run);
    let accuracy = accuracy_chart("accuracy", "Accuracy", runs, accuracy_lines(run));
    let mut loss = Chart::new("loss", "Loss", iteration_axis(runs), loss_lines(run));
    if let Some(iteration) = first_broken(runs) {
        loss.mark = Some(iteration as f64);
        loss.note = Some(format!("Not finite at iteration {iteration}."));
    }
    let drawn = charts([accuracy, loss]);
    if drawn.is_empty() { "<p>No step has been measured yet.</p>\n".into() } else { drawn }
}

fn accuracy_chart(id: &'static str, title: &str, runs: &[Run], lines: Vec<Named>) -> Chart {
    let y = accuracy_axis(chart::finite_values(&lines).into_iter());
    Chart {
        y,
        logarithmic: None,
        unit: chart::Unit::Percent,
        ..Chart::new(id, title, iteration_axis(runs), lines)
    }
}
