//! A model file: safetensors that PyTorch's `load_state_dict` takes, and the normalization of
//! the input beside them.
//!
//! | tensor | shape | |
//! | --- | --- | --- |
//! | `fc1.weight`, `fc2.weight`, … | (outputs, inputs) | as in PyTorch's `nn.Linear` |
//! | `fc1.bias`, `fc2.bias`, … | (outputs) | |
//! | `input.mean`, `input.std` | (1), (channels) or (inputs) | in pixel units, 0 to 255 |
//! | `norm1.weight`, `norm1.bias`, … | (outputs) | of a layer normalization, as in PyTorch's `nn.LayerNorm`; `fc1.bias` is then left out |
//! | `input.contrast` | (1) | ε of a per-image contrast normalization, if there is one: x becomes (x - m) / √(v + ε), m and v the mean and variance of all pixels of the image, and `input.mean` and `input.std` are of the result |
//!
//! All are written as `F32`, with a checksum, to which the file is held. A batch normalization is
//! folded into the weights. Hidden units other than ReLU are named in the metadata, `activation`, by
//! the words of a recipe. What the network was trained on stands in the metadata too, unless it is
//! CIFAR-10: `image`, channels x height x width, and `classes`, their names as a list of JSON. An
//! ensemble that was made one network names its `members`, the files, as a list of JSON.
//!
//! Files of PyTorch are read as they are written, and [`Opened`] says what was assumed:
//!
//! | module | what it holds |
//! | --- | --- |
//! | `state_dict` | which tensor is which parameter |
//! | `order` | the order of the layers, by numbers and widths |
//! | `place` | the layer of each normalization |
//! | `input` | the normalization of the input; a file without one is taken as mean 0, std 255 |

use std::path::{Path, PathBuf};

use chainrule_data::{CIFAR10_CLASSES, Dataset, Images, Normalization, Shape, cifar10};
use chainrule_nn::architecture::TensorSpec;
use chainrule_nn::{Activation, SoftmaxClassifier};

use crate::Error;
use crate::tensors::{STATE, TensorFile};

mod input;
mod module;
mod order;
mod place;
mod state_dict;

/// A classifier, and how the pixels that it reads are normalized.
///
/// ```
/// use chainrule_data::Normalization;
/// use chainrule_nn::{Init, SoftmaxClassifier};
/// use chainrule_train::ModelFile;
///
/// let classifier = SoftmaxClassifier::new(&[3072, 10], Init::He, 0)?;
/// let normalization = Normalization::new(vec![120.0], vec![64.0])?;
/// let model = ModelFile { classifier, normalization, task: None, members: vec![] };
/// assert_eq!(ModelFile::parse(&model.serialize())?, model); // safetensors, and back
/// assert_eq!(model.classes()[3], "cat");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ModelFile {
    /// Weights and biases.
    pub classifier: SoftmaxClassifier,
    /// Mean and deviation, in pixel units.
    pub normalization: Normalization,
    /// What it was trained on, if the file says so; CIFAR-10 needs no saying.
    pub task: Option<Task>,
    /// If it is an ensemble as one network, the files that it was made of; empty otherwise.
    pub members: Vec<String>,
}

/// A model file that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Opened {
    /// The file.
    pub path: PathBuf,
    /// What it holds.
    pub model: ModelFile,
    /// Notes for the user on how it was read.
    pub remarks: Vec<Remark>,
}

/// What was assumed in reading a model file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// Whether it is likely to be wrong.
    pub is_warning: bool,
    /// The sentence, without the file's name.
    pub text: String,
}

/// Which images a network reads, and which classes it tells apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The shape of an image.
    pub shape: Shape,
    /// The names of the classes, in the order of the labels.
    pub classes: Vec<String>,
}

impl Task {
    /// The task that a set of images poses; none, if it is that of CIFAR-10.
    pub fn of(dataset: &Dataset) -> Option<Task> {
        let task = Task { shape: dataset.train.shape(), classes: dataset.classes.clone() };
        (task.shape != cifar10::SHAPE || task.classes != CIFAR10_CLASSES).then_some(task)
    }

