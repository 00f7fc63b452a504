//! The file of a sweep: which runs it means, and what is refused.

use std::path::Path;

use chainrule_train::schedule::Schedule;
use chainrule_train::{Config, Data, Sweep};

fn sweep(text: &str) -> Sweep {
    Sweep::from_toml(text, Path::new("")).unwrap()
}

fn refusal(text: &str) -> String {
    Sweep::from_toml(text, Path::new("")).unwrap_err().to_string()
}

/// What each run has of a key.
fn of<V>(sweep: &Sweep, value: impl Fn(&Config) -> V) -> Vec<V> {
    sweep.runs().iter().map(|run| value(&run.config)).collect()
}

const RANDOM: &str =
    "[random]\nruns = 5\nseed = 3\nlearning_rate = { log_uniform = [1e-3, 1e-1] }\n";

#[test]
fn a_grid_is_every_combination_and_its_last_key_in_the_file_varies_fastest() {
    // Not in the order of the alphabet, in which a table forgets how it was written.
    let sweep = sweep("[grid]\nreg = [0, 0.1]\nbatch_size = [16, 32, 64]");
    assert_eq!(of(&sweep, |config| config.reg), [0.0, 0.0, 0.0, 0.1, 0.1, 0.1]);
    assert_eq!(of(&sweep, |config| config.batch_size), [16, 32, 64, 16, 32, 64]);
    let names: Vec<_> = sweep.runs().into_iter().map(|run| run.name).collect();
    assert_eq!(names, ["000", "001", "002", "003", "004", "005"]);
}

#[test]
fn a_network_in_a_grid_is_a_width_or_a_list_of_them() {
    let sweep = sweep("[grid]\nhidden_dim = [0, 100, [256, 128]]");
    assert_eq!(of(&sweep, |config| config.hidden_dim.clone()), [vec![], vec![100], vec![256, 128]]);
}

#[test]
fn the_grid_is_gone_through_for_each_random_run_and_every_point_has_a_draw_of_its_own() {
    let sweep = sweep(&format!("[grid]\nreg = [0, 0.1]\n{RANDOM}"));
    assert_eq!(of(&sweep, |config| config.reg), [0.0, 0.1].repeat(5));
    let rates = of(&sweep, |config| config.learning_rate);
    assert!((1..10).all(|i| !rates[..i].contains(&rates[i])), "{rates:?}");
}

#[test]
fn neither_more_draws_nor_another_key_nor_more_seeds_move_the_draws_that_there_were() {
    let rate = |config: &Config| config.learning_rate;
    let five = of(&sweep(RANDOM), rate);
    assert_eq!(of(&sweep(&RANDOM.replace("runs = 5", "runs = 9")), rate)[..5], five);
    assert_eq!(of(&sweep(&format!("{RANDOM}reg = {{ uniform = [0, 1] }}")), rate), five);
    let thrice = of(&sweep(&format!("seeds = 3\n{RANDOM}")), rate);
    assert_eq!(thrice.iter().step_by(3).copied().collect::<Vec<_>>(), five);
    assert_ne!(of(&sweep(&RANDOM.replace("seed = 3", "seed = 4")), rate), five);
}

#[test]
fn seeds_follow_that_of_the_recipe_and_have_folders_of_their_own() {
    let sweep = sweep("seed = 7\nseeds = 3\n[grid]\nreg = [0, 0.1]");
    assert_eq!(of(&sweep, |config| config.seed), [7, 8, 9, 7, 8, 9]);
    let names: Vec<_> = sweep.runs().into_iter().map(|run| run.name).collect();
    let expected = ["000", "000-seed-8", "000-seed-9", "001", "001-seed-8", "001-seed-9"];
    assert_eq!(names, expected);
}

#[test]
fn a_recipe_lies_beside_the_sweep_and_the_sweeps_own_keys_win_over_it() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("base.toml"), "epochs = 3\nmomentum = 0.5\n").unwrap();
    let path = dir.path().join("sweep.toml");
    let text = "recipe = \"base.toml\"\nepochs = 4\n[grid]\nreg = [0, 0.1]";
    std::fs::write(&path, text).unwrap();
    let sweep = Sweep::from_file(&path).unwrap();
    assert_eq!(of(&sweep, |config| (config.epochs, config.momentum)), [(4, 0.5), (4, 0.5)]);
    std::fs::write(dir.path().join("base.toml"), "epoch = 3").unwrap();
    let error = Sweep::from_file(&path).unwrap_err().to_string();
    let parts = ["sweep.toml", "base.toml", "unknown key `epoch`: did you mean `epochs`?"];
    assert!(parts.iter().all(|part| error.contains(part)), "{error}");
}

