//! Small pictures inside the page: PNG in base64.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chainrule_data::Shape;

use super::text::escape;
use crate::Error;
use crate::picture::encode_png;

/// Whether images of this shape can be shown: gray or in colors.
pub(super) fn is_picture(shape: Shape) -> bool {
    matches!(shape.channels, 1 | 3) && shape.height > 1 && shape.width > 1
}

/// An `<img>` of pixels that lie plane by plane, one pixel of the picture for each.
pub(super) fn picture(shape: Shape, planes: &[u8], alt: &str) -> Result<String, Error> {
    let plane = shape.height * shape.width;
    let mut rgb = Vec::with_capacity(3 * plane);
    for pixel in 0..plane {
        // Gray is the same in all three.
        rgb.extend(
            [0, 1, 2].map(|channel| planes[channel.min(shape.channels - 1) * plane + pixel]),
        );
    }
    let png = encode_png((shape.width as u32, shape.height as u32), &rgb)?;
    Ok(format!(
        "<img width=\"{}\" height=\"{}\" alt=\"{}\" src=\"data:image/png;base64,{}\">",
        shape.width,
        shape.height,
        escape(alt),
        BASE64_STANDARD.encode(png)
    ))
}
