//! The products on AMX, whose instructions stable Rust has in assembly alone.
//!
//! Eight tile registers: four hold a block of 2 x 2 tiles of the product, two a column of A's tiles, two
//! a row of B's. A block begins as 0 and takes a `tdpbf16ps` for each of its tiles and each 32 of k; then
//! it is written to C, or, where it is to be added or reaches beyond C, to memory of its own first.
//!
//! Each kernel is one block of assembly: between two, nothing but this file may change the tiles, and
//! the compiler does not know of them. A thread configures them ([`Section`]) before its first product
//! and releases them after its last.

use std::arch::asm;
use std::arch::x86_64::*;
use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::OnceLock;

use super::x86::flushing_denormals;
use super::{COLUMNS, LINES, ROWS, Tile, Tiles};
use crate::kernel::prefetch::with_queue;
use crate::matrix::ViewMut;

/// Bytes of a row of a tile.
const LINE: usize = 64;

/// Rows and columns of a block of C.
const SIDE: usize = 2 * ROWS;

/// Whether the processor has AMX for bf16, and the system lets this process use it.
pub(super) fn available() -> bool {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    *AVAILABLE.get_or_init(detect)
}

fn detect() -> bool {
    if __cpuid(0).eax < 7 || __cpuid(1).ecx & (1 << 27) == 0 {
        return false; // no such leaf, or no XGETBV
    }
    let features = __cpuid_count(7, 0).edx;
    let (bf16, tile) = (features & (1 << 22) != 0, features & (1 << 24) != 0);
    bf16 && tile && saves_tiles() && is_permitted()
}

/// Whether the system saves the tiles of a thread: bits 17 and 18 of XCR0.
fn saves_tiles() -> bool {
    let low: u32;
    // SAFETY: CPUID has said that the instruction is there; it reads a register.
    #[allow(unsafe_code)]
    unsafe {
        asm!("xgetbv", in("ecx") 0, out("eax") low, out("edx") _, options(nomem, nostack));
    }
    low & 0x60000 == 0x60000
}

/// Asks Linux for the permission that a process needs to use tiles.
fn is_permitted() -> bool {
    #[cfg(target_os = "linux")]
    {
        const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
        const XFEATURE_XTILEDATA: libc::c_long = 18;
        // SAFETY: the call takes two numbers, and changes what this process may do and nothing else.
        #[allow(unsafe_code)]
        unsafe {
            libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0
        }
    }
    #[cfg(not(target_os = "linux"))]
    false
}

/// The tile configuration of a kernel: palette 1, eight tiles of 16 rows of 64 bytes.
#[repr(C, align(64))]
struct Configuration([u8; 64]);

static CONFIGURATION: Configuration = {
    let mut bytes = [0; 64];
    bytes[0] = 1;
    let mut tile = 0;
    while tile < 8 {
        bytes[16 + 2 * tile] = LINE as u8;
        bytes[48 + tile] = ROWS as u8;
        tile += 1;
    }
    Configuration(bytes)
};

thread_local! {
    static CONFIGURED: Cell<bool> = const { Cell::new(false) };
}

/// While it lives, the tiles of this thread are configured.
pub(super) struct Section {
    /// Another section of this thread has configured them and will release them.
    inner: bool,
    /// It belongs to this thread.
    _not_send: PhantomData<*const ()>,
}

impl Section {
    pub fn enter() -> Self {
        let inner = CONFIGURED.replace(true);
        if !inner {
            // SAFETY: who has an AMX multiplier may execute the instruction; it reads 64 bytes that
            // live. No other code uses tiles.
            #[allow(unsafe_code)]
            unsafe {
                asm!("ldtilecfg [{}]", in(reg) &raw const CONFIGURATION, options(nostack, readonly));
            }
        }
        Self { inner, _not_send: PhantomData }
    }
}

impl Drop for Section {
    fn drop(&mut self) {
        if !self.inner {
            CONFIGURED.set(false);
            // SAFETY: as in `enter`.
            #[allow(unsafe_code)]
            unsafe {
                asm!("tilerelease", options(nostack, nomem));
            }
        }
    }
}

/// Where a block's operands and its place lie; strides in bytes.
#[derive(Clone, Copy)]
struct Block {
    /// The first and the second row of A's tiles.
    a: [*const Tile; 2],
    /// From a tile of A to that of the next k.
    a_stride: usize,
    /// The first and the second column of B's tiles.
    b: [*const Tile; 2],
    b_stride: usize,
    /// Tiles of k; at least one.
    k: usize,
    c: *mut f32,
    /// From a row of C to the next.
    c_stride: usize,
}

