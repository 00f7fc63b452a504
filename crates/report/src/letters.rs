//! The letters: DejaVu Sans, built in, so that a picture needs no font of the system.
//!
//! A browser without it takes Verdana, drawn to nearly the same widths, or what comes next.

use std::sync::OnceLock;

use ab_glyph::{FontRef, InvalidFont};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontDesc, FontFamily, FontStyle, TextStyle, register_font};

use crate::Error;
use crate::sheet::px;
use crate::theme::Ink;

const FAMILY: &str = "DejaVu Sans, Verdana, Segoe UI, Helvetica, sans-serif";

/// Plotters' font size is the height of a line, 1.24 of what an SVG calls the size.
pub(crate) const LINE_HEIGHT: f64 = 1.24;

fn file(weight: FontStyle) -> &'static [u8] {
    match weight {
        FontStyle::Bold => dejavu::sans::bold(),
        _ => dejavu::sans::regular(),
    }
}

/// The outlines of the letters.
pub(crate) fn font_file(weight: FontStyle) -> Result<FontRef<'static>, InvalidFont> {
    FontRef::try_from_slice(file(weight))
}

/// Makes the letters known to the plotting library, which measures text by them.
pub(crate) fn register() -> Result<(), Error> {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    let register = || {
        [FontStyle::Normal, FontStyle::Bold]
            .into_iter()
            .all(|weight| register_font(FAMILY, weight, file(weight)).is_ok())
    };
    match REGISTERED.get_or_init(register) {
        true => Ok(()),
        false => Err(Error::Draw("the built-in letters can't be read".into())),
    }
}

fn font(size: f64, weight: FontStyle) -> FontDesc<'static> {
    let units = f64::from(px(size * LINE_HEIGHT));
    FontDesc::new(FontFamily::Name(FAMILY), units, weight)
}

/// Letters of `size` pixels, hung up at the given side of their box.
pub(crate) fn text(size: f64, ink: Ink, (h, v): (HPos, VPos)) -> TextStyle<'static> {
    font(size, FontStyle::Normal).color(&ink.rgb()).pos(Pos::new(h, v))
}

/// The same in bold.
pub(crate) fn bold(size: f64, ink: Ink, (h, v): (HPos, VPos)) -> TextStyle<'static> {
    font(size, FontStyle::Bold).color(&ink.rgb()).pos(Pos::new(h, v))
}

/// The width of a line of text in pixels, rather too wide than too narrow.
pub(crate) fn width(line: &str, size: f64) -> Result<f64, Error> {
    register()?;
    match font(size, FontStyle::Normal).box_size(line) {
        Ok((units, _)) => Ok(f64::from(units) / f64::from(px(1.0))),
        Err(error) => Err(Error::Draw(error.to_string())),
    }
}
