//! What a sweep has found: its table, its chart, the ranking in words or as JSON.

use std::path::Path;

use anyhow::bail;
use chainrule_report::{Swept, SweptKey};
use chainrule_train::sweep::{Outcome, Ranked, Ranking, Run, RunState, ranking, shown};
use chainrule_train::{Epoch, Summary, Sweep};
use serde_json::{Value, json};

use super::super::write_whole;
use super::{plural, settings};
use crate::shell::quoting::{program, quoted};

/// Writes `sweep.csv`: a run a line.
pub fn write_table(sweep: &Sweep, out: &Path, runs: &[RunState]) -> anyhow::Result<()> {
    let ranking = Ranking::new(sweep, runs);
    let mut csv = csv::Writer::from_writer(vec![]);
    let mut header = vec!["run", "point", "seed", "rank"];
    header.extend(sweep.varied().iter().map(|varied| varied.key.as_str()));
    header.extend([
        "validation_accuracy",
        "validation_loss",
        "best_epoch",
        "trained_epochs",
        "seconds",
        "status",
        "reason",
        "rung",
    ]);
    csv.write_record(header)?;
    for state in runs {
        let RunState { run, outcome, .. } = state;
        let rank = ranking.points.iter().position(|ranked| ranked.point == run.point);
        let place = rank.filter(|&rank| is_ranked(&ranking.points[rank]));
        let mut record = vec![
            run.name.clone(),
            run.point.to_string(),
            run.config.seed.to_string(),
            place.map_or(String::new(), |rank| (rank + 1).to_string()),
        ];
        record.extend(sweep.points()[run.point].values.iter().map(shown));
        let empty = String::new;
        let of = |epoch: &Epoch, seconds: f64| {
            [
                epoch.validation_accuracy.to_string(),
                epoch.validation_loss.to_string(),
                epoch.epoch.to_string(),
                state.trained().to_string(),
                seconds.to_string(),
            ]
        };
        record.extend(match outcome {
            Outcome::Waiting | Outcome::Unfinished => {
                [empty(), empty(), empty(), state.trained().to_string(), empty()]
            }
            Outcome::Stopped => {
                let seconds = state.epochs.last().and_then(|epoch| epoch.seconds).unwrap_or(0.0);
                let best = state.best(state.trained()).expect("it was compared by this epoch");
                of(best, seconds)
            }
            Outcome::Finished { summary, validation_loss } => [
                summary.validation_accuracy.to_string(),
                validation_loss.to_string(),
                summary.best_epoch.to_string(),
                summary.epochs.to_string(),
                summary.seconds.to_string(),
            ],
            Outcome::Diverged { seconds, .. } => {
                [empty(), empty(), empty(), state.trained().to_string(), seconds.to_string()]
            }
        });
        record.push(outcome.word().into());
        record.push(match outcome {
            Outcome::Diverged { reason, .. } => reason.clone(),
            _ => empty(),
        });
        record.push(sweep.halving().map_or(empty(), |_| state.rung.to_string()));
        csv.write_record(record)?;
    }
    write_whole(&out.join("sweep.csv"), &csv.into_inner()?)
}

/// Whether there is anything to rank a point by.
fn is_ranked(point: &Ranked) -> bool {
    point.accuracy.is_some() || point.diverged.is_some()
}

/// Writes the table and the chart, and prints the ranking and the winner's test accuracy.
pub fn conclude(
    sweep: &Sweep,
    out: &Path,
    runs: &[RunState],
    as_json: bool,
) -> anyhow::Result<Ranking> {
    let summaries = || {
        runs.iter().filter_map(|state| match &state.outcome {
            Outcome::Finished { summary, .. } => Some((&state.run, &**summary)),
            _ => None,
        })
    };
    let mut sources = summaries().map(|(run, summary)| (run, &summary.data));
    if let Some((first, data)) = sources.next()
        && let Some((other, images)) = sources.find(|(_, images)| *images != data)
    {
        bail!(
            "run {} was on {data} and run {} on {images}, which cannot be ranked together: remove \
             the runs on the wrong images",
            first.name,
            other.name
        );
    }
    write_table(sweep, out, runs)?;
    let ranking = Ranking::new(sweep, runs);
    if !sweep.varied().is_empty() {
        let figure = chart(sweep, &ranking, runs);
        write_whole(&out.join("sweep.svg"), figure.svg().as_bytes())?;
        write_whole(&out.join("sweep.png"), &figure.png()?)?;
    }
    // The test images are looked at once, at the end.
    let is_over = runs.iter().all(|state| state.outcome.is_over());
    let of_best: Vec<(&Run, &Summary)> = match ranking.best().filter(|_| is_over) {
        Some(best) => summaries().filter(|(run, _)| run.point == best.point).collect(),
        None => vec![],
    };
    if as_json {
        let value = to_json(sweep, out, runs, &ranking, &of_best);
        say!("{}", serde_json::to_string_pretty(&value)?);
    } else {
        print(sweep, out, &ranking, &of_best)?;
    }
    Ok(ranking)
}

