//! Ranks that run one program together: what they may ask of each other, and the threads that do it.
//!
//! A rank works on what it owns, publishes results in the slots of an [`Exchange`], and makes a
//! collective call of its [`Communicator`]; after that it may read what the others published. The
//! terms are MPI's. The ranks are the threads of a [`ThreadGroup`], which share the slots, so that
//! every call is a barrier. The threads of several processes are ranks of one group too: then the
//! first thread of each carries the slots of all its threads to the other processes, in one message
//! to each, over a [`Transport`], and a second barrier follows.
//!
//! Floating-point numbers are never summed by a communicator: another order of the sum has other
//! bits. Numbers travel, and whoever reads them sums in a fixed order.
//!
//! Entering a thread pool costs more than a small layer's arithmetic, so a program enters it once
//! for a whole epoch.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use crate::exchange::{Exchange, Message};
use affinity::Cores;
use barrier::{Barrier, LeaveOnDrop};
use processes::{Content, Processes};

mod affinity;
mod barrier;
mod processes;
pub mod sockets;
pub mod transport;

pub use transport::{Lost, Transport, Wait};

/// What a rank may ask of the others.
///
/// Every call is collective: all ranks make the same calls, in the same order, with the same
/// messages. What a rank published before the call, those for whom it is meant can read after it,
/// and a slot may be written again after the next call.
///
/// A call that cannot be completed does not return: it panics, because another rank has panicked or
/// has left the program, or because a deadline that the implementation may have has passed. Whoever
/// started the ranks gets the panic.
pub trait Communicator {
    /// This rank's number, from 0.
    fn rank(&self) -> usize;

    /// Number of ranks.
    fn size(&self) -> usize;

    /// Waits until every rank has made this call.
    fn barrier(&self);

    /// Every rank gets every slot of the messages.
    fn all_gather(&self, messages: &[Message]);

    /// Rank r gets the columns `readers[r]` of every slot of `message`: with n rows, the values from
    /// n times the first column to n times the last. All get every slot of the messages `along`,
    /// which are small and save a call of their own.
    fn exchange_columns(&self, message: Message, readers: &[Range<usize>], along: &[Message]);

    /// The least of the numbers of all ranks. `numbers` has a slot for each.
    fn min(&self, numbers: &Exchange<u64>, own: u64) -> u64 {
        numbers.write(self.rank())[0] = own;
        self.all_gather(&[numbers.all()]);
        (0..self.size()).map(|rank| numbers.read(rank)[0]).min().expect("there is a rank")
    }

    /// The number `own` of rank `root`; those of the other ranks are ignored.
    fn broadcast(&self, numbers: &Exchange<u64>, root: usize, own: u64) -> u64 {
        numbers.write(self.rank())[0] = own;
        self.all_gather(&[numbers.all()]);
        numbers.read(root)[0]
    }
}

/// The threads of a group could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot start {threads} threads: {reason}")]
pub struct ThreadError {
    threads: usize,
    reason: rayon::ThreadPoolBuildError,
}

/// A fixed number of threads, which are all ranks of a program or those of one of its processes.
///
/// ```
/// use chainrule_tensor::comm::ThreadGroup;
///
/// let mut halves = [[0u32; 4]; 2];
/// let group = ThreadGroup::new(2)?;
/// group.share(halves.iter_mut().enumerate(), |(i, half)| half.fill(i as u32));
/// assert_eq!(halves, [[0; 4], [1; 4]]);
/// # Ok::<(), chainrule_tensor::comm::ThreadError>(())
/// ```
#[derive(Debug)]
pub struct ThreadGroup {
    pool: rayon::ThreadPool,
    size: usize,
    processes: Option<Processes>,
}

impl ThreadGroup {
    /// Starts `size` threads, one at least. On Linux, if there are as many as the process has cores,
    /// each stays on a core of its own.
    ///
    /// # Errors
    /// If the system refuses so many threads.
    pub fn new(size: usize) -> Result<ThreadGroup, ThreadError> {
        let size = size.max(1);
        let cores = Cores::of_their_own(size);
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(size)
            .start_handler(move |rank| cores.keep(rank))
            .build();
        let pool = pool.map_err(|reason| ThreadError { threads: size, reason })?;
        // A pool has an upper limit of its own, and a barrier must not wait for more than came.
        Ok(ThreadGroup { size: pool.current_num_threads(), pool, processes: None })
    }

    /// Joins the threads with those of the other processes of `transport`, each of which has as many
    /// and makes the same calls. Ranks are numbered process by process.
    #[must_use]
    pub fn joined(self, transport: Arc<dyn Transport>) -> ThreadGroup {
        let processes = (transport.processes() > 1).then(|| Processes::new(transport, self.size));
        ThreadGroup { processes, ..self }
    }

    /// Number of threads of this process.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Number of ranks: the threads of all processes.
    pub fn ranks(&self) -> usize {
        self.size * self.processes.as_ref().map_or(1, Processes::count)
    }

    /// The ranks that are threads of this process.
    pub fn own_ranks(&self) -> Range<usize> {
        let first = self.size * self.processes.as_ref().map_or(0, Processes::own);
        first..first + self.size
    }

    /// What each process has, by process: a collective call of the processes, outside of a program.
    ///
    /// # Panics
    /// As a call of a [`Communicator`].
    pub fn all_gather(&self, own: Vec<u8>) -> Vec<Vec<u8>> {
        match &self.processes {
            Some(processes) => processes.all_gather(own),
            None => vec![own],
        }
    }

