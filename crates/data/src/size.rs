//! Width and height of images, as people write them: `64x48`, or `32` for a square.

use std::fmt;
use std::str::FromStr;

/// Widest and highest, in pixels, that images can be brought to.
const MOST: u32 = 4096;

/// Width and height in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Columns, from 1.
    pub width: u32,
    /// Rows, from 1.
    pub height: u32,
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = || {
            format!(
                "{text:?} is no size: write 32 for 32 x 32 pixels, or 64x48 for a width of 64 and a \
                 height of 48 (1 to {MOST})"
            )
        };
        let side = |text: &str| {
            text.trim().parse().ok().filter(|side| (1..=MOST).contains(side)).ok_or_else(refuse)
        };
        let (width, height) = text.split_once('x').unwrap_or((text, text));
        Ok(Size { width: side(width)?, height: side(height)? })
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_size_is_refused_with_an_example() {
        for text in ["", "0", "x", "32x", "32x0", "-1", "5000", "3x3x3", "1e2", "99999999999"] {
            let error = text.parse::<Size>().unwrap_err();
            assert!(error.contains("write 32 for 32 x 32 pixels"), "{text}: {error}");
        }
    }
}
