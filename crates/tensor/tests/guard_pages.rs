//! No kernel touches a byte beside its operands: they lie at the very end, or at every alignment near the
//! start, of memory whose neighboring pages may not be touched, and what lies between is as before.
//!
//! A kernel that strays is killed by the system, so the cases run in a child process, which writes down each
//! before it begins; the test that started it names the case.

#![cfg(target_os = "linux")]
#![allow(unsafe_code)]

use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use chainrule_tensor::gather::Rows;
use chainrule_tensor::gemm::reference;
use chainrule_tensor::kernel::{bf16, matmul, matmul_transposed};
use chainrule_tensor::ops::{
    bytes::{ByteRows, LINE, normalize_lines},
    columns, elementwise, rows, transpose, update,
};
use chainrule_tensor::{Isa, View, ViewMut, gemm};

/// Some pages with one before and one behind them that may not be touched.
struct Guarded {
    /// The first page that may be touched.
    start: *mut u8,
    bytes: usize,
    page: usize,
}

/// What stands beside the operands.
const BESIDE: u8 = 0xA5;

impl Guarded {
    /// Room for so many bytes.
    fn new(bytes: usize) -> Guarded {
        // SAFETY: a question about the system, without a pointer.
        let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).expect("a size");
        let bytes = bytes.next_multiple_of(page);
        let (all, protection) = (bytes + 2 * page, libc::PROT_READ | libc::PROT_WRITE);
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: new memory at a place that the system chooses; its inner part is then made accessible,
        // and `start` is that part's first byte.
        unsafe {
            let whole = libc::mmap(std::ptr::null_mut(), all, libc::PROT_NONE, flags, -1, 0);
            assert_ne!(whole, libc::MAP_FAILED, "no memory");
            let start = whole.cast::<u8>().add(page);
            assert_eq!(libc::mprotect(start.cast(), bytes, protection), 0, "no access");
            Guarded { start, bytes, page }
        }
    }

    /// All that may be touched.
    fn all(&mut self) -> &mut [u8] {
        // SAFETY: `start` begins `bytes` initialized bytes of this value's own mapping, which lives as
        // long as it does, and `self` is borrowed alone.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.bytes) }
    }

    /// Copies `values` to a place. Every other byte is [`BESIDE`] from now on.
    fn put<T: Copy>(&mut self, values: &[T], place: Place) -> &mut [T] {
        self.all().fill(BESIDE);
        let at = self.at::<T>(values.len(), place);
        // SAFETY: `at` keeps the slice within the mapping and aligned for T, which is Copy and whose
        // every byte pattern is a value (numbers); `self` is borrowed alone.
        let slice =
            unsafe { std::slice::from_raw_parts_mut(self.start.add(at).cast::<T>(), values.len()) };
        slice.copy_from_slice(values);
        slice
    }

    /// Where `n` values begin, in bytes.
    fn at<T>(&self, n: usize, place: Place) -> usize {
        let size = n * size_of::<T>();
        assert!(size + 64 <= self.bytes, "{size} bytes");
        let at = match place {
            Place::End => self.bytes - size,
            Place::Start(offset) => offset.next_multiple_of(align_of::<T>()),
        };
        assert!(at.is_multiple_of(align_of::<T>()));
        at
    }

    /// Whether every byte beside the `n` values that were put there is as it was.
    fn is_clean<T>(&mut self, n: usize, place: Place) -> bool {
        let at = self.at::<T>(n, place);
        let all = self.all();
        let behind = &all[at + n * size_of::<T>()..];
        all[..at].iter().chain(behind).all(|&byte| byte == BESIDE)
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: the whole of this value's own mapping, which nothing borrows any more.
        unsafe {
            libc::munmap(self.start.sub(self.page).cast(), self.bytes + 2 * self.page);
        }
    }
}

/// Where operands lie.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// The last value ends where the forbidden page begins.
    End,
    /// So many bytes behind the forbidden page.
    Start(usize),
}

