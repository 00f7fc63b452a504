//! The result of a run: `summary.json`.

use std::io::ErrorKind;
use std::path::Path;

use chainrule_data::file;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::folder::write_whole;
use crate::{Error, shorten};

/// Longest `summary.json` that is read, in bytes.
const MOST_TEXT: u64 = 1 << 18;

/// The result of a run. Accuracies, precision, recall and F1 are from 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Accuracy on the test images of the weights that were best on validation.
    pub test_accuracy: f64,
    /// Whether that is with test-time augmentation by flips.
    #[serde(default)]
    pub test_flips: bool,
    /// Whether that is with test-time augmentation by shifts.
    #[serde(default)]
    pub test_shifts: bool,
    /// If it is with any, the accuracy without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_accuracy_plain: Option<f64>,
    /// Mean cross-entropy of the same weights over the test images.
    pub test_loss: f64,
    /// Of the same weights; NaN without validation images, `null` in the file.
    #[serde(deserialize_with = "nan_of_null")]
    pub validation_accuracy: f64,
    /// Of the same weights.
    pub train_accuracy: f64,
    /// The epoch after which these weights were found; 0 is before the first step.
    pub best_epoch: u32,
    /// Steps taken.
    pub iterations: u64,
    /// Epochs begun.
    pub epochs: u32,
    /// The whole run, evaluation included.
    pub seconds: f64,
    /// Of the training steps alone.
    pub images_per_second: f64,
    /// Widths of the hidden layers.
    pub hidden_dim: Vec<usize>,
    /// The seed.
    pub seed: u64,
    /// Threads used, by each rank.
    pub threads: usize,
    /// Ranks of one run by several processes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ranks: Option<usize>,
    /// Kernels used.
    pub kernel: String,
    /// Precision of the products in training. Runs from before there was a choice are f32.
    #[serde(default = "f32")]
    pub precision: String,
    /// "CIFAR-10", "sample", or the name of the set.
    pub data: String,
    /// Test images that are training images as well, pixel for pixel: the test accuracy counts them
    /// among the right ones without merit. Absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicates_across: Option<usize>,
    /// Epochs after which the schedule began a new cycle: a run that was resumed with more epochs
    /// is not the run that had so many from the beginning.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cycles: Vec<u32>,
    /// The teacher of a run that learned from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teacher: Option<String>,
    /// Mean of the classes' precision on the test images ([`crate::Metrics`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub macro_precision: Option<f64>,
    /// Mean of the classes' recall.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub macro_recall: Option<f64>,
    /// Mean of the classes' F1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub macro_f1: Option<f64>,
    /// Mean of the recall of the classes that have test images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balanced_accuracy: Option<f64>,
    /// Share of the test images whose class is among the five most probable; of sets of more than
    /// ten classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_5_accuracy: Option<f64>,
}

/// The precision of runs that do not name theirs.
fn f32() -> String {
    "f32".into()
}

impl Summary {
    /// Its name in a run's folder.
    pub const FILE: &'static str = "summary.json";

    /// Its name while a run that had ended trains more epochs.
    pub const EARLIER: &'static str = "summary.earlier.json";

    /// Reads the summary of the run in `folder`; one that has not ended has none.
    ///
    /// # Errors
    /// If it cannot be read, or is not the summary of a run: an accuracy is not from 0 to 1, say.
    pub fn read(folder: &Path) -> Result<Option<Summary>, Error> {
        let path = folder.join(Self::FILE);
        let Some(text) = read_optional(&path)? else { return Ok(None) };
        let summary: Summary = serde_json::from_str(&text).map_err(|error| Error::Summary {
            path: path.clone(),
            reason: format!("not the summary of a run: {error}"),
        })?;
        let validation = Some(summary.validation_accuracy).filter(|value| !value.is_nan());
        for (key, value) in [
            ("test_accuracy", Some(summary.test_accuracy)),
            ("test_accuracy_plain", summary.test_accuracy_plain),
            ("validation_accuracy", validation),
            ("train_accuracy", Some(summary.train_accuracy)),
            ("macro_precision", summary.macro_precision),
            ("macro_recall", summary.macro_recall),
            ("macro_f1", summary.macro_f1),
            ("balanced_accuracy", summary.balanced_accuracy),
            ("top_5_accuracy", summary.top_5_accuracy),
        ] {
            if let Some(value) = value.filter(|value| !(0.0..=1.0).contains(value)) {
                return Err(no_fraction(&path, key, &value.to_string()));
            }
        }
        Ok(Some(summary))
    }

