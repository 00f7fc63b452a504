//! How the values are written that are no plain numbers, on a command line and in a recipe.

use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;

use chainrule_data::Size;
use serde::{Deserialize, Deserializer, Serializer, de};

/// A value, or `none`.
pub fn or_none<V: FromStr<Err: Display>>(text: &str) -> Result<Option<V>, String> {
    match text {
        "none" => Ok(None),
        text => text.parse().map(Some).map_err(|error: V::Err| error.to_string()),
    }
}

/// A path that a recipe can hold too.
pub fn path(text: &str) -> Result<PathBuf, String> {
    Ok(text.into())
}

/// Widths as a flag has them.
pub fn widths(text: &str) -> Result<Vec<usize>, String> {
    match text {
        "0" => Ok(vec![]),
        text => numbers(text, "a width: write 100, or 512,256"),
    }
}

/// Epochs as a flag has them.
pub fn epoch_numbers(text: &str) -> Result<Vec<u32>, String> {
    numbers(text, "an epoch: write 10, or 10,30")
}

fn numbers<N: FromStr>(text: &str, what: &str) -> Result<Vec<N>, String> {
    if text == "none" {
        return Ok(vec![]);
    }
    let number = |part: &str| part.trim().parse().map_err(|_| format!("{part:?} is not {what}"));
    text.split(',').map(number).collect()
}

/// Widths as a recipe has them.
pub fn one_or_many<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<usize>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a width such as 100, or a list of widths such as [512, 256]")]
    enum OneOrMany {
        One(usize),
        Many(Vec<usize>),
        Text(String),
    }
    Ok(match OneOrMany::deserialize(from)? {
        OneOrMany::One(0) => vec![],
        OneOrMany::Many(widths) if widths == [0] => vec![],
        OneOrMany::One(width) => vec![width],
        OneOrMany::Many(widths) => widths,
        OneOrMany::Text(text) => widths(&text).map_err(de::Error::custom)?,
    })
}

/// A setting that is written as the word that its value prints as.
pub mod by_name {
    use super::*;

    pub fn serialize<S: Serializer>(value: &impl Display, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub fn deserialize<'de, D: Deserializer<'de>, V: FromStr<Err: Display>>(
        from: D,
    ) -> Result<V, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

pub fn size_text<S: Serializer>(value: &Option<Size>, to: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(size) => to.collect_str(size),
        None => to.serialize_none(),
    }
}

pub fn size<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Size>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a size in pixels such as 32 or \"64x48\"")]
    enum SideOrText {
        Side(u32),
        Text(String),
    }
    let text = match SideOrText::deserialize(from)? {
        SideOrText::Side(side) => side.to_string(),
        SideOrText::Text(text) => text,
    };
    text.parse().map(Some).map_err(de::Error::custom)
}
