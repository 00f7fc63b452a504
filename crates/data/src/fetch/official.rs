//! The author's page: `cifar-10-binary.tar.gz`, 170 MB.
//!
//! The archive is downloaded to a part file that is gone on with by a `Range` request if the
//! connection breaks, in this run or a later one. It is unpacked once its MD5 is the published
//! one, and never before; a complete download of another MD5 is thrown away.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::time::Duration;

use ureq::Agent;
use ureq::http::{Response, StatusCode, header};

use super::error::Failure;
use super::progress::Progress;
use super::staging::Staging;
use crate::cifar10::{self, Set};
use crate::digest;
use crate::formats::archive;

/// How the author's archive is reached.
///
/// ```
/// use chainrule_data::fetch::Official;
///
/// assert!(Official::default().url.ends_with("cifar-10-binary.tar.gz"));
/// ```
#[derive(Clone, Debug)]
pub struct Official {
    /// Its address.
    pub url: String,
    /// The MD5 of the archive, in hexadecimal.
    pub md5: String,
    /// How long to wait for a connection, and for each next piece of the download.
    pub patience: Patience,
}

/// How long a silent network is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For the name, and again for the connection. Short: a machine without a network should
    /// learn so at once.
    pub connect: Duration,
    /// For the next bytes on a connection that stands.
    pub read: Duration,
}

impl Default for Official {
    fn default() -> Self {
        Self {
            url: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz".to_owned(),
            md5: "c32a1d4ab5d03f1284b67883e8d87530".to_owned(),
            patience: Patience { connect: Duration::from_secs(4), read: Duration::from_secs(30) },
        }
    }
}

/// More than the archive can be: where a download that goes on and on is cut off.
const LIMIT: u64 = 400 << 20;

/// How often a connection may break, bytes having come each time, before it is given up.
const BREAKS: usize = 10;

/// What became of one request.
enum Transfer {
    /// The server has sent all that it has.
    Complete,
    /// The connection broke; what came is in the part file.
    Broken(String),
    /// The part file cannot be gone on with.
    Unusable,
}

impl Official {
    /// Downloads the archive and unpacks the files of `set` into `staging`.
    pub(super) fn fetch(
        &self,
        staging: &Staging,
        set: Set,
        progress: &mut dyn Progress,
    ) -> Result<(), Failure> {
        self.download(&staging.part(), progress)?;
        unpack(&staging.part(), staging, set, progress)
    }

    /// Fills `part`, and leaves it there only if it is the archive, or may yet become it.
    fn download(&self, part: &Path, progress: &mut dyn Progress) -> Result<(), Failure> {
        let is_archive = |part: &Path| {
            let (found, bytes) = digest::md5(part).map_err(|e| Failure::Fatal(e.into()))?;
            Ok::<_, Failure>((found == self.md5, found, bytes))
        };
        // It may be complete: an earlier run may have found no room to unpack it.
        if length(part)? > 0 && is_archive(part)?.0 {
            return Ok(());
        }
        let mut breaks = 0;
        loop {
            let before = length(part)?;
            match self.transfer(part, before, progress)? {
                Transfer::Unusable => remove(part)?,
                Transfer::Broken(why) => {
                    breaks += 1;
                    let kept = length(part)?;
                    if kept <= before || breaks > BREAKS {
                        return Err(Failure::Source(match kept {
                            0 => why,
                            _ => format!("{why}; {kept} bytes are kept to go on from"),
                        }));
                    }
                }
                Transfer::Complete => {
                    let (right, found, bytes) = is_archive(part)?;
                    if right {
                        return Ok(());
                    }
                    remove(part)?;
                    // What was gone on with may have been the beginning of something else.
                    if before == 0 {
                        return Err(Failure::Source(format!(
                            "{} is not the archive: its {bytes} bytes have the MD5 {found}, \
                             expected {}",
                            self.url, self.md5
                        )));
                    }
                }
            }
        }
    }

