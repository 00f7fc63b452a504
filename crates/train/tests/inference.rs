//! What a saved network answers, alone and together with mirror images.

use chainrule_data::{Images, Normalization, Pixels, sample};
use chainrule_nn::loss::softmax;
use chainrule_nn::{Engine, Init, SoftmaxClassifier};
use chainrule_tensor::Kernel;
use chainrule_train::config::Tta;
use chainrule_train::{Config, Data, Error, ModelFile, Predictor, Quiet, prepared, run};

const FLIPS: Tta = Tta { flips: true, shifts: false };

/// The images, each line of each channel read backwards.
fn mirrored(images: &Images) -> Images {
    let shape = images.shape();
    let lines = images.pixels().chunks(shape.width);
    let pixels = lines.flat_map(|line| line.iter().rev().copied()).collect();
    Images::new(pixels, images.labels().to_vec(), shape, images.classes()).unwrap()
}

fn model(inputs: usize) -> ModelFile {
    let classifier = SoftmaxClassifier::new(&[inputs, 30, 10], Init::He, 5).unwrap();
    let normalization = Normalization::new(vec![120.0], vec![64.0]).unwrap();
    ModelFile { classifier, normalization, task: None, members: vec![] }
}

#[test]
fn the_loss_and_the_classes_are_those_that_the_training_engine_finds() {
    let images = sample::read().test;
    let model = model(images.dim());
    let rows: Vec<u32> = (0..images.len() as u32).rev().step_by(3).collect();
    let mut predictor = Predictor::new(&model, 2).unwrap();
    let found = predictor.ask(&images, &rows, Tta::NONE).unwrap().evaluate(images.labels());

    let (scale, shift) = model.normalization.scale_shift(images.dim()).unwrap();
    let pixels = Pixels::Bytes { images: &images, scale: &scale, shift: &shift, gains: None };
    let isa = Kernel::isa_from_environment().unwrap(); // that of the predictor, whose bits these are
    let mut engine = Engine::with_kernel(&model.classifier, 1, 1, isa).unwrap();
    assert_eq!(found, engine.evaluate(&pixels, images.labels(), &rows));
}

#[test]
fn the_answer_with_flips_is_the_mean_of_the_probabilities_of_an_image_and_of_its_mirror_image() {
    let images = sample::read().test;
    let mut predictor = Predictor::new(&model(images.dim()), 2).unwrap();
    let rows: Vec<u32> = (0..images.len() as u32).rev().step_by(3).collect();
    let answers = predictor.ask(&images, &rows, FLIPS).unwrap();
    let found = answers.evaluate(images.labels());

    let mut of = |images: &Images| -> Vec<f64> {
        let p = predictor.ask(images, &rows, Tta::NONE).unwrap().probabilities();
        p.into_iter().map(f64::from).collect()
    };
    let (own, mirror) = (of(&images), of(&mirrored(&images)));
    let mean: Vec<f64> = own.iter().zip(&mirror).map(|(a, b)| (a + b) / 2.0).collect();
    for (p, mean) in answers.probabilities().iter().zip(&mean) {
        assert!((f64::from(*p) - mean).abs() < 1e-6, "{p} and {mean}");
    }
    let class = |p: &[f64]| (0..10).max_by(|&a, &b| p[a].total_cmp(&p[b])).unwrap() as u32;
    let classes: Vec<u32> = mean.chunks(10).map(class).collect();
    assert_eq!((&found.rows, &found.predictions), (&rows, &classes));
    let label = |row: u32| usize::from(images.labels()[row as usize]);
    let losses = rows.iter().zip(mean.chunks(10)).map(|(&row, p)| -p[label(row)].ln());
    let loss = losses.sum::<f64>() / rows.len() as f64;
    assert!((found.loss - loss).abs() < 1e-6 * loss, "{} and {loss}", found.loss);
    assert_ne!(own.chunks(10).map(class).collect::<Vec<_>>(), classes, "the flips matter");
}

/// Each image moved, by indices: pixel (y, x) is that of (y + down, x + right), reflected at the border.
fn moved(images: &Images, (down, right): (isize, isize)) -> Images {
    let shape = images.shape();
    let (height, width) = (shape.height as isize, shape.width as isize);
    let reflect = |at: isize, n: isize| (if at >= n { 2 * n - 2 - at } else { at.abs() }) as usize;
    let mut pixels = vec![];
    for image in 0..images.len() {
        for channel in images.image(image).chunks(shape.height * shape.width) {
            for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
                let (y, x) = (reflect(y + down, height), reflect(x + right, width));
                pixels.push(channel[y * shape.width + x]);
            }
        }
    }
    Images::new(pixels, images.labels().to_vec(), shape, images.classes()).unwrap()
}

