//! The processes of one program, and the letters between them.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use super::transport::{Transport, Wait};
use crate::exchange::{Buffers, Message};

/// What a collective moves: of one message the columns that each rank reads, of others all.
#[derive(Clone, Copy)]
pub(super) struct Content<'a> {
    pub columns: Option<(Message<'a>, &'a [Range<usize>])>,
    pub whole: &'a [Message<'a>],
}

/// The processes of one program, each of as many threads.
#[derive(Debug)]
pub(super) struct Processes {
    transport: Arc<dyn Transport>,
    threads: usize,
    letters: Mutex<Letters>,
}

/// What goes to each process and comes from it: kept, so that no step allocates.
#[derive(Debug)]
struct Letters {
    out: Vec<Vec<u8>>,
    into: Vec<Vec<u8>>,
}

impl Processes {
    pub fn new(transport: Arc<dyn Transport>, threads: usize) -> Processes {
        let empty = || vec![vec![]; transport.processes()];
        let letters = Mutex::new(Letters { out: empty(), into: empty() });
        Processes { transport, threads, letters }
    }

    /// Number of processes.
    pub fn count(&self) -> usize {
        self.transport.processes()
    }

    /// The number of this process.
    pub fn own(&self) -> usize {
        self.transport.process()
    }

    fn others(&self) -> impl Iterator<Item = usize> + use<> {
        let own = self.own();
        (0..self.count()).filter(move |&process| process != own)
    }

    /// Sends each other process what its threads read of the slots of all threads of this one, and
    /// receives as much: one letter to each.
    ///
    /// # Panics
    /// If a process does not answer.
    pub fn exchange(&self, content: Content) {
        let mut letters = self.letters.lock().expect("a panic here ends the program");
        let Letters { out, into } = &mut *letters;
        for process in self.others() {
            out[process].clear();
            self.parts(content, self.own(), process)
                .for_each(|(buffers, slot, range)| buffers.pack(slot, range, &mut out[process]));
            let lengths = self.parts(content, process, self.own());
            let bytes =
                lengths.map(|(buffers, _, range)| range.len() * buffers.value_bytes()).sum();
            into[process].resize(bytes, 0);
        }
        self.send(out, into, Wait::Step);
        for process in self.others() {
            let mut letter = &into[process][..];
            for (buffers, slot, range) in self.parts(content, process, self.own()) {
                buffers.unpack(slot, range, &mut letter);
            }
        }
    }

    /// Waits until every process has made this call.
    ///
    /// # Panics
    /// If a process does not answer.
    pub fn barrier(&self) {
        let byte = |process| if process == self.own() { vec![] } else { vec![0] };
        let out: Vec<_> = (0..self.count()).map(byte).collect();
        self.send(&out, &mut out.clone(), Wait::Step);
    }

    /// What each process has, by process.
    ///
    /// # Panics
    /// If a process does not answer.
    pub fn all_gather(&self, own: Vec<u8>) -> Vec<Vec<u8>> {
        self.transport.all_gather(own, Wait::Step).unwrap_or_else(|lost| panic!("{lost}"))
    }

    fn send(&self, out: &[Vec<u8>], into: &mut [Vec<u8>], wait: Wait) {
        self.transport.exchange(out, into, wait).unwrap_or_else(|lost| panic!("{lost}"));
    }

    /// The values that a process sends another, in the order of the letter.
    fn parts<'a>(
        &self,
        Content { columns, whole }: Content<'a>,
        owner: usize,
        reader: usize,
    ) -> impl Iterator<Item = (&'a dyn Buffers, usize, Range<usize>)> + use<'a> {
        let threads = self.threads;
        let columns = columns.map(|(message, readers)| {
            let readers = &readers[reader * threads..(reader + 1) * threads];
            (message, Some(hull(readers)))
        });
        let all = columns.into_iter().chain(whole.iter().map(|&message| (message, None)));
        all.flat_map(move |(Message { buffers, rows }, columns)| {
            let own = (0..buffers.slots()).filter(move |&s| buffers.owner(s) / threads == owner);
            own.map(move |slot| {
                let all = 0..buffers.columns(slot);
                let columns = columns.clone().filter(|_| !all.is_empty()).unwrap_or(all);
                (buffers, slot, columns.start * rows..columns.end * rows)
            })
        })
    }
}

