//! The product of a layer, in the precision of its [`Kernel`].

use std::fmt;
use std::str::FromStr;

use super::bf16::{self, LeftMut, Multiplier, Packed, Packing, Place, Role, Section, Tiles};
use super::{matmul, matmul_transposed, plain};
use crate::gemm::ShapeError;
use crate::isa::{self, Isa, IsaError, VARIABLE};
use crate::matrix::{View, ViewMut};
use crate::ops::transpose::transpose;
use crate::scalar::Scalar;

/// In which numbers products are made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub enum Precision {
    /// Operands and sums in `f32`.
    #[default]
    F32,
    /// Operands rounded to bf16, sums in `f32` ([`bf16`]).
    Bf16,
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        })
    }
}

/// A word that names no [`Precision`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no precision: use f32 or bf16")]
pub struct UnknownPrecision(String);

impl FromStr for Precision {
    type Err = UnknownPrecision;

    fn from_str(word: &str) -> Result<Self, UnknownPrecision> {
        let all = [Self::F32, Self::Bf16];
        let found = all.into_iter().find(|precision| precision.to_string() == word);
        found.ok_or_else(|| UnknownPrecision(word.to_owned()))
    }
}

/// What multiplies the matrices of a layer: the instructions, and the precision.
///
/// A layer keeps its operands as numbers, which are the `f32` that it learns, and, where its kernel
/// reads those, as bf16 tiles beside them ([`Kernel::room`]). [`Kernel::multiply`] is given the ones
/// that it reads ([`Kernel::operand`]).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Kernel {
    isa: Isa,
    products: Products,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
enum Products {
    /// By the kernels of the ISA.
    F32,
    /// In plain Rust with the bits of the vector kernels ([`plain`]).
    PlainF32,
    /// Of tiles.
    Bf16(Multiplier),
}

impl From<Isa> for Kernel {
    /// Products in `f32`.
    fn from(isa: Isa) -> Self {
        Self { isa, products: Products::F32 }
    }
}

impl From<Multiplier> for Kernel {
    /// Products of bf16 operands.
    fn from(multiplier: Multiplier) -> Self {
        Self { isa: multiplier.isa(), products: Products::Bf16(multiplier) }
    }
}

/// How products want a weight matrix to be cut.
struct Cuts {
    lanes: usize,
    unit: usize,
    columns: usize,
    strip: usize,
    panel: usize,
}

/// Those of the vector kernels: three vectors of AVX-512 are held in registers.
const VECTOR_CUTS: Cuts = Cuts { lanes: 16, unit: 16, columns: 48, strip: 48, panel: 48 };

