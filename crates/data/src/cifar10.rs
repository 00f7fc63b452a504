//! CIFAR-10's official binary files.
//!
//! A record is 3073 bytes: the label (0 to 9), then 1024 red, 1024 green and 1024 blue values,
//! each channel row by row of a 32 x 32 image. A file is 10,000 records and nothing else; five
//! files are the training set, one the test set. [`FILES`] says what each must hash to.
//!
//! Each file is read once, by a thread of its own, through a small buffer and straight into its
//! part of the one pixel vector; the checksum is taken on the way. So reading costs 184 MB and
//! less than half a second, and what has been read is what the authors published.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};

use crate::{Dataset, Error, Images, Shape, file};

/// The classes, in the order of the labels.
pub const CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// The shape of one image.
pub const SHAPE: Shape = Shape { channels: 3, height: 32, width: 32 };

/// Bytes of one record: a label and 3072 pixel values.
pub const RECORD: usize = 1 + 3 * 32 * 32;

/// What stands before the pixels of a record: a label of so many classes.
pub(crate) const LIMITS: [usize; 1] = [CLASSES.len()];

/// Records in each official file.
pub const RECORDS: usize = 10_000;

/// Most records that are read from one file of another making: 307 MB of them.
pub const MOST_RECORDS: usize = 100_000;

/// A set of files in this format. There is one outside the tests.
#[derive(Clone, Copy)]
pub(crate) struct Set<'a> {
    /// The training files, then the one of the test.
    pub files: &'a [Official<'a>],
    /// Records in each file.
    pub records: usize,
}

impl Set<'_> {
    /// Bytes of each file.
    pub fn file_len(&self) -> u64 {
        (self.records * RECORD) as u64
    }
}

/// CIFAR-10 as its authors publish it.
pub(crate) const OFFICIAL: Set<'static> = Set { files: &FILES, records: RECORDS };

/// An official file and what proves it.
///
/// ```
/// use chainrule_data::cifar10::FILES;
///
/// assert_eq!(FILES[5].name, "test_batch.bin");
/// assert_eq!(FILES[5].md5.len(), 32);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Official<'a> {
    /// Its name in the folder, and in the official archive.
    pub name: &'a str,
    /// The MD5 of its 30,730,000 bytes, in hexadecimal.
    pub md5: &'a str,
}

/// The six official files: five of training images, then the one of test images.
pub const FILES: [Official<'static>; 6] = [
    Official { name: "data_batch_1.bin", md5: "5dd7e06a14cb22eb9f671a540d1b7c25" },
    Official { name: "data_batch_2.bin", md5: "5ea93a67294ea407fff1d09f752e9692" },
    Official { name: "data_batch_3.bin", md5: "942cd6a4bcdd0dd3c604fbe906cb4421" },
    Official { name: "data_batch_4.bin", md5: "ae636b3ba5c66a11e91e8cb52e771fcb" },
    Official { name: "data_batch_5.bin", md5: "53f37980c15c3d472c316c40844f3f0d" },
    Official { name: "test_batch.bin", md5: "803d5f7f4d78ea53de84dbe85f74fb6d" },
];

/// Reads the six official files of `dir`, each proved by its checksum: 50,000 images to train
/// on, 10,000 to test on.
///
/// # Errors
/// The first file, in the order of [`FILES`], that is missing, cannot be read, has another
/// length, holds a label above 9 or differs from the official bytes.
pub fn read(dir: &Path) -> Result<Dataset, Error> {
    read_set(dir, OFFICIAL)
}

/// Reads the six official files under whatever names they have in `files`: each is found by its
/// checksum.
///
/// # Errors
/// As [`read`], if the official names are not among those of the files; [`Error::Missing`] names
/// the official file whose content is in none of them.
pub fn read_renamed(files: &[PathBuf]) -> Result<Dataset, Error> {
    let digests = files.iter().map(|path| Ok((crate::verify::digest(path)?.0, path)));
    let digests = digests.collect::<Result<Vec<_>, Error>>()?;
    let dir = files.first().and_then(|path| path.parent()).unwrap_or(Path::new(""));
    let mut found = Vec::new();
    for file in FILES {
        let path = digests.iter().find(|(md5, _)| md5 == file.md5).map(|(_, path)| path);
        let name = path.and_then(|path| path.file_name()?.to_str());
        let name = name.ok_or_else(|| Error::Missing { path: dir.join(file.name) })?;
        found.push(Official { name, md5: file.md5 });
    }
    read_set(dir, Set { files: &found, records: RECORDS })
}

