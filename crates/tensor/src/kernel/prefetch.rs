//! Asking for memory before it is needed, so that it comes while the processor multiplies.
//!
//! A weight matrix beyond the second-level cache and pixels in main memory arrive in a hundred
//! cycles or more, and a core can wait for only so many lines at once. Asked for in one go they
//! hold it up as much as if they were simply read. So [`prefetch`] only notes them in a queue of
//! the calling thread, and the products of [`kernel`](crate::kernel) ask for one line at each turn
//! of their inner loop.
//!
//! All of this is a hint. It changes no result, an address may be anything, and where the
//! processor has no such instruction nothing happens.

use std::cell::RefCell;

/// Bytes of a cache line.
const LINE: usize = 64;

/// Most ranges in the queue. What is more is not asked for.
const CAPACITY: usize = 1024;

thread_local! {
    static QUEUE: RefCell<Queue> = const { RefCell::new(Queue::new()) };
}

/// Notes `data` at the end of this thread's queue: the next products ask for it, line by line.
///
/// To be called where a block begins, with what the next one reads, in the order in which it
/// will be read.
#[inline]
pub fn prefetch<T>(data: &[T]) {
    if cfg!(target_arch = "x86_64") {
        let start = data.as_ptr().addr();
        QUEUE.with_borrow_mut(|queue| queue.push(start, start + size_of_val(data)));
    }
}

/// Forgets what this thread has not asked for so far: by now it has been used, or will be.
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

    /// Asks for the next line, if there is one, and waits for nothing.
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

/// Asks for a line to be brought into the second-level cache: the first level is full of what is
/// being multiplied.
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
        clear();
        assert_eq!(asked(), [], "what was forgotten is not asked for");
    }

    #[test]
    fn a_queue_that_nobody_works_off_does_not_grow() {
        for _ in 0..3 * CAPACITY {
            prefetch(&[0u8; 64]);
        }
        with_queue(|queue| assert!(queue.len <= CAPACITY));
    }
}