    /// Runs `program` on every thread at once and returns their results by rank.
    ///
    /// A rank may return before the others, but not while one of them waits for it in a collective
    /// call, nor may it come to another.
    ///
    /// # Panics
    /// If a rank panics, or returns while another waits for it: the others leave at their next
    /// collective call. If the program of a rank runs another on the same group, which would never
    /// begin.
    pub fn run<R: Send>(&self, program: impl Fn(ThreadComm) -> R + Sync) -> Vec<R> {
        assert!(
            self.pool.current_thread_index().is_none(),
            "a thread group runs one program at a time: this one was started by another's rank"
        );
        let barrier = Barrier::new(self.size);
        self.pool.broadcast(|context| {
            let _guard = LeaveOnDrop(&barrier);
            let processes = self.processes.as_ref();
            program(ThreadComm { thread: context.index(), barrier: &barrier, processes })
        })
    }

    /// Hands each of the `items` to whichever thread is free, in their order.
    ///
    /// What becomes of an item must not depend on who works on it or when.
    ///
    /// # Panics
    /// If a thread panics.
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

/// The communicator of one thread of a [`ThreadGroup`].
#[derive(Clone, Copy, Debug)]
pub struct ThreadComm<'a> {
    thread: usize,
    barrier: &'a Barrier,
    processes: Option<&'a Processes>,
}

impl ThreadComm<'_> {
    /// This thread's number in its process, from 0.
    pub fn thread(&self) -> usize {
        self.thread
    }

    /// Number of threads of this process.
    pub fn threads(&self) -> usize {
        self.barrier.size()
    }

    /// The slots of one process are shared memory: between threads nothing moves.
    fn meet(&self, content: Content) {
        self.barrier.wait();
        if let Some(processes) = self.processes {
            if self.thread == 0 {
                processes.exchange(content);
            }
            self.barrier.wait();
        }
    }
}

impl Communicator for ThreadComm<'_> {
    fn rank(&self) -> usize {
        self.threads() * self.processes.map_or(0, Processes::own) + self.thread
    }

    fn size(&self) -> usize {
        self.threads() * self.processes.map_or(1, Processes::count)
    }

    fn barrier(&self) {
        self.barrier.wait();
        if let Some(processes) = self.processes {
            if self.thread == 0 {
                processes.barrier();
            }
            self.barrier.wait();
        }
    }

    fn all_gather(&self, messages: &[Message]) {
        self.meet(Content { columns: None, whole: messages });
    }

    fn exchange_columns(&self, message: Message, readers: &[Range<usize>], along: &[Message]) {
        self.meet(Content { columns: Some((message, readers)), whole: along });
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn no_rank_passes_a_barrier_before_all_have_come() {
        for size in [1, 2, 3, 7] {
            let group = ThreadGroup::new(size).unwrap();
            let rounds = Exchange::<u64>::one_each(size);
            group.run(|comm| {
                for round in 1..=200 {
                    rounds.write(comm.rank())[0] = round;
                    comm.all_gather(&[rounds.all()]);
                    for other in 0..size {
                        assert_eq!(rounds.read(other)[0], round, "{size} ranks");
                    }
                    comm.barrier();
                }
            });
        }
    }

    #[test]
    fn the_least_number_and_that_of_the_root_reach_every_rank() {
        for size in [1, 2, 3] {
            let (least, root) = (Exchange::one_each(size), Exchange::one_each(size));
            let found = ThreadGroup::new(size).unwrap().run(|comm| {
                let own = 10 - comm.rank() as u64;
                (comm.min(&least, own), comm.broadcast(&root, 0, own))
            });
            assert!(found.iter().all(|found| *found == (11 - size as u64, 10)), "{found:?}");
        }
    }

    #[test]
    fn every_shared_item_is_worked_on_once() {
        for size in [1, 2, 7] {
            let mut squares = vec![0; 1000];
            let group = ThreadGroup::new(size).unwrap();
            group.share(squares.iter_mut().enumerate(), |(i, x)| *x += i * i);
            assert!(squares.iter().enumerate().all(|(i, &x)| x == i * i), "{size} threads");
        }
    }

    #[test]
    fn a_rank_that_panics_or_returns_early_does_not_leave_the_others_waiting() {
        let group = ThreadGroup::new(2).unwrap();
        for panics in [true, false] {
            let reason = Mutex::new(String::new());
            let result = catch_unwind(AssertUnwindSafe(|| {
                group.run(|comm| {
                    assert!(!(panics && comm.rank() == 1), "on purpose");
                    if comm.rank() == 0 {
                        let waiting = catch_unwind(AssertUnwindSafe(|| comm.barrier()));
                        let payload = waiting.expect_err("the other never comes");
                        *reason.lock().unwrap() =
                            payload.downcast_ref::<&str>().unwrap().to_string();
                        std::panic::resume_unwind(payload);
                    }
                })
            }));
            assert!(result.is_err(), "panics: {panics}");
            let want = if panics { "another rank panicked" } else { "another rank has returned" };
            let reason = reason.into_inner().unwrap();
            assert!(reason.starts_with(want), "panics: {panics}: {reason}");
            assert_eq!(group.run(|comm| comm.rank()), [0, 1], "the group can be used again");
        }
    }

    #[test]
    fn a_program_within_a_program_is_refused_and_does_not_hang() {
        let group = ThreadGroup::new(2).unwrap();
        let nested = catch_unwind(AssertUnwindSafe(|| group.run(|_| group.run(|_| ()))));
        assert!(nested.is_err());
    }
}
