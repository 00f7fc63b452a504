//! A team of threads that runs one program together and meets at barriers.
//!
//! Entering a thread pool costs more than a small layer's arithmetic, so the team enters it once
//! for a whole epoch. Inside, each member works on what it owns, publishes results on a
//! [`Board`], and calls [`Member::meet`]; after that everyone may read what the others wrote. The
//! same program would run on several machines with a broadcast in place of the board.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The threads of a team could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot start {threads} threads: {source}")]
pub struct TeamError {
    threads: usize,
    source: rayon::ThreadPoolBuildError,
}

/// A fixed number of threads.
///
/// ```
/// use chainrule_tensor::team::Team;
///
/// let mut halves = [[0u32; 4]; 2];
/// let team = Team::new(2)?;
/// team.share(halves.iter_mut().enumerate(), |(i, half)| half.fill(i as u32));
/// assert_eq!(halves, [[0; 4], [1; 4]]);
/// # Ok::<(), chainrule_tensor::team::TeamError>(())
/// ```
#[derive(Debug)]
pub struct Team {
    pool: rayon::ThreadPool,
    size: usize,
}

impl Team {
    /// Starts `size` threads, one at least.
    ///
    /// # Errors
    /// If the system refuses so many threads.
    pub fn new(size: usize) -> Result<Team, TeamError> {
        let size = size.max(1);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(size).build();
        let pool = pool.map_err(|source| TeamError { threads: size, source })?;
        // A pool has an upper limit of its own, and a barrier must not wait for more than came.
        Ok(Team { size: pool.current_num_threads(), pool })
    }

    /// Number of members.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Runs `program` on every member at once and returns their results by rank.
    ///
    /// # Panics
    /// If a member panics; the others leave at their next barrier.
    pub fn run<R: Send>(&self, program: impl Fn(Member) -> R + Sync) -> Vec<R> {
        let barrier = Barrier::new(self.size);
        self.pool.broadcast(|context| {
            let _guard = BreakOnPanic(&barrier);
            program(Member { rank: context.index(), barrier: &barrier })
        })
    }

    /// Hands each of the `items` to whichever member is free, in their order.
    ///
    /// What becomes of an item must not depend on who works on it or when.
    ///
    /// # Panics
    /// If a member panics.
    pub fn share<I: Iterator + Send>(&self, items: I, work: impl Fn(I::Item) + Sync) {
        let items = Mutex::new(items);
        let next = || items.lock().expect("no iterator has panicked").next();
        self.run(|_| {
            while let Some(item) = next() {
                work(item);
            }
        });
    }
}

/// One thread's place in a [`Team`].
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    rank: usize,
    barrier: &'a Barrier,
}

impl Member<'_> {
    /// This member's number, from 0.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// Number of members.
    pub fn team_size(&self) -> usize {
        self.barrier.size
    }

    /// Waits until every member has come here. What they wrote before, all can read afterwards.
    ///
    /// # Panics
    /// If another member has panicked and will never come.
    pub fn meet(&self) {
        self.barrier.wait();
    }
}

/// Rounds of spinning before a waiting thread offers its core to others.
const SPINS: u32 = 20_000;

/// A barrier that spins, then yields: members arrive within microseconds of each other.
#[derive(Debug)]
struct Barrier {
    size: usize,
    spins: u32,
    arrived: AtomicUsize,
    generation: AtomicUsize,
    broken: AtomicBool,
}

impl Barrier {
    fn new(size: usize) -> Barrier {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Barrier {
            size,
            // With more members than cores, the one awaited may need this very core.
            spins: if size > cores { 0 } else { SPINS },
            arrived: AtomicUsize::new(0),
            generation: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
        }
    }

    fn wait(&self) {
        let generation = self.generation.load(Ordering::Acquire);
        // AcqRel: the last to arrive has seen the writes of all before it, and its store of the
        // next generation hands them on to everyone who waits.
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.size {
            self.arrived.store(0, Ordering::Relaxed);
            self.generation.store(generation.wrapping_add(1), Ordering::Release);
            return;
        }
        let mut spins = 0;
        while self.generation.load(Ordering::Acquire) == generation {
            assert!(!self.broken.load(Ordering::Relaxed), "another member of the team panicked");
            if spins < self.spins {
                spins += 1;
                std::hint::spin_loop();
            } else {
                std::thread::yield_now();
            }
        }
    }
}

/// Lets the others out of the barrier when a member unwinds.
struct BreakOnPanic<'a>(&'a Barrier);

impl Drop for BreakOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.broken.store(true, Ordering::Relaxed);
        }
    }
}

/// Numbered buffers, each written by its owner before a barrier and read by everyone after it.
///
/// The lock of a slot is never waited for, because a barrier stands between its writer and its
/// readers. It is there so that the compiler accepts the sharing, and so that a program with a
/// barrier too few stops instead of computing with half-written numbers.
#[derive(Debug, Default)]
pub struct Board<T> {
    slots: Vec<RwLock<Vec<T>>>,
}

impl<T> Board<T> {
    /// A board of these buffers.
    pub fn new(slots: Vec<Vec<T>>) -> Board<T> {
        Board { slots: slots.into_iter().map(RwLock::new).collect() }
    }

    /// The buffer of slot `i`, for its owner to write.
    ///
    /// # Panics
    /// If someone still reads it: a barrier is missing.
    pub fn write(&self, i: usize) -> RwLockWriteGuard<'_, Vec<T>> {
        self.slots[i].try_write().expect("a barrier stands between readers and the next writer")
    }

    /// The buffer of slot `i`, for anyone to read.
    ///
    /// # Panics
    /// If its owner still writes it: a barrier is missing.
    pub fn read(&self, i: usize) -> RwLockReadGuard<'_, Vec<T>> {
        self.slots[i].try_read().expect("a barrier stands between the writer and its readers")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_passes_a_barrier_before_all_have_come() {
        for size in [1, 2, 3, 7] {
            let team = Team::new(size).unwrap();
            let board = Board::new(vec![vec![0usize]; size]);
            team.run(|member| {
                for round in 1..=200 {
                    board.write(member.rank())[0] = round;
                    member.meet();
                    for other in 0..size {
                        assert_eq!(board.read(other)[0], round, "{size} members");
                    }
                    member.meet();
                }
            });
        }
    }

    #[test]
    fn every_shared_item_is_worked_on_once() {
        for size in [1, 2, 7] {
            let mut squares = vec![0; 1000];
            Team::new(size).unwrap().share(squares.iter_mut().enumerate(), |(i, x)| *x += i * i);
            assert!(squares.iter().enumerate().all(|(i, &x)| x == i * i), "{size} members");
        }
    }

    #[test]
    fn a_member_that_panics_does_not_leave_the_others_waiting() {
        let team = Team::new(2).unwrap();
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            team.run(|member| {
                assert_ne!(member.rank(), 1, "on purpose");
                member.meet();
            })
        }));
        assert!(result.is_err());
        assert_eq!(team.run(|member| member.rank()), [0, 1], "the team can be used again");
    }
}
