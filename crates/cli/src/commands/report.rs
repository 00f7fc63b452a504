//! `chainrule report`: a run on one page of HTML, or several compared.

use std::path::{Path, PathBuf};

use chainrule_report::{
    Command, Confusion, FirstLayer, Predictions, Report, Run, curves, page, write_weight_tiles,
};
use chainrule_tensor::Kernel;
use chainrule_train::config::Tta;
use chainrule_train::{Answers, Config, Data, Finished, ModelFile, Origin, Predictor, prepared};

use super::{check_output, explain, images, write_output, write_whole};
use crate::shell::quoting::{program, quoted, train_with};

/// The page in a run's folder.
pub(super) const REPORT: &str = "report.html";

/// Arguments of `chainrule report`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  chainrule report results/run-001                     writes results/run-001/report.html
  chainrule report results/run-001 results/run-002     compares them in report.html
  chainrule report results/seeds/* -o seeds.html
")]
pub struct Args {
    /// Folders of runs, as `chainrule train` leaves them; finished, stopped, or still training
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,
    /// The page to write; without it, report.html in the run's folder, or here if there are
    /// several runs
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Where the images lie [default: as each run had it]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// Runs the command.
pub fn run(args: Args) -> anyhow::Result<()> {
    if let Some(output) = &args.output {
        check_output(output, args.runs.iter().map(PathBuf::as_path))?;
    }
    // With a kernel that cannot be, a page without images would replace a good one.
    Kernel::isa_from_environment()?;
    let mut subjects = Vec::new();
    let mut shelf = Shelf::default();
    for folder in &args.runs {
        let mut subject = Subject::read(folder)?;
        if let (Ok(config), Some(dir)) = (&mut subject.config, &args.data_dir) {
            config.move_data(dir.clone());
        }
        let place = shelf.find(&subject);
        subjects.push((subject, place));
    }
    let mut reports = Vec::new();
    for (subject, place) in &subjects {
        reports.push(subject.report(place.clone().map(|place| &shelf.data[place]))?);
    }
    let page = page(&reports)?;
    let file = match (args.output, args.runs.as_slice()) {
        (Some(file), _) => {
            write_output(&file, page.as_bytes())?;
            file
        }
        (None, runs) => {
            let folder = if let [folder] = runs { folder } else { Path::new("") };
            write_whole(&folder.join(REPORT), page.as_bytes())?;
            folder.join(REPORT)
        }
    };
    if !super::is_standard_output(&file) {
        say!("{}", file.display());
    }
    Ok(())
}

/// Writes the pictures of a run that was on these images into its folder: its curves, the first
/// layer's weights as images, and the page with all. What cannot be written does not keep the others
/// from being written.
pub(super) fn draw(subject: &Subject, data: &Data) -> anyhow::Result<()> {
    let folder = &subject.folder;
    let curves = || -> anyhow::Result<()> {
        let curves = curves(std::slice::from_ref(&subject.run))?;
        curves.save(&folder.join("curves.svg"))?;
        Ok(curves.save(&folder.join("curves.png"))?)
    };
    let weights = || -> anyhow::Result<()> {
        let model = subject.model.as_ref().map_err(|why| anyhow::anyhow!("{why}"))?;
        let (units, shape) = (model.classifier.widths()[1], data.dataset.train.shape());
        let (path, weights) = (folder.join("weights.png"), model.classifier.weight(0));
        Ok(write_weight_tiles(&path, weights, units, shape)?)
    };
    let report = || -> anyhow::Result<()> {
        let page = page(&[subject.report(Ok(data))?])?;
        write_whole(&folder.join(REPORT), page.as_bytes())
    };
    let failed = [curves(), weights(), report()].into_iter().filter_map(Result::err);
    let failed: Vec<_> = failed.map(|error| format!("{error:#}")).collect();
    if failed.is_empty() {
        return Ok(());
    }
    anyhow::bail!(
        "the run is complete, but not all of its pictures were written: {}; once this is mended, \
         `{} train --resume {}` draws them again",
        failed.join("; "),
        program(),
        quoted(&folder.to_string_lossy())
    )
}

/// Whether all that [`draw`] writes is there.
pub(super) fn are_drawn(folder: &Path) -> bool {
    ["curves.svg", "curves.png", "weights.png", REPORT]
        .iter()
        .all(|name| folder.join(name).is_file())
}

/// The images of the runs, each set read once.
#[derive(Default)]
struct Shelf {
    data: Vec<Data>,
    read: Vec<(Config, Result<usize, String>)>,
}

impl Shelf {
    /// The place of the images that a run was on, or a sentence on why they are not to be had.
    fn find(&mut self, subject: &Subject) -> Result<usize, String> {
        let config = subject.config.as_ref().map_err(String::clone)?;
        let same = |other: &Config| other.reads_the_data_of(config);
        let place = match self.read.iter().find(|(other, _)| same(other)) {
            Some((_, place)) => place.clone(),
            None => {
                let place = match images::at_hand(config) {
                    Ok(Some(data)) => {
                        self.data.push(data);
                        Ok(self.data.len() - 1)
                    }
                    Ok(None) => Err(format!(
                        "the images are not in {}; --data-dir says where they are",
                        config.data_dir.display()
                    )),
                    Err(error) => Err(format!("{error:#}")),
                };
                self.read.push((config.clone(), place.clone()));
                place
            }
        }?;
        let origin = Origin::of(&subject.folder).map_err(|error| error.to_string())?;
        match origin.map(|origin| origin.check(&self.data[place])) {
            Some(Err(error)) => Err(error.to_string()),
            Some(Ok(())) | None => Ok(place),
        }
    }
}

/// What lies in a run's folder.
pub(super) struct Subject {
    folder: PathBuf,
    run: Run,
    /// The settings, or why they cannot be used.
    config: Result<Config, String>,
    /// The weights that were best on validation, or why there are none.
    model: Result<ModelFile, String>,
    /// What they make of the test images, where that is known already.
    test: Option<Answers>,
}

impl Subject {
    pub(super) fn read(folder: &Path) -> anyhow::Result<Subject> {
        let config = Config::from_file(&folder.join("config.toml"));
        let model = ModelFile::load(&folder.join("model.safetensors"));
        Ok(Subject {
            folder: folder.to_owned(),
            run: Run::read(folder)?,
            config: config.map_err(|error| error.to_string()),
            model: model.map_err(|error| error.to_string()),
            test: None,
        })
    }

    /// A run that has just ended.
    pub(super) fn of(folder: &Path, finished: Finished) -> Subject {
        let Finished { run, config, model, test, .. } = finished;
        Subject {
            folder: folder.to_owned(),
            run,
            config: Ok(config),
            model: Ok(model),
            test: Some(test),
        }
    }

    /// The test is of runs that have ended; before, the network is shown by validation images.
    fn set(&self) -> &'static str {
        if self.run.summary.is_some() { "test" } else { "validation" }
    }

    /// What the page tells, with what the network makes of the images, or why that is not known.
    pub(super) fn report<'a>(
        &'a self,
        data: Result<&'a Data, String>,
    ) -> anyhow::Result<Report<'a>> {
        let predictions = data.clone().and_then(|data| self.predictions(data));
        if let Err(why) = &predictions {
            note!("note: the page of {} shows no single images: {why}", self.folder.display());
        }
        let confusion = match (&predictions, &data) {
            (Ok(predictions), Ok(data)) => Some(predictions.confusion(&data.dataset.classes)),
            _ if self.run.summary.is_some() => Confusion::read(&self.folder)?,
            _ => None,
        };
        // The page of a run that goes on is made anew all the time.
        let explained = match (&self.model, &predictions, &data) {
            (Ok(model), Ok(predictions), Ok(data)) if self.run.summary.is_some() => {
                explain::of_a_run(model, &data.dataset.classes, predictions, self.set())?
            }
            _ => vec![],
        };
        let first_layer = self.model.as_ref().ok().and_then(|model| {
            Some(FirstLayer { weights: model.classifier.weight(0), shape: model.shape()? })
        });
        Ok(Report {
            run: self.run.clone(),
            first_layer,
            predictions,
            set: self.set(),
            confusion,
            explained,
            commands: self.commands(),
        })
    }

    /// What the network makes of the test images, or of the validation images of a run that has
    /// not ended; or a sentence on why that cannot be said.
    fn predictions<'a>(&self, data: &'a Data) -> Result<Predictions<'a>, String> {
        if let Some(test) = &self.test {
            let images = &data.dataset.test;
            let all = (0..images.len() as u32).collect();
            return Ok(Predictions::new(images, all, test.probabilities()));
        }
        let sentence = |error: &dyn std::fmt::Display| error.to_string();
        let mut config = self.config.clone()?;
        let model = self.model.as_ref().map_err(String::clone)?;
        let file = self.folder.join("model.safetensors");
        let dataset = &data.dataset;
        model.check_images(&file, &dataset.train).map_err(|error| sentence(&error))?;
        let (images, rows): (_, Vec<u32>) = match self.run.summary {
            Some(_) => (&dataset.test, (0..dataset.test.len() as u32).collect()),
            None => {
                config.validation = data.validation(config.validation);
                let split = prepared::split(&config, dataset.train.len());
                (&dataset.train, split.map_err(|error| sentence(&error))?.validation)
            }
        };
        if rows.is_empty() {
            return Err(format!("the run has no {} images", self.set()));
        }
        // Of a run beside others no more threads than it had.
        let threads = chainrule_train::threads(0).min(config.threads.max(1));
        let tta = if self.run.summary.is_some() { config.tta } else { Tta::NONE };
        let answers = Predictor::new(model, threads)
            .and_then(|mut predictor| predictor.ask(images, &rows, tta))
            .map_err(|error| format!("{}: {error}", file.display()))?;
        let probabilities = answers.probabilities();
        let predictions = Predictions::new(images, rows, probabilities);
        match self.run.test_accuracy {
            // Other kernels round a few images to the other side, and no more.
            Some(told) if (predictions.accuracy() - told).abs() > 0.002 => Err(format!(
                "{} gets {:.2} % of the test images right, and the run had {:.2} %: these are not \
                 its weights",
                file.display(),
                100.0 * predictions.accuracy(),
                100.0 * told
            )),
            _ => Ok(predictions),
        }
    }

    /// The run again: by its file of settings, and without it.
    fn commands(&self) -> Vec<Command> {
        if let Some(model) = self.model.as_ref().ok().filter(|model| !model.members.is_empty()) {
            let members: Vec<String> = model.members.iter().map(|member| quoted(member)).collect();
            return vec![Command {
                about: "To make this ensemble again from its members:".into(),
                line: format!(
                    "chainrule ensemble {} --out {}",
                    members.join(" "),
                    quoted(&self.folder.to_string_lossy())
                ),
            }];
        }
        let recipe = self.folder.join("config.toml");
        let mut commands = vec![Command {
            about: "To repeat this run exactly, from its file of settings:".into(),
            line: format!("chainrule train --recipe {}", quoted(&recipe.to_string_lossy())),
        }];
        if let Some(line) = train_with(settings_of(&self.run)) {
            commands.push(Command { about: "Or from the settings alone:".into(), line });
        }
        commands
    }
}

/// The settings of a run, without what `config.toml` tells of where it ran.
fn settings_of(run: &Run) -> impl Iterator<Item = (&str, &str)> {
    let settings = run.settings.iter().filter(|(key, _)| !key.contains('.'));
    settings.map(|(key, value)| (key.as_str(), value.as_str()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::commands::train;

    #[derive(Parser)]
    struct Train {
        #[command(flatten)]
        args: train::Args,
    }

    /// Whatever the settings, the flags that the page shows must say the same.
    #[test]
    fn the_command_on_the_page_gives_the_settings_of_the_run() {
        let dir = tempfile::tempdir().unwrap();
        let mut odd = Config {
            hidden_dim: vec![300, 20],
            clip_norm: Some(f64::INFINITY),
            max_steps: Some(7),
            shuffle: false,
            flip: true,
            init_from: Some("it's a \"model\" of $HOME.safetensors".into()),
            ..Config::default()
        };
        odd.learning_rate = 1e-7;
        let linear = Config { hidden_dim: vec![], ..Config::default() };
        for config in [Config::default(), odd, linear] {
            let settings = toml::to_string(&config).unwrap();
            let provenance = "\n[provenance]\nchainrule = \"0.1.0\"\n";
            std::fs::write(dir.path().join("config.toml"), settings + provenance).unwrap();
            let line = train_with(settings_of(&Run::read(dir.path()).unwrap())).unwrap();
            let words = line.strip_prefix("chainrule ").unwrap();
            // A shell takes the words apart, and no other program would do.
            let script = format!("printf '%s\\n' {words}");
            let said = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
            let said = String::from_utf8(said.stdout).unwrap();
            assert_eq!(Train::parse_from(said.lines()).args.config().unwrap(), config, "{line}");
        }
    }

    /// The page of an older run, of which `chainrule report` makes one anew, has the command too.
    #[test]
    fn the_command_on_the_page_knows_the_names_that_settings_had_once() {
        let dir = tempfile::tempdir().unwrap();
        let old = "optimiser = \"adam\"\nnormalise = \"channel\"\naverage = 0.9\nwatch = true\n\
                   test_flips = true\nlr_decay = 0.7\nschedule = \"exponential\"\n";
        std::fs::write(dir.path().join("config.toml"), old).unwrap();
        let line = train_with(settings_of(&Run::read(dir.path()).unwrap())).unwrap();
        let parsed = Train::parse_from(line.strip_prefix("chainrule ").unwrap().split(' '));
        assert_eq!(parsed.args.config().unwrap(), Config::from_toml(old).unwrap(), "{line}");
    }

    #[test]
    fn a_setting_without_a_flag_leaves_only_the_file_to_repeat_the_run_by() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("config.toml"), "seed = 1\nof_tomorrow = 2\n").unwrap();
        assert_eq!(train_with(settings_of(&Run::read(dir.path()).unwrap())), None);
    }
}
