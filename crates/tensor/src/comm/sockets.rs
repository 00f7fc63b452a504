//! Processes that reach each other over loopback sockets: what the tests run in place of MPI.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread::yield_now;
use std::time::{Duration, Instant};

use super::transport::{Lost, Transport, Wait};

/// One process, with a connection to each other one.
#[derive(Debug)]
pub struct Sockets {
    process: usize,
    /// None to itself.
    streams: Vec<Option<TcpStream>>,
    limit: Option<Duration>,
}

impl Sockets {
    /// `processes` of them, each connected with all others over the loopback interface.
    ///
    /// # Errors
    /// If the system refuses the connections.
    pub fn loopback(processes: usize) -> io::Result<Vec<Sockets>> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let mut all: Vec<Vec<Option<TcpStream>>> = vec![];
        all.resize_with(processes, || (0..processes).map(|_| None).collect());
        for one in 1..processes {
            let (before, from_here) = all.split_at_mut(one);
            for (other, streams) in before.iter_mut().enumerate() {
                let ends = [TcpStream::connect(address)?, listener.accept()?.0];
                for end in &ends {
                    end.set_nodelay(true)?;
                    end.set_nonblocking(true)?;
                }
                let [a, b] = ends;
                (from_here[0][other], streams[one]) = (Some(a), Some(b));
            }
        }
        let socket = |(process, streams)| Sockets { process, streams, limit: None };
        Ok(all.into_iter().enumerate().map(socket).collect())
    }

    /// The same, with this limit of silence.
    #[must_use]
    pub fn with_limit(self, limit: Duration) -> Sockets {
        Sockets { limit: Some(limit), ..self }
    }
}

impl Transport for Sockets {
    fn process(&self) -> usize {
        self.process
    }

    fn processes(&self) -> usize {
        self.streams.len()
    }

    fn exchange(&self, out: &[Vec<u8>], into: &mut [Vec<u8>], wait: Wait) -> Result<(), Lost> {
        let limit = self.limit.unwrap_or(wait.limit());
        let mut done = vec![[0; 2]; self.streams.len()];
        let mut last = Instant::now();
        loop {
            let mut waits_for = None;
            for (process, stream) in self.streams.iter().enumerate() {
                let Some(mut stream) = stream.as_ref() else { continue };
                let [sent, received] = &mut done[process];
                let (out, into) = (&out[process], &mut into[process]);
                let mut moved = 0;
                if *sent < out.len() {
                    moved += some(stream.write(&out[*sent..]), sent).ok_or(Lost::Left(process))?;
                }
                if *received < into.len() {
                    moved += some(stream.read(&mut into[*received..]), received)
                        .ok_or(Lost::Left(process))?;
                }
                if moved > 0 {
                    last = Instant::now();
                }
                if *sent < out.len() || *received < into.len() {
                    waits_for = Some(process);
                }
            }
            let Some(process) = waits_for else { return Ok(()) };
            if last.elapsed() > limit {
                return Err(Lost::Silent { process, after: limit });
            }
            yield_now();
        }
    }
}

/// Counts the bytes that a call has moved; `None` if the other end is closed.
fn some(result: io::Result<usize>, count: &mut usize) -> Option<usize> {
    match result {
        Ok(0) => None,
        Ok(moved) => {
            *count += moved;
            Some(moved)
        }
        Err(error) if [ErrorKind::WouldBlock, ErrorKind::Interrupted].contains(&error.kind()) => {
            Some(0)
        }
        Err(_) => None,
    }
}
