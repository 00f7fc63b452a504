//! Class by class: the confusion matrix, the metrics of each class, the most frequent mistakes.

use std::fmt::Write;

use super::text::{count, escape, percent};
use super::{Report, Section};
use crate::Confusion;

/// More classes than this make a table that nobody can read; the most frequent mistakes remain.
const MOST_CLASSES: usize = 20;

/// How many of the most frequent mistakes are shown.
const MISTAKES: usize = 10;

/// The confusion matrix, and the accuracy of each class.
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
            accuracies(&mut html, confusion);
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

fn accuracies(html: &mut String, confusion: &Confusion) {
    let mut order: Vec<_> = (0..confusion.classes.len()).collect();
    order.sort_by(|&a, &b| confusion.recall(b).total_cmp(&confusion.recall(a)));
    html.push_str(
        "<div><h3>Accuracy of each class</h3>\n<div class=\"scroll\"><table class=\"figures\"><thead><tr>\
         <th scope=\"col\">class</th><th scope=\"col\" colspan=\"2\">recognized</th>\
         <th scope=\"col\">right when said</th></tr></thead>\n<tbody>\n",
    );
    for class in order {
        let recall = confusion.recall(class);
        let _ = writeln!(
            html,
            "<tr><th scope=\"row\">{}</th><td class=\"bar\"><span style=\"width:{:.1}%\"></span></td>\
             <td>{}</td><td>{}</td></tr>",
            escape(&confusion.classes[class]),
            if recall.is_finite() { 100.0 * recall } else { 0.0 },
            percent(recall, 1),
            percent(confusion.precision(class), 1),
        );
    }
    html.push_str("</tbody></table></div></div>\n");
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