    /// The entries of the metadata that say so.
    fn metadata(&self) -> [(&'static str, String); 2] {
        let Shape { channels, height, width } = self.shape;
        let classes = serde_json::to_string(&self.classes).expect("a list of texts");
        [(IMAGE, format!("{channels}x{height}x{width}")), (CLASSES, classes)]
    }

    /// Reads the entries of the metadata of a network of these widths.
    fn from_metadata(file: &TensorFile, widths: &[usize]) -> Result<Option<Task>, String> {
        let (image, classes) = match (file.metadata.get(IMAGE), file.metadata.get(CLASSES)) {
            (None, None) => return Ok(None),
            (Some(image), Some(classes)) => (image, classes),
            _ => return Err(format!("of {IMAGE} and {CLASSES} it holds one, and needs both")),
        };
        let sides: Vec<Option<usize>> = image.split('x').map(|side| side.parse().ok()).collect();
        let shape = match sides[..] {
            [Some(channels @ (1 | 3)), Some(height), Some(width)] => {
                Shape { channels, height, width }
            }
            _ => return Err(format!("its {IMAGE} is {image:?}: expected such as 3x32x32")),
        };
        let values =
            shape.height.checked_mul(shape.width).and_then(|n| n.checked_mul(shape.channels));
        let (inputs, outputs) = (widths[0], widths[widths.len() - 1]);
        if values != Some(inputs) {
            return Err(format!("its {IMAGE} is {image}: expected {inputs} values"));
        }
        let classes: Vec<String> =
            serde_json::from_str(classes).map_err(|error| format!("its {CLASSES}: {error}"))?;
        if classes.len() != outputs {
            return Err(format!(
                "it names {} classes, and the network tells {outputs} apart",
                classes.len()
            ));
        }
        let is_plain = |name: &String| !name.is_empty() && !name.chars().any(char::is_control);
        let distinct = classes.iter().collect::<std::collections::BTreeSet<_>>().len();
        if !classes.iter().all(is_plain) || distinct < classes.len() {
            return Err(format!(
                "its {CLASSES} are {classes:?}: expected names that differ, of printable characters"
            ));
        }
        Ok(Some(Task { shape, classes }))
    }
}

/// The entries of the metadata that tell the task.
const IMAGE: &str = "image";
const CLASSES: &str = "classes";

/// The entry of the metadata that names the files of which an ensemble was made.
const MEMBERS: &str = "members";

/// The tensors that are no parameters.
const INPUT: [&str; 3] = ["input.mean", "input.std", "input.contrast"];

/// The entry of the metadata that names the activation of the hidden units.
const ACTIVATION: &str = "activation";

/// A tensor as it is written: name, shape, values.
type Named<'a> = (String, Vec<usize>, &'a [f32]);

/// All parameters of a classifier.
pub(crate) fn parameters(classifier: &SoftmaxClassifier) -> impl Iterator<Item = Named<'_>> {
    let named = |p: TensorSpec| (p.name, p.shape, &classifier.parameters()[p.range]);
    classifier.layout().into_iter().map(named)
}

/// The tensors of a normalization.
pub(crate) fn normalization(of: &Normalization) -> impl Iterator<Item = Named<'_>> {
    let named = [("input.mean", of.mean()), ("input.std", of.std())];
    let contrast = of.contrast().map(|contrast| ("input.contrast", std::slice::from_ref(contrast)));
    let all = named.into_iter().chain(contrast);
    all.map(|(name, values)| (name.to_owned(), vec![values.len()], values))
}