#[test]
fn a_sweep_that_cannot_work_is_refused_in_one_sentence_that_says_where() {
    for (text, part) in [
        ("learning_rat = 0.1", "unknown key `learning_rat`: did you mean `learning_rate`?"),
        ("grids = 1", "unknown key `grids`: did you mean `grid`?"),
        ("[grid]\nregg = [0, 1]", "unknown key `regg`: did you mean `reg`?"),
        ("[random]\nruns = 3\nregg = { uniform = [0, 1] }", "did you mean `reg`?"),
        ("", "nothing varies"),
        ("[grid]", "nothing varies"),
        ("[grid]\nreg = []", "grid.reg is an empty list"),
        ("[grid]\nreg = 0.1", "grid.reg is 0.1: it must be a list of values, such as [0.1, ...]"),
        ("[grid]\nreg = [0.1, 0.1]", "grid.reg has 0.1 twice"),
        ("grid = 3", "grid is 3: it must be a table"),
        ("[grid]\nreg = [0, \"a\"]", "point 1 (reg a): invalid type: string \"a\", expected f64"),
        ("[grid]\nnorm = [\"none\", \"bach\"]", "point 1 (norm bach): "),
        ("[random]\nreg = { uniform = [0, 1] }", "random.runs is missing"),
        ("[random]\nruns = 3", "[random] has no range to draw from"),
        ("[random]\nruns = 0\nreg = { uniform = [0, 1] }", "random.runs is 0"),
        ("[random]\nruns = 3\nreg = { uniform = [1, 0] }", "the first must be below the second"),
        ("[random]\nruns = 3\nreg = { log_uniform = [0, 1] }", "0 has no logarithm"),
        (
            "[random]\nruns = 10001\nreg = { uniform = [0, 1] }",
            "these are 10001 runs: at most 10000",
        ),
        ("seeds = 0\n[grid]\nreg = [0, 1]", "seeds is 0: it must be from 1 to 1000"),
        ("[grid]\nseed = [0, 1]", "seeds = 3 runs every point thrice"),
        ("[grid]\nthreads = [1, 2]", "threads need not vary: no result depends on it"),
        ("[grid]\ndata = [\"sample\"]", "data cannot vary"),
        ("reg = 0\n[grid]\nreg = [0, 1]", "reg stands above and varies too"),
        (
            "[grid]\nreg = [0, 1]\n[random]\nruns = 2\nreg = { uniform = [0, 1] }",
            "reg varies twice",
        ),
        ("validation = 0\n[grid]\nreg = [0, 1]", "a sweep goes by the validation accuracy"),
        (
            "[grid]\nhidden_dim = [100, 0]\nnorm = [\"none\", \"batch\"]",
            "point 3 (hidden_dim 0, norm batch): norm and dropout act on hidden layers",
        ),
        ("recipe = 3\n[grid]\nreg = [0, 1]", "recipe is 3: it must be the name of a file"),
        ("[grid", "TOML parse error at line 1"),
        ("seeds = 2\nhalving = 3", "halving is 3: it must be a table"),
        ("[grid]\nreg = [0, 1]\n[halving]", "halving.rungs is missing"),
        ("[grid]\nreg = [0, 1]\n[halving]\nrung = [1]", "did you mean `rungs`?"),
        ("[grid]\nreg = [0, 1]\n[halving]\nrungs = []", "halving.rungs is []: it must be a list"),
        (
            "[grid]\nreg = [0, 1]\n[halving]\nrungs = [0, 2]",
            "a list of epochs from 1 on, ascending",
        ),
        (
            "[grid]\nreg = [0, 1]\n[halving]\nrungs = [3, 2]",
            "a list of epochs from 1 on, ascending",
        ),
        ("[grid]\nreg = [0, 1]\n[halving]\nrungs = [2.5]", "a list of epochs from 1 on, ascending"),
        (
            "[grid]\nreg = [0, 1]\n[halving]\nrungs = [3]\nfactor = 1",
            "halving.factor is 1: it must be a whole number from 2",
        ),
        (
            "[grid]\nepochs = [20, 10]\n[halving]\nrungs = [3, 10]",
            "point 1 (epochs 10): halving.rungs has 10, and epochs is 10",
        ),
        ("seeds = 3\n[halving]\nrungs = [3]", "[halving] compares points, and there is one"),
    ] {
        let error = refusal(text);
        assert!(error.contains(part), "{text}: {error}");
    }
    let list: Vec<_> = (0..101).map(|n| n.to_string()).collect();
    let list = list.join(", ");
    let error = refusal(&format!("[grid]\nreg = [{list}]\nweight_decay = [{list}]"));
    assert!(error.contains("these are 10201 runs"), "{error}");
}

