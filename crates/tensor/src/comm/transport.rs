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
    #[error("process {0} has ended before the others")]
    Left(usize),
    /// Nothing comes from it.
    #[error("process {process} has been silent for {} s: it has stopped, or the network is cut", after.as_secs_f32())]
    Silent {
        /// The process.
        process: usize,
        /// For how long.
        after: Duration,
    },
}
