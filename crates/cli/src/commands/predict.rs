//! `chainrule predict`: what a saved model sees in pictures of one's own.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use chainrule_data::{Images, Shape, folder, picture};
use chainrule_report::{Explained, explanation_page};
use chainrule_train::config::Tta;
use chainrule_train::explain::saliency::SmoothGrad;
use chainrule_train::{Error, Explanation, ModelFile, Opened, Predictor};

use super::explain::Explaining;
use super::{check_output, write_output};
use crate::shell::quoting::printable;

/// Most pictures on the page of `--explain`.
const MOST_EXPLAINED: usize = 100;

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

With --explain FILE a page of HTML shows what the network looks at in each picture: the gradient of
the answer's score by the pixels, gradient x input, SmoothGrad, the smallest step of the fast
gradient sign method that changes the answer, and the hidden units that decided. With --json the
numbers stand under \"explanation\": gradients as lists, channel by channel, each row by row.

Examples:
  chainrule predict results/run-001 photo.jpg
  chainrule predict results/run-001 photo.jpg --explain photo.html
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
    /// Write a page that shows what the network looks at in each picture, of at most 100
    #[arg(long, value_name = "FILE")]
    explain: Option<PathBuf>,
    /// How many noisy copies of a picture SmoothGrad averages over
    #[arg(long, value_name = "N", default_value_t = SmoothGrad::default().samples,
          value_parser = samples, requires = "explain")]
    samples: usize,
    /// Standard deviation of that noise, as a share of the range of the picture's values
    #[arg(long, value_name = "SHARE", default_value_t = SmoothGrad::default().noise,
          value_parser = noise, requires = "explain")]
    noise: f64,
    /// What that noise depends on
    #[arg(long, value_name = "N", default_value_t = 0, requires = "explain")]
    seed: u64,
}

fn samples(word: &str) -> Result<usize, String> {
    word.parse().ok().filter(|n| (1..=10_000).contains(n)).ok_or("expected 1 to 10000".into())
}

fn noise(word: &str) -> Result<f64, String> {
    let number = word.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    number.ok_or("expected a number from 0 to 1".into())
}

