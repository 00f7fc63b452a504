//! Pictures as files: the pixels of an SVG, and PNG.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use chainrule_data::file;
use resvg::tiny_skia::{Color, Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};

use crate::Error;

/// Pixels of a PNG for each of the SVG's, so that it is sharp on a fine screen.
const SCALE: f32 = 2.0;

/// Most pixels of a PNG.
const MOST_PIXELS: f32 = (1 << 26) as f32;

/// Draws the text of an SVG as the bytes of a PNG, two pixels for each of its own, on white paper,
/// with letters that are built in.
///
/// # Errors
/// [`Error::Draw`] if it is no SVG, or one of more than 2^26 pixels.
pub fn svg_to_png(svg: &str) -> Result<Vec<u8>, Error> {
    let tree = parse(svg)?;
    let (width, height) = (SCALE * tree.size().width(), SCALE * tree.size().height());
    let pixels = if width * height <= MOST_PIXELS {
        Pixmap::new(width.ceil() as u32, height.ceil() as u32)
    } else {
        None
    };
    let Some(mut pixels) = pixels else {
        return Err(Error::Draw(format!(
            "as a PNG it would have {width:.0} x {height:.0} pixels, and {MOST_PIXELS:.0} are the \
             most; as an SVG it can be of any size"
        )));
    };
    pixels.fill(Color::WHITE);
    resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut pixels.as_mut());
    let size = (pixels.width(), pixels.height());
    // Nothing shows through the paper.
    let rgb: Vec<u8> = pixels
        .pixels()
        .iter()
        .flat_map(|pixel| [pixel.red(), pixel.green(), pixel.blue()])
        .collect();
    encode_png(size, &rgb)
}

/// Reads an SVG, and places its text in the letters that are built in.
pub(crate) fn parse(svg: &str) -> Result<Tree, Error> {
    let options =
        Options { fontdb: fonts(), font_family: "DejaVu Sans".into(), ..Options::default() };
    Tree::from_str(svg, &options).map_err(|error| Error::Draw(error.to_string()))
}

/// The letters that are built in: DejaVu Sans for charts, DejaVu Sans Mono for graphs.
fn fonts() -> Arc<fontdb::Database> {
    static FONTS: OnceLock<Arc<fontdb::Database>> = OnceLock::new();
    let load = || {
        let mut fonts = fontdb::Database::new();
        for file in [
            dejavu::sans::regular(),
            dejavu::sans::bold(),
            dejavu::sans::oblique(),
            dejavu::sans_mono::regular(),
            dejavu::sans_mono::bold(),
            dejavu::sans_mono::oblique(),
        ] {
            fonts.load_font_source(fontdb::Source::Binary(Arc::new(file)));
        }
        fonts.set_sans_serif_family("DejaVu Sans");
        fonts.set_monospace_family("DejaVu Sans Mono");
        Arc::new(fonts)
    };
    FONTS.get_or_init(load).clone()
}

/// The bytes of a PNG file of three bytes a pixel, row-major.
///
/// # Errors
/// [`Error::Draw`] if the pixels do not fill the size.
pub(crate) fn encode_png((width, height): (u32, u32), rgb: &[u8]) -> Result<Vec<u8>, Error> {
    let encode = || {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width, height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(rgb)?;
        writer.finish()?;
        Ok(bytes)
    };
    encode().map_err(|error: png::EncodingError| Error::Draw(error.to_string()))
}

/// Writes the text of an SVG as SVG or PNG, as the name's ending says.
pub(crate) fn save(svg: &str, path: &Path) -> Result<(), Error> {
    let ending = path.extension().map(|ending| ending.to_ascii_lowercase());
    let bytes = match ending.as_ref().and_then(|ending| ending.to_str()) {
        Some("svg") => svg.as_bytes().to_vec(),
        Some("png") => svg_to_png(svg)?,
        _ => return Err(Error::PictureName { path: path.to_owned() }),
    };
    file::write_whole(path, &bytes).map_err(Error::write(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Width, height and the pixels of a PNG.
    fn decode(bytes: &[u8]) -> (usize, usize, Vec<[u8; 3]>) {
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut rgb).unwrap();
        let pixels = rgb.chunks_exact(3).map(|p| [p[0], p[1], p[2]]).collect();
        (info.width as usize, info.height as usize, pixels)
    }

    fn drawn(content: &str) -> (usize, usize, Vec<[u8; 3]>) {
        let svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"40\" height=\"20\">{content}</svg>"
        );
        decode(&svg_to_png(&svg).unwrap())
    }

    #[test]
    fn a_shape_fills_the_pixels_that_the_svg_says_on_white_paper() {
        let (width, height, pixels) =
            drawn("<rect x=\"2\" y=\"3\" width=\"4\" height=\"5\" fill=\"#D55E00\"/>");
        assert_eq!((width, height), (80, 40));
        for (i, pixel) in pixels.iter().enumerate() {
            let inside = (4..12).contains(&(i % 80)) && (6..16).contains(&(i / 80));
            assert_eq!(*pixel, if inside { [0xD5, 0x5E, 0] } else { [255; 3] }, "pixel {i}");
        }
    }

    #[test]
    fn letters_are_drawn_without_a_font_of_the_system_and_the_colors_are_those_for_light_paper() {
        let dark =
            "<style>@media (prefers-color-scheme:dark){[fill=\"#000000\"]{fill:#FFFFFF}}</style>";
        for family in ["DejaVu Sans", "nowhere, sans-serif", "ui-monospace, monospace"] {
            let text = format!(
                "{dark}<text x=\"2\" y=\"16\" font-size=\"16\" font-family=\"{family}\" \
                 fill=\"#000000\">Hi</text>"
            );
            let (.., pixels) = drawn(&text);
            let black = pixels.iter().filter(|pixel| pixel[0] < 64).count();
            assert!((50..600).contains(&black), "{family}: {black} black pixels");
        }
    }

    #[test]
    fn what_is_no_svg_or_too_large_is_refused() {
        assert!(svg_to_png("<html>").is_err());
        let error = svg_to_png(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"90000\" height=\"9000\"/>",
        );
        let error = error.unwrap_err().to_string();
        assert!(error.contains("180000 x 18000 pixels"), "{error}");
    }
}
