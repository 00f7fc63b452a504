//! Test-time augmentation: which views of an image the final test averages over.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::ConfigError;

/// The views of a test image whose probabilities are averaged, beside the image itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tta {
    /// The image alone.
    #[default]
    None,
    /// The image and its mirror image.
    Flips,
}

impl Tta {
    /// Whether the mirror image is among the views.
    pub fn flips(self) -> bool {
        self == Tta::Flips
    }

    fn of<'a>(views: impl Iterator<Item = &'a str>) -> Result<Tta, ConfigError> {
        views.map(str::trim).try_fold(Tta::None, |views, view| match view {
            "flips" | "true" => Ok(Tta::Flips),
            "none" | "false" => Ok(views),
            "shifts" => Err(ConfigError::new(
                "tta names shifts, which are not supported yet: write \"none\" or \"flips\"",
            )),
            other => {
                Err(ConfigError::new(format!("tta is {other:?}: it must be \"none\" or \"flips\"")))
            }
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
        f.write_str(match self {
            Tta::None => "none",
            Tta::Flips => "flips",
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
        #[serde(untagged, expecting = "\"none\", \"flips\" or a list of views such as [\"flips\"]")]
        enum OneOrMany {
            One(String),
            Many(Vec<String>),
        }
        let views = match OneOrMany::deserialize(from)? {
            OneOrMany::One(view) => vec![view],
            OneOrMany::Many(views) => views,
        };
        Tta::of(views.iter().map(String::as_str)).map_err(de::Error::custom)
    }
}
