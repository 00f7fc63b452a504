//! The page that shows and links everything.

use std::fmt::Write;

use super::{Block, Cell, Title, Training};
use crate::draw::escape;

/// Where the links at the top of the page lead.
const SECTIONS: [(&str, &str); 8] = [
    ("example", "Worked example"),
    ("a", "4.1 (a) graph"),
    ("b", "(b) forward"),
    ("c", "(c) backward"),
    ("d", "(d) σ′"),
    ("e", "(e) sigmoid gate"),
    ("training", "4.2 training"),
    ("files", "files"),
];

/// The page; `files` are the names of what stands beside it.
// Writing to a String can't fail, so the results of `write!` carry nothing.
pub(super) fn page(
    title: &Title,
    blocks: &[Block],
    training: Option<&Training>,
    files: &[&str],
) -> String {
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{heading}</title>\n<style>\n{}</style>\n\
         </head>\n<body>\n<main>\n<h1>{heading}</h1>\n",
        include_str!("../draw/page.css"),
        heading = escape(super::TITLE),
    );
    if let Some(line) = title.line() {
        let _ = writeln!(page, "<p>{}</p>", escape(&line));
    }
    let _ = write!(
        page,
        "<p class=\"lead\">Problem 4.1 is worked from its formula, problem 4.2 from a training \
         run. {}</p>\n<nav><p>",
        super::COMPUTED,
    );
    let links = SECTIONS.map(|(anchor, name)| format!("<a href=\"#{anchor}\">{name}</a>"));
    let _ = writeln!(page, "{}</p></nav>", links.join(" · "));
    for block in blocks {
        write_block(&mut page, block);
    }
    write_training(&mut page, training);
    page.push_str("<h2 id=\"files\">Files</h2>\n<ul>\n");
    for name in files {
        let _ = writeln!(page, "<li><a href=\"{0}\">{0}</a></li>", escape(name));
    }
    page.push_str("</ul>\n</main>\n</body>\n</html>\n");
    page
}

fn write_block(page: &mut String, block: &Block) {
    let _ = match block {
        Block::Heading { level, anchor, text } => {
            let level = level + 1;
            writeln!(page, "<h{level} id=\"{anchor}\">{}</h{level}>", escape(text))
        }
        Block::Paragraph(text) => writeln!(page, "<p>{}</p>", escape(text)),
        Block::Figure { svg, .. } => writeln!(page, "<figure>{svg}</figure>"),
        Block::Page { file, text, .. } => {
            writeln!(page, "<p><a href=\"{file}\">{}</a></p>", escape(text))
        }
        Block::Table { header, rows } => writeln!(page, "{}", table(header, rows)),
    };
}

fn table(header: &[&str], rows: &[Vec<Cell>]) -> String {
    let mut out = String::from("<table>");
    if !header.is_empty() {
        out.push_str("<thead><tr>");
        for title in header {
            let _ = write!(out, "<th scope=\"col\">{}</th>", escape(title));
        }
        out.push_str("</tr></thead>");
    }
    out.push_str("<tbody>\n");
    for row in rows {
        out.push_str("<tr>");
        for (column, cell) in row.iter().enumerate() {
            let (attributes, content) = match cell {
                Cell::Text(text) if column > 0 => (" style=\"text-align:left\"", escape(text)),
                Cell::Text(text) | Cell::Number(text) => ("", escape(text)),
                Cell::Value(text) => (" class=\"value\"", escape(text)),
                Cell::Gradient(text) => (" class=\"gradient\"", escape(text)),
                Cell::Math(math) => (" style=\"text-align:left\"", math.clone()),
            };
            let _ = match (column, header.is_empty()) {
                (0, false) => write!(out, "<th scope=\"row\"{attributes}>{content}</th>"),
                _ => write!(out, "<td{attributes}>{content}</td>"),
            };
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table>");
    out
}

fn write_training(page: &mut String, training: Option<&Training>) {
    page.push_str("<h2 id=\"training\">4.2 The two-layer network</h2>\n");
    let Some(training) = training else {
        page.push_str(
            "<p>There is no training run to tell of yet. <code>chainrule train</code> makes one; \
             then make these pages again.</p>\n",
        );
        return;
    };
    let _ = writeln!(page, "<p>From the run in <code>{}</code>.</p>", escape(&training.source));
    page.push_str("<table><tbody>\n");
    for (name, value) in &training.facts {
        let (name, value) = (escape(name), escape(value));
        let _ = writeln!(page, "<tr><th scope=\"row\">{name}</th><td>{value}</td></tr>");
    }
    page.push_str("</tbody></table>\n");
    for (name, what) in &training.files {
        let (name, what) = (escape(name), escape(what));
        let _ = if name.ends_with(".svg") || name == "weights.png" {
            writeln!(
                page,
                "<figure><img src=\"{name}\" alt=\"{what}\" style=\"max-width:100%\">\
                 <figcaption>{what}</figcaption></figure>",
            )
        } else {
            writeln!(page, "<p><a href=\"{name}\">{what}</a></p>")
        };
    }
}