/// Reads one file of any whole number of records, 1 to [`MOST_RECORDS`], without a checksum.
///
/// # Errors
/// As [`read`], the checksum aside.
pub fn read_batch(path: &Path) -> Result<Images, Error> {
    let (file, length) = open(path)?;
    read_batch_from(file, length, path)
}

/// Reads the `length` bytes of a batch file; `path` is for messages.
#[doc(hidden)]
pub fn read_batch_from(from: impl Read, length: u64, path: &Path) -> Result<Images, Error> {
    if length == 0 || !length.is_multiple_of(RECORD as u64) {
        return Err(Error::Ragged { path: path.to_owned(), found: length, record: RECORD });
    }
    let records = usize::try_from(length / RECORD as u64).unwrap_or(usize::MAX);
    if records > MOST_RECORDS {
        return Err(Error::TooLarge { path: path.to_owned(), records });
    }
    let mut labels = vec![0; records];
    let mut pixels = vec![0; records * SHAPE.dim()];
    read_records(from, path, &LIMITS, &mut labels, &mut pixels)?;
    Images::new(pixels, labels, SHAPE, CLASSES.len())
}

/// Reads a set from `dir`; the last of its files is the test set.
pub(crate) fn read_set(dir: &Path, set: Set) -> Result<Dataset, Error> {
    let Set { files, records } = set;
    let (test_file, train_files) = files.split_last().expect("a set has a test file");
    let mut train = Part::new(train_files.len() * records);
    let mut test = Part::new(records);

    let read_one = |file: &Official, labels: &mut [u8], pixels: &mut [u8]| {
        let path = dir.join(file.name);
        let (open_file, found) = open(&path)?;
        let expected = set.file_len();
        if found != expected {
            return Err(Error::Length { path, found, expected, records });
        }
        let found = read_records(open_file, &path, &LIMITS, labels, pixels)?;
        if found != file.md5 {
            return Err(Error::Checksum { path, found, expected: file.md5.to_owned() });
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let parts = train.chunks(records).chain(test.chunks(records));
        let readers: Vec<_> = train_files
            .iter()
            .chain([test_file])
            .zip(parts)
            .map(|(file, (labels, pixels))| scope.spawn(move || read_one(file, labels, pixels)))
            .collect();
        // Joined in the order of the files, so that of several errors the same one is told.
        readers.into_iter().try_for_each(|reader| reader.join().expect("a reader never panics"))
    })?;
    Ok(dataset("CIFAR-10", train.into_images()?, test.into_images()?))
}

/// A dataset of CIFAR-10's classes.
pub(crate) fn dataset(name: &str, train: Images, test: Images) -> Dataset {
    Dataset { name: name.to_owned(), classes: CLASSES.map(str::to_owned).to_vec(), train, test }
}

/// Labels (n) and pixels (n, 3072) that are being filled.
struct Part {
    labels: Vec<u8>,
    pixels: Vec<u8>,
}

impl Part {
    fn new(n: usize) -> Self {
        Self { labels: vec![0; n], pixels: vec![0; n * SHAPE.dim()] }
    }

    /// The room of each file of `records` records.
    fn chunks(&mut self, records: usize) -> impl Iterator<Item = (&mut [u8], &mut [u8])> {
        let pixels = self.pixels.chunks_exact_mut(records * SHAPE.dim());
        self.labels.chunks_exact_mut(records).zip(pixels)
    }

    fn into_images(self) -> Result<Images, Error> {
        Images::new(self.pixels, self.labels, SHAPE, CLASSES.len())
    }
}

/// Opens a file of the set and tells its length.
pub(crate) fn open(path: &Path) -> Result<(File, u64), Error> {
    file::open(path).map_err(|reason| match reason.kind() {
        io::ErrorKind::NotFound => Error::Missing { path: path.to_owned() },
        _ => Error::Read { path: path.to_owned(), reason },
    })
}

