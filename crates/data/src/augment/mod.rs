//! Training images a little different in every epoch: flips, shifts, rotations, cut-out.
//!
//! | module | what it holds |
//! | --- | --- |
//! | `draw` | what may happen, and what happens to each image in an epoch, by chance |
//! | `change` | one image mirrored and moved |
//! | `turn` | one image turned as well |
//! | `lines` | images that are 32 wide |
//! | `augmented` | all of it while pixels are gathered |

mod augmented;
mod change;
mod draw;
mod lines;
mod turn;

pub use augmented::Augmented;
pub use draw::{Augmentation, Changes};
