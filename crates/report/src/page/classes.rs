//! Class by class: the confusion matrix, the metrics of each class, the most frequent mistakes.

use std::fmt::Write;

use chainrule_runs::Metrics;

use super::text::{count, escape, percent};
use super::{Report, Section};
use crate::Confusion;

/// With more classes than this there is no matrix, which could not be read; the most frequent mistakes
/// remain.
const MOST_CLASSES: usize = 20;

/// How many of the most frequent mistakes are shown.
const MISTAKES: usize = 10;

/// The confusion matrix, the metrics of each class, and the most frequent mistakes.
pub(super) fn confusion(report: &Report<'_>) -> Section {
    let mut html = String::new();
    match &report.confusion {
        Some(confusion) if confusion.total() > 0 => {
            let (total, classes) = (count(confusion.total()), confusion.classes.len());
            if classes <= MOST_CLASSES {
                let _ = writeln!(
                    html,
                    "<p>{total} {} images: how many of each true class (rows) were predicted as which \
                     class (columns), with the share of the row.</p>",
                    report.set
                );
                matrix(&mut html, confusion);
            } else {
                let _ = writeln!(
                    html,
                    "<p>{total} {} images of {classes} classes. The confusion matrix is in confusion.csv.</p>",
                    report.set
                );
            }
            html.push_str("<div class=\"columns\">\n");
            metrics(&mut html, confusion);
            mistakes(&mut html, confusion);
            html.push_str("</div>\n");
        }
        _ => html.push_str("<p>No images have been classified yet.</p>\n"),
    }
    Section::new("classes", "Classes", html)
}

fn matrix(html: &mut String, confusion: &Confusion) {
    let classes: Vec<_> = confusion.classes.iter().map(|class| escape(class)).collect();
    let share = |label: usize, class: usize| {
        confusion.counts[label][class] as f64 / (confusion.images(label) as f64).max(1.0)
    };
    // The darkest color is for the share of the most frequent mistake.
    let pairs = (0..classes.len()).flat_map(|i| (0..classes.len()).map(move |j| (i, j)));
    let wrong = pairs.filter(|(i, j)| i != j).map(|(i, j)| share(i, j));
    let worst = wrong.fold(0.0, f64::max).max(1e-9);
    html.push_str("<div class=\"scroll\"><table class=\"confusion\"><thead><tr><td></td>");
    for class in &classes {
        let _ = write!(html, "<th scope=\"col\"><span>{class}</span></th>");
    }
    html.push_str("</tr></thead>\n<tbody>\n");
    for (label, name) in classes.iter().enumerate() {
        let _ = write!(html, "<tr><th scope=\"row\">{name}</th>");
        for (class, prediction) in classes.iter().enumerate() {
            let (n, share) = (confusion.counts[label][class], share(label, class));
            let (kind, heat) =
                if label == class { ("right", share) } else { ("wrong", share / worst) };
            let _ = write!(
                html,
                "<td class=\"{kind}\" style=\"--heat:{heat:.3}\" data-text=\"{} of {} {name} ({}) \
                 predicted as {prediction}\">{n}<small>{}</small></td>",
                count(n),
                count(confusion.images(label)),
                percent(share, 1),
                percent(share, 0),
            );
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table></div>\n<p class=\"cell\" aria-live=\"polite\"></p>\n");
}

/// Precision, recall and F1 of each class, the best F1 first, and their means.
fn metrics(html: &mut String, confusion: &Confusion) {
    let metrics = Metrics::of(confusion);
    let mut classes: Vec<_> = metrics.classes.iter().collect();
    classes.sort_by(|a, b| b.f1.total_cmp(&a.f1));
    html.push_str(
        "<div><h3>Metrics of each class</h3>\n<div class=\"scroll\"><table class=\"figures\"><thead><tr>\
         <th scope=\"col\">class</th><th scope=\"col\">precision</th><th scope=\"col\">recall</th>\
         <td class=\"bar\"></td><th scope=\"col\">F1</th><th scope=\"col\">images</th></tr></thead>\n<tbody>\n",
    );
    for class in classes {
        let _ = writeln!(
            html,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td class=\"bar\">\
             <span style=\"width:{:.1}%\"></span></td><td>{}</td><td>{}</td></tr>",
            escape(&class.class),
            percent(class.precision, 1),
            percent(class.recall, 1),
            100.0 * class.f1,
            percent(class.f1, 1),
            count(class.support),
        );
    }
    let _ = write!(
        html,
        "</tbody>\n<tfoot><tr><th scope=\"row\">macro mean</th><td>{}</td><td>{}</td><td class=\"bar\"></td>\
         <td>{}</td><td>{}</td></tr></tfoot></table></div></div>\n",
        percent(metrics.macro_precision, 1),
        percent(metrics.macro_recall, 1),
        percent(metrics.macro_f1, 1),
        count(confusion.total()),
    );
}

fn mistakes(html: &mut String, confusion: &Confusion) {
    html.push_str(
        "<div><h3>Most frequent mistakes</h3>\n<div class=\"scroll\"><table class=\"figures\"><thead><tr>\
         <th scope=\"col\">true class</th><th scope=\"col\" class=\"name\">predicted as</th>\
         <th scope=\"col\">images</th><th scope=\"col\">share</th></tr></thead>\n<tbody>\n",
    );
    for mixed in confusion.most_mixed(MISTAKES) {
        let _ = writeln!(
            html,
            "<tr><th scope=\"row\">{}</th><td class=\"name\">{}</td><td>{}</td><td>{}</td></tr>",
            escape(&confusion.classes[mixed.label]),
            escape(&confusion.classes[mixed.prediction]),
            count(mixed.count),
            percent(mixed.count as f64 / confusion.images(mixed.label) as f64, 1),
        );
    }
    html.push_str("</tbody></table></div></div>\n");
}
