//! Where a run came from: the table `[provenance]` of `config.toml`.

use serde::{Deserialize, Serialize};

/// What reproducing the run to the bit needs beside the settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// The version of this program.
    pub chainrule: String,
    /// The commit that it was built from, where that is known; `+` if the source was changed.
    pub commit: String,
    /// When the run began, in UTC.
    pub started: String,
    /// The processor's name.
    pub processor: String,
    /// Its cores.
    pub cores: usize,
    /// The kernels in use.
    pub kernel: String,
    /// "CIFAR-10", "sample", or the name of the set.
    pub data: String,
    /// SHA-256 over labels and pixels of all training, then all test images.
    pub data_sha256: String,
    /// Images to train on, those for validation among them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_images: Option<usize>,
    /// Images to test with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_images: Option<usize>,
    /// SHA-256 of the teacher's network, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teacher_sha256: Option<String>,
    /// The files of which an ensemble was made; of a run that trained, none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<String>,
}
