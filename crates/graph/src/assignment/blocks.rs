//! What an answer is made of, for the page and for the paper.

/// A piece of the answer, from the top.
#[derive(Clone, Debug)]
pub enum Block {
    /// A heading.
    Heading {
        /// 1 for a section, 2 below it.
        level: u8,
        /// What a link to it names.
        anchor: &'static str,
        /// The words.
        text: String,
    },
    /// A paragraph of text.
    Paragraph(String),
    /// A drawing, which is a file as well.
    Figure {
        /// The name of the file.
        file: &'static str,
        /// What is in it.
        svg: String,
    },
    /// A page that stands beside this one, and has no place on paper.
    Page {
        /// The name of the file.
        file: &'static str,
        /// What is in it.
        html: String,
        /// What a link to it says.
        text: &'static str,
    },
    /// A table of cells. Its first column stands to the left.
    Table {
        /// The titles of the columns; none stand over a derivation.
        header: Vec<&'static str>,
        /// The rows.
        rows: Vec<Vec<Cell>>,
    },
}

/// What stands in a table.
#[derive(Clone, Debug)]
pub enum Cell {
    /// Words.
    Text(String),
    /// A number, or a term of numbers.
    Number(String),
    /// A value of the forward pass.
    Value(String),
    /// A gradient.
    Gradient(String),
    /// A formula in MathML.
    Math(String),
}

pub(super) fn heading(level: u8, anchor: &'static str, text: impl Into<String>) -> Block {
    Block::Heading { level, anchor, text: text.into() }
}
