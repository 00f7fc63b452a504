//! `chainrule eval`: loss and accuracy of a saved model.

use std::collections::HashSet;
use std::path::PathBuf;

use anyhow::{Context, bail};
use chainrule_data::Images;
use chainrule_nn::Evaluation;
use chainrule_runs::Metrics;
use chainrule_train::config::{DataChoice, Tta};
use chainrule_train::{Answers, Config, Origin, Predictor, Sameness, inference, prepared};

use super::{check_output, write_output};
use crate::shell::quoting::quoted;

/// Arguments of `chainrule eval`.
#[derive(clap::Args)]
#[command(after_help = "\
By default the images are those of the run. This is checked: other images are refused, because the
network may have been trained on some of them. Use --data to evaluate on other images, or
--allow-other-images; the result then says so.

Examples:
  chainrule eval results/run-001
  chainrule eval results/run-001 --flips
  chainrule eval results/run-001 --tta flips,shifts
  chainrule eval results/run-001 --data images:photos
  chainrule eval pytorch.safetensors --split val --json
")]
pub struct Args {
    /// A run's folder, or a safetensors file
    #[arg(value_name = "MODEL", required_unless_present = "named")]
    model: Option<PathBuf>,
    /// The model, as an option
    #[arg(long = "model", value_name = "DIR|FILE", conflicts_with = "model")]
    named: Option<PathBuf>,
    /// Which images; train and val are split as in the run of the model
    #[arg(long, value_enum, default_value_t)]
    split: Split,
    /// Average the probabilities of each image and of its mirror image: --tta flips
    #[arg(long, conflicts_with = "tta")]
    flips: bool,
    /// Average the probabilities over views of each image: flips, shifts, or flips,shifts
    #[arg(long, value_name = "VIEWS", default_value = "none")]
    tta: Tta,
    /// Print {"split", "n", "loss", "accuracy", "flips", "tta", "data", "images_of_run"}, and precision,
    /// recall and F1: "macro_precision", "macro_recall", "macro_f1", "balanced_accuracy", "classes"
    #[arg(long)]
    json: bool,
    /// Write the predicted class of each image, a line each, to this CSV file; - is standard output
    #[arg(long, value_name = "FILE")]
    predictions: Option<PathBuf>,
    /// Evaluate on these images instead of those of the run
    #[arg(long, value_name = "cifar10|sample|images:DIR|DIR", conflicts_with = "data_dir")]
    data: Option<DataChoice>,
    /// Where the images of the run lie [default: as the run had it]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Evaluate even if the images there are not those of the run; the result says so
    #[arg(long)]
    allow_other_images: bool,
    /// Threads; 0 is one for each core
    #[arg(long, value_name = "N", default_value_t = 0,
        value_parser = clap::value_parser!(u16).range(0..=1024))]
    threads: u16,
}

#[derive(Clone, Copy, Default, PartialEq, clap::ValueEnum)]
enum Split {
    Train,
    #[value(alias = "validation")]
    Val,
    #[default]
    Test,
}

fn predictions(result: &Evaluation, labels: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut csv = csv::Writer::from_writer(vec![]);
    csv.write_record(["image", "label", "prediction"])?;
    for (&row, &class) in result.rows.iter().zip(&result.predictions) {
        csv.serialize((row, labels[row as usize], class))?;
    }
    Ok(csv.into_inner()?)
}

/// Precision, recall and F1, and where there are many classes the top-5 accuracy.
fn metrics(
    answers: &Answers,
    result: &Evaluation,
    images: &Images,
    classes: &[String],
) -> serde_json::Map<String, serde_json::Value> {
    let labels = images.labels();
    let confusion = inference::confusion(result, labels, classes);
    let mut figures = serde_json::Map::new();
    if let Some(accuracy) = answers.top_5_accuracy(labels) {
        figures.insert("top_5_accuracy".into(), accuracy.into());
    }
    let metrics = serde_json::to_value(Metrics::of(&confusion)).expect("numbers and names");
    figures.extend(metrics.as_object().cloned().unwrap_or_default());
    figures
}

/// How many of the images the run was trained on, if its own images are at hand.
fn trained_on(origin: &Origin, images: &Images, rows: &[u32]) -> anyhow::Result<Option<usize>> {
    let Ok(Some(own)) = super::images::at_hand(&origin.config) else { return Ok(None) };
    if origin.compare(&own) != Sameness::Same {
        return Ok(None);
    }
    let (train, split) = (&own.dataset.train, origin.split(&own)?);
    let known: HashSet<&[u8]> = split.train.iter().map(|&row| train.image(row as usize)).collect();
    Ok(Some(rows.iter().filter(|&&row| known.contains(images.image(row as usize))).count()))
}

