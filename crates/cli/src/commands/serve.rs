//! `chainrule train --serve`: the page of a run while it goes on, for a browser on this machine.
//!
//! A thread of its own answers on the loopback address alone, one request after another. The page
//! is made from the files of the run, and at most so often that making it takes a hundredth of the
//! time: training does not notice.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use chainrule_report::live_page;

use super::report::{REPORT, Subject};

/// The page is made anew after so many times the time that it took.
const REST: u32 = 100;

/// How long a browser on the same machine may take over a request, or over reading the answer.
const PATIENCE: Duration = Duration::from_millis(500);

/// Longest head of a request that is read, in bytes.
const MOST_HEAD: u64 = 1 << 14;

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
    last_page: Option<Vec<u8>>,
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
        let mut pages = Pages { folder: folder.to_owned(), made: None, versions: 0 };
        let theirs = Arc::clone(&shared);
        note!("watch: http://{}/", self.address);
        std::thread::Builder::new().name("serve".into()).spawn(move || {
            for stream in self.listener.incoming().flatten() {
                // A browser that went away in the middle has no need of its answer.
                let _ = answer(stream, self.address.port(), &mut pages, &theirs);
            }
        })?;
        Ok(Live { shared })
    }
}

impl Live {
    /// Shows the page of the finished run to whoever watches, who has a moment to come for it.
    pub fn finish(self, folder: &Path) {
        let lock = || self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        lock().last_page = std::fs::read(folder.join(REPORT)).ok();
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
    page: Vec<u8>,
    lengths: [u64; 2],
    rests_until: Instant,
}

impl Pages {
    /// The page, not made anew if nothing was added to the run's tables, or too little time went by.
    fn page(&mut self) -> anyhow::Result<&[u8]> {
        let length = |name| std::fs::metadata(self.folder.join(name)).map_or(0, |file| file.len());
        let lengths = ["iterations.csv", "epochs.csv"].map(length);
        let now = Instant::now();
        let stands = |made: &Made| made.lengths == lengths || now < made.rests_until;
        let made = match self.made.take().filter(stands) {
            Some(made) => made,
            None => {
                let subject = Subject::read(&self.folder)?;
                let later = "they come when the run has ended";
                let page = live_page(&subject.report(Err(later.into()))?)?.into_bytes();
                self.versions += 1;
                Made { page, lengths, rests_until: now + now.elapsed() * REST }
            }
        };
        Ok(&self.made.insert(made).page)
    }
}

/// Reads a request and answers it.
fn answer(
    mut stream: TcpStream,
    port: u16,
    pages: &mut Pages,
    shared: &Mutex<Shared>,
) -> anyhow::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let head = BufReader::new((&stream).take(MOST_HEAD));
    let lines: Vec<String> =
        head.lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let header = |name: &str| {
        let found = lines.iter().skip(1).filter_map(|line| line.split_once(':'));
        let mut found = found.filter(|(key, _)| key.trim().eq_ignore_ascii_case(name));
        found.next().map_or("", |(_, value)| value.trim())
    };
    // A browser opens connections in advance, over which it asks nothing.
    let Some(request) = lines.first() else { return Ok(()) };
    // A page from elsewhere whose name was made to mean this machine may not read along.
    let ours = [format!("127.0.0.1:{port}"), format!("localhost:{port}")];
    if !ours.iter().any(|name| name == header("host")) {
        return respond(&mut stream, "403 Forbidden", "", b"");
    }
    if request != "GET / HTTP/1.1" {
        return respond(&mut stream, "404 Not Found", "", b"");
    }
    let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
    shared.asked = Some(Instant::now());
    if let Some(page) = shared.last_page.clone() {
        respond(&mut stream, "200 OK", "\"last\"", &page)?;
        shared.gave_last_page = true;
        return Ok(());
    }
    drop(shared);
    if !pages.folder.join("config.toml").exists() {
        return respond(&mut stream, "200 OK", "", SOON.as_bytes());
    }
    match pages.page().map(<[u8]>::to_vec) {
        Ok(page) => {
            let tag = format!("\"{}\"", pages.versions);
            match header("if-none-match") == tag {
                true => respond(&mut stream, "304 Not Modified", &tag, b""),
                false => respond(&mut stream, "200 OK", &tag, &page),
            }
        }
        Err(error) => {
            let text = format!("{error:#}\n");
            respond(&mut stream, "500 Internal Server Error", "", text.as_bytes())
        }
    }
}

fn respond(stream: &mut TcpStream, status: &str, tag: &str, body: &[u8]) -> anyhow::Result<()> {
    let kind = if status.starts_with("200") { "html" } else { "plain" };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: text/{kind}; charset=utf-8\r\nContent-Length: {}\r\n\
         ETag: {tag}\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n\
         Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; \
         script-src 'unsafe-inline'; img-src data:; connect-src 'self'\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    stream.write_all(body)?;
    Ok(stream.flush()?)
}