/// A kernel for blocks of so many tiles: what is zeroed, what a tile of k does, what is stored.
macro_rules! kernel {
    ($name:ident, [$($zero:literal),*], [$($step:literal),*], [$($store:literal),*]) => {
        /// # Safety
        /// The tiles of this thread are configured. Behind the pointers lie as many tiles as the
        /// block has, and as many rows of C.
        #[allow(unsafe_code)]
        #[inline]
        unsafe fn $name(Block { a, a_stride, b, b_stride, k, c, c_stride }: Block) {
            // SAFETY: the caller's promise.
            unsafe {
                asm!(
                    $($zero,)*
                    "2: /* {a1} {b1} {c1} are not used by every kernel */",
                    $($step,)*
                    "add {a0}, {a_stride}",
                    "add {a1}, {a_stride}",
                    "add {b0}, {b_stride}",
                    "add {b1}, {b_stride}",
                    "dec {k}",
                    "jnz 2b",
                    $($store,)*
                    a0 = inout(reg) a[0] => _,
                    a1 = inout(reg) a[1] => _,
                    a_stride = in(reg) a_stride,
                    b0 = inout(reg) b[0] => _,
                    b1 = inout(reg) b[1] => _,
                    b_stride = in(reg) b_stride,
                    k = inout(reg) k => _,
                    line = in(reg) LINE,
                    c0 = in(reg) c,
                    c1 = in(reg) c.wrapping_byte_add(ROWS * c_stride),
                    c_stride = in(reg) c_stride,
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                    options(nostack),
                );
            }
        }
    };
}

kernel!(
    two_by_two,
    ["tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3"],
    [
        "tileloadd tmm4, [{a0} + {line}]",
        "tileloadd tmm6, [{b0} + {line}]",
        "tdpbf16ps tmm0, tmm4, tmm6",
        "tileloadd tmm7, [{b1} + {line}]",
        "tdpbf16ps tmm1, tmm4, tmm7",
        "tileloadd tmm5, [{a1} + {line}]",
        "tdpbf16ps tmm2, tmm5, tmm6",
        "tdpbf16ps tmm3, tmm5, tmm7"
    ],
    [
        "tilestored [{c0} + {c_stride}], tmm0",
        "tilestored [{c0} + {c_stride} + 64], tmm1",
        "tilestored [{c1} + {c_stride}], tmm2",
        "tilestored [{c1} + {c_stride} + 64], tmm3"
    ]
);
kernel!(
    two_by_one,
    ["tilezero tmm0", "tilezero tmm2"],
    [
        "tileloadd tmm4, [{a0} + {line}]",
        "tileloadd tmm6, [{b0} + {line}]",
        "tdpbf16ps tmm0, tmm4, tmm6",
        "tileloadd tmm5, [{a1} + {line}]",
        "tdpbf16ps tmm2, tmm5, tmm6"
    ],
    ["tilestored [{c0} + {c_stride}], tmm0", "tilestored [{c1} + {c_stride}], tmm2"]
);
kernel!(
    one_by_two,
    ["tilezero tmm0", "tilezero tmm1"],
    [
        "tileloadd tmm4, [{a0} + {line}]",
        "tileloadd tmm6, [{b0} + {line}]",
        "tdpbf16ps tmm0, tmm4, tmm6",
        "tileloadd tmm7, [{b1} + {line}]",
        "tdpbf16ps tmm1, tmm4, tmm7"
    ],
    ["tilestored [{c0} + {c_stride}], tmm0", "tilestored [{c0} + {c_stride} + 64], tmm1"]
);
kernel!(
    one_by_one,
    ["tilezero tmm0"],
    [
        "tileloadd tmm4, [{a0} + {line}]",
        "tileloadd tmm6, [{b0} + {line}]",
        "tdpbf16ps tmm0, tmm4, tmm6"
    ],
    ["tilestored [{c0} + {c_stride}], tmm0"]
);

/// A block of the product where C has no place for it.
#[repr(C, align(64))]
struct Scratch([f32; SIDE * SIDE]);

thread_local! {
    static SCRATCH: RefCell<Scratch> = const { RefCell::new(Scratch([0.0; SIDE * SIDE])) };
}

/// C (+)= A·B, block by block of C.
pub(super) fn matmul(a: &Tiles, b: &Tiles, c: &mut ViewMut, accumulate: bool) {
    let _section = Section::enter();
    let mut blocks = || {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut block = |i, j| block(a, b, (i, j), c, accumulate, scratch);
            // The smaller operand stays in the first-level cache while the other passes by.
            if a.rows > b.columns {
                for i in (0..a.rows).step_by(2) {
                    (0..b.columns).step_by(2).for_each(|j| block(i, j));
                }
            } else {
                for j in (0..b.columns).step_by(2) {
                    (0..a.rows).step_by(2).for_each(|i| block(i, j));
                }
            }
        });
    };
    // Only an addition computes outside the tiles.
    if accumulate { flushing_denormals(blocks) } else { blocks() }
}

