//! How the processes of one program reach each other.

use std::fmt::Debug;
use std::time::Duration;

/// Carries bytes between processes: MPI in the program, [sockets](super::sockets) in tests.
///
/// Only one thread of a process calls it at a time.
pub trait Transport: Debug + Send + Sync {
    /// This process's number, from 0.
    fn process(&self) -> usize;

    /// Number of processes.
    fn processes(&self) -> usize;

    /// Sends `out[p]` to process p, and fills `into[p]`, which is as long as what process p sends to
    /// this one. Of this process itself both are empty. All processes call it together.
    ///
    /// # Errors
    /// If a process has left, or is silent for longer than `wait` allows.
    fn exchange(&self, out: &[Vec<u8>], into: &mut [Vec<u8>], wait: Wait) -> Result<(), Lost>;

    /// What each process has, by process, each of which may take as long as `wait` says to come.
    ///
    /// # Errors
    /// As [`Transport::exchange`].
    fn all_gather(&self, own: Vec<u8>, wait: Wait) -> Result<Vec<Vec<u8>>, Lost> {
        let to_others = |bytes: &[u8]| {
            let to = |p| if p == self.process() { vec![] } else { bytes.to_vec() };
            (0..self.processes()).map(to).collect::<Vec<_>>()
        };
        let mut lengths = to_others(&[0; size_of::<u64>()]);
        self.exchange(&to_others(&(own.len() as u64).to_le_bytes()), &mut lengths, wait)?;
        let room = |length: &Vec<u8>| {
            let length = length[..].try_into().map_or(0, u64::from_le_bytes);
            vec![0; usize::try_from(length).expect("it was in another process's memory")]
        };
        let mut all: Vec<_> = lengths.iter().map(room).collect();
        self.exchange(&to_others(&own), &mut all, Wait::Step)?;
        all[self.process()] = own;
        Ok(all)
    }
}

/// How long a process waits for the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// For the part of a step, which all take at the same pace.
    Step,
    /// For a process that reads or writes files.
    Files,
}

impl Wait {
    /// The longest silence that is no failure: a minute of a step, an hour of files.
    pub fn limit(self) -> Duration {
        match self {
            Wait::Step => Duration::from_secs(60),
            Wait::Files => Duration::from_secs(3600),
        }
    }
}

/// A process that is no longer there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// It has ended.
    #[error("rank {0} has ended before the others")]
    Left(usize),
    /// Nothing comes from it.
    #[error("rank {process} has been silent for {:.0} s: it has stopped, or the network is cut", after.as_secs_f32())]
    Silent {
        /// The process.
        process: usize,
        /// For how long.
        after: Duration,
    },
}
