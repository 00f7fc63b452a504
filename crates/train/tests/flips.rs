//! A test of each image together with its mirror image.

use chainrule_data::{Dataset, Images, sample};
use chainrule_nn::softmax::softmax;
use chainrule_nn::{Engine, Init, SoftmaxClassifier};
use chainrule_train::{Config, Prepared, flips};

/// The images, each line of each channel read backwards.
fn mirrored(images: &Images) -> Images {
    let shape = images.shape();
    let lines = images.pixels().chunks(shape.width);
    let pixels = lines.flat_map(|line| line.iter().rev().copied()).collect();
    Images::new(pixels, images.labels().to_vec(), shape, images.classes()).unwrap()
}

#[test]
fn the_answer_is_the_mean_of_the_probabilities_of_an_image_and_of_its_mirror_image() {
    let dataset = sample::read();
    let images = &dataset.test;
    let config = Config { validation: 100, ..Config::default() };
    let prepared = Prepared::new(&config, &dataset, None).unwrap();
    let normalization = Some(prepared.normalization.clone());
    let backwards = Dataset { test: mirrored(images), ..dataset.clone() };
    let reads_backwards = Prepared::new(&config, &backwards, normalization).unwrap();
    let model = SoftmaxClassifier::new(&[images.dim(), 30, 10], Init::He, 5).unwrap();
    let mut engine = Engine::new(&model, 1, 2).unwrap();
    let rows: Vec<u32> = (0..images.len() as u32).rev().step_by(3).collect();
    let found = flips::evaluate(&mut engine, prepared.test_rows(), images, &rows).unwrap();

    let mut probabilities = |prepared: &Prepared| {
        let scores = engine.scores(&prepared.test_rows(), &rows).into_vec();
        let mut p: Vec<f64> = scores.into_iter().map(f64::from).collect();
        p.chunks_mut(10).for_each(softmax);
        p
    };
    let (own, mirror) = (probabilities(&prepared), probabilities(&reads_backwards));
    let mean: Vec<f64> = own.iter().zip(&mirror).map(|(a, b)| (a + b) / 2.0).collect();
    let class = |p: &[f64]| (0..10).max_by(|&a, &b| p[a].total_cmp(&p[b])).unwrap() as u32;
    let classes: Vec<u32> = mean.chunks(10).map(class).collect();
    assert_eq!((&found.rows, &found.predictions), (&rows, &classes));
    let label = |row: u32| usize::from(images.labels()[row as usize]);
    let losses = rows.iter().zip(mean.chunks(10)).map(|(&row, p)| -p[label(row)].ln());
    let loss = losses.sum::<f64>() / rows.len() as f64;
    assert!((found.loss - loss).abs() < 1e-6 * loss, "{} and {loss}", found.loss);
    assert_ne!(own.chunks(10).map(class).collect::<Vec<_>>(), classes, "the flips matter");
}
