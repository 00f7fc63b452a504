//! `chainrule describe`: a saved model, layer by layer; or what a set of images holds.

use std::path::Path;

use anyhow::bail;
use chainrule_data::Shape;
use chainrule_train::config::DataChoice;
use chainrule_train::{Description, ModelFile, Plan, description};
use serde_json::json;

/// Arguments of `chainrule describe`.
#[derive(clap::Args)]
#[command(after_help = "\
Parameters, multiply-adds and memory are counted as torchinfo counts them. Batch normalization
and whitening are folded into the weights of a saved model, so they are not listed as layers.

Images are described as by `chainrule data describe`.

Examples:
  chainrule describe results/run-001
  chainrule describe pytorch.safetensors --batch-size 64 --json
  chainrule describe images:photos
")]
pub struct Args {
    /// A run's folder or a safetensors file; or cifar10, sample, images:DIR or a folder of images
    #[arg(value_name = "RUN|FILE|images:DIR")]
    what: String,
    /// Batch size for which shapes and memory of a model are given
    #[arg(long, value_name = "N", default_value_t = 1,
        value_parser = clap::value_parser!(u64).range(1..=1 << 32))]
    batch_size: u64,
    /// Seed that chooses the test pictures, as in training, where the folder has no test part
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Print {"file", "layers": [{"name", "kind", "output_shape", "parameters", "mult_adds"}],
    /// "parameters", "mult_adds", "image", "classes", ...}; of images, what `data describe` prints
    #[arg(long)]
    json: bool,
}

/// Whether a word names a model and no images: a file, or a folder in which a model lies.
fn is_model(what: &str) -> bool {
    let path = Path::new(what);
    path.is_file() && !what.ends_with(".gz") && !what.ends_with(".tar")
        || ModelFile::locate(path).is_file()
        || path.extension().is_some_and(|ending| ending == "safetensors")
}

/// Runs the command.
pub fn run(args: Args) -> anyhow::Result<()> {
    if !is_model(&args.what) {
        let data: DataChoice = args.what.parse()?;
        if matches!(&data, DataChoice::Place(path) if !path.exists()) {
            bail!("{} is not there: expected a run, a safetensors file, or images", args.what);
        }
        return super::data::describe(data, args.seed, args.json);
    }
    let opened = super::model::open(Path::new(&args.what))?;
    let model = &opened.model;
    let found = Description::of(model, args.batch_size);
    let (shape, classes) = (model.shape(), model.classes());
    let normalization = description::normalization(model);
    if args.json {
        let image = shape.map(|Shape { channels, height, width }| [channels, height, width]);
        let mut object = serde_json::to_value(&found)?;
        object["file"] = json!(opened.path);
        object["image"] = json!(image);
        object["classes"] = json!(classes);
        object["members"] = json!(model.members);
        object["normalization"] = json!(normalization);
        say!("{}", serde_json::to_string_pretty(&object)?);
        return Ok(());
    }
    let image = match shape {
        Some(Shape { channels, height, width }) => format!("{channels} x {height} x {width}"),
        None => format!("{} values", model.classifier.widths()[0]),
    };
    say!("{}", opened.path.display());
    say!("{}", found.table().trim_end());
    say!("Images: {image}, {normalization}");
    say!("Classes ({}): {}", classes.len(), classes.join(", "));
    if !model.members.is_empty() {
        let n = model.members.len();
        say!("An ensemble of {n} networks as one: {}", model.members.join(", "));
    }
    Ok(())
}

/// What the network of a run takes, in a line, before it is trained.
pub fn compact(plan: &Plan) -> String {
    let config = &plan.config;
    let widths = [&[plan.inputs], &config.hidden_dim[..], &[plan.classes]].concat();
    Description::new(&widths, config.hidden(), 1).compact()
}
