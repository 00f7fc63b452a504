//! What the threads of a group share state through: the standard library's, or loom's, which tries
//! every order of events that the memory model allows (`just loom`).

#[cfg(not(loom))]
pub(crate) use std::{
    hint::spin_loop,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    sync::{RwLock, RwLockReadGuard, RwLockWriteGuard},
    thread::yield_now,
};

#[cfg(loom)]
pub(crate) use loom::{
    hint::spin_loop,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    sync::{RwLock, RwLockReadGuard, RwLockWriteGuard},
};

/// Lets the others go on. Two threads that wait for a third could take turns in looking for ever: who
/// has spun for its rounds and comes here ends the search below this point, and this one execution
/// runs to its end.
#[cfg(loom)]
pub(crate) fn yield_now() {
    loom::skip_branch();
    loom::thread::yield_now();
}
