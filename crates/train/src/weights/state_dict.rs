//! A state dict, as PyTorch names its tensors, as a classifier: which tensor is which parameter.
//!
//! A module is what stands before the last dot of a name; its tensors say what it is:
//!
//! | module | tensors |
//! | --- | --- |
//! | `nn.Linear` | `weight` (outputs, inputs), and `bias` (outputs) unless it was made without |
//! | `nn.BatchNorm1d` | `running_mean`, `running_var` (features), and `weight`, `bias` if it is affine |
//! | `nn.LayerNorm` | `weight`, `bias` (features) |
//!
//! A file keeps no order of modules. Linear layers are put in order by the numbers in their names,
//! and each must read what the one before it writes; a normalization finds its layer by the number
//! in its name, or by its width. If that leaves a doubt, the file is refused, and the tensor named.
//! Every tensor is used or refused, but for `num_batches_tracked`, on which no score depends.

use std::collections::{BTreeMap, BTreeSet};

use chainrule_nn::layers::norm::EPSILON;
use chainrule_nn::{Activation, Architecture, Hidden, Norm, SoftmaxClassifier};

use super::order::{Name, in_order};
use super::place::{Place, places};
use crate::tensors::TensorFile;

/// A tensor: its name in the file, shape, values.
pub(super) type Tensor<'a> = (&'a str, &'a [usize], &'a [f32]);

/// Most linear layers that are read.
const MOST_LAYERS: usize = 1001;

/// A linear layer.
pub(super) struct Linear<'a> {
    pub name: Name,
    pub weight: Tensor<'a>,
    bias: Option<Tensor<'a>>,
}

impl Linear<'_> {
    pub fn inputs(&self) -> usize {
        self.weight.1[1]
    }

    pub fn outputs(&self) -> usize {
        self.weight.1[0]
    }
}

/// A normalization.
pub(super) struct Normalizing<'a> {
    pub name: Name,
    pub width: usize,
    /// A tensor of it, for a message.
    pub tensor: &'a str,
    /// γ and β.
    affine: Option<[&'a [f32]; 2]>,
    /// Running mean and variance of a batch normalization.
    running: Option<[&'a [f32]; 2]>,
}

impl Normalizing<'_> {
    fn kind(&self) -> Norm {
        if self.running.is_some() { Norm::Batch } else { Norm::Layer }
    }
}

