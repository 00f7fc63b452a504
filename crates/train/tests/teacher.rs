//! Learning from a teacher: what a run makes of it.

use std::path::Path;

use chainrule_data::Images;
use chainrule_train::{
    Checkpoint, Config, Data, Error, Finished, ModelFile, Observer, Quiet, RunFolder, fingerprint,
    resume, run,
};

fn small() -> Config {
    Config { hidden_dim: vec![12], epochs: 2, validation: 100, ..Config::default() }
}

/// A run whose network is to teach.
fn teacher(out: &Path) -> Finished {
    let config = Config { seed: 7, contrast: Some(10.0), ..small() };
    run(&config, &Data::sample(), out, &mut Quiet).unwrap()
}

struct StopAt {
    step: usize,
    taken: usize,
}

impl Observer for StopAt {
    fn iteration(&mut self, _: &chainrule_train::Iteration) {
        self.taken += 1;
    }

    fn stop(&mut self) -> bool {
        self.taken >= self.step
    }
}

#[test]
fn a_distilled_run_has_the_same_bits_on_any_threads_and_after_a_stop_in_an_epoch() {
    let dir = tempfile::tempdir().unwrap();
    teacher(&dir.path().join("teacher"));
    let data = Data::sample();
    for (name, flip, shift) in [("plain", false, 0), ("moved", true, 2)] {
        let config = Config {
            teacher: Some(dir.path().join("teacher")),
            teacher_temperature: 3.0,
            teacher_weight: 0.7,
            flip,
            shift,
            ..small()
        };
        let print = |threads: usize| {
            let out = dir.path().join(format!("{name}-{threads}"));
            run(&Config { threads, ..config.clone() }, &data, &out, &mut Quiet).unwrap();
            fingerprint(&out).unwrap()
        };
        let whole = print(1);
        assert_eq!(print(3), whole, "{name}");
        let out = dir.path().join(format!("{name}-stopped"));
        let stopped = run(&config, &data, &out, &mut StopAt { step: 5, taken: 0 });
        assert!(matches!(stopped, Err(Error::Stopped { iteration: 5, .. })));
        let checkpoint = Checkpoint::load(&out).unwrap();
        let folder = RunFolder::open(&out).unwrap();
        resume(checkpoint, &config, &data, &folder, &mut Quiet).unwrap();
        assert_eq!(fingerprint(&out).unwrap(), whole, "{name}, resumed");
        // A weight of 0 is no teacher at all, and any other is one.
        let without = |teacher_weight, teacher| {
            let out = tempfile::tempdir().unwrap();
            let config = Config { teacher_weight, teacher, ..config.clone() };
            run(&config, &data, out.path(), &mut Quiet).unwrap();
            fingerprint(out.path()).unwrap()
        };
        let alone = without(0.7, None);
        assert_eq!(without(0.0, config.teacher.clone()), alone, "{name}");
        assert_ne!(alone, whole, "{name}");
    }
}

/// With all of the weight on the teacher the labels are not learned from.
#[test]
fn at_a_weight_of_one_other_labels_give_the_same_weights() {
    let dir = tempfile::tempdir().unwrap();
    teacher(&dir.path().join("teacher"));
    let mut data = Data::sample();
    let config = Config {
        teacher: Some(dir.path().join("teacher")),
        teacher_weight: 1.0,
        allow_other_images: true,
        ..small()
    };
    let last = |data: &Data, name: &str| {
        let out = dir.path().join(name);
        run(&config, data, &out, &mut Quiet).unwrap();
        ModelFile::load(&out.join("last.safetensors")).unwrap()
    };
    let own = last(&data, "own");
    let train = &data.dataset.train;
    let labels = train.labels().iter().map(|label| (label + 3) % 10).collect();
    data.dataset.train = Images::new(train.pixels().to_vec(), labels, train.shape(), 10).unwrap();
    assert!(last(&data, "other") == own);
}

