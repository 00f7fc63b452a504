//! Holding every side of a comparison to an instruction set.

use std::process::Command;

use anyhow::bail;
use clap::ValueEnum;

/// An instruction set that programs can be held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Instructions {
    /// What most laptops have.
    Avx2,
    /// With its products of bf16, and without AMX.
    Avx512,
}

impl Instructions {
    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Instructions::Avx2 => "avx2",
            Instructions::Avx512 => "avx512",
        }
    }

    /// Sets what `peer` reads in its environment: `CHAINRULE_KERNEL`, and the variables of oneDNN,
    /// MKL, PyTorch's own loops, OpenBLAS and numpy's loops. On AMD, MKL ignores its variable: it has
    /// one kernel there, of AVX2 instructions.
    ///
    /// # Errors
    /// For candle and burn, whose products choose their instructions by the processor alone.
    pub fn hold(self, peer: &str, command: &mut Command) -> anyhow::Result<()> {
        if ["candle", "burn"].contains(&peer) {
            bail!(
                "{peer} cannot be held to {}: its products choose their instructions by the \
                 processor alone. Leave it out of --peers, or leave out --isa",
                self.name()
            );
        }
        let (one_dnn, open_blas, numpy) = match self {
            Instructions::Avx2 => ("AVX2", "Haswell", "X86_V4 AVX512_ICL AVX512_SPR"),
            Instructions::Avx512 => ("AVX512_CORE_BF16", "SkylakeX", ""),
        };
        command.envs([
            ("CHAINRULE_KERNEL", self.name()),
            ("ATEN_CPU_CAPABILITY", self.name()),
            ("MKL_ENABLE_INSTRUCTIONS", &self.name().to_uppercase()),
            ("ONEDNN_MAX_CPU_ISA", one_dnn),
            ("OPENBLAS_CORETYPE", open_blas),
            ("NPY_DISABLE_CPU_FEATURES", numpy),
        ]);
        // What PyTorch has compiled for one instruction set crashes it at another.
        let cache = std::env::temp_dir().join(format!("chainrule-inductor-{}", self.name()));
        command.env("TORCHINDUCTOR_CACHE_DIR", cache);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_that_cannot_be_held_is_refused_and_not_measured_faster_than_the_others() {
        let mut command = Command::new("peer");
        let error = Instructions::Avx2.hold("candle", &mut command).unwrap_err().to_string();
        assert!(error.starts_with("candle cannot be held to avx2"), "{error}");
        assert_eq!(command.get_envs().count(), 0);
        Instructions::Avx2.hold("ours", &mut command).unwrap();
        let kernel = command.get_envs().find(|(name, _)| *name == "CHAINRULE_KERNEL");
        assert_eq!(kernel.unwrap().1.unwrap(), "avx2");
    }
}
