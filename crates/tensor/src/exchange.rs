//! Buffers through which ranks exchange what they have computed.
//!
//! An [`Exchange`] is a row of numbered slots. Each slot has an owner, the one rank that writes it,
//! and after a collective call of the [`Communicator`](crate::comm::Communicator) the ranks for which
//! it was meant may read it. Threads of one process share the slots, so that nothing moves; ranks of
//! several processes each have slots of their own, and the collective copies them as bytes
//! ([`Buffers`]).

use std::ops::Range;
use std::sync::{PoisonError, TryLockError};

use crate::buffer::Buffer;
use crate::scalar::Element;
use crate::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Numbered buffers, each written by its owner before a collective and read by others after it.
///
/// The lock of a slot is never waited for, because a collective stands between its writer and its
/// readers. It is there so that the compiler accepts the sharing, and so that a program with a
/// collective too few stops instead of computing with half-written numbers.
#[derive(Debug)]
pub struct Exchange<T> {
    slots: Vec<RwLock<Buffer<T>>>,
    owners: Vec<usize>,
    rows: usize,
}

impl<T> Exchange<T> {
    /// Slots of these buffers, each a (`rows`, columns) matrix in which the columns that a rank
    /// reads lie together, and the rank that owns each.
    ///
    /// # Panics
    /// If there are not as many owners as slots, or a slot is not made of whole rows.
    pub fn new(rows: usize, slots: Vec<impl Into<Buffer<T>>>, owners: Vec<usize>) -> Exchange<T> {
        let slots: Vec<Buffer<T>> = slots.into_iter().map(Into::into).collect();
        assert_eq!(slots.len(), owners.len(), "a slot has an owner");
        assert!(slots.iter().all(|slot| slot.len().is_multiple_of(rows.max(1))), "whole rows");
        Exchange { slots: slots.into_iter().map(RwLock::new).collect(), owners, rows: rows.max(1) }
    }

    /// A slot of one value for each of `size` ranks.
    pub fn one_each(size: usize) -> Exchange<T>
    where
        T: Default,
    {
        Exchange::new(1, (0..size).map(|_| vec![T::default()]).collect(), (0..size).collect())
    }

    /// The buffer of slot `i`, for its owner to write.
    ///
    /// # Panics
    /// If someone still reads it, or a rank panicked while it wrote it.
    pub fn write(&self, i: usize) -> RwLockWriteGuard<'_, Buffer<T>> {
        self.slots[i].try_write().unwrap_or_else(|error| refuse(i, "writes", &error))
    }

    /// The buffer of slot `i`, for anyone to read.
    ///
    /// # Panics
    /// If its owner still writes it, or panicked while it did.
    pub fn read(&self, i: usize) -> RwLockReadGuard<'_, Buffer<T>> {
        self.slots[i].try_read().unwrap_or_else(|error| refuse(i, "reads", &error))
    }
}

fn refuse<G>(slot: usize, does: &str, error: &TryLockError<G>) -> ! {
    match error {
        TryLockError::WouldBlock => panic!(
            "a rank {does} slot {slot} while another uses it: no collective stands between them"
        ),
        TryLockError::Poisoned(PoisonError { .. }) => {
            panic!("a rank {does} slot {slot}, and another panicked while it wrote it")
        }
    }
}

/// The slots of an [`Exchange`], whatever their numbers are, as a collective moves them.
pub trait Buffers: Sync {
    /// Number of slots.
    fn slots(&self) -> usize;

    /// The rank that writes a slot.
    fn owner(&self, slot: usize) -> usize;

    /// Rows of every slot.
    fn rows(&self) -> usize;

    /// Columns of a slot; 0 if it is not in use.
    fn columns(&self, slot: usize) -> usize;

    /// Bytes of a value.
    fn value_bytes(&self) -> usize;

    /// Adds the bytes of the values at `range` of a slot to a message.
    fn pack(&self, slot: usize, range: Range<usize>, message: &mut Vec<u8>);

