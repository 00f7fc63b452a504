//! `chainrule train --find-lr`: the loss while the learning rate grows, as a table and a picture.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use chainrule_report::Trial;
use chainrule_train::lr_finder::{Point, Search};
use chainrule_train::{Config, Data};

use super::write_output;

/// The default folder.
const FOLDER: &str = "results/lr-finder";

/// Searches with these settings, writes `lr_finder.csv`, `.svg` and `.png` into `out`, in the place
/// of those of an earlier search, and prints the rates to choose from.
pub fn run(
    config: &Config,
    data: &Data,
    out: Option<&Path>,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let out = out.unwrap_or(Path::new(FOLDER));
    let search = chainrule_train::find_lr(config, data, |step| note!("{step}"))?;
    std::fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
    write_output(&out.join("lr_finder.csv"), &table(&search.points)?)?;
    let figure = draw(config, &search);
    write_output(&out.join("lr_finder.svg"), figure.svg().as_bytes())?;
    write_output(&out.join("lr_finder.png"), &figure.png()?)?;
    if json {
        let found = serde_json::json!({
            "steps": search.points.len(),
            "steepest": search.steepest,
            "tenth_of_least": search.tenth_of_least,
            "ended": search.ended,
            "folder": out,
        });
        say!("{}", serde_json::to_string_pretty(&found)?);
    } else {
        print(&search, out)?;
    }
    // Without a rate to recommend there is nothing to go on with.
    Ok(if search.steepest.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn table(points: &[Point]) -> anyhow::Result<Vec<u8>> {
    let mut csv = csv::WriterBuilder::new().has_headers(false).from_writer(vec![]);
    csv.write_record(["step", "learning_rate", "loss", "smoothed_loss"])?;
    for point in points {
        csv.serialize(point)?;
    }
    Ok(csv.into_inner()?)
}

/// A rate as a person writes it: two digits that count.
fn short(rate: f64) -> String {
    let places = (1.0 - rate.log10().floor()).max(0.0) as usize;
    let text = format!("{rate:.places$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

fn draw(config: &Config, search: &Search) -> chainrule_report::Figure {
    let trial = |point: &Point| Trial {
        learning_rate: point.learning_rate,
        loss: point.loss,
        smoothed_loss: point.smoothed_loss,
    };
    let trials: Vec<_> = search.points.iter().map(trial).collect();
    let mark = |name: &str, rate: Option<f64>| Some((format!("{name}: {}", short(rate?)), rate?));
    let marks: Vec<_> = [
        mark("falls most steeply", search.steepest),
        mark("a tenth of where it is least", search.tenth_of_least),
    ]
    .into_iter()
    .flatten()
    .collect();
    let widths: Vec<_> = config.hidden_dim.iter().map(usize::to_string).collect();
    let network = match widths.is_empty() {
        true => "linear classifier".to_owned(),
        false => format!("{} hidden units", widths.join(" + ")),
    };
    let mut subtitle =
        vec![format!("{network}, batch {}, seed {}", config.batch_size, config.seed)];
    subtitle.extend(search.ended.as_ref().map(|why| format!("ended early: {why}")));
    chainrule_report::lr_finder(&trials, &marks, subtitle)
}

fn print(search: &Search, out: &Path) -> anyhow::Result<()> {
    let steps = search.points.len();
    match &search.ended {
        Some(why) => say!("{steps} steps, until {why}."),
        None => say!("{steps} steps."),
    }
    match search.steepest {
        Some(rate) => {
            say!("\nWhere the smoothed loss falls most steeply:");
            say!("  --learning-rate {}", short(rate));
        }
        None => say!("\nThe smoothed loss does not fall at any rate: there is none to recommend."),
    }
    if let Some(rate) = search.tenth_of_least {
        say!("A tenth of the rate at which it is least:");
        say!("  --learning-rate {}", short(rate));
    }
    say!(
        "\nBoth are careful: they look at some hundred steps from the first weights. A rate that falls"
    );
    say!(
        "on a schedule may begin several times higher; try some between (chainrule sweep), below the"
    );
    say!("rate at which the loss rises again.");
    say!("\nResults: {}  (lr_finder.svg, lr_finder.png, lr_finder.csv)", out.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn a_rate_is_written_with_the_two_digits_that_count() {
        let rates = [0.0234, 0.1, 1.26e-5, 3.77, 0.000996, 12.0];
        assert_eq!(rates.map(short), ["0.023", "0.1", "0.000013", "3.8", "0.001", "12"]);
    }
}
