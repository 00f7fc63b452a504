//! bf16 operands and their products: rounding held to another program's, layouts to their formula, and
//! products to the rule of bits, on every path.

use chainrule_tensor::kernel::bf16::{
    LeftMut, Multiplier, Order, Packed, Packing, Place, Role, matmul, pack, pack_bytes, pack_left,
    round,
};
use chainrule_tensor::ops::bytes::{ByteRows, normalize};
use chainrule_tensor::{Isa, View, ViewMut};
use half::bf16;

/// Random words (xorshift64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number whose exponent is one of `exponents`.
    fn number(&mut self, exponents: std::ops::Range<u32>) -> f32 {
        let bits = self.next();
        let exponent = exponents.start + (bits >> 32) as u32 % exponents.len() as u32;
        f32::from_bits(bits as u32 & 0x807f_ffff | exponent << 23)
    }

    fn numbers(&mut self, n: usize, exponents: std::ops::Range<u32>) -> Vec<f32> {
        (0..n).map(|_| self.number(exponents.clone())).collect()
    }
}

#[test]
fn a_number_is_rounded_as_the_crate_half_rounds_it_and_a_denormal_number_becomes_0() {
    for upper in 0..=u16::MAX {
        for lower in [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff] {
            let x = f32::from_bits(u32::from(upper) << 16 | lower);
            let want = bf16::from_f32(x);
            let got = bf16::from_bits(round(x));
            if x.is_nan() {
                assert!(got.is_nan() && want.is_nan(), "{x:?}");
            } else if x.is_subnormal() {
                assert_eq!(got.to_f32().to_bits(), 0.0f32.copysign(x).to_bits(), "{x:?}");
            } else {
                assert_eq!(got.to_bits(), want.to_bits(), "{x:?}");
            }
        }
    }
}

