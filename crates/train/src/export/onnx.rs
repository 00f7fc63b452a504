//! A model as ONNX: a graph from the bytes of images to the probabilities of their classes.
//!
//! ```text
//! pixels (N, 3, 32, 32) uint8 → Cast → Flatten → [contrast] → Sub mean → Div std
//!     → Gemm → [LayerNormalization] → activation → ... → Gemm → Softmax → probabilities (N, classes)
//! ```
//!
//! The normalization is part of it, so that whoever runs it needs to know nothing but the size of
//! the images. A model file that does not say how its images are shaped has `pixels` (N, values).
//! Every activation and normalization is an operator of ONNX's own; a batch normalization is folded.
//!
//! The names and numbers of the fields are those of `onnx.proto` in the ONNX repository, and stand
//! beside each.

use std::ops::RangeInclusive;

use chainrule_nn::layers::norm::EPSILON;
use chainrule_nn::{Activation, Norm};

use super::protobuf::Message;
use super::{TooLarge, little_endian};
use crate::ModelFile;

/// Versions of the operators that can be written: `LayerNormalization` came with 17, and 28 is the
/// last that was tried.
pub const OPSETS: RangeInclusive<u8> = 17..=28;

/// The version of the operators with which `Gelu` came.
const OPSET_OF_GELU: u8 = 20;

/// Before this version `ReduceMean` has its axes as an attribute, and not as an input.
const OPSET_OF_AXES_AS_INPUT: u8 = 18;

/// The version of the file format that came with a version of the operators: runtimes that know the
/// one know the other (ONNX, docs/Versioning.md, "Released Versions").
fn ir_version(opset: u8) -> u64 {
    match opset {
        ..=18 => 8,
        19..=20 => 9,
        21..=22 => 10,
        23 => 11,
        24 => 12,
        25..=27 => 13,
        28.. => 14,
    }
}

/// The lowest version of the operators that has all that the model needs: it runs in most programs.
pub fn least_opset(model: &ModelFile) -> u8 {
    let has_gelu =
        model.classifier.depth() > 1 && model.classifier.hidden().activation == Activation::Gelu;
    if has_gelu { OPSET_OF_GELU } else { *OPSETS.start() }
}

/// A model that cannot be written as ONNX.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OnnxError {
    /// There is no room for it.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// A version of the operators that is not known, or lacks one of them.
    #[error("opset is {opset}: expected {least} to {}{}", OPSETS.end(), why)]
    Opset {
        /// The version.
        opset: u8,
        /// The least that this model needs.
        least: u8,
        /// Why the least is what it is, if not for all models.
        why: &'static str,
    },
}

/// Largest message of protocol buffers.
const MOST: usize = i32::MAX as usize;

/// `TensorProto.DataType`.
const FLOAT: u64 = 1;
const UINT8: u64 = 2;
const INT64: u64 = 7;

/// The bytes of the file, with the operators of version `opset`, or the least that will do.
///
/// The names of the `classes` are kept in its metadata: `class_names`, a list of JSON, and, if no
/// name holds a comma, `classes`, separated by commas.
///
/// # Errors
/// If the weights take more than 2 GB, or the operators of that version are not enough.
pub fn onnx(
    model: &ModelFile,
    classes: &[String],
    opset: Option<u8>,
) -> Result<Vec<u8>, OnnxError> {
    let least = least_opset(model);
    let opset = opset.unwrap_or(least);
    if !(least..=*OPSETS.end()).contains(&opset) {
        let why = if least == OPSET_OF_GELU { ", for its operator Gelu came with 20" } else { "" };
        return Err(OnnxError::Opset { opset, least, why });
    }
    let bytes = size_of_val(model.classifier.parameters());
    if bytes > MOST - (1 << 20) {
        return Err(TooLarge { bytes, format: "ONNX", most: MOST }.into());
    }
    let names = serde_json::to_string(classes).expect("a list of texts");
    let mut entries = vec![Message::new().bytes(1, "class_names").bytes(2, names)]; // key, value
    if !classes.iter().any(|name| name.contains(',')) {
        entries.push(Message::new().bytes(1, "classes").bytes(2, classes.join(",")));
    }
    let file = Message::new()
        .integer(1, ir_version(opset)) // ir_version
        .bytes(2, "chainrule") // producer_name
        .bytes(3, env!("CARGO_PKG_VERSION")) // producer_version
        .message(7, graph(model, opset)) // graph
        .message(8, Message::new().bytes(1, "").integer(2, opset.into())) // opset_import: domain, version
        .messages(14, entries); // metadata_props
    Ok(file.into_bytes())
}

