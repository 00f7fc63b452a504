//! One file a command.

pub mod assignment;
pub mod data;
pub mod eval;
pub mod gradcheck;
pub mod graph;
pub mod plot;
pub mod train;