    /// The views of test-time augmentation, in words; none, if the test was of the images alone.
    pub fn views(&self) -> Option<&'static str> {
        views(self.test_flips, self.test_shifts)
    }

    /// Sets the result of a run aside that goes on: until its end the run has none.
    ///
    /// # Errors
    /// If the file is there and cannot be renamed.
    pub fn set_aside(folder: &Path) -> Result<(), Error> {
        let (path, earlier) = (folder.join(Self::FILE), folder.join(Self::EARLIER));
        match path.exists() {
            true => std::fs::rename(path, &earlier).map_err(Error::file("write", earlier)),
            false => Ok(()),
        }
    }

    /// Writes it into the run's folder.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), Error> {
        let mut json = serde_json::to_vec_pretty(self).expect("a summary is an object");
        json.push(b'\n');
        write_whole(&folder.join(Self::FILE), &json)?;
        let earlier = folder.join(Self::EARLIER);
        match earlier.exists() {
            true => std::fs::remove_file(&earlier).map_err(Error::file("remove", earlier)),
            false => Ok(()),
        }
    }
}

fn nan_of_null<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(f64::NAN))
}

pub(crate) fn views(flips: bool, shifts: bool) -> Option<&'static str> {
    match (flips, shifts) {
        (false, false) => None,
        (true, false) => Some("flips"),
        (false, true) => Some("shifts"),
        (true, true) => Some("flips and shifts"),
    }
}

/// Reads a text file that may be absent.
pub(crate) fn read_optional(path: &Path) -> Result<Option<String>, Error> {
    match file::read_text(path, MOST_TEXT) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::read(path)(error)),
    }
}

/// The figures of a `summary.json`, whatever there are.
pub(crate) type Figures = serde_json::Map<String, serde_json::Value>;

pub(crate) fn figures(path: &Path, text: &str) -> Result<Figures, Error> {
    let mut json = serde_json::Deserializer::from_str(text);
    let read = json.deserialize_map(EachOnce).and_then(|figures| json.end().map(|()| figures));
    read.map_err(|error| Error::Summary {
        path: path.to_owned(),
        reason: format!("not a JSON file: {error}"),
    })
}

/// Reads an object that has each key once.
struct EachOnce;

impl<'de> Visitor<'de> for EachOnce {
    type Value = Figures;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Figures, A::Error> {
        let mut figures = Figures::new();
        while let Some((key, value)) = map.next_entry::<String, serde_json::Value>()? {
            if figures.contains_key(&key) {
                return Err(A::Error::custom(format!("duplicate field `{}`", shorten(&key))));
            }
            figures.insert(key, value);
        }
        Ok(figures)
    }
}

fn no_fraction(path: &Path, key: &str, value: &str) -> Error {
    let reason = format!("`{key}` is {}, not a fraction from 0 to 1", shorten(value));
    Error::Summary { path: path.to_owned(), reason }
}

pub(crate) fn test_accuracy(path: &Path, figures: &Figures) -> Result<Option<f64>, Error> {
    match figures.get("test_accuracy") {
        None | Some(serde_json::Value::Null) => Ok(None),
        Some(value) => match value.as_f64() {
            Some(accuracy) if (0.0..=1.0).contains(&accuracy) => Ok(Some(accuracy)),
            _ => Err(no_fraction(path, "test_accuracy", &value.to_string())),
        },
    }
}
