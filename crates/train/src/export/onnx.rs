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

use chainrule_nn::layers::norm::EPSILON;
use chainrule_nn::{Activation, Norm};

use super::protobuf::Message;
use super::{TooLarge, little_endian};
use crate::ModelFile;

/// The operators' version, and the file format's that came with it (ONNX 1.23).
const OPSET: u64 = 28;
const IR_VERSION: u64 = 14;

/// Largest message of protocol buffers.
const MOST: usize = i32::MAX as usize;

/// `TensorProto.DataType`.
const FLOAT: u64 = 1;
const UINT8: u64 = 2;
const INT64: u64 = 7;

/// The bytes of the file. The names of the `classes` are kept in its metadata, `classes`, separated
/// by commas.
///
/// # Errors
/// If the weights take more than 2 GB.
pub fn onnx(model: &ModelFile, classes: &[String]) -> Result<Vec<u8>, TooLarge> {
    let bytes = size_of_val(model.classifier.parameters());
    if bytes > MOST - (1 << 20) {
        return Err(TooLarge { bytes, format: "ONNX", most: MOST });
    }
    let entry = Message::new().bytes(1, "classes").bytes(2, classes.join(",")); // key, value
    let file = Message::new()
        .integer(1, IR_VERSION) // ir_version
        .bytes(2, "chainrule") // producer_name
        .bytes(3, env!("CARGO_PKG_VERSION")) // producer_version
        .message(7, graph(model)) // graph
        .message(8, Message::new().bytes(1, "").integer(2, OPSET)) // opset_import: domain, version
        .message(14, entry); // metadata_props
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

/// `AttributeProto`: name 1, f 2, i 3, s 4, type 20 (FLOAT 1, INT 2, STRING 3).
fn float(name: &str, value: f32) -> Message {
    Message::new().bytes(1, name).float(2, value).integer(20, 1)
}

fn integer(name: &str, value: i64) -> Message {
    Message::new().bytes(1, name).integer(3, value as u64).integer(20, 2)
}

fn text(name: &str, value: &str) -> Message {
    Message::new().bytes(1, name).bytes(4, value).integer(20, 3)
}

fn graph(model: &ModelFile) -> Message {
    let classifier = model.classifier.folded();
    let widths = classifier.widths();
    let (inputs, classes) = (widths[0], widths[widths.len() - 1]);
    let mut chain = Chain { nodes: vec![], constants: vec![], last: "pixels".into() };
    chain.then("Cast", &[], "numbers", vec![integer("to", FLOAT as i64)]);
    chain.then("Flatten", &[], "flat", vec![integer("axis", 1)]);
    normalize(&mut chain, model, inputs);
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
fn normalize(chain: &mut Chain, model: &ModelFile, inputs: usize) {
    if let Some(&contrast) = model.normalization.contrast() {
        chain.constant("along", INT64, &[1], &1i64.to_le_bytes());
        chain.floats("input.contrast", &[1], &[contrast]);
        chain.then("ReduceMean", &["along"], "image_mean", vec![integer("keepdims", 1)]);
        chain.last = "flat".into();
        chain.then("Sub", &["image_mean"], "centered", vec![]);
        chain.then("Mul", &["centered"], "squares", vec![]);
        chain.then("ReduceMean", &["along"], "variance", vec![integer("keepdims", 1)]);
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
mod tests {
    use chainrule_data::Normalization;
    use chainrule_nn::{Hidden, Init, SoftmaxClassifier};

    use super::*;

    /// The contents of all fields `number` of a message: the bytes, or a varint's as u64.
    fn fields(mut message: &[u8], number: u64) -> Vec<Vec<u8>> {
        fn varint(message: &mut &[u8]) -> u64 {
            let mut value = 0;
            for shift in (0..).step_by(7) {
                let (&byte, rest) = message.split_first().expect("a whole varint");
                *message = rest;
                value |= u64::from(byte & 0x7f) << shift;
                if byte < 0x80 {
                    break;
                }
            }
            value
        }
        let mut found = vec![];
        while !message.is_empty() {
            let key = varint(&mut message);
            let content = match key & 7 {
                0 => varint(&mut message).to_le_bytes().to_vec(),
                wire => {
                    let length = if wire == 5 { 4 } else { varint(&mut message) as usize };
                    let (content, rest) = message.split_at(length);
                    message = rest;
                    content.to_vec()
                }
            };
            if key >> 3 == number {
                found.push(content);
            }
        }
        found
    }

    fn texts(message: &[u8], number: u64) -> Vec<String> {
        fields(message, number).into_iter().map(|text| String::from_utf8(text).unwrap()).collect()
    }

    fn model(hidden: Hidden, contrast: Option<f32>) -> ModelFile {
        let classifier = SoftmaxClassifier::with_hidden(&[12, 5, 3], hidden, Init::He, 1).unwrap();
        let normalization = Normalization::new(vec![1.0, 2.0, 3.0], vec![2.0, 4.0, 8.0]).unwrap();
        ModelFile {
            classifier,
            normalization: normalization.with_contrast(contrast).unwrap(),
            task: None,
        }
    }

    fn graph_of(model: &ModelFile) -> Vec<u8> {
        let file = onnx(model, &["cat".into(), "dog".into(), "eel".into()]).unwrap();
        assert_eq!(texts(&fields(&file, 14)[0], 2), ["cat,dog,eel"]);
        fields(&file, 7).remove(0)
    }

    #[test]
    fn every_value_that_an_operator_reads_has_been_made_before() {
        for (norm, between) in
            [(Norm::None, ""), (Norm::Batch, ""), (Norm::Layer, "LayerNormalization ")]
        {
            for activation in Activation::ALL {
                let graph = graph_of(&model(Hidden { norm, activation }, Some(10.0)));
                let mut made = texts(&fields(&graph, 11)[0], 1);
                made.extend(fields(&graph, 5).iter().flat_map(|constant| texts(constant, 8)));
                let nodes = fields(&graph, 1);
                for node in &nodes {
                    for input in texts(node, 1) {
                        assert!(
                            made.contains(&input),
                            "{input} is not there, {norm:?} {activation}"
                        );
                    }
                    made.extend(texts(node, 2));
                }
                assert_eq!(texts(&fields(&graph, 12)[0], 1)[0], *made.last().unwrap());
                let ops: Vec<String> = nodes.iter().flat_map(|node| texts(node, 4)).collect();
                let wanted = format!(
                    "Cast Flatten ReduceMean Sub Mul ReduceMean Add Sqrt Div Sub Div Gemm \
                     {between}{} Gemm Softmax",
                    operator(activation).0
                );
                assert_eq!(ops.join(" "), wanted);
            }
        }
    }

    #[test]
    fn every_constant_has_its_shape_and_its_bytes() {
        let model = model(Hidden::default(), None);
        let constants = fields(&graph_of(&model), 5);
        let names: Vec<String> = constants.iter().flat_map(|constant| texts(constant, 8)).collect();
        let wanted = "input.mean input.std fc1.weight fc1.bias fc2.weight fc2.bias";
        assert_eq!(names.join(" "), wanted);
        let of = |name: &str| {
            let constant = &constants[names.iter().position(|known| known == name).unwrap()];
            let shape =
                fields(constant, 1).into_iter().map(|n| u64::from(n[0])).collect::<Vec<_>>();
            (shape, fields(constant, 9).remove(0))
        };
        let mean = [[1.0; 4], [2.0; 4], [3.0; 4]].concat();
        assert_eq!(of("input.mean"), (vec![12], little_endian(&mean)));
        assert_eq!(of("fc1.weight"), (vec![5, 12], little_endian(model.classifier.weight(0))));
        assert_eq!(of("fc2.bias"), (vec![3], little_endian(model.classifier.bias(1))));
    }
}
