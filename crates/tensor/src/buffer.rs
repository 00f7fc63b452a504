//! Memory for the numbers that kernels work on: [`Buffer`], the one place that asks the system for it.
//!
//! A vector load that crosses two cache lines costs two accesses, and `malloc` aligns to 16 bytes
//! only. So a buffer is aligned to a cache line (64 bytes): it is a `Vec` that is a little too long,
//! and the part of it that begins at such an address. From [`HUGE_FROM`] bytes on it is aligned to a
//! huge page, and on Linux the system is asked for huge pages (`madvise`): one entry of a core's TLB
//! then covers 2 MiB in place of 4 KiB.

use std::alloc::Layout;
use std::ops::{Deref, DerefMut};

/// A type of which zero bytes are the value 0.
pub trait Zero: Copy + sealed::Sealed {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
    impl Sealed for u32 {}
}

impl Zero for f32 {}
impl Zero for f64 {}
impl Zero for u32 {}

/// Bytes of a cache line and of the widest vector: the alignment of a small buffer.
pub(crate) const LINE: usize = 64;

/// Bytes of a huge page.
const HUGE_PAGE: usize = 2 << 20;

/// From this many bytes on a buffer is aligned to a huge page (2 MiB).
pub const HUGE_FROM: usize = 1 << 20;

/// Numbers in memory that begins at the border of a cache line, or of a huge page. It is a slice of
/// a length that does not change.
#[derive(Debug)]
pub struct Buffer<T> {
    storage: Vec<T>,
    start: usize,
    len: usize,
}

impl<T: Zero> Buffer<T> {
    /// `len` zeros. Without memory for them the process is aborted, as by `Vec`
    /// ([`std::alloc::handle_alloc_error`]).
    pub fn zeros(len: usize) -> Self {
        Self::try_zeros(len).unwrap_or_else(|| {
            std::alloc::handle_alloc_error(Layout::array::<T>(len).unwrap_or(Layout::new::<T>()))
        })
    }

    /// `len` zeros, if the system gives the memory.
    fn try_zeros(len: usize) -> Option<Self> {
        if len == 0 {
            return Some(Self::default());
        }
        let bytes = len.checked_mul(size_of::<T>())?;
        let huge = bytes >= HUGE_FROM;
        let alignment = if huge { HUGE_PAGE } else { LINE };
        // Whole lines or pages, and one more for the start.
        let bytes = bytes.checked_next_multiple_of(alignment)?.checked_add(alignment)?;
        let storage: Vec<T> = zeros(bytes / size_of::<T>())?;
        let start = storage.as_ptr().align_offset(alignment);
        if huge {
            advise_huge_pages(
                &storage[start..][..bytes / size_of::<T>() - alignment / size_of::<T>()],
            );
        }
        Some(Self { storage, start, len })
    }
}

impl<T: Clone> Buffer<T> {
    /// The numbers as a `Vec`: the one that the buffer was made from, else a copy.
    pub fn into_vec(self) -> Vec<T> {
        if (self.start, self.len) == (0, self.storage.len()) { self.storage } else { self.to_vec() }
    }
}

impl<T: Zero> Clone for Buffer<T> {
    fn clone(&self) -> Self {
        let mut copy = Self::zeros(self.len);
        copy.copy_from_slice(self);
        copy
    }
}

impl<T> From<Vec<T>> for Buffer<T> {
    /// The numbers where they lie, without alignment: for those that were read from a file, and for the
    /// few that no kernel works on.
    fn from(storage: Vec<T>) -> Self {
        Self { start: 0, len: storage.len(), storage }
    }
}

impl<T> Default for Buffer<T> {
    /// No numbers, and no memory.
    fn default() -> Self {
        Self { storage: Vec::new(), start: 0, len: 0 }
    }
}

impl<T> Deref for Buffer<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        &self.storage[self.start..self.start + self.len]
    }
}

impl<T> DerefMut for Buffer<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.storage[self.start..self.start + self.len]
    }
}

impl<T: PartialEq> PartialEq for Buffer<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

/// A `Vec` of zeros whose pages the system has not handed out yet, or nothing where there is no
/// memory. `len` is not 0.
fn zeros<T: Zero>(len: usize) -> Option<Vec<T>> {
    let layout = Layout::array::<T>(len).ok().filter(|layout| layout.size() > 0)?;
    // SAFETY: the layout is not of size 0. The memory is then that of a `Vec` of this capacity, from
    // the same allocator with the same layout, and zero bytes are a value of every type that is `Zero`.
    #[allow(unsafe_code)]
    unsafe {
        let memory = std::alloc::alloc_zeroed(layout).cast::<T>();
        if memory.is_null() { None } else { Some(Vec::from_raw_parts(memory, len, len)) }
    }
}

/// Asks for huge pages for `pages`, which begins and ends at the border of one.
fn advise_huge_pages<T>(pages: &[T]) {
    #[cfg(target_os = "linux")]
    {
        let (start, bytes) = (pages.as_ptr().cast_mut().cast(), size_of_val(pages));
        // SAFETY: the memory is that of the slice, and the advice changes none of it. A system
        // without huge pages says so, and the pages are small.
        #[allow(unsafe_code)]
        unsafe {
            libc::madvise(start, bytes, libc::MADV_HUGEPAGE);
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = pages;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scalar;

    #[test]
    fn a_vec_that_was_taken_over_comes_back_and_an_aligned_buffer_as_a_copy() {
        let vec = vec![1.0f32, 2.0, 3.0];
        let address = vec.as_ptr();
        let back = Buffer::from(vec).into_vec();
        assert_eq!((back.as_ptr(), &back[..]), (address, &[1.0, 2.0, 3.0][..]));
        let mut buffer = Buffer::<f64>::zeros(5);
        buffer[4] = 7.0;
        assert_eq!(buffer.into_vec(), [0.0, 0.0, 0.0, 0.0, 7.0]);
    }

    fn check<T: Scalar>(len: usize) {
        let mut buffer = Buffer::<T>::zeros(len);
        assert_eq!(buffer.len(), len);
        assert!(buffer.iter().all(|&x| x == T::ZERO), "{len} zeros");
        if len > 0 {
            let border = if len * size_of::<T>() >= HUGE_FROM { HUGE_PAGE } else { LINE };
            assert_eq!(buffer.as_ptr().addr() % border, 0, "{len} numbers begin at a border");
        }
        buffer.fill(T::ONE);
        let copy = buffer.clone();
        assert!(copy == buffer && copy.iter().all(|&x| x == T::ONE), "{len} ones");
    }

    #[test]
    fn a_buffer_of_any_length_holds_zeros_and_begins_where_a_line_or_huge_page_does() {
        for len in
            [0, 1, 15, 16, 17, 1000, HUGE_FROM / 8, HUGE_FROM / 4 - 1, HUGE_FROM / 4, 600_000]
        {
            check::<f32>(len);
            check::<f64>(len);
        }
    }

    #[test]
    fn memory_that_does_not_exist_is_nothing_and_no_panic() {
        for len in [usize::MAX, usize::MAX / 4, isize::MAX as usize / 4, 1 << 58] {
            assert!(Buffer::<f32>::try_zeros(len).is_none(), "{len}");
            assert!(Buffer::<f64>::try_zeros(len).is_none(), "{len}");
        }
    }
}
