//! Loops over slices, one pass over memory each.
//!
//! Each is compiled for every [`Isa`](crate::Isa), and returns the same bits on each of them.

pub mod bytes;
pub mod columns;
pub mod elementwise;
pub mod rows;
pub mod transpose;
pub mod update;
