//! `chainrule train --serve`: who may look, and what is seen before and after the end.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

/// A run that goes on, and the port at which it shows itself.
struct Watched {
    run: Child,
    port: u16,
    _dir: tempfile::TempDir,
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.run.kill();
        let _ = self.run.wait();
    }
}

fn train(epochs: &str) -> Watched {
    let dir = tempfile::tempdir().unwrap();
    let mut run = Command::new(assert_cmd::cargo::cargo_bin!("chainrule"))
        .args(["train", "--data", "sample", "--hidden-dim", "64", "--epochs", epochs])
        .args(["--threads", "1", "--serve", "0", "--out"])
        .arg(dir.path().join("run"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(run.stderr.take().unwrap()).lines().map_while(Result::ok);
    let address =
        said.find_map(|line| line.strip_prefix("watch: http://127.0.0.1:").map(str::to_owned));
    let port = address.unwrap().trim_end_matches('/').parse().unwrap();
    // Somebody must read on, or the run would wait for its messages to be taken.
    std::thread::spawn(move || said.count());
    Watched { run, port, _dir: dir }
}

/// The answer to a request, head and body; nothing once the program has gone.
fn ask(port: u16, path: &str, headers: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\n{headers}\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

/// The first answer that is of the run, and not the word that it is about to begin.
fn page_of(port: u16, headers: &str) -> String {
    loop {
        let page = ask(port, "/", headers).expect("the run goes on");
        if !page.contains("The run is about to begin.") {
            return page;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn a_run_that_is_watched_shows_itself_and_then_its_result() {
    let watched = train("40");
    let host = format!("Host: 127.0.0.1:{}\r\n", watched.port);
    let first = page_of(watched.port, &host);
    assert!(first.starts_with("HTTP/1.1 200 OK"), "{first}");
    assert!(first.contains("This run has not ended") && first.contains("If-None-Match"));
    // Whoever watches is waited for, and sees the end.
    let mut last = first;
    while let Some(answer) = ask(watched.port, "/", &host).filter(|answer| !answer.is_empty()) {
        last = answer;
        if last.contains("ETag: \"last\"") {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert!(last.contains("of the 200 test images right") && !last.contains("If-None-Match"));
}

#[test]
fn nobody_but_a_browser_of_this_machine_is_answered() {
    let watched = train("4000");
    let port = watched.port;
    let host = format!("Host: localhost:{port}\r\n");
    let page = page_of(port, &host);
    let tag = page.lines().find_map(|line| line.strip_prefix("ETag: ")).unwrap().to_owned();
    // The same page is not sent twice; it may not be made anew so soon.
    let again = ask(port, "/", &format!("{host}If-None-Match: {tag}\r\n")).unwrap();
    assert!(again.starts_with("HTTP/1.1 304"), "{again}");
    // A name that a stranger's page may use for this machine is none of ours.
    for headers in ["Host: evil.example\r\n".to_owned(), String::new(), format!("Host: {port}\r\n")]
    {
        let refused = ask(port, "/", &headers).unwrap();
        assert!(refused.starts_with("HTTP/1.1 403") && !refused.contains("<html"), "{refused}");
    }
    assert!(ask(port, "/config.toml", &host).unwrap().starts_with("HTTP/1.1 404"));
    assert!(ask(port, "/../../etc/passwd", &host).unwrap().starts_with("HTTP/1.1 404"));
    // A connection over which nothing is asked is given no answer, and holds nobody up for long.
    let mut silent = TcpStream::connect(("127.0.0.1", port)).unwrap();
    assert!(ask(port, "/", &host).unwrap().starts_with("HTTP/1.1 200"));
    let mut nothing = Vec::new();
    silent.read_to_end(&mut nothing).unwrap();
    assert!(nothing.is_empty());
    // Only the loopback address listens.
    if let Some(other) = other_address() {
        assert!(TcpStream::connect((other, port)).is_err(), "{other} answers too");
    }

    // A port that is taken is told before anything is made.
    let out = tempfile::tempdir().unwrap();
    let second = Command::new(assert_cmd::cargo::cargo_bin!("chainrule"))
        .args(["train", "--data", "sample", "--serve", &port.to_string(), "--out"])
        .arg(out.path().join("run"))
        .output()
        .unwrap();
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(said.contains(&format!("port {port} cannot be had")), "{said}");
    assert!(!out.path().join("run").exists());
}

/// An address of this machine that others may reach, if it has one.
fn other_address() -> Option<std::net::IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent: the system only says which address it would send from.
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback()).then_some(address)
}
