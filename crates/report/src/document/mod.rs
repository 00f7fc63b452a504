//! A document on paper: headings, paragraphs, figures and tables on A4 pages, as PDF.
//!
//! The pages lie on their sides, because computation graphs are wide. Lengths are in pixels, 96 an inch.

mod math;
mod table;

use std::fmt::Write as _;

use crate::Error;
use crate::chart::escape;
use crate::chart::letters::{FAMILY, bold_width, width, wrap};
use crate::pdf::{self, Placed};
use crate::picture::parse;

pub use table::Cell;

/// Width and height of a page.
const PAGE: (f64, f64) = (1122.5, 793.7);
const MARGIN: f64 = 56.0;
const ROOM: (f64, f64) = (PAGE.0 - 2.0 * MARGIN, PAGE.1 - 2.0 * MARGIN);

/// Sizes of letters.
const TITLE: f64 = 26.0;
const HEADING: f64 = 18.0;
const SUBHEADING: f64 = 15.0;
const TEXT: f64 = 13.0;

/// A line's height, for each pixel of its letters.
const LINE: f64 = 1.45;

/// The widest line of running text: a longer one is hard to follow.
const MEASURE: f64 = 760.0;

const INK: &str = "#14181f";
const SOFT: &str = "#4b5563";

/// A document that is being written, from the top.
///
/// ```
/// use chainrule_report::{Cell, Document};
///
/// let mut document = Document::new("A product");
/// document.heading(1, "Forward");
/// document.paragraph("Each gate computes its value.");
/// document.table(&["gate", "value"], &[vec![Cell::text("g1"), Cell::value("6")]])?;
/// assert!(document.pdf()?.starts_with(b"%PDF"));
/// # Ok::<(), chainrule_report::Error>(())
/// ```
pub struct Document {
    title: String,
    items: Vec<Item>,
}

/// What is set in one piece.
struct Item {
    svg: String,
    scale: f64,
    /// On the page.
    height: f64,
    /// Distance to what stands above, if that is on the same page.
    above: f64,
    /// Nothing may come between it and the next one.
    with_next: bool,
    /// The row of titles that is repeated above it when it comes first on a page.
    header: Option<(String, f64)>,
}

impl Document {
    /// A document with its title on the first page.
    #[must_use]
    pub fn new(title: &str) -> Document {
        let mut document = Document { title: title.to_owned(), items: Vec::new() };
        document.lines(title, TITLE, true, INK, 0.0, true);
        document
    }

    /// Adds a heading; level 1 is that of a section, all others are smaller.
    pub fn heading(&mut self, level: u8, text: &str) {
        let (size, above) = if level <= 1 { (HEADING, 30.0) } else { (SUBHEADING, 20.0) };
        self.lines(text, size, true, INK, above, true);
    }

    /// Adds a paragraph.
    pub fn paragraph(&mut self, text: &str) {
        self.lines(text, TEXT, false, INK, 8.0, false);
    }

    /// Adds a line that stands back: who, what for, made by which program.
    pub fn note(&mut self, text: &str) {
        self.lines(text, TEXT, false, SOFT, 4.0, false);
    }

    /// Adds a drawing, made smaller if it is too large for a page. What is before it stays with it.
    ///
    /// # Errors
    /// [`Error::Draw`] if it is no SVG.
    pub fn figure(&mut self, svg: &str) -> Result<(), Error> {
        let size = parse(svg)?.size();
        let (width, height) = (f64::from(size.width()), f64::from(size.height()));
        let scale = (ROOM.0 / width).min(0.7 * ROOM.1 / height).min(1.0);
        self.keep_last_with_next();
        self.items.push(Item {
            svg: svg.to_owned(),
            scale,
            height: scale * height,
            above: 12.0,
            with_next: false,
            header: None,
        });
        Ok(())
    }