/// The block whose first tile is (i, j).
fn block(
    a: &Tiles,
    b: &Tiles,
    (i, j): (usize, usize),
    c: &mut ViewMut,
    accumulate: bool,
    Scratch(scratch): &mut Scratch,
) {
    let (down, across) = ((a.rows - i).min(2), (b.columns - j).min(2));
    let rows = i * ROWS..c.rows().min((i + down) * ROWS);
    let columns = j * ROWS..c.columns().min((j + across) * ROWS);
    let k = a.columns;
    let has_place = !accumulate && (rows.len(), columns.len()) == (down * ROWS, across * ROWS);
    if k == 0 {
        scratch.fill(0.0);
    } else {
        with_queue(|queue| queue.ask_lines(LINES * k));
        let line = size_of::<[f32; SIDE]>();
        let (place, c_stride) = if has_place {
            let _ = &c.row_mut(rows.end - 1)[columns.clone()]; // C reaches so far
            let stride = c.strides().0;
            let first = c.as_mut_ptr().wrapping_add(rows.start * stride + columns.start);
            (first, stride * size_of::<f32>())
        } else {
            (scratch.as_mut_ptr(), line)
        };
        // Of a block of one row or column of tiles the second is the first again, and not used.
        let at = Block {
            a: [a.as_ptr(i, 0), a.as_ptr(i + down - 1, 0)],
            a_stride: size_of::<Tile>(), // A lies in rows
            b: [b.as_ptr(0, j), b.as_ptr(0, j + across - 1)],
            b_stride: b.place.row * size_of::<Tile>(),
            k,
            c: place,
            c_stride,
        };
        // The last tiles that are read are tiles of the operands.
        let _ = (a.tile(i + down - 1, k - 1), b.tile(k - 1, j + across - 1));
        // SAFETY: the section has configured the tiles. The pointers are to all of the operands and of C
        // behind the block's first tile or number, and its last were just looked at.
        #[allow(unsafe_code)]
        unsafe {
            match (down, across) {
                (2, 2) => two_by_two(at),
                (2, _) => two_by_one(at),
                (_, 2) => one_by_two(at),
                _ => one_by_one(at),
            }
        }
    }
    if has_place && k > 0 {
        return;
    }
    if is_x86_feature_detected!("avx512f") {
        // SAFETY: it has just been detected.
        #[allow(unsafe_code)]
        unsafe {
            take_avx512(c, rows, columns, scratch, accumulate);
        }
    } else {
        take(c, rows, columns, scratch, accumulate);
    }
}

/// Adds a block to its place in C, or copies it there, as far as C reaches.
#[inline(always)]
fn take(
    c: &mut ViewMut,
    rows: Range<usize>,
    columns: Range<usize>,
    block: &[f32; SIDE * SIDE],
    accumulate: bool,
) {
    for (row, block) in rows.zip(block.as_chunks::<SIDE>().0) {
        let c = &mut c.row_mut(row)[columns.clone()];
        let add = |(c, product): (&mut f32, &f32)| *c += product;
        match <&mut [f32; SIDE]>::try_from(&mut *c) {
            _ if !accumulate => c.copy_from_slice(&block[..columns.len()]),
            // A length that the compiler knows: whole vectors.
            Ok(c) => c.iter_mut().zip(block).for_each(add),
            Err(_) => c.iter_mut().zip(block).for_each(add),
        }
    }
}

/// [`take`] with the vectors of the processors that have AMX: a row of a block is two.
#[allow(unsafe_code)]
#[target_feature(enable = "avx512f")]
fn take_avx512(
    c: &mut ViewMut,
    rows: Range<usize>,
    columns: Range<usize>,
    block: &[f32; SIDE * SIDE],
    accumulate: bool,
) {
    let reached = u32::MAX.unbounded_shr((SIDE - columns.len()) as u32);
    let masks = [reached as __mmask16, (reached >> ROWS) as __mmask16];
    for (row, block) in rows.zip(block.as_chunks::<ROWS>().0.chunks_exact(2)) {
        let c = c.row_mut(row)[columns.clone()].as_mut_ptr();
        for (half, (product, mask)) in block.iter().zip(masks).enumerate() {
            let c = c.wrapping_add(half * ROWS);
            // SAFETY: the mask leaves out what the row has no columns for.
            unsafe {
                let mut sum = _mm512_loadu_ps(product.as_ptr());
                if accumulate {
                    sum = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, c), sum);
                }
                _mm512_mask_storeu_ps(c, mask, sum);
            }
        }
    }
}

const _: () = assert!(size_of::<Tile>() == ROWS * LINE && 2 * COLUMNS == LINE);
