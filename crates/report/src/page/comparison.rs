//! Several runs on one page: results, curves over each other, the settings in which they differ.

use std::fmt::Write;

use chainrule_runs::Metrics;

use super::answer::float;
use super::chart::Chart;
use super::sizes::{learning_rate, learning_rate_chart};
use super::text::{count, duration, escape, number, percent};
use super::{Report, Section, accuracy_chart, charts, document};
use crate::calibration::Calibration;
use crate::chart::Look;
use crate::curves::{Named, differing, epoch_line, iteration_axis, labels};
use crate::{Epoch, Run};

/// The page that compares runs.
pub(super) fn comparison(reports: &[Report<'_>]) -> String {
    let runs: Vec<Run> = reports.iter().map(|report| report.run.clone()).collect();
    let labels = labels(&runs);
    let title = format!("{} runs compared", runs.len());
    let sections = vec![
        Section::new("results", "Results", results(reports, &labels)),
        Section::new("curves", "Learning curves", learning_curves(&runs, &labels)),
        Section::new("settings", "Settings that differ", settings(&runs, &labels)),
        Section::new("classes", "Classes", classes(reports, &labels)),
    ];
    document(&title, &header(&runs, &labels), sections)
}

fn header(runs: &[Run], labels: &[String]) -> String {
    let best = best(runs.iter().map(|run| run.test_accuracy.unwrap_or(f64::NAN)), true);
    match best.and_then(|best| Some((&labels[best], runs[best].test_accuracy?))) {
        Some((label, accuracy)) => format!(
            "<p class=\"run\">{} runs compared</p>\n<h1><b>{}</b> of the test images right: {}</h1>\n",
            runs.len(),
            percent(accuracy, 2),
            escape(label)
        ),
        None => format!("<h1>{} runs compared</h1>\n", runs.len()),
    }
}

/// The index of the best value; the first of equals, and none if there is no number.
fn best(values: impl Iterator<Item = f64>, most: bool) -> Option<usize> {
    let finite = values.enumerate().filter(|(_, value)| value.is_finite());
    let better = |a: f64, b: f64| if most { a > b } else { a < b };
    finite.reduce(|best, next| if better(next.1, best.1) { next } else { best }).map(|(i, _)| i)
}

/// A column of results: its name, whether more is better, how a value is written, the values.
type Column = (&'static str, Option<bool>, fn(f64) -> String, Vec<f64>);

fn results(reports: &[Report<'_>], labels: &[String]) -> String {
    let of = |value: &dyn Fn(&Report<'_>) -> Option<f64>| -> Vec<f64> {
        reports.iter().map(|report| value(report).unwrap_or(f64::NAN)).collect()
    };
    let epoch =
        |value: fn(&Epoch) -> f64| of(&|report: &Report<'_>| report.run.best_epoch().map(value));
    let share = |value: f64| percent(value, 2);
    let whole = |value: f64| if value.is_finite() { count(value as u64) } else { "–".into() };
    let columns: [Column; 11] = [
        ("test", Some(true), share, of(&|report| report.run.test_accuracy)),
        ("validation", Some(true), share, epoch(|epoch| epoch.validation_accuracy)),
        ("training", None, share, epoch(|epoch| epoch.train_accuracy)),
        ("test loss", Some(false), number, of(&|report| float(&report.run, "test_loss"))),
        ("top-5", Some(true), share, of(&|report| float(&report.run, "top_5_accuracy"))),
        (
            "macro F1",
            Some(true),
            share,
            of(&|report| Some(Metrics::of(report.confusion.as_ref()?).macro_f1)),
        ),
        ("best epoch", None, whole, epoch(|epoch| epoch.epoch as f64)),
        (
            "calibration error",
            Some(false),
            share,
            of(&|report| Some(Calibration::of(report.predictions.as_ref().ok()?).error)),
        ),
        ("steps", None, whole, of(&|report| Some(report.run.iterations.last()?.iteration as f64))),
        ("time", Some(false), duration, of(&|report| float(&report.run, "seconds"))),
        ("images/s", Some(true), whole, of(&|report| float(&report.run, "images_per_second"))),
    ];
    let columns: Vec<_> = columns
        .into_iter()
        .filter(|(.., values)| values.iter().any(|value| value.is_finite()))
        .collect();
    let mut html = String::from(
        "<p>Best values are bold. Test figures are of the weights that were best on validation.</p>\n\
         <div class=\"scroll\"><table class=\"figures\"><thead><tr><th scope=\"col\">run</th>",
    );
    for (name, ..) in &columns {
        let _ = write!(html, "<th scope=\"col\">{name}</th>");
    }
    html.push_str("</tr></thead>\n<tbody>\n");
    for (i, label) in labels.iter().enumerate() {
        let _ = write!(html, "<tr><th scope=\"row\">{}</th>", named(label, &reports[i].run));
        for (_, most, write_value, values) in &columns {
            let first = most.and_then(|most| best(values.iter().copied(), most));
            let bold = first.is_some_and(|first| values[first] == values[i]);
            let value = write_value(values[i]);
            let value = if bold { format!("<b>{value}</b>") } else { value };
            let _ = write!(html, "<td>{value}</td>");
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table></div>\n");
    html
}

/// The label, and the folder's name where that says something more.
fn named(label: &str, run: &Run) -> String {
    match label == run.name {
        true => escape(label),
        false => format!("{}<small>{}</small>", escape(label), escape(&run.name)),
    }
}

fn learning_curves(runs: &[Run], labels: &[String]) -> String {
    let lines = |value: fn(&Epoch) -> f64| -> Vec<Named> {
        let lines = runs.iter().zip(labels).enumerate();
        lines
            .map(|(i, (run, label))| Named::new(label, epoch_line(run, Look::nth(i), value)))
            .collect()
    };
    let rates = runs
        .iter()
        .zip(labels)
        .enumerate()
        .map(|(i, (run, label))| Named::new(label, learning_rate(run, Look::nth(i))));
    let rates: Vec<_> = rates.collect();
    charts([
        accuracy_chart(
            "accuracy",
            "Accuracy on validation",
            runs,
            lines(|epoch| 100.0 * epoch.validation_accuracy),
        ),
        accuracy_chart(
            "train-accuracy",
            "Accuracy on training",
            runs,
            lines(|epoch| 100.0 * epoch.train_accuracy),
        ),
        Chart::new(
            "loss",
            "Loss on validation",
            iteration_axis(runs),
            lines(|epoch| epoch.validation_loss),
        ),
        Chart::new(
            "train-loss",
            "Loss on training",
            iteration_axis(runs),
            lines(|epoch| epoch.train_loss),
        ),
        learning_rate_chart(rates, runs),
    ])
}

/// A table with a column for each run.
fn table(first: &str, runs: &[Run], labels: &[String], rows: &str) -> String {
    let mut html = format!(
        "<div class=\"scroll\"><table class=\"figures\"><thead><tr><th scope=\"col\">{first}</th>"
    );
    for (label, run) in labels.iter().zip(runs) {
        let _ = write!(html, "<th scope=\"col\">{}</th>", named(label, run));
    }
    let _ = write!(html, "</tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n");
    html
}

fn settings(runs: &[Run], labels: &[String]) -> String {
    let keys = differing(runs);
    if keys.is_empty() {
        return "<p>None: all settings are the same.</p>\n".into();
    }
    let mut rows = String::new();
    for key in keys {
        let _ = write!(rows, "<tr><th scope=\"row\">{}</th>", escape(key));
        for run in runs {
            let value = run.settings.get(key).map_or("–", |value| match value.as_str() {
                "" => "none",
                value => value,
            });
            let _ = write!(rows, "<td>{}</td>", escape(value));
        }
        rows.push_str("</tr>\n");
    }
    table("setting", runs, labels, &rows)
}

/// The recall of each class in each run, if all have the same classes.
fn classes(reports: &[Report<'_>], labels: &[String]) -> String {
    let matrices: Option<Vec<_>> = reports.iter().map(|report| report.confusion.as_ref()).collect();
    let Some(matrices) = matrices else { return String::new() };
    let Some(first) = matrices.first() else { return String::new() };
    let same = reports.iter().all(|report| report.set == reports[0].set)
        && matrices.iter().all(|matrix| matrix.classes == first.classes);
    if !same {
        return String::new();
    }
    let mut rows = String::new();
    for (class, name) in first.classes.iter().enumerate() {
        let recalls: Vec<_> = matrices.iter().map(|matrix| matrix.recall(class)).collect();
        let top = best(recalls.iter().copied(), true);
        let _ = write!(rows, "<tr><th scope=\"row\">{}</th>", escape(name));
        for recall in &recalls {
            let value = percent(*recall, 1);
            let bold = top.is_some_and(|top| recalls[top] == *recall);
            let value = if bold { format!("<b>{value}</b>") } else { value };
            let _ = write!(rows, "<td>{value}</td>");
        }
        rows.push_str("</tr>\n");
    }
    let runs: Vec<Run> = reports.iter().map(|report| report.run.clone()).collect();
    format!(
        "<p>Recall of each class, on the {} images.</p>\n{}",
        reports[0].set,
        table("class", &runs, labels, &rows)
    )
}
