//! Asking for memory before it is needed, so that it comes while the processor multiplies.
//!
//! A weight matrix beyond the second-level cache and pixels in main memory arrive in a hundred
//! cycles or more, and a core can wait for only so many lines at once. Asked for in one go they
//! hold it up as much as if they were simply read. So the inner kernel asks for one line at each
//! turn of its loop, from a list that whoever calls it has filled: [`Ahead`].
//!
//! All of this is a hint. It changes no result, an address may be anything, and where the
//! processor has no such instruction nothing happens.

/// Bytes of a cache line.
const LINE: usize = 64;

/// Most ranges in a list. What is more is not asked for.
const CAPACITY: usize = 1024;

/// Memory that is wanted soon, in the order in which it will be wanted.
#[derive(Clone, Debug)]
pub struct Ahead {
    /// First and last line, as addresses.
    ranges: Vec<(usize, usize)>,
    next: usize,
    /// What is left of the range before `next`.
    at: usize,
    end: usize,
}

impl Default for Ahead {
    fn default() -> Self {
        Self { ranges: Vec::with_capacity(CAPACITY), next: 0, at: 0, end: 0 }
    }
}

impl Ahead {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets what has not been asked for so far: by now it has been used, or will be.
    pub fn clear(&mut self) {
        self.ranges.clear();
        (self.next, self.at, self.end) = (0, 0, 0);
    }

    /// Adds `data` to the end of the list.
    pub fn push<T>(&mut self, data: &[T]) {
        if self.ranges.len() < CAPACITY && !data.is_empty() {
            let start = data.as_ptr() as usize;
            let end = start + size_of_val(data);
            self.ranges.push((start / LINE * LINE, end));
        }
    }

    /// Asks for the next line, if there is one, and waits for nothing.
    #[inline(always)]
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))] // matrixmultiply does not ask
    pub(crate) fn ask(&mut self) {
        if self.at < self.end {
            ask(self.at);
            self.at += LINE;
        } else if let Some(&(start, end)) = self.ranges.get(self.next) {
            (self.at, self.end) = (start, end);
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

    #[test]
    fn every_line_that_holds_a_listed_byte_is_asked_for_once() {
        let bytes = vec![0u8; 1000];
        let mut ahead = Ahead::new();
        ahead.push(&bytes[100..100]);
        for range in [5..6, 10..300, 999..1000] {
            ahead.push(&bytes[range]);
        }
        let mut lines = vec![];
        for _ in 0..100 {
            let before = ahead.at;
            ahead.ask();
            if ahead.at == before + LINE {
                lines.push(before);
            }
        }
        let line = |byte: usize| (bytes.as_ptr() as usize + byte) / LINE * LINE;
        let want =
            std::iter::once(line(5)).chain((line(10)..=line(299)).step_by(LINE)).chain([line(999)]);
        assert_eq!(lines, want.collect::<Vec<_>>());
        ahead.push(&bytes);
        ahead.clear();
        ahead.ask();
        ahead.ask();
        assert_eq!(ahead.at, 0, "what was forgotten is not asked for");
    }

    #[test]
    fn a_list_that_nobody_works_off_does_not_grow() {
        let mut ahead = Ahead::new();
        for _ in 0..3 * CAPACITY {
            ahead.push(&[0u8; 64]);
        }
        assert_eq!(ahead.ranges.len(), CAPACITY);
    }
}
