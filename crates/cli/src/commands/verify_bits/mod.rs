//! `chainrule verify-bits`: train the published recipes, and compare the bits with the published ones.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, bail};
use chainrule_tensor::Isa;
use chainrule_tensor::isa::VARIABLE;
use serde::Serialize;
use sha2::{Digest, Sha256};

/// The recipes, with every setting named. The images of `deep` are [`bands`].
const RECIPES: [(&str, &str); 3] = [
    ("two-layer", include_str!("two-layer.toml")),
    ("deep", include_str!("deep.toml")),
    ("layer-norm", include_str!("layer-norm.toml")),
];

/// The hash of the vector kernels, AVX2 and AVX-512, on every machine.
const VECTOR: &str = "de243b7dadd1b9959164559887129e116eb43a9924cdf8e66fde6a49e7cf28e1";

/// That of the portable kernels, where matrixmultiply finds fused multiply-adds on x86.
const PORTABLE: &str = "d11f89f84620f15a549d20353773283c09f5a03ead4637a2e2e67de175e8678a";

/// Arguments of `chainrule verify-bits`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  chainrule verify-bits                 a few seconds; exit code 1 if a hash differs
  chainrule verify-bits --threads 1,2,16
  chainrule verify-bits --json
")]
pub struct Args {
    /// Numbers of threads to train with
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "1,3")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Vec<u16>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// The recipes trained with these kernels and threads.
#[derive(Serialize)]
struct Row {
    kernel: String,
    threads: u16,
    sha256: String,
    /// Absent where none is published for this processor.
    #[serde(skip_serializing_if = "Option::is_none")]
    published: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    same: Option<bool>,
}

/// Runs the command.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let dir = tempfile::tempdir().context("no folder for the runs could be made")?;
    bands::write(&dir.path().join("bands"))?;
    let mut rows = vec![];
    for isa in Isa::available().into_iter().rev() {
        for &threads in &args.threads {
            let row = verify(dir.path(), isa, threads)?;
            if !args.json {
                print(&row)?;
            }
            rows.push(row);
        }
    }
    let all_same = rows.iter().all(|row| row.same != Some(false));
    if args.json {
        say!("{}", serde_json::to_string_pretty(&rows)?);
    } else if !all_same {
        eprintln!(
            "These are not the published bits: the arithmetic of this build is not that of the release."
        );
    }
    Ok(if all_same { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(row: &Row) -> anyhow::Result<()> {
    let verdict = match row.same {
        Some(true) => "same bits",
        Some(false) => "differ",
        None => "no hash is published for this processor",
    };
    let threads = format!("{} thread{}", row.threads, if row.threads == 1 { "" } else { "s" });
    say!("{:<9} {threads:<11} {}  {verdict}", row.kernel, row.sha256);
    if let (Some(published), Some(false)) = (row.published, row.same) {
        say!("{:<21} {published}  published", "");
    }
    Ok(())
}

fn verify(dir: &Path, isa: Isa, threads: u16) -> anyhow::Result<Row> {
    let mut hash = Sha256::new();
    for (name, recipe) in RECIPES {
        let out = dir.join(format!("{name}-{isa}-{threads}"));
        train(dir, recipe, isa, threads, &out).with_context(|| format!("the recipe {name}"))?;
        hash.update(chainrule_train::fingerprint(&out)?);
    }
    let sha256: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let published = match isa == Isa::PORTABLE {
        true => has_fma().then_some(PORTABLE),
        false => Some(VECTOR),
    };
    let same = published.map(|published| published == sha256);
    Ok(Row { kernel: isa.to_string(), threads, sha256, published, same })
}

/// Trains in a process of its own, for which the kernels are chosen as for any run.
fn train(dir: &Path, recipe: &str, isa: Isa, threads: u16, out: &Path) -> anyhow::Result<()> {
    let file = dir.join("recipe.toml");
    std::fs::write(&file, recipe)?;
    let mut command = Command::new(std::env::current_exe()?);
    // The folder of images is named by the recipe, relative to this one.
    command.current_dir(dir).args(["train", "--quiet", "--json", "--recipe"]).arg(&file);
    command.args(["--threads", &threads.to_string(), "--out"]).arg(out);
    let output = command.env(VARIABLE, isa.to_string()).output()?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

#[cfg(target_arch = "x86_64")]
fn has_fma() -> bool {
    is_x86_feature_detected!("fma")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_fma() -> bool {
    false
}

/// Gray images of 12 x 12 in ten classes, made of whole numbers alone: few enough pixels to whiten
/// in a moment.
mod bands {
    use std::path::Path;

    const SIDE: usize = 12;

    /// Writes 240 images to train on and 60 to test with, as IDX files.
    pub fn write(dir: &Path) -> anyhow::Result<()> {
        std::fs::create_dir(dir)?;
        let mut state = 1u32;
        for (part, n) in [("train", 240), ("t10k", 60)] {
            let mut last = 0;
            let mut pixel = |i: usize| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                last = (3 * last + (state >> 24)) / 4;
                (last / 2 + (i / (SIDE * SIDE) % 10 * 12) as u32) as u8
            };
            let pixels = (0..n * SIDE * SIDE).map(&mut pixel);
            let header = |kind: u8, sizes: &[usize]| {
                let sizes = sizes.iter().flat_map(|&size| (size as u32).to_be_bytes());
                [0, 0, 8, kind].into_iter().chain(sizes).collect::<Vec<u8>>()
            };
            let images: Vec<u8> = header(3, &[n, SIDE, SIDE]).into_iter().chain(pixels).collect();
            let labels = header(1, &[n]).into_iter().chain((0..n).map(|i| (i % 10) as u8));
            std::fs::write(dir.join(format!("{part}-images-idx3-ubyte")), images)?;
            std::fs::write(
                dir.join(format!("{part}-labels-idx1-ubyte")),
                labels.collect::<Vec<u8>>(),
            )?;
        }
        Ok(())
    }
}
