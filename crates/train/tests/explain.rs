//! What a network looks at, against PyTorch's autograd in f64 (`tests/reference/explain.py`) and
//! against centered differences, for every kind of model file.

use std::path::{Path, PathBuf};

use chainrule_data::{Images, Shape};
use chainrule_tensor::{Isa, Scalar};
use chainrule_train::explain::saliency::{Saliency, SmoothGrad};
use chainrule_train::{Explainer, ModelFile};
use serde_json::Value;

const SHAPE: Shape = Shape { channels: 3, height: 4, width: 4 };
const CLASSES: usize = 5;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/explain")
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn rows(value: &Value) -> Vec<Vec<f64>> {
    value.as_array().unwrap().iter().map(numbers).collect()
}

struct Reference {
    pixels: Vec<Vec<f64>>,
    noise: Vec<Vec<f64>>,
    /// Of each model what is expected for each image.
    models: Vec<(String, ModelFile, Vec<Value>)>,
}

fn reference() -> Reference {
    let text = std::fs::read_to_string(folder().join("expected.json")).unwrap();
    let expected: Value = serde_json::from_str(&text).unwrap();
    let model = |(name, images): (&String, &Value)| {
        let path = folder().join(format!("{name}.safetensors"));
        let opened = ModelFile::open(&path).unwrap_or_else(|error| panic!("{error}"));
        (name.clone(), opened.model, images.as_array().unwrap().clone())
    };
    let models: Vec<_> = expected["models"].as_object().unwrap().iter().map(model).collect();
    assert_eq!(models.len(), 8);
    Reference { pixels: rows(&expected["pixels"]), noise: rows(&expected["noise"]), models }
}

/// Each to `bound` of the largest.
fn assert_close<T: Scalar>(found: &[T], expected: &[f64], bound: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let apart = (found.to_f64() - expected).abs();
        assert!(apart <= bound * largest, "{what}, {i}: {found:?}, expected {expected}");
    }
}

fn gradients_are_pytorchs<T: Scalar>(bound: f64) {
    let Reference { pixels, noise, models } = reference();
    let cast = |values: &[f64]| values.iter().map(|&x| T::from_f64(x)).collect::<Vec<T>>();
    for isa in Isa::available() {
        for (name, model, images) in &models {
            let mut saliency = Saliency::<T>::new(model, isa).unwrap();
            for (image, (pixels, expected)) in pixels.iter().zip(images).enumerate() {
                let what = |quantity: &str| format!("{name}, {isa}, image {image}, {quantity}");
                let of = |quantity: &str| numbers(&expected[quantity]);
                let class = expected["answer"].as_u64().unwrap() as usize;
                let p = cast(pixels);
                let scores = saliency.scores(std::slice::from_ref(&p));
                assert_close(scores.row(0), &of("scores"), bound, &what("scores"));
                let found = saliency.gradient(&p, class);
                assert_close(&found, &of("gradient"), bound, &what("gradient"));
                let found = saliency.gradient_times_input(&p, class);
                let wanted = of("gradient_times_input");
                assert_close(&found, &wanted, bound, &what("gradient x input"));
                let copies: Vec<Vec<T>> = noise
                    .iter()
                    .map(|noise| {
                        cast(&pixels.iter().zip(noise).map(|(a, b)| a + b).collect::<Vec<_>>())
                    })
                    .collect();
                let found = saliency.mean_gradient(&copies, class);
                assert_close(&found, &of("mean_gradient"), bound, &what("mean gradient"));

                let mut units = saliency.units(&p, class);
                assert!(units.is_sorted_by(|a, b| a.share >= b.share), "{}", what("order"));
                let shares: f64 = units.iter().map(|unit| unit.share).sum();
                if expected["activations"].is_null() {
                    assert!(units.is_empty());
                    continue;
                }
                assert!((shares - 1.0).abs() < 1e-12, "{}: {shares}", what("shares"));
                units.sort_by_key(|unit| unit.unit);
                let all = |f: fn(&chainrule_train::explain::saliency::Unit<T>) -> T| {
                    units.iter().map(f).collect::<Vec<T>>()
                };
                let (h, dz) = (of("activations"), of("activation_gradients"));
                let products: Vec<f64> = h.iter().zip(&dz).map(|(h, dz)| h * dz).collect();
                assert_close(&all(|unit| unit.activation), &h, bound, &what("activations"));
                assert_close(&all(|unit| unit.gradient), &dz, bound, &what("unit gradients"));
                assert_close(&all(|unit| unit.contribution), &products, bound, &what("parts"));
            }
        }
    }
}

