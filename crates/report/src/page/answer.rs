//! The head of a page: test accuracy, time and settings.

use std::fmt::Write;

use serde_json::Value;

use super::Report;
use super::text::{count, duration, escape, number, percent};
use crate::Run;
use crate::calibration::Calibration;
use crate::curves::{describe, network};

/// The head of a run's page.
pub(super) fn answer(report: &Report<'_>) -> String {
    let run = &report.run;
    let mut html = format!("<p class=\"run\">{}</p>\n", escape(&run.name));
    let images = report.confusion.as_ref().map(|confusion| confusion.total());
    match run.test_accuracy {
        Some(accuracy) => {
            let of = images.map_or_else(String::new, |n| format!("{} ", count(n)));
            let _ = writeln!(
                html,
                "<h1><b>{}</b> of the {of}test images right</h1>",
                percent(accuracy, 2)
            );
        }
        None => html.push_str(&unfinished(run)),
    }
    let settings = describe(run);
    let _ = writeln!(html, "<p class=\"lead\">{}</p>", escape(&lead(&network(run), &settings)));
    if text(run, "data") == Some("sample") || run.setting("data") == Some("sample") {
        html.push_str(
            "<p class=\"warning\">Trained on the built-in sample of 1,000 images: its \
             accuracy says nothing about CIFAR-10.</p>\n",
        );
    }
    html.push_str("<dl class=\"facts\">\n");
    for (name, value, more) in facts(report) {
        let _ = writeln!(
            html,
            "<div><dt>{}</dt><dd>{}<small>{}</small></dd></div>",
            escape(&name),
            escape(&value),
            escape(&more)
        );
    }
    html.push_str("</dl>\n");
    html
}

fn lead(network: &str, settings: &str) -> String {
    if settings.is_empty() { network.to_owned() } else { format!("{network}, {settings}") }
}

/// The head of the page of a run that has no summary: it is running, or was stopped.
fn unfinished(run: &Run) -> String {
    let best = run.best_epoch().filter(|epoch| epoch.epoch > 0);
    let done = match (run.epochs.last(), run.setting("epochs")) {
        (None, _) => "no epoch has finished yet".to_owned(),
        (Some(last), None) => format!("{} epochs finished", last.epoch),
        (Some(last), Some(all)) => format!("{} of {} epochs finished", last.epoch, escape(all)),
    };
    match best {
        Some(best) => format!(
            "<h1><b>{}</b> of the validation images right so far</h1>\n\
             <p class=\"warning\">This run has not ended: {done}. It is still running, or was \
             stopped.</p>\n",
            percent(best.validation_accuracy, 2)
        ),
        None => format!(
            "<h1>A run without a result</h1>\n<p class=\"warning\">This run has not ended: {done}. \
             It is still running, or was stopped.</p>\n"
        ),
    }
}

pub(super) fn float(run: &Run, key: &str) -> Option<f64> {
    run.summary.as_ref()?.get(key)?.as_f64()
}

fn text<'a>(run: &'a Run, key: &str) -> Option<&'a str> {
    run.summary.as_ref()?.get(key).and_then(Value::as_str)
}

/// Name, value, and a remark on it.
fn facts(report: &Report<'_>) -> Vec<(String, String, String)> {
    let run = &report.run;
    let mut facts = Vec::new();
    let mut add = |name: &str, value: String, more: String| {
        facts.push((name.to_owned(), value, more));
    };
    if let (Some(accuracy), Some(confusion)) = (run.test_accuracy, &report.confusion) {
        let (low, high) = wilson(accuracy, confusion.total() as f64);
        add(
            "95 % interval",
            format!("{:.1} to {}", 100.0 * low, percent(high, 1)),
            "of the test accuracy".into(),
        );
    }
    if let Some(plain) = float(run, "test_accuracy_plain") {
        add(
            &format!("Without {}", run.views().unwrap_or("views")),
            percent(plain, 2),
            "each image alone, without its other views".into(),
        );
    }
    if let Some(across) = float(run, "duplicates_across") {
        add(
            "Test images trained on",
            count(across as u64),
            "copies of training images: the test accuracy says too much".into(),
        );
    }
    let best = run.best_epoch();
    if let (Some(best), true) = (best, run.test_accuracy.is_some()) {
        add(
            "Validation",
            percent(best.validation_accuracy, 2),
            format!("best, after epoch {}", best.epoch),
        );
    }
    if let Some(best) = best {
        add("Training", percent(best.train_accuracy, 2), "with the same weights".into());
    }
    if let Some(accuracy) = float(run, "top_5_accuracy") {
        add("Top-5 accuracy", percent(accuracy, 2), "the class is among the five likeliest".into());
    }
    if let Some(loss) = float(run, "test_loss") {
        add("Test loss", number(loss), "mean cross-entropy".into());
    }
    let seconds = float(run, "seconds").or_else(|| run.epochs.last()?.seconds);
    if let Some(seconds) = seconds {
        let steps = run.iterations.last().map(|step| step.iteration);
        let steps = steps.map_or_else(String::new, |n| format!("{} steps", count(n)));
        add("Time", duration(seconds), steps);
    }
    if let Some(speed) = float(run, "images_per_second") {
        let threads = float(run, "threads").map_or_else(String::new, |threads| {
            format!("on {threads} thread{}", if threads == 1.0 { "" } else { "s" })
        });
        add("Images a second", count(speed as u64), threads);
    }
    if let Ok(predictions) = &report.predictions {
        let calibration = Calibration::of(predictions);
        add(
            "Calibration error",
            percent(calibration.error, 1),
            format!("expected, {} images", report.set),
        );
    }
    facts
}

/// Wilson's 95 % interval of a share that was found in `n` trials.
fn wilson(share: f64, n: f64) -> (f64, f64) {
    let z = 1.959_963_984_540_054_f64;
    let center = share + z * z / (2.0 * n);
    let half = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z * z / n;
    ((center - half) / scale, (center + half) / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_wilsons() {
        // scipy: binomtest(15, 50).proportion_ci(method="wilson")
        let (low, high) = wilson(0.3, 50.0);
        assert!(
            (low - 0.191_035_535_008_8).abs() < 1e-9 && (high - 0.437_503_504_644_5).abs() < 1e-9,
            "{low} {high}"
        );
    }
}
