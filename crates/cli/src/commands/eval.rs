//! `chainrule eval`: loss and accuracy of a saved model.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use chainrule_nn::{Engine, Evaluation};
use chainrule_train::config::DataChoice;
use chainrule_train::{Config, ModelFile, Prepared, flips};

/// Arguments of `chainrule eval`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  chainrule eval results/run-001
  chainrule eval results/run-001 --flips
  chainrule eval --model pytorch.safetensors --split val --json
")]
pub struct Args {
    /// A run's folder, or a safetensors file
    #[arg(value_name = "MODEL", required_unless_present = "named")]
    model: Option<PathBuf>,
    /// The same
    #[arg(long = "model", value_name = "DIR|FILE", conflicts_with = "model")]
    named: Option<PathBuf>,
    /// Which images: those of train and val are split as the run of the model did
    #[arg(long, value_enum, default_value_t)]
    split: Split,
    /// Average the probabilities of each image and of its mirror image
    #[arg(long)]
    flips: bool,
    /// Print {"split", "n", "loss", "accuracy", "flips"}
    #[arg(long)]
    json: bool,
    /// Write the predicted class of each image, a line each, to this CSV file
    #[arg(long, value_name = "FILE")]
    predictions: Option<PathBuf>,
    /// Where the images lie [default: as the run had it]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Threads; 0 is one for each core
    #[arg(long, value_name = "N", default_value_t = 0,
        value_parser = clap::value_parser!(u16).range(0..=1024))]
    threads: u16,
}

#[derive(Clone, Copy, Default, clap::ValueEnum)]
enum Split {
    Train,
    Val,
    #[default]
    Test,
}

/// The settings of the run that the model lies in, which say how it split its images; a model
/// from elsewhere has none.
fn recorded(folder: Option<&Path>) -> anyhow::Result<Option<Config>> {
    let Some(path) = folder.map(|folder| folder.join("config.toml")) else { return Ok(None) };
    // Other programs write files of this name too.
    match chainrule_data::file::read_text(&path, 1 << 18) {
        Ok(text) if text.contains("[provenance]") => Ok(Some(Config::from_file(&path)?)),
        _ => Ok(None),
    }
}

fn write_predictions(path: &Path, result: &Evaluation, labels: &[u8]) -> anyhow::Result<()> {
    let mut csv = csv::Writer::from_path(path)?;
    csv.write_record(["image", "label", "prediction"])?;
    for (&row, &class) in result.rows.iter().zip(&result.predictions) {
        csv.serialize((row, labels[row as usize], class))?;
    }
    Ok(csv.flush()?)
}

/// Runs the command.
pub fn run(args: Args) -> anyhow::Result<()> {
    let model = args.model.or(args.named).context("no model was named")?;
    let folder = if model.is_dir() { Some(model.as_path()) } else { model.parent() };
    let file = ModelFile::locate(&model);
    let model = ModelFile::load(&file)?;

    let mut config = recorded(folder)?.unwrap_or_default();
    if let Some(dir) = args.data_dir {
        config.move_data(dir);
    }
    if config.data == DataChoice::Cifar10 && !config.data_dir.exists() {
        bail!(
            "{} is not there: name the folder of CIFAR-10 with --data-dir, or get it with \
             `chainrule data fetch`",
            config.data_dir.display()
        );
    }
    let data = super::images::load(&config)?;
    let images = &data.dataset.train;
    if data.is_sample() && config.data != DataChoice::Sample {
        bail!(
            "CIFAR-10 is not to be had, and the built-in sample is no test of this model: see \
             `chainrule data fetch`, or ask for the sample with --data sample in training"
        );
    }
    config.validation = data.validation(config.validation);
    model.check_images(&file, images)?;
    super::note_missing_normalization(&model, &file);
    let prepared = Prepared::new(&config, &data.dataset, Some(model.normalization))?;
    let path = chainrule_tensor::Isa::from_environment()?;
    let threads = chainrule_train::threads(usize::from(args.threads));
    let mut engine = Engine::with_isa(&model.classifier, 1, threads, path)?;
    let test = &data.dataset.test;
    let (name, images, pixels, rows) = match args.split {
        Split::Train => ("train", images, prepared.train_rows(), prepared.split.train.clone()),
        Split::Val => ("val", images, prepared.train_rows(), prepared.split.validation.clone()),
        Split::Test => ("test", test, prepared.test_rows(), (0..test.len() as u32).collect()),
    };
    let result = if args.flips {
        flips::evaluate(&mut engine, pixels, images, &rows)?
    } else {
        engine.evaluate(&pixels, images.labels(), &rows)
    };
    if result.rows.is_empty() {
        bail!("the {name} split of this run holds no image");
    }
    let (n, loss, accuracy) = (result.rows.len(), result.loss, result.accuracy(images.labels()));
    if let Some(path) = &args.predictions {
        write_predictions(path, &result, images.labels())
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    if args.json {
        let line = serde_json::json!({
            "split": name, "n": n, "loss": loss, "accuracy": accuracy, "flips": args.flips
        });
        say!("{line}");
    } else {
        let flips = if args.flips { ", each with its mirror image" } else { "" };
        say!("{name}: {:.2} % of {n} images{flips}, loss {loss:.6}", 100.0 * accuracy);
    }
    Ok(())
}
