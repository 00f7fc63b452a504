//! What the sets of IDX files are called, and their classes: no file says it.

use crate::Shape;

/// A set: its name, the names of its classes, and whether its images are stored transposed.
pub(super) struct Known {
    pub name: String,
    pub classes: Vec<String>,
    pub is_transposed: bool,
}

/// The sets that are told by their first labels, to train on and to test with: MNIST and
/// Fashion-MNIST have files of the very same names and sizes, 60,000 and 10,000 images of 28 × 28.
type FirstLabels = (&'static str, [u8; 10], [u8; 10], [&'static str; 10]);

#[rustfmt::skip]
pub(super) const BY_LABELS: [FirstLabels; 2] = [
    (
        "MNIST",
        [5, 0, 4, 1, 9, 2, 1, 3, 1, 4],
        [7, 2, 1, 0, 4, 1, 4, 9, 5, 9],
        ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
    ),
    (
        "Fashion-MNIST",
        [9, 0, 0, 3, 0, 2, 7, 2, 5, 5],
        [9, 2, 1, 1, 6, 1, 4, 6, 5, 7],
        [
            "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker",
            "Bag", "Ankle boot",
        ],
    ),
];

/// The parts of EMNIST (Cohen et al. 2017): name, sizes, first label, and the classes as characters,
/// as the `mapping.txt` beside each has them.
type Part = (&'static str, &'static [[usize; 2]], u8, &'static str);

const EMNIST: [Part; 5] = [
    ("EMNIST Letters", &[[124_800, 20_800], [88_800, 14_800]], 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    ("EMNIST Digits", &[[240_000, 40_000]], 0, "0123456789"),
    ("EMNIST Balanced", &[[112_800, 18_800]], 0, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt"),
    ("EMNIST ByMerge", &[[697_932, 116_323]], 0, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt"),
    (
        "EMNIST ByClass",
        &[[697_932, 116_323]],
        0,
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
    ),
];

/// What a set is called, of this shape, with these labels to train on and to test with, of `classes`
/// classes from `first` on; `is_emnist` says that a file is named so.
pub(super) fn known(
    shape: Shape,
    [train, test]: [&[u8]; 2],
    (first, classes): (u8, usize),
    is_emnist: bool,
) -> Known {
    let is_small = shape == Shape { channels: 1, height: 28, width: 28 };
    let sizes = [train.len(), test.len()];
    let by_labels = BY_LABELS.iter().find(|(_, of_train, of_test, _)| {
        is_small
            && (sizes, classes, first) == ([60_000, 10_000], 10, 0)
            && train.starts_with(of_train)
            && test.starts_with(of_test)
    });
    if let Some((name, _, _, names)) = by_labels {
        let classes = names.map(str::to_owned).to_vec();
        return Known { name: (*name).into(), classes, is_transposed: false };
    }
    let of_emnist = EMNIST.iter().find(|(_, of_sizes, of_first, names)| {
        let is_counted_so = (names.len(), *of_first) == (classes, first);
        is_small && is_counted_so && (is_emnist || of_sizes.contains(&sizes))
    });
    if let Some((name, _, _, names)) = of_emnist {
        let classes = names.chars().map(String::from).collect();
        return Known { name: (*name).into(), classes, is_transposed: true };
    }
    let classes = (0..classes).map(|class| (class + usize::from(first)).to_string()).collect();
    Known { name: "IDX".into(), classes, is_transposed: is_emnist && is_small }
}