#[test]
fn a_point_that_does_not_fit_the_images_is_refused_before_the_first_run() {
    let sweep = sweep("[grid]\nvalidation = [100, 1000]");
    let error = sweep.check(&Data::sample()).unwrap_err().to_string();
    let part = "point 1 (validation 1000): validation is 1000: of 1000 images at least one";
    assert!(error.contains(part), "{error}");
}

#[test]
fn a_sweep_goes_on_with_more_points_or_seeds_and_as_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let begun = format!("[grid]\nreg = [0, 0.1]\n{RANDOM}");
    sweep(&begun).record(dir.path()).unwrap();
    assert!(Sweep::is_recorded(dir.path()));
    let may = |text: &str| {
        let result = sweep(text).check_continues(dir.path());
        result.map_err(|error| error.to_string())
    };
    may(&begun).unwrap();
    may(&begun.replace("runs = 5", "runs = 8")).unwrap();
    may(&format!("seeds = 4\n{begun}")).unwrap();
    may(&format!("threads = 2\n{begun}")).unwrap();
    for (other, part) in [
        (
            begun.replace("runs = 5", "runs = 4"),
            "it has 8 points with 1 seed, and had 10 points with 1",
        ),
        (begun.replace("seed = 3", "seed = 4"), "of point 0 learning_rate is"),
        (begun.replace("0.1]", "0.2]"), "of point 1 reg is 0.2, and was 0.1"),
        (begun.replace("[0, 0.1]", "[0, 0.1, 0.2]"), "of point 2"),
        (format!("epochs = 11\n{begun}"), "of point 0 epochs is 11, and was 10"),
    ] {
        let error = may(&other).unwrap_err();
        assert!(error.contains("another sweep") && error.contains(part), "{other}: {error}");
    }
    std::fs::write(dir.path().join("sweep.toml"), "half = ").unwrap();
    assert!(may(&begun).unwrap_err().contains("sweep.toml"));
}

#[test]
fn the_points_that_halving_compares_stay_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let begun = "[grid]\nreg = [0, 0.1]\n[halving]\nrungs = [1, 3]\n";
    sweep(begun).record(dir.path()).unwrap();
    let may = |text: &str| {
        let result = sweep(text).check_continues(dir.path());
        result.map_err(|error| error.to_string())
    };
    may(begun).unwrap();
    may(&format!("{begun}factor = 3")).unwrap();
    for (other, part) in [
        (begun.replace("0.1]", "0.1, 0.2]"), "it has 3 points with 1 seed, and had 2 points"),
        (format!("seeds = 2\n{begun}"), "it has 2 points with 2 seeds, and had 2 points"),
        (
            format!("{begun}factor = 2"),
            "[halving] is rungs = [1, 3], factor = 2, and was rungs = [1, 3], factor = 3",
        ),
        (begun.split("[halving]").next().unwrap().into(), "[halving] is not there, and was"),
    ] {
        let error = may(&other).unwrap_err();
        assert!(error.contains("another sweep") && error.contains(part), "{other}: {error}");
    }
}

#[test]
fn values_may_be_added_to_the_first_list_of_a_grid() {
    let dir = tempfile::tempdir().unwrap();
    sweep("[grid]\nreg = [0, 0.1]\nnesterov = [false, true]").record(dir.path()).unwrap();
    let more = sweep("[grid]\nreg = [0, 0.1, 0.01]\nnesterov = [false, true]");
    more.check_continues(dir.path()).unwrap();
}

#[test]
fn a_grid_of_optimizers_gives_each_its_own_defaults_and_goes_on_with_them() {
    let dir = tempfile::tempdir().unwrap();
    let text = "[grid]\noptimizer = [\"sgd\", \"adam\", \"rmsprop\"]\nlr_decay = [0.5, 0.9]";
    let sweep = sweep(text);
    let rates = of(&sweep, |config| config.learning_rate);
    assert_eq!(rates, [0.01, 0.01, 0.001, 0.001, 0.01, 0.01]);
    assert!(of(&sweep, |config| config.schedule).iter().all(|s| *s == Schedule::Exponential));
    sweep.record(dir.path()).unwrap();
    sweep.check_continues(dir.path()).unwrap();
}

#[test]
fn a_sweep_reads_other_names_of_a_setting_and_none_for_one_that_is_left_out() {
    let sweep = sweep("lr = 0.1\nzca = 0.1\n[grid]\naverage = [\"none\", 0.9]\n");
    assert_eq!(of(&sweep, |config| config.ema_decay), [None, Some(0.9)]);
    assert_eq!(of(&sweep, |config| (config.learning_rate, config.zca)), [(0.1, Some(0.1)); 2]);
    let dir = tempfile::tempdir().unwrap();
    sweep.record(dir.path()).unwrap();
    sweep.check_continues(dir.path()).unwrap();
    assert!(
        refusal("lr = 0.1\nlearning_rate = 0.1\nseeds = 2").contains("learning_rate is set twice")
    );
}
