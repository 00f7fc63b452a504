//! A row of `iterations.csv` and of `epochs.csv`.
//!
//! The names of the fields are the columns of the tables. Losses are written with the digits of an
//! `f32`. Columns that tables of older versions lack are optional.

use serde::{Deserialize, Serialize, Serializer};

use crate::table::{Problem, Record};

/// One step: a row of `iterations.csv`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Iteration {
    /// From 1.
    pub iteration: u64,
    /// From 1.
    pub epoch: Option<u32>,
    /// Mean cross-entropy of the minibatch plus ½ λ Σ W², before the step.
    #[serde(serialize_with = "as_f32")]
    pub loss: f64,
    /// Step size.
    pub learning_rate: Option<f64>,
    /// Speed of this step.
    pub images_per_second: Option<f32>,
    /// Norm of the gradient of the cross-entropy over all weights and biases, before it is clipped.
    /// The gradient of the penalty ½ λ Σ W² is not part of it. Only if `clip_norm` is set.
    pub gradient_norm: Option<f64>,
}

impl Record for Iteration {
    const FILE: &'static str = "iterations.csv";

    fn check(&self) -> Result<(), Problem> {
        number("loss", self.loss)?;
        optional("learning_rate", self.learning_rate)?;
        optional("gradient_norm", self.gradient_norm)
    }
}

/// The network before the first step or after an epoch: a row of `epochs.csv`. Losses are means
/// over a set, accuracies are from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// From 0, before the first step.
    pub epoch: u32,
    /// Steps taken.
    pub iteration: u64,
    /// Mean cross-entropy over all training images.
    #[serde(serialize_with = "as_f32")]
    pub train_loss: f64,
    /// From 0 to 1.
    pub train_accuracy: f64,
    /// Mean cross-entropy over all validation images; NaN if there are none.
    #[serde(serialize_with = "as_f32")]
    pub validation_loss: f64,
    /// From 0 to 1; NaN if there are none.
    pub validation_accuracy: f64,
    /// Step size of the last step; of the first, at iteration 0.
    pub learning_rate: Option<f64>,
    /// Since the run began.
    pub seconds: Option<f64>,
}

impl Record for Epoch {
    const FILE: &'static str = "epochs.csv";
    const PER_LAYER: Option<&'static str> = Some("_update_ratio");

    fn check(&self) -> Result<(), Problem> {
        number("train_loss", self.train_loss)?;
        fraction("train_accuracy", self.train_accuracy)?;
        number("validation_loss", self.validation_loss)?;
        fraction("validation_accuracy", self.validation_accuracy)?;
        optional("learning_rate", self.learning_rate)?;
        optional("seconds", self.seconds)
    }
}

/// A column of `epochs.csv`: ‖ΔW‖ / ‖W‖ of a layer in the last step of each epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct UpdateRatios {
    /// The layer's name, such as `fc1`.
    pub layer: String,
    /// One for each epoch; NaN where the cell is empty.
    pub ratios: Vec<f64>,
}

/// A loss as the tables hold it: the shortest decimal number that is nearest to its `f32`.
pub fn as_written(loss: f64) -> f64 {
    (loss as f32).to_string().parse().expect("what a float prints as is a float")
}

fn as_f32<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f32(*value as f32)
}

/// Any number that training in 32 bits can write, infinities and NaN among them.
pub(crate) fn number(column: &'static str, value: f64) -> Result<(), Problem> {
    match value.is_finite() && value.abs() > f64::from(f32::MAX) {
        true => Err(Problem { column, expected: "a number of 32 bits" }),
        false => Ok(()),
    }
}

fn optional(column: &'static str, value: Option<f64>) -> Result<(), Problem> {
    value.map_or(Ok(()), |value| number(column, value))
}

pub(crate) fn fraction(column: &'static str, value: f64) -> Result<(), Problem> {
    match value.is_nan() || (0.0..=1.0).contains(&value) {
        true => Ok(()),
        false => Err(Problem { column, expected: "a fraction from 0 to 1" }),
    }
}
