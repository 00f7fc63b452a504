//! Many inputs for one reader, timed, the culprit kept.
//!
//! Each input is written to a file before it is tried, and that file is removed at the end: should
//! the process die of a full stack or a full memory, the file is what killed it. An input that
//! panics, or is slow three times running, ends the campaign and stays there too.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::{Mutator, Target};

/// Inputs are no longer than this, in bytes, unless a seed is.
pub(crate) const MOST: usize = 1 << 14;

/// What is to be tried.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// Mutated inputs for each reader.
    pub inputs: u64,
    /// Which inputs.
    pub seed: u64,
    /// How long a single one may take.
    pub limit: Duration,
    /// Where an input is kept that does harm.
    pub folder: PathBuf,
}

/// How a reader fared.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Inputs tried, the seeds counted in.
    pub inputs: u64,
    /// Inputs that were read, and not refused.
    pub taken: u64,
    /// Time in the reader and the mutator together.
    pub elapsed: Duration,
    /// The longest that one input took.
    pub slowest: Duration,
}

/// An input that does harm, or a campaign that could not be begun.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The reader panicked.
    #[error("{target} panicked at {}: {message}", input.display())]
    Panic {
        /// The reader.
        target: &'static str,
        /// The file that holds the input.
        input: PathBuf,
        /// What the panic said.
        message: String,
    },
    /// The reader took too long.
    #[error("{target} took {:.2} s for {}", took.as_secs_f64(), input.display())]
    Slow {
        /// The reader.
        target: &'static str,
        /// The file that holds the input.
        input: PathBuf,
        /// The least of three times.
        took: Duration,
    },
    /// A seed that could not be read, or an input that could not be kept.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// There is nothing to mutate.
    #[error("{} holds no seed", .0.display())]
    NoSeed(PathBuf),
}

fn file(path: &Path) -> impl FnOnce(io::Error) -> Failure {
    let path = path.to_owned();
    move |reason| Failure::File { path, reason }
}

impl Campaign {
    /// Tries the seeds of `target` as they are, then mutated inputs. `begun` counts them.
    ///
    /// # Errors
    /// The first input that does harm, or a file that could not be read or written.
    pub fn run(&self, target: &Target, begun: &AtomicU64) -> Result<Tally, Failure> {
        let seeds = target.seeds().map_err(file(&target.folder()))?;
        let seeds: Vec<Vec<u8>> = seeds.into_iter().map(|(_, bytes)| bytes).collect();
        self.run_on(target, &seeds, begun)
    }

    /// Tries `files` as they are.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn replay(
        &self,
        target: &Target,
        files: &[PathBuf],
        begun: &AtomicU64,
    ) -> Result<Tally, Failure> {
        let read = |path: &PathBuf| fs::read(path).map_err(file(path));
        let inputs = files.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        Campaign { inputs: 0, ..self.clone() }.run_on(target, &inputs, begun)
    }

    fn run_on(
        &self,
        target: &Target,
        seeds: &[Vec<u8>],
        begun: &AtomicU64,
    ) -> Result<Tally, Failure> {
        if seeds.is_empty() {
            return Err(Failure::NoSeed(target.folder()));
        }
        // Files as they are, then what each layer finds in them.
        let opened = target.layers.iter().map(|layer| {
            let contents: Vec<_> = seeds.iter().filter_map(|seed| (layer.open)(seed)).collect();
            (Some(layer), contents)
        });
        let mut ways = vec![(None, seeds.to_vec())];
        ways.extend(opened.filter(|(_, contents)| !contents.is_empty()));

        let words: Vec<&str> = target.words.split('|').filter(|word| !word.is_empty()).collect();

        let mut trial = Trial::new(self, target)?;
        let clock = Instant::now();
        for seed in seeds {
            begun.fetch_add(1, Ordering::Relaxed);
            trial.run(seed)?;
        }
        for number in 0..self.inputs {
            begun.fetch_add(1, Ordering::Relaxed);
            let (layer, seeds) = &ways[(number % ways.len() as u64) as usize];
            let mutator = Mutator { seeds, words: &words, most: MOST };
            let input = mutator.input((self.seed << 40) ^ number);
            match layer {
                None => trial.run(&input)?,
                Some(layer) => trial.run(&(layer.close)(&input))?,
            }
        }
        let Trial { mut tally, kept, .. } = trial;
        tally.elapsed = clock.elapsed();
        fs::remove_file(&kept).map_err(file(&kept))?;
        Ok(tally)
    }
}

