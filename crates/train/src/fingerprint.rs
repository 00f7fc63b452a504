//! One hash over what a run has computed: its weights, and its losses and accuracies.

use std::path::Path;

use chainrule_runs::folder::{LAST, MODEL};
use chainrule_runs::{Epoch, Iteration, Table, table::Progress};
use sha2::{Digest, Sha256};

use crate::Error;
use crate::tensors::{TensorFile, hexadecimal};

/// SHA-256, in hexadecimal, over the run in `folder`:
///
/// 1. of `last.safetensors` and then of `model.safetensors`, each tensor in the order of the names:
///    its name, and its values as little-endian `f32`;
/// 2. of each line of `iterations.csv`, `loss`, and of each line of `epochs.csv`, `train_loss`,
///    `train_accuracy`, `validation_loss` and `validation_accuracy`, as little-endian `f64`.
///
/// # Errors
/// If a file is missing or damaged.
pub fn fingerprint(folder: &Path) -> Result<String, Error> {
    let mut hash = Sha256::new();
    for name in [LAST, MODEL] {
        for (name, (_, values)) in TensorFile::load(&folder.join(name))?.tensors {
            hash.update(name);
            values.iter().for_each(|value| hash.update(value.to_le_bytes()));
        }
    }
    for step in Table::<Iteration>::read(folder, Progress::Ended)?.records {
        hash.update(step.loss.to_le_bytes());
    }
    for epoch in Table::<Epoch>::read(folder, Progress::Ended)?.records {
        let Epoch { train_loss, train_accuracy, validation_loss, validation_accuracy, .. } = epoch;
        for value in [train_loss, train_accuracy, validation_loss, validation_accuracy] {
            hash.update(value.to_le_bytes());
        }
    }
    Ok(hexadecimal(hash))
}
