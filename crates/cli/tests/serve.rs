//! `chainrule train --serve`: who may look, and what is seen before and after the end.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

#[path = "../../graph/tests/browser/driver.rs"]
mod driver;

/// A run that goes on, and the port at which it shows itself.
struct Watched {
    run: Child,
    port: u16,
    dir: tempfile::TempDir,
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
    Watched { run, port, dir }
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
        std::thread::sleep(Duration::from_millis(20));
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
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(last.contains("of the 200 test images right") && !last.contains("If-None-Match"));
}

#[test]
fn nobody_but_a_browser_of_this_machine_is_answered() {
    let watched = train("4000");
    let port = watched.port;
    let host = format!("Host: localhost:{port}\r\n");
    let page = page_of(port, &host);
    // The same page is not sent twice. It may be made anew between two requests, if they are seconds
    // apart.
    let mut answer = page;
    let unchanged = (0..20).any(|_| {
        let tag = answer.lines().find_map(|line| line.strip_prefix("ETag: ")).unwrap();
        answer = ask(port, "/", &format!("{host}If-None-Match: {tag}\r\n")).unwrap();
        answer.starts_with("HTTP/1.1 304")
    });
    assert!(unchanged, "{answer}");
    // A name that a stranger's page may use for this machine is none of ours.
    for headers in ["Host: evil.example\r\n".to_owned(), String::new(), format!("Host: {port}\r\n")]
    {
        let refused = ask(port, "/", &headers).unwrap();
        assert!(refused.starts_with("HTTP/1.1 403") && !refused.contains("<html"), "{refused}");
    }
    assert!(ask(port, "/config.toml", &host).unwrap().starts_with("HTTP/1.1 404"));
    assert!(ask(port, "/../../etc/passwd", &host).unwrap().starts_with("HTTP/1.1 404"));
    // A connection over which nothing is asked is given no answer, and holds nobody up.
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

/// Sends bytes as they are; what comes back until the connection is closed.
fn send(port: u16, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the run goes on");
    // Who is refused early may have no chance to send the rest.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).expect("text")
}

#[test]
fn a_hostile_request_is_refused_in_one_sentence() {
    let watched = train("4000");
    let port = watched.port;
    let host = format!("Host: 127.0.0.1:{port}\r\n");
    let huge_line = format!("GET /{} HTTP/1.1\r\n{host}\r\n", "a".repeat(100_000));
    let huge_header = format!("GET / HTTP/1.1\r\n{host}X: {}\r\n\r\n", "a".repeat(100_000));
    let many_headers = format!("GET / HTTP/1.1\r\n{host}{}\r\n", "X: 1\r\n".repeat(10_000));
    for (request, want) in [
        (huge_line.as_str(), "431"),
        (&huge_header, "431"),
        (&many_headers, "431"),
        (&format!("GET /../../etc/passwd HTTP/1.1\r\n{host}\r\n"), "404"),
        (&format!("GET /model.safetensors HTTP/1.1\r\n{host}\r\n"), "404"),
        (&format!("PUT / HTTP/1.1\r\n{host}Content-Length: 5\r\n\r\nhello"), "405"),
        (&format!("GET / HTTP/1.1\r\n{host}Origin: http://evil.example\r\n\r\n"), "403"),
        ("GET / HTTP/1.1\r\nHost: rebound.example\r\n\r\n", "403"),
        ("\u{16}\u{3}\u{1}\u{2}\0\u{1}\r\n\r\n", "400"),
        ("\r\n\r\n", "400"),
    ] {
        let answer = send(port, request.as_bytes());
        let line: String = request.chars().take(60).collect();
        assert!(answer.starts_with(&format!("HTTP/1.1 {want} ")), "{line}: {answer}");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(body.ends_with('\n') && body.len() > 10, "{line}: {body}");
        assert!(body.lines().count() == 1 && !body.contains('<'), "{line}: {body}");
        assert!(head.contains("script-src 'none'") && head.contains("nosniff"), "{head}");
    }
    let answer = send(port, b"GET / HTTP/1.1\r\n\xff\xfe: \x80\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}

#[test]
fn a_page_may_run_its_own_scripts_alone_and_no_other_page_may_hold_it() {
    use base64::Engine;
    use sha2::Digest;
    let watched = train("4000");
    let answer = page_of(watched.port, &format!("Host: 127.0.0.1:{}\r\n", watched.port));
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let scripts: Vec<&str> = body
        .split("<script>")
        .skip(1)
        .map(|rest| rest.split_once("</script>").expect("it ends").0)
        .collect();
    assert_eq!(scripts.len(), 2, "that of every page, and that which looks again");
    let policy = head.lines().find_map(|l| l.strip_prefix("Content-Security-Policy: ")).unwrap();
    let of = |name: &str| {
        let directives = policy.split("; ").filter_map(|directive| directive.split_once(' '));
        directives.into_iter().find(|(key, _)| *key == name).map(|(_, sources)| sources)
    };
    let hashes: Vec<String> = scripts
        .iter()
        .map(|script| {
            base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(script))
        })
        .map(|hash| format!("'sha256-{hash}'"))
        .collect();
    assert_eq!(of("script-src"), Some(&*hashes.join(" ")));
    for (directive, sources) in [
        ("default-src", "'none'"),
        ("frame-ancestors", "'none'"),
        ("base-uri", "'none'"),
        ("form-action", "'none'"),
        ("connect-src", "'self'"),
    ] {
        assert_eq!(of(directive), Some(sources), "{directive}");
    }
    for line in [
        "X-Content-Type-Options: nosniff",
        "Referrer-Policy: no-referrer",
        "Cross-Origin-Resource-Policy: same-origin",
        "Cross-Origin-Opener-Policy: same-origin",
        "Cache-Control: no-store",
    ] {
        assert!(head.lines().any(|found| found == line), "{line}");
    }
}

#[test]
fn slow_and_silent_connections_are_closed_and_keep_nobody_waiting() {
    let watched = train("4000");
    let port = watched.port;
    let host = format!("Host: 127.0.0.1:{port}\r\n");
    page_of(port, &host);
    let connect = || TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut slow: Vec<TcpStream> = (0..300).map(|_| connect()).collect();
    for stream in &mut slow {
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nX: ");
    }
    // More wait than are let in, and the page comes all the same.
    assert!(ask(port, "/", &host).unwrap().starts_with("HTTP/1.1 200"));
    // A byte now and then does not keep a connection: it is closed, unanswered.
    let mut dripping = connect();
    let mut end = [0; 16];
    dripping.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let read = loop {
        let _ = dripping.write_all(b"x");
        match dripping.read(&mut end) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            read => break read.unwrap_or(0),
        }
    };
    assert_eq!(read, 0, "{:?}", String::from_utf8_lossy(&end));
    for mut stream in slow {
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn thousands_of_requests_at_once_start_no_thread_and_do_not_stop_the_run() {
    let mut watched = train("100000");
    let port = watched.port;
    let host = format!("Host: 127.0.0.1:{port}\r\n");
    page_of(port, &host);
    let count = |what: &str| {
        let entries = std::fs::read_dir(format!("/proc/{}/{what}", watched.run.id()));
        entries.map_or(0, |entries| entries.count())
    };
    let table = watched.dir.path().join("run/epochs.csv");
    let epochs = || std::fs::read_to_string(&table).map_or(0, |text| text.lines().count());
    // All its threads have begun once an epoch is written down.
    while epochs() < 3 {
        std::thread::sleep(Duration::from_millis(20));
    }
    let (threads, files, before) = (count("task"), count("fd"), epochs());
    let (answered, most) = std::thread::scope(|scope| {
        let flood = |_| {
            scope.spawn(|| {
                // Each opens its connections at once, and then waits for what comes of them.
                let mut open: Vec<TcpStream> =
                    (0..200).filter_map(|_| TcpStream::connect(("127.0.0.1", port)).ok()).collect();
                for stream in &mut open {
                    let _ = write!(stream, "GET / HTTP/1.1\r\n{host}\r\n");
                }
                let answered = |mut stream: TcpStream| {
                    let mut answer = Vec::new();
                    let _ = stream.read_to_end(&mut answer);
                    answer.starts_with(b"HTTP/1.1 200")
                };
                open.into_iter().filter_map(|stream| answered(stream).then_some(())).count()
            })
        };
        let floods: Vec<_> = (0..16).map(flood).collect();
        let mut most = [0, 0];
        while floods.iter().any(|flood| !flood.is_finished()) {
            most = [most[0].max(count("task")), most[1].max(count("fd"))];
            std::thread::sleep(Duration::from_millis(10));
        }
        (floods.into_iter().map(|flood| flood.join().unwrap()).sum::<usize>(), most)
    });
    assert!(answered > 0);
    assert!(most[0] <= threads, "{} threads, before {threads}", most[0]);
    assert!(most[1] <= files + 80, "{} open files, before {files}", most[1]);
    // It trains on, and stops as it is told.
    assert!(epochs() > before, "{before} lines of epochs.csv, and no more");
    let told = Command::new("kill").args(["-INT", &watched.run.id().to_string()]).status();
    assert!(told.unwrap().success());
    assert_eq!(watched.run.wait().unwrap().code(), Some(130));
}

/// An address of this machine that others may reach, if it has one.
fn other_address() -> Option<std::net::IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent: the system only says which address it would send from.
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback()).then_some(address)
}

/// A browser holds the page to its content security policy: what that forbids does not happen, and is
/// complained of.
#[test]
fn under_its_policy_the_page_has_its_style_its_scripts_and_news() {
    let Some(browser) = driver::Browser::start() else { return };
    let watched = train("4000");
    page_of(watched.port, &format!("Host: 127.0.0.1:{}\r\n", watched.port));
    browser.visit(&format!("http://127.0.0.1:{}/", watched.port));
    let shown = || browser.text(".facts");
    let first = shown();
    // A style sheet that was refused would leave the margins of a plain page.
    let style = "return getComputedStyle(document.body).maxWidth";
    assert_eq!(browser.script(style), "1120px");
    let patience = Instant::now();
    while shown() == first {
        assert!(
            patience.elapsed() < Duration::from_secs(60),
            "nothing new after a minute: {first}"
        );
        std::thread::sleep(Duration::from_millis(200));
    }
    // News replaces the page, and its script works on what is there then. Which scale a chart
    // begins with depends on its losses, so on how long the run has gone on.
    let switch = "const scale = document.querySelector('#loss .scale');
        const shown = () => scale.getAttribute('aria-pressed') + ' ' +
            document.querySelector('#loss .drawing:not([hidden])').dataset.scale;
        const before = shown(); scale.click(); return [before, shown()].sort().join(', ')";
    assert_eq!(browser.script(switch), "false linear, true log");
    let pictures = "return [...document.images].every(i => i.complete && i.naturalWidth > 0)
        && document.images.length > 0";
    assert_eq!(browser.script(pictures), true, "pictures of the weights");
    assert_eq!(browser.console(), Vec::<String>::new());
}
