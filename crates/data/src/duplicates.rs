//! Images that occur more than once, pixel for pixel.
//!
//! A test image that was trained on tells nothing, and the same image in two classes cannot be
//! learned. Images are sorted by a hash of their pixels, and those of the same hash by the pixels
//! themselves, so no two that differ are ever taken for the same.

use crate::parallel::in_order;
use crate::{Dataset, Images};

/// An image of a dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// Whether it is to test with, and not to train on.
    pub is_test: bool,
    /// Its number among those, from 0.
    pub index: usize,
}

/// How many images are there more than once, and the first example of each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Duplicates {
    /// Images to train on.
    pub of_train: usize,
    /// Images to test with.
    pub of_test: usize,
    /// Training images that are copies of an earlier one.
    pub train: usize,
    /// Test images that are copies of an earlier one.
    pub test: usize,
    /// Test images that are training images as well.
    pub across: usize,
    /// Images of which a copy has another label.
    pub contradictory: usize,
    /// The first two training images that are the same.
    pub example_train: Option<[Spot; 2]>,
    /// The first training image that is a test image as well, and that one.
    pub example_across: Option<[Spot; 2]>,
    /// The first two images that are the same and have different labels.
    pub example_contradictory: Option<[Spot; 2]>,
}

impl Duplicates {
    /// Looks for them in a dataset: one pass over its pixels, on all cores.
    pub fn of(dataset: &Dataset) -> Duplicates {
        let parts = [&dataset.train, &dataset.test];
        let keys = parts.map(keys);
        let items =
            parts.iter().zip(keys).zip([false, true]).flat_map(|((part, keys), is_test)| {
                let spot = move |index| Spot { is_test, index };
                let each = keys.into_iter().zip(part.labels()).enumerate();
                each.map(move |(index, (key, &label))| (key, spot(index), label))
            });
        Self::count(items.collect())
    }

    /// Counts items of the same key: each is a key, the image and its label.
    pub(crate) fn count<K: Ord>(mut items: Vec<(K, Spot, u8)>) -> Duplicates {
        items.sort_unstable_by(|(a, s, _), (b, t, _)| (a, s).cmp(&(b, t)));
        let of_test = items.iter().filter(|(_, spot, _)| spot.is_test).count();
        let mut found =
            Duplicates { of_test, of_train: items.len() - of_test, ..Duplicates::default() };
        let earlier = |of: &mut Option<[Spot; 2]>, pair: [Spot; 2]| {
            *of = Some(of.map_or(pair, |now| now.min(pair)));
        };
        for same in items.chunk_by(|a, b| a.0 == b.0).filter(|same| same.len() > 1) {
            let border = same.partition_point(|(_, spot, _)| !spot.is_test);
            let (train, test) = same.split_at(border);
            found.train += train.len().saturating_sub(1);
            found.test += test.len().saturating_sub(1);
            if let [(_, a, _), (_, b, _), ..] = train {
                earlier(&mut found.example_train, [*a, *b]);
            }
            if let (Some((_, a, _)), Some((_, b, _))) = (train.first(), test.first()) {
                found.across += test.len();
                earlier(&mut found.example_across, [*a, *b]);
            }
            let (_, first, label) = same[0];
            if let Some((_, other, _)) = same.iter().find(|(_, _, other)| *other != label) {
                found.contradictory += same.len();
                earlier(&mut found.example_contradictory, [first, *other]);
            }
        }
        found
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.train + self.test + self.across + self.contradictory == 0
    }

    /// Warnings for the user, a sentence each, the worst first; `name` says what an
    /// image is called.
    pub fn sentences(&self, name: impl Fn(Spot) -> String) -> Vec<String> {
        let example = |pair: Option<[Spot; 2]>| match pair {
            Some([a, b]) => format!(" ({} and {})", name(a), name(b)),
            None => String::new(),
        };
        let are = |n: usize| if n == 1 { "is" } else { "are" };
        let mut told = vec![];
        if self.across > 0 {
            told.push(format!(
                "{} of the {} test images {} also in the training set, pixel for pixel{}: the test accuracy \
                 says too much",
                self.across,
                self.of_test,
                are(self.across),
                example(self.example_across)
            ));
        }
        if self.contradictory > 0 {
            told.push(format!(
                "{} images have a copy of another class{}: no network can learn both",
                self.contradictory,
                example(self.example_contradictory)
            ));
        }
        if self.train > 0 {
            told.push(format!(
                "{} of the {} training images {} a copy of another one{}",
                self.train,
                self.of_train,
                are(self.train),
                example(self.example_train)
            ));
        }
        if self.test > 0 {
            told.push(format!(
                "{} of the {} test images {} a copy of another one",
                self.test,
                self.of_test,
                are(self.test)
            ));
        }
        told
    }
}

/// The pixels of an image behind a hash of them: compared as a tuple is, the pixels only where the
/// hashes are the same.
type Key<'a> = (u64, &'a [u8]);

