//! `chainrule train --serve`: the page of a run while it goes on, for a browser on this machine.
//!
//! One thread answers, on the loopback address alone. It holds a bounded number of connections, each
//! with a deadline, and rests so long between its rounds that it takes a small share of one core,
//! whoever asks and however often: training does not notice. The page is made from the files of the
//! run, and at most so often that making it takes a hundredth of the time.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`request`] | what may be asked, and by whom |
//! | [`connection`] | a request read and an answer written, within a deadline |

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chainrule_report::{SCRIPTS, live_page};
use sha2::{Digest, Sha256};

use super::report::{REPORT, Subject};
use connection::{Answer, Connection, Progress};
use request::Refusal;

mod connection;
mod request;

/// The page is made anew after so many times the time that it took.
const REST: u32 = 100;

/// Most connections at once: for another one, the oldest is closed.
const MOST_CONNECTIONS: usize = 64;

/// Between two rounds over the connections: at least so long, and so many times as long as the
/// round took, but not so long that a browser would notice.
const PAUSE: Duration = Duration::from_millis(5);
const PAUSES: u32 = 32;
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// What is shown until the run has written its settings; it asks again by itself.
const SOON: &str = "<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\">\
                    <meta http-equiv=\"refresh\" content=\"1\"><title>Soon</title>\
                    <p>The run is about to begin.</p></html>\n";

/// For whom the end of a run is held up: who asked so lately, and for so long.
const LATELY: Duration = Duration::from_secs(5);

/// A port of this machine that no other program has.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

/// The server of a run's page.
pub struct Live {
    shared: Arc<Mutex<Shared>>,
}

/// What the thread that answers and the thread that trains tell each other.
#[derive(Default)]
struct Shared {
    /// The page of the run that has ended.
    last_page: Option<Arc<[u8]>>,
    asked: Option<Instant>,
    gave_last_page: bool,
}

impl Server {
    /// Takes a port; 0 is any that is free.
    pub fn bind(port: u16) -> anyhow::Result<Server> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).with_context(|| {
            format!("port {port} cannot be had; --serve PORT takes another, --serve 0 any")
        })?;
        let address = listener.local_addr()?;
        Ok(Server { listener, address })
    }

    /// Serves the page of the run in `folder` from now on.
    pub fn start(self, folder: &Path) -> anyhow::Result<Live> {
        let shared = Arc::new(Mutex::new(Shared::default()));
        let theirs = Arc::clone(&shared);
        let pages = Pages { folder: folder.to_owned(), made: None, versions: 0 };
        let mut desk =
            Desk { port: self.address.port(), scripts: source_list(), pages, shared: theirs };
        note!("watch: http://{}/", self.address);
        let listener = self.listener;
        std::thread::Builder::new()
            .name("serve".into())
            .spawn(move || serve(&listener, &mut desk))?;
        Ok(Live { shared })
    }
}

impl Live {
    /// Shows the page of the finished run to whoever watches, who has a moment to come for it.
    pub fn finish(self, folder: &Path) {
        let lock = || self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        lock().last_page = std::fs::read(folder.join(REPORT)).ok().map(Into::into);
        let watched = lock().asked.is_some_and(|asked| asked.elapsed() < LATELY);
        let began = Instant::now();
        while watched && !lock().gave_last_page && began.elapsed() < LATELY {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// The page as it was made last.
struct Pages {
    folder: PathBuf,
    made: Option<Made>,
    versions: u64,
}

struct Made {
    page: Arc<[u8]>,
    lengths: [u64; 2],
    rests_until: Instant,
}

impl Pages {
    /// The page, not made anew if nothing was added to the run's tables, or too little time went by.
    fn page(&mut self) -> anyhow::Result<Arc<[u8]>> {
        let length = |name| std::fs::metadata(self.folder.join(name)).map_or(0, |file| file.len());
        let lengths = ["iterations.csv", "epochs.csv"].map(length);
        let now = Instant::now();
        let stands = |made: &Made| made.lengths == lengths || now < made.rests_until;
        let made = match self.made.take().filter(stands) {
            Some(made) => made,
            None => {
                let subject = Subject::read(&self.folder)?;
                let later = "they come when the run has ended";
                let page = live_page(&subject.report(Err(later.into()))?)?.into_bytes().into();
                self.versions += 1;
                Made { page, lengths, rests_until: now + now.elapsed() * REST }
            }
        };
        Ok(Arc::clone(&self.made.insert(made).page))
    }
}

/// The scripts of the page by their hashes, as a content security policy names them.
fn source_list() -> String {
    let of = |script: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(script)));
    SCRIPTS.map(of).join(" ")
}

/// Accepts connections and answers them until the program ends.
fn serve(listener: &TcpListener, desk: &mut Desk) {
    let mut connections: Vec<Connection> = Vec::new();
    loop {
        // With no connection, wait for one; then take those that have come meanwhile.
        let _ = listener.set_nonblocking(!connections.is_empty());
        let mut accepted = Some(listener.accept());
        let began = Instant::now();
        let _ = listener.set_nonblocking(true);
        for _ in 0..MOST_CONNECTIONS {
            // Nobody is there, or has gone again, or no descriptor is free: so after the pause.
            let next = accepted.take().unwrap_or_else(|| listener.accept());
            let Ok((stream, _)) = next else { break };
            if connections.len() == MOST_CONNECTIONS {
                connections.remove(0);
            }
            connections.extend(Connection::new(stream));
        }
        connections.retain_mut(|connection| match connection.advance(|head| desk.answer(head)) {
            Progress::Waits => true,
            Progress::Over { gave_last_page } => {
                desk.lock().gave_last_page |= gave_last_page;
                false
            }
        });
        std::thread::sleep((began.elapsed() * PAUSES).clamp(PAUSE, LONGEST_PAUSE));
    }
}

/// Who knows the answers.
struct Desk {
    port: u16,
    /// The scripts that the page may run.
    scripts: String,
    pages: Pages,
    shared: Arc<Mutex<Shared>>,
}

impl Desk {
    fn lock(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer to the request with this head.
    fn answer(&mut self, head: &[u8]) -> Answer {
        let request = match request::read(head, self.port) {
            Ok(request) => request,
            Err(refusal) => return Answer::refusal(&refusal),
        };
        let mut shared = self.lock();
        shared.asked = Some(Instant::now());
        if let Some(page) = shared.last_page.clone() {
            drop(shared);
            return self.page("200 OK", "\"last\"", page).last();
        }
        drop(shared);
        if !self.pages.folder.join("config.toml").exists() {
            return self.page("200 OK", "\"soon\"", SOON.as_bytes().into());
        }
        match self.pages.page() {
            Ok(page) => {
                let tag = format!("\"{}\"", self.pages.versions);
                match request.tag.as_ref() == Some(&tag) {
                    true => self.page("304 Not Modified", &tag, [].into()),
                    false => self.page("200 OK", &tag, page),
                }
            }
            Err(error) => {
                let status = "500 Internal Server Error";
                Answer::refusal(&Refusal { status, why: format!("{error:#}") })
            }
        }
    }

    fn page(&self, status: &str, tag: &str, page: Arc<[u8]>) -> Answer {
        Answer::new(status, &self.scripts, &format!("ETag: {tag}\r\n"), "html", page)
    }
}
