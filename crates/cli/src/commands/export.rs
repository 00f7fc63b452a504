//! `chainrule export`: a saved model in the format of other programs.

use std::path::PathBuf;

use anyhow::Context;
use chainrule_train::Opened;
use chainrule_train::export::npz::npz;
use chainrule_train::export::onnx::{self, onnx};
use clap::ValueEnum;

use super::{check_output, is_standard_output, write_output, wrong_command_line};

/// Arguments of `chainrule export`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  chainrule export results/run-001 onnx model.onnx
  chainrule export results/run-001 onnx -o model.onnx --opset 21
  chainrule export pytorch.safetensors npz -o - > model.npz

In Python:
  onnxruntime.InferenceSession(\"model.onnx\").run(None, {\"pixels\": images})
      images: numpy uint8 (N, 3, 32, 32), 0 to 255, or as those of the training; the result: probabilities (N, classes)
  numpy.load(\"model.npz\")[\"fc1.weight\"]
  safetensors.torch.load_file(\"model.safetensors\")
")]
pub struct Args {
    /// A run's folder or a safetensors file; the format, onnx, npz or safetensors; the file to write,
    /// where - is standard output
    #[arg(value_names = ["MODEL", "FORMAT", "FILE"], num_args = 0..=3)]
    arguments: Vec<PathBuf>,
    /// The model, if it is not named first
    #[arg(long, value_name = "DIR|FILE")]
    model: Option<PathBuf>,
    /// The format, if it is not named after the model
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// The file to write, if it is not named last
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// ONNX opset version [default: 17; 20 with gelu]
    #[arg(long, value_name = "N")]
    opset: Option<u8>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Format {
    /// A graph from pixels to probabilities, the normalization in it
    Onnx,
    /// The weights as arrays of numpy, with input.mean and input.std
    Npz,
    /// The model file, checked: PyTorch's load_state_dict takes it
    Safetensors,
}

impl Args {
    /// Model, format and file, each by its flag or in its place.
    fn parts(self) -> (PathBuf, Format, PathBuf, Option<u8>) {
        let mut rest = self.arguments.into_iter();
        let mut next = |named: Option<PathBuf>, what: &str| {
            named.or_else(|| rest.next()).unwrap_or_else(|| {
                wrong_command_line(&format!(
                    "no {what} was named: expected MODEL FORMAT FILE, as in `chainrule export \
                     results/run-001 onnx model.onnx`"
                ))
            })
        };
        let model = next(self.model, "model");
        let format = self.format.unwrap_or_else(|| {
            let word = next(None, "format");
            Format::from_str(&word.to_string_lossy(), true).unwrap_or_else(|_| {
                wrong_command_line(&format!(
                    "{} is not a format: expected onnx, npz or safetensors",
                    word.display()
                ))
            })
        });
        let output = next(self.output, "file");
        if let Some(more) = rest.next() {
            wrong_command_line(&format!("{} is one argument too many", more.display()));
        }
        if self.opset.is_some() && format != Format::Onnx {
            wrong_command_line("--opset is of ONNX alone");
        }
        if let Some(opset) = self.opset.filter(|opset| !onnx::OPSETS.contains(opset)) {
            let (least, most) = (onnx::OPSETS.start(), onnx::OPSETS.end());
            wrong_command_line(&format!("--opset is {opset}: expected {least} to {most}"));
        }
        (model, format, output, self.opset)
    }
}

/// Runs the command.
pub fn run(args: Args) -> anyhow::Result<()> {
    let (named, format, output, opset) = args.parts();
    let Opened { model, path, .. } = super::model::open(&named)?;
    check_output(&output, [named.as_path(), &path])?;
    let failed = || format!("cannot export {}", path.display());
    let bytes = match format {
        Format::Onnx => onnx(&model, &model.classes(), opset).with_context(failed)?,
        Format::Npz => npz(&model).with_context(failed)?,
        Format::Safetensors => model.serialize(),
    };
    write_output(&output, &bytes)?;
    if !is_standard_output(&output) {
        say!("{}: {} bytes", output.display(), bytes.len());
    }
    Ok(())
}