/// The classifier that the tensors make, but for those in `apart`, which are no parameters; and what
/// was assumed in reading it.
pub(super) fn classifier(
    file: &TensorFile,
    apart: &[&str],
    activation: Activation,
) -> Result<(SoftmaxClassifier, Vec<String>), String> {
    let (linears, norms) = modules(file, apart)?;
    let linears = in_order(linears)?;
    let mut widths = vec![linears[0].inputs()];
    widths.extend(linears.iter().map(Linear::outputs));
    let mut notes = vec![];
    let is_named_otherwise =
        |(l, linear): (usize, &Linear)| linear.name.stem != format!("fc{}", l + 1);
    if linears.len() > 1 && linears.iter().enumerate().any(is_named_otherwise) {
        let order: Vec<_> = linears.iter().map(|linear| linear.name.shown()).collect();
        notes.push(format!("its layers are taken in this order: {}", order.join(", ")));
    }

    // The normalization of each hidden layer.
    let mut of_layer: BTreeMap<usize, &Normalizing> = BTreeMap::new();
    for Place { norm, layer } in places(&norms, &linears)? {
        let norm = &norms[norm];
        let after = linears[layer].name.shown();
        if let Some(other) = of_layer.insert(layer, norm) {
            return Err(format!(
                "{} and {} both normalize the sums of {after}: expected one",
                other.tensor, norm.tensor
            ));
        }
        notes.push(match norm.kind() {
            Norm::Batch => format!(
                "{} is taken as a batch normalization between {after} and its activation",
                norm.name.shown()
            ),
            _ => format!(
                "{}, which has no running statistics, is taken as a layer normalization between \
                 {after} and its activation",
                norm.name.shown()
            ),
        });
    }
    let kind = of_layer.values().next().map_or(Norm::None, |norm| norm.kind());
    if let Some(other) = of_layer.values().find(|norm| norm.kind() != kind) {
        return Err(format!(
            "{} is of another kind than the normalization before it: expected one kind",
            other.tensor
        ));
    }
    let hidden_layers = linears.len() - 1;
    let is_partial = !of_layer.is_empty() && of_layer.len() < hidden_layers;
    if is_partial && kind == Norm::Layer {
        return Err(format!(
            "{} normalizes one hidden layer, and others have none: expected all or none",
            of_layer.values().next().expect("a normalization").tensor
        ));
    }

    let architecture = Architecture::new(&widths, Hidden { norm: kind, activation });
    let architecture = architecture.map_err(|error| error.to_string())?;
    let mut values: BTreeMap<String, Vec<f32>> = BTreeMap::new();
    for (l, linear) in linears.iter().enumerate() {
        let n = l + 1;
        let outputs = linear.outputs();
        values.insert(format!("fc{n}.weight"), linear.weight.2.to_vec());
        let bias = linear.bias.map_or_else(|| vec![0.0; outputs], |bias| bias.2.to_vec());
        if kind == Norm::None || l == hidden_layers {
            if linear.bias.is_none() {
                notes.push(format!("{} has no bias: it is taken as 0", linear.name.shown()));
            }
            values.insert(format!("fc{n}.bias"), bias);
            continue;
        }
        let norm = of_layer.get(&l);
        if kind == Norm::Layer && bias.iter().any(|&b| b != 0.0) {
            return Err(format!(
                "{} stands before a layer normalization, where there is no room for one: expected \
                 nn.Linear(..., bias=False) there",
                linear.bias.expect("a bias").0
            ));
        }
        let [gamma, beta] = match norm.and_then(|norm| norm.affine) {
            Some(affine) => affine.map(<[f32]>::to_vec),
            None if norm.is_some() => [vec![1.0; outputs], vec![0.0; outputs]],
            // One that changes nothing, in a network of which other layers are normalized.
            None => [vec![(1.0 + EPSILON as f32).sqrt(); outputs], bias.clone()],
        };
        values.insert(format!("norm{n}.weight"), gamma);
        values.insert(format!("norm{n}.bias"), beta);
        if kind == Norm::Batch {
            let (mean, variance) = match norm.and_then(|norm| norm.running) {
                // The mean of z + b, less b: the bias goes, and nothing changes.
                Some([mean, variance]) => {
                    (mean.iter().zip(&bias).map(|(m, b)| m - b).collect(), variance.to_vec())
                }
                None => (vec![0.0; outputs], vec![1.0; outputs]),
            };
            values.insert(format!("norm{n}.running_mean"), mean);
            values.insert(format!("norm{n}.running_var"), variance);
        }
    }
    let mut parameters = Vec::with_capacity(architecture.len());
    for tensor in architecture.tensors() {
        let found = values.get(&tensor.name).filter(|found| found.len() == tensor.range.len());
        parameters.extend(found.ok_or_else(|| format!("there is no tensor {}", tensor.name))?);
    }
    let mut made = SoftmaxClassifier::from_parameters(architecture, parameters);
    if is_partial {
        made = made.folded();
    }
    Ok((made, notes))
}

/// The name without what wrappers put before it: `DataParallel`, and `torch.compile`.
fn unwrapped(mut name: &str) -> &str {
    while let Some(rest) =
        ["module.", "_orig_mod."].iter().find_map(|prefix| name.strip_prefix(prefix))
    {
        name = rest;
    }
    name
}

/// The linear layers and the normalizations of a file, in the order of their names.
fn modules<'a>(
    file: &'a TensorFile,
    apart: &[&str],
) -> Result<(Vec<Linear<'a>>, Vec<Normalizing<'a>>), String> {
    let tracks = |name: &str| unwrapped(name).rsplit('.').next() == Some("num_batches_tracked");
    if let Some((name, dtype)) = file.others.iter().find(|(name, _)| !tracks(name)) {
        return Err(format!(
            "{} holds {dtype}: expected floating-point numbers, F32, F16, BF16 or F64",
            shown(name)
        ));
    }
    let mut modules: BTreeMap<&str, BTreeMap<&str, Tensor>> = BTreeMap::new();
    let names = file.tensors.iter().filter(|(name, _)| !apart.contains(&&***name) && !tracks(name));
    for (name, (shape, values)) in names {
        // A model that is one layer, such as nn.Linear(3072, 10), has tensors without a module.
        let (stem, leaf) = unwrapped(name).rsplit_once('.').unwrap_or(("", unwrapped(name)));
        if let Some(at) = values.iter().position(|x| !x.is_finite()) {
            return Err(format!(
                "{} holds {} at position {at}: expected a number",
                shown(name),
                values[at]
            ));
        }
        let tensor = (name.as_str(), shape.as_slice(), values.as_slice());
        if let Some((other, ..)) = modules.entry(stem).or_default().insert(leaf, tensor) {
            return Err(format!(
                "{} and {} are one tensor under two names: expected one",
                shown(other),
                shown(name)
            ));
        }
    }
    if let (Some(tensors), 2..) = (modules.get(""), modules.len()) {
        let (name, shape, _) = tensors.values().next().expect("a module has a tensor");
        return Err(not_understood(name, shape));
    }
    let (mut linears, mut norms) = (vec![], vec![]);
    for (stem, tensors) in &modules {
        module(stem, tensors, &mut linears, &mut norms)?;
    }
    match linears.len() {
        0 => Err(format!("there is no tensor fc1.weight; it holds {}", super::names(file))),
        n if n > MOST_LAYERS => {
            Err(format!("it holds {n} linear layers: at most {MOST_LAYERS} are read"))
        }
        _ => Ok((linears, norms)),
    }
}

