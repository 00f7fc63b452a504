//! A state dict of PyTorch as a classifier: which module is which layer, and which tensor which
//! parameter.
//!
//! A file keeps no order of modules. Linear layers are put in order by the numbers in their names,
//! and each must read what the one before it writes; a normalization finds its layer by the number
//! in its name, or by its width. If that leaves a doubt, the file is refused, and the tensor named.

use std::collections::BTreeMap;

use chainrule_nn::layers::norm::EPSILON;
use chainrule_nn::{Activation, Architecture, Hidden, Norm, SoftmaxClassifier};

use super::module::{Linear, Normalizing, modules};
use super::order::in_order;
use super::place::{Place, places};
use crate::tensors::TensorFile;

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
