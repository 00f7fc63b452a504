//! Setting validation images aside.

use crate::Error;
use crate::random::{Purpose, generator, shuffle};

/// Which images of a training set train and which validate: indices, each in ascending order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The images to learn from.
    pub train: Vec<u32>,
    /// The images that choose among models.
    pub validation: Vec<u32>,
}

impl Split {
    /// Sets `validation` of the images `0..n` aside, drawn by `seed`.
    ///
    /// ```
    /// let split = chainrule_data::Split::seeded(50_000, 5_000, 0)?;
    /// assert_eq!((split.train.len(), split.validation.len()), (45_000, 5_000));
    /// # Ok::<(), chainrule_data::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Split`] if none would be left to train on, or `n` does not fit a `u32`.
    pub fn seeded(n: usize, validation: usize, seed: u64) -> Result<Self, Error> {
        let count = u32::try_from(n).map_err(|_| Error::Split { n, validation })?;
        if validation >= n {
            return Err(Error::Split { n, validation });
        }
        let mut indices: Vec<u32> = (0..count).collect();
        shuffle(&mut indices, &mut generator(seed, Purpose::Split, 0));
        let mut train = indices.split_off(validation);
        train.sort_unstable();
        indices.sort_unstable();
        Ok(Self { train, validation: indices })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::epoch_order;

    proptest! {
        #[test]
        fn every_image_trains_or_validates_and_none_does_both(
            n in 1usize..2_000, share in 0.0..1.0f64, seed: u64, epoch: u32,
        ) {
            let validation = (n as f64 * share) as usize;
            let split = Split::seeded(n, validation, seed).unwrap();
            prop_assert_eq!(split.validation.len(), validation);
            prop_assert!(split.train.is_sorted() && split.validation.is_sorted());

            let mut all = epoch_order(&split.train, seed, epoch);
            all.extend(&split.validation);
            all.sort_unstable();
            prop_assert!(all.into_iter().eq(0..n as u32));
        }
    }

    #[test]
    fn a_split_that_leaves_nothing_to_train_on_is_refused() {
        for (n, validation) in [(0, 0), (10, 10), (10, 11), (usize::MAX, 1)] {
            let error = Split::seeded(n, validation, 0).unwrap_err().to_string();
            let start = format!("cannot set {validation} of {n} images aside");
            assert!(error.starts_with(&start), "{error}");
        }
    }

    #[test]
    fn another_seed_sets_other_images_aside() {
        assert_ne!(Split::seeded(100, 10, 0).unwrap(), Split::seeded(100, 10, 1).unwrap());
    }
}
