//! AMX instructions on a processor without them, for tests: the very machine code of `amx.rs` runs, and
//! each instruction that the processor refuses is done here.
//!
//! A refused instruction raises SIGILL. The handler decodes it (Intel's manual, volume 2: the VEX prefix,
//! ModRM and SIB bytes of LDTILECFG, TILERELEASE, TILEZERO, TILELOADD, TILESTORED and TDPBF16PS), does it
//! on tiles of the thread's own, and goes on behind it. Any other instruction, and a tile instruction
//! before LDTILECFG, ends the process as it does without the handler.

use std::cell::UnsafeCell;
use std::sync::Once;

use super::tile::rule;
use super::{ROWS, Tile, WORDS};

/// The tiles of a thread, if they are configured.
struct Tiles {
    configured: bool,
    tiles: [Tile; 8],
}

thread_local! {
    static TILES: UnsafeCell<Tiles> =
        const { UnsafeCell::new(Tiles { configured: false, tiles: [[0; WORDS]; 8] }) };
}

/// Handles the signal from now on.
pub(super) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: a zeroed `sigaction` is a valid one, and the handler has the signature that its flag
        // says.
        #[allow(unsafe_code)]
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handle as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO;
            assert_eq!(libc::sigaction(libc::SIGILL, &raw const action, std::ptr::null_mut()), 0);
        }
    });
}

#[allow(unsafe_code)]
extern "C" fn handle(_: i32, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the system gives the context of the thread, whose instruction pointer is at the
    // instruction that was refused: at most 15 bytes, which it has just read. What the instruction
    // itself would access is valid by the promise of the code that executes it. The tiles are used by
    // this handler alone, which does not interrupt itself.
    unsafe {
        let registers = &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs;
        let at = registers[libc::REG_RIP as usize] as *const u8;
        let done = TILES.with(|tiles| execute(at, registers, &mut *tiles.get()));
        match done {
            Some(length) => registers[libc::REG_RIP as usize] += length as i64,
            None => {
                libc::signal(libc::SIGILL, libc::SIG_DFL); // refused once more, and for good
            }
        }
    }
}

/// The general registers by their numbers in an instruction.
const NUMBERS: [i32; 16] = [
    libc::REG_RAX,
    libc::REG_RCX,
    libc::REG_RDX,
    libc::REG_RBX,
    libc::REG_RSP,
    libc::REG_RBP,
    libc::REG_RSI,
    libc::REG_RDI,
    libc::REG_R8,
    libc::REG_R9,
    libc::REG_R10,
    libc::REG_R11,
    libc::REG_R12,
    libc::REG_R13,
    libc::REG_R14,
    libc::REG_R15,
];

/// The memory operand of an instruction: base + displacement, and the index as a stride.
struct Memory {
    address: *mut u8,
    stride: usize,
    /// Bytes of ModRM, SIB and displacement.
    length: usize,
}

/// Does the instruction at `at` and returns its length, if it is one of those.
///
/// # Safety
/// Behind `at` there must be an instruction, and behind its operands valid memory.
#[allow(unsafe_code)]
unsafe fn execute(at: *const u8, registers: &[i64; 23], state: &mut Tiles) -> Option<usize> {
    // SAFETY: the caller's promise; an instruction with this first byte has four more at least.
    unsafe {
        if *at != 0xc4 {
            return None; // no VEX prefix of three bytes
        }
        let [map, fields, opcode, modrm] = [1, 2, 3, 4].map(|i| *at.add(i));
        if map & 0x1f != 2 || fields & 0x84 != 0 {
            return None; // not of the map 0F38, or of another width
        }
        let prefix = fields & 3; // none, 66, F3, F2
        let second = usize::from(!fields >> 3 & 15);
        let (is_register, reg, rm) = (modrm >> 6 == 3, usize::from(modrm >> 3 & 7), modrm & 7);
        match (opcode, prefix, is_register) {
            (0x49, 0, false) if reg == 0 => {
                let memory = memory(at, map, registers);
                // 8 tiles of 16 rows of 64 bytes: what is asked of the code under test.
                let bytes = std::slice::from_raw_parts(memory.address, 64);
                let rows = &bytes[48..56];
                let columns =
                    (0..8).map(|i| u16::from_le_bytes([bytes[16 + 2 * i], bytes[17 + 2 * i]]));
                let whole =
                    bytes[0] == 1 && rows == [16; 8] && columns.into_iter().all(|n| n == 64);
                if !whole {
                    return None;
                }
                *state = Tiles { configured: true, tiles: [[0; WORDS]; 8] };
                return Some(4 + memory.length);
            }
            _ if !state.configured => return None,
            (0x49, 0, true) if modrm == 0xc0 => state.configured = false,
            (0x49, 3, true) if rm == 0 => state.tiles[reg] = [0; WORDS],
            (0x4b, 3 | 2, false) if rm == 4 => {
                let memory = memory(at, map, registers);
                for (i, row) in state.tiles[reg].chunks_exact_mut(ROWS).enumerate() {
                    let line = memory.address.wrapping_add(i * memory.stride).cast::<u32>();
                    for (j, word) in row.iter_mut().enumerate() {
                        if prefix == 3 {
                            *word = line.add(j).read_unaligned();
                        } else {
                            line.add(j).write_unaligned(*word);
                        }
                    }
                }
                return Some(4 + memory.length);
            }
            (0x5c, 2, true) if second < 8 => {
                let (a, b) = (state.tiles[usize::from(rm)], state.tiles[second]);
                let mut c = state.tiles[reg].map(f32::from_bits);
                rule(&mut c, &a, &b);
                state.tiles[reg] = c.map(f32::to_bits);
            }
            _ => return None,
        }
        Some(5)
    }
}

/// The memory operand of the instruction at `at`, whose second byte is `map`.
///
/// # Safety
/// As [`execute`].
#[allow(unsafe_code)]
unsafe fn memory(at: *const u8, map: u8, registers: &[i64; 23]) -> Memory {
    let register = |low: u8, extension: u8| {
        registers[NUMBERS[usize::from(low | extension << 3)] as usize] as usize
    };
    // SAFETY: the caller's promise.
    unsafe {
        let modrm = *at.add(4);
        let (mode, rm) = (modrm >> 6, modrm & 7);
        // The bits of the prefix that extend index and base are inverted.
        let (x, b) = (!map >> 6 & 1, !map >> 5 & 1);
        let has_sib = rm == 4;
        let (mut base, mut stride, mut length) = (0, 0, 1);
        let mut base_number = rm;
        if has_sib {
            let sib = *at.add(5);
            length = 2;
            base_number = sib & 7;
            let index = sib >> 3 & 7;
            if (index, x) != (4, 0) {
                stride = register(index, x) << (sib >> 6);
            }
        }
        let wide = mode == 2 || mode == 0 && base_number == 5;
        if !(mode == 0 && base_number == 5) {
            base = register(base_number, b);
        }
        let from = at.add(4 + length);
        let displacement = match (mode, wide) {
            (1, _) => i64::from(from.cast::<i8>().read()),
            (_, true) => i64::from(from.cast::<i32>().read_unaligned()),
            _ => 0,
        };
        length += if wide { 4 } else { usize::from(mode == 1) };
        if mode == 0 && rm == 5 {
            base = at as usize + 4 + length; // relative to the next instruction
        }
        let address = base.wrapping_add_signed(displacement as isize) as *mut u8;
        Memory { address, stride, length }
    }
}