/// Reads `labels.len()` records, to the end of `from`, into `labels` (n) and `pixels` (n, 3072);
/// returns the MD5 of what was read. A record is a byte for each of `limits`, which must be below
/// it and of which the last is the label, and the pixels. `path` is for messages.
pub(crate) fn read_records(
    mut from: impl Read,
    path: &Path,
    limits: &[usize],
    labels: &mut [u8],
    pixels: &mut [u8],
) -> Result<String, Error> {
    // Large enough to be read fast, small enough to stay in the cache between the hash and the
    // copy.
    const AT_ONCE: usize = 32;
    let refuse = |reason| Error::Read { path: path.to_owned(), reason };

    let record_len = limits.len() + SHAPE.dim();
    let mut hash = Md5::new();
    let mut buffer = vec![0; AT_ONCE * record_len];
    let mut record = 0;
    let blocks = labels.chunks_mut(AT_ONCE).zip(pixels.chunks_mut(AT_ONCE * SHAPE.dim()));
    for (labels, pixels) in blocks {
        let bytes = &mut buffer[..labels.len() * record_len];
        from.read_exact(bytes).map_err(refuse)?;
        hash.update(&*bytes);
        let rows = labels.iter_mut().zip(pixels.chunks_exact_mut(SHAPE.dim()));
        for ((label, row), bytes) in rows.zip(bytes.chunks_exact(record_len)) {
            let (marks, values) = bytes.split_at(limits.len());
            for (i, (&mark, &classes)) in marks.iter().zip(limits).enumerate() {
                if usize::from(mark) >= classes {
                    return Err(Error::Label {
                        path: path.to_owned(),
                        record,
                        byte: (record * record_len + i) as u64,
                        label: mark,
                        classes,
                    });
                }
                *label = mark;
            }
            row.copy_from_slice(values);
            record += 1;
        }
    }
    if from.read(&mut buffer[..1]).map_err(refuse)? != 0 {
        return Err(refuse(io::Error::other("it grew while it was being read")));
    }
    Ok(hex(&hash.finalize()))
}

