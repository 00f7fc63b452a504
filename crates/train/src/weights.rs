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
//! All are `F32`. A batch normalization is folded into the weights when a file is written; one of
//! PyTorch's that is not (`norm1.running_mean`, `norm1.running_var` beside them) is read. Hidden
//! units other than ReLU are named in the metadata, `activation`, by the words of a recipe. A file
//! without `input.mean` and `input.std` is taken as mean 0, deviation 255. A file of this program
//! has a checksum, to which it is held. What the network was trained on stands in the metadata too,
//! unless it is CIFAR-10: `image`, channels x height x width, and `classes`, their names as a list of
//! JSON.

use std::path::{Path, PathBuf};

use chainrule_data::{CIFAR10_CLASSES, Dataset, Images, Normalization, Shape, cifar10};
use chainrule_nn::classifier::Parameter;
use chainrule_nn::{Activation, Hidden, Norm, SoftmaxClassifier};

use crate::tensors::TensorFile;
use crate::{Error, folder};

/// A classifier, and how the pixels that it reads are normalized.
///
/// ```
/// use chainrule_data::Normalization;
/// use chainrule_nn::{Init, SoftmaxClassifier};
/// use chainrule_train::ModelFile;
///
/// let classifier = SoftmaxClassifier::new(&[3072, 10], Init::He, 0)?;
/// let normalization = Normalization::new(vec![120.0], vec![64.0])?;
/// let model = ModelFile { classifier, normalization, task: None };
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

/// The entry of the metadata that names the activation of the hidden units.
const ACTIVATION: &str = "activation";

/// A tensor as it is written: name, shape, values.
type Named<'a> = (String, Vec<usize>, &'a [f32]);

