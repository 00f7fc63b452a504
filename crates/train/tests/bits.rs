//! The bits of short runs, one for each ingredient of a network and its training, and for some
//! combinations, are what they have always been.
//!
//! A change to the engine, to a kernel or to the preparation of images that was meant to change no
//! result is held to that here. `bits/cases.csv` has a line for each run: the settings that it adds
//! to `bits/base.toml`, and three digests: two of runs in `f32`, for every processor with vector
//! kernels, AVX2 or AVX-512, and for the portable ones, where matrixmultiply multiplies; and one in
//! bf16, for AMX, for `vdpbf16ps` and for the emulation on all of these. No digest depends on the
//! system's mathematics library.
//!
//! How the digests of the vector kernels were confirmed by another program is told in
//! docs/reproducibility.md.
//!
//! The digests of `portable`, and of whitening, hold where matrixmultiply finds FMA. Elsewhere the
//! test says so and checks that 1 and 3 threads agree.

use std::fs;
use std::path::Path;
use std::process::Command;

use chainrule_data::{Dataset, Images, Shape};
use chainrule_tensor::Kernel;
use chainrule_train::{Config, Data, Quiet, run};
use safetensors::SafeTensors;
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// Names the kernels that a child process runs the cases with.
const KERNEL: &str = "CHAINRULE_KERNEL";

/// Names the precision that it runs them in.
const PRECISION: &str = "TEST_PRECISION";

/// The cases that the portable emulation of bf16 runs, which is slow.
const FEW: [&str; 4] = ["one unit", "images of one color", "three layers", "no hidden layer"];

#[derive(Deserialize)]
struct Case {
    case: String,
    /// Lines of TOML, with semicolons between them.
    settings: String,
    vector: String,
    portable: String,
    bf16: String,
}

impl Case {
    fn config(&self, threads: i64, precision: &str) -> Config {
        let mut table: toml::Table = include_str!("bits/base.toml").parse().unwrap();
        table.extend(self.settings.replace(';', "\n").parse::<toml::Table>().unwrap());
        table.insert("threads".into(), threads.into());
        table.insert("precision".into(), precision.into());
        Config::from_toml(&toml::to_string(&table).unwrap()).unwrap()
    }

    fn expected(&self, kernel: &str, precision: &str) -> &str {
        match (kernel, precision) {
            (_, "bf16") => &self.bf16,
            ("portable", _) => &self.portable,
            _ => &self.vector,
        }
    }
}

fn cases() -> Vec<Case> {
    let mut table = csv::Reader::from_path("tests/bits/cases.csv").unwrap();
    table.deserialize().map(Result::unwrap).collect()
}

/// SHA-256, its first 16 bytes, over the learned tensors in the order of their names, then the
/// numbers of the tables and of the summary, as little-endian bits. The test of a run in bf16 is made in
/// `f32`, and so left out there.
fn digest(folder: &Path, precision: &str) -> String {
    let mut hash = Sha256::new();
    let file = fs::read(folder.join("last.safetensors")).unwrap();
    let mut tensors = SafeTensors::deserialize(&file).unwrap().tensors();
    tensors.retain(|(name, _)| name.starts_with("fc") || name.starts_with("norm"));
    tensors.sort_by(|(a, _), (b, _)| a.cmp(b));
    for (name, tensor) in tensors {
        hash.update(name);
        hash.update(tensor.data());
    }
    for (table, columns) in [
        ("iterations.csv", &["loss", "learning_rate", "gradient_norm"][..]),
        ("epochs.csv", &["train_loss", "validation_loss", "train_accuracy", "validation_accuracy"]),
    ] {
        let mut table = csv::Reader::from_path(folder.join(table)).unwrap();
        let headers = table.headers().unwrap().clone();
        for record in table.records().map(Result::unwrap) {
            for column in columns {
                let field = &record[headers.iter().position(|name| name == *column).unwrap()];
                match field {
                    "" if *column == "gradient_norm" => {}
                    "" | "NaN" => hash.update(b"-"),
                    _ if column.ends_with("loss") => {
                        hash.update(field.parse::<f32>().unwrap().to_le_bytes());
                    }
                    _ => hash.update(field.parse::<f64>().unwrap().to_le_bytes()),
                }
            }
        }
    }
    let summary = fs::read(folder.join("summary.json")).unwrap();
    let summary: serde_json::Value = serde_json::from_slice(&summary).unwrap();
    let tested = if precision == "bf16" { &[][..] } else { &["test_accuracy", "test_loss"] };
    for &key in tested {
        hash.update(summary[key].as_f64().unwrap().to_le_bytes());
    }
    hash.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(target_arch = "x86_64")]