/// A digest in lower-case hexadecimal.
pub(crate) fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs;

    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::*;
    use crate::verify::verify_set;

    /// A small set of the official names: records of all labels, and pixels that differ.
    pub(crate) struct Synthetic {
        pub contents: Vec<Vec<u8>>,
        md5s: Vec<String>,
        records: usize,
    }

    impl Synthetic {
        pub fn new(records: usize) -> Self {
            let byte = |file: usize, i: usize| match (i / RECORD, i % RECORD) {
                (record, 0) => ((file + record) % 10) as u8,
                (record, at) => (at * 7 + at / 1024 * 53 + record * 31 + file * 101) as u8,
            };
            let content = |file| (0..records * RECORD).map(|i| byte(file, i)).collect::<Vec<_>>();
            let contents: Vec<_> = (0..6).map(content).collect();
            let md5s = contents.iter().map(|content| hex(&Md5::digest(content))).collect();
            Self { contents, md5s, records }
        }

        pub fn write(&self, dir: &Path) {
            for (file, content) in FILES.iter().zip(&self.contents) {
                fs::write(dir.join(file.name), content).unwrap();
            }
        }

        pub fn files(&self) -> Vec<Official<'_>> {
            let files = FILES.iter().zip(&self.md5s);
            files.map(|(file, md5)| Official { name: file.name, md5 }).collect()
        }

        pub fn set<'a>(&self, files: &'a [Official<'a>]) -> Set<'a> {
            Set { files, records: self.records }
        }
    }

    /// A folder of a whole set of three records a file, as `spoil` leaves it, and what reading
    /// it then says.
    fn refusal(spoil: impl Fn(&Path)) -> (String, TempDir) {
        let dir = TempDir::new().unwrap();
        let synthetic = Synthetic::new(3);
        synthetic.write(dir.path());
        spoil(dir.path());
        let files = synthetic.files();
        let error = read_set(dir.path(), synthetic.set(&files)).unwrap_err().to_string();
        (error.replace(&dir.path().display().to_string(), "DIR"), dir)
    }

    fn rewrite(dir: &Path, name: &str, change: impl Fn(&mut Vec<u8>)) {
        let mut bytes = fs::read(dir.join(name)).unwrap();
        change(&mut bytes);
        fs::write(dir.join(name), bytes).unwrap();
    }

    #[test]
    fn every_label_and_pixel_comes_out_where_the_format_has_it() {
        let dir = TempDir::new().unwrap();
        // More than one block of the reader, and a part of one.
        let synthetic = Synthetic::new(70);
        synthetic.write(dir.path());
        let files = synthetic.files();
        let data = read_set(dir.path(), synthetic.set(&files)).unwrap();
        assert_eq!((data.train.len(), data.test.len(), data.train.dim()), (350, 70, 3072));
        for (file, content) in synthetic.contents.iter().enumerate() {
            let (images, first) = if file < 5 { (&data.train, file * 70) } else { (&data.test, 0) };
            for (record, bytes) in content.chunks(RECORD).enumerate() {
                assert_eq!(images.labels()[first + record], bytes[0], "{file} {record}");
                assert_eq!(images.image(first + record), &bytes[1..], "{file} {record}");
            }
        }
        let one = read_batch(&dir.path().join("data_batch_2.bin")).unwrap();
        assert_eq!(one.image(69), data.train.image(139));
    }

    #[test]
    fn a_truncated_file_is_refused_by_its_length() {
        let (error, _) = refusal(|dir| rewrite(dir, "data_batch_4.bin", |b| b.truncate(9218)));
        assert_eq!(
            error,
            "DIR/data_batch_4.bin is 9218 bytes long, expected 9219 (3 records of 3073 bytes): \
             `chainrule data fetch` replaces it"
        );
    }

    #[test]
    fn an_over_long_file_is_refused_by_its_length() {
        let (error, _) = refusal(|dir| rewrite(dir, "test_batch.bin", |b| b.extend([0; RECORD])));
        assert!(error.starts_with("DIR/test_batch.bin is 12292 bytes long, expected 9219"));
    }

    #[test]
    fn a_label_of_ten_is_refused_by_record_and_byte() {
        let (error, _) = refusal(|dir| rewrite(dir, "data_batch_1.bin", |b| b[2 * RECORD] = 10));
        assert_eq!(
            error,
            "DIR/data_batch_1.bin: record 2 (byte 6146) has label 10, expected 0 to 9"
        );
    }

    #[test]
    fn a_pixel_that_is_not_the_authors_is_refused_by_the_checksum() {
        let (error, dir) = refusal(|dir| rewrite(dir, "data_batch_5.bin", |b| b[5000] ^= 1));
        let found = crate::verify::digest(&dir.path().join("data_batch_5.bin")).unwrap().0;
        let start = format!("DIR/data_batch_5.bin is damaged: its MD5 is {found}, the official");
        assert!(error.starts_with(&start), "{error}");
    }

    #[test]
    fn a_missing_file_and_an_empty_folder_say_how_to_get_the_data() {
        let (error, _) = refusal(|dir| fs::remove_file(dir.join("data_batch_3.bin")).unwrap());
        assert_eq!(error, "DIR/data_batch_3.bin is missing: `chainrule data fetch` gets it");
        let empty = TempDir::new().unwrap();
        assert!(matches!(read(empty.path()), Err(Error::Missing { .. })));
        assert!(matches!(read(&empty.path().join("none")), Err(Error::Missing { .. })));
    }

    #[test]
    fn a_folder_in_place_of_a_file_is_refused() {
        let (error, _) = refusal(|dir| {
            fs::remove_file(dir.join("test_batch.bin")).unwrap();
            fs::create_dir(dir.join("test_batch.bin")).unwrap();
        });
        assert_eq!(error, "cannot read DIR/test_batch.bin: it is not a regular file");
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_in_place_of_a_file_does_not_hang_the_reader() {
        let (error, _) = refusal(|dir| {
            let path = dir.join("data_batch_2.bin");
            fs::remove_file(&path).unwrap();
            assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        });
        assert_eq!(error, "cannot read DIR/data_batch_2.bin: it is not a regular file");
    }

    #[cfg(unix)]
    #[test]
    fn an_unreadable_folder_is_said_with_the_systems_reason() {
        // A file where the folder should be: no user may read through it, not even root.
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let error = read(&file).unwrap_err();
        assert!(matches!(&error, Error::Read { .. }), "{error}");
        assert!(error.to_string().contains("data_batch_1.bin"), "{error}");
    }

    #[test]
    fn one_batch_of_no_whole_number_of_records_is_refused() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("some.bin");
        for length in [0, 1, RECORD - 1, RECORD + 1] {
            fs::write(&path, vec![0; length]).unwrap();
            let error = read_batch(&path).unwrap_err().to_string();
            assert!(error.contains(&format!("is {length} bytes long, which is not")), "{error}");
        }
    }

    #[test]
    fn a_batch_that_claims_a_terabyte_is_refused_from_its_length() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("some.bin");
        let sparse = File::create(&path).unwrap();
        // The file system may not have files so large.
        if sparse.set_len((RECORD << 28) as u64).is_err() {
            return;
        }
        let error = read_batch(&path).unwrap_err().to_string();
        assert!(error.ends_with("holds 268435456 records: at most 100000 are read"), "{error}");
    }

    #[test]
    fn the_manifest_says_what_the_code_holds_the_files_to() {
        let text = fs::read_to_string(datasets().join("manifest.toml")).unwrap();
        let manifest: toml::Table = text.parse().unwrap();
        let listed: Vec<_> = manifest["cifar10"]["files"]
            .as_array()
            .unwrap()
            .iter()
            .map(|file| {
                assert_eq!(file["bytes"].as_integer(), Some((RECORDS * RECORD) as i64));
                (file["name"].as_str().unwrap(), file["md5"].as_str().unwrap())
            })
            .collect();
        assert_eq!(listed, FILES.map(|file| (file.name, file.md5)));
    }

    /// The repository's `datasets/`.
    pub(crate) fn datasets() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets")
    }

    /// The whole of CIFAR-10, where this machine has it.
    pub(crate) fn whole() -> Option<Dataset> {
        let dir = datasets().join("cifar-10-batches-bin");
        if dir.is_dir() {
            return Some(read(&dir).unwrap());
        }
        eprintln!("passed over: CIFAR-10 is not here (`chainrule data fetch` gets it)");
        None
    }

    #[test]
    fn the_whole_set_has_the_published_labels_and_channel_means() {
        let Some(data) = whole() else { return };
        assert_eq!((data.train.len(), data.test.len()), (50_000, 10_000));
        assert_eq!(data.train.labels()[..10], [6, 9, 9, 4, 1, 1, 2, 7, 8, 3]);
        assert_eq!(data.test.labels()[..10], [3, 8, 8, 0, 6, 6, 1, 6, 3, 1]);
        let per_class = |images: &Images| {
            let mut counts = [0; 10];
            images.labels().iter().for_each(|&label| counts[usize::from(label)] += 1);
            counts
        };
        assert_eq!(per_class(&data.train), [5_000; 10]);
        assert_eq!(per_class(&data.test), [1_000; 10]);

        // The figures that everyone's transforms carry, as fractions of 255.
        let all: Vec<u32> = (0..50_000).collect();
        let of = crate::Normalization::per_channel(&data.train, &all).unwrap();
        for (found, published) in
            [(of.mean(), [0.4914, 0.4822, 0.4465]), (of.std(), [0.2470, 0.2435, 0.2616])]
        {
            for (found, published) in found.iter().zip(published) {
                assert!((found / 255.0 - published).abs() < 5e-5, "{found} {published}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn a_flipped_byte_is_found_and_named_by_file(
            file in 0usize..6, at in 0usize..2 * RECORD, flip in 1u8..,
        ) {
            let dir = TempDir::new().unwrap();
            let synthetic = Synthetic::new(2);
            synthetic.write(dir.path());
            rewrite(dir.path(), FILES[file].name, |bytes| bytes[at] ^= flip);
            let files = synthetic.files();
            let set = synthetic.set(&files);
            let error = read_set(dir.path(), set).unwrap_err().to_string();
            prop_assert!(error.contains(FILES[file].name), "{}", error);
            for (i, report) in verify_set(dir.path(), set).iter().enumerate() {
                prop_assert_eq!(report.is_ok(), i != file, "{}", report.name);
            }
        }

        #[test]
        fn a_strangers_bytes_are_read_or_refused_and_never_panic(
            mut bytes in prop::collection::vec(0u8..12, 0..3),
            length in 0usize..4 * RECORD,
            marks in prop::collection::vec((0usize..4 * RECORD, any::<u8>()), 0..8),
        ) {
            bytes.resize(length, 3);
            for (at, byte) in marks {
                if let Some(place) = bytes.get_mut(at) {
                    *place = byte;
                }
            }
            let dir = TempDir::new().unwrap();
            let path = dir.path().join("some.bin");
            fs::write(&path, &bytes).unwrap();
            let labels: Vec<u8> = bytes.iter().step_by(RECORD).copied().collect();
            let right = !bytes.is_empty()
                && bytes.len() % RECORD == 0
                && labels.iter().all(|&label| label < 10);
            match read_batch(&path) {
                Ok(images) => prop_assert!(right && images.labels() == labels),
                Err(_) => prop_assert!(!right),
            }
        }
    }
}