fn chart(sweep: &Sweep, ranking: &Ranking, runs: &[RunState]) -> chainrule_report::Figure {
    let shown_points: Vec<&Ranked> =
        ranking.points.iter().filter(|point| is_ranked(point)).collect();
    let accuracies: Vec<_> = shown_points
        .iter()
        .map(|point| point.compared.filter(|_| point.diverged.is_none()))
        .collect();
    let keys: Vec<_> = sweep
        .varied()
        .iter()
        .enumerate()
        .map(|(i, varied)| {
            let values = shown_points.iter().map(|point| {
                let value = &sweep.points()[point.point].values[i];
                ranking::number(value).map_or_else(|| Swept::Word(shown(value)), Swept::Number)
            });
            SweptKey {
                name: varied.key.clone(),
                logarithmic: varied.logarithmic,
                values: values.collect(),
                groups: ranking.groups[i].clone(),
                share: ranking.shares[i],
            }
        })
        .collect();
    let count = |word| runs.iter().filter(|state| state.outcome.word() == word).count();
    let mut subtitle = vec![format!(
        "{} of {} runs finished, {}{} diverged; {} seed{} a point; ranked on validation alone{}",
        count("finished"),
        runs.len(),
        sweep.halving().map_or(String::new(), |_| format!("{} stopped, ", count("stopped"))),
        count("diverged"),
        sweep.seeds(),
        plural(sweep.seeds() as usize),
        first_rung(sweep)
    )];
    let best = ranking.best().and_then(|best| Some((best, best.accuracy?)));
    subtitle.extend(best.map(|(best, accuracy)| {
        let point = &sweep.points()[best.point];
        format!("best: {:.2} %, {}", 100.0 * accuracy, settings(sweep, point))
    }));
    let title = "What mattered".into();
    chainrule_report::sweep(title, subtitle, &keys, &accuracies, best.map(|_| 0))
}

/// Until when the points are compared to say what mattered.
fn first_rung(sweep: &Sweep) -> String {
    let rung = sweep.halving().and_then(|halving| halving.rungs.first());
    rung.map_or(String::new(), |epoch| format!(", by the accuracy until epoch {epoch}"))
}

/// Most lines of the ranking that are printed; the table has them all.
const MOST_LINES: usize = 30;