    /// Sets the values at `range` of a slot from the start of a message, and takes them off it.
    ///
    /// # Panics
    /// If the message is shorter.
    fn unpack(&self, slot: usize, range: Range<usize>, message: &mut &[u8]);
}

impl<T: Element> Buffers for Exchange<T> {
    fn slots(&self) -> usize {
        self.slots.len()
    }

    fn owner(&self, slot: usize) -> usize {
        self.owners[slot]
    }

    fn rows(&self) -> usize {
        self.rows
    }

    fn columns(&self, slot: usize) -> usize {
        self.read(slot).len() / self.rows
    }

    fn value_bytes(&self) -> usize {
        T::BYTES
    }

    fn pack(&self, slot: usize, range: Range<usize>, message: &mut Vec<u8>) {
        let start = message.len();
        message.resize(start + range.len() * T::BYTES, 0);
        let to = message[start..].chunks_exact_mut(T::BYTES);
        self.read(slot)[range].iter().zip(to).for_each(|(value, to)| value.write_to(to));
    }

    fn unpack(&self, slot: usize, range: Range<usize>, message: &mut &[u8]) {
        let (bytes, rest) = message.split_at(range.len() * T::BYTES);
        let from = bytes.chunks_exact(T::BYTES);
        self.write(slot)[range]
            .iter_mut()
            .zip(from)
            .for_each(|(to, from)| *to = T::from_bytes(from));
        *message = rest;
    }
}

/// What a collective moves: the first rows of every slot of some buffers.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    /// The slots.
    pub buffers: &'a dyn Buffers,
    /// How many rows of each.
    pub rows: usize,
}

impl<T: Element> Exchange<T> {
    /// All rows, as a message.
    pub fn all(&self) -> Message<'_> {
        self.rows(self.rows)
    }

    /// The first `rows` rows, as a message.
    pub fn rows(&self, rows: usize) -> Message<'_> {
        Message { buffers: self, rows }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    fn message_of(panic: Box<dyn std::any::Any + Send>) -> String {
        panic.downcast_ref::<String>().expect("a sentence").clone()
    }

    #[test]
    fn a_slot_that_is_still_written_and_one_whose_writer_panicked_have_two_messages() {
        let exchange = Exchange::<f32>::one_each(2);
        let writing = exchange.write(1);
        let early = catch_unwind(AssertUnwindSafe(|| drop(exchange.read(1)))).unwrap_err();
        assert!(message_of(early).contains("no collective"));
        drop(writing);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _guard = exchange.write(1);
            panic!("on purpose");
        }));
        assert!(panicked.is_err());
        let late = catch_unwind(AssertUnwindSafe(|| drop(exchange.read(1)))).unwrap_err();
        assert!(message_of(late).contains("another panicked while it wrote it"));
        assert_eq!(exchange.read(0)[..], [0.0], "the other slot is whole");
    }

    #[test]
    fn numbers_of_every_kind_survive_as_bytes_to_the_bit() {
        let values = [[f64::NAN, -0.0], [f64::MIN_POSITIVE / 4.0, 1.0 / 3.0]];
        let from = Exchange::new(1, vec![values.to_vec()], vec![0]);
        let to = Exchange::new(1, vec![vec![[0.0; 2]; 2]], vec![0]);
        let mut bytes = vec![];
        from.pack(0, 0..2, &mut bytes);
        assert_eq!(bytes.len(), 32);
        let mut message = &bytes[..];
        to.unpack(0, 0..2, &mut message);
        assert!(message.is_empty());
        let bits = |exchange: &Exchange<[f64; 2]>| {
            exchange.read(0).iter().map(|pair| pair.map(f64::to_bits)).collect::<Vec<_>>()
        };
        assert_eq!(bits(&to), bits(&from));
        let mut bytes = vec![];
        Exchange::new(1, vec![vec![1.5f32]], vec![0]).pack(0, 0..1, &mut bytes);
        Exchange::new(1, vec![vec![u64::MAX]], vec![0]).pack(0, 0..1, &mut bytes);
        assert_eq!(bytes, [0, 0, 0xc0, 0x3f, 255, 255, 255, 255, 255, 255, 255, 255]);
    }
}