/// Adds a module to those of its kind.
fn module<'a>(
    stem: &str,
    tensors: &BTreeMap<&str, Tensor<'a>>,
    linears: &mut Vec<Linear<'a>>,
    norms: &mut Vec<Normalizing<'a>>,
) -> Result<(), String> {
    let get = |leaf: &str| tensors.get(leaf).copied();
    let known = BTreeSet::from(["weight", "bias", "running_mean", "running_var"]);
    if let Some((_, (name, shape, _))) = tensors.iter().find(|(leaf, _)| !known.contains(*leaf)) {
        return Err(not_understood(name, shape));
    }
    let (weight, bias) = (get("weight"), get("bias"));
    let sized = |tensor: Tensor<'a>, width: usize| match tensor {
        (_, [n], values) if *n == width => Ok(values),
        (name, shape, _) => Err(format!("{} has shape {shape:?}: expected [{width}]", shown(name))),
    };
    let missing = |name: &str, leaf: &str| {
        format!("{} stands without {}.{leaf}: expected both", shown(name), shown(stem))
    };
    let running = match (get("running_mean"), get("running_var")) {
        (Some(mean), Some(variance)) => Some([mean, variance]),
        (None, None) => None,
        (Some((name, ..)), None) => return Err(missing(name, "running_var")),
        (None, Some((name, ..))) => return Err(missing(name, "running_mean")),
    };
    let name = Name::new(stem);
    match (weight, bias, running) {
        (Some(weight @ (_, &[outputs, inputs], _)), bias, None) => {
            if let Some(bias) = bias {
                sized(bias, outputs)?;
            }
            if inputs == 0 || outputs == 0 {
                let (tensor, shape, _) = weight;
                return Err(format!("{} has shape {shape:?}: it is empty", shown(tensor)));
            }
            linears.push(Linear { name, weight, bias });
        }
        (weight, bias, Some([mean, variance])) => {
            let width = mean.1.iter().product();
            let running = [sized(mean, width)?, sized(variance, width)?];
            if let Some(at) = running[1].iter().position(|&v| v < 0.0) {
                return Err(format!(
                    "{} holds {} at position {at}: a variance is not negative",
                    shown(variance.0),
                    running[1][at]
                ));
            }
            let affine = match (weight, bias) {
                (Some(gamma), Some(beta)) => Some([sized(gamma, width)?, sized(beta, width)?]),
                (None, None) => None,
                (Some((name, ..)), None) => return Err(missing(name, "bias")),
                (None, Some((name, ..))) => return Err(missing(name, "weight")),
            };
            norms.push(Normalizing { name, width, tensor: mean.0, affine, running: Some(running) });
        }
        (Some((tensor, &[width], gamma)), Some(beta), None) => {
            let beta = sized(beta, width)?;
            let last = stem.rsplit('.').next().unwrap_or(stem).to_ascii_lowercase();
            if last.contains("bn") || last.contains("batch") {
                return Err(missing(tensor, "running_mean and running_var"));
            }
            let affine = Some([gamma, beta]);
            norms.push(Normalizing { name, width, tensor, affine, running: None });
        }
        (Some((name, shape, _)), ..) | (None, Some((name, shape, _)), _) => {
            return Err(not_understood(name, shape));
        }
        (None, None, None) => {}
    }
    Ok(())
}

/// A name from a stranger's file, for a message.
pub(super) fn shown(name: &str) -> String {
    name.escape_debug().to_string()
}

fn not_understood(name: &str, shape: &[usize]) -> String {
    format!(
        "{}, of shape {shape:?}, is not understood: expected weight (outputs, inputs) and bias of \
         linear layers, and of normalizations weight, bias, running_mean and running_var",
        shown(name)
    )
}
