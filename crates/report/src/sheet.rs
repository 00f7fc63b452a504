//! A sheet to draw on: as SVG, or as the pixels of a PNG.

use std::path::Path;

use chainrule_data::file;
use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, DrawingBackend, IntoDrawingArea, SVGBackend};

use crate::raster::Raster;
use crate::theme::{PAPER, dark_style};
use crate::{Error, letters};

/// Drawing units in a pixel. Plotters places things at whole units, so that two of
/// them let a curve be smooth to half a pixel, and the PNG, with a pixel for each
/// unit, be sharp on a fine screen.
const UNITS: u32 = 2;

/// Pixels to drawing units.
pub(crate) fn px(pixels: f64) -> i32 {
    (pixels * f64::from(UNITS)).round() as i32
}

/// A part of the sheet.
pub(crate) type Area<B> = DrawingArea<B, Shift>;

/// The plotting library's error type is generic over the backend's; its text is all we keep.
pub(crate) fn drawn<T, E: std::fmt::Display>(result: Result<T, E>) -> Result<T, Error> {
    result.map_err(|error| Error::Draw(error.to_string()))
}

/// Something that can be drawn on either kind of sheet.
pub(crate) trait Drawing {
    /// Width and height in pixels.
    fn size(&self) -> Result<(u32, u32), Error>;

    /// Draws on a sheet of that size.
    fn draw<B: DrawingBackend>(&self, sheet: &Area<B>) -> Result<(), Error>;
}

/// The drawing as the text of an SVG file, with partner colors for dark paper.
pub(crate) fn svg(drawing: &impl Drawing) -> Result<String, Error> {
    let (width, height) = drawing.size()?;
    let (units_wide, units_high) = (width * UNITS, height * UNITS);
    let mut svg = String::new();
    paint(drawing, SVGBackend::with_string(&mut svg, (units_wide, units_high)))?;
    let body = match svg.split_once("<svg").and_then(|(_, rest)| rest.split_once('>')) {
        Some((_, body)) => body,
        None => return Err(Error::Draw("the SVG has no root element".into())),
    };
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {units_wide} {units_high}\">\n{}{body}",
        dark_style(),
    ))
}

/// The drawing as the bytes of a PNG file, two pixels for each of the SVG's.
pub(crate) fn png(drawing: &impl Drawing) -> Result<Vec<u8>, Error> {
    let (width, height) = drawing.size()?;
    let (width, height) = (width * UNITS, height * UNITS);
    let mut rgb = vec![0; width as usize * height as usize * 3];
    paint(drawing, Raster::new((width, height), &mut rgb))?;
    let mut bytes = Vec::new();
    drawn(encode_png(&mut bytes, (width, height), &rgb))?;
    Ok(bytes)
}

/// Writes the drawing as SVG or PNG, as the name's ending says.
pub(crate) fn save(drawing: &impl Drawing, path: &Path) -> Result<(), Error> {
    let ending = path.extension().map(|ending| ending.to_ascii_lowercase());
    let bytes = match ending.as_ref().and_then(|ending| ending.to_str()) {
        Some("svg") => svg(drawing)?.into_bytes(),
        Some("png") => png(drawing)?,
        _ => return Err(Error::PictureName { path: path.to_owned() }),
    };
    file::write_whole(path, &bytes).map_err(Error::write(path))
}

/// Writes a PNG file of three bytes a pixel.
pub(crate) fn encode_png(
    to: impl std::io::Write,
    (width, height): (u32, u32),
    rgb: &[u8],
) -> Result<(), png::EncodingError> {
    let mut encoder = png::Encoder::new(to, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(rgb)?;
    writer.finish()
}

fn paint(drawing: &impl Drawing, backend: impl DrawingBackend) -> Result<(), Error> {
    letters::register()?;
    let sheet = backend.into_drawing_area();
    drawn(sheet.fill(&PAPER.rgb()))?;
    drawing.draw(&sheet)?;
    drawn(sheet.present())
}
