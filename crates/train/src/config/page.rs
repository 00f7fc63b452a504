//! The tables of `docs/settings.md`, from the fields of [`Config`](super::Config) and their comments.

use super::flags;
use super::sections::section_from;

/// The page with its tables made anew: of each section, what stands in the place of the table.
pub fn page(text: &str) -> String {
    let (mut page, mut section) = (String::new(), None);
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            section = Some(title);
        }
        if line.starts_with("| key |") {
            page.push_str("| key | default | |\n| --- | --- | --- |\n");
            page.push_str(&rows(section.unwrap_or_default()));
        } else if !line.starts_with("| ") {
            page.push_str(line);
            page.push('\n');
        }
    }
    page
}

/// The rows of a section's table.
fn rows(section: &str) -> String {
    let (mut rows, mut now) = (String::new(), "");
    for arg in flags::command().get_arguments() {
        let key = arg.get_id().as_str();
        now = section_from(key).unwrap_or(now);
        if now != section {
            continue;
        }
        let default: Vec<_> =
            arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        let help = arg.get_long_help().or(arg.get_help()).map(ToString::to_string);
        let mut text = help.unwrap_or_default().replace("\n\n", ". ");
        let names = arg.get_all_aliases().unwrap_or_default();
        let names: Vec<_> =
            names.iter().map(|name| format!("`{}`", name.replace('-', "_"))).collect();
        if !names.is_empty() {
            text = format!("{}. Also {}", text.trim_end_matches('.'), names.join(", "));
        }
        rows.push_str(&format!("| `{key}` | {} | {text} |\n", default.concat()));
    }
    rows
}