impl ModelFile {
    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// If it cannot be written, or not read back.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let (tensors, metadata) = self.content();
        TensorFile::save(path, &tensors, &metadata)
    }

    /// The bytes of the file. Equal models give equal bytes.
    pub fn serialize(&self) -> Vec<u8> {
        let (tensors, metadata) = self.content();
        TensorFile::serialize(&tensors, &metadata)
    }

    /// The tensors and the metadata of the file.
    fn content(&self) -> (Vec<Named<'_>>, Vec<(&'static str, String)>) {
        let tensors = parameters(&self.classifier).chain(normalization(&self.normalization));
        let activation = self.classifier.hidden().activation;
        let told = (activation != Activation::default()).then(|| activation.to_string());
        let activation = told.map(|activation| (ACTIVATION, activation));
        let task = self.task.iter().flat_map(Task::metadata);
        let members = (!self.members.is_empty())
            .then(|| (MEMBERS, serde_json::to_string(&self.members).expect("a list of texts")));
        (tensors.collect(), activation.into_iter().chain(task).chain(members).collect())
    }

    /// The file that a path means: itself, or the best weights of a run's folder.
    pub fn locate(path: &Path) -> PathBuf {
        if path.is_dir() { path.join("model.safetensors") } else { path.to_owned() }
    }

    /// Reads a file of this program or of PyTorch, or the best weights of a run's folder. What was
    /// assumed in reading it is left unsaid: [`ModelFile::open`] says it.
    ///
    /// # Errors
    /// If it cannot be read, is not safetensors, is damaged, or its tensors make no classifier.
    pub fn load(path: &Path) -> Result<ModelFile, Error> {
        Ok(Self::open(path)?.model)
    }

    /// [`ModelFile::load`], with notes for the user on how the file was read.
    ///
    /// # Errors
    /// As [`ModelFile::load`].
    pub fn open(path: &Path) -> Result<Opened, Error> {
        let (named, path) = (path, Self::locate(path));
        if named.is_dir() && path.symlink_metadata().is_err() {
            let problem = "it holds no model.safetensors: expected the folder of a run, or a \
                           safetensors file";
            return Err(Error::Model { path: named.to_owned(), problem: problem.into() });
        }
        let file = TensorFile::load(&path)?;
        match Self::from_tensors(&file) {
            Ok((model, remarks)) => Ok(Opened { path, model, remarks }),
            Err(problem) => Err(Error::Model { path, problem }),
        }
    }

    /// Reads the bytes of a file; the error says what is wrong with them.
    #[doc(hidden)]
    pub fn parse(bytes: &[u8]) -> Result<ModelFile, String> {
        let file = TensorFile::read(bytes, bytes.len() as u64)?;
        Ok(Self::from_tensors(&file)?.0)
    }

    /// The shape of the images that the network reads, if that is known.
    pub fn shape(&self) -> Option<Shape> {
        let is_cifar10 = self.classifier.widths()[0] == cifar10::SHAPE.dim();
        match &self.task {
            Some(task) => Some(task.shape),
            None => is_cifar10.then_some(cifar10::SHAPE),
        }
    }

    /// The names of the classes; those of CIFAR-10, or numbers, where the file has none.
    pub fn classes(&self) -> Vec<String> {
        let outputs = self.classifier.widths().last().copied().unwrap_or_default();
        match &self.task {
            Some(task) => task.classes.clone(),
            None if self.shape() == Some(cifar10::SHAPE) && outputs == CIFAR10_CLASSES.len() => {
                CIFAR10_CLASSES.map(str::to_owned).to_vec()
            }
            None => (0..outputs).map(|i| format!("class {i}")).collect(),
        }
    }

    /// Whether the network, read from `path`, is one for these images.
    ///
    /// # Errors
    /// If it reads another number of values or knows another number of classes.
    pub fn check_images(&self, path: &Path, images: &Images) -> Result<(), Error> {
        let widths = self.classifier.widths();
        let (inputs, classes) = (widths[0], widths[widths.len() - 1]);
        if (inputs, classes) == (images.dim(), images.classes()) {
            return Ok(());
        }
        let problem = format!(
            "it reads {inputs} values and knows {classes} classes: the images have {} and {}",
            images.dim(),
            images.classes()
        );
        Err(Error::Model { path: path.to_owned(), problem })
    }

    fn from_tensors(file: &TensorFile) -> Result<(ModelFile, Vec<Remark>), String> {
        if file.metadata.contains_key(STATE) {
            return Err("it is a checkpoint of a run: expected the weights, which are in \
                        model.safetensors and last.safetensors beside it"
                .into());
        }
        let activation = file.metadata.get(ACTIVATION).map(|name| name.parse::<Activation>());
        let activation =
            activation.transpose().map_err(|error| format!("its activation: {error}"))?;
        let (classifier, assumed) =
            state_dict::classifier(file, &INPUT, activation.unwrap_or_default())?;
        let widths = classifier.widths().to_vec();
        let (normalization, units) = input::normalization(file, widths[0])?;
        let task = Task::from_metadata(file, &widths)?;
        let members = file.metadata.get(MEMBERS).map(|list| serde_json::from_str(list));
        let members = members.transpose().map_err(|error| format!("its {MEMBERS}: {error}"))?;
        let members = members.unwrap_or_default();
        let mut remarks = vec![];
        // A file with a checksum is of this program, which leaves out what is the default.
        if !file.proved {
            let note = |text: String| Remark { is_warning: false, text };
            remarks.extend(assumed.into_iter().map(note));
            remarks.extend(file.converted.iter().map(|(dtype, n)| {
                note(format!("{n} of its tensors hold {dtype}, and were converted to F32"))
            }));
            if activation.is_none() && widths.len() > 2 {
                let text = "its metadata names no activation: it is taken as relu";
                remarks.push(note(text.into()));
            }
            remarks.extend(units);
        }
        Ok((ModelFile { classifier, normalization, task, members }, remarks))
    }
}

/// The first names of a file, for a message.
fn names(file: &TensorFile) -> String {
    let names = file.tensors.keys().take(12).map(|name| name.escape_debug().to_string());
    let names: Vec<String> = names.collect();
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

#[cfg(test)]
mod tests;
