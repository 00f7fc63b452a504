//! Colors, dashes and markers of every picture.
//!
//! A picture is drawn once, in the colors for light paper, which stand on its shapes as
//! attributes. A style sheet, which overrules attributes, replaces each of them by its partner
//! where the reader's browser is set to dark: in a file its own, in the page that of the page.
//!
//! The series colors are those of Okabe and Ito, which people with any of the
//! common kinds of color blindness can tell apart, darkened a little where they
//! would be faint on white. Dashes and markers tell the lines apart without color.

/// A color on light paper, and its counterpart on dark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ink {
    light: [u8; 3],
    dark: [u8; 3],
}

const fn ink(light: u32, dark: u32) -> Ink {
    const fn rgb(hex: u32) -> [u8; 3] {
        [(hex >> 16) as u8, (hex >> 8) as u8, hex as u8]
    }
    Ink { light: rgb(light), dark: rgb(dark) }
}

/// The background.
pub(crate) const PAPER: Ink = ink(0xFFFFFF, 0x14171C);
/// Titles and the names of the axes.
pub(crate) const TEXT: Ink = ink(0x1C2128, 0xE8EBEF);
/// Numbers along the axes, the line below the title.
pub(crate) const QUIET: Ink = ink(0x59626E, 0xA3ADB9);
/// The axes.
pub(crate) const AXIS: Ink = ink(0x8A939E, 0x6B7684);
/// The lines of the grid.
pub(crate) const GRID: Ink = ink(0xE4E7EB, 0x2B313A);

/// The colors of the series, in the order in which they are given out.
pub const SERIES: [Ink; 6] = [
    ink(0x0072B2, 0x56B0F0),
    ink(0xD55E00, 0xFF9550),
    ink(0x009E73, 0x3CCB9C),
    ink(0xB0568B, 0xE59CC8),
    ink(0x9A7B00, 0xE3C34B),
    ink(0x4B4F9E, 0xA6AAF5),
];

/// Pale, for what lies behind the lines that matter: one value for each minibatch.
pub const PALE: Ink = ink(0xB9C6D3, 0x465361);

impl Ink {
    /// As an attribute of an SVG says it, for light paper: #0072B2.
    pub(crate) fn hex(self) -> String {
        hex(self.light)
    }
}

/// The inks by the names that a page's style sheet has for them.
fn names() -> impl Iterator<Item = (String, Ink)> {
    let named = [
        ("paper", PAPER),
        ("text", TEXT),
        ("quiet", QUIET),
        ("axis", AXIS),
        ("grid", GRID),
        ("pale", PALE),
    ];
    let series = SERIES.iter().enumerate().map(|(i, ink)| (format!("series-{i}"), *ink));
    named.into_iter().map(|(name, ink)| (name.to_owned(), ink)).chain(series)
}

/// The inks as variables of a style sheet: those for light paper, and on a dark screen, but not
/// on a printer, their partners.
pub(crate) fn variables() -> String {
    let (mut light, mut dark) = (String::new(), String::new());
    for (name, ink) in names() {
        light.push_str(&format!("--{name}:{};", hex(ink.light)));
        dark.push_str(&format!("--{name}:{};", hex(ink.dark)));
    }
    format!(
        ":root{{color-scheme:light dark;{light}}}\n\
         @media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n"
    )
}

fn hex([red, green, blue]: [u8; 3]) -> String {
    format!("#{red:02X}{green:02X}{blue:02X}")
}

/// How a line is broken up, in pixels: a stroke, then a gap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dash {
    /// Unbroken.
    #[default]
    Solid,
    /// 7 on, 4 off.
    Dashed,
    /// 2 on, 3 off.
    Dotted,
}

/// The shape that stands on each point of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Marker {
    /// No shape, the line alone.
    #[default]
    None,
    /// A disc.
    Circle,
    /// A square.
    Square,
    /// A triangle that points up.
    Triangle,
    /// A square on its corner.
    Diamond,
}

impl Marker {
    /// The shapes in the order in which they are given out to runs or frameworks.
    pub const ALL: [Marker; 4] =
        [Marker::Circle, Marker::Square, Marker::Triangle, Marker::Diamond];
}

/// What a line looks like, in the chart and in the legend.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    /// Its color.
    pub ink: Ink,
    /// Its dashes.
    pub dash: Dash,
    /// What stands on its points.
    pub marker: Marker,
    /// Its width in pixels; 0 is markers without a line.
    pub width: f64,
}

impl Look {
    /// An unbroken line of 2 pixels without markers.
    pub fn line(ink: Ink) -> Look {
        Look { ink, dash: Dash::Solid, marker: Marker::None, width: 2.0 }
    }

    /// The `index`-th of several lines, which must differ: colors and markers go
    /// round with different periods, so 12 lines pass before one looks like another.
    pub fn nth(index: usize) -> Look {
        Look {
            marker: Marker::ALL[index % Marker::ALL.len()],
            ..Look::line(SERIES[index % SERIES.len()])
        }
    }

    /// The same line, broken up.
    pub fn dash(self, dash: Dash) -> Look {
        Look { dash, ..self }
    }

    /// The same line with another marker.
    pub fn marker(self, marker: Marker) -> Look {
        Look { marker, ..self }
    }

    /// The same line, thinner or thicker; in pixels.
    pub fn width(self, width: f64) -> Look {
        Look { width, ..self }
    }
}

/// The style sheet that turns a picture drawn on light paper into one on dark; on a printer it
/// stays light.
pub(crate) fn dark_style() -> String {
    let mut rules = String::new();
    for (_, ink) in names() {
        let (light, dark) = (hex(ink.light), hex(ink.dark));
        for property in ["fill", "stroke"] {
            rules.push_str(&format!("[{property}=\"{light}\"]{{{property}:{dark}}}"));
        }
    }
    format!("@media screen and (prefers-color-scheme:dark){{{rules}}}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance of sRGB, as WCAG 2 defines it.
    fn luminance(rgb: [u8; 3]) -> f64 {
        let [r, g, b] = rgb.map(|v| {
            let v = f64::from(v) / 255.0;
            if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }

    fn contrast(a: [u8; 3], b: [u8; 3]) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn every_line_stands_out_from_the_paper_and_every_letter_can_be_read() {
        for ink in SERIES {
            assert!(contrast(ink.light, PAPER.light) >= 3.0, "{ink:02x?}");
            assert!(contrast(ink.dark, PAPER.dark) >= 3.0, "{ink:02x?}");
        }
        for ink in [TEXT, QUIET] {
            assert!(contrast(ink.light, PAPER.light) >= 4.5, "{ink:02x?}");
            assert!(contrast(ink.dark, PAPER.dark) >= 4.5, "{ink:02x?}");
        }
    }

    #[test]
    fn no_two_inks_share_a_light_color_or_dark_paper_would_confuse_them() {
        let mut light: Vec<_> = names().map(|(_, ink)| ink.light).collect();
        let all = light.len();
        light.sort_unstable();
        light.dedup();
        assert_eq!(light.len(), all);
    }
}
