//! What the benchmarks and the comparisons share.
//!
//! The work is always the same: 50,000 images of 3072 byte pixels in memory, reshuffled in every
//! epoch; a minibatch is gathered and normalized; 3072 -> hidden -> 10 with ReLU, softmax
//! cross-entropy, backward, and SGD with momentum 0.9 and L2.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`images`] | made-up numbers and images, the same on every run |
//! | [`shape`] | a batch size and hidden widths, and their floating-point operations |
//! | [`trainer`] | a network in training on the made-up images |
//! | [`instructions`] | holding every side of a comparison to an instruction set |
//! | [`phases`] | how long each phase of a step takes, and how much arithmetic and traffic it is |
//! | [`machine`] | how many threads to measure with; a warning if the machine is busy |
//! | [`statistics`] | medians and quartiles |
//! | [`protocol`] | what a peer, a process that works when it is told to, reads and answers |
//! | [`peer`] | the peers' commands, started and asked |
//! | [`output`] | tables and charts as files |

pub mod images;
pub mod instructions;
pub mod machine;
pub mod output;
pub mod peer;
pub mod phases;
pub mod protocol;
pub mod shape;
pub mod statistics;
pub mod trainer;

pub use instructions::Instructions;
pub use shape::Shape;
pub use trainer::{Ingredients, Trainer};