/// The end, and every alignment to a cache line.
fn places(size: usize) -> impl Iterator<Item = Place> + Clone {
    std::iter::once(Place::End).chain((0..64).step_by(size).map(Place::Start))
}

/// Where a child writes down the case that it is about to try.
const CASE: &str = "CHAINRULE_GUARDED_CASE";

/// Writes down the case that comes next.
struct Log(std::fs::File);

impl Log {
    fn next(&self, case: std::fmt::Arguments) {
        let line = format!("{:<200}", case.to_string());
        self.0.write_all_at(line.as_bytes(), 0).expect("a file to write");
    }
}

/// Runs `cases` in a child process; the error is how it ended, and the case at which it did.
/// `test` is the name of the test that calls this.
fn in_a_child(test: &str, cases: impl FnOnce(&Log)) -> Result<(), String> {
    if let Some(file) = std::env::var_os(CASE) {
        cases(&Log(std::fs::File::options().write(true).open(file).expect("the file of the case")));
        return Ok(());
    }
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}.case"));
    std::fs::write(&file, "").expect("a file to write");
    let child = Command::new(std::env::current_exe().expect("this program"))
        .args([test, "--exact", "--nocapture"])
        .env(CASE, &file)
        .output()
        .expect("a child process");
    let case = std::fs::read_to_string(&file).expect("the file of the case");
    if child.status.success() {
        assert!(!case.is_empty(), "the child tried no case: is there a test named {test}?");
        return Ok(());
    }
    let how = match child.status.signal() {
        Some(signal) => format!("signal {signal}"),
        None => String::from_utf8_lossy(&child.stderr).into_owned(),
    };
    Err(format!("{}: {how}", case.trim()))
}