/// A `GraphProto` in the making: a chain of operators, each of which reads the one before it.
struct Chain {
    nodes: Vec<Message>,
    constants: Vec<Message>,
    /// The value that the last operator wrote.
    last: String,
}

impl Chain {
    /// Adds the operator `op` of the last value and the `others`, and calls its result `name`.
    fn then(&mut self, op: &str, others: &[&str], name: &str, attributes: Vec<Message>) {
        let inputs = [&[&*self.last], others].concat();
        let node = inputs.iter().fold(Message::new(), |node, input| node.bytes(1, input)); // input
        let node = node
            .bytes(2, name) // output
            .bytes(3, name) // name
            .bytes(4, op) // op_type
            .messages(5, attributes); // attribute
        self.nodes.push(node);
        self.last = name.to_owned();
    }

    /// Adds a `TensorProto` of which the operators can make use.
    fn constant(&mut self, name: &str, data_type: u64, shape: &[usize], bytes: &[u8]) {
        let tensor = shape.iter().fold(Message::new(), |tensor, &n| tensor.integer(1, n as u64)); // dims
        let tensor = tensor.integer(2, data_type).bytes(8, name).bytes(9, bytes); // data_type, name, raw_data
        self.constants.push(tensor);
    }

    fn floats(&mut self, name: &str, shape: &[usize], values: &[f32]) {
        self.constant(name, FLOAT, shape, &little_endian(values));
    }
}

/// `AttributeProto`: name 1, f 2, i 3, s 4, ints 8, type 20 (FLOAT 1, INT 2, STRING 3, INTS 7).
fn float(name: &str, value: f32) -> Message {
    Message::new().bytes(1, name).float(2, value).integer(20, 1)
}

fn integer(name: &str, value: i64) -> Message {
    Message::new().bytes(1, name).integer(3, value as u64).integer(20, 2)
}

fn integers(name: &str, values: &[i64]) -> Message {
    let named = Message::new().bytes(1, name);
    values.iter().fold(named, |named, &value| named.integer(8, value as u64)).integer(20, 7)
}

fn text(name: &str, value: &str) -> Message {
    Message::new().bytes(1, name).bytes(4, value).integer(20, 3)
}

fn graph(model: &ModelFile, opset: u8) -> Message {
    let classifier = model.classifier.folded();
    let widths = classifier.widths();
    let (inputs, classes) = (widths[0], widths[widths.len() - 1]);
    let mut chain = Chain { nodes: vec![], constants: vec![], last: "pixels".into() };
    chain.then("Cast", &[], "numbers", vec![integer("to", FLOAT as i64)]);
    chain.then("Flatten", &[], "flat", vec![integer("axis", 1)]);
    normalize(&mut chain, model, inputs, opset);
    for l in 0..classifier.depth() {
        let (n, outputs) = (l + 1, widths[l + 1]);
        let is_hidden = n < classifier.depth();
        let [weight, bias] = ["weight", "bias"].map(|part| format!("fc{n}.{part}"));
        chain.floats(&weight, &[outputs, widths[l]], classifier.weight(l));
        let transposed = vec![integer("transB", 1)];
        let name = if is_hidden { format!("fc{n}") } else { "scores".into() };
        if is_hidden && classifier.hidden().norm == Norm::Layer {
            chain.then("Gemm", &[&weight], &name, transposed);
            let [gamma, beta] = ["weight", "bias"].map(|part| format!("norm{n}.{part}"));
            for parameter in classifier.layout() {
                if [&gamma, &beta].contains(&&parameter.name) {
                    let values = &classifier.parameters()[parameter.range];
                    chain.floats(&parameter.name, &parameter.shape, values);
                }
            }
            let attributes = vec![integer("axis", -1), float("epsilon", EPSILON as f32)];
            chain.then("LayerNormalization", &[&gamma, &beta], &format!("norm{n}"), attributes);
        } else {
            chain.floats(&bias, &[outputs], classifier.bias(l));
            chain.then("Gemm", &[&weight, &bias], &name, transposed);
        }
        if is_hidden {
            let (op, attributes) = operator(classifier.hidden().activation);
            chain.then(op, &[], &format!("hidden{n}"), attributes);
        }
    }
    chain.then("Softmax", &[], "probabilities", vec![integer("axis", -1)]);

    let image = match model.shape() {
        Some(shape) => vec![shape.channels, shape.height, shape.width],
        None => vec![inputs],
    };
    Message::new()
        .messages(1, chain.nodes) // node
        .bytes(2, "chainrule") // name
        .messages(5, chain.constants) // initializer
        .message(11, value("pixels", UINT8, &image)) // input
        .message(12, value("probabilities", FLOAT, &[classes])) // output
}

