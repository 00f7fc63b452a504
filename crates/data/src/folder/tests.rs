use std::fs;

use image::{DynamicImage, GrayImage, Luma, Rgb, RgbImage};
use tempfile::TempDir;

use std::ops::Range;
use std::path::Path;

use super::*;
use crate::reading::{Loaded, Reading};
use crate::{Images, Shape, Size};

fn silent(_: &str, _: usize, _: usize) {}

fn save(dir: &Path, name: &str, picture: impl Into<DynamicImage>) {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    picture.into().save(path).unwrap();
}

/// A picture of one color, whose red says which it is.
fn plain(red: u8) -> RgbImage {
    RgbImage::from_pixel(4, 3, Rgb([red, 7, 9]))
}

/// A folder of classes, a picture for each number.
fn of(classes: &[(&str, Range<u8>)]) -> TempDir {
    let dir = TempDir::new().unwrap();
    for (class, reds) in classes {
        reds.clone().for_each(|red| save(dir.path(), &format!("{class}/{red}.png"), plain(red)));
    }
    dir
}

fn reading() -> Reading {
    Reading { threads: 2, ..Reading::default() }
}

fn problem(dir: &Path) -> String {
    let error = read(dir, &reading(), &silent).unwrap_err().to_string();
    error.replace(&dir.display().to_string(), "DIR")
}

/// The number of each image, in the order of the set.
fn reds(images: &Images) -> Vec<u8> {
    (0..images.len()).map(|i| images.image(i)[0]).collect()
}

#[test]
fn every_picture_is_in_one_part_with_the_class_of_its_folder() {
    let dir = of(&[("dog", 0..10), ("Cat", 10..33)]);
    let data = read(dir.path(), &reading(), &silent).unwrap().dataset;
    assert_eq!(data.classes, ["Cat", "dog"], "in the order of their bytes");
    assert_eq!(data.train.shape(), Shape { channels: 3, height: 3, width: 4 });
    for images in [&data.train, &data.test] {
        for (i, red) in reds(images).into_iter().enumerate() {
            assert_eq!(images.labels()[i], u8::from(red < 10), "{red}");
            let wanted = [[red; 12], [7; 12], [9; 12]].concat();
            assert_eq!(images.image(i), wanted);
        }
    }
    let mut all = [reds(&data.train), reds(&data.test)].concat();
    all.sort_unstable();
    assert!(all.into_iter().eq(0..33));
    // A fifth of each: 2 of 10, and of 23 rounded 5.
    let dogs = data.test.labels().iter().filter(|&&label| label == 1).count();
    assert_eq!((data.test.len(), dogs), (7, 2));
    let runs = data.train.labels().windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!(runs > 4, "classes are mixed: {:?}", data.train.labels());
}

#[test]
fn the_parts_depend_on_the_seed_and_the_names_alone() {
    let dir = of(&[("a", 0..20), ("b", 20..40)]);
    let parts = |dir: &Path, seed: u64, threads: usize| {
        let reading = Reading { seed, threads, ..Reading::default() };
        let data = read(dir, &reading, &silent).unwrap().dataset;
        (reds(&data.train), reds(&data.test))
    };
    let whole = parts(dir.path(), 3, 1);
    assert_eq!(whole, parts(dir.path(), 3, 5));
    assert_ne!(whole, parts(dir.path(), 4, 1));
    // Written in another order, in another place.
    let copy = TempDir::new().unwrap();
    for red in (0..40).rev() {
        save(copy.path(), &format!("{}/{red}.png", if red < 20 { "a" } else { "b" }), plain(red));
    }
    assert_eq!(whole, parts(copy.path(), 3, 2));
    // A picture that goes leaves the others in their order.
    fs::remove_file(copy.path().join(format!("a/{}.png", 7))).unwrap();
    let (train, test) = parts(copy.path(), 3, 2);
    let without = |reds: &[u8]| reds.iter().copied().filter(|&red| red != 7).collect::<Vec<_>>();
    assert_eq!([train, test].concat().len(), 39);
    assert_eq!(parts(copy.path(), 3, 2).0.iter().filter(|red| **red >= 20).count(), 16);
    assert!(without(&whole.1).iter().all(|red| parts(copy.path(), 3, 2).1.contains(red)));
}