fn print(
    sweep: &Sweep,
    out: &Path,
    ranking: &Ranking,
    of_best: &[(&Run, &Summary)],
) -> anyhow::Result<()> {
    let several = sweep.seeds() > 1;
    let mut header = vec!["rank".to_owned(), "point".into(), "validation".into()];
    if several {
        header.extend(["deviation".into(), "runs".into()]);
    }
    if sweep.halving().is_some() {
        header.push("rung".into());
    }
    header.extend(sweep.varied().iter().map(|varied| varied.key.clone()));
    let mut rows = vec![header];
    let ranked: Vec<_> = ranking.points.iter().filter(|point| is_ranked(point)).collect();
    for (i, point) in ranked.iter().enumerate().take(MOST_LINES) {
        let percent = |share: Option<f64>| match share {
            Some(share) => format!("{:.2} %", 100.0 * share),
            None => "-".into(),
        };
        let accuracy = match point.diverged {
            Some(_) => "diverged".into(),
            None => percent(point.accuracy),
        };
        let mut row = vec![(i + 1).to_string(), point.point.to_string(), accuracy];
        if several {
            row.push(percent(point.deviation));
            row.push(format!("{}/{}", point.finished, sweep.seeds()));
        }
        if sweep.halving().is_some() {
            row.push(point.rung.to_string());
        }
        row.extend(sweep.points()[point.point].values.iter().map(shown));
        rows.push(row);
    }
    let widths: Vec<usize> = (0..rows[0].len())
        .map(|i| rows.iter().map(|row| row[i].chars().count()).max().unwrap_or(0))
        .collect();
    say!("");
    let reasons = ranked.iter().map(|point| point.diverged.as_deref());
    for (row, reason) in rows.iter().zip(std::iter::once(None).chain(reasons)) {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:>width$}"));
        let line = cells.chain(reason.map(str::to_owned)).collect::<Vec<_>>().join("  ");
        say!("{line}");
    }
    if ranked.len() > MOST_LINES {
        say!("... and {} more in {}", ranked.len() - MOST_LINES, out.join("sweep.csv").display());
    }
    if ranking.shares.iter().any(Option::is_some) {
        say!(
            "\nWhat mattered: the share of the variance of the validation accuracy that a key alone"
        );
        say!("explains, among points that did not diverge (Kelley's epsilon squared; the rest is");
        say!("interplay and chance){}", first_rung(sweep));
        let width = sweep.varied().iter().map(|varied| varied.key.len()).max().unwrap_or(0);
        for (varied, share) in sweep.varied().iter().zip(&ranking.shares) {
            if let Some(share) = share {
                say!("  {:<width$}  {:>3.0} %", varied.key, 100.0 * share);
            }
        }
    }
    match (ranking.best(), of_best) {
        (Some(best), [(first, _), ..]) => {
            let tests: Vec<_> = of_best.iter().map(|(_, summary)| summary.test_accuracy).collect();
            let test = 100.0 * ranking::mean(&tests).unwrap_or(f64::NAN);
            say!(
                "\nThe winner, chosen on validation: point {}; {:.2} % of the test images right{}.",
                best.point,
                test,
                match ranking::deviation(&tests) {
                    Some(deviation) => format!(
                        ", the mean of {} seeds with deviation {:.2} %",
                        tests.len(),
                        100.0 * deviation
                    ),
                    None => String::new(),
                }
            );
            if of_best.iter().any(|(_, summary)| summary.data == "sample") {
                say!("Trained on the SAMPLE of 1,000 images, not on CIFAR-10: it means nothing.");
            }
            let recipe = Sweep::folder(out, first).join("config.toml");
            let recipe = quoted(&recipe.to_string_lossy());
            say!("Again:   {} train --recipe {recipe}", program());
        }
        (Some(best), []) => {
            say!(
                "\nBest on validation so far: point {}. When all runs are over, its test accuracy is told.",
                best.point
            );
        }
        (None, _) => say!("\nNo point has a result."),
    }
    say!("Results: {}  (sweep.csv, sweep.svg, sweep.png, and a folder a run)", out.display());
    Ok(())
}

fn to_json(
    sweep: &Sweep,
    out: &Path,
    runs: &[RunState],
    ranking: &Ranking,
    of_best: &[(&Run, &Summary)],
) -> Value {
    let varied = |point: usize| -> Value {
        let values = sweep.points()[point].values.iter();
        let pairs = sweep.varied().iter().zip(values).map(|(varied, value)| {
            (varied.key.clone(), serde_json::to_value(value).unwrap_or(Value::Null))
        });
        Value::Object(pairs.collect())
    };
    let shares = sweep.varied().iter().zip(&ranking.shares);
    let shares = shares.map(|(varied, share)| json!({ "key": varied.key, "share": share }));
    let ranked = ranking.points.iter().filter(|point| is_ranked(point));
    let points = ranked.enumerate().map(|(i, point)| {
        json!({
            "rank": i + 1,
            "point": point.point,
            "settings": varied(point.point),
            "validation_accuracy": point.accuracy,
            "deviation": point.deviation,
            "validation_loss": point.loss,
            "finished": point.finished,
            "diverged": point.diverged,
            "rung": sweep.halving().map(|_| point.rung),
        })
    });
    let runs = runs.iter().map(|state| {
        json!({
            "run": state.run.name,
            "point": state.run.point,
            "seed": state.run.config.seed,
            "status": state.outcome.word(),
            "rung": sweep.halving().map(|_| state.rung),
        })
    });
    let tests: Vec<_> = of_best.iter().map(|(_, summary)| summary.test_accuracy).collect();
    json!({
        "folder": out,
        "ranking": points.collect::<Vec<_>>(),
        "mattered": shares.collect::<Vec<_>>(),
        "best": ranking.best().map(|best| json!({
            "point": best.point,
            "settings": varied(best.point),
            "validation_accuracy": best.accuracy,
            "test_accuracy": ranking::mean(&tests),
            "test_deviation": ranking::deviation(&tests),
        })),
        "runs": runs.collect::<Vec<_>>(),
    })
}
