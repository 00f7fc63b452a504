//! Exclusive or, which no linear classifier can learn and a network of eight hidden units can.
//!
//! ```text
//! cargo run --release --package chainrule-nn --example xor
//! ```

use std::error::Error;

use chainrule_nn::{Engine, Init, Sgd, SoftmaxClassifier};
use chainrule_tensor::Tensor;

/// The share of the four points that a network of these widths gets right after 200 epochs.
fn train(widths: &[usize]) -> Result<f64, Box<dyn Error>> {
    let x = Tensor::from_rows(&[[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]);
    let labels = [0, 1, 1, 0];
    let rows = [0, 1, 2, 3];
    let model = SoftmaxClassifier::<f64>::new(widths, Init::He, 1)?;
    let mut engine = Engine::new(&model, 4, 1)?; // batches of 4 rows, 1 thread
    let sgd = Sgd { learning_rate: 0.5, momentum: 0.9, l2: 0.0, nesterov: false };
    for _ in 0..200 {
        engine.train(&x, &labels, &rows, 4, sgd)?;
    }
    Ok(engine.evaluate(&x, &labels, &rows).accuracy(&labels))
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("no hidden layer: {:.0} % of the points right", 100.0 * train(&[2, 2])?);
    println!("8 hidden units:  {:.0} % of the points right", 100.0 * train(&[2, 8, 2])?);
    Ok(())
}

#[test]
fn only_a_hidden_layer_tells_exclusive_or() {
    main().unwrap();
    assert_eq!(train(&[2, 8, 2]).unwrap(), 1.0);
    assert!(train(&[2, 2]).unwrap() <= 0.75);
}
