//! A barrier for threads that arrive within microseconds of each other.

use crate::sync::{AtomicBool, AtomicUsize, Ordering, spin_loop, yield_now};

/// Rounds of spinning before a waiting thread offers its core to others. In loom's model these are
/// the looks that are explored.
const SPINS: u32 = if cfg!(loom) { 1 } else { 20_000 };

/// A barrier that spins, then yields.
#[derive(Debug)]
pub(super) struct Barrier {
    size: usize,
    spins: u32,
    arrived: AtomicUsize,
    generation: AtomicUsize,
    /// A rank has panicked.
    broken: AtomicBool,
    /// A rank has returned, and will not come again.
    left: AtomicBool,
}

/// Why not all ranks come to a barrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Absence {
    Panicked,
    Returned,
}

impl Barrier {
    /// A barrier for `size` ranks.
    pub fn new(size: usize) -> Barrier {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Barrier {
            size,
            // With more threads than cores, the one awaited may need this very core.
            spins: if size > cores && !cfg!(loom) { 0 } else { SPINS },
            arrived: AtomicUsize::new(0),
            generation: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
            left: AtomicBool::new(false),
        }
    }

    /// Number of ranks.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Waits for all ranks; what each wrote before it came, all can read afterwards.
    ///
    /// # Panics
    /// If one of them has panicked, or has returned before it came.
    pub fn wait(&self) {
        match self.try_wait() {
            Ok(()) => {}
            Err(Absence::Panicked) => panic!("another rank panicked"),
            Err(Absence::Returned) => {
                panic!("another rank has returned and will never come to this collective call")
            }
        }
    }

    fn try_wait(&self) -> Result<(), Absence> {
        let generation = self.generation.load(Ordering::Acquire);
        // AcqRel: the last to arrive has seen the writes of all before it, and its store of the
        // next generation hands them on to everyone who waits.
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.size {
            self.arrived.store(0, Ordering::Relaxed);
            self.generation.store(generation.wrapping_add(1), Ordering::Release);
            return Ok(());
        }
        let mut spins = 0;
        while self.generation.load(Ordering::Acquire) == generation {
            if self.broken.load(Ordering::Relaxed) {
                return Err(Absence::Panicked);
            }
            // Who returns has passed the barriers before: look again whether this is one of them.
            if self.left.load(Ordering::Acquire)
                && self.generation.load(Ordering::Acquire) == generation
            {
                return Err(Absence::Returned);
            }
            if spins < self.spins {
                spins += 1;
                spin_loop();
            } else {
                yield_now();
            }
        }
        Ok(())
    }
}

/// Lets the others out of the barrier when a rank panics, or returns too early.
pub(super) struct LeaveOnDrop<'a>(pub &'a Barrier);

impl Drop for LeaveOnDrop<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.broken.store(true, Ordering::Relaxed);
        } else {
            self.0.left.store(true, Ordering::Release);
        }
    }
}

/// Every order of events that the memory model allows, of two ranks; of three, those with up to
/// three preemptions. Rank 0 is the thread of the test.
#[cfg(all(test, loom))]
mod loom_tests {
    use loom::sync::Arc;
    use loom::sync::atomic::AtomicUsize;

    use super::*;
    use crate::comm::{Communicator, ThreadComm};
    use crate::exchange::Exchange;

