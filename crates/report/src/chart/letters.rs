//! How wide text is: DejaVu Sans, built in, so that a picture needs no font of the system.
//!
//! A browser without it takes Verdana, drawn to nearly the same widths, or what comes next.

use std::sync::OnceLock;

use skrifa::instance::{LocationRef, Size};
use skrifa::{FontRef, MetadataProvider};

/// The families that an SVG asks for, the first that is there.
pub(crate) const FAMILY: &str = "DejaVu Sans, Verdana, Segoe UI, Helvetica, sans-serif";

/// Bold letters are wider by this factor at most.
const BOLD: f64 = 1.15;

/// The width of a letter whose outline is not in the font, in em.
const UNKNOWN: f64 = 1.0;

/// The width of a line of text at `size` pixels, in pixels; without kerning, so rather too wide
/// than too narrow.
pub(crate) fn width(line: &str, size: f64) -> f64 {
    static FONT: OnceLock<Option<FontRef<'static>>> = OnceLock::new();
    let font = FONT.get_or_init(|| FontRef::new(dejavu::sans::regular()).ok());
    let Some(font) = font else { return size * UNKNOWN * line.chars().count() as f64 };
    let (letters, metrics) =
        (font.charmap(), font.glyph_metrics(Size::new(1.0), LocationRef::default()));
    let em = |letter: char| {
        let advance = letters.map(letter).and_then(|glyph| metrics.advance_width(glyph));
        advance.map_or(UNKNOWN, f64::from)
    };
    size * line.chars().map(em).sum::<f64>()
}

/// The same in bold.
pub(crate) fn bold_width(line: &str, size: f64) -> f64 {
    BOLD * width(line, size)
}

/// Breaks text between words into lines of at most `room` pixels; a word that is wider is cut.
pub(crate) fn wrap(text: &str, room: f64, width: impl Fn(&str) -> f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let word = cut(word, room, &width);
        match lines.last_mut() {
            Some(line) if width(&format!("{line} {word}")) <= room => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines
}

/// Text that fits into `room` pixels, with an ellipsis where it was cut.
pub(crate) fn cut(text: &str, room: f64, width: impl Fn(&str) -> f64) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let mut kept: Vec<char> = text.chars().collect();
    while kept.pop().is_some() {
        let shorter: String = kept.iter().chain(&['…']).collect();
        if width(&shorter) <= room {
            return shorter;
        }
    }
    "…".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_those_of_the_font_file() {
        // fontTools: TTFont("DejaVuSans.ttf")["hmtx"]: H 1540, i 569, space 651 of 2048 units.
        let expected = 20.0 * (1540.0 + 569.0 + 651.0 + 1540.0) / 2048.0;
        assert!((width("Hi H", 20.0) - expected).abs() < 0.01, "{}", width("Hi H", 20.0));
    }

    #[test]
    fn long_text_is_broken_between_words_and_a_long_word_is_cut() {
        let letters = |text: &str| text.chars().count() as f64;
        assert_eq!(wrap("one two three", 7.0, letters), ["one two", "three"]);
        assert_eq!(wrap("incomprehensible end", 7.0, letters), ["incomp…", "end"]);
        assert_eq!(wrap("", 7.0, letters), Vec::<String>::new());
    }
}
