//! Shapes and text as the markup of an SVG.

use std::fmt::Write;

use super::letters::FAMILY;
use super::theme::{Dash, Ink, Look, Marker, PAPER, dark_style};

/// A rectangle in pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Rect {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

impl Rect {
    pub(crate) fn right(self) -> f64 {
        self.left + self.width
    }

    pub(crate) fn bottom(self) -> f64 {
        self.top + self.height
    }
}

/// Which part of a line of text is at its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// How text is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text {
    /// In pixels.
    pub(crate) size: f64,
    pub(crate) ink: Ink,
    pub(crate) anchor: Anchor,
    pub(crate) bold: bool,
    /// Clockwise, in degrees, around its position.
    pub(crate) turn: f64,
}

impl Text {
    pub(crate) fn new(size: f64, ink: Ink) -> Text {
        Text { size, ink, anchor: Anchor::Start, bold: false, turn: 0.0 }
    }

    pub(crate) fn bold(self) -> Text {
        Text { bold: true, ..self }
    }

    pub(crate) fn anchor(self, anchor: Anchor) -> Text {
        Text { anchor, ..self }
    }

    pub(crate) fn turn(self, turn: f64) -> Text {
        Text { turn, ..self }
    }

    /// How far below the middle of its small letters a line of text has its baseline.
    pub(crate) fn drop(self) -> f64 {
        0.36 * self.size
    }

    /// How far below the top of its large letters.
    pub(crate) fn ascent(self) -> f64 {
        0.76 * self.size
    }
}

/// The radius of a marker, in pixels.
const MARKER_RADIUS: f64 = 4.0;

/// The width of its rim in the color of the paper, which lifts it off the lines.
const RIM: f64 = 1.2;

/// Markup, written shape by shape, a line each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Svg {
    body: String,
}

impl Svg {
    /// What has been written.
    pub(crate) fn into_string(self) -> String {
        self.body
    }

    pub(crate) fn raw(&mut self, markup: &str) {
        self.body.push_str(markup);
    }

    pub(crate) fn rect(&mut self, rect: Rect, ink: Ink) {
        let _ = writeln!(
            self.body,
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\"/>",
            short(rect.left),
            short(rect.top),
            short(rect.width),
            short(rect.height),
            ink.hex()
        );
    }

    /// A thin straight line, of one pixel unless `width` says otherwise.
    pub(crate) fn rule(&mut self, from: (f64, f64), to: (f64, f64), ink: Ink, width: f64) {
        let _ = writeln!(
            self.body,
            "<path d=\"M{} {}L{} {}\" stroke=\"{}\" stroke-width=\"{}\"/>",
            short(from.0),
            short(from.1),
            short(to.0),
            short(to.1),
            ink.hex(),
            short(width)
        );
    }

    /// A line with the color, dashes and width of `look`; `path` is the `d` of an SVG's path.
    pub(crate) fn stroke(&mut self, path: &str, look: &Look) {
        if look.width == 0.0 || path.is_empty() {
            return;
        }
        let ends = match look.dash {
            Dash::Solid => " stroke-linecap=\"round\"",
            Dash::Dashed => " stroke-dasharray=\"7 4\"",
            Dash::Dotted => " stroke-dasharray=\"2 3\"",
        };
        let _ = writeln!(
            self.body,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\" \
             stroke-linejoin=\"round\"{ends}/>",
            look.ink.hex(),
            short(look.width)
        );
    }

    /// The marker of `look` at each of the positions.
    pub(crate) fn markers(&mut self, positions: &[(f64, f64)], look: &Look) {
        if look.marker == Marker::None || positions.is_empty() {
            return;
        }
        let _ = writeln!(
            self.body,
            "<g fill=\"{}\" stroke=\"{}\" stroke-width=\"{}\" paint-order=\"stroke\">",
            look.ink.hex(),
            PAPER.hex(),
            short(2.0 * RIM)
        );
        let r = MARKER_RADIUS;
        for &(x, y) in positions {
            let _ = match look.marker {
                Marker::None => Ok(()),
                Marker::Circle => writeln!(
                    self.body,
                    "<circle cx=\"{}\" cy=\"{}\" r=\"{}\"/>",
                    short(x),
                    short(y),
                    short(r)
                ),
                Marker::Square => writeln!(
                    self.body,
                    "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
                    short(x - 0.9 * r),
                    short(y - 0.9 * r),
                    short(1.8 * r),
                    short(1.8 * r)
                ),
                Marker::Triangle => writeln!(
                    self.body,
                    "<path d=\"M{} {}l{} {}h{}z\"/>",
                    short(x),
                    short(y - 1.25 * r),
                    short(1.15 * r),
                    short(2.1 * r),
                    short(-2.3 * r)
                ),
                Marker::Diamond => {
                    let r = 1.3 * r;
                    writeln!(
                        self.body,
                        "<path d=\"M{}l{1} {1}l-{1} {1}l-{1} -{1}z\"/>",
                        format_args!("{} {}", short(x), short(y - r)),
                        short(r)
                    )
                }
            };
        }
        self.body.push_str("</g>\n");
    }

    /// A line of text whose baseline runs through the position; escaped here.
    pub(crate) fn text(&mut self, line: &str, (x, y): (f64, f64), text: Text) {
        let (x, y) = (short(x), short(y));
        let _ = write!(
            self.body,
            "<text x=\"{x}\" y=\"{y}\" font-size=\"{}\" fill=\"{}\"",
            short(text.size),
            text.ink.hex()
        );
        match text.anchor {
            Anchor::Start => {}
            Anchor::Middle => self.body.push_str(" text-anchor=\"middle\""),
            Anchor::End => self.body.push_str(" text-anchor=\"end\""),
        }
        if text.bold {
            self.body.push_str(" font-weight=\"bold\"");
        }
        if text.turn != 0.0 {
            let _ = write!(self.body, " transform=\"rotate({} {x} {y})\"", short(text.turn));
        }
        let _ = writeln!(self.body, ">{}</text>", escape(line));
    }

    /// The whole file, on paper of `width` by `height` pixels, with the colors for dark paper.
    pub(crate) fn into_file(self, (width, height): (f64, f64), title: &str) -> String {
        let (width, height) = (width.ceil(), height.ceil());
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" font-family=\"{FAMILY}\" role=\"img\" \
             aria-label=\"{}\">\n<style>{}</style>\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"{}\"/>\n{}</svg>\n",
            escape(title),
            dark_style(),
            PAPER.hex(),
            self.body
        )
    }
}

/// A length to a tenth of a pixel.
pub(crate) fn short(value: f64) -> String {
    let text = format!("{value:.1}");
    let text = text.strip_suffix(".0").unwrap_or(&text);
    if text == "-0" { "0".into() } else { text.to_owned() }
}

/// Text that cannot be taken for markup, nor in an attribute.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // XML 1.0 allows no other control characters, not even escaped.
            '\0'..='\x08' | '\x0B' | '\x0C' | '\x0E'..='\x1F' | '\u{FFFE}' | '\u{FFFF}' => {
                escaped.push('\u{FFFD}');
            }
            _ => escaped.push(c),
        }
    }
    escaped
}
