//! Weights of the classes in the training loss, from the settings to the tables of a run.

use chainrule_data::{Dataset, Images, Shape};
use chainrule_train::config::{ClassWeight, Tta};
use chainrule_train::{Config, Data, ModelFile, Predictor, Prepared, Quiet, run};

/// 240 images of noise, of which class c has 16, 32, 64 and 128.
fn data() -> Data {
    let shape = Shape { channels: 3, height: 4, width: 4 };
    let labels: Vec<u8> =
        (0..240u32).map(|i| [3, 2, 1, 0][(i % 15 + 1).ilog2() as usize]).collect();
    let mut state = 1u32;
    let mut pixel = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let pixels = (0..240 * shape.dim()).map(|_| pixel()).collect();
    let train = Images::new(pixels, labels, shape, 4).unwrap();
    let classes = ('a'..='d').map(String::from).collect();
    let dataset = Dataset { name: "noise".into(), classes, test: train.clone(), train };
    Data::new(dataset, "noise")
}

fn config(class_weight: ClassWeight) -> Config {
    Config {
        hidden_dim: vec![12],
        batch_size: 240,
        validation: 0,
        epochs: 1,
        reg: 0.0,
        threads: 1,
        class_weight,
        ..Config::default()
    }
}

/// The loss of the first step, on all images at once.
fn first_loss(class_weight: ClassWeight) -> f64 {
    let out = tempfile::tempdir().unwrap();
    let finished =
        run(&config(class_weight), &data(), &out.path().join("run"), &mut Quiet).unwrap();
    assert_eq!(finished.run.epochs[0].train_loss as f32, unweighted() as f32);
    finished.run.iterations[0].loss
}

/// The mean loss of each class of the network as it starts.
fn losses() -> Vec<f64> {
    let (data, config) = (data(), config(ClassWeight::None));
    let images = &data.dataset.train;
    let prepared = Prepared::new(&config, &data.dataset, None).unwrap();
    let classifier = config.classifier(images.dim(), 4).unwrap();
    let model = ModelFile {
        classifier,
        normalization: prepared.normalization.clone(),
        task: None,
        members: vec![],
    };
    let mut predictor = Predictor::new(&model, 1).unwrap();
    let mut loss = |rows: Vec<u32>| {
        predictor.ask(images, &rows, Tta::NONE).unwrap().evaluate(images.labels()).loss
    };
    let of = |class: u8| (0..240).filter(move |&row| data_label(row) == class).collect();
    (0..4).map(|class| loss(of(class))).collect()
}

fn data_label(row: u32) -> u8 {
    [3, 2, 1, 0][(row % 15 + 1).ilog2() as usize]
}

const COUNTS: [f64; 4] = [128.0, 64.0, 32.0, 16.0];

fn unweighted() -> f64 {
    losses().iter().zip(COUNTS).map(|(loss, n)| loss * n).sum::<f64>() / 240.0
}

/// By hand: with n / (k `n_c`) the weighted mean over all images is the plain mean of the classes'
/// means, and with any weights it is Σ `w_c` `n_c` `L_c` / Σ `w_c` `n_c`. The losses of `epochs.csv` stay
/// unweighted.
#[test]
fn the_loss_of_a_step_is_the_mean_weighted_by_class_and_that_of_an_epoch_is_not_weighted() {
    let losses = losses();
    let close = |found: f64, expected: f64| {
        assert!((found / expected - 1.0).abs() < 1e-5, "{found} for {expected}");
    };
    close(first_loss(ClassWeight::None), unweighted());
    let balanced = losses.iter().sum::<f64>() / 4.0;
    close(first_loss(ClassWeight::Balanced), balanced);
    assert!((balanced / unweighted() - 1.0).abs() > 1e-3, "the weights matter here");
    let weights = [0.5, 1.0, 3.0, 7.0];
    let weighed = losses.iter().zip(COUNTS).zip(weights);
    let sum: f64 = weighed.map(|((loss, n), weight)| weight * n * loss).sum();
    let total: f64 = COUNTS.iter().zip(weights).map(|(n, weight)| weight * n).sum();
    close(first_loss(ClassWeight::Given(weights.to_vec())), sum / total);
}

#[test]
fn weights_for_another_number_of_classes_are_refused_before_a_folder_is_filled() {
    let out = tempfile::tempdir().unwrap();
    let config = config(ClassWeight::Given(vec![1.0, 2.0]));
    let error = run(&config, &data(), out.path(), &mut Quiet).unwrap_err().to_string();
    assert_eq!(error, "class_weight has 2 weights: there are 4 classes");
}
