//! Test-time augmentation: which views of an image the final test averages over.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::ConfigError;

/// The views of a test image whose probabilities are averaged, beside the image itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tta {
    /// Mirror images.
    pub flips: bool,
    /// The image moved by a pixel in each of the eight directions; with `flips` the mirror images of
    /// these too.
    pub shifts: bool,
}

impl Tta {
    /// The image alone.
    pub const NONE: Tta = Tta { flips: false, shifts: false };

    fn of<'a>(views: impl Iterator<Item = &'a str>) -> Result<Tta, ConfigError> {
        views.map(str::trim).try_fold(Tta::NONE, |tta, view| match view {
            "flips" | "true" => Ok(Tta { flips: true, ..tta }),
            "shifts" => Ok(Tta { shifts: true, ..tta }),
            "none" | "false" => Ok(tta),
            other => Err(ConfigError::new(format!(
                "tta is {other:?}: it must be \"none\", or of \"flips\" and \"shifts\""
            ))),
        })
    }
}

impl FromStr for Tta {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Tta, ConfigError> {
        Tta::of(text.split(','))
    }
}

impl fmt::Display for Tta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.flips, self.shifts) {
            (false, false) => "none",
            (true, false) => "flips",
            (false, true) => "shifts",
            (true, true) => "flips,shifts",
        })
    }
}

impl Serialize for Tta {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Tta {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Tta, D::Error> {
        #[derive(Deserialize)]
        #[serde(
            untagged,
            expecting = "\"none\", \"flips\" or a list of views such as [\"flips\", \"shifts\"]"
        )]
        enum OneOrMany {
            One(String),
            Many(Vec<String>),
        }
        match OneOrMany::deserialize(from)? {
            OneOrMany::One(views) => views.parse(),
            OneOrMany::Many(views) => Tta::of(views.iter().map(String::as_str)),
        }
        .map_err(de::Error::custom)
    }
}