/// Numbers without a pattern, in -1..1, the same on every run.
fn numbers(n: usize, seed: usize) -> Vec<f32> {
    let mut state = (seed as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

/// A read behind the end, as a kernel would do it.
#[test]
fn a_kernel_that_strays_is_told_with_its_case() {
    let strayed = in_a_child("a_kernel_that_strays_is_told_with_its_case", |log| {
        let mut memory = Guarded::new(1);
        let values = memory.put(&[1.0f32; 3], Place::End);
        log.next(format_args!("3 values and one more"));
        let end = values.as_ptr_range().end;
        // SAFETY: none; the test is of what comes of it.
        std::hint::black_box(unsafe { end.read_volatile() });
    });
    if std::env::var_os(CASE).is_none() {
        assert_eq!(strayed, Err(format!("3 values and one more: signal {}", libc::SIGSEGV)));
    }
}

/// The products of one shape by every kernel, from and to guarded memory.
fn products(log: &Log, memory: &mut [Guarded; 3], (m, k, n): (usize, usize, usize), place: Place) {
    let (a, b) = (numbers(m * k, 1), numbers(k * n, 2));
    let before = numbers(m * n, 3);
    let [of_a, of_b, of_c] = memory;
    let (a, b) = (&*of_a.put(&a, place), &*of_b.put(&b, place));
    for isa in Isa::available() {
        for (transposes, accumulate) in (0..3).flat_map(|t| [(t, false), (t, true)]) {
            log.next(format_args!(
                "{isa}: {m} x {k} x {n}, transposes {transposes}, accumulate {accumulate}, {place:?}"
            ));
            let a = match transposes {
                1 => View::new(a, k, m).t(),
                _ => View::new(a, m, k),
            };
            let beta = if accumulate { 1.0 } else { 0.0 };
            let mut want = before.clone();
            let c = of_c.put(&before, place);
            let got = match transposes {
                2 => {
                    let b = View::new(b, n, k);
                    reference(1.0, a, b.t(), beta, ViewMut::new(&mut want, m, n)).unwrap();
                    matmul_transposed(isa, a, b, ViewMut::new(c, m, n), accumulate)
                }
                _ => {
                    let b = View::new(b, k, n);
                    reference(1.0, a, b, beta, ViewMut::new(&mut want, m, n)).unwrap();
                    matmul(isa, a, b, ViewMut::new(c, m, n), accumulate)
                }
            };
            got.unwrap();
            // A sum of k products, each below 1, in another order.
            let bound = 1.2e-7 * (k as f32 + 4.0) * 4.0;
            assert!(c.iter().zip(&want).all(|(c, want)| (c - want).abs() <= bound));
            assert!(of_c.is_clean::<f32>(m * n, place), "it writes beside the result");
        }
    }
}

/// Sizes around the tiles of every kernel (6 x 16, 8 x 48) and all residues of a vector.
const WIDTHS: [usize; 20] =
    [1, 2, 3, 5, 7, 8, 9, 12, 15, 16, 17, 24, 31, 32, 33, 47, 48, 49, 63, 65];

#[test]
fn products_touch_their_operands_alone() {
    let done = in_a_child("products_touch_their_operands_alone", |log| {
        let mut memory = [(); 3].map(|()| Guarded::new(4 * 40 * 70));
        for m in [1, 2, 5, 6, 7, 8, 9, 13, 17] {
            for k in [1, 2, 3, 16, 33] {
                for n in WIDTHS {
                    products(log, &mut memory, (m, k, n), Place::End);
                }
            }
        }
        for place in places(size_of::<f32>()) {
            for (m, k, n) in [(1, 1, 1), (7, 5, 17), (9, 16, 49), (13, 33, 31)] {
                products(log, &mut memory, (m, k, n), place);
            }
        }
    });
    assert_eq!(done, Ok(()));
}

/// Strided operands: the last row ends where the forbidden page begins, and the gaps between the rows of C
/// stay as they are.
#[test]
fn products_of_strided_operands_touch_them_alone() {
    let done = in_a_child("products_of_strided_operands_touch_them_alone", |log| {
        let mut memory = [(); 3].map(|()| Guarded::new(4 * 40 * 70));
        for (m, k, n) in [(1, 1, 1), (6, 3, 16), (7, 5, 17), (9, 16, 49), (13, 33, 31)] {
            let length = |rows: usize, columns: usize, gap: usize| rows * (columns + gap) - gap;
            let (a, b) = (numbers(length(m, k, 3), 1), numbers(length(k, n, 5), 2));
            let before = numbers(length(m, n, 2), 3);
            let [of_a, of_b, of_c] = &mut memory;
            let (a, b) = (&*of_a.put(&a, Place::End), &*of_b.put(&b, Place::End));
            let (a, b) = (View::strided(a, m, k, k + 3, 1), View::strided(b, k, n, n + 5, 1));
            for isa in Isa::available() {
                log.next(format_args!("{isa}: {m} x {k} x {n}, strided"));
                let mut want = before.clone();
                reference(1.0, a, b, 0.0, ViewMut::strided(&mut want, m, n, n + 2, 1)).unwrap();
                let c = of_c.put(&before, Place::End);
                matmul(isa, a, b, ViewMut::strided(c, m, n, n + 2, 1), false).unwrap();
                for (i, (c, want)) in c.iter().zip(&want).enumerate() {
                    let bound = if i % (n + 2) < n { 2e-5 } else { 0.0 };
                    assert!((c - want).abs() <= bound, "element {i}: {c}, not {want}");
                }
                assert!(of_c.is_clean::<f32>(before.len(), Place::End));
            }
        }
    });
    assert_eq!(done, Ok(()));
}

/// Every way of multiplying tiles that this processor has instructions for.
fn multipliers() -> Vec<bf16::Multiplier> {
    let emulations = Isa::available().into_iter().map(bf16::Multiplier::emulation);
    emulations.chain(bf16::Multiplier::native()).collect()
}

/// bf16: the numbers that are packed, and the result; the tiles between have memory of their own.
#[test]
fn products_of_bf16_touch_what_they_pack_and_their_result_alone() {
    use bf16::{Multiplier, Packed, Place, Role};
    let test = "products_of_bf16_touch_what_they_pack_and_their_result_alone";
    let done = in_a_child(test, |log| {
        let mut memory = [(); 3].map(|()| Guarded::new(4 * 40 * 70));
        let product = |multiplier: Multiplier, a: View, b: View, c: ViewMut| {
            let (m, k, n) = (a.rows(), a.columns(), b.columns());
            let (m, k, n) = (m.div_ceil(16), k.div_ceil(32), n.div_ceil(16));
            let (mut left, mut right) = (Packed::zeros(m * k), Packed::zeros(k * (n + 1)));
            let (rows, pairs) = (Place::in_rows(0, k), Place::in_pairs(0, k));
            bf16::pack(multiplier.packing(), a, Role::Left, left.tiles_mut(rows));
            bf16::pack(multiplier.packing(), b, Role::Right, right.tiles_mut(pairs));
            bf16::matmul(multiplier, left.tiles(rows, m, k), right.tiles(pairs, k, n), c, false);
        };
        for (m, k, n) in
            [(1, 1, 1), (3, 2, 15), (16, 32, 16), (17, 33, 17), (7, 5, 49), (31, 40, 33)]
        {
            let (a, b) = (numbers(m * k, 1), numbers(k * n, 2));
            let mut want = vec![0.0; m * n];
            let to = ViewMut::new(&mut want, m, n);
            let portable = Multiplier::emulation(Isa::PORTABLE);
            product(portable, View::new(&a, m, k), View::new(&b, k, n), to);
            for multiplier in multipliers() {
                for place in places(size_of::<f32>()) {
                    log.next(format_args!("bf16, {multiplier:?}: {m} x {k} x {n}, {place:?}"));
                    let [of_a, of_b, of_c] = &mut memory;
                    let (a, b) = (of_a.put(&a, place), of_b.put(&b, place));
                    let c = of_c.put(&vec![f32::NAN; m * n], place);
                    let to = ViewMut::new(c, m, n);
                    product(multiplier, View::new(a, m, k), View::new(b, k, n), to);
                    assert_eq!(c, want);
                    assert!(of_c.is_clean::<f32>(m * n, place), "it writes beside the result");
                }
            }
        }
    });
    assert_eq!(done, Ok(()));
}

/// Bytes that are rounded as they are gathered: the last row ends at the guard page, or the first begins
/// behind it.
#[test]
fn bytes_that_become_bf16_are_read_alone() {
    use bf16::{LeftMut, Multiplier, Packed, Place};
    let done = in_a_child("bytes_that_become_bf16_are_read_alone", |log| {
        let mut memory = [(); 3].map(|()| Guarded::new(4 * 40 * 70));
        for (rows, columns) in [(1, 1), (2, 15), (3, 16), (33, 33), (7, 70)] {
            let bytes: Vec<u8> = (0..rows * columns).map(|i| i as u8).collect();
            let (scale, shift) = (numbers(columns, 1), numbers(columns, 2));
            let packings = multipliers().into_iter().map(Multiplier::packing);
            for (packing, keeps) in packings.flat_map(|one| [(one, false), (one, true)]) {
                for place in places(size_of::<f32>()) {
                    log.next(format_args!("bytes, {packing:?}: {rows} x {columns}, {place:?}"));
                    let [of_bytes, of_scale, of_shift] = &mut memory;
                    let bytes = of_bytes.put(&bytes, place);
                    let (scale, shift) = (of_scale.put(&scale, place), of_shift.put(&shift, place));
                    let all: Vec<u32> = (0..rows as u32).collect();
                    let (across, deep) = (columns.div_ceil(32), rows.div_ceil(32));
                    let mut left = Packed::zeros(rows.div_ceil(16) * across);
                    let mut transposed = Packed::zeros(columns.div_ceil(16) * deep);
                    let tiles = left.tiles_mut(Place::in_rows(0, across));
                    let transposed = transposed.tiles_mut(Place::in_rows(0, deep));
                    let from = ByteRows::new(bytes, scale, shift);
                    let to = LeftMut { tiles, transposed: keeps.then_some(transposed) };
                    bf16::pack_bytes(packing, &from, &all, &(0..columns), to);
                }
            }
        }
    });
    assert_eq!(done, Ok(()));
}

#[test]
fn matrixmultiply_touches_its_operands_alone() {
    let done = in_a_child("matrixmultiply_touches_its_operands_alone", |log| {
        let mut memory = [(); 3].map(|()| Guarded::new(4 * 40 * 70));
        for (m, k, n) in [(1, 1, 1), (3, 7, 5), (8, 8, 8), (9, 16, 49), (13, 33, 31)] {
            for place in places(size_of::<f32>()) {
                log.next(format_args!("{m} x {k} x {n}, {place:?}"));
                let [of_a, of_b, of_c] = &mut memory;
                let a = View::new(of_a.put(&numbers(m * k, 1), place), m, k);
                let b = View::new(of_b.put(&numbers(k * n, 2), place), k, n);
                let c = of_c.put(&numbers(m * n, 3), place);
                gemm(1.0, a, b, 0.0, ViewMut::new(c, m, n)).unwrap();
                assert!(of_c.is_clean::<f32>(m * n, place));
            }
        }
    });
    assert_eq!(done, Ok(()));
}

/// A loop over slices: name, lengths of its slices for a matrix of (rows, columns), the call. What is only
/// read is passed to be written too; it must come back as it was.
type Loop = (&'static str, fn(usize, usize) -> Vec<usize>, fn(Isa, usize, usize, Vec<&mut [f32]>));

fn take<const N: usize>(slices: Vec<&mut [f32]>) -> [&mut [f32]; N] {
    slices.try_into().expect("as many slices as lengths")
}

/// What `isa` makes of each of `lengths`' slices, with a number in the last of them where there is one.
const LOOPS: [Loop; 20] = [
    (
        "add_assign",
        |m, n| vec![m * n; 2],
        |isa, _, _, x| {
            let [x, y] = take(x);
            elementwise::add_assign(isa, x, y);
        },
    ),
    (
        "add_bias_relu",
        |m, n| vec![m * n, n],
        |isa, _, _, x| {
            let [x, y] = take(x);
            elementwise::add_bias_relu(isa, x, y);
        },
    ),
    (
        "relu_backward",
        |m, n| vec![m * n; 2],
        |isa, _, _, x| {
            let [x, y] = take(x);
            elementwise::relu_backward(isa, x, y);
        },
    ),
    (
        "multiply",
        |m, n| vec![m * n; 2],
        |isa, _, _, x| {
            let [x, y] = take(x);
            elementwise::multiply(isa, x, y);
        },
    ),
    (
        "exp",
        |m, n| vec![m * n],
        |isa, _, _, x| {
            let [x] = take(x);
            elementwise::exp(isa, x);
        },
    ),
    (
        "scale",
        |m, n| vec![m * n],
        |isa, _, _, x| {
            let [x] = take(x);
            elementwise::scale(isa, x, 0.3);
        },
    ),
    (
        "sum_of_squares",
        |m, n| vec![m * n, 1],
        |isa, _, _, x| {
            let [x, sum] = take(x);
            let mut squares = elementwise::SumOfSquares::default();
            squares.add(isa, x);
            sum[0] = squares.total() as f32;
        },
    ),
    (
        "sum_of_squares_in_f64",
        |m, n| vec![m * n, 1],
        |isa, _, _, x| {
            let [x, sum] = take(x);
            sum[0] = elementwise::sum_of_squares_in_f64(isa, x) as f32;
        },
    ),
    (
        "all_finite",
        |m, n| vec![m * n, 1],
        |isa, _, _, x| {
            let [x, all] = take(x);
            all[0] = f32::from(u8::from(elementwise::all_finite(isa, x)));
        },
    ),
    (
        "add_column_sums",
        |m, n| vec![m * n, n],
        |isa, _, _, x| {
            let [x, sums] = take(x);
            columns::add_column_sums(isa, x, sums);
        },
    ),
    (
        "add_to_rows",
        |m, n| vec![m * n, n],
        |isa, _, _, x| {
            let [x, row] = take(x);
            columns::add_to_rows(isa, x, row);
        },
    ),
    (
        "add_column_squares",
        |m, n| vec![m * n, n, n],
        |isa, _, _, x| {
            let [x, center, sums] = take(x);
            columns::add_column_squares(isa, x, center, sums);
        },
    ),
    (
        "add_column_products",
        |m, n| vec![m * n, m * n, n],
        |isa, _, _, x| {
            let [x, y, sums] = take(x);
            columns::add_column_products(isa, x, y, sums);
        },
    ),
    (
        "scale_shift_columns",
        |m, n| vec![m * n, n, n],
        |isa, _, _, x| {
            let [x, scale, shift] = take(x);
            columns::scale_shift_columns(isa, x, scale, shift);
        },
    ),
    (
        "row_moments",
        |m, n| vec![m * n, 2 * m],
        |isa, _, n, x| {
            let [x, moments] = take(x);
            rows::row_moments(isa, x, n, moments.as_chunks_mut().0);
        },
    ),
    (
        "row_sums",
        |m, n| vec![m * n, m * n, 2 * m],
        |isa, _, n, x| {
            let [x, y, sums] = take(x);
            rows::row_sums(isa, x, y, n, sums.as_chunks_mut().0);
        },
    ),
    (
        "standardize_rows",
        |m, n| vec![m * n, 2 * m],
        |isa, _, n, x| {
            let [x, coefficients] = take(x);
            rows::standardize_rows(isa, x, n, coefficients.as_chunks().0);
        },
    ),
    (
        "transpose",
        |m, n| vec![m * n; 2],
        |isa, m, n, x| {
            let [x, out] = take(x);
            transpose::transpose(isa, x, m, n, out);
        },
    ),
    (
        "momentum",
        |m, n| vec![m * n; 3],
        |isa, _, _, x| {
            let [w, v, gradient] = take(x);
            let rule =
                update::Momentum::<_, true> { rate: 0.1, keep: 0.9, l2: 0.01, momentum: 0.5 };
            let state = update::State { w, v, s: &mut [] };
            update::update(isa, rule, state, gradient, &mut elementwise::SumOfSquares::default());
        },
    ),
    (
        "adam",
        |m, n| vec![m * n; 4],
        |isa, _, _, x| {
            let [w, v, s, gradient] = take(x);
            s.iter_mut().for_each(|s| *s = s.abs());
            let (beta1, beta2, root, epsilon) = (0.5, 0.9, 0.7, 1e-8);
            let rule = update::Adam { rate: 0.1, keep: 0.9, l2: 0.01, beta1, beta2, root, epsilon };
            let state = update::State { w, v, s };
            update::update(isa, rule, state, gradient, &mut elementwise::SumOfSquares::default());
        },
    ),
];

#[test]
fn loops_over_slices_touch_them_alone() {
    let done = in_a_child("loops_over_slices_touch_them_alone", |log| {
        let mut memory = [(); 4].map(|()| Guarded::new(4 * 20 * 70));
        for (name, lengths, run) in LOOPS {
            for (m, n) in [1, 2, 5].into_iter().flat_map(|m| WIDTHS.map(|n| (m, n))) {
                let lengths = lengths(m, n);
                let before: Vec<_> =
                    lengths.iter().enumerate().map(|(i, &n)| numbers(n, i)).collect();
                let mut want = before.clone();
                run(Isa::PORTABLE, m, n, want.iter_mut().map(Vec::as_mut_slice).collect());
                for isa in Isa::available() {
                    for place in places(4 * size_of::<f32>()) {
                        log.next(format_args!("{name}, {isa}: {m} x {n}, {place:?}"));
                        let pairs = memory.iter_mut().zip(&before);
                        let slices: Vec<_> =
                            pairs.map(|(memory, x)| memory.put(x, place)).collect();
                        run(isa, m, n, slices);
                        for (memory, want) in memory.iter_mut().zip(&want) {
                            assert!(memory.is_clean::<f32>(want.len(), place), "it writes beside");
                            let at = memory.at::<f32>(want.len(), place);
                            let (got, []) = memory.all()[at..][..4 * want.len()].as_chunks() else {
                                unreachable!("whole numbers")
                            };
                            let got: Vec<_> = got.iter().map(|&x| u32::from_ne_bytes(x)).collect();
                            let want: Vec<_> = want.iter().map(|x| x.to_bits()).collect();
                            assert_eq!(got, want, "the bits of the plain loop");
                        }
                    }
                }
            }
        }
    });
    assert_eq!(done, Ok(()));
}

#[test]
fn bytes_are_normalized_from_the_bytes_of_the_images_alone() {
    let done = in_a_child("bytes_are_normalized_from_the_bytes_of_the_images_alone", |log| {
        let mut memory = [(); 4].map(|()| Guarded::new(4 * 5 * 70));
        for columns in WIDTHS {
            let bytes: Vec<u8> = (0..3 * columns).map(|i| (i * 37 + 11) as u8).collect();
            let (scale, shift) = (numbers(columns, 1), numbers(columns, 2));
            let which = [2, 0, 2, 1];
            let mut want = vec![0.0f32; 4 * columns];
            ByteRows::new(&bytes, &scale, &shift).gather(
                Isa::PORTABLE,
                &which,
                0..columns,
                &mut want,
            );
            for isa in Isa::available() {
                for place in places(1) {
                    log.next(format_args!("gather, {isa}: {columns} columns, {place:?}"));
                    let [of_bytes, of_scale, of_shift, of_out] = &mut memory;
                    let rows = ByteRows::new(
                        of_bytes.put(&bytes, place),
                        of_scale.put(&scale, place),
                        of_shift.put(&shift, place),
                    );
                    let out = of_out.put(&vec![0.0f32; want.len()], place);
                    Rows::<f32>::prefetch(&rows, &which, 0..columns);
                    rows.gather(isa, &which, 0..columns, out);
                    assert_eq!(out, want);
                    assert!(of_out.is_clean::<f32>(want.len(), place));
                }
            }
        }
        let n = 2 * LINE;
        let bytes: Vec<u8> = (0..70).map(|i| (i * 37 + 11) as u8).collect();
        let (scale, shift) = (numbers(n, 1), numbers(n, 2));
        for (isa, mirrored) in Isa::available().into_iter().flat_map(|i| [(i, false), (i, true)]) {
            for place in places(1) {
                log.next(format_args!("normalize_lines, {isa}: mirrored {mirrored}, {place:?}"));
                let starts = [bytes.len() - LINE, 0];
                let mut want = vec![0.0f32; n];
                normalize_lines(
                    Isa::PORTABLE,
                    &bytes,
                    &starts,
                    mirrored,
                    &scale,
                    &shift,
                    &mut want,
                );
                let [of_bytes, of_scale, of_shift, of_out] = &mut memory;
                let out = of_out.put(&vec![0.0f32; n], place);
                normalize_lines(
                    isa,
                    of_bytes.put(&bytes, place),
                    &starts,
                    mirrored,
                    of_scale.put(&scale, place),
                    of_shift.put(&shift, place),
                    out,
                );
                assert_eq!(out, want);
                assert!(of_out.is_clean::<f32>(n, place));
            }
        }
    });
    assert_eq!(done, Ok(()));
}
