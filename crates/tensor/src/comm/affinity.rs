//! Which core a thread runs on.
//!
//! If a group has as many threads as the process has cores, each thread stays on a core of its own.
//! When another program keeps one core busy, the system would otherwise move the threads about, and
//! both would lose time in turn while the other waits for them.

use std::sync::Arc;

#[cfg(target_os = "linux")]
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// A core for each thread of a group; none if their numbers differ, or where the system cannot say.
#[derive(Clone, Debug, Default)]
pub(super) struct Cores(Arc<[usize]>);

impl Cores {
    /// The cores for `threads` threads.
    #[cfg(target_os = "linux")]
    pub fn of_their_own(threads: usize) -> Cores {
        let Ok(allowed) = sched_getaffinity(None) else { return Cores::default() };
        let cores: Arc<[usize]> = (0..CpuSet::MAX_CPU).filter(|&i| allowed.is_set(i)).collect();
        if cores.len() == threads { Cores(cores) } else { Cores::default() }
    }

    #[cfg(not(target_os = "linux"))]
    pub fn of_their_own(_: usize) -> Cores {
        Cores::default()
    }

    /// Keeps the calling thread on the core of thread `rank`. If the system refuses, it stays free.
    pub fn keep(&self, rank: usize) {
        #[cfg(target_os = "linux")]
        if let Some(&core) = self.0.get(rank) {
            let mut own = CpuSet::new();
            own.set(core);
            let _ = sched_setaffinity(None, &own);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = rank;
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::comm::ThreadGroup;

    fn allowed() -> Vec<usize> {
        let allowed = sched_getaffinity(None).unwrap();
        (0..CpuSet::MAX_CPU).filter(|&i| allowed.is_set(i)).collect()
    }

    #[test]
    fn as_many_threads_as_cores_have_one_each_and_fewer_or_more_are_free() {
        let cores = allowed();
        let group = ThreadGroup::new(cores.len()).unwrap();
        let each: Vec<_> = cores.iter().map(|&core| vec![core]).collect();
        assert_eq!(group.run(|_| allowed()), each);
        for threads in [cores.len() - 1, cores.len() + 1] {
            if threads > 0 {
                let group = ThreadGroup::new(threads).unwrap();
                assert_eq!(group.run(|_| allowed()), vec![cores.clone(); threads]);
            }
        }
        assert_eq!(allowed(), cores, "the thread that starts a group stays free");
    }
}
