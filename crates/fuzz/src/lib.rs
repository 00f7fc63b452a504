//! Mutated input for every reader: what a stranger may send must be read or refused, and never
//! panic, hang or fill the memory.
//!
//! The mutator starts from files that are right, or almost, changes a few bytes of them, and looks
//! behind the checksums that would stop it (see [`layers`]). Every input is a function of the seed and
//! its number alone, so a campaign can be repeated on any machine. The program `guided` offers the same
//! targets to AFL++, which follows the branches of the code.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`targets`] | the readers, and the folder of seeds of each |
//! | [`mutate`] | one input made of a few others |
//! | [`layers`] | archives and pictures opened, and closed again with the checksums put right |
//! | [`guided`] | a target as AFL++ drives it, and the corpus that it left |
//! | [`campaign`] | many inputs for one reader, timed, the culprit kept |
//!
//! `just fuzz --inputs 1000000` runs a campaign over all of them. The second program of this crate,
//! `just soak`, trains again and again in one process and watches its memory.

pub mod campaign;
pub mod guided;
pub mod layers;
pub mod mutate;
pub mod targets;

pub use campaign::{Campaign, Failure, Tally};
pub use mutate::Mutator;
pub use targets::{TARGETS, Target};