#[test]
fn folders_of_parts_are_kept_apart_and_validation_joins_training() {
    let dir = of(&[
        ("train/x", 0..3),
        ("train/y", 3..6),
        ("test/x", 6..7),
        ("test/y", 7..9),
        ("val/x", 9..10),
        ("val/y", 10..11),
    ]);
    let Loaded { dataset, notes, .. } = read(dir.path(), &reading(), &silent).unwrap();
    let sorted = |images: &Images| {
        let mut reds = reds(images);
        reds.sort_unstable();
        reds
    };
    assert_eq!(sorted(&dataset.test), [6, 7, 8]);
    assert_eq!(sorted(&dataset.train), [0, 1, 2, 3, 4, 5, 9, 10]);
    assert!(notes[0].starts_with("the pictures of val join those of train"), "{notes:?}");
    // Without a test folder, val is what tests.
    fs::remove_dir_all(dir.path().join("test")).unwrap();
    let data = read(dir.path(), &reading(), &silent).unwrap().dataset;
    assert_eq!(sorted(&data.test), [9, 10]);
    fs::remove_dir_all(dir.path().join("val/y")).unwrap();
    assert_eq!(
        problem(dir.path()),
        "DIR/train has a class y, and DIR/val has not: expected the same classes"
    );
}

#[test]
fn a_broken_picture_is_named_and_only_on_request_left_out() {
    let dir = of(&[("a", 0..10), ("b", 10..20)]);
    let path = dir.path().join("a/3.png");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 20]).unwrap();
    fs::write(dir.path().join("b/0.jpg"), "no picture").unwrap();
    let told = problem(dir.path());
    assert!(told.starts_with("cannot read DIR/a/3.png: it is damaged: "), "{told}");
    assert!(told.ends_with("(2 of 21 pictures broken)"), "{told}");
    let skip = Reading { skip_broken: true, ..reading() };
    let Loaded { dataset, skipped, .. } = read(dir.path(), &skip, &silent).unwrap();
    assert_eq!(skipped.len(), 2);
    assert!(
        skipped[1].to_string().ends_with("b/0.jpg: it is no PNG, JPEG, WebP, BMP, GIF or TIFF")
    );
    let mut all = [reds(&dataset.train), reds(&dataset.test)].concat();
    all.sort_unstable();
    assert!(all.into_iter().eq((0..20).filter(|red| *red != 3)));
    for images in [&dataset.train, &dataset.test] {
        let labels = reds(images).into_iter().map(|red| u8::from(red >= 10));
        assert!(labels.eq(images.labels().iter().copied()), "each keeps its label");
    }
    let survey = survey(dir.path(), &reading(), &silent).unwrap();
    assert_eq!((survey.broken.len(), survey.sizes[&(4, 3)], survey.gray), (2, 19, 0));
}

#[test]
fn pictures_of_different_sizes_need_a_size() {
    let dir = of(&[("a", 0..3), ("b", 3..6)]);
    save(dir.path(), "b/9.png", RgbImage::new(5, 6));
    let told = problem(dir.path());
    let start =
        "DIR holds pictures of different sizes, a/0.png of 4 x 3 pixels and b/9.png of 5 x 6";
    assert!(told.starts_with(start), "{told}");
    let size = Some(Size { width: 8, height: 2 });
    let data = read(dir.path(), &Reading { resize: size, ..reading() }, &silent).unwrap().dataset;
    assert_eq!(data.train.shape(), Shape { channels: 3, height: 2, width: 8 });
    let too_large = Reading { resize: size, memory: Some(335), ..reading() };
    let told = read(dir.path(), &too_large, &silent).unwrap_err().to_string();
    assert!(
        told.contains(
            "holds 7 pictures that take 336 bytes of memory as 8 x 2 pixels, and 335 bytes"
        ),
        "{told}"
    );
}

#[test]
fn gray_pictures_stay_gray_unless_one_has_colors() {
    let dir = TempDir::new().unwrap();
    let gray = |value: u8| GrayImage::from_pixel(2, 2, Luma([value]));
    for (i, class) in ["a", "a", "b", "b"].iter().enumerate() {
        save(dir.path(), &format!("{class}/{i}.png"), gray(10 * i as u8));
    }
    let data = read(dir.path(), &reading(), &silent).unwrap().dataset;
    assert_eq!((data.train.shape().channels, data.train.dim()), (1, 4));
    save(dir.path(), "b/9.png", RgbImage::from_pixel(2, 2, Rgb([1, 2, 3])));
    let data = read(dir.path(), &reading(), &silent).unwrap().dataset;
    assert_eq!(data.train.shape().channels, 3);
}

#[test]
fn what_is_no_picture_is_left_aside_and_folders_within_a_class_count() {
    let dir = of(&[("a", 0..2), ("a/more", 2..4), ("b", 4..8)]);
    for name in ["a/Thumbs.db", "a/.DS_Store", "b/notes.txt", "readme.md"] {
        fs::write(dir.path().join(name), "text").unwrap();
    }
    fs::create_dir(dir.path().join(".git")).unwrap();
    // By its content it is one, whatever its name.
    fs::rename(dir.path().join("b/5.png"), dir.path().join("b/five")).unwrap();
    let Loaded { dataset, notes, .. } = read(dir.path(), &reading(), &silent).unwrap();
    assert_eq!(dataset.train.len() + dataset.test.len(), 8);
    assert_eq!(dataset.classes, ["a", "b"]);
    assert!(notes[0].starts_with("2 files are no pictures"), "{notes:?}");
}