/// All parameters of a classifier.
pub(crate) fn parameters(classifier: &SoftmaxClassifier) -> impl Iterator<Item = Named<'_>> {
    let named = |p: Parameter| (p.name, p.shape, &classifier.parameters()[p.range]);
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
    /// If it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        folder::write_whole(path, &self.serialize())
    }

    /// The bytes of the file. Equal models give equal bytes.
    pub fn serialize(&self) -> Vec<u8> {
        let tensors = parameters(&self.classifier).chain(normalization(&self.normalization));
        let activation = self.classifier.hidden().activation;
        let told = (activation != Activation::default()).then(|| activation.to_string());
        let activation = told.map(|activation| (ACTIVATION, activation));
        let task = self.task.iter().flat_map(Task::metadata);
        let metadata: Vec<_> = activation.into_iter().chain(task).collect();
        TensorFile::serialize(&tensors.collect::<Vec<_>>(), &metadata)
    }

    /// The file that a path means: itself, or the best weights of a run's folder.
    pub fn locate(path: &Path) -> PathBuf {
        if path.is_dir() { path.join("model.safetensors") } else { path.to_owned() }
    }

    /// Reads a file of this program or of PyTorch, or the best weights of a run's folder.
    ///
    /// # Errors
    /// If it cannot be read, is not safetensors of f32, is damaged, or its tensors make no
    /// classifier.
    pub fn load(path: &Path) -> Result<ModelFile, Error> {
        let path = Self::locate(path);
        let file = TensorFile::load(&path)?;
        Self::from_tensors(&file).map_err(|problem| Error::Model { path, problem })
    }

    /// Reads the bytes of a file; the error says what is wrong with them.
    #[doc(hidden)]
    pub fn parse(bytes: &[u8]) -> Result<ModelFile, String> {
        Self::from_tensors(&TensorFile::read(bytes, bytes.len() as u64)?)
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
            None if outputs == CIFAR10_CLASSES.len() => CIFAR10_CLASSES.map(str::to_owned).to_vec(),
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

    fn from_tensors(file: &TensorFile) -> Result<ModelFile, String> {
        let find = |name: &str| file.tensors.get(name);
        let need = |name: &str, dimensions: usize| {
            let (shape, values) = find(name)
                .ok_or_else(|| format!("there is no tensor {name}; it holds {}", names(file)))?;
            if shape.len() != dimensions {
                return Err(format!(
                    "{name} has shape {shape:?}: expected {dimensions} dimension(s)"
                ));
            }
            Ok((shape, finite(name, values)?))
        };

        let mut widths = vec![];
        for layer in 1.. {
            let name = format!("fc{layer}.weight");
            if layer > 1 && find(&name).is_none() {
                break;
            }
            let (shape, _) = need(&name, 2)?;
            let (outputs, inputs) = (shape[0], shape[1]);
            if *widths.last().unwrap_or(&inputs) != inputs {
                return Err(format!(
                    "{name} reads {inputs} values, but the layer before it writes {}",
                    widths[widths.len() - 1]
                ));
            }
            if widths.is_empty() {
                widths.push(inputs);
            }
            widths.push(outputs);
        }
        let norm = match (find("norm1.weight"), find("norm1.running_mean")) {
            (None, _) => Norm::None,
            (Some(_), None) => Norm::Layer,
            (Some(_), Some(_)) => Norm::Batch,
        };
        let activation = file.metadata.get(ACTIVATION).map(|name| name.parse::<Activation>());
        let activation =
            activation.transpose().map_err(|error| format!("its activation: {error}"))?;
        let hidden = Hidden { norm, activation: activation.unwrap_or_default() };
        let mut classifier =
            SoftmaxClassifier::zeros_with(&widths, hidden).map_err(|e| e.to_string())?;
        for parameter in classifier.layout() {
            let (shape, values) = need(&parameter.name, parameter.shape.len())?;
            if *shape != parameter.shape {
                return Err(format!(
                    "{} has shape {shape:?}: expected {:?}",
                    parameter.name, parameter.shape
                ));
            }
            classifier.parameters_mut()[parameter.range].copy_from_slice(values);
        }
        let (mean, std) = match (find("input.mean"), find("input.std")) {
            (None, None) => (vec![0.0], vec![255.0]),
            (Some((_, mean)), Some((_, std))) => {
                (finite("input.mean", mean)?.to_vec(), finite("input.std", std)?.to_vec())
            }
            _ => return Err("of input.mean and input.std it holds one, and needs both".into()),
        };
        let contrast = match find("input.contrast") {
            None => None,
            Some((shape, values)) if *shape == [1] => Some(values[0]),
            Some((shape, _)) => {
                return Err(format!("input.contrast has shape {shape:?}: expected [1]"));
            }
        };
        let normalization = Normalization::new(mean, std)
            .and_then(|normalization| normalization.with_contrast(contrast))
            .map_err(|error| error.to_string())?;
        normalization.scale_shift(widths[0]).map_err(|error| error.to_string())?;
        let task = Task::from_metadata(file, &widths)?;
        Ok(ModelFile { classifier, normalization, task })
    }
}

/// The first names of a file, for a message.
fn names(file: &TensorFile) -> String {
    let names = file.tensors.keys().take(12).map(|name| name.escape_debug().to_string());
    let names: Vec<String> = names.collect();
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

fn finite<'a>(name: &str, values: &'a [f32]) -> Result<&'a [f32], String> {
    match values.iter().position(|x| !x.is_finite()) {
        None => Ok(values),
        Some(at) => Err(format!("{name} holds {} at position {at}: expected a number", values[at])),
    }
}

#[cfg(test)]
mod tests {
    use chainrule_nn::Init;
    use safetensors::tensor::{Dtype, TensorView};

    use super::*;

    fn model() -> ModelFile {
        let mut classifier = SoftmaxClassifier::new(&[12, 5, 3], Init::He, 1).unwrap();
        classifier.bias_mut(0)[2] = 0.25;
        let normalization = Normalization::new(vec![120.0, 121.5, 99.0], vec![60.0, 61.0, 62.5]);
        ModelFile { classifier, normalization: normalization.unwrap(), task: None }
    }

