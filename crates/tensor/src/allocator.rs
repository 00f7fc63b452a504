//! A global allocator that ends the program with one sentence and exit code 1 when memory runs out.
//!
//! Without it Rust aborts a process that gets no memory. A limit of the shell (`ulimit -v`) makes that
//! likely, and no check beforehand covers every small allocation of every library. A program sets
//! [`OrExit`] as its `#[global_allocator]`.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write;

/// Address space of a thread: its stack of 2 MiB, and as much as the C library and Rust keep of it.
#[cfg(target_os = "linux")]
const THREAD: usize = (2 << 20) + (256 << 10);

/// Whether there is room for another thread. The C library ends the process with a message of its own if a
/// thread has begun and there is no memory for what it keeps of it.
pub fn has_room_for_thread() -> bool {
    #[cfg(target_os = "linux")]
    {
        let (access, flags) = (libc::PROT_NONE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: pages that nobody can access, at a place that the system chooses, and given back at once.
        #[allow(unsafe_code)]
        unsafe {
            let room = libc::mmap(std::ptr::null_mut(), THREAD, access, flags, -1, 0);
            room != libc::MAP_FAILED && libc::munmap(room, THREAD) == 0
        }
    }
    #[cfg(not(target_os = "linux"))]
    true
}

/// The system's allocator, which ends the process where there is no memory.
#[derive(Debug)]
pub struct OrExit;

/// Prints the message, without allocating, and ends the process.
#[cold]
fn exit(bytes: usize) -> ! {
    let _ = writeln!(
        std::io::stderr(),
        "error: out of memory: {bytes} more bytes were asked for, and the system gives none: is there a \
         limit, of the shell (ulimit -v) or of the container?"
    );
    std::process::exit(1)
}

// SAFETY: each method hands its arguments to the system's allocator, whose contract is the same, and
// returns what that returned. It does not unwind: `exit` ends the process.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for OrExit {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        let memory = unsafe { System.alloc(layout) };
        if memory.is_null() { exit(layout.size()) } else { memory }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        let memory = unsafe { System.alloc_zeroed(layout) };
        if memory.is_null() { exit(layout.size()) } else { memory }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller promises.
        let moved = unsafe { System.realloc(memory, layout, size) };
        if moved.is_null() { exit(size) } else { moved }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }
}
