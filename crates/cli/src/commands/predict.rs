//! `chainrule predict`: what a saved model sees in pictures of one's own.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use chainrule_data::{Images, Shape, picture};
use chainrule_train::config::Tta;
use chainrule_train::{Error, ModelFile, Opened, Predictor};

use super::write_output;

/// Arguments of `chainrule predict`.
#[derive(clap::Args)]
#[command(after_help = "\
A picture is made like the training images, 32 x 32 in three colors for CIFAR-10: turned upright,
laid on white where it is transparent, cropped at the center to their proportions and scaled down to
their size by averaging. Then it is normalized as the model file says. The network knows only its
classes: a picture of anything else is given one of them, too.

A folder means all pictures in it, in the order of their names. Its predictions are printed as CSV:
image, class, probability, then the probability of each class. A picture that cannot be read is
named, the others are still classified, and the exit code is 1.

Examples:
  chainrule predict results/run-001 photo.jpg
  chainrule predict pytorch.safetensors cat.png dog.jpeg --json
  chainrule predict results/run-001 holidays/ -o holidays.csv
")]
pub struct Args {
    /// A run's folder or a safetensors file; then pictures, PNG or JPEG of any size, or folders of them
    #[arg(value_name = "MODEL> <IMAGE|DIR", required = true)]
    paths: Vec<PathBuf>,
    /// The model, if it is not named first
    #[arg(long, value_name = "DIR|FILE")]
    model: Option<PathBuf>,
    /// Print a list of {"image", "class", "probability", "probabilities": {CLASS: ...}}
    #[arg(long)]
    json: bool,
    /// Write CSV, or JSON with --json, to this file; - is standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What the network makes of a picture.
struct Prediction {
    image: PathBuf,
    /// Of each class, from 0 to 1.
    probabilities: Vec<f32>,
}

impl Prediction {
    /// The classes, the likeliest first.
    fn ranking(&self) -> Vec<usize> {
        let mut classes: Vec<usize> = (0..self.probabilities.len()).collect();
        let probability = |class: &usize| self.probabilities[*class];
        classes.sort_by(|a, b| probability(b).total_cmp(&probability(a)));
        classes
    }

    fn best(&self) -> usize {
        self.ranking()[0]
    }
}

/// The shape of the pictures that the model, read from `file`, reads.
///
/// # Errors
/// If that is not known.
fn shape(model: &ModelFile, file: &Path) -> anyhow::Result<Shape> {
    model.shape().with_context(|| {
        format!(
            "{} reads {} values an image and does not say of what pictures: expected a model that \
             was trained here, or one of pictures of 32 x 32 in three colors, 3072 values",
            file.display(),
            model.classifier.widths()[0]
        )
    })
}

fn predict(predictor: &mut Predictor, shape: Shape, image: PathBuf) -> anyhow::Result<Prediction> {
    let images = Images::new(picture::read(&image, shape)?, vec![0], shape, 1)?;
    let answers = predictor.ask(&images, &[0], Tta::NONE).map_err(|error| match error {
        Error::Scores { .. } => {
            anyhow::anyhow!("{}: the scores of the network are not finite numbers", image.display())
        }
        error => error.into(),
    })?;
    Ok(Prediction { image, probabilities: answers.probabilities() })
}

/// The pictures that a path means: itself, or those of a folder.
fn pictures(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let failed = || format!("cannot read the folder {}", path.display());
    let entries = std::fs::read_dir(path).with_context(failed)?;
    let files = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut files = files.collect::<Result<Vec<_>, _>>().with_context(failed)?;
    files.retain(|file| file.is_file() && picture::is_meant(file));
    if files.is_empty() {
        bail!(
            "{} holds no picture (folders within it are not looked into: name them, as in {})",
            path.display(),
            path.join("*").display()
        );
    }
    files.sort();
    Ok(files)
}

/// The three likeliest classes of a picture, with bars.
fn text(prediction: &Prediction, classes: &[String]) -> String {
    /// Columns of a bar that stands for certainty.
    const BAR: f32 = 40.0;
    let mut text = format!("{}\n", prediction.image.display());
    for class in prediction.ranking().into_iter().take(3) {
        let p = prediction.probabilities[class];
        let bar = "█".repeat((p * BAR).round() as usize);
        let line = format!("  {:<12}{:>6.2} %  {bar}", classes[class], 100.0 * p);
        text += line.trim_end();
        text.push('\n');
    }
    text
}

fn csv(predictions: &[Prediction], classes: &[String]) -> anyhow::Result<Vec<u8>> {
    let mut csv = csv::Writer::from_writer(vec![]);
    let header = ["image", "class", "probability"].into_iter();
    csv.write_record(header.chain(classes.iter().map(String::as_str)))?;
    for prediction in predictions {
        let best = prediction.best();
        let image = prediction.image.to_string_lossy();
        let record = (image, &classes[best], prediction.probabilities[best]);
        csv.serialize((record, &prediction.probabilities))?;
    }
    Ok(csv.into_inner()?)
}

fn json(predictions: &[Prediction], classes: &[String]) -> anyhow::Result<Vec<u8>> {
    let list = predictions.iter().map(|prediction| {
        let best = prediction.best();
        let each = classes.iter().cloned().zip(prediction.probabilities.iter().map(|&p| p.into()));
        serde_json::json!({
            "image": prediction.image.to_string_lossy(),
            "class": classes[best],
            "probability": prediction.probabilities[best],
            "probabilities": each.collect::<serde_json::Map<_, _>>(),
        })
    });
    let mut bytes = serde_json::to_vec_pretty(&list.collect::<Vec<_>>())?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Runs the command. A picture that cannot be read makes the exit code 1.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (named, images) = match (&args.model, args.paths.as_slice()) {
        (Some(model), images) => (model, images),
        (None, [model, images @ ..]) if !images.is_empty() => (model, images),
        _ => super::wrong_command_line(
            "no picture was named: name the model first, as in \
             `chainrule predict results/run-001 photo.jpg`",
        ),
    };
    let Opened { model, path: file, .. } = super::model::open(named)?;
    let (classes, shape) = (model.classes(), shape(&model, &file)?);
    // One picture at a time is less work than to wake a second thread for it.
    let mut predictor = Predictor::new(&model, 1)?;
    let has_folder = images.iter().any(|path| path.is_dir());
    let as_text = !args.json && args.output.is_none() && !has_folder;

    let mut code = ExitCode::SUCCESS;
    let mut refuse = |error: anyhow::Error| {
        eprintln!("error: {error:#}");
        code = ExitCode::FAILURE;
    };
    let mut predictions = vec![];
    for path in images {
        let found = pictures(path).map_err(&mut refuse).unwrap_or_default();
        for image in found {
            match predict(&mut predictor, shape, image) {
                Ok(prediction) if as_text => {
                    write!(std::io::stdout().lock(), "{}", text(&prediction, &classes))?;
                }
                Ok(prediction) => predictions.push(prediction),
                Err(error) => refuse(error),
            }
        }
    }
    if as_text || (predictions.is_empty() && code == ExitCode::FAILURE) {
        return Ok(code);
    }
    let table = if args.json { json } else { csv }(&predictions, &classes)?;
    match &args.output {
        Some(file) => write_output(file, &table)?,
        None => std::io::stdout().lock().write_all(&table)?,
    }
    Ok(code)
}
