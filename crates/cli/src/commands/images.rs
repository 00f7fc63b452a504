//! The images of a run: wherever the settings say that they lie, with a bar while they are read.

use std::io::IsTerminal;
use std::time::Instant;

use anyhow::{Context, bail};
use chainrule_data::fetch::{self, Choice, Source};
use chainrule_data::place::{self, Contents};
use chainrule_data::reading::{Loaded, Progress, Reading};
use chainrule_data::{Dataset, Duplicates, Spot, cifar10, folder, sample};
use chainrule_train::config::DataChoice;
use chainrule_train::{Config, Data};
use indicatif::{ProgressBar, ProgressStyle};

use crate::shell::verbosity::{Verbosity, shows};

/// Most pictures that are named as broken; the others are counted.
const MOST_NAMED: usize = 10;

/// Nobody wants a bar for what is over in this time, in milliseconds.
const SOON: u128 = 500;

/// How a folder is read with these settings.
pub fn reading(config: &Config) -> Reading {
    Reading {
        resize: config.resize,
        skip_broken: config.skip_broken,
        seed: config.seed,
        threads: chainrule_train::threads(config.threads),
        memory: chainrule_train::available_memory().map(|available| available.bytes),
    }
}

/// A bar on a terminal for what takes a while, on standard error.
#[derive(Default)]
pub struct Bar {
    bar: std::sync::OnceLock<ProgressBar>,
    began: std::sync::OnceLock<Instant>,
}

impl Bar {
    /// Hears how far the reading is.
    pub fn tell(&self, stage: &str, done: usize, all: usize) {
        let began = self.began.get_or_init(Instant::now);
        let is_due = done.is_multiple_of(16) && began.elapsed().as_millis() > SOON;
        if !(is_due && std::io::stderr().is_terminal() && shows(Verbosity::Normal)) {
            return;
        }
        let bar = self.bar.get_or_init(|| {
            let template = "{msg} {wide_bar} {pos} of {len}, {eta} left";
            let style = ProgressStyle::with_template(template).expect("the template is right");
            ProgressBar::new(all as u64).with_style(style)
        });
        bar.set_length(all as u64);
        bar.set_message(stage.to_owned());
        bar.set_position(done as u64);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }
}

/// The images that the settings ask for, if they are here; what there is to say of them is said.
pub fn at_hand(config: &Config) -> anyhow::Result<Option<Data>> {
    if config.data == DataChoice::Sample {
        return Ok(Some(Data::sample()));
    }
    Ok(read(config)?.map(said))
}

/// The images that the settings ask for, if they are here, and what there is to say of them.
pub fn read(config: &Config) -> anyhow::Result<Option<Loaded>> {
    let bar = Bar::default();
    let tell = |stage: &str, done, all| bar.tell(stage, done, all);
    let reading = reading(config);
    Ok(Some(match &config.data {
        DataChoice::Sample => unnamed(sample::read()),
        DataChoice::Cifar10 => return read_cifar10(config, &tell),
        DataChoice::Images(dir) if dir.is_file() => bail!(
            "{} is a file: images:DIR names a folder of pictures, with one folder for each class",
            dir.display()
        ),
        DataChoice::Images(dir) => folder::read(dir, &reading, &tell)?,
        DataChoice::Place(dir) => place::read(dir, &reading, &tell)?,
    }))
}

/// CIFAR-10 in its own folder, in either version.
fn read_cifar10(config: &Config, tell: Progress) -> anyhow::Result<Option<Loaded>> {
    let dir = &config.data_dir;
    match cifar10::read(dir) {
        Ok(dataset) => Ok(Some(unnamed(dataset))),
        Err(chainrule_data::Error::Missing { .. }) => match place::recognize(dir) {
            Ok(Contents::CifarPython(_) | Contents::Archive) => {
                let loaded = place::read(dir, &reading(config), tell)?;
                if loaded.dataset.name != "CIFAR-10" {
                    let name = &loaded.dataset.name;
                    bail!("{} holds {name}: name it with --data", dir.display());
                }
                Ok(Some(loaded))
            }
            _ => match place::cifar10_below(dir) {
                Some(below) => bail!(
                    "{} holds no CIFAR-10 itself, and {} does: --data-dir {}",
                    dir.display(),
                    below.display(),
                    below.display()
                ),
                None => Ok(None),
            },
        },
        Err(_) if dir.is_file() => bail!(
            "{} is a file: --data-dir names the folder of CIFAR-10, and --data takes an archive",
            dir.display()
        ),
        Err(error) => Err(error).context("the images cannot be used as they are"),
    }
}

/// Images that are no files, and of which there is nothing to say.
fn unnamed(dataset: Dataset) -> Loaded {
    Loaded { dataset, notes: vec![], skipped: vec![], names: Default::default() }
}

/// What there is to say of images that are there more than once, a sentence each; `names` as in
/// [`Loaded`].
pub fn sentences(duplicates: &Duplicates, names: &[Vec<String>; 2]) -> Vec<String> {
    duplicates.sentences(|Spot { is_test, index }| match names[usize::from(is_test)].get(index) {
        Some(name) => name.clone(),
        None => {
            format!("image {index} of {}", if is_test { "the test set" } else { "training" })
        }
    })
}

/// The images that were read, after the notes on them were printed.
fn said(loaded: Loaded) -> Data {
    let Loaded { dataset, notes, skipped, names } = loaded;
    notes.iter().for_each(|note| note!("note: {note}"));
    for error in skipped.iter().take(MOST_NAMED) {
        eprintln!("left out: {error}");
    }
    if skipped.len() > MOST_NAMED {
        eprintln!("left out: {} more", skipped.len() - MOST_NAMED);
    }
    let source = dataset.name.clone();
    let data = Data::new(dataset, source);
    let sentences = sentences(&data.duplicates, &names);
    sentences.iter().for_each(|sentence| eprintln!("WARNING: {sentence}"));
    data
}

/// The images that the settings ask for; if no source has CIFAR-10, the sample, said aloud.
pub fn load(config: &Config) -> anyhow::Result<Data> {
    // What lies there is never replaced unasked, damaged or not.
    if let Some(data) = at_hand(config)? {
        return Ok(data);
    }
    let mut terminal = super::sources::Terminal::default();
    let sources = super::sources::sources();
    let found = fetch::obtain(&config.data_dir, Choice::Auto, &sources, &mut terminal)?;
    if found.source == Source::Sample {
        let line = "!".repeat(78);
        eprintln!("\n{line}");
        eprintln!("WARNING: CIFAR-10 could not be had. This run uses the built-in SAMPLE of 1,000");
        eprintln!(
            "images instead: it shows that everything works, and its accuracy means nothing."
        );
        for refusal in &found.refusals {
            eprintln!("  {}: {}", refusal.source, refusal.why);
        }
        eprintln!("Put the six files into {} by hand, or", config.data_dir.display());
        eprintln!("try `chainrule data fetch` once there is a network.");
        eprintln!("{line}\n");
        return Ok(Data::sample());
    }
    Ok(Data::new(found.data, "CIFAR-10"))
}
