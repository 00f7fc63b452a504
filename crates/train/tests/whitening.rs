//! A run on whitened images: what it writes is a network for plain ones.

use std::path::Path;

use chainrule_data::{Dataset, Images, Shape};
use chainrule_nn::Engine;
use chainrule_tensor::gather::Rows;
use chainrule_train::checkpoint::State;
use chainrule_train::config::Normalize;
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
    let classes = ["dark", "gray", "light"].map(String::from).to_vec();
    let dataset = Dataset { name: "bands".into(), classes, train: images(400), test: images(60) };
    Data::new(dataset, "bands")
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
    let path = chainrule_tensor::Isa::best();
    let mut prepared = Prepared::new(&config, &data.dataset, None).unwrap();
    let plain = ModelFile::load(&folder.path().join("last.safetensors")).unwrap();
    assert_eq!(plain.normalization, prepared.normalization);
    let all: Vec<u32> = (0..400).collect();
    let scores = |model, prepared: &Prepared| {
        Engine::with_kernel(model, 16, 1, path).unwrap().scores(&prepared.pixels(), &all)
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
fn contrast_is_part_of_the_file_and_of_what_reads_it() {
    let config = Config { contrast: Some(10.0), ..config() };
    let (folder, data) = (trained(&config), data());
    let file = ModelFile::load(folder.path()).unwrap();
    assert_eq!(file.normalization.contrast(), Some(&10.0));
    // Of the definition, pixel by pixel, in f64.
    let (mean, std) = (file.normalization.mean(), file.normalization.std());
    let plain = Config { zca: None, contrast: None, ..config };
    let normalization = Some(file.normalization.clone());
    let prepared = Prepared::new(&plain, &data.dataset, normalization).unwrap();
    let mut row = vec![0.0f64; SHAPE.dim()];
    for i in 0..60u32 {
        let pixels = data.dataset.train.image(i as usize);
        let n = pixels.len() as f64;
        let own = pixels.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
        let variance = pixels.iter().map(|&x| (f64::from(x) - own).powi(2)).sum::<f64>() / n;
        let path = chainrule_tensor::Isa::best();
        Rows::gather(&prepared.train_rows(), path, &[i], 0..SHAPE.dim(), &mut row);
        for (j, found) in row.iter().enumerate() {
            let x = (f64::from(pixels[j]) - own) / (variance + 10.0).sqrt();
            let want = (x - f64::from(mean[j])) / f64::from(std[j]);
            assert!((found - want).abs() < 1e-5, "image {i}, pixel {j}: {found}, {want}");
        }
    }
    // And the training part of it has mean 0 and variance 1.
    let (mut sum, mut square) = (0.0, 0.0);
    for &i in &prepared.split.train {
        let path = chainrule_tensor::Isa::best();
        Rows::gather(&prepared.train_rows(), path, &[i], 0..SHAPE.dim(), &mut row);
        sum += row[17];
        square += row[17] * row[17];
    }
    let n = prepared.split.train.len() as f64;
    assert!((sum / n).abs() < 1e-5 && (square / n - 1.0).abs() < 1e-5, "{sum}, {square} of {n}");
    let started = Config { init_from: Some(folder.path().into()), ..plain };
    let again = ModelFile::load(trained(&started).path()).unwrap();
    assert_eq!(
        again.normalization, file.normalization,
        "a start from these weights reads the same"
    );
}

#[test]
fn a_whitened_run_writes_the_same_bits_on_any_number_of_threads() {
    let config = || Config { contrast: Some(10.0), ..config() };
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
    let config = || Config { contrast: Some(10.0), ..config() };
    let (whole, parts, data) = (trained(&config()), tempfile::tempdir().unwrap(), data());
    run(&config(), &data, parts.path(), &mut StopAt(30, false)).unwrap_err();
    let checkpoint = Checkpoint::load(parts.path()).unwrap();
    let folder = RunFolder::open(parts.path()).unwrap();
    resume(checkpoint, &config(), &data, &folder, &mut Quiet).unwrap();
    for name in ["model.safetensors", "last.safetensors", "confusion.csv"] {
        assert!(read(whole.path(), name) == read(parts.path(), name), "{name}");
    }
}

/// A step beyond the end of an epoch was an index out of range.
#[test]
fn a_checkpoint_of_a_place_that_its_run_does_not_have_is_refused() {
    let (config, data) = (Config { zca: None, epochs: 1, ..config() }, data());
    let folder = trained(&config);
    let locked = RunFolder::open(folder.path()).unwrap();
    let checkpoint = Checkpoint::load(folder.path()).unwrap();
    let longer = Config { epochs: 2, ..config };
    for spoil in [
        |state: &mut State| state.at.step = 22,
        |state: &mut State| state.at.step = usize::MAX,
        |state: &mut State| state.at.iteration += 1,
        |state: &mut State| state.best.epoch = 2,
    ] {
        let mut spoiled = checkpoint.clone();
        spoil(&mut spoiled.state);
        let error = resume(spoiled, &longer, &data, &locked, &mut Quiet).unwrap_err().to_string();
        assert!(error.contains("an epoch of 350 images has 22 steps: it is damaged"), "{error}");
    }
    resume(checkpoint, &longer, &data, &locked, &mut Quiet).unwrap();
}

#[test]
fn what_cannot_be_whitened_is_refused_before_more_than_the_settings_are_written() {
    let refused = |config: Config, data: &Data| {
        let folder = tempfile::tempdir().unwrap();
        let error = run(&config, data, folder.path(), &mut Quiet).unwrap_err().to_string();
        let mut entries = std::fs::read_dir(folder.path()).unwrap();
        assert!(entries.all(|entry| entry.unwrap().file_name() == "config.toml"), "{error}");
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
        (Config { contrast: Some(0.0), ..config() }, "contrast is 0: it must be a positive number"),
        (Config { zca: Some(f64::NAN), ..config() }, "zca is NaN"),
        (Config { normalize: Normalize::Channel, ..config() }, "needs normalize = \"pixel\""),
        (Config { init_from: Some("model".into()), ..config() }, "zca and init_from do not go"),
    ] {
        let error = refused(config, &data());
        assert!(error.contains(why), "{error}");
    }
}
