//! `chainrule assignment`: what the assignment asks for, in one folder.

mod notebook;

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, bail};
use chainrule_graph::assignment::{self, Answer, Block, Cell, Title, Training};
use chainrule_report::Document;
use chainrule_runs::folder::is_occupied;
use serde_json::Value;

use super::write_whole;

/// Longest `summary.json` that is read, in bytes.
const MOST_SUMMARY: u64 = 1 << 18;

/// Files that a run may have, and what they show.
const RUN_FILES: [(&str, &str); 9] = [
    ("report.html", "The whole run on one page: curves, weights, mistakes, calibration, settings"),
    ("curves.svg", "Accuracy and loss across the iterations"),
    ("weights.png", "Weights of the first layer, one tile a hidden unit"),
    ("epochs.csv", "Loss and accuracy, one line an epoch"),
    ("iterations.csv", "Training loss, one line an iteration"),
    ("confusion.csv", "Confusion matrix on the test set"),
    ("config.toml", "All settings of the run"),
    ("curves.png", "The curves as PNG"),
    ("summary.json", "The figures above, for programs"),
];

/// What is said of the images that are part of the program.
const SAMPLE: &str = "the built-in sample of 1,000 images: the accuracy means nothing";

/// Arguments of `chainrule assignment`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  chainrule assignment
  chainrule assignment --run results/run-001 -o handed-in
  chainrule assignment --name 'Ada Lovelace' --course 'Machine Learning'")]
pub struct Args {
    /// The folder to fill; files of an earlier answer are replaced
    #[arg(short, long, value_name = "DIR", default_value = "results/assignment")]
    output: PathBuf,

    /// The training run for problem 4.2; without it, the newest run in results/ on CIFAR-10
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,

    /// A name under the title
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// The course, under the title
    #[arg(long, value_name = "COURSE")]
    course: Option<String>,

    /// Replace the notebook of an earlier answer, which may have been worked in
    #[arg(long)]
    force: bool,
}

/// The answer to problem 4.1, on paper.
const PAPER: &str = "problem-4.1.pdf";

/// Runs the command.
pub fn run(args: Args) -> anyhow::Result<()> {
    let folder = match args.run {
        Some(folder) => Some(folder),
        None => newest_run(Path::new("results")),
    };
    let training = folder.as_deref().map(read_run).transpose()?;
    // An earlier answer may be replaced; a run or anybody's other folder may not.
    let taken = is_occupied(&args.output).unwrap_or(false);
    if taken && !args.output.join("c-backward.svg").exists() {
        bail!(
            "{} holds something that is no earlier answer of this command: choose another folder",
            args.output.display()
        );
    }
    fs::create_dir_all(&args.output)
        .with_context(|| format!("{} could not be made", args.output.display()))?;
    let title = Title { name: args.name, course: args.course };
    let answer = assignment::work();
    for (name, content) in answer.files() {
        write_whole(&args.output.join(name), content.as_bytes())?;
    }
    write_whole(&args.output.join(PAPER), &paper(&answer, &title)?)?;
    let file = args.output.join(notebook::FILE);
    if args.force || !file.exists() {
        let notebook = notebook::write(&title, folder.as_deref(), &way_back(&args.output)?)?;
        write_whole(&file, notebook.as_bytes())?;
    } else {
        say!("kept {}, which exists already; --force replaces it", file.display());
    }
    let page = answer.page(&title, training.as_ref(), &[PAPER, notebook::FILE]);
    write_whole(&args.output.join("index.html"), page.as_bytes())?;
    if let (Some(folder), Some(training)) = (&folder, &training) {
        for (name, _) in &training.files {
            let from = folder.join(name);
            let bytes =
                fs::read(&from).with_context(|| format!("{} could not be read", from.display()))?;
            write_whole(&args.output.join(name), &bytes)?;
        }
    }
    match &folder {
        Some(folder) => say!("problem 4.2 shows the run in {}", folder.display()),
        None => say!(
            "no training run was found in results/: problem 4.2 is left open; `chainrule train` makes one"
        ),
    }
    say!("open {}", args.output.join("index.html").display());
    Ok(())
}

/// The way from a folder to the one that the program runs in: `../..`, or from the root.
fn way_back(folder: &Path) -> anyhow::Result<String> {
    let is_below = folder.components().all(|part| matches!(part, Component::Normal(_)));
    if is_below {
        return Ok(vec![".."; folder.components().count()].join("/"));
    }
    let here = std::env::current_dir().context("the working directory could not be read")?;
    Ok(here.display().to_string())
}