#[test]
fn folders_that_cannot_be_learned_from_are_refused_with_the_reason() {
    assert!(problem(of(&[]).path()).starts_with("DIR holds 0 pictures and no folder: put those"));
    assert_eq!(
        problem(of(&[("a", 0..3)]).path()),
        "DIR holds one class, a: expected at least two to tell apart"
    );
    let told = problem(of(&[("a", 0..3), ("b", 3..4)]).path());
    assert!(told.starts_with("DIR/b holds one picture: expected at least two"), "{told}");
    let dir = of(&[("a", 0..3)]);
    fs::create_dir(dir.path().join("b")).unwrap();
    assert!(problem(dir.path()).starts_with("DIR/b holds no picture (0 other files)"));
    (0..256).for_each(|i| fs::create_dir(dir.path().join(format!("class {i}"))).unwrap());
    assert!(problem(dir.path()).contains("at most 256 classes"), "{}", problem(dir.path()));
    let two = of(&[("a\nb", 0..3), ("c", 3..5)]);
    assert!(problem(two.path()).contains("rename it in plain UTF-8"));
}

#[cfg(unix)]
#[test]
fn links_to_pictures_and_classes_are_followed_and_circles_are_not() {
    use std::os::unix::fs::symlink;
    let dir = of(&[("a", 0..3)]);
    let elsewhere = of(&[("x", 3..6)]);
    symlink(elsewhere.path().join("x"), dir.path().join("b")).unwrap();
    symlink(elsewhere.path().join("x/3.png"), dir.path().join("a/linked.png")).unwrap();
    symlink(dir.path(), dir.path().join("a/circle")).unwrap();
    symlink("nowhere", dir.path().join("a/gone.png")).unwrap();
    assert!(problem(dir.path()).starts_with("cannot read DIR/a/gone.png: "));
    let skip = Reading { skip_broken: true, ..reading() };
    let data = read(dir.path(), &skip, &silent).unwrap().dataset;
    assert_eq!((data.train.len() + data.test.len(), data.classes.len()), (7, 2));
}

#[cfg(unix)]
#[test]
fn names_that_are_not_utf8_are_no_class_and_no_hindrance_to_a_picture() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let dir = of(&[("a", 0..3), ("b", 3..6)]);
    let odd = OsStr::from_bytes(b"\xff.png");
    if fs::rename(dir.path().join("a/0.png"), dir.path().join("a").join(odd)).is_err() {
        return; // not on this file system
    }
    let data = read(dir.path(), &reading(), &silent).unwrap().dataset;
    assert_eq!(data.train.len() + data.test.len(), 6);
    fs::create_dir(dir.path().join(OsStr::from_bytes(b"cl\xffss"))).unwrap();
    assert!(problem(dir.path()).contains("rename it in plain UTF-8"));
}

#[test]
fn parts_are_found_under_the_names_that_torchvision_and_keras_users_give_them() {
    // torchvision.datasets.ImageFolder and keras.utils.image_dataset_from_directory are pointed at
    // one part each; these are the names of the parts in their documentation and on Kaggle.
    for (train, test) in [
        ("train", "test"),
        ("Train", "Test"),
        ("TRAIN", "TEST"),
        ("training", "testing"),
        ("Training", "Testing"),
        ("train", "val"),
        ("train", "valid"),
        ("Training", "Validation"),
        ("training_set", "test_set"),
        ("seg_train", "seg_test"),
        ("Train-Images", "test images"),
    ] {
        let [a, b, c] = ["glioma", "meningioma", "notumor"];
        let dir = of(&[
            (&format!("{train}/{a}"), 0..4),
            (&format!("{train}/{b}"), 4..8),
            (&format!("{train}/{c}"), 8..12),
            (&format!("{test}/{a}"), 20..21),
            (&format!("{test}/{b}"), 21..22),
            (&format!("{test}/{c}"), 22..24),
        ]);
        let data = read(dir.path(), &reading(), &silent).unwrap().dataset;
        assert_eq!(data.classes, [a, b, c], "{train}, {test}");
        assert_eq!((data.train.len(), data.test.len()), (12, 4), "{train}, {test}");
        assert!(reds(&data.test).iter().all(|red| *red >= 20), "{train}, {test}");
        let found = survey(dir.path(), &reading(), &silent).unwrap();
        assert_eq!(found.classes[2], ("notumor".to_owned(), [4, 2]));
    }
}

