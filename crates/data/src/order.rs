//! The order of an epoch.

use crate::random::{Purpose, generator, shuffle};

/// `indices` in the order of epoch `epoch`: a pure function of `(indices, seed, epoch)`, so
/// training can resume at any place, on any machine and with any number of threads.
///
/// ```
/// use chainrule_data::epoch_order;
///
/// let first = epoch_order(&[10, 11, 12, 13, 14], 7, 0);
/// assert_eq!(first, epoch_order(&[10, 11, 12, 13, 14], 7, 0));
/// assert_ne!(first, epoch_order(&[10, 11, 12, 13, 14], 7, 1));
/// ```
pub fn epoch_order(indices: &[u32], seed: u64, epoch: u32) -> Vec<u32> {
    let mut order = indices.to_vec();
    shuffle(&mut order, &mut generator(seed, Purpose::Order, u64::from(epoch)));
    order
}
