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