#[test]
fn every_gradient_in_f32_is_pytorchs() {
    gradients_are_pytorchs::<f32>(1e-5);
}

/// What is left are the reciprocals of the deviations, which are rounded to f32 as in training.
#[test]
fn every_gradient_in_f64_is_pytorchs() {
    gradients_are_pytorchs::<f64>(1e-6);
}

#[test]
fn the_gradient_by_every_pixel_is_the_slope_of_the_score() {
    let Reference { pixels, models, .. } = reference();
    for (name, model, _) in &models {
        let mut saliency = Saliency::<f64>::new(model, Isa::best()).unwrap();
        for (image, pixels) in pixels.iter().enumerate() {
            for class in [0, 3] {
                let found = saliency.gradient(pixels, class);
                let largest = found.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
                for (i, found) in found.into_iter().enumerate() {
                    // In levels of 0 to 255: 2, 1, -1 and -2 thousandths.
                    let moved: Vec<Vec<f64>> = [2e-3, 1e-3, -1e-3, -2e-3]
                        .into_iter()
                        .map(|h| {
                            let mut moved = pixels.clone();
                            moved[i] += h;
                            moved
                        })
                        .collect();
                    let scores = saliency.scores(&moved);
                    let [a, b, c, d] = [0, 1, 2, 3].map(|row| scores.row(row)[class]);
                    let slope = (8.0 * (b - c) - (a - d)) / 12e-3;
                    assert!(
                        (found - slope).abs() < 1e-8 * largest.max(1e-3),
                        "{name}, image {image}, class {class}, pixel {i}: {found}, expected {slope}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_smallest_step_that_changes_the_answer_is_pytorchs() {
    let Reference { pixels, models, .. } = reference();
    let bytes = pixels.iter().flatten().map(|&p| p as u8).collect();
    let images = Images::new(bytes, vec![0; 3], SHAPE, CLASSES).unwrap();
    for (name, model, expected) in &models {
        let mut explainer = Explainer::new(model, SmoothGrad::default()).unwrap();
        for (image, expected) in expected.iter().enumerate() {
            let found = explainer.explain(&images, image as u32).unwrap();
            assert_eq!(found.class as u64, expected["answer"], "{name}, image {image}");
            let found = found.adversarial.unwrap();
            let steps = (u64::from(found.step), found.least_step, found.class as u64);
            let of = |key: &str| expected[key].as_u64().unwrap();
            let least = expected["least_step"].as_f64().unwrap();
            assert_eq!(steps, (of("step"), least, of("new_answer")), "{name}, image {image}");
            // The picture itself, asked about anew, gets that answer, and no pixel moved further.
            let changed = Images::new(found.pixels.clone(), vec![0], SHAPE, CLASSES).unwrap();
            let again = explainer.explain(&changed, 0).unwrap();
            assert_eq!(
                (again.class, again.probabilities[again.class]),
                (found.class, found.probability)
            );
            let far = found.pixels.iter().zip(images.image(image)).map(|(&a, &b)| a.abs_diff(b));
            assert_eq!(far.max(), Some(found.step), "{name}, image {image}");
        }
    }
}

/// A linear classifier has one gradient everywhere, and its score is b + Σ x ∂z/∂x.
#[test]
fn a_linear_classifier_is_explained_by_its_weights() {
    let Reference { pixels, models, .. } = reference();
    let (_, model, expected) = models.iter().find(|(name, ..)| name == "linear").unwrap();
    let mut saliency = Saliency::<f64>::new(model, Isa::best()).unwrap();
    let class = 2;
    let p = &pixels[0];
    let gradient = saliency.gradient(p, class);
    let smooth = saliency.smooth_grad(p, class, SmoothGrad::default());
    assert_close(&smooth, &gradient, 1e-12, "SmoothGrad");
    let sum: f64 = saliency.gradient_times_input(p, class).iter().sum();
    let bias = f64::from(model.classifier.bias(0)[class]);
    let score = numbers(&expected[0]["scores"])[class];
    assert!((sum + bias - score).abs() < 1e-5, "{sum} + {bias}, expected {score}");
}