/// x = (pixel - mean) / std, after the contrast normalization, if there is one:
/// (pixel - m) / √(v + ε), with mean m and variance v of each image.
fn normalize(chain: &mut Chain, model: &ModelFile, inputs: usize, opset: u8) {
    if let Some(&contrast) = model.normalization.contrast() {
        let as_input = opset >= OPSET_OF_AXES_AS_INPUT;
        if as_input {
            chain.constant("axes", INT64, &[1], &1i64.to_le_bytes());
        }
        let mean = |chain: &mut Chain, name: &str| match as_input {
            true => chain.then("ReduceMean", &["axes"], name, vec![integer("keepdims", 1)]),
            false => {
                let attributes = vec![integers("axes", &[1]), integer("keepdims", 1)];
                chain.then("ReduceMean", &[], name, attributes);
            }
        };
        chain.floats("input.contrast", &[1], &[contrast]);
        mean(chain, "image_mean");
        chain.last = "flat".into();
        chain.then("Sub", &["image_mean"], "centered", vec![]);
        chain.then("Mul", &["centered"], "squares", vec![]);
        mean(chain, "variance");
        chain.then("Add", &["input.contrast"], "regularized", vec![]);
        chain.then("Sqrt", &[], "deviation", vec![]);
        chain.last = "centered".into();
        chain.then("Div", &["deviation"], "contrast", vec![]);
    }
    // One value for all, one a channel or one a pixel: each stands for a run of the flat values.
    let run = |of: &[f32]| -> Vec<f32> {
        of.iter().flat_map(|&value| std::iter::repeat_n(value, inputs / of.len())).collect()
    };
    chain.floats("input.mean", &[inputs], &run(model.normalization.mean()));
    chain.floats("input.std", &[inputs], &run(model.normalization.std()));
    chain.then("Sub", &["input.mean"], "shifted", vec![]);
    chain.then("Div", &["input.std"], "normalized", vec![]);
}

/// The operator of an activation, and its attributes.
fn operator(activation: Activation) -> (&'static str, Vec<Message>) {
    match activation {
        Activation::Relu => ("Relu", vec![]),
        Activation::LeakyRelu => ("LeakyRelu", vec![float("alpha", 0.01)]),
        Activation::Gelu => ("Gelu", vec![text("approximate", "tanh")]),
        Activation::Tanh => ("Tanh", vec![]),
        Activation::Sigmoid => ("Sigmoid", vec![]),
    }
}

/// `ValueInfoProto` of a batch of N such values.
fn value(name: &str, data_type: u64, shape: &[usize]) -> Message {
    let batch = Message::new().bytes(2, "N"); // dim_param
    let sizes = shape.iter().map(|&n| Message::new().integer(1, n as u64)); // dim_value
    let shape = Message::new().messages(1, std::iter::once(batch).chain(sizes)); // dim
    let tensor = Message::new().integer(1, data_type).message(2, shape); // elem_type, shape
    Message::new().bytes(1, name).message(2, Message::new().message(1, tensor)) // name, type: tensor_type
}

#[cfg(test)]
mod tests;