    /// Runs `program` on `threads` threads with a barrier for `size` ranks and a shared state.
    fn explore<S: Send + Sync + 'static>(
        threads: usize,
        size: usize,
        shared: impl Fn() -> S + Send + Sync + 'static,
        program: impl Fn(&Barrier, usize, &S) + Copy + Send + Sync + 'static,
    ) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = (threads > 2).then_some(3);
        builder.check(move || {
            let state = Arc::new((Barrier::new(size), shared()));
            let others: Vec<_> = (1..threads)
                .map(|rank| {
                    let state = Arc::clone(&state);
                    loom::thread::spawn(move || program(&state.0, rank, &state.1))
                })
                .collect();
            program(&state.0, 0, &state.1);
            others.into_iter().for_each(|other| other.join().expect("no rank panics"));
        });
    }

    /// Plain numbers: whether they are seen is up to the barrier alone.
    fn what_was_written_before_is_read_after(size: usize, rounds: usize) {
        let slots = move || (0..size).map(|_| AtomicUsize::new(0)).collect::<Vec<_>>();
        explore(size, size, slots, move |barrier, rank, slots| {
            for round in 1..=rounds {
                slots[rank].store(round, Ordering::Relaxed);
                barrier.wait();
                for slot in slots {
                    assert_eq!(slot.load(Ordering::Relaxed), round);
                }
                barrier.wait();
            }
        });
    }

    #[test]
    fn two_ranks_read_after_a_barrier_what_was_written_before_it() {
        what_was_written_before_is_read_after(2, 2);
    }

    #[test]
    fn three_ranks_read_after_a_barrier_what_was_written_before_it() {
        what_was_written_before_is_read_after(3, 1);
    }

    /// The slots of an exchange are never used by two at once, or `write` and `read` would panic.
    fn slots_are_exchanged(size: usize) {
        explore(
            size,
            size,
            move || Exchange::<u64>::one_each(size),
            move |barrier, rank, numbers| {
                let comm = ThreadComm { thread: rank, barrier, processes: None };
                numbers.write(rank)[0] = 1;
                comm.all_gather(&[numbers.all()]);
                assert!((0..size).all(|other| numbers.read(other)[0] == 1));
                comm.barrier();
                numbers.write(rank)[0] = 2;
            },
        );
    }

    #[test]
    fn two_ranks_exchange_slots_without_using_one_at_once() {
        slots_are_exchanged(2);
    }

    #[test]
    fn three_ranks_exchange_slots_without_using_one_at_once() {
        slots_are_exchanged(3);
    }

    /// A flag that is raised at any time is broadcast by rank 0: all ranks stop after the same step.
    /// The last thread raises it and is no rank.
    #[test]
    fn a_stop_at_any_time_ends_every_rank_after_the_same_step() {
        let shared = || {
            let steps = [AtomicUsize::new(0), AtomicUsize::new(0)];
            (AtomicBool::new(false), Exchange::<u64>::one_each(2), steps)
        };
        explore(3, 2, shared, |barrier, rank, (stop, numbers, steps)| {
            if rank == 2 {
                return stop.store(true, Ordering::Relaxed);
            }
            let comm = ThreadComm { thread: rank, barrier, processes: None };
            let mut step = 0;
            while step < 2 {
                let own = u64::from(stop.load(Ordering::Relaxed));
                let stops = comm.broadcast(numbers, 0, own) > 0;
                comm.barrier();
                if stops {
                    break;
                }
                step += 1;
            }
            steps[rank].store(step, Ordering::Relaxed);
            barrier.wait();
            assert_eq!(steps[0].load(Ordering::Relaxed), steps[1].load(Ordering::Relaxed));
        });
    }

    /// A rank that returns after the last barrier does not frighten those that are still in it.
    fn a_return_is_no_absence(size: usize) {
        explore(
            size,
            size,
            || (),
            |barrier, _, ()| {
                let _leave = LeaveOnDrop(barrier);
                assert_eq!(barrier.try_wait(), Ok(()));
            },
        );
    }

    #[test]
    fn two_ranks_may_return_while_another_is_still_in_the_last_barrier() {
        a_return_is_no_absence(2);
    }

    #[test]
    fn three_ranks_may_return_while_another_is_still_in_the_last_barrier() {
        a_return_is_no_absence(3);
    }

    #[test]
    fn a_rank_that_returns_early_is_missed_and_nobody_waits_for_ever() {
        explore(
            2,
            2,
            || (),
            |barrier, rank, ()| {
                let _leave = LeaveOnDrop(barrier);
                if rank == 0 {
                    assert_eq!(barrier.try_wait(), Err(Absence::Returned));
                }
            },
        );
    }
}
