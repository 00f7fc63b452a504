//! Whether a peer does the work that it is timed on: five steps of SGD beside numpy's.

use anyhow::{Result, ensure};

use crate::{Framework, Sgd, Work};

const IMAGES: usize = 40;
const BATCH: usize = 8;
const HIDDEN: [usize; 2] = [20, 15];
/// A rate and a penalty so large that an error in any part of a step moves the loss.
const SGD: Sgd = Sgd { learning_rate: 0.01, momentum: 0.9, l2: 0.1 };

// What `check.py` prints, in f64; PyTorch's autograd and SGD, in f64, give the same digits.
const CLASSES: &str = "8688051186060532868887865337676376686611";
const LOSS: f32 = 3.134944;
const LOSS_AFTER_FIVE_STEPS: f32 = 2.016567;

/// A penalty on the biases too would change the loss by 1.3e-5; f32 rounds by 1e-6.
const TOLERANCE: f32 = 5e-6;

/// Fails at the first way that does not reach numpy's numbers.
pub fn check(framework: &Framework) -> Result<()> {
    let work = Work::new(IMAGES, &HIDDEN, BATCH, SGD)?;
    let rows: Vec<u32> = (0..IMAGES as u32).collect();
    for (name, prepare) in framework.training {
        let mut network = prepare(&work)?;
        let before = network.loss(&rows[..BATCH])?;
        for batch in rows.chunks(BATCH) {
            network.step(batch)?;
        }
        let after = network.loss(&rows[..BATCH])?;
        println!("{}, {name}: loss {before:.6}, after five steps {after:.6}", framework.name);
        ensure!(
            (before - LOSS).abs() < TOLERANCE && (after - LOSS_AFTER_FIVE_STEPS).abs() < TOLERANCE,
            "numpy has a loss of {LOSS} and, after five steps, of {LOSS_AFTER_FIVE_STEPS}"
        );
    }
    for (name, prepare) in framework.evaluation {
        let classes = prepare(&work)?.classify()?;
        let classes: String = classes.iter().map(u32::to_string).collect();
        println!("{}, {name}: classes {classes}", framework.name);
        ensure!(classes == CLASSES, "numpy has the classes {CLASSES}");
    }
    Ok(())
}