/// A hash that takes a word of 8 bytes at a time into each of four sums. It need not be cryptographic:
/// where two hashes are equal, the pixels decide.
fn hash(pixels: &[u8]) -> u64 {
    /// 2^64 divided by the golden ratio, as in Knuth's multiplicative hash.
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |sum: u64, word: u64| (sum.rotate_left(23) ^ word).wrapping_mul(FACTOR);
    let mut sums = [0; 4];
    let (blocks, rest) = pixels.as_chunks::<32>();
    for block in blocks {
        for (sum, word) in sums.iter_mut().zip(block.as_chunks::<8>().0) {
            *sum = mix(*sum, u64::from_le_bytes(*word));
        }
    }
    let words = sums.into_iter().chain(rest.iter().map(|&byte| byte.into()));
    words.fold(0, mix)
}

/// The keys of all images.
fn keys<'a>(images: &'a Images) -> Vec<Key<'a>> {
    /// Images that a thread takes at a time.
    const AT_ONCE: usize = 256;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let blocks = images.pixels().chunks(AT_ONCE * images.dim());
    let key = |pixels| (hash(pixels), pixels);
    let of_block =
        |block: &'a [u8]| block.chunks_exact(images.dim()).map(key).collect::<Vec<Key<'a>>>();
    in_order(threads, blocks, of_block).concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Shape;

    /// Images of one value each, with their labels.
    fn images(values: &[(u8, u8)]) -> Images {
        let (pixels, labels) = values.iter().copied().unzip();
        Images::new(pixels, labels, Shape { channels: 1, height: 1, width: 1 }, 3).unwrap()
    }

    fn of(train: &[(u8, u8)], test: &[(u8, u8)]) -> Duplicates {
        let (train, test) = (images(train), images(test));
        Duplicates::of(&Dataset { name: "d".into(), classes: vec![], train, test })
    }

    fn name(Spot { is_test, index }: Spot) -> String {
        format!("{}{index}", if is_test { "test " } else { "" })
    }

    #[test]
    fn copies_are_counted_within_and_across_the_parts_and_across_classes() {
        // Counted by hand: 5 stands twice in training, and 7 in training and twice in test, once
        // with another label; 9 stands twice in test alone.
        let train = [(5, 0), (6, 1), (5, 0), (7, 2)];
        let test = [(7, 2), (8, 0), (7, 1), (9, 0), (9, 0)];
        let found = of(&train, &test);
        let counts = (found.train, found.test, found.across, found.contradictory);
        assert_eq!(counts, (1, 2, 2, 3));
        let told = found.sentences(name);
        assert!(
            told[0].starts_with("2 of the 5 test images are also in the training set"),
            "{told:?}"
        );
        assert!(told[0].contains("(3 and test 0)"), "{told:?}");
        assert!(
            told[1].starts_with("3 images have a copy of another class (3 and test 2)"),
            "{told:?}"
        );
        assert_eq!(told[2], "1 of the 4 training images is a copy of another one (0 and 2)");
        assert_eq!(told[3], "2 of the 5 test images are a copy of another one");
    }

    #[test]
    fn images_that_all_differ_are_no_duplicates() {
        let all: Vec<(u8, u8)> = (0..=255).map(|value| (value, 0)).collect();
        let found = of(&all[..200], &all[200..]);
        assert!(found.is_empty() && found.sentences(name).is_empty(), "{found:?}");
    }

    #[test]
    fn images_of_one_hash_that_differ_are_no_duplicates() {
        let (one, other) = ([1u8; 3], [2u8; 3]);
        let spot = |index| Spot { is_test: index == 2, index };
        let items = [&one, &other, &one].into_iter().enumerate();
        let items = items.map(|(i, pixels)| ((7u64, &pixels[..]), spot(i), 0));
        let found = Duplicates::count(items.collect());
        assert_eq!((found.train, found.test, found.across), (0, 0, 1));
    }

    #[test]
    fn every_pixel_counts() {
        let sample = crate::sample::read();
        let before = Duplicates::of(&sample);
        let mut pixels = sample.test.pixels().to_vec();
        pixels[..3072].copy_from_slice(sample.train.image(7));
        let with = |pixels: Vec<u8>| {
            let labels = sample.test.labels().to_vec();
            let test = Images::new(pixels, labels, sample.test.shape(), 10).unwrap();
            Duplicates::of(&Dataset { test, ..sample.clone() })
        };
        let found = with(pixels.clone());
        assert_eq!(found.across, before.across + 1);
        assert_eq!(found.example_across.unwrap()[0], Spot { is_test: false, index: 7 });
        for at in [0, 1500, 3071] {
            let mut pixels = pixels.clone();
            pixels[at] ^= 1;
            assert_eq!(with(pixels).across, before.across, "{at}");
        }
    }
}