    /// Asks for what comes after the first `have` bytes, and appends it to `part`.
    fn transfer(
        &self,
        part: &Path,
        have: u64,
        progress: &mut dyn Progress,
    ) -> Result<Transfer, Failure> {
        let agent: Agent = Agent::config_builder()
            .timeout_resolve(Some(self.patience.connect))
            .timeout_connect(Some(self.patience.connect))
            .timeout_per_read(Some(self.patience.read))
            .http_status_as_error(false)
            .build()
            .into();
        let mut request = agent.get(&self.url).header(header::ACCEPT_ENCODING, "identity");
        if have > 0 {
            request = request.header(header::RANGE, format!("bytes={have}-"));
        }
        let response = match request.call() {
            Ok(response) => response,
            Err(error) => {
                let why = match error {
                    ureq::Error::Timeout(_) => "no answer in time".to_owned(),
                    ureq::Error::Io(error) => error.to_string(),
                    error => error.to_string(),
                };
                return Ok(Transfer::Broken(format!("{}: {why}", self.url)));
            }
        };
        let start = match response.status() {
            StatusCode::OK => 0,
            StatusCode::PARTIAL_CONTENT if range_start(&response) == Some(have) => have,
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE if have > 0 => {
                return Ok(Transfer::Unusable);
            }
            status => {
                return Err(Failure::Source(format!("{} answered {status}", self.url)));
            }
        };
        let total = response
            .headers()
            .get(header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse::<u64>().ok())
            .and_then(|rest| rest.checked_add(start));
        if total.is_some_and(|total| total > LIMIT) {
            return Err(Failure::Source(format!("{} is too large to be the archive", self.url)));
        }

        progress.start(&format!("Downloading {}", self.url), total);
        progress.advance(start);
        let body = response.into_body().into_reader();
        let done = append(body, part, start, progress);
        progress.finish();
        done.map(|broken| match broken {
            None => Transfer::Complete,
            Some(why) => Transfer::Broken(format!("{}: {why}", self.url)),
        })
    }
}

/// Appends `body` to the first `start` bytes of `part`. Says why, if the body broke off: a body
/// shorter than its announced length ends in an error.
fn append(
    mut body: impl Read,
    part: &Path,
    start: u64,
    progress: &mut dyn Progress,
) -> Result<Option<String>, Failure> {
    let refuse = |error| Failure::write(part, error);
    let mut to = OpenOptions::new().append(true).create(true).open(part).map_err(refuse)?;
    to.set_len(start).map_err(refuse)?;
    let mut have = start;
    let mut buffer = vec![0; 1 << 16];
    loop {
        match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => {
                to.write_all(&buffer[..n]).map_err(refuse)?;
                have += n as u64;
                progress.advance(n as u64);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                return Ok(Some("the download fell silent".to_owned()));
            }
            Err(error) => return Ok(Some(format!("the download broke off: {error}"))),
        }
        if have > LIMIT {
            drop(to);
            remove(part)?;
            return Err(Failure::Source("what came is too large to be the archive".to_owned()));
        }
    }
    Ok(None)
}

/// Where the bytes of a partial answer begin: `Content-Range: bytes START-END/TOTAL`.
fn range_start<B>(response: &Response<B>) -> Option<u64> {
    let range = response.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split_once('-')?.0.parse().ok()
}

/// Unpacks the files of `set` from the archive at `path`.
pub(super) fn unpack(
    path: &Path,
    staging: &Staging,
    set: Set,
    progress: &mut dyn Progress,
) -> Result<(), Failure> {
    let archive = File::open(path).map_err(|source| Failure::read(path, source))?;
    progress.start("Unpacking", Some(set.file_len() * set.files.len() as u64));
    let unpacked = visit_files(BufReader::new(archive), set, &mut |file, from| {
        staging.write(file, |to| {
            let mut buffer = vec![0; 1 << 16];
            let mut left = set.file_len();
            while left > 0 {
                let n = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                from.read_exact(&mut buffer[..n]).map_err(Failure::broken)?;
                to.write(&buffer[..n])?;
                progress.advance(n as u64);
                left -= n as u64;
            }
            Ok(())
        })
    });
    progress.finish();
    unpacked
}

/// Takes a file of the set and the reader of its bytes.
type VisitFile<'a> = dyn FnMut(&cifar10::Official, &mut dyn Read) -> Result<(), Failure> + 'a;

/// Shows each file of `set` in `archive` to `visit`; all must be there, of the right length.
pub(super) fn visit_files(
    archive: impl BufRead,
    set: Set,
    visit: &mut VisitFile,
) -> Result<(), Failure> {
    let mut missing: Vec<_> = set.files.iter().collect();
    // The archive holds a page of text and a list of the classes beside the six files.
    let limit = set.file_len() * missing.len() as u64 + (1 << 20);
    archive::visit(archive, limit, &mut |name, length, from| {
        let name = name.strip_prefix("cifar-10-batches-bin/").unwrap_or_default();
        let Some(at) = missing.iter().position(|file| file.name == name) else { return Ok(()) };
        let file = missing.remove(at);
        if length != set.file_len() {
            return Err(Failure::refused(format!(
                "{name} is {length} bytes long, expected {}",
                set.file_len()
            )));
        }
        visit(file, from)
    })?;
    match missing.first() {
        None => Ok(()),
        Some(file) => Err(Failure::refused(format!("it has no {}", file.name))),
    }
}

/// The length of `path` in bytes; 0 if there is no such file.
fn length(path: &Path) -> Result<u64, Failure> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() => Ok(metadata.len()),
        Ok(_) => Err(Failure::write(path, io::Error::other("it is not a regular file: remove it"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(Failure::write(path, error)),
    }
}

fn remove(path: &Path) -> Result<(), Failure> {
    fs::remove_file(path).map_err(|error| Failure::write(path, error))
}
