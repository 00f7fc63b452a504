//! The file, taken apart by a reader of protocol buffers of its own.

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
        members: vec![],
    }
}

fn graph_of(model: &ModelFile) -> Vec<u8> {
    let file = onnx(model, &["cat".into(), "dog".into(), "eel".into()], None).unwrap();
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
                    assert!(made.contains(&input), "{input} is not there, {norm:?} {activation}");
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
        let shape = fields(constant, 1).into_iter().map(|n| u64::from(n[0])).collect::<Vec<_>>();
        (shape, fields(constant, 9).remove(0))
    };
    let mean = [[1.0; 4], [2.0; 4], [3.0; 4]].concat();
    assert_eq!(of("input.mean"), (vec![12], little_endian(&mean)));
    assert_eq!(of("fc1.weight"), (vec![5, 12], little_endian(model.classifier.weight(0))));
    assert_eq!(of("fc2.bias"), (vec![3], little_endian(model.classifier.bias(1))));
}

/// The names as a reader of the metadata finds them, by key.
fn names_of(classes: &[&str]) -> Vec<(String, String)> {
    let classes: Vec<String> = classes.iter().map(|&name| name.to_owned()).collect();
    let file = onnx(&model(Hidden::default(), None), &classes, None).unwrap();
    let entry = |entry: Vec<u8>| (texts(&entry, 1).remove(0), texts(&entry, 2).remove(0));
    fields(&file, 14).into_iter().map(entry).collect()
}

#[test]
fn as_many_classes_are_named_as_there_are_whatever_their_names() {
    let entry = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(
        names_of(&["cat", "dog", "eel"]),
        [entry("class_names", r#"["cat","dog","eel"]"#), entry("classes", "cat,dog,eel")]
    );
    // A reader that parts at commas would find four: it finds nothing, and no wrong names.
    let odd = ["a,b", "say \"c\"", "Ωmega"];
    let found = names_of(&odd);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0, "class_names");
    assert_eq!(serde_json::from_str::<Vec<String>>(&found[0].1).unwrap(), odd);
}

/// onnxruntime 1.17 opens IR 9 and opset 20 at most, and 1.20 IR 10: a file says no more than it needs.
/// The pairs are those of `onnx.helper.VERSION_TABLE`.
#[test]
fn a_file_asks_for_no_newer_runtime_than_its_operators_need() {
    let classes = ["cat", "dog", "eel"].map(str::to_owned);
    let versions = |model: &ModelFile, opset| {
        let file = onnx(model, &classes, opset).unwrap();
        let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap());
        let opset = &fields(&fields(&file, 8)[0], 2)[0];
        (number(opset), number(&fields(&file, 1)[0]))
    };
    for norm in [Norm::None, Norm::Batch, Norm::Layer] {
        for activation in Activation::ALL {
            let model = model(Hidden { norm, activation }, Some(10.0));
            let wanted = if activation == Activation::Gelu { (20, 9) } else { (17, 8) };
            assert_eq!(versions(&model, None), wanted, "{norm:?} {activation}");
        }
    }
    let model = |activation| model(Hidden { activation, ..Hidden::default() }, None);
    for (opset, ir) in [(17, 8), (18, 8), (19, 9), (20, 9), (21, 10), (22, 10), (23, 11), (24, 12)]
    {
        assert_eq!(versions(&model(Activation::Relu), Some(opset)), (opset.into(), ir));
    }
    let refused = |activation, opset| {
        onnx(&model(activation), &classes, Some(opset)).unwrap_err().to_string()
    };
    assert_eq!(refused(Activation::Relu, 16), "opset is 16: expected 17 to 28");
    assert_eq!(refused(Activation::Relu, 29), "opset is 29: expected 17 to 28");
    assert_eq!(
        refused(Activation::Gelu, 19),
        "opset is 19: expected 20 to 28, for its operator Gelu came with 20"
    );
}
