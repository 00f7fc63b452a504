//! A request for the page: what it may be, and the sentence that refuses any other.

use std::fmt::Display;

/// Longest head of a request that is read, in bytes. A browser's has some hundreds.
pub const MOST_HEAD: usize = 1 << 13;

/// A request for the page.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    /// The tag of the page that the browser has (`If-None-Match`).
    pub tag: Option<String>,
}

/// Why a request is not answered with the page.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Code and name of the status, as RFC 9110 has them.
    pub status: &'static str,
    /// One sentence.
    pub why: String,
}

fn refuse<T>(status: &'static str, why: impl Display) -> Result<T, Refusal> {
    Err(Refusal { status, why: why.to_string() })
}

/// Where the head of a request ends, if all of it is there: behind its first empty line.
///
/// # Errors
/// If it is longer than [`MOST_HEAD`].
pub fn end_of_head(bytes: &[u8]) -> Result<Option<usize>, Refusal> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4);
    match end {
        None if bytes.len() < MOST_HEAD => Ok(None),
        Some(end) if end <= MOST_HEAD => Ok(Some(end)),
        _ => refuse(
            "431 Request Header Fields Too Large",
            format_args!("the head of the request is longer than {MOST_HEAD} bytes"),
        ),
    }
}

/// Reads the head of a request to the server at `port` of the loopback address.
///
/// Its `Host` must be this server, for a name of a stranger's page can be made to mean this machine
/// (DNS rebinding); and so must its `Origin`, if it has one.
///
/// # Errors
/// If it is malformed, comes from elsewhere, or asks for anything but the page.
pub fn read(head: &[u8], port: u16) -> Result<Request, Refusal> {
    const BAD: &str = "400 Bad Request";
    let Ok(head) = std::str::from_utf8(head) else {
        return refuse(BAD, "the head of the request is not UTF-8");
    };
    let mut lines = head.trim_end_matches("\r\n").split("\r\n");
    let parts: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
    let [method, target, version] = parts[..] else {
        return refuse(BAD, "the first line of the request is not a method, a path and a version");
    };
    if !version.starts_with("HTTP/") || method.is_empty() || target.is_empty() {
        return refuse(BAD, "the first line of the request is not one of HTTP");
    }
    let mut headers = Vec::new();
    for line in lines {
        match line.split_once(':') {
            Some((name, value)) if is_token(name) => headers.push((name, value.trim())),
            _ => return refuse(BAD, "a line of the request is not a name, a colon and a value"),
        }
    }
    let all = |name: &str| {
        let same = headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        same.map(|(_, value)| *value).collect::<Vec<_>>()
    };
    let hosts = [format!("127.0.0.1:{port}"), format!("localhost:{port}")];
    let is_ours = |host: &str| hosts.iter().any(|ours| host.eq_ignore_ascii_case(ours));
    let is_origin = |origin: &str| origin.strip_prefix("http://").is_some_and(is_ours);
    let own = matches!(all("host")[..], [host] if is_ours(host));
    if !own || !all("origin").into_iter().all(is_origin) {
        let [first, second] = hosts;
        return refuse(
            "403 Forbidden",
            format_args!(
                "only requests to {first} or {second}, from a page of theirs, are answered"
            ),
        );
    }
    if version != "HTTP/1.1" {
        return refuse("505 HTTP Version Not Supported", "this server speaks HTTP/1.1");
    }
    if target != "/" {
        return refuse("404 Not Found", "there is one page, /");
    }
    if method != "GET" {
        return refuse("405 Method Not Allowed", "the one method is GET");
    }
    Ok(Request { tag: all("if-none-match").first().map(|&tag| tag.to_owned()) })
}

