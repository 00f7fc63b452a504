//! Which pictures of a folder are to train on, and which to test with.

use md5::{Digest, Md5};

use super::entries::place;
use super::listing::{Listing, Picture};
use super::parts::Part;
use crate::Error;

/// Of how many pictures of a class one is for the test.
const TEST_SHARE: usize = 5;

impl Listing {
    /// The pictures to train on and those to test with, each in the order of the set.
    pub fn split(&self, seed: u64) -> Result<[Vec<&Picture>; 2], Error> {
        let digest = |picture: &Picture| -> [u8; 16] {
            Md5::new()
                .chain_update(seed.to_le_bytes())
                .chain_update(&picture.name)
                .finalize()
                .into()
        };
        let mut ordered: Vec<_> = self.pictures.iter().map(|p| (digest(p), p)).collect();
        ordered.sort_by(|(a, p), (b, q)| (a, &p.name).cmp(&(b, &q.name)));
        let mut of_class = vec![0usize; self.classes.len()];
        ordered.iter().for_each(|(_, picture)| of_class[usize::from(picture.class)] += 1);
        let mut for_test: Vec<usize> =
            of_class.iter().map(|n| ((n + TEST_SHARE / 2) / TEST_SHARE).max(1)).collect();
        let [mut train, mut test] = [vec![], vec![]];
        for (_, picture) in ordered {
            let class = usize::from(picture.class);
            let tests = match picture.part {
                Part::Either => for_test[class] > 0,
                part => part == Part::Test,
            };
            if tests { &mut test } else { &mut train }.push(picture);
            for_test[class] = for_test[class].saturating_sub(1);
        }
        let lacks = |class: &usize| !train.iter().any(|p| usize::from(p.class) == *class);
        match (0..self.classes.len()).find(lacks) {
            Some(class) => Err(place(
                &self.dir.join(&self.classes[class]),
                "holds one picture: expected at least two, one to train on and one to test with"
                    .into(),
            )),
            None => Ok([train, test]),
        }
    }
}