/// What the network makes of a picture.
struct Prediction {
    image: PathBuf,
    /// Of each class, from 0 to 1.
    probabilities: Vec<f32>,
    explanation: Option<Explanation>,
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

/// A model that is asked, and, for `--explain`, the pictures of its page so far.
struct Asked {
    predictor: Predictor,
    shape: Shape,
    explaining: Option<Explaining>,
    page: Vec<Explained>,
}

impl Asked {
    fn predict(&mut self, image: PathBuf) -> anyhow::Result<Prediction> {
        let images = Images::new(picture::read(&image, self.shape)?, vec![0], self.shape, 1)?;
        let in_words = |error| match error {
            Error::Scores { .. } => anyhow::anyhow!(
                "{}: the scores of the network are not finite numbers",
                image.display()
            ),
            error => error.into(),
        };
        let answers = self.predictor.ask(&images, &[0], Tta::NONE).map_err(in_words)?;
        let mut explanation = None;
        if let Some(explaining) = &mut self.explaining {
            let found = explaining.explain(&images, 0).map_err(in_words)?;
            let pixels = (images.image(0), self.shape);
            let name = image.display().to_string();
            self.page.push(explaining.shown(&found, pixels, name, None));
            explanation = Some(found);
        }
        Ok(Prediction { image, probabilities: answers.probabilities(), explanation })
    }
}

/// The pictures that a path means: itself, or those of a folder.
fn pictures(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let files = folder::pictures(path)?;
    if files.is_empty() {
        bail!(
            "{} holds no picture (folders within it are not looked into: name them, as in {})",
            path.display(),
            path.join("*").display()
        );
    }
    Ok(files)
}

/// The widths of a network: 3072 → 100 → 10.
fn description(model: &ModelFile) -> String {
    let widths = model.classifier.widths().iter().map(usize::to_string);
    widths.collect::<Vec<_>>().join(" → ")
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
    let adversarial = prediction.explanation.as_ref().map(|found| &found.adversarial);
    match adversarial {
        None => {}
        Some(None) => text += "  no equal change of every value makes it another class\n",
        Some(Some(adversarial)) => {
            let levels = if adversarial.step == 1 { "level" } else { "levels" };
            text += &format!(
                "  a change of every value by {} {levels} of 255 makes it {} ({:.2} %)\n",
                adversarial.step,
                classes[adversarial.class],
                100.0 * adversarial.probability
            );
        }
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

fn json(
    predictions: &[Prediction],
    classes: &[String],
    explaining: Option<&Explaining>,
) -> anyhow::Result<Vec<u8>> {
    let list = predictions.iter().map(|prediction| {
        let best = prediction.best();
        let each = classes.iter().cloned().zip(prediction.probabilities.iter().map(|&p| p.into()));
        let mut record = serde_json::json!({
            "image": prediction.image.to_string_lossy(),
            "class": classes[best],
            "probability": prediction.probabilities[best],
            "probabilities": each.collect::<serde_json::Map<_, _>>(),
        });
        if let (Some(explaining), Some(found)) = (explaining, &prediction.explanation) {
            record["explanation"] = explaining.json(found);
        }
        record
    });
    let list: Vec<_> = list.collect();
    // A line for each number of a gradient helps nobody.
    let mut bytes = match explaining {
        Some(_) => serde_json::to_vec(&list)?,
        None => serde_json::to_vec_pretty(&list)?,
    };
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
    if args.explain.as_deref().is_some_and(super::is_standard_output) {
        super::wrong_command_line("--explain writes a page: name a file for it, as in page.html");
    }
    let smooth = SmoothGrad { samples: args.samples, noise: args.noise, seed: args.seed };
    let explaining = args.explain.as_ref();
    let explaining = explaining.map(|_| Explaining::new(&model, classes.clone(), smooth));
    let mut asked = Asked {
        // One picture at a time is less work than to wake a second thread for it.
        predictor: Predictor::new(&model, 1)?,
        shape,
        explaining: explaining.transpose()?,
        page: vec![],
    };
    let has_folder = images.iter().any(|path| path.is_dir());
    let as_text = !args.json && args.output.is_none() && !has_folder;

    let mut code = ExitCode::SUCCESS;
    let mut refuse = |error: anyhow::Error| {
        eprintln!("error: {}", printable(&format!("{error:#}")));
        code = ExitCode::FAILURE;
    };
    let found = images.iter().map(|path| pictures(path).map_err(&mut refuse).unwrap_or_default());
    let found: Vec<PathBuf> = found.flatten().collect();
    if args.explain.is_some() && found.len() > MOST_EXPLAINED {
        bail!(
            "--explain shows at most {MOST_EXPLAINED} pictures on a page, and these are {}",
            found.len()
        );
    }
    let inputs = || [named, &file].into_iter().chain(images).chain(&found).map(PathBuf::as_path);
    let outputs = args.output.iter().chain(&args.explain);
    outputs.into_iter().try_for_each(|output| check_output(output, inputs()))?;
    let mut predictions = vec![];
    for image in found {
        match asked.predict(image) {
            Ok(prediction) if as_text => {
                write!(std::io::stdout().lock(), "{}", text(&prediction, &classes))?;
            }
            Ok(prediction) => predictions.push(prediction),
            Err(error) => refuse(error),
        }
    }
    if let Some(page) = args.explain.as_ref().filter(|_| !asked.page.is_empty()) {
        let about = format!("{}, {}", file.display(), description(&model));
        write_output(page, explanation_page(&about, &asked.page)?.as_bytes())?;
        note!("{}", page.display());
    }
    if as_text || (predictions.is_empty() && code == ExitCode::FAILURE) {
        return Ok(code);
    }
    let table = match args.json {
        true => json(&predictions, &classes, asked.explaining.as_ref())?,
        false => csv(&predictions, &classes)?,
    };
    match &args.output {
        Some(file) => write_output(file, &table)?,
        None => std::io::stdout().lock().write_all(&table)?,
    }
    Ok(code)
}
