//! The modules of a state dict, as PyTorch names their tensors.
//!
//! A module is what stands before the last dot of a name; its tensors say what it is:
//!
//! | module | tensors |
//! | --- | --- |
//! | `nn.Linear` | `weight` (outputs, inputs), and `bias` (outputs) unless it was made without |
//! | `nn.BatchNorm1d` | `running_mean`, `running_var` (features), and `weight`, `bias` if it is affine |
//! | `nn.LayerNorm` | `weight`, `bias` (features) |
//!
//! Every tensor is used or refused, but for `num_batches_tracked`, on which no score depends.

use std::collections::{BTreeMap, BTreeSet};

use chainrule_nn::Norm;

use crate::tensors::TensorFile;

/// A tensor: its name in the file, shape, values.
pub(super) type Tensor<'a> = (&'a str, &'a [usize], &'a [f32]);

/// Most linear layers that are read.
const MOST_LAYERS: usize = 1001;

/// A linear layer.
pub(super) struct Linear<'a> {
    pub name: Name,
    pub weight: Tensor<'a>,
    pub bias: Option<Tensor<'a>>,
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
    pub affine: Option<[&'a [f32]; 2]>,
    /// Running mean and variance of a batch normalization.
    pub running: Option<[&'a [f32]; 2]>,
}

impl Normalizing<'_> {
    pub fn kind(&self) -> Norm {
        if self.running.is_some() { Norm::Batch } else { Norm::Layer }
    }
}

/// The name of a module, its numbers apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// Such as `layers.0.fc`.
    pub stem: String,
    /// Such as `layers.#.fc`.
    pub pattern: String,
    /// Such as [0].
    pub numbers: Vec<u64>,
}

impl Name {
    pub fn new(stem: &str) -> Name {
        let (mut pattern, mut numbers) = (String::new(), vec![]);
        let mut rest = stem;
        while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
            let digits = &rest[start..];
            let length = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
            pattern.push_str(&rest[..start]);
            pattern.push('#');
            numbers.push(digits[..length].parse().unwrap_or(u64::MAX));
            rest = &digits[length..];
        }
        pattern.push_str(rest);
        Name { stem: stem.to_owned(), pattern, numbers }
    }

    /// For a message.
    pub fn shown(&self) -> String {
        if self.stem.is_empty() { "its layer".into() } else { shown(&self.stem) }
    }

    /// Whether it is a place in a list, such as `0` of an `nn.Sequential`.
    pub fn is_position(&self) -> bool {
        self.pattern == "#" || self.pattern.ends_with(".#")
    }
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
pub(super) fn modules<'a>(
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

/// A name from an untrusted file, for a message.
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
