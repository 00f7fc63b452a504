//! The seeds as they are, and some thousands of mutated inputs for each reader.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use chainrule_fuzz::guided::Way;
use chainrule_fuzz::{Campaign, TARGETS};

#[test]
fn every_seed_is_read_or_refused_as_its_name_says() {
    for target in &TARGETS {
        let seeds = target.seeds().unwrap();
        let starting = |start| seeds.iter().filter(|(name, _)| name.starts_with(start)).count();
        assert!(starting("valid-") > 0 && starting("broken-") > 0, "{}", target.name);
        for (name, bytes) in &seeds {
            assert_eq!((target.run)(bytes), name.starts_with("valid-"), "{}/{name}", target.name);
        }
    }
}

#[test]
fn what_a_layer_opens_and_closes_again_is_read_as_before() {
    for target in &TARGETS {
        for layer in target.layers {
            for (name, bytes) in target.seeds().unwrap() {
                if let Some(content) = (layer.open)(&bytes).filter(|_| name.starts_with("valid-")) {
                    assert!((target.run)(&(layer.close)(&content)), "{}/{name}", target.name);
                }
            }
        }
    }
}

#[test]
fn what_guided_fuzzing_left_is_read_or_refused_and_never_panics() {
    let corpora = Way::all().map(|way| (way.corpus().unwrap(), way));
    let tried = corpora.map(|(inputs, way)| {
        inputs.iter().for_each(|(_, input)| way.run(input));
        inputs.len()
    });
    assert!(tried.sum::<usize>() > 3_000);
}

#[test]
fn mutated_files_are_read_or_refused_and_never_panic_or_take_long() {
    let folder = tempfile::tempdir().unwrap();
    // Unoptimized, and beside other tests: the limit is generous.
    let campaign = Campaign {
        inputs: 3_000,
        seed: 0,
        limit: Duration::from_secs(5),
        folder: folder.path().into(),
    };
    for target in &TARGETS {
        let tally = campaign.run(target, &AtomicU64::new(0)).unwrap();
        // Neither does all stop at the door, nor does all pass through it.
        let share = tally.taken as f64 / tally.inputs as f64;
        assert!((0.005..0.95).contains(&share), "{}: {share}", target.name);
    }
}