fn has_fma() -> bool {
    is_x86_feature_detected!("fma") && is_x86_feature_detected!("avx2")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_fma() -> bool {
    false
}

/// Gray images of 12 x 12 in ten classes, each pixel like the one before it: few enough to whiten.
fn bands() -> Data {
    let shape = Shape { channels: 1, height: 12, width: 12 };
    let mut state = 1u32;
    let mut images = |n: usize| {
        let mut last = 0;
        let pixel = |i: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            last = (3 * last + (state >> 24)) / 4;
            (last / 2 + (i / shape.dim() % 10 * 12) as u32) as u8
        };
        let pixels = (0..n * shape.dim()).map(pixel).collect();
        Images::new(pixels, (0..n).map(|i| (i % 10) as u8).collect(), shape, 10).unwrap()
    };
    let classes = (0..10).map(|i| i.to_string()).collect();
    let dataset = Dataset { name: "bands".into(), classes, train: images(240), test: images(60) };
    Data::new(dataset, "bands")
}

/// Runs all cases with the kernels of this process.
fn check(kernel: &str, precision: &str) {
    let (sample, bands) = (Data::sample(), bands());
    if !has_fma() {
        println!("no digests for this machine: only 1 and 3 threads are compared");
    }
    let mut wrong = vec![];
    let few = (kernel, precision) == ("portable", "bf16");
    for case in cases().iter().filter(|case| !few || FEW.contains(&&*case.case)) {
        let digest = [1, 3].map(|threads| {
            let out = tempfile::tempdir().unwrap();
            let data = if case.settings.contains("'bands'") { &bands } else { &sample };
            run(&case.config(threads, precision), data, out.path(), &mut Quiet)
                .unwrap_or_else(|error| panic!("{}: {error}", case.case));
            digest(out.path(), precision)
        });
        if digest[0] != digest[1] {
            wrong.push(format!("{}: 1 and 3 threads differ", case.case));
        } else if has_fma() && digest[0] != case.expected(kernel, precision) {
            wrong.push(format!("{}: {}", case.case, digest[0]));
        }
    }
    assert!(wrong.is_empty(), "{kernel}: {} of them changed:\n{}", wrong.len(), wrong.join("\n"));
}

/// The kernels are chosen once a process, so each family has one of its own.
fn check_in_a_process(kernel: &str, precision: &str) {
    let kernels = Kernel::available();
    if !kernels.iter().any(|known| known.to_string() == kernel) {
        println!("{kernel} is not supported on this processor: skipped");
        return;
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "the_cases_of_one_family", "--ignored", "--nocapture"]);
    let output = child.env(KERNEL, kernel).env(PRECISION, precision).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    print!("{text}");
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "the cases were run:\n{text}");
}

#[test]
#[ignore = "a part of the tests below"]
fn the_cases_of_one_family() {
    let named = |variable| std::env::var(variable).expect("the kernels and precision are named");
    check(&named(KERNEL), &named(PRECISION));
}

#[test]
fn a_recipe_that_was_published_still_gives_its_bits_with_avx512() {
    check_in_a_process("avx512", "f32");
}

#[test]
fn a_recipe_that_was_published_still_gives_its_bits_with_avx2() {
    check_in_a_process("avx2", "f32");
}

#[test]
fn a_recipe_that_was_published_still_gives_its_bits_with_portable_kernels() {
    check_in_a_process("portable", "f32");
}

#[test]
fn a_recipe_in_bf16_has_the_same_bits_with_amx() {
    check_in_a_process("amx", "bf16");
}

#[test]
fn a_recipe_in_bf16_has_the_same_bits_with_avx512_bf16() {
    check_in_a_process("avx512_bf16", "bf16");
}

#[test]
fn a_recipe_in_bf16_has_the_same_bits_with_avx512() {
    check_in_a_process("avx512", "bf16");
}

#[test]
fn a_recipe_in_bf16_has_the_same_bits_with_avx2() {
    check_in_a_process("avx2", "bf16");
}

#[test]
fn a_recipe_in_bf16_has_the_same_bits_with_portable() {
    check_in_a_process("portable", "bf16");
}