/// A matrix as its kernel reads it ([`Kernel::operand`]).
#[derive(Clone, Copy, Debug)]
pub enum Operand<'a, T> {
    /// Its numbers.
    Numbers(View<'a, T>),
    /// Its numbers rounded, in the layout of its side of the product.
    Tiles(Tiles<'a>),
}

impl Kernel {
    /// The best kernel of this processor for a precision.
    pub fn best(precision: Precision) -> Self {
        match (precision, Multiplier::native().next()) {
            (Precision::Bf16, Some(multiplier)) => Self::from(multiplier),
            _ => Self::new(Isa::best(), precision),
        }
    }

    /// The kernel for a precision that `CHAINRULE_KERNEL` names, or else the best that there is:
    /// `amx` and `avx512_bf16` are these instructions for bf16 beside the best vectors, and the name of an
    /// ISA is that ISA without them.
    ///
    /// # Errors
    /// If the variable names no kernel, or one that this processor cannot run, or one of bf16 for `f32`.
    pub fn from_environment(precision: Precision) -> Result<Self, IsaError> {
        Self::named(std::env::var(VARIABLE).ok().filter(|name| !name.is_empty()), precision)
    }

    /// The vectors of the kernel that `CHAINRULE_KERNEL` names, for what multiplies in `f32` whatever the
    /// precision of the training, or else the best that there are.
    ///
    /// # Errors
    /// If the variable names no kernel, or one that this processor cannot run.
    pub fn isa_from_environment() -> Result<Isa, IsaError> {
        Self::from_environment(Precision::Bf16).map(Self::isa)
    }

    fn named(name: Option<String>, precision: Precision) -> Result<Self, IsaError> {
        match (name.as_deref(), precision) {
            (None, _) => Ok(Self::best(precision)),
            (Some(name), precision) if bf16::NAMES.contains(&name) => {
                if precision == Precision::F32 {
                    return Err(IsaError::OnlyBf16(name.into()));
                }
                let all = Self::available().into_iter().filter(|kernel| kernel.reads_tiles());
                let found = all.clone().find(|kernel| kernel.to_string() == name);
                found.ok_or_else(|| IsaError::Unavailable {
                    name: name.into(),
                    available: all.map(|kernel| kernel.to_string()).collect::<Vec<_>>().join(", "),
                })
            }
            (Some(name), _) => {
                let isa = name.parse().map_err(|error| match (error, precision) {
                    (IsaError::Unknown { name, mut known }, Precision::Bf16) => {
                        known.extend(bf16::NAMES);
                        IsaError::Unknown { name, known }
                    }
                    (error, _) => error,
                })?;
                Ok(Self::new(isa, precision))
            }
        }
    }

    /// Every kernel that this processor can run.
    pub fn available() -> Vec<Self> {
        let precisions = [Precision::F32, Precision::Bf16];
        let of = |isa| precisions.map(|precision| Self::new(isa, precision));
        let native = Multiplier::native().map(Self::from);
        Isa::available().into_iter().flat_map(of).chain(native).collect()
    }

    /// Whether two kernels for one precision, by their names, give the same bits: all with vectors do.
    pub fn round_alike(one: &str, other: &str) -> bool {
        let [_portable, vectors @ ..] = isa::NAMES;
        let vectors = |name| vectors.contains(&name) || bf16::NAMES.contains(&name);
        one == other || vectors(one) && vectors(other)
    }

    /// Products in `precision` on the vectors of `isa`, without instructions for bf16.
    pub fn new(isa: Isa, precision: Precision) -> Self {
        match precision {
            Precision::F32 => isa.into(),
            Precision::Bf16 => Multiplier::emulation(isa).into(),
        }
    }

    /// The vector instructions of everything that is no product.
    pub fn isa(self) -> Isa {
        self.isa
    }

    /// The precision of the products.
    pub fn precision(self) -> Precision {
        if self.reads_tiles() { Precision::Bf16 } else { Precision::F32 }
    }

    /// Whether products in bf16 are emulated, and so slower than in `f32`.
    pub fn emulates(self) -> bool {
        matches!(self.products, Products::Bf16(multiplier) if multiplier.name().is_none())
    }

    /// The kernel of the last layer of a network, whose products stay in `f32`. Below bf16 it has the
    /// same bits on every processor, as those.
    pub fn of_last_layer(self) -> Self {
        match self.products {
            Products::Bf16(_) if self.isa == Isa::PORTABLE => {
                Self { products: Products::PlainF32, ..self }
            }
            _ => self.isa.into(),
        }
    }

    fn reads_tiles(self) -> bool {
        matches!(self.products, Products::Bf16(_))
    }

    fn cuts(self) -> Cuts {
        match self.products {
            Products::Bf16(_) => {
                let side = bf16::COLUMNS; // of two by two tiles of the product
                Cuts { lanes: 1, unit: side, columns: 128, strip: side, panel: 128 }
            }
            // matrixmultiply packs all of its right operand at each call, and wants larger parts.
            Products::F32 if self.isa == Isa::PORTABLE => {
                Cuts { lanes: 1, unit: 1, columns: 128, strip: 128, panel: 128 }
            }
            Products::F32 | Products::PlainF32 => VECTOR_CUTS,
        }
    }

    /// Numbers in a vector: a narrower column tile is stored transposed. 1 where none is.
    pub fn lanes(self) -> usize {
        self.cuts().lanes
    }

    /// Column tiles begin at multiples of this.
    pub fn tile_unit(self) -> usize {
        self.cuts().unit
    }

    /// The most columns of a tile of a weight matrix.
    pub fn tile_columns(self) -> usize {
        self.cuts().columns
    }

    /// The most columns of a weight matrix that lie together, those of a row side by side. It is all
    /// columns of a tile where the kernel reads the numbers.
    pub fn strip_columns(self) -> usize {
        self.cuts().strip
    }

    /// Rows of a weight gradient that are computed before they are used up: few enough to stay in
    /// the first-level cache.
    pub fn panel_rows(self) -> usize {
        self.cuts().panel
    }

    /// Keeps this thread ready for products while the section lives.
    pub fn section(self) -> Section {
        match self.products {
            Products::Bf16(multiplier) => multiplier.section(),
            _ => Section::default(),
        }
    }

    /// Whether weights, and what an update reads with them, are prefetched while others are multiplied.
    /// Beside the short products of AMX that costs more than it saves, and the emulation has no need of it.
    pub fn prefetches_weights(self) -> bool {
        match self.products {
            Products::Bf16(multiplier) => multiplier.prefetches_weights(),
            _ => true,
        }
    }

    /// Room for so many tiles of operands, if the kernel reads tiles.
    pub fn room(self, tiles: usize) -> Packed {
        Packed::zeros(if self.reads_tiles() { tiles } else { 0 })
    }

    /// Bytes of each tile of [`Kernel::room`]; 0 if the kernel reads no tiles.
    pub fn tile_bytes(self) -> usize {
        if self.reads_tiles() { size_of::<bf16::Tile>() } else { 0 }
    }

    /// How numbers become tiles, if the kernel reads tiles.
    #[inline]
    pub fn packing(self) -> Option<Packing> {
        match self.products {
            Products::Bf16(multiplier) => Some(multiplier.packing()),
            _ => None,
        }
    }

    /// Rounds `x` into the tiles at `place`, if the kernel reads tiles.
    ///
    /// # Panics
    /// If there are fewer tiles than `x` fills, or columns of `x` are not adjacent.
    pub fn pack<T: Scalar>(self, x: View<T>, role: Role, to: &mut Packed, place: Place) {
        if let Some(packing) = self.packing() {
            bf16::pack(packing, x, role, to.tiles_mut(place));
        }
    }

    /// This kernel where the numbers are of type `T`: only `f32` is rounded to bf16.
    pub fn of<T: Scalar>(self) -> Self {
        if T::as_f32(&[]).is_some() { self } else { self.isa.into() }
    }

    /// The form of a matrix that this kernel reads; the other is not made.
    #[inline]
    pub fn operand<'a, T>(
        self,
        numbers: impl FnOnce() -> View<'a, T>,
        tiles: impl FnOnce() -> Tiles<'a>,
    ) -> Operand<'a, T> {
        if self.reads_tiles() { Operand::Tiles(tiles()) } else { Operand::Numbers(numbers()) }
    }

    /// Rounds `x` into the tiles of a left operand and, where it is wanted, those of its transpose, if the
    /// kernel reads tiles ([`Kernel::pack`]).
    ///
    /// # Panics
    /// As [`Kernel::pack`].
    pub fn pack_left<T: Scalar>(self, x: View<T>, to: LeftMut) {
        if let Some(packing) = self.packing() {
            bf16::pack_left(packing, x, to);
        }
    }

    /// Wᵀ as numbers for [`Kernel::multiply`], whose kernels want their columns adjacent, so that these
    /// are copied to `scratch`.
    pub fn transposed<'a, T: Scalar>(self, w: View<'a, T>, scratch: &'a mut [T]) -> View<'a, T> {
        let (rows, columns) = (w.rows(), w.columns());
        let scratch = &mut scratch[..rows * columns];
        transpose(self.isa, w.as_slice(), rows, columns, scratch);
        View::new(scratch, columns, rows)
    }

    /// C := A·B, or C := C + A·B if `accumulate`. Without it C is written and never read.
    ///
    /// # Errors
    /// [`ShapeError`] if the shapes do not fit together; C is untouched.
    ///
    /// # Panics
    /// If the operands are not those of this kernel.
    pub fn multiply<T: Scalar>(
        self,
        a: Operand<T>,
        b: Operand<T>,
        mut c: ViewMut<T>,
        accumulate: bool,
    ) -> Result<(), ShapeError> {
        match (self.products, a, b) {
            (Products::Bf16(multiplier), Operand::Tiles(a), Operand::Tiles(b)) => {
                let c = c.as_f32().expect("tiles are of `f32`");
                bf16::matmul(multiplier, a, b, c, accumulate);
                Ok(())
            }
            (_, Operand::Numbers(a), Operand::Numbers(b)) => {
                self.multiply_numbers(a, b, c, accumulate)
            }
            _ => panic!("{self} does not multiply tiles with numbers"),
        }
    }

    /// C (+)= A·B of numbers, whatever the precision.
    ///
    /// # Errors
    /// As [`Kernel::multiply`].
    pub fn multiply_numbers<T: Scalar>(
        self,
        a: View<T>,
        b: View<T>,
        mut c: ViewMut<T>,
        accumulate: bool,
    ) -> Result<(), ShapeError> {
        match (self.products, a.as_f32(), b.as_f32(), c.as_f32()) {
            (Products::PlainF32, Some(a), Some(b), Some(mut c)) => {
                plain::matmul(a, b, &mut c, accumulate)
            }
            _ => matmul(self.isa, a, b, c, accumulate),
        }
    }

    /// C (+)= A·Bᵀ of numbers, for a B of few rows.
    ///
    /// # Errors
    /// As [`Kernel::multiply`].
    pub fn multiply_transposed<T: Scalar>(
        self,
        a: View<T>,
        b: View<T>,
        mut c: ViewMut<T>,
        accumulate: bool,
    ) -> Result<(), ShapeError> {
        match (self.products, a.as_f32(), b.as_f32(), c.as_f32()) {
            (Products::PlainF32, Some(a), Some(b), Some(mut c)) => {
                plain::matmul_transposed(a, b, &mut c, accumulate)
            }
            _ => matmul_transposed(self.isa, a, b, c, accumulate),
        }
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let name = match self.products {
            Products::Bf16(multiplier) => multiplier.name(),
            _ => None,
        };
        match name {
            Some(name) => f.write_str(name),
            None => self.isa.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_portable_kernels_round_otherwise() {
        let names = ["portable", "avx2", "avx512", "avx512_bf16", "amx"];
        for (one, other) in names.iter().flat_map(|one| names.map(|other| (*one, other))) {
            let portable = [one, other].iter().filter(|name| **name == "portable").count();
            assert_eq!(Kernel::round_alike(one, other), portable != 1, "{one}, {other}");
        }
        assert!(!Kernel::round_alike("avx2", "avx1024"));
    }

    #[test]
    fn a_name_is_the_kernel_that_prints_it_and_instructions_for_bf16_are_refused_with_f32() {
        for kernel in Kernel::available() {
            assert_eq!(Kernel::named(Some(kernel.to_string()), kernel.precision()), Ok(kernel));
        }
        for precision in [Precision::F32, Precision::Bf16] {
            assert_eq!(Kernel::named(None, precision), Ok(Kernel::best(precision)));
            assert_eq!(precision.to_string().parse(), Ok(precision));
        }
        let available = Kernel::available().into_iter().map(|kernel| kernel.to_string());
        let available: Vec<_> = available.collect();
        for name in bf16::NAMES {
            let error = Kernel::named(Some(name.into()), Precision::F32).unwrap_err();
            assert!(error.to_string().contains("precision here is f32"), "{error}");
            if !available.iter().any(|one| one == name) {
                let error = Kernel::named(Some(name.into()), Precision::Bf16).unwrap_err();
                let want = format!("{name} is not for this processor: use portable");
                assert!(error.to_string().contains(&want), "{error}");
            }
        }
        for (precision, known) in [
            (Precision::F32, "use one of portable, avx2, avx512"),
            (Precision::Bf16, "use one of portable, avx2, avx512, amx, avx512_bf16"),
        ] {
            let error = Kernel::named(Some("avx1024".into()), precision).unwrap_err();
            assert_eq!(error.to_string(), format!("{VARIABLE}=avx1024 names no kernels: {known}"));
        }
        assert_eq!(
            "fp16".parse::<Precision>().unwrap_err().to_string(),
            "\"fp16\" is no precision: use f32 or bf16"
        );
    }
}
