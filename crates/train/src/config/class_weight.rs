//! The weight of each class in the training loss.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::ConfigError;

/// How the classes are weighted in the training loss.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum ClassWeight {
    /// All alike.
    #[default]
    None,
    /// Each class by n / (k `n_c`), of n training images of k classes, `n_c` of them of this class.
    Balanced,
    /// A weight for each class, in the order of the classes.
    Given(Vec<f64>),
}

impl ClassWeight {
    /// The weight of each class for training images with these labels; nothing if all are alike.
    ///
    /// The balanced weights are those of scikit-learn's `compute_class_weight("balanced")`: n images,
    /// of k classes that have any. A class without images has the weight 1.
    ///
    /// # Panics
    /// If a label is no class.
    pub fn weights(&self, classes: usize, labels: impl Iterator<Item = usize>) -> Option<Vec<f64>> {
        match self {
            ClassWeight::None => None,
            ClassWeight::Given(weights) => Some(weights.clone()),
            ClassWeight::Balanced => {
                let mut counts = vec![0usize; classes];
                labels.for_each(|label| counts[label] += 1);
                let n: usize = counts.iter().sum();
                let present = counts.iter().filter(|&&count| count > 0).count();
                let weight = |&count: &usize| match count {
                    0 => 1.0,
                    count => n as f64 / (present * count) as f64,
                };
                Some(counts.iter().map(weight).collect())
            }
        }
    }

    /// Whether all classes are alike.
    pub fn is_none(&self) -> bool {
        *self == ClassWeight::None
    }

    pub(super) fn check(&self, classes: usize) -> Result<(), ConfigError> {
        match self {
            ClassWeight::Given(weights) if weights.len() != classes => Err(ConfigError::new(
                format!("class_weight has {} weights: there are {classes} classes", weights.len()),
            )),
            _ => Ok(()),
        }
    }

    fn given(weights: Vec<f64>) -> Result<ClassWeight, ConfigError> {
        match weights.iter().find(|weight| !(weight.is_finite() && **weight > 0.0)) {
            Some(weight) => Err(ConfigError::new(format!(
                "class_weight holds {weight}: a weight must be a positive number"
            ))),
            None => Ok(ClassWeight::Given(weights)),
        }
    }
}

impl FromStr for ClassWeight {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<ClassWeight, ConfigError> {
        let weight = |part: &str| {
            part.trim().parse().map_err(|_| {
                ConfigError::new(format!(
                    "class_weight is {text:?}: write none, balanced, or a number for each class, \
                     such as 1,2.5,1"
                ))
            })
        };
        match text {
            "none" => Ok(ClassWeight::None),
            "balanced" => Ok(ClassWeight::Balanced),
            text => Self::given(text.split(',').map(weight).collect::<Result<_, _>>()?),
        }
    }
}

impl fmt::Display for ClassWeight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClassWeight::None => f.write_str("none"),
            ClassWeight::Balanced => f.write_str("balanced"),
            ClassWeight::Given(weights) => {
                let weights: Vec<_> = weights.iter().map(f64::to_string).collect();
                f.write_str(&weights.join(","))
            }
        }
    }
}

impl Serialize for ClassWeight {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            ClassWeight::Given(weights) => weights.serialize(to),
            word => to.collect_str(word),
        }
    }
}

impl<'de> Deserialize<'de> for ClassWeight {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "none, balanced, or a list of weights such as [1, 2.5, 1]")]
        enum WordOrWeights {
            Word(String),
            Weights(Vec<f64>),
        }
        let read = match WordOrWeights::deserialize(from)? {
            WordOrWeights::Word(word) => word.parse(),
            WordOrWeights::Weights(weights) => ClassWeight::given(weights),
        };
        read.map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scikit-learn 1.9.1: `compute_class_weight("balanced", classes=np.unique(y), y=y)` with the
    /// counts below.
    #[test]
    fn balanced_weights_are_scikit_learns_and_a_class_without_images_weighs_one() {
        let counts = [7, 1, 0, 30, 2];
        let labels =
            counts.iter().enumerate().flat_map(|(class, &n)| std::iter::repeat_n(class, n));
        let expected = [1.4285714285714286, 10.0, 1.0, 0.3333333333333333, 5.0];
        let found = ClassWeight::Balanced.weights(5, labels).unwrap();
        assert_eq!(found.len(), 5);
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found} for {expected}");
        }
    }

    #[test]
    fn a_weight_that_is_not_positive_and_a_list_of_another_length_are_refused() {
        for wrong in ["1,0", "1,-2", "1,inf", "1,nan", "1,x", "", "balance"] {
            let error = wrong.parse::<ClassWeight>().unwrap_err().to_string();
            assert!(error.starts_with("class_weight "), "{error}");
        }
        let three: ClassWeight = "1, 2.5,1".parse().unwrap();
        assert_eq!(three, ClassWeight::Given(vec![1.0, 2.5, 1.0]));
        assert!(three.check(3).is_ok());
        let error = three.check(10).unwrap_err().to_string();
        assert_eq!(error, "class_weight has 3 weights: there are 10 classes");
    }
}
