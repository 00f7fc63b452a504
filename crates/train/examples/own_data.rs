//! A classifier of images of one's own: made in memory, trained, asked, and explained.
//!
//! The images are gray, 8 x 8, noise with a bright bar that lies or stands. Those of a real set come
//! from files: `chainrule train --data images:photos` reads a folder of pictures, a folder a class.
//!
//! ```text
//! cargo run --release --package chainrule-train --example own_data
//! ```

use std::error::Error;
use std::path::Path;

use chainrule_data::{Dataset, Images, Shape};
use chainrule_nn::init::Normal;
use chainrule_train::config::Tta;
use chainrule_train::explain::saliency::SmoothGrad;
use chainrule_train::{Config, Data, Explainer, Predictor, Quiet, run};

const SHAPE: Shape = Shape { channels: 1, height: 8, width: 8 };

/// `n` images, every other one with a bar that stands.
fn bars(n: usize, seed: u64) -> Result<Images, chainrule_data::Error> {
    let mut normal = Normal::new(seed);
    let (mut pixels, mut labels) = (vec![], vec![]);
    for i in 0..n {
        let (stands, place) = (i % 2 == 1, i / 2 % 8);
        for y in 0..8 {
            for x in 0..8 {
                let bright = if stands { x == place } else { y == place };
                let value = if bright { 190.0 } else { 90.0 };
                pixels.push((value + 25.0 * normal.draw()) as u8); // as u8 stays in 0 to 255
            }
        }
        labels.push(u8::from(stands));
    }
    Images::new(pixels, labels, SHAPE, 2)
}

/// Trains into the folder `out`, which must be empty, and returns the accuracy on the test images.
fn train(out: &Path) -> Result<f64, Box<dyn Error>> {
    let classes = ["lies", "stands"].map(str::to_owned).to_vec();
    let (train, test) = (bars(2000, 1)?, bars(400, 2)?);
    let data = Data::new(Dataset { name: "bars".into(), classes, train, test }, "bars");
    let config = Config { hidden_dim: vec![16], epochs: 20, validation: 400, ..Config::default() };
    let finished = run(&config, &data, out, &mut Quiet)?;
    let accuracy = finished.summary.test_accuracy;
    println!("{:.1} % of {} test images right", 100.0 * accuracy, data.dataset.test.len());

    // The model that `out` holds as model.safetensors answers for an image, and says why.
    let answers = Predictor::new(&finished.model, 1)?.ask(&data.dataset.test, &[0], Tta::NONE)?;
    let p = answers.probabilities();
    println!("image 0: {} with {:.1} %", data.dataset.classes[0], 100.0 * p[0]);
    let explanation =
        Explainer::new(&finished.model, SmoothGrad::default())?.explain(&data.dataset.test, 0)?;
    if let Some(changed) = explanation.adversarial {
        let class = &data.dataset.classes[changed.class];
        println!("with every pixel changed by {} of 255 levels: {class}", changed.step);
    }
    Ok(accuracy)
}

fn main() -> Result<(), Box<dyn Error>> {
    let out = Path::new("results/bars");
    train(out)?;
    println!("results: {}", out.display());
    Ok(())
}

#[test]
fn a_network_learns_which_bar_stands() {
    let folder = tempfile::tempdir().unwrap();
    assert!(train(folder.path()).unwrap() > 0.95);
}
