//! All settings of a run, and the commands that repeat it.

use std::fmt::Write;

use super::text::escape;
use super::{Report, Section};

/// The table of provenance in `config.toml`.
const PROVENANCE: &str = "provenance.";

/// The settings, the provenance, and the commands that repeat the run.
pub(super) fn settings(report: &Report<'_>) -> Section {
    let mut html = String::new();
    for command in &report.commands {
        // A flag stays on one line with its value.
        let line = escape(&command.line).replace(" --", "</span> <span>--");
        let _ = writeln!(
            html,
            "<p>{}</p>\n<pre><code><span>{line}</span></code></pre>",
            escape(&command.about),
        );
    }
    let of = |provenance: bool| {
        let settings = report.run.settings.iter();
        settings
            .filter(move |(key, _)| key.starts_with(PROVENANCE) == provenance)
            .map(|(key, value)| (key.strip_prefix(PROVENANCE).unwrap_or(key), value.as_str()))
    };
    html.push_str("<div class=\"columns\">\n");
    for (title, settings) in [
        ("Settings", of(false).collect::<Vec<_>>()),
        ("Where it ran", of(true).collect::<Vec<_>>()),
    ] {
        if settings.is_empty() {
            continue;
        }
        let _ = write!(html, "<div><h3>{title}</h3>\n<table class=\"settings\"><tbody>\n");
        for (key, value) in settings {
            let value = if value.is_empty() { "none" } else { value };
            let _ = writeln!(
                html,
                "<tr><th scope=\"row\">{}</th><td>{}</td></tr>",
                escape(key),
                escape(value)
            );
        }
        html.push_str("</tbody></table></div>\n");
    }
    html.push_str("</div>\n");
    if report.run.settings.is_empty() {
        html = "<p>The run left no config.toml.</p>\n".into();
    }
    Section::new("settings", "Settings", html)
}
