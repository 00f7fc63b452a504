//! One connection of a browser: a request read, an answer written, within a deadline.

use std::io::{ErrorKind, Read, Result, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::request::{self, MOST_HEAD, Refusal};

/// How long a connection may last. A browser on this machine needs some milliseconds.
const DEADLINE: Duration = Duration::from_secs(2);

/// Most bytes behind the head of a request that are thrown away before the connection is closed.
const MOST_IGNORED: usize = 1 << 16;

/// An answer on its way.
pub struct Answer {
    head: Vec<u8>,
    body: Arc<[u8]>,
    sent: usize,
    /// Whether this is the page of the run that has ended.
    is_last: bool,
}

/// A connection that does not block.
pub struct Connection {
    stream: TcpStream,
    began: Instant,
    state: State,
}

enum State {
    Reading(Vec<u8>),
    Writing(Answer),
    /// The answer is written; a close before all was read might take it back (RFC 9112, 9.6).
    Closing {
        ignored: usize,
    },
}

/// What has become of a connection.
pub enum Progress {
    /// It waits for the other side.
    Waits,
    /// It is over; whether the page of the run that has ended was given.
    Over {
        /// See [`Answer::last`].
        gave_last_page: bool,
    },
}

impl Answer {
    /// An answer with the headers that every one has: nobody but this very page may use it, nothing
    /// is kept, and `scripts`, a source list of the content security policy, are all that may run.
    pub fn new(status: &str, scripts: &str, more: &str, kind: &str, body: Arc<[u8]>) -> Answer {
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/{kind}; charset=utf-8\r\nContent-Length: {}\r\n{more}\
             Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n\
             Cross-Origin-Resource-Policy: same-origin\r\nCross-Origin-Opener-Policy: same-origin\r\n\
             Content-Security-Policy: default-src 'none'; script-src {scripts}; \
             style-src 'unsafe-inline'; img-src data:; connect-src 'self'; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'\r\nConnection: close\r\n\r\n",
            body.len()
        );
        Answer { head: head.into_bytes(), body, sent: 0, is_last: false }
    }

    /// This answer, as the page of the run that has ended.
    pub fn last(self) -> Answer {
        Answer { is_last: true, ..self }
    }

    /// The sentence that refuses a request.
    pub fn refusal(Refusal { status, why }: &Refusal) -> Answer {
        let more = if status.starts_with("405") { "Allow: GET\r\n" } else { "" };
        Answer::new(status, "'none'", more, "plain", format!("{why}\n").into_bytes().into())
    }

    fn rest(&self) -> &[u8] {
        match self.head.get(self.sent..) {
            Some(rest) if !rest.is_empty() => rest,
            _ => &self.body[self.sent - self.head.len()..],
        }
    }
}

/// Whether an operation waits for the other side, which is no error.
fn waits<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(done) => Ok(Some(done)),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

impl Connection {
    /// Takes over a connection.
    ///
    /// # Errors
    /// If it is broken already.
    pub fn new(stream: TcpStream) -> Result<Connection> {
        stream.set_nonblocking(true)?;
        Ok(Connection { stream, began: Instant::now(), state: State::Reading(vec![]) })
    }

    /// Goes on as far as the other side lets it. `respond` is given the head of a request.
    pub fn advance(&mut self, respond: impl FnMut(&[u8]) -> Answer) -> Progress {
        let over = |gave_last_page| Progress::Over { gave_last_page };
        if self.began.elapsed() > DEADLINE {
            return over(false);
        }
        let is_last = |state: &State| matches!(state, State::Writing(answer) if answer.is_last);
        let before = is_last(&self.state);
        match self.step(respond) {
            // A browser that went away in the middle has no need of its answer.
            Err(_) => over(false),
            Ok(false) => over(before || is_last(&self.state)),
            Ok(true) => Progress::Waits,
        }
    }

    /// Whether there is more to do.
    fn step(&mut self, mut respond: impl FnMut(&[u8]) -> Answer) -> Result<bool> {
        loop {
            match &mut self.state {
                State::Reading(head) => {
                    let mut bytes = [0; MOST_HEAD];
                    let free = (MOST_HEAD - head.len()).max(1);
                    match waits(self.stream.read(&mut bytes[..free]))? {
                        None => return Ok(true),
                        Some(0) => return Ok(false),
                        Some(n) => head.extend(&bytes[..n]),
                    }
                    self.state = State::Writing(match request::end_of_head(head) {
                        Ok(None) => continue,
                        Ok(Some(end)) => respond(&head[..end]),
                        Err(refusal) => Answer::refusal(&refusal),
                    });
                }
                State::Writing(answer) => {
                    match waits(self.stream.write(answer.rest()))? {
                        None => return Ok(true),
                        Some(n) => answer.sent += n,
                    }
                    if answer.sent == answer.head.len() + answer.body.len() {
                        self.stream.shutdown(Shutdown::Write)?;
                        if answer.is_last {
                            return Ok(false);
                        }
                        self.state = State::Closing { ignored: 0 };
                    }
                }
                State::Closing { ignored } => {
                    match waits(self.stream.read(&mut [0; MOST_HEAD]))? {
                        None => return Ok(true),
                        Some(0) => return Ok(false),
                        Some(n) => *ignored += n,
                    }
                    if *ignored > MOST_IGNORED {
                        return Ok(false);
                    }
                }
            }
        }
    }
}