/// Runs the command.
pub fn run(args: Args) -> anyhow::Result<()> {
    let named = args.model.or(args.named).context("no model was named")?;
    let opened = super::model::open(&named)?;
    let (model, file) = (opened.model, opened.path);
    let origin = Origin::of(&named)?;

    let mut config = origin.as_ref().map_or_else(Config::default, |origin| origin.config.clone());
    let has_other_data = args.data.is_some();
    if let Some(data) = args.data {
        config.data = data;
    }
    if let Some(dir) = args.data_dir {
        config.move_data(dir);
    }
    if let Some(output) = &args.predictions {
        check_output(output, [named.as_path(), &file].into_iter().chain(config.data.folder()))?;
    }
    // Only training fetches: a folder that was named by mistake is not filled.
    let Some(data) = super::images::at_hand(&config)? else {
        bail!(
            "{} holds no CIFAR-10: name its folder with --data-dir, or get it with `chainrule data \
             fetch --dir {}`",
            config.data_dir.display(),
            quoted(&config.data_dir.to_string_lossy())
        );
    };
    model.check_images(&file, &data.dataset.train)?;
    let allowed = args.allow_other_images || has_other_data;
    let images_of_run = super::model::is_of_the_run(origin.as_ref(), &data, allowed)?;

    let (name, images, rows) = match args.split {
        Split::Test => {
            let test = &data.dataset.test;
            ("test", test, (0..test.len() as u32).collect())
        }
        Split::Train | Split::Val => {
            config.validation = data.validation(config.validation);
            let split = prepared::split(&config, data.dataset.train.len())?;
            match args.split {
                Split::Train => ("train", &data.dataset.train, split.train),
                _ => ("val", &data.dataset.train, split.validation),
            }
        }
    };
    if rows.is_empty() {
        bail!("the {name} split holds no image");
    }
    let trained_on = match (&origin, images_of_run) {
        (Some(origin), Some(false)) if args.split != Split::Train => {
            trained_on(origin, images, &rows)?
        }
        _ => None,
    };
    if let Some(n @ 1..) = trained_on {
        eprintln!(
            "WARNING: {n} of these {} images are among those that the network was trained on",
            rows.len()
        );
    }
    let threads = chainrule_train::threads(usize::from(args.threads));
    let tta = Tta { flips: args.flips || args.tta.flips, ..args.tta };
    let answers = Predictor::new(&model, threads)?
        .ask(images, &rows, tta)
        .with_context(|| format!("{}: {name} split", file.display()))?;
    let result = answers.evaluate(images.labels());

    let (n, loss, accuracy) = (result.rows.len(), result.loss, result.accuracy(images.labels()));
    if let Some(path) = &args.predictions {
        write_output(path, &predictions(&result, images.labels())?)?;
    }
    let line = if args.json {
        let mut object = serde_json::json!({
            "split": name, "n": n, "loss": loss, "accuracy": accuracy, "flips": tta.flips, "tta": tta.to_string(),
            "data": data.source, "images_of_run": images_of_run,
        });
        if let Some(n) = trained_on {
            object["trained_on"] = n.into();
        }
        if let (n @ 1.., "test") = (data.duplicates.across, name) {
            object["duplicates_across"] = n.into();
        }
        object.as_object_mut().expect("an object").extend(metrics(
            &answers,
            &result,
            images,
            &data.dataset.classes,
        ));
        object.to_string()
    } else {
        let views = match tta {
            Tta { flips: false, shifts: false } => "",
            Tta { flips: true, shifts: false } => ", each with its mirror image",
            Tta { flips: false, shifts: true } => ", each with its shifts",
            Tta { flips: true, shifts: true } => {
                ", each with its mirror image and the shifts of both"
            }
        };
        let other = match images_of_run {
            Some(false) => format!(", of {}, which are not those of the run", data.source),
            _ => String::new(),
        };
        format!(
            "{name}: accuracy {:.2} % on {n} images{views}{other}, loss {loss:.6}",
            100.0 * accuracy
        )
    };
    match args.predictions.as_deref().is_some_and(super::is_standard_output) {
        true => eprintln!("{line}"),
        false => say!("{line}"),
    }
    Ok(())
}
