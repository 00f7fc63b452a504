//! `chainrule ensemble`: several networks as one, whose scores are the mean of theirs.

use std::collections::HashSet;
use std::path::PathBuf;

use anyhow::{Context, bail};
use chainrule_runs::RunFolder;
use chainrule_runs::folder::MODEL;
use chainrule_train::{Opened, Origin, ensemble};

/// Arguments of `chainrule ensemble`.
#[derive(clap::Args)]
#[command(after_help = "\
The hidden layers of all members stand side by side, so that the file is an ordinary network: eval,
predict, export, report and describe take it like any other. Members may differ in their widths,
seeds and settings; depth, activation and contrast normalization must be the same.

If all members are runs on the same images, the folder is that of a run without a step: with its
settings, accuracies and test.

Examples:
  chainrule ensemble results/seeds/0 results/seeds/1 results/seeds/2 --out results/ensemble
  chainrule ensemble a.safetensors b.safetensors -o both
")]
pub struct Args {
    /// Folders of runs, or safetensors files: two or more
    #[arg(value_name = "RUN|FILE", required = true)]
    members: Vec<PathBuf>,
    /// The folder to write, new or empty
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// Where the images of the runs lie [default: as the first run had them]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// Runs the command.
pub fn run(args: Args) -> anyhow::Result<()> {
    let members: Vec<Opened> =
        args.members.iter().map(|member| super::model::open(member)).collect::<Result<_, _>>()?;
    let mut files = HashSet::new();
    for Opened { path, .. } in &members {
        if !files.insert(path.canonicalize().unwrap_or_else(|_| path.clone())) {
            bail!("{} is a member twice: name each member once", path.display());
        }
    }
    let model = ensemble(&members)?;
    let origins: Vec<Option<Origin>> =
        args.members.iter().map(|member| Origin::of(member)).collect::<Result<_, _>>()?;
    let origins: Option<Vec<Origin>> = origins.into_iter().collect();
    let mut data = None;
    if let Some(origins) = &origins {
        let mut config = origins[0].config.clone();
        if let Some(dir) = args.data_dir {
            config.move_data(dir);
        }
        data = super::images::at_hand(&config)?;
        let why = "the images of the runs are not there: the ensemble is written and not tested";
        match &data {
            Some(data) => origins.iter().try_for_each(|origin| origin.check(data))?,
            None => note!("note: {why}; --data-dir says where they are"),
        }
    }
    if let Some(data) = &data {
        model.check_images(&members[0].path, &data.dataset.train)?;
    }
    let folder = RunFolder::create(&args.out)?;
    let (out, hidden) = (args.out.display(), model.classifier.widths());
    let hidden: Vec<_> = hidden[1..hidden.len() - 1].iter().map(usize::to_string).collect();
    match (&origins, &data) {
        (Some(origins), Some(data)) => {
            let summary = ensemble::write(&model, origins, data, &folder)
                .with_context(|| format!("{out}: the ensemble was not written"))?;
            let plain = summary.test_accuracy_plain.zip(summary.views());
            let plain = plain.map_or(String::new(), |(plain, views)| {
                format!(" with {views}, {:.2} % without", 100.0 * plain)
            });
            say!("Test accuracy {:.2} %{plain}.", 100.0 * summary.test_accuracy);
        }
        _ => model.save(&args.out.join(MODEL))?,
    }
    say!(
        "{out}: {} networks as one, of {} hidden units",
        members.len(),
        if hidden.is_empty() { "no".into() } else { hidden.join(", ") }
    );
    Ok(())
}