/// A reader at its work.
struct Trial<'a> {
    target: &'a Target,
    limit: Duration,
    /// The file that holds the input, and its name.
    input: File,
    kept: PathBuf,
    tally: Tally,
}

impl<'a> Trial<'a> {
    fn new(campaign: &Campaign, target: &'a Target) -> Result<Self, Failure> {
        fs::create_dir_all(&campaign.folder).map_err(file(&campaign.folder))?;
        let kept = campaign.folder.join(format!("{}.input", target.name));
        let input = File::create(&kept).map_err(file(&kept))?;
        Ok(Trial { target, limit: campaign.limit, input, kept, tally: Tally::default() })
    }

    fn run(&mut self, input: &[u8]) -> Result<(), Failure> {
        self.keep(input).map_err(file(&self.kept))?;
        let (mut took, taken) = self.time(input)?;
        // Another process may have had the core meanwhile.
        for _ in 0..2 {
            if took > self.limit {
                took = took.min(self.time(input)?.0);
            }
        }
        self.tally.inputs += 1;
        self.tally.taken += u64::from(taken);
        self.tally.slowest = self.tally.slowest.max(took);
        if took > self.limit {
            let (target, input) = (self.target.name, self.kept.clone());
            return Err(Failure::Slow { target, input, took });
        }
        Ok(())
    }

    fn keep(&mut self, input: &[u8]) -> io::Result<()> {
        self.input.seek(SeekFrom::Start(0))?;
        self.input.write_all(input)?;
        self.input.set_len(input.len() as u64)
    }

    /// How long the reader takes, and whether it takes the input.
    fn time(&self, input: &[u8]) -> Result<(Duration, bool), Failure> {
        let clock = Instant::now();
        // The reader holds nothing that a panic could leave half done.
        let taken = catch_unwind(AssertUnwindSafe(|| (self.target.run)(input)));
        let took = clock.elapsed();
        let taken = taken.map_err(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            let message = text.unwrap_or("it did not say why").to_owned();
            Failure::Panic { target: self.target.name, input: self.kept.clone(), message }
        })?;
        Ok((took, taken))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn try_on(run: fn(&[u8]) -> bool, limit: Duration) -> (Result<Tally, Failure>, Vec<u8>) {
        let target = Target { name: "planted", run, layers: &[], words: "" };
        let folder = tempfile::tempdir().unwrap();
        let campaign = Campaign { inputs: 5_000, seed: 1, limit, folder: folder.path().into() };
        let begun = AtomicU64::new(0);
        let result = campaign.run_on(&target, &[b"calm waters".to_vec()], &begun);
        (result, fs::read(folder.path().join("planted.input")).unwrap_or_default())
    }

    #[test]
    fn a_planted_panic_is_found_and_its_input_is_kept() {
        let (result, kept) =
            try_on(|bytes| !matches!(bytes, [b'C', ..]) || panic!("shark"), Duration::MAX);
        assert!(kept.starts_with(b"C"), "{kept:?}");
        let said = result.unwrap_err().to_string();
        assert!(said.starts_with("planted panicked at ") && said.ends_with(": shark"), "{said}");
    }

    #[test]
    fn a_planted_sleep_is_found_and_its_input_is_kept() {
        let run = |bytes: &[u8]| {
            if bytes.len() > 40 {
                std::thread::sleep(Duration::from_millis(60));
            }
            true
        };
        let (result, kept) = try_on(run, Duration::from_millis(50));
        assert!(kept.len() > 40);
        assert!(result.unwrap_err().to_string().contains("planted took 0.0"));
    }

    #[test]
    fn a_calm_reader_leaves_nothing_behind() {
        let (result, kept) = try_on(|bytes| bytes.len() % 2 == 0, Duration::MAX);
        let tally = result.unwrap();
        assert_eq!(tally.inputs, 5_001);
        assert!(tally.taken > 500 && tally.taken < 4_500, "{}", tally.taken);
        assert!(kept.is_empty());
    }
}
