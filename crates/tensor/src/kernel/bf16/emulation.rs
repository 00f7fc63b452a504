//! Products without instructions for bf16: the rule of bits on the vectors of the processor, or in plain Rust.

use super::Tiles;
use super::tile::{flush, rule, sweep};
use crate::isa::Isa;
use crate::matrix::ViewMut;

/// C (+)= A·B, block by block of C.
pub(super) fn matmul(isa: Isa, a: &Tiles, b: &Tiles, c: &mut ViewMut, accumulate: bool) {
    match isa.kind() {
        #[cfg(target_arch = "x86_64")]
        crate::isa::Kind::Avx512 => super::x86::matmul_avx512(isa, a, b, c, accumulate),
        #[cfg(target_arch = "x86_64")]
        crate::isa::Kind::Avx2 => super::x86::matmul_avx2(isa, a, b, c, accumulate),
        _ => sweep(a, b, c, accumulate, rule, |c, product| flush(flush(c) + product)),
    }
}
