//! `chainrule export`: a saved model in the format of other programs.

use std::path::PathBuf;

use anyhow::Context;
use chainrule_train::ModelFile;
use chainrule_train::export::{npz::npz, onnx::onnx};

use super::write_output;

/// Arguments of `chainrule export`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  chainrule export --model results/run-001 --format onnx -o model.onnx
  chainrule export --model pytorch.safetensors --format npz -o model.npz

In Python:
  onnxruntime.InferenceSession(\"model.onnx\").run(None, {\"pixels\": images})
      images: numpy uint8 (N, 3, 32, 32), 0 to 255, or as those of the training; the result: probabilities (N, classes)
  numpy.load(\"model.npz\")[\"fc1.weight\"]
  safetensors.torch.load_file(\"model.safetensors\")
")]
pub struct Args {
    /// A run's folder, or a safetensors file
    #[arg(long, value_name = "DIR|FILE")]
    model: PathBuf,
    /// The format
    #[arg(long, value_enum)]
    format: Format,
    /// The file to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Format {
    /// A graph from pixels to probabilities, the normalization in it
    Onnx,
    /// The weights as arrays of numpy, with input.mean and input.std
    Npz,
    /// The model file, checked: PyTorch's load_state_dict takes it
    Safetensors,
}

/// Runs the command.
pub fn run(args: Args) -> anyhow::Result<()> {
    let file = ModelFile::locate(&args.model);
    let model = ModelFile::load(&file)?;
    let bytes = match args.format {
        Format::Onnx => onnx(&model, &model.classes()),
        Format::Npz => npz(&model),
        Format::Safetensors => Ok(model.serialize()),
    };
    let bytes = bytes.with_context(|| format!("cannot export {}", file.display()))?;
    write_output(&args.output, &bytes)?;
    say!("{}: {} bytes", args.output.display(), bytes.len());
    Ok(())
}