#[test]
fn every_number_of_a_matrix_lies_where_the_formula_of_its_layout_says() {
    let mut random = Random(1);
    for (rows, columns) in [(1, 1), (16, 32), (32, 16), (17, 33), (31, 100), (70, 15), (64, 64)] {
        let mut numbers = random.numbers(rows * (columns + 3), 100..150);
        // A NaN, denormal numbers, what rounds to infinity, and ties to either side.
        let special =
            [f32::NAN, -1e-40, f32::MAX, f32::INFINITY, 1.0 + 1.0 / 256.0, -1.0 - 3.0 / 256.0];
        for (number, x) in numbers.iter_mut().step_by(columns.max(7) + 3).zip(special) {
            *number = x;
        }
        let x = View::strided(&numbers, rows, columns, columns + 3, 1);
        let at = |i: usize, j: usize| {
            if i < rows && j < columns { round(x.get(i, j)) } else { 0 }
        };
        for packing in packings() {
            for role in [Role::Left, Role::LeftTransposed, Role::Right, Role::RightTransposed] {
                let transposed = matches!(role, Role::LeftTransposed | Role::RightTransposed);
                let left = matches!(role, Role::Left | Role::LeftTransposed);
                let (m, k) = if transposed == left { (columns, rows) } else { (rows, columns) };
                // A is (m, k), or B is (k, m).
                let (m, k) = (m.div_ceil(16), k.div_ceil(32));
                let (down, across) = if left { (m, k) } else { (k, m) };
                let (mut packed, place) = match left {
                    true => (Packed::zeros(down * across), Place::in_rows(0, across)),
                    false => (Packed::zeros(down * (across + 1)), Place::in_pairs(0, down)),
                };
                pack(packing, x, role, packed.tiles_mut(place));
                for i in 0..down {
                    for j in 0..across {
                        let tile = packed.tiles(place, down, across).tile(i, j);
                        for r in 0..16 {
                            for c in 0..16 {
                                let word = tile[r * 16 + c];
                                let pair = [word as u16, (word >> 16) as u16];
                                let word = if left { c } else { r };
                                let k = match packing.order() {
                                    Order::Pairs => [2 * word, 2 * word + 1],
                                    Order::Chains => [2, 0].map(|k| word / 2 * 4 + word % 2 + k),
                                };
                                for (number, k) in pair.into_iter().zip(k) {
                                    // Row and column of the operand, and of X.
                                    let (row, column) = if left {
                                        (i * 16 + r, j * 32 + k)
                                    } else {
                                        (i * 32 + k, j * 16 + c)
                                    };
                                    let want =
                                        if transposed { at(column, row) } else { at(row, column) };
                                    assert_eq!(
                                        number, want,
                                        "{packing:?} {role:?} of {rows} x {columns}: {row}, {column}"
                                    );
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A matrix in the tiles of a left operand, and its transpose.
struct Both {
    rooms: [Packed; 2],
    /// Rows and columns of tiles.
    sizes: [(usize, usize); 2],
}

impl Both {
    /// Room for (rows, columns) numbers, full of others.
    fn new(rows: usize, columns: usize) -> Self {
        let sizes =
            [(rows.div_ceil(16), columns.div_ceil(32)), (columns.div_ceil(16), rows.div_ceil(32))];
        let rooms = sizes.map(|(down, across)| {
            let mut room = Packed::zeros(down * across);
            let ones = vec![1.0f32; 16 * down * 32 * across];
            let ones = View::new(&ones, 16 * down, 32 * across);
            let packing = Multiplier::emulation(Isa::PORTABLE).packing();
            pack(packing, ones, Role::Left, room.tiles_mut(Place::in_rows(0, across)));
            room
        });
        Self { rooms, sizes }
    }

    /// The tiles, and those of the transpose if it is `kept`.
    fn tiles_mut(&mut self, kept: bool) -> LeftMut<'_> {
        let [one, other] = &mut self.rooms;
        let [place, other_place] = self.sizes.map(|(_, across)| Place::in_rows(0, across));
        let transposed = kept.then(|| other.tiles_mut(other_place));
        LeftMut { tiles: one.tiles_mut(place), transposed }
    }

    /// The words of all tiles.
    fn words(&self) -> Vec<u32> {
        let all = self.rooms.iter().zip(self.sizes);
        let tiles = all.flat_map(|(room, (down, across))| {
            let tiles = room.tiles(Place::in_rows(0, across), down, across);
            (0..down).flat_map(move |i| (0..across).map(move |j| tiles.tile(i, j)))
        });
        tiles.flatten().copied().collect()
    }
}

const SIZES: [(usize, usize); 7] =
    [(1, 1), (16, 16), (17, 33), (31, 100), (48, 128), (70, 15), (64, 64)];

#[test]
fn a_matrix_and_its_transpose_are_packed_at_once_as_they_are_one_by_one() {
    let mut random = Random(4);
    for (rows, columns) in SIZES {
        let numbers = random.numbers(rows * (columns + 3), 100..150);
        let x = View::strided(&numbers, rows, columns, columns + 3, 1);
        for (packing, kept) in packings().into_iter().flat_map(|one| [(one, false), (one, true)]) {
            let [mut one_by_one, mut at_once] = [(); 2].map(|()| Both::new(rows, columns));
            let LeftMut { tiles, transposed } = one_by_one.tiles_mut(kept);
            pack(packing, x, Role::Left, tiles);
            if let Some(transposed) = transposed {
                pack(packing, x, Role::LeftTransposed, transposed);
            }
            pack_left(packing, x, at_once.tiles_mut(kept));
            assert!(one_by_one.words() == at_once.words(), "{packing:?}, {rows} x {columns}");
        }
    }
}

#[test]
fn bytes_are_packed_as_the_numbers_that_they_stand_for() {
    let mut random = Random(5);
    for (n, columns) in SIZES {
        let width = columns + 5;
        let bytes: Vec<u8> = (0..9 * width).map(|_| random.next() as u8).collect();
        let [scale, mut shift] = [(); 2].map(|()| random.numbers(width, 115..130));
        // In row 0 some are 0, but not if the product and the sum are rounded at once.
        for j in (0..width).step_by(3) {
            shift[j] = -(f32::from(bytes[j]) * scale[j]);
        }
        let bytes = ByteRows::new(&bytes, &scale, &shift);
        let rows: Vec<u32> = (0..n).map(|_| random.next() as u32 % 9).collect();
        let mut numbers = vec![0.0f32; n * columns];
        normalize(Isa::PORTABLE, &bytes, &rows, &(3..3 + columns), &mut numbers);
        for (multiplier, kept) in multipliers().into_iter().flat_map(|m| [(m, false), (m, true)]) {
            let packing = multiplier.packing();
            let [mut want, mut found] = [(); 2].map(|()| Both::new(n, columns));
            pack_left(packing, View::new(&numbers, n, columns), want.tiles_mut(kept));
            let untouched = found.words();
            let is_packed =
                pack_bytes(packing, &bytes, &rows, &(3..3 + columns), found.tiles_mut(kept));
            let want = if is_packed { want.words() } else { untouched };
            assert!(found.words() == want, "{packing:?}, {n} x {columns}");
            assert_eq!(is_packed, rounds_vectors(multiplier.isa()), "{packing:?}");
        }
    }
}

/// Whether the processor rounds vectors to bf16.
fn rounds_vectors(isa: Isa) -> bool {
    #[cfg(target_arch = "x86_64")]
    return isa.to_string() == "avx512" && is_x86_feature_detected!("avx512bf16");
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

/// Every way of packing that this processor has.
fn packings() -> Vec<Packing> {
    multipliers().into_iter().map(Multiplier::packing).collect()
}

/// Every way of multiplying tiles that this processor has.
fn multipliers() -> Vec<Multiplier> {
    let emulations = Isa::available().into_iter().map(Multiplier::emulation);
    emulations.chain(Multiplier::dot_products()).chain(Multiplier::trapped_amx()).collect()
}

/// C (+)= A·B with (m, k) and (k, n) numbers, rounded on the way; rows of C have `gap` numbers between.
fn product(
    multiplier: Multiplier,
    (m, k, n): (usize, usize, usize),
    (a, b, c): (&[f32], &[f32], &[f32]),
    accumulate: bool,
    gap: usize,
) -> Vec<f32> {
    let (tm, tk, tn) = (m.div_ceil(16), k.div_ceil(32), n.div_ceil(16));
    let (mut left, mut right) = (Packed::zeros(tm * tk), Packed::zeros(tk * (tn + 1)));
    let packing = multiplier.packing();
    let (rows, pairs) = (Place::in_rows(0, tk), Place::in_pairs(0, tk));
    pack(packing, View::new(a, m, k), Role::Left, left.tiles_mut(rows));
    pack(packing, View::new(b, k, n), Role::Right, right.tiles_mut(pairs));
    let mut out = vec![7.0; m * (n + gap)];
    for i in 0..m {
        let row = &mut out[i * (n + gap)..][..n];
        if accumulate { row.copy_from_slice(&c[i * n..][..n]) } else { row.fill(f32::NAN) }
    }
    let view = ViewMut::strided(&mut out, m, n, n + gap, 1);
    let left = left.tiles(rows, tm, tk).of_depth(k);
    matmul(multiplier, left, right.tiles(pairs, tk, tn), view, accumulate);
    for i in 0..m {
        assert!(out[i * (n + gap) + n..][..gap].iter().all(|&x| x == 7.0), "{multiplier:?} strays");
    }
    (0..m).flat_map(|i| out[i * (n + gap)..][..n].to_vec()).collect()
}

/// The rule of bits for one element, where no number is denormal.
fn rule(a: &[f32], b: impl Fn(usize) -> f32, c: f32) -> f32 {
    let rounded = |x: f32| f32::from(bf16::from_f32(x));
    let mut sum = 0.0;
    for first in (0..a.len()).step_by(32) {
        let mut chains = [0.0f32; 2];
        for k in first..a.len().min(first + 32) {
            chains[k % 2] = rounded(a[k]).mul_add(rounded(b(k)), chains[k % 2]);
        }
        sum += chains[0] + chains[1];
    }
    c + sum
}

#[test]
fn a_product_is_two_chains_of_fused_multiply_adds_for_each_32_of_k_to_the_bit() {
    let mut random = Random(2);
    for m in [1, 15, 16, 17, 32, 33, 70] {
        for k in [1, 2, 31, 32, 33, 128, 131] {
            for n in [1, 4, 15, 16, 17, 32, 33, 100] {
                let (a, b, c) = (
                    random.numbers(m * k, 120..130),
                    random.numbers(k * n, 120..130),
                    random.numbers(m * n, 120..130),
                );
                for multiplier in multipliers() {
                    for accumulate in [false, true] {
                        let shape = (m, k, n);
                        let got = product(multiplier, shape, (&a, &b, &c), accumulate, m % 3);
                        for i in 0..m {
                            for j in 0..n {
                                let before = if accumulate { c[i * n + j] } else { 0.0 };
                                let want = rule(&a[i * k..][..k], |k| b[k * n + j], before);
                                let found = got[i * n + j];
                                assert_eq!(
                                    found.to_bits(),
                                    want.to_bits(),
                                    "{multiplier:?} {shape:?}, {accumulate}: {i}, {j}"
                                );
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Every way of multiplying gives the same bits, whatever the numbers; of NaNs, a NaN.
#[test]
fn denormal_and_infinite_numbers_and_nans_give_the_same_on_every_path() {
    let mut random = Random(3);
    let (m, k, n) = (40, 70, 35);
    for case in 0..200 {
        // Any exponent; products at the border of the denormal numbers, and around it; infinities.
        let exponents = [0..255, 60..68, 62..64, 0..3, 1..100, 200..256][case % 6].clone();
        let (mut a, mut b) =
            (random.numbers(m * k, exponents.clone()), random.numbers(k * n, exponents.clone()));
        let c = match case % 12 {
            0..6 => random.numbers(m * n, 0..4),
            _ => random.numbers(m * n, exponents),
        };
        if case % 3 == 0 {
            // Few terms, so that single products decide.
            a.iter_mut().for_each(|x| *x = if !random.next().is_multiple_of(8) { 0.0 } else { *x });
            b.iter_mut()
                .for_each(|x| *x = if !random.next().is_multiple_of(8) { -0.0 } else { *x });
        }
        let results: Vec<Vec<u32>> = (multipliers().into_iter())
            .map(|multiplier| {
                let numbers = product(multiplier, (m, k, n), (&a, &b, &c), case % 2 == 0, 1);
                numbers.iter().map(|x| if x.is_nan() { u32::MAX } else { x.to_bits() }).collect()
            })
            .collect();
        for (result, multiplier) in results.iter().zip(multipliers()) {
            let differ = result.iter().zip(&results[0]).filter(|(a, b)| a != b).count();
            assert_eq!(
                differ,
                0,
                "case {case}: {multiplier:?} differs from {:?}",
                multipliers()[0]
            );
        }
    }
}

#[test]
fn a_sum_just_below_the_normal_numbers_is_zero_unless_24_bits_round_it_up_to_them() {
    // IEEE 754 with tininess after rounding: 2^-126 - s 2^-150 rounds, to 24 bits, to 2^-126 for s of
    // up to a half, and to a number below it, which is denormal, from there on.
    let power = |exponent: i32| 2.0f32.powi(exponent);
    for (s, want) in [(0.25, power(-126)), (0.5, power(-126)), (0.75, 0.0), (1.0, 0.0)] {
        for sign in [1.0, -1.0] {
            for odd in [0, 1] {
                let (mut a, mut b) = ([0.0; 4], [0.0; 4]);
                (a[odd], b[odd]) = (power(-63), sign * power(-63));
                (a[2 + odd], b[2 + odd]) = (s * power(-75), -sign * power(-75));
                for multiplier in multipliers() {
                    let sum = product(multiplier, (1, 4, 1), (&a, &b, &[0.0]), false, 0)[0];
                    assert_eq!(sum, sign * want, "{multiplier:?}: s = {s}, sign {sign}");
                }
            }
        }
    }
}