#[test]
fn the_answer_with_flips_and_shifts_is_the_mean_of_the_probabilities_of_eighteen_images() {
    let images = sample::read().test;
    let mut predictor = Predictor::new(&model(images.dim()), 2).unwrap();
    let rows: Vec<u32> = (0..40).collect();
    let mut of = |images: &Images, tta| {
        predictor
            .ask(images, &rows, tta)
            .unwrap()
            .probabilities()
            .into_iter()
            .map(f64::from)
            .collect()
    };
    let steps = [-1, 0, 1];
    let places = steps.iter().flat_map(|&down| steps.map(|right| (down, right)));
    let shifted: Vec<Images> = places.map(|by| moved(&images, by)).collect();
    for (flips, n) in [(false, 9), (true, 18)] {
        let mut views: Vec<Vec<f64>> = shifted.iter().map(|view| of(view, Tta::NONE)).collect();
        if flips {
            views.extend(shifted.iter().map(|view| of(&mirrored(view), Tta::NONE)));
        }
        assert_eq!(views.len(), n);
        let found: Vec<f64> = of(&images, Tta { flips, shifts: true });
        for (i, p) in found.iter().enumerate() {
            let mean = views.iter().map(|view| view[i]).sum::<f64>() / n as f64;
            assert!((p - mean).abs() < 1e-6, "{p} and {mean}");
        }
    }
}

/// argmax of NaN is some class, and the accuracy some figure.
#[test]
fn scores_that_are_not_finite_are_no_answer() {
    let images = sample::read().test;
    for weight in [f32::MAX, 1e38] {
        let mut model = model(images.dim());
        model.classifier.weight_mut(1).fill(weight);
        let mut predictor = Predictor::new(&model, 1).unwrap();
        for tta in [Tta::NONE, FLIPS] {
            // A white image and a black one: the scores of the first overflow, or of both.
            let answers = predictor.ask(&images, &[7, 3], tta);
            let error = answers.map(|answers| answers.evaluate(images.labels())).unwrap_err();
            assert!(matches!(error, Error::Scores { image: 7 | 3 }), "{error}");
        }
    }
    // A softmax of the same logits that asks first would have found NaN.
    let mut scores = [f32::INFINITY, 1.0];
    softmax(&mut scores);
    assert!(scores[0].is_nan());
}

/// The best weights are those of the best validation accuracy, and argmax of NaN is some class.
#[test]
fn a_run_whose_validation_loss_is_no_number_has_diverged_though_its_training_loss_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let weights = dir.path().join("weights.safetensors");
    let mut data = Data::sample();
    let train = &data.dataset.train;
    let (n, dim) = (train.len(), train.dim());
    // The first pixel, times 3e38: black in all images but one of validation.
    let mut classifier = SoftmaxClassifier::zeros(&[dim, 10]).unwrap();
    classifier.weight_mut(0)[0] = 3e38;
    let normalization = Normalization::new(vec![0.0], vec![1.0]).unwrap();
    ModelFile { classifier, normalization, task: None, members: vec![] }.save(&weights).unwrap();
    let config = Config { validation: 50, init_from: Some(weights), ..Config::default() };
    let white = prepared::split(&config, n).unwrap().validation[0] as usize;
    let mut pixels = train.pixels().to_vec();
    (0..n).for_each(|image| pixels[image * dim] = if image == white { 255 } else { 0 });
    let labels = train.labels().to_vec();
    data.dataset.train = Images::new(pixels, labels, train.shape(), 10).unwrap();

    let out = dir.path().join("run");
    let error = run(&config, &data, &out, &mut Quiet).unwrap_err();
    let Error::Diverged { iteration: 0, loss, .. } = &error else { panic!("{error}") };
    assert!(!loss.is_finite());
    let epochs = std::fs::read_to_string(out.join("epochs.csv")).unwrap();
    let record: Vec<_> = epochs.lines().nth(1).unwrap().split(',').collect();
    assert!(record[2].parse::<f64>().unwrap().is_finite(), "the training loss: {epochs}");
}
