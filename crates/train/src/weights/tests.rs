//! Model files of this program, and files that make no classifier.

use chainrule_nn::Init;
use safetensors::tensor::{Dtype, TensorView};

use super::*;

fn model() -> ModelFile {
    let mut classifier = SoftmaxClassifier::new(&[12, 5, 3], Init::He, 1).unwrap();
    classifier.bias_mut(0)[2] = 0.25;
    let normalization = Normalization::new(vec![120.0, 121.5, 99.0], vec![60.0, 61.0, 62.5]);
    ModelFile { classifier, normalization: normalization.unwrap(), task: None, members: vec![] }
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
    assert_eq!((read.normalization.mean(), read.normalization.std()), (&[0.0][..], &[255.0][..]));
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
    assert!(problem.starts_with("fc1.weight, of shape [36], is not understood"), "{problem}");
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

#[test]
fn a_folder_without_a_model_and_a_checkpoint_are_named_for_what_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let error = ModelFile::load(dir.path()).unwrap_err().to_string();
    assert!(
        error.contains("it holds no model.safetensors: expected the folder of a run"),
        "{error}"
    );
    let model = model();
    let tensors: Vec<Named> = parameters(&model.classifier).collect();
    let bytes = TensorFile::serialize(&tensors, &[(STATE, String::new())]);
    let error = ModelFile::parse(&bytes).unwrap_err();
    assert!(error.starts_with("it is a checkpoint of a run: expected the weights"), "{error}");
}

/// A sum with one NaN in it is NaN, and argmax of NaN is some class.
#[test]
fn a_number_that_is_not_finite_is_refused_by_tensor_wherever_it_stands() {
    let model = model();
    let named: Vec<Named> =
        parameters(&model.classifier).chain(normalization(&model.normalization)).collect();
    for at in 0..named.len() {
        for wrong in [f32::NAN, f32::INFINITY] {
            let mut values = named[at].2.to_vec();
            *values.last_mut().expect("a value") = wrong;
            let mut tensors = named.clone();
            tensors[at].2 = &values;
            let error = ModelFile::parse(&TensorFile::serialize(&tensors, &[])).unwrap_err();
            assert!(error.contains(&named[at].0) && error.contains(&wrong.to_string()), "{error}");
        }
    }
}
