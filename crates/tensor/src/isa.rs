//! Which instructions this processor has, and so which kernels are used.
//!
//! An [`Isa`] (instruction set architecture) is chosen once, at run time. It decides two things:
//! which version of each kernel runs, and how a weight matrix is cut into column tiles. Results are
//! the same bits on every run, on any number of threads and on every ISA with vectors
//! ([`kernel`](mod@crate::kernel)). The portable one rounds differently.

use std::fmt;
use std::str::FromStr;

/// A set of kernels that this processor can run.
///
/// It cannot be constructed otherwise: a value of this type is the proof that its instructions
/// were detected, which is what makes the calls in [`kernel`](mod@crate::kernel) sound.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Isa(Kind);

#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))] // the other two are x86 alone
pub(crate) enum Kind {
    Portable,
    Avx2,
    Avx512,
}

/// The names of all ISAs, in the order of [`Kind`].
pub(crate) const NAMES: [&str; 3] = ["portable", "avx2", "avx512"];

/// The environment variable that forces an ISA, `portable`, `avx2` or `avx512`; or, for products of bf16
/// operands, `amx` or `avx512_bf16`.
pub const VARIABLE: &str = "CHAINRULE_KERNEL";

/// An ISA that was asked for by name and cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IsaError {
    /// No ISA has this name.
    #[error("{VARIABLE}={name} names no kernels: use one of {}", known.join(", "))]
    Unknown {
        /// The name.
        name: String,
        /// All that there are.
        known: Vec<&'static str>,
    },
    /// Instructions for bf16 were asked for, and the products are `f32`.
    #[error(
        "{VARIABLE}={0} multiplies bf16 operands, and the precision here is f32: name the kernels of vectors, or leave it out"
    )]
    OnlyBf16(String),
    /// The processor lacks the instructions.
    #[error("{VARIABLE}={name} is not for this processor: use {available}")]
    Unavailable {
        /// The ISA that was asked for.
        name: String,
        /// Those that it may be.
        available: String,
    },
}

impl Isa {
    /// Plain Rust, and matrixmultiply for products: runs everywhere, and is the reference.
    pub const PORTABLE: Isa = Isa(Kind::Portable);

    /// Every ISA that this processor can run, the best last.
    pub fn available() -> Vec<Isa> {
        let mut isas = vec![Isa::PORTABLE];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                isas.push(Isa(Kind::Avx2));
                if is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                {
                    isas.push(Isa(Kind::Avx512));
                }
            }
        }
        isas
    }

    /// The best ISA that this processor can run.
    pub fn best() -> Isa {
        *Isa::available().last().expect("the portable one is always there")
    }

    pub(crate) fn kind(self) -> Kind {
        self.0
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(NAMES[self.0 as usize])
    }
}

impl FromStr for Isa {
    type Err = IsaError;

    fn from_str(name: &str) -> Result<Isa, IsaError> {
        if !NAMES.contains(&name) {
            return Err(IsaError::Unknown { name: name.to_owned(), known: NAMES.to_vec() });
        }
        let found = Isa::available().into_iter().find(|isa| isa.to_string() == name);
        found.ok_or_else(|| IsaError::Unavailable {
            name: name.to_owned(),
            available: Isa::available().iter().map(Isa::to_string).collect::<Vec<_>>().join(", "),
        })
    }
}

/// Compiles one loop once for each ISA, and calls the version that the given [`Isa`] names.
///
/// The body is ordinary safe Rust. What the compiler may turn it into differs: 16 numbers at a
/// time where AVX-512 was detected, 8 with AVX2, 4 or fewer elsewhere. Multiplications and
/// additions are never fused by the compiler, so every version returns the same bits.
macro_rules! for_each_isa {
    ($(#[$attribute:meta])* $visibility:vis fn $name:ident<T: Scalar $(, $I:ident: $bound:path)?>(
        $($argument:ident: $type:ty),* $(,)?
    ) $(-> $result:ty)? $body:block) => {
        $(#[$attribute])*
        #[allow(clippy::too_many_arguments)] // coefficients, each with its name in the formula
        $visibility fn $name<T: $crate::Scalar $(, $I: $bound)?>(
            isa: $crate::Isa, $($argument: $type),*
        ) $(-> $result)? {
            #[inline(always)]
            fn body<T: $crate::Scalar $(, $I: $bound)?>($($argument: $type),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
            fn avx512<T: $crate::Scalar $(, $I: $bound)?>($($argument: $type),*) $(-> $result)? {
                body($($argument),*)
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2")]
            fn avx2<T: $crate::Scalar $(, $I: $bound)?>($($argument: $type),*) $(-> $result)? {
                body($($argument),*)
            }

            match isa.kind() {
                // SAFETY: an `Isa` of this kind exists only where its instructions were detected.
                #[cfg(target_arch = "x86_64")]
                #[allow(unsafe_code)]
                $crate::isa::Kind::Avx512 => unsafe { avx512($($argument),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                #[allow(unsafe_code)]
                $crate::isa::Kind::Avx2 => unsafe { avx2($($argument),*) },
                _ => body($($argument),*),
            }
        }
    };
}
pub(crate) use for_each_isa;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_isa_is_found_by_the_name_that_it_prints() {
        for isa in Isa::available() {
            assert_eq!(isa.to_string().parse(), Ok(isa));
        }
    }

    #[test]
    fn a_misspelled_isa_is_an_error_and_not_the_default() {
        let error = "avx1024".parse::<Isa>().unwrap_err().to_string();
        assert!(error.contains("avx1024") && error.contains("portable"), "{error}");
    }
}