/// Whether a text may be the name of a header (`token` of RFC 9110).
fn is_token(name: &str) -> bool {
    let is_sign = |byte| b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || is_sign(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(head: &str) -> String {
        match read(head.as_bytes(), 8017) {
            Ok(_) => "200".into(),
            Err(Refusal { status, why }) => {
                assert!(!why.is_empty() && !why.contains('\n'), "{why}");
                status[..3].into()
            }
        }
    }

    #[test]
    fn a_browser_of_this_machine_is_answered() {
        for host in ["127.0.0.1:8017", "localhost:8017", "LocalHost:8017"] {
            assert_eq!(status(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")), "200");
        }
        let head = "GET / HTTP/1.1\r\nhost:localhost:8017\r\nOrigin: http://localhost:8017\r\n\
                    If-None-Match: \"3\"\r\n\r\n";
        assert_eq!(read(head.as_bytes(), 8017).unwrap().tag.as_deref(), Some("\"3\""));
    }

    #[test]
    fn a_page_from_elsewhere_cannot_read_along() {
        for headers in [
            "",
            "Host: evil.example\r\n",
            "Host: evil.example:8017\r\n",
            "Host: 127.0.0.1\r\n",
            "Host: 127.0.0.1:80\r\n",
            "Host: 127.0.0.1:8017.evil.example\r\n",
            "Host: 127.0.0.1:8017\r\nHost: evil.example\r\n",
            "Host: evil.example\r\nHost: 127.0.0.1:8017\r\n",
            "Host: 127.0.0.1:8017\r\nOrigin: http://evil.example\r\n",
            "Host: 127.0.0.1:8017\r\nOrigin: https://127.0.0.1:8017\r\n",
            "Host: 127.0.0.1:8017\r\nOrigin: http://127.0.0.1:8018\r\n",
            "Host: 127.0.0.1:8017\r\nOrigin: null\r\n",
            "X-Forwarded-Host: 127.0.0.1:8017\r\n",
        ] {
            assert_eq!(status(&format!("GET / HTTP/1.1\r\n{headers}\r\n")), "403", "{headers}");
        }
    }

    #[test]
    fn nothing_but_the_page_is_given_and_nothing_malformed_is_understood() {
        let host = "Host: localhost:8017\r\n\r\n";
        for (line, want) in [
            ("GET /config.toml HTTP/1.1\r\n", "404"),
            ("GET /../../etc/passwd HTTP/1.1\r\n", "404"),
            ("GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\n", "404"),
            ("GET //etc/passwd HTTP/1.1\r\n", "404"),
            ("GET /? HTTP/1.1\r\n", "404"),
            ("GET http://localhost:8017/ HTTP/1.1\r\n", "404"),
            ("POST / HTTP/1.1\r\n", "405"),
            ("DELETE / HTTP/1.1\r\n", "405"),
            ("OPTIONS / HTTP/1.1\r\n", "405"),
            ("get / HTTP/1.1\r\n", "405"),
            ("GET / HTTP/1.0\r\n", "505"),
            ("GET / HTTP/2.0\r\n", "505"),
            ("GET /\r\n", "400"),
            ("GET  / HTTP/1.1\r\n", "400"),
            ("GET / HTTP/1.1 \r\n", "400"),
            ("GET / FTP/1.1\r\n", "400"),
            ("\u{16}\u{3}\u{1}\0\u{1}\r\n", "400"),
            ("\r\n", "400"),
            ("GET / HTTP/1.1\r\nno colon\r\n", "400"),
            ("GET / HTTP/1.1\r\n: nameless\r\n", "400"),
            ("GET / HTTP/1.1\r\nA b: c\r\n", "400"),
            ("GET / HTTP/1.1\r\nX: 1\r\n folded: 2\r\n", "400"),
            ("GET / HTTP/1.1\r\nHost : localhost:8017\r\n", "400"),
        ] {
            assert_eq!(status(&format!("{line}{host}")), want, "{line:?}");
        }
        assert_eq!(read(b"GET / HTTP/1.1\r\nX: \xff\r\n\r\n", 8017).unwrap_err().status.len(), 15);
    }

    #[test]
    fn a_head_ends_at_its_first_empty_line_and_is_not_read_for_ever() {
        assert_eq!(end_of_head(b"GET / HTTP/1.1\r\n\r"), Ok(None));
        assert_eq!(end_of_head(b"GET / HTTP/1.1\r\n\r\nbody\r\n\r\n"), Ok(Some(18)));
        let of = |line: usize| [&vec![b'x'; line][..], b"\r\n\r\n"].concat();
        assert_eq!(end_of_head(&of(MOST_HEAD - 4)), Ok(Some(MOST_HEAD)));
        for long in [of(MOST_HEAD - 3), vec![b'x'; MOST_HEAD], vec![b'\n'; 2 * MOST_HEAD]] {
            assert!(end_of_head(&long).unwrap_err().status.starts_with("431"));
        }
    }
}