#[test]
fn parts_without_classes_are_never_taken_for_classes() {
    for (train, test) in [("train", "test"), ("Training", "Testing"), ("train", "Val")] {
        let told = problem(of(&[(train, 0..5), (test, 5..10)]).path());
        assert!(told.contains("which are names of parts, and no folder of a class"), "{told}");
        assert!(told.contains("if they are classes, rename them"), "{told}");
        let told = problem(of(&[(train, 0..5), (test, 5..10), ("other", 10..15)]).path());
        assert!(told.contains("which are names of parts"), "{told}");
    }
    // Test pictures that nobody has sorted: only the training part has classes.
    let dir = of(&[("train/cat", 0..5), ("train/dog", 5..10), ("test", 10..13)]);
    let told = problem(dir.path());
    assert!(
        told.starts_with("DIR/test holds 3 pictures and no folder of a class, and train holds the"),
        "{told}"
    );
    assert!(told.contains("or name DIR/train alone"), "{told}");
    let told = problem(
        of(&[("train/a", 0..2), ("train/b", 2..4), ("Training/a", 4..6), ("test/a", 6..8)]).path(),
    );
    assert!(told.starts_with("DIR holds Training and train, which both name the same"), "{told}");
    let told = problem(
        of(&[("train/a", 0..2), ("train/b", 2..4), ("test/a", 4..6), ("extra/a", 6..8)]).path(),
    );
    assert!(told.starts_with("DIR holds extra beside train, test: expected those alone"), "{told}");
}

#[test]
fn a_class_may_be_called_train() {
    // As in CIFAR-100, whose class 90 is "train".
    let dir = of(&[("train", 0..5), ("tram", 5..10), ("bus", 10..15)]);
    let data = read(dir.path(), &reading(), &silent).unwrap().dataset;
    assert_eq!(data.classes, ["bus", "train", "tram"]);
    let dir = of(&[("train/steam", 0..3), ("train/diesel", 3..5), ("test tube", 5..10)]);
    let told = problem(dir.path());
    assert!(told.starts_with("DIR/test tube holds 5 pictures and no folder"), "{told}");
}

#[test]
fn a_folder_one_level_too_high_or_too_low_is_told_with_the_right_one() {
    let dir = of(&[("set/cat", 0..5), ("set/dog", 5..10)]);
    assert_eq!(
        problem(dir.path()),
        "DIR holds one folder, set; cat, dog lie in DIR/set: name that one"
    );
    let deep = of(&[("a/b/c/cat", 0..5), ("a/b/c/dog", 5..10)]);
    assert_eq!(
        problem(deep.path()),
        "DIR holds one folder, a; cat, dog lie in DIR/a/b/c: name that one"
    );
    let told = problem(&dir.path().join("set/cat"));
    assert!(
        told.starts_with("DIR holds 5 pictures and no folder: if it is one class of"),
        "{told}"
    );
    assert!(told.contains(&format!("the folder above it, {}", dir.path().join("set").display())));
    // What macOS leaves in an archive is no class.
    fs::create_dir(dir.path().join("set/__MACOSX")).unwrap();
    let data = read(&dir.path().join("set"), &reading(), &silent).unwrap().dataset;
    assert_eq!(data.classes, ["cat", "dog"]);
    // A part alone is read, and it is said that there is another.
    let dir = of(&[("Train/a", 0..5), ("Train/b", 5..10), ("Test/a", 10..12), ("Test/b", 12..14)]);
    let notes = read(&dir.path().join("Train"), &reading(), &silent).unwrap().notes;
    assert!(notes[0].contains("beside it lies Test, and "), "{notes:?}");
}

#[test]
fn pictures_beside_the_folders_of_the_classes_are_mentioned() {
    let dir = of(&[("a", 0..4), ("b", 4..8)]);
    save(dir.path(), "stray.png", plain(90));
    let notes = read(dir.path(), &reading(), &silent).unwrap().notes;
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].starts_with("1 file is a picture that lies beside the folders"), "{notes:?}");
    assert!(notes[0].ends_with("stray.png"), "{notes:?}");
    let parts = of(&[("train/a", 0..4), ("train/b", 4..8), ("test/a", 8..9), ("test/b", 9..10)]);
    save(parts.path(), "train/one.png", plain(90));
    save(parts.path(), "two.png", plain(91));
    let notes = survey(parts.path(), &reading(), &silent).unwrap().notes;
    assert!(notes[0].starts_with("2 files are pictures that lie beside"), "{notes:?}");
}
