//! Whether the images at hand are those that a run was on.
//!
//! A run writes down the SHA-256 of its images. A network that is tested on other images may have
//! been trained on some of them, so that the figure means nothing; whoever reads the images of a run
//! again asks here.

use std::path::{Path, PathBuf};

use chainrule_data::{Split, file};
use chainrule_runs::folder::{CONFIG, is_of_run};

use crate::{Config, Data, Error, config, prepared};

/// Longest `config.toml` that is read, in bytes.
const MOST_TEXT: u64 = 1 << 18;

/// The run that a model file lies in the folder of.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The folder.
    pub folder: PathBuf,
    /// The settings of the run.
    pub config: Config,
    images: Recorded,
}

/// What a run has written down of its images, as far as its version did.
#[derive(Clone, Debug, Default)]
struct Recorded {
    name: Option<String>,
    sha256: Option<String>,
    /// Images to train on, validation among them, and images to test with.
    counts: Option<[i64; 2]>,
}

/// How the images at hand stand to those of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sameness {
    /// They are the same, to the bit, in the same order.
    Same,
    /// They are not; what differs, as a sentence.
    Other(String),
    /// The run has written nothing down of them.
    Unknown,
}

impl Origin {
    /// The run that `model` belongs to, a run's folder or a file in it; none, if the folder holds no
    /// settings of a run. Settings without a record of the images, such as a recipe, will do: then
    /// [`Origin::compare`] does not know.
    ///
    /// # Errors
    /// If there are settings of a run, and they cannot be read.
    pub fn of(model: &Path) -> Result<Option<Origin>, Error> {
        let folder = if model.is_dir() { Some(model) } else { model.parent() };
        let Some(folder) = folder.map(Path::to_owned) else { return Ok(None) };
        let path = folder.join(CONFIG);
        // Other programs write files of this name too; but what is left of a run must have them.
        let is_run = is_of_run(&folder);
        let text = match file::read_text(&path, MOST_TEXT) {
            Err(error) if is_run => return Err(Error::file("read", &path)(error)),
            Err(_) => return Ok(None),
            Ok(text) if is_run && text.trim().is_empty() => {
                let problem = "it is empty, and the settings of the run belong there".into();
                return Err(Error::Model { path, problem });
            }
            Ok(text) => text,
        };
        let config = match Config::from_file(&path) {
            Err(_) if !is_run && !text.contains(&format!("[{}]", config::PROVENANCE)) => {
                return Ok(None);
            }
            config => config?,
        };
        let mut table = config::table(&text).unwrap_or_default();
        let images = match table.remove(config::PROVENANCE) {
            Some(toml::Value::Table(provenance)) => {
                let text = |key| Some(provenance.get(key)?.as_str()?.to_owned());
                let count = |key| provenance.get(key)?.as_integer();
                let counts = count("train_images").zip(count("test_images"));
                Recorded {
                    name: text("data"),
                    sha256: text("data_sha256"),
                    counts: counts.map(|(train, test)| [train, test]),
                }
            }
            _ => Recorded::default(),
        };
        Ok(Some(Origin { folder, config, images }))
    }

    /// The SHA-256 of the images of the run, if it has written it down.
    pub fn data_sha256(&self) -> Option<&str> {
        self.images.sha256.as_deref()
    }

    /// The training images of the run, those for validation among them, if it has counted them.
    pub(crate) fn train_images(&self) -> Option<usize> {
        self.images.counts.and_then(|[train, _]| usize::try_from(train).ok())
    }

    /// How the images at hand stand to those of the run.
    pub fn compare(&self, data: &Data) -> Sameness {
        let Some(sha256) = &self.images.sha256 else { return Sameness::Unknown };
        let found = data.sha256();
        if *sha256 == found {
            return Sameness::Same;
        }
        let counted = |name: &str, counts: Option<[i64; 2]>| match counts {
            Some([train, test]) => {
                format!("{name} with {train} images to train on and {test} to test with")
            }
            None => name.to_owned(),
        };
        let recorded = self.images.name.as_deref().unwrap_or("images");
        let dataset = &data.dataset;
        let here = [&dataset.train, &dataset.test].map(|images| images.len() as i64);
        Sameness::Other(format!(
            "the images at hand are not those of the run in {}: it was on {} (SHA-256 {}...), and \
             these are {} (SHA-256 {}...)",
            self.folder.display(),
            counted(recorded, self.images.counts),
            sha256.get(..12).unwrap_or(sha256),
            counted(&data.source, Some(here)),
            &found[..12]
        ))
    }

    /// How the run split these images, if they are its own.
    ///
    /// # Errors
    /// If nothing is left to train on.
    pub fn split(&self, data: &Data) -> Result<Split, Error> {
        let validation = data.validation(self.config.validation);
        prepared::split(&Config { validation, ..self.config.clone() }, data.dataset.train.len())
    }

    /// Refuses images that are not those of the run.
    ///
    /// # Errors
    /// [`Error::OtherImages`].
    pub fn check(&self, data: &Data) -> Result<(), Error> {
        match self.compare(data) {
            Sameness::Other(what) => Err(Error::OtherImages(what)),
            Sameness::Same | Sameness::Unknown => Ok(()),
        }
    }
}
