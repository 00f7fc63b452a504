//! Which images to train on.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::ConfigError;

/// Which images to train on: a word of a recipe, or a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataChoice {
    /// CIFAR-10, fetched if it is not there; the sample if no source has it.
    Cifar10,
    /// The 1,200 images that are part of the program.
    Sample,
    /// A folder of pictures, one folder a class.
    Images(PathBuf),
    /// A folder of whatever it holds, recognized by its content: CIFAR-10, CIFAR-100, IDX files, pictures.
    Place(PathBuf),
}

impl DataChoice {
    /// The folder that is meant, if it is one of a person's own.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            DataChoice::Cifar10 | DataChoice::Sample => None,
            DataChoice::Images(dir) | DataChoice::Place(dir) => Some(dir),
        }
    }

    /// Whether two choices are of one kind, wherever their folders lie.
    pub(super) fn is_like(&self, other: &DataChoice) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

impl FromStr for DataChoice {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        match text.strip_prefix("images:") {
            _ if text == "cifar10" => Ok(DataChoice::Cifar10),
            _ if text == "sample" => Ok(DataChoice::Sample),
            Some("") => Err(ConfigError::new("data is images: without a folder: write images:DIR")),
            Some(dir) => Ok(DataChoice::Images(dir.into())),
            None if text.is_empty() => Err(ConfigError::new(
                "data is empty: write cifar10, sample, images:DIR or a folder",
            )),
            None => Ok(DataChoice::Place(text.into())),
        }
    }
}

impl fmt::Display for DataChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DataChoice::Cifar10 => f.write_str("cifar10"),
            DataChoice::Sample => f.write_str("sample"),
            DataChoice::Images(dir) => write!(f, "images:{}", dir.display()),
            // A folder of such a name is no word of a recipe.
            DataChoice::Place(dir) if ["cifar10", "sample"].map(Path::new).contains(&&**dir) => {
                write!(f, "./{}", dir.display())
            }
            DataChoice::Place(dir) => write!(f, "{}", dir.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_named_as_a_word_of_a_recipe_is_still_a_folder() {
        assert_eq!("sample".parse(), Ok(DataChoice::Sample));
        assert_eq!("images:photos".parse(), Ok(DataChoice::Images("photos".into())));
        assert_eq!("datasets/mnist".parse(), Ok(DataChoice::Place("datasets/mnist".into())));
        let named = DataChoice::Place("sample".into());
        assert_eq!(named.to_string(), "./sample");
        assert_eq!("./sample".parse(), Ok(DataChoice::Place("./sample".into())));
    }
}
