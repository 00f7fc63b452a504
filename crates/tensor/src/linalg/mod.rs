//! Algebra of symmetric matrices in `f64`, on a group of threads: what whitening needs.

pub mod cholesky;
pub mod inverse_root;
pub mod symmetric;
