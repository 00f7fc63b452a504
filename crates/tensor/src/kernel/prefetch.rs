//! Software prefetching: memory is fetched while the processor multiplies.
//!
//! A weight matrix beyond the second-level cache, or pixels in main memory, take a hundred cycles
//! or more to arrive, and a core can wait for only some ten lines at once. Requested all together
//! they stall it as much as plain reads would. So [`prefetch`] only adds them to a queue of the
//! calling thread, and the products of [`kernel`](crate::kernel) request one line in each
//! iteration of their inner loop.
//!
//! This is a hint. It changes no result, any address is allowed, and where the processor has no
//! such instruction nothing happens.

use std::cell::RefCell;

use crate::buffer::LINE;

/// Most ranges in the queue. Further ones are not prefetched.
const CAPACITY: usize = 1024;

thread_local! {
    static QUEUE: RefCell<Queue> = const { RefCell::new(Queue::new()) };
}

/// Adds `data` to the end of this thread's queue: the next products request it, line by line.
///
/// Call it where a block begins, with what the next block reads, in the order of reading.
#[inline]
pub fn prefetch<T>(data: &[T]) {
    if cfg!(target_arch = "x86_64") {
        let start = data.as_ptr().addr();
        QUEUE.with_borrow_mut(|queue| queue.push(start, start + size_of_val(data)));
    }
}

/// Empties this thread's queue: what is left in it has been read by now, or is about to be.
pub fn clear() {
    QUEUE.with_borrow_mut(Queue::clear);
}

/// Runs a product with this thread's queue at hand: the queue is looked up once for each product,
/// not once for each line.
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))] // matrixmultiply does not ask
#[inline(always)]
pub(super) fn with_queue<R>(product: impl FnOnce(&mut Queue) -> R) -> R {
    QUEUE.with_borrow_mut(product)
}

/// Memory that is wanted next, in the order in which it will be wanted. It allocates nothing.
pub(super) struct Queue {
    /// First line and end, as addresses.
    ranges: [(usize, usize); CAPACITY],
    len: usize,
    next: usize,
    /// What is left of the range before `next`.
    at: usize,
    end: usize,
}

impl Queue {
    const fn new() -> Self {
        Self { ranges: [(0, 0); CAPACITY], len: 0, next: 0, at: 0, end: 0 }
    }

    fn clear(&mut self) {
        (self.len, self.next, self.at, self.end) = (0, 0, 0, 0);
    }

    fn push(&mut self, start: usize, end: usize) {
        if self.len < CAPACITY && start < end {
            self.ranges[self.len] = (start / LINE * LINE, end);
            self.len += 1;
        }
    }

    /// Requests the next lines, as many as there are of `n`, without waiting.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))] // matrixmultiply does not ask
    #[inline(always)]
    pub(super) fn ask_lines(&mut self, n: usize) {
        let mut left = n;
        while left > 0 && (self.at < self.end || self.next < self.len) {
            let lines = left.min(self.end.saturating_sub(self.at).div_ceil(LINE));
            (0..lines).for_each(|line| ask(self.at + line * LINE));
            self.at += lines * LINE;
            left -= lines;
            if self.at >= self.end && self.next < self.len {
                (self.at, self.end) = self.ranges[self.next];
                self.next += 1;
            }
        }
    }

    /// Requests the next line, if there is one, without waiting.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))] // matrixmultiply does not ask
    #[inline(always)]
    pub(super) fn ask(&mut self) {
        if self.at < self.end {
            ask(self.at);
            self.at += LINE;
        } else if self.next < self.len
            && let Some(&range) = self.ranges.get(self.next)
        {
            (self.at, self.end) = range;
            self.next += 1;
        }
    }
}

/// Requests a line into the second-level cache: the first level is full of what is being
/// multiplied.
#[inline(always)]
fn ask(address: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: the instruction is part of every x86-64, reads nothing and cannot fault.
        #[allow(unsafe_code)]
        unsafe {
            _mm_prefetch::<_MM_HINT_T1>(std::ptr::without_provenance(address));
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines that the queue of this thread asks for from here on.
    fn asked() -> Vec<usize> {
        with_queue(|queue| {
            let mut lines = vec![];
            for _ in 0..100 {
                let before = queue.at;
                queue.ask();
                if queue.at == before + LINE {
                    lines.push(before);
                }
            }
            lines
        })
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn every_line_that_holds_a_noted_byte_is_asked_for_once() {
        let bytes = vec![0u8; 1000];
        prefetch(&bytes[100..100]);
        for range in [5..6, 10..300, 999..1000] {
            prefetch(&bytes[range]);
        }
        let line = |byte: usize| (bytes.as_ptr().addr() + byte) / LINE * LINE;
        let want =
            std::iter::once(line(5)).chain((line(10)..=line(299)).step_by(LINE)).chain([line(999)]);
        assert_eq!(asked(), want.collect::<Vec<_>>());
        prefetch(&bytes);
        prefetch(&bytes);
        clear();
        assert_eq!(asked(), [], "what was cleared before a product is not asked for");
        // In the middle of a range: the queue is at its second line.
        prefetch(&bytes);
        with_queue(|queue| (0..2).for_each(|_| queue.ask()));
        clear();
        assert_eq!(asked(), [], "what was cleared during a range is not asked for");
        prefetch(&bytes[5..6]);
        assert_eq!(asked(), [line(5)], "after a clear the queue works as before");
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn many_lines_at_once_are_those_that_come_next() {
        let bytes = vec![0u8; 1000];
        let note = || [5..6, 10..300, 700..710, 999..1000].map(|range| prefetch(&bytes[range]));
        note();
        let lines = asked();
        for n in 0..lines.len() + 3 {
            clear();
            note();
            with_queue(|queue| queue.ask_lines(n));
            assert_eq!(asked(), lines[n.min(lines.len())..], "after {n} lines at once");
        }
        clear();
    }

    #[test]
    fn a_queue_that_no_product_empties_does_not_grow() {
        for _ in 0..3 * CAPACITY {
            prefetch(&[0u8; 64]);
        }
        with_queue(|queue| assert!(queue.len <= CAPACITY));
    }
}