/// Of a teacher that is the network itself there is nothing to learn, if both see the same image.
#[test]
fn the_teacher_sees_each_image_as_it_is_moved_and_mirrored_for_the_network() {
    let dir = tempfile::tempdir().unwrap();
    let taught = teacher(&dir.path().join("teacher"));
    for (flip, shift, rotate, cutout) in [(false, 0, 0.0, 0), (true, 3, 8.0, 9)] {
        let config = Config {
            init_from: Some(dir.path().join("teacher")),
            teacher: Some(dir.path().join("teacher")),
            teacher_weight: 1.0,
            reg: 0.0,
            flip,
            shift,
            rotate,
            cutout,
            split_seed: Some(7), // the teacher's
            ..small()
        };
        let out = dir.path().join(format!("student-{flip}"));
        run(&config, &Data::sample(), &out, &mut Quiet).unwrap();
        let last = ModelFile::load(&out.join("last.safetensors")).unwrap();
        let (before, after) = (&taught.model.classifier, last.classifier);
        for (a, b) in before.parameters().iter().zip(after.parameters()) {
            assert!((a - b).abs() < 1e-5, "{a} became {b}");
        }
    }
}

#[test]
fn a_teacher_is_recorded_and_another_in_its_place_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("teacher");
    teacher(&path);
    let data = Data::sample();
    let config = Config { teacher: Some(path.clone()), ..small() };
    let out = dir.path().join("run");
    let finished = run(&config, &data, &out, &mut Quiet).unwrap();
    assert_eq!(finished.summary.teacher.as_deref(), path.to_str());
    let settings = std::fs::read_to_string(out.join("config.toml")).unwrap();
    assert!(settings.contains("teacher_sha256 = \"") && settings.contains("teacher_weight = 0.5"));

    let again = |data: &Data| {
        let longer = Config { epochs: 3, ..config.clone() };
        let checkpoint = Checkpoint::load(&out).unwrap();
        resume(checkpoint, &longer, data, &RunFolder::open(&out).unwrap(), &mut Quiet)
    };
    let model = path.join("model.safetensors");
    let mut other = ModelFile::load(&model).unwrap();
    other.classifier.bias_mut(0)[0] += 1.0;
    other.save(&model).unwrap();
    let error = again(&data).unwrap_err().to_string();
    assert!(error.contains("it began with a teacher whose SHA-256 is"), "{error}");
    std::fs::remove_dir_all(&path).unwrap();
    assert!(again(&data).unwrap_err().to_string().contains("teacher"));
}

#[test]
fn teachers_that_cannot_teach_are_refused_in_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("teacher");
    let taught = teacher(&path);
    let config = Config { teacher: Some(path.clone()), ..small() };
    let refused = |config: &Config, data: &Data| {
        let out = tempfile::tempdir().unwrap();
        run(config, data, out.path(), &mut Quiet).unwrap_err().to_string()
    };
    let data = Data::sample();
    for (config, expected) in [
        (Config { mixup: 0.2, ..config.clone() }, "teacher does not go together with mixup"),
        (
            Config { teacher_weight: 1.5, ..config.clone() },
            "teacher_weight is 1.5: it must be from 0",
        ),
        (Config { teacher_temperature: 0.0, ..config.clone() }, "teacher_temperature is 0"),
    ] {
        let error = refused(&config, &data);
        assert!(error.starts_with(expected), "{error}");
    }
    let mut other = Data::sample();
    let test = &other.dataset.test;
    let mut pixels = test.pixels().to_vec();
    pixels[0] ^= 1;
    other.dataset.test = Images::new(pixels, test.labels().to_vec(), test.shape(), 10).unwrap();
    assert!(refused(&config, &other).contains("not those of the run"));
    let file = dir.path().join("named.safetensors");
    let shape = taught.model.shape().unwrap();
    let classes = (0..10).map(|i| format!("thing {i}")).collect();
    let task = Some(chainrule_train::Task { shape, classes });
    ModelFile { task, ..taught.model }.save(&file).unwrap();
    let error = refused(&Config { teacher: Some(file), ..small() }, &data);
    assert!(error.contains("the teacher knows other classes"), "{error}");
}