/// The answer to problem 4.1 as PDF.
fn paper(answer: &Answer, title: &Title) -> anyhow::Result<Vec<u8>> {
    let mut document = Document::new("Problem 4.1: computation graphs");
    if let Some(line) = title.line() {
        document.note(&line);
    }
    document.note(assignment::COMPUTED);
    for block in &answer.blocks {
        match block {
            Block::Heading { level, text, .. } => document.heading(*level, text),
            Block::Paragraph(text) => document.paragraph(text),
            Block::Figure { svg, .. } => document.figure(svg)?,
            Block::Page { .. } => {}
            Block::Table { header, rows } => {
                let cell = |cell: &Cell| match cell {
                    Cell::Text(text) => chainrule_report::Cell::text(text),
                    Cell::Number(text) => chainrule_report::Cell::number(text),
                    Cell::Value(text) => chainrule_report::Cell::value(text),
                    Cell::Gradient(text) => chainrule_report::Cell::gradient(text),
                    Cell::Math(text) => chainrule_report::Cell::math(text),
                };
                let rows: Vec<Vec<_>> =
                    rows.iter().map(|row| row.iter().map(cell).collect()).collect();
                document.table(header, &rows)?;
            }
        }
    }
    Ok(document.pdf()?)
}

/// The folder of a run on CIFAR-10 in `results` whose summary was written last; else that of a run
/// on the sample.
fn newest_run(results: &Path) -> Option<PathBuf> {
    let written = |folder: &Path| -> Option<(bool, SystemTime)> {
        let file = folder.join("summary.json");
        let text = chainrule_data::file::read_text(&file, MOST_SUMMARY).ok()?;
        let summary: Value = serde_json::from_str(&text).ok()?;
        let is_cifar10 = summary["data"] == "CIFAR-10";
        if !is_cifar10 && summary["data"] != "sample" {
            return None; // of other images; --run takes it all the same
        }
        Some((is_cifar10, fs::metadata(file).ok()?.modified().ok()?))
    };
    fs::read_dir(results)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        // What this command copies there is an answer, not a run; and the reference run, which is
        // part of the project, is nobody's answer.
        .filter(|folder| !folder.join("c-backward.svg").exists() && !folder.ends_with("reference"))
        .filter_map(|folder| Some((written(&folder)?, folder)))
        .max()
        .map(|(_, folder)| folder)
}

fn read_run(folder: &Path) -> anyhow::Result<Training> {
    let file = folder.join("summary.json");
    let text = chainrule_data::file::read_text(&file, MOST_SUMMARY).with_context(|| {
        format!(
            "{} could not be read; a run's folder has one when training has ended",
            file.display()
        )
    })?;
    let summary: Value =
        serde_json::from_str(&text).with_context(|| format!("{} is no JSON", file.display()))?;
    let mut facts = Vec::new();
    for (key, name) in [
        ("test_accuracy", "accuracy on the test set"),
        ("validation_accuracy", "best accuracy on the validation set"),
        ("train_accuracy", "accuracy on the training set"),
    ] {
        match summary[key].as_f64() {
            Some(fraction) => facts.push((name.to_owned(), format!("{:.2} %", 100.0 * fraction))),
            None if key == "test_accuracy" => {
                bail!("{} has no number test_accuracy", file.display())
            }
            None => {}
        }
    }
    for (key, name) in [
        ("test_loss", "loss on the test set"),
        ("epochs", "epochs"),
        ("iterations", "iterations"),
        ("seconds", "seconds"),
        ("seed", "seed"),
        ("data", "data"),
    ] {
        let fact = match (&summary[key], key) {
            (Value::Null, _) => continue,
            (Value::String(text), _) if text == "sample" => SAMPLE.to_owned(),
            (Value::String(text), _) => text.clone(),
            (value, "test_loss") => format!("{:.4}", value.as_f64().unwrap_or(f64::NAN)),
            (value, "seconds") => format!("{:.1}", value.as_f64().unwrap_or(f64::NAN)),
            (value, _) => value.to_string(),
        };
        facts.push((name.to_owned(), fact));
    }
    let files = RUN_FILES
        .iter()
        .filter(|(name, _)| folder.join(name).is_file())
        .map(|&(name, what)| (name.to_owned(), what.to_owned()))
        .collect();
    Ok(Training { source: folder.display().to_string(), facts, files })
}