/// The columns that any of some neighbors reads.
fn hull(readers: &[Range<usize>]) -> Range<usize> {
    let read = || readers.iter().filter(|columns| !columns.is_empty());
    let start = read().map(|columns| columns.start).min().unwrap_or(0);
    start..read().map(|columns| columns.end).max().unwrap_or(start)
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::time::Duration;

    use super::super::sockets::Sockets;
    use super::super::{Communicator, ThreadComm, ThreadGroup};
    use super::*;
    use crate::exchange::Exchange;

    /// Runs `program` on every thread of every process, of which each has memory of its own, made by
    /// `memory`.
    fn run<M: Sync, R: Send>(
        processes: usize,
        threads: usize,
        memory: impl Fn() -> M + Sync,
        program: impl Fn(ThreadComm, &M) -> R + Sync,
    ) -> Vec<R> {
        let sockets = Sockets::loopback(processes).unwrap();
        let process = |socket: Sockets| {
            let group = ThreadGroup::new(threads).unwrap().joined(Arc::new(socket));
            let memory = memory();
            group.run(|comm| program(comm, &memory))
        };
        let process = &process;
        std::thread::scope(|scope| {
            let all: Vec<_> =
                sockets.into_iter().map(|s| scope.spawn(move || process(s))).collect();
            all.into_iter().flat_map(|process| process.join().unwrap()).collect()
        })
    }

    #[test]
    fn ranks_are_numbered_process_by_process() {
        let found = run(
            3,
            2,
            || (),
            |comm, ()| {
                comm.barrier();
                (comm.rank(), comm.size(), comm.thread(), comm.threads())
            },
        );
        let want: Vec<_> = (0..6).map(|rank| (rank, 6, rank % 2, 2)).collect();
        assert_eq!(found, want);
    }

    #[test]
    fn what_a_thread_publishes_is_read_by_the_threads_of_every_process() {
        for (processes, threads) in [(1, 2), (2, 1), (2, 2), (3, 2)] {
            let ranks = processes * threads;
            // Large slots of two rows: more than a socket takes at once.
            let memory = || {
                let slots = (0..ranks).map(|_| vec![0.0f32; 200_000]).collect();
                (Exchange::new(2, slots, (0..ranks).collect()), Exchange::<u64>::one_each(ranks))
            };
            run(processes, threads, memory, |comm, (large, small)| {
                for round in 1..=3u64 {
                    let own = 100 * comm.rank() as u64 + round;
                    large.write(comm.rank()).fill(own as f32);
                    small.write(comm.rank())[0] = own;
                    comm.all_gather(&[large.rows(1), small.all()]);
                    for rank in 0..ranks {
                        let own = 100 * rank as u64 + round;
                        assert_eq!(small.read(rank)[0], own);
                        assert!(large.read(rank)[..100_000].iter().all(|&x| x == own as f32));
                    }
                    comm.barrier();
                    let least = comm.min(small, 50 - comm.rank() as u64);
                    assert_eq!(least, 51 - ranks as u64);
                    comm.barrier();
                    comm.barrier();
                }
            });
        }
    }

    #[test]
    fn a_process_gets_the_columns_of_its_threads_and_no_others() {
        // Two processes of two threads: a slot of 2 rows and 8 columns each; rank r reads these.
        let readers = [0..2, 2..5, 5..5, 5..8];
        let memory = || Exchange::new(2, vec![vec![0u64; 16]; 4], (0..4).collect());
        let seen = run(2, 2, memory, |comm, slots: &Exchange<u64>| {
            slots.write(comm.rank()).fill(1 + comm.rank() as u64);
            comm.exchange_columns(slots.all(), &readers, &[]);
            (0..4).map(|slot| slots.read(slot).to_vec()).collect::<Vec<_>>()
        });
        for (rank, slots) in seen.iter().enumerate() {
            let process = rank / 2;
            // n times the first column to n times the last, n being the rows
            let columns = if process == 0 { 0..10 } else { 10..16 };
            for (slot, values) in slots.iter().enumerate() {
                let at = |i| {
                    if slot / 2 == process || columns.contains(&i) { 1 + slot as u64 } else { 0 }
                };
                let want: Vec<_> = (0..16).map(at).collect();
                assert_eq!(*values, want, "rank {rank}, slot {slot}");
            }
        }
    }

    #[test]
    fn bytes_of_any_length_are_gathered_by_process() {
        let sockets = Sockets::loopback(3).unwrap();
        std::thread::scope(|scope| {
            for socket in sockets {
                scope.spawn(move || {
                    let own = socket.process();
                    let group = ThreadGroup::new(1).unwrap().joined(Arc::new(socket));
                    let all = group.all_gather(vec![own as u8; 1000 * own]);
                    assert_eq!(all, [vec![], vec![1; 1000], vec![2; 2000]]);
                    assert_eq!(group.own_ranks(), own..own + 1);
                });
            }
        });
    }

    #[test]
    fn a_process_that_ends_or_is_silent_does_not_leave_the_others_waiting() {
        for (ends, want) in [
            (true, "rank 1 has ended before the others"),
            (false, "rank 1 has been silent for 0 s"),
        ] {
            let mut sockets = Sockets::loopback(2).unwrap();
            let other = sockets.pop().unwrap();
            let first = sockets.pop().unwrap().with_limit(Duration::from_millis(200));
            let kept = Some(other).filter(|_| !ends); // a socket that is dropped is closed
            let group = ThreadGroup::new(2).unwrap().joined(Arc::new(first));
            let failed = catch_unwind(AssertUnwindSafe(|| group.run(|comm| comm.barrier())));
            drop(kept);
            let payload = failed.unwrap_err();
            let text = payload.downcast_ref::<String>().cloned();
            let text =
                text.or(payload.downcast_ref::<&str>().map(|text| text.to_string())).unwrap();
            assert!(text.starts_with(want) || text == "another rank panicked", "{text}");
        }
    }
}
