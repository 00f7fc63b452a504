//! A run on whitened images: what it writes is a network for plain ones.

use std::path::Path;

use chainrule_data::{Dataset, Images, Shape};
use chainrule_nn::Engine;
use chainrule_train::config::Normalise;
use chainrule_train::{
    Checkpoint, Config, Data, ModelFile, Observer, Prepared, Quiet, RunFolder, resume, run,
};

const SHAPE: Shape = Shape { channels: 3, height: 5, width: 6 };

/// Images of 90 pixels, each like the one before it, in three classes that differ in brightness.
fn data() -> Data {
    let mut state = 1u32;
    let mut images = |n: usize| {
        let mut last = 0;
        let pixel = |i: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            last = (3 * last + (state >> 24)) / 4;
            (last / 2 + (i / SHAPE.dim() % 3 * 40) as u32) as u8
        };
        let pixels = (0..n * SHAPE.dim()).map(pixel).collect();
        Images::new(pixels, (0..n).map(|i| (i % 3) as u8).collect(), SHAPE, 3).unwrap()
    };
    let classes = ["dark", "grey", "light"].map(String::from).to_vec();
    let dataset = Dataset { name: "bands".into(), classes, train: images(400), test: images(60) };
    Data { dataset, source: "bands".into() }
}

fn config() -> Config {
    Config {
        hidden_dim: vec![7],
        zca: Some(0.1),
        flip: true,
        shift: 1,
        rotate: 10.0,
        cutout: 2,
        batch_size: 16,
        epochs: 3,
        validation: 50,
        threads: 1,
        ..Config::default()
    }
}

fn read(folder: &Path, name: &str) -> Vec<u8> {
    std::fs::read(folder.join(name)).unwrap()
}

fn trained(config: &Config) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    run(config, &data(), folder.path(), &mut Quiet).unwrap();
    folder
}

#[test]
fn the_file_of_a_whitened_run_gives_the_same_scores_on_plain_pixels() {
    let (folder, data, config) = (trained(&config()), data(), config());
    let path = chainrule_tensor::Path::best();
    let mut prepared = Prepared::new(&config, &data.dataset, None).unwrap();
    let plain = ModelFile::load(&folder.path().join("last.safetensors")).unwrap();
    assert_eq!(plain.normalisation, prepared.normalisation);
    let all: Vec<u32> = (0..400).collect();
    let scores = |model, prepared: &Prepared| {
        Engine::with_path(model, 16, 1, path).unwrap().scores(&prepared.pixels(), &all)
    };
    let on_plain = scores(&plain.classifier, &prepared);
    prepared.whiten(&config, path, |_| ()).unwrap();
    let unfolded = Checkpoint::load(folder.path()).unwrap().model;
    assert_ne!(unfolded, plain.classifier);
    let on_whitened = scores(&unfolded, &prepared);
    let size = on_plain.as_slice().iter().fold(0.0f32, |size, x| size.max(x.abs()));
    for (a, b) in on_plain.as_slice().iter().zip(on_whitened.as_slice()) {
        assert!((a - b).abs() < 1e-4 * size, "{a}, {b} of {size}");
    }
}

#[test]
fn a_whitened_run_writes_the_same_bits_on_any_number_of_threads() {
    let one = trained(&config());
    for threads in [2, 3] {
        let more = trained(&Config { threads, ..config() });
        for name in ["model.safetensors", "last.safetensors"] {
            assert!(read(one.path(), name) == read(more.path(), name), "{name}, {threads} threads");
        }
    }
}

#[test]
fn a_whitened_run_that_goes_on_ends_with_the_bits_of_one_that_never_stopped() {
    struct StopAt(u64, bool);
    impl Observer for StopAt {
        fn iteration(&mut self, iteration: &chainrule_train::Iteration) {
            self.1 |= iteration.iteration >= self.0;
        }
        fn stop(&mut self) -> bool {
            self.1
        }
    }
    let (whole, parts, data) = (trained(&config()), tempfile::tempdir().unwrap(), data());
    run(&config(), &data, parts.path(), &mut StopAt(30, false)).unwrap_err();
    let checkpoint = Checkpoint::load(parts.path()).unwrap();
    let folder = RunFolder::open(parts.path()).unwrap();
    resume(checkpoint, &config(), &data, &folder, &mut Quiet).unwrap();
    for name in ["model.safetensors", "last.safetensors", "confusion.csv"] {
        assert!(read(whole.path(), name) == read(parts.path(), name), "{name}");
    }
}

#[test]
fn what_cannot_be_whitened_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |config: Config, data: &Data| {
        let error = run(&config, data, folder.path(), &mut Quiet).unwrap_err().to_string();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{error}");
        error
    };
    let mut constant = data();
    let mut pixels = constant.dataset.train.pixels().to_vec();
    pixels.iter_mut().skip(31).step_by(SHAPE.dim()).for_each(|pixel| *pixel = 200);
    let labels = constant.dataset.train.labels().to_vec();
    constant.dataset.train = Images::new(pixels, labels, SHAPE, 3).unwrap();
    let error = refused(config(), &constant);
    assert!(error.starts_with("pixel 31 (channel 1, row 0, column 1, counted from 0) is the same"));

    for (config, why) in [
        (Config { zca: Some(0.0), ..config() }, "zca is 0: it must be 0.000001 or larger"),
        (Config { zca: Some(f64::NAN), ..config() }, "zca is NaN"),
        (Config { normalise: Normalise::Channel, ..config() }, "needs normalise = \"pixel\""),
        (Config { init_from: Some("model".into()), ..config() }, "zca and init_from do not go"),
    ] {
        let error = refused(config, &data());
        assert!(error.contains(why), "{error}");
    }
}