    /// Adds a table, whose first column stands to the left. What is before it stays with its first rows.
    ///
    /// # Errors
    /// [`Error::Draw`] if mathematics in it cannot be read.
    pub fn table(&mut self, header: &[&str], rows: &[Vec<Cell>]) -> Result<(), Error> {
        let set = table::set(header, rows, ROOM.0)?;
        self.keep_last_with_next();
        let rows = set.rows.len();
        let mut above = 10.0;
        if let Some((svg, height)) = set.header.clone() {
            let with_next = true;
            self.items.push(Item { svg, scale: 1.0, height, above, with_next, header: None });
            above = 0.0;
        }
        for (i, (svg, height)) in set.rows.into_iter().enumerate() {
            // Two rows at least stand together.
            let with_next = i + 1 < rows && (i == 0 || i + 2 == rows);
            let header = set.header.clone();
            self.items.push(Item { svg, scale: 1.0, height, above, with_next, header });
            above = 0.0;
        }
        Ok(())
    }

    /// The document as PDF.
    ///
    /// # Errors
    /// [`Error::Draw`] if a figure has what is not drawn as PDF; see [`crate::svg_to_pdf`].
    pub fn pdf(&self) -> Result<Vec<u8>, Error> {
        let mut pages: Vec<Vec<Placed>> = vec![Vec::new()];
        let mut y = 0.0;
        let mut at = 0;
        while at < self.items.len() {
            let joined = self.items[at..].iter().take_while(|item| item.with_next).count() + 1;
            let group = &self.items[at..(at + joined).min(self.items.len())];
            let height: f64 = group.iter().map(|item| item.above + item.height).sum();
            let is_first = pages.last().is_none_or(Vec::is_empty);
            if y + height > ROOM.1 && !is_first {
                pages.push(Vec::new());
                y = 0.0;
                if let Some((svg, height)) = &group[0].header {
                    place(&mut pages, svg, 1.0, y);
                    y += height;
                }
            }
            for item in group {
                let on_top = pages.last().is_none_or(Vec::is_empty);
                y += if on_top { 0.0 } else { item.above };
                if y + item.height > ROOM.1 && !on_top {
                    pages.push(Vec::new());
                    y = 0.0;
                }
                place(&mut pages, &item.svg, item.scale, y);
                y += item.height;
            }
            at += group.len();
        }
        let count = pages.len();
        for (i, page) in pages.iter_mut().enumerate() {
            page.push(footer(&format!("{} of {count}", i + 1)));
        }
        pdf::write(&self.title, (PAGE.0 as f32, PAGE.1 as f32), &pages)
    }

    fn keep_last_with_next(&mut self) {
        if let Some(last) = self.items.last_mut() {
            last.with_next = true;
        }
    }

    fn lines(
        &mut self,
        text: &str,
        size: f64,
        bold: bool,
        color: &str,
        above: f64,
        with_next: bool,
    ) {
        let wide = |line: &str| if bold { bold_width(line, size) } else { width(line, size) };
        let room = if bold { ROOM.0 } else { MEASURE };
        let mut content = String::new();
        let lines = wrap(text, room, wide);
        for (i, line) in lines.iter().enumerate() {
            // Writing to a String can't fail.
            let _ = write!(
                content,
                "<text y=\"{:.2}\" font-size=\"{size}\" font-weight=\"{}\" fill=\"{color}\">{}</text>",
                size * (LINE * i as f64 + 1.05),
                if bold { "bold" } else { "normal" },
                escape(line),
            );
        }
        let height = size * LINE * lines.len() as f64;
        let svg = svg(&content, ROOM.0, height);
        self.items.push(Item { svg, scale: 1.0, height, above, with_next, header: None });
    }
}

fn place(pages: &mut [Vec<Placed>], svg: &str, scale: f64, y: f64) {
    let [x, y, scale] = [MARGIN, MARGIN + y, scale].map(|length| length as f32);
    if let Some(page) = pages.last_mut() {
        page.push(Placed { svg: svg.to_owned(), x, y, scale });
    }
}

fn footer(text: &str) -> Placed {
    let content = format!(
        "<text x=\"{:.2}\" y=\"12\" text-anchor=\"end\" font-size=\"10\" fill=\"{SOFT}\">{text}</text>",
        ROOM.0,
    );
    let y = (PAGE.1 - 0.6 * MARGIN) as f32;
    Placed { svg: svg(&content, ROOM.0, 20.0), x: MARGIN as f32, y, scale: 1.0 }
}

/// An SVG of this size.
fn svg(content: &str, width: f64, height: f64) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.2}\" height=\"{:.2}\" \
         font-family=\"{FAMILY}\">{content}</svg>",
        height.max(1.0),
    )
}