    #[test]
    fn a_model_comes_back_as_it_was_saved() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.safetensors");
        model().save(&path).unwrap();
        assert_eq!(ModelFile::load(&path).unwrap(), model());
    }

    /// Whoever opens the file elsewhere learns what the network sees, and a lie is found out.
    #[test]
    fn what_a_network_was_trained_on_comes_back_and_must_fit_it() {
        let classes = ["cat", "a \"dog\", wet", "Ωmega"].map(str::to_owned).to_vec();
        let shape = Shape { channels: 3, height: 1, width: 4 };
        let whole = ModelFile { task: Some(Task { shape, classes }), ..model() };
        assert_eq!(ModelFile::parse(&whole.serialize()).unwrap(), whole);
        assert_eq!((whole.shape(), whole.classes().len()), (Some(shape), 3));

        let refused = |change: fn(&mut Task)| {
            let mut wrong = whole.clone();
            wrong.task.as_mut().map(change);
            ModelFile::parse(&wrong.serialize()).unwrap_err()
        };
        assert_eq!(refused(|task| task.shape.width = 5), "its image is 3x1x5: expected 12 values");
        assert!(refused(|task| task.shape.channels = 2).contains("expected such as 3x32x32"));
        assert_eq!(
            refused(|task| drop(task.classes.pop())),
            "it names 2 classes, and the network tells 3 apart"
        );
        assert!(refused(|task| task.classes[1] = "cat".into()).contains("names that differ"));
        assert!(refused(|task| task.classes[1] = "\x1b[2J".into()).contains("printable"));
    }

    fn file(tensors: &[(&str, &[usize])]) -> Vec<u8> {
        let zeros = vec![0; 4096];
        let views = tensors.iter().map(|&(name, shape)| {
            let bytes = 4 * shape.iter().product::<usize>();
            (name, TensorView::new(Dtype::F32, shape.to_vec(), &zeros[..bytes]).unwrap())
        });
        safetensors::serialize(views, None).unwrap()
    }

    #[test]
    fn without_a_normalization_pixels_are_divided_by_255() {
        let bytes = file(&[("fc1.weight", &[3, 12]), ("fc1.bias", &[3])]);
        let read = ModelFile::parse(&bytes).unwrap();
        assert_eq!(
            (read.normalization.mean(), read.normalization.std()),
            (&[0.0][..], &[255.0][..])
        );
        assert_eq!(read.classifier.widths(), [12, 3]);
    }

    #[test]
    fn files_that_make_no_classifier_are_refused_by_tensor() {
        let refused = |tensors: &[(&str, &[usize])]| ModelFile::parse(&file(tensors)).unwrap_err();
        assert_eq!(refused(&[]), "there is no tensor fc1.weight; it holds none");
        let problem = refused(&[("fc1.weight", &[3, 12]), ("fc1.bias", &[4])]);
        assert_eq!(problem, "fc1.bias has shape [4]: expected [3]");
        let problem = refused(&[("fc1.weight", &[3, 12]), ("fc2.weight", &[2, 4])]);
        assert_eq!(problem, "fc2.weight reads 4 values, but the layer before it writes 3");
        let problem = refused(&[("fc1.weight", &[36])]);
        assert_eq!(problem, "fc1.weight has shape [36]: expected 2 dimension(s)");
        let one = [("fc1.weight", &[3, 12][..]), ("fc1.bias", &[3]), ("input.mean", &[1])];
        assert!(refused(&one).contains("needs both"));
        assert!(ModelFile::parse(b"not safetensors").unwrap_err().starts_with("not a safetensors"));
    }

    #[test]
    fn cutting_a_file_short_anywhere_is_an_error_and_never_a_panic() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.safetensors");
        model().save(&path).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for end in 0..whole.len() {
            assert!(ModelFile::parse(&whole[..end]).is_err(), "{end} of {} bytes", whole.len());
        }
    }
}
