//! Model files as PyTorch writes them: the files of `tests/pytorch/`, written by safetensors for
//! Python with the names of a state dict, and the scores that numpy computes from PyTorch's formulas
//! (`tests/reference/pytorch_models.py`).

use std::path::{Path, PathBuf};

use chainrule_data::{Images, Shape};
use chainrule_nn::loss::softmax;
use chainrule_train::config::Tta;
use chainrule_train::{ModelFile, Opened, Predictor};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pytorch")
}

fn open(name: &str) -> Opened {
    let path = folder().join(format!("{name}.safetensors"));
    ModelFile::open(&path).unwrap_or_else(|error| panic!("{error}"))
}

fn remarks(opened: &Opened) -> String {
    opened.remarks.iter().map(|remark| format!("{}\n", remark.text)).collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

#[test]
fn a_state_dict_gives_the_scores_that_pytorch_gives() {
    let text = std::fs::read_to_string(folder().join("expected.json")).unwrap();
    let expected: Value = serde_json::from_str(&text).unwrap();
    let pixels = expected["pixels"].as_array().unwrap().iter().flat_map(numbers);
    let shape = Shape { channels: 3, height: 2, width: 2 };
    let images = Images::new(pixels.map(|x| x as u8).collect(), vec![0; 3], shape, 3).unwrap();
    let scores = expected["scores"].as_object().unwrap();
    assert_eq!(scores.len(), 19);
    for (name, rows) in scores {
        let mut predictor = Predictor::new(&open(name).model, 1).unwrap();
        let found = predictor.ask(&images, &[0, 1, 2], Tta::NONE).unwrap().probabilities();
        for (image, scores) in rows.as_array().unwrap().iter().enumerate() {
            let mut wanted = numbers(scores);
            softmax(&mut wanted);
            for (class, wanted) in wanted.iter().enumerate() {
                let found = f64::from(found[3 * image + class]);
                assert!(
                    (found - wanted).abs() < 2e-6,
                    "{name}, image {image}, class {class}: {found}, expected {wanted}"
                );
            }
        }
    }
}

#[test]
fn what_was_assumed_of_a_strangers_file_is_said() {
    let said = remarks(&open("bn"));
    for sentence in [
        "bn1 is taken as a batch normalization between fc1 and its activation\n",
        "bn2 is taken as a batch normalization between fc2 and its activation\n",
        "its metadata names no activation: it is taken as relu\n",
        "it holds no input.mean and input.std: pixels, from 0 to 255, are divided by 255\n",
    ] {
        assert!(said.contains(sentence), "{said}");
    }
    for (name, sentence) in [
        ("sequential", "its layers are taken in this order: 0, 3, 6\n"),
        ("words", "its layers are taken in this order: hidden, output\n"),
        ("f16", "4 of its tensors hold F16, and were converted to F32\n"),
        ("bf16", "4 of its tensors hold BF16, and were converted to F32\n"),
        ("f64", "4 of its tensors hold F64, and were converted to F32\n"),
        ("layer_norm", "ln1, which has no running statistics, is taken as a layer normalization"),
        ("without_bias", "fc2 has no bias: it is taken as 0\n"),
    ] {
        let said = remarks(&open(name));
        assert!(said.contains(sentence), "{name}: {said}");
    }
    // A file of this program leaves nothing to assume.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("own.safetensors");
    open("bn").model.save(&path).unwrap();
    assert_eq!(ModelFile::open(&path).unwrap().remarks, []);
}

/// Tensors of zeros, of these names and shapes.
fn file(tensors: &[(&str, Dtype, &[usize])]) -> Vec<u8> {
    let zeros = vec![0; 8192];
    let views = tensors.iter().map(|&(name, dtype, shape)| {
        let bytes = dtype.bitsize() / 8 * shape.iter().product::<usize>();
        (name, TensorView::new(dtype, shape.to_vec(), &zeros[..bytes]).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

fn refusal(tensors: &[(&str, &[usize])]) -> String {
    let tensors: Vec<_> = tensors.iter().map(|&(name, shape)| (name, Dtype::F32, shape)).collect();
    ModelFile::parse(&file(&tensors)).expect_err("a refusal")
}

const FC1: [(&str, &[usize]); 2] = [("fc1.weight", &[5, 12]), ("fc1.bias", &[5])];
const FC2: [(&str, &[usize]); 2] = [("fc2.weight", &[3, 5]), ("fc2.bias", &[3])];

/// A tensor that is passed over makes another network, and another figure, without a word.
#[test]
fn a_tensor_that_is_not_understood_is_refused_by_name() {
    for (name, shape) in [
        ("conv1.weight", &[8, 3, 3, 3][..]),
        ("scale", &[1]),
        ("fc1.weight_g", &[5, 1]),
        ("rnn.weight_ih_l0", &[5, 12]),
        ("act.weight", &[1]),
        ("norm.weight", &[5]),
        ("input.scale", &[1]),
        ("fc1.bias_of_another_kind", &[5]),
        ("embedding.bias", &[5]),
    ] {
        let error = refusal(&[&FC1[..], &FC2, &[(name, shape)]].concat());
        let start = format!("{name}, of shape {shape:?}, is not understood: expected weight");
        assert!(error.starts_with(&start), "{error}");
    }
    let with = |tensor| {
        let mut tensors: Vec<_> =
            FC1.iter().chain(&FC2).map(|&(name, shape)| (name, Dtype::F32, shape)).collect();
        tensors.push(tensor);
        ModelFile::parse(&file(&tensors))
    };
    let error = with(("steps", Dtype::I64, &[1])).unwrap_err();
    assert!(error.starts_with("steps holds I64: expected floating-point numbers"), "{error}");
    let error = with(("q.weight", Dtype::I8, &[2, 2])).unwrap_err();
    assert!(error.starts_with("q.weight holds I8: expected"), "{error}");
    assert!(with(("bn1.num_batches_tracked", Dtype::I64, &[])).is_ok(), "no score depends on it");
}

/// `nn.Linear(12, 3)` alone names its tensors `weight` and `bias`.
#[test]
fn a_model_that_is_one_layer_needs_no_name_of_it() {
    let bytes = file(&[("weight", Dtype::F32, &[3, 12]), ("bias", Dtype::F32, &[3])]);
    assert_eq!(ModelFile::parse(&bytes).unwrap().classifier.widths(), [12, 3]);
    let error = refusal(&[("weight", &[5, 12]), ("fc2.weight", &[3, 5])]);
    assert!(error.starts_with("weight, of shape [5, 12], is not understood"), "{error}");
}

#[test]
fn a_normalization_without_a_place_beyond_doubt_is_refused_by_name() {
    let norm = |stem: &'static str, width: &'static [usize]| -> Vec<(String, &'static [usize])> {
        ["weight", "bias", "running_mean", "running_var"]
            .map(|leaf| (format!("{stem}.{leaf}"), width))
            .to_vec()
    };
    let refused = |layers: &[(&'static str, &'static [usize])], norms: &[(&'static str, usize)]| {
        let mut tensors: Vec<(String, &[usize])> =
            layers.iter().map(|&(name, shape)| (format!("{name}.weight"), shape)).collect();
        let widths: [&[usize]; 13] = std::array::from_fn(|n| &*Vec::leak(vec![n]));
        for &(stem, width) in norms {
            tensors.extend(norm(stem, widths[width]));
        }
        let tensors: Vec<_> = tensors.iter().map(|(name, shape)| (name.as_str(), *shape)).collect();
        refusal(&tensors)
    };
    let equal: [(&str, &[usize]); 3] = [("fc1", &[5, 12]), ("fc2", &[5, 5]), ("fc3", &[3, 5])];
    for (norms, part) in [
        // Equal widths and no number.
        (&[("norm", 5)][..], "which layer norm.running_mean belongs to, of width 5, is not known"),
        // A number of no hidden layer.
        (&[("bn3", 5)], "which layer bn3.running_mean belongs to"),
        (&[("bn1", 4)], "which layer bn1.running_mean belongs to, of width 4"),
        // A width of the input, and of the output.
        (&[("bn0", 12)], "which layer bn0.running_mean belongs to, of width 12"),
        (&[("bn_out", 3)], "which layer bn_out.running_mean belongs to, of width 3"),
        (&[("bn1", 5), ("norm1", 5)], "both normalize the sums of fc1: expected one"),
    ] {
        let error = refused(&equal, norms);
        assert!(error.contains(part), "{norms:?}: {error}");
    }
    // One hidden width that is the input's, too: before the first layer, or behind it?
    let error = refused(&[("a", &[12, 12]), ("b", &[3, 12])], &[("norm", 12)]);
    assert!(error.contains("which layer norm.running_mean belongs to"), "{error}");
    // In an nn.Sequential: behind an activation, before all layers, behind the last.
    let list: [(&str, &[usize]); 2] = [("0", &[5, 12]), ("3", &[3, 5])];
    for (norms, part) in [
        ([("2", 5)], "2.running_mean does not stand right behind 0, perhaps behind its activation"),
        ([("4", 3)], "4.running_mean stands behind the last layer"),
        ([("1", 4)], "1.running_mean has 4 values, and 0 before it writes 5"),
    ] {
        let error = refused(&list, &norms);
        assert!(error.contains(part), "{norms:?}: {error}");
    }
    let error = refused(&[("1", &[5, 12]), ("3", &[3, 5])], &[("0", 12)]);
    assert!(error.contains("0.running_mean stands before the first layer"), "{error}");

    let bn1 = [("bn1.weight", &[5][..]), ("bn1.bias", &[5])];
    let error = refusal(&[&FC1[..], &FC2, &bn1].concat());
    assert!(
        error.starts_with("bn1.weight stands without bn1.running_mean and running_var"),
        "{error}"
    );
    let half = [("bn1.running_mean", &[5][..])];
    let error = refusal(&[&FC1[..], &FC2, &half].concat());
    assert!(error.starts_with("bn1.running_mean stands without bn1.running_var"), "{error}");
}

#[test]
fn layers_in_no_order_beyond_doubt_are_refused_by_name() {
    let error = refusal(&[("a.weight", &[5, 5]), ("b.weight", &[5, 5]), ("out.weight", &[3, 5])]);
    let start = "the order of a.weight and b.weight is not known: number the layers";
    assert!(error.starts_with(start), "{error}");
    let error = refusal(&[("a.weight", &[5, 12]), ("b.weight", &[3, 4])]);
    assert!(error.starts_with("its layers cannot follow each other"), "{error}");
    let error = refusal(&[("fc1.weight", &[5, 12]), ("module.fc1.weight", &[5, 12])]);
    assert_eq!(
        error,
        "fc1.weight and module.fc1.weight are one tensor under two names: expected one"
    );
    // Forty layers of one width, of which none can be the last: no search without end.
    let names: Vec<String> = (0..40).map(|i| format!("{}.weight", "x".repeat(i + 1))).collect();
    let mut many: Vec<(&str, &[usize])> = names.iter().map(|name| (&**name, &[2, 2][..])).collect();
    many.push(("out.weight", &[3, 4]));
    assert!(refusal(&many).contains("the order of its 41 layers is not known"));
}

/// Statistics that libraries quote for CIFAR-10 are of pixels from 0 to 1 (0.4914, 0.247): taken as
/// they are, the loss is above 100.
#[test]
fn statistics_in_other_units_are_warned_of_and_none_in_those_of_bytes() {
    let warnings = |mean: [f32; 1], std: [f32; 1]| {
        let bytes = |x: [f32; 1]| x[0].to_le_bytes();
        let (mean, std) = (bytes(mean), bytes(std));
        let weight = [0; 4 * 36];
        let view = |shape: &[usize], data| TensorView::new(Dtype::F32, shape.to_vec(), data);
        let views = [
            ("fc1.weight", view(&[3, 12], &weight).unwrap()),
            ("input.mean", view(&[1], &mean).unwrap()),
            ("input.std", view(&[1], &std).unwrap()),
        ];
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.safetensors");
        std::fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
        let opened = ModelFile::open(&path).unwrap();
        assert!(!remarks(&opened).contains("holds no input.mean"), "{}", remarks(&opened));
        opened.remarks.into_iter().filter(|remark| remark.is_warning).map(|r| r.text).collect()
    };
    let none: [String; 0] = [];
    for (mean, std) in [([0.0], [255.0]), ([125.3], [63.0]), ([127.5], [127.5]), ([0.0], [2.0])] {
        let found: Vec<String> = warnings(mean, std);
        assert_eq!(found, none, "{mean:?} {std:?}");
    }
    for (mean, std) in [([0.49], [0.25]), ([0.5], [0.5]), ([0.1307], [0.3081]), ([0.0], [1.0])] {
        let found: Vec<String> = warnings(mean, std);
        assert_eq!(found.len(), 1, "{mean:?} {std:?}");
        assert!(found[0].contains("here they are of pixels from 0 to 255: multiply"), "{found:?}");
    }
}
